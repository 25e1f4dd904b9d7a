"""Which modules a run loads: starting is a large part of what a short run takes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.testing.apiserver import EmbeddedCluster
from tests.servers.client import Client

CONFIG = Path(__file__).parent.parent / "config"
SLOW = {"kubernetes", "hvac", "boto3", "requests", "urllib3", "asyncio", "concurrent"}
Loaded = Callable[..., set[str]]
STAGING = ("staging", "--config", str(CONFIG))


# Not -X importtime, which writes to stderr: that is closed to everybody else while a run goes on.
RUN = """
import os, sys
told = os.open(sys.argv.pop(1), os.O_WRONLY)
sys.addaudithook(lambda event, args: event == "import" and os.write(told, f"{args[0]}\\n".encode()))
from bridge.start import run
run()
"""


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    """Return a function that gives the modules which a run of bridge loads, as Python itself tells them."""

    def loaded(*arguments: str, **environ: str) -> set[str]:
        told = tmp_path / "told"
        told.touch()
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(told), *arguments],
            env={"PATH": os.defpath, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return set(told.read_text().splitlines())

    return loaded


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def test_version_needs_the_command_line_alone(loaded: Loaded) -> None:
    modules = loaded("--version")
    ours = {name.split(".")[1] for name in modules if name.startswith("bridge.")}
    assert ours <= {"arguments", "cli", "errors", "late_warnings", "parser", "process", "report", "start"}
    assert not packages(modules) & {*SLOW, "yaml", "ssl", "cryptography", "pyrage", "bridge_providers", "json"}
    assert not modules & {"logging", "threading", "ctypes"}


def test_check_loads_no_client_of_a_server(loaded: Loaded) -> None:
    modules = loaded("check", *STAGING)
    assert "bridge.plan.loose_ends" not in modules
    assert {"bridge.sources.offline", "bridge_providers.sops.check"} <= modules
    assert not packages(modules) & {*SLOW, "ssl", "http", "pyrage"}
    assert not {name for name in modules if name.startswith("bridge.cluster")}


def test_exec_of_public_variables_loads_neither_a_client_nor_a_key(loaded: Loaded) -> None:
    modules = loaded("exec", *STAGING, "--", "true")
    assert "bridge.sources.variables" in modules
    assert "bridge.git" not in modules
    assert not packages(modules) & {*SLOW, "ssl", "http", "pyrage"}
    assert not {name for name in modules if name.startswith(("bridge.cluster", "bridge.scan"))}


def test_the_guard_loads_no_client_of_a_server_either(loaded: Loaded, tmp_path: Path) -> None:
    build = tmp_path / "build.yaml"
    build.write_text("apiVersion: v1\nkind: Service\nmetadata: {name: agent}\n")
    shutil.copytree(CONFIG, tmp_path / "config")  # in no repository, so git is not started either
    modules = loaded("check", "staging", "--config", str(tmp_path / "config"), "--manifests", str(build))
    assert "bridge.plan.guard" in modules
    assert not packages(modules) & {*SLOW, "ssl", "http", "pyrage", "subprocess"}
    assert not {name for name in modules if name.startswith("bridge.cluster")}


@pytest.mark.parametrize("command", [("plan",), ("sync", "--first")])
def test_run_with_a_kubeconfig_loads_no_slow_package(loaded: Loaded, command: tuple[str, ...], tmp_path: Path) -> None:
    with EmbeddedCluster() as cluster:
        cluster.write_kubeconfig(tmp_path / "kubeconfig")
        namespace = {"metadata": {"name": "voice-agent-staging"}}
        assert Client(cluster.url, cluster.token).request("POST", "/api/v1/namespaces", namespace).status == 201
        modules = loaded(*command, *STAGING, KUBECONFIG=str(tmp_path / "kubeconfig"))
    assert {"bridge.cluster.api", "bridge_providers.sops.decrypt"} <= modules
    assert not packages(modules) & SLOW
