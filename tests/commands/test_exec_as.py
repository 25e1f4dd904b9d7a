"""`bridge exec --as`: the command gets what the container of a workload has in its pod."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.commands.exec_as import KEPT
from tests.cluster.test_rights import allow
from tests.desk import Desk, Result, set_up_desk
from tests.servers.apiserver import LIMITED
from tests.team import DEPLOYMENT

PRINT = "import json, os; print(json.dumps(dict(os.environ)))"
ENV = "Deployment/agent container agent env"
Run = Callable[..., tuple[int, str, list[str]]]


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


@pytest.fixture
def run(desk: Desk, tmp_path: Path, third_party: Path) -> Run:
    """Run a command as a container; the caller has a few variables of its own."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "BRIDGE_CONFIG": str(desk.folder)}
    environ["PYTHONPATH"] = os.pathsep.join([str(third_party), *filter(None, [os.environ.get("PYTHONPATH")])])
    environ |= {"OPENAI_API_KEY": "of the caller", "OTHER": "of the caller", "LC_ALL": "C.UTF-8", "TERM": "dumb"}

    def run(*words: str, text: str | None = None, child: str = PRINT, **more: str) -> tuple[int, str, list[str]]:
        command = [sys.executable, "-m", "bridge", "exec", "staging", *words, "--", sys.executable, "-c", child]
        done = subprocess.run(command, env=environ | more, input=text, capture_output=True, text=True, check=False)
        lines = done.stderr.splitlines()
        assert not any(canary in done.stderr for canary in desk.canaries)
        return done.returncode, done.stdout, lines

    return run


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """Return a pod template."""
    named = [{"name": f"c{number}", "image": "x"} | one for number, one in enumerate(containers)]
    return {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": named} | spec}


def workload(template: dict[str, Any], kind: str = "Deployment", name: str = "agent", **more: Any) -> dict[str, Any]:
    version = {"Pod": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}.get(kind, "apps/v1")
    content: dict[str, Any] = {"template": template}
    if kind == "CronJob":
        content = {"schedule": "0 0 * * *", "jobTemplate": {"spec": content}}
    head = {"apiVersion": version, "kind": kind, "metadata": {"name": name} | more}
    if kind == "Pod":
        return head | {"spec": template["spec"]}
    return head | {"spec": content}


def build(*objects: dict[str, Any]) -> str:
    return "---\n".join(json.dumps(one) + "\n" for one in objects)


def built(run: Run, *objects: dict[str, Any], words: tuple[str, ...] = (), **more: Any) -> dict[str, str]:
    """Return the command's environment with a build that gives no reason to warn."""
    status, out, lines = run(*words, "--as", "Deployment/agent", "--manifests", "-", text=build(*objects), **more)
    assert (status, lines) == (0, [])
    return json.loads(out)


def failed(run: Run, *objects: dict[str, Any], words: tuple[str, ...] = (), status: int = 1, **more: Any) -> list[str]:
    """Return the errors of a run that has not started the command."""
    found, out, lines = run(*words, "--as", "Deployment/agent", "--manifests", "-", text=build(*objects), **more)
    assert (found, out) == (status, "")
    return [line.removeprefix("bridge: error: ") for line in lines if line.startswith("bridge: error: ")]


def no_cluster(desk: Desk) -> None:
    desk.environment(cluster=None)
    (desk.folder / "kubeconfig").unlink()


def test_container_has_the_values_of_the_sources(desk, run):
    no_cluster(desk)
    status, out, lines = run("--as", "Deployment/agent", "--manifests", "-", text=DEPLOYMENT)
    assert (status, lines) == (0, [])
    found = json.loads(out)
    assert found.pop("LC_CTYPE", "") in {"", "C.UTF-8"}  # Python's own
    assert found == {
        "CARTESIA_API_KEY": "CANARY-cartesia",
        "OPENAI_API_KEY": "CANARY-openai",
        "DEEPGRAM_API_KEY": "CANARY-deepgram",
        "ENV_MODE": "staging",
        "LOG_LEVEL": "info",
        "METRICS_ENABLED": "true",
        "LIVEKIT": "CANARY-livekit-key",
        "PATH": os.environ["PATH"],
        "HOME": found["HOME"],
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
    }


def test_variables_of_the_container_replace_those_of_the_caller(desk, run):
    no_cluster(desk)
    found = built(run, workload(pod({"env": [{"name": "HOME", "value": "/app"}, {"name": "TERM", "value": ""}]})))
    assert (found["HOME"], found["TERM"]) == ("/app", "")


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod"])
@pytest.mark.parametrize("word", [str, str.lower])
def test_kinds_that_have_pods(desk, run, kind, word):
    no_cluster(desk)
    text = build(workload(pod({"env": [{"name": "X", "value": kind}]}), kind))
    _, out, lines = run("--as", f"{word(kind)}/agent", "--manifests", "-", text=text)
    assert (json.loads(out)["X"], lines) == (kind, [])


@pytest.mark.parametrize("word", ["deploy", "deployments"])
def test_kind_as_kubectl_has_it(desk, run, word):
    no_cluster(desk)
    assert run("--as", f"{word}/agent", "--manifests", "-", text=DEPLOYMENT)[0] == 0


def test_build_from_a_file(desk, run, tmp_path):
    no_cluster(desk)
    (tmp_path / "build.yaml").write_text(DEPLOYMENT)
    assert run("--as", "Deployment/agent", "--manifests", str(tmp_path / "build.yaml"))[0] == 0
    status, _, lines = run("--as", "Deployment/agent", "--manifests", str(tmp_path / "absent.yaml"))
    assert (status, lines) == (2, [f"bridge: error: {tmp_path}/absent.yaml: no such file"])


def containers() -> dict[str, Any]:
    first, second = ({"env": [{"name": "X", "value": text}]} for text in ("first", "second"))
    return workload(pod(first, second, initContainers=[{"name": "before", "env": [{"name": "X", "value": "init"}]}]))


def test_container_is_chosen(desk, run):
    no_cluster(desk)
    for name, value in (("c0", "first"), ("c1", "second"), ("before", "init")):
        assert built(run, containers(), words=("--container", name))["X"] == value
    annotated = containers()
    annotated["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/default-container": "c1"}
    assert built(run, annotated)["X"] == "second"
    assert failed(run, containers(), words=("--container", "c9"), status=2) == ["Deployment/agent: no container c9"]


def test_first_of_several_containers_is_named(desk, run):
    no_cluster(desk)
    words = ("--as", "Deployment/agent", "--manifests", "-")
    status, out, lines = run(*words, text=build(containers()))
    assert (status, json.loads(out)["X"]) == (0, "first")
    assert lines == ["bridge: using container c0 of Deployment/agent; --container selects another one"]
    annotated = containers()
    annotated["spec"]["template"]["metadata"]["annotations"] = {"kubectl.kubernetes.io/default-container": "gone"}
    _, _, lines = run(*words, text=build(annotated))
    what = "its default container does not exist; c0 is used instead"
    assert lines == [f"bridge: warning: Deployment/agent: {what}"]


def test_object_of_the_build_fills_what_templates_do_not_have(desk, run):
    no_cluster(desk)
    env_from = [{"secretRef": {"name": "theirs"}}, {"configMapRef": {"name": "agent-config"}}]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "theirs"}}
    secret |= {"data": {"A": "YQ==", "B": "Yg=="}, "stringData": {"B": "string"}}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "agent-config"}}
    config |= {"data": {"LOG_LEVEL": "of the build", "MORE": "of the build"}}
    found = built(run, workload(pod({"envFrom": env_from})), secret, config)
    expected = {"A": "a", "B": "string", "LOG_LEVEL": "info", "MORE": "of the build", "ENV_MODE": "staging"}
    assert {name: found[name] for name in expected} == expected


def test_only_objects_of_the_namespace_count(desk, run):
    no_cluster(desk)
    elsewhere = workload(pod({"env": [{"name": "X", "value": "elsewhere"}]}), namespace="other")
    here = workload(pod({"env": [{"name": "X", "value": "here"}]}), namespace="voice")
    assert built(run, elsewhere, here)["X"] == "here"
    assert failed(run, elsewhere, status=2) == ["stdin: no Deployment/agent in namespace voice"]


def test_every_missing_object_is_named_at_once(desk, run):
    no_cluster(desk)
    env = [
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "agent-secrets", "key": "NONE"}}},
        {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "k"}}},
        {"name": "PORT", "value": 8080},
        {"name": "C", "valueFrom": {"secretKeyRef": {"name": "none"}}},
        {"name": "D=", "value": "x"},
    ]
    errors = failed(run, workload(pod({"name": "agent", "env": env, "envFrom": [{"secretRef": {"name": "none"}}, {}]})))
    assert errors.pop().endswith("/.kube/config: no kubeconfig found")  # the cluster might have them
    assert errors == [
        "Deployment/agent container agent envFrom: Secret/none not found in the templates or the build",
        "Deployment/agent container agent envFrom[1]: names neither a Secret nor a ConfigMap",
        f"{ENV} A: key NONE of Secret/agent-secrets not found in the templates or the build",
        f"{ENV} B: ConfigMap/none not found in the templates or the build",
        f"{ENV} PORT: its value is not text",
        f"{ENV} C: its secretKeyRef has no name or no key",
        "Deployment/agent container agent env[4]: its name is missing or invalid",
    ]


def test_missing_value_of_a_source_is_an_error(desk, run):
    desk.values(OPENAI_API_KEY=None)
    errors = failed(run, workload(pod({})))
    assert errors == ["base/secrets.yml Secret/agent-secrets key OPENAI_API_KEY: ${OPENAI_API_KEY} has no value"]


def test_optional_objects_without_a_cluster_are_left_out_with_a_warning(desk, run):
    no_cluster(desk)
    env_from = [{"secretRef": {"name": "none", "optional": True}}]
    words = ("--as", "Deployment/agent", "--manifests", "-")
    status, _, lines = run(*words, text=build(workload(pod({"envFrom": env_from}))))
    assert status == 0
    assert lines[0].startswith("bridge: warning: Secret/none: whether it exists in the cluster is unknown: ")


def test_binary_keys_of_config_maps_are_no_variables(desk, run):
    no_cluster(desk)
    head = {"apiVersion": "v1", "kind": "ConfigMap"}
    blob = head | {"metadata": {"name": "blob"}, "data": {"A": "a"}, "binaryData": {"BLOB": "/w=="}}
    desk.write("base/blob.json", blob)
    desk.environment(cluster=None, templates=["base/secrets.yml", "base/configmap.yml", "base/blob.json"])
    other = head | {"metadata": {"name": "other"}, "data": {"B": "b"}, "binaryData": {"BLOB": "/w==", "TEXT": "eA=="}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}, "data": {"S": "Q0FOQVJZ"}}
    sources = [{"configMapRef": {"name": "blob"}}, {"configMapRef": {"name": "other"}}, {"secretRef": {"name": "own"}}]
    env_from = [source | {"prefix": "V_"} for source in sources]
    found = built(run, other, secret, workload(pod({"envFrom": env_from})))
    assert {name: value for name, value in found.items() if name.startswith("V_")} == {
        "V_A": "a",
        "V_B": "b",
        "V_S": "CANARY",
    }


def test_objects_that_the_build_does_not_have_come_from_the_cluster(desk, run):
    desk.target.create("Secret", "theirs", {"data": {"A": "YQ=="}})
    desk.target.create("ConfigMap", "theirs", {"data": {"B": "b"}, "binaryData": {"BLOB": "/w=="}})
    env_from = [
        {"secretRef": {"name": "theirs"}, "prefix": "S_"},
        {"configMapRef": {"name": "theirs"}, "prefix": "C_"},
        {"secretRef": {"name": "none", "optional": True}},
    ]
    found = built(run, workload(pod({"envFrom": env_from})))
    assert {name: value for name, value in found.items() if name[1] == "_"} == {"S_A": "a", "C_B": "b"}
    env = [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k"}}}]
    assert failed(run, workload(pod({"name": "agent", "env": env}))) == [
        f"{ENV} X: Secret/none not found in the templates, the build or the cluster"
    ]


def test_generated_copy_gets_the_values_of_the_template(desk, run):
    no_cluster(desk)
    name = "agent-secrets-2f9h8k6mtd"
    copy = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
    copy |= {"data": {"OPENAI_API_KEY": "b2xk", "THEIRS": "b2xk"}}
    words = ("--as", "Deployment/agent", "--manifests", "-")
    status, out, lines = run(*words, text=build(workload(pod({"envFrom": [{"secretRef": {"name": name}}]})), copy))
    found = json.loads(out)
    assert (status, found["OPENAI_API_KEY"], found["THEIRS"]) == (0, "CANARY-openai", "old")
    assert lines[0].startswith(
        f"bridge: warning: Deployment/agent: uses Secret/{name}, a generated copy of Secret/agent-"
    )


def test_what_only_a_pod_has_comes_from_the_caller_or_is_not_set(desk, run):
    no_cluster(desk)
    env = [
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "SA", "valueFrom": {"fieldRef": {"fieldPath": "spec.serviceAccountName"}}},
        {"name": "HASH", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['pod-template-hash']"}}},
        {"name": "REDIS", "value": "redis://$(REDIS_SERVICE_HOST)"},
    ]
    text = build(workload(pod({"name": "agent", "env": env})))
    status, out, lines = run("--as", "Deployment/agent", "--manifests", "-", text=text, POD_IP="127.0.0.1")
    found = json.loads(out)
    assert status == 0
    assert {"CPU", "HASH"}.isdisjoint(found)
    assert [found[name] for name in ("POD_IP", "NAMESPACE", "APP", "SA")] == ["127.0.0.1", "voice", "agent", "default"]
    assert [line.removeprefix(f"bridge: warning: {ENV} ") for line in lines if "hint" not in line] == [
        "CPU: not set: only a running pod has its limits.cpu",
        "HASH: not set: only a running pod has its metadata.labels['pod-template-hash']",
        "REDIS: $(REDIS_SERVICE_HOST) stays as it is: bridge does not set the variables of Services",
    ]


def test_invalid_objects_of_the_build(desk, run):
    no_cluster(desk)
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "theirs"}, "data": {"A": "CANARY %"}}
    workload_ = workload(pod({"envFrom": [{"secretRef": {"name": "theirs"}}]}))
    assert failed(run, workload_, secret) == [
        "document 2 line 3 Secret/theirs key A: not base64, which the API server refuses"
    ]
    assert failed(run, workload(pod())) == ["Deployment/agent: has no containers"]
    assert failed(run, workload({})) == ["Deployment/agent: has no pod template"]
    custom = workload(pod({})) | {"apiVersion": "example.com/v1"}
    assert failed(run, custom, status=2) == ["stdin: no Deployment/agent in namespace voice"]


def test_zero_byte_is_refused(desk, run):
    no_cluster(desk)
    desk.values(OPENAI_API_KEY="CANARY\0x")
    status, out, lines = run("--as", "Deployment/agent", "--manifests", "-", text=DEPLOYMENT)
    assert (status, out) == (1, "")
    assert "OPENAI_API_KEY contains a zero byte" in lines[0]


def test_mask_hides_everything_that_comes_from_a_secret(desk, run):
    desk.target.create("Secret", "theirs", {"data": {"A": "dGhlaXItc2VjcmV0"}})
    desk.write("base/secrets.yml", (desk.folder / "base/secrets.yml").read_text().replace(
        "  CARTESIA_API_KEY: ${CARTESIA_API_KEY}\n", '  CARTESIA_API_KEY: "https://me:${CARTESIA_API_KEY}@host"\n'
    ))  # fmt: skip
    env = [
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "agent-secrets", "key": "CARTESIA_API_KEY"}}},
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "theirs", "key": "A"}}},
        {"name": "URL", "value": "x://$(A)/"},
        {"name": "A", "value": "later"},
    ]
    child = "import os; e = os.environ; print(e['KEY'], e['KEY'][11:-5], e['URL'], e['A'], e['ENV_MODE'])"
    text = build(workload(pod({"env": env, "envFrom": [{"configMapRef": {"name": "agent-config"}}]})))
    status, out, lines = run("--mask", "--as", "Deployment/agent", "--manifests", "-", text=text, child=child)
    assert (status, out, lines) == (0, "******** ******** x://********/ later staging\n", [])


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--as", "agent", "--", "x"], "argument --as: must be KIND/NAME, such as Deployment/agent"),
        (["--as", "Deployment/", "--", "x"], "argument --as: must be KIND/NAME, such as Deployment/agent"),
        (["--as", "Deployment/CANARY", "--", "x"], "argument --as: must be KIND/NAME, such as Deployment/agent"),
        (["--as", "Pod/a", "--container", "A", "--", "x"], "argument --container: must be the name of a container"),
        (["--manifests", "-", "--", "x"], "--manifests needs --as"),
        (["--container", "x", "--", "x"], "--container needs --as"),
        (["--in-cluster", "--", "x"], "--in-cluster needs --as"),
        (["--as", "Pod/a", "--with", "X", "--", "x"],
         "--as cannot be combined with --with: a workload's container has its own variables"),
    ],
)  # fmt: skip
def test_options_that_do_not_go_together(desk, words, what):
    result = desk.run("exec", "staging", *words)
    assert (result.status, result.lines[-1]) == (2, f"bridge exec: error: {what}")


def test_kind_without_pods(desk):
    result = desk.run("exec", "staging", "--as", "Service/agent", "--", "x")
    assert (result.status, result.lines[0]) == (2, "bridge: error: --as: Service is not a kind that has pods")


NOT_FOUND = ["bridge: error: x: command (or the interpreter in its first line) not found"]


class Live:
    """A namespace of a real API server, with workloads in it."""

    def __init__(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk = desk
        self._environ: dict[bytes, bytes] = {}
        monkeypatch.setattr("os.execvpe", self._start)
        monkeypatch.setenv("BRIDGE_CONFIG", str(desk.folder))  # the desk's own option would go to the command

    def _start(self, _file: str, _words: list[str], environ: dict[bytes, bytes]) -> None:
        self._environ = environ
        raise FileNotFoundError(2, "no")

    def started(self, kind: str) -> tuple[Result, dict[bytes, bytes]]:
        """Return the run's result, and the environment that the command would have."""
        return self.desk.run("exec", "staging", "--as", f"{kind}/agent", "--", "x"), self._environ

    def create(self, content: dict[str, Any], plural: str) -> None:
        group = content["apiVersion"] if content["apiVersion"] == "v1" else None
        place = "api/v1" if group else f"apis/{content['apiVersion']}"
        path = f"/{place}/namespaces/{self.desk.target.namespace}/{plural}"
        reply = self.desk.target.client.request("POST", path, content)
        assert reply.status == 201, reply.body


@pytest.fixture
def live(real_target, tmp_path, monkeypatch, capfd, third_party) -> Live:
    return Live(set_up_desk(real_target, tmp_path, monkeypatch, capfd), monkeypatch)


def stored(kind: str) -> dict[str, Any]:
    """Return a workload as the API server takes it."""
    env = [
        {"name": "KIND", "value": kind},
        {"name": "THEIRS", "valueFrom": {"secretKeyRef": {"name": "theirs", "key": "A"}}},
        {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "BOTH", "value": "$(OPENAI_API_KEY)+$(THEIRS)"},
    ]
    template = pod({"name": "agent", "image": "x", "env": env, "envFrom": [{"secretRef": {"name": "agent-secrets"}}]})
    if kind in {"Job", "CronJob"}:
        template["spec"]["restartPolicy"] = "Never"
    content = workload(template, kind)
    if kind not in {"Job", "CronJob", "Pod"}:
        content["spec"]["selector"] = {"matchLabels": {"app": "agent"}}
    return content


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod"])
def test_container_of_the_cluster(live, kind):
    """Its keys are those that the next sync would write; other keys and objects are the cluster's."""
    desk = live.desk
    assert desk.run("sync", "staging").status == 0
    desk.target.edit("Secret", "agent-secrets", THEIRS_TOO="kept")
    desk.target.create("Secret", "theirs", {"data": {"A": "YQ=="}})
    live.create(stored(kind), f"{kind.lower()}s")
    desk.values(OPENAI_API_KEY="CANARY-new", DEEPGRAM_API_KEY="CANARY-deepgram-new")
    # The template loses a key, which the next sync removes.
    desk.write("base/secrets.yml", (desk.folder / "base/secrets.yml").read_text().replace(
        "  CARTESIA_API_KEY: ${CARTESIA_API_KEY}\n", ""
    ))  # fmt: skip
    result, environ = live.started(kind)
    assert result.lines == NOT_FOUND
    assert {name: value for name, value in environ.items() if name not in KEPT and name[:3] != b"LC_"} == {
        b"KIND": kind.encode(),
        b"THEIRS": b"a",
        b"NAME": desk.target.namespace.encode(),
        b"BOTH": b"CANARY-new+a",
        b"OPENAI_API_KEY": b"CANARY-new",
        b"DEEPGRAM_API_KEY": b"CANARY-deepgram-new",
        b"THEIRS_TOO": b"kept",
    }


def test_workload_that_the_cluster_does_not_have(live):
    namespace = live.desk.target.namespace
    result = live.desk.run("exec", "staging", "--as", "Deployment/agent", "--", "x")
    assert (result.status, result.out) == (1, "")
    assert result.lines == [
        f"bridge: error: Deployment/agent in namespace {namespace}: not found",
        f"bridge: hint: list them with `kubectl get deployments -n {namespace}`, or pass a build with --manifests",
    ]


def test_user_who_may_read_workloads_but_no_secret(live, real_cluster):
    """The templates' keys suffice; what others wrote is unknown, and a Secret of others is an error."""
    desk = live.desk
    live.create(stored("Deployment"), "deployments")
    allow(desk, "delete", more=[{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}])
    real_cluster.kubeconfig(desk.folder / "kubeconfig", token=real_cluster.token_user(LIMITED))
    result, environ = live.started("Deployment")
    assert (result.status, environ) == (1, {})
    errors = [line for line in result.lines if line.startswith("bridge: error")]
    assert errors[0] == f"bridge: error: {ENV} THEIRS: Secret/theirs not found in the templates"
    assert errors[1].startswith(f"bridge: error: Secret/theirs in namespace {desk.target.namespace}: ")

    desk.write("base/secrets.yml", f"{(desk.folder / 'base/secrets.yml').read_text()}---\n" + json.dumps(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "theirs"}, "stringData": {"A": "${OPENAI_API_KEY}"}}
    ))  # fmt: skip
    result, environ = live.started("Deployment")
    assert (environ[b"THEIRS"], environ[b"CARTESIA_API_KEY"]) == (b"CANARY-openai", b"CANARY-cartesia")
    assert result.lines[0].startswith("bridge: warning: Secret/agent-secrets: keys that others wrote are unknown: ")
