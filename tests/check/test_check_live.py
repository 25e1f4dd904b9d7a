"""`bridge check --live`: each trap sprung by the real kubectl first, then foretold; and what it needs no more than."""

import json
from pathlib import Path
from typing import Any

import pytest

from bridge.objects import LAST_APPLIED
from bridge.provider import Context
from tests.desk import Desk, Result, Target, set_up_desk
from tests.kustomize.overlays import application
from tests.servers.apiserver import RealCluster
from tests.team import VALUES


@pytest.fixture
def real_desk(
    real_target: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    third_party: Path,
) -> Desk:
    return set_up_desk(real_target, tmp_path, monkeypatch, capfd)


def manifest(kind: str, name: str, **sections: Any) -> str:
    return json.dumps({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}} | sections)


def check(desk: Desk, build: str, *more: str) -> Result:
    return desk.run("check", "staging", "--live", "--manifests", str(desk.write("../build.yaml", build)), *more)


def today(result: Result) -> list[str]:
    """Return what would happen today, object by object."""
    return [line.partition("line 1 ")[2] for line in result.lines if "today: " in line]


def kubectl(cluster: RealCluster, desk: Desk, build: str, *more: str) -> int:
    return cluster.kubectl("-n", desk.target.namespace, "apply", "-f", "-", *more, text=build, check=False).returncode


def test_without_build_sources_and_cluster_are_compared(offline_desk: Desk) -> None:
    desk = offline_desk
    before = desk.target.versions()
    result = desk.run("check", "staging", "--live")
    assert result.status == 0
    assert "staging: 5 objects to change in the cluster, see `bridge plan staging`\n" in result.out
    assert desk.target.versions() == before
    desk.run("sync", "staging")
    assert "staging: no objects to change in the cluster\n" in desk.run("check", "staging", "--live").out
    assert desk.run("check", "staging", "--live", "--output", "json").data["live"]["keep"] == 5
    desk.values(OPENAI_API_KEY=None)
    result = desk.run("check", "staging", "--live")
    assert result.status == 1
    assert any("OPENAI_API_KEY" in line for line in result.lines)


def test_what_sync_would_be_refused_for_is_error(offline_desk: Desk) -> None:
    offline_desk.target.create("Secret", "agent-secrets", {"type": "example.com/other"})
    result = offline_desk.run("check", "staging", "--live")
    assert result.status == 1
    assert any("has type example.com/other" in line for line in result.lines)


def test_sources_are_read_as_if_no_run_had_read_them_before(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bridge_plain import Plain, PlainSession  # noqa: PLC0415

    offline_desk.run("sync", "staging")
    known: list[frozenset[str]] = []
    open_session = Plain.open

    def spy(provider: Plain, context: Context) -> PlainSession:
        known.append(context.known())
        return open_session(provider, context)

    monkeypatch.setattr(Plain, "open", spy)
    monkeypatch.setattr(Plain, "wants_known", True, raising=False)
    offline_desk.run("plan", "staging")
    offline_desk.run("check", "staging", "--live")
    assert known == [frozenset({"values.json"}), frozenset()]


def test_trap_apply_puts_placeholders_over_values(real_desk: Desk, real_cluster: RealCluster) -> None:
    desk, build = real_desk, manifest("Secret", "agent-secrets", stringData={"OPENAI_API_KEY": "${OPENAI_API_KEY}"})
    assert desk.run("sync", "staging").status == 0
    assert today(check(desk, build)) == [
        (
            "Secret/agent-secrets: today: `kubectl apply` would overwrite OPENAI_API_KEY; "
            "`kubectl apply --server-side` would overwrite OPENAI_API_KEY"
        )
    ]
    for flags in ((), ("--server-side",)):
        assert kubectl(real_cluster, desk, build, *flags) == 0
        assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == "${OPENAI_API_KEY}"
        desk.target.delete("Secret", "agent-secrets")
        assert desk.run("sync", "staging").status == 0


def test_server_side_apply_of_data_meets_conflict(real_desk: Desk, real_cluster: RealCluster) -> None:
    desk, build = real_desk, manifest("ConfigMap", "agent-config", data={"LOG_LEVEL": "${LOG_LEVEL:-info}", "X": "y"})
    desk.run("sync", "staging")
    before = desk.target.versions()
    assert today(check(desk, build)) == [
        (
            "ConfigMap/agent-config: today: `kubectl apply` would overwrite LOG_LEVEL; "
            "`kubectl apply --server-side` would be refused over LOG_LEVEL"
        )
    ]
    assert desk.target.versions() == before
    assert kubectl(real_cluster, desk, build, "--server-side") == 1
    assert kubectl(real_cluster, desk, build) == 0
    assert desk.target.data("ConfigMap", "agent-config")["LOG_LEVEL"] == "${LOG_LEVEL:-info}"


def test_trap_build_without_data_takes_every_key_away(real_desk: Desk, real_cluster: RealCluster) -> None:
    desk = real_desk
    desk.run("sync", "staging")
    with_data = manifest("ConfigMap", "agent-config", data={"LOG_LEVEL": "debug"})
    without = manifest("ConfigMap", "agent-config")
    result = check(desk, without)  # nothing was ever applied: as harmless as it stays
    assert (result.status, today(result)) == (0, [])
    assert kubectl(real_cluster, desk, without) == 0
    assert len(desk.target.data("ConfigMap", "agent-config")) == 3

    assert kubectl(real_cluster, desk, with_data) == 0
    assert desk.run("sync", "staging").status == 0  # takes its key back
    result = check(desk, without)
    assert today(result) == [
        "ConfigMap/agent-config: today: `kubectl apply` would delete ENV_MODE, LOG_LEVEL, METRICS_ENABLED"
    ]
    assert result.status == 1
    assert kubectl(real_cluster, desk, without) == 0
    assert desk.target.data("ConfigMap", "agent-config") == {}


def test_trap_nothing_under_data_takes_every_key_away_every_time(real_desk: Desk, real_cluster: RealCluster) -> None:
    desk, build = real_desk, manifest("Secret", "agent-secrets", data=None)
    for _ in range(2):
        assert desk.run("sync", "staging").status == 0
        assert today(check(desk, build)) == [
            (
                "Secret/agent-secrets: today: `kubectl apply` would delete CARTESIA_API_KEY, OPENAI_API_KEY, "
                "DEEPGRAM_API_KEY"
            )
        ]
        assert kubectl(real_cluster, desk, build) == 0
        assert desk.target.data("Secret", "agent-secrets") == {}


def test_trap_key_that_left_build_leaves_object(real_desk: Desk, real_cluster: RealCluster) -> None:
    desk = real_desk
    desk.run("sync", "staging")
    kubectl(real_cluster, desk, manifest("ConfigMap", "agent-config", data={"LOG_LEVEL": "CANARY-x", "X": "y"}))
    desk.canaries.add("CANARY-x")
    desk.run("sync", "staging")
    build = manifest("ConfigMap", "agent-config", data={"X": "y"})
    result = check(desk, build)
    assert today(result) == ["ConfigMap/agent-config: today: `kubectl apply` would delete LOG_LEVEL"]
    assert any("bridge: warning:" in line and "keys ENV_MODE, LOG_LEVEL" in line for line in result.lines)
    assert kubectl(real_cluster, desk, build) == 0
    assert desk.target.data("ConfigMap", "agent-config").keys() == {"ENV_MODE", "METRICS_ENABLED", "X"}
    desk.run("sync", "staging")
    result = check(desk, build)  # what was applied last has no key of bridge any more
    assert (result.status, today(result)) == (0, [])
    assert not any("deletes those that it applied last" in line for line in result.lines)


def test_object_that_is_missing_yet(offline_desk: Desk) -> None:
    result = check(offline_desk, manifest("ConfigMap", "agent-config", data={"LOG_LEVEL": "x"}))
    assert today(result) == [
        "ConfigMap/agent-config: today: it is not in the cluster, and an apply would create it with the build's values"
    ]


@pytest.mark.parametrize("annotation", ["{CANARY", '"data CANARY"', "null"])
def test_annotation_that_is_damaged_tells_nothing(offline_desk: Desk, annotation: str) -> None:
    desk = offline_desk
    desk.run("sync", "staging")
    desk.canaries.add("CANARY")
    desk.target.patch("ConfigMap", "agent-config", {"metadata": {"annotations": {LAST_APPLIED: annotation}}})
    assert check(desk, manifest("ConfigMap", "agent-config")).status == 0


@pytest.mark.parametrize("annotation", ['{"data": 7}', '{"data": "CANARY"}', '{"data": ["CANARY"]}'])
def test_annotation_of_another_form_names_no_key_and_is_no_bug(offline_desk: Desk, annotation: str) -> None:
    desk = offline_desk
    desk.run("sync", "staging")
    desk.canaries.add("CANARY")
    desk.target.patch("ConfigMap", "agent-config", {"metadata": {"annotations": {LAST_APPLIED: annotation}}})
    result = check(desk, manifest("ConfigMap", "agent-config"))
    assert result.status == 1  # the section was applied, so `kubectl apply` of a build without it deletes all of it
    assert "`kubectl apply` would delete" in today(result)[0]


def test_who_deploys_object_and_may_delete_it_is_reported(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.run("sync", "staging")
    desk.target.patch("Secret", "agent-secrets", {"metadata": {"labels": {"argocd.argoproj.io/instance": "voice"}}})
    result = desk.run("check", "staging", "--live")
    assert result.status == 0
    (warning, hint) = result.lines
    assert warning.startswith("bridge: warning: Secret/agent-secrets: Argo CD deploys it and ")
    assert "Prune=false" in hint


def test_what_pod_asks_for_may_be_in_cluster(offline_desk: Desk) -> None:
    desk = offline_desk
    spec = {"containers": [{"name": "c", "envFrom": [{"secretRef": {"name": "theirs"}}]}]}
    pod = json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
    desk.run("sync", "staging")
    assert any("neither this build nor bridge writes Secret/theirs" in line for line in check(desk, pod).lines)
    desk.target.create("Secret", "theirs", {"data": {"A": "eA=="}})
    assert check(desk, pod).status == 0


def test_missing_right_is_one_warning(real_desk: Desk, real_cluster: RealCluster) -> None:
    desk = real_desk
    desk.run("sync", "staging")
    names = ["shared-secrets", "agent-secrets", "shared-config", "agent-config", "front-config"]
    names += ["bridge-voice-agent-staging"]
    rule = {"apiGroups": [""], "resources": ["secrets", "configmaps"], "resourceNames": names, "verbs": ["get"]}
    space = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{desk.target.namespace}"
    real_cluster.request("POST", f"{space}/roles", {"metadata": {"name": "r"}, "rules": [rule]})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}
    subjects = [{"kind": "User", "name": "limited-5", "apiGroup": "rbac.authorization.k8s.io"}]
    binding = {"metadata": {"name": "r"}, "roleRef": reference, "subjects": subjects}
    assert real_cluster.request("POST", f"{space}/rolebindings", binding).status == 201
    real_cluster.kubeconfig(desk.folder / "kubeconfig", token=real_cluster.token_user("limited-5"))
    app = application(desk, Path("kustomize"))
    build = (app.folder / "base/secrets.yml").read_text()
    result = check(desk, build)
    assert result.status == 1  # what the build alone tells
    assert today(result) == []
    (warning,) = [line for line in result.lines if "the effect of an apply is unknown" in line]
    assert warning.startswith("bridge: warning: Secret/shared-secrets in namespace ")
    assert ", Secret/agent-secrets in namespace " in warning
    assert 'the API server forbids "patch" (user "limited-5")' in warning
    assert not any(value in result.out + result.err for value in VALUES.values())
