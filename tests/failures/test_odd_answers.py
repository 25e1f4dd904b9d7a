"""Each request of a run, answered with 200 and something other than what was asked for."""

import json
import re
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from bridge.testing.apiserver import Fault
from tests.desk import Desk, Result
from tests.failures.failing import DOUBT, JSON, objects, small
from tests.importing.moving import SHELF, moving_in
from tests.lease.leases import hold

pytestmark = pytest.mark.slow

KINDS = {
    "secrets": "Secret",
    "configmaps": "ConfigMap",
    "leases": "Lease",
    "events": "Event",
    "namespaces": "Namespace",
}
PATH = re.compile(r"/(?:api|apis/[^/]+)/v1/namespaces/(?P<namespace>[^/?]+)(?:/(?P<plural>[a-z]+)/(?P<name>[^/?]+))?")
NEW = "CANARY-new-{}"

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


def right_answer(path: str) -> dict[str, Any]:
    """Return an object as it would be right for a path, as far as anything looks at it."""
    found = PATH.match(path)
    assert found, path
    kind = KINDS[found["plural"] or "namespaces"]
    entry = {"manager": "a", "operation": "Update", "time": "2026-11-25T10:00:00Z", "fieldsV1": {"f:data": {"f:A": {}}}}
    metadata = {"uid": "uid-1", "resourceVersion": "7", "managedFields": [entry]}
    metadata |= {"name": found["name"] or found["namespace"]}
    metadata |= {"namespace": found["namespace"]} if found["name"] else {}
    more: dict[str, dict[str, Any]] = {
        "Secret": {"data": {"A": "eA=="}, "type": "Opaque"},
        "ConfigMap": {"data": {"A": "x"}},
        "Lease": {"spec": {"holderIdentity": "", "leaseDurationSeconds": 20}},
        "Event": {"involvedObject": {"uid": "uid-2"}, "count": 1, "firstTimestamp": None},
    }
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata} | more.get(kind, {})


def with_metadata(**fields: object) -> Change:
    return lambda answer: answer | {"metadata": answer["metadata"] | fields}


def without(name: str) -> Change:
    return lambda answer: (
        answer | {"metadata": {key: value for key, value in answer["metadata"].items() if key != name}}
    )


def with_fields(**fields: object) -> Change:
    return lambda answer: answer | fields


def managed(entry: object) -> Change:
    return with_metadata(managedFields=[entry])


def status(result: str) -> Change:
    return lambda _: {"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": result, "reason": "NotFound"}


def deep(levels: int) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for _ in range(levels):
        tree = {"f:a": tree}
    return tree


ODD: dict[str, Change] = {
    "empty": lambda _: {},
    "a list": lambda answer: [answer],
    "null": lambda _: None,
    "a page": lambda _: b"<html>CANARY-openai</html>",
    "cut": lambda answer: json.dumps(answer).encode()[:-5],
    "no bytes": lambda _: b"",
    "no UTF-8": lambda answer: json.dumps(answer).encode().replace(b"uid-1", b"\xff"),
    "deep": lambda _: b'{"kind":' + b"[" * 100_000,
    "of its own": lambda _: {"message": "login required", "data": "CANARY-openai"},
    "a refusal": status("Failure"),
    "a success": status("Success"),
    "another kind": lambda answer: answer | {"kind": "ConfigMap" if answer["kind"] != "ConfigMap" else "Secret"},
    "a list of the kind": lambda answer: answer | {"kind": f"{answer['kind']}List", "items": []},
    "no kind": lambda answer: {key: value for key, value in answer.items() if key != "kind"},
    "kind number": with_fields(kind=7),
    "metadata null": with_fields(metadata=None),
    "metadata list": with_fields(metadata=["CANARY-openai"]),
    "another name": with_metadata(name="other"),
    "name number": with_metadata(name=7),
    "another namespace": with_metadata(namespace="other"),
    "no uid": without("uid"),
    "uid number": with_metadata(uid=7),
    "no version": without("resourceVersion"),
    "version number": with_metadata(resourceVersion=7),
    "version empty": with_metadata(resourceVersion=""),
    "labels list": with_metadata(labels=["a"]),
    "annotation number": with_metadata(annotations={"a": 7}),
    "half a character": with_metadata(annotations={"a": "\ud800"}),
    "owners text": with_metadata(ownerReferences=["a"]),
    "finalizers mapping": with_metadata(finalizers={"a": "b"}),
    "deleted number": with_metadata(deletionTimestamp=7),
}
ODD_OBJECT: dict[str, Change] = {
    "managers mapping": with_metadata(managedFields={"a": "b"}),
    "managers text": managed("a"),
    "manager null": managed({"manager": None}),
    "manager's time": managed({"manager": "a", "time": 7}),
    "fields text": managed({"manager": "a", "fieldsV1": "f:data"}),
    "fields list": managed({"manager": "a", "fieldsV1": {"f:data": ["f:A"]}}),
    "fields deep": managed({"manager": "a", "fieldsV1": deep(500)}),
    "data list": with_fields(data=["CANARY-openai"]),
    "data number": with_fields(data={"A": 7}),
    "data null": with_fields(data={"A": None}),
    "data nested": with_fields(data={"A": {"B": "eA=="}}),
    "data half a character": with_fields(data={"A": "\ud800"}),
    "binary text": with_fields(binaryData="eA=="),
    "immutable text": with_fields(immutable="yes"),
}
ODD_SECRET: dict[str, Change] = {
    "data not base64": with_fields(data={"A": "eA"}),
    "data not ASCII": with_fields(data={"A": "é"}),
    "type number": with_fields(type=7),
}
ODD_LEASE: dict[str, Change] = {
    "spec list": with_fields(spec=["a"]),
    "holder number": with_fields(spec={"holderIdentity": 7}),
    "duration text": with_fields(spec={"leaseDurationSeconds": "20"}),
    "duration huge": with_fields(spec={"leaseDurationSeconds": 10**400}),
    "transitions text": with_fields(spec={"leaseTransitions": "many"}),
}
ODD_EVENT: dict[str, Change] = {
    "about list": with_fields(involvedObject=["a"]),
    "count text": with_fields(count="many"),
    "time number": with_fields(firstTimestamp=7),
}
ONLY: dict[str, dict[str, Change]] = {
    "Secret": ODD_OBJECT | ODD_SECRET,
    "ConfigMap": ODD_OBJECT,
    "Lease": ODD_LEASE,
    "Event": ODD_EVENT,
}
EVERY = sorted({*ODD, *ODD_OBJECT, *ODD_SECRET, *ODD_LEASE, *ODD_EVENT})


def odd(oddity: str, path: str) -> Fault | None:
    """Return the odd answer to a request; None where this oddity is not one of its kind."""
    answer = right_answer(path)
    change = (ODD | ONLY.get(answer["kind"], {})).get(oddity)
    if change is None:
        return None
    content = change(answer)
    return ("status", 200, JSON, content if isinstance(content, bytes) else json.dumps(content).encode())


def each_request(desk: Desk, oddity: str, *arguments: str, before: Callable[[int], object]) -> Iterator[Result]:
    """Run a command again and again; each time the next one of its requests is answered oddly and not carried out."""
    for number in count():
        desk.target.embedded.intercept = None
        before(number)
        asked = answered = -1

        def intercept(_: str, path: str, number: int = number) -> Fault | None:
            nonlocal asked, answered
            if not (fault := odd(oddity, path)):
                return None
            asked += 1
            answered = max(answered, asked if asked == number else -1)
            return fault if asked == number else None

        desk.target.embedded.intercept = intercept
        result = desk.run(*arguments)
        desk.target.embedded.intercept = None
        if answered < 0:
            return
        assert result.status in {0, 1, 5, 75}, result.err
        assert "a bug" not in result.err
        assert "Traceback" not in result.err
        yield result


@pytest.mark.parametrize("oddity", EVERY)
def test_no_odd_answer_to_any_request_of_sync_is_taken_for_right_one(desk: Desk, oddity: str) -> None:
    small(desk)
    versions: dict[str, str] = {}

    def before(number: int) -> None:
        hold(desk, "")
        desk.values(OPENAI_API_KEY=NEW.format(number))
        desk.env_file(DOMAIN=f"{number}.example.com")
        versions.update(objects(desk))

    for number, result in enumerate(each_request(desk, oddity, "sync", "staging", before=before)):
        if result.status == 0:
            assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == NEW.format(number)
            assert desk.target.data("ConfigMap", "shared-config")["DOMAIN"] == f"{number}.example.com"
        elif result.status != 5:
            assert objects(desk) == versions, "something was written"
            assert DOUBT not in result.err
    hold(desk, "")
    assert desk.run("sync", "staging").status == 0


@pytest.mark.parametrize("oddity", sorted({*ODD, *ODD_OBJECT, *ODD_SECRET}))
def test_no_odd_answer_to_import_from_cluster_becomes_value(desk: Desk, oddity: str) -> None:
    moving_in(desk).unlink()
    desk.target.create("Secret", "agent-secrets", {"data": {"OPENAI_API_KEY": "Q0FOQVJZLW9wZW5haQ=="}})
    arguments = ("import", "staging", "--from-cluster", "--to", SHELF, "--yes")
    for result in each_request(desk, oddity, *arguments, before=lambda _: None):
        assert result.status in {1, 75}
        assert not (desk.folder / "shelf.json").exists()


@pytest.mark.parametrize("oddity", ["empty", "a page", "a refusal", "another name", "no version", "managers text"])
def test_no_odd_answer_to_adoption_is_taken_for_right_one(desk: Desk, oddity: str) -> None:
    def before(number: int) -> None:
        hold(desk, "")
        if desk.target.get("ConfigMap", "shared-config"):
            desk.target.delete("ConfigMap", "shared-config")
        desk.target.create("ConfigMap", "shared-config", {"data": {"DOMAIN": f"{number}.example.com"}})

    small(desk)
    for result in each_request(desk, oddity, "adopt", "staging", "--yes", before=before):
        owners = desk.target.owners("ConfigMap", "shared-config", "DOMAIN")
        if result.status == 0:
            assert owners == {("bridge/voice-agent-staging", "Apply")}
        elif result.status != 5:
            assert owners == {("kubectl-create", "Update")}


def listed(*items: object, **more: object) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMapList", "metadata": {}, "items": list(items)} | more


ITEM = {"metadata": {"name": "many-00", "namespace": "voice", "uid": "uid-1", "resourceVersion": "7"}}


@pytest.mark.parametrize(
    "page",
    [
        {},
        listed() | {"kind": "ConfigMap"},
        listed() | {"kind": "SecretList"},
        listed() | {"items": None},
        listed() | {"items": {"a": ITEM}},
        listed() | {"metadata": {"continue": 7}},
        listed("CANARY-openai"),
        listed(None),
        listed({}),
        listed({"metadata": {"name": "many-00"}}),
        listed(ITEM | {"metadata": ITEM["metadata"] | {"namespace": "other"}}),
        listed(ITEM | {"data": {"A": 7}}),
    ],
)
def test_page_of_list_that_is_none_is_not_used(desk: Desk, page: object) -> None:
    names = [f"many-{number:02}" for number in range(60)]
    documents = [f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{A: b}}\n" for name in names]
    desk.write("base/many.yml", "---\n".join(documents))
    desk.environment(templates=["base/many.yml"], sources=[])
    assert desk.run("sync", "staging").status == 0
    body = json.dumps(page).encode()
    desk.target.embedded.intercept = lambda _, path: ("status", 200, JSON, body) if "limit=" in path else None
    assert desk.run("plan", "staging").out.splitlines()[-1] == "60 unchanged: nothing to do"
