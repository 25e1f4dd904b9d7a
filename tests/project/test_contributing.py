"""CONTRIBUTING.md says where a test is, and there is one place for it."""

import re
from collections import defaultdict

from tests.pages import ROOT, page

FINDING = page("CONTRIBUTING.md").section("Find a test")
TESTS = ROOT / "tests"


def test_every_folder_of_tests_is_in_the_table() -> None:
    told = [name for first, _ in FINDING.rows for name in re.findall(r"`(\w+)`", first)]
    assert sorted(told) == sorted(path.name for path in TESTS.iterdir() if any(path.glob("**/*.py")))


def test_modules_that_the_page_names_exist() -> None:
    named = re.findall(r"`(\w+\.py)`", FINDING.text)
    assert named
    assert [name for name in named if not (TESTS / name).is_file()] == []


def test_file_names_are_unique_outside_of_the_providers_folders() -> None:
    """Providers have files of the same name for the same thing."""
    places = defaultdict(list)
    for path in TESTS.rglob("test_*.py"):
        folder = path.relative_to(TESTS).parent
        if folder.parts[0] != "providers" or folder.name in {"contract", "runs"}:
            places[path.name].append(str(folder))
    assert {name: folders for name, folders in places.items() if len(folders) > 1} == {}


def test_no_test_lies_outside_of_a_folder() -> None:
    assert list(TESTS.glob("test_*.py")) == []
