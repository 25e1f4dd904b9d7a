"""Programs from Debian's packages. CI installs them, as it builds the other programs; elsewhere their tests skip."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def program(name: str, package: str) -> Path:
    """Return the path of a program. Skip the test if there is none, or fail it in CI if it cannot be installed."""
    found = shutil.which(name)
    if found is None and os.environ.get("CI"):
        install(package)
        found = shutil.which(name)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is missing: apt-get install {package}")
    return Path(found)


def install(*packages: str) -> bool:
    """Install packages, if that is possible here, and return whether it worked."""
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    environ = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    lines = (["apt-get", "update", "--quiet"], ["apt-get", "install", "--yes", "--no-install-recommends", *packages])
    return all(subprocess.run(line, env=environ, capture_output=True, check=False).returncode == 0 for line in lines)
