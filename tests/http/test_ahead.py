"""Connections that are made in advance: used by the first requests, however far they have come."""

import select
import ssl
import threading
from contextlib import closing
from pathlib import Path

import pytest

from bridge.http import transport as module
from bridge.http.transport import Address, Answer, Failed, Request, Transport
from tests.cluster.wire import Wire, hang, reply
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


def connected(transport: Transport, count: int) -> None:
    """Wait until so many connections have been made in advance."""
    until(lambda: len(transport._coming) == count and all(coming._over.is_set() for coming in transport._coming))


def test_connection_made_in_advance_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FAR", 1e9)
    with Wire(FINE, FINE) as server, closing(Transport(Address(server.url, None))) as transport:
        transport.open_ahead(3, 30)
        connected(transport, 1)
        assert isinstance(transport.exchange(GET, 30), Answer)
        assert isinstance(transport.exchange(GET, 30), Answer)
    assert server.connections == 1


@pytest.mark.usefixtures("hurried")
def test_several_are_made_if_server_is_far_away() -> None:
    with Wire(*[FINE] * 3) as server, closing(Transport(Address(server.url, None))) as transport:
        transport.open_ahead(3, 30)
        connected(transport, 3)
        assert isinstance(transport.exchange(GET, 30), Answer)
        until(lambda: server.connections == 3)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tickets_of_tls_leave_connection_good(
    serving_tls: ssl.SSLContext, trusting: ssl.SSLContext, version: ssl.TLSVersion
) -> None:
    trusting.maximum_version = version
    with Wire(FINE, tls=serving_tls) as server, closing(Transport(Address(server.url, trusting))) as transport:
        transport.open_ahead(1, 30)
        connected(transport, 1)
        if version is ssl.TLSVersion.TLSv1_3:
            poller = select.poll()
            poller.register(transport._coming[0]._connection.sock, select.POLLIN)
            assert poller.poll(30_000), "the server sent no ticket"
        assert isinstance(transport.exchange(GET, 30), Answer)
    assert server.connections == 1


def test_request_waits_for_connection_that_is_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    connect, held = module._Connection.connect, threading.Event()

    def slowly(connection: module._Connection) -> None:
        assert held.wait(30)
        connect(connection)

    monkeypatch.setattr(module._Connection, "connect", slowly)
    answers: list[Answer | Failed] = []
    with Wire(FINE) as server, closing(Transport(Address(server.url, None))) as transport:
        transport.open_ahead(1, 30)
        asking = threading.Thread(target=lambda: answers.append(transport.exchange(GET, 30)))
        asking.start()
        held.set()
        asking.join(30)
    assert [type(one) for one in answers] == [Answer]
    assert server.connections == 1


def test_connection_that_could_not_be_made_is_tried_again_and_told_then() -> None:
    with Wire() as server:
        gone = server.url
    with closing(Transport(Address(gone, None))) as transport:
        transport.open_ahead(1, 30)
        assert transport.exchange(GET, 30) == Failed("refused the connection", sent=False)


def test_request_waits_no_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()
    monkeypatch.setattr(module._Coming, "_connect", lambda _: held.wait(30))
    with closing(Transport(Address("http://127.0.0.1:9", None))) as transport:
        transport.open_ahead(1, 30)
        outcome = transport.exchange(GET, 0.05)
        held.set()
    assert outcome == Failed("did not answer within 0.1 s", sent=False, timed_out=True)


def test_closing_closes_what_no_request_has_used() -> None:
    with Wire(hang) as server:
        transport = Transport(Address(server.url, None))
        transport.open_ahead(1, 30)
        connected(transport, 1)
        coming = transport._coming[0]
        transport.close()
        assert coming._connection.sock is None
    assert not server.requests


def test_closing_closes_what_is_made_only_later(monkeypatch: pytest.MonkeyPatch) -> None:
    connect, held = module._Connection.connect, threading.Event()

    def slowly(connection: module._Connection) -> None:
        assert held.wait(30)
        connect(connection)

    monkeypatch.setattr(module._Connection, "connect", slowly)
    with Wire(hang) as server:
        transport = Transport(Address(server.url, None))
        transport.open_ahead(1, 30)
        coming = transport._coming[0]
        transport.close()
        held.set()
        assert coming._over.wait(30)
        until(lambda: coming._connection.sock is None)
