"""Programs from Debian's packages. CI installs them, as it builds the other programs; elsewhere their tests skip."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest


def program(names: Sequence[str], packages: Sequence[str]) -> Path:
    """Return the path of the first program that is there. Without one, skip the test, or fail it in CI."""
    found = _first(names)
    if found is None and os.environ.get("CI"):
        install(*packages)
        found = _first(names)
    if found is None:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing(f"{names[0]} is missing: apt-get install {' '.join(packages)}")
    return Path(found)


def _first(names: Sequence[str]) -> str | None:
    return next(filter(None, map(shutil.which, names)), None)


def install(*packages: str) -> bool:
    """Install packages, if that is possible here, and return whether it worked."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    lines = (["apt-get", "update", "--quiet"], ["apt-get", "install", "--yes", "--no-install-recommends", *packages])
    return all(subprocess.run(line, env=environ, capture_output=True, check=False).returncode == 0 for line in lines)
