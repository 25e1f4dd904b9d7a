"""What a process keeps of many runs: nothing. `make soak` does the same with real servers, and measures the memory."""

import tempfile
from pathlib import Path

import pytest

from tests.bench.footprint import children, footprint, settled, slope
from tests.desk import Desk
from tests.lease.leases import holder

RUNS = 12
COMMANDS = [
    ("sync", "staging"),
    ("sync", "--all"),
    ("plan", "staging"),
    ("status", "--all"),
    ("adopt", "staging", "--yes"),
]


@pytest.mark.slow
def test_many_runs_leave_no_file_thread_or_process(
    offline_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, folder = offline_desk, tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    for command in COMMANDS:
        assert desk.run(*command).status == 0
    before, held = footprint(), children()
    for number in range(RUNS):
        desk.values(OPENAI_API_KEY=f"CANARY-{number}")
        if number % 2:
            desk.target.edit("Secret", "shared-secrets", LIVEKIT_API_KEY="by hand")
        for command in COMMANDS:
            assert desk.run(*command).status == 0, (number, command)
    after = settled(before)
    assert after.files <= before.files
    assert after.threads <= before.threads
    assert set(children()) <= set(held)
    assert not list(folder.rglob("*"))
    assert holder(desk) == ""


def test_slope_is_growth_per_run() -> None:
    assert slope([(0, 10.0), (10, 30.0), (20, 50.0)]) == 2
    assert slope([(0, 10.0), (10, 10.0)]) == 0
    assert slope([(5, 10.0)]) == 0
