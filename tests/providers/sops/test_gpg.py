"""PGP keys, with the real gpg and the real sops."""

import json
import os
import subprocess
import tempfile
import time

import pytest

from bridge.provider import Context, Denied, OptionError, ProviderError, Unavailable
from bridge_providers.sops import Sops


@pytest.fixture
def file(sops, gpg):
    """A file for the first key alone; the environment has gpg's folder, and no age key."""
    sops.environ = {"HOME": str(sops.path), "GNUPGHOME": str(gpg.home)}
    sops.encrypt("a.yaml", "a: CANARY\n", pgp=gpg.keys[0], age="")
    return sops


def refused(folder, provider, kind=Denied):
    with pytest.raises(kind) as caught:
        folder.read("a.yaml", provider)
    assert type(caught.value) is kind
    assert "CANARY" not in repr(caught.value.problems)
    return caught.value.problems[0]


def test_file_for_pgp_key_is_read_and_changed(file, gpg):
    provider = Sops(gpg=gpg.program)
    revision = file.read("a.yaml", provider).revision
    file.store("a.yaml", [{"a": "CANARY-2"}], revision, provider)
    assert file.decrypted("a.yaml") == "a: CANARY-2\n"


def test_path_of_gpg_may_come_from_sops_s_variable_if_it_is_absolute(file, gpg):
    file.environ["SOPS_GPG_EXEC"] = gpg.program
    assert file.values("a.yaml") == [{"a": ("text", b"CANARY")}]
    file.environ["SOPS_GPG_EXEC"] = "gpg"
    problem = refused(file, None)
    assert problem.what.endswith("but no path to gpg is configured")
    assert problem.hint.startswith("add to the provider's section: gpg: /usr/bin/gpg")


def test_gpg_is_not_started_where_age_key_opens(sops, gpg):
    key = sops.environ["SOPS_AGE_KEY"]
    sops.environ["GNUPGHOME"] = str(gpg.home)
    sops.encrypt("a.yaml", "a: CANARY\n", pgp=gpg.keys[0])
    assert sops.read("a.yaml", Sops(gpg="/none")).revision.order
    sops.environ.pop("SOPS_AGE_KEY")
    problem = refused(sops, Sops(gpg="/none"), ProviderError)
    assert problem.what.startswith(f"no age key matched its recipients {sops.recipient}; cannot start gpg (/none)")
    assert key not in problem.what
    assert sops.read("a.yaml", Sops(gpg=gpg.program)).revision.order


def test_one_data_key_is_opened_once(file, gpg, tmp_path):
    log = tmp_path / "log"
    program = file.program("gpg.sh", f'#!/bin/sh\necho >> {log}\nexec {gpg.program} "$@"\n')
    session = Sops(gpg=str(program)).open(file.context())
    for _ in range(3):
        assert session.read("a.yaml").revision.order
    session.close()
    assert log.read_text() == "\n"


def test_key_that_gpg_has_not(file, gpg):
    with tempfile.TemporaryDirectory(prefix="bridge-gpg-") as folder:
        file.environ["GNUPGHOME"] = folder
        problem = refused(file, Sops(gpg=gpg.program))
    assert problem.what == f"gpg has no secret key for its PGP keys {gpg.keys[0]}"
    assert problem.hint == f"looked for PGP keys with {gpg.program} in {folder}"
    file.environ.pop("GNUPGHOME")
    assert f"{file.path}/.gnupg does not exist" in refused(file, Sops(gpg=gpg.program)).what
    assert not (file.path / ".gnupg").exists()


def test_key_behind_passphrase_asks_nobody(sops, gpg):
    sops.environ = {"HOME": str(sops.path), "GNUPGHOME": str(gpg.home)}
    sops.encrypt("a.yaml", "a: CANARY\n", pgp=gpg.keys[1], age="")
    subprocess.run(
        ["gpgconf", "--kill", "gpg-agent"], env={**os.environ, "GNUPGHOME": str(gpg.home)}, check=True, timeout=60
    )
    assert "gpg-agent may not have its passphrase" in refused(sops, Sops(gpg=gpg.program)).what


def test_damaged_message(file, gpg):
    text = (file.path / "a.yaml").read_text()
    begin = text.index("-----BEGIN PGP")
    end = text.index("-----END PGP")
    file.write("a.yaml", text[: begin + 40] + "\n\n" + text[end - 12 :])
    assert refused(file, Sops(gpg=gpg.program)).what == "gpg cannot decrypt it: the message is damaged"


def test_gpg_that_hangs_is_ended(file, gpg):
    program = file.program("gpg.sh", "#!/bin/sh\nexec sleep 100\n")
    session = Sops(gpg=str(program)).open(Context(file.path, file.environ, time.monotonic() + 1))
    with pytest.raises(Unavailable) as caught:
        session.read("a.yaml")
    assert "did not end within" in str(caught.value)


@pytest.mark.parametrize("value", ["gpg", "", 5, "bin/gpg"])
def test_section_is_checked_when_it_is_built(value):
    with pytest.raises(OptionError) as caught:
        Sops(gpg=value)
    assert (caught.value.field, caught.value.what) == ("gpg", "must be an absolute path")


def test_new_file_for_pgp_keys_is_read_by_sops(sops, gpg):
    sops.environ = {"HOME": str(sops.path), "GNUPGHOME": str(gpg.home)}
    sops.write(".sops.yaml", json.dumps({"creation_rules": [{"pgp": ",".join(gpg.keys)}]}))
    sops.store("a.yaml", [{"a": "CANARY"}], provider=Sops(gpg=gpg.program))
    assert sops.decrypted("a.yaml") == "a: CANARY\n"
    sops.write(".sops.yaml", json.dumps({"creation_rules": [{"pgp": "A" * 40}]}))
    with pytest.raises(ProviderError) as caught:
        sops.store("b.yaml", [{"a": "CANARY"}], provider=Sops(gpg=gpg.program))
    assert str(caught.value) == f"sops cannot encrypt the file by {sops.path / '.sops.yaml'}: rule 1"
    assert not (sops.path / "b.yaml").exists()
