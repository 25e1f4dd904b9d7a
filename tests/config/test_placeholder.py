import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.placeholder import Placeholder, PlaceholderError, has_placeholder, parse_text
from tests.canary import CANARY, assert_clean


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("plain", ("plain",)),
        ("${A}", (Placeholder("A"),)),
        ("${A:-x y}", (Placeholder("A", "x y", empty_is_unset=True),)),
        ("${A-x}", (Placeholder("A", "x"),)),
        ("${A:-}", (Placeholder("A", "", empty_is_unset=True),)),
        ("${A-}", (Placeholder("A", ""),)),
        ("${A--}", (Placeholder("A", "-"),)),
        ("${A:--1}", (Placeholder("A", "-1", empty_is_unset=True),)),
        ("${A:-a\nb}", (Placeholder("A", "a\nb", empty_is_unset=True),)),
        ("${A:-$B}", (Placeholder("A", "$B", empty_is_unset=True),)),
        ("${A:?ask\n  the  team}", (Placeholder("A", empty_is_unset=True, message="ask the team"),)),
        ("${A:?a\x1b[31m}", (Placeholder("A", empty_is_unset=True, message="a [31m"),)),
        ("${A:?}", (Placeholder("A", empty_is_unset=True),)),
        ("${_a1}b${C}", (Placeholder("_a1"), "b", Placeholder("C"))),
        ("wss://${HOST}:${PORT:-7880}/", ("wss://", Placeholder("HOST"), ":", Placeholder("PORT", "7880", True), "/")),
        ("${A|json}", (Placeholder("A", json=True),)),
        ("${A|json:-x}", (Placeholder("A", "x", empty_is_unset=True, json=True),)),
        ("${A|json-x}", (Placeholder("A", "x", json=True),)),
        ("${A|json:?ask}", (Placeholder("A", empty_is_unset=True, message="ask", json=True),)),
        ("$${A}", ("${A}",)),
        ("a$${b}${C}$${", ("a${b}", Placeholder("C"), "${")),
        ("$$${A}", ("$${A}",)),
        ("$${A:+1", ("${A:+1",)),
    ],
)
def test_text_is_split_at_its_placeholders(text, parts):
    assert parse_text(text) == parts


@pytest.mark.parametrize("text", ["$A", "cost $5", "pa$$w0rd", "$", "$$", "{A}", "$ {A}", "}", "a}$", r"\$A", "$(A)"])
def test_dollar_without_brace_is_plain_text(text):
    assert parse_text(text) == (text,)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("${", 0),
        ("ab${}", 2),
        ("${A", 0),
        ("${A}${B", 4),
        ("${ A}", 0),
        ("${A }", 0),
        ("${1A}", 0),
        ("${A.B}", 0),
        ("${A:+x}", 0),
        ("${A?x}", 0),
        ("${A=x}", 0),
        ("${A|}", 0),
        ("${A|yaml}", 0),
        ("${A | json}", 0),
        ("${A|json|json}", 0),
        ("${A:-${B}}", 0),
        ("${A:-{}}", 0),
        ("${A:-$${B}}", 0),
        ("${É}", 0),
        ("$${${A", 3),
    ],
)
def test_malformed_placeholder_is_refused_with_its_position(text, position):
    with pytest.raises(PlaceholderError, match=f"^malformed placeholder at character {position + 1}$") as caught:
        parse_text(text)
    assert caught.value.position == position


@pytest.mark.parametrize(
    ("text", "has_one"),
    [
        ("${A}", True),
        ("a ${A:-b} c", True),
        ("${A ${B}", True),
        ("$${A} ${B}", True),
        ("$${A}", False),
        ("${A", False),
        ("${A.B}", False),
        ("$A", False),
        ("", False),
    ],
)
def test_only_well_formed_placeholder_counts_in_text_of_another_tool(text, has_one):
    assert has_placeholder(text) is has_one


def test_refusal_holds_no_piece_of_text():
    with pytest.raises(PlaceholderError) as caught:
        parse_text(f"{CANARY}${{A:-{{{CANARY}")
    assert_clean(caught.value)


def test_default_is_not_printed():
    assert CANARY not in repr(parse_text(f"${{A:-{CANARY}}}"))


@given(st.text(alphabet="ab${}:-?A|json\n"))
def test_every_text_is_refused_or_split_so_that_it_can_be_put_together_again(text):
    try:
        parts = parse_text(text)
    except PlaceholderError:
        assert "${" in text
        return
    assert all(parts)
    assert not any(isinstance(one, str) and isinstance(two, str) for one, two in itertools.pairwise(parts))
    assert "?" in text or "".join(map(_written, parts)) == text


def _written(part):
    if isinstance(part, str):
        return part.replace("${", "$${")
    operator = ":-" if part.empty_is_unset else "-"
    json = "|json" if part.json else ""
    return f"${{{part.name}{json}{'' if part.default is None else operator + part.default}}}"
