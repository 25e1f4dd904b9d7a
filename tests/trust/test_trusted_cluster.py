"""The trust file: which kubeconfigs count, which API servers get a credential, and which plugins start."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.cluster.connect import Endpoint, Search, connect, selected
from bridge.config.environment_fields import ClusterFlags
from bridge.errors import Refusal
from tests.cluster.wire import assert_clean
from tests.servers.pki import Authority
from tests.trusting import trusting

SERVER = "https://cluster.example:6443"
TOKEN = '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "CANARY"}}'


class Operator:
    """An operator's kubeconfig, and a program that gives credentials and leaves a mark."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "kubeconfig"
        self.mark = folder / "mark"
        self.program = folder / "plugin"
        code = f"open({str(self.mark)!r}, 'a').write('x')\nprint({TOKEN!r})\n"
        self.program.write_text(f"#!{sys.executable} -I\n{code}")
        self.program.chmod(0o700)
        self.environ = {"HOME": str(folder), "PATH": str(folder)}
        self.write({"token": "CANARY"})

    def write(self, user: dict[str, Any]) -> None:
        content = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": SERVER}}],
            "users": [{"name": "u", "user": user}],
        }
        self.file.write_text(yaml.safe_dump(content))

    def trust(self, **listed: Any) -> None:
        self.environ |= trusting(self.folder, **({"servers": [SERVER], "kubeconfigs": [str(self.file)]} | listed))

    def connect(self, flags: ClusterFlags | None = None) -> Endpoint:
        return connect(Search(None, None, self.environ, flags or ClusterFlags(self.file), pod=self.folder / "pod"))

    def refused(self) -> list[tuple[str, str, str]]:
        with pytest.raises(Refusal) as caught:
            self.connect()
        assert_clean(caught.value, "CANARY", frames=False)
        return [(one.where, one.what, one.hint) for one in caught.value.problems]


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


def test_listed_items_are_allowed(operator: Operator) -> None:
    operator.trust()
    assert operator.connect().headers() == {"Authorization": "Bearer CANARY"}


def test_kubeconfig_and_server_that_are_not_listed_are_reported_together(operator: Operator) -> None:
    operator.trust(servers=[], kubeconfigs=[])
    file = operator.environ["BRIDGE_TRUST"]
    start = "if you trust it, add this line to"
    assert operator.refused() == [
        (
            str(operator.file),
            f"is not in `kubeconfigs` of {file}",
            f'{start} `kubeconfigs` in that file: - "{operator.file}"',
        ),
        (
            f"context c of {operator.file}",
            f"leads to {SERVER}, which is not in `servers` of {file}",
            f'{start} `servers` in that file: - "{SERVER}"',
        ),
    ]
    with pytest.raises(Refusal):
        selected(Search(None, None, operator.environ, ClusterFlags(operator.file), pod=operator.folder / "pod"))


@pytest.mark.parametrize("origin", ["environment", "KUBECONFIG", "home"])
def test_kubeconfig_is_listed_wherever_it_was_named(operator: Operator, origin: str) -> None:
    operator.trust(kubeconfigs=[])
    named = operator.file if origin == "environment" else None
    if origin == "KUBECONFIG":
        operator.environ["KUBECONFIG"] = str(operator.file)
    if origin == "home":
        (operator.folder / ".kube").mkdir()
        operator.file.rename(operator.folder / ".kube" / "config")
    with pytest.raises(Refusal, match="is not in `kubeconfigs` of"):
        connect(Search(named, None, operator.environ, pod=operator.folder / "pod"))


@pytest.mark.parametrize("command", ["absolute", "name"])
@pytest.mark.parametrize("listed", ["nothing", "another", "other arguments"])
def test_plugin_that_is_not_listed_is_not_started(operator: Operator, command: str, listed: str) -> None:
    program = str(operator.program)
    operator.write(
        {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": program if command == "absolute" else "plugin",
                "args": ["eks", "delete-everything"],
                "interactiveMode": "Never",
            }
        }
    )
    programs = {"nothing": [], "another": ["/bin/true"], "other arguments": [[program, "eks", "get-token"]]}[listed]
    operator.trust(programs=programs)
    ((where, what, hint),) = operator.refused()
    assert where.endswith('user "u": exec')
    assert what.startswith(f"exec starts {program}, which is not in `programs` of")
    assert hint.endswith(f'- ["{program}"]')
    assert not operator.mark.exists()
    operator.trust(programs=[[program, "eks"]])
    assert operator.connect().headers() == {"Authorization": "Bearer CANARY"}
    assert operator.mark.read_text() == "x"


@pytest.mark.parametrize("config", [{"cmd-path": "plugin"}, {"idp-issuer-url": "https://evil.example"}, {}])
def test_auth_provider_is_refused_with_trust_file(operator: Operator, config: dict[str, str]) -> None:
    operator.write({"auth-provider": {"name": "gcp", "config": config}})
    operator.trust(programs=[str(operator.program)])
    ((_, what, _),) = operator.refused()
    assert what.startswith("auth-provider may start any program and query any server, so ")
    assert not operator.mark.exists()


def test_pods_service_account_need_not_be_listed(operator: Operator) -> None:
    pod = operator.folder / "pod"
    pod.mkdir()
    (pod / "token").write_text("CANARY")
    (pod / "ca.crt").write_bytes(Authority(operator.folder).file.read_bytes())
    operator.environ |= {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    operator.trust(servers=[], kubeconfigs=[])
    assert operator.connect(ClusterFlags(in_cluster=True)).url == "https://10.0.0.1:443"
