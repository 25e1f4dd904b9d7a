"""The layers: a source's value over the env file over the template, and what may not stand in for what."""

import pytest

from tests.desk import Desk
from tests.lease.leases import LEASE
from tests.team import CONFIG_MAPS, SECRETS, VALUES

SECRET, CONFIG = "Secret", "ConfigMap"
ADD_SOURCE = "add a source to the environment's file"


def fail(desk: Desk, *errors: str, status: int = 1, command: str = "sync") -> None:
    """Expect exactly these errors, and that nothing was asked of the cluster but what it knows of earlier runs."""
    desk.target.embedded.requests.clear()
    result = desk.run(command, "staging")
    found = [line.removeprefix("bridge: error: ") for line in result.lines if line.startswith("bridge: error")]
    assert found == list(errors)
    assert result.status == status
    asked = {(method, path.rpartition("/")[2]) for method, path in desk.target.embedded.requests}
    assert asked <= {("GET", LEASE)}


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


def origin(desk: Desk, key: str) -> tuple[str, str]:
    """Return a key's layer and place, as the plan tells it."""
    objects = desk.run("plan", "staging", "--output", "json").data["objects"]
    found = next(one for item in objects for one in item["keys"] if one["name"] == key)
    return found["origin"]["layer"], found["origin"]["place"]


def test_source_wins_over_env_file_and_that_over_template(desk: Desk) -> None:
    assert origin(desk, "LOG_LEVEL") == ("template", "base/configmap.yml")
    desk.env_file(LOG_LEVEL="warning")
    assert origin(desk, "LOG_LEVEL") == ("env file", ".env.k8s.staging")
    desk.values(LOG_LEVEL="debug")
    assert origin(desk, "LOG_LEVEL") == ("source", "plain:values.json")
    desk.run("sync", "staging")
    assert desk.target.data(CONFIG, "agent-config")["LOG_LEVEL"] == "debug"


def test_first_source_that_has_field_wins(desk: Desk) -> None:
    desk.write("first.json", {"OPENAI_API_KEY": "CANARY-first"})
    desk.environment(sources=["plain:first.json", "plain:values.json"])
    assert origin(desk, "OPENAI_API_KEY") == ("source", "plain:first.json")
    assert origin(desk, "CARTESIA_API_KEY") == ("source", "plain:values.json")


def test_variable_of_its_own_wins_over_sources(desk: Desk) -> None:
    desk.write("other.json", {"api": {"key": "CANARY-other"}})
    desk.environment(variables={"OPENAI_API_KEY": "plain:other.json#api.key"})
    assert origin(desk, "OPENAI_API_KEY") == ("source", "plain:other.json#api.key")
    desk.run("sync", "staging")
    assert desk.target.data(SECRET, "agent-secrets")["OPENAI_API_KEY"] == "CANARY-other"


def test_environments_own_template_replaces_key_of_base(desk: Desk) -> None:
    desk.write(
        "public.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared-config}\ndata: {DOMAIN: mine.example.com}\n",
    )
    desk.environment(templates=["base/secrets.yml", "base/configmap.yml", "public.yaml"])
    assert origin(desk, "DOMAIN") == ("template", "public.yaml")
    assert origin(desk, "LIVEKIT_URL") == ("env file", ".env.k8s.staging")


def test_manifests_give_keys_directly_and_win_over_templates_own_text(desk: Desk) -> None:
    patch = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "agent-secrets"},
            "stringData": {"OPENAI_API_KEY": "CANARY-patched"},
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "front-config", "namespace": "voice"},
            "data": {"NODE_ENV": "staging"},
        },
    ]
    desk.canaries.add("CANARY-patched")
    desk.write("patch.json", patch)
    desk.environment(sources=["plain:patch.json", "plain:values.json"])
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data(SECRET, "agent-secrets")["OPENAI_API_KEY"] == "CANARY-patched"
    assert desk.target.data(CONFIG, "front-config")["NODE_ENV"] == "staging"
    desk.environment(sources=["plain:values.json", "plain:patch.json"])
    assert origin(desk, "OPENAI_API_KEY") == ("source", "plain:values.json")
    assert origin(desk, "NODE_ENV") == ("source", "plain:patch.json")


def test_data_of_secret_in_manifest_is_base64(desk: Desk) -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "agent-secrets"}}
    desk.write("patch.json", manifest | {"data": {"OPENAI_API_KEY": "AP8="}})
    desk.environment(sources=["plain:patch.json", "plain:values.json"])
    assert desk.run("sync", "staging").status == 0
    live = desk.target.get(SECRET, "agent-secrets")
    assert live
    assert live["data"]["OPENAI_API_KEY"] == "AP8="
    desk.write("patch.json", manifest | {"data": {"OPENAI_API_KEY": "CANARY-%"}})
    fail(desk, "plain:patch.json: Secret/agent-secrets key OPENAI_API_KEY: is not valid base64")


def test_numbers_keep_their_text_and_nested_values_become_compact_json(desk: Desk) -> None:
    desk.values()
    first = {
        "OPENAI_API_KEY": 12345678901234567890,
        "CARTESIA_API_KEY": True,
        "DEEPGRAM_API_KEY": {"b": [1, None, "<é>"]},
    }
    desk.write("first.json", first)
    desk.environment(sources=["plain:first.json", "plain:values.json"])
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data(SECRET, "agent-secrets") == {
        "OPENAI_API_KEY": "12345678901234567890",
        "CARTESIA_API_KEY": "true",
        "DEEPGRAM_API_KEY": '{"b":[1,null,"<é>"]}',
    }


def test_password_with_dollar_signs_and_braces_arrives_as_it_is(desk: Desk) -> None:
    desk.values(OPENAI_API_KEY="CANARY-$5-${HOME}-$${x}-{{y}}-\\n")
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data(SECRET, "agent-secrets")["OPENAI_API_KEY"] == "CANARY-$5-${HOME}-$${x}-{{y}}-\\n"


def test_text_around_placeholders_and_escaped_one(desk: Desk) -> None:
    template = SECRETS.replace("${OPENAI_API_KEY}", '"a:${OPENAI_API_KEY}:$${OPENAI_API_KEY}:$5"')
    desk.write("base/secrets.yml", template)
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data(SECRET, "agent-secrets")["OPENAI_API_KEY"] == "a:CANARY-openai:${OPENAI_API_KEY}:$5"


def test_process_environment_in_place_of_env_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.environment(env_file="environment")
    for name, value in (("K8_ENV", "staging"), ("LIVEKIT_URL", "wss://x"), ("DOMAIN", "x")):
        monkeypatch.setenv(name, value)
    assert origin(desk, "DOMAIN") == ("env file", "the process's environment")
    monkeypatch.setenv("K8_ENV", "prod")
    fail(desk, "the process's environment: K8_ENV names a different environment than staging", status=2)


LOGS_IN = "is a credential of bridge or the pipeline, from the process's environment"


@pytest.fixture
def pipeline(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A process with credentials of its own, from whose variables the environment is filled."""
    desk.environment(env_file="environment")
    for name, value in (("K8_ENV", "staging"), ("LIVEKIT_URL", "wss://x"), ("DOMAIN", "x")):
        monkeypatch.setenv(name, value)
    for name in ("VAULT_TOKEN", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, f"CANARY-{name}")
        desk.canaries.add(f"CANARY-{name}")
    return desk


@pytest.mark.parametrize("command", ["sync", "check"])
@pytest.mark.parametrize("rule", ["required", None])
def test_config_map_never_gets_what_process_logs_in_with(pipeline: Desk, command: str, rule: str | None) -> None:
    given = "NODE_ENV: production"
    text = CONFIG_MAPS.replace(given, 'NODE_ENV: "${VAULT_TOKEN} ${AWS_SECRET_ACCESS_KEY:-x}"')
    pipeline.write("base/configmap.yml", text)
    names = {"VAULT_TOKEN": rule, "AWS_SECRET_ACCESS_KEY": rule} if rule else None
    pipeline.environment(env_file="environment", infrastructure=names)
    key = "ConfigMap/front-config key NODE_ENV"
    fail(
        pipeline, *(f"{key}: ${{{one}}} {LOGS_IN}" for one in ("VAULT_TOKEN", "AWS_SECRET_ACCESS_KEY")), command=command
    )


def test_check_finds_that_without_variables_too(pipeline: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VAULT_TOKEN")
    text = CONFIG_MAPS.replace("NODE_ENV: production", 'NODE_ENV: "${VAULT_TOKEN:-x}"')
    pipeline.write("base/configmap.yml", text)
    fail(pipeline, f"ConfigMap/front-config key NODE_ENV: ${{VAULT_TOKEN}} {LOGS_IN}", command="check")


def test_check_masks_what_process_logs_in_with(pipeline: Desk) -> None:
    pipeline.environment(env_file="environment", infrastructure={"VAULT_TOKEN": "required", "DOMAIN": "required"})
    (token, domain) = pipeline.run("check", "staging", "--output", "json").data["infrastructure"]
    assert (token["value"], domain["value"]) == ("********", "x")


def test_secret_gets_it_only_if_it_is_listed_as_secret(pipeline: Desk) -> None:
    pipeline.values(OPENAI_API_KEY=None)
    pipeline.write("base/secrets.yml", SECRETS.replace("${OPENAI_API_KEY}", "${VAULT_TOKEN}"))
    pipeline.environment(env_file="environment", secrets_from="any")
    fail(pipeline, f"Secret/agent-secrets key OPENAI_API_KEY: ${{VAULT_TOKEN}} {LOGS_IN}")
    pipeline.environment(env_file="environment", secrets_from="any", infrastructure={"VAULT_TOKEN": "secret"})
    assert pipeline.run("sync", "staging").status == 0
    assert pipeline.target.data(SECRET, "agent-secrets")["OPENAI_API_KEY"] == "CANARY-VAULT_TOKEN"


def test_secret_gets_sources_value_of_that_name(pipeline: Desk) -> None:
    pipeline.values(OPENAI_API_KEY=None, VAULT_TOKEN="CANARY-of-the-application")
    pipeline.write("base/secrets.yml", SECRETS.replace("${OPENAI_API_KEY}", "${VAULT_TOKEN}"))
    assert pipeline.run("sync", "staging").status == 0
    assert pipeline.target.data(SECRET, "agent-secrets")["OPENAI_API_KEY"] == "CANARY-of-the-application"


@pytest.mark.parametrize(
    ("name", "what", "ours"), [("K8_ENV", "environment", "staging"), ("K8S_NAMESPACE", "namespace", "voice")]
)
def test_source_that_calls_itself_another_environments_is_refused(desk: Desk, name: str, what: str, ours: str) -> None:
    """Also one that gives nothing else that counts: what falls through to it tomorrow is the other one's."""
    desk.environment(sources=["plain:values.json", "plain:other.json"])
    desk.write("other.json", {name: "prod", "LOG_LEVEL": "info"})
    ours = desk.target.namespace if name == "K8S_NAMESPACE" else ours
    fail(desk, f"plain:other.json: {name} names a different {what} than {ours}")
    desk.write("other.json", {name: ours, "LOG_LEVEL": "info"})
    assert desk.run("sync", "staging").status == 0


def test_every_missing_variable_is_listed_at_once(desk: Desk) -> None:
    desk.values(OPENAI_API_KEY=None, CARTESIA_API_KEY=None)
    desk.env_file(DOMAIN=None)
    fail(
        desk,
        "base/secrets.yml Secret/agent-secrets key CARTESIA_API_KEY: ${CARTESIA_API_KEY} has no value",
        "base/secrets.yml Secret/agent-secrets key OPENAI_API_KEY: ${OPENAI_API_KEY} has no value",
        "base/configmap.yml ConfigMap/shared-config key DOMAIN: ${DOMAIN} has no value",
    )


def test_missing_variable_says_where_to_set_it(desk: Desk) -> None:
    desk.values(OPENAI_API_KEY=None)
    desk.write("other.json", {"LOG_LEVEL": "info"})
    desk.environment(sources=["plain:values.json", "plain:other.json"])
    assert desk.run("sync", "staging").lines[1] == (
        "bridge: hint: set it with `bridge set staging NAME`; "
        "looked in plain:values.json, plain:other.json, .env.k8s.staging"
    )
    desk.write("base/secrets.yml", SECRETS.replace("stringData:", "stringData:\n  MISSING: ${MISSING}"))
    for env_file, hint in ((".env.k8s.staging", "set it in .env.k8s.staging"), (None, ADD_SOURCE)):
        desk.environment(sources=None, env_file=env_file)
        assert desk.run("check", "staging").lines[-1] == f"bridge: hint: {hint}"


def test_templates_own_message_for_missing_variable(desk: Desk) -> None:
    desk.write("base/secrets.yml", SECRETS.replace("${OPENAI_API_KEY}", "${OPENAI_API_KEY:?ask the AI team}"))
    desk.values(OPENAI_API_KEY=None)
    fail(
        desk,
        "base/secrets.yml Secret/agent-secrets key OPENAI_API_KEY: ${OPENAI_API_KEY} has no value (ask the AI team)",
    )


def test_absent_env_file_is_error_as_soon_as_one_variable_needs_its_layer(desk: Desk) -> None:
    (desk.folder / ".env.k8s.staging").unlink()
    fail(
        desk,
        *(
            f"base/configmap.yml ConfigMap/{name}: no source gives ${{{variable}}}, and .env.k8s.staging, "
            "which may contain it, does not exist"
            for name, variable in (
                ("shared-config key LIVEKIT_URL", "LIVEKIT_URL"),
                ("shared-config key DOMAIN", "DOMAIN"),
                ("agent-config key ENV_MODE", "K8_ENV"),
                ("agent-config key LOG_LEVEL", "LOG_LEVEL"),
                ("front-config key CACHE_ENABLED", "CACHE_ENABLED"),
            )
        ),
    )


def test_absent_env_file_is_fine_where_sources_give_everything(desk: Desk) -> None:
    desk.run("sync", "staging")
    (desk.folder / ".env.k8s.staging").unlink()
    desk.values(LIVEKIT_URL="wss://x", DOMAIN="x", K8_ENV="staging", LOG_LEVEL="info", CACHE_ENABLED="true")
    assert desk.run("sync", "staging").status == 0


def test_env_file_may_not_fill_secrets_key(desk: Desk) -> None:
    desk.values(OPENAI_API_KEY=None)
    desk.env_file(OPENAI_API_KEY="CANARY-plaintext")
    desk.canaries.add("CANARY-plaintext")
    fail(
        desk,
        "base/secrets.yml Secret/agent-secrets key OPENAI_API_KEY: "
        "would fill a Secret's key from .env.k8s.staging, a plaintext file",
    )
    desk.environment(secrets_from="any")
    result = desk.run("sync", "staging")
    assert result.status == 0
    assert result.lines[0] == (
        "bridge: warning: base/secrets.yml Secret/agent-secrets key OPENAI_API_KEY: "
        "would fill a Secret's key from .env.k8s.staging, a plaintext file"
    )


def test_secret_variable_may_not_fill_config_maps_key(desk: Desk) -> None:
    desk.write("base/configmap.yml", CONFIG_MAPS.replace("NODE_ENV: production", 'NODE_ENV: "${OPENAI_API_KEY}"'))
    fail(
        desk,
        "ConfigMap/front-config key NODE_ENV: ${OPENAI_API_KEY} is secret "
        "(Secret/agent-secrets key OPENAI_API_KEY) and would become public here",
    )


def test_secret_infrastructure_variable_may_not_fill_config_maps_key(desk: Desk) -> None:
    desk.values(SCW_SECRET_KEY="CANARY-registry")
    desk.environment(infrastructure={"SCW_SECRET_KEY": "secret"})
    desk.write("base/configmap.yml", CONFIG_MAPS.replace("NODE_ENV: production", 'NODE_ENV: "${SCW_SECRET_KEY}"'))
    fail(
        desk,
        "ConfigMap/front-config key NODE_ENV: ${SCW_SECRET_KEY} is secret (infrastructure) "
        "and would become public here",
    )


def test_listed_source_that_is_missing_stops_run_although_next_one_has_field(desk: Desk) -> None:
    desk.environment(sources=["plain:absent.json", "plain:values.json"])
    fail(desk, "plain:absent.json: no such document")


def test_every_source_that_cannot_be_read_is_reported_at_once(desk: Desk) -> None:
    desk.environment(sources=["plain:absent.json", "plain:values.json", "plain:gone.json"])
    fail(desk, "plain:absent.json: no such document", "plain:gone.json: no such document")


def test_each_sops_file_that_is_missing_is_reported_with_how_to_create_it(desk: Desk) -> None:
    desk.environment(sources=["sops:a.yaml", "sops:b.yaml"])
    create = "bridge: hint: create it: `bridge import staging FILE --to sops:{}.yaml`, or `bridge set staging NAME`"
    expected = [
        line for name in "ab" for line in (f"bridge: error: sops:{name}.yaml: no such file", create.format(name))
    ]
    for verb in ("check", "sync"):
        result = desk.run(verb, "staging")
        assert (result.status, result.lines) == (1, expected)


def test_empty_source(desk: Desk) -> None:
    desk.write("values.json", {})
    fail(
        desk,
        "plain:values.json: is empty",
        *(f"base/secrets.yml Secret/{name}: ${{{key}}} has no value" for name, key in MISSING),
    )


MISSING = [
    ("shared-secrets key LIVEKIT_API_KEY", "LIVEKIT_API_KEY"),
    ("shared-secrets key LIVEKIT_API_SECRET", "LIVEKIT_API_SECRET"),
    ("agent-secrets key CARTESIA_API_KEY", "CARTESIA_API_KEY"),
    ("agent-secrets key OPENAI_API_KEY", "OPENAI_API_KEY"),
    ("agent-secrets key DEEPGRAM_API_KEY", "DEEPGRAM_API_KEY"),
]


def test_null_is_error_and_does_not_fall_through(desk: Desk) -> None:
    desk.write("first.json", {"OPENAI_API_KEY": None})
    desk.environment(sources=["plain:first.json", "plain:values.json"])
    fail(desk, "plain:first.json: OPENAI_API_KEY is null")


def test_field_that_variable_names_must_exist(desk: Desk) -> None:
    desk.write("other.json", {"a": {"b": "CANARY-sibling"}})
    desk.canaries.add("CANARY-sibling")
    desk.environment(variables={"OPENAI_API_KEY": "plain:other.json#a.c"})
    fail(desk, "plain:other.json: has no field a.c (for OPENAI_API_KEY)")


def test_literal_name_with_dot_wins_over_nested_field(desk: Desk) -> None:
    desk.write("other.json", {"a": {"b": "CANARY-nested"}, "a.b": "CANARY-literal"})
    desk.environment(variables={"OPENAI_API_KEY": "plain:other.json#a.b"})
    desk.run("sync", "staging")
    assert desk.target.data(SECRET, "agent-secrets")["OPENAI_API_KEY"] == "CANARY-literal"


def test_base64_is_decoded_where_variable_says_so(desk: Desk) -> None:
    desk.write("other.json", {"good": "AP8=", "bad": "CANARY-%%"})
    desk.canaries.add("CANARY-%%")
    desk.environment(variables={"OPENAI_API_KEY": {"from": "plain:other.json#good", "decode": "base64"}})
    desk.run("sync", "staging")
    live = desk.target.get(SECRET, "agent-secrets")
    assert live
    assert live["data"]["OPENAI_API_KEY"] == "AP8="
    desk.environment(variables={"OPENAI_API_KEY": {"from": "plain:other.json#bad", "decode": "base64"}})
    fail(desk, "plain:other.json: is not valid base64 (for OPENAI_API_KEY)")


@pytest.mark.parametrize("value", ["ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]", "ref+vault://x", "vault:v1:abc"])
def test_value_that_looks_encrypted_is_refused_unless_it_is_declared_literal(desk: Desk, value: str) -> None:
    desk.values(OPENAI_API_KEY=value)
    fail(
        desk,
        "base/secrets.yml Secret/agent-secrets key OPENAI_API_KEY: "
        "the value from plain:values.json still looks encrypted",
    )
    variable = {"from": "plain:values.json#OPENAI_API_KEY", "literal": True}
    desk.environment(variables={"OPENAI_API_KEY": variable})
    assert desk.run("sync", "staging").status == 0


def test_manifest_key_that_no_template_has(desk: Desk) -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "agent-secrets"}}
    desk.write("patch.json", manifest | {"stringData": {"OPENAI_KEY": "CANARY-typo"}})
    desk.environment(sources=["plain:patch.json", "plain:values.json"])
    fail(desk, "plain:patch.json: Secret/agent-secrets key OPENAI_KEY is not in any template")


@pytest.mark.parametrize(
    ("manifest", "error"),
    [
        ({"kind": "Deployment", "metadata": {"name": "x"}}, "document 1: is neither a Secret nor a ConfigMap"),
        ({"kind": "Secret", "metadata": {}}, "document 1: is a Secret without a name"),
        (
            {"kind": "Secret", "metadata": {"name": "x", "namespace": "prod"}},
            "document 1: Secret/x is in another namespace than voice",
        ),
        ({"kind": "Secret", "metadata": {"name": "x"}, "data": "CANARY"}, "Secret/x: data is not a mapping"),
    ],
)
def test_manifest_that_is_no_fit(desk: Desk, manifest: dict, error: str) -> None:
    desk.write("patch.json", {"apiVersion": "v1"} | manifest)
    desk.environment(sources=["plain:patch.json", "plain:values.json"])
    fail(desk, f"plain:patch.json: {error}")


def test_opaque_document_is_no_source_but_may_be_variable(desk: Desk) -> None:
    desk.write("blob.json", '"CANARY-blob"')
    desk.canaries.add("CANARY-blob")
    desk.environment(sources=["plain:blob.json", "plain:values.json"])
    fail(desk, "plain:blob.json: is a single value without fields")
    desk.environment(variables={"OPENAI_API_KEY": "plain:blob.json"})
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data(SECRET, "agent-secrets")["OPENAI_API_KEY"] == "CANARY-blob"


def test_values_that_kubernetes_would_refuse_stop_run_before_any_write(desk: Desk) -> None:
    desk.values(OPENAI_API_KEY="x" * 1_048_577)
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert result.lines[0] == (
        "bridge: error: Secret/agent-secrets: its values have 1048607 bytes; Kubernetes allows 1048576"
    )
    assert desk.target.versions() == {}


@pytest.mark.parametrize(
    ("type_", "keys", "error"),
    [
        ("kubernetes.io/tls", "tls.crt: x", "Secret/typed key tls.key: is required by type kubernetes.io/tls"),
        (
            "kubernetes.io/dockerconfigjson",
            ".dockerconfigjson: '{ ${OPENAI_API_KEY|json}'",
            (
                "Secret/typed key .dockerconfigjson: must be a JSON object, "
                "as type kubernetes.io/dockerconfigjson requires"
            ),
        ),
    ],
)
def test_secret_type_that_wants_other_keys(desk: Desk, type_: str, keys: str, error: str) -> None:
    desk.write(
        "base/typed.yml",
        f"apiVersion: v1\nkind: Secret\nmetadata: {{name: typed}}\ntype: {type_}\nstringData:\n  {keys}\n",
    )
    desk.environment(templates=["base/secrets.yml", "base/configmap.yml", "base/typed.yml"])
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert result.lines[0] == f"bridge: error: {error}"
    assert desk.target.versions() == {}


def test_unused_fields_of_source_are_shown_by_status(desk: Desk) -> None:
    desk.values(LEFT_OVER="CANARY-left-over")
    assert desk.run("status", "staging", "--output", "json").data["sources"][0]["unused"] == ["LEFT_OVER"]
    assert set(VALUES) & {"LEFT_OVER"} == set()


def test_env_file_may_not_fill_part_of_secrets_key_either(desk: Desk) -> None:
    desk.env_file(DB_PASSWORD="CANARY-plaintext")
    desk.canaries.add("CANARY-plaintext")
    desk.write("base/secrets.yml", SECRETS + '  DATABASE: "${DB_USER:-app}:${DB_PASSWORD}"\n')
    fail(
        desk,
        "base/secrets.yml Secret/agent-secrets key DATABASE: "
        "would fill a Secret's key from .env.k8s.staging, a plaintext file",
    )


def test_part_that_looks_encrypted_is_refused_wherever_it_stands(desk: Desk) -> None:
    desk.values(A="ENC[AES256_GCM,data:x]", B="vault:v1:abc")
    desk.write("base/secrets.yml", SECRETS + '  BOTH: "pg://${A}${B}"\n')
    desk.environment(variables={"B": {"from": "plain:values.json#B", "literal": True}})
    fail(
        desk,
        "base/secrets.yml Secret/agent-secrets key BOTH: the value from plain:values.json still looks encrypted",
    )


def test_stored_value_is_not_shown_although_another_part_of_it_stands_in_plain_file(desk: Desk) -> None:
    desk.values(STORED="CANARY-stored")
    mixed = "NODE_ENV: production, MIXED: '${LOG_LEVEL:-info}-${STORED}'"
    desk.write("base/configmap.yml", CONFIG_MAPS.replace("NODE_ENV: production", mixed))
    desk.canaries.add("CANARY-stored")
    assert "MIXED" in desk.run("plan", "staging", "--show-config").out


def test_one_key_in_two_documents_of_manifest_source(desk: Desk) -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "agent-secrets"}}
    desk.write(
        "patch.json", [manifest | {"stringData": {"OPENAI_API_KEY": value}} for value in ("CANARY-1", "CANARY-2")]
    )
    desk.canaries |= {"CANARY-1", "CANARY-2"}
    desk.environment(sources=["plain:patch.json", "plain:values.json"])
    fail(desk, "plain:patch.json: Secret/agent-secrets key OPENAI_API_KEY: given by more than one of its documents")
