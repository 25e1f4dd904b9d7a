"""Connections that are made in advance: used by the first requests, however far they have come."""

import select
import ssl
import threading
from contextlib import closing
from pathlib import Path

import pytest

from bridge.http import ahead as module
from bridge.http.ahead import WIDTH, Ahead
from bridge.http.sockets import Address, BoundedSocket, BoundedTlsSocket, open_socket
from bridge.http.transport import Answer, Failed, Request, Transport
from tests.cluster.wire import Wire, hang, raw, reply
from tests.servers.pki import Authority
from tests.waiting import until

FINE = reply(200, {"kind": "Secret"})
GET = Request("GET", "/", ())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def serving_tls(authority: Authority) -> ssl.SSLContext:
    return authority.serving()


@pytest.fixture
def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.file))


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every server for one that is far away."""
    monkeypatch.setattr(module, "FAR", 0.0)


def connected(ahead: Ahead, count: int) -> None:
    """Wait until so many connections have been made in advance."""
    until(lambda: len(ahead._coming) == count and all(coming._over.is_set() for coming in ahead._coming))


def ahead_of(url: str, tls: ssl.SSLContext | None = None) -> tuple[Transport, Ahead]:
    """Start to connect to a server."""
    address = Address(url, tls)
    ahead = Ahead(address)
    return Transport(address, ahead), ahead


def test_connection_made_in_advance_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FAR", 1e9)
    with Wire(FINE, FINE) as server:
        transport, ahead = ahead_of(server.url)
        with closing(transport):
            connected(ahead, 1)
            assert isinstance(transport.exchange(GET, 30), Answer)
            assert isinstance(transport.exchange(GET, 30), Answer)
    assert server.connections == 1


@pytest.mark.usefixtures("hurried")
def test_several_are_made_if_server_is_far_away() -> None:
    with Wire(*[FINE] * WIDTH) as server:
        transport, ahead = ahead_of(server.url)
        with closing(transport):
            connected(ahead, WIDTH)
            assert isinstance(transport.exchange(GET, 30), Answer)
            until(lambda: server.connections == WIDTH)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tickets_of_tls_leave_connection_good(
    serving_tls: ssl.SSLContext, trusting: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    trusting.maximum_version = version
    with Wire(FINE, tls=serving_tls) as server:
        transport, ahead = ahead_of(server.url, trusting)
        with closing(transport):
            connected(ahead, 1)
            if version is ssl.TLSVersion.TLSv1_3:
                poller, sock = select.poll(), ahead._coming[0]._sock
                assert sock is not None
                poller.register(sock, select.POLLIN)
                assert poller.poll(30_000), "the server sent no ticket"
            assert isinstance(transport.exchange(GET, 30), Answer)
    assert server.connections == 1


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Make connections only once this is set."""
    event = threading.Event()

    def slowly(address: Address, deadline: float) -> BoundedSocket | BoundedTlsSocket:
        assert event.wait(30)
        return open_socket(address, deadline)

    monkeypatch.setattr(module, "open_socket", slowly)
    return event


def test_request_waits_for_connection_that_is_being_made(
    held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FAR", 1e9)
    answers: list[Answer | Failed] = []
    with Wire(FINE) as server:
        transport, _ = ahead_of(server.url)
        with closing(transport):
            asking = threading.Thread(target=lambda: answers.append(transport.exchange(GET, 30)))
            asking.start()
            held.set()
            asking.join(30)
    assert [type(one) for one in answers] == [Answer]
    assert server.connections == 1


def test_connection_that_could_not_be_made_is_tried_again_and_told_then() -> None:
    with Wire() as server:
        gone = server.url
    transport, _ = ahead_of(gone)
    with closing(transport):
        assert transport.exchange(GET, 30) == Failed("refused the connection", sent=False)


def test_proxy_that_does_not_speak_http_is_tried_again_and_told_then(trusting: ssl.SSLContext) -> None:
    with Wire(raw(b"hello\r\n\r\n")) as proxy:
        address = Address("https://server.example", trusting, proxy=proxy.url)
        with closing(Transport(address, Ahead(address))) as transport:
            assert transport.exchange(GET, 30) == Failed("did not send a valid HTTP answer", sent=False)
    assert proxy.connections == 2


def test_request_waits_no_longer_than_it_may(held: threading.Event) -> None:
    transport, _ = ahead_of("http://127.0.0.1:9")
    with closing(transport):
        outcome = transport.exchange(GET, 0.05)
        held.set()
    assert outcome == Failed("did not answer within 0.1 s", sent=False, timed_out=True)


def test_closing_closes_what_no_request_has_used() -> None:
    with Wire(hang) as server:
        transport, ahead = ahead_of(server.url)
        connected(ahead, 1)
        coming = ahead._coming[0]
        transport.close()
        assert coming._sock is not None
        assert coming._sock.fileno() == -1
    assert not server.requests


def test_closing_closes_what_is_made_only_later(held: threading.Event) -> None:
    with Wire(hang) as server:
        transport, ahead = ahead_of(server.url)
        coming = ahead._coming[0]
        transport.close()
        held.set()
        assert coming._over.wait(30)
        until(lambda: coming._sock is not None and coming._sock.fileno() == -1)
