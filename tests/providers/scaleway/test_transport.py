"""The way to the API: bounded, trusted, without redirects, side by side."""

import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from bridge.http.proxies import proxy_from
from bridge.provider import Denied, ProviderError, Unavailable
from bridge_providers.scaleway import Scaleway
from bridge_providers.scaleway.api import LIMIT
from tests.providers.scaleway.reader import PATH, VALUES, Reader, context, fields
from tests.providers.scaleway.wire import HEAD, Listener, Proxy, Step, dribbling, hanging, saying
from tests.servers.pki import Authority
from tests.servers.scaleway import SecretManager

PROXY_KEY = "CANARY-proxy-password"


@pytest.mark.parametrize(
    "serve",
    [
        hanging,
        dribbling(b"", b"H"),
        dribbling(b"HTTP/1.1 200 OK\r\n", b"X: CANARY\r\n"),
        dribbling(HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
        dribbling(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    ],
)
def test_endless_answer_ends_at_deadline(reader: Reader, serve: Step) -> None:
    with Listener(serve) as server:
        reader.environ["SCW_API_URL"] = server.url
        failure = reader.failure(known=True, seconds=0.3)
    assert failure.kind is Unavailable
    said = (
        f"the API at {server.url} did not answer within 0.",
        f"the API at {server.url} did not send a valid HTTP answer",
    )
    assert failure.what.startswith(said)


def test_no_time_is_left(reader: Reader) -> None:
    failure = reader.failure(seconds=-1)
    assert (failure.kind, failure.what) == (Unavailable, "no time left for a request")
    assert reader.manager.requests == []


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "dropped the connection"),
        (HEAD + b'Content-Length: 1000\r\n\r\n{"data": "CANARY', "dropped the connection"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\nCANARY", "dropped the connection"),
        (b"CANARY\r\n\r\n", "did not send a valid HTTP answer"),
        (b"HTTP/1.1 200 " + b"x" * 2_000_000, "did not send a valid HTTP answer"),
    ],
)
def test_truncated_or_invalid_answer_is_refused(reader: Reader, content: bytes, what: str) -> None:
    with Listener(saying(content)) as server:
        reader.environ["SCW_API_URL"] = server.url
        failure = reader.failure(known=True)
    assert (failure.kind, failure.what) == (Unavailable, f"the API at {server.url} {what}")


def test_answer_that_is_too_long_is_not_temporary(reader: Reader) -> None:
    content = HEAD + f"Content-Length: {LIMIT + 1}\r\n\r\n".encode() + b" " * (LIMIT + 1)
    with Listener(saying(content)) as server:
        reader.environ["SCW_API_URL"] = server.url
        failure = reader.failure(known=True)
    assert (failure.kind, failure.what, failure.hint) == (
        ProviderError,
        f"the API at {server.url} sent an answer that is too long",
        "check SCW_API_URL and HTTPS_PROXY",
    )


def test_refused_connection_is_reported(reader: Reader) -> None:
    with Listener(hanging) as server:
        pass
    reader.environ["SCW_API_URL"] = server.url
    assert reader.failure().what == f"the API at {server.url} refused the connection"


def test_invalid_name_is_refused(reader: Reader) -> None:
    reader.environ["SCW_API_URL"] = "https://absent.invalid"
    failure = reader.failure()
    assert failure.kind is Unavailable
    assert failure.what.startswith("the API at https://absent.invalid ")


def test_server_without_tls(reader: Reader) -> None:
    with Listener(saying(b"CANARY")) as server:
        reader.environ["SCW_API_URL"] = server.url.replace("http:", "https:")
        # The handshake is no request, so the server answers nothing until we go.
        assert reader.failure(seconds=0.3).kind is Unavailable


def test_tls_needs_ca_that_system_trusts(reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    pair = authority.server()
    with SecretManager((pair.certificate, pair.key)) as manager:
        manager.put(PATH, VALUES)
        reader.environ = manager.environ()
        failure = reader.failure()
        assert (failure.kind, failure.what, failure.hint) == (
            ProviderError,
            f"the API at {manager.url} has a certificate that is not signed by a trusted CA",
            "add its CA to the system's CAs, or set SSL_CERT_FILE",
        )
        assert manager.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        assert fields(reader.read()) == VALUES


def test_proxy_leads_to_api(reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    names = x509.SubjectAlternativeName([x509.DNSName("api.scaleway.example")])
    pair = authority._issue("api", [x509.NameAttribute(NameOID.COMMON_NAME, "api")], names, client=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with SecretManager((pair.certificate, pair.key)) as manager, Proxy(manager.port) as way:
        manager.put(PATH, VALUES)
        reader.environ = manager.environ(
            SCW_API_URL="https://api.scaleway.example",
            HTTPS_PROXY=f"http://user:{PROXY_KEY}@127.0.0.1:{way.port}",
        )
        assert fields(reader.read()) == VALUES
        (head,) = way.heads
    assert head.startswith(b"CONNECT api.scaleway.example:443 HTTP/1.")
    assert b"Proxy-Authorization: Basic dXNlcjpDQU5BUlktcHJveHktcGFzc3dvcmQ=" in head
    assert manager.key.encode() not in head


def test_certificate_for_another_name_is_not_trusted(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    names = x509.SubjectAlternativeName([x509.DNSName("api.scaleway.example")])
    pair = authority._issue("api", [x509.NameAttribute(NameOID.COMMON_NAME, "api")], names, client=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with SecretManager((pair.certificate, pair.key)) as manager:
        reader.environ = manager.environ()
        assert reader.failure().what == f"the API at {manager.url} has a certificate for another name"
        assert manager.requests == []


def test_proxy_that_refuses(reader: Reader) -> None:
    with Proxy(1, b"HTTP/1.1 407 CANARY\r\n\r\n") as way:
        reader.environ |= {"SCW_API_URL": "https://api.scaleway.example", "HTTPS_PROXY": f"127.0.0.1:{way.port}"}
        failure = reader.failure()
    assert failure.what == "the API at https://api.scaleway.example cannot be reached: the proxy answers 407"


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ("https://proxy.example", "an http:// proxy"),
        ("socks5://proxy.example", "an http:// proxy"),
        ("http://", "a URL such as http://host:3128"),
        ("http://CANARY:x", "a URL such as http://host:3128"),
    ],
)
def test_invalid_proxy_is_refused(reader: Reader, value: str, wrong: str) -> None:
    reader.environ |= {"SCW_API_URL": "https://api.scaleway.example", "HTTPS_PROXY": value}
    assert reader.failure().what == f"HTTPS_PROXY is not {wrong}"


def test_loopback_address_takes_no_proxy(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES)
    reader.environ["HTTPS_PROXY"] = "http://127.0.0.1:1"
    assert fields(reader.read()) == VALUES


@pytest.mark.parametrize(
    ("entries", "direct"),
    [
        ("", False),
        ("*", True),
        ("api.scaleway.com", True),
        ("scaleway.com", True),
        (".scaleway.com", True),
        ("*.scaleway.com", True),
        ("other.com, API.scaleway.com", True),
        ("api.scaleway.com:443", True),
        ("api.scaleway.com:8443", False),
        ("caleway.com", False),
        ("10.0.0.0/8", False),
    ],
)
def test_no_proxy_names_what_is_reached_directly(entries: str, direct: bool) -> None:
    found = proxy_from({"https_proxy": "proxy:3128", "NO_PROXY": entries}, "https://api.scaleway.com")
    assert (found is None) is direct
    assert found is None or found.url == "http://proxy:3128"


def test_no_proxy_names_networks() -> None:
    environ = {"HTTPS_PROXY": "proxy:3128", "NO_PROXY": "10.0.0.0/8"}
    assert proxy_from(environ, "https://10.1.2.3:8443") is None
    assert proxy_from(environ, "https://11.1.2.3:8443") is not None


def test_documents_are_read_concurrently_within_limit(manager: SecretManager, reader: Reader) -> None:
    bound = Scaleway.concurrency
    paths = [f"/voice/{number}" for number in range(50)]
    for path in paths:
        manager.put(path, {"PATH": path})
    together = threading.Barrier(bound)
    # The first eight requests are answered only once all of them are there.
    manager.before = lambda _: together.wait(120) if len(manager.requests) <= bound else None
    session = Scaleway().open(context(reader.base, reader.environ, frozenset(paths)))
    waiting, found = list(paths), {}

    def work() -> None:
        while waiting:
            path = waiting.pop()
            found[path] = fields(session.read(path))

    threads = [threading.Thread(target=work) for _ in range(bound)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    session.close()
    assert found == {path: {"PATH": path} for path in paths}
    assert len(manager.requests) == 50
    assert not together.broken


def test_connections_are_kept_and_closed_with_session(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES)
    session = Scaleway().open(context(reader.base, reader.environ, frozenset({PATH})))
    for _ in range(5):
        session.read(PATH)
    assert manager.connections == 1
    session.close()
    assert manager.closed.wait(120)


def test_kept_connection_that_server_has_closed_is_not_used_again(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES)
    manager.idle = 0.05
    session = Scaleway().open(context(reader.base, reader.environ, frozenset({PATH})))
    session.read(PATH)
    assert manager.closed.wait(120)
    session.read(PATH)
    session.close()
    assert manager.connections == 2


def test_key_is_in_one_header_alone(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES)
    reader.read()
    for request in manager.requests:
        headers = {name for name, value in request.headers.items() if manager.key in value}
        assert headers == {"X-Auth-Token"}
        assert manager.key not in f"{request.path}{request.query}"


def test_session_that_was_never_used_can_be_closed(reader: Reader) -> None:
    Scaleway().open(context(reader.base, {})).close()


def test_wrong_setting_is_reported_for_every_document(reader: Reader) -> None:
    session = Scaleway().open(context(reader.base, {}))
    for _ in range(2):
        with pytest.raises(Denied):
            session.read(PATH)
    session.close()
