"""What `bridge diff` shows of settings, objects and variables; nothing of a Secret's texts."""

import copy
from typing import Any

import pytest

from bridge.config.environment_fields import KEYS, VARIABLE_KEYS
from bridge.review.settings_change import REASONS, reason_of
from tests.review.team import CONFIG, SECRET, Team


def settings(data: dict[str, Any]) -> dict[str, tuple[str, str | None, str | None]]:
    return {one["name"]: (one["what"], one["before"], one["after"]) for one in data["settings"]}


def keys(data: dict[str, Any]) -> dict[str, tuple[str, str | None, str | None]]:
    return {
        f"{one['kind']} {key['name']}": (key["what"], key["before"], key["after"])
        for one in data["objects"]
        for key in one["keys"]
    }


def test_every_key_of_an_environment_file_has_a_reason() -> None:
    assert {*REASONS} == {*KEYS} - {"variables"}
    assert all(reason_of(f"variables.A.{name}") for name in VARIABLE_KEYS)


def test_every_setting_that_decides_where_values_go_is_shown(team: Team) -> None:
    team.start()
    team.environment(
        id="agent-prod",
        namespace="prod",
        cluster={"context": "other", "server": ["https://a:6443", "https://b:6443"], "kubeconfig": "k"},
        providers={"vault": {"address": "https://evil.example"}, "sops": {"gpg": "/usr/bin/gpg"}},
        sources=["sops:staging.sops.yaml", "vault:app"],
        variables={
            "OPENAI": {"from": "vault:app#x", "literal": True, "decode": "base64", "max_age": "1d12h30m5s"},
            "AGED": {"max_age": "unlimited", "expires": "2027-01-31"},
        },
        max_age="90d",
        secrets_from="any",
        accept_older={"sops:staging.sops.yaml": "2020-01-01T00:00:00Z/abcdef01"},
        env_file=".env",
        infrastructure={"K8_ENV": "required"},
        templates=["secrets.yaml"],
    )
    data = team.diff()
    assert settings(data) == {
        "id": ("changed", "agent-staging", "agent-prod"),
        "namespace": ("changed", "voice", "prod"),
        "cluster.kubeconfig": ("added", None, "k"),
        "cluster.context": ("added", None, "other"),
        "cluster.server": ("added", None, '["https://a:6443", "https://b:6443"]'),
        "providers.vault.address": ("added", None, "https://evil.example"),
        "providers.sops.gpg": ("added", None, "/usr/bin/gpg"),
        "sources": ("changed", "sops:staging.sops.yaml", '["sops:staging.sops.yaml", "vault:app"]'),
        "variables.OPENAI.from": ("added", None, "vault:app#x"),
        "variables.OPENAI.decode": ("added", None, "base64"),
        "variables.OPENAI.literal": ("added", None, "true"),
        "max_age": ("added", None, "90d"),
        "variables.OPENAI.max_age": ("added", None, "1d12h30m5s"),
        "variables.AGED.max_age": ("added", None, "unlimited"),
        "variables.AGED.expires": ("added", None, "2027-01-31T00:00:00Z"),
        "secrets_from": ("changed", "sources", "any"),
        "accept_older.sops:staging.sops.yaml": ("added", None, "2020-01-01T00:00:00Z/abcdef01"),
        "templates": ("changed", '["secrets.yaml", "public.yaml"]', "secrets.yaml"),
        "env_file": ("added", None, ".env"),
        "infrastructure.K8_ENV": ("added", None, "required"),
    }
    assert all(one["reason"] for one in data["settings"])
    assert "values from the env file (.env) are not compared" in data["unknown"]
    assert "vault:app is not a file in this repository, so its values are not compared" in data["unknown"]
    text = team.text()
    assert "  ~ namespace  'voice' -> 'prod'  (decides where the values go)" in text


@pytest.mark.parametrize(
    "section",
    [
        {"token": "CANARY-token"},  # no field of Vault's
        {"address": "https://user:CANARY-password@vault.example"},
    ],
)
def test_section_that_may_contain_a_credential_is_not_shown(team: Team, section: dict[str, str]) -> None:
    team.start()
    team.environment(providers={"vault": section}, sources=["sops:staging.sops.yaml", "vault:app"])
    data = team.diff()
    (one,) = [one for one in data["settings"] if one["name"].startswith("providers.")]
    assert (one["what"], one["shown"], one["before"], one["after"]) == ("added", False, None, None)
    assert f"+ {one['name']}  not shown" in team.text()


def test_texts_of_config_maps_are_shown_and_those_of_secrets_never(team: Team) -> None:
    team.start()
    secret, config = copy.deepcopy(SECRET), copy.deepcopy(CONFIG)
    secret["stringData"] |= {"FIXED": "CANARY-other", "NEW": "CANARY-new", "DEFAULT": "${NEW:-CANARY-default}"}
    secret["metadata"] |= {"labels": {"a": "b"}, "annotations": {"note": "CANARY-note"}}
    secret["type"] = "example.com/other"
    config["data"] = {"LOG_LEVEL": "debug", "URL": "${URL:-https://b.example}", "OTHER": "x ${A|json} $${B}"}
    config["metadata"]["labels"] = {"a": "b"}
    team.write("config/secrets.yaml", secret)
    team.write("config/public.yaml", config)
    data = team.diff()
    assert keys(data) == {
        "Secret FIXED": ("changed", None, None),
        "Secret NEW": ("added", None, None),
        "Secret DEFAULT": ("added", None, None),
        "ConfigMap LOG_LEVEL": ("changed", "info", "debug"),
        "ConfigMap URL": ("changed", "${URL:-https://a.example}", "${URL:-https://b.example}"),
        "ConfigMap OTHER": ("added", None, "x ${A|json} $${B}"),
    }
    fields = {(one["kind"], field["name"]): field["after"] for one in data["objects"] for field in one["fields"]}
    assert fields == {
        ("Secret", "type"): "example.com/other",
        ("Secret", "label a"): None,
        ("Secret", "annotation note"): None,
        ("ConfigMap", "label a"): "b",
    }
    assert "~ LOG_LEVEL  'info' -> 'debug'" in team.text()


def test_default_for_a_variable_of_a_secret_is_not_shown_in_a_config_map_either(team: Team) -> None:
    team.start()
    config = copy.deepcopy(CONFIG)
    config["data"]["A"] = "${OPENAI:-CANARY-default}"
    team.write("config/public.yaml", config)
    assert keys(team.diff()) == {"ConfigMap A": ("added", None, None)}


def test_bytes_of_config_map_are_compared_and_not_shown(team: Team) -> None:
    team.start()
    team.write("config/public.yaml", CONFIG | {"binaryData": {"B": "Q0FOQVJZ"}})
    assert keys(team.diff()) == {"ConfigMap B": ("added", None, None)}


def test_added_and_removed_objects_and_variables(team: Team) -> None:
    team.start()
    secret = copy.deepcopy(SECRET)
    del secret["stringData"]["CARTESIA"]
    secret["stringData"]["UNUSED"] = "${UNUSED}"
    secret["stringData"]["TOKEN"] = "${TOKEN}"
    team.write("config/secrets.yaml", secret)
    team.write("config/public.yaml", CONFIG | {"metadata": {"name": "other"}})
    data = team.diff()
    assert {(f"{one['kind']}/{one['name']}", one["what"]) for one in data["objects"]} == {
        ("Secret/agent", "changed"),
        ("ConfigMap/agent", "removed"),
        ("ConfigMap/other", "added"),
    }
    assert {one["name"]: (one["what"], one["reasons"]) for one in data["variables"]} == {
        "CARTESIA": ("removed", ["from sops:staging.sops.yaml"]),
        "UNUSED": ("added", ["from sops:staging.sops.yaml"]),
        "TOKEN": ("added", ["from the env file or the template"]),
    }
    assert data["documents"] == []


def test_variable_that_another_source_gives_now(team: Team) -> None:
    team.start()
    team.encrypt({"OPENAI": "CANARY-other"}, "config/first.sops.yaml")
    team.environment(sources=["sops:first.sops.yaml", "sops:staging.sops.yaml"])
    (variable,) = team.diff()["variables"]
    assert variable["name"] == "OPENAI"
    assert variable["reasons"] == ["from sops:first.sops.yaml instead of sops:staging.sops.yaml", "new ciphertext"]
    team.environment(sources=["vault:app", "sops:staging.sops.yaml"])
    names = {one["name"]: one["reasons"] for one in team.diff()["variables"]}
    place = "from vault:app or sops:staging.sops.yaml instead of sops:staging.sops.yaml"
    assert names == {
        "OPENAI": [place, "cannot be compared"],
        "CARTESIA": [place, "cannot be compared"],
        "URL": ["from vault:app instead of the env file or the template", "cannot be compared"],
    }


def test_field_of_a_document_is_compared(team: Team) -> None:
    team.environment(variables={"OPENAI": "sops:staging.sops.yaml#a.b"})
    team.write("config/secrets.yaml", SECRET)
    team.write("config/public.yaml", "")
    team.encrypt({"a": {"b": "CANARY-1", "c": "CANARY-2"}, "CARTESIA": "CANARY-3"})
    team.commit()
    team.run_sops("set", "config/staging.sops.yaml", '["a"]["c"]', '"CANARY-4"')
    assert team.diff()["variables"] == []
    team.run_sops("set", "config/staging.sops.yaml", '["a"]["b"]', '"CANARY-5"')
    assert [(one["name"], one["reasons"]) for one in team.diff()["variables"]] == [("OPENAI", ["new ciphertext"])]


def test_nothing_changes(team: Team) -> None:
    team.start()
    data = team.diff()
    assert data["result"] == "unchanged"
    assert data["unknown"] == []
    assert team.text().splitlines()[-1] == "nothing changes"
    team.diff("--exit-code")


def test_exit_code_says_that_something_differs(team: Team) -> None:
    team.start()
    team.environment(namespace="other")
    assert team.diff("--exit-code", status=4)["summary"]["settings"] == 1
    assert team.diff()["result"] == "changed"


def test_markdown_contains_no_markup_of_the_change(team: Team) -> None:
    team.start()
    config = copy.deepcopy(CONFIG)
    config["data"]["LOG_LEVEL"] = "![x](https://evil.example)|`</td><script>\n@all"
    team.write("config/public.yaml", config)
    team.encrypt({"![x](y)|`": "CANARY", "OPENAI": "CANARY", "CARTESIA": "CANARY", "UNUSED": "CANARY"})
    out = team.run("diff", "staging", "--output", "markdown").out
    rows = [line for line in out.splitlines() if "evil" in line or "[x](y)" in line]
    assert len(rows) == 2
    for row in rows:
        assert row.replace("\\|", "").count("|") == 5
        assert "](" not in row.replace("\\]", "") or "``" in row
    assert "\x1b" not in team.text()
