"""Keys of Vault's transit engine: a real Vault, and files that the real sops wrote against it."""

import pytest

from bridge.provider import Denied, NotFound, OptionError, ProviderError, Unavailable
from bridge_providers.sops import Sops
from tests.providers.sops.folder import everything_told_by
from tests.providers.vault.wire import wire
from tests.servers.process import free_port


class Transit:
    """An engine with a key, and a folder whose sops uses it; nothing else of the folder's environment leads there."""

    def __init__(self, folder, vault):
        self.folder = folder
        self.vault = vault
        self.uri = f"{vault.address}/v1/transit/keys/sops"
        self.age_key = folder.environ.pop("SOPS_AGE_KEY")
        folder.environ |= {"VAULT_ADDR": vault.address, "VAULT_TOKEN": vault.root}
        if vault.request("GET", "sys/mounts/transit/tune").status != 200:
            vault.do("POST", "sys/mounts/transit", {"type": "transit"})
            vault.do("POST", "transit/keys/sops", {})
            vault.policy("transit", 'path "transit/decrypt/sops" { capabilities = ["update"] }')

    def encrypt(self, **rule):
        self.folder.encrypt("a.yaml", "a: CANARY\n", **{"hc_vault_transit_uri": self.uri, "age": "", **rule})
        self.folder.environ.pop("VAULT_ADDR")
        self.folder.environ["VAULT_TOKEN"] = self.token = self.vault.token("transit")
        self.vault.forget()

    def provider(self, **more):
        return Sops(hc_vault={"address": self.vault.address, **more})

    def refused(self, provider, kind):
        with pytest.raises(kind) as caught:
            self.folder.read("a.yaml", provider)
        assert type(caught.value) is kind
        told = everything_told_by(caught.value)
        assert "CANARY" not in told
        assert self.token not in told
        return str(caught.value)


@pytest.fixture
def transit(sops, dev_vault):
    return Transit(sops, dev_vault)


def test_file_for_transit_key_is_read_and_changed(transit):
    transit.encrypt()
    revision = transit.folder.read("a.yaml", transit.provider()).revision
    assert ("update", "transit/decrypt/sops") in transit.vault.asked()
    transit.folder.store("a.yaml", [{"a": "CANARY-2"}], revision, transit.provider())
    transit.folder.environ |= {"VAULT_ADDR": transit.vault.address}
    assert transit.folder.decrypted("a.yaml") == "a: CANARY-2\n"


def test_one_data_key_is_opened_once_in_session(transit):
    transit.encrypt()
    session = transit.provider().open(transit.folder.context())
    for _ in range(3):
        assert session.read("a.yaml").revision.order
    session.close()
    assert transit.vault.asked().count(("update", "transit/decrypt/sops")) == 1


def test_login_is_that_of_vault_provider_and_is_given_back(transit):
    transit.encrypt()
    vault = transit.vault
    if vault.request("GET", "sys/auth/approle/tune").status != 200:
        vault.do("POST", "sys/auth/approle", {"type": "approle"})
    vault.do("POST", "auth/approle/role/sops", {"token_policies": ["transit"]})
    transit.folder.environ["ROLE_ID"] = vault.do("GET", "auth/approle/role/sops/role-id")["data"]["role_id"]
    transit.folder.environ["VAULT_ROLE_ID"] = transit.folder.environ["ROLE_ID"]
    secret = vault.do("POST", "auth/approle/role/sops/secret-id", {})["data"]["secret_id"]
    transit.folder.write("vault/secret_id", secret)
    transit.folder.write("vault/role_id", transit.folder.environ["ROLE_ID"])
    auth = [{"method": "approle", "role_id_file": "vault/role_id", "secret_id_file": "vault/secret_id"}]
    before = vault.tokens()
    assert transit.folder.read("a.yaml", transit.provider(auth=auth)).revision.order
    assert vault.tokens() == before


def test_token_that_may_not_revoke_itself_is_reported_once_session_is_closed(transit):
    transit.encrypt()
    vault = transit.vault
    if vault.request("GET", "sys/auth/hardened/tune").status != 200:
        vault.do("POST", "sys/auth/hardened", {"type": "approle"})
    role = {"token_policies": ["transit"], "token_no_default_policy": True, "token_ttl": "30m"}
    vault.do("POST", "auth/hardened/role/sops", role)
    environ = transit.folder.environ
    environ["VAULT_ROLE_ID"] = vault.do("GET", "auth/hardened/role/sops/role-id")["data"]["role_id"]
    environ["VAULT_SECRET_ID"] = vault.do("POST", "auth/hardened/role/sops/secret-id", {})["data"]["secret_id"]
    session = transit.provider(auth={"method": "approle", "mount": "hardened"}).open(transit.folder.context())
    assert session.read("a.yaml").warnings == ()
    session.close()
    (warning,) = session.warnings
    assert str(warning) == (
        f"{vault.address}: the token of the login as approle could not be revoked (permission denied) "
        "and lives for 30 min more"
    )
    assert warning.hint == 'add to the policy: path "auth/token/revoke-self" { capabilities = ["update"] }'


def test_vault_that_is_reached_in_clear_is_reported_by_check_and_by_run(transit):
    transit.encrypt()
    address = f"http://vault.test:{transit.vault.port}"
    transit.folder.edit("a.yaml", transit.vault.address, address)
    what = f"{address} is plain http: the token and the values travel unencrypted"
    provider = Sops(hc_vault={"address": address})
    assert what in [one.what for one in provider.check("a.yaml", transit.folder.context()) if one.warning]
    with wire(transit.vault.address) as proxy:
        transit.folder.environ["VAULT_PROXY_ADDR"] = proxy.address
        assert [str(one) for one in transit.folder.read("a.yaml", provider).warnings] == [what]


@pytest.mark.parametrize("section", [None, {"address": "https://vault.internal:8200"}])
def test_address_that_is_not_configured_is_refused_before_any_connection(transit, section):
    transit.encrypt()
    provider = Sops(hc_vault=section) if section else Sops()
    message = transit.refused(provider, Denied)
    assert message == (
        f"{transit.vault.address}: transit key transit/sops: this address is not in hc_vault, so it is not asked"
    )
    assert transit.vault.asked() == []


def test_variable_of_vault_does_not_allow_address(transit):
    transit.encrypt()
    transit.folder.environ["VAULT_ADDR"] = transit.vault.address
    assert "this address is not in hc_vault" in transit.refused(Sops(), Denied)


def test_several_servers_may_be_named(transit):
    transit.encrypt()
    sections = [{"address": "https://vault.internal:8200"}, {"address": f"{transit.vault.address}/"}]
    assert transit.folder.read("a.yaml", Sops(hc_vault=sections)).revision.order


def test_vault_is_not_asked_where_age_key_opens(transit):
    transit.encrypt(age=transit.folder.recipient)
    transit.folder.environ["SOPS_AGE_KEY"] = transit.age_key
    assert transit.folder.read("a.yaml", transit.provider()).revision.order
    assert transit.vault.asked() == []


def test_unverified_server_is_reported_with_documents_that_it_opened(transit):
    transit.encrypt()
    folder = transit.folder
    by_vault = (folder.path / "a.yaml").read_bytes()
    folder.encrypt("b.yaml", "b: CANARY\n")
    folder.write("a.yaml", by_vault)
    folder.environ |= {"SOPS_AGE_KEY": transit.age_key, "VAULT_SKIP_VERIFY": "true"}
    session = transit.provider().open(folder.context())
    for _ in range(2):
        (warning,) = session.read("a.yaml").warnings
        assert warning.warning
        assert str(warning).startswith("VAULT_SKIP_VERIFY is set: any server at this address can take the token")
        assert session.read("b.yaml").warnings == ()
    session.close()
    folder.environ["VAULT_SKIP_VERIFY"] = "false"
    assert folder.read("a.yaml", transit.provider()).warnings == ()


def test_token_without_right_and_key_that_is_gone(transit):
    transit.encrypt()
    transit.folder.environ["VAULT_TOKEN"] = transit.token = transit.vault.token("default")
    message = transit.refused(transit.provider(), Denied)
    what = "decrypting with transit key transit/sops as token failed: permission denied"
    assert message == f"{transit.vault.address}: {what}"
    transit.folder.environ["VAULT_TOKEN"] = transit.token = transit.vault.root
    transit.folder.edit("a.yaml", "key_name: sops", "key_name: gone")
    with pytest.raises((ProviderError, NotFound)) as caught:
        transit.folder.read("a.yaml", transit.provider())
    assert "decrypting with transit key transit/gone as token " in str(caught.value)


def test_vault_that_does_not_answer_is_temporary(transit):
    transit.encrypt()
    nowhere = f"http://127.0.0.1:{free_port()}"
    transit.folder.edit("a.yaml", transit.vault.address, nowhere)
    assert transit.refused(Sops(hc_vault={"address": nowhere}), Unavailable) == f"{nowhere} cannot be reached"


@pytest.mark.parametrize("name", ["../sys/raw", "a?b", "a%2e", "''", "a#b"])
def test_path_that_leads_elsewhere_is_not_asked(transit, name):
    transit.encrypt()
    transit.folder.edit("a.yaml", "key_name: sops", f"key_name: {name}")
    assert transit.refused(transit.provider(), ProviderError) == "one of its hc_vault keys has an invalid path"
    assert transit.vault.asked() == []


@pytest.mark.parametrize(
    ("section", "what"),
    [
        (5, "must be a section like the provider vault's, or a list of them"),
        ({}, "has no address"),
        ([{"address": "https://x", "mount": "kv"}], "has unknown fields: mount"),
        ({"address": "x"}, "address "),
        ({"address": "https://x", "auth": [{"method": "magic"}]}, "auth[0].method "),
    ],
)
def test_section_is_checked_when_it_is_built(section, what):
    with pytest.raises(OptionError) as caught:
        Sops(hc_vault=section)
    assert caught.value.field == "hc_vault"
    assert caught.value.what.startswith(what)
