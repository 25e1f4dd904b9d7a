"""The Dockerfile's own steps, and a pod's run of what they install: without a container engine, as far as that goes."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.pod import ID, ROOT, Pod, deployed, vault_login
from tests.servers import sandbox
from tests.servers.apiserver import RealCluster
from tests.servers.image import context
from tests.servers.lock import SMALL, only
from tests.servers.vault import DevVault
from tests.waiting import until

DOCKERFILE = (ROOT / "Dockerfile").read_text()
LOCK = ROOT / "requirements-image.lock"
WITH_VAULT = frozenset({"hvac", "requests", "urllib3", "idna", "certifi", "charset-normalizer"})
CANARY = "demo-openai-key"

pytestmark = [pytest.mark.wheel, pytest.mark.timeout(900)]


def steps(instruction: str) -> list[str]:
    return re.findall(rf"^{instruction} (.+)$", DOCKERFILE, re.MULTILINE)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run each RUN line as it stands, but for the places and the cache; return the virtual environment."""
    folder = tmp_path_factory.mktemp("image")
    source = folder / "srv" / "source"
    for name in context():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    # What the pods below import: the whole lock is installed in test_container.py and in tests/project/test_wheel.py.
    (folder / "srv" / LOCK.name).write_text(only(LOCK.read_text(), SMALL | WITH_VAULT))
    environ = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": os.environ["HOME"]}
    environ["PIP_COMPILE"] = "0"  # compiling all of boto3 takes half a minute, and what is used of it a second
    (folder / "bin").mkdir()
    real = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    (folder / "bin" / "python").write_text(f'#!/bin/sh\nexec {real} "$@"\n')
    (folder / "bin" / "python").chmod(0o755)
    for step in steps("RUN"):
        line = step.replace("/srv/", f"{folder}/srv/").replace("/opt/", f"{folder}/opt/").replace("--no-cache-dir", "")
        done = subprocess.run(
            ["bash", "-c", line], cwd=source, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{step}\n{done.stdout}{done.stderr}"
    return folder / "opt" / "bridge"


def mounted(pod: Pod, installed: Path) -> dict[str, Path]:
    """Return what is mounted where in the pod."""
    places = [one["mountPath"] for one in pod.spec["containers"][0]["volumeMounts"]]
    places.append("/var/run/secrets/kubernetes.io/serviceaccount")
    return {str(installed): installed} | {place: pod.path(place) for place in places}


def test_image_runs_program_and_nothing_around_it_as_user_who_owns_nothing() -> None:
    assert steps("USER") == [f"{sandbox.USER}:{sandbox.USER}"]
    assert steps("ENTRYPOINT") == ['["/opt/bridge/bin/bridge"]']
    installs = [line for line in steps("RUN") if "pip install" in line]
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)


def test_no_file_with_environments_values_is_sent_to_builder() -> None:
    names = context()
    assert {
        "bridge/cli.py",
        "providers/bridge_providers/sops/__init__.py",
        "requirements-image.lock",
        "pyproject.toml",
    } <= set(names)
    assert not [name for name in names if name.startswith(("tests/", ".git/", ".ci/", "config/deploy/"))]


def test_pods_run_needs_no_writable_place_no_shell_and_no_right_of_its_user(
    tmp_path: Path, installed: Path, real_cluster: RealCluster, namespace: str
) -> None:
    if reason := sandbox.impossible():
        pytest.skip(f"the confinement {reason}")
    pod = deployed(tmp_path, real_cluster, namespace)
    folders = mounted(pod, installed)
    environ = pod.environ() | {"PYTHONDONTWRITEBYTECODE": "1"}
    program = installed / "bin" / "bridge"
    done = sandbox.run([program, *pod.arguments()], folders, environ)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "5 created, 0 unchanged" in done.stdout
    assert CANARY not in done.stdout
    again = sandbox.run([program, *pod.arguments()], folders, environ)
    assert (again.returncode, "nothing to do" in again.stdout) == (0, True)


def test_nothing_can_be_written_no_shell_be_started_and_nobody_else_be(installed: Path) -> None:
    if reason := sandbox.impossible():
        pytest.skip(f"the confinement {reason}")
    folders, environ = {str(installed): installed}, {"PYTHONDONTWRITEBYTECODE": "1"}
    writing = sandbox.run([installed / "bin" / "python", "-c", "open('/tmp/x', 'w')"], folders, environ)
    assert "Read-only file system" in writing.stderr
    shell = sandbox.run(["/bin/sh", "-c", "true"], folders, environ)
    assert "Permission denied" in shell.stderr
    code = "import os; print(os.getresuid(), os.getresgid(), os.getgroups())"
    who = sandbox.run([installed / "bin" / "python", "-c", code], folders, environ)
    three = (sandbox.USER,) * 3
    assert who.stdout == f"{three} {three} []\n"


def test_pod_that_is_reported_to_end_ends_at_once_although_it_is_process_1(
    tmp_path: Path, installed: Path, real_cluster: RealCluster, namespace: str
) -> None:
    if reason := sandbox.impossible():
        pytest.skip(f"the confinement {reason}")
    pod = deployed(tmp_path, real_cluster, namespace)
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": ID},
        "spec": {"holderIdentity": "somebody", "leaseDurationSeconds": 3600},
    }
    base = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    assert real_cluster.request("POST", base, lease).status == 201
    command = [installed / "bin" / "bridge", *pod.arguments(), "--lock-wait", "100"]
    process = sandbox.start(command, mounted(pod, installed), pod.environ())
    until(lambda: _handles(process), process=process)
    os.kill(sandbox.first_process(process), signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 143
    assert "Traceback" not in err
    assert real_cluster.request("GET", f"{base}/{ID}").body["spec"]["holderIdentity"] == "somebody"


def _handles(process: subprocess.Popen[str]) -> bool:
    """Say whether the program has its handler for SIGTERM by now: to process 1 no other signal comes."""
    try:
        status = Path(f"/proc/{sandbox.first_process(process)}/status").read_text()
    except (OSError, IndexError):
        return False
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return "Name:\tbash" not in status and bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def test_pods_token_for_vault_logs_in_there(
    tmp_path: Path, installed: Path, real_cluster: RealCluster, namespace: str, dev_vault: DevVault
) -> None:
    if reason := sandbox.impossible():
        pytest.skip(f"the confinement {reason}")
    mount = f"kv-{namespace}"
    vault_login(dev_vault, real_cluster, namespace, mount)
    method = f"{{method: kubernetes, mount: {mount}, role: app, token_file: /var/run/secrets/vault/token}}"
    section = f"vault: {{address: '{dev_vault.address}', mount: {mount}, kv_version: 2, auth: {method}}}"
    pod = deployed(
        tmp_path,
        real_cluster,
        namespace,
        **{"sops:staging.sops.yaml": "vault:app", "sops: {age_key_file: demo.agekey}": section},
    )
    before = dev_vault.tokens()
    done = sandbox.run([installed / "bin" / "bridge", *pod.arguments()], mounted(pod, installed), pod.environ())
    assert (done.stderr, done.returncode) == ("", 0)
    assert "from vault:app" in done.stdout
    assert "CANARY" not in done.stdout
    assert dev_vault.tokens() == before
