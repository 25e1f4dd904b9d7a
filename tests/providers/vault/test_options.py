"""The section's fields are checked when the provider is built, and paths by `bridge check`; both without a network."""

import dataclasses
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
        ({"address": 8200}, "address", "must be a text"),
        ({"address": "vault.internal:8200"}, "address", "is not an http or https address"),
        ({"address": "unix:///run/vault.sock"}, "address", "is not an http or https address"),
        ({"address": "https://"}, "address", "is not an http or https address"),
        ({"address": "https://v:99999"}, "address", "is not an http or https address"),
        ({"address": "https://v x"}, "address", "is not an http or https address"),
        ({"address": "https://ann:CANARY@vault"}, "address", "holds a credential"),
        ({"address": "https://vault?x=CANARY"}, "address", "has more than host, port and path"),
        ({"address": "https://vault/../x"}, "address", "has more than host, port and path"),
        ({"mount": ""}, "mount", "must be a text"),
        ({"mount": "a/../b"}, "mount", "has a part that is . or .."),
        ({"mount": "a//b"}, "mount", "has an empty part: no slash at an end, no two in a row"),
        ({"namespace": ".."}, "namespace", "has a part that is . or .."),
        ({"auth_namespace": "a\nb"}, "auth_namespace", "must be a text"),
        ({"kv_version": 3}, "kv_version", "must be 1 or 2"),
        ({"kv_version": "2"}, "kv_version", "must be 1 or 2"),
        ({"kv_version": True}, "kv_version", "must be 1 or 2"),
        ({"client_key": "key"}, "client_key", "is a key without its certificate"),
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
        ({"auth": {"method": "jwt", "role": 7}}, "auth[0].role", "must be a text"),
        (
            {"auth": {"method": "jwt", "mount": "../sys"}},
            "auth[0].mount",
            "must be made of letters, digits and _ . @ + -",
        ),
        (
            {"auth": {"method": "userpass", "username": "a b?"}},
            "auth[0].username",
            "must be made of letters, digits and _ . @ + -",
        ),
    ],
)
def test_a_field_that_is_wrong_is_told_without_its_value(options: dict[str, Any], field: str, what: str) -> None:
    with pytest.raises(OptionError) as caught:
        Vault(**options)
    assert (caught.value.field, caught.value.what) == (field, what)
    assert "CANARY" not in str(caught.value)


def test_an_unknown_field_of_a_method_is_met_with_a_suggestion() -> None:
    with pytest.raises(OptionError) as caught:
        Vault(auth={"method": "kubernetes", "role": "r", "tokenfile": "x"})
    assert caught.value.hint == "did you mean token_file?"


def test_no_field_holds_a_credential() -> None:
    assert [field.name for field in dataclasses.fields(Vault)] == [
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


def test_everything_may_be_left_to_the_environment() -> None:
    assert Vault().auth == ({"method": "token"},)


def test_paths_are_checked_offline() -> None:
    provider = Vault(mount="kv")
    assert isinstance(provider, Checker)
    assert list(provider.check("voice/staging", CONTEXT)) == []
    (problem,) = provider.check("voice/../staging", CONTEXT)
    assert str(problem) == "the path has a part that is . or .."
    (problem,) = Vault().check("staging", CONTEXT)
    assert str(problem) == "the path names a mount alone"
    assert provider.names("voice/staging", CONTEXT) is None
