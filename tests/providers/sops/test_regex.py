"""RE2's meaning, where Python's differs; test_generated.py compares with sops itself."""

import pytest

from bridge_providers.sops.regex import Unsupported, compile_regex


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("", "", True),
        ("b", "abc", True),
        ("^b", "abc", False),
        ("^(data|stringData)$", "stringData", True),
        ("^(data|stringData)$", "metadata", False),
        ("^a$", "a\n", False),
        ("(?m)^a$", "b\na\nb", True),
        (r"\Aa\z", "a", True),
        (r"\d", "\N{ARABIC-INDIC DIGIT ONE}", False),
        (r"\w", "é", False),
        (r"\W", "é", True),
        (r"\s", "\v", False),
        (r"[\s]", "\t", True),
        (".", "\n", False),
        ("(?s).", "\n", True),
        ("[^a]", "\n", True),
        ("[^a]", "a", False),
        ("[]a]", "]", True),
        ("[a-]", "-", True),
        ("[a-c-e]", "-", True),
        (r"[\]\-]", "-", True),
        ("[[:alpha:][:digit:]]", "_", False),
        (r"\bx\b", "é x", True),
        (r"\bx\b", "xy", False),
        (r"a\Bb", "ab", True),
        ("x{2,3}$", "xx", True),
        ("^x{2,3}$", "xxxx", False),
        ("^x{2}$", "xx", True),
        ("^x{2,}$", "xxxxx", True),
        ("^(x{0})$", "", True),
        ("x{,2}", "x{,2}", True),
        ("x{a}", "x{a}", True),
        ("^a?b*c+$", "bbc", True),
        ("^(?:ab)*?$", "abab", True),
        ("^(?P<name>a)(?<other>b)$", "ab", True),
        ("(?i)PassWord", "PASSWORD", True),
        ("(?i)k", "\N{KELVIN SIGN}", True),
        ("(?i)[^s]", "\N{LATIN SMALL LETTER LONG S}", False),
        ("^a(?i)b(?-i)c$", "aBc", True),
        ("^a(?i:b)c$", "aBC", False),
        ("^(?i)a|b$", "B", True),
        (r"^\x41\x{1F680}\t\.$", "A\N{ROCKET}\t.", True),
        ("(|a)+b", "b", True),
        ("(a|b|)*c", "abac", True),
        ("é", "é", True),
    ],
)
def test_a_pattern_means_what_it_means_for_go(pattern, text, matches):
    assert compile_regex(pattern)(text) is matches


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "it lacks a `)`"),
        (")", "it has an unexpected `)`"),
        ("[a", "it ends too early"),
        ("*a", "a repetition has nothing to repeat"),
        ("a**", "a repetition is repeated"),
        ("a{2}{3}", "a repetition is repeated"),
        ("a{3,2}", "a repetition's numbers are out of range"),
        ("a{1001}", "a repetition's numbers are out of range"),
        ("a{99999999999}", "a repetition's numbers are out of range"),
        ("((a{1000}){1000})", "it is too large"),
        ("[b-a]", "a range in brackets is upside down"),
        ("[[:no:]]", "a class's name is wrong for RE2, or beyond this version"),
        ("(?=a)", "it has a group or flag that RE2 or this version does not know"),
        ("(?<=a)", "it has a group or flag that RE2 or this version does not know"),
        ("(?P=a)", "it has a group or flag that RE2 or this version does not know"),
        ("(?P<1>a)", "a group's name is wrong"),
        (r"\Z", r"`\Z` is wrong for RE2, or beyond this version"),
        (r"\1", r"`\1` is wrong for RE2, or beyond this version"),
        (r"\pL", r"`\p` is wrong for RE2, or beyond this version"),
        ("\\", "it ends too early"),
        (r"\x4", "it ends too early"),
        (r"\x{110000}", "a character's number is wrong"),
        ("(?i)é", "it ignores case beyond ASCII"),
        ("(" * 60 + ")" * 60, "it nests too deeply"),
    ],
)
def test_what_cannot_be_followed_is_refused(pattern, reason):
    with pytest.raises(Unsupported) as caught:
        compile_regex(pattern)
    assert str(caught.value) == reason


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a|aa)+$", "a?" * 60 + "a" * 60 + "b", ".*.*.*.*=.*"])
def test_time_grows_with_the_text_and_not_with_its_exponent(pattern):
    assert not compile_regex(pattern)("a" * 5_000 + "!")  # a backtracking matcher would not end at all


def test_keys_that_make_the_automaton_too_large_are_refused():
    matches = compile_regex("a.{3}b")
    text = "".join(map(chr, range(0x10000, 0x10000 + 100_001)))
    with pytest.raises(Unsupported, match=r"^it is too costly for these keys$"):
        matches(text)
