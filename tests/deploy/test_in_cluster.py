"""What `bridge init --deploy` renders, on a real API server: accepted as it is, enough to run, and no more."""

import base64
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import main
from tests.deploy.pod import ID, ROOT, Pod, deployed, example, in_pod, role, take_away
from tests.desk import Result, Target
from tests.pages import help_block, page
from tests.servers.apiserver import RealCluster
from tests.servers.client import MERGE

CANARY = "demo-openai-key"  # a value of the demonstration's SOPS file
OBJECTS = {"shared-secrets", "agent-secrets", "shared-config", "agent-config", "front-config", ID}


def workloads(target: Target) -> None:
    """Make a Deployment and a StatefulSet whose pods use a Secret of ours."""
    container = {"name": "agent", "image": "agent", "envFrom": [{"secretRef": {"name": "agent-secrets"}}]}
    spec = {
        "selector": {"matchLabels": {"app": "agent"}},
        "template": {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [container]}},
    }
    for plural, kind in (("deployments", "Deployment"), ("statefulsets", "StatefulSet")):
        body = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "agent"}, "spec": spec}
        path = f"/apis/apps/v1/namespaces/{target.namespace}/{plural}"
        assert target.client.request("POST", path, body).status == 201


@pytest.fixture
def target(real_target: Target) -> Target:
    """The namespace, where only what is `restricted` may run."""
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    path = f"/api/v1/namespaces/{real_target.namespace}"
    assert real_target.client.request("PATCH", path, {"metadata": {"labels": levels}}, MERGE).status == 200
    return real_target


@pytest.fixture
def deploy(tmp_path: Path, target: Target, real_cluster: RealCluster) -> Callable[..., Pod]:
    """Render, apply and mount; `options` are components beside the stores', `changes` those of the environment."""

    def deploy(*options: str, **changes: str) -> Pod:
        return deployed(tmp_path, real_cluster, target.namespace, options, **changes)

    return deploy


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run a command as the pod does: its credentials, variables and files."""

    def run(pod: Pod, *command: str) -> Result:
        account = pod.path("/var/run/secrets/kubernetes.io/serviceaccount")
        in_pod(monkeypatch, account)
        for name in ("KUBECONFIG", "BRIDGE_CONFIG", "K8_ENV", "SOPS_AGE_KEY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HOME", "/nonexistent")
        for name, value in pod.environ().items():
            monkeypatch.setenv(name, str(pod.path(value)) if value.startswith("/") else value)
        arguments = pod.arguments()
        place = arguments.index("--config") + 1
        config = str(pod.path(arguments[place]))
        given = [*command, "staging", "--config", config] if command else [*arguments[:place], config]
        given += [] if command else arguments[place + 1 :]
        capfd.readouterr()
        status = main(given)
        out, err = capfd.readouterr()
        assert CANARY not in out + err
        return Result(status, out, err)

    return run


def test_api_server_takes_it_under_restricted_and_its_rights_and_files_are_enough(
    deploy: Callable[..., Pod], run: Callable[..., Result], target: Target
) -> None:
    pod = deploy()
    result = run(pod)
    assert (result.err, result.status) == ("", 0)
    assert target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == CANARY
    assert target.data("ConfigMap", "agent-config")["ENV_MODE"] == "staging"
    assert result.out.splitlines()[1] == f"  cluster: this pod's service account, {pod.cluster.url}"
    assert "nothing to do" in run(pod).out
    for command in (["plan", "--exit-code"], ["status"], ["adopt", "--yes"]):
        result = run(pod, *command)
        assert (result.err, result.status) == ("", 0)


def test_role_names_every_object_and_gives_nothing_but_events_without_name(deploy: Callable[..., Pod]) -> None:
    rules = [rule for rule in role(deploy())["rules"] if rule["resources"] != ["events"]]
    assert all(rule["resourceNames"] for rule in rules)
    assert {name for rule in rules for name in rule["resourceNames"]} == OBJECTS
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "patch", "create", "update"}


SYNC = [
    ("secrets", "get"),
    ("secrets", "patch"),
    ("secrets", "create"),
    ("configmaps", "get"),
    ("configmaps", "patch"),
    ("configmaps", "create"),
    ("leases", "get"),
    ("leases", "create"),
    ("leases", "update"),
]


@pytest.mark.parametrize(("resource", "verb"), SYNC)
def test_no_right_of_role_can_be_spared_and_missing_one_is_named(
    deploy: Callable[..., Pod], run: Callable[..., Result], target: Target, resource: str, verb: str
) -> None:
    pod = deploy()
    take_away(pod, resource, verb)
    before = target.versions()
    result = run(pod)
    assert (result.status, target.versions()) == (1, before)
    assert f'the API server forbids "{verb}"' in result.lines[0]
    assert f"system:serviceaccount:{target.namespace}:{ID}" in result.lines[0]
    kind = {"secrets": "Secret/", "configmaps": "ConfigMap/", "leases": "Lease/"}[resource]
    assert result.lines[0].startswith(f"bridge: error: {kind}")
    assert result.lines[1].startswith("bridge: hint: ")


@pytest.mark.parametrize("command", ["plan", "status", "adopt"])
@pytest.mark.parametrize("resource", ["secrets", "configmaps"])
def test_commands_that_look_need_get(
    deploy: Callable[..., Pod], run: Callable[..., Result], command: str, resource: str
) -> None:
    pod = deploy()
    take_away(pod, resource, "get")
    result = run(pod, command, *(["--yes"] if command == "adopt" else []))
    assert result.status == 1
    assert 'the API server forbids "get"' in result.lines[0]


def test_without_lease_looking_works(deploy: Callable[..., Pod], run: Callable[..., Result]) -> None:
    pod = deploy()
    for verb in ("get", "create", "update"):
        take_away(pod, "leases", verb)
    assert run(pod, "plan").status == 0
    assert run(pod, "status").status == 0


def test_namespaces_uid_is_compared_with_right_to_this_one_namespace(
    deploy: Callable[..., Pod], run: Callable[..., Result], target: Target
) -> None:
    uid = target.client.request("GET", f"/api/v1/namespaces/{target.namespace}").body["metadata"]["uid"]
    pod = deploy(**{"providers:": f"cluster: {{namespace_uid: {uid}}}\nproviders:"})
    result = run(pod)
    assert (result.err, result.status) == ("", 0)
    take_away(pod, "namespaces", "get")
    result = run(pod)
    assert result.status == 1
    assert f'namespace {target.namespace}: the API server forbids "get"' in result.lines[0]


def test_component_for_restarts_gives_what_restart_needs(
    deploy: Callable[..., Pod], run: Callable[..., Result], target: Target
) -> None:
    pod = deploy("restart")
    workloads(target)
    assert pod.arguments()[-1] == "--restart"
    result = run(pod)
    assert (result.err, result.status) == ("", 0)
    result = run(pod, "restart", "--all")
    assert (result.err, result.status, "agent" in result.out) == ("", 0, True)


@pytest.mark.parametrize(
    ("resource", "verb"),
    [
        ("deployments", "list"),
        ("statefulsets", "list"),
        ("daemonsets", "list"),
        ("deployments", "patch"),
        ("replicasets", "list"),
        ("controllerrevisions", "list"),
    ],
)
def test_right_that_restart_misses_is_named(
    deploy: Callable[..., Pod], run: Callable[..., Result], target: Target, resource: str, verb: str
) -> None:
    pod = deploy("restart")
    workloads(target)
    assert run(pod, "sync").status == 0
    take_away(pod, resource, verb)
    result = run(pod, "restart", "--all")
    assert result.status == 1
    assert f'forbids "{verb}"' in result.out + result.err


def test_component_for_pruning_gives_delete_and_nothing_else_does(
    deploy: Callable[..., Pod], run: Callable[..., Result], target: Target
) -> None:
    pod = deploy("prune")
    assert run(pod, "sync").status == 0
    arguments = pod.arguments()
    file = pod.path(arguments[arguments.index("--config") + 1]) / "staging.yaml"
    lines = file.read_text().splitlines(keepends=True)
    left = [line for line in lines if "configmap.yml" not in line and "- staging.public.yaml" not in line]
    file.resolve().write_text("".join(left))
    assert run(pod, "sync", "--allow-shrink", "--prune").status == 0
    assert target.get("ConfigMap", "front-config") is None
    file.resolve().write_text("".join(lines))
    assert run(pod, "sync").status == 0
    file.resolve().write_text("".join(left))
    take_away(pod, "configmaps", "delete")
    result = run(pod, "sync", "--allow-shrink", "--prune")
    assert result.status == 1
    assert 'the API server forbids "delete"' in result.lines[0]


def test_readmes_commands(tmp_path: Path, real_cluster: RealCluster) -> None:
    namespace = {"metadata": {"name": "voice-agent-staging"}}
    assert real_cluster.request("POST", "/api/v1/namespaces", namespace).status in (201, 409)
    example(tmp_path / "config", "voice-agent-staging")
    environ = {
        "PATH": f"{sysconfig.get_path('scripts')}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "KUBECONFIG": str(real_cluster.kubeconfig(tmp_path / "kubeconfig")),
        "AGE_KEYS": str(tmp_path / "demo.agekey"),
        "SCW_SECRET_KEY": "CANARY-scw",
    }
    for name in ("in-the-cluster", "key-into-a-secret"):
        command = ["bash", "-euc", page("in-the-cluster").block(name)]
        done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "CANARY" not in done.stdout + done.stderr
    base = "/api/v1/namespaces/voice-agent-staging/secrets"
    age, scaleway = (real_cluster.request("GET", f"{base}/{ID}.{one}").body for one in ("age", "scaleway"))
    assert base64.b64decode(age["data"]["keys.txt"]).decode() == (tmp_path / "demo.agekey").read_text()
    assert base64.b64decode(scaleway["data"]["SCW_SECRET_KEY"]) == b"CANARY-scw"
    job = real_cluster.request("GET", "/apis/batch/v1/namespaces/voice-agent-staging/jobs/first").body
    assert job["spec"]["template"]["spec"]["serviceAccountName"] == ID


class Terminal:
    """Where an operator pastes blocks of the help pages, for a namespace of this test."""

    def __init__(self, folder: Path, namespace: str, cluster: RealCluster, *programs: Path) -> None:
        self.folder = folder
        self.namespace = namespace
        bins = [sysconfig.get_path("scripts"), *(str(one.parent) for one in programs), "/usr/bin", "/bin"]
        self.environ = {
            "PATH": ":".join(bins),
            "HOME": str(folder),
            "KUBECONFIG": str(cluster.kubeconfig(folder / "kubeconfig")),
            "AGE_KEYS": str(folder / "demo.agekey"),
        }

    def paste(self, name: str) -> str:
        text = help_block(name).replace(" -n voice-agent-staging", f" -n {self.namespace}")
        return self.run("bash", "-euo", "pipefail", "-c", text)

    def run(self, *words: str) -> str:
        done = subprocess.run(
            words, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        assert CANARY not in done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def terminal(
    tmp_path: Path, target: Target, real_cluster: RealCluster, sops_binary: Path, age_binaries: tuple[Path, Path]
) -> Terminal:
    """An environment that runs in the cluster; the demonstration's key opens its file, and `second.agekey` does."""
    made = Terminal(tmp_path, target.namespace, real_cluster, sops_binary, *age_binaries)
    config = example(tmp_path / "config", target.namespace)
    text = (ROOT / "config" / ".env.k8s.staging").read_text()
    (config / ".env.k8s.staging").write_text(text.replace("voice-agent-staging", target.namespace))
    made.run("age-keygen", "-o", "second.agekey")
    keys = ["demo.agekey", "second.agekey"]
    made.environ |= {
        "LOST": made.run("age-keygen", "-y", keys[0]).strip(),
        "SOPS_AGE_KEY_FILE": str(tmp_path / keys[0]),
    }
    recipients = ",".join(made.run("age-keygen", "-y", one).strip() for one in keys)
    (tmp_path / ".sops.yaml").write_text(f"creation_rules: [{{age: '{recipients}'}}]\n")
    made.run("sops", "updatekeys", "--yes", "config/staging.sops.yaml")
    file = config / "staging.yaml"
    file.write_text(file.read_text().replace("sops: {age_key_file: demo.agekey}", "sops: {}"))
    made.paste("in-the-cluster")
    return made


def pods_plan(terminal: Terminal, cluster: RealCluster, root: Path) -> str:
    """Plan with the pod's own files and the key that the cluster has for it; return the plan."""
    path = f"/api/v1/namespaces/{terminal.namespace}/secrets/{ID}.age"
    root.mkdir()
    key = base64.b64decode(cluster.request("GET", path).body["data"]["keys.txt"])
    (root / "demo.agekey").write_bytes(key)  # where the pod's volume takes it from
    pod = Pod(cluster, terminal.namespace, root)
    pod.mount()
    terminal.environ["SOPS_AGE_KEY_FILE"] = str(pod.path(pod.environ()["SOPS_AGE_KEY_FILE"]))
    _, config = pod.arguments()[pod.arguments().index("--config") :][:2]
    return terminal.run("bridge", "plan", "staging", "--config", str(pod.path(config)))


def test_pause_outlasts_apply_and_ends(terminal: Terminal, target: Target) -> None:
    path = f"/apis/batch/v1/namespaces/{target.namespace}/cronjobs/{ID}"
    for name, suspended in (("pause", True), ("pause", True), ("resume", False)):
        terminal.paste(name)
        terminal.run("kubectl", "apply", "-k", "deploy/staging")
        assert target.client.request("GET", path).body["spec"]["suspend"] is suspended


def test_lost_age_key_is_replaced_by_another_recipient(
    terminal: Terminal, tmp_path: Path, real_cluster: RealCluster
) -> None:
    terminal.environ["SOPS_AGE_KEY_FILE"] = str(tmp_path / "second.agekey")
    before = (tmp_path / "config" / "staging.sops.yaml").read_text()
    assert terminal.paste("lost-age-key").splitlines()[-1] == "staging: the files are valid"
    after = (tmp_path / "config" / "staging.sops.yaml").read_text()
    assert terminal.environ["LOST"] in before
    assert terminal.environ["LOST"] not in after
    assert not set(after.splitlines()) & {line for line in before.splitlines() if "ENC[" in line}
    terminal.paste("new-age-key-in-the-cluster")
    del terminal.environ["SOPS_AGE_KEY_FILE"]
    assert "5 to create" in pods_plan(terminal, real_cluster, tmp_path / "root")


def test_values_come_from_cluster_if_no_age_key_is_left(
    terminal: Terminal, tmp_path: Path, real_cluster: RealCluster
) -> None:
    terminal.run("bridge", "sync", "staging", "--first")
    del terminal.environ["SOPS_AGE_KEY_FILE"]
    terminal.run("age-keygen", "-o", "new.agekey")
    recipient = terminal.run("age-keygen", "-y", "new.agekey").strip()
    (tmp_path / ".sops.yaml").write_text(f"creation_rules: [{{age: {recipient}}}]\n")
    terminal.environ["SOPS_AGE_KEY_FILE"] = str(tmp_path / "new.agekey")
    terminal.paste("no-age-key-left")
    terminal.paste("new-age-key-in-the-cluster")
    del terminal.environ["SOPS_AGE_KEY_FILE"]
    assert "5 unchanged" in pods_plan(terminal, real_cluster, tmp_path / "root")


def test_stranger_of_namespace_has_none_of_these_rights(
    deploy: Callable[..., Pod], run: Callable[..., Result], target: Target, real_cluster: RealCluster
) -> None:
    deploy()
    body: dict[str, Any] = {"metadata": {"name": "stranger"}}
    path = f"/api/v1/namespaces/{target.namespace}/serviceaccounts"
    assert real_cluster.request("POST", path, body).status == 201
    name = f"system:serviceaccount:{target.namespace}:stranger"
    done = real_cluster.kubectl(
        "auth", "can-i", "get", "secrets/agent-secrets", f"--as={name}", "-n", target.namespace, check=False
    )
    assert done.stdout.strip() == "no"
