"""`bridge restart` and `sync --restart` on a real API server with the real controllers; kwok plays the node."""

import copy
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.desk import Desk, Result, Target
from tests.servers.apiserver import RealCluster
from tests.servers.kwok import NODE, Kwok
from tests.team import SECRETS
from tests.waiting import until

MARK = "bridge/voice-agent-staging"
PLURALS = {"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets"}
ALL_OF_AGENT = [{"secretRef": {"name": "agent-secrets"}}, {"secretRef": {"name": "shared-secrets"}}]
WAIT = ("--wait", "60s")


@pytest.fixture
def target(real_target: Target, controllers: Kwok) -> Target:
    return real_target


class Team:
    """A team's deploy job: the real `kubectl apply`, and what can be seen of their pods."""

    def __init__(self, cluster: RealCluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.manifest = ""  # as it was deployed last

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments, text=text).stdout

    def deploy(self, kind: str = "Deployment", name: str = "agent", pod: Any = None, **spec: Any) -> None:
        container = {"name": "main", "image": "registry.example.com/voice:1", "envFrom": ALL_OF_AGENT}
        container |= (pod or {}).pop("container", {})
        template = {"metadata": {"labels": {"app": name}}, "spec": {"nodeName": NODE, "containers": [container]}}
        template["spec"] |= pod or {}
        usual = {"Deployment": {"replicas": 2}, "StatefulSet": {"replicas": 2, "serviceName": name}}.get(kind, {})
        body = {"selector": {"matchLabels": {"app": name}}, "template": template}
        content = {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": usual | body | spec}
        self.manifest = json.dumps(content)
        self.kubectl("apply", "-f", "-", text=self.manifest)

    def finished(self, kind: str = "Deployment", name: str = "agent") -> None:
        """Wait as kubectl does, whose word is independent of ours."""
        self.kubectl("rollout", "status", f"{kind.lower()}/{name}", "--timeout=45s")

    def get(self, kind: str = "Deployment", name: str = "agent") -> dict[str, Any]:
        return json.loads(self.kubectl("get", kind, name, "-o", "json"))

    def mark(self, kind: str = "Deployment", name: str = "agent") -> str | None:
        return (self.get(kind, name)["spec"]["template"]["metadata"].get("annotations") or {}).get(MARK)

    def templates(self, kind: str = "Deployment", name: str = "agent") -> int:
        """Count the pod templates that were ever rolled out."""
        plural = "replicasets" if kind == "Deployment" else "controllerrevisions"
        items = json.loads(self.kubectl("get", plural, "-o", "json"))["items"]
        return sum(one["metadata"]["ownerReferences"][0]["name"] == name for one in items)

    def pods(self) -> set[str]:
        """Return the pods that nobody has told to end."""
        items = json.loads(self.kubectl("get", "pods", "-o", "json"))["items"]
        return {one["metadata"]["uid"] for one in items if "deletionTimestamp" not in one["metadata"]}


@pytest.fixture
def team(real_cluster: RealCluster, target: Target) -> Team:
    return Team(real_cluster, target.namespace)


@pytest.fixture
def running(desk: Desk, team: Team) -> Desk:
    """A desk whose Secrets are written and whose agent runs with them."""
    assert desk.run("sync", "staging").status == 0
    team.deploy()
    team.finished()
    return desk


def change(desk: Desk, number: int = 1) -> Result:
    """Change a value of each Secret at its source, and sync."""
    desk.values(LIVEKIT_API_KEY=f"CANARY-livekit-{number}", OPENAI_API_KEY=f"CANARY-openai-{number}")
    result = desk.run("sync", "staging")
    assert (result.status, result.err) == (0, "")
    return result


def in_another_second() -> None:
    time.sleep(2)


def test_deployment_rolls_exactly_once_after_two_secrets_changed(running: Desk, team: Team) -> None:
    assert running.run("restart", "staging").out.endswith("1 up to date: nothing to restart\n")
    before = team.pods()
    change(running)
    result = running.run("restart", "staging", *WAIT)
    assert result.status == 0
    assert "~ Deployment/agent  to restart (restarted)\n" in result.out
    assert "    Secret/agent-secrets changed " in result.out
    assert ": OPENAI_API_KEY\n" in result.out
    assert result.out.endswith("1 to restart, 0 up to date: restarted\n")
    assert result.lines[-1].endswith("2 of 2 pods are new, 2 ready, finished")
    assert not before & team.pods()
    again = running.run("restart", "staging", *WAIT)
    assert (again.status, again.err, again.out.splitlines()[-1]) == (0, "", "1 up to date: nothing to restart")
    team.deploy()
    team.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=team.manifest)
    team.finished()
    assert (team.templates(), bool(team.mark())) == (2, True)


def test_mark_is_only_change_and_it_is_ours(running: Desk, team: Team) -> None:
    before = team.get()["spec"]
    change(running)
    running.run("restart", "staging")
    after = copy.deepcopy(team.get())
    assert after["spec"]["template"]["metadata"].pop("annotations").keys() == {MARK}
    assert after["spec"] == before
    fields = json.loads(team.kubectl("get", "deployment", "agent", "-o", "json", "--show-managed-fields"))
    ours = [one for one in fields["metadata"]["managedFields"] if one["manager"] == MARK]
    assert [one["fieldsV1"]["f:spec"]["f:template"]["f:metadata"]["f:annotations"].keys() - {"."} for one in ours] == [
        {f"f:{MARK}"}
    ]


def test_labels_and_annotations_of_object_restart_nobody(running: Desk, team: Team) -> None:
    running.write("base/secrets.yml", SECRETS.replace("{name: agent-secrets}", "{name: agent-secrets, labels: {a: b}}"))
    result = running.run("sync", "staging", "--restart")
    assert (result.status, result.out.splitlines()[-1]) == (0, "1 updated, 4 unchanged")
    assert team.templates() == 1


def test_first_creation_restarts_nobody_who_waited_for_it(desk: Desk, team: Team) -> None:
    team.deploy()
    team.deploy(
        name="careless", pod={"container": {"envFrom": [{"secretRef": {"name": "agent-secrets", "optional": True}}]}}
    )
    team.finished()
    team.finished(name="careless")
    result = desk.run("sync", "staging", "--restart", *WAIT)
    assert result.status == 0
    assert "Deployment/careless  to restart (restarted)" in result.out
    assert (team.templates(), team.templates(name="careless")) == (1, 2)


@pytest.mark.parametrize(
    "change_template", [lambda text: f"{text}  NEW: x\n", lambda text: text.rsplit("  DEEP", 1)[0]]
)
def test_key_that_comes_or_goes_later_restarts(
    running: Desk, team: Team, change_template: Callable[[str], str]
) -> None:
    running.write("base/secrets.yml", change_template(SECRETS))
    assert running.run("sync", "staging", "--restart", *WAIT).status == 0
    assert team.templates() == 2


def test_deploy_after_change_needs_no_restart(running: Desk, team: Team) -> None:
    change(running)
    in_another_second()
    team.deploy(pod={"container": {"image": "registry.example.com/voice:2"}})  # and at once, while it rolls:
    assert running.run("restart", "staging").out.splitlines()[-1] == "1 up to date: nothing to restart"
    team.finished()
    assert team.templates() == 2


def test_edit_of_workload_that_rolls_nothing_hides_no_change(running: Desk, team: Team) -> None:
    change(running)
    in_another_second()
    team.deploy(replicas=3)
    team.kubectl("label", "deployment", "agent", "edited=later")
    assert running.run("restart", "staging", *WAIT).status == 0
    assert team.templates() == 2


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_other_kinds_roll_once_too(desk: Desk, team: Team, kind: str) -> None:
    desk.run("sync", "staging")
    team.deploy(kind)
    team.finished(kind)
    assert desk.run("restart", "staging").out.splitlines()[-1] == "1 up to date: nothing to restart"
    change(desk)
    assert desk.run("restart", "staging", *WAIT).status == 0
    team.finished(kind)
    assert team.templates(kind) == 2
    assert desk.run("restart", "staging").out.splitlines()[-1] == "1 up to date: nothing to restart"
    in_another_second()
    change(desk, 2)
    in_another_second()
    team.deploy(kind, pod={"container": {"image": "registry.example.com/voice:2"}})
    team.finished(kind)
    assert desk.run("restart", "staging").out.splitlines()[-1] == "1 up to date: nothing to restart"


def test_volume_follows_by_itself_and_sub_path_does_not(desk: Desk, team: Team) -> None:
    desk.run("sync", "staging")
    volumes = [{"name": "keys", "secret": {"secretName": "agent-secrets"}}]
    whole = [{"name": "keys", "mountPath": "/keys"}]
    part = [{"name": "keys", "mountPath": "/key", "subPath": "OPENAI_API_KEY"}]
    other = [{"name": "keys", "mountPath": "/key", "subPath": "CARTESIA_API_KEY"}]
    for name, mounts in (("whole", whole), ("part", part), ("other", other)):
        team.deploy(name=name, pod={"container": {"envFrom": [], "volumeMounts": mounts}, "volumes": volumes})
        team.finished(name=name)
    change(desk)
    assert desk.run("restart", "staging", *WAIT).status == 0
    assert [team.templates(name=name) for name in ("whole", "part", "other")] == [1, 2, 1]


def test_only_key_that_changed_counts_also_for_init_container(desk: Desk, team: Team) -> None:
    desk.run("sync", "staging")

    def variable(key: str) -> dict[str, Any]:
        return {"env": [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "agent-secrets", "key": key}}}]}

    team.deploy(name="other", pod={"container": {"envFrom": [], **variable("CARTESIA_API_KEY")}})
    init = {"name": "init", "image": "registry.example.com/init:1", **variable("OPENAI_API_KEY")}
    team.deploy(name="init", pod={"container": {"envFrom": []}, "initContainers": [init]})
    team.deploy(
        name="nobody", pod={"container": {"envFrom": [{"secretRef": {"name": "somebody-elses", "optional": True}}]}}
    )
    for name in ("other", "init", "nobody"):
        team.finished(name=name)
    change(desk)
    assert desk.run("restart", "staging", *WAIT).status == 0
    assert [team.templates(name=name) for name in ("other", "init", "nobody")] == [1, 2, 1]


def test_paused_deployment_is_reported_and_left_alone(running: Desk, team: Team) -> None:
    team.kubectl("rollout", "pause", "deployment/agent")
    result = change(running)
    generation = team.get()["metadata"]["generation"]
    result = running.run("restart", "staging")
    assert result.status == 1
    assert "! Deployment/agent  outdated, but paused\n" in result.out
    where = f"Deployment/agent in namespace {team.namespace}"
    assert result.lines == [
        f"bridge: error: {where}: is outdated, but paused: its pods keep older keys",
        f"bridge: hint: `kubectl -n {team.namespace} rollout resume deployment/agent`, then run again",
    ]
    assert team.get()["metadata"]["generation"] == generation
    team.kubectl("rollout", "resume", "deployment/agent")
    assert running.run("restart", "staging", *WAIT).status == 0
    assert team.templates() == 2


def test_without_pods_there_is_nothing_to_restart_and_later_pods_are_not_restarted_either(
    running: Desk, team: Team
) -> None:
    team.kubectl("scale", "deployment/agent", "--replicas=0")
    change(running)
    result = running.run("restart", "staging", *WAIT)
    assert (result.status, result.lines) == (
        0,
        ["bridge: warning: Deployment/agent: has no pods (replicas: 0): there was nothing to restart"],
    )
    team.kubectl("scale", "deployment/agent", "--replicas=1")
    team.finished()
    assert running.run("restart", "staging").out.splitlines()[-1] == "1 up to date: nothing to restart"


def test_on_delete_is_left_to_its_operator(desk: Desk, team: Team) -> None:
    desk.run("sync", "staging")
    team.deploy("StatefulSet", updateStrategy={"type": "OnDelete"})
    until(lambda: team.get("StatefulSet")["status"].get("availableReplicas") == 2)
    before = team.pods()
    change(desk)
    what = "its strategy is OnDelete: each pod keeps its keys until someone deletes it"
    told = [f"bridge: warning: StatefulSet/agent: {what}"]
    first = desk.run("restart", "staging", *WAIT)
    assert (first.status, first.lines, team.pods()) == (0, told, before)
    assert desk.run("restart", "staging").lines == told
    team.kubectl("delete", "pods", "--all")
    until(lambda: team.get("StatefulSet")["status"].get("updatedReplicas") == 2)
    assert desk.run("restart", "staging").err == ""


@pytest.fixture
def dead_node(controllers: Kwok) -> Iterator[Kwok]:
    yield controllers
    controllers.start()


def test_rollout_that_does_not_finish_is_reported_with_status(running: Desk, team: Team, dead_node: Kwok) -> None:
    dead_node.stop()
    running.values(OPENAI_API_KEY="CANARY-new")
    result = running.run("sync", "staging", "--restart", "--wait", "3s")
    assert (result.status, result.out.splitlines()[-1]) == (
        5,
        "1 updated, 4 unchanged: some workloads do not have the current keys yet",
    )
    where = f"Deployment/agent in namespace {team.namespace}"
    assert f"bridge: error: {where}: its rollout did not finish in 3 s: " in result.err
    again = running.run("restart", "staging", "--wait", "2s")
    assert (again.status, again.out.splitlines()[-1]) == (
        1,
        "1 up to date: some workloads do not have the current keys yet",
    )
    dead_node.start()
    assert running.run("restart", "staging", *WAIT).status == 0
    assert team.templates() == 2


def test_rollout_that_failed_is_reported_by_every_run(desk: Desk, team: Team, dead_node: Kwok) -> None:
    desk.run("sync", "staging")
    team.deploy()
    team.finished()
    team.kubectl("patch", "deployment", "agent", "--patch", '{"spec": {"progressDeadlineSeconds": 2}}')
    dead_node.stop()
    change(desk)
    result = desk.run("restart", "staging", *WAIT)
    assert result.status == 5
    assert "its rollout is stuck (1 of 2 pods are new, 2 ready, 2 old); old pods keep older keys" in result.err
    assert desk.run("restart", "staging").status == 1
    assert (
        json.loads(desk.run("restart", "staging", "--output", "json").out)["workloads"][0]["rollout"]["state"]
        == "failed"
    )


def test_terminated_wait_says_what_is_restarted(
    running: Desk, team: Team, dead_node: Kwok, program: Callable[..., subprocess.Popen[str]]
) -> None:
    change(running)
    dead_node.stop()
    process = program("restart", "staging", "--wait", "60s")
    assert process.stderr.readline().startswith("bridge: Deployment/agent: ")
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err.splitlines()[-1]) == (143, "bridge: terminated")
    assert "~ Deployment/agent  to restart (restarted)\n" in out
    assert out.endswith("1 to restart, 0 up to date: interrupted\n")


@pytest.fixture
def program(desk: Desk, tmp_path: Path, third_party: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start bridge in a process of its own, after some code of Python."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    environ["PYTHONPATH"] = os.pathsep.join([str(third_party), *filter(None, [os.environ.get("PYTHONPATH")])])
    started = []

    def start(*arguments: str, code: str = "") -> subprocess.Popen[str]:
        words = [*arguments, "--config", str(desk.folder)]
        program = f"import sys\n{code}\nfrom bridge.cli import main\nsys.exit(main({words!r}))"
        command = [sys.executable, "-c", program]
        started.append(
            subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_whoever_synced_next_restart_catches_up(
    running: Desk, team: Team, program: Callable[..., subprocess.Popen[str]]
) -> None:
    running.values(OPENAI_API_KEY="CANARY-cronjob")
    cron_job = program("sync", "staging")
    assert cron_job.communicate(timeout=60)[1] == ""
    assert cron_job.returncode == 0
    result = running.run("sync", "staging", "--restart", *WAIT)
    assert (result.status, result.out.splitlines()[-1]) == (0, "5 unchanged: nothing to write; workloads restarted")
    assert team.templates() == 2
    assert running.run("sync", "staging", "--restart").out.splitlines()[-1] == "5 unchanged: nothing to do"


def test_run_killed_between_its_writes_and_restart_is_caught_up(
    running: Desk, team: Team, program: Callable[..., subprocess.Popen[str]]
) -> None:
    running.values(OPENAI_API_KEY="CANARY-killed")
    written = running.folder / "written"
    hang = f"lambda *_: (pathlib.Path({str(written)!r}).touch(), time.sleep(600))"
    code = f"import bridge.run.restart, pathlib, time\nbridge.run.restart.survey_and_roll = {hang}"
    process = program("sync", "staging", "--restart", code=code)
    until(written.exists, process=process)
    process.kill()
    process.communicate()
    assert team.templates() == 1
    assert running.run("restart", "staging", *WAIT).status == 0
    assert team.templates() == 2


def test_dry_run_shows_who_is_behind_and_writes_nothing(running: Desk, team: Team) -> None:
    running.values(OPENAI_API_KEY="CANARY-dry")
    planned = running.run("sync", "staging", "--dry-run", "--restart")
    assert planned.status == 0
    assert re.sub(r"20[-0-9]+T[:0-9]+Z", "THEN", planned.out).splitlines()[-8:] == [
        "",
        "~ Secret/agent-secrets  to update",
        "    ~ OPENAI_API_KEY  changed  from plain:values.json",
        "",
        "~ Deployment/agent  to restart",
        "    Secret/agent-secrets changed THEN: OPENAI_API_KEY",
        "",
        "1 to update, 4 unchanged",
    ]
    markdown = running.run("sync", "staging", "--dry-run", "--restart", "--output", "markdown").out
    assert "| `Deployment/agent` | restart | no |\n" in markdown
    assert "to restart" not in running.run("restart", "staging", "--dry-run").out
    assert running.run("sync", "staging").status == 0
    result = running.run("restart", "staging", "--dry-run", "--output", "json")
    assert (result.status, result.err) == (0, "")
    assert [(one["name"], one["state"], one["restarted"]) for one in result.data["workloads"]] == [
        ("agent", "restart", "no")
    ]
    assert [(one["object"], one["key"]) for one in result.data["workloads"][0]["because"]] == [
        ("Secret/agent-secrets", "OPENAI_API_KEY")
    ]
    assert (team.templates(), team.mark()) == (1, None)


def test_all_restarts_every_consumer_each_time(running: Desk, team: Team) -> None:
    volumes = [{"name": "config", "configMap": {"name": "agent-config"}}]
    mounts = [{"name": "config", "mountPath": "/config"}]
    team.deploy(name="reader", pod={"container": {"envFrom": [], "volumeMounts": mounts}, "volumes": volumes})
    team.finished(name="reader")
    for number in (2, 3):
        in_another_second()
        assert running.run("restart", "staging", "--all", *WAIT).status == 0
        assert (team.templates(), team.templates(name="reader")) == (number, number)
    assert running.run("restart", "staging").out.splitlines()[-1] == "2 up to date: nothing to restart"
    change(running)
    assert running.run("restart", "staging", *WAIT).status == 0
    assert (team.templates(), team.templates(name="reader")) == (4, 3)


USER = "limited-7"
RULES = {
    "deployments": {"list", "get", "patch"},
    "statefulsets": {"list", "get", "patch"},
    "daemonsets": {"list", "get", "patch"},
    "replicasets": {"list"},
    "controllerrevisions": {"list"},
}


def allow(team: Team, without: tuple[str, str] | None = None) -> None:
    """Give the user what `bridge help promises` asks for, except one verb, and wait until the authorizer knows it."""
    name = MARK.replace("/", "-")
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [name], "verbs": ["get"]}]
    for resource, verbs in RULES.items():
        left = sorted(verb for verb in verbs if (resource, verb) != without)
        rules.append({"apiGroups": ["apps"], "resources": [resource], "verbs": left or ["watch"]})
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "restart"}}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "restart"}
    subjects = [{"kind": "User", "name": USER, "apiGroup": "rbac.authorization.k8s.io"}]
    binding = {"kind": "RoleBinding", "roleRef": reference, "subjects": subjects}
    for content in ({"kind": "Role", "rules": rules}, binding):
        team.kubectl("apply", "-f", "-", text=json.dumps(head | content))
    wanted = {(resource, verb): (resource, verb) != without for resource, verbs in RULES.items() for verb in verbs}
    until(lambda: {one: may(team, *one) for one in wanted} == wanted)


def may(team: Team, resource: str, verb: str) -> bool:
    asked = {"group": "apps", "resource": resource, "verb": verb, "namespace": team.namespace}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    token = team.cluster.token_user(USER)
    body = {"spec": {"resourceAttributes": asked}}
    return team.cluster.request("POST", path, body, token=token).body["status"]["allowed"]


def test_rights_of_readme_are_enough_and_each_missing_one_is_named(
    running: Desk, team: Team, real_cluster: RealCluster
) -> None:
    team.deploy("StatefulSet", "store")
    team.finished("StatefulSet", "store")
    change(running)
    real_cluster.kubeconfig(running.folder / "kubeconfig", token=real_cluster.token_user(USER))
    for resource, verb in [
        ("deployments", "list"),
        ("replicasets", "list"),
        ("controllerrevisions", "list"),
        ("statefulsets", "patch"),
    ]:
        allow(team, (resource, verb))
        result = running.run("restart", "staging")
        assert (result.status, len(result.lines)) == (1, 2), result.err
        assert f'forbids "{verb}" (user "{USER}")' in result.lines[0]
        assert f'apiGroups ["apps"], resources ["{resource}"]' in result.lines[1]
        assert (team.templates(), team.templates("StatefulSet", "store")) == (1, 1)
    allow(team, ("deployments", "get"))
    result = running.run("restart", "staging", *WAIT)
    assert (result.status, 'forbids "get"' in result.err) == (5, True)
    allow(team)
    assert running.run("restart", "staging", *WAIT).status == 0
    assert (team.templates(), team.templates("StatefulSet", "store")) == (2, 2)
