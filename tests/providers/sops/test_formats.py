"""The README's table of formats says what the code has."""

import re
from pathlib import Path

from bridge_providers.sops import stores, writing

ROOT = Path(__file__).resolve().parents[3]


def test_the_table_has_every_format_with_its_suffixes():
    text = (ROOT / "README.md").read_text().partition("<!-- sops-formats -->\n")[2].partition("<!-- /sops")[0]
    _, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()]
    found = {suffix: row[0].lower() for row in rows for suffix in re.findall(r"`(\.\w+)`", row[1])}
    assert found == {suffix: stores.store_of(f"a{suffix}") for suffix in (".yaml", ".yml", ".json", ".env", ".ini")}
    (other,) = (row[0].lower() for row in rows if row[1] == "any other")
    assert other == stores.store_of("a.key") == stores.BINARY
    assert {found[suffix] for suffix in (".yaml", ".json", ".env")} == writing.WRITTEN
