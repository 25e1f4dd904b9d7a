"""How a pod ends: by a signal in the middle of a run, and by each exit status that the Job's failure policy knows."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy.pod import ID
from tests.node.hook import Hook
from tests.node.place import CANARY, PYTHON, Place
from tests.servers.client import MERGE
from tests.waiting import until

HELD = "agent-secrets"
LOOK = "bridge.test/look"
KEYS = {"agent-secrets": 3, "shared-secrets": 2}


def keep(place: Place, pod: str, *, on: bool) -> None:
    """Keep a pod's object when the pod has ended, so that its status can be read; the Job controller does so too."""

    def patched() -> bool:
        others = [one for one in place.get("pods", pod)["metadata"].get("finalizers", []) if one != LOOK]
        body = {"metadata": {"finalizers": [*others, *([LOOK] if on else [])]}}
        return place.node.cluster.request("PATCH", place.path("pods", pod), body, MERGE).status == 200

    until(patched, "the pod's finalizers could not be changed")


def delete(place: Place, pod: str) -> None:
    assert place.node.cluster.request("DELETE", place.path("pods", pod)).status == 200


def evict(place: Place, pod: str) -> None:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": place.namespace}}
    reply = place.node.cluster.request("POST", place.path("pods", f"{pod}/eviction"), body)
    assert reply.status == 201, reply.body


@pytest.mark.parametrize("end", [delete, evict])
def test_pod_that_is_told_to_end_between_its_writes_leaves_whole_objects_and_no_lease(
    place: Place, tmp_path: Path, end: Callable[[Place, str], None]
) -> None:
    place.deploy()
    with Hook(place, tmp_path, HELD) as hook:
        place.start("stopped")
        pod = place.running("stopped")
        until(hook.reached.is_set)
        keep(place, pod, on=True)
        end(place, pod)
        until(lambda: place.events(pod, "Killing"))
        hook.told.set()
        until(lambda: place.exits("stopped"), "the pod did not end")
        hook.over.set()
        assert place.exits("stopped") == [143]
        keep(place, pod, on=False)
        assert place.finished("stopped") == "Complete", place.said("stopped")
    for name, count in KEYS.items():
        assert len(place.data("secrets", name)) == count
    assert place.data("secrets", "agent-secrets")["OPENAI_API_KEY"] == CANARY
    assert not place.get("leases", ID)["spec"].get("holderIdentity")
    status = place.get("jobs", "stopped")["status"]
    assert status.get("failed", 0) == (1 if end is delete else 0)


@pytest.mark.parametrize("status", [1, 2, 3])
def test_job_fails_at_once_with_status_that_another_try_would_not_change(place: Place, status: int) -> None:
    place.deploy()
    if status == 1:
        place.kubectl("delete", "rolebinding", ID)
        place.start("once")
    elif status == 2:
        name = f"{ID}.config"
        place.patch("configmaps", name, {"data": {"staging.yaml": "id: ["}})
        place.start("once")
    else:
        place.variant("once", PYTHON, "-c", "raise SystemExit(3)")
    assert place.finished("once") == "PodFailurePolicy"
    assert place.exits("once") == [status]


def test_run_that_stopped_between_its_writes_is_repeated(place: Place, tmp_path: Path) -> None:
    place.deploy()
    with Hook(place, tmp_path, HELD) as hook:
        hook.refusing = True
        place.start("again")
        until(lambda: 5 in place.exits("again"), place.said("again"))
        hook.refusing = False
        hook.told.set()
        hook.over.set()
        place.complete("again")
    assert place.exits("again") == [5, 0]


def test_run_that_found_lease_held_is_repeated(place: Place) -> None:
    place.deploy()
    held = {"holderIdentity": "another", "leaseDurationSeconds": 3600}
    place.create("leases", {"metadata": {"name": ID}, "spec": held})
    arguments = place.get("cronjobs", ID)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]
    place.variant("again", args=[*arguments, "--lock-wait", "1"])
    until(lambda: 75 in place.exits("again"), place.said("again"))
    place.patch("leases", ID, {"spec": {"holderIdentity": ""}})
    place.complete("again")
    assert place.exits("again") == [75, 0]


def test_job_that_is_deleted_finishes_its_write_and_releases_lease(place: Place, tmp_path: Path) -> None:
    place.deploy()
    with Hook(place, tmp_path, HELD) as hook:
        place.start("stopped")
        pod = place.running("stopped")
        until(hook.reached.is_set)
        place.kubectl("delete", "job", "stopped", "--wait=false")
        until(lambda: place.events(pod, "Killing"))
        hook.told.set()
        until(lambda: not [one for one in place.all("pods") if one["metadata"]["name"] == pod], "the pod did not end")
    assert len(place.data("secrets", HELD)) == KEYS[HELD]
    assert not place.get("leases", ID)["spec"].get("holderIdentity")
    assert "front-config" not in {one["metadata"]["name"] for one in place.all("configmaps")}
    place.start("next")
    assert "created" in place.complete("next")
