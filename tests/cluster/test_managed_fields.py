"""Reading managedFields, and moving single fields to our own entry."""

from typing import Any

from bridge.cluster.managed_fields import read_managers, reassigned
from bridge.objects import Field

OURS = "bridge/x"


def entry(manager: str, fields: dict[str, Any], operation: str = "Update", **more: str) -> dict[str, Any]:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "time": "then",
        "fieldsV1": fields,
    } | more


def test_every_kind_of_field_is_read() -> None:
    fields = {
        "f:data": {".": {}, "f:A": {}},
        "f:binaryData": {"f:B": {}},
        "f:metadata": {"f:labels": {".": {}, "f:l": {}}, "f:annotations": {"f:a": {}}},
        "f:type": {},
        "f:immutable": {},
    }
    (manager,) = read_managers([entry("m", fields), entry("status", {}, subresource="status")])
    assert (manager.name, manager.operation, manager.time) == ("m", "Update", "then")
    assert manager.fields == {
        Field("data", "A"),
        Field("data", "B"),
        Field("labels", "l"),
        Field("annotations", "a"),
        Field("type"),
        Field("immutable"),
    }


def test_one_field_moves_and_rest_stays_with_its_managers() -> None:
    before = [
        entry(OURS, {"f:data": {"f:B": {}}}, "Apply"),
        entry("kubectl-edit", {"f:data": {".": {}, "f:A": {}, "f:C": {}}, "f:type": {}}),
    ]
    after = reassigned(before, frozenset({Field("data", "A")}), OURS)
    assert [one["fieldsV1"] for one in after] == [
        {"f:data": {"f:B": {}, "f:A": {}}},
        {"f:data": {".": {}, "f:C": {}}, "f:type": {}},
    ]
    assert before[0]["fieldsV1"] == {"f:data": {"f:B": {}}}


def test_manager_without_fields_is_removed() -> None:
    before = [entry("kubectl-edit", {"f:data": {".": {}, "f:A": {}}})]
    after = reassigned(before, frozenset({Field("data", "A")}), OURS)
    assert [(one["manager"], one["operation"], one["fieldsV1"]) for one in after] == [
        (OURS, "Apply", {"f:data": {"f:A": {}}})
    ]


def test_labels_annotations_and_binary_data_keep_their_place() -> None:
    before = [
        entry("a", {"f:metadata": {"f:labels": {"f:l": {}}, "f:annotations": {"f:n": {}, "f:o": {}}}}),
        entry("b", {"f:binaryData": {"f:B": {}}}),
    ]
    moved = frozenset({Field("labels", "l"), Field("annotations", "n"), Field("data", "B")})
    after = reassigned(before, moved, OURS)
    assert after[0]["fieldsV1"] == {"f:metadata": {"f:annotations": {"f:o": {}}}}
    assert after[1]["fieldsV1"] == {
        "f:metadata": {"f:labels": {"f:l": {}}, "f:annotations": {"f:n": {}}},
        "f:binaryData": {"f:B": {}},
    }


def test_unowned_field_becomes_ours() -> None:
    (ours,) = reassigned([], frozenset({Field("data", "A")}), OURS)
    assert ours["fieldsV1"] == {"f:data": {"f:A": {}}}


def test_string_data_that_was_applied_is_read_as_data_and_becomes_data() -> None:
    before = [entry("kubectl", {"f:stringData": {"f:A": {}, "f:B": {}}, "f:data": {"f:A": {}}}, "Apply")]
    (manager,) = read_managers(before)
    assert manager.fields == {Field("data", "A"), Field("data", "B")}
    after = reassigned(before, frozenset({Field("data", "A")}), OURS)
    assert [one["fieldsV1"] for one in after] == [{"f:stringData": {"f:B": {}}}, {"f:data": {"f:A": {}}}]
    assert reassigned(before, frozenset({Field("data", "B")}), OURS)[1]["fieldsV1"] == {"f:data": {"f:B": {}}}


def test_type_and_immutable_are_fields_of_object_itself() -> None:
    before = [entry("a", {"f:data": {"f:A": {}}, "f:type": {}, "f:immutable": {}})]
    after = reassigned(before, frozenset({Field("type"), Field("immutable")}), OURS)
    assert [one["fieldsV1"] for one in after] == [{"f:data": {"f:A": {}}}, {"f:type": {}, "f:immutable": {}}]


def test_new_entry_has_newest_time_of_previous_owners() -> None:
    before = [
        entry("a", {"f:data": {"f:A": {}}}, time="2026-01-01T00:00:00Z"),
        entry("b", {"f:data": {"f:B": {}}}, time="2026-01-02T00:00:00Z"),
        entry("c", {"f:data": {"f:C": {}}}, time="2026-01-03T00:00:00Z"),
    ]
    after = reassigned(before, frozenset({Field("data", "A"), Field("data", "B")}), OURS)
    assert [(one["manager"], one["time"]) for one in after] == [
        ("c", "2026-01-03T00:00:00Z"),
        (OURS, "2026-01-02T00:00:00Z"),
    ]


def test_without_fields_there_is_no_entry_of_ours() -> None:
    before = [entry("a", {"f:data": {"f:A": {}}})]
    assert reassigned(before, frozenset(), OURS) == before
