"""The schema and the loader are held against each other: over every example of the repository, and every mistake."""

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from bridge.config.environment import load_environment
from bridge.config.schema import environment_schema
from bridge.errors import ConfigError
from bridge_providers.scaleway import Scaleway
from bridge_providers.sops import Sops
from bridge_providers.vault import Vault
from tests.config.test_environment import MISTAKES, SMALL, WHOLE
from tests.pages import README, ROOT, help_pages

OPEN = Draft202012Validator(environment_schema({}))
OURS = Draft202012Validator(environment_schema({"vault": Vault, "scaleway": Scaleway, "sops": Sops}))
EXAMPLES = [path.read_text() for path in ROOT.glob("config/*.yaml") if "." not in path.stem]
BLOCKS = [
    text
    for page in (README, *help_pages())
    for text in page.blocks("yaml")
    if re.search(r"^(sources|providers|variables|cluster):", text, re.MULTILINE) and "kind:" not in text
]
EXPRESSIBLE = [text for text, _, what in MISTAKES if what != "must be one YAML document"]


class _Loader(yaml.SafeLoader):
    """Reads a date as text, as YAML 1.2 and editors do."""


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parsed(text: str) -> object:
    return yaml.load(text, _Loader)


def loads(folder: Path, text: str) -> bool:
    (folder / "staging.yaml").write_text(text)
    try:
        load_environment(folder, "staging")
    except ConfigError:
        return False
    return True


def test_both_schemas_are_valid_and_survive_json() -> None:
    for validator in (OPEN, OURS):
        Draft202012Validator.check_schema(json.loads(json.dumps(validator.schema)))


@pytest.mark.parametrize("text", [*EXAMPLES, *BLOCKS])
def test_every_example_of_repository_passes(tmp_path, text):
    whole = text if re.search(r"^id:", text, re.MULTILINE) else f"{SMALL}{text}"
    assert EXAMPLES
    assert BLOCKS
    assert loads(tmp_path, whole)
    assert OURS.is_valid(parsed(whole))


@pytest.mark.parametrize(
    "text",
    [
        SMALL,
        WHOLE,
        f"{SMALL}env_file: environment",
        f"{SMALL}sources: ['v:a', 'v:a@1', {{provider: v, path: 'a@b', revision: 3}}]",
        f"{SMALL}variables: {{A: 'v:a#b.c', B: {{from: {{provider: v, path: a, field: 'b#'}}}}}}",
        f"{SMALL}providers: {{}}\ncluster: {{}}",
        f"{SMALL}max_age: 90d\nvariables: {{A: {{max_age: 1d12h}}, B: {{max_age: unlimited, expires: 2027-01-31}}}}",
        f"{SMALL}variables: {{A: {{from: 'v:a#b', decode: base64, expires: '2027-01-31T12:00:00+01:00'}}}}",
        f"{SMALL}accept_older: {{'vault:a/b': 3, 'sops:c.yaml': '2026-01-01T00:00:00Z/5d0c'}}",
    ],
)
def test_what_loader_accepts_schema_accepts(tmp_path, text):
    assert loads(tmp_path, text)
    assert OPEN.is_valid(parsed(text))


@pytest.mark.parametrize(
    "text",
    [
        *EXPRESSIBLE,
        f"{SMALL}namspace: a",
        f"{SMALL}accept_older: {{a: 3}}",
        f"{SMALL}accept_older: {{'v:a': true}}",
        f"{SMALL}accept_older: {{'v:a': [3]}}",
        *(f"id: {id_}\ntemplates: [a]" for id_ in ("''", "Voice", "a_b", "a.b", "-a", "a-", "a" * 64, "5", "null")),
        f"{SMALL}variables: {{A: {{provider: v}}}}",
        f"{SMALL}variables: {{A: {{provider: v, path: a, fild: b}}}}",
        f"{SMALL}sources: [{{provider: v, path: a, field: b}}]",
        f"{SMALL}sources: ['v:a#b']",
        f"{SMALL}sources: ['v:a@1@2']",
        f"{SMALL}sources: ['v:']",
    ],
)
def test_what_loader_refuses_schema_refuses(tmp_path, text):
    assert not loads(tmp_path, text)
    assert not OPEN.is_valid(parsed(text))


@pytest.mark.parametrize(
    ("providers", "valid"),
    [
        ({"vault": {"address": "https://v", "auth": {"method": "token"}, "kv_version": 2}}, True),
        ({"vault": {"auth": [{"method": "token"}]}}, True),
        ({"vault": {"adress": "https://v"}}, False),
        ({"vault": {"kv_version": "2"}}, False),
        ({"sops": {"age_key_file": 5}}, False),
        ({"second": {"provider": "vault", "address": "https://v"}}, True),
        ({"second": {"provider": "vault", "adress": "https://v"}}, False),
        ({"vault": {"provider": "plain", "anything": 5}}, True),
        ({"vault": {"provider": "sops", "address": "x"}}, False),
        ({"plain": {"anything": [5]}}, True),
    ],
)
def test_sections_of_our_providers_are_known_and_others_are_open(providers, valid):
    content = {"id": "a", "templates": ["b"], "providers": providers}
    assert OURS.is_valid(content) is valid
    assert OPEN.is_valid(content)
