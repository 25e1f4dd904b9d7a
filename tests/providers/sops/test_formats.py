"""The README's tables of formats and rules say what the code has."""

import re
from pathlib import Path

from bridge.provider import ProviderError
from bridge_providers.sops import metadata, selectors, stores
from bridge_providers.sops.gotime import GoTime

ROOT = Path(__file__).resolve().parents[3]


def rows_of(table):
    text = (ROOT / "README.md").read_text().partition(f"<!-- {table} -->\n")[2].partition("<!-- /sops")[0]
    _, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()]
    return rows


def test_the_table_has_every_format_with_its_suffixes():
    rows = rows_of("sops-formats")
    found = {suffix: row[0].lower() for row in rows for suffix in re.findall(r"`(\.\w+)`", row[1])}
    assert found == {suffix: stores.store_of(f"a{suffix}") for suffix in (".yaml", ".yml", ".json", ".env", ".ini")}
    (other,) = (row[0].lower() for row in rows if row[1] == "any other")
    assert other == stores.store_of("a.key") == stores.BINARY
    for store in {*found.values(), other}:
        assert stores.writer_of(store).fresh


def is_written(rule):
    block = metadata.Metadata((), GoTime.from_unix(0), "", rule, "x", mac_only_encrypted=False, version="")
    try:
        selectors.writable(block, Path("/a.yaml"), is_new=False, has_comments=stores.has_comments(stores.YAML))
    except ProviderError:
        return "no"
    return "yes"


def test_the_table_has_every_rule_and_whether_it_is_written():
    found = {rule: row[3] for row in rows_of("sops-rules") for rule in re.findall(r"`(\w+)`", row[1])}
    assert found == {rule: is_written(rule) for rule in metadata.RULES}
