"""Each shape of a kubeconfig, read by us and by the `kubernetes` package: both must mean the same."""

import json
import ssl
import sys
import time
from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import Configuration
from kubernetes.config import load_kube_config

from bridge.cluster import connect as module
from bridge.cluster import tls
from bridge.cluster.connect import Endpoint, Search, connect
from bridge.errors import BridgeError, ConfigError, Refusal, Unavailable
from tests.cluster.wire import assert_clean
from tests.servers.pki import Authority

V1 = "client.authentication.k8s.io/v1"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def write(folder: Path, user: object, **cluster: object) -> Path:
    content = {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": "https://cluster.example:6443/", **cluster}}],
        "users": [{"name": "test", "user": user}],
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(content))
    return path


def ours(path: Path) -> Endpoint:
    return connect(Search(None, None, {"KUBECONFIG": str(path)}, pod=path.parent / "nowhere"))


def refused(path: Path) -> BridgeError:
    with pytest.raises(BridgeError) as caught:
        ours(path)
    assert_clean(caught.value, "CANARY", frames=False)
    assert str(path.parent) in caught.value.problems[0].where
    return caught.value


def theirs(path: Path) -> Configuration:
    found = Configuration()
    load_kube_config(  # type: ignore[no-untyped-call]
        str(path), client_configuration=found, temp_file_path=str(path.parent / "temp")
    )
    return found


def data(path: Path) -> str:
    return b64encode(path.read_bytes()).decode()


def plugin(folder: Path, status: dict[str, str]) -> dict[str, Any]:
    path = folder / "plugin"
    answer = json.dumps({"apiVersion": V1, "kind": "ExecCredential", "status": status})
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")
    path.chmod(0o700)
    return {"exec": {"apiVersion": V1, "command": str(path), "interactiveMode": "Never"}}


SHAPES = [
    "token",
    "tokenFile",
    "certificate files",
    "certificate data",
    "certificate and token",
    "exec token",
    "exec certificate",
    "authority data",
    "insecure",
    "server name and proxy",
    "auth-provider",
    "password",
]


def shape(name: str, folder: Path, authority: Authority) -> Path:
    pair = authority.client("operator")
    files = {"client-certificate": "client-operator.crt", "client-key": "client-operator.key"}
    inline = {"client-certificate-data": data(pair.certificate), "client-key-data": data(pair.key)}
    text = {"clientCertificateData": pair.certificate.read_text(), "clientKeyData": pair.key.read_text()}
    (folder / "token").write_text("CANARY-file")
    users: dict[str, dict[str, Any]] = {
        "tokenFile": {"tokenFile": "token"},
        "certificate files": files,
        "certificate data": inline,
        "certificate and token": {**inline, "token": "CANARY"},
        "exec token": plugin(folder, {"token": "CANARY-exec"}) if name == "exec token" else {},
        "exec certificate": plugin(folder, text) if name == "exec certificate" else {},
        "auth-provider": oidc(time.time() + 3600),
        "password": {"username": "me", "password": "CANARY"},
    }
    clusters: dict[str, dict[str, Any]] = {
        "authority data": {"certificate-authority-data": data(authority.file)},
        "insecure": {"insecure-skip-tls-verify": True},
        "server name and proxy": {"tls-server-name": "kubernetes", "proxy-url": "http://proxy:3128"},
    }
    return write(
        folder, users.get(name, {"token": "CANARY"}), **clusters.get(name, {"certificate-authority": "ca.crt"})
    )


def oidc(expires: float, **more: str) -> dict[str, Any]:
    def part(content: object) -> str:
        return urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    token = f"{part({'alg': 'none'})}.{part({'exp': int(expires)})}.CANARY"
    config = {"id-token": token, "idp-issuer-url": "https://127.0.0.1:1", "client-id": "a", "client-secret": "CANARY"}
    return {"auth-provider": {"name": "oidc", "config": {**config, "refresh-token": "CANARY", **more}}}


@pytest.mark.parametrize("name", SHAPES)
def test_both_ways_of_loading_mean_same(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    shown: list[bytes] = []
    show = tls.show_certificate

    def remember(context: ssl.SSLContext, certificate: bytes, key: Any, where: str) -> None:
        shown.append(certificate + key.reveal())
        show(context, certificate, key, where)

    monkeypatch.setattr("bridge.cluster.connect.show_certificate", remember)
    monkeypatch.setattr("bridge.cluster.exec_plugin.show_certificate", remember)
    path = shape(name, tmp_path, authority)
    we, they = ours(path), theirs(path)
    assert we.url == they.host
    # By its second name before 36.0.1.
    named = they.get_api_key_with_prefix("BearerToken") or they.get_api_key_with_prefix("authorization")
    assert we.headers().get("Authorization") == named
    assert we.server_name == they.tls_server_name
    assert they.proxy in {we.proxy, None}  # which it does not read before 37
    assert we.tls is not None
    assert (we.tls.verify_mode is ssl.CERT_REQUIRED) == they.verify_ssl
    authorities = ssl.create_default_context(cafile=they.ssl_ca_cert).get_ca_certs() if they.ssl_ca_cert else None
    assert authorities is None or we.tls.get_ca_certs() == authorities
    files = [they.cert_file, they.key_file] if they.cert_file else []
    certificates = [b"".join(Path(str(file)).read_bytes() for file in files)] if files else []
    assert shown == certificates


def test_kubernetes_package_leaves_nothing_on_disk(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    pair = authority.client("operator")
    user = {
        **oidc(time.time() + 3600),
        "client-certificate-data": data(pair.certificate),
        "client-key-data": data(pair.key),
    }
    assert ours(write(tmp_path, user)).headers()["Authorization"].endswith("CANARY")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_header_is_found_under_name_of_older_packages_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def before_36_0_1(*_: object, client_configuration: Any, **__: object) -> None:
        client_configuration.api_key["authorization"] = "Basic CANARY"

    monkeypatch.setattr("kubernetes.config.load_kube_config", before_36_0_1)
    found = ours(write(tmp_path, {"username": "me", "password": "CANARY"}))
    assert found.headers() == {"Authorization": "Basic CANARY"}


def test_impersonation_counts_next_to_credential_of_package(tmp_path: Path) -> None:
    found = ours(write(tmp_path, {"username": "me", "password": "CANARY", "as": "somebody"}))
    assert found.headers() == {"Authorization": "Basic " + b64encode(b"me:CANARY").decode()}
    assert found.impersonation == (("Impersonate-User", "somebody"),)


def test_credential_that_server_refuses_is_loaded_again(tmp_path: Path) -> None:
    found = ours(write(tmp_path, {"username": "me", "password": "CANARY"}))
    write(tmp_path, {"username": "me", "password": "new"})
    assert found.headers() == {"Authorization": "Basic " + b64encode(b"me:CANARY").decode()}
    found.renew()
    assert found.headers() == {"Authorization": "Basic " + b64encode(b"me:new").decode()}


@pytest.mark.parametrize(
    "provider", [{"name": "unknown", "config": {"access-token": "CANARY"}}, {"name": "oidc"}, "CANARY"]
)
def test_auth_provider_without_credential_is_error(tmp_path: Path, provider: object) -> None:
    error = refused(write(tmp_path, {"auth-provider": provider}))
    assert error.exit_status in {1, 2}


@pytest.mark.parametrize("user", [{"username": "me", "password": "CANARY"}, oidc(0)])
def test_missing_package_is_named_with_other_ways_to_log_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: dict[str, Any]
) -> None:
    """The image has no kubernetes package."""
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    error = refused(write(tmp_path, user))
    assert type(error) is ConfigError
    what = "auth-provider and passwords need the kubernetes package, which is not installed"
    assert str(error) == f'{tmp_path}/config: user "test": {what}'
    hint = "use a token, a client certificate or an exec plugin, or run `pip install kubernetes`"
    assert error.problems[0].hint == hint


@pytest.mark.parametrize("config", [{"id-token": "CANARY"}, {"client-secret": "CANARY"}])
def test_unavailable_credential_is_reported_without_packages_text(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], config: dict[str, str]
) -> None:
    error = refused(write(tmp_path, {"auth-provider": {"name": "oidc", "config": config}}))
    assert type(error) is Refusal
    assert str(error) == f'{tmp_path}/config: user "test": the kubernetes package found no credential'
    assert error.problems[0].hint == "log in again with kubectl"
    assert capfd.readouterr() == ("", "")


def test_expired_token_is_not_renewed_where_provider_would_not_be_verified(tmp_path: Path) -> None:
    error = refused(write(tmp_path, oidc(time.time() + 60)))
    assert type(error) is Refusal
    where = f'{tmp_path}/config: user "test": auth-provider: config'
    assert str(error) == f"{where}: its id-token has expired and cannot be renewed safely"


def test_hanging_identity_provider_cannot_block_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released: list[bool] = []

    def slow(*_: object, **__: object) -> None:
        limit = time.monotonic() + 10
        while not released and time.monotonic() < limit:
            time.sleep(0.01)

    monkeypatch.setattr("kubernetes.config.load_kube_config", slow)
    monkeypatch.setattr(module, "LIBRARY_LIMIT", 0.2)
    error = refused(write(tmp_path, {"username": "me", "password": "CANARY"}))
    released.append(True)
    assert type(error) is Unavailable
    assert str(error) == f'{tmp_path}/config: user "test": the identity provider did not answer in time'
