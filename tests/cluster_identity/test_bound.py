"""What an environment is bound to is compared before any write; and a namespace that does not exist is an error."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.testing.apiserver import EmbeddedCluster
from tests.cluster_identity.test_first_write import KUBECONFIG, requests, uid_of, writes
from tests.deploy.pod import in_pod
from tests.desk import Desk, Result
from tests.fleet.test_fleet import fleet, member, results, token
from tests.servers.client import Client
from tests.servers.front import Front

ACCOUNT = "the pod's service account"


def test_another_server_than_one_that_binds_is_refused_before_any_request(offline_desk: Desk) -> None:
    offline_desk.environment(cluster=KUBECONFIG | {"server": ["https://elsewhere.example", "http://127.0.0.1:1"]})
    for command in (["plan"], ["sync"], ["sync", "--first"], ["status"], ["adopt", "--yes"], ["restart"]):
        result = offline_desk.run(*command, "staging")
        url, file = offline_desk.target.client.url, offline_desk.folder / "kubeconfig"
        told = f"bridge: error: context embedded of {file}: leads to {url}, which `cluster.server` does not list"
        assert (result.status, result.lines[0]) == (1, told)
    assert requests(offline_desk) == []


def test_both_bindings_are_compared(desk: Desk) -> None:
    server = desk.target.client.url
    desk.environment(cluster=KUBECONFIG | {"server": server, "namespace_uid": "3f6c"})
    assert desk.run("sync", "staging").status == 1
    desk.environment(cluster=KUBECONFIG | {"server": "https://elsewhere.example", "namespace_uid": uid_of(desk)})
    assert desk.run("sync", "staging").status == 1
    desk.environment(cluster=KUBECONFIG | {"server": server, "namespace_uid": uid_of(desk)})
    assert desk.run("sync", "staging", "--output", "json").data["cluster"]["binding"] == "namespace_uid"


def test_environments_of_one_run_are_compared_each_for_itself_over_one_connection(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bridge.run import line as opening  # noqa: PLC0415

    names = fleet(offline_desk, 6)
    uid = uid_of(offline_desk)
    member(offline_desk, names[0], cluster=KUBECONFIG | {"namespace_uid": "3f6c"})
    member(offline_desk, names[1], cluster=KUBECONFIG | {"server": "https://elsewhere.example"})
    member(offline_desk, names[2], cluster=KUBECONFIG | {"namespace_uid": ["3f6c", uid]})
    opened = []
    connect = opening.connect
    monkeypatch.setattr(opening, "connect", lambda *args, **more: opened.append(args) or connect(*args, **more))
    result = offline_desk.run("sync", "--all", "--output", "json")
    assert (result.status, len(opened)) == (1, 1)
    assert results(result) == dict.fromkeys(names[:2], "failed") | dict.fromkeys(names[2:], "written")
    assert [token(offline_desk, name) is None for name in names] == [True, True, *[False] * 4]


# A namespace that does not exist


@pytest.fixture
def nowhere(desk: Desk) -> Desk:
    desk.environment(namespace="no-such-namespace")
    return desk


MISSING = [
    ("status", "staging"),
    ("adopt", "staging", "--yes"),
    ("adopt", "staging", "--dry-run"),
    ("check", "staging", "--live"),
    ("import", "staging", "--from-cluster", "--to", "plain:values.json", "--dry-run"),
    ("plan", "staging"),
    ("sync", "staging"),
    ("restart", "staging"),
]


@pytest.mark.parametrize("command", MISSING, ids=" ".join)
def test_namespace_that_does_not_exist_is_error_of_every_command(nowhere: Desk, command: tuple[str, ...]) -> None:
    result = nowhere.run(*command)
    assert result.status == 1
    (told,) = [line for line in result.lines if line.startswith("bridge: error: ")]
    assert "no-such-namespace" in told
    assert "does not exist" in told


@pytest.mark.parametrize("command", ["status", "adopt"])
def test_namespace_is_asked_for_only_if_nothing_was_found_in_it(offline_desk: Desk, command: str) -> None:
    path = ("GET", f"/api/v1/namespaces/{offline_desk.target.namespace}")
    assert offline_desk.run(command, "staging").status == 0
    assert requests(offline_desk).count(path) == 1
    offline_desk.run("sync", "staging")
    requests(offline_desk).clear()
    assert offline_desk.run(command, "staging").status == 0
    assert path not in requests(offline_desk)


def test_namespace_that_may_not_be_read_is_taken_to_exist(offline_desk: Desk) -> None:
    assert offline_desk.target.embedded
    body = b'{"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403}'
    path = f"/api/v1/namespaces/{offline_desk.target.namespace}"
    forbidden = ("answer", 403, {"Content-Type": "application/json"}, body)
    offline_desk.target.embedded.intercept = lambda _, asked: forbidden if asked == path else None
    assert offline_desk.run("status", "staging").status == 0


# In a pod


class Pod:
    """A pod of the desk's cluster: a service account's files, and the variables of the API server."""

    def __init__(self, desk: Desk, folder: Path, front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
        self.desk = desk
        self.folder = folder
        assert desk.target.embedded
        (folder / "token").write_text(desk.target.embedded.token)
        (folder / "ca.crt").write_bytes(front.authority.file.read_bytes())
        in_pod(monkeypatch, folder)
        monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(front.port))
        monkeypatch.delenv("HTTPS_PROXY", raising=False)
        monkeypatch.delenv("https_proxy", raising=False)

    def sync(self, namespace: str, *flags: str) -> Result:
        (self.folder / "namespace").write_text(namespace)
        return self.desk.run("sync", "staging", "--output", "json", *flags)


@pytest.fixture
def pod(offline_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pod]:
    folder = tmp_path / "account"
    folder.mkdir()
    offline_desk.environment(cluster=None)
    with Front(offline_desk.target.client.url, folder) as front:
        yield Pod(offline_desk, folder, front, monkeypatch)


def test_pod_in_environments_own_namespace_needs_neither_flag_nor_binding(pod: Pod) -> None:
    result = pod.sync("voice")
    assert (result.status, result.err, result.data["result"]) == (0, "", "written")
    assert (result.data["cluster"]["binding"], result.data["cluster"]["context"]) == ("pod", None)


def test_pod_of_another_namespace_is_like_any_other_run_without_binding(pod: Pod) -> None:
    result = pod.sync("ci-runners")
    assert result.status == 1
    assert f"({ACCOUNT}): nothing shows that staging was written to it before" in result.lines[0]
    assert writes(pod.desk) == []
    assert pod.sync("ci-runners", "--first").data["cluster"]["binding"] is None
    pod.desk.values(OPENAI_API_KEY="CANARY-new")
    assert pod.sync("ci-runners").data["result"] == "written"


def test_in_cluster_binds_in_any_namespace_and_compares_no_server(pod: Pod, tmp_path: Path) -> None:
    elsewhere = {"kubeconfig": "missing", "context": "none", "server": "https://elsewhere.example"}
    pod.desk.environment(cluster=elsewhere)
    result = pod.sync("ci-runners", "--in-cluster")
    assert (result.status, result.err, result.data["cluster"]["binding"]) == (0, "", "pod")


def test_in_cluster_still_compares_uid(pod: Pod) -> None:
    pod.desk.environment(cluster={"namespace_uid": "3f6c"})
    assert pod.sync("voice", "--in-cluster").status == 1
    assert writes(pod.desk) == []
    pod.desk.environment(cluster={"namespace_uid": ["3f6c", uid_of(pod.desk)]})
    assert pod.sync("voice", "--in-cluster").data["cluster"]["binding"] == "namespace_uid"


def test_runner_in_pod_writes_into_cluster_that_is_named(
    pod: Pod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmbeddedCluster() as wanted:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "voice"}}
        client = Client(wanted.url, wanted.token)
        assert client.request("POST", "/api/v1/namespaces", body).status == 201
        wanted.write_kubeconfig(tmp_path / "named")
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "named"))
        requests(pod.desk).clear()
        result = pod.sync("voice", "--first")
        assert (result.status, result.data["cluster"]["server"]) == (0, wanted.url)
        assert client.request("GET", "/api/v1/namespaces/voice/secrets/agent-secrets").status == 200
    assert requests(pod.desk) == []


def test_fleet_in_pod_needs_flag_for_what_it_never_wrote(pod: Pod) -> None:
    names = fleet(pod.desk, 3, cluster=None)
    (pod.folder / "namespace").write_text("bridge")
    member(pod.desk, names[0], cluster={"context": "kapsule", "server": "https://elsewhere.example"})
    assert pod.desk.run("sync", "--all", "--in-cluster").status == 0
    assert [token(pod.desk, name) is None for name in names] == [False] * 3
    assert pod.desk.run("sync", names[1]).status == 0  # known by now
