"""What the README says of keys, held against the code."""

import re
from pathlib import Path

import pytest
import yaml

from bridge_providers.sops import Sops, age_plugin, identities, keys, metadata, programs, recipients

README = (Path(__file__).parents[3] / "README.md").read_text()


def block(name):
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", README, re.DOTALL)
    assert found
    return found[1]


def rows():
    """Return the table's rows: the types of keys in the first cell, and the other cells."""
    for line in block("sops-keys").splitlines()[2:]:
        first, *others = (cell.strip() for cell in line.strip("|").split("|"))
        kinds = [kind for kind in re.findall(r"`([a-z_]+)`", first) if kind in metadata.KEY_TYPES]
        assert kinds, line
        yield kinds, others


def test_every_type_of_key_has_its_row():
    assert {kind for kinds, _ in rows() for kind in kinds} == set(metadata.KEY_TYPES)


@pytest.mark.parametrize(("kinds", "cells"), list(rows()))
def test_a_row_says_what_the_code_does(kinds, cells):
    read, new, tried = cells
    for kind in kinds:
        used = kind in (*keys.LOCAL, *keys.REMOTE)
        assert (read != "no") == used
        assert (new != "no") == used
        assert bool(tried) == used


def test_a_rule_with_a_key_that_the_table_does_not_create_for_is_refused():
    unused = set(metadata.KEY_TYPES) - {*keys.LOCAL, *keys.REMOTE}
    assert unused == {"azure_kv" if name == "azure_keyvault" else name for name in recipients.OTHERS if name != "merge"}


def test_the_example_is_a_section_that_builds():
    text = block("sops-keys-environment").split("```yaml\n")[1].split("```")[0]
    section = yaml.safe_load(text)["providers"]["sops"]
    assert Sops(**section).gpg == "/usr/bin/gpg"


def test_what_the_readme_says_of_programs():
    text = README[README.index("- **Commands** (") : README.index("- **PGP** ")]
    for name in (
        *identities.COMMANDS,
        *age_plugin.PASSED_ON,
        f"{programs.LIMIT:.0f} seconds",
        f"{programs.MOST // 1024} KiB",
    ):
        assert name in text
