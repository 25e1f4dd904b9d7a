"""How far a rollout has come, from the statuses that the real controllers write."""

from typing import Any

import pytest

from bridge.objects import ObjectId
from bridge.plan.workloads import parse

NEVER = "spec.env holds CANARY-value"


def raw(kind: str, status: dict[str, Any], **spec: Any) -> dict[str, Any]:
    container = {
        "name": "main",
        "env": [{"name": "X", "value": NEVER}],
        "envFrom": [{"secretRef": {"name": "s"}}],
    }
    template = {"metadata": {"annotations": {"bridge/x": "then"}}, "spec": {"containers": [container]}}
    head = {"name": "d", "uid": "u", "generation": 2}
    return {"kind": kind, "metadata": head, "spec": {"template": template, **spec}, "status": status}


def test_nothing_of_pods_environment_is_kept_but_references() -> None:
    found = parse("Deployment", raw("Deployment", {}), "bridge/x")
    assert (found.mark, [one.id for one in found.uses]) == ("then", [ObjectId("Secret", "s")])
    assert "CANARY" not in repr(found)


DONE = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
NODES = {"observedGeneration": 2, "desiredNumberScheduled": 2, "currentNumberScheduled": 2}


@pytest.mark.parametrize(
    ("kind", "status", "spec", "text"),
    [
        ("Deployment", DONE, {"replicas": 2}, None),
        ("Deployment", DONE | {"terminatingReplicas": 1}, {"replicas": 2}, None),
        ("Deployment", DONE | {"observedGeneration": 1}, {"replicas": 2}, "its controller has not observed it yet"),
        ("Deployment", DONE | {"replicas": 3}, {"replicas": 2}, "2 of 2 pods are new, 2 ready, 1 old"),
        ("Deployment", DONE | {"availableReplicas": 1}, {"replicas": 2}, "2 of 2 pods are new, 1 ready"),
        ("Deployment", DONE | {"updatedReplicas": 1}, {"replicas": 2}, "1 of 2 pods are new, 2 ready, 1 old"),
        ("Deployment", {"observedGeneration": 2}, {"replicas": 0}, None),
        ("Deployment", {"observedGeneration": 2}, {}, "0 of 1 pods are new, 0 ready"),
        ("StatefulSet", DONE, {"replicas": 2}, None),
        (
            "StatefulSet",
            DONE | {"updatedReplicas": 1, "terminatingReplicas": 1},
            {"replicas": 2},
            "1 of 2 pods are new, 2 ready, 1 old, 1 draining",
        ),
        (
            "StatefulSet",
            DONE | {"updatedReplicas": 1},
            {"replicas": 2, "updateStrategy": {"rollingUpdate": {"partition": 1}}},
            None,
        ),
        ("DaemonSet", NODES | {"updatedNumberScheduled": 2, "numberAvailable": 2}, {}, None),
        (
            "DaemonSet",
            NODES | {"updatedNumberScheduled": 1, "numberAvailable": 2},
            {},
            "1 of 2 pods are new, 2 ready, 1 old",
        ),
        ("DaemonSet", NODES | {"updatedNumberScheduled": 2, "numberAvailable": 1}, {}, "2 of 2 pods are new, 1 ready"),
    ],
)
def test_finished_means_all_new_all_available_and_no_old_one_but_draining(
    kind: str, status: dict[str, Any], spec: dict[str, Any], text: str | None
) -> None:
    rollout = parse(kind, raw(kind, status, **spec), "bridge/x").rollout
    assert rollout.finished is (text is None)
    assert text is None or str(rollout) == text


def test_what_stands_in_way_is_read() -> None:
    condition = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    found = parse("Deployment", raw("Deployment", {"conditions": [condition]}, paused=True), "bridge/x")
    assert (found.paused, found.by_hand, found.rollout.failed) == (True, False, True)
    assert parse("DaemonSet", raw("DaemonSet", {}, updateStrategy={"type": "OnDelete"}), "bridge/x").by_hand
