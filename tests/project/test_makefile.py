"""`make help` lists every target, and `make test T=PATH` runs one file or folder."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def make(*arguments: str) -> str:
    # Without the variables of a `make test` that runs this test.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    command = ["make", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True).stdout


def test_help_describes_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    described = dict(line.split(maxsplit=1) for line in make("help").splitlines())
    assert set(described) == set(phony[1].split())


def test_test_of_one_path_runs_nothing_else() -> None:
    lines = [line for line in make("--dry-run", "test", "T=tests/plan").splitlines() if "pytest" in line]
    assert lines == [".venv/bin/python -m pytest tests/plan"]
    assert len([line for line in make("--dry-run", "test").splitlines() if "pytest" in line]) > 1
