"""When keys changed: what the server tells, always forward, and settled after a run that died."""

from bridge.objects import Desired, Entry, Field, Layer, Live, Manager, ObjectId, Origin
from bridge.plan.baseline import Now
from bridge.plan.build import Allowed, PlanTarget, build, remember
from bridge.plan.model import ClusterName, Plan
from bridge.plan.state import KeyMemory, Memory, ObjectMemory
from bridge.secret import SecretValue

OURS = "bridge/x"
CLUSTER = ClusterName("https://10.0.0.1:6443", "kapsule", "the kubeconfig")
ID = ObjectId("Secret", "s")
SOURCE = Origin(Layer.SOURCE, "plain:x")
EARLY, NOW, LATE, LATER = (f"2026-11-25T10:00:{second:02}Z" for second in (5, 20, 40, 41))


def live(time: str, **data: str) -> Live:
    fields = frozenset({Field("data", key) for key in data})
    values = {key: SecretValue.of(value) for key, value in data.items()}
    return Live(ID, "uid", "1", values, (Manager(OURS, "Apply", time, fields),), type="Opaque")


def plan(memory: Memory, present: Live | None, **data: str) -> Plan:
    wanted = Desired(ID, {key: Entry(SecretValue.of(value), SOURCE) for key, value in data.items()}, "Opaque")
    now = Now([wanted], {}, {ID: present})
    return build(PlanTarget("staging", "ns", OURS, CLUSTER), now, {}, memory, Allowed(shrink=True))


def known(created: str = "", begun: str = "", removed: str = "", **changed: str) -> Memory:
    keys = {key: KeyMemory(SOURCE, time) for key, time in changed.items()}
    return Memory({ID: ObjectMemory("uid", keys, created=created, begun=begun, removed=removed)})


def times(memory: Memory) -> dict[str, str]:
    return {key: one.changed for key, one in memory.objects[ID].keys.items()}


def test_change_has_servers_time_and_others_keep_theirs() -> None:
    made = plan(known(A=EARLY, B=EARLY), live(EARLY, A="1", B="1"), A="2", B="1")
    after = remember(made, {ID: live(LATE, A="2", B="1")}, NOW)
    assert times(after) == {"A": LATE, "B": EARLY}


def test_time_of_last_answer_counts_where_write_took_long_to_be_admitted() -> None:
    made = plan(known(A=EARLY), live(EARLY, A="1"), A="2")
    assert times(remember(made, {ID: live(NOW, A="2")}, LATE)) == {"A": LATE}


def test_change_within_second_of_one_before_is_later_all_same() -> None:
    made = plan(known(A=LATE), live(LATE, A="1"), A="2")
    assert times(remember(made, {ID: live(LATE, A="2")}, NOW)) == {"A": LATER}


def test_first_creation_is_known_as_such_and_second_one_is_not() -> None:
    first = remember(plan(Memory(), None, A="1"), {ID: live(LATE, A="1")}, NOW)
    assert (first.objects[ID].created, times(first)) == (LATE, {"A": LATE})
    again = remember(plan(first, None, A="1"), {ID: live(LATER, A="1")}, NOW)
    assert (again.objects[ID].created, times(again)) == (LATE, {"A": LATER})


def test_key_that_leaves_is_remembered_by_its_time() -> None:
    made = plan(known(A=EARLY, B=EARLY), live(EARLY, A="1", B="1"), A="1")
    after = remember(made, {ID: live(LATE, A="1")}, NOW)
    assert (after.objects[ID].removed, times(after)) == (LATE, {"A": EARLY})


def test_metadata_alone_changes_no_time() -> None:
    memory = known(A=EARLY, created=EARLY)
    made = plan(memory, live(EARLY, A="1"), A="1")
    labelled = made._replace(
        changes=tuple(one._replace(desired=one.desired._replace(labels={"a": "b"})) for one in made.changes)
    )
    after = remember(labelled, {ID: live(LATE, A="1")}, NOW)
    assert (times(after), after.objects[ID].removed) == ({"A": EARLY}, "")


def test_while_it_is_written_memory_says_that_key_may_have_changed_and_that_this_is_not_sure() -> None:
    memory = known(A=EARLY, B=EARLY)
    made = plan(memory, live(EARLY, A="1", B="1"), A="2", B="1")
    union = memory.union(remember(made, {}, NOW))
    assert (times(union), union.objects[ID].begun, union.begun) == ({"A": NOW, "B": EARLY}, NOW, (ID,))
    assert memory.union(remember(plan(memory, live(EARLY, A="1", B="1"), A="1", B="1"), {}, NOW)).begun == ()


def test_run_after_killed_one_takes_write_for_as_late_as_it_may_have_been() -> None:
    union = known(A=NOW, B=EARLY, created=EARLY, begun=NOW)
    made = plan(union, live(NOW, A="2", B="1"), A="2", B="1")
    after = remember(made, {}, LATER)
    assert (times(after), after.begun, after.objects[ID].created) == ({"A": LATER, "B": EARLY}, (), EARLY)


def test_creation_by_killed_run_stays_first_creation() -> None:
    union = Memory().union(remember(plan(Memory(), None, A="1"), {}, NOW))
    after = remember(plan(union, live(LATE, A="1"), A="1"), {}, LATER)
    assert (after.objects[ID].created, times(after)) == (LATER, {"A": LATER})
    never_made = remember(plan(union, None, A="1"), {ID: live(LATE, A="1")}, LATER)
    assert times(never_made) == {"A": never_made.objects[ID].created}


def test_times_that_are_none_do_not_stop_run() -> None:
    made = plan(known(A="then"), live(EARLY, A="1"), A="2")
    assert times(remember(made, {ID: live(LATE, A="2")}, NOW)) == {"A": LATE}


def test_what_left_templates_is_settled_too() -> None:
    union = known(A=NOW, begun=NOW)
    made = build(
        PlanTarget("staging", "ns", OURS, CLUSTER),
        Now([], {}, {ID: live(LATE, A="1")}),
        {},
        union,
        Allowed(shrink=True),
    )
    after = remember(made, {}, LATE)
    assert (after.objects[ID].left, times(after), after.begun) == (True, {"A": LATE}, ())
