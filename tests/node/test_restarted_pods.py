"""Restarts of real pods, which say themselves what is in their environment and in their volumes."""

import json
from dataclasses import dataclass
from typing import Any, Final

import pytest

from tests.desk import Desk, Target
from tests.node.place import PYTHON, WAITS, Place
from tests.restart.test_restart import MARK
from tests.waiting import until

WAIT: Final = ("--wait", "5m")
SECRET: Final = "agent-secrets"
KEY: Final = "OPENAI_API_KEY"
FILE: Final = f"/values/{KEY}"
# What a process sees: the variable that it was started with, and the file as it is now.
SEEN: Final = f"""
import json, os
first = dict(line.split("=", 1) for line in open("/proc/1/environ").read().split("\\0") if line)
file = open("{FILE}").read() if os.path.isfile("{FILE}") else None
print(json.dumps([first.get("{KEY}"), file]))
"""


def volume(source: dict[str, Any], **mount: Any) -> dict[str, Any]:
    """Return the parts of a pod that mounts a volume."""
    mounted = {"name": "values", "mountPath": "/values", "readOnly": True} | mount
    return {"mounts": [mounted], "volumes": [{"name": "values"} | source]}


WHOLE: Final = {"secret": {"secretName": SECRET}}
PROJECTED: Final = {"projected": {"sources": [{"secret": {"name": SECRET}}, {"configMap": {"name": "agent-config"}}]}}
SUB: Final = {"mountPath": FILE, "subPath": KEY}
STARTED: Final[dict[str, dict[str, Any]]] = {
    "variable": {"env": [{"name": KEY, "valueFrom": {"secretKeyRef": {"name": SECRET, "key": KEY}}}]},
    "variables": {"envFrom": [{"secretRef": {"name": SECRET}}]},
    "sub-path": volume(WHOLE, **SUB),
    "projected-sub-path": volume(PROJECTED, **SUB),
}
"""Pods that keep what they started with."""
FOLLOWING: Final[dict[str, dict[str, Any]]] = {"whole": volume(WHOLE), "projected": volume(PROJECTED)}
"""Pods whose files the kubelet changes."""


@dataclass(frozen=True)
class Team:
    """The Deployments of a namespace, one pod each."""

    place: Place

    def deploy(self, name: str, pod: dict[str, Any]) -> None:
        image = self.place.node.registry.reference("bridge")
        container = {
            "name": "main",
            "image": image,
            "command": [PYTHON, "-c", WAITS],
            "volumeMounts": pod.get("mounts", []),
        }
        container |= {key: value for key, value in pod.items() if key in {"env", "envFrom"}}
        template = {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [container], "volumes": pod.get("volumes", [])},
        }
        spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
        self.place.create("deployments", {"metadata": {"name": name}, "spec": spec})

    def finished(self, *names: str) -> None:
        """Wait as kubectl does, whose word is independent of ours."""
        for name in names:
            words = ("rollout", "status", f"deployment/{name}", "--watch=false")
            until(lambda words=words: "successfully rolled out" in self.place.kubectl(*words), f"{name} never started")

    def mark(self, name: str) -> str | None:
        template = self.place.get("deployments", name)["spec"]["template"]
        return (template["metadata"].get("annotations") or {}).get(MARK)

    def seen(self, name: str) -> str | None:
        """Return the value that the Deployment's only pod sees, in its environment or in its file."""
        pods = self.place.all("pods", f"app={name}")
        pods = [one for one in pods if "deletionTimestamp" not in one["metadata"]]
        assert len(pods) == 1
        variable, file = json.loads(self.place.exec(pods[0]["metadata"]["name"], PYTHON, "-c", SEEN))
        return variable or file


@pytest.fixture
def target(place: Place) -> Target:
    return Target(place.namespace, place.node.cluster.client, place.node.cluster.kubeconfig)


@pytest.fixture
def team(place: Place) -> Team:
    return Team(place)


def test_pods_see_changed_value_when_wait_is_over_and_only_those_that_need_it_are_restarted(
    desk: Desk, team: Team
) -> None:
    assert desk.run("sync", "staging").status == 0
    pods = STARTED | FOLLOWING
    for name, pod in pods.items():
        team.deploy(name, pod)
    team.finished(*pods)
    assert {name: team.seen(name) for name in pods} == dict.fromkeys(pods, "CANARY-openai")
    assert desk.run("sync", "staging", "--restart", *WAIT).status == 0
    assert {team.mark(name) for name in pods} == {None}
    desk.values(OPENAI_API_KEY="CANARY-new")
    result = desk.run("sync", "staging", "--restart", *WAIT)
    assert (result.status, result.out.splitlines()[-1]) == (0, "1 updated, 4 unchanged"), result.err
    assert {name: team.seen(name) for name in STARTED} == dict.fromkeys(STARTED, "CANARY-new")
    assert {name for name in pods if team.mark(name)} == set(STARTED)
    for name in FOLLOWING:
        until(lambda name=name: team.seen(name) == "CANARY-new", f"{name} never followed")
    assert desk.run("restart", "staging", "--dry-run").status == 0
    assert desk.run("restart", "staging", *WAIT).out.splitlines()[-1] == f"{len(pods)} up to date: nothing to restart"


def test_pods_that_waited_for_object_start_by_themselves_and_those_that_started_without_it_are_restarted(
    desk: Desk, team: Team
) -> None:
    pods = {
        "waited": {"envFrom": [{"secretRef": {"name": SECRET}}]},
        "optional": {"envFrom": [{"secretRef": {"name": SECRET, "optional": True}}]},
        "optional-sub-path": volume({"secret": {"secretName": SECRET, "optional": True}}, **SUB),
        "optional-whole": volume({"secret": {"secretName": SECRET, "optional": True}}),
    }
    for name, pod in pods.items():
        team.deploy(name, pod)
    team.finished("optional", "optional-whole")
    until(lambda: "CreateContainerConfigError" in json.dumps(team.place.all("pods", "app=waited")))
    assert team.seen("optional") is None
    result = desk.run("sync", "staging", "--restart", *WAIT)
    assert result.status == 0, result.err
    assert {name: team.seen(name) for name in ("waited", "optional")} == dict.fromkeys(
        ("waited", "optional"), "CANARY-openai"
    )
    assert team.mark("waited") is None
    assert team.mark("optional")
    until(lambda: team.seen("optional-whole") == "CANARY-openai")
    assert team.mark("optional-whole") is None
    team.finished("optional-sub-path")
    assert team.seen("optional-sub-path") == "CANARY-openai"


def test_restart_alone_catches_up_after_run_that_only_synced(desk: Desk, team: Team) -> None:
    assert desk.run("sync", "staging").status == 0
    team.deploy("variables", STARTED["variables"])
    team.finished("variables")
    desk.values(OPENAI_API_KEY="CANARY-new")
    assert desk.run("sync", "staging").status == 0
    assert team.seen("variables") == "CANARY-openai"
    assert desk.run("restart", "staging", *WAIT).status == 0
    assert team.seen("variables") == "CANARY-new"


def test_cronjob_restarts_with_rendered_rights(place: Place, team: Team) -> None:
    place.deploy(["restart"])
    place.start("first")
    place.complete("first")
    team.deploy(
        "variable",
        {"env": [{"name": KEY, "valueFrom": {"configMapKeyRef": {"name": "agent-config", "key": "LOG_LEVEL"}}}]},
    )
    team.finished("variable")
    assert team.seen("variable") == "debug"
    file = place.folder / "out" / "configuration.yaml"
    file.write_text(file.read_text().replace("LOG_LEVEL: debug", "LOG_LEVEL: trace"))
    place.node.cluster.kubectl("apply", "-k", str(file.parent))
    place.start("second")
    assert "to restart (restarted)" in place.complete("second")
    team.finished("variable")
    until(lambda: len(place.all("pods", "app=variable")) == 1)
    assert team.seen("variable") == "trace"


def test_pods_get_value_of_recreated_immutable_secret_only_as_warning_says(desk: Desk, team: Team) -> None:
    text = (desk.folder / "base" / "secrets.yml").read_text()
    named = f"metadata: {{name: {SECRET}}}"
    desk.write("base/secrets.yml", text.replace(named, f"{named}\nimmutable: true"))
    assert desk.run("sync", "staging").status == 0
    pods = {"variables": STARTED["variables"], **FOLLOWING}
    for name, pod in pods.items():
        team.deploy(name, pod)
    team.finished(*pods)
    desk.values(OPENAI_API_KEY="CANARY-new")
    result = desk.run("sync", "staging", "--recreate", f"Secret/{SECRET}", "--restart", *WAIT)
    assert (result.status, "each node keeps its old values until no pod there uses it" in result.err) == (0, True)
    assert team.mark("variables")
    assert {name: team.seen(name) for name in pods} == dict.fromkeys(pods, "CANARY-openai")
    for replicas in (0, 1):
        for name in pods:
            team.place.kubectl("scale", "deployment", name, f"--replicas={replicas}")
        until(lambda replicas=replicas: len(team.place.all("pods")) == replicas * len(pods), "no pod went or came")
    team.finished(*pods)
    assert {name: team.seen(name) for name in pods} == dict.fromkeys(pods, "CANARY-new")
