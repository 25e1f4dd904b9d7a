"""What hvac and requests leave open, closed: each hole has its test here."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.errors import BridgeError
from bridge.http.response import LONGEST
from bridge.provider import Context, Denied, NotFound, ProviderError, Unavailable
from bridge_providers.vault import Vault, settings, tls
from bridge_providers.vault.client import Connection
from tests.providers.vault.sessions import Desk, told
from tests.providers.vault.wire import Answer, Request, Wire, document, errors, wire
from tests.servers.pki import Authority
from tests.servers.process import free_port
from tests.servers.vault import DevVault
from tests.waiting import with_enough_time

VALUES: dict[str, object] = {"A": "CANARY-a"}
HTML = b"<html><body>CANARY please log in</body></html>"


def test_requests_carry_token_and_header_against_forged_ones(fake: Wire, fake_desk: Desk) -> None:
    fake.answer = lambda _: document(VALUES)
    assert fake_desk.texts("app") == VALUES
    (request,) = fake.requests
    assert request.headers["x-vault-token"] == "hvs.CANARY"
    assert request.headers["x-vault-request"] == "true"
    assert not request.headers.keys() & {"authorization", "cookie", "x-vault-namespace"}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_no_redirect_is_followed(fake: Wire, fake_desk: Desk, status: int) -> None:
    with wire() as other:
        place = {"Location": f"http://user:CANARY@127.0.0.1:{other.port}/v1/x?CANARY"}
        fake.answer = lambda _: Answer(status, b"", place)
        assert fake_desk.refusal(ProviderError) == (
            fake_desk.reading(f"failed: the server redirects to http://127.0.0.1:{other.port} ({status}); ")
            + "bridge does not follow, as that would send the token there"
        )
        assert other.requests == []
    assert len(fake.requests) == 1


def test_no_redirect_of_login_is_followed(fake: Wire, fake_desk: Desk) -> None:
    with wire() as other:
        fake.answer = lambda _: Answer(307, b"", {"Location": f"{other.address}/v1/x"})
        fake_desk.environ = {"VAULT_PASSWORD": "CANARY"}
        message = fake_desk.refusal(ProviderError, auth={"method": "userpass", "username": "ann"})
        outcome = f"failed: the server redirects to {other.address} (307)"
        assert message.startswith(fake_desk.login("userpass ann", "userpass", outcome))
        assert other.requests == []


@pytest.mark.parametrize("path", ["/v1/a/../sys/health", "v1//sys", "/v1/./x"])
def test_adapter_itself_refuses_what_library_would_resolve(fake: Wire, fake_desk: Desk, path: str) -> None:
    context = fake_desk.context()
    found = settings.load(Vault(address=fake.address), context)
    client = Connection(found, context.deadline).client("hvs.CANARY")
    assert told(ProviderError, lambda: client.adapter.get(path)).startswith("the path ")
    assert fake.requests == []


# Answers


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (errors(503, "Vault is sealed"), Unavailable, "failed: the server is sealed (503)"),
        (errors(503, "CANARY"), Unavailable, "failed: server error (503)"),
        (errors(500, "internal error: CANARY"), Unavailable, "failed: server error (500)"),
        (errors(501, "CANARY"), Unavailable, "failed: the server is not initialised (501)"),
        (Answer(502, HTML), Unavailable, "failed: server error (502)"),
        (errors(429, "CANARY"), Unavailable, "failed: rate limited (429)"),
        (errors(412, "CANARY"), Unavailable, "failed: the server has not caught up with the latest write (412)"),
        (
            errors(400, "Upgrading from non-versioned to versioned data. This backend will be unavailable."),
            Unavailable,
            "failed: the engine is being upgraded to version 2",
        ),
        (errors(400, "CANARY"), ProviderError, "failed: status 400"),
        (errors(405, "unsupported operation CANARY"), ProviderError, "failed: status 405"),
        (errors(403, "CANARY"), Denied, "failed: status 403"),
        (
            Answer(403, HTML),
            ProviderError,
            "failed: the server at this address is not Vault (status 403, not JSON)",
        ),
        (
            Answer(401, HTML),
            ProviderError,
            "failed: the server at this address is not Vault (status 401, not JSON)",
        ),
        (
            Answer(200, HTML),
            ProviderError,
            "failed: the server at this address is not Vault (status 200, not JSON)",
        ),
        (
            Answer(404, HTML),
            ProviderError,
            "failed: the server at this address is not Vault (status 404, not JSON)",
        ),
        (
            Answer(200, b"[]"),
            ProviderError,
            "failed: the server at this address is not Vault (status 200, not JSON)",
        ),
        (
            Answer(404, {"message": "CANARY"}),
            ProviderError,
            "failed: the server at this address is not Vault",
        ),
        (Answer(200, {"data": "CANARY"}), ProviderError, "failed: the server at this address is not Vault"),
        (
            Answer(200, b'{"a": "\\ud800CANARY"}'),
            ProviderError,
            "failed: the server at this address is not Vault",
        ),
        (Answer(200, b'{"a": NaN}'), ProviderError, "failed: the server at this address is not Vault"),
        (
            Answer(200, b'{"a":' + b"[" * 100_000 + b"}"),
            ProviderError,
            "failed: the server at this address is not Vault",
        ),
        (Answer(204), ProviderError, "failed: the server at this address is not Vault"),
        (Answer(200, {"data": {"data": None, "metadata": {"version": 1}}}), NotFound, "version 1 was deleted at "),
        (
            Answer(200, {"data": {"data": {"A": "CANARY"}, "metadata": {"version": 1, "created_time": "CANARY"}}}),
            ProviderError,
            "failed: the server at this address is not Vault",
        ),
    ],
)
def test_every_answer_has_its_meaning(
    fake: Wire, fake_desk: Desk, answer: Answer, kind: type[BridgeError], message: str
) -> None:
    fake.answer = lambda _: answer
    found = fake_desk.refusal(kind)
    start = message.removesuffix(", not JSON)")
    assert found.startswith(start if kind is NotFound else fake_desk.reading(start))
    assert len(fake.requests) == 1


def test_errors_are_read_whatever_content_type_says(fake: Wire, fake_desk: Desk) -> None:
    body = {"errors": ["Vault is sealed"]}
    fake.answer = lambda _: Answer(503, body, {"Content-Type": "application/json; charset=utf-8"})
    assert fake_desk.refusal(Unavailable) == fake_desk.reading("failed: the server is sealed (503)")


@pytest.mark.parametrize(
    ("interim", "headers"),
    [
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", b""),
        (b"HTTP/1.1 102 Processing\r\n\r\n" * 3, b""),
        (b"", b"".join(b"X-%d: y\r\n" % number for number in range(120))),
        (b"", b"X: " + b"x" * 100_000 + b"\r\n"),
        (b"", b"Location: http://[\r\nDate: Fri, 31 Dec 9999 23:59:59 -2359\r\nRetry-After: -1\r\n"),
    ],
)
def test_answer_is_read_after_interim_ones_and_with_any_headers(
    fake: Wire, fake_desk: Desk, interim: bytes, headers: bytes
) -> None:
    content = document(VALUES).content
    head = b"HTTP/1.1 200 OK\r\n" + headers + b"Content-Length: %d\r\n\r\n" % len(content)
    fake.answer = lambda _: Answer(script=lambda sock: sock.sendall(interim + head + content))
    assert fake_desk.texts("app") == VALUES
    assert len(fake.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("9" * 400, LONGEST),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST),
    ],
)
def test_retry_after_is_handed_to_core(fake: Wire, fake_desk: Desk, header: str, seconds: float | None) -> None:
    fake.answer = lambda _: errors(429, Retry_After=header, Date="Wed, 25 Nov 2026 10:00:00 GMT")
    with fake_desk.session() as session, pytest.raises(Unavailable) as caught:
        session.read("app")
    assert caught.value.retry_after == seconds


def test_after_a_412_active_node_is_asked(fake: Wire, fake_desk: Desk) -> None:
    answers = [errors(412), document(VALUES)]
    fake.answer = lambda _: answers.pop(0)
    with fake_desk.session() as session:
        told(Unavailable, lambda: session.read("app"))
        session.read("app")
    found = [one.headers.get("x-vault-inconsistent") for one in fake.requests]
    assert found == [None, "forward-active-node"]


# A credential with a lease, pointed at by mistake


def test_lease_of_credential_is_revoked_at_once(fake: Wire, fake_desk: Desk) -> None:
    lease = {"lease_id": "database/creds/app/CANARY", "data": {"username": "u", "password": "CANARY"}, "auth": None}

    def answer(request: Request) -> Answer:
        return (
            Answer(204) if "revoke" in request.path else errors(403) if "/ui/" in request.path else Answer(body=lease)
        )

    fake.answer = answer
    message = "it is a credential with a lease, which was revoked at once"
    assert fake_desk.refusal(ProviderError, "creds/app", mount="database", kv_version=1) == message
    assert fake.asked()[1:] == ["GET database/creds/app", "PUT sys/leases/revoke"]
    assert fake.requests[-1].json == {"lease_id": "database/creds/app/CANARY"}


def test_lease_that_cannot_be_revoked_is_reported(fake: Wire, fake_desk: Desk) -> None:
    lease = {"lease_id": "database/creds/app/CANARY", "data": {"password": "CANARY"}, "auth": None}
    fake.answer = lambda request: Answer(body=lease) if "creds" in request.path else errors(403)
    message = "it is a credential with a lease, which could not be revoked and will expire"
    assert fake_desk.refusal(ProviderError, "creds/app", mount="database", kv_version=1) == message


@pytest.mark.parametrize("answer", [errors(503, "Vault is sealed"), errors(429), Answer(502, HTML)])
def test_engine_that_cannot_be_asked_now_is_not_guessed(fake: Wire, fake_desk: Desk, answer: Answer) -> None:
    fake.answer = lambda request: answer if "/ui/" in request.path else errors(404)
    fake_desk.refusal(Unavailable, kv_version=None)
    assert len(fake.requests) == 1


def test_engine_that_token_may_not_ask_for_is_guessed_without_login(fake: Wire, fake_desk: Desk) -> None:
    def answer(request: Request) -> Answer:
        if request.path.endswith("/login/ann"):
            return Answer(body={"auth": {"client_token": "hvs.own", "token_type": "batch"}})
        if "/ui/" in request.path:
            return errors(403, "preflight capability check returned 403, please ensure client's policies grant access")
        return document(VALUES) if request.path == "/v1/kv/data/app" else errors(404)

    fake.answer = answer
    fake_desk.environ = {"VAULT_PASSWORD": "CANARY"}
    options = {"auth": {"method": "userpass", "username": "ann"}, "kv_version": None}
    assert fake_desk.texts("app", mount="kv", **options) == VALUES
    assert fake_desk.texts("kv/app", mount=None, **options) == VALUES
    assert sum("login" in one for one in fake.asked()) == 2


def test_session_that_was_closed_before_its_first_request_sends_none(fake: Wire, fake_desk: Desk) -> None:
    with fake_desk.session() as session:
        session.close()
        assert told(Unavailable, lambda: session.read("app")) == "the run has ended"
    assert fake.requests == []


@pytest.mark.parametrize("kind", ["database", "pki", "aws", "transit", "cubbyhole"])
def test_another_engine_is_refused_before_it_is_read(fake: Wire, fake_desk: Desk, kind: str) -> None:
    fake.answer = lambda _: Answer(body={"data": {"path": "db/", "type": kind, "options": None}})
    message = f"db is an engine of type {kind}"
    for mount, version in ((None, None), ("db", None), ("db", 1)):
        assert fake_desk.refusal(ProviderError, "db/creds/app", mount=mount, kv_version=version) == message
    assert {request.path.rpartition("/ui/")[0] for request in fake.requests} == {"/v1/sys/internal"}


# Connections that fail


def dribble(connection: socket.socket) -> None:
    """Answer a byte at a time, for ever."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    try:
        while True:
            connection.sendall(b" ")
            time.sleep(0.02)
    except OSError:
        pass


def dribble_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    dribble(connection)


def silence(connection: socket.socket) -> None:
    connection.recv(1)


def cut(connection: socket.socket) -> None:
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"data":{"data":{"A":"CANARY')


def hang_up(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def nonsense(connection: socket.socket) -> None:
    connection.sendall(b"CANARY\r\n\r\n")


@pytest.mark.parametrize("script", [dribble, dribble_headers, silence])
def test_request_as_whole_has_limit(fake: Wire, fake_desk: Desk, script: Callable[[socket.socket], None]) -> None:
    fake.answer = lambda _: Answer(script=script)
    fake_desk.environ["VAULT_CLIENT_TIMEOUT"] = "200ms"
    assert fake_desk.refusal(Unavailable) == f"{fake.address} did not answer completely within 0.2 s"


@pytest.mark.parametrize(
    ("script", "what"), [(cut, "closed the connection"), (hang_up, "cannot be reached"), (nonsense, "")]
)
def test_connection_that_breaks_is_temporary(
    fake: Wire, fake_desk: Desk, script: Callable[[socket.socket], None], what: str
) -> None:
    fake.answer = lambda _: Answer(script=script)
    assert fake_desk.refusal(Unavailable).startswith(f"{fake.address} {what}")


def test_server_that_is_missing_is_temporary(fake_desk: Desk) -> None:
    port = free_port()
    message = fake_desk.refusal(Unavailable, address=f"http://127.0.0.1:{port}")
    assert message == f"http://127.0.0.1:{port} cannot be reached"
    assert fake_desk.refusal(Unavailable, address="http://nowhere.invalid").endswith("cannot be reached")
    with fake_desk.session(address=f"http://127.0.0.1:{port}") as session, pytest.raises(Unavailable) as caught:
        session.read("app")
    assert caught.value.problems[0].hint == "check the address and the network"


def test_runs_deadline_bounds_request_too(fake: Wire, fake_desk: Desk) -> None:
    fake.answer = lambda _: Answer(script=silence)
    sessions = []

    def attempt(limit: float) -> str:
        sessions.append(Vault(address=fake.address, mount="secret", kv_version=2).open(fake_desk.context(limit)))
        return told(Unavailable, lambda: sessions[-1].read("app"))

    assert "did not answer completely" in with_enough_time(attempt, lambda: fake.requests, first=0.2)
    assert told(Unavailable, lambda: sessions[-1].read("app")) == "no time left for a request"
    assert len(fake.requests) == 1


def test_own_tokens_are_revoked_although_deadline_is_over(fake: Wire, fake_desk: Desk) -> None:
    def answer(request: Request) -> Answer:
        if request.path.endswith("/login/ann"):
            return Answer(body={"auth": {"client_token": "hvs.own", "token_type": "service"}})
        return Answer(204) if "revoke" in request.path else Answer(script=silence)

    fake.answer = answer
    fake_desk.environ = {"VAULT_PASSWORD": "CANARY"}
    auth = {"method": "userpass", "username": "ann"}

    def attempt(limit: float) -> None:
        session = Vault(address=fake.address, mount="secret", kv_version=2, auth=auth).open(fake_desk.context(limit))
        told(Unavailable, lambda: session.read("app"))
        session.close()

    with_enough_time(attempt, lambda: any(one.path.endswith("/data/app") for one in fake.requests))
    assert fake.asked()[-1] == "POST auth/token/revoke-self"


def test_closing_does_not_wait_for_read_that_is_stuck(fake: Wire, fake_desk: Desk) -> None:
    arrived, release = threading.Event(), threading.Event()

    def stuck(connection: socket.socket) -> None:
        arrived.set()
        release.wait(60)

    fake.answer = lambda _: Answer(script=stuck)
    session = Vault(address=fake.address, mount="secret", kv_version=2).open(fake_desk.context(60))
    reader = threading.Thread(target=lambda: told(Unavailable, lambda: session.read("app")))
    reader.start()
    assert arrived.wait(120)
    session.close()
    assert reader.is_alive()
    release.set()
    reader.join()


def test_answer_without_end_is_not_kept(fake: Wire, fake_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge_providers.vault.client.LIMIT", 2**20)
    fake.answer = lambda _: document({"A": "CANARY" * 2**18})
    assert fake_desk.refusal(ProviderError) == "the answer is longer than 1 MiB"


def test_half_answer_is_temporary(fake: Wire, fake_desk: Desk) -> None:
    fake.answer = lambda _: Answer(200, b'{"data": "CANARY')
    assert fake_desk.refusal(Unavailable) == "the answer is incomplete"


# The environment


def test_no_cookie_is_kept(fake: Wire, fake_desk: Desk) -> None:
    fake.answer = lambda _: Answer(200, document(VALUES).body, {"Set-Cookie": "a=CANARY; Path=/"})
    with fake_desk.session() as session:
        session.read("app")
        session.read("app")
    assert "cookie" not in fake.requests[1].headers


def test_netrc_is_not_read(fake: Wire, fake_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login CANARY password CANARY\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    fake.answer = lambda _: document(VALUES)
    fake_desk.read("app")
    assert "authorization" not in fake.requests[0].headers


def test_process_environment_counts_only_through_context(
    fake: Wire, fake_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "hvs.CANARY-of-the-process")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    fake.answer = lambda _: document(VALUES)
    fake_desk.read("app")
    assert fake.requests[0].headers["x-vault-token"] == "hvs.CANARY"
    fake_desk.environ = {}
    assert fake_desk.refusal(Denied).startswith("no credential found")


def test_no_token_of_anywhere_goes_along_with_login(
    fake: Wire, fake_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "hvs.CANARY-of-the-process")
    (tmp_path / ".vault-token").write_text("hvs.CANARY-of-the-home")
    fake.answer = lambda request: errors(400) if "login" in request.path else document(VALUES)
    fake_desk.environ = {"VAULT_PASSWORD": "CANARY", "VAULT_TOKEN": "hvs.CANARY"}
    fake_desk.refusal(Denied, auth={"method": "userpass", "username": "ann"})
    (login,) = fake.requests
    assert "x-vault-token" not in login.headers


@pytest.mark.parametrize("prefix", ["VAULT", "BAO"])
def test_variables_of_vault_and_openbao(fake: Wire, fake_desk: Desk, prefix: str) -> None:
    fake.answer = lambda _: document(VALUES)
    fake_desk.environ = {f"{prefix}_ADDR": fake.address, f"{prefix}_TOKEN": "hvs.CANARY", f"{prefix}_NAMESPACE": "ns"}
    fake_desk.read("app", address=None)
    headers = fake.requests[0].headers
    assert (headers["x-vault-token"], headers["x-vault-namespace"]) == ("hvs.CANARY", "ns")


def test_openbaos_variables_win_over_vaults(fake: Wire, fake_desk: Desk) -> None:
    fake.answer = lambda _: document(VALUES)
    fake_desk.environ = {"VAULT_TOKEN": "hvs.CANARY-old", "BAO_TOKEN": "CANARY-bao"}
    fake_desk.read("app")
    assert fake.requests[0].headers["x-vault-token"] == "CANARY-bao"


def test_variable_of_openbao_that_is_set_and_empty_counts_as_in_its_program(fake: Wire, fake_desk: Desk) -> None:
    fake.answer = lambda _: document(VALUES)
    fake_desk.environ = {"VAULT_TOKEN": "hvs.CANARY", "BAO_TOKEN": ""}
    assert fake_desk.refusal(Denied).startswith("no credential found")
    (fake_desk.folder / ".vault-token").write_text("hvs.CANARY-home")
    fake_desk.read("app")
    assert fake.requests[0].headers["x-vault-token"] == "hvs.CANARY-home"
    fake_desk.environ = {"VAULT_ADDR": fake.address, "BAO_ADDR": ""}
    assert fake_desk.refusal(ProviderError, address=None) == "no server address is configured"


@pytest.mark.parametrize(
    "addresses", [{"BAO_ADDR": "GOOD", "VAULT_ADDR": "http://127.0.0.1:1"}, {"VAULT_ADDR": "GOOD"}]
)
def test_bridge_and_program_of_openbao_choose_same_server(
    dev_vault: DevVault, mount: str, tmp_path: Path, addresses: dict[str, str]
) -> None:
    if not dev_vault.is_openbao:
        pytest.skip("Vault's program knows no BAO_…")
    dev_vault.put("app", {"A": "CANARY"}, mount)
    environ = {name: text.replace("GOOD", dev_vault.address) for name, text in addresses.items()}
    environ |= {"BAO_TOKEN": dev_vault.root, "VAULT_TOKEN": "hvs.wrong", "BAO_MAX_RETRIES": "0"}
    assert Desk(tmp_path, "", environ).texts("app", address=None, mount=mount) == {"A": "CANARY"}
    command = [dev_vault.binary, "kv", "get", f"-mount={mount}", "-field=A", "app"]
    environ |= {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "CANARY"


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "no server address is configured"),
        ({"BAO_ADDR": "vault:8200"}, "BAO_ADDR is not an http or https address"),
        ({"VAULT_ADDR": "http://v", "BAO_MAX_RETRIES": "many"}, "BAO_MAX_RETRIES is not a number"),
        ({"VAULT_ADDR": "http://v", "BAO_CLIENT_TIMEOUT": "soon"}, "BAO_CLIENT_TIMEOUT is not a duration"),
        ({"VAULT_ADDR": "vault:8200"}, "VAULT_ADDR is not an http or https address"),
        ({"VAULT_ADDR": "https://u:CANARY@vault"}, "VAULT_ADDR contains a credential"),
        ({"VAULT_ADDR": "http://v", "VAULT_MAX_RETRIES": "many"}, "VAULT_MAX_RETRIES is not a number"),
        ({"VAULT_ADDR": "http://v", "VAULT_CLIENT_TIMEOUT": "soon"}, "VAULT_CLIENT_TIMEOUT is not a duration"),
        (
            {"VAULT_ADDR": "http://v", "VAULT_CLIENT_KEY": "/k"},
            "VAULT_CLIENT_CERT is not set, but its counterpart is",
        ),
        (
            {"VAULT_ADDR": "http://v", "VAULT_CLIENT_CERT": "/c"},
            "VAULT_CLIENT_KEY is not set, but its counterpart is",
        ),
    ],
)
def test_invalid_variables_are_reported(fake_desk: Desk, environ: dict[str, str], message: str) -> None:
    fake_desk.environ = environ
    assert fake_desk.refusal(ProviderError, address=None) == message


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90.0), ("2s", 2.0), ("1m30s", 90.0), ("1.5h", 5400.0), ("250ms", 0.25), ("soon", 60.0), ("", 60.0)],
)
def test_session_tells_core_its_limits(fake_desk: Desk, text: str, seconds: float) -> None:
    fake_desk.environ |= {"VAULT_CLIENT_TIMEOUT": text, "VAULT_MAX_RETRIES": "5"}
    with fake_desk.session() as session:
        assert (session.timeout, session.retries) == (seconds, 5)
    fake_desk.environ = {}
    with fake_desk.session() as session:
        assert (session.timeout, session.retries) == (60.0, 2)


# Proxies


def test_proxy_of_environment_is_used_but_not_for_loopback(fake: Wire, fake_desk: Desk) -> None:
    fake.answer = lambda _: document(VALUES)
    with wire() as proxy:
        proxy.answer = lambda _: document({"A": "through the proxy"})
        fake_desk.environ |= {"http_proxy": proxy.address}
        assert fake_desk.texts("app") == VALUES
        assert fake_desk.texts("app", address="http://vault.test:8200") == {"A": "through the proxy"}
        assert proxy.requests[0].path == "http://vault.test:8200/v1/secret/data/app"
        fake_desk.environ |= {"NO_PROXY": "other,.test"}
        assert "cannot be reached" in fake_desk.refusal(Unavailable, address="http://vault.test:8200")
        fake_desk.environ |= {"VAULT_PROXY_ADDR": proxy.address}
        assert fake_desk.texts("app") == {"A": "through the proxy"}


def test_proxy_that_is_missing_is_temporary(fake_desk: Desk) -> None:
    fake_desk.environ |= {"VAULT_HTTP_PROXY": f"http://user:CANARY@127.0.0.1:{free_port()}"}
    assert fake_desk.refusal(Unavailable) == f"{fake_desk.address} cannot be reached through the proxy"


def test_proxys_password_is_not_shown(fake_desk: Desk) -> None:
    fake_desk.environ |= {"VAULT_PROXY_ADDR": "http://user:CANARY@proxy"}
    assert "CANARY" not in repr(settings.load(Vault(address=fake_desk.address), fake_desk.context()))


def test_asking_for_proxy_leaves_environment_alone(fake_desk: Desk, fake: Wire) -> None:
    before = dict(os.environ)
    fake.answer = lambda _: document(VALUES)
    fake_desk.environ |= {"http_proxy": fake.address, "no_proxy": "x"}
    fake_desk.read("app", address="http://vault.test")
    assert dict(os.environ) == before


def test_comments_in_bundle_of_authorities_may_be_in_any_encoding(tmp_path: Path) -> None:
    certificate = Authority(tmp_path).file.read_bytes()
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes("# Autorité racine ☃\n".encode() + b"\xff\n" + certificate + b"\xe9\n")
    options = Vault(address="https://vault.example", mount="secret", ca_cert=str(bundle))
    found = settings.load(options, Context(tmp_path, {}, time.monotonic() + 30))
    assert len(tls.context(found).get_ca_certs()) == 1
