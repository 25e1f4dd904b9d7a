"""`bridge help exit-codes`: each status on the page, and no other, is that of a real run."""

import re
from collections.abc import Callable

import pytest

from bridge.cluster.lease import Lease
from bridge.cluster.objects import Objects
from bridge.commands.exec_start import CommandNotFound, NotExecutable
from bridge.errors import BridgeError
from bridge.parser import build_parser
from bridge.process import SIGNALS
from tests.desk import Desk
from tests.failures.test_bugs import break_after
from tests.pages import page

OF_SIGNALS = {128 + number for number in SIGNALS}
"""The statuses of stopped runs; tests/base/test_process.py has those runs."""
TOLD = [int(number) for row in page("exit-codes").section("Exit codes").rows for number in row[0].split(", ")]


def unchanged(desk: Desk, patches: pytest.MonkeyPatch) -> int:
    return desk.run("plan", "staging").status


def refused(desk: Desk, patches: pytest.MonkeyPatch) -> int:
    assert desk.run("sync", "staging").status == 0
    desk.values(OPENAI_API_KEY=None)
    return desk.run("sync", "staging").status


def invalid(desk: Desk, patches: pytest.MonkeyPatch) -> int:
    desk.environment(templates=["base/missing.yml"])
    return desk.run("sync", "staging").status


def pending(desk: Desk, patches: pytest.MonkeyPatch) -> int:
    return desk.run("plan", "staging", "--exit-code").status


def bug(desk: Desk, patches: pytest.MonkeyPatch) -> int:
    break_after(patches, Lease, "acquire")
    return desk.run("sync", "staging").status


def stopped(desk: Desk, patches: pytest.MonkeyPatch) -> int:
    break_after(patches, Objects, "apply", on=lambda *_, dry_run, **__: not dry_run)
    return desk.run("sync", "staging").status


def unavailable(desk: Desk, patches: pytest.MonkeyPatch) -> int:
    patches.setattr("bridge.cluster.api.BACKOFF", 0.01)
    desk.target.embedded.intercept = lambda *_: (503, "busy")
    return desk.run("sync", "staging").status


RUNS: dict[int, Callable[[Desk, pytest.MonkeyPatch], int]] = {
    0: unchanged,
    1: refused,
    2: invalid,
    3: bug,
    4: pending,
    5: stopped,
    75: unavailable,
}


@pytest.mark.parametrize("status", RUNS)
def test_run_ends_with_status_of_page(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    offline_desk.canaries.add("CANARY-bug")
    assert RUNS[status](offline_desk, monkeypatch) == status


def test_page_and_help_have_statuses_of_runs_and_signals() -> None:
    assert sorted(TOLD) == sorted({*RUNS, *OF_SIGNALS})
    help_text = build_parser().format_help().partition("exit status:\n")[2].partition("\n\n")[0]
    assert sorted(map(int, re.findall(r"\b\d+\b", help_text))) == sorted(TOLD)


def test_every_error_of_program_has_status_of_page() -> None:
    kinds, found = [BridgeError], set()
    while kinds:
        kind = kinds.pop()
        found.add(kind.exit_status)
        kinds += kind.__subclasses__()
    as_in_shell = {kind.exit_status for kind in (NotExecutable, CommandNotFound)}
    assert as_in_shell == {126, 127}  # `bridge exec` has them from its command: bridge/help/everyday.md
    assert found - as_in_shell <= set(TOLD)
