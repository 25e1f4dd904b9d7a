"""The first sync that README.md shows, as a new user runs it."""

import os
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.testing.apiserver import EmbeddedCluster
from tests.desk import Target
from tests.pages import README, page
from tests.servers.client import Client

NAMESPACE = "my-app-staging"
pytestmark = pytest.mark.real


class User:
    """A new user's shell, and the cluster that they can reach."""

    def __init__(self, folder: Path, cluster: EmbeddedCluster, programs: list[Path]) -> None:
        cluster.write_kubeconfig(folder / "kubeconfig")
        client = Client(cluster.url, cluster.token)
        assert client.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}}).status == 201
        self.target = Target(NAMESPACE, client, cluster.write_kubeconfig, cluster)
        self.folder = folder
        path = [sysconfig.get_path("scripts"), *(str(one.parent) for one in programs), "/usr/bin", "/bin"]
        self.environ = {"PATH": os.pathsep.join(path), "HOME": str(folder), "KUBECONFIG": str(folder / "kubeconfig")}

    def write(self, block: str) -> None:
        """Write the file that a block shows; its first line says which."""
        name = block.partition("\n")[0].removeprefix("# ")
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_text(block)

    def run(self, script: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert "CANARY" not in done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def user(tmp_path: Path, sops_binary: Path, age_binaries: tuple[Path, Path]) -> Iterator[User]:
    with EmbeddedCluster() as cluster:
        yield User(tmp_path, cluster, [sops_binary, age_binaries[1]])


def first_sync(user: User) -> str:
    """Run the five commands, with an answer to all that they ask."""
    user.write(README.block("first-environment"))
    user.write(README.block("first-template"))
    script = README.block("first-sync").replace("bridge set", "printf %s CANARY-first | bridge set")
    script = script.replace("API_KEY  ", "API_KEY --yes  ").replace("sync staging", "sync staging --first")
    return user.run(script)


def test_five_commands_write_first_secret(user: User) -> None:
    out = first_sync(user)
    assert "1 created, 0 unchanged" in out
    assert user.target.data("Secret", "my-app") == {"API_KEY": "CANARY-first"}


@pytest.mark.parametrize("block", ["first-environment", "first-template", "first-sync"])
def test_readme_and_getting_started_have_same_first_sync(block: str) -> None:
    assert README.block(block) == page("getting-started").block(block)
