"""The main job, step by step, against the embedded cluster and a real one."""

import json
from typing import Any

from tests.desk import Desk
from tests.team import SECRETS, VALUES

SECRET, CONFIG = "Secret", "ConfigMap"
OURS = ("bridge/voice-agent-staging", "Apply")


def writes(desk: Desk) -> list[str]:
    """Return what the embedded cluster was asked to change."""
    assert desk.target.embedded
    return [f"{method} {path}" for method, path in desk.target.embedded.requests if method != "GET"]


def test_first_sync_writes_all_objects(desk: Desk) -> None:
    result = desk.run("sync", "staging")
    assert (result.err, result.status) == ("", 0)
    assert result.out.splitlines()[-1] == "5 created, 0 unchanged"
    assert desk.target.data(SECRET, "shared-secrets") == {
        key: VALUES[key] for key in ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
    }
    assert desk.target.data(CONFIG, "agent-config") == {
        "ENV_MODE": "staging",
        "LOG_LEVEL": "info",
        "METRICS_ENABLED": "true",
    }
    assert desk.target.owners(SECRET, "agent-secrets", "OPENAI_API_KEY") == {OURS}


def test_plan_shows_every_key_and_its_origin_and_writes_nothing(desk: Desk) -> None:
    before = desk.target.versions()
    result = desk.run("plan", "staging")
    assert (result.err, result.status) == ("", 0)
    assert result.out.splitlines() == [
        f"staging: namespace {desk.target.namespace}, as bridge/voice-agent-staging",
        desk.cluster_line,
        "  plain:values.json @ 1",
        "",
        "+ Secret/shared-secrets  to create",
        "    + LIVEKIT_API_KEY     new  from plain:values.json",
        "    + LIVEKIT_API_SECRET  new  from plain:values.json",
        "",
        "+ Secret/agent-secrets  to create",
        "    + CARTESIA_API_KEY  new  from plain:values.json",
        "    + OPENAI_API_KEY    new  from plain:values.json",
        "    + DEEPGRAM_API_KEY  new  from plain:values.json",
        "",
        "+ ConfigMap/shared-config  to create",
        "    + LIVEKIT_URL  new  from .env.k8s.staging",
        "    + DOMAIN       new  from .env.k8s.staging",
        "",
        "+ ConfigMap/agent-config  to create",
        "    + ENV_MODE         new  from .env.k8s.staging",
        "    + LOG_LEVEL        new  from base/configmap.yml",
        "    + METRICS_ENABLED  new  from base/configmap.yml",
        "",
        "+ ConfigMap/front-config  to create",
        "    + NODE_ENV       new  from base/configmap.yml",
        "    + CACHE_ENABLED  new  from base/configmap.yml",
        "",
        "5 to create, 0 unchanged",
    ]
    assert desk.target.versions() == before


def test_second_sync_writes_nothing(desk: Desk) -> None:
    desk.run("sync", "staging")
    before = desk.target.versions()
    result = desk.run("sync", "staging")
    assert (result.err, result.status) == ("", 0)
    assert result.out.splitlines()[-1] == "5 unchanged: nothing to do"
    assert desk.target.versions() == before


def test_run_with_nothing_to_do_sends_no_write_at_all(offline_desk: Desk) -> None:
    offline_desk.run("sync", "staging")
    offline_desk.target.embedded.requests.clear()
    offline_desk.run("sync", "staging")
    assert writes(offline_desk) == []
    assert len(offline_desk.target.embedded.requests) == 6


def test_changed_value_changes_only_its_key(desk: Desk) -> None:
    desk.run("sync", "staging")
    before = desk.target.versions()
    desk.values(OPENAI_API_KEY="CANARY-new-openai")
    plan = desk.run("plan", "staging", "--exit-code")
    assert plan.status == 4
    assert plan.out.splitlines()[4:7] == [
        "~ Secret/agent-secrets  to update",
        "    ~ OPENAI_API_KEY  changed  from plain:values.json",
        "",
    ]
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data(SECRET, "agent-secrets")["OPENAI_API_KEY"] == "CANARY-new-openai"
    after = desk.target.versions()
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed - {"ConfigMap/bridge-voice-agent-staging"} == {"Secret/agent-secrets"}
    assert desk.run("plan", "staging", "--exit-code").status == 0


def test_edit_by_hand_is_shown_with_its_author_and_healed(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.target.edit(SECRET, "agent-secrets", OPENAI_API_KEY="CANARY-by-hand")
    desk.canaries.add("CANARY-by-hand")
    plan = desk.run("plan", "staging")
    assert plan.status == 0
    assert plan.out.splitlines()[5].startswith("    ! OPENAI_API_KEY  drift, changed by kubectl-edit (Update, 20")
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data(SECRET, "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]
    assert desk.target.owners(SECRET, "agent-secrets", "OPENAI_API_KEY") == {OURS}


def test_key_removed_by_hand_is_restored(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.target.edit(SECRET, "agent-secrets", OPENAI_API_KEY=None)
    plan = desk.run("plan", "staging")
    assert plan.out.splitlines()[5] == ("    ! OPENAI_API_KEY  drift, someone else removed it  from plain:values.json")
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data(SECRET, "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]


def test_ownership_is_taken_back_when_hand_wrote_same_value_again(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.target.edit(SECRET, "agent-secrets", OPENAI_API_KEY="CANARY-by-hand")
    desk.target.edit(SECRET, "agent-secrets", OPENAI_API_KEY=VALUES["OPENAI_API_KEY"])
    plan = desk.run("plan", "staging", "--exit-code")
    assert plan.status == 4
    assert plan.out.splitlines()[5].startswith(
        "    ! OPENAI_API_KEY  value is right, but owned by kubectl-edit (Update, 20"
    )
    assert desk.run("sync", "staging").status == 0
    assert desk.target.owners(SECRET, "agent-secrets", "OPENAI_API_KEY") == {OURS}
    assert desk.run("plan", "staging", "--exit-code").status == 0


def test_ownership_and_another_value_are_taken_back_in_one_run(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.target.edit(SECRET, "agent-secrets", OPENAI_API_KEY="CANARY-by-hand", DEEPGRAM_API_KEY="CANARY-by-hand")
    desk.target.edit(SECRET, "agent-secrets", OPENAI_API_KEY=VALUES["OPENAI_API_KEY"])
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data(SECRET, "agent-secrets")["DEEPGRAM_API_KEY"] == VALUES["DEEPGRAM_API_KEY"]
    for key in ("OPENAI_API_KEY", "DEEPGRAM_API_KEY"):
        assert desk.target.owners(SECRET, "agent-secrets", key) == {OURS}
    assert desk.run("plan", "staging", "--exit-code").status == 0


def test_keys_labels_and_annotations_of_others_stay(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.target.edit(SECRET, "agent-secrets", THEIRS="stays")
    metadata = {"metadata": {"labels": {"theirs": "stays"}, "annotations": {"theirs": "stays"}}}
    desk.target.patch(SECRET, "agent-secrets", metadata)
    assert desk.run("plan", "staging", "--exit-code").status == 0
    desk.values(OPENAI_API_KEY="CANARY-new-openai")
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data(SECRET, "agent-secrets")["THEIRS"] == "stays"
    live = desk.target.get(SECRET, "agent-secrets")
    assert live
    assert live["metadata"]["labels"] == {"theirs": "stays"}
    assert live["metadata"]["annotations"] == {"theirs": "stays"}


def test_key_that_left_template_leaves_object_and_nothing_else_does(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.target.edit(SECRET, "agent-secrets", THEIRS="stays")
    desk.write("base/secrets.yml", SECRETS.replace("  CARTESIA_API_KEY: ${CARTESIA_API_KEY}\n", ""))
    plan = desk.run("plan", "staging")
    assert plan.out.splitlines()[4:6] == [
        "~ Secret/agent-secrets  to update",
        "    - CARTESIA_API_KEY  no longer in any template",
    ]
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data(SECRET, "agent-secrets").keys() == {"OPENAI_API_KEY", "DEEPGRAM_API_KEY", "THEIRS"}


def test_key_that_left_template_stays_where_another_applier_owns_it_too(desk: Desk) -> None:
    desk.run("sync", "staging")
    import base64  # noqa: PLC0415

    shared = base64.b64encode(VALUES["CARTESIA_API_KEY"].encode()).decode()
    desk.target.apply(SECRET, "agent-secrets", {"data": {"CARTESIA_API_KEY": shared}}, "argocd-controller")
    desk.write("base/secrets.yml", SECRETS.replace("  CARTESIA_API_KEY: ${CARTESIA_API_KEY}\n", ""))
    plan = desk.run("plan", "staging")
    assert plan.out.splitlines()[5].startswith(
        "    - CARTESIA_API_KEY  no longer in any template; kept because argocd-controller (Apply"
    )
    assert desk.run("sync", "staging").status == 0
    assert "CARTESIA_API_KEY" in desk.target.data(SECRET, "agent-secrets")
    assert desk.run("plan", "staging", "--exit-code").status == 0


def test_object_deleted_by_hand_is_written_again(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.target.delete(SECRET, "agent-secrets")
    plan = desk.run("plan", "staging")
    assert plan.out.splitlines()[4] == "+ Secret/agent-secrets  to create, someone else deleted it"
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data(SECRET, "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]


def test_labels_annotations_type_and_immutable_are_carried(desk: Desk) -> None:
    desk.write(
        "base/secrets.yml",
        SECRETS
        + """---
apiVersion: v1
kind: Secret
metadata: {name: login, labels: {app: voice}, annotations: {example.com/why: registry}}
type: kubernetes.io/basic-auth
immutable: true
stringData: {username: nobody, password: "${OPENAI_API_KEY}"}
""",
    )
    assert desk.run("sync", "staging").status == 0
    live = desk.target.get(SECRET, "login")
    assert live
    assert (live["type"], live["immutable"]) == ("kubernetes.io/basic-auth", True)
    assert live["metadata"]["labels"] == {"app": "voice"}
    assert live["metadata"]["annotations"] == {"example.com/why": "registry"}
    assert desk.run("plan", "staging", "--exit-code").status == 0


def test_label_changed_by_hand_is_healed(desk: Desk) -> None:
    labelled = SECRETS.replace("{name: agent-secrets}", "{name: agent-secrets, labels: {app: voice}}")
    desk.write("base/secrets.yml", labelled)
    desk.run("sync", "staging")
    desk.target.patch(SECRET, "agent-secrets", {"metadata": {"labels": {"app": "other"}}})
    plan = desk.run("plan", "staging")
    assert plan.out.splitlines()[5].startswith("    ! label app  drift, changed by kubectl-edit (Update, 20")
    assert desk.run("sync", "staging").status == 0
    live = desk.target.get(SECRET, "agent-secrets")
    assert live
    assert live["metadata"]["labels"] == {"app": "voice"}
    desk.write("base/secrets.yml", SECRETS)
    assert desk.run("sync", "staging").status == 0
    live = desk.target.get(SECRET, "agent-secrets")
    assert live
    assert "labels" not in live["metadata"]


def test_binary_values_round_trip_through_config_map(desk: Desk) -> None:
    raw = "AP/+AAE="
    template = (
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: blob}}\nbinaryData: {{raw: {raw}}}\ndata: {{text: a}}\n"
    )
    desk.write("base/blob.yml", template)
    desk.environment(templates=["base/secrets.yml", "base/configmap.yml", "base/blob.yml"])
    assert desk.run("sync", "staging").status == 0
    live = desk.target.get(CONFIG, "blob")
    assert live
    assert (live["binaryData"], live["data"]) == ({"raw": raw}, {"text": "a"})
    assert desk.run("plan", "staging", "--exit-code").status == 0


def remembered(desk: Desk) -> dict[str, Any]:
    """Return the objects in the state ConfigMap."""
    return json.loads(desk.target.data(CONFIG, "bridge-voice-agent-staging")["memory.json"])["objects"]


def test_object_that_left_templates_stays_until_it_is_pruned(desk: Desk) -> None:
    desk.run("sync", "staging")
    before = remembered(desk)
    desk.write("base/secrets.yml", SECRETS.split("---\n")[1])
    result = desk.run("sync", "staging")
    assert result.status == 0
    assert desk.target.data(SECRET, "shared-secrets")
    assert (
        "? Secret/shared-secrets  no longer in the templates, stays in the cluster (--prune deletes it)" in result.out
    )
    left = {"Secret/shared-secrets": before["Secret/shared-secrets"] | {"left": True}}
    assert remembered(desk) == before | left
    assert desk.run("sync", "staging", "--prune").status == 0
    assert desk.target.get(SECRET, "shared-secrets") is None
    assert remembered(desk) == {name: known for name, known in before.items() if name not in left}
    assert "shared-secrets" not in desk.run("plan", "staging", "--prune").out


def test_pruning_spares_what_someone_else_wrote_to_as_well(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.write("base/secrets.yml", SECRETS.split("---\n")[1])
    desk.target.edit(SECRET, "shared-secrets", THEIRS="stays")
    result = desk.run("sync", "staging", "--prune")
    assert result.status == 1
    assert result.lines[0] == "bridge: error: Secret/shared-secrets: cannot be pruned: kubectl-edit also wrote to it"
    assert desk.target.data(SECRET, "shared-secrets")["THEIRS"] == "stays"


def test_pruning_forgets_object_that_someone_made_anew(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.write("base/secrets.yml", SECRETS.split("---\n")[1])
    desk.target.delete(SECRET, "shared-secrets")
    desk.target.create(SECRET, "shared-secrets", {"data": {}})
    assert desk.run("sync", "staging", "--prune").status == 0
    assert desk.target.get(SECRET, "shared-secrets")


def test_pruning_spares_what_is_not_surely_ours(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.write("base/secrets.yml", SECRETS.split("---\n")[1])
    target = desk.target
    owner = {"apiVersion": "example.com/v1", "kind": "ExternalSecret", "name": "x", "uid": "1-2-3"}
    target.patch(SECRET, "shared-secrets", {"metadata": {"ownerReferences": [owner]}})
    result = desk.run("sync", "staging", "--prune")
    assert result.lines[0] == (
        "bridge: error: Secret/shared-secrets: cannot be pruned: it is owned by ExternalSecret/x"
    )
    target.patch(SECRET, "shared-secrets", {"metadata": {"ownerReferences": None, "managedFields": [{}]}})
    result = desk.run("sync", "staging", "--prune")
    assert result.status == 1
    assert "cannot be pruned" in result.lines[0]
    assert target.get(SECRET, "shared-secrets")


def test_empty_object_that_someone_made_under_name_that_left_is_theirs(desk: Desk) -> None:
    desk.run("sync", "staging")
    store = "bridge-voice-agent-staging"
    memory = json.loads(desk.target.data(CONFIG, store)["memory.json"])
    memory["objects"]["Secret/never-made"] = {"uid": None, "keys": {"A": [0, "2026-01-01T00:00:00Z", True]}}
    desk.target.patch(CONFIG, store, {"data": {"memory.json": json.dumps(memory)}})
    desk.target.create(SECRET, "never-made", {})
    assert desk.run("sync", "staging", "--prune").status == 0
    assert desk.target.get(SECRET, "never-made")


def test_object_that_left_templates_and_then_cluster_is_forgotten(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.write("base/secrets.yml", SECRETS.split("---\n")[1])
    desk.run("sync", "staging")
    desk.target.delete(SECRET, "shared-secrets")
    assert "shared-secrets" not in desk.run("plan", "staging").out
    desk.run("sync", "staging")
    assert "shared-secrets" not in desk.target.data(CONFIG, "bridge-voice-agent-staging")["memory.json"]


def test_key_edited_by_hand_that_left_template_is_reported_and_stays(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.target.edit(SECRET, "agent-secrets", CARTESIA_API_KEY="theirs-now")
    desk.write("base/secrets.yml", SECRETS.replace("  CARTESIA_API_KEY: ${CARTESIA_API_KEY}\n", ""))
    result = desk.run("sync", "staging")
    assert result.status == 0
    assert result.lines[0] == (
        "bridge: warning: Secret/agent-secrets key CARTESIA_API_KEY: no longer in any template; "
        "kept because kubectl-edit changed it since"
    )
    assert desk.target.data(SECRET, "agent-secrets")["CARTESIA_API_KEY"] == "theirs-now"
    assert desk.run("sync", "staging").err == ""


def test_object_made_anew_between_plan_and_write_is_healed_later(desk: Desk) -> None:
    """The memory holds the uid of the object that was written, so that a later edit can be taken back."""
    desk.run("sync", "staging")
    desk.target.delete(SECRET, "agent-secrets")
    assert desk.run("sync", "staging").status == 0
    desk.target.edit(SECRET, "agent-secrets", OPENAI_API_KEY="by-hand")
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data(SECRET, "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]


def test_value_made_of_several_variables_tells_all_its_places(desk: Desk) -> None:
    desk.values(DB_PASSWORD="CANARY-db")
    desk.write("base/secrets.yml", SECRETS + '  DATABASE: "${DB_USER:-app}:${DB_PASSWORD}"\n')
    plan = desk.run("plan", "staging")
    assert "    + DATABASE          new  from base/secrets.yml and plain:values.json" in plan.out.splitlines()


def test_what_kubectl_apply_overwrites_is_reported_and_taken_back(desk: Desk) -> None:
    desk.run("sync", "staging")
    annotation = {"kubectl.kubernetes.io/last-applied-configuration": '{"stringData":{"OPENAI_API_KEY":"CANARY-old"}}'}
    desk.canaries.add("CANARY-old")
    desk.target.patch(SECRET, "agent-secrets", {"metadata": {"annotations": annotation}}, "kubectl-client-side-apply")
    desk.target.edit(SECRET, "agent-secrets", "kubectl-client-side-apply", OPENAI_API_KEY="${OPENAI_API_KEY}")
    result = desk.run("sync", "staging")
    assert result.status == 0
    assert [line for line in result.lines if "warning" in line] == [
        (
            "bridge: warning: Secret/agent-secrets: `kubectl apply` overwrites what bridge writes: "
            "your build still contains this object's keys"
        ),
        "bridge: warning: Secret/agent-secrets: its last-applied annotation may contain secret values in plaintext",
    ]
    assert desk.target.data(SECRET, "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]


def test_longest_names_that_kubernetes_takes(desk: Desk) -> None:
    name, key, id_ = "n" * 253, "K" * 253, "i" * 63
    template = (
        f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{{key}: '${{OPENAI_API_KEY}}'}}\n"
    )
    desk.write("base/long.yml", template)
    desk.environment(id=id_, templates=["base/long.yml"], env_file=None)
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data(SECRET, name) == {key: VALUES["OPENAI_API_KEY"]}
    assert desk.run("plan", "staging", "--exit-code").status == 0
