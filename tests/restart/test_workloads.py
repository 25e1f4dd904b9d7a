"""What is asked of the API server about workloads, and what becomes of its answers."""

import json
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import pytest

from bridge.cluster import workloads as module
from bridge.cluster.api import Foreign, LostAnswer
from bridge.cluster.workloads import Workloads
from bridge.errors import BridgeError, Unavailable
from bridge.plan.workloads import KINDS, Workload, parse
from tests.cluster.wire import METADATA, Step, Wire, api, drop, reply, status

BASE = "/apis/apps/v1/namespaces/voice"
MANAGER = "bridge/staging"


def raw(name: str = "agent", *, seen: bool = True) -> dict[str, Any]:
    spec = {"template": {"spec": {"containers": [{"envFrom": [{"secretRef": {"name": "s"}}]}]}}}
    head = METADATA | {"name": name, "uid": f"uid-{name}", "resourceVersion": "7", "generation": 2}
    return {"kind": "Deployment", "metadata": head, "spec": spec, "status": {"observedGeneration": 2 if seen else 1}}


def page(*items: dict[str, Any], following: str = "", kind: str = "Deployment") -> Step:
    metadata = {"continue": following} if following else {}
    return reply(200, {"kind": f"{kind}List", "items": list(items), "metadata": metadata})


NO_MORE = (page(kind="StatefulSet"), page(kind="DaemonSet"))


def everything(found: Iterable[Workload]) -> list[Workload]:
    return list(found)


AGENT = parse("Deployment", raw(), MANAGER)


def test_long_lists_are_read_to_their_end() -> None:
    with (
        Wire(page(raw("a"), following="next page"), page(raw("b")), *NO_MORE) as wire,
        closing(api(wire.url)) as client,
    ):
        found = Workloads(client, "voice", MANAGER).consumers(everything)
    assert [str(one) for one in found] == ["Deployment/a", "Deployment/b"]
    assert [one.line.split()[1] for one in wire.requests] == [
        f"{BASE}/deployments?limit=500",
        f"{BASE}/deployments?limit=500&continue=next+page",
        f"{BASE}/statefulsets?limit=500",
        f"{BASE}/daemonsets?limit=500",
    ]


def test_workload_is_inspected_again_until_its_controller_has_seen_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE", 0.01)
    steps = [page(raw(seen=False)), *NO_MORE, page(raw(seen=True)), *NO_MORE]
    with Wire(*steps) as wire, closing(api(wire.url)) as client:
        (found,) = Workloads(client, "voice", MANAGER).consumers(everything)
    assert (found.rollout.seen, len(wire.requests)) == (True, 6)


def test_wait_for_controller_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLING", 0)
    with Wire(page(raw(seen=False)), *NO_MORE) as wire, closing(api(wire.url)) as client:
        (found,) = Workloads(client, "voice", MANAGER).consumers(everything)
    assert not found.rollout.seen


def test_present_pod_template_is_one_with_highest_revision() -> None:
    def replica_set(owner: str, revision: str, created: str) -> dict[str, Any]:
        head = METADATA | {"creationTimestamp": created, "annotations": {module.REVISION: revision}}
        return {"metadata": head | {"ownerReferences": [{"uid": owner}]}}

    listed = page(
        replica_set("uid-agent", "10", "of old, and again"),
        replica_set("uid-agent", "9", "then"),
        replica_set("other", "11", "elsewhere"),
        replica_set("uid-agent", "written by hand", "never"),
        {"metadata": METADATA | {"creationTimestamp": "nobody's"}},
        kind="ReplicaSet",
    )
    with Wire(listed) as wire, closing(api(wire.url)) as client:
        found = Workloads(client, "voice", MANAGER).rolled_out([AGENT, AGENT])
    assert found == {"uid-agent": "of old, and again", "other": "elsewhere"}
    assert [one.line.split()[1] for one in wire.requests] == [f"{BASE}/replicasets?limit=500"]


def test_mark_is_strategic_merge_patch_of_one_annotation_on_what_was_judged() -> None:
    with Wire(reply(200, raw())) as wire, closing(api(wire.url)) as client:
        assert Workloads(client, "voice", MANAGER).mark(AGENT, "then", dry_run=True)
    request = wire.requests[0]
    assert request.line == f"PATCH {BASE}/deployments/agent?fieldManager=bridge%2Fstaging&dryRun=All HTTP/1.1"
    assert request.header("Content-Type") == ["application/strategic-merge-patch+json"]
    assert json.loads(request.body) == {
        "metadata": {"uid": "uid-agent", "resourceVersion": "7"},
        "spec": {"template": {"metadata": {"annotations": {MANAGER: "then"}}}},
    }


def test_deleted_workload_is_not_recreated() -> None:
    with Wire(status(404, "NotFound")) as wire, closing(api(wire.url)) as client:
        found = Workloads(client, "voice", MANAGER)
        assert (found.mark(AGENT, "then", dry_run=False), found.get(AGENT)) == (None, None)


def test_lost_answer_is_settled_by_same_patch_once_more() -> None:
    with Wire(drop, reply(200, raw()), drop) as wire, closing(api(wire.url)) as client:
        found = Workloads(client, "voice", MANAGER)
        assert found.mark(AGENT, "then", dry_run=False)
        with pytest.raises(LostAnswer):
            found.mark(AGENT, "then", dry_run=False)
    assert len(wire.requests) == 4


def marked(text: str, **head: str) -> dict[str, Any]:
    found = raw()
    found["metadata"] |= head
    found["spec"]["template"]["metadata"] = {"annotations": {MANAGER: text}}
    return found


STALE = status(409, "Conflict")


def test_workload_whose_status_was_written_in_meantime_is_read_again_and_marked() -> None:
    newer = reply(200, marked("", resourceVersion="8"))
    with Wire(STALE, newer, reply(200, marked("then"))) as wire, closing(api(wire.url)) as client:
        assert Workloads(client, "voice", MANAGER).mark(AGENT, "then", dry_run=False)
    assert [json.loads(one.body)["metadata"]["resourceVersion"] for one in wire.requests if one.body] == ["7", "8"]


def test_mark_that_another_run_has_set_in_meantime_stays() -> None:
    with Wire(STALE, reply(200, marked("later"))) as wire, closing(api(wire.url)) as client:
        found = Workloads(client, "voice", MANAGER).mark(AGENT, "then", dry_run=False)
    assert found
    assert (found.mark, len(wire.requests)) == ("later", 2)


def test_mark_whose_answer_was_lost_is_found_when_second_one_is_refused() -> None:
    with Wire(drop, STALE, reply(200, marked("then"))) as wire, closing(api(wire.url)) as client:
        assert Workloads(client, "voice", MANAGER).mark(AGENT, "then", dry_run=False)
    assert len(wire.requests) == 3


def test_another_workload_of_same_name_is_not_marked() -> None:
    causes = {"causes": [{"reason": "FieldValueInvalid", "field": "metadata.uid"}]}
    for refusal in (STALE, status(422, "Invalid", details=causes)):
        with Wire(refusal, reply(200, marked("", uid="other"))) as wire, closing(api(wire.url)) as client:
            assert Workloads(client, "voice", MANAGER).mark(AGENT, "then", dry_run=False) is None
        assert len(wire.requests) == 2


def test_workload_that_changes_each_time_is_given_up() -> None:
    steps = [STALE, reply(200, marked(""))] * module.TRIES
    with Wire(*steps) as wire, closing(api(wire.url)) as client, pytest.raises(Unavailable, match="kept changing"):
        Workloads(client, "voice", MANAGER).mark(AGENT, "then", dry_run=False)
    assert len(wire.requests) == 2 * module.TRIES


ODD: list[Any] = [
    {},
    {"kind": "Status", "status": "Success", "metadata": {}},
    raw() | {"kind": "StatefulSet"},
    raw("other"),
    raw() | {"metadata": METADATA | {"name": "agent", "namespace": "other"}},
    raw() | {"metadata": METADATA | {"name": "agent", "generation": "2"}},
    raw() | {"spec": ["a"]},
    raw() | {"spec": {"replicas": "two"}},
    raw() | {"spec": {"template": {"metadata": {"annotations": {MANAGER: 7}}}}},
    raw() | {"spec": {"updateStrategy": {"rollingUpdate": {"partition": "1"}}}},
    raw() | {"status": {"observedGeneration": "2"}},
    raw() | {"status": {"conditions": ["a"]}},
]


@pytest.mark.parametrize("odd", ODD)
def test_answer_that_is_not_workload_is_none(odd: object) -> None:
    with Wire(reply(200, odd)) as wire, closing(api(wire.url)) as client:
        found = Workloads(client, "voice", MANAGER)
        with pytest.raises(Foreign):
            found.get(AGENT)
        with pytest.raises(Foreign):
            found.mark(AGENT, "then", dry_run=True)
        with pytest.raises(LostAnswer):
            found.mark(AGENT, "then", dry_run=False)
        with pytest.raises(BridgeError):
            found.consumers(everything)
    assert len(wire.requests) == 1 + 1 + 2 + len(KINDS)


@pytest.mark.parametrize("missing", ["spec", "status"])
def test_workload_may_lack_what_server_leaves_out(missing: str) -> None:
    with Wire(reply(200, raw() | {missing: None})) as wire, closing(api(wire.url)) as client:
        found = Workloads(client, "voice", MANAGER).get(AGENT)
    assert found
    assert found.mark == ""


def test_workload_without_version_is_only_what_dry_run_gives() -> None:
    answer = raw() | {"metadata": {"name": "agent", "namespace": "voice"}}
    with Wire(reply(200, answer)) as wire, closing(api(wire.url)) as client:
        found = Workloads(client, "voice", MANAGER)
        assert found.mark(AGENT, "then", dry_run=True)
        with pytest.raises(Foreign):
            found.get(AGENT)


@pytest.mark.parametrize(
    ("kind", "history", "odd"),
    [
        ("Deployment", "ReplicaSet", {"metadata": METADATA | {"ownerReferences": ["a"]}}),
        ("Deployment", "ReplicaSet", {"metadata": METADATA | {"ownerReferences": [{"uid": 7}]}}),
        ("Deployment", "ReplicaSet", {"metadata": METADATA | {"annotations": {module.REVISION: 7}}}),
        ("StatefulSet", "ControllerRevision", {"metadata": METADATA | {"creationTimestamp": 7}}),
        ("StatefulSet", "ControllerRevision", {"metadata": METADATA, "revision": "7"}),
    ],
)
def test_missing_repository_is_refused(kind: str, history: str, odd: dict[str, Any]) -> None:
    with Wire(page(odd, kind=history)) as wire, closing(api(wire.url)) as client, pytest.raises(Foreign):
        Workloads(client, "voice", MANAGER).rolled_out([AGENT._replace(kind=kind)])
