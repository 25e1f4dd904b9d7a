"""What a run refuses in the cluster: nothing is written then, on the embedded cluster and on a real one."""

import base64
import json

import pytest

from tests.desk import Desk
from tests.team import CONFIG_MAPS, SECRETS, VALUES

SECRET, CONFIG = "Secret", "ConfigMap"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def refuse(desk: Desk, *errors: str, command: tuple[str, ...] = ("sync", "staging")) -> None:
    """Expect exactly these errors from plan and sync, status 1, and an untouched cluster."""
    before = desk.target.versions()
    for verb in ("plan", "sync"):
        result = desk.run(verb, *command[1:])
        assert [line for line in result.lines if line.startswith("bridge: error")] == [
            f"bridge: error: {error}" for error in errors
        ]
        assert result.status == 1
    assert desk.target.versions() == before


def test_key_that_another_applier_owns(desk: Desk) -> None:
    desk.target.apply(SECRET, "agent-secrets", {"data": {"OPENAI_API_KEY": encoded("theirs")}}, "argocd-controller")
    refuse(desk, "Secret/agent-secrets key OPENAI_API_KEY: belongs to argocd-controller (Apply)")


def test_key_that_kubectl_made_before_bridge_ever_wrote_it(desk: Desk) -> None:
    desk.target.create(SECRET, "agent-secrets", {"data": {"OPENAI_API_KEY": encoded("theirs")}}, "kubectl-create")
    refuse(desk, "Secret/agent-secrets key OPENAI_API_KEY: belongs to kubectl-create (Update)")


def test_key_of_equal_value_that_kubectl_made_before_bridge_ever_wrote_it(desk: Desk) -> None:
    data = {"OPENAI_API_KEY": encoded(VALUES["OPENAI_API_KEY"])}
    desk.target.create(SECRET, "agent-secrets", {"data": data}, "kubectl-create")
    refuse(desk, "Secret/agent-secrets key OPENAI_API_KEY: belongs to kubectl-create (Update)")


def test_key_that_applier_took_after_bridge_wrote_it(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.target.apply(SECRET, "agent-secrets", {"data": {"OPENAI_API_KEY": encoded("theirs")}}, "argocd-controller")
    refuse(desk, "Secret/agent-secrets key OPENAI_API_KEY: belongs to argocd-controller (Apply)")


def test_object_that_someone_deleted_and_made_anew(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.target.delete(SECRET, "agent-secrets")
    desk.target.create(SECRET, "agent-secrets", {"data": {"OPENAI_API_KEY": encoded("theirs")}}, "kubectl-create")
    refuse(desk, "Secret/agent-secrets key OPENAI_API_KEY: belongs to kubectl-create (Update)")


def test_key_that_another_environment_of_bridge_writes(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.write("base/secrets.yml", SECRETS.split("---\n")[1])
    desk.environment(id="somebody-else", templates=["base/secrets.yml"])
    refuse(
        desk,
        "Secret/agent-secrets key CARTESIA_API_KEY (also OPENAI_API_KEY, DEEPGRAM_API_KEY): "
        "is written by another bridge environment, bridge/voice-agent-staging",
    )


def test_two_environments_may_write_different_keys_of_one_object(desk: Desk) -> None:
    desk.run("sync", "staging")
    template = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: agent-secrets}\nstringData: {OTHER: '${OPENAI_API_KEY}'}\n"
    )
    desk.write("base/other.yml", template)
    desk.environment(id="somebody-else", templates=["base/other.yml"])
    assert desk.run("sync", "staging").status == 0
    assert len(desk.target.data(SECRET, "agent-secrets")) == 4


@pytest.mark.parametrize("more", [{"controller": True}, {}])
def test_object_that_has_owner(desk: Desk, more: dict) -> None:
    owner = {"apiVersion": "example.com/v1", "kind": "ExternalSecret", "name": "x", "uid": "1-2-3"} | more
    desk.target.create(SECRET, "agent-secrets", {"metadata": {"ownerReferences": [owner]}})
    refuse(desk, "Secret/agent-secrets: is owned by ExternalSecret/x")


def test_object_that_another_tool_manages(desk: Desk) -> None:
    metadata = {"labels": {"app.kubernetes.io/managed-by": "Helm"}}
    desk.target.create(SECRET, "agent-secrets", {"metadata": metadata, "data": {"THEIRS": encoded("x")}}, "helm")
    refuse(desk, "Secret/agent-secrets: is managed by Helm, according to its label")


def test_key_of_config_map_that_someone_moved_to_binary_data(desk: Desk) -> None:
    desk.run("sync", "staging")
    moved = {"data": {"LOG_LEVEL": None}, "binaryData": {"LOG_LEVEL": encoded("AP8=")}}
    desk.target.patch(CONFIG, "agent-config", moved)
    refuse(desk, "ConfigMap/agent-config key LOG_LEVEL: is in binaryData but belongs in data")


def test_template_of_memorys_own_name(desk: Desk) -> None:
    name = "bridge-voice-agent-staging"
    template = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{A: b}}\n"
    desk.write("base/memory.yml", template)
    desk.environment(templates=["base/secrets.yml", "base/configmap.yml", "base/memory.yml"])
    result = desk.run("sync", "staging")
    assert result.status == 2
    assert result.lines[0] == (
        f"bridge: error: base/memory.yml ConfigMap/{name}: is the name of bridge's state ConfigMap for this environment"
    )
    assert desk.target.versions() == {}


def test_key_that_first_try_could_not_write_is_not_ours(desk: Desk) -> None:
    """A first run was stopped before it wrote the object, and somebody else made it: it is theirs."""
    desk.run("sync", "staging")
    store = "bridge-voice-agent-staging"
    memory = json.loads(desk.target.data(CONFIG, store)["memory.json"])
    pending = {"uid": None, "keys": {"A": [0, "2026-01-01T00:00:00Z", True]}}
    memory["objects"]["Secret/added"] = pending
    desk.target.patch(CONFIG, store, {"data": {"memory.json": json.dumps(memory)}})
    desk.target.create(SECRET, "added", {"data": {"A": encoded("theirs")}})
    template = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: added}\nstringData: {A: '${OPENAI_API_KEY}'}\n"
    desk.write("base/secrets.yml", SECRETS + template)
    refuse(desk, "Secret/added key A: belongs to kubectl-create (Update)")


def test_edit_of_pending_key_is_not_overwritten(desk: Desk) -> None:
    desk.run("sync", "staging")
    store = "bridge-voice-agent-staging"
    memory = json.loads(desk.target.data(CONFIG, store)["memory.json"])
    memory["objects"]["Secret/agent-secrets"]["keys"]["ADDED"] = [0, "2026-01-01T00:00:00Z", True]
    desk.target.patch(CONFIG, store, {"data": {"memory.json": json.dumps(memory)}})
    desk.target.edit(SECRET, "agent-secrets", ADDED="theirs")
    desk.write("base/secrets.yml", SECRETS + "  ADDED: ${OPENAI_API_KEY}\n")
    refuse(desk, "Secret/agent-secrets key ADDED: belongs to kubectl-edit (Update)")


def test_secret_of_another_type(desk: Desk) -> None:
    desk.target.create(SECRET, "agent-secrets", {"type": "example.com/other"})
    refuse(
        desk,
        "Secret/agent-secrets: has type example.com/other, not Opaque as in the template; "
        "Kubernetes cannot change a type",
    )


def test_immutable_secret_that_would_have_to_change(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.target.patch(SECRET, "agent-secrets", {"immutable": True})
    assert desk.run("plan", "staging").status == 0
    desk.values(OPENAI_API_KEY="CANARY-new")
    refuse(desk, "Secret/agent-secrets: is immutable and would have to change")


def test_object_that_is_being_deleted(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.target.patch(SECRET, "agent-secrets", {"metadata": {"finalizers": ["example.com/hold"]}})
    desk.target.delete(SECRET, "agent-secrets")
    desk.values(OPENAI_API_KEY="CANARY-new")
    refuse(desk, "Secret/agent-secrets: is being deleted")
    desk.target.patch(SECRET, "agent-secrets", {"metadata": {"finalizers": None}})


def test_namespace_that_does_not_exist(desk: Desk) -> None:
    desk.environment(namespace="nowhere")
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert result.lines[0] == "bridge: error: namespace nowhere: does not exist"


def test_namespace_of_another_uid(desk: Desk) -> None:
    desk.environment(cluster={"kubeconfig": "kubeconfig", "namespace_uid": "1-2-3"})
    cluster = f"{desk.target.client.url} (context {desk.cluster['context']} of {desk.kubeconfig})"
    refuse(desk, f"namespace {desk.target.namespace} on {cluster}: its uid is not in cluster.namespace_uid")


def test_namespaces_own_uid_is_accepted(desk: Desk) -> None:
    uid = desk.target.client.request("GET", f"/api/v1/namespaces/{desk.target.namespace}").body["metadata"]["uid"]
    desk.environment(cluster={"kubeconfig": "kubeconfig", "namespace_uid": uid})
    assert desk.run("sync", "staging").status == 0


def test_several_refusals_are_reported_at_once(desk: Desk) -> None:
    desk.target.create(SECRET, "agent-secrets", {"type": "example.com/other"})
    desk.target.create(CONFIG, "agent-config", {"data": {"LOG_LEVEL": "theirs"}})
    refuse(
        desk,
        "Secret/agent-secrets: has type example.com/other, not Opaque as in the template; "
        "Kubernetes cannot change a type",
        "ConfigMap/agent-config key LOG_LEVEL: belongs to kubectl-create (Update)",
    )


def test_losing_half_of_keys_needs_flag(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.write("base/secrets.yml", SECRETS)
    desk.write("base/configmap.yml", CONFIG_MAPS.split("---\n")[0])
    desk.write(
        "base/secrets.yml", SECRETS.split("---\n")[0].replace("  LIVEKIT_API_SECRET: ${LIVEKIT_API_SECRET}\n", "")
    )
    refuse(
        desk,
        "3 of 5 objects are no longer in the templates: "
        "ConfigMap/agent-config, ConfigMap/front-config, Secret/agent-secrets",
    )
    assert desk.run("sync", "staging", "--allow-shrink").status == 0
    assert desk.target.data(SECRET, "agent-secrets").keys() == {
        "CARTESIA_API_KEY",
        "OPENAI_API_KEY",
        "DEEPGRAM_API_KEY",
    }
    assert desk.run("sync", "staging").status == 0


def test_losing_half_of_keys_of_same_objects_needs_flag(desk: Desk) -> None:
    desk.write("base/configmap.yml", "")
    desk.environment(templates=["base/secrets.yml"])
    desk.run("sync", "staging")
    template = SECRETS
    for key in ("CARTESIA_API_KEY", "OPENAI_API_KEY", "LIVEKIT_API_SECRET"):
        template = template.replace(f"  {key}: ${{{key}}}\n", "")
    desk.write("base/secrets.yml", template)
    refuse(
        desk,
        "3 of 5 keys are no longer in the templates: Secret/agent-secrets key CARTESIA_API_KEY, "
        "Secret/agent-secrets key OPENAI_API_KEY, Secret/shared-secrets key LIVEKIT_API_SECRET",
    )
    assert desk.run("sync", "staging", "--allow-shrink").status == 0
    assert desk.target.data(SECRET, "agent-secrets").keys() == {"DEEPGRAM_API_KEY"}


def test_manifest_source_that_gives_less_needs_flag_even_with_default(desk: Desk) -> None:
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "agent-config"},
        "data": {"LOG_LEVEL": "debug", "METRICS_ENABLED": "false"},
    }
    desk.write("patch.json", manifest)
    desk.environment(sources=["plain:patch.json", "plain:values.json"])
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data(CONFIG, "agent-config")["LOG_LEVEL"] == "debug"
    desk.write("patch.json", manifest | {"data": {"METRICS_ENABLED": "false"}})
    refuse(desk, "ConfigMap/agent-config key LOG_LEVEL: no longer in plain:patch.json, which gave it last time")
    assert desk.run("sync", "staging", "--allow-shrink").status == 0
    assert desk.target.data(CONFIG, "agent-config")["LOG_LEVEL"] == "info"


def test_key_that_would_fall_to_lower_layer_needs_flag(desk: Desk) -> None:
    desk.values(LOG_LEVEL="debug", CACHE_ENABLED="false")
    assert desk.run("sync", "staging").status == 0
    desk.values(LOG_LEVEL="debug")
    desk.env_file(CACHE_ENABLED="maybe")
    refuse(
        desk,
        "ConfigMap/front-config key CACHE_ENABLED: came from plain:values.json but would now come from the env file",
    )
    desk.env_file()
    refuse(
        desk,
        "ConfigMap/front-config key CACHE_ENABLED: came from plain:values.json but would now come from the template",
    )
    assert desk.run("sync", "staging", "--allow-fallback").status == 0
    assert desk.target.data(CONFIG, "front-config")["CACHE_ENABLED"] == "true"
    assert desk.run("sync", "staging").status == 0


def test_composed_value_may_not_lose_one_of_its_variables_to_default(desk: Desk) -> None:
    desk.values(DB_PASSWORD="CANARY-db")
    text = "${DB_USER:-app}:${DB_PASSWORD:-changeme}"
    desk.write("base/secrets.yml", SECRETS + f'  DATABASE: "{text}"\n')
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data(SECRET, "agent-secrets")["DATABASE"] == "app:CANARY-db"
    desk.values()
    refuse(
        desk,
        "Secret/agent-secrets key DATABASE: came from plain:values.json but would now come from the template",
    )
    assert desk.run("sync", "staging", "--allow-fallback").status == 0


def test_manifest_source_that_gives_less_needs_flag_even_where_another_source_has_key(desk: Desk) -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "agent-secrets"}}
    keys = {"OPENAI_API_KEY": "CANARY-patched", "CARTESIA_API_KEY": "CANARY-patched"}
    desk.write("patch.json", manifest | {"stringData": keys})
    desk.canaries.add("CANARY-patched")
    desk.environment(sources=["plain:patch.json", "plain:values.json"])
    assert desk.run("sync", "staging").status == 0
    desk.write("patch.json", manifest | {"stringData": {"CARTESIA_API_KEY": "CANARY-patched"}})
    refuse(desk, "Secret/agent-secrets key OPENAI_API_KEY: no longer in plain:patch.json, which gave it last time")
    desk.environment(sources=["plain:values.json"])
    assert desk.run("sync", "staging").status == 0, "a source that is listed no more has not lost anything"


def test_value_that_would_become_empty_needs_flag(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.values(OPENAI_API_KEY="")
    refuse(desk, "Secret/agent-secrets key OPENAI_API_KEY: would become empty, as it is now empty in plain:values.json")
    assert desk.run("sync", "staging", "--allow-shrink").status == 0
    assert desk.target.data(SECRET, "agent-secrets")["OPENAI_API_KEY"] == ""


@pytest.mark.parametrize(("spoil", "reason"), [(None, "is gone"), ("{", "is damaged")])
def test_lost_memory_is_rebuilt_and_run_says_so(desk: Desk, spoil: str | None, reason: str) -> None:
    desk.run("sync", "staging")
    name = "bridge-voice-agent-staging"
    if spoil is None:
        desk.target.delete(CONFIG, name)
    else:
        desk.target.patch(CONFIG, name, {"data": {"memory.json": spoil}})
    result = desk.run("sync", "staging")
    assert result.status == 0
    assert result.lines[0].startswith(
        "bridge: warning: the state ConfigMap of bridge: "
        f"ConfigMap/{name} in namespace {desk.target.namespace} {reason}; "
    )
    again = desk.run("sync", "staging")
    assert (again.err, again.status) == ("", 0)
    desk.values(OPENAI_API_KEY="CANARY-new")
    desk.target.edit(SECRET, "agent-secrets", DEEPGRAM_API_KEY="CANARY-by-hand")
    assert desk.run("sync", "staging").status == 0


def test_memory_of_newer_bridge_is_left_alone(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.target.patch(CONFIG, "bridge-voice-agent-staging", {"data": {"memory.json": '{"version": 99}'}})
    refuse(
        desk,
        f"ConfigMap/bridge-voice-agent-staging in namespace {desk.target.namespace}: "
        "was written by a newer version of bridge",
    )


def test_memory_holds_no_value(desk: Desk) -> None:
    desk.run("sync", "staging")
    text = desk.target.data(CONFIG, "bridge-voice-agent-staging")["memory.json"]
    for value in VALUES.values():
        assert value not in text
        assert encoded(value) not in text


def test_env_file_of_another_environment(offline_desk: Desk) -> None:
    offline_desk.env_file(K8_ENV="prod")
    for command in ("plan", "sync", "check"):
        result = offline_desk.run(command, "staging")
        assert result.status == 2
        assert [line for line in result.lines if line.startswith("bridge: error")] == [
            "bridge: error: .env.k8s.staging: K8_ENV names a different environment than staging"
        ]
    assert offline_desk.target.versions() == {}
