"""Who is behind: each rule by itself, with times to the second."""

from typing import Any

import pytest

from bridge.objects import Layer, ObjectId, Origin
from bridge.plan.state import KeyMemory, Memory, ObjectMemory
from bridge.plan.workloads import How, RestartStep, RestartVerdict, Rollout, Use, Workload, judge, uses

SECRET, CONFIG = ObjectId("Secret", "s"), ObjectId("ConfigMap", "c")
CREATED, OLD, MIDDLE, NEW = (f"2026-11-25T10:00:{second:02}Z" for second in (0, 10, 20, 30))
MEMORY = Memory(
    {
        SECRET: ObjectMemory(
            "1", {key: KeyMemory(Origin(Layer.SOURCE, "x"), time) for key, time in {"A": CREATED, "B": MIDDLE}.items()}
        )._replace(created=CREATED),
        CONFIG: ObjectMemory("2", {"C": KeyMemory(None, OLD)}),
    }
)


def use(id_: ObjectId = SECRET, key: str | None = None, how: How = How.ENV_FROM, **given: Any) -> Use:
    return Use(id_, key, how, "container main", **given)


def workload(*uses: Use, mark: str = "", **given: Any) -> Workload:
    return Workload("Deployment", "d", "uid", uses, mark, Rollout(True, 1, 1, 1, 0), **given)


def verdict(
    *uses: Use, rolled_out: str | None, memory: Memory = MEMORY, everything: str = "", **given: Any
) -> RestartVerdict:
    times = {} if rolled_out is None else {"uid": rolled_out}
    (found,) = judge([workload(*uses, **given)], times, memory, everything=everything)
    return found


def test_behind_is_what_was_rolled_out_before_change_or_in_same_second() -> None:
    assert [verdict(use(), rolled_out=time).step for time in (OLD, MIDDLE, NEW)] == [
        RestartStep.ROLL,
        RestartStep.ROLL,
        RestartStep.NONE,
    ]


def test_mark_is_newest_consumed_change_and_settles_same_second() -> None:
    first = verdict(use(), use(CONFIG), rolled_out=MIDDLE)
    assert (first.mark, [(one.key, one.changed) for one in first.reasons]) == (MIDDLE, [("B", MIDDLE)])
    assert verdict(use(), use(CONFIG), rolled_out=MIDDLE, mark=MIDDLE).step is RestartStep.NONE
    assert verdict(use(), rolled_out=OLD, mark=OLD).step is RestartStep.ROLL


def test_mark_from_future_of_memory_is_not_believed() -> None:
    assert verdict(use(), rolled_out=OLD, mark=NEW).step is RestartStep.ROLL
    assert verdict(use(), rolled_out=NEW, mark=NEW).step is RestartStep.NONE


def test_only_consumed_keys_count() -> None:
    assert verdict(use(key="A"), rolled_out=OLD).step is RestartStep.NONE
    assert verdict(use(key="B"), rolled_out=OLD).step is RestartStep.ROLL
    assert not judge([workload(use(ObjectId("Secret", "others")))], {"uid": OLD}, MEMORY)


@pytest.mark.parametrize(
    ("how", "step"), [(How.VOLUME, RestartStep.NONE), (How.SUB_PATH, RestartStep.ROLL), (How.ENV, RestartStep.ROLL)]
)
def test_what_follows_by_itself_needs_no_restart(how: How, step: RestartStep) -> None:
    assert verdict(use(how=how), rolled_out=OLD).step is step


def test_pods_wait_for_first_creation_unless_they_may_start_without() -> None:
    before = "2026-11-25T09:00:00Z"
    assert verdict(use(key="A"), rolled_out=before).step is RestartStep.NONE
    assert verdict(use(key="A", optional=True), rolled_out=before).step is RestartStep.ROLL
    assert verdict(use(CONFIG, key="C"), rolled_out=before).step is RestartStep.ROLL


@pytest.mark.parametrize(
    ("optional", "sub_path", "step"),
    [
        (True, "A", RestartStep.ROLL),
        (False, "A", RestartStep.NONE),
        (True, "", RestartStep.NONE),
    ],
)
def test_pods_that_started_without_optional_volume_miss_its_files(
    optional: bool, sub_path: str, step: RestartStep
) -> None:
    """The kubelet adds files to a whole volume later, but not the file of a subPath."""
    mount = {"name": "v", "mountPath": "/v", "subPath": sub_path}
    volume = {"name": "v", "secret": {"secretName": "s", "optional": optional, "items": [{"key": "A", "path": "A"}]}}
    used = uses({"containers": [{"name": "main", "volumeMounts": [mount]}], "volumes": [volume]})
    before = "2026-11-25T09:00:00Z"
    assert verdict(*used, rolled_out=before).step is step


def test_key_that_left_counts_for_whoever_may_have_had_it() -> None:
    secret = MEMORY.objects[SECRET]._replace(removed=NEW)
    memory = MEMORY._replace(objects={SECRET: secret})
    assert verdict(use(), rolled_out=MIDDLE, memory=memory).reasons[0].key is None
    assert verdict(use(key="GONE"), rolled_out=MIDDLE, memory=memory).step is RestartStep.ROLL
    assert verdict(use(key="A"), rolled_out=MIDDLE, memory=memory).step is RestartStep.NONE


def test_where_no_pod_was_ever_made_none_is_restarted() -> None:
    assert verdict(use(), rolled_out=None).step is RestartStep.NONE


def test_paused_one_is_held_only_where_it_is_behind() -> None:
    assert verdict(use(), rolled_out=OLD, paused=True).step is RestartStep.HOLD
    assert verdict(use(), rolled_out=NEW, paused=True).step is RestartStep.NONE


def test_all_means_all_with_another_mark_each_time() -> None:
    found = verdict(use(how=How.VOLUME), use(), rolled_out=NEW, everything="then")
    assert (found.step, found.mark) == (RestartStep.ROLL, f"{MIDDLE} then")
    assert verdict(use(), rolled_out=OLD, mark=f"{MIDDLE} then").step is RestartStep.NONE
    assert verdict(use(how=How.VOLUME), rolled_out=NEW, everything="then").mark == "then"
