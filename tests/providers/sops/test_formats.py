"""The README's table of formats says what the code has and what the tests try."""

import re
from pathlib import Path

from bridge_providers.sops import stores
from tests.providers.sops.test_releases import TREES
from tests.servers import build

ROOT = Path(__file__).resolve().parents[3]


def table():
    """Return the header and the rows, cell by cell."""
    text = (ROOT / "README.md").read_text().partition("<!-- sops-formats -->\n")[2].partition("<!-- /sops")[0]
    head, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.strip().splitlines()]
    return head, rows


def test_it_has_every_format_with_its_suffixes():
    _, rows = table()
    found = {suffix: row[0].lower() for row in rows for suffix in re.findall(r"`(\.\w+)`", row[1])}
    assert found == {suffix: stores.store_of(f"a{suffix}") for suffix in (".yaml", ".yml", ".json", ".env", ".ini")}
    (other,) = (row[0].lower() for row in rows if row[1] == "any other")
    assert other == stores.store_of("a.key") == stores.BINARY
    for store in {*found.values(), other}:
        assert stores.writer_of(store).fresh


def test_it_names_the_releases_that_the_tests_build():
    head, _ = table()
    versions = []
    for name in ("sops", "sops-3.8"):
        text = (build.HERE / "go" / build.TOOLS[name].module / "go.mod").read_text()
        found = re.search(r"getsops/sops/v3 v([0-9.]+)", text)
        assert found
        versions.append(f"with `sops` {found[1]}")
    assert head[2:4] == versions


def test_both_ways_is_what_the_tests_of_the_older_release_try():
    _, rows = table()
    assert {stores.store_of(name) for name in TREES} == {row[0].lower() for row in rows if row[3] == "both ways"}
