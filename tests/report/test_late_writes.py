"""Reports of a run in which a write that outlived the time limit ends while the report is made."""

from collections.abc import Callable
from typing import Any

import pytest

from bridge.objects import ObjectId
from bridge.report.data import mark_written, outcome_data
from bridge.report.record import Record

ONE, TWO = ObjectId("Secret", "one"), ObjectId("Secret", "two")
OBJECTS: dict[str, Any] = {"objects": [{"kind": id_.kind, "name": id_.name} for id_ in (ONE, TWO)], "errors": []}


def of_sync(begun: set[ObjectId]) -> None:
    outcome_data(OBJECTS, "failed", (), begun)


def of_adoption(begun: set[ObjectId]) -> None:
    mark_written(OBJECTS, (), begun)


def of_record(begun: set[ObjectId]) -> None:
    record = Record()
    record.begun = begun
    assert sorted(record.changed) == ["Secret/one", "Secret/two"]


@pytest.mark.parametrize("report", [of_sync, of_adoption, of_record])
def test_write_may_end_while_report_is_made(
    report: Callable[[set[ObjectId]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, shown = {ONE, TWO}, ObjectId.__str__

    def ends_meanwhile(id_: ObjectId) -> str:
        begun.discard(id_)
        return shown(id_)

    monkeypatch.setattr(ObjectId, "__str__", ends_meanwhile)
    report(begun)
    assert begun == set()
