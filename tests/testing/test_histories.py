"""Random histories of an object, told to the embedded cluster and to a real kube-apiserver: the answers are equal."""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.testing.apiserver import EmbeddedCluster
from tests.servers.apiserver import RealCluster
from tests.servers.client import Client, Reply
from tests.testing.subject import Subject, b64, copy

Step = Callable[[Subject], Reply]

MANAGERS = st.sampled_from(["one", "two", "three"])
TEXTS = st.sampled_from(["1", "2"]).map(b64)
DATA = st.dictionaries(st.sampled_from("ABC"), TEXTS)
LABELS = st.dictionaries(st.sampled_from("xy"), st.sampled_from(["1", "2"]))
FLAGS = st.sampled_from(["", "", "&force=true", "&dryRun=All", "&force=true&dryRun=All"])
OPTIONAL = {"labels": LABELS, "annotations": LABELS}


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    meta = draw(st.fixed_dictionaries({"name": st.just("s")}, optional=OPTIONAL))
    typed = draw(st.fixed_dictionaries({}, optional={"type": st.just("Opaque"), "data": DATA}))
    # Rare, because little can happen to an object afterwards; with data, because the real one tells an
    # immutable object without data from one with empty data, and the embedded one does not.
    frozen = {"immutable": True} if typed.get("data") and draw(st.integers(0, 9)) == 0 else {}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta} | typed | frozen


def applying(body: dict[str, Any], manager: str, flags: str) -> Step:
    return lambda subject: subject.apply(body, manager, flags)


def putting(body: dict[str, Any], manager: str, flags: str) -> Step:
    return lambda subject: subject.put(body, manager, flags.replace("force=true", ""))


def creating(body: dict[str, Any], manager: str) -> Step:
    return lambda subject: subject.create(body, manager)


def merging(data: dict[str, str | None] | None, labels: dict[str, str | None], manager: str) -> Step:
    return lambda subject: subject.merge("s", {"data": data, "metadata": {"labels": labels}}, manager)


def patching(kind: str, key: str, value: str, manager: str) -> Step:
    return lambda subject: subject.json_patch("s", [{"op": kind, "path": f"/data/{key}", "value": value}], manager)


def handing_over(source: str, target: str, key: str) -> Step:
    """Move the ownership of a key, or of everything, from one manager's entries to another's Apply entry."""

    def step(subject: Subject) -> Reply:
        entries = subject.get("s").body.get("metadata", {}).get("managedFields", [])
        value = moved(copy(entries), source, target, key)
        return subject.json_patch("s", [{"op": "replace", "path": "/metadata/managedFields", "value": value}], target)

    return step


def moved(entries: list[dict[str, Any]], source: str, target: str, key: str) -> list[dict[str, Any]]:
    taker = next((entry for entry in entries if (entry["manager"], entry["operation"]) == (target, "Apply")), None)
    if taker is None:
        taker = {"manager": target, "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {}}
        entries.append(taker)
    for entry in entries:
        if entry is not taker and entry["manager"] == source:
            entry["fieldsV1"].get("f:data", {}).pop(f"f:{key}", None)
            taker["fieldsV1"].setdefault("f:data", {})[f"f:{key}"] = {}
    return entries


def forgetting() -> Step:
    return lambda subject: subject.json_patch(
        "s", [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}], "one"
    )


def deleting() -> Step:
    return lambda subject: subject.delete("s")


NULLABLE = st.dictionaries(st.sampled_from("ABC"), st.none() | TEXTS)
APPLYING = st.builds(applying, bodies(), MANAGERS, FLAGS)
STEPS = st.one_of(
    APPLYING,
    APPLYING,
    st.builds(putting, bodies(), MANAGERS, FLAGS),
    st.builds(creating, bodies(), MANAGERS),
    st.builds(
        merging, st.none() | NULLABLE, st.dictionaries(st.sampled_from("xy"), st.none() | st.just("1")), MANAGERS
    ),
    st.builds(patching, st.sampled_from(["add", "replace", "remove"]), st.sampled_from("ABC"), TEXTS, MANAGERS),
    st.builds(handing_over, MANAGERS, MANAGERS, st.sampled_from("ABC")),
    st.builds(forgetting),
    st.builds(deleting),
)


class Transcript:
    """A subject's answers with what may differ taken out: uids, times, and which number a version has."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._versions: dict[str, int] = {}

    def tell(self, step: Step) -> tuple[int, Any]:
        reply = step(self._subject)
        body = copy(reply.body)
        body.get("details", {}).pop("uid", None)
        for cause in body.get("details", {}).get("causes", []):
            cause["field"] = cause["field"].replace(self._subject.namespace, "NAMESPACE")
        body.get("details", {}).get("causes", []).sort(key=str)
        meta = body.get("metadata", {})
        for name in ("uid", "creationTimestamp", "namespace"):
            meta.pop(name, None)
        if "resourceVersion" in meta:
            meta["resourceVersion"] = self._versions.setdefault(meta["resourceVersion"], len(self._versions))
        for entry in meta.get("managedFields", []):
            entry["time"] = "time" in entry
        meta.get("managedFields", []).sort(key=lambda entry: (entry["manager"], entry["operation"]))
        return reply.status, body


@settings(max_examples=150)
@given(steps=st.lists(STEPS, min_size=2, max_size=12))
def test_both_clusters_answer_alike(real_cluster: RealCluster, steps: list[Step]) -> None:
    with EmbeddedCluster() as cluster:
        small = Subject(Client(cluster.url, cluster.token), "test")
        small.request("POST", "/api/v1/namespaces", {"metadata": {"name": "test"}})
        embedded, real = Transcript(small), Transcript(Subject(real_cluster.client, real_cluster.namespace()))
        for step in steps:
            assert embedded.tell(step) == real.tell(step)
