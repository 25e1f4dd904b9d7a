"""What goes over the wire, and how connections are kept."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge import __version__
from bridge.cluster.api import Api, Forbidden, LostAnswer
from bridge.errors import ConfigError
from bridge.http.response import http_date
from tests.cluster.wire import FINE, LISTED, PATH, SECRET, TARGET, TOKEN, Step, Wire, api, drop, endpoint, raw, reply


@pytest.fixture
def server() -> Iterator[Wire]:
    with Wire(FINE) as wire:
        yield wire


def test_answer_is_json_object_that_was_sent(server: Wire) -> None:
    client = api(server.url)
    assert client.request("get", PATH, target=TARGET) == SECRET
    client.close()
    assert server.requests[0].line == f"GET {PATH} HTTP/1.1"


def test_each_request_has_our_credential(server: Wire) -> None:
    client = api(
        server.url, impersonation=(("Impersonate-User", "a"), ("Impersonate-Group", "b"), ("Impersonate-Group", "c"))
    )
    client.request("get", PATH, target=TARGET)
    client.close()
    request = server.requests[0]
    assert request.header("Authorization") == [f"Bearer {TOKEN}"]
    assert request.header("User-Agent") == [f"bridge/{__version__}"]
    assert request.header("Accept") == ["application/json"]
    assert request.header("Impersonate-User") == ["a"]
    assert request.header("Impersonate-Group") == ["b", "c"]


@pytest.mark.parametrize(
    ("verb", "method"),
    [("get", "GET"), ("list", "GET"), ("create", "POST"), ("update", "PUT"), ("patch", "PATCH"), ("delete", "DELETE")],
)
def test_verb_becomes_its_http_method(verb: str, method: str) -> None:
    with Wire(LISTED if verb == "list" else FINE) as server, closing(api(server.url)) as client:
        client.request(verb, PATH, target=TARGET)
    assert server.requests[0].line == f"{method} {PATH} HTTP/1.1"


def test_query_body_and_content_type_are_sent(server: Wire) -> None:
    client = api(server.url)
    query = {"fieldManager": "bridge/staging", "force": "false"}
    client.request("patch", PATH, target=TARGET, query=query, body=b"{}", content_type="application/apply-patch+yaml")
    client.close()
    request = server.requests[0]
    assert request.line == f"PATCH {PATH}?fieldManager=bridge%2Fstaging&force=false HTTP/1.1"
    assert request.header("Content-Type") == ["application/apply-patch+yaml"]
    assert request.body == b"{}"


def test_prefix_of_servers_url_stays(server: Wire) -> None:
    client = api(f"{server.url}/k8s/clusters/c-1")
    client.request("get", PATH, target=TARGET)
    client.close()
    assert server.requests[0].line == f"GET /k8s/clusters/c-1{PATH} HTTP/1.1"


def test_connection_is_kept_for_next_request(server: Wire) -> None:
    client = api(server.url)
    for _ in range(3):
        client.request("get", PATH, target=TARGET)
    client.close()
    assert [request.connection for request in server.requests] == [1, 1, 1]


def test_eight_threads_work_concurrently() -> None:
    barrier = threading.Barrier(8, timeout=120)

    def together(sock: Any, stopped: threading.Event) -> bool:
        barrier.wait()
        return FINE(sock, stopped)

    found: list[dict[str, Any]] = []
    with Wire(together) as server:
        client = api(server.url)
        threads = [
            threading.Thread(target=lambda: found.extend(client.request("get", PATH, target=TARGET) for _ in range(5)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        client.close()
    assert len(found) == 40
    assert {request.connection for request in server.requests} == set(range(1, 9))


@pytest.mark.parametrize(("verb", "body"), [("patch", b"{}"), ("delete", None)])
def test_write_on_connection_that_server_has_closed_in_meantime_takes_new_one(verb: str, body: bytes | None) -> None:
    closed = threading.Event()

    def answer_and_close(sock: Any, stopped: threading.Event) -> bool:
        FINE(sock, stopped)
        sock.shutdown(2)
        closed.set()
        return False

    with Wire(answer_and_close, FINE) as server:
        client = api(server.url)
        client.request("get", PATH, target=TARGET)
        assert closed.wait(120)
        client.request(verb, PATH, target=TARGET, body=body)
        client.close()
    assert [request.connection for request in server.requests] == [1, 2]


def test_write_whose_kept_connection_breaks_after_it_was_sent_is_not_sent_again() -> None:
    with Wire(FINE, drop, FINE) as server:
        client = api(server.url)
        client.request("get", PATH, target=TARGET)
        with pytest.raises(LostAnswer):
            client.request("patch", PATH, target=TARGET, body=b"{}")
        client.close()
    assert [request.line.split()[0] for request in server.requests] == ["GET", "PATCH"]


def test_server_that_closes_after_each_answer_is_served() -> None:
    with Wire(reply(200, SECRET, {"Connection": "close"}, keep=False)) as server:
        client = api(server.url)
        for _ in range(2):
            assert client.request("get", PATH, target=TARGET) == SECRET
        client.close()
    assert [request.connection for request in server.requests] == [1, 2]


def test_chunked_answer_is_read_to_its_end() -> None:
    body = json.dumps(SECRET).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (body[:5], body[5:])) + b"0\r\n\r\n"
    with Wire(raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)) as server:
        client = api(server.url)
        assert client.request("get", PATH, target=TARGET) == SECRET
        client.close()


def test_credentials_are_asked_for_each_request_and_renewed_after_a_401() -> None:
    renewed: list[bool] = []
    tokens = iter(["old", "new", "newer"])
    refused = reply(401, {"kind": "Status", "reason": "Unauthorized"})
    with Wire(refused, FINE) as server:
        point = endpoint(server.url, renew=lambda: renewed.append(True))
        object.__setattr__(point, "headers", lambda: {"Authorization": f"Bearer {next(tokens)}"})
        client = Api(point, deadline=time.monotonic() + 30)
        client.request("patch", PATH, target=TARGET, body=b"{}")
        client.request("get", PATH, target=TARGET)
        client.close()
    assert [request.header("Authorization") for request in server.requests] == [
        ["Bearer old"],
        ["Bearer new"],
        ["Bearer newer"],
    ]
    assert renewed == [True]
    assert [request.connection for request in server.requests] == [1, 2, 2]


def test_plain_http_is_for_loopback_only() -> None:
    with pytest.raises(ConfigError) as caught:
        endpoint("http://cluster.example:8080")
    assert (
        str(caught.value)
        == "context test of config: server is plain http, which is allowed only for loopback addresses"
    )
    assert caught.value.problems[0].hint == "use https, so that secrets travel encrypted"


def test_closed_client_keeps_no_connection() -> None:
    with Wire(FINE) as server:
        client = api(server.url)
        client.close()
        client.request("get", PATH, target=TARGET)
        client.request("get", PATH, target=TARGET)
    assert [request.connection for request in server.requests] == [1, 2]


def test_endpoint_never_shows_its_credentials() -> None:
    shown = repr(endpoint("http://127.0.0.1:1", proxy="http://user:CANARY-proxy@proxy:3128"))
    assert "CANARY" not in shown


def test_servers_time_is_latest_that_good_answer_told() -> None:
    def at(code: int, second: int, date: str = "Wed, 25 Nov 2026 10:00:{:02} GMT") -> Step:
        return reply(code, SECRET if code == 200 else {"kind": "Status"}, {"Date": date.format(second)})

    odd = [at(200, 0, date) for date in ("soon", "Fri, 31 Dec 9999 23:59:59 -2359", "Fri, 99 Dec 2099 23:59:59 GMT")]
    steps = [at(200, 20), at(200, 10), at(403, 40), *odd, FINE]
    with Wire(*steps) as wire, closing(api(wire.url)) as client:
        assert client.server_time() is None
        for _ in steps:
            with suppress(Forbidden):
                client.request("get", PATH, target=TARGET)
        assert client.server_time() == datetime(2026, 11, 25, 10, 0, 20, tzinfo=UTC)


def test_servers_time_can_be_asked_while_other_threads_get_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Environments of a fleet share an Api."""
    dates = ("Wed, 25 Nov 2026 10:00:20 GMT", "Wed, 25 Nov 2026 10:00:10 GMT")
    steps = [reply(200, SECRET, {"Date": date}) for date in dates]
    with Wire(*steps) as wire, closing(api(wire.url)) as client:
        client.request("get", PATH, target=TARGET)

        def meanwhile(date: str) -> datetime | None:
            client.request("get", PATH, target=TARGET)
            return http_date(date)

        monkeypatch.setattr("bridge.cluster.api.http_date", meanwhile)
        assert client.server_time() == datetime(2026, 11, 25, 10, 0, 20, tzinfo=UTC)
    assert len(wire.requests) == 2
