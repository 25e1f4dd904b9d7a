"""The help page's tables of formats and rules say what the code has."""

import re
from pathlib import Path

from bridge.provider import ProviderError
from bridge_providers.sops import metadata, selectors, stores, writing
from bridge_providers.sops.gotime import GoTime
from tests.pages import page


def rows_of(table):
    return page("sops").marked(table).rows


def test_table_has_every_format_with_its_suffixes():
    rows = rows_of("sops-formats")
    found = {suffix: row[0].lower() for row in rows for suffix in re.findall(r"`(\.\w+)`", row[1])}
    assert found == {suffix: stores.store_of(f"a{suffix}") for suffix in (".yaml", ".yml", ".json", ".env", ".ini")}
    (other,) = (row[0].lower() for row in rows if row[1] == "any other")
    assert other == stores.store_of("a.key") == stores.BINARY
    assert {found[suffix] for suffix in (".yaml", ".json", ".env")} == writing.WRITTEN


def is_written(rule):
    block = metadata.Metadata((), GoTime.from_unix(0), "", rule, "x", mac_only_encrypted=False, version="")
    try:
        selectors.writable(block, Path("/a.yaml"), is_new=False, has_comments=stores.has_comments(stores.YAML))
    except ProviderError:
        return "no"
    return "yes"


def test_table_has_every_rule_and_whether_it_is_written():
    found = {rule: row[3] for row in rows_of("sops-rules") for rule in re.findall(r"`(\w+)`", row[1])}
    assert found == {rule: is_written(rule) for rule in metadata.RULES}
