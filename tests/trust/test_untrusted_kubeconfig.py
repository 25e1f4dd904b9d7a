"""What a kubeconfig may do that the environment's file names, which may come with any branch."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.cluster.connect import Endpoint, Search, connect
from bridge.config.environment_fields import ClusterFlags
from bridge.errors import Refusal
from tests.cluster.wire import assert_clean

V1 = "client.authentication.k8s.io/v1"
NAMED = "if the environment's file names the kubeconfig"


class Branch:
    """A checkout with a kubeconfig in it, and a program that leaves a mark."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "checkout" / "kubeconfig"
        self.mark = folder / "mark"
        self.program = folder / "checkout" / "program"
        self.file.parent.mkdir()
        self.program.write_text(f"#!{sys.executable} -I\nopen({str(self.mark)!r}, 'a').write('x')\n")
        self.program.chmod(0o700)

    def write(self, user: dict[str, Any]) -> None:
        content = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": "https://evil.example"}}],
            "users": [{"name": "u", "user": user}],
        }
        self.file.write_text(yaml.safe_dump(content))

    def connect(self, *, flag: Path | None = None, **environ: str) -> Endpoint:
        flags = ClusterFlags(flag)
        return connect(
            Search(self.file, None, {"HOME": str(self.folder), **environ}, flags=flags, pod=self.folder / "pod")
        )

    def refused(self, **environ: str) -> str:
        with pytest.raises(Refusal) as caught:
            self.connect(**environ)
        assert_clean(caught.value, "CANARY", frames=False)
        assert caught.value.problems[0].hint == "pass this kubeconfig with --kubeconfig FILE, or set KUBECONFIG"
        return caught.value.problems[0].what


@pytest.fixture
def branch(tmp_path: Path) -> Branch:
    return Branch(tmp_path)


def starting(branch: Branch, kind: str) -> dict[str, Any]:
    if kind == "exec":
        return {"exec": {"apiVersion": V1, "command": str(branch.program), "interactiveMode": "Never"}}
    return {"auth-provider": {"name": "gcp", "config": {"cmd-path": str(branch.program), "cmd-args": "x"}}}


@pytest.mark.parametrize("kind", ["exec", "auth-provider"])
def test_kubeconfig_of_environments_file_starts_no_program(branch: Branch, kind: str) -> None:
    branch.write(starting(branch, kind))
    assert branch.refused() == f"{kind} is not allowed {NAMED}"
    assert not branch.mark.exists()


@pytest.mark.parametrize("origin", ["flag", "KUBECONFIG", "home"])
def test_kubeconfig_of_operator_starts_its_program_wherever_it_is(branch: Branch, origin: str) -> None:
    branch.write(starting(branch, "exec"))
    home = branch.folder / ".kube" / "config"
    if origin == "home":
        home.parent.mkdir()
        home.symlink_to(branch.file)
    chosen = {"flag": {"flag": branch.file}, "KUBECONFIG": {"KUBECONFIG": str(branch.file)}, "home": {}}[origin]
    with pytest.raises(Refusal, match="the credential plugin printed nothing"):
        branch.connect(**chosen)
    assert branch.mark.read_text() == "x"


@pytest.mark.parametrize("way", ["absolute", "dots", "link"])
def test_token_file_of_such_kubeconfig_is_in_its_folder(branch: Branch, way: str) -> None:
    elsewhere = branch.folder / "token"
    elsewhere.write_text("CANARY")
    (branch.file.parent / "link").symlink_to(elsewhere)
    branch.write({"tokenFile": {"absolute": str(elsewhere), "dots": "../token", "link": "link"}[way]})
    assert branch.refused() == f"tokenFile must be in the kubeconfig's folder {NAMED}"
    assert branch.connect(flag=branch.file).headers() == {"Authorization": "Bearer CANARY"}


def test_token_file_next_to_such_kubeconfig_is_used(branch: Branch) -> None:
    (branch.file.parent / "token").write_text("mine")
    branch.write({"tokenFile": "token"})
    assert branch.connect().headers() == {"Authorization": "Bearer mine"}
