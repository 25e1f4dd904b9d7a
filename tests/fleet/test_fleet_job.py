"""The manifest for many environments: a real API server admits it, and the real Job controller splits the work.

There is no kubelet: the test runs each pod's command line, and tells the API server how it ended.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.desk import Desk, Target
from tests.fleet.test_fleet import fleet, give, member, token
from tests.restart.test_restart import Team
from tests.servers.apiserver import RealCluster
from tests.servers.client import MERGE
from tests.servers.kwok import Kwok
from tests.waiting import until

FOLDER = Path(__file__).parents[2] / "config" / "deploy" / "fleet"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
SHARDS = 8


@pytest.fixture
def target(real_target: Target, controllers: Kwok) -> Target:
    return real_target


class Job:
    """A Job made from the CronJob, and its pods, which the test itself runs."""

    def __init__(self, cluster: RealCluster, desk: Desk, path: str, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self._desk = desk
        self._environ = {"PATH": os.environ["PATH"], "HOME": str(desk.folder), "PYTHONPATH": path}
        self.runs: list[tuple[int, int]] = []  # index and exit status
        self.told: list[str] = []

    def start(self) -> None:
        self.cluster.kubectl("-n", self.namespace, "create", "job", "now", "--from=cronjob/bridge-fleet")

    @property
    def status(self) -> dict[str, Any]:
        return self.cluster.request("GET", f"/apis/batch/v1/namespaces/{self.namespace}/jobs/now").body["status"]

    def lasting(self) -> list[tuple[int, int]]:
        """Return the runs that decided about their index; a busy API server may have sent one back before (75)."""
        return sorted(run for run in self.runs if run[1] != 75)

    def play(self, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Run whatever pod is waiting, until the Job's status is as it should be."""

        def played() -> dict[str, Any] | None:
            if done(status := self.status):
                return status
            for pod in self._waiting():
                self._run(pod)
            return None

        status = until(played)
        assert status is not None
        return status

    def _waiting(self) -> list[dict[str, Any]]:
        """Return the pods of this Job that wait; the schedule makes another Job when the hour or its half begins."""
        path = f"/api/v1/namespaces/{self.namespace}/pods?labelSelector=job-name%3Dnow"
        pods = self.cluster.request("GET", path).body["items"]
        return [pod for pod in pods if pod["status"].get("phase") == "Pending"]

    def _run(self, pod: dict[str, Any]) -> None:
        container = pod["spec"]["containers"][0]
        environ = {one["name"]: self._value(pod, one) for one in container["env"]}
        # No kubelet gives this process the account of its pod: a kubeconfig leads to the same cluster.
        given = [one for one in container["args"] if one != "--in-cluster"]
        arguments = [str(self._desk.folder) if one == "/etc/bridge" else one for one in given]
        command = [sys.executable, "-m", "bridge", *arguments]
        done = subprocess.run(
            command, env=self._environ | environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert "CANARY" not in done.stdout + done.stderr
        self.runs.append((int(environ["JOB_COMPLETION_INDEX"]), done.returncode))
        self.told.append(done.stderr)
        ended = {"exitCode": done.returncode, "reason": "Completed"}
        status = {
            "phase": "Failed" if done.returncode else "Succeeded",
            "containerStatuses": [
                {"name": container["name"], "image": "x", "imageID": "", "ready": False, "restartCount": 0}
                | {"state": {"terminated": ended}}
            ],
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}/status"
        assert self.cluster.request("PATCH", path, {"status": status}, MERGE).status == 200

    @staticmethod
    def _value(pod: dict[str, Any], variable: dict[str, Any]) -> str:
        """Resolve a variable as the kubelet does: the Job controller puts the index into the metadata."""
        section, _, key = variable["valueFrom"]["fieldRef"]["fieldPath"].removeprefix("metadata.").partition("['")
        return str(pod["metadata"][section][key.removesuffix("']")])


@pytest.fixture
def job(desk: Desk, real_cluster: RealCluster, third_party: Path) -> Iterator[Job]:
    """Apply the folder as it is, in a namespace of restricted pods, and in the desk's one."""
    namespace = real_cluster.namespace()
    real_cluster.request("PATCH", f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": RESTRICTED}}, MERGE)
    text = real_cluster.kubectl("kustomize", str(FOLDER)).stdout
    text = text.replace("namespace: voice-agent-staging", f"namespace: {desk.target.namespace}")
    applied = real_cluster.kubectl(
        "apply", "--server-side", "-f", "-", text=text.replace("namespace: bridge\n", f"namespace: {namespace}\n")
    )
    assert applied.stderr == ""  # a warning of Pod Security would stand there
    path = os.pathsep.join([str(third_party), *filter(None, [os.environ.get("PYTHONPATH")])])
    yield Job(real_cluster, desk, path, namespace)
    real_cluster.kubectl("-n", namespace, "delete", "job", "--all", "--wait=false")


def test_manifest_and_command_line_agree_on_number(job: Job) -> None:
    found = job.cluster.request("GET", f"/apis/batch/v1/namespaces/{job.namespace}/cronjobs/bridge-fleet").body
    spec = found["spec"]["jobTemplate"]["spec"]
    arguments = spec["template"]["spec"]["containers"][0]["args"]
    assert arguments[arguments.index("--shard") + 1] == f"auto/{spec['completions']}"
    assert (spec["completions"], spec["maxFailedIndexes"]) == (SHARDS, SHARDS)


def test_job_controller_splits_environments(desk: Desk, job: Job) -> None:
    names = fleet(desk, 24)
    job.start()
    status = job.play(lambda status: "completionTime" in status)
    assert status["completedIndexes"] == "0-7"
    assert job.lasting() == [(index, 0) for index in range(SHARDS)], job.told
    assert [token(desk, name) for name in names] == [f"CANARY-{name}-TOKEN-1" for name in names]


def test_what_human_must_mend_fails_its_index_alone_and_what_passes_is_tried_again(desk: Desk, job: Job) -> None:
    from bridge.config.shard import owner  # noqa: PLC0415

    names = fleet(desk, 24)
    refused, down = names[0], next(name for name in names if owner(name, SHARDS) != owner(names[0], SHARDS))
    member(desk, refused, sources=["plain:nowhere.json"])
    member(desk, down, providers={"plain": {"fail": "unavailable"}})
    job.start()
    job.play(lambda _: (owner(down, SHARDS), 75) in job.runs)
    member(desk, down)
    give(desk, down)
    status = job.play(lambda status: any(one["type"] == "Failed" for one in status.get("conditions", ())))
    assert status["failedIndexes"] == str(owner(refused, SHARDS))
    assert job.lasting() == [(index, 1 if index == owner(refused, SHARDS) else 0) for index in range(SHARDS)], job.told
    assert all(token(desk, name) for name in names if name != refused)
    assert token(desk, refused) is None


def test_restart_rolls_in_each_environment_what_uses_its_changed_keys(desk: Desk, real_cluster: RealCluster) -> None:
    fleet(desk, 2)
    assert desk.run("sync", "--all").status == 0
    team = Team(real_cluster, desk.target.namespace)
    for name in ("env-00", "env-01"):
        team.deploy(name=name, pod={"container": {"envFrom": [{"secretRef": {"name": f"{name}-keys"}}]}})
        team.finished(name=name)
    time.sleep(1.1)  # a key changes by whole seconds
    give(desk, "env-01", "2")
    result = desk.run("sync", "--all", "--restart", "--output", "json")
    assert (result.status, result.err) == (0, "")
    assert [
        [(one["name"], one["restarted"]) for one in found["workloads"]] for found in result.data["environments"]
    ] == [[("env-00", "no")], [("env-01", "yes")]]
