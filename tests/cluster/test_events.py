"""Kubernetes Events on what a sync changes or refuses, on both clusters."""

import threading
from typing import Any

import pytest

from bridge.cluster import events as module
from bridge.testing.apiserver import Fault
from tests.desk import Desk
from tests.failures.test_faults import many
from tests.servers.apiserver import RealCluster
from tests.team import SECRETS

ID = "voice-agent-staging"


def events(desk: Desk) -> dict[str, dict[str, Any]]:
    """Return the Events of bridge by their names, and hold them to having no value in them."""
    reply = desk.target.client.request("GET", f"/api/v1/namespaces/{desk.target.namespace}/events")
    assert not any(canary in str(reply.body) for canary in desk.canaries)
    found = {one["metadata"]["name"]: one for one in reply.body["items"]}
    return {name: one for name, one in found.items() if name.startswith("bridge-")}


def on(desk: Desk, name: str) -> dict[str, Any]:
    return events(desk)[f"bridge-{ID}.{name}"]


def conflict(desk: Desk) -> None:
    desk.target.apply("Secret", "agent-secrets", {"data": {"OPENAI_API_KEY": "dGhlaXJz"}}, "argocd")


def test_each_object_that_is_written_gets_one_with_its_uid(desk: Desk) -> None:
    assert desk.run("sync", "staging").err == ""
    assert len(events(desk)) == 5
    one = on(desk, "secret.shared-secrets.synced")
    live = desk.target.get("Secret", "shared-secrets")
    assert one["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "Secret",
        "name": "shared-secrets",
        "namespace": desk.target.namespace,
        "uid": live["metadata"]["uid"],
    }
    assert (one["type"], one["reason"], one["count"]) == ("Normal", "Synced", 1)
    assert one["message"] == "bridge created it: added: LIVEKIT_API_KEY, LIVEKIT_API_SECRET"
    assert one["source"] == {"component": f"bridge/{ID}"}


def test_drift_is_warning_that_names_its_author_and_counts_up(desk: Desk) -> None:
    desk.run("sync", "staging")
    for value in ("CANARY-one", "CANARY-two"):
        desk.canaries.add(value)
        desk.target.edit("Secret", "agent-secrets", OPENAI_API_KEY=value)
        assert desk.run("sync", "staging").status == 0
    one = on(desk, "secret.agent-secrets.drifted")
    assert (one["type"], one["count"]) == ("Warning", 2)
    assert one["message"] == "bridge updated it: taken back from kubectl-edit: OPENAI_API_KEY"
    assert one["firstTimestamp"] <= one["lastTimestamp"]


def test_run_with_nothing_to_tell_asks_nothing_of_cluster(offline_desk: Desk) -> None:
    offline_desk.run("sync", "staging")
    offline_desk.target.embedded.requests.clear()
    offline_desk.run("sync", "staging")
    offline_desk.run("plan", "staging")
    assert not [path for _, path in offline_desk.target.embedded.requests if "/events" in path]


def test_refusal_stands_on_its_object_once_and_counts_up(desk: Desk) -> None:
    desk.run("sync", "staging")
    conflict(desk)
    before = len(events(desk))
    for _ in range(3):
        assert desk.run("sync", "staging").status == 1
    assert len(events(desk)) == before + 1
    one = on(desk, "secret.agent-secrets.refused")
    assert (one["type"], one["count"]) == ("Warning", 3)
    assert "argocd" in one["message"]
    assert one["involvedObject"]["uid"] == desk.target.get("Secret", "agent-secrets")["metadata"]["uid"]


def test_refusal_of_whole_plan_stands_on_memory(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.run("sync", "staging")
    desk.write("base/secrets.yml", "")
    desk.write("base/configmap.yml", SECRETS.split("---\n")[0])
    assert desk.run("sync", "staging").status == 1
    one = on(desk, f"configmap.bridge-{ID}.refused")
    assert one["involvedObject"]["name"] == f"bridge-{ID}"
    assert "--allow-shrink" in one["message"] or "objects" in one["message"]


def test_what_is_pruned_and_what_someone_deleted_is_reported(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.target.delete("Secret", "shared-secrets")
    desk.write("base/configmap.yml", desk.folder.joinpath("base/configmap.yml").read_text().rsplit("---\n", 1)[0])
    assert desk.run("sync", "staging", "--prune").status == 0
    pruned = on(desk, "configmap.front-config.pruned")
    assert (pruned["type"], pruned["message"]) == (
        "Normal",
        "bridge deleted it because it is no longer in the templates",
    )
    again = on(desk, "secret.shared-secrets.drifted")
    assert again["message"].startswith("bridge created it after someone else deleted it: ")
    assert again["involvedObject"]["uid"] == desk.target.get("Secret", "shared-secrets")["metadata"]["uid"]


def test_object_of_same_name_begins_to_count_anew(desk: Desk) -> None:
    desk.run("sync", "staging")
    for _ in range(2):
        desk.target.delete("Secret", "shared-secrets")
        assert desk.run("sync", "staging").status == 0
    assert on(desk, "secret.shared-secrets.drifted")["count"] == 1


def test_write_that_fails_stands_on_its_object_beside_what_was_written(offline_desk: Desk) -> None:
    desk = offline_desk

    def refuse(method: str, path: str) -> Fault | None:
        if method == "PATCH" and "/agent-secrets" in path and "dryRun" not in path:
            return ("status", 403, {}, b'{"kind":"Status","reason":"Forbidden","message":"CANARY-openai"}')
        return None

    desk.target.embedded.intercept = refuse
    assert desk.run("sync", "staging").status == 5
    assert on(desk, "secret.agent-secrets.failed")["type"] == "Warning"
    assert on(desk, "secret.shared-secrets.synced")["count"] == 1


def test_cluster_that_hangs_at_events_costs_one_warning_and_little_time(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIMIT", 0.3)
    offline_desk.target.embedded.intercept = lambda _, path: "hang" if "/events/" in path else None
    result = offline_desk.run("sync", "staging")
    assert (result.status, len(result.lines)) == (0, 1)
    server = f"the API server at {offline_desk.target.embedded.url}"
    assert result.lines[0].startswith(f"bridge: warning: the Events of this run: could not all be written: {server}: ")


def test_many_objects_get_so_many_and_one_warning(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MANY", 3)
    many(offline_desk, 5)
    result = offline_desk.run("sync", "staging")
    assert result.lines == [
        "bridge: warning: the Events of this run: written for only 3 of 5 objects; the report lists them all"
    ]
    assert len(events(offline_desk)) == 3


def test_many_events_are_written_side_by_side_to_near_cluster_too(offline_desk: Desk) -> None:
    many(offline_desk, 20)
    together = threading.Barrier(2)

    def meet(method: str, path: str) -> None:
        if method == "GET" and "/events/" in path:
            together.wait(60)

    offline_desk.target.embedded.intercept = meet
    assert offline_desk.run("sync", "staging").err == ""
    assert len(events(offline_desk)) == 20


def test_long_name_is_cut_to_one_that_api_server_takes(desk: Desk) -> None:
    name = "x" * 250
    desk.write("base/long.yml", f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{A: b}}\n")
    desk.environment(templates=["base/long.yml"], sources=[])
    assert desk.run("sync", "staging").err == ""
    (one,) = events(desk).values()
    assert one["involvedObject"]["name"] == name


@pytest.mark.parametrize("target", ["real_target"], indirect=True)
def test_kubectl_shows_them_of_object(desk: Desk, real_cluster: RealCluster) -> None:
    desk.run("sync", "staging")
    text = real_cluster.kubectl("-n", desk.target.namespace, "events", "--for", "secret/shared-secrets").stdout
    assert "bridge created it: added: LIVEKIT_API_KEY" in text
    text = real_cluster.kubectl("-n", desk.target.namespace, "describe", "configmap", "shared-config").stdout
    assert "bridge created it: added: LIVEKIT_URL, DOMAIN" in text
