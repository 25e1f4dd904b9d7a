"""What a store's answers and silences mean, from servers that say what they are told to."""

import datetime as dt
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from bridge.provider import Denied, NotFound, ProviderError, Unavailable
from bridge_providers.sops import files
from tests.providers.scaleway.wire import Listener, Proxy, Step, dribbling, hanging, saying
from tests.providers.sops.bucket import CONFIG, KEYS, Failure, Reader
from tests.servers.pki import Authority, Pair
from tests.waiting import with_enough_time

pytestmark = pytest.mark.slow

APP = "s3://voice/staging.sops.yaml"
CONTENT = (CONFIG / "staging.sops.yaml").read_bytes()
AGE = {"SOPS_AGE_KEY_FILE": str(CONFIG / "demo.agekey")}
XML = "<?xml version='1.0'?><Error><Code>{}</Code><Message>CANARY</Message>{}<RequestId>CANARY</RequestId></Error>"
MARK = "X-Amz-Delete-Marker: true\r\n"
RIGHT = "grant them s3:GetObject; without s3:ListBucket, a missing object is refused in the same way"
MAY_NOT = "the keys in SCW_ACCESS_KEY and SCW_SECRET_KEY"


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the real user's is seen."""
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "AWS_CA_BUNDLE", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def reader(url: str) -> Reader:
    return Reader({**KEYS, **AGE, "SCW_S3_ENDPOINT": url})


def answer(status: int, body: str | bytes = b"", headers: str = "") -> bytes:
    content = body if isinstance(body, bytes) else body.encode()
    return f"HTTP/1.1 {status} X\r\n{headers}Content-Length: {len(content)}\r\n\r\n".encode() + content


def refused(serve: Step, revision: str | None = None, **more: Any) -> Failure:
    """Return what is told of a server, which is asked once and no more."""
    with Listener(serve) as server:
        failure = reader(server.url).failure(APP, revision, **more)
        assert server.connections == 1
    failure.what = failure.what.replace(server.url, "URL")
    return failure


def told(status: int, code: str, fields: str = "", headers: str = "", revision: str | None = None) -> Failure:
    return refused(saying(answer(status, XML.format(code, fields), headers)), revision)


@pytest.mark.parametrize(
    ("status", "code", "fields", "what"),
    [
        (403, "InvalidAccessKeyId", "<AWSAccessKeyId>CANARY</AWSAccessKeyId>", "are wrong or have expired"),
        (
            403,
            "SignatureDoesNotMatch",
            "<StringToSign>AWS4-HMAC CANARY</StringToSign>",
            "are wrong or have expired",
        ),
        (400, "ExpiredToken", "<Token-0>CANARY</Token-0>", "are wrong or have expired"),
        (400, "InvalidToken", "", "are wrong or have expired"),
        (403, "AccessDenied", "", "may not read it at URL"),
        (401, "Whatever", "", "may not read it at URL"),
    ],
)
def test_keys_that_store_refuses(status: int, code: str, fields: str, what: str) -> None:
    failure = told(status, code, fields)
    assert (failure.kind, failure.what) == (Denied, f"{MAY_NOT} {what} (status {status}, {code})")
    assert failure.hint == (RIGHT if "may not" in what else "")


def test_clock_that_is_wrong() -> None:
    failure = told(403, "RequestTimeTooSkewed", f"<ServerTime>{dt.datetime.now(dt.UTC)}</ServerTime>")
    what = "the store refuses the time of the request (status 403, RequestTimeTooSkewed)"
    assert (failure.kind, failure.what, failure.hint) == (Denied, what, "correct this machine's clock")


@pytest.mark.parametrize(
    ("status", "code", "headers", "revision", "what"),
    [
        (404, "NoSuchKey", MARK, None, "it was deleted (status 404, NoSuchKey)"),
        (405, "MethodNotAllowed", MARK, "v", "this version is a delete marker (status 405, MethodNotAllow"),
        (404, "NoSuchVersion", "", "v", "no such version (status 404, NoSuchVersion)"),
        (400, "InvalidArgument", "", "v", "no such version (status 400, InvalidArgument)"),
        (404, "NoSuchBucket", "", None, "no such bucket at URL (status 404, NoSuchBucket)"),
        (404, "NoSuchKey", "", None, "no such object at URL (status 404, NoSuchKey)"),
    ],
)
def test_what_is_absent(status: int, code: str, headers: str, revision: str | None, what: str) -> None:
    failure = told(status, code, headers=headers, revision=revision)
    assert failure.kind is NotFound
    assert failure.what.startswith(what)


@pytest.mark.parametrize(
    ("status", "code", "what"),
    [
        (403, "InvalidObjectState", "the object is archived (status 403, InvalidObjectState)"),
        (400, "InvalidRequest", "the store at URL refuses the request (status 400, InvalidRequest)"),
        (400, "InvalidArgument", "the store at URL refuses the request (status 400, InvalidArgument)"),
        (400, "&lt;CANARY&gt;", "the store at URL refuses the request (status 400)"),
    ],
)
def test_what_no_second_try_would_change(status: int, code: str, what: str) -> None:
    failure = told(status, code)
    assert (failure.kind, failure.what) == (ProviderError, what)


@pytest.mark.parametrize(
    ("status", "code", "headers"),
    [
        (503, "SlowDown", "Retry-After: 7\r\n"),
        (500, "InternalError", ""),
        (429, "TooManyRequests", "Retry-After: CANARY\r\n"),
        (429, "TooManyRequests", "Retry-After: -1\r\nDate: Fri, 31 Dec 9999 23:59:59 -2359\r\n"),
        (400, "RequestTimeout", ""),
        (409, "OperationAborted", ""),
        (307, "TemporaryRedirect", "Location: http://CANARY.example.com/\r\n"),
    ],
)
def test_what_is_temporary_is_asked_once_and_left_to_core(status: int, code: str, headers: str) -> None:
    failure = told(status, code, headers=headers)
    what = f"the store fails or asks to slow down (status {status}, {code})"
    assert (failure.kind, failure.what) == (Unavailable, what)
    assert failure.retry_after == (7.0 if "7" in headers else None)


@pytest.mark.parametrize(
    ("status", "code", "fields", "headers", "region"),
    [
        (301, "PermanentRedirect", "", "X-Amz-Bucket-Region: eu-west-3\r\n", "eu-west-3"),
        (400, "AuthorizationHeaderMalformed", "<Region>nl-ams</Region>", "", "nl-ams"),
        (301, "PermanentRedirect", "<Endpoint>CANARY</Endpoint>", "Location: http://CANARY/\r\n", None),
        (302, "Found", "", "Location: http://CANARY.example.com/\r\n", None),
        (301, "PermanentRedirect", "", "X-Amz-Bucket-Region: CANARY!\r\n", None),
    ],
)
def test_bucket_elsewhere_is_reported_and_not_followed(
    status: int, code: str, fields: str, headers: str, region: str | None
) -> None:
    failure = told(status, code, fields, headers)
    note = f"(status {status}, {code})"
    if region:
        assert (failure.what, failure.hint) == (
            f"the bucket is in the region {region} {note}",
            f"set s3_region: {region}",
        )
    else:
        assert failure.what == f"the store at URL says that the bucket is in another region {note}"
        assert failure.hint == "set s3_region to the bucket's region"
    assert failure.kind is ProviderError


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 502])
def test_html_is_gateways_and_says_nothing_of_keys_or_objects(status: int) -> None:
    failure = refused(saying(answer(status, b"<html>CANARY <b>", "Content-Type: text/html\r\n")))
    assert failure.kind is (Unavailable if status == 502 else ProviderError)
    assert f"(status {status}" in failure.what
    assert "keys" not in failure.what


def test_whole_answer_is_read() -> None:
    with Listener(saying(answer(200, CONTENT))) as server:
        assert reader(server.url).read(APP).revision.order


@pytest.mark.parametrize(
    ("content", "kind", "what"),
    [
        (b"", Unavailable, "the store at URL dropped the connection"),
        (b"CANARY\r\n\r\n", Unavailable, "the store at URL dropped the connection"),
        (
            f"HTTP/1.1 200 X\r\nContent-Length: {len(CONTENT) + 1}\r\n\r\n".encode() + CONTENT,
            Unavailable,
            "the store at URL dropped the connection",
        ),
        (
            b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nCANARY",
            Unavailable,
            "the store at URL dropped the connection",
        ),
        (
            f"HTTP/1.1 200 X\r\nContent-Length: {files.LIMIT + 1}\r\n\r\nCANARY".encode(),
            ProviderError,
            "is larger than 10 MiB",
        ),
    ],
)
def test_answer_that_is_cut_or_too_long(content: bytes, kind: type, what: str) -> None:
    failure = refused(saying(content))
    assert (failure.kind, failure.what) == (kind, what)


def test_checksum_that_does_not_fit_is_reported_before_anything_is_decrypted() -> None:
    failure = refused(saying(answer(200, CONTENT, "X-Amz-Checksum-Crc32: AAAAAA==\r\n")))
    what = "the object does not match its checksum"
    assert (failure.kind, failure.what) == (ProviderError, what)


def test_answer_that_does_not_say_its_length_is_read_no_further_than_limit() -> None:
    piece = b"10000\r\n" + b"#" * 65536 + b"\r\n"
    content = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n" + piece * (files.LIMIT // 65536 + 2)
    failure = refused(saying(content))
    assert (failure.kind, failure.what) == (ProviderError, "is larger than 10 MiB")


@pytest.mark.parametrize(
    "serve",
    [hanging, dribbling(b"HTTP/1.1 200 X\r\nContent-Length: 9000000\r\n\r\n", b"#" * 9000)],
)
def test_server_that_never_ends_takes_no_more_than_time_that_is_left(serve: Step) -> None:
    with Listener(serve) as server:
        failure = with_enough_time(
            lambda limit: reader(server.url).failure(APP, seconds=limit), lambda: server.connections, first=2.5
        )
    assert (failure.kind, failure.what) == (Unavailable, f"the store at {server.url} did not answer in time")


def test_no_time_is_left() -> None:
    failure = reader("http://127.0.0.1:1").failure(APP, seconds=-1)
    assert (failure.kind, failure.what) == (Unavailable, "no time left for a request")


def test_nobody_listens() -> None:
    with Listener(hanging) as server:
        pass
    failure = reader(server.url).failure(APP)
    assert (failure.kind, failure.what) == (Unavailable, f"the store at {server.url} cannot be reached")


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.seen.append(self.path)  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        pass


class _Server(HTTPServer):
    seen: list[str]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that does not trust us."""


@contextmanager
def with_tls(pair: Pair) -> Iterator[_Server]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.seen = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    "headers",
    ["Content-Length: 2\r\nContent-Length: 2\r\n", "Content-Length: 2\r\nLast-Modified: CANARY\r\n"],
)
def test_headers_that_boto3_cannot_read_are_no_bug(headers: str) -> None:
    failure = refused(saying(f"HTTP/1.1 200 X\r\n{headers}\r\n{{}}".encode()))
    assert (failure.kind, failure.what) == (ProviderError, "the store at URL sent headers that boto3 cannot read")


def test_tls_needs_authority_that_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    with with_tls(authority.server()) as server:
        url = f"https://127.0.0.1:{server.server_address[1]}"
        failure = reader(url).failure(APP)
        assert (failure.kind, failure.what, failure.hint) == (
            ProviderError,
            f"the certificate of the store at {url} is not trusted",
            "set AWS_CA_BUNDLE to the file of its CA",
        )
        assert server.seen == []
        monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
        assert reader(url).read(APP)


def test_certificate_for_another_name_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """urllib3 compares the names itself here, and not Python's ssl."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    with with_tls(authority.server(host="elsewhere.example.com", address="192.0.2.1")) as server:
        url = f"https://127.0.0.1:{server.server_address[1]}"
        failure = reader(url).failure(APP)
        assert (failure.kind, failure.what) == (ProviderError, f"the certificate of the store at {url} is not trusted")
        assert server.seen == []


def test_proxy_leads_to_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    names = x509.SubjectAlternativeName([x509.DNSName("s3.example.com")])
    pair = authority._issue("s3", [x509.NameAttribute(NameOID.COMMON_NAME, "s3")], names, client=False)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    with with_tls(pair) as server, Proxy(server.server_address[1]) as way:
        asking = reader("https://s3.example.com")
        asking.environ["HTTPS_PROXY"] = f"http://user:CANARY-word@127.0.0.1:{way.port}"
        assert asking.read(APP)
        assert server.seen == ["/voice/staging.sops.yaml"]
        (head,) = way.heads
    assert head.startswith(b"CONNECT s3.example.com:443 HTTP/1.")
    assert b"AWS4" not in head


@pytest.mark.parametrize(("entries", "direct"), [("", False), ("store.invalid", True), ("amazonaws.com", False)])
def test_no_proxy_counts_for_endpoint_that_aws_s_configuration_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: str, direct: bool
) -> None:
    keys = "aws_access_key_id = CANARY-1\naws_secret_access_key = CANARY-2\n"
    (tmp_path / "aws").write_text(f"[default]\nendpoint_url = https://store.invalid\n{keys}")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws"))
    with Proxy(1, b"HTTP/1.1 407 CANARY\r\n\r\n") as way:
        asking = Reader({"HTTPS_PROXY": f"127.0.0.1:{way.port}", "NO_PROXY": entries})
        failure = asking.failure(APP, s3="aws")
    assert failure.kind is Unavailable
    assert [head.split()[1] for head in way.heads] == ([] if direct else [b"store.invalid:443"])


def test_proxy_that_refuses_or_is_none() -> None:
    with Proxy(1, b"HTTP/1.1 407 CANARY\r\n\r\n") as way:
        asking = reader("https://s3.example.com")
        asking.environ["HTTPS_PROXY"] = f"user:CANARY@127.0.0.1:{way.port}"
        failure = asking.failure(APP)
    what = "the store at https://s3.example.com cannot be reached through the proxy"
    assert (failure.kind, failure.what) == (Unavailable, what)
    asking.environ["HTTPS_PROXY"] = "socks5://user:CANARY@127.0.0.1"
    assert asking.failure(APP).what == "HTTPS_PROXY is not an http:// proxy"


def test_loopback_address_takes_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with Listener(saying(answer(200, CONTENT))) as server:
        assert reader(server.url).read(APP)
