"""TLS: whom we trust, under which name, and what we show; and proxies in front of it."""

import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bridge.cluster.api import ApiError, Unreachable, Untrusted
from bridge.cluster.tls import show_certificate, trusting, trusting_anyone
from bridge.errors import ConfigError, Refusal
from bridge.http import transport
from bridge.http.sockets import Address
from bridge.secret import SecretValue
from tests.cluster.wire import FINE, PATH, TARGET, Wire, api, assert_clean
from tests.servers.pki import Authority

HINT = "compare its certificate with the certificate authority in context test of config"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def serving(authority: Authority) -> ssl.SSLContext:
    return authority.serving()


@pytest.fixture
def server(serving: ssl.SSLContext) -> Iterator[Wire]:
    with Wire(FINE, tls=serving) as wire:
        yield wire


def trust(authority: Authority) -> ssl.SSLContext:
    return trusting(authority.file.read_bytes(), "test")


def test_server_of_our_authority_is_served_over_one_connection(server: Wire, authority: Authority) -> None:
    client = api(server.url, trust(authority))
    for _ in range(2):
        assert client.request("get", PATH, target=TARGET)["kind"] == "Secret"
    client.close()
    assert [request.connection for request in server.requests] == [1, 1]


@pytest.mark.parametrize("verb", ["get", "patch"])
def test_another_authority_is_refused_and_nothing_is_sent(server: Wire, tmp_path: Path, verb: str) -> None:
    (tmp_path / "other").mkdir()
    client = api(server.url, trust(Authority(tmp_path / "other", "bridge tests")))
    with pytest.raises(Untrusted) as caught:
        client.request(verb, PATH, target=TARGET)
    client.close()
    what = "has a certificate that is not signed by a trusted CA"
    assert str(caught.value) == f"the API server at {server.url}: {what}"
    assert caught.value.problems[0].hint == HINT
    assert isinstance(caught.value, Refusal)
    assert caught.value.exit_status == 1
    assert not server.requests


COMMENTS = "# Autorité racine ☃\n  -----BEGIN CERTIFICATE----- is how it begins\n".encode() + b"\xff\xfe\n"
KEY = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
BROKEN = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    "bundle",
    [
        (COMMENTS, b"AUTHORITY", COMMENTS),
        (KEY, b"AUTHORITY"),
        (b"OTHER", COMMENTS, b"AUTHORITY"),
        (b"AUTHORITY", b"AUTHORITY"),
    ],
)
def test_text_around_certificates_in_bundle_is_ignored(
    server: Wire, authority: Authority, tmp_path: Path, bundle: tuple[bytes, ...]
) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "another authority")
    parts = {b"AUTHORITY": authority.file.read_bytes(), b"OTHER": other.file.read_bytes()}
    client = api(server.url, trusting(b"".join(parts.get(part, part) for part in bundle), "test"))
    assert client.request("get", PATH, target=TARGET)["kind"] == "Secret"
    client.close()


@pytest.mark.parametrize(
    ("bundle", "what"),
    [
        (b"", " contains no readable PEM certificate"),
        (COMMENTS + KEY, " contains no readable PEM certificate"),
        (b"AUTHORITY" + BROKEN, ": cannot read certificate number 2 of 2"),
        (BROKEN + b"AUTHORITY" + BROKEN, ": cannot read certificate number 1, 3 of 3"),
    ],
)
def test_unreadable_bundle_names_certificate(authority: Authority, bundle: bytes, what: str) -> None:
    content = bundle.replace(b"AUTHORITY", authority.file.read_bytes())
    with pytest.raises(ConfigError) as caught:
        trusting(content, "test")
    assert str(caught.value) == f"test: certificate-authority{what}"


def test_without_authority_systems_cas_are_trusted(server: Wire) -> None:
    client = api(server.url, trusting(None, "test"))
    with pytest.raises(Untrusted):
        client.request("get", PATH, target=TARGET)
    client.close()


def test_certificate_for_another_name_is_refused(server: Wire, authority: Authority) -> None:
    client = api(server.url, trust(authority), server_name="kubernetes.default")
    with pytest.raises(Untrusted) as caught:
        client.request("get", PATH, target=TARGET)
    client.close()
    assert str(caught.value).endswith("has a certificate for another name")
    assert not server.requests


def test_tls_server_name_is_asked_for_and_verified(serving: ssl.SSLContext, authority: Authority) -> None:
    names: list[str | None] = []
    serving.sni_callback = lambda _socket, name, _context: names.append(name)
    with Wire(FINE, tls=serving) as server:
        client = api(server.url, trust(authority), server_name="localhost")
        client.request("get", PATH, target=TARGET)
        client.close()
    assert names == ["localhost"]


def test_without_verification_any_certificate_is_accepted(server: Wire) -> None:
    client = api(server.url, trusting_anyone())
    assert client.request("get", PATH, target=TARGET)["kind"] == "Secret"
    client.close()


def test_client_certificate_is_shown(serving: ssl.SSLContext, authority: Authority) -> None:
    serving.load_verify_locations(authority.file)
    serving.verify_mode = ssl.CERT_REQUIRED
    pair, context = authority.client("operator"), trust(authority)
    show_certificate(context, pair.certificate.read_bytes(), SecretValue(pair.key.read_bytes()), "test")
    with Wire(FINE, tls=serving) as server:
        client = api(server.url, context)
        assert client.request("get", PATH, target=TARGET)["kind"] == "Secret"
        client.close()


@pytest.fixture
def demanding(authority: Authority) -> ssl.SSLContext:
    """A server that wants to see a certificate of its own authority."""
    return authority.serving(wants_certificate=True)


@pytest.fixture
def showing(authority: Authority, tmp_path: Path) -> Callable[[str], ssl.SSLContext]:
    """A client with the certificate of a user of another authority; without a user, with none."""

    def made(user: str) -> ssl.SSLContext:
        context = trust(authority)
        if user:
            (tmp_path / "other").mkdir()
            pair = Authority(tmp_path / "other", "another authority").client(user)
            show_certificate(context, pair.certificate.read_bytes(), SecretValue(pair.key.read_bytes()), "test")
        return context

    return made


@pytest.mark.parametrize("size", [2, 1_000_000])  # the second is still being sent when the server looks at us
@pytest.mark.parametrize(
    "case",
    [
        (ssl.TLSVersion.TLSv1_3, "", "requires a client certificate"),
        (ssl.TLSVersion.TLSv1_2, "", "ended the handshake; it may require another client certificate"),
        (ssl.TLSVersion.TLSv1_3, "stranger", "does not trust the CA of the client certificate"),
        (ssl.TLSVersion.TLSv1_2, "stranger", "does not trust the CA of the client certificate"),
    ],
)
def test_client_certificate_that_is_refused_is_credential_problem(
    demanding: ssl.SSLContext,
    showing: Callable[[str], ssl.SSLContext],
    case: tuple[ssl.TLSVersion, str, str],
    size: int,
) -> None:
    version, user, what = case
    renewed: list[bool] = []
    context = showing(user)
    context.maximum_version = version
    with Wire(FINE, tls=demanding) as server:
        client = api(server.url, context, renew=lambda: renewed.append(True))
        with pytest.raises(ApiError) as caught:
            client.request("patch", PATH, target=TARGET, body=bytes(size))
        client.close()
    assert str(caught.value) == f"the credentials of context test of config: the API server at {server.url} {what}"
    assert caught.value.problems[0].hint == "put a valid client certificate into context test of config"
    assert caught.value.exit_status == 1
    assert renewed == [True]  # a plugin may have a new one
    assert not server.requests


def test_tls_alert_is_reported_even_if_sending_fails(
    demanding: ssl.SSLContext, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = transport._Connection.connect

    def late(connection: transport._Connection) -> None:
        """Let the server hang up before the first byte of the request is sent."""
        connect(connection)
        poller = select.poll()
        poller.register(connection.sock, select.POLLRDHUP)
        assert poller.poll(10_000)

    monkeypatch.setattr(transport._Connection, "connect", late)
    context = trust(authority)
    with Wire(FINE, tls=demanding) as server:
        outcome = transport.Transport(Address(server.url, context)).exchange(
            transport.Request("PATCH", "/", (), b"{}"), 10
        )
    assert outcome == transport.Failed("requires a client certificate", sent=False, refused=True)


def test_server_without_tls_gets_no_request(authority: Authority) -> None:
    def greet(listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client, suppress(OSError):
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                while data := client.recv(4096):
                    received.append(data)

    received: list[bytes] = []
    with listening(greet) as port:
        client = api(f"https://127.0.0.1:{port}", trust(authority), call=5)
        with pytest.raises(Unreachable) as caught:
            client.request("get", PATH, target=TARGET)
        client.close()
    assert str(caught.value).endswith("failed the TLS handshake (WRONG_VERSION_NUMBER)")
    assert not [data for data in received if TARGET.encode() in data or b"Bearer" in data]


def test_endless_handshake_cannot_block_call(authority: Authority) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = api(f"https://127.0.0.1:{silent.getsockname()[1]}", trust(authority), call=0.3)
        with pytest.raises(Unreachable) as caught:
            client.request("patch", PATH, target=TARGET, body=b"{}")
        client.close()
    assert str(caught.value).endswith("did not answer within 0.3 s")


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Let a thread serve a listener until the end; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(120)


@contextmanager
def proxying(target: int, answer: str, seen: list[bytes]) -> Iterator[int]:
    """A proxy that lets connections through to a port where its answer is 200, and remembers how it was asked."""

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def through(client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", target)) as upstream:
            back = threading.Thread(target=copy, args=(upstream, client), daemon=True)
            back.start()
            copy(client, upstream)
            back.join(120)

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                seen.append(client.recv(65536))
                client.sendall(f"HTTP/1.1 {answer}\r\n\r\n".encode())
                if "200" in answer:
                    through(client)

    with listening(serve) as port:
        yield port


def test_proxy_leads_to_server_and_gets_its_own_password_only(server: Wire, authority: Authority) -> None:
    seen: list[bytes] = []
    with proxying(server.port, "103 Early Hints\r\n\r\nHTTP/1.1 200 fine", seen) as port:
        client = api("https://localhost:6443", trust(authority), proxy=f"http://user:p%40ss@127.0.0.1:{port}")
        assert client.request("get", PATH, target=TARGET)["kind"] == "Secret"
        client.close()
    assert seen[0].startswith(b"CONNECT localhost:6443 HTTP/1.")
    assert b"Proxy-Authorization: Basic dXNlcjpwQHNz\r\n" in seen[0]
    assert b"Bearer" not in seen[0]
    assert server.requests[0].header("Proxy-Authorization") == []
    assert server.requests[0].header("Host") == ["localhost:6443"]


def test_proxy_that_refuses_is_named_without_its_password(authority: Authority) -> None:
    with proxying(0, "407 CANARY-from-the-proxy", []) as port:
        proxy = f"http://user:CANARY-password@127.0.0.1:{port}"
        client = api("https://localhost:6443", trust(authority), proxy=proxy)
        with pytest.raises(Unreachable) as caught:
            client.request("get", PATH, target=TARGET)
        client.close()
    server = f"the API server at https://localhost:6443 (proxy 127.0.0.1:{port})"
    assert str(caught.value) == f"{server}: cannot be reached: the proxy answers 407"
    assert_clean(caught.value, "CANARY-password", "CANARY-from-the-proxy")


def test_loopback_address_unencrypted_takes_no_proxy() -> None:
    with Wire(FINE) as server:
        client = api(server.url, proxy="http://127.0.0.1:1")
        assert client.request("get", PATH, target=TARGET)["kind"] == "Secret"
        client.close()
