"""The page of `status --output html` in a real browser: what a person sees and can do, with and without its script."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from bridge.report.status_page import status_page
from tests.report.fleets import NOW, age, cluster, environment, failed, fleet, row, thousand
from tests.report.test_status_page import HOSTILE, filled
from tests.servers.chromium import Chromium, Page

Open: TypeAlias = Callable[..., Page]

MEMBERS = (
    environment("in-sync", keys=[row(changed="2026-03-01T10:00:00Z", age=age(89, 90))], cluster=cluster("other")),
    environment("drifted-10", "out of sync", keys=[row("OPENAI_API_KEY", state="drifted", changed=None)]),
    environment("drifted-9", "out of sync", keys=[row("DOMAIN", state="outdated")]),
    failed("failed"),
    environment("unbound", cluster=cluster("other", binding=None)),
    environment("overdue", keys=[row(age=age(97, 90))]),
)
URGENT = ["overdue", "unbound", "failed", "drifted-10", "drifted-9", "in-sync"]


@pytest.fixture
def open_page(browser: Chromium, tmp_path: Path) -> Open:
    def open_(*members: dict[str, Any], fragment: str = "", script: bool = True) -> Page:
        file = tmp_path / "status.html"
        file.write_text(status_page(fleet(*members or MEMBERS), NOW), encoding="utf-8")
        off = None if script else lambda page: page.call("Emulation.setScriptExecutionDisabled", value=True)
        page = browser.open(file, off, fragment)
        assert page.requests == [file.as_uri() + fragment] or page.requests == [file.as_uri()]
        return page

    return open_


def seen(page: Page) -> list[str]:
    """Return the environments that can be seen, in their order."""
    return page.texts("summary .n")


def test_page_loads_nothing_and_causes_no_complaint(open_page: Open) -> None:
    page = open_page(*MEMBERS, *filled(HOSTILE))
    assert (page.complaints, page.run("violations"), page.run("document.title")) == (
        [],
        [],
        "bridge status (8 of 9 need attention)",
    )


@pytest.mark.parametrize(
    ("attempt", "directive"),
    [
        (
            "document.body.append(Object.assign(document.createElement('script'), {textContent: 'bad = 1'}))",
            "script-src-elem",
        ),
        ("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=bad=1>')", "img-src"),
        (
            "document.body.insertAdjacentHTML('beforeend', '<p onclick=bad=1>').lastElementChild?.click()",
            "script-src-attr",
        ),
        ("document.body.setAttribute('style', 'color: red')", "style-src-attr"),
        (
            "document.body.append(Object.assign(document.createElement('style'), {textContent: 'p{}'}))",
            "style-src-elem",
        ),
        ("fetch('https://example.com').catch(() => 0)", "connect-src"),
        (
            "document.body.append(Object.assign(document.createElement('iframe'), {src: 'https://example.com'}))",
            "frame-src",
        ),
    ],
)
def test_policy_allows_nothing_else(open_page: Open, attempt: str, directive: str) -> None:
    page = open_page()
    code = f"(async () => {{ {attempt}; await new Promise((done) => setTimeout(done, 0)); }})()"
    page.run(f"new Promise((done) => {{ addEventListener('securitypolicyviolation', done, {{once: true}}); {code}; }})")
    assert directive in page.run("violations")
    assert page.run("typeof bad") == "undefined"


def test_hostile_names_run_nothing_and_are_shown(open_page: Open) -> None:
    page = open_page(*filled(HOSTILE))
    page.run("document.getElementById('all').click()")
    assert (page.complaints, page.run("violations")) == ([], [])
    assert page.run("document.querySelectorAll('script, img').length") == 1
    assert HOSTILE in page.texts("summary .n")[0]
    assert HOSTILE in page.texts("td")


# What is shown, and how


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_both_colour_schemes(open_page: Open, scheme: str) -> None:
    page = open_page(*MEMBERS, *filled("a"))
    page.prefer(scheme)
    page.run("document.getElementById('all').click()")
    contrasts: list[tuple[float, str]] = page.run(CONTRASTS)
    assert len(contrasts) > 100
    assert min(contrasts) >= [4.5, ""]
    assert (page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)") is (scheme == "light")


CONTRASTS = """
(() => {
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const linear = (part) => (part /= 255, part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const light = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = parse(getComputedStyle(one).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return colour;
    }
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement, text = texts.currentNode.data.trim();
    if (!text || !element.checkVisibility() || element.tagName === "SCRIPT") continue;
    const pair = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    found.push([(Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05), text]);
  }
  return found;
})()
"""
"""The contrast of each visible text with its ground: https://www.w3.org/TR/WCAG22/#contrast-minimum."""


@pytest.mark.parametrize("width", [320, 640, 1000, 1440])
def test_page_fits_into_window_of_any_width(open_page: Open, width: int) -> None:
    long = "a-very-long-name-without-a-break-" * 8
    page = open_page(*MEMBERS, *filled(long))
    page.size(width, 900)
    page.run("document.getElementById('all').click()")
    assert page.run("document.documentElement.scrollWidth") <= width
    overlaps: list[Any] = page.run(OVERLAPS)
    assert overlaps == []
    assert page.run("Math.min(...[...document.querySelectorAll('dd')].map((one) => one.offsetWidth))") >= 100


OVERLAPS = """
[...document.querySelectorAll(".row:not(.head), tr")].filter((row) => row.checkVisibility()).flatMap((row) => {
  const boxes = [...row.children].map((cell) => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    return range.getBoundingClientRect();
  }).filter((box) => box.width);
  return boxes.flatMap((one, index) => boxes.slice(index + 1).filter((other) =>
    one.left < other.right - 1 && other.left < one.right - 1 && one.top < other.bottom - 4 && other.top < one.bottom - 4
  ).map((other) => [row.innerText, one.right, other.left]));
})
"""
"""The cells of a row whose texts cover each other."""


def test_bars_have_length_of_age(open_page: Open) -> None:
    page = open_page(environment("a", keys=[row("A", age=age(45, 90)), row("B", age=age(97, 90)), row("C")]))
    lengths = "[...document.querySelectorAll('td .b')].map((bar) => getComputedStyle(bar).backgroundSize)"
    assert page.run(lengths) == ["50% 100%", "100% 100%"]


def test_print_shows_everything_but_the_tools(open_page: Open) -> None:
    page = open_page()
    page.prefer("dark", "print")
    assert seen(page) == URGENT
    assert page.texts(".tools") == []
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


# Filter and sort


def test_filter_of_address_applies_when_page_opens(open_page: Open) -> None:
    assert seen(open_page(fragment="#state=out-of-sync")) == ["drifted-10", "drifted-9"]
    page = open_page(fragment="#q=openai+KAPSULE&sort=name")
    assert (seen(page), page.run("words.value")) == (["drifted-10"], "openai KAPSULE")
    assert page.texts("#shown") == ["1 of 6 shown"]


def test_words_filter_by_everything_of_environment(open_page: Open) -> None:
    page = open_page()
    assert (seen(page), page.texts("#shown"), page.texts("#none")) == (URGENT, ["6 shown"], [])
    page.key("/")
    page.write("other")
    assert (seen(page), page.run("location.hash")) == (["unbound", "in-sync"], "#q=other")
    page.write(" not bound")
    assert seen(page) == ["unbound"]
    page.write(" nonsense")
    assert (seen(page), page.texts("#none")) == ([], ["No environment matches. Show all"])
    page.key("Escape")
    assert (seen(page), page.run("location.hash")) == (URGENT, "")


def test_count_filters_and_filters_no_more_when_chosen_again(open_page: Open) -> None:
    page = open_page()
    click = "[...document.querySelectorAll('.counts a')].find((one) => one.innerText === '2 out of sync').click()"
    page.run(click)
    assert seen(page) == ["drifted-10", "drifted-9"]
    assert page.texts("[aria-current]") == ["2 out of sync"]
    page.run(click)
    assert (seen(page), page.texts("[aria-current]")) == (URGENT, ["6 environments"])


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ("name", ["drifted-9", "drifted-10", "failed", "in-sync", "overdue", "unbound"]),
        ("cluster", ["drifted-9", "drifted-10", "failed", "overdue", "in-sync", "unbound"]),
        ("age", ["overdue", "in-sync", "drifted-9", "drifted-10", "failed", "unbound"]),
        ("changed", ["drifted-9", "overdue", "unbound", "in-sync", "drifted-10", "failed"]),
    ],
)
def test_rows_are_sorted_and_back(open_page: Open, order: str, expected: list[str]) -> None:
    page = open_page()
    choose = "(order) => { sort.value = order; sort.dispatchEvent(new Event('change')); }"
    page.run(f"({choose})({json.dumps(order)})")
    assert (seen(page), page.run("location.hash")) == (expected, f"#sort={order}")
    page.run(f"({choose})('')")
    assert seen(page) == URGENT


def test_page_is_used_with_keyboard_alone(open_page: Open) -> None:
    page = open_page()
    for _ in range(20):
        page.key("Tab")
        if page.run("document.activeElement.tagName") == "SUMMARY":
            break
    assert page.run("document.activeElement.querySelector('.n').innerText") == "overdue"
    page.key("Enter", "\r")
    assert page.run("document.querySelectorAll('details[open]').length") == 1
    assert "TOKEN" in page.texts("td")
    label = "(one) => one.ariaLabel || one.labels?.[0]?.textContent || one.textContent"
    labels = page.run(f"[...document.querySelectorAll('input, select, button, .counts')].map({label})")
    assert len(labels) == 4
    assert all(labels)


def test_page_works_without_script(open_page: Open) -> None:
    page = open_page(script=False, fragment="#state=out-of-sync")
    page.call("Emulation.setScriptExecutionDisabled", value=False)  # for the test's own questions
    assert seen(page) == URGENT
    assert page.texts(".tools") == []
    assert (
        page.run("document.querySelector(':target').closest('details').querySelector('.n').innerText") == "drifted-10"
    )


# Size


def test_thousand_environments_are_laid_out_only_where_they_are_seen(browser: Chromium, tmp_path: Path) -> None:
    file = tmp_path / "status.html"
    file.write_text(status_page(thousand(), NOW), encoding="utf-8")
    page = browser.open(file, lambda page: page.call("Performance.enable"))
    numbers = {one["name"]: one["value"] for one in page.call("Performance.getMetrics")["metrics"]}
    assert numbers["Nodes"] > 200_000
    assert numbers["LayoutObjects"] < 10_000  # the rows in the window; all would be 500,000
    assert (page.complaints, page.requests) == ([], [file.as_uri()])
    assert page.texts("#shown") == ["1,000 shown"]
    page.run("words.value = 'drifted openai'; words.dispatchEvent(new Event('input'))")
    assert page.texts("#shown") == ["43 of 1,000 shown"]
