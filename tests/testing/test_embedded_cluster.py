"""What the embedded cluster has beside its API: the list of requests, faults to order, a kubeconfig."""

import http.client
import json
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.testing.apiserver import EmbeddedCluster, Fault
from tests.servers.client import Client
from tests.testing.subject import Subject, refusal, secret, values


@pytest.fixture
def cluster() -> Iterator[EmbeddedCluster]:
    with EmbeddedCluster() as running:
        yield running


def subject_of(cluster: EmbeddedCluster) -> Subject:
    return Subject(Client(cluster.url, cluster.token), "default")


def order(cluster: EmbeddedCluster, method: str, fault: Fault) -> None:
    cluster.intercept = lambda asked, _: fault if asked == method else None


def test_it_listens_on_loopback_only(cluster: EmbeddedCluster) -> None:
    assert cluster.url.startswith("http://127.0.0.1:")


def test_requests_are_listed_with_their_query(cluster: EmbeddedCluster) -> None:
    subject_of(cluster).get("s")
    subject_of(cluster).apply(secret(A="1"), query="&dryRun=All")
    path = "/api/v1/namespaces/default/secrets/s"
    assert cluster.requests == [("GET", path), ("PATCH", f"{path}?fieldManager=bridge/x&dryRun=All")]


def test_one_connection_serves_many_requests(cluster: EmbeddedCluster) -> None:
    connection = http.client.HTTPConnection(cluster.url.removeprefix("http://"), timeout=120)
    for _ in range(3):
        connection.request("GET", "/version")
        assert json.load(connection.getresponse())["minor"] == "36"
        socket = connection.sock
    assert connection.sock is socket is not None
    connection.close()


def test_ordered_status_is_answered_with_its_headers_and_body(cluster: EmbeddedCluster) -> None:
    order(cluster, "PATCH", ("status", 429, {"Retry-After": "1", "Content-Type": "text/plain"}, b"slow down"))
    reply = subject_of(cluster).apply(secret(A="1"))
    assert (reply.status, reply.headers["retry-after"], reply.body) == (429, "1", "slow down")
    assert subject_of(cluster).get("s").status == 404


def test_dropped_request_is_not_handled(cluster: EmbeddedCluster) -> None:
    order(cluster, "PATCH", "drop")
    with pytest.raises(http.client.RemoteDisconnected):
        subject_of(cluster).apply(secret(A="1"))
    assert subject_of(cluster).get("s").status == 404


def test_request_whose_answer_is_dropped_is_handled(cluster: EmbeddedCluster) -> None:
    order(cluster, "PATCH", "drop-after")
    with pytest.raises(http.client.RemoteDisconnected):
        subject_of(cluster).apply(secret(A="1"))
    assert values(subject_of(cluster).get("s")) == {"A": "1"}


def test_hanging_request_ends_with_cluster() -> None:
    ends: list[type[BaseException]] = []
    arrived = threading.Event()

    def ask() -> None:
        try:
            subject_of(cluster).get("s")
        except OSError as error:
            ends.append(type(error))

    def hang(_method: str, _path: str) -> Fault:
        arrived.set()
        return "hang"

    with EmbeddedCluster() as cluster:
        cluster.intercept = hang
        waiting = threading.Thread(target=ask)
        waiting.start()
        assert arrived.wait(120)
        assert not ends
    waiting.join(120)
    assert ends in ([http.client.RemoteDisconnected], [ConnectionResetError])


def test_closing_does_not_wait_for_idle_connections() -> None:
    with EmbeddedCluster() as cluster:
        connection = http.client.HTTPConnection(cluster.url.removeprefix("http://"), timeout=120)
        connection.request("GET", "/readyz")
        connection.getresponse().read()
    assert connection.sock is not None
    assert connection.sock.recv(1) == b""
    connection.close()


def test_kubeconfig_names_server_and_is_private(cluster: EmbeddedCluster, tmp_path: Path) -> None:
    path = cluster.write_kubeconfig(tmp_path / "kubeconfig", namespace="voice")
    content = json.loads(path.read_text())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert content["clusters"][0]["cluster"] == {"server": cluster.url}
    assert content["users"][0]["user"] == {"token": cluster.token}
    assert content["contexts"][0]["context"]["namespace"] == "voice"
    assert content["current-context"] == content["contexts"][0]["name"] == "embedded"


def test_parameters_that_are_not_served_are_refused_and_not_ignored(cluster: EmbeddedCluster) -> None:
    subject = subject_of(cluster)
    reply = subject.request("GET", subject.path(query="labelSelector=a%3Db"))
    assert refusal(reply) == (400, "BadRequest", "the embedded cluster does not serve the parameter labelSelector")


def test_two_clusters_share_nothing() -> None:
    with EmbeddedCluster() as one, EmbeddedCluster() as two:
        subject_of(one).apply(secret(A="1"))
        assert subject_of(two).get("s").status == 404
        assert Subject(Client(two.url, one.token), "default").get("s").status == 401
