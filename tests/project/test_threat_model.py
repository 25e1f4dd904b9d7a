"""The page `threat-model` has a row for each part of the environment's file, and names tests that exist."""

import re
import tomllib

import pytest

from bridge.config import environment_fields
from tests.pages import README, ROOT, help_pages, page

PAGE = page("threat-model")
NAMED = sorted({path for one in (README, *help_pages()) for path in re.findall(r"`(tests/[\w/.]+)`", one.text)})


@pytest.mark.parametrize("path", NAMED)
def test_tests_that_pages_name_exist(path: str) -> None:
    assert (ROOT / path).exists()


def test_every_key_and_every_type_of_provider_has_row() -> None:
    parts = [re.findall(r"`([\w-]+)`", row[0]) for row in PAGE.marked("environment-file").rows]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    types = set(project["entry-points"]["bridge.providers"])
    assert set(environment_fields.KEYS) <= {name for row in parts for name in row}
    assert types <= {name for row in parts if row[0] == "providers" for name in row}


def test_every_vulnerability_has_test_and_says_whether_it_applied() -> None:
    rows = PAGE.section("What went wrong in other tools").rows
    assert len(rows) > 10
    for vulnerability, wrong, here, test in rows:
        assert re.findall(r"CVE-\d{4}-\d{4,}", vulnerability)
        assert wrong
        assert here
        assert "`tests/" in test
