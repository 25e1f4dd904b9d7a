"""What is taken over, what stays, and what the memory says of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.objects import LAST_APPLIED, Desired, Entry, Field, Layer, Live, Manager, ObjectId, Origin
from bridge.plan.adoption import Adoption, adoption, mismatches, recorded, refusals, remembering, warnings
from bridge.plan.diff import diff, obstacles, wanted
from bridge.plan.model import Action, What
from bridge.plan.state import KeyMemory, Memory, ObjectMemory
from bridge.provider import Revision
from bridge.secret import SecretValue

OURS = "bridge/x"
NOW = "2026-11-25T00:00:00Z"
ID = ObjectId("Secret", "s")
KUBECTL = "kubectl-client-side-apply"
NOTE = Field("annotations", LAST_APPLIED)


def desired(*keys: str, labels: tuple[str, ...] = ()) -> Desired:
    origin = Origin(Layer.SOURCE, "plain:values.json")
    entries = {key: Entry(SecretValue.of("ours"), origin) for key in keys}
    return Desired(ID, entries, "Opaque", labels=dict.fromkeys(labels, "ours"))


def manager(name: str, *fields: Field, operation: str = "Update", time: str = "2026-01-01T00:00:00Z") -> Manager:
    return Manager(name, operation, time, frozenset(fields))


def live(*managers: Manager, keys: str = "AB", **more: object) -> Live:
    values = {key: SecretValue.of("theirs") for key in keys}
    return Live(ID, "1", "7", values, managers, "Opaque")._replace(**more)


def data(keys: str) -> list[Field]:
    return [Field("data", key) for key in keys]


def taken(desired: Desired, live: Live, memory: ObjectMemory | None = None) -> Adoption:
    found = adoption(desired, live, memory, OURS)
    assert found
    return found


FIELDS = st.sets(
    st.sampled_from([*data("ABCD"), *(Field("labels", name) for name in "lm"), NOTE, Field("type")]), max_size=8
).map(frozenset)
NAMES = st.sampled_from(
    [(OURS, "Apply"), (OURS, "Update"), (KUBECTL, "Update"), ("kubectl", "Apply"), ("bridge/y", "Apply")]
)
MANAGERS = st.dictionaries(NAMES, FIELDS, max_size=4).map(
    lambda found: tuple(Manager(name, operation, NOW, fields) for (name, operation), fields in found.items())
)


@given(MANAGERS, st.sets(st.sampled_from("ABCD")), st.booleans())
def test_whoever_owns_what_only_named_fields_move_and_sync_is_free_then(
    managers: tuple[Manager, ...], keys: set[str], last_applied: bool
) -> None:
    wish = desired("A", "B", labels=("l",))
    before = live(*managers, keys="".join(sorted(keys)), labels={"l": "x", "m": "y"}, last_applied=last_applied)
    found = adoption(wish, before, None, OURS)
    if found is None:
        return
    after = found.after
    named = {item for item in wanted(wish) if item in found.moves or item.name in keys}
    assert found.moves.keys() <= wanted(wish).keys() | {Field("type")}
    for item in {*data("ABCD"), Field("labels", "l"), Field("labels", "m"), Field("type")}:
        if item in found.moves:
            assert [(one.name, one.operation) for one in after.owners(item)] == [(OURS, "Apply")]
        else:
            assert {(one.name, one.operation) for one in after.owners(item)} == {
                (one.name, one.operation) for one in before.owners(item)
            }
    assert all(len(after.owners(item)) == 1 for item in named if item.section == "data")
    memory = recorded(found, NOW)
    assert not list(obstacles(diff(wish, after, memory, OURS), memory, OURS))
    assert adoption(wish, after, memory, OURS) is None
    assert not list(mismatches(found, after))


def test_key_that_is_missing_is_left_to_sync() -> None:
    found = taken(desired("A", "C"), live(manager(KUBECTL, *data("AB"))))
    assert set(found.moves) == {Field("data", "A"), Field("type")}
    assert recorded(found, NOW).keys.keys() == {"A"}


def test_nothing_to_do_is_no_adoption() -> None:
    ours = manager(OURS, *data("A"), Field("type"), operation="Apply")
    assert adoption(desired("A"), live(ours, manager(KUBECTL, *data("B"))), None, OURS) is None


def test_type_stays_where_no_key_moves() -> None:
    ours = manager(OURS, *data("A"), operation="Apply")
    theirs = manager(KUBECTL, *data("B"), Field("type"), NOTE)
    assert taken(desired("A"), live(ours, theirs, last_applied=True)).moves == {}


def test_annotation_alone_is_reason_enough() -> None:
    ours = manager(OURS, *data("A"), operation="Apply")
    found = taken(desired("A"), live(ours, manager(KUBECTL, NOTE), last_applied=True))
    assert (found.writes, found.after.last_applied, found.stays) == (True, False, {})


def test_adopted_key_is_not_yet_written_by_bridge_and_did_not_change_now() -> None:
    found = taken(desired("A"), live(manager(KUBECTL, *data("A"), time="2025-05-05T00:00:00Z"), manager("x", time=NOW)))
    memory = recorded(found, NOW)
    assert memory == ObjectMemory("1", {"A": KeyMemory(None, "2025-05-05T00:00:00Z", pending=True)})
    assert not memory.wrote(Field("data", "A"))


@pytest.mark.parametrize(
    ("managers", "changed"), [((manager("x", time="2025-05-05T00:00:00Z"),), "2025-05-05T00:00:00Z"), ((), NOW)]
)
def test_key_of_nobodys_changed_when_anybody_wrote_last(managers: tuple[Manager, ...], changed: str) -> None:
    memory = recorded(taken(desired("A"), live(*managers)), NOW)
    assert memory.keys["A"].changed == changed


def test_edit_between_adopt_and_first_sync_is_not_overwritten() -> None:
    found = taken(desired("A"), live(manager(KUBECTL, *data("A"))))
    edited = live(manager("kubectl-edit", *data("A")))
    memory = recorded(found, NOW)
    (problem,) = obstacles(diff(desired("A"), edited, memory, OURS), memory, OURS, "staging")
    assert (problem.what, problem.hint) == (
        "belongs to kubectl-edit (Update)",
        "take it over with `bridge adopt staging`",
    )


def test_what_was_written_last_stays_baseline() -> None:
    origin = Origin(Layer.SOURCE, "vault:x")
    known = ObjectMemory("1", {"A": KeyMemory(origin, "then"), "GONE": KeyMemory(origin, "then")}, ("l",), left=True)
    memory = recorded(
        taken(desired("A"), live(manager("argocd-controller", *data("A"), operation="Apply")), known), NOW
    )
    assert memory == known._replace(left=False)


def test_object_made_anew_keeps_only_layers_of_its_keys() -> None:
    origin = Origin(Layer.SOURCE, "vault:x")
    known = ObjectMemory("0", {"A": KeyMemory(origin, "then")}, ("l",), ("n",))
    memory = recorded(taken(desired("A"), live(manager(KUBECTL, *data("A"))), known), NOW)
    assert memory == ObjectMemory("1", {"A": KeyMemory(origin, "then", pending=True)})


def test_no_source_counts_as_written_from() -> None:
    found = taken(desired("A"), live(manager(KUBECTL, *data("A"))))
    other = ObjectMemory("2", {})
    before = Memory({ObjectId("ConfigMap", "c"): other}, {"vault:x": Revision("1")})
    after = remembering(before, [found], NOW)
    assert after.sources == before.sources
    assert after.objects.keys() == {ID, ObjectId("ConfigMap", "c")}


@pytest.mark.parametrize(
    ("more", "what", "hint"),
    [
        ({"owner": "ReplicaSet/x"}, "is owned by ReplicaSet/x", "delete ReplicaSet/x with `--cascade=orphan`"),
        (
            {"labels": {"reconcile.external-secrets.io/managed": "true"}},
            "External Secrets manages it",
            "ExternalSecret",
        ),
        ({"labels": {"secrets.hashicorp.com/vso-ownerRefUID": "1"}}, "the Vault Secrets Operator manages it", "orphan"),
        ({"annotations": {"sealedsecrets.bitnami.com/managed": "true"}}, "Sealed Secrets manages it", "SealedSecret"),
        ({"annotations": {"sopssecret/managed": "true"}}, "the SOPS operator manages it", "SopsSecret"),
        ({"labels": {"secrets-store.csi.k8s.io/managed": "true"}}, "the Secrets Store CSI driver", "secretObjects"),
        ({"terminating": True}, "is being deleted", "finalizer"),
        ({"type": "example.com/other"}, "has type example.com/other", "bridge sync --recreate"),
        ({"immutable": True}, "is immutable and would have to change", "bridge sync --recreate"),
    ],
)
def test_what_cannot_be_taken_over_is_refused_with_what_to_do(more: dict, what: str, hint: str) -> None:
    found = taken(desired("A"), live(manager(KUBECTL, *data("A")), **more))
    (problem,) = refusals([found], NOW)
    assert what in problem.what
    assert hint in problem.hint


def test_marks_of_operator_say_what_to_take_off_even_where_its_owner_is_gone() -> None:
    marks = {"reconcile.external-secrets.io/managed": "true", "reconcile.external-secrets.io/created-by": "x"}
    for owner in ("ExternalSecret/x", None):
        found = taken(desired("A"), live(manager(KUBECTL, *data("A")), labels=marks, owner=owner))
        (problem,) = refusals([found], NOW)
        assert problem.hint.endswith(f"; then remove {', '.join(marks)} from the object")


def test_immutable_object_that_is_right_is_taken_over() -> None:
    same = {"A": SecretValue.of("ours")}
    found = taken(desired("A"), live(manager(KUBECTL, *data("A")), immutable=True, data=same))
    assert not list(refusals([found], NOW))
    assert diff(found.desired, found.after, None, OURS).action is Action.KEEP


@pytest.mark.parametrize(
    ("more", "what", "hint"),
    [
        ({"annotations": {"meta.helm.sh/release-name": "r"}}, "may delete it", "helm.sh/resource-policy: keep"),
        ({"labels": {"app.kubernetes.io/managed-by": "Helm"}}, "Helm deploys it", "helm.sh/resource-policy: keep"),
        ({"annotations": {"argocd.argoproj.io/tracking-id": "r"}}, "Argo CD deploys it", "Prune=false"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "r"}}, "Flux deploys it", "prune: disabled"),
        ({"labels": {"app.kubernetes.io/managed-by": "pulumi"}}, "pulumi manages it", "stop it from writing"),
    ],
)
def test_who_deploys_object_is_reported(more: dict, what: str, hint: str) -> None:
    found = taken(desired("A"), live(manager(KUBECTL, *data("A")), **more))
    assert not list(refusals([found], NOW))
    (problem,) = warnings([found])
    assert what in problem.what
    assert hint in problem.hint


@pytest.mark.parametrize(
    ("name", "what"),
    [("helm", "Helm"), ("argocd-controller", "Argo CD"), ("kustomize-controller", "Flux"), ("helm-controller", "Flux")],
)
def test_who_deploys_object_is_known_by_manager_too(name: str, what: str) -> None:
    (problem,) = warnings([taken(desired("A"), live(manager(name, *data("A"))))])
    assert problem.what.startswith(f"{what} deploys it and ")


def test_helm_that_keeps_object_is_no_danger_to_it() -> None:
    notes = {"meta.helm.sh/release-name": "r", "helm.sh/resource-policy": "keep"}
    (problem,) = warnings([taken(desired("A"), live(manager("helm", *data("A")), annotations=notes))])
    assert "delete" not in problem.what


def test_operator_that_only_wrote_once_is_reported_and_not_refused() -> None:
    found = taken(desired("A"), live(manager("externalsecrets.external-secrets.io/x", *data("A"))))
    assert not list(refusals([found], NOW))
    assert [str(one) for one in warnings([found])] == ["Secret/s: External Secrets has written to this object"]


def test_another_environment_of_bridge_is_named_with_what_it_loses() -> None:
    other = manager("bridge/other", *data("AB"), Field("type"), operation="Apply")
    (problem,) = warnings([taken(desired("A"), live(other))])
    assert str(problem) == "Secret/s: is taken from another bridge environment, bridge/other: key A"


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (
            lambda one: one._replace(data={"A": SecretValue.of("other"), "B": SecretValue.of("theirs")}),
            "changes its values",
        ),
        (lambda one: one._replace(data={"A": SecretValue.of("theirs")}), "changes its values"),
        (lambda one: one._replace(last_applied=True), "was not removed"),
        (lambda one: one._replace(managers=one.managers[:1]), "did not accept"),
        (lambda one: one._replace(managers=(*one.managers, manager("x", *data("A")))), "did not accept"),
        (
            lambda one: one._replace(
                managers=(
                    one.managers[0]._replace(fields=one.managers[0].fields | {Field("data", "B")}),
                    one.managers[1],
                )
            ),
            "did not accept",
        ),
    ],
)
def test_object_that_is_not_as_it_is_to_be_is_seen(change: object, what: str) -> None:
    found = taken(desired("A"), live(manager(KUBECTL, *data("AB"))))
    (seen,) = mismatches(found, change(found.after))
    assert what in seen


def test_key_of_another_value_becomes_ordinary_change() -> None:
    found = taken(desired("A"), live(manager(KUBECTL, *data("A"))))
    change = diff(found.desired, found.after, recorded(found, NOW), OURS)
    assert [one.what for one in change.fields] == [What.CHANGE]
