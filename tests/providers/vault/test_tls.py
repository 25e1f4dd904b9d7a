"""A real Vault with TLS: whose certificate is trusted, our own certificate, and seals."""

import contextlib
import datetime as dt
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from bridge.provider import Denied, ProviderError, Unavailable
from tests.providers.vault.sessions import Desk, told
from tests.providers.vault.wire import Answer, wire
from tests.servers.pki import Authority
from tests.servers.vault import SealedVault

VALUES = {"A": "CANARY-tls"}
UNTRUSTED = "the certificate of {} is not trusted: unable to get local issuer certificate"


@pytest.fixture
def server(sealed_vault: SealedVault) -> SealedVault:
    sealed_vault.unseal()
    sealed_vault.put("app", VALUES)
    return sealed_vault


@pytest.fixture
def tls(tmp_path: Path, server: SealedVault) -> Desk:
    """A desk that knows the server's authority."""
    shutil.copy(server.authority.file, tmp_path / "ca.crt")
    options = {"mount": "secret", "kv_version": 2, "ca_cert": "ca.crt"}
    return Desk(tmp_path, server.address, {"VAULT_TOKEN": server.root}, options)


@pytest.fixture
def other_authority(tmp_path: Path) -> Path:
    folder = tmp_path / "other"
    folder.mkdir()
    return Authority(folder, "another").file


def test_authority_of_section(tls: Desk) -> None:
    assert tls.texts("app") == VALUES
    assert tls.read("app").warnings == ()


def test_authority_of_environment(tls: Desk, tmp_path: Path, server: SealedVault) -> None:
    tls.environ["VAULT_CACERT"] = str(server.authority.file)
    assert tls.texts("app", ca_cert=None) == VALUES


def test_authorities_of_folder(tls: Desk, tmp_path: Path, server: SealedVault) -> None:
    folder = tmp_path / "authorities"
    folder.mkdir()
    # OpenSSL finds an authority in a folder by its subject's hash.
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(server.authority.file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    shutil.copy(server.authority.file, folder / f"{done.stdout.strip()}.0")
    tls.environ["VAULT_CAPATH"] = str(folder)
    assert tls.texts("app", ca_cert=None) == VALUES


def test_another_authority_is_error_without_fallback(
    tls: Desk, server: SealedVault, other_authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "VAULT_CACERT"):
        monkeypatch.setenv(name, str(server.authority.file))
    message = UNTRUSTED.format(server.address)
    assert tls.refusal(ProviderError, ca_cert=str(other_authority)) == message
    assert tls.refusal(ProviderError, ca_cert=None) == message
    tls.environ["VAULT_CACERT"] = str(other_authority)
    assert tls.refusal(ProviderError, ca_cert=None) == message


def test_librarys_own_bundle_is_not_added_to_operators_authority(
    tls: Desk, server: SealedVault, other_authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(server.authority.file))
    assert tls.refusal(ProviderError, ca_cert=str(other_authority)) == UNTRUSTED.format(server.address)


def test_hvacs_variables_at_import_do_not_count(server: SealedVault, other_authority: Path) -> None:
    """They are read when hvac is imported, so this needs a process of its own."""
    script = f"""
import sys, time
from pathlib import Path
from bridge.provider import Context, ProviderError
from bridge_providers.vault import Vault
environ = {{"VAULT_TOKEN": "{server.root}", "VAULT_CACERT": {str(other_authority)!r}}}
context = Context(Path("/"), environ, time.monotonic() + 30)
try:
    Vault(address="{server.address}", mount="secret", kv_version=2).open(context).read("app")
except ProviderError as error:
    print(error)
"""
    environ = {"VAULT_CACERT": str(server.authority.file), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == UNTRUSTED.format(server.address)


def test_servers_name(tls: Desk, server: SealedVault, tmp_path: Path) -> None:
    named = f"https://127.0.0.1:{server.port}"
    tls.environ["VAULT_TLS_SERVER_NAME"] = "vault.example"
    assert "is not trusted: Hostname mismatch" in tls.refusal(ProviderError, address=named)
    tls.environ["VAULT_TLS_SERVER_NAME"] = "localhost"
    assert tls.texts("app", address=named) == VALUES


def test_unverified_server_is_reported_with_every_document(tls: Desk) -> None:
    tls.environ["VAULT_SKIP_VERIFY"] = "true"
    document = tls.read("app", ca_cert=None)
    (warning,) = document.warnings
    assert warning.warning
    assert str(warning) == (
        "VAULT_SKIP_VERIFY is set: any server at this address can take the token and supply the values"
    )
    for text in ("0", "false", "no", "yes"):
        tls.environ["VAULT_SKIP_VERIFY"] = text
        assert "is not trusted" in tls.refusal(ProviderError, ca_cert=None)


def test_files_that_are_missing_or_no_certificates(tls: Desk, tmp_path: Path) -> None:
    (tmp_path / "junk.pem").write_text("-----BEGIN PRIVATE KEY-----\nCANARY\n-----END PRIVATE KEY-----\n")
    (tmp_path / "empty.pem").write_text("")
    assert tls.refusal(ProviderError, ca_cert="absent.crt") == f"cannot read the file {tmp_path}/absent.crt"
    for name in ("junk.pem", "empty.pem"):
        message = tls.refusal(ProviderError, ca_cert=name)
        assert message.startswith(f"cannot use the certificate authorities in {tmp_path}/{name}")
    message = tls.refusal(ProviderError, client_cert="ca.crt", client_key="junk.pem")
    assert message == f"cannot use the client certificate {tmp_path}/ca.crt"


def test_plain_http_at_tls_port_and_other_way_round(tls: Desk, server: SealedVault, fake_desk: Desk) -> None:
    plain = f"http://127.0.0.1:{server.port}"
    outcome = "failed: the server at this address is not Vault (status 400, not Vault's JSON)"
    assert tls.refusal(ProviderError, address=plain) == replace(tls, address=plain).reading(outcome)
    address = fake_desk.address.replace("http:", "https:")
    assert fake_desk.refusal(ProviderError, address=address) == f"{address} does not speak TLS"


# Our own certificate


@pytest.fixture
def certificate(tls: Desk, server: SealedVault) -> Iterator[dict[str, Any]]:
    """A role for a client's certificate, and the section that shows one."""
    server.policy("tls", 'path "secret/data/app" { capabilities = ["read"] }')
    server.do("POST", "sys/auth/cert", {"type": "cert"})
    role = {"certificate": server.authority.file.read_text(), "allowed_common_names": "ann", "token_policies": ["tls"]}
    server.do("POST", "auth/cert/certs/people", role)
    ann = server.client_certificate("ann")
    yield {
        "auth": {"method": "cert", "role": "people"},
        "client_cert": str(ann.certificate),
        "client_key": str(ann.key),
    }
    server.do("DELETE", "sys/auth/cert")


def test_client_certificate_logs_in(tls: Desk, server: SealedVault, certificate: dict[str, Any]) -> None:
    before = server.tokens()
    tls.environ = {}
    assert tls.texts("app", **certificate) == VALUES
    assert tls.texts("app", **{**certificate, "auth": {"method": "cert"}}) == VALUES
    tls.environ = {
        "VAULT_CLIENT_CERT": certificate["client_cert"],
        "VAULT_CLIENT_KEY": certificate["client_key"],
    }
    assert tls.texts("app", auth=certificate["auth"]) == VALUES
    assert server.tokens() == before


def test_client_certificate_that_has_expired(tls: Desk, server: SealedVault, certificate: dict[str, Any]) -> None:
    server.authority.client("ann", ends=-dt.timedelta(hours=1))
    reason = "the client certificate has expired or is not valid yet"
    assert tls.refusal(Denied, **certificate) == tls.login("cert people", "cert", f"failed: {reason}")


def test_client_certificate_that_is_refused(tls: Desk, server: SealedVault, certificate: dict[str, Any]) -> None:
    bob = server.client_certificate("bob")
    wrong = {**certificate, "client_cert": str(bob.certificate), "client_key": str(bob.key)}
    reason = "the role accepts no client certificate that was sent"
    assert tls.refusal(Denied, **wrong) == tls.login("cert people", "cert", f"failed: {reason}")
    missing = {**certificate, "auth": {"method": "cert", "role": "nobody"}}
    assert tls.refusal(Denied, **missing) == tls.login("cert nobody", "cert", f"failed: {reason}")
    assert tls.refusal(Denied, auth=certificate["auth"]) == (
        "no credential found: looked for cert (client_cert, VAULT_CLIENT_CERT)"
    )


def test_listener_that_requires_client_certificate(vault_binary: Path, tmp_path: Path) -> None:
    with SealedVault(vault_binary, wants_certificate=True) as server:
        server.put("app", VALUES)
        ann = server.client_certificate("ann")
        desk = Desk(tmp_path, server.address, {"VAULT_TOKEN": server.root}, {"mount": "secret", "kv_version": 2})
        desk.options["ca_cert"] = str(server.authority.file)
        assert desk.texts("app", client_cert=str(ann.certificate), client_key=str(ann.key)) == VALUES
        assert desk.refusal(Denied) == f"{server.address} requires a client certificate"


# Seals


def test_sealed_says_sealed_and_after_unsealing_same_session_reads(tls: Desk, server: SealedVault) -> None:
    with tls.session() as session:
        assert session.read("app").revision.id
        server.seal()
        assert told(Unavailable, lambda: session.read("app")) == tls.reading("failed: the server is sealed (503)")
        server.unseal()
        assert session.read("app").revision.id


def test_sealed_server_refuses_no_login_for_good(tls: Desk, server: SealedVault) -> None:
    server.seal()
    desk = replace(tls, environ={"VAULT_ID_TOKEN": "CANARY"})
    with desk.session(auth={"method": "jwt", "role": "r"}, kv_version=None) as session:
        for _ in range(2):
            message = desk.login("jwt r", "jwt", "failed: the server is sealed (503)")
            assert told(Unavailable, lambda: session.read("app")) == message


def test_server_that_restarts_is_sealed_and_keeps_its_documents(tls: Desk, server: SealedVault) -> None:
    server.stop()
    assert tls.refusal(Unavailable) == f"{server.address} cannot be reached"
    server.start()
    assert tls.refusal(Unavailable) == tls.reading("failed: the server is sealed (503)")
    server.unseal()
    assert tls.texts("app") == VALUES


def tunnel(port: int) -> Callable[[socket.socket], None]:
    """Pass bytes between the proxy's client and a port of this machine, both ways, until one side is done."""

    def pump(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def script(connection: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=pump, args=(upstream, connection), daemon=True)
            back.start()
            pump(connection, upstream)
            back.join()

    return script


def test_through_proxy_server_is_verified_and_proxy_sees_no_token(
    tls: Desk, server: SealedVault, other_authority: Path
) -> None:
    with wire() as proxy:
        proxy.answer = lambda _: Answer(script=tunnel(server.port))
        tls.environ |= {"https_proxy": proxy.address, "VAULT_TLS_SERVER_NAME": "localhost"}
        address = f"https://vault.test:{server.port}"
        assert tls.texts("app", address=address) == VALUES
        assert "is not trusted" in tls.refusal(ProviderError, address=address, ca_cert=str(other_authority))
        assert {(one.method, one.path) for one in proxy.requests} == {("CONNECT", f"vault.test:{server.port}")}
        assert not any(server.root in str(one) for one in proxy.requests)


def test_encrypted_key_is_refused_without_prompt(tls: Desk, server: SealedVault, tmp_path: Path) -> None:
    ann = server.client_certificate("ann")
    key = serialization.load_pem_private_key(ann.key.read_bytes(), None)
    form = serialization.PrivateFormat.PKCS8
    encryption = serialization.BestAvailableEncryption(b"CANARY")
    (tmp_path / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, encryption))
    message = tls.refusal(ProviderError, client_cert=str(ann.certificate), client_key="key.pem")
    assert message == f"cannot use the client certificate {ann.certificate}"
