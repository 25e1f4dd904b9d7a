"""The tables on the page `faults`, as `tests/faults/run.py --write` puts them there."""

from tests.faults import page
from tests.faults.judge import allowed_of
from tests.faults.kinds import SERVERS
from tests.faults.matrix import Found
from tests.faults.targets import NAMES
from tests.pages import Page
from tests.pages import page as help_page

FAULT = SERVERS[0].name


def found(name: str, fault: str, status: int, *, lasting: bool = False, met: bool = True) -> Found:
    return Found(name, fault, 1, lasting, 1, "GET /", met, status, 0.1, -1.0, ())


def test_page_has_tables_of_record() -> None:
    text = page.PAGE.read_text()
    assert page.replaced(text, page.tables(page.read())) == text


def test_record_has_every_fault_of_every_target_with_statuses_that_it_may_have() -> None:
    statuses = {name: target["statuses"] for name, target in page.read().items()}
    assert list(statuses) == [name for name in NAMES if name in statuses]
    assert {"API server", page.PROGRAM, page.PROCESS} < set(statuses)
    for name, cells in statuses.items():
        assert list(cells) == [fault.name for fault in page.FAULTS[name]]
        for fault in page.FAULTS[name]:
            seen = cells[fault.name]
            assert seen["once"]
            assert bool(seen["lasting"]) == fault.can_last
            assert {*seen["once"], *seen["lasting"]} <= allowed_of(fault)


def test_cell_has_all_statuses_once_and_from_then_on() -> None:
    record = page.recorded(
        [
            found("Vault", FAULT, 75),
            found("Vault", FAULT, 0),
            found("Vault", FAULT, 0),
            found("Vault", FAULT, 75, lasting=True),
            found("S3", FAULT, 1),
            found("S3", FAULT, 1, lasting=True),
            found("AWS", FAULT, 5, met=False),
        ]
    )
    row = next(row for row in Page("tables", page.tables(record)).rows if row[0] == FAULT)
    assert row == [FAULT, "0, 75 / 75", "", "1"]


def test_targets_that_were_not_run_keep_their_record() -> None:
    before = page.recorded([found("Vault", FAULT, 75), found("S3", FAULT, 75)])
    after = page.recorded([found("S3", FAULT, 1)], before)
    assert after["Vault"] == before["Vault"]
    assert after["S3"]["statuses"][FAULT]["once"] == [1]
    assert list(after) == ["Vault", "S3"]


def test_faults_that_were_not_run_keep_their_record() -> None:
    first, second = SERVERS[0].name, SERVERS[1].name
    before = page.recorded([found("S3", first, 75), found("S3", second, 75)])
    after = page.recorded([found("S3", first, 1)], before)
    assert after["S3"]["runs"] == 2
    assert (after["S3"]["statuses"][first]["once"], after["S3"]["statuses"][second]["once"]) == ([1], [75])


def test_page_of_help_has_all_tables() -> None:
    rows = {row[0] for row in help_page("faults").marked("faults").rows}
    assert rows == {fault.name for faults in page.FAULTS.values() for fault in faults}
