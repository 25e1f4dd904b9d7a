"""The tutorial for providers: what it tells a reader to write passes the contract, and bridge reads values with it."""

import os
import subprocess
import sys
import sysconfig
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import bridge.provider
from tests.pages import ROOT, page

PAGE = page("writing-a-provider")
GROUP = "bridge.providers"


@pytest.mark.slow
def test_provider_of_tutorial_passes_contract(tmp_path: Path) -> None:
    (tmp_path / "acme_bridge.py").write_text(PAGE.block("provider"))
    (tmp_path / "test_acme.py").write_text(PAGE.block("provider-test"))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_acme.py"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_package_of_tutorial_registers_its_provider() -> None:
    project = tomllib.loads(PAGE.block("provider-package"))
    ((name, value),) = project["project"]["entry-points"][GROUP].items()
    entry = EntryPoint(name, value, GROUP)
    assert project["tool"]["setuptools"]["py-modules"] == [entry.module]
    assert f"class {entry.attr}:" in PAGE.block("provider")


def test_commands_of_tutorial_pass_value_of_store_to_command(tmp_path: Path) -> None:
    (tmp_path / "acme_bridge.py").write_text(PAGE.block("provider"))
    package = tmp_path / "acme_bridge-1.0.dist-info"  # what `pip install` makes of the tutorial's pyproject.toml
    package.mkdir()
    (package / "METADATA").write_text("Name: acme-bridge\nVersion: 1.0\n")
    ((name, value),) = tomllib.loads(PAGE.block("provider-package"))["project"]["entry-points"][GROUP].items()
    (package / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {value}\n")
    path = os.pathsep.join([sysconfig.get_path("scripts"), "/usr/bin", "/bin"])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", PAGE.block("provider-use")],
        cwd=tmp_path,
        env={"PATH": path, "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "only-a-test\n"), done.stderr


def test_table_of_protocols_has_all_that_are_optional() -> None:
    told = {word.strip(" `") for row in PAGE.section("Add more").rows for word in row[0].split(",")}
    optional = {
        name
        for name in bridge.provider.__all__
        if (getattr(bridge.provider, name).__doc__ or "").startswith("Optional,")
    }
    assert told == optional
