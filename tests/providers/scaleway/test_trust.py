"""The trust file: who gets Scaleway's secret key."""

from bridge.provider import Denied
from bridge_providers.scaleway import Scaleway
from tests.providers.scaleway.reader import PATH, VALUES, Reader, context, fields
from tests.servers.scaleway import SecretManager
from tests.trusting import store, trusting


def test_api_that_is_not_listed_gets_no_key(manager: SecretManager, reader: Reader) -> None:
    reader.environ |= trusting(reader.base, stores=[store("scaleway", "scaleway"), store(manager.url, "token")])
    failure = reader.failure()
    assert failure.kind is Denied
    assert failure.what == (
        f"SCW_API_URL names {manager.url}, which may not get the credential scaleway "
        f"(see {reader.environ['BRIDGE_TRUST']})"
    )
    assert failure.hint.endswith(f'- {{address: "{manager.url}", credentials: [scaleway]}}')
    told = list(Scaleway().check(PATH, context(reader.base, reader.environ)))
    assert [(one.what, one.hint) for one in told] == [(failure.what, failure.hint)]
    assert not manager.requests


def test_api_that_is_listed_gets_key(manager: SecretManager, reader: Reader) -> None:
    manager.put(PATH, VALUES)
    for credential in ("scaleway", "SCW_SECRET_KEY"):
        reader.environ |= trusting(reader.base, stores=[store(manager.url, credential)])
        assert fields(reader.read()) == VALUES
        assert list(Scaleway().check(PATH, context(reader.base, reader.environ))) == []


def test_vendors_own_api_must_also_be_listed(reader: Reader) -> None:
    del reader.environ["SCW_API_URL"]
    reader.environ |= trusting(reader.base)
    failure = reader.failure()
    assert failure.what.startswith("bridge names https://api.scaleway.com, which may not get the credential scaleway")
    assert failure.hint.endswith("- {address: scaleway, credentials: [scaleway]}")


def test_profiles_key_is_listed_by_its_file(manager: SecretManager, reader: Reader) -> None:
    file = reader.base / "scw.yaml"
    file.write_text(f"secret_key: {manager.key}\n")
    manager.put(PATH, VALUES)
    del reader.environ["SCW_SECRET_KEY"]
    reader.environ |= {"SCW_CONFIG_PATH": str(file), "SCW_PROFILE": "default"}
    reader.environ |= trusting(reader.base, stores=[store(manager.url, str(file))])
    assert fields(reader.read()) == VALUES
