"""An environment's file of a branch: what it can make bridge send, and to whom."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.provider import Denied, OptionError, ProviderError
from bridge_providers.vault import Vault
from tests.providers.vault.sessions import Desk
from tests.providers.vault.wire import Answer, Wire, document, wire

LOGIN = Answer(200, {"auth": {"client_token": "hvs.issued", "lease_duration": 60}})
HERE = "kubernetes.io/serviceaccount/token"


@pytest.fixture
def evil() -> Any:
    """A server of the branch's author, which takes whatever it is given."""
    with wire() as server:
        server.answer = lambda request: LOGIN if "/auth/" in request.path else document({"A": "b"})
        yield server


@pytest.fixture(params=["git", "no git", "a folder named vault"])
def victim(request: pytest.FixtureRequest, tmp_path: Path, evil: Wire) -> Desk:
    """An operator with more credentials than Vault's, and a checkout below the home folder."""
    base = tmp_path / "home" / "vault-checkout" / ("vault" if "named" in request.param else "config")
    base.mkdir(parents=True)
    if request.param != "no git":
        subprocess.run(["git", "init", "--quiet", str(base.parent)], check=True)
    for name in ("staging.agekey", "vault-role", "../.env", "../../.netrc", "../../.ssh/id", "../../.vault-token"):
        (base / name).parent.mkdir(exist_ok=True)
        (base / name).write_text("CANARY")
    (tmp_path / "passwd").write_text("CANARY")
    (base / "vault-link").symlink_to(tmp_path / "passwd")
    environ = {"HOME": str(tmp_path / "home"), "AWS_SECRET_ACCESS_KEY": "CANARY"}
    return Desk(base, evil.address, environ, {"mount": "secret", "kv_version": 2})


METHODS: dict[str, Callable[[str], dict[str, Any]]] = {
    "kubernetes": lambda file: {"method": "kubernetes", "role": "r", "token_file": file},
    "jwt": lambda file: {"method": "jwt", "token_file": file},
    "approle": lambda file: {"method": "approle", "role_id_file": file, "secret_id_file": file},
    "userpass": lambda file: {"method": "userpass", "username": "u", "password_file": file},
}
FAR = ("/etc/passwd", "/proc/self/environ", "../.env", "../../.netrc", "../../.ssh/id", "staging.agekey", "vault-link")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("file", [*FAR, "../../../passwd", f"/run/secrets/{HERE}/../aws"])
def test_file_not_of_vault_is_not_sent(victim: Desk, evil: Wire, method: str, file: str) -> None:
    message = victim.refusal(Denied, auth=METHODS[method](file))
    assert message.startswith(f"the file {file} is no place for a Vault credential")
    assert not evil.requests


@pytest.mark.parametrize("file", FAR)
def test_check_reports_such_file(victim: Desk, file: str) -> None:
    provider = Vault(address=victim.address, mount="secret", auth=METHODS["jwt"](file))
    (problem,) = provider.check("app", victim.context())
    assert problem.what.startswith(f"token_file {file} is no place for a Vault credential")
    assert not problem.warning


@pytest.mark.parametrize(
    ("file", "variable"),
    [("vault-role", ""), ("../../.vault-token", ""), ("../../../passwd", "VAULT_TOKEN_FILE")],
)
def test_vault_file_is_sent(victim: Desk, evil: Wire, file: str, variable: str) -> None:
    if variable:
        victim.environ[variable] = str(victim.folder / file)
    assert victim.texts("app", auth=METHODS["jwt"](file)) == {"A": "b"}
    assert evil.requests[0].json["jwt"] == "CANARY"


@pytest.mark.parametrize(
    "file", [f"/var/run/secrets/{HERE}", "/var/run/secrets/vault/token", "/run/secrets/tokens/vault"]
)
def test_token_of_pod_is_searched_for_in_its_places(victim: Desk, file: str) -> None:
    provider = Vault(address=victim.address, mount="secret", auth=METHODS["kubernetes"](file))
    assert not [*provider.check("app", victim.context())]
    assert victim.refusal(Denied, auth=METHODS["kubernetes"](file)).startswith("no credential found")


@pytest.mark.parametrize(
    ("method", "field"),
    [
        ("jwt", "token_variable"),
        ("approle", "role_id_variable"),
        ("approle", "secret_id_variable"),
        ("userpass", "password_variable"),
    ],
)
@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "SOPS_AGE_KEY", "GITHUB_TOKEN", "MY_VAULT_TOKEN", "VAULT_"])
def test_variable_not_of_vault_is_refused(method: str, field: str, name: str) -> None:
    more = {"username": "u"} if method == "userpass" else {}
    with pytest.raises(OptionError) as caught:
        Vault(auth={"method": method, field: name, **more})
    assert (caught.value.field, caught.value.what[:42]) == (
        f"auth[0].{field}",
        "must be a variable that begins with VAULT_",
    )


@pytest.mark.parametrize("name", ["VAULT_ADDR", "BAO_ADDR"])
@pytest.mark.parametrize("auth", [{"method": "token"}, METHODS["kubernetes"]("vault-role")])
def test_server_of_file_gets_nothing_if_variable_names_another(
    victim: Desk, evil: Wire, name: str, auth: dict[str, Any]
) -> None:
    victim.environ |= {name: "https://vault.example", "VAULT_TOKEN": "hvs.CANARY"}
    message = victim.refusal(ProviderError, auth=auth)
    assert message == f"address {evil.address} is not the server that {name} names"
    told = [one.what for one in Vault(address=evil.address, mount="secret").check("app", victim.context())]
    assert told == [message]
    assert not evil.requests


def test_server_of_file_may_write_variables_address_differently(victim: Desk, evil: Wire) -> None:
    victim.environ |= {"VAULT_ADDR": f"{evil.address.replace('http', 'HTTP')}/", "VAULT_TOKEN": "hvs.CANARY"}
    assert victim.texts("app") == {"A": "b"}
