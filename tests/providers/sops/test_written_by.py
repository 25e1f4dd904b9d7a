"""Files as releases of sops wrote them, recorded once (record.py): bridge reads what the same release read."""

import json

import pytest

from bridge.provider import ProviderError
from bridge_providers.sops import Sops, hybrid, store_yaml
from tests.providers.sops import record
from tests.providers.sops.folder import Folder, everything_told_by, opened
from tests.providers.sops.test_generated import as_text, printed

RELEASES = sorted(path.stem for path in record.WRITTEN.glob("3.*.json"))
FILES = [(release, one) for release in RELEASES for one in record.recorded(release)]
PGP = {"pgp", "groups"}
UNREADABLE = {
    ("3.7.3", "groups", "small.ini"): "its `shamir_threshold` is not a number of key groups",
    ("3.9.4", "groups", "small.ini"): "its `shamir_threshold` is not a number of key groups",
    ("3.10.2", "groups", "small.ini"): "its `shamir_threshold` is not a number of key groups",
}
"""What a release wrote and cannot read itself, and what bridge says of it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One folder for all files."""
    return Folder(tmp_path_factory.mktemp("written"))


@pytest.fixture(scope="module")
def gpg(folder, gpg_program):
    with record.pgp_key(folder.path):
        yield gpg_program


def files(*, pgp):
    return [
        pytest.param(release, one, id=f"{release}-{one.key}-{one.case}")
        for release, one in FILES
        if (one.key in PGP) is pgp
    ]


def agrees(folder, release, one, provider):
    """Compare what bridge reads of a file with what its release read, or why it refuses it with what is expected."""
    folder.environ = record.environment(folder.path, one.key)
    folder.write(one.case, one.file)
    refusal = UNREADABLE.get((release, one.key, one.case))
    assert (one.plain is one.json is None) is bool(refusal)
    if refusal:
        with pytest.raises(ProviderError, match=refusal) as caught:
            folder.read(one.case, provider)
        assert "CANARY" not in everything_told_by(caught.value)
        return
    content = folder.read(one.case, provider).content
    if one.case.endswith(".bin"):
        assert content.reveal() == one.plain
        return
    found = [opened(document) for document in content]
    if one.plain is not None:
        assert found == [opened(document) for document in store_yaml.documents(one.plain)]
    if one.json is not None:
        assert as_text(found[0]) == printed(merged(one.json) if one.case.endswith(".ini") else one.json)


def merged(text):
    """Put the sections of an ini file that have one name together; what stands before the first may be empty."""

    def pairs(items):
        whole = {}
        for name, entries in items:
            whole[name] = {**whole.get(name, {}), **entries} if isinstance(entries, dict) else entries
        return whole

    return json.dumps({name: entries for name, entries in json.loads(text, object_pairs_hook=pairs).items() if entries})


@pytest.mark.parametrize(("release", "one"), files(pgp=False))
def test_file_is_read_as_its_own_release_read_it(folder, release, one):
    if one.key == "post-quantum" and not hybrid.is_supported():
        pytest.skip(hybrid.TOO_OLD)
    agrees(folder, release, one, Sops())


@pytest.mark.parametrize(("release", "one"), files(pgp=True))
def test_file_for_pgp_key_or_with_share_for_one_too(folder, gpg, release, one):
    agrees(folder, release, one, Sops(gpg=gpg))


def test_difference_would_be_seen(folder):
    release, one = next((release, one) for release, one in FILES if one.case == "rule.json")
    with pytest.raises(AssertionError):
        agrees(folder, release, one._replace(json=one.json.replace("CANARY-1", "CANARY-X")), Sops())
