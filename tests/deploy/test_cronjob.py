"""The rendered CronJob under the real controllers: it makes its Job, and exit statuses decide what comes next."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import main
from tests.deploy.pod import ID, example
from tests.servers.apiserver import RealCluster
from tests.servers.client import MERGE
from tests.servers.kwok import Kwok
from tests.waiting import until


class Batch:
    """The Jobs of a namespace, and a kubelet's word about their pods."""

    def __init__(self, cluster: RealCluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.base = f"/apis/batch/v1/namespaces/{namespace}"

    def wait(self, look: Callable[[], Any]) -> Any:
        return until(look)

    def jobs(self) -> list[dict[str, Any]]:
        return self.cluster.request("GET", f"{self.base}/jobs").body["items"]

    def start(self, name: str) -> None:
        self.cluster.kubectl("create", "job", name, f"--from=cronjob/{ID}", "-n", self.namespace)

    def job(self, name: str) -> dict[str, Any]:
        return self.cluster.request("GET", f"{self.base}/jobs/{name}").body

    def pods(self, job: str) -> list[dict[str, Any]]:
        path = f"/api/v1/namespaces/{self.namespace}/pods?labelSelector=job-name%3D{job}"
        return self.cluster.request("GET", path).body["items"]

    def end(self, job: str, status: int, **more: Any) -> None:
        """Say that the job's newest pod ended so, as a kubelet would."""
        pod = self.wait(lambda: [one for one in self.pods(job) if one["status"]["phase"] == "Pending"])[0]
        container = {
            "name": "bridge",
            "image": "bridge",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": {"exitCode": status}},
        }
        body = {"status": {"phase": "Failed" if status else "Succeeded", "containerStatuses": [container], **more}}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod['metadata']['name']}/status"
        assert self.cluster.request("PATCH", path, body, MERGE).status == 200

    def condition(self, job: str, kind: str) -> dict[str, Any] | None:
        found = self.job(job)["status"].get("conditions") or []
        return next((one for one in found if one["type"] == kind and one["status"] == "True"), None)


@pytest.fixture
def batch(tmp_path: Path, controllers: Kwok, real_cluster: RealCluster, namespace: str) -> Batch:
    config = example(tmp_path / "config", namespace)
    out = tmp_path / "out"
    assert main(["init", "staging", "--deploy", str(out), "--config", str(config)]) == 0
    levels = {"pod-security.kubernetes.io/enforce": "restricted"}
    body = {"metadata": {"labels": levels}}
    assert real_cluster.request("PATCH", f"/api/v1/namespaces/{namespace}", body, MERGE).status == 200
    real_cluster.kubectl("apply", "-k", str(out), "--warnings-as-errors")
    return Batch(real_cluster, namespace)


def test_schedule_makes_job_whose_pod_is_admitted_under_restricted(batch: Batch) -> None:
    body = {"spec": {"schedule": "* * * * *"}}
    assert batch.cluster.request("PATCH", f"{batch.base}/cronjobs/{ID}", body, MERGE).status == 200
    job = batch.wait(batch.jobs)[0]
    name = job["metadata"]["name"]
    assert job["metadata"]["ownerReferences"][0]["name"] == ID
    pod = batch.wait(lambda: batch.pods(name))[0]
    assert pod["spec"]["serviceAccountName"] == ID
    assert pod["metadata"]["labels"]["app.kubernetes.io/instance"] == "voice-agent-staging"
    batch.end(name, 0)
    batch.wait(lambda: batch.condition(name, "Complete"))


@pytest.mark.parametrize("status", [1, 2, 3])
def test_what_would_end_same_way_again_fails_job_at_once(batch: Batch, status: int) -> None:
    batch.start("once")
    batch.end("once", status)
    failed = batch.wait(lambda: batch.condition("once", "Failed"))
    assert failed["reason"] == "PodFailurePolicy"
    assert len(batch.pods("once")) == 1


@pytest.mark.parametrize("status", [5, 75])
def test_what_next_run_repairs_is_run_again_and_may_succeed(batch: Batch, status: int) -> None:
    batch.start("again")
    batch.end("again", status)
    batch.wait(lambda: len(batch.pods("again")) == 2)
    assert not batch.condition("again", "Failed")
    batch.end("again", 0)
    batch.wait(lambda: batch.condition("again", "Complete"))


def test_pod_that_its_node_loses_does_not_count_as_failure(batch: Batch) -> None:
    batch.start("lost")
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
        "lastTransitionTime": moment,
    }
    batch.end("lost", 143, conditions=[condition])
    batch.wait(lambda: len(batch.pods("lost")) == 2)
    assert not batch.job("lost")["status"].get("failed")
    batch.end("lost", 0)
    batch.wait(lambda: batch.condition("lost", "Complete"))
