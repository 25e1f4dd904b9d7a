"""The trust file: which of Vault's credentials reach which server."""

from pathlib import Path
from typing import Any

import pytest

from bridge.provider import Denied, Problem
from bridge_providers.vault import Vault
from tests.providers.vault.sessions import Desk
from tests.providers.vault.wire import Answer, Wire, document, wire
from tests.servers.pki import Authority
from tests.trusting import store, trusting

LOGIN = Answer(200, {"auth": {"client_token": "hvs.issued", "lease_duration": 60}})
JWT = {"method": "jwt", "role": "r"}
PINNED = "https://vault.internal:8200"


@pytest.fixture
def server() -> Any:
    with wire() as found:
        found.answer = lambda request: LOGIN if "/auth/" in request.path else document({"A": "b"})
        yield found


@pytest.fixture
def desk(tmp_path: Path, server: Wire) -> Desk:
    """An operator whose environment's file names a server, with every kind of credential at hand."""
    environ = {
        "VAULT_TOKEN": "hvs.CANARY-static",
        "VAULT_ID_TOKEN": "CANARY-jwt",
        "VAULT_ROLE_ID": "CANARY-role",
        "VAULT_SECRET_ID": "CANARY-secret",
        "VAULT_PASSWORD": "CANARY-password",
    }
    return Desk(tmp_path, server.address, environ, {"mount": "secret", "kv_version": 2})


def trust(desk: Desk, *stores: dict[str, Any]) -> None:
    desk.environ |= trusting(desk.folder, stores=list(stores))


def told(desk: Desk, **options: Any) -> list[Problem]:
    return list(Vault(address=desk.address, **desk.options, **options).check("app", desk.context()))


@pytest.mark.parametrize("method", ["token", "jwt", "approle", "wrapped", "userpass", "kubernetes"])
def test_server_that_is_not_listed_gets_no_credential(desk: Desk, server: Wire, method: str) -> None:
    (desk.folder / "vault-token").write_text("CANARY-pod")
    more = {"kubernetes": {"role": "r", "token_file": "vault-token"}, "userpass": {"username": "u"}}
    auth = {"method": "approle", "wrapped": True} if method == "wrapped" else {"method": method, **more.get(method, {})}
    trust(desk, store(PINNED, "token", "jwt", "approle", "userpass", "kubernetes"))
    message = desk.refusal(Denied, auth=auth)
    name = auth["method"]
    assert message == (
        f"the environment's file names {server.address}, which may not get the credential {name} "
        f"(see {desk.environ['BRIDGE_TRUST']})"
    )
    assert [one.what for one in told(desk, auth=auth)] == [message]
    assert not server.requests


def test_line_of_hint_is_what_was_missing(desk: Desk, server: Wire) -> None:
    trust(desk)
    (problem,) = told(desk)
    assert problem.hint.endswith(f'- {{address: "{server.address}", credentials: [token]}}')
    trust(desk, store(server.address, "token"))
    assert desk.texts("app") == {"A": "b"}
    assert told(desk) == []


def test_listed_server_gets_no_other_credential(desk: Desk, server: Wire) -> None:
    trust(desk, store(server.address, "jwt"))
    assert desk.texts("app", auth=JWT) == {"A": "b"}
    assert "CANARY-static" not in repr(server.requests)
    before = len(server.requests)
    desk.refusal(Denied, auth={"method": "token"})
    desk.refusal(Denied, auth={"method": "approle"})
    assert len(server.requests) == before


@pytest.mark.parametrize("place", [{"token_variable": "VAULT_TOKEN"}, {"token_file": ".vault-token"}])
def test_static_token_is_not_sent_in_another_methods_name(desk: Desk, server: Wire, place: dict[str, str]) -> None:
    (desk.folder / ".vault-token").write_text("hvs.CANARY-file")
    trust(desk, store(server.address, "jwt"))
    assert "may not get the credential token" in desk.refusal(Denied, auth={**JWT, **place})
    assert not server.requests


def test_credential_may_be_listed_by_where_it_is(desk: Desk, server: Wire) -> None:
    trust(desk, store(server.address, "VAULT_ID_TOKEN"))
    assert desk.texts("app", auth=JWT) == {"A": "b"}
    before = len(server.requests)
    assert "may not get the credential jwt" in desk.refusal(Denied, auth={**JWT, "token_variable": "VAULT_ROLE_ID"})
    assert len(server.requests) == before
    (desk.folder / ".vault-token").write_text("hvs.CANARY-file")
    del desk.environ["VAULT_TOKEN"]
    trust(desk, store(server.address, "VAULT_TOKEN"))
    desk.refusal(Denied)
    trust(desk, store(server.address, "~/.vault-token"))
    desk.environ["HOME"] = str(desk.folder)
    assert desk.texts("app") == {"A": "b"}


def test_operators_own_variable_must_also_be_listed(desk: Desk, server: Wire) -> None:
    trust(desk, store(PINNED, "token"))
    desk.environ["VAULT_ADDR"] = server.address
    assert desk.refusal(Denied, address=None).startswith(f"VAULT_ADDR names {server.address}, which may not get")
    assert not server.requests


def test_client_certificate_is_credential(desk: Desk, tmp_path: Path) -> None:
    trust(desk, store(PINNED, "token"))
    pair = Authority(tmp_path).client("me")
    options = {"address": PINNED, "client_cert": str(pair.certificate), "client_key": str(pair.key)}
    assert f"{PINNED}, which may not get the credential cert" in desk.refusal(Denied, **options)
    provider = Vault(**{**desk.options, **options})
    assert ["credential cert" in one.what for one in provider.check("app", desk.context())] == [True]
