"""The page of `status --output html`: what it shows, in which order, and that a name is never more than text."""

import base64
import hashlib
import re
from collections import Counter
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.report.status_page import status_page
from tests.report.fleets import NOW, age, cluster, environment, failed, fleet, row, thousand

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\" ' onload=alert(3) & &amp; `</style>`"


class Page(HTMLParser):
    """What a browser reads: the elements with their attributes, and the texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: Counter[str] = Counter()
        self.texts: list[str] = []
        self._within = ""
        self.code: dict[str, str] = {}
        self.policy = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes.update(name for name, _ in attrs)
        self._within = tag
        if dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policy = dict(attrs)["content"] or ""

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in {"style", "script"}:
            self.code[self._within] = self.code.get(self._within, "") + data
        else:
            self.texts.append(data)


def page(*environments: dict[str, Any]) -> str:
    return status_page(fleet(*environments), NOW)


def names(text: str) -> list[str]:
    """Return the environments in the order of the page."""
    return re.findall(r"<summary class=row><span class=n>(?:<i [^>]*></i>)*([^<]*)<", text)


def filled(text: str) -> list[dict[str, Any]]:
    """Return environments with a text in each place where a name or a message can be."""
    problem = {"where": text, "what": text, "hint": text}
    keys = [row(text, text, place=text, state="drifted", changed=text)]
    keys[0]["origin"] |= {"revision": text, "variables": [text, text], "layer": text}
    source = {"reference": text, "revision": text, "written": text + text, "ordered": True, "unused": [text]}
    full = environment(
        text,
        "out of sync",
        namespace=text,
        manager=text,
        cluster=cluster(text, server=text, source=text, binding=text),
        stores={text: [text]},
        keys=keys,
        left=[text],
        sources=[source],
        refusals=[problem],
        warnings=[problem],
        errors=[problem],
    )
    other = full | {"environment": f"{text}2", "cluster": cluster("other"), "refusals": [], "errors": []}
    return [full, other, failed(text, text)]


USUAL = Page(page(*filled("a")))


@given(st.one_of(st.text(min_size=1), st.text("<>&\"'`=/ -!?asx\n\t\0", min_size=1), st.just(HOSTILE)))
def test_text_is_never_markup(text: str) -> None:
    found = Page(page(*filled(f"a{text}z")))
    # Only the commands of messages are marked up: a pair of backticks.
    expected, elements = dict(USUAL.elements), dict(found.elements)
    elements.pop("code", None)
    expected.pop("code", None)
    assert elements == expected
    assert found.attributes == USUAL.attributes
    assert found.code == USUAL.code


def test_hostile_names_are_shown_as_they_are() -> None:
    shown = "".join(Page(page(*filled(HOSTILE))).texts)
    # In each place of one full environment; without the backticks in messages, which mark a command.
    assert shown.count(HOSTILE) > 20
    assert shown.count(HOSTILE.replace("`", "")) >= 5


def test_control_characters_are_escaped() -> None:
    text = page(*filled("a\x1b[31m\u202eb\x85"))
    assert re.findall(r"[^\x0a\x20-\x7e≥…]", text) == []
    assert "a\\x1b[31m\\u202eb\\x85" in text


def test_page_has_nothing_from_elsewhere_and_allows_only_its_own_style_and_script() -> None:
    text = page(*filled("a"))
    found = Page(text)
    hashes = {
        name: base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for name, code in found.code.items()
    }
    assert found.policy == (
        f"default-src 'none'; style-src 'sha256-{hashes['style']}'; script-src 'sha256-{hashes['script']}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert (found.elements["style"], found.elements["script"], found.elements["form"]) == (1, 1, 0)
    assert not {"src", "style", "onclick", "action", "srcset"} & found.attributes.keys()
    assert set(re.findall(r'href="([^"]*)"', text)) <= {"#", "#state=out-of-sync", "#state=failed"}
    assert not re.search(r"@import|url\(|import\(|fetch\(|innerHTML|eval\(", "".join(found.code.values()))


def test_same_data_give_same_page_whatever_their_order() -> None:
    members = [environment("b"), environment("a"), failed("c"), environment("d", "out of sync")]
    assert page(*members) == page(*reversed(members))
    assert status_page(fleet(*members), NOW + timedelta(hours=1)).replace("11:00", "10:00") == page(*members)


def test_overdue_and_unbound_environments_come_first_then_what_is_wrong() -> None:
    old = [row(age=age(97, 90))]
    loose = cluster(binding=None)
    members = [
        environment("in-sync"),
        environment("drifted", "out of sync"),
        failed("failed"),
        environment("refused", "refused"),
        environment("unbound", cluster=loose),
        environment("unbound-and-drifted", "out of sync", cluster=loose),
        environment("overdue", keys=old),
        environment("overdue-and-unbound", keys=old, cluster=loose),
        {"environment": "late", "result": "not reached", "status": 75, "errors": []},
    ]
    assert names(page(*members)) == [
        "overdue-and-unbound",
        "overdue",
        "unbound-and-drifted",
        "unbound",
        "failed",
        "refused",
        "late",
        "drifted",
        "in-sync",
    ]


def test_counts_lead_to_first_environment_of_each_state() -> None:
    text = page(environment("a"), environment("b", "out of sync"), environment("c", cluster=cluster(binding=None)))
    counts = re.findall(r'<a href="#([^"]*)" data-state="([^"]*)"><b>([\d,]+)</b> ([^<]*)</a>', text)
    assert counts == [
        ("", "", "3", "environments"),
        ("state=not-bound", "not-bound", "1", "not bound"),
        ("state=out-of-sync", "out-of-sync", "1", "out of sync"),
        ("state=in-sync", "in-sync", "2", "in sync"),
    ]
    assert [text.count(f'id="{target}"') for target, *_ in counts[1:]] == [1, 1, 1]
    assert re.search('data-s="not-bound in-sync"[^>]*><summary class=row><span class=n><i id="state=not-bound">', text)


@pytest.mark.parametrize(
    ("value", "step", "text"),
    [
        (age(45, 90), "b10", "45 d / 90 d"),
        (age(97, 90), "b20", "97 d / 90 d"),
        (age(89.9, 90), "b19", "89 d / 90 d"),
        (age(0, 90), "b1", "0 min / 90 d"),
        (age(97, 90, at_least=True), "b20", "≥ 97 d / 90 d"),
        (age(30, None, 90), "b5", "expires in 90 d"),
        (age(80, 90, soon=True), "b18", "80 d / 90 d"),
        (age(30, 300, 10), "b15", "expires in 10 d"),
        (age(80, 90, 400), "b18", "80 d / 90 d"),
        (age(30, None, -3), "b20", "expired 3 d ago"),
        (age(None, None, 5), "b1", "expires in 5 d"),
        (age(97), None, "97 d"),
        (age(None, 90), None, "? / 90 d"),
        (age(None), None, ""),
        (None, None, ""),
    ],
)
def test_age_is_bar_against_its_limit(value: dict[str, Any] | None, step: str | None, text: str) -> None:
    (shown,) = re.findall(r"2026-11-01 10:20<td([^>]*)>(.*?)</table>", page(environment("a", keys=[row(age=value)])))
    bar = f'<b class="b {step}"></b>' if step else ""
    look = "" if not value else " class=o" if value["overdue"] else " class=u" if value["soon"] else ""
    assert shown == (look, bar + text)


def test_row_of_environment_shows_its_most_urgent_age_and_what_is_overdue() -> None:
    ages = [row("A", age=age(80, 90)), row("B", age=age(700)), row("C", age=age(97, 90)), row("D", age=age(2, 365))]
    text = page(environment("a", keys=ages))
    assert '<span class=w>C overdue</span><span class="a o"><b class="b b20"></b>97 d / 90 d</span>' in text
    assert " data-age=1.078 data-old=8380800" in text


def test_value_that_expires_soon_is_more_urgent_than_longer_bar() -> None:
    text = page(environment("a", keys=[row("A", age=age(70, 90)), row("B", age=age(20, None, 12, soon=True))]))
    assert '<span class="a u"><b class="b b12"></b>expires in 12 d</span>' in text


def test_row_names_keys_that_differ_by_object_and_all_are_below() -> None:
    keys = [row(name, state="drifted") for name in "ABC"] + [row("D")]
    text = page(environment("a", "out of sync", keys=keys))
    assert "<span class=w>Secret/keys A drifted, Secret/keys B drifted and 1 more</span>" in text
    cells = "<td>source<td>vault:voice-agent/staging<td>12<td>2026-11-01 10:20<td>"
    assert f"<tr><th colspan=7 scope=rowgroup>Secret/keys<tr class=d><td>A<td>drifted{cells}<tr class=d>" in text
    assert f"<tr><td>D<td>in sync{cells}</table>" in text


def test_failed_environment_shows_its_error_and_cure() -> None:
    text = page(failed("a"), environment("b"))
    assert "<li class=bad>vault:a: permission denied (403)<small>run <code>bridge doctor</code> to find out why" in text
    assert "<span class=w>vault:a: permission denied (403)</span>" in text


def test_single_environment_is_open_and_in_title() -> None:
    text = page(environment("a", "out of sync"))
    assert "<title>bridge status: a (out of sync)</title>" in text
    assert '<details data-s="out-of-sync" open>' in text
    assert '<details data-s="in-sync">' in page(environment("a"), environment("b"))
    assert "<title>bridge status (1 of 2 need attention)</title>" in page(environment("a"), failed("b"))


def test_column_of_clusters_only_if_there_are_several() -> None:
    assert '<div class="list one">' in page(environment("a"), environment("b"), failed("c"))
    text = page(environment("a"), environment("b", cluster=cluster("other")), environment("c", cluster=cluster(None)))
    assert '<div class="list">' in text
    assert re.findall(r"<span class=c>([^<]*)<", text) == ["kapsule", "other", "this pod&#x27;s service account"]


@pytest.mark.slow
def test_thousand_environments_fit_into_five_megabytes() -> None:
    text = status_page(thousand(), NOW)
    assert len(names(text)) == 1_000
    assert len(text.encode()) < 5_000_000
