"""The rendered CronJob on a real node: its schedule, its confinement, its image, and files that change under it."""

import json
from pathlib import Path

from tests.deploy.pod import ID
from tests.node.place import BRIDGE, CANARY, PYTHON, WAITS, Place
from tests.servers.registry import PRIVATE
from tests.waiting import until

OBJECTS = {
    "secrets": {"shared-secrets", "agent-secrets"},
    "configmaps": {"shared-config", "agent-config", "front-config"},
}
# What the process may, as the kernel says, and what it can write.
CONFINED = """
import errno, json, os
def write(folder):
    try:
        with open(f"{folder}/x", "w"):
            return "written"
    except OSError as error:
        return errno.errorcode[error.errno]
lines = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
kernel = {name: lines[name].strip() for name in ("CapEff", "CapBnd", "CapPrm", "NoNewPrivs", "Seccomp")}
places = ("/", "/tmp", "/etc/bridge", "/opt/bridge", "/var/run/secrets/kubernetes.io/serviceaccount")
print(json.dumps({"who": [*os.getresuid(), *os.getresgid()], **kernel, "writes": {one: write(one) for one in places}}))
"""


def written(place: Place) -> dict[str, set[str]]:
    """Return the names of the environment's objects that exist."""
    return {plural: {one["metadata"]["name"] for one in place.all(plural)} & names for plural, names in OBJECTS.items()}


def test_schedule_fires_and_run_writes_every_object_under_rendered_role(place: Place) -> None:
    place.restrict()
    place.deploy()
    place.patch("cronjobs", ID, {"spec": {"schedule": "* * * * *", "suspend": False}})
    job = until(lambda: place.all("jobs"))[0]
    assert job["metadata"]["ownerReferences"][0]["name"] == ID
    text = place.complete(job["metadata"]["name"])
    assert "5 created, 0 unchanged" in text
    assert "cluster: this pod's service account, https://10.96.0.1:443" in text
    assert written(place) == OBJECTS
    assert place.data("secrets", "agent-secrets")["OPENAI_API_KEY"] == CANARY
    assert place.get("leases", ID)["spec"].get("holderIdentity") in (None, "")
    place.patch("cronjobs", ID, {"spec": {"suspend": True}})
    place.start("again")
    assert "nothing to do" in place.complete("again")


def test_pods_process_has_no_capability_and_no_place_to_write(place: Place) -> None:
    place.restrict()
    place.deploy()
    place.variant("confined", PYTHON, "-c", CONFINED)
    found = json.loads(place.complete("confined"))
    assert found.pop("who") == [65532] * 6
    assert set(found.pop("writes").values()) == {"EROFS"}
    assert (found.pop("NoNewPrivs"), found.pop("Seccomp")) == ("1", "2")  # 2: a filter
    assert {name: int(value, 16) for name, value in found.items()} == {"CapEff": 0, "CapBnd": 0, "CapPrm": 0}


def test_image_is_pulled_with_credentials_of_service_account(place: Place) -> None:
    place.deploy(image=f"{PRIVATE}bridge")
    place.start("refused")
    until(
        lambda: (
            "ErrImagePull" in json.dumps(place.pods("refused"))
            or "ImagePullBackOff" in json.dumps(place.pods("refused"))
        )
    )
    place.kubectl("delete", "job", "refused")
    registry = place.node.registry
    words = [f"--docker-{name}={value}" for name, value in (("server", registry.host), ("username", registry.user))]
    place.kubectl("create", "secret", "docker-registry", "pull", *words, f"--docker-password={registry.password}")
    place.patch("serviceaccounts", ID, {"imagePullSecrets": [{"name": "pull"}]})
    place.start("pulled")
    assert "5 created" in place.complete("pulled")


def test_files_changed_under_running_schedule_are_what_next_run_and_running_pod_see(place: Place) -> None:
    out = place.deploy()
    place.start("before")
    place.complete("before")
    place.variant("living", PYTHON, "-c", WAITS)
    pod = place.running("living")
    folder = place.get("cronjobs", ID)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"][-1]
    public = f"{folder}/staging.public.yaml"
    layout = f"import os; print(os.readlink({public!r}), os.path.realpath({public!r}))"
    before = place.exec(pod, PYTHON, "-c", layout)
    assert "..data/" in before
    change_file(out / "configuration.yaml", "LOG_LEVEL: debug", "LOG_LEVEL: trace")
    place.node.cluster.kubectl("apply", "-k", str(out))
    until(lambda: "LOG_LEVEL: trace" in place.exec(pod, PYTHON, "-c", f"print(open({public!r}).read())"))
    assert place.exec(pod, PYTHON, "-c", layout) != before
    assert "1 updated" in place.exec(pod, BRIDGE, "sync", "staging", "--in-cluster", "--config", folder)
    place.start("after")
    assert "nothing to do" in place.complete("after")
    assert place.data("configmaps", "agent-config")["LOG_LEVEL"] == "trace"


def test_age_key_that_is_replaced_counts_for_next_run(place: Place) -> None:
    place.deploy()
    key = (place.folder / "demo.agekey").read_text()
    place.secret(f"{ID}.age", keys__txt="# taken away\n")
    place.start("without")
    assert place.finished("without") == "PodFailurePolicy"
    assert written(place) == {"secrets": set(), "configmaps": set()}
    place.secret(f"{ID}.age", keys__txt=key)
    place.start("with")
    assert "5 created" in place.complete("with")


def change_file(path: Path, old: str, new: str) -> None:
    """Replace a text that a file has."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
