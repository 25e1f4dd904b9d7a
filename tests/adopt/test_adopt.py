"""`bridge adopt`: what others made becomes ours to write, and nothing else changes. On both clusters."""

import io
import json
from typing import Any

import pytest

from bridge.cluster.objects import Objects
from bridge.objects import LAST_APPLIED
from bridge.testing.apiserver import EmbeddedCluster
from tests.cluster_identity.test_first_write import KUBECONFIG, changing, made_anew_after_the_answer, switched, writes
from tests.cluster_identity.test_which_cluster import elsewhere  # noqa: F401 - a fixture
from tests.desk import Desk, Result
from tests.sync.test_refusals import encoded, refuse
from tests.team import SECRETS, VALUES

SECRET, CONFIG = "Secret", "ConfigMap"
STORE = "bridge-voice-agent-staging"
OURS = ("bridge/voice-agent-staging", "Apply")
OLD = {LAST_APPLIED: json.dumps({"stringData": {"OPENAI_API_KEY": "CANARY-old"}})}


def adopt(desk: Desk, *flags: str) -> Result:
    result = desk.run("adopt", "staging", "--yes", *flags)
    assert result.status == 0, result.err
    return result


def made_by(desk: Desk, manager: str, **metadata: Any) -> None:
    """Let somebody make agent-secrets: one of our values, another one, and a key of their own."""
    data = {"OPENAI_API_KEY": "CANARY-theirs", "CARTESIA_API_KEY": VALUES["CARTESIA_API_KEY"], "THEIRS": "CANARY-kept"}
    desk.canaries |= {"CANARY-theirs", "CANARY-kept", "CANARY-old"}
    content = {"metadata": metadata, "type": "Opaque", "data": {key: encoded(value) for key, value in data.items()}}
    desk.target.create(SECRET, "agent-secrets", content, manager)


def external(name: str) -> dict[str, Any]:
    """Return an ownerReference of an ExternalSecret."""
    return {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": name, "uid": "1-2-3"}


def errors(result: Result) -> list[str]:
    return [line.removeprefix("bridge: error: ") for line in result.lines if line.startswith("bridge: error: ")]


def warned(result: Result) -> list[str]:
    return [line.removeprefix("bridge: warning: ") for line in result.lines if line.startswith("bridge: warning: ")]


def remembered(desk: Desk) -> dict[str, Any]:
    return json.loads(desk.target.data(CONFIG, STORE)["memory.json"])


def synced(desk: Desk) -> None:
    """Expect a sync without a conflict, after which everything is right and theirs is still there."""
    result = desk.run("sync", "staging")
    assert (result.status, result.err) == (0, "")
    ours = {key: VALUES[key] for key in ("CARTESIA_API_KEY", "OPENAI_API_KEY", "DEEPGRAM_API_KEY")}
    assert desk.target.data(SECRET, "agent-secrets") == ours | {"THEIRS": "CANARY-kept"}
    assert desk.run("plan", "staging", "--exit-code").status == 0


def test_only_named_keys_move_and_sync_that_was_refused_runs(desk: Desk) -> None:
    made_by(desk, "kubectl-client-side-apply", labels={"team": "voice"}, annotations={"note": "theirs"} | OLD)
    refused = desk.run("sync", "staging")
    assert errors(refused) == [
        "Secret/agent-secrets key CARTESIA_API_KEY (also OPENAI_API_KEY): belongs to kubectl-client-side-apply (Update)"
    ]
    assert "bridge: hint: take it over with `bridge adopt staging`" in refused.lines
    before = desk.target.get(SECRET, "agent-secrets")

    result = adopt(desk)
    lines = result.out.splitlines()
    who = f"kubectl-client-side-apply (Update, {before['metadata']['managedFields'][0]['time']})"
    assert lines[1] == desk.cluster_line
    assert lines[3:9] == [
        "~ Secret/agent-secrets",
        f"    ~ CARTESIA_API_KEY  from {who}; its value stays",
        f"    ~ OPENAI_API_KEY    from {who}; the next sync changes its value",
        f"    ~ type              from {who}",
        f"    - annotation {LAST_APPLIED}  is removed",
        "    + DEEPGRAM_API_KEY  missing: the next sync adds it",
    ]
    assert lines[9] == f"    = THEIRS, label team, annotation note  stays with {who}"
    assert lines[11] == "2 keys of 1 object: taken over"
    steps = ["bridge plan staging", "bridge sync staging", "bridge init staging --fix-kustomize"]
    assert lines[12:] == [f"next: {step}" for step in steps]

    after = desk.target.get(SECRET, "agent-secrets")
    assert (after["data"], after["type"]) == (before["data"], before["type"])
    assert after["metadata"]["labels"] == {"team": "voice"}
    assert after["metadata"]["annotations"] == {"note": "theirs"}
    assert {(one["manager"], one["operation"]): one["fieldsV1"] for one in after["metadata"]["managedFields"]} == {
        OURS: {"f:data": {"f:CARTESIA_API_KEY": {}, "f:OPENAI_API_KEY": {}}, "f:type": {}},
        ("kubectl-client-side-apply", "Update"): {
            "f:data": {".": {}, "f:THEIRS": {}},
            "f:metadata": {
                "f:annotations": {".": {}, "f:note": {}},
                "f:labels": {".": {}, "f:team": {}},
            },
        },
    }
    assert "CANARY" not in json.dumps(after["metadata"])
    assert "CANARY" not in json.dumps(remembered(desk))
    synced(desk)
    assert desk.target.get(SECRET, "agent-secrets")["metadata"]["labels"] == {"team": "voice"}


@pytest.mark.parametrize("manager", ["kubectl-create", "kubectl-edit", "helm", "Go-http-client"])
def test_whoever_made_it(desk: Desk, manager: str) -> None:
    made_by(desk, manager)
    adopt(desk)
    assert desk.target.owners(SECRET, "agent-secrets", "THEIRS") == {(manager, "Update")}
    synced(desk)


@pytest.mark.parametrize("manager", ["kubectl", "argocd-controller", "bridge/another"])
def test_another_applier_cannot_take_it_back_by_itself(desk: Desk, manager: str) -> None:
    data = {"OPENAI_API_KEY": encoded("CANARY-theirs"), "THEIRS": encoded("CANARY-kept")}
    desk.canaries |= {"CANARY-theirs", "CANARY-kept"}
    desk.target.apply(SECRET, "agent-secrets", {"type": "Opaque", "data": data}, manager)
    assert len(errors(desk.run("sync", "staging"))) == 1
    adopt(desk)
    synced(desk)
    body = {"apiVersion": "v1", "kind": SECRET, "metadata": {"name": "agent-secrets"}, "type": "Opaque", "data": data}
    path = f"{desk.target.path(SECRET, 'agent-secrets')}?fieldManager={manager}"
    reply = desk.target.client.request("PATCH", path, body, "application/apply-patch+yaml")
    assert reply.status == 409
    body["data"] = {"THEIRS": data["THEIRS"]}
    assert desk.target.client.request("PATCH", path, body, "application/apply-patch+yaml").status == 200
    synced(desk)


def test_another_environment_of_bridge_is_shown_loudly_and_its_memory_left_alone(desk: Desk) -> None:
    assert desk.run("sync", "staging").status == 0
    before = desk.target.get(CONFIG, STORE)
    desk.environment(id="new-id")
    assert desk.run("plan", "staging").status == 1
    result = adopt(desk)
    names = "key CARTESIA_API_KEY, key DEEPGRAM_API_KEY, key OPENAI_API_KEY"
    line = f"Secret/agent-secrets: is taken from another bridge environment, bridge/voice-agent-staging: {names}"
    assert line in warned(result)
    assert desk.target.get(CONFIG, STORE) == before
    assert desk.run("sync", "staging").status == 0
    desk.environment()
    assert desk.run("plan", "staging").status == 1


def test_string_data_under_server_side_apply_is_anothers_too(desk: Desk) -> None:
    """Its manager owns f:stringData, and nobody f:data: a sync would write over it without a conflict."""
    content = {"stringData": {"OPENAI_API_KEY": "CANARY-theirs", "THEIRS": "CANARY-kept"}}
    desk.canaries |= {"CANARY-theirs", "CANARY-kept"}
    desk.target.apply(SECRET, "agent-secrets", content, "kubectl")
    refuse(desk, "Secret/agent-secrets key OPENAI_API_KEY: belongs to kubectl (Apply)")
    adopt(desk)
    entries = desk.target.get(SECRET, "agent-secrets")["metadata"]["managedFields"]
    assert [one["fieldsV1"] for one in entries if one["manager"] == "kubectl"] == [{"f:stringData": {"f:THEIRS": {}}}]
    synced(desk)


def test_object_that_nobody_owns_loses_nothing(desk: Desk) -> None:
    made_by(desk, "kubectl-create")
    path = desk.target.path(SECRET, "agent-secrets")
    operations = [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
    assert desk.target.client.request("PATCH", path, operations, "application/json-patch+json").status == 200
    assert "from no owner" in adopt(desk).out
    synced(desk)


def test_labels_and_annotations_of_template_move_too(desk: Desk) -> None:
    head = "metadata: {name: agent-secrets, labels: {app: voice}, annotations: {note: ours}}"
    desk.write("base/secrets.yml", SECRETS.replace("metadata: {name: agent-secrets}", head))
    made_by(desk, "helm", labels={"app": "other", "team": "voice"}, annotations={"note": "ours"})
    out = adopt(desk).out
    assert "~ label app         from helm (Update, " in out
    assert "the next sync changes its value" in next(line for line in out.splitlines() if "label app " in line)
    synced(desk)
    metadata = desk.target.get(SECRET, "agent-secrets")["metadata"]
    assert (metadata["labels"], metadata["annotations"]) == ({"app": "voice", "team": "voice"}, {"note": "ours"})


def test_config_maps_too_with_their_binary_data(desk: Desk) -> None:
    data = {"LOG_LEVEL": "debug", "THEIRS": "x"}
    notes = {LAST_APPLIED: json.dumps({"data": data})}
    content = {"metadata": {"annotations": notes}, "data": data, "binaryData": {"ENV_MODE": "AP8="}}
    desk.target.create(CONFIG, "agent-config", content, "kubectl-client-side-apply")
    adopt(desk)
    found = desk.target.get(CONFIG, "agent-config")
    assert (found["data"], found["binaryData"]) == (data, {"ENV_MODE": "AP8="})
    assert "annotations" not in found["metadata"]
    assert desk.run("sync", "staging").status == 0
    found = desk.target.get(CONFIG, "agent-config")
    assert found["data"] == {"ENV_MODE": "staging", "LOG_LEVEL": "info", "METRICS_ENABLED": "true", "THEIRS": "x"}
    assert "binaryData" not in found


def test_what_is_adopted_already_costs_no_write(desk: Desk) -> None:
    made_by(desk, "helm", annotations=OLD)
    adopt(desk)
    before = desk.target.versions()
    result = adopt(desk, "--output", "json")
    assert (result.data["result"], result.data["objects"]) == ("unchanged", [])
    assert desk.target.versions() == before
    synced(desk)
    before = desk.target.versions()
    assert "nothing to take over" in adopt(desk).out
    assert desk.target.versions() == before


def test_nothing_is_there_yet(desk: Desk) -> None:
    assert "nothing to take over" in adopt(desk).out
    assert desk.target.versions() == {}


def test_json_has_every_field_and_no_value(desk: Desk) -> None:
    made_by(desk, "helm", labels={"team": "voice"})
    data = adopt(desk, "--output", "json").data
    time = desk.target.get(SECRET, "agent-secrets")["metadata"]["managedFields"][0]["time"]
    helm = {"manager": "helm", "operation": "Update", "time": time}
    assert (data["schema"], data["result"], len(data["next"])) == ("bridge/report/v1", "written", 3)
    assert data["objects"] == [
        {
            "kind": "Secret",
            "name": "agent-secrets",
            "moves": [
                {"field": "key", "name": "CARTESIA_API_KEY", "from": [helm], "next": "keep"},
                {"field": "key", "name": "OPENAI_API_KEY", "from": [helm], "next": "change"},
                {"field": "type", "name": "", "from": [helm], "next": "keep"},
            ],
            "missing": ["DEEPGRAM_API_KEY"],
            "stays": [
                helm | {"fields": [{"field": "key", "name": "THEIRS"}, {"field": "label", "name": "team"}]},
            ],
            "label": None,
            "last_applied": False,
            "release": [],
            "written": "yes",
        }
    ]


def test_dry_run_and_no_write_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    made_by(desk, "helm")
    before = desk.target.versions()
    shown = desk.run("adopt", "staging", "--dry-run")
    assert shown.status == 0
    assert "2 keys of 1 object: to take over" in shown.out
    pipeline = desk.run("adopt", "staging")
    assert errors(pipeline) == ["stdin is not a terminal, so bridge cannot ask; nothing was done"]

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    asked = desk.run("adopt", "staging", "--output", "json")
    assert (asked.status, asked.data["result"]) == (1, "failed")
    where = f"namespace {desk.target.namespace} of context {desk.cluster['context']} ({desk.cluster['server']})"
    assert asked.err.index("~ OPENAI_API_KEY") < asked.err.index(f"Take over the listed fields in {where}? [y/N] ")
    assert desk.target.versions() == before
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    assert desk.run("adopt", "staging").status == 0
    synced(desk)


def test_label_of_another_tool_stands_in_nobodys_way(desk: Desk) -> None:
    label = {"app.kubernetes.io/managed-by": "Helm"}
    notes = {"meta.helm.sh/release-name": "voice"}
    content = {"metadata": {"labels": label, "annotations": notes}, "data": {"THEIRS": encoded("CANARY-kept")}}
    desk.target.create(SECRET, "agent-secrets", content, "helm")
    refuse(desk, "Secret/agent-secrets: is managed by Helm, according to its label")
    before = desk.target.get(SECRET, "agent-secrets")
    shown = desk.run("adopt", "staging", "--dry-run").out
    assert "label app.kubernetes.io/managed-by  is Helm; it stays" in shown
    result = adopt(desk, "--output", "json")
    assert [(one["label"], one["written"]) for one in result.data["objects"]] == [("Helm", "yes")]
    assert warned(result)[0].startswith("Secret/agent-secrets: Helm deploys it and ")
    assert desk.target.get(SECRET, "agent-secrets") == before, "only the memory has to know"
    synced(desk)
    assert desk.target.get(SECRET, "agent-secrets")["metadata"]["labels"] == label


def test_everything_that_is_refused_is_reported_at_once_and_nothing_is_written(desk: Desk) -> None:
    made_by(desk, "externalsecrets.external-secrets.io/x", ownerReferences=[external("x")])
    desk.target.create(SECRET, "shared-secrets", {"type": "example.com/other", "data": {"LIVEKIT_API_KEY": "eA=="}})
    desk.target.create(CONFIG, "agent-config", {"immutable": True, "data": {"LOG_LEVEL": "theirs"}})
    desk.target.create(CONFIG, "front-config", {"data": {"NODE_ENV": "theirs"}})
    before = desk.target.versions()
    result = desk.run("adopt", "staging", "--yes", "--output", "json")
    assert (result.status, result.data["result"]) == (1, "refused")
    assert errors(result) == [
        (
            "Secret/shared-secrets: has type example.com/other, not Opaque as in the template; "
            "Kubernetes cannot change a type"
        ),
        "Secret/agent-secrets: is owned by ExternalSecret/x",
        "ConfigMap/agent-config: is immutable and would have to change",
    ]
    assert "delete ExternalSecret/x with `--cascade=orphan`" in result.err
    assert desk.target.versions() == before


def test_object_that_is_being_deleted_is_refused(desk: Desk) -> None:
    made_by(desk, "helm", finalizers=["example.com/hold"])
    desk.target.delete(SECRET, "agent-secrets")
    result = desk.run("adopt", "staging", "--yes")
    desk.target.patch(SECRET, "agent-secrets", {"metadata": {"finalizers": None}})
    assert errors(result) == ["Secret/agent-secrets: is being deleted"]


def test_immutable_secret_that_is_right_is_taken_over(desk: Desk) -> None:
    data = {key: encoded(VALUES[key]) for key in ("CARTESIA_API_KEY", "OPENAI_API_KEY", "DEEPGRAM_API_KEY")}
    desk.target.create(SECRET, "agent-secrets", {"immutable": True, "data": data}, "kubectl-create")
    adopt(desk)
    assert desk.target.owners(SECRET, "agent-secrets", "OPENAI_API_KEY") == {OURS}
    assert desk.run("sync", "staging").status == 0


def test_source_that_cannot_be_read_stops_it(desk: Desk) -> None:
    made_by(desk, "helm")
    before = desk.target.versions()
    (desk.folder / "values.json").unlink()
    assert desk.run("adopt", "staging", "--yes").status == 1
    assert desk.target.versions() == before


def test_edit_between_adopt_and_sync_is_not_overwritten_and_one_after_it_is_drift(desk: Desk) -> None:
    made_by(desk, "helm")
    adopt(desk)
    desk.target.edit(SECRET, "agent-secrets", OPENAI_API_KEY="edited")
    refuse(desk, "Secret/agent-secrets key OPENAI_API_KEY: belongs to kubectl-edit (Update)")
    adopt(desk)
    synced(desk)
    desk.target.edit(SECRET, "agent-secrets", OPENAI_API_KEY="edited")
    synced(desk)


def test_no_key_changed_when_it_was_adopted(desk: Desk) -> None:
    """Whoever restarts what uses a changed key must find nothing to do."""
    made_by(desk, "helm")
    written = desk.target.get(SECRET, "agent-secrets")["metadata"]["managedFields"][0]["time"]
    adopt(desk)
    keys = remembered(desk)["objects"]["Secret/agent-secrets"]["keys"]
    assert keys == {"CARTESIA_API_KEY": [0, written, True], "OPENAI_API_KEY": [0, written, True]}
    assert remembered(desk)["sources"] == {}
    synced(desk)
    keys = remembered(desk)["objects"]["Secret/agent-secrets"]["keys"]
    assert keys["CARTESIA_API_KEY"][1:] == [written]


def test_key_that_leaves_template_after_it_was_adopted_is_loss_like_any_other(desk: Desk) -> None:
    desk.environment(templates=["base/secrets.yml"])
    data = {key: encoded(value) for key, value in VALUES.items() if "LIVEKIT" not in key}
    desk.target.create(SECRET, "agent-secrets", {"data": data}, "helm")
    data = {key: encoded(value) for key, value in VALUES.items() if "LIVEKIT" in key}
    desk.target.create(SECRET, "shared-secrets", {"data": data}, "helm")
    adopt(desk)
    text = SECRETS
    for key in ("CARTESIA_API_KEY", "OPENAI_API_KEY", "LIVEKIT_API_SECRET"):
        text = text.replace(f"  {key}: ${{{key}}}\n", "")
    desk.write("base/secrets.yml", text)
    result = desk.run("sync", "staging")
    assert errors(result)[0].startswith("3 of 5 keys are no longer in the templates: ")
    desk.write("base/secrets.yml", SECRETS)
    desk.values(OPENAI_API_KEY="")
    refuse(desk, "Secret/agent-secrets key OPENAI_API_KEY: would become empty, as it is now empty in plain:values.json")


def test_layers_of_what_bridge_wrote_before_are_not_forgotten(desk: Desk) -> None:
    desk.values(LOG_LEVEL="debug")
    assert desk.run("sync", "staging").status == 0
    desk.target.apply(CONFIG, "agent-config", {"data": {"LOG_LEVEL": "theirs"}}, "argocd-controller")
    adopt(desk)
    desk.values()
    refuse(
        desk,
        "ConfigMap/agent-config key LOG_LEVEL: came from plain:values.json but would now come from the template",
    )


def test_object_that_was_deleted_and_made_anew_is_taken_over(desk: Desk) -> None:
    assert desk.run("sync", "staging").status == 0
    desk.target.delete(SECRET, "agent-secrets")
    made_by(desk, "kubectl-create")
    assert desk.run("sync", "staging").status == 1
    adopt(desk)
    synced(desk)


def test_lost_memory_is_reported_and_rebuilt(desk: Desk) -> None:
    assert desk.run("sync", "staging").status == 0
    desk.target.delete(CONFIG, STORE)
    desk.target.apply(CONFIG, "agent-config", {"data": {"LOG_LEVEL": "theirs"}}, "argocd-controller")
    result = adopt(desk)
    assert any(line.startswith("the state ConfigMap of bridge: ") for line in warned(result))
    assert remembered(desk)["objects"].keys() == {
        "Secret/agent-secrets",
        "Secret/shared-secrets",
        "ConfigMap/agent-config",
        "ConfigMap/shared-config",
        "ConfigMap/front-config",
    }
    assert desk.run("sync", "staging").status == 0


def test_damaged_copy_of_kubectls_is_removed_as_well(desk: Desk) -> None:
    made_by(desk, "helm", annotations={LAST_APPLIED: "CANARY-old {"})
    assert LAST_APPLIED in desk.target.get(SECRET, "agent-secrets")["metadata"]["annotations"]
    adopt(desk)
    assert "annotations" not in desk.target.get(SECRET, "agent-secrets")["metadata"]
    synced(desk)


def between(monkeypatch: pytest.MonkeyPatch, act: Any, times: int = 1) -> None:
    """Let somebody act between our reading and our patch."""
    left, reclaim = [times], Objects.reclaim

    def interrupted(self: Objects, *given: Any, dry_run: bool, **named: Any) -> Any:
        if not dry_run and left[0]:
            left[0] -= 1
            act()
        return reclaim(self, *given, dry_run=dry_run, **named)

    monkeypatch.setattr(Objects, "reclaim", interrupted)


def test_writer_of_something_else_in_between_is_not_overwritten(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    made_by(desk, "helm")
    between(monkeypatch, lambda: desk.target.edit(SECRET, "agent-secrets", THEIRS="newer"))
    adopt(desk)
    assert desk.target.data(SECRET, "agent-secrets")["THEIRS"] == "newer"
    assert desk.target.owners(SECRET, "agent-secrets", "THEIRS") == {("kubectl-edit", "Update")}
    assert desk.target.owners(SECRET, "agent-secrets", "OPENAI_API_KEY") == {OURS}


def test_writer_of_our_keys_in_between_is_reported(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    made_by(desk, "helm")
    between(monkeypatch, lambda: desk.target.edit(SECRET, "agent-secrets", OPENAI_API_KEY="newer"))
    result = desk.run("adopt", "staging", "--yes")
    where = f"Secret/agent-secrets in namespace {desk.target.namespace}"
    assert (result.status, errors(result)) == (75, [f"{where}: changed since it was shown"])
    assert desk.target.data(SECRET, "agent-secrets")["OPENAI_API_KEY"] == "newer"
    assert desk.target.owners(SECRET, "agent-secrets", "OPENAI_API_KEY") == {("kubectl-edit", "Update")}
    adopt(desk)
    synced(desk)


def test_writer_that_never_rests_is_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    made_by(desk, "helm")
    edits = iter(range(100))
    between(monkeypatch, lambda: desk.target.edit(SECRET, "agent-secrets", THEIRS=str(next(edits))), times=100)
    result = desk.run("adopt", "staging", "--yes")
    assert result.status == 75
    assert next(edits) < 10
    assert desk.target.owners(SECRET, "agent-secrets", "OPENAI_API_KEY") == {("helm", "Update")}


def test_object_deleted_in_between_is_reported(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    made_by(desk, "helm")
    between(monkeypatch, lambda: desk.target.delete(SECRET, "agent-secrets"))
    assert desk.run("adopt", "staging", "--yes").status == 75
    assert desk.target.get(SECRET, "agent-secrets") is None


def test_another_run_that_was_faster_is_no_failure(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.cluster.lease.DURATION", 1)  # the faster one waits until ours is over
    made_by(desk, "helm", labels={"app.kubernetes.io/managed-by": "Helm"})
    between(monkeypatch, lambda: adopt(desk))
    adopt(desk)
    synced(desk)


def test_cluster_that_is_another_one_after_answer_is_left_alone(
    offline_desk: Desk,
    elsewhere: EmbeddedCluster,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made_by(offline_desk, "helm")
    offline_desk.environment(cluster=KUBECONFIG)
    before = offline_desk.target.versions()
    switched(offline_desk, elsewhere, monkeypatch, "y", "n", "y")
    result = offline_desk.run("adopt", "staging")
    assert result.status == 75
    assert f": no longer leads to the cluster that was shown, but to {elsewhere.url}\n" in result.err
    assert (changing(elsewhere), offline_desk.target.versions()) == ([], before)


def test_namespace_that_is_another_one_after_answer_is_left_alone(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_by(offline_desk, "helm")
    offline_desk.environment(cluster=KUBECONFIG)
    assert offline_desk.target.embedded
    offline_desk.target.embedded.requests.clear()
    made_anew_after_the_answer(offline_desk, monkeypatch, "y", "n", "y")
    result = offline_desk.run("adopt", "staging")
    assert (result.status, ": no longer leads to the cluster that was shown, but to " in result.err) == (75, True)
    assert writes(offline_desk) == []


def test_many_objects(desk: Desk) -> None:
    adopt_all = {"data": {"LIVEKIT_URL": "wss://old.example.com", "DOMAIN": "example.com"}}
    desk.target.create(CONFIG, "shared-config", adopt_all, "kubectl-client-side-apply")
    made_by(desk, "helm")
    out = adopt(desk).out
    assert out.index("~ Secret/agent-secrets") < out.index("~ ConfigMap/shared-config")
    assert "4 keys of 2 objects: taken over" in out
    synced(desk)


def release_of(desk: Desk) -> list[str]:
    """Return the lines that adopt prints to release the Secret, which are those of its JSON too."""
    data = desk.run("adopt", "staging", "--yes", "--output", "json").data
    (lines,) = (entry["release"] for entry in data["objects"] if entry["name"] == "agent-secrets")
    printed = desk.run("adopt", "staging", "--yes").out
    assert "".join(f"  {line}\n" for line in lines) in printed
    return lines


def test_release_from_external_secrets_is_printed_in_order_and_shrinks_with_what_is_left(desk: Desk) -> None:
    marks = {"reconcile.external-secrets.io/managed": "true", "reconcile.external-secrets.io/created-by": "x"}
    made_by(
        desk,
        "externalsecrets.external-secrets.io/voice",
        labels=marks | {"team": "voice"},
        annotations={"reconcile.external-secrets.io/data-hash": "1"},
        ownerReferences=[external("voice")],
    )
    kubectl = f"kubectl -n {desk.target.namespace} "
    keep = """'{"spec":{"target":{"creationPolicy":"Orphan","deletionPolicy":"Retain"}}}'"""
    delete = f"{kubectl}delete externalsecrets.external-secrets.io/voice --ignore-not-found --cascade=orphan"
    annotate = f"{kubectl}annotate secret/agent-secrets reconcile.external-secrets.io/data-hash-"
    managed, created = (f"{name}-" for name in marks)
    lines = release_of(desk)
    assert [lines[0], lines[1], lines[3], lines[4]] == [
        f"{kubectl}patch externalsecrets.external-secrets.io/voice --type=merge -p {keep}",
        delete,
        annotate,
        f"""{kubectl}patch secret/agent-secrets --type=merge -p '{{"metadata":{{"ownerReferences":null}}}}'""",
    ]
    assert set(lines[2].split()[-2:]) == {managed, created}

    # The controller removes the owner and its label when the policy is Orphan.
    gone = {"ownerReferences": None, "labels": {created[:-1]: None}}
    desk.target.patch(SECRET, "agent-secrets", {"metadata": gone})
    assert release_of(desk) == [delete, f"{kubectl}label secret/agent-secrets {managed}", annotate]

    rest = {"labels": {managed[:-1]: None}, "annotations": {"reconcile.external-secrets.io/data-hash": None}}
    desk.target.patch(SECRET, "agent-secrets", {"metadata": rest})
    result = adopt(desk, "--output", "json")
    assert [entry["release"] for entry in result.data["objects"]] == [[]]
    synced(desk)


@pytest.mark.parametrize(
    ("owner", "label", "resource"),
    [
        ("VaultStaticSecret/x", "secrets.hashicorp.com/vso-ownerRefUID", "vaultstaticsecrets.secrets.hashicorp.com/x"),
        ("SealedSecret/x", "sealedsecrets.bitnami.com/managed", "sealedsecrets.bitnami.com/x"),
        ("SopsSecret/x", "sopssecret/name", "sopssecrets.isindir.github.com/x"),
        ("Application/x", "", "application/x"),
    ],
)
def test_release_from_other_owners(offline_desk: Desk, owner: str, label: str, resource: str) -> None:
    desk = offline_desk
    kind, name = owner.split("/")
    reference = {"apiVersion": "example.com/v1", "kind": kind, "name": name, "uid": "1-2-3"}
    made_by(desk, "operator", labels={label: "1"} if label else {}, ownerReferences=[reference])
    kubectl = f"kubectl -n {desk.target.namespace} "
    assert release_of(desk) == [
        f"{kubectl}delete {resource} --ignore-not-found --cascade=orphan",
        *([f"{kubectl}label secret/agent-secrets {label}-"] if label else []),
        f"""{kubectl}patch secret/agent-secrets --type=merge -p '{{"metadata":{{"ownerReferences":null}}}}'""",
    ]


def test_object_without_an_operator_has_no_release(offline_desk: Desk) -> None:
    made_by(offline_desk, "helm", annotations={"meta.helm.sh/release-name": "voice"})
    result = offline_desk.run("adopt", "staging", "--dry-run")
    assert "release " not in result.out
