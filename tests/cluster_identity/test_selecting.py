"""Which cluster counts when several are named: flags, the environment's file, KUBECONFIG, ~/.kube/config, the pod."""

from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from bridge.cluster.connect import Endpoint, Search, connect
from bridge.config.environment_fields import ClusterFlags
from bridge.errors import BridgeError, ConfigError, Refusal
from tests.servers.pki import Authority

POD_URL = "https://10.0.0.1:443"
IN_A_POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
USE_THE_POD = "to use the service account of this pod, pass --in-cluster"


def write(path: Path, *names: str, **servers: str) -> Path:
    """Write a kubeconfig with a context for each name, the first of them current; the server is called like it."""
    every = dict.fromkeys(names) | servers
    content = {
        "current-context": next(iter(every)),
        "contexts": [{"name": name, "context": {"cluster": name, "user": "me"}} for name in every],
        "clusters": [
            {"name": name, "cluster": {"server": url or f"https://{name}.example:6443"}} for name, url in every.items()
        ],
        "users": [{"name": "me", "user": {"token": "CANARY"}}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


class Machine(NamedTuple):
    """A machine with a home folder and, if it is a pod, a service account."""

    folder: Path
    environ: dict[str, str]

    def kubeconfig(self, name: str, *names: str, **servers: str) -> Path:
        return write(self.folder / name, *names, **servers)

    def connect(
        self,
        kubeconfig: Path | None = None,
        context: str | None = None,
        flags: ClusterFlags = ClusterFlags(),  # noqa: B008 - it never changes
        **environ: object,
    ) -> Endpoint:
        given = self.environ | {name: str(value) for name, value in environ.items()}
        return connect(Search(kubeconfig, context, given, flags=flags, pod=self.folder / "pod"))

    def refused(self, *arguments: object, **environ: object) -> BridgeError:
        with pytest.raises(BridgeError) as caught:
            self.connect(*arguments, **environ)
        assert "CANARY" not in repr(caught.value)
        return caught.value


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path, {"HOME": str(tmp_path)})


@pytest.fixture
def pod(tmp_path: Path) -> Machine:
    (tmp_path / "pod").mkdir()
    (tmp_path / "pod" / "token").write_text("CANARY\n")
    (tmp_path / "pod" / "ca.crt").write_bytes(Authority(tmp_path).file.read_bytes())
    (tmp_path / "pod" / "namespace").write_text("voice")
    return Machine(tmp_path, IN_A_POD | {"HOME": str(tmp_path)})


@pytest.fixture(params=["machine", "pod"])
def anywhere(request: pytest.FixtureRequest) -> Machine:
    return request.getfixturevalue(request.param)


def test_flags_count_before_section_and_section_before_kubeconfig(anywhere: Machine) -> None:
    section = anywhere.kubeconfig("section", "one", "two", "three")
    flag = anywhere.kubeconfig("flag", "four", "two")
    home = anywhere.kubeconfig(".kube/config", "six")
    assert anywhere.connect(section, "two").source == f"context two of {section}"
    assert anywhere.connect(section).source == f"context one of {section}"
    assert anywhere.connect(section, "two", ClusterFlags(context="three")).source == f"context three of {section}"
    assert anywhere.connect(section, "two", ClusterFlags(flag)).source == f"context two of {flag}"
    assert anywhere.connect(section, "one", ClusterFlags(flag, "four")).source == f"context four of {flag}"
    assert anywhere.connect(KUBECONFIG=flag).source == f"context four of {flag}"
    assert anywhere.connect(None, "two", KUBECONFIG=flag).source == f"context two of {flag}"
    assert anywhere.connect().source == f"context six of {home}"
    assert {anywhere.connect(section).pod_namespace, anywhere.connect().pod_namespace} == {None}


def test_pod_account_is_used_if_nothing_is_named_and_there_is_no_kubeconfig(pod: Machine) -> None:
    found = pod.connect()
    assert (found.url, found.context, found.pod_namespace) == (POD_URL, None, "voice")


def test_in_cluster_takes_account_of_pod_whatever_is_named(pod: Machine) -> None:
    named = pod.kubeconfig("named", "one")
    pod.kubeconfig(".kube/config", "home")
    flags = ClusterFlags(in_cluster=True)
    for arguments in ((named, "one"), (pod.folder / "missing", "none"), (None, None)):
        assert pod.connect(*arguments, flags, KUBECONFIG=named).url == POD_URL


def test_in_cluster_outside_pod_is_error(machine: Machine) -> None:
    error = machine.refused(None, None, ClusterFlags(in_cluster=True))
    assert isinstance(error, ConfigError)
    assert str(error) == "--in-cluster: this is not a pod: KUBERNETES_SERVICE_HOST is not set"


@pytest.mark.parametrize("flags", [ClusterFlags(), ClusterFlags(in_cluster=True)])
def test_pod_without_token_says_so_and_names_setting(machine: Machine, flags: ClusterFlags) -> None:
    error = machine.refused(None, None, flags, **IN_A_POD)
    assert isinstance(error, ConfigError)
    assert str(error) == "the pod's service account: this pod has no service account token"
    assert error.problems[0].hint.startswith("set automountServiceAccountToken: true in the pod's spec, or ")


def test_pod_without_token_can_still_use_kubeconfig(machine: Machine) -> None:
    named = machine.kubeconfig("named", "one")
    assert machine.connect(named, **IN_A_POD).source == f"context one of {named}"
    assert machine.connect(KUBECONFIG=named, **IN_A_POD).source == f"context one of {named}"


def test_missing_named_kubeconfig_is_error_even_in_pod(anywhere: Machine) -> None:
    named, missing = anywhere.kubeconfig("named", "one"), anywhere.folder / "missing"
    unreadable = f"{missing}: cannot read this kubeconfig: no such file or directory"
    cases = [
        (anywhere.refused(missing), unreadable),
        (anywhere.refused(named, None, ClusterFlags(missing)), unreadable),
        (anywhere.refused(KUBECONFIG=missing), unreadable),
        (anywhere.refused(named, "two"), f'{named}: has no context "two"'),
        (anywhere.refused(named, "one", ClusterFlags(context="two")), f'{named}: has no context "two"'),
        (anywhere.refused(None, "two", KUBECONFIG=named), f'{named}: has no context "two"'),
        (anywhere.refused(None, "two"), f"{anywhere.folder}/.kube/config: no kubeconfig found"),
        (
            anywhere.refused(None, None, ClusterFlags(context="two")),
            f"{anywhere.folder}/.kube/config: no kubeconfig found",
        ),
    ]
    for error, text in cases:
        assert isinstance(error, ConfigError)
        assert str(error) == text
        assert (USE_THE_POD in error.problems[0].hint) is ("KUBERNETES_SERVICE_HOST" in anywhere.environ)


def test_home_that_cannot_be_looked_into_has_no_kubeconfig(pod: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "exists", denied)
    assert pod.connect().url == POD_URL


def test_user_without_home_has_no_kubeconfig(pod: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "expanduser", homeless)
    assert pod.connect(HOME="").url == POD_URL


def test_section_and_kubeconfig_with_different_servers_are_refused(anywhere: Machine) -> None:
    section, other = anywhere.kubeconfig("section", "one"), anywhere.kubeconfig("other", "two")
    error = anywhere.refused(section, KUBECONFIG=other)
    assert isinstance(error, Refusal)
    assert str(error) == (
        f"context one of {section}: leads to https://one.example:6443, but KUBECONFIG leads to https://two.example:6443"
    )
    assert error.problems[0].hint == "choose with --kubeconfig FILE, or unset KUBECONFIG"
    assert anywhere.connect(section, None, ClusterFlags(other), KUBECONFIG=other).source == f"context two of {other}"
    assert anywhere.connect(section, None, ClusterFlags(section), KUBECONFIG=other).url == "https://one.example:6443"
    assert anywhere.connect(section, None, ClusterFlags(context="one"), KUBECONFIG=other).context == "one"


@pytest.mark.parametrize(
    "theirs", ["https://ONE.example:6443", "https://one.example:6443/", "https://one.example.:6443"]
)
def test_section_and_kubeconfig_may_write_same_server_differently(machine: Machine, theirs: str) -> None:
    section = machine.kubeconfig("section", "one")
    assert machine.connect(section, KUBECONFIG=machine.kubeconfig("other", two=theirs)).context == "one"


@pytest.mark.parametrize("theirs", ["https://one.example", "https://one.example:6443/prefix", "https://two:6443"])
def test_another_port_path_or_host_is_another_server(machine: Machine, theirs: str) -> None:
    section = machine.kubeconfig("section", "one")
    assert isinstance(machine.refused(section, KUBECONFIG=machine.kubeconfig("other", two=theirs)), Refusal)


def test_context_of_section_is_compared_if_kubeconfig_has_it(machine: Machine) -> None:
    section = machine.kubeconfig("section", "one", "two")
    both = machine.kubeconfig("both", "one", "two")  # current: one
    assert machine.connect(section, "two", KUBECONFIG=both).context == "two"
    moved = machine.kubeconfig("moved", "one", two="https://elsewhere.example")
    assert isinstance(machine.refused(section, "two", KUBECONFIG=moved), Refusal)
    assert isinstance(machine.refused(section, "one", ClusterFlags(context="two"), KUBECONFIG=moved), Refusal)


def test_section_counts_if_kubeconfig_leads_nowhere(machine: Machine) -> None:
    section = machine.kubeconfig("section", "one")
    (machine.folder / "empty").write_text("# all contexts were removed\n")
    for nowhere in (machine.folder / "empty", machine.folder / "missing"):
        assert machine.connect(section, KUBECONFIG=nowhere).context == "one"


def test_no_credential_plugin_runs_for_comparison(machine: Machine) -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(machine.folder / "plugin")}
    (machine.folder / "plugin").write_text(f"#!/bin/sh\ntouch {machine.folder}/ran\n")
    (machine.folder / "plugin").chmod(0o755)
    section, other = machine.kubeconfig("section", "one"), machine.kubeconfig("other", "two")
    for file in (section, other):
        content = yaml.safe_load(file.read_text())
        content["users"][0]["user"] = {"exec": plugin}
        file.write_text(yaml.safe_dump(content))
    assert isinstance(machine.refused(section, KUBECONFIG=other), Refusal)
    assert not (machine.folder / "ran").exists()


@pytest.mark.parametrize("text", ["", "# all contexts were removed\n", "---\n"])
def test_empty_file_in_kubeconfig_counts_as_one_without_entries(machine: Machine, text: str) -> None:
    (machine.folder / "empty").write_text(text)
    full = machine.kubeconfig("full", "one")
    for listed in (f"{machine.folder}/empty:{full}", f"{full}:{machine.folder}/empty"):
        assert machine.connect(KUBECONFIG=listed).source == f"context one of {full}"
    error = machine.refused(KUBECONFIG=machine.folder / "empty")
    assert str(error) == f"{machine.folder}/empty: has no current-context"
