"""RE2's meaning, where Python's differs; test_generated.py compares with sops itself."""

import json
import random
import subprocess
import sys

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
def test_pattern_means_what_it_means_for_go(pattern, text, matches):
    assert compile_regex(pattern)(text) is matches


REFUSED = [
    "(", ")", "[a", "*a", "a**", "a{2}{3}", "a{3,2}", "a{1001}", "a{99999999999}", "a{1,99999999999}",
    "((a{1000}){1000})", "[b-a]", "[[:no:]]", "(?=a)", "(?<=a)", "(?P=a)", r"\Z", r"\1", "\\", r"\x4", r"\x{110000}",
    r"\C", r"a\\\C",
]  # fmt: skip


@pytest.mark.parametrize("pattern", [*REFUSED, "\ud800"])
def test_what_go_refuses_is_refused(pattern, capfd):
    with pytest.raises(Unsupported) as caught:
        compile_regex(pattern)
    assert str(caught.value).startswith(("it is not a valid Go regular expression", "it matches single bytes"))
    assert (caught.value.__context__, capfd.readouterr()) == (None, ("", ""))


@pytest.mark.parametrize(("pattern", "text"), [(r"a\\C", r"a\C"), ("C", "C"), (r"\\\\C", r"\\C")])
def test_a_c_that_is_no_byte(pattern, text):
    assert compile_regex(pattern)(text)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a|aa)+$", "a?" * 60 + "a" * 60 + "b", ".*.*.*.*=.*"])
def test_time_grows_with_text_and_not_with_its_exponent(pattern):
    assert not compile_regex(pattern)("a" * 5_000 + "!")  # a backtracking matcher would not end at all


@pytest.mark.parametrize(
    ("pattern", "key", "reason"),
    [
        (r"\B", "é", "it has `\\B`, and a name contains non-ASCII characters"),
        ("a", "a\udcff", "a name is not valid UTF-8"),
    ],
)
def test_key_that_go_might_see_otherwise_is_refused(pattern, key, reason):
    matches = compile_regex(pattern)
    assert matches("an ordinary one")
    with pytest.raises(Unsupported) as caught:
        matches(key)
    assert (str(caught.value), caught.value.__context__) == (reason, None)


def test_without_package_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(Unsupported, match=r"^it needs the package google-re2, which is not installed$"):
        compile_regex("a")


PIECES = (
    "a", "k", "é", "_", "1", ".", "^", "$", "|", "*", "+", "?", "*?", "{2}", "{1,3}", "{,2}", "(", ")", "(?:",
    "(?i)", "(?s)", "(?m)", "(?U)", "(?-i)", "(?P<n>", "[", "]", "[^", "-", "[:alpha:]", "[[:^digit:]]", r"\d",
    r"\W", r"\s", r"\b", r"\B", r"\A", r"\z", r"\Z", r"\pL", r"\PN", r"\p{Greek}", r"\Q", r"\E", r"\C", r"\x41",
    r"\.", "\u017f", "\n", " ", "\\", "{,99999999999}",
)  # fmt: skip
TEXTS = "aAkK\u017fsSé_1 .\n-\u212a\u03b1C"


def test_patterns_mean_what_they_mean_for_go(go_regexp):
    chance = random.Random(1)
    asked = [
        ("".join(chance.choices(PIECES, k=chance.randrange(9))), "".join(chance.choices(TEXTS, k=chance.randrange(7))))
        for _ in range(4_000)
    ]
    asked += [(pattern, "a") for pattern in REFUSED]
    lines = "".join(json.dumps(one) + "\n" for one in asked)
    done = subprocess.run([go_regexp], input=lines, capture_output=True, text=True, timeout=60, check=True)
    answers = done.stdout.splitlines()
    assert answers[-len(REFUSED) :] == ["refused"] * len(REFUSED)
    ours = [matched(pattern, text) for pattern, text in asked]
    pairs = zip(asked, ours, answers, strict=True)
    assert [one for one in pairs if one[1] not in {one[2], "might differ"}] == []
    assert {name: ours.count(name) > 100 for name in ("true", "false", "refused")} == dict.fromkeys(set(answers), True)


def matched(pattern, text):
    try:
        return str(compile_regex(pattern)(text)).lower()
    except Unsupported as error:
        return "refused" if "not a valid" in str(error) else "might differ"
