"""Every format for every kind of key with each release of the real sops, both ways."""

import pytest

from bridge_providers.sops import Sops, hybrid
from tests.providers.sops import record
from tests.providers.sops.cases import SMALL
from tests.providers.sops.folder import Raw, opened, sealed
from tests.providers.sops.matrix import CELLS
from tests.providers.sops.test_kms import Kms
from tests.providers.sops.test_transit import Transit

NESTED = {"a": "CANARY-1", "b": {"c": ["CANARY-2", Raw("5")]}}
TREES = {
    "yaml": [NESTED],
    "json": [NESTED],
    "env": [{"A": "CANARY-1", "B": "l1\nl2"}],
    "ini": [{"s": {"a": "CANARY-1", "b": "x"}}],
    "bin": b"\0\xffCANARY-1",
}
"""The values of cases.SMALL."""


class Holder:
    """A folder whose environment has a kind of key, the creation rule that names it, and the section that allows it."""

    def __init__(self, folder, rule, provider):
        self.folder = folder
        self.rule = rule
        self.provider = provider


@pytest.fixture(scope="module")
def aws(moto):
    from tests.servers.aws import AwsProxy  # noqa: PLC0415

    with AwsProxy(moto.url) as proxy:
        yield proxy


@pytest.fixture
def holder(cell, folder_of, request):
    folder = folder_of(cell.release)
    if cell.kind == "post-quantum" and not hybrid.is_supported():
        pytest.skip(hybrid.TOO_OLD)
    if cell.kind == "kms":
        return _kms(folder, request)
    if cell.kind == "hc_vault":
        transit = Transit(folder, request.getfixturevalue("openbao"))
        return Holder(folder, {"hc_vault_transit_uri": transit.uri}, transit.provider())
    provider = Sops()
    folder.environ = record.environment(folder.path, cell.kind)
    if cell.kind in {"pgp", "groups"}:
        gpg = request.getfixturevalue("gpg")
        folder.environ["GNUPGHOME"] = str(gpg.home)
        provider = Sops(gpg=gpg.program)
        groups = [{"age": [record.KEYS["age_recipient"]]}, {"pgp": [gpg.keys[0]]}]
        rule = {"pgp": gpg.keys[0]} if cell.kind == "pgp" else {"key_groups": groups, "shamir_threshold": 2}
        return Holder(folder, rule, provider)
    return Holder(folder, record.KINDS[cell.kind].rule, provider)


def _kms(folder, request):
    monkeypatch = request.getfixturevalue("monkeypatch")
    kms = Kms(folder, request.getfixturevalue("storage"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, folder.environ[name])
    folder.environ |= request.getfixturevalue("aws").environ
    folder.environ.pop("AWS_ENDPOINT_URL")
    return Holder(folder, {"kms": kms.arn}, kms.provider())


@pytest.fixture(params=CELLS, ids="-".join)
def cell(request):
    return request.param


def expected(content):
    return ("bytes", content) if isinstance(content, bytes) else [opened(sealed(one)) for one in content]


def changed(content):
    """Return other values, one of them as it was."""
    ((first, there), *others) = content[0].items()
    new = {**there, "a": "CANARY-3"} if isinstance(there, dict) else "CANARY-3"
    return [{first: new, **dict(others)}]


def test_what_sops_wrote_is_read_and_what_bridge_changes_in_it_is_read_by_sops(cell, holder):
    folder, name, tree = holder.folder, f"a.{cell.suffix}", TREES[cell.suffix]
    folder.encrypt(name, SMALL[cell.suffix], **{"age": "", **holder.rule})
    document = folder.read(name, holder.provider)
    found = document.content
    assert (opened(found) if cell.suffix == "bin" else [opened(one) for one in found]) == expected(tree)
    before = folder.sops("decrypt", name).stdout
    if cell.suffix in {"ini", "bin"}:  # which are only read
        return
    folder.store(name, changed(tree), document.revision, holder.provider)
    after = folder.sops("decrypt", name)
    assert (after.returncode, after.stdout) == (0, before.replace(b"CANARY-1", b"CANARY-3"))
