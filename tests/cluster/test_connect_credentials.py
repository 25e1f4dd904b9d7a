"""Who we are: tokens, certificates, impersonation; and never nobody."""

import os
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives import serialization

from bridge.cluster import tls
from bridge.cluster.api import Api
from bridge.cluster.connect import Endpoint, Search, connect
from bridge.errors import ConfigError
from tests.cluster.wire import FINE, PATH, TARGET, Wire, assert_clean
from tests.servers.pki import Authority, Pair

TOKEN = "CANARY-token"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def load(folder: Path, user: object, url: str = "https://cluster.example", authority: str | None = None) -> Endpoint:
    content = {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": url, "certificate-authority": authority}}],
        "users": [{"name": "test", "user": user}],
    }
    (folder / "config").write_text(yaml.safe_dump(content))
    return connect(Search(None, None, {"KUBECONFIG": str(folder / "config")}, pod=folder / "nowhere"))


def refused(folder: Path, user: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load(folder, user)
    assert_clean(caught.value, "CANARY", frames=False)
    return str(caught.value).removeprefix(f'{folder}/config: user "test": ')


def test_token_is_shown_as_bearers(tmp_path: Path) -> None:
    found = load(tmp_path, {"token": TOKEN})
    assert found.headers() == {"Authorization": f"Bearer {TOKEN}"}
    assert "CANARY" not in repr(found)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_trailing_newline_of_token_is_stripped(tmp_path: Path, end: str) -> None:
    assert load(tmp_path, {"token": TOKEN + end}).headers() == {"Authorization": f"Bearer {TOKEN}"}


def test_token_file_takes_precedence_over_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    assert load(tmp_path, {"token": TOKEN, "tokenFile": "token"}).headers() == {"Authorization": "Bearer from-file"}


NOBODY = "has no usable credential; bridge never connects anonymously"


@pytest.mark.parametrize("user", [{}, {"token": ""}, {"token": None}, {"as": "somebody"}])
def test_no_credential_is_error_and_never_anonymous(tmp_path: Path, user: dict[str, object]) -> None:
    assert refused(tmp_path, user) == NOBODY


def test_context_without_user_is_error(tmp_path: Path) -> None:
    load(tmp_path, {"token": TOKEN})
    content = yaml.safe_load((tmp_path / "config").read_text())
    del content["contexts"][0]["context"]["user"]
    (tmp_path / "config").write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError) as caught:
        connect(Search(tmp_path / "config", None, {}, pod=tmp_path / "nowhere"))
    what = "names no user; bridge never connects anonymously"
    assert str(caught.value) == f"context test of {tmp_path}/config: {what}"


@pytest.mark.parametrize(
    ("user", "what"),
    [
        ({"token": "CANARY\nX-Other: CANARY"}, "token contains more than one line"),
        ({"token": "CANARY-\u00e9"}, "token contains a character that no token has"),
        ({"token": "CANARY "}, "token contains a space before or after the token"),
        ({"token": "CANARY\n\n"}, "token contains a space before or after the token"),
        ({"token": "CANARY CANARY"}, "token contains a space"),
        ({"token": " "}, "token contains no token"),
        ({"token": ["CANARY"]}, "token must be a string"),
        ({"tokenFile": "no"}, "tokenFile: cannot read {}/no: no such file or directory"),
        ({"client-certificate-data": "Q0FOQVJZ"}, "has no client-key"),
        ({"client-key-data": "Q0FOQVJZ"}, "has no client-certificate"),
        ({"client-certificate-data": "CANARY"}, "client-certificate-data is not base64"),
        ({"client-certificate": "no.crt"}, "client-certificate: cannot read {}/no.crt: no such file or directory"),
        (
            {"client-certificate-data": "Q0FOQVJZ", "client-key-data": "Q0FOQVJZ"},
            "cannot use the client certificate and its key",
        ),
        ({"token": "CANARY", "username": "CANARY"}, "has a username and another credential"),
        ({"exec": {"command": "a"}, "auth-provider": {"name": "oidc"}}, "has both exec and auth-provider"),
        ({"token": "a", "as": "CANARY\n"}, "impersonates a name that contains control characters"),
        ({"token": "a", "as-groups": ["CANARY"]}, "has as-groups, as-uid or as-user-extra, but no as"),
        ({"token": "a", "as-groups": "CANARY"}, "as-groups must be a list of strings"),
        ({"token": "a", "as": "b", "as-user-extra": {"c": "CANARY"}}, "as-user-extra: c must be a list of strings"),
    ],
)
def test_wrong_field_of_user_is_named(tmp_path: Path, user: dict[str, Any], what: str) -> None:
    assert refused(tmp_path, user) == what.format(tmp_path)


def test_impersonation_is_sent_with_each_request(tmp_path: Path) -> None:
    user = {
        "token": TOKEN,
        "as": "r\u00e9mi",
        "as-uid": "7",
        "as-groups": ["dev", "ops"],
        "as-user-extra": {"acme.com/Project": ["one", "two"]},
    }
    assert load(tmp_path, user).impersonation == (
        ("Impersonate-User", "r\u00c3\u00a9mi"),  # the bytes of its UTF-8, as Go sends them
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "dev"),
        ("Impersonate-Group", "ops"),
        ("Impersonate-Extra-acme.com%2FProject", "one"),
        ("Impersonate-Extra-acme.com%2FProject", "two"),
    )


def certificate_user(pair: Pair, form: str) -> dict[str, str]:
    if form == "files":
        return {"client-certificate": pair.certificate.name, "client-key": pair.key.name}
    data = {"client-certificate-data": pair.certificate, "client-key-data": pair.key}
    return {name: b64encode(path.read_bytes()).decode() for name, path in data.items()}


@pytest.mark.parametrize("form", ["files", "data"])
@pytest.mark.parametrize("memory", [True, False])
def test_client_certificate_is_shown_and_leaves_no_key_on_disk(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch, form: str, memory: bool
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    if not memory:
        monkeypatch.delattr(os, "memfd_create")
    serving = authority.serving(wants_certificate=True)
    user = certificate_user(authority.client("operator"), form)
    with Wire(FINE, tls=serving) as server:
        found = load(tmp_path, user, server.url, "ca.crt")
        assert found.headers() == {}
        client = Api(found, deadline=float("inf"))
        assert client.request("get", PATH, target=TARGET)["kind"] == "Secret"
        client.close()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_certificate_is_no_credential_over_plain_http(tmp_path: Path, authority: Authority) -> None:
    user = certificate_user(authority.client("operator"), "files")
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, user, "http://127.0.0.1:8080")
    assert str(caught.value) == f'{tmp_path}/config: user "test": {NOBODY}'


def test_encrypted_key_is_refused_without_prompt(tmp_path: Path, authority: Authority) -> None:
    pair = authority.client("operator")
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    form = serialization.PrivateFormat.PKCS8
    locked = serialization.BestAvailableEncryption(b"CANARY")
    pair.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, locked))
    what = refused(tmp_path, certificate_user(pair, "files"))
    assert what == "cannot use the client certificate and its key"


def test_key_of_another_certificate_is_refused(tmp_path: Path, authority: Authority) -> None:
    user = {**certificate_user(authority.client("a"), "files"), "client-key": authority.client("b").key.name}
    assert refused(tmp_path, user) == "cannot use the client certificate and its key"


def test_system_is_trusted_only_where_no_authority_is_given(authority: Authority) -> None:
    assert [cert["subject"] for cert in tls.trusting(authority.file.read_bytes(), "test").get_ca_certs()] == [
        ((("commonName", "bridge tests"),),)
    ]
