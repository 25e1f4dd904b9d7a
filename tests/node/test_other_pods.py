"""Other pods than the CronJob's: with a kubeconfig, without the kubernetes package, and the fleet's Indexed Job."""

import json
from typing import Any, Final

from tests.deploy.pod import ID
from tests.deploy.test_container import FIND
from tests.fleet.test_fleet_job import FOLDER, SHARDS
from tests.node.place import PYTHON, Place
from tests.servers.node import API

KUBECONFIG: Final = "/etc/kube/config"


def with_kubeconfig(place: Place, job: str, user: dict[str, Any]) -> None:
    """Start the CronJob's pod as a pipeline does: a kubeconfig in a file, and no word about the pod's own account."""
    content = json.loads(place.node.cluster.kubeconfig(place.folder / "kubeconfig").read_text())
    cluster = content["clusters"][0]["cluster"]
    cluster |= {"server": f"https://{API}", "certificate-authority": "/etc/kube/ca.crt"}
    content["users"][0]["user"] = user
    place.secret("pipeline", config=json.dumps(content), ca__crt=place.node.cluster.ca_file.read_text())
    spec = place.get("cronjobs", ID)["spec"]["jobTemplate"]["spec"]
    pod = spec["template"]["spec"]
    pod["volumes"].append({"name": "kube", "secret": {"secretName": "pipeline"}})
    container = pod["containers"][0]
    container["args"].remove("--in-cluster")
    container["args"].append("--first")
    container.setdefault("env", []).append({"name": "KUBECONFIG", "value": KUBECONFIG})
    container["volumeMounts"].append({"name": "kube", "mountPath": "/etc/kube", "readOnly": True})
    place.create("jobs", {"metadata": {"name": job}, "spec": spec})


def test_pipelines_kubeconfig_counts_and_not_pods_own_account(place: Place) -> None:
    place.deploy()
    place.kubectl("delete", "rolebinding", ID)
    with_kubeconfig(place, "pipeline", {"token": place.node.cluster.token})
    text = place.complete("pipeline")
    assert f"cluster: context test (not bound), https://{API}" in text
    assert "5 created" in text


def test_image_has_no_kubernetes_package_and_names_it_if_kubeconfig_needs_it(place: Place) -> None:
    place.deploy()
    place.variant("look", PYTHON, "-c", FIND)
    assert place.complete("look").strip() == "None False"
    with_kubeconfig(place, "password", {"username": "someone", "password": "CANARY-password"})
    assert place.finished("password") == "PodFailurePolicy"
    said = place.said("password")
    assert "kubernetes" in said
    assert "CANARY" not in said


def test_fleets_indexed_job_shares_environments_and_fails_only_index_of_refused_one(place: Place) -> None:
    from bridge.config.shard import owner  # noqa: PLC0415 - as the other tests of the fleet

    names = [f"env-{number:02}" for number in range(6)]
    files = {"values.env": "TOKEN=CANARY-token\n"}
    for name in names:
        files[f"{name}.keys.yml"] = json.dumps(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"TOKEN": "${TOKEN}"}}
        )
        environment = {
            "id": name,
            "namespace": place.namespace,
            "templates": [f"{name}.keys.yml"],
            "env_file": "values.env",
            "secrets_from": "any",
        }
        files[f"{name}.yaml"] = json.dumps(environment)
    refused = names[0]
    files[f"{refused}.keys.yml"] = files[f"{refused}.keys.yml"].replace("${TOKEN}", "${MISSING}")
    fleet = Place(place.node, place.node.cluster.namespace(), place.folder)
    fleet.restrict()
    image = place.node.registry.reference("bridge").rpartition(":")[0]
    text = place.node.cluster.kubectl("kustomize", str(FOLDER)).stdout
    text = text.replace("  schedule:", "  suspend: true\n  schedule:")
    text = text.replace("namespace: bridge\n", f"namespace: {fleet.namespace}\n")
    text = text.replace("namespace: voice-agent-staging", f"namespace: {place.namespace}")
    place.node.cluster.kubectl("apply", "-f", "-", text=text.replace("registry.example.com/bridge", image))
    fleet.create("configmaps", {"metadata": {"name": "bridge-fleet.config"}, "data": files})
    words = ["--resource=secrets,configmaps,leases.coordination.k8s.io,events"]
    place.kubectl("create", "role", "bridge-voice-agent-staging", "--verb=get,create,update,patch", *words)
    fleet.kubectl("create", "job", "now", "--from=cronjob/bridge-fleet")
    fleet.finished("now")
    status = fleet.get("jobs", "now")["status"]
    assert status["failedIndexes"] == str(owner(refused, SHARDS)), fleet.said("now")
    written = {one["metadata"]["name"] for one in place.all("secrets")}
    assert written == set(names[1:])
    assert "CANARY" not in fleet.said("now")
