"""Moving plaintext values into a store: what goes where, what is refused, and what is left after a death."""

import base64
import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.desk import Desk
from tests.importing.moving import PATCH, PUBLIC, SHELF, environ, moving_in, shelf, start, state, states
from tests.team import VALUES
from tests.waiting import until

ESCAPED = r"-----BEGIN PRIVATE KEY-----\nCANARYpem\n-----END PRIVATE KEY-----"


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


@pytest.fixture
def patch(desk: Desk) -> Path:
    return moving_in(desk)


def config_map(desk: Desk, name: str) -> dict[str, str]:
    documents = yaml.safe_load_all((desk.folder / "staging.public.yaml").read_text())
    return next((one["data"] for one in documents if one["metadata"]["name"] == name), {})


def test_secrets_go_to_store_and_what_is_public_to_template(desk: Desk, patch: Path) -> None:
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes")
    assert (result.err, result.status) == ("", 0)
    assert shelf(desk) == VALUES
    assert (desk.folder / "staging.public.yaml").read_text() == PUBLIC + (
        '---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: agent-config\ndata:\n  LOG_LEVEL: "debug"\n'
    )
    assert patch.read_text() == PATCH
    assert result.out.splitlines()[-3:] == [
        f"{SHELF}: written, revision none -> {result.out.split('-> ')[1].split()[0]}",
        "staging.public.yaml: written",
        f"{patch} can be deleted: all its values exist elsewhere now",
    ]
    patch.unlink()
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]
    assert desk.target.data("ConfigMap", "agent-config")["LOG_LEVEL"] == "debug"


def test_second_run_has_nothing_to_do(desk: Desk, patch: Path) -> None:
    desk.run("import", "staging", str(patch), "--to", SHELF, "--yes")
    before = {path: state(path) for path in desk.folder.iterdir() if path.is_file()}
    again = desk.run("import", "staging", str(patch), "--to", SHELF)
    assert (again.err, again.status) == ("", 0)
    assert again.out.splitlines()[-2:] == [
        "nothing to do",
        f"{patch} can be deleted: all its values exist elsewhere now",
    ]
    after = {path: state(path) for path in desk.folder.iterdir() if path.is_file()}
    assert after == before


def test_table_names_places_and_states_and_nothing_is_written_dry(desk: Desk, patch: Path) -> None:
    desk.write("shelf.json", {"OPENAI_API_KEY": VALUES["OPENAI_API_KEY"], "OTHER": "CANARY-other"})
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--dry-run")
    assert (result.err, result.status) == ("", 0)
    lines = [line.split() for line in result.out.splitlines()]
    assert [
        "Secret/agent-secrets",
        "key",
        "OPENAI_API_KEY",
        "OPENAI_API_KEY",
        f"{SHELF}#OPENAI_API_KEY",
        "same",
    ] in lines
    assert [
        "Secret/agent-secrets",
        "key",
        "DEEPGRAM_API_KEY",
        "DEEPGRAM_API_KEY",
        f"{SHELF}#DEEPGRAM_API_KEY",
        "new",
    ] in lines
    assert ["ConfigMap/agent-config", "key", "LOG_LEVEL", "LOG_LEVEL", "staging.public.yaml", "new"] in lines
    assert ["ConfigMap/agent-config", "key", "METRICS_ENABLED", "-", "base/configmap.yml", "same"] in lines
    assert result.out.splitlines()[-1] == "5 new, 2 same"
    assert shelf(desk) == {"OPENAI_API_KEY": VALUES["OPENAI_API_KEY"], "OTHER": "CANARY-other"}
    assert (desk.folder / "staging.public.yaml").read_text() == PUBLIC


def test_siblings_in_store_stay(desk: Desk, patch: Path) -> None:
    desk.write("shelf.json", {"OTHER": "CANARY-other", "deep": {"n": 1}})
    assert desk.run("import", "staging", str(patch), "--to", SHELF, "--yes").status == 0
    assert shelf(desk) == {"OTHER": "CANARY-other", "deep": {"n": 1}} | VALUES


def test_different_value_needs_word(desk: Desk, patch: Path) -> None:
    desk.write("shelf.json", {"OPENAI_API_KEY": "CANARY-theirs"})
    desk.canaries.add("CANARY-theirs")
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes")
    assert result.status == 1
    assert result.lines == [
        f"bridge: error: Secret/agent-secrets key OPENAI_API_KEY: {SHELF}#OPENAI_API_KEY has a different value",
        "bridge: hint: overwrite it with `--replace`",
    ]
    assert shelf(desk) == {"OPENAI_API_KEY": "CANARY-theirs"}
    assert (desk.folder / "staging.public.yaml").read_text() == PUBLIC
    assert desk.run("import", "staging", str(patch), "--to", SHELF, "--yes", "--replace").status == 0
    assert shelf(desk) == VALUES


def test_public_value_of_environments_own_template_needs_word_too(desk: Desk, patch: Path) -> None:
    patch.write_text(
        PATCH.replace("agent-config", "shared-config").replace(
            'LOG_LEVEL: debug, METRICS_ENABLED: "true"', "DOMAIN: x.example"
        )
    )
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes")
    assert result.lines[0] == (
        "bridge: error: ConfigMap/shared-config key DOMAIN: staging.public.yaml has a different value"
    )
    assert desk.run("import", "staging", str(patch), "--to", SHELF, "--yes", "--replace").status == 0
    text = (desk.folder / "staging.public.yaml").read_text()
    assert 'DOMAIN: "x.example" ' in text
    assert text.endswith("# the front end's\n")


def test_nobody_at_terminal_has_to_agree_before(desk: Desk, patch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    result = desk.run("import", "staging", str(patch), "--to", SHELF)
    assert result.status == 1
    assert result.lines[0] == "bridge: error: stdin is not a terminal, so bridge cannot ask; nothing was done"
    assert shelf(desk) is None


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_question_counts_what_goes_where(desk: Desk, patch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    result = desk.run("import", "staging", str(patch), "--to", SHELF)
    assert result.err.startswith(f"Write 5 values into {SHELF} and 1 value into staging.public.yaml? [y/N] ")
    assert (result.status, shelf(desk)) == (1, None)


def test_environments_own_template_is_made_where_it_is_missing(desk: Desk, patch: Path) -> None:
    (desk.folder / "staging.public.yaml").unlink()
    assert desk.run("import", "staging", str(patch), "--to", SHELF, "--yes").status == 0
    assert config_map(desk, "agent-config") == {"LOG_LEVEL": "debug"}
    assert desk.run("import", "staging", str(patch), "--to", SHELF).status == 0


def test_source_that_is_not_listed_yet_is_reported_with_line_to_add(desk: Desk) -> None:
    patch = moving_in(desk, sources=[])
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes", "--output", "json")
    assert result.status == 0
    assert result.lines == [
        f"bridge: warning: staging.yaml: `sources` does not list {SHELF}, so nothing reads it yet",
        f"bridge: hint: add the line `  - {SHELF}` to `sources`",
    ]
    assert result.data["deletable"] is False
    assert shelf(desk) == VALUES


def test_document_that_variables_alone_read(desk: Desk) -> None:
    variables = {name: f"{SHELF}#{name}" for name in VALUES}
    patch = moving_in(desk, sources=[], variables=variables)
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes", "--output", "json")
    assert (result.err, result.data["deletable"]) == ("", True)
    del variables["OPENAI_API_KEY"]
    moving_in(desk, sources=[], variables=variables)
    again = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes", "--output", "json")
    assert (again.lines[0].partition(SHELF)[0], again.data["deletable"]) == (
        "bridge: warning: staging.yaml: `sources` does not list ",
        False,
    )


def test_json_has_every_value_by_name_and_what_became_of_it(desk: Desk, patch: Path) -> None:
    data = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes", "--output", "json").data
    assert states(data) == dict.fromkeys([*VALUES, "LOG_LEVEL"], "new") | {"METRICS_ENABLED": "same"}
    assert (data["result"], data["deletable"], data["document"]["before"]) == ("written", True, None)
    again = desk.run("import", "staging", str(patch), "--to", SHELF, "--output", "json").data
    assert (again["result"], again["document"], set(states(again).values())) == ("unchanged", None, {"same"})


# What is refused


def refused(desk: Desk, patch: Path, *more: str) -> list[str]:
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes", "--replace", *more)
    assert result.status in (1, 2)
    assert shelf(desk) is None
    assert (desk.folder / "staging.public.yaml").read_text() == PUBLIC
    return [line.removeprefix("bridge: ") for line in result.lines]


def test_key_that_no_template_names(desk: Desk, patch: Path) -> None:
    patch.write_text(PATCH.replace("  OPENAI_API_KEY", "  OPENAI_API_KEZ"))
    assert refused(desk, patch) == [
        "error: Secret/agent-secrets key OPENAI_API_KEZ: not in any template",
        "hint: did you mean OPENAI_API_KEY?",
    ]


def test_two_keys_of_one_variable_that_disagree(desk: Desk, patch: Path) -> None:
    desk.write(
        "base/secrets.yml",
        (desk.folder / "base/secrets.yml").read_text().replace("${OPENAI_API_KEY}", "${CARTESIA_API_KEY}"),
    )
    assert refused(desk, patch) == [
        (
            "error: Secret/agent-secrets key OPENAI_API_KEY: differs from Secret/agent-secrets key CARTESIA_API_KEY, "
            "but one variable (CARTESIA_API_KEY) fills both"
        ),
        "hint: use two different variables in the templates",
    ]
    patch.write_text(PATCH.replace(VALUES["OPENAI_API_KEY"], VALUES["CARTESIA_API_KEY"]))
    assert desk.run("import", "staging", str(patch), "--to", SHELF, "--yes").status == 0
    assert "OPENAI_API_KEY" not in shelf(desk)


def test_template_whose_value_is_more_than_placeholder(desk: Desk, patch: Path) -> None:
    desk.write(
        "base/secrets.yml",
        (desk.folder / "base/secrets.yml").read_text().replace("${OPENAI_API_KEY}", "key-${OPENAI_API_KEY}"),
    )
    assert refused(desk, patch) == [
        (
            "error: Secret/agent-secrets key OPENAI_API_KEY: the template's value is not a single placeholder, "
            "so the variable is unknown"
        ),
        "hint: write OPENAI_API_KEY: ${NAME} in the template",
    ]


def test_public_value_that_equals_secret(desk: Desk, patch: Path) -> None:
    patch.write_text(PATCH.replace("LOG_LEVEL: debug", f"LOG_LEVEL: {VALUES['LIVEKIT_API_KEY']}"))
    assert refused(desk, patch) == [
        (
            "error: ConfigMap/agent-config key LOG_LEVEL: has the value of Secret/shared-secrets key LIVEKIT_API_KEY, "
            "and would become public"
        ),
        "hint: put it in a Secret",
    ]


@pytest.mark.parametrize("value", ["True", "5432", "postgres", "development"])
def test_common_value_may_be_in_secret_and_in_config_map(desk: Desk, patch: Path, value: str) -> None:
    patch.write_text(
        PATCH.replace("LOG_LEVEL: debug", f"LOG_LEVEL: '{value}'").replace(VALUES["OPENAI_API_KEY"], f"'{value}'")
    )
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes")
    assert (result.status, result.err) == (0, "")
    assert shelf(desk)["OPENAI_API_KEY"] == value
    assert config_map(desk, "agent-config") == {"LOG_LEVEL": value}


def test_short_public_value_that_equals_secret_is_reported(desk: Desk, patch: Path) -> None:
    patch.write_text(PATCH.replace("LOG_LEVEL: debug", "LOG_LEVEL: s3cr3t").replace(VALUES["OPENAI_API_KEY"], "s3cr3t"))
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes", "--output", "json")
    assert result.lines == [
        (
            "bridge: warning: ConfigMap/agent-config key LOG_LEVEL: has the value of Secret/agent-secrets key "
            "OPENAI_API_KEY, and becomes public"
        ),
        "bridge: hint: put it in a Secret if the match is not a coincidence",
    ]
    assert (result.status, result.data["deletable"], len(result.data["warnings"])) == (0, True, 1)


def test_public_value_that_equals_secret_of_store(desk: Desk, patch: Path) -> None:
    desk.write("shelf.json", {"OPENAI_API_KEY": "CANARY-stored"})
    desk.canaries.add("CANARY-stored")
    patch.write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: agent-config}\ndata: {LOG_LEVEL: CANARY-stored}\n"
    )
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes")
    assert "has the value of Secret/agent-secrets key OPENAI_API_KEY, and would become public" in result.lines[0]


def test_value_that_looks_encrypted(desk: Desk, patch: Path) -> None:
    patch.write_text(PATCH.replace(VALUES["OPENAI_API_KEY"], "vault:v1:CANARY"))
    assert refused(desk, patch)[0] == "error: Secret/agent-secrets key OPENAI_API_KEY: looks encrypted"


def test_file_that_sops_has_encrypted(desk: Desk, patch: Path) -> None:
    patch.write_text(PATCH.replace("kind: ConfigMap", "kind: ConfigMap\nsops: {mac: x}"))
    assert refused(desk, patch) == [
        f"error: {patch} line 17: is encrypted with sops",
        "hint: list the file under `sources` instead",
    ]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("data: {OPENAI_API_KEY: CANARY-livekit-key}", "key OPENAI_API_KEY: is not valid base64"),
        ("stringData: {OPENAI_API_KEY: 5}", "key OPENAI_API_KEY must be a string; quote it"),
        ("stringData: [CANARY-livekit-key]", "stringData: must be a mapping"),
    ],
)
def test_manifest_that_is_wrong(desk: Desk, patch: Path, content: str, what: str) -> None:
    patch.write_text(f"apiVersion: v1\nkind: Secret\nmetadata: {{name: agent-secrets}}\n{content}\n")
    assert refused(desk, patch)[0].endswith(what)


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("flat.yaml", "OPENAI_API_KEY: CANARY-openai\n", "line 1: not a manifest: kind or metadata.name is missing"),
        ("list.yaml", "- CANARY-openai\n", "line 1: not a manifest"),
        ("broken.yaml", "a: [CANARY-openai\n", "line 2: not valid YAML"),
        (".env", "CANARY-openai\n", "line 1: does not start with a variable name"),
        (".env", "OPENAI_API_KEZ=CANARY-openai\n", "OPENAI_API_KEZ: not used by any template or by infrastructure"),
    ],
)
def test_file_that_is_none_of_ours(desk: Desk, patch: Path, name: str, text: str, what: str) -> None:
    assert what in refused(desk, desk.write(f"../{name}", text))[0]


def test_file_that_is_missing(desk: Desk, patch: Path) -> None:
    for name in ("nowhere.yml", "nowhere.env"):
        assert refused(desk, Path(name)) == [f"error: {name}: no such file"]


def test_store_that_only_reads(desk: Desk, patch: Path) -> None:
    result = desk.run("import", "staging", str(patch), "--to", "plain:values.json", "--yes")
    assert (result.status, result.lines[0]) == (
        1,
        "bridge: error: plain:values.json: the provider plain is read-only",
    )


@pytest.mark.parametrize(
    ("to", "what"),
    [
        ("shelf:shelf.json#A", "--to: must not name a field"),
        ("shelf:shelf.json@1", "shelf:shelf.json@1: is pinned to revision 1, which cannot be changed"),
        ("shelf", "--to: not a reference"),
        ("shlf:shelf.json", "staging.yaml: unknown provider shlf"),
    ],
)
def test_document_that_cannot_be_meant(desk: Desk, patch: Path, to: str, what: str) -> None:
    result = desk.run("import", "staging", str(patch), "--to", to, "--yes")
    assert result.lines[0] == f"bridge: error: {what}"
    assert result.status in (1, 2)


def test_environment_without_template_of_its_own(desk: Desk) -> None:
    patch = moving_in(desk, templates=["base/secrets.yml", "base/configmap.yml"])
    assert refused(desk, patch) == [
        "error: staging.yaml: the environment has no template of its own for public values",
        "hint: add `- staging.public.yaml` to `templates`; the import creates the file",
    ]


def test_own_template_that_later_one_overrides(desk: Desk) -> None:
    patch = moving_in(desk, templates=["base/secrets.yml", "staging.public.yaml", "base/configmap.yml"])
    assert refused(desk, patch)[0] == (
        "error: ConfigMap/agent-config key LOG_LEVEL: base/configmap.yml comes after staging.public.yaml in "
        "`templates`, so its value would override this one"
    )


def test_earlier_source_with_another_value(desk: Desk) -> None:
    patch = moving_in(desk, sources=["plain:values.json", SHELF])
    desk.values(OPENAI_API_KEY="CANARY-earlier")
    assert refused(desk, patch) == [
        (
            f"error: Secret/agent-secrets key OPENAI_API_KEY: plain:values.json comes before "
            f"{SHELF} and has a different value"
        ),
        "hint: change it with `bridge set staging OPENAI_API_KEY`, or remove it there",
    ]
    desk.values()
    data = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes", "--output", "json").data
    assert {one["place"] for one in data["values"] if one["state"] == "same"} == {
        "plain:values.json",
        "base/configmap.yml",
    }


def test_variable_of_its_own_document(desk: Desk) -> None:
    patch = moving_in(desk, variables={"OPENAI_API_KEY": "shelf:other.json#keys.openai"})
    desk.write("other.json", {"keys": {"openai": "CANARY-other"}})
    assert refused(desk, patch)[0] == (
        "error: Secret/agent-secrets key OPENAI_API_KEY: `variables` takes OPENAI_API_KEY from "
        "shelf:other.json#keys.openai, which has a different value"
    )
    desk.write("other.json", {"keys": {"openai": VALUES["OPENAI_API_KEY"]}})
    assert desk.run("import", "staging", str(patch), "--to", SHELF, "--yes").status == 0
    assert "OPENAI_API_KEY" not in shelf(desk)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("data: {LOG_LEVEL: 'vault:v1:CANARY'}", "looks encrypted"),
        ("binaryData: {LOG_LEVEL: AP8=}", "is not text"),
    ],
)
def test_public_value_that_no_template_can_hold(desk: Desk, patch: Path, content: str, what: str) -> None:
    patch.write_text(f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: agent-config}}\n{content}\n")
    assert refused(desk, patch)[0] == f"error: ConfigMap/agent-config key LOG_LEVEL: {what}"


CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: agent-config}\ndata: {LOG_LEVEL: %s}\n"


def decided(desk: Desk, patch: Path) -> tuple[str, str]:
    """Return the state and the place of the one value in the file."""
    (one,) = desk.run("import", "staging", str(patch), "--to", SHELF, "--dry-run", "--output", "json").data["values"]
    return one["state"], one["place"]


def test_default_counts_only_where_no_env_file_comes_before_it(desk: Desk, patch: Path) -> None:
    patch.write_text(CONFIG % "info")
    assert decided(desk, patch) == ("same", "base/configmap.yml")
    desk.env_file(LOG_LEVEL="info")
    assert decided(desk, patch) == ("new", "staging.public.yaml")
    (desk.folder / ".env.k8s.staging").unlink()  # it may say anything where it is
    assert decided(desk, patch) == ("new", "staging.public.yaml")


def test_public_value_that_source_gives_stays_there(desk: Desk, patch: Path) -> None:
    patch.write_text(CONFIG % "debug")
    desk.write("shelf.json", {"LOG_LEVEL": "debug"})
    assert decided(desk, patch) == ("same", SHELF)
    desk.write("shelf.json", {"LOG_LEVEL": "warn"})  # the template's text replaces the placeholder
    assert decided(desk, patch) == ("new", "staging.public.yaml")
    moving_in(desk, variables={"LOG_LEVEL": "shelf:other.json#level"})
    patch.write_text(CONFIG % "debug")
    desk.write("other.json", {"level": "debug"})
    assert decided(desk, patch) == ("same", "shelf:other.json#level")


def test_source_of_manifests_wins_over_template(desk: Desk) -> None:
    patch = moving_in(desk, sources=[SHELF, "plain:values.json"])
    patch.write_text(CONFIG % "debug")
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "agent-config"}}
    desk.write("values.json", [manifest | {"data": {"LOG_LEVEL": "warn"}}])
    assert refused(desk, patch) == [
        (
            "error: ConfigMap/agent-config key LOG_LEVEL: plain:values.json gives a different value for this key "
            "and overrides templates"
        ),
        "hint: remove or change it there",
    ]
    desk.write("values.json", [manifest | {"data": {"LOG_LEVEL": "debug"}}])
    assert decided(desk, patch) == ("same", "plain:values.json")


# What stays where it is


def test_what_is_no_value_yet_is_reported_and_left(desk: Desk, patch: Path) -> None:
    text = PATCH.replace(VALUES["OPENAI_API_KEY"], "${OPENAI_API_KEY}").replace(VALUES["CARTESIA_API_KEY"], "changeme")
    text = text.replace(VALUES["DEEPGRAM_API_KEY"], '""').replace("LOG_LEVEL: debug", "LOG_LEVEL: null")
    text += "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: agent}\n"
    text += "---\napiVersion: v1\nkind: Secret\nmetadata: {name: old-secrets}\n$patch: delete\n"
    text += "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared-config}\ndata: {DOMAIN: 'a.${ZONE}'}\n"
    patch.write_text(text)
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes", "--output", "json")
    assert result.status == 0
    left = {one["value"]: one["reason"] for one in result.data["values"] if one["state"] == "left"}
    assert left == {
        "Secret/agent-secrets key OPENAI_API_KEY": "is still a placeholder",
        "Secret/agent-secrets key CARTESIA_API_KEY": "looks like a placeholder",
        "Secret/agent-secrets key DEEPGRAM_API_KEY": "is empty",
        "ConfigMap/agent-config key LOG_LEVEL": "is null, which removes the key",
        "Deployment agent": "is not a Secret or ConfigMap",
        "Secret/old-secrets": "is patched by a directive ($patch), not by values",
        "ConfigMap/shared-config key DOMAIN": "is still a placeholder",
    }
    assert shelf(desk) == {key: VALUES[key] for key in ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")}
    assert result.data["deletable"] is False


def test_blank_is_no_value(desk: Desk, patch: Path) -> None:
    patch.write_text(CONFIG % "' '")
    assert decided(desk, patch) == ("left", "")
    result = desk.run("import", "staging", str(patch), "--to", SHELF)
    assert result.out.splitlines()[-2:] == [
        "nothing to do",
        f"{patch} is still needed: some of its values exist nowhere else",
    ]


def test_password_may_hold_what_begins_placeholder(desk: Desk, patch: Path) -> None:
    desk.canaries |= {"CANARY-${x", "CANARY-${NAME}-x"}
    patch.write_text(
        PATCH.replace(VALUES["OPENAI_API_KEY"], "'CANARY-${x'")
        .replace(VALUES["CARTESIA_API_KEY"], "'CANARY-${NAME}-x'")
        .replace("LOG_LEVEL: debug", "LOG_LEVEL: 'a${b'")
    )
    assert desk.run("import", "staging", str(patch), "--to", SHELF, "--yes").status == 0
    assert shelf(desk)["OPENAI_API_KEY"] == "CANARY-${x"
    assert shelf(desk)["CARTESIA_API_KEY"] == "CANARY-${NAME}-x"
    assert config_map(desk, "agent-config") == {"LOG_LEVEL": "a$${b"}
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data("ConfigMap", "agent-config")["LOG_LEVEL"] == "a${b"


def test_bytes_need_variable_that_is_decoded(desk: Desk, patch: Path) -> None:
    patch.write_text("apiVersion: v1\nkind: Secret\nmetadata: {name: agent-secrets}\ndata: {OPENAI_API_KEY: AP8=}\n")
    assert refused(desk, patch) == [
        "error: Secret/agent-secrets key OPENAI_API_KEY: is not text, and the store's document only holds text",
        f'hint: add under `variables`: OPENAI_API_KEY: {{from: "{SHELF}#OPENAI_API_KEY", decode: base64}}',
    ]
    moving_in(desk, variables={"OPENAI_API_KEY": {"from": f"{SHELF}#OPENAI_API_KEY", "decode": "base64"}})
    patch.write_text("apiVersion: v1\nkind: Secret\nmetadata: {name: agent-secrets}\ndata: {OPENAI_API_KEY: AP8=}\n")
    assert desk.run("import", "staging", str(patch), "--to", SHELF, "--yes").status == 0
    assert shelf(desk) == {"OPENAI_API_KEY": "AP8="}


def test_document_of_manifests_keeps_its_form(desk: Desk, patch: Path) -> None:
    theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shared-secrets"}}
    desk.write("shelf.json", [theirs | {"data": {"LIVEKIT_API_KEY": base64.b64encode(b"CANARY-livekit-key").decode()}}])
    assert desk.run("import", "staging", str(patch), "--to", SHELF, "--yes").status == 0
    first, second = shelf(desk)
    assert {key: base64.b64decode(text).decode() for key, text in first["data"].items()} == {
        key: VALUES[key] for key in ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
    }
    assert second["metadata"] == {"name": "agent-secrets"}
    assert second["stringData"]["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]
    assert config_map(desk, "agent-config") == {"LOG_LEVEL": "debug"}
    assert desk.run("sync", "staging").status == 0
    assert desk.run("import", "staging", str(patch), "--to", SHELF).out.count("nothing to do") == 1


# Other sources of values


DOTENV = "".join(f"{name}={value}\n" for name, value in VALUES.items())


def test_dotenv_file(desk: Desk, patch: Path) -> None:
    desk.canaries.add("CANARY-scw")
    moving_in(desk, infrastructure={"SCW_SECRET_KEY": "secret", "CLUSTER_NAME": "required"})
    text = f"{DOTENV}SCW_SECRET_KEY=CANARY-scw\nCLUSTER_NAME=demo\nLOG_LEVEL=info\nDOMAIN=x.example\n"
    file = desk.write("../.env.old", text)
    result = desk.run("import", "staging", str(file), "--to", SHELF, "--yes", "--replace", "--output", "json")
    assert result.status == 0
    assert shelf(desk) == VALUES | {"SCW_SECRET_KEY": "CANARY-scw"}
    assert config_map(desk, "shared-config") == {"DOMAIN": "x.example"}
    found = {one["value"]: (one["state"], one["reason"]) for one in result.data["values"]}
    assert found["CLUSTER_NAME"] == ("left", "public, and used by scripts")
    assert found["LOG_LEVEL"] == ("same", "")  # what the template's default gives
    assert result.data["deletable"] is False
    again = desk.run("import", "staging", str(file), "--to", SHELF, "--output", "json")
    assert (again.status, again.data["result"]) == (0, "unchanged")


def test_environments_own_env_file(desk: Desk, patch: Path) -> None:
    desk.env_file(LOG_LEVEL="info", K8_ENV="staging", **VALUES, CLUSTER_NAME=None, REGISTRY_BASE=None)
    result = desk.run(
        "import",
        "staging",
        str(desk.folder / ".env.k8s.staging"),
        "--to",
        SHELF,
        "--yes",
        "--replace",
        "--output",
        "json",
    )
    assert result.status == 0, result.err
    assert shelf(desk) == VALUES
    assert config_map(desk, "agent-config") == {"ENV_MODE": "staging"}  # LOG_LEVEL is the template's default
    desk.env_file()
    assert desk.run("sync", "staging").status == 0


ODD = """\
export LIVEKIT_API_KEY=CANARY-livekit-key
LIVEKIT_API_SECRET=CANARY-livekit-secret
CARTESIA_API_KEY=CANARY-cartesia # CANARY-behind
OPENAI_API_KEY="CANARY-openai"
DEEPGRAM_API_KEY='CANARY-deepgram
CANARY-second'
CLUSTER_NAME="demo"
"""


def test_what_other_programs_read_otherwise_is_named_and_keeps_file(desk: Desk, patch: Path) -> None:
    desk.canaries |= {"CANARY-behind", "CANARY-second"}
    moving_in(desk, infrastructure={"CLUSTER_NAME": "required"})
    file = desk.write("../.env.old", ODD.replace('CLUSTER_NAME="demo"\n', ""))
    compare = "before deleting the file, check with `bridge plan staging` that the cluster has the same value"
    told = [
        f"bridge: warning: {file} CARTESIA_API_KEY: the text after ` #` was read as a comment",
        "bridge: hint: quote the value if it includes that text; otherwise move the comment to its own line",
        (
            f"bridge: warning: {file} DEEPGRAM_API_KEY: spans several lines; kubectl and kustomize read each line "
            "separately"
        ),
        (
            f"bridge: warning: {file} LIVEKIT_API_KEY: kubectl and kustomize reject `export`, quotes or blanks "
            "in the name"
        ),
        f"bridge: warning: {file} OPENAI_API_KEY: kubectl and kustomize keep the quotes as part of the value",
        f"bridge: hint: {compare}",
    ]
    result = desk.run("import", "staging", str(file), "--to", SHELF, "--dry-run")
    assert (result.lines, result.status) == (told, 0)
    result = desk.run("import", "staging", str(file), "--to", SHELF, "--yes")
    assert (result.lines, result.status) == (told, 0)
    last = f"{file} is still needed: other programs read some values differently (see the warnings)"
    assert result.out.splitlines()[-1] == last
    assert shelf(desk)["CARTESIA_API_KEY"] == "CANARY-cartesia"
    again = desk.run("import", "staging", str(file), "--to", SHELF, "--output", "json")
    assert (again.data["deletable"], len(again.data["warnings"])) == (False, 4)
    file.write_text(DOTENV)
    again = desk.run("import", "staging", str(file), "--to", SHELF, "--replace", "--yes", "--output", "json")
    assert (again.err, again.data["deletable"]) == ("", True)


def test_what_only_scripts_read_is_not_compared(desk: Desk, patch: Path) -> None:
    desk.canaries.add("CANARY-second")
    moving_in(desk, infrastructure={"CLUSTER_NAME": "required"})
    file = desk.write("../.env.old", ODD)
    result = desk.run("import", "staging", str(file), "--to", SHELF, "--dry-run")
    assert "CLUSTER_NAME" in result.out
    assert "CLUSTER_NAME" not in result.err
    result = desk.run("import", "staging", str(file), "--to", SHELF, "--yes")
    assert result.out.splitlines()[-2:] == [
        f"{file} is still needed: other programs read some values differently (see the warnings)",
        f"{file} is still needed: some of its values exist nowhere else",
    ]


# Files that a build still needs


@pytest.mark.parametrize(
    ("content", "first"),
    [
        ("patches: [{path: patches/p.yml}]", "bridge init staging --fix-kustomize {overlay}"),
        ("patchesStrategicMerge: [patches/p.yml]", "bridge init staging --fix-kustomize {overlay}"),
        ("resources: [patches/p.yml]", "remove it from {overlay}/kustomization.yaml"),
        ("secretGenerator: [{name: x, files: [a=patches/p.yml]}]", "remove it from {overlay}/kustomization.yaml"),
        ("secretGenerator: [{name: x, envs: [patches/p.yml]}]", "remove it from {overlay}/kustomization.yaml"),
    ],
)
def test_file_that_build_needs_may_not_be_deleted_yet(desk: Desk, patch: Path, content: str, first: str) -> None:
    overlay = desk.folder.parent / "apps/overlays/staging"
    file = desk.write("../apps/overlays/staging/patches/p.yml", PATCH)
    desk.write("../apps/overlays/staging/kustomization.yaml", f"namespace: voice\n{content}\n")
    desk.write("../apps/overlays/kustomization.yml", "patches: [{path: other.yml}]\n- broken")
    result = desk.run("import", "staging", str(file), "--to", SHELF, "--yes")
    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines()[-2:] == [
        f"{file} is still needed: {overlay}/kustomization.yaml builds from it",
        f"first: {first.format(overlay=overlay)}",
    ]
    data = desk.run("import", "staging", str(file), "--to", SHELF, "--output", "json").data
    assert (data["deletable"], data["used_by"]) == (False, [f"{overlay}/kustomization.yaml"])
    (overlay / "kustomization.yaml").write_text("resources: []\n")
    data = desk.run("import", "staging", str(file), "--to", SHELF, "--output", "json").data
    assert (data["deletable"], data["used_by"], data["first"]) == (True, [], [])


def test_paths_of_build_are_relative_if_files_is(desk: Desk, patch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.write("../apps/overlays/sta ging/p.yml", PATCH)
    desk.write("../apps/overlays/sta ging/kustomization.yaml", "patches: [{path: ./p.yml}]\n")
    monkeypatch.chdir(desk.folder.parent)
    result = desk.run("import", "staging", "apps/overlays/sta ging/p.yml", "--to", SHELF, "--yes")
    assert result.out.splitlines()[-2:] == [
        "apps/overlays/sta ging/p.yml is still needed: apps/overlays/sta ging/kustomization.yaml builds from it",
        "first: bridge init staging --fix-kustomize 'apps/overlays/sta ging'",
    ]


def test_dotenv_file_into_document_of_manifests(desk: Desk, patch: Path) -> None:
    desk.canaries.add("CANARY-scw")
    moving_in(desk, infrastructure={"SCW_SECRET_KEY": "secret"})
    desk.write("shelf.json", [{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shared-secrets"}}])
    file = desk.write("../.env.old", f"{DOTENV}SCW_SECRET_KEY=CANARY-scw\n")
    result = desk.run("import", "staging", str(file), "--to", SHELF, "--yes", "--output", "json")
    assert result.status == 0
    given = {one["metadata"]["name"]: one["stringData"] for one in shelf(desk)}
    assert given["shared-secrets"] | given["agent-secrets"] == VALUES
    assert [(one["value"], one["reason"]) for one in result.data["values"] if one["state"] == "left"] == [
        ("SCW_SECRET_KEY", f"{SHELF} consists of manifests, which cannot hold a variable")
    ]


def test_variable_inside_text_stays_in_env_file(desk: Desk, patch: Path) -> None:
    text = (desk.folder / "base/configmap.yml").read_text()
    desk.write("base/configmap.yml", text.replace('"${LIVEKIT_URL}"', '"wss://${LIVEKIT_HOST}"'))
    file = desk.write("../.env.old", "LIVEKIT_HOST=x.example\n")
    result = desk.run("import", "staging", str(file), "--to", SHELF, "--output", "json")
    (one,) = result.data["values"]
    assert (one["state"], one["reason"]) == (
        "left",
        "is part of the text of ConfigMap/shared-config key LIVEKIT_URL",
    )
    assert (result.data["result"], result.data["deletable"]) == ("unchanged", False)


def test_one_of_file_and_cluster_is_named(desk: Desk, patch: Path) -> None:
    assert desk.run("import", "staging", "--to", SHELF).lines[0] == "bridge: error: no file given"
    result = desk.run("import", "staging", str(patch), "--from-cluster", "--to", SHELF)
    assert (result.status, result.lines[0]) == (2, "bridge: error: a file cannot be combined with --from-cluster")


def test_environment_may_come_from_variable(desk: Desk, patch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("K8_ENV", "staging")
    assert desk.run("import", str(patch), "--to", SHELF, "--yes").status == 0
    assert shelf(desk) == VALUES


# git


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def test_file_that_git_has_seen_means_new_keys(
    desk: Desk, patch: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    git(patch.parent, "init", "-q")
    git(patch.parent, "add", "config/staging.yaml")
    git(patch.parent, "commit", "-qm", "config")
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes", "--output", "json")
    assert (result.err, result.data["seen_by_git"]) == ("", False)
    git(patch.parent, "checkout", "-qb", "other")
    git(patch.parent, "add", patch.name)
    git(patch.parent, "commit", "-qm", "oops")
    git(patch.parent, "rm", "-q", "--cached", patch.name)
    git(patch.parent, "commit", "-qm", "never mind")
    git(patch.parent, "checkout", "-q", "-")
    patch.write_text(PATCH)
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))  # as within a hook of another repository
    result = desk.run("import", "staging", str(patch), "--to", SHELF)
    monkeypatch.delenv("GIT_DIR")
    assert result.lines == [
        f"bridge: warning: {patch}: this file is in git: everyone with a copy of the repository has these values",
        "bridge: hint: rotate them, and find other copies with `bridge scan staging --git .`",
    ]
    git(patch.parent.parent, "clone", "-q", "--depth", "1", f"file://{patch.parent}", f"{patch.parent}/shallow")
    copy = patch.parent / "shallow" / patch.name
    copy.write_text(PATCH)
    result = desk.run("import", "staging", str(copy), "--to", SHELF, "--output", "json")
    assert result.data["seen_by_git"] is None
    assert result.lines == [
        f"bridge: warning: {copy}: cannot find out whether this file is in git: this is a shallow clone",
        "bridge: hint: run `git fetch --unshallow`, then repeat the import",
    ]


def test_machine_without_git_cannot_tell(desk: Desk, patch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes", "--output", "json")
    assert (result.status, result.data["seen_by_git"], result.err) == (0, None, "")  # outside of git


def test_git_that_refuses_has_not_said_no(desk: Desk, patch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(patch.parent, "init", "-q")
    (patch.parent / ".git/config").write_text("[core\n")
    unknown = f"bridge: warning: {patch}: cannot find out whether this file is in git: "
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes")
    assert result.lines == [
        f"{unknown}the repository's configuration is invalid",
        "bridge: hint: rotate its values if it was ever in git",
    ]
    monkeypatch.setenv("PATH", "/nowhere")
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes", "--output", "json")
    assert result.data["seen_by_git"] is None
    assert result.lines[0].startswith(unknown)


# Processes


@pytest.mark.parametrize("step", ["before", "after"])
def test_killed_run_leaves_nothing_or_what_next_one_completes(
    desk: Desk, patch: Path, third_party: Path, tmp_path: Path, step: str
) -> None:
    moving_in(desk, providers={"shelf": {"slow": "slow"}})
    desk.write("slow", step)
    process = start(desk, environ(tmp_path, third_party), "import", "staging", str(patch), "--to", SHELF, "--yes")
    until((desk.folder / "slow.reached").exists, process=process)
    seen = b"".join(Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
    seen += b"".join(path.read_bytes() for path in (tmp_path / "tmp").rglob("*") if path.is_file())
    process.kill()
    out, err = process.communicate()
    assert not any(value in (out + err) or value.encode() in seen for value in VALUES.values())
    assert shelf(desk) == (VALUES if step == "after" else None)
    assert (desk.folder / "staging.public.yaml").read_text() == PUBLIC
    assert patch.read_text() == PATCH
    (desk.folder / "slow").unlink()
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes")
    assert (result.status, shelf(desk), config_map(desk, "agent-config")) == (0, VALUES, {"LOG_LEVEL": "debug"})


def test_template_that_cannot_be_written_stops_after_store(
    desk: Desk, patch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes", "--output", "json")
    assert (result.status, result.data["result"], result.data["template"]) == (5, "stopped", None)
    assert result.lines[0] == "bridge: error: staging.public.yaml: cannot be written: no space left on device"
    assert (shelf(desk), result.data["deletable"]) == (VALUES, False)
    monkeypatch.undo()


def test_store_that_says_no_has_written_nothing(desk: Desk, patch: Path) -> None:
    desk.write("shelf.json", "[]")
    result = desk.run("import", "staging", str(patch), "--to", "shelf:nowhere/shelf.json", "--yes", "--output", "json")
    assert (result.status, result.data["result"]) == (1, "failed")
    assert (desk.folder / "staging.public.yaml").read_text() == PUBLIC
    assert json.loads((desk.folder / "shelf.json").read_text()) == []


# Lists


def as_list(kind: str, manifests: list[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"resourceVersion": ""}, "items": manifests}


@pytest.mark.parametrize("kind", ["List", "SecretList"])
def test_items_of_list_are_imported_one_by_one(desk: Desk, patch: Path, kind: str) -> None:
    manifests = [one for one in yaml.safe_load_all(PATCH) if kind == "List" or one["kind"] == "Secret"]
    if kind == "SecretList":  # as the API server answers
        manifests = [{field: one[field] for field in one.keys() - {"apiVersion", "kind"}} for one in manifests]
    patch.write_text(json.dumps(as_list("List", [as_list(kind, manifests)])))
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes")
    assert (result.err, result.status) == ("", 0)
    assert shelf(desk) == VALUES
    assert "can be deleted" in result.out


def test_what_is_wrong_in_list_is_named_by_its_item(desk: Desk, patch: Path) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "agent-secrets"}}
    items = [secret | {"data": {"OPENAI_API_KEY": 5}}, "x", {"kind": "Secret"}]
    patch.write_text(json.dumps(as_list("List", items)))
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes")
    assert [line for line in result.lines if "error" in line] == [
        f"bridge: error: {patch} line 1 {what}"
        for what in (
            "items[0] Secret/agent-secrets data: key OPENAI_API_KEY must be a string; quote it",
            "items[1]: not a manifest",
            "items[2]: not a manifest: kind or metadata.name is missing",
        )
    ]
    patch.write_text(json.dumps(as_list("List", [secret]) | {"sops": {}}))
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes")
    assert result.lines[0] == f"bridge: error: {patch} line 1: is encrypted with sops"


# Doubtful values


def test_doubtful_value_is_imported_with_warning(desk: Desk, patch: Path) -> None:
    values = {"LIVEKIT_API_KEY": "\ufeffCANARY-a", "LIVEKIT_API_SECRET": "CANARY-b\r", "OPENAI_API_KEY": ESCAPED}
    desk.canaries |= {"CANARY-a", "CANARY-b", "CANARYpem"}
    for name, value in values.items():
        old = VALUES[name]
        patch.write_text(patch.read_text().replace(base64.b64encode(old.encode()).decode(), old))
        patch.write_text(patch.read_text().replace(old, json.dumps(value)))
    patch.write_text(patch.read_text().replace("data:\n  LIVEKIT", "stringData:\n  LIVEKIT"))
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes")
    assert result.lines == [
        f"bridge: warning: Secret/{key}: the value {what}"
        for key, what in (
            ("shared-secrets key LIVEKIT_API_KEY", "begins with a byte order mark (BOM)"),
            ("shared-secrets key LIVEKIT_API_SECRET", r"ends with a carriage return (\r)"),
            ("agent-secrets key OPENAI_API_KEY", r"is PEM with literal \n instead of line breaks"),
        )
    ] + [
        "bridge: hint: correct it in the file first",
    ]
    assert shelf(desk) == VALUES | values


def test_more_kinds_of_placeholders_are_left(desk: Desk, patch: Path) -> None:
    text = PATCH.replace(VALUES["OPENAI_API_KEY"], "$OPENAI_API_KEY")
    patch.write_text(text.replace(VALUES["CARTESIA_API_KEY"], "'{{ .cartesia }}'"))
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes", "--output", "json")
    assert {one["value"]: one["reason"] for one in result.data["values"] if one["state"] == "left"} == {
        "Secret/agent-secrets key OPENAI_API_KEY": "is the name of a shell variable, not its value",
        "Secret/agent-secrets key CARTESIA_API_KEY": "is a template expression, {{ … }}, not its result",
    }
    assert result.data["deletable"] is False
