"""An API server that refused the connection, hangs, is overloaded, breaks off or talks nonsense."""

import errno
import socket
import ssl
import threading
import time

import pytest

from bridge.cluster.api import Api, Foreign, LostAnswer, Unreachable
from bridge.errors import BridgeError
from bridge.http import transport
from bridge.http.sockets import BoundedSocket
from tests.cluster.wire import (
    CANARY,
    FINE,
    LISTED,
    PATH,
    TARGET,
    TOKEN,
    Step,
    Wire,
    api,
    assert_clean,
    dribble,
    drop,
    endpoint,
    half,
    hang,
    raw,
    reply,
    status,
)
from tests.servers.process import free_port
from tests.waiting import LIMIT

BUSY = status(429, "TooManyRequests", retry="0")
BROKEN = status(500, "InternalError")
AWAY = status(503, "ServiceUnavailable")
HINT = "check the network and the server in context test of config"
NO_API = "this is not a Kubernetes API server (status {})"
UNKNOWN = "the change may or may not have been made"


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.cluster.api.BACKOFF", 0.01)


def failure(url: str, verb: str, *, call: float = 10, dry_run: bool = False) -> BridgeError:
    client = api(url, call=call)
    with pytest.raises(BridgeError) as caught:
        client.request(verb, PATH, target=TARGET, dry_run=dry_run, body=None if verb == "get" else b"{}")
    client.close()
    assert_clean(caught.value, CANARY, TOKEN)
    return caught.value


@pytest.mark.parametrize("verb", ["get", "patch"])
def test_refused_connections_are_temporary(verb: str) -> None:
    port = free_port()
    error = failure(f"http://127.0.0.1:{port}", verb)
    assert isinstance(error, Unreachable)
    assert str(error) == f"the API server at http://127.0.0.1:{port}: refused the connection"
    assert error.problems[0].hint == HINT
    assert error.exit_status == 75


@pytest.mark.parametrize(
    ("first", "verb"),
    [(BUSY, "get"), (BUSY, "patch"), (BUSY, "create"), (BROKEN, "get"), (AWAY, "get"), (drop, "get"), (half, "list")],
)
def test_temporary_failure_is_retried(first: Step, verb: str) -> None:
    with Wire(first, first, LISTED if verb == "list" else FINE) as server:
        client = api(server.url)
        assert client.request(verb, PATH, target=TARGET, body=b"{}")["kind"].startswith("Secret")
        client.close()
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("step", "verb", "kind", "what", "tries"),
    [
        (BUSY, "get", Unreachable, "is overloaded (429)", 4),
        (BUSY, "patch", Unreachable, "is overloaded (429)", 4),
        (BROKEN, "get", Unreachable, "answers 500 (InternalError)", 4),
        (AWAY, "get", Unreachable, "answers 503 (ServiceUnavailable)", 4),
        (reply(502, b"<html>"), "list", Unreachable, "answers 502", 4),
        (drop, "get", Unreachable, "dropped the connection", 4),
        (half, "get", Unreachable, "dropped the connection", 4),
        (reply(200, b'{"a": "' + CANARY.encode()), "get", Unreachable, "sent an incomplete answer", 1),
        (raw(f"{CANARY}\r\n\r\n".encode()), "get", Unreachable, "did not send a valid HTTP answer", 4),
        (reply(200, b"<html>" + CANARY.encode()), "get", Foreign, NO_API.format(200), 1),
        (reply(200, [CANARY]), "list", Foreign, NO_API.format(200), 1),
        (
            reply(302, {}, {"Location": f"http://127.0.0.1:1/{CANARY}"}),
            "patch",
            Foreign,
            "answers with a redirect (302), which bridge does not follow",
            1,
        ),
    ],
)
def test_server_failure_names_server_and_quotes_nothing(
    step: Step, verb: str, kind: type[BridgeError], what: str, tries: int
) -> None:
    with Wire(step) as server:
        error = failure(server.url, verb)
    assert type(error) is kind
    assert str(error) == f"the API server at {server.url}: {what}"
    assert error.exit_status == (75 if kind is Unreachable else 1)
    assert len(server.requests) == tries


@pytest.mark.parametrize(
    ("step", "verb", "what", "settled"),
    [
        (BROKEN, "patch", "answers 500 (InternalError)", "Secret/agent-secrets in namespace voice: {} {}"),
        (AWAY, "patch", "answers 503 (ServiceUnavailable)", "{}: {}"),
        (AWAY, "delete", "answers 503 (ServiceUnavailable)", "{}: {}"),
        (reply(500, b"<html>"), "patch", "answers 500", "{}: {}"),
        (drop, "patch", "dropped the connection", "{}: {}"),
        (half, "update", "dropped the connection", "{}: {}"),
        (reply(200, b'{"a": "'), "update", "sent an incomplete answer", "{}: {}"),
        (reply(200, b"<html>"), "create", "did not return this object", "{}: " + NO_API.format(200)),
        (reply(200, {}), "patch", "did not return this object", "{}: " + NO_API.format(200)),
    ],
)
def test_write_without_clear_answer_names_its_object_until_it_is_settled(
    step: Step, verb: str, what: str, settled: str
) -> None:
    with Wire(step) as server:
        error = failure(server.url, verb)
    name = f"the API server at {server.url}"
    assert isinstance(error, LostAnswer)
    assert str(error) == f"{TARGET}: {name} {what}: {UNKNOWN}"
    assert str(error.settled) == settled.format(name, what)
    assert error.exit_status == 75
    assert len(server.requests) == 1


@pytest.mark.parametrize(("verb", "kind"), [("get", Foreign), ("patch", LostAnswer)])
def test_answer_that_is_too_long_is_not_asked_for_again(verb: str, kind: type[BridgeError]) -> None:
    with Wire(reply(200, b'{"a": "' + CANARY.encode() * 2**18)) as server:
        connections = transport.Transport(transport.Address(server.url, None, max_answer=1 << 20))
        client = Api(endpoint(server.url), deadline=time.monotonic() + 60, transport=connections)
        with pytest.raises(kind) as caught:
            client.request(verb, PATH, target=TARGET, body=None if verb == "get" else b"{}")
        client.close()
    error = caught.value
    assert_clean(error, CANARY, TOKEN)
    what = f"the API server at {server.url}{': ' if kind is Foreign else ' '}sent an answer that is too long"
    assert what in str(error)
    settled = error.settled if isinstance(error, LostAnswer) else error
    assert (type(settled), settled.exit_status) == (Foreign, 1)
    assert len(server.requests) == 1


@pytest.mark.parametrize("verb", ["patch", "update", "delete"])
@pytest.mark.parametrize(("step", "tries"), [(AWAY, 4), (drop, 4), (BROKEN, 1)])
def test_dry_run_changes_nothing_so_it_is_retried(step: Step, tries: int, verb: str) -> None:
    with Wire(step) as server:
        error = failure(server.url, verb, dry_run=True)
    assert type(error) is Unreachable
    assert UNKNOWN not in str(error)
    assert len(server.requests) == tries


@pytest.mark.parametrize(
    ("verb", "query"),
    [("patch", "?fieldManager=a&dryRun=All"), ("update", "?fieldManager=a&dryRun=All"), ("delete", "?fieldManager=a")],
)
def test_dry_run_is_in_query_or_in_deletions_body(verb: str, query: str) -> None:
    with Wire(FINE) as server:
        client = api(server.url)
        client.request(verb, PATH, target=TARGET, query={"fieldManager": "a"}, body=b"{}", dry_run=True)
        client.close()
    assert server.requests[0].line.split()[1] == f"{PATH}{query}"


@pytest.mark.parametrize(("verb", "kind", "tries"), [("get", Unreachable, 2), ("patch", LostAnswer, 1)])
def test_server_that_hangs_is_left_after_time_of_call(verb: str, kind: type[BridgeError], tries: int) -> None:
    with Wire(hang) as server:
        error = failure(server.url, verb, call=1)
    assert type(error) is kind
    assert "did not answer within 1 s" in str(error)
    assert len(server.requests) == tries


@pytest.mark.parametrize(
    "step",
    [
        dribble(b"", b"H"),
        dribble(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
        dribble(b"HTTP/1.1 200 OK\r\n", b"a"),
        dribble(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"a"),
        dribble(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        dribble(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_dribbling_server_cannot_block_call(step: Step) -> None:
    with Wire(step) as server:
        error = failure(server.url, "patch", call=1)  # without a limit it would never end
    assert isinstance(error, LostAnswer)


def test_server_that_does_not_read_cannot_block_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        client = api(f"http://127.0.0.1:{deaf.getsockname()[1]}", call=0.3)
        with pytest.raises(Unreachable) as caught:
            client.request("patch", PATH, target=TARGET, body=bytes(50_000_000))
        client.close()
    assert "did not answer within 0.3 s" in str(caught.value)


def test_time_for_sending_is_that_of_this_call_and_not_of_earlier_one() -> None:
    ours, deaf = socket.socketpair()
    with deaf, BoundedSocket(ours.family, ours.type, ours.proto, fileno=ours.detach()) as bounded:
        bounded.settimeout(200)
        bounded.deadline = time.monotonic() + 0.2
        with pytest.raises(TimeoutError):
            bounded.sendall(bytes(50_000_000))


def test_deadline_of_run_ends_tries() -> None:
    with Wire(status(429, retry="30")) as server:
        client = api(server.url, seconds=5)
        with pytest.raises(Unreachable):
            client.request("get", PATH, target=TARGET)
        client.close()
    assert len(server.requests) == 1


def test_after_deadline_nothing_is_sent() -> None:
    with Wire(FINE) as server:
        client = api(server.url, seconds=-1)
        with pytest.raises(Unreachable) as caught:
            client.request("patch", PATH, target=TARGET, body=b"{}")
        client.close()
    what = "was not asked: the run's time limit is used up"
    assert str(caught.value) == f"the API server at {server.url}: {what}"
    assert not server.requests


@pytest.mark.parametrize(
    "head", [b"Content-Length: 5000", b"Connection: close", b"Transfer-Encoding: chunked\r\n\r\n1388"]
)
def test_answer_that_is_too_long_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    monkeypatch.setattr(transport.Address.__init__, "__defaults__", (None, None, 1000))
    monkeypatch.setattr(transport, "_PIECE", 100)
    with Wire(
        raw(b"HTTP/1.1 200 OK\r\n" + head + (b"\r\n" if b"chunked" in head else b"\r\n\r\n") + b"a" * 5000)
    ) as server:
        error = failure(server.url, "get")
    assert str(error) == f"the API server at {server.url}: sent an answer that is too long"


def test_name_that_is_unknown_is_temporary() -> None:
    client = api("https://bridge-test.invalid:6443", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), call=20)
    with pytest.raises(Unreachable) as caught:
        client.request("get", PATH, target=TARGET)
    client.close()
    assert (
        str(caught.value)
        == "the API server at https://bridge-test.invalid:6443: has a host name that cannot be resolved"
    )


def test_hanging_name_server_cannot_block_call(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    real = socket.getaddrinfo

    def slow(host: bytes, port: int, *, type: int, flags: int) -> object:  # noqa: A002 -- the real one's name
        if not flags:
            released.wait(LIMIT)
        return real(host, port, type=type, flags=flags | socket.AI_NUMERICHOST)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    client = api("https://bridge-test.invalid:6443", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), call=0.2)
    with pytest.raises(Unreachable) as caught:
        client.request("get", PATH, target=TARGET)
    released.set()
    client.close()
    # Whoever waited for the name would be told that it is not known.
    assert str(caught.value).endswith("did not answer within 0.2 s")


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "cannot be reached: network is unreachable"),
        (OSError(CANARY), "cannot be reached: network error"),
        (ssl.SSLEOFError(8, CANARY), "dropped the connection"),
        (ssl.SSLError(1, CANARY), "failed the TLS handshake (no reason)"),
    ],
)
def test_errors_of_system_are_reported_in_words_without_their_text(error: OSError, what: str) -> None:
    assert transport.explain(error, sent=False, limit=1) == transport.Failed(what, sent=False)


@pytest.mark.parametrize("code", [9, 10])  # not yet valid, expired
def test_expired_server_certificate_is_reported(code: int) -> None:
    error = ssl.SSLCertVerificationError(CANARY)
    error.verify_code = code
    what = "has a certificate that is expired or not yet valid"
    assert transport.explain(error, sent=False, limit=1) == transport.Failed(what, sent=False, untrusted=True)
