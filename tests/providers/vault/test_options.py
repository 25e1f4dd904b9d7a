"""The section's fields are checked when the provider is built, and paths by `bridge check`; both without a network."""

import time
from pathlib import Path
from typing import Any

import pytest

from bridge.provider import Checker, Context, OptionError
from bridge_providers.vault import Vault

CONTEXT = Context(Path("/nowhere"), {}, time.monotonic())


@pytest.mark.parametrize(
    ("options", "field", "what"),
    [
        ({"address": 8200}, "address", "must be a string"),
        ({"address": "vault.internal:8200"}, "address", "is not an http or https address"),
        ({"address": "unix:///run/vault.sock"}, "address", "is not an http or https address"),
        ({"address": "https://"}, "address", "is not an http or https address"),
        ({"address": "https://v:99999"}, "address", "is not an http or https address"),
        ({"address": "https://v x"}, "address", "is not an http or https address"),
        ({"address": "https://ann:CANARY@vault"}, "address", "contains a credential"),
        ({"address": "https://vault?x=CANARY"}, "address", "may contain only a host, a port and a path"),
        ({"address": "https://vault/../x"}, "address", "may contain only a host, a port and a path"),
        ({"mount": ""}, "mount", "must be a string"),
        ({"mount": "a/../b"}, "mount", "must not contain . or .. as a part"),
        ({"mount": "a//b"}, "mount", "has an empty part (a leading, trailing or double slash)"),
        ({"namespace": ".."}, "namespace", "must not contain . or .. as a part"),
        ({"auth_namespace": "a\nb"}, "auth_namespace", "must be a string"),
        ({"kv_version": 3}, "kv_version", "must be 1 or 2"),
        ({"kv_version": "2"}, "kv_version", "must be 1 or 2"),
        ({"kv_version": True}, "kv_version", "must be 1 or 2"),
        ({"client_key": "key"}, "client_key", "needs client_cert"),
        ({"auth": "token"}, "auth", "must be a method or a list of methods"),
        ({"auth": []}, "auth", "must be a method or a list of methods"),
        ({"auth": None}, "auth", "must be a method or a list of methods"),
        ({"auth": ["token"]}, "auth[0]", "must be a mapping"),
        (
            {"auth": [{"method": "token"}, {"method": "ldap"}]},
            "auth[1].method",
            "must be one of token, kubernetes, jwt, approle, userpass, cert",
        ),
        ({"auth": {"role": "r"}}, "auth[0].method", "must be one of token, kubernetes, jwt, approle, userpass, cert"),
        ({"auth": {"method": "kubernetes"}}, "auth[0].role", "is required"),
        ({"auth": {"method": "userpass"}}, "auth[0].username", "is required"),
        ({"auth": {"method": "token", "token": "CANARY"}}, "auth[0].token", "unknown key"),
        ({"auth": {"method": "approle", "secret_id": "CANARY"}}, "auth[0].secret_id", "unknown key"),
        ({"auth": {"method": "approle", "wrapped": "yes"}}, "auth[0].wrapped", "must be true or false"),
        ({"auth": {"method": "jwt", "role": 7}}, "auth[0].role", "must be a string"),
        (
            {"auth": {"method": "jwt", "mount": "../sys"}},
            "auth[0].mount",
            "may contain only letters, digits and _ . @ + - /",
        ),
        (
            {"auth": {"method": "userpass", "username": "a b?"}},
            "auth[0].username",
            "may contain only letters, digits and _ . @ + - /",
        ),
    ],
)
def test_field_that_is_wrong_is_reported_without_its_value(options: dict[str, Any], field: str, what: str) -> None:
    with pytest.raises(OptionError) as caught:
        Vault(**options)
    assert (caught.value.field, caught.value.what) == (field, what)
    assert "CANARY" not in str(caught.value)


def test_unknown_field_of_method_has_suggestion() -> None:
    with pytest.raises(OptionError) as caught:
        Vault(auth={"method": "kubernetes", "role": "r", "tokenfile": "x"})
    assert caught.value.hint == "did you mean token_file?"


def test_no_field_holds_credential() -> None:
    assert list(Vault._fields) == [
        "address",
        "mount",
        "kv_version",
        "namespace",
        "auth_namespace",
        "auth",
        "ca_cert",
        "client_cert",
        "client_key",
    ]


def test_everything_may_be_left_to_environment() -> None:
    assert Vault().auth == ({"method": "token"},)


def test_paths_are_checked_offline() -> None:
    provider = Vault(mount="kv")
    assert isinstance(provider, Checker)
    assert list(provider.check("voice/staging", CONTEXT)) == []
    (problem,) = provider.check("voice/../staging", CONTEXT)
    assert str(problem) == "the path must not contain . or .. as a part"
    (problem,) = Vault().check("staging", CONTEXT)
    assert str(problem) == "the path names only a mount"
    assert provider.names("voice/staging", CONTEXT) is None
