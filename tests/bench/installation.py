"""Installs bridge as a user has it: a wheel of this tree and its dependencies, in a fresh virtual environment.

An editable install is no measure: its import hook alone costs a run some 20 ms. The dependencies are
copied from the environment that runs the benchmark, since an index would not say anything new.
"""

import shutil
import sys
import venv
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution, distributions
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from tests.bench.measure import call

ROOT: Final = Path(__file__).resolve().parents[2]
MATERIAL: Final = ("pyproject.toml", "README.md", "LICENSE", "bridge", "providers", "config")
PIP: Final = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


class Installation:
    """A virtual environment below `folder` with bridge and what it needs, compiled to bytecode."""

    def __init__(self, folder: Path) -> None:
        home = folder / "venv"
        venv.create(home, symlinks=True)
        self.python: Final = home / "bin" / "python"
        self.bridge: Final = home / "bin" / "bridge"
        wheel = _wheel(folder)
        call(*PIP, "--python", self.python, "install", "--no-deps", "--no-index", wheel)
        (site,) = home.glob("lib/python*/site-packages")
        _copy_dependencies(site)
        call(self.python, "-m", "compileall", "-q", site)


def _wheel(folder: Path) -> Path:
    """Build the wheel from a copy: setuptools leaves folders in the tree, and takes stale files from them."""
    source = folder / "source"
    source.mkdir()
    for name in MATERIAL:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, source)
    call(*PIP, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", folder, source)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _copy_dependencies(site: Path) -> None:
    (ours,) = distributions(path=[str(site)])
    done: set[str] = set()
    waiting = list(_needed(ours))
    while waiting:
        name = waiting.pop()
        if name not in done:
            done.add(name)
            found = distribution(name)
            _copy(found, site)
            waiting += _needed(found)


def _needed(found: Distribution) -> Iterator[str]:
    for text in found.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name


def _copy(found: Distribution, site: Path) -> None:
    for file in found.files or ():
        source = Path(str(found.locate_file(file)))
        if ".." in file.parts or not source.is_file():
            continue  # a program beside site-packages, or bytecode of another interpreter
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)  # with its time, so that copied bytecode stays valid
