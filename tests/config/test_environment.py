import os
from pathlib import Path

import pytest

from bridge.config.environment import (
    ClusterChoice,
    Variable,
    check_k8_env,
    environment_names,
    load_all,
    load_environment,
)
from bridge.config.environment_fields import KEYS
from bridge.config.reference import Reference
from bridge.errors import ConfigError
from bridge.secret import SecretValue
from tests.canary import CANARY, refusal

SMALL = "id: voice-agent-staging\ntemplates: [secrets.yml]\n"
WHOLE = """
id: voice-agent-staging
namespace: voice-agent
templates:
  - ../apps/base/secrets.yml
  - staging.public.yaml
  - /etc/bridge/more.yaml
env_file: .env.k8s.staging
secrets_from: any
infrastructure: {K8_ENV: required, SCW_SECRET_KEY: secret}
sources:
  - vault:voice-agent/staging
  - sops:staging.sops.yaml@3
  - {provider: vault, path: a@b}
variables:
  LIVEKIT_API_KEY: vault:shared/livekit#api_key
  TLS_CERTIFICATE: {from: "scaleway:/voice/staging/tls#certificate", decode: base64}
  ODD: {from: {provider: vault, path: a, field: "x#y"}, literal: true}
  BARE: {provider: vault, path: a, field: "x@y"}
providers:
  vault: {address: "https://vault.internal:8200", kv: 2, auth: [{method: token}]}
  other-vault: {provider: vault}
cluster: {kubeconfig: ../kube/config, context: kapsule, namespace_uid: 3f6c}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = Path("config")
    folder.mkdir()
    return folder


@pytest.fixture
def load(folder):
    def load(text):
        (folder / "staging.yaml").write_text(text)
        return load_environment(folder, "staging")

    return load


def test_whole_file_is_read_as_typed_things(load, folder):
    environment = load(WHOLE)
    assert (environment.name, environment.file) == ("staging", folder / "staging.yaml")
    assert (environment.id, environment.namespace) == ("voice-agent-staging", "voice-agent")
    assert environment.base == folder
    assert environment.env_file == folder / ".env.k8s.staging"
    assert environment.secrets_from == "any"
    assert environment.infrastructure == {"K8_ENV": "required", "SCW_SECRET_KEY": "secret"}
    assert environment.sources == (
        Reference("vault", "voice-agent/staging"),
        Reference("sops", "staging.sops.yaml", "3"),
        Reference("vault", "a@b"),
    )
    assert environment.variables == {
        "LIVEKIT_API_KEY": Variable(Reference("vault", "shared/livekit", None, "api_key")),
        "TLS_CERTIFICATE": Variable(Reference("scaleway", "/voice/staging/tls", None, "certificate"), "base64"),
        "ODD": Variable(Reference("vault", "a", None, "x#y"), literal=True),
        "BARE": Variable(Reference("vault", "a", None, "x@y")),
    }
    assert environment.providers == {
        "vault": {"address": "https://vault.internal:8200", "kv": 2, "auth": [{"method": "token"}]},
        "other-vault": {"provider": "vault"},
    }
    assert environment.cluster == ClusterChoice(folder / "../kube/config", "kapsule", ("3f6c",))


def test_path_is_shown_as_it_stands_in_file(load):
    environment = load(WHOLE)
    assert [environment.shown(path) for path in environment.templates] == [
        "../apps/base/secrets.yml",
        "staging.public.yaml",
        "/etc/bridge/more.yaml",
    ]


def test_references_are_sources_then_variables(load):
    environment = load(f"{SMALL}sources: ['v:b']\nvariables: {{A: 'v:a#x', C: 'v:b#y'}}")
    assert [str(reference) for reference in environment.references] == ["v:b", "v:a#x", "v:b#y"]


def test_what_is_left_out_has_its_default(load):
    environment = load(SMALL)
    assert environment.namespace is None
    assert environment.env_file is None
    assert environment.secrets_from == "sources"
    assert (environment.infrastructure, environment.sources) == ({}, ())
    assert (environment.variables, environment.providers) == ({}, {})
    assert environment.cluster == ClusterChoice()


def test_word_environment_is_processs_environment_and_not_file(load, folder):
    assert load(f"{SMALL}env_file: environment").env_file == "environment"
    assert load(f"{SMALL}env_file: ./environment").env_file == folder / "environment"


def test_providers_section_is_not_printed(load):
    assert CANARY not in repr(load(f"{SMALL}providers: {{vault: {{token: {CANARY}}}}}"))


MISTAKES = [
    ("templates: [a]", "", "id is missing"),
    ("id: a", "", "templates is missing"),
    ("", "", "id is missing"),
    (f"- {CANARY}", "", "must be a mapping"),
    (f"{SMALL}---\n{SMALL}", "", "must be one YAML document"),
    (f"{SMALL}sources: {CANARY}", " sources", "must be a list of references"),
    (f"{SMALL}sources: null", " sources", "must be a list of references"),
    (f"{SMALL}sources: [{CANARY}]", " sources[0]", "not a reference"),
    (f'{SMALL}sources: ["v:a", "v:{CANARY}#b"]', " sources[1]", "a source must be a whole document"),
    (f'{SMALL}sources: ["v:{CANARY}", "v:b", "v:{CANARY}"]', " sources[2]", "this source is already listed"),
    (f"{SMALL}sources: [v: {CANARY}]", " sources[0]", "a mapping, not a reference"),
    (f"{SMALL}sources: [{{provider: v, path: 1}}]", " sources[0].path", "must be a string"),
    (f"{SMALL}namespace: {CANARY}", " namespace", "LABEL"),
    (f"{SMALL}namespace: 5", " namespace", "LABEL"),
    (f"{SMALL}namespace: null", " namespace", "LABEL"),
    (f"{SMALL}env_file: [{CANARY}]", " env_file", "must be a path"),
    (f'{SMALL}env_file: "{CANARY}\\0"', " env_file", "must be a path"),
    (f"{SMALL}secrets_from: {CANARY}", " secrets_from", "must be sources or any"),
    (f"{SMALL}infrastructure: [{CANARY}]", " infrastructure", "must be a mapping"),
    (f"{SMALL}infrastructure: {{A: {CANARY}}}", " infrastructure.A", "must be required or secret"),
    (f"{SMALL}infrastructure: {{a-b: secret}}", " infrastructure", "'a-b' is not a valid variable name"),
    (f"{SMALL}variables: {CANARY}", " variables", "must be a mapping"),
    (f"{SMALL}variables: {{1A: 'v:a#b'}}", " variables", "'1A' is not a valid variable name"),
    (f"{SMALL}variables: {{TLS: {CANARY}}}", " variables.TLS", "not a reference"),
    (f"{SMALL}variables: {{TLS: [{CANARY}]}}", " variables.TLS", "not a reference"),
    (f"{SMALL}variables: {{TLS: {{decode: base64}}}}", " variables.TLS", "from is missing"),
    (f"{SMALL}variables: {{TLS: {{from: {CANARY}}}}}", " variables.TLS.from", "not a reference"),
    (f"{SMALL}variables: {{TLS: {{from: 'v:a', decode: {CANARY}}}}}", " variables.TLS.decode", "must be base64"),
    (f"{SMALL}variables: {{TLS: {{from: 'v:a', decode: null}}}}", " variables.TLS.decode", "must be base64"),
    (f"{SMALL}variables: {{TLS: {{from: 'v:a', literal: '{CANARY}'}}}}", " variables.TLS.literal", "BOOLEAN"),
    (f"{SMALL}variables: {{TLS: {{from: 'v:a', dcode: 1}}}}", " variables.TLS", "unknown key dcode"),
    (f"{SMALL}variables: {{TLS: {{max_age: {CANARY}}}}}", " variables.TLS.max_age", "must be a duration such as 90d"),
    (f"{SMALL}variables: {{TLS: {{max_age: 90}}}}", " variables.TLS.max_age", "must be a duration such as 90d"),
    (f"{SMALL}variables: {{TLS: {{expires: {CANARY}}}}}", " variables.TLS.expires", "must be a date or a time"),
    (f"{SMALL}variables: {{TLS: {{expires: 2027-1-31}}}}", " variables.TLS.expires", "must be a date or a time"),
    (f"{SMALL}variables: {{TLS: {{max_age: 90d, literal: true}}}}", " variables.TLS", "from is missing"),
    (f"{SMALL}max_age: {CANARY}", " max_age", "must be a duration such as 90d"),
    (f"{SMALL}max_age: 3 months", " max_age", "must be a duration such as 90d"),
    (f"{SMALL}max_age: unlimited", " max_age", "must be a duration such as 90d"),
    (f"{SMALL}providers: [{CANARY}]", " providers", "must be a mapping"),
    (f"{SMALL}providers: {{vault: {CANARY}}}", " providers.vault", "must be a mapping"),
    (f"{SMALL}providers: {{'va:ult': {{}}}}", " providers", "'va:ult' is not a valid provider name"),
    (f"{SMALL}cluster: {CANARY}", " cluster", "must be a mapping"),
    (f"{SMALL}cluster: {{context: [{CANARY}]}}", " cluster.context", "must be a string"),
    (f"{SMALL}cluster: {{namespace_uid: null}}", " cluster.namespace_uid", "must be a string, or a list of strings"),
    (f"{SMALL}cluster: {{namespace_uid: []}}", " cluster.namespace_uid", "must be a string, or a list of strings"),
    (f"{SMALL}cluster: {{namespace_uid: [a, {{{CANARY}: b}}]}}", " cluster.namespace_uid[1]", "must be a string"),
    (f"{SMALL}cluster: {{server: [https://a, '']}}", " cluster.server[1]", "must be a string"),
    (f"{SMALL}cluster: {{server: {CANARY}}}", " cluster.server", "SERVER"),
    (f"{SMALL}cluster: {{server: 'https://me:{CANARY}@a'}}", " cluster.server", "SERVER"),
    (f"{SMALL}cluster: {{server: [https://a, 'ftp://a']}}", " cluster.server", "SERVER"),
    (f"{SMALL}cluster: {{kubeconfig: ' '}}", " cluster.kubeconfig", "must be a path"),
    (f"{SMALL}cluster: {{ctx: a}}", " cluster", "unknown key ctx"),
    (f"id: a\ntemplates: {CANARY}", " templates", "must be a list of paths"),
    (f"id: a\ntemplates: [a, [{CANARY}]]", " templates[1]", "must be a path"),
]


@pytest.mark.parametrize(("text", "place", "what"), MISTAKES)
def test_mistake_is_reported_by_path_of_its_key_and_what_is_expected(load, text, place, what):
    words = {
        "LABEL": "must be a DNS label: at most 63 of a to z, 0 to 9 and -, with no - at either end",
        "BOOLEAN": "must be true or false",
        "SERVER": "must be a URL such as https://host:6443, without a user or password",
    }
    assert (f"config/staging.yaml{place}", words.get(what, what)) in refusal(lambda: load(text))


@pytest.mark.parametrize("id_", ["", "Voice", "a_b", "a.b", "-a", "a-", "a" * 64, "5", "null", "true", "[a]", "é"])
def test_id_that_is_no_dns_label_is_refused(load, id_):
    assert refusal(lambda: load(f"id: {id_}\ntemplates: [a]")) == [
        ("config/staging.yaml id", "must be a DNS label: at most 63 of a to z, 0 to 9 and -, with no - at either end")
    ]


@pytest.mark.parametrize("id_", ["a", "a" * 63, "1a", "a--b"])
def test_id_may_be_any_dns_label(load, id_):
    assert load(f"id: {id_}\ntemplates: [a]").id == id_


def test_missing_id_comes_with_example(load):
    with pytest.raises(ConfigError) as caught:
        load("templates: [a]")
    assert str(caught.value) == "config/staging.yaml: id is missing"
    assert caught.value.problems[0].hint == "add `id:` with a DNS label that never changes, such as voice-agent-staging"


@pytest.mark.parametrize(
    ("key", "shown", "hint"),
    [
        ("namspace", "namspace", "did you mean namespace?"),
        ("source", "source", "did you mean sources?"),
        ("envfile", "envfile", "did you mean env_file?"),
        (
            "zzz",
            "zzz",
            f"use one of {', '.join(sorted(KEYS))}",
        ),
        ('"a\\nb\\u001b"', r"'a\nb\x1b'", None),
        ("k" * 200, f"'{'k' * 60}...'", None),
    ],
)
def test_unknown_key_is_named_with_closest_that_is_known(load, key, shown, hint):
    with pytest.raises(ConfigError) as caught:
        load(f"{SMALL}{key}: {CANARY}")
    (problem,) = caught.value.problems
    assert str(problem) == f"config/staging.yaml: unknown key {shown}"
    assert hint is None or problem.hint == hint


def test_all_mistakes_of_file_are_reported_at_once(load):
    text = "nmespace: a\ntemplates: a\nsources: [a]\nvariables: {A: b, C: {from: 'v:a', decode: c}}\ncluster: {uid: 1}"
    assert refusal(lambda: load(text)) == [
        ("config/staging.yaml", "unknown key nmespace"),
        ("config/staging.yaml", "id is missing"),
        ("config/staging.yaml templates", "must be a list of paths"),
        ("config/staging.yaml sources[0]", "not a reference"),
        ("config/staging.yaml variables.A", "not a reference"),
        ("config/staging.yaml variables.C.decode", "must be base64"),
        ("config/staging.yaml cluster", "unknown key uid"),
    ]


def test_source_with_field_is_pointed_to_variables(load):
    with pytest.raises(ConfigError) as caught:
        load(f"{SMALL}sources: ['v:a#b']")
    assert caught.value.problems[0].hint == "move a single field to `variables`"


def test_file_that_is_no_yaml_is_reported_by_its_line(load):
    assert refusal(lambda: load(f"id: a\nsources: [{CANARY}\n")) == [("config/staging.yaml line 3", "not valid YAML")]


# Finding the file


def test_environment_is_yaml_file_whose_name_has_no_dot(folder):
    for name in (
        "staging.yaml",
        "prod.yml",
        "staging.public.yaml",
        "a.sops.yml",
        ".env.yaml",
        "x.json",
        "README",
        ".yaml",
    ):
        (folder / name).touch()
    assert environment_names(folder) == ("prod", "staging")


MANIFEST = "# values\napiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {A: CANARY-5ecre7}\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("staging-secret-config-patch.yml", MANIFEST),
        ("prod-secret-config-patch.yaml", ""),
        ("prod-secret-config-patch.yaml", "\xff not: [valid"),
        ("secrets.yml", MANIFEST),
        ("kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a]\n"),
    ],
)
def test_plaintext_patch_or_manifest_is_no_environment(folder, name, text):
    (folder / "staging.yaml").write_text(SMALL)
    (folder / name).write_text(text, encoding="latin-1")
    assert environment_names(folder) == ("staging",)
    assert list(load_all(folder)) == ["staging"]
    assert refusal(lambda: load_environment(folder, "x")) == [("config", "no environment 'x'; found staging")]


@pytest.mark.parametrize("text", ["", "id: a\n: [", "kind: Secret\n", f"apiVersion: v1\nkind: Secret\n{SMALL}", "\xff"])
def test_broken_environment_is_never_taken_for_manifest(folder, text):
    (folder / "staging.yaml").write_text(text, encoding="latin-1")
    assert environment_names(folder) == ("staging",)
    assert isinstance(load_all(folder)["staging"], ConfigError)


def test_pipe_is_not_waited_for(folder):
    os.mkfifo(folder / "staging.yaml")
    assert isinstance(load_all(folder)["staging"], ConfigError)


def test_names_are_sorted_and_dash_counts_as_any_character(folder):
    for name in ("b-a.yaml", "b.yml", "a.yaml", "b-c.yml"):
        (folder / name).touch()
    assert environment_names(folder) == ("a", "b", "b-a", "b-c")


@pytest.mark.parametrize("suffix", ["yaml", "yml"])
def test_both_endings_are_read(folder, suffix):
    (folder / f"prod.{suffix}").write_text(SMALL)
    assert load_environment(folder, "prod").file == folder / f"prod.{suffix}"


def test_name_with_two_files_is_refused(load, folder):
    (folder / "staging.yml").write_text(SMALL)
    assert environment_names(folder) == ("staging",)
    assert refusal(lambda: load(SMALL)) == [("config", "staging.yaml and staging.yml both exist")]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("stagng", "did you mean staging?"),
        ("zzz", ""),
        ("staging.public", "an environment's name has no dot"),
        ("../staging", "an environment's name has no dot"),
        ("", ""),
    ],
)
def test_unknown_environment_is_reported_with_those_that_exist(folder, name, hint):
    for file in ("staging.yaml", "prod.yaml", "staging.public.yaml"):
        (folder / file).write_text(SMALL)
    (folder.parent / "staging.yaml").write_text(SMALL)
    with pytest.raises(ConfigError) as caught:
        load_environment(folder, name)
    (problem,) = caught.value.problems
    assert str(problem) == f"config: no environment '{name}'; found prod, staging"
    assert problem.hint == hint


def test_folder_without_environments_says_so(folder):
    assert refusal(lambda: load_environment(folder, "staging")) == [
        ("config", "no environment 'staging'; no environments found")
    ]


def test_folder_that_is_missing_says_how_to_give_it(folder):
    with pytest.raises(ConfigError) as caught:
        load_environment(folder / "x", "staging")
    (problem,) = caught.value.problems
    assert str(problem) == "config/x: no such folder"
    name = "give the folder of environment files with --config or $BRIDGE_CONFIG"
    assert problem.hint == f"{name}, or create one from your kustomize layout: `bridge init ENV --from .`"


def test_file_in_folders_place_says_so(folder):
    (folder / "x").touch()
    assert refusal(lambda: environment_names(folder / "x")) == [("config/x", "cannot be listed: not a directory")]


def test_folder_in_files_place_says_so(folder):
    (folder / "staging.yaml").mkdir()
    assert refusal(lambda: load_environment(folder, "staging")) == [
        ("config/staging.yaml", "cannot be read: is a directory")
    ]


def test_link_that_leads_nowhere_says_so(folder):
    (folder / "staging.yml").symlink_to("nowhere")
    assert refusal(lambda: load_environment(folder, "staging")) == [("config/staging.yml", "no such file")]


# K8_ENV


def test_env_file_of_another_environment_is_refused_without_its_name(load):
    values = {"K8_ENV": SecretValue.of(CANARY)}
    environment = load(SMALL)
    assert refusal(lambda: check_k8_env(environment, values, ".env.k8s.staging")) == [
        (".env.k8s.staging", "K8_ENV names a different environment than staging")
    ]


def test_env_file_of_this_environment_or_of_none_passes(load):
    environment = load(SMALL)
    check_k8_env(environment, {"K8_ENV": SecretValue.of("staging")}, "x")
    check_k8_env(environment, {}, "x")
