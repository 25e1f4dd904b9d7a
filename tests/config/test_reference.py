import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.reference import Reference, parse_reference
from tests.canary import CANARY, refusal

GRAMMAR = (
    "write provider:path[@revision][#field[.field]], "
    "or a mapping with provider, path, revision and field if one of them contains @ or #"
)
PARTS = st.text('a.@#"\\:', min_size=1, max_size=4)
REFERENCES = st.builds(Reference, st.just("p"), PARTS, st.none() | PARTS, st.none() | PARTS)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("vault:voice-agent/staging", Reference("vault", "voice-agent/staging")),
        ("vault:voice-agent/staging@3#a.b", Reference("vault", "voice-agent/staging", "3", "a.b")),
        ("scaleway:/voice/staging/tls#certificate", Reference("scaleway", "/voice/staging/tls", None, "certificate")),
        ("sops:../my files/staging.sops.yaml", Reference("sops", "../my files/staging.sops.yaml")),
        ("scaleway:id:6170692e", Reference("scaleway", "id:6170692e")),
    ],
)
def test_text_is_read_by_grammar_and_written_back_same(text, reference):
    assert parse_reference(text, "x") == reference
    assert str(reference) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vault",
        "vault:",
        ":path",
        "vault: path",
        "vault:path ",
        "vault:path@",
        "vault:path#",
        "vault:path@1@2",
        "vault:a#b#c",
        "vault:a#b@3",
        "vault:a#b..c",
        "vault:a#.b",
        "va ult:a",
        "vault:a\nb",
        "vault:a\x1b[31m",
    ],
)
def test_text_outside_grammar_is_refused_without_being_shown(text):
    assert refusal(lambda: parse_reference(text + CANARY if text.endswith("\n") else text, "f sources[0]")) == [
        ("f sources[0]", "not a reference")
    ]


def test_refusal_of_text_says_grammar_and_holds_no_piece_of_it():
    with pytest.raises(Exception, match="f: not a reference") as caught:
        parse_reference(f"{CANARY}", "f")
    assert refusal(lambda: parse_reference(CANARY, "f")) == [("f", "not a reference")]
    assert caught.value.problems[0].hint == GRAMMAR


def test_mapping_says_what_grammar_cannot():
    mapping = {"provider": "vault", "path": "a@b#c", "revision": "v@1", "field": "x#y"}
    assert parse_reference(mapping, "x") == Reference("vault", "a@b#c", "v@1", "x#y")


def test_revision_in_mapping_may_be_number_as_yaml_has_it():
    assert parse_reference({"provider": "vault", "path": "a", "revision": 3}, "x").revision == "3"


@pytest.mark.parametrize(
    ("mapping", "problems"),
    [
        ({"vault": CANARY}, [("f", "a mapping, not a reference")]),
        ({}, [("f", "provider is missing"), ("f", "path is missing")]),
        ({"provider": "vault"}, [("f", "path is missing")]),
        ({"provider": "vault", "path": ""}, [("f.path", "must be a string")]),
        ({"provider": "vault", "path": 5}, [("f.path", "must be a string")]),
        ({"provider": "vault", "path": f"a\n{CANARY}"}, [("f.path", "must be a string")]),
        ({"provider": "vault", "path": f" {CANARY}"}, [("f.path", "must not start or end with a space")]),
        ({"provider": "va:ult", "path": "a"}, [("f.provider", "must be a provider name")]),
        ({"provider": "vault", "path": "a", "revision": True}, [("f.revision", "must be a string")]),
        (
            {"provider": "vault", "paths": "a", "feild": "b"},
            [("f", "unknown key paths"), ("f", "unknown key feild"), ("f", "path is missing")],
        ),
    ],
)
def test_everything_wrong_with_mapping_is_said_at_once(mapping, problems):
    assert refusal(lambda: parse_reference(mapping, "f")) == problems


@pytest.mark.parametrize("given", [None, 5, True, ["vault:a"]])
def test_what_is_neither_text_nor_mapping_is_refused(given):
    assert refusal(lambda: parse_reference(given, "f")) == [("f", "not a reference")]


def test_document_of_reference_has_no_field():
    assert parse_reference("vault:a@1#b", "x").document == Reference("vault", "a", "1")


def test_references_that_differ_are_written_differently_where_grammar_cannot_say_them():
    assert str(Reference("vault", "a@1")) == 'vault:"a@1"'
    assert str(Reference("vault", "a", "1")) == "vault:a@1"
    assert str(Reference("vault", '"a@1"')) == r'vault:"\"a@1\""'


@given(REFERENCES, REFERENCES)
def test_no_two_references_are_written_alike(one, other):
    assert (str(one) == str(other)) == (one == other)


@given(REFERENCES)
def test_reference_that_grammar_can_say_is_read_back(reference):
    written = str(reference)
    if '"' not in written and "" not in (reference.field or "-").split("."):
        assert parse_reference(written, "x") == reference
