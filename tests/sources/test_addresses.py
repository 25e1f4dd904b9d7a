"""Which addresses of stores a report names."""

import time
from pathlib import Path

import pytest

from bridge.errors import Refusal
from bridge.provider import Context, Provider, ProviderError
from bridge.sources.addresses import addresses, untrusted
from bridge.sources.session import open_session
from bridge_providers.aws import Aws
from bridge_providers.scaleway import Scaleway
from bridge_providers.sops import Sops
from bridge_providers.vault import Vault
from tests.trusting import store, trusting

URL = "https://store.example"


@pytest.mark.parametrize(
    ("provider", "environ", "told"),
    [
        (Vault(address=URL), {}, [URL]),
        (Vault(), {"VAULT_ADDR": URL}, [URL]),
        (Vault(), {}, []),
        (Vault(), {"VAULT_ADDR": "https://user:CANARY@store.example/v1"}, [f"{URL}/v1"]),
        (Vault(), {"VAULT_ADDR": "CANARY-token@store.example:8200"}, ["store.example:8200"]),
        (Aws(), {"AWS_ENDPOINT_URL_SSM": "https://user:CANARY@store.example"}, [URL]),
        (Scaleway(), {}, []),
        (Scaleway(), {"SCW_API_URL": URL}, [URL]),
        (Scaleway(), {"SCW_API_URL": "https://user:CANARY@store.example"}, []),
        (Sops(), {"AWS_ENDPOINT_URL": URL}, []),
        (Sops(s3="aws"), {}, []),
        (Sops(s3="aws"), {"AWS_ENDPOINT_URL": URL}, [URL]),
        (Sops(s3="aws"), {"AWS_ENDPOINT_URL": "https://user:CANARY@store.example"}, []),
        (Sops(s3="scaleway"), {"SCW_S3_ENDPOINT": URL}, [URL]),
        (Sops(s3=URL, kms={"allow": ["arn:x"], "endpoint": URL}), {}, [URL]),
        (Sops(hc_vault=[{"address": URL}, {"address": f"{URL}:8200"}]), {}, [URL, f"{URL}:8200"]),
    ],
)
def test_address_is_named_if_it_is_not_vendors(
    tmp_path: Path, provider: Provider, environ: dict[str, str], told: list[str]
) -> None:
    context = Context(tmp_path, {"HOME": str(tmp_path), **environ}, time.monotonic() + 5)
    assert addresses({"store": provider}, context) == ({"store": tuple(told)} if told else {})


def test_provider_that_fails_to_tell_has_no_address(tmp_path: Path) -> None:
    class Broken(Vault):
        def addresses(self, context: Context) -> list[str]:
            raise ProviderError("CANARY")

    assert addresses({"broken": Broken(), "fine": Vault(address=URL)}, Context(tmp_path, {}, 0)) == {"fine": (URL,)}


class Reporting(Vault):
    """A provider of another package, by its module, that tells where it sends what it has."""


def test_third_partys_addresses_are_listed_for_its_package(tmp_path: Path) -> None:
    provider, package = Reporting(address=URL), __name__.partition(".")[0]
    environ = trusting(tmp_path, packages=[package], stores=[store(URL, "token")])
    (problem,) = untrusted(provider, Context(tmp_path, environ, 0))
    assert problem.what.startswith(f"the provider of the package {package} names {URL}, which may not get")
    refused = open_session(provider, Context(tmp_path, environ, 0))
    assert isinstance(refused, Refusal)
    assert refused.problems == (problem,)
    environ = trusting(tmp_path, packages=[package], stores=[store(URL, package)])
    assert untrusted(provider, Context(tmp_path, environ, 0)) == ()
