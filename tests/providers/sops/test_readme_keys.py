"""What the help page says of keys, held against the code and against what the tests try."""

import re

import pytest
import yaml

from bridge import programs
from bridge_providers.sops import Sops, identities, keys, metadata, sops_program, writing
from tests.pages import page
from tests.providers.sops import table
from tests.providers.sops.matrix import CELLS, KINDS, RELEASES
from tests.providers.sops.test_written_by import RELEASES as RECORDED
from tests.servers import build

PROGRAM = "read with `program`"
PAGE = page("sops")


def block(name):
    return PAGE.marked(name).text


def recorded(name):
    return page("tested-with").marked(name).text


def used():
    """Return the table's rows: the types of keys in the first cell, and the other cells."""
    for line in block("sops-keys").splitlines()[2:]:
        first, *others = (cell.strip() for cell in line.strip("|").split("|"))
        kinds = [kind for kind in re.findall(r"`([a-z_]+)`", first) if kind in metadata.KEY_TYPES]
        assert kinds, line
        yield kinds, others


def test_table_of_what_was_tried_is_that_of_tests():
    head, _, *rows = recorded("sops-tried").strip().splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")] == ["key", *table.SUFFIXES]
    assert rows == [table.row(name) for name in table.ROWS]


def test_legend_has_releases_with_all_their_numbers():
    legend = " ".join(recorded("sops-legend").split())
    assert f"`sops` {table.legend(RELEASES)} write" in legend
    assert f"Others: {table.legend(RECORDED)} wrote" in legend


def test_table_has_all_that_is_tried():
    assert {cell.kind for cell in CELLS} == set(table.ROWS.values()) == set(KINDS)
    assert {cell.suffix for cell in CELLS} == set(table.SUFFIXES.values())


def test_releases_are_those_that_are_built_and_that_of_wheel():
    versions = []
    for name in ("sops-3.8", "sops"):
        found = re.search(
            r"getsops/sops/v3 v([0-9.]+)", (build.HERE / "go" / build.TOOLS[name].module / "go.mod").read_text()
        )
        assert found
        versions.append(found[1])
    assert set(RELEASES) == {*versions, "3.11.0"}


@pytest.mark.parametrize("release", RELEASES)
def test_program_is_release_that_it_is_taken_for(folder_of, release):
    folder = folder_of(release)
    folder.encrypt("a.yaml", "a: CANARY\n")
    assert folder.line("a.yaml", "version").split() == ["version:", release]


def test_every_type_of_key_has_its_row():
    assert {kind for kinds, *_ in used() for kind in kinds} == set(metadata.KEY_TYPES)


@pytest.mark.parametrize(("kinds", "cells"), list(used()))
def test_row_says_what_code_does(kinds, cells):
    read, new = cells
    tried = {kind for name in table.ROWS for kind in re.findall(r"`([a-z_]+)`", name)}
    for kind in kinds:
        is_used = kind in (*keys.LOCAL, *keys.REMOTE)
        assert is_used or read == PROGRAM
        assert kind in tried or not is_used
        # sops, when it makes a file, cannot start the plugin of an age key.
        assert (new != "no") == (kind in writing.KEY_TYPES and read != PROGRAM)


def test_example_is_section_that_builds():
    text = block("sops-keys-environment").split("```yaml\n")[1].split("```")[0]
    section = yaml.safe_load(text)["providers"]["sops"]
    assert Sops(**section).gpg == "/usr/bin/gpg"


def test_page_says_what_programs_get():
    text = PAGE.section("The sops program").text
    shared = [name for name in sops_program._PASSED_ON if not name.startswith("SOPS_")]
    for name in (*identities.COMMANDS, *shared, f"{programs.LIMIT:.0f} seconds"):
        assert name in text
