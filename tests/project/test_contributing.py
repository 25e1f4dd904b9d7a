"""CONTRIBUTING.md says where a test is, and there is one place for it."""

import re
import tomllib
from collections import defaultdict

from tests.pages import ROOT, page
from tests.servers import build

CONTRIBUTING = page("CONTRIBUTING.md")
FINDING = CONTRIBUTING.section("Find a test")
TESTS = ROOT / "tests"


def test_every_folder_of_tests_is_in_table() -> None:
    told = [name for first, _ in FINDING.rows for name in re.findall(r"`(\w+)`", first)]
    assert sorted(told) == sorted(path.name for path in TESTS.iterdir() if any(path.glob("**/*.py")))


def test_modules_that_page_names_exist() -> None:
    named = re.findall(r"`(\w+\.py)`", FINDING.text)
    assert named
    assert [name for name in named if not (TESTS / name).is_file()] == []


def test_file_names_are_unique_outside_of_providers_folders() -> None:
    """Providers have files of the same name for the same thing."""
    places = defaultdict(list)
    for path in TESTS.rglob("test_*.py"):
        folder = path.relative_to(TESTS).parent
        if folder.parts[0] != "providers" or folder.name in {"contract", "runs"}:
            places[path.name].append(str(folder))
    assert {name: folders for name, folders in places.items() if len(folders) > 1} == {}


def test_every_program_that_is_built_is_in_table_with_what_builds_it() -> None:
    how = {
        name: source
        for programs, source, *_ in CONTRIBUTING.section("Programs that tests need").rows
        for name in re.findall(r"`([\w.-]+)`", programs)
        if "wheel" not in source and "system" not in source
    }
    assert {name for name, source in how.items() if "`make test`" in source} == set(
        build.TOOLS
    ) - build.SEPARATE - build.ON_REQUEST
    assert {name for name, source in how.items() if source == "CI or by name"} == build.ON_REQUEST
    assert {name for name, source in how.items() if source == "`make bench`"} == build.PEERS
    assert {name for name, source in how.items() if source == "`make cluster-test`"} == build.NODE
    assert {name for name, source in how.items() if source == "`make kubernetes`"} == build.RELEASES


def test_no_test_lies_outside_of_folder() -> None:
    assert list(TESTS.glob("test_*.py")) == []


def drawn() -> list[str]:
    """Return the modules of the picture of the code, from the highest to the lowest."""
    picture = CONTRIBUTING.section("How the code is organized").text.partition("```\n")[2].partition("\n\n")[0]
    return [name.strip("/") for line in picture.splitlines() for name in re.split(r", | {2,}", line[:27].strip())]


def test_every_module_is_in_picture_of_code() -> None:
    modules = {path.stem for path in (ROOT / "bridge").glob("*.py") if not path.stem.startswith("__")}
    rooms = {path.parent.name for path in (ROOT / "bridge").glob("*/__init__.py")}
    assert sorted(drawn()) == sorted(modules | rooms)


def test_order_of_picture_is_that_of_import_rules() -> None:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(rule["layers"] for rule in rules if rule["name"] == "the layers of bridge")
    level = {name: number for number, layer in enumerate(layers) for name in layer.split(" | ")}
    numbers = [level[name] for name in drawn() if name in level]
    assert numbers == sorted(numbers)
    assert {name for name in drawn() if name not in level} == {"testing"}
