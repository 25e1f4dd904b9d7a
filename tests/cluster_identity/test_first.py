"""When a write is a first one: nothing that was read shows an earlier one."""

from bridge.objects import Desired, Live, Manager, ObjectId
from bridge.plan.model import Action, Change, ClusterName, Plan, is_first, place
from bridge.plan.state import Memory, ObjectMemory

OURS = "bridge/x"
CLUSTER = ClusterName("https://10.0.0.1:6443", "kapsule", "context kapsule of /home/me/kubeconfig")
ID, OTHER = ObjectId("Secret", "s"), ObjectId("ConfigMap", "c")


def live(uid: str = "uid-1", *managers: str) -> Live:
    return Live(ID, uid, "1", {}, tuple(Manager(name, "Apply", "", frozenset()) for name in managers))


def first(found: Live | None, *more: Change, **recorded: str | None) -> bool:
    """Judge a plan for one object; `recorded` are the uids of a state ConfigMap, by the object's name."""
    change = Change(ID, Action.CREATE, Desired(ID, {}), found)
    memory = Memory({ObjectId("Secret", name): ObjectMemory(uid, {}) for name, uid in recorded.items()})
    return is_first(Plan("staging", "voice", OURS, (change, *more), (), (), memory, {}, CLUSTER))


def test_nothing_at_all_is_first_write() -> None:
    assert first(None)


def test_objects_of_others_show_nothing() -> None:
    assert first(live("uid-1", "kubectl-client-side-apply", "bridge/y"))


def test_own_manager_shows_earlier_write_although_state_is_gone() -> None:
    assert not first(live("uid-1", "kubectl-edit", OURS))


def test_object_with_recorded_uid_shows_earlier_write() -> None:
    assert not first(live("uid-1"), s="uid-1", gone="uid-2")


def test_state_without_one_living_object_may_be_copy() -> None:
    assert first(live("uid-1"), s="uid-9", gone="uid-2")
    assert first(None, s="uid-9")
    assert first(None, s="uid-9", begun=None)


def test_state_of_first_run_that_stopped_before_its_first_object_is_known() -> None:
    assert not first(None, s=None)
    assert not first(live("uid-1"), s=None)


def test_object_that_could_not_be_read_may_show_anything() -> None:
    assert not first(None, Change(OTHER, Action.LEAVE, None, None), c="uid-9")


def test_object_that_left_templates_shows_earlier_write() -> None:
    left = Change(OTHER, Action.LEAVE, None, live("uid-2")._replace(id=OTHER))
    assert not first(None, left, c="uid-2")


def test_place_names_namespace_server_and_context() -> None:
    assert place("voice", CLUSTER) == (
        "namespace voice on https://10.0.0.1:6443 (context kapsule of /home/me/kubeconfig)"
    )
