"""What an earlier rotation has left to do in the cluster: objects that were begun, and workloads with older values."""

from types import SimpleNamespace
from typing import Any

import pytest

from bridge.errors import Refusal
from bridge.plan.state import KeyMemory, Memory, ObjectMemory
from bridge.plan.workloads import RestartReason, RestartStep, RestartVerdict
from bridge.run.unfinished_rotation import Unfinished, _left_in_use, _runs_older
from bridge.secret import SecretValue
from tests.restart.test_rules import CONFIG, NEW, SECRET, use, workload

BEGUN = Memory({SECRET: ObjectMemory("1", {"A": KeyMemory(None, NEW)}, begun=NEW)})


def rotation(old: SecretValue | None = None) -> Any:
    return SimpleNamespace(old=old, keys=frozenset({(SECRET, "A")}))


def cluster(memory: Memory) -> Any:
    return SimpleNamespace(store=SimpleNamespace(read=lambda: memory, target="the state"))


def test_object_whose_write_may_have_stopped_is_left_of_an_earlier_rotation() -> None:
    assert _left_in_use(rotation(SecretValue(b"old")), cluster(BEGUN)) == Unfinished(("Secret/s",))


def test_first_rotation_is_refused_while_an_object_may_be_half_written() -> None:
    both = Memory({**BEGUN.objects, CONFIG: BEGUN.objects[SECRET]})
    with pytest.raises(Refusal, match="a sync has stopped or is running between its writes: ConfigMap/c, Secret/s"):
        _left_in_use(rotation(), cluster(both))


@pytest.mark.parametrize(
    ("reason", "is_older"),
    [((SECRET, "A"), True), ((SECRET, "B"), False), ((CONFIG, "A"), False), ((SECRET, None), False)],
)
def test_workload_that_is_behind_counts_only_for_the_rotated_key(reason: tuple, is_older: bool) -> None:
    behind = RestartVerdict(workload(use(CONFIG)), RestartStep.ROLL, (RestartReason(*reason, NEW),), NEW)
    assert _runs_older(behind, rotation()) is is_older


def test_pods_of_an_older_rollout_may_have_an_older_value() -> None:
    current = RestartVerdict(workload(use(key="A")), RestartStep.NONE, (), "")
    assert not _runs_older(current, rotation())
    for change in ({"old": 1}, {"seen": False}):
        rolling = current.workload._replace(rollout=current.workload.rollout._replace(**change))
        assert _runs_older(current._replace(workload=rolling), rotation())
        other = rolling._replace(uses=(use(key="B"),))
        assert not _runs_older(current._replace(workload=other), rotation())
