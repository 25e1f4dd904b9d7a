"""`make help` lists every target, `make test T=PATH` runs one file or folder, and each target runs what it says."""

import ast
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
IMPORTED_AS = {
    "google-re2": {"re2"},
    "hvac": {"hvac", "requests", "urllib3"},
    "boto3": {"boto3", "botocore", "urllib3"},
    "python-dotenv": {"dotenv"},
    "pyyaml": {"yaml"},
}
"""What is imported of a dependency, and of what it brings, if it is not its name alone."""


def make(*arguments: str, **variables: str) -> str:
    # Without the variables of a `make test` that runs this test.
    told = ("MAKE", "MFLAGS", "CI", "COVERAGE", "SPREAD")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(told)} | variables
    command = ["make", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True).stdout


def runs(*arguments: str, **variables: str) -> list[str]:
    """Return the lines of a target that run tests."""
    return [line for line in make("--dry-run", *arguments, **variables).splitlines() if "pytest" in line]


def test_help_describes_every_target() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    described = dict(line.split(maxsplit=1) for line in make("help").splitlines())
    assert set(described) == set(phony[1].split())


def test_test_of_one_path_runs_nothing_else() -> None:
    assert runs("test", "T=tests/plan") == [".venv/bin/python -m pytest tests/plan"]
    assert len(runs("test")) > 1


def test_coverage_is_measured_in_ci_and_on_request_only() -> None:
    assert not any("coverage" in line for line in make("--dry-run", "unit").splitlines() if "Dockerfile" not in line)
    for variables in ({"CI": "true"}, {"COVERAGE": "1"}):
        assert all(line.startswith(".venv/bin/coverage run ") for line in runs("unit", **variables))
        assert "coverage report --fail-under=95" in make("--dry-run", "unit", **variables)


def test_unit_leaves_out_only_what_cluster_test_runs() -> None:
    first, second = (line.rpartition(" -m ")[2] for line in runs("unit"))
    assert (first, second) == ("'not real and not wheel'", "'(real or wheel) and not node'")
    assert [line.rpartition(" -m ")[2] for line in runs("cluster-test")] == ["node tests/node"]


def imports(path: Path) -> set[str]:
    """Return the packages that a module imports, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def dependencies() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [Requirement(one).name for one in project["dependencies"]]
    return {package for name in names for package in IMPORTED_AS.get(name, {name})}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield each module with the folder of its tests."""
    for path in (ROOT / "bridge").rglob("*.py"):
        folder = path.relative_to(ROOT / "bridge").parts[0]
        if folder != "testing":
            yield (f"tests/{folder}" if (ROOT / "tests" / folder).is_dir() else "tests/base"), path
    for path in (ROOT / "providers").rglob("*.py"):
        yield "tests/providers", path


@pytest.mark.slow
def test_oldest_dependencies_are_tried_with_tests_of_each_module_that_imports_one() -> None:
    found = {folder for folder, path in modules() if imports(path) & dependencies()}
    most, real = ([word for word in line.split() if word.startswith("tests/")] for line in runs("lowest"))
    assert sorted(found) == most
    assert {str(Path(name).parent) for name in real} == {"tests/providers/vault"}
    assert [name for name in real if not (ROOT / name).is_file()] == []


@pytest.mark.slow
def test_each_dependency_is_imported_somewhere() -> None:
    imported = {name for _, path in modules() for name in imports(path)}
    assert dependencies() - imported == set()
