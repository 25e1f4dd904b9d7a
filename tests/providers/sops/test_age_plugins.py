"""Age plugins: real ones with the real sops, and which of them are started."""

import contextlib
import os
import subprocess
import threading
from dataclasses import replace

import pytest

from bridge.provider import Denied, OptionError, ProviderError, Unavailable
from bridge_providers.sops import Sops, age_plugin, bech32, programs
from tests.providers.sops.ended import gone
from tests.providers.sops.logged import Logged
from tests.providers.sops.test_age_keys import SECRET, locked
from tests.waiting import until, with_enough_time

NAME = "bridgetest"


class Plugged(Logged):
    """A folder, a real plugin with a key of its own, and the log of its starts."""

    def __init__(self, folder, program):
        made = subprocess.run([program, "-new"], capture_output=True, text=True, check=True).stdout.split()
        self.identity, self.recipient = made
        super().__init__(folder, self.identity)
        self.path = folder.path
        self.script = self.write(f'echo "$@" >> {self.log}\nexec {program} "$@"\n')
        # Only sops looks there.
        folder.environ["PATH"] = f"{self.script.parent}:{os.environ['PATH']}"
        self.x25519 = folder.environ["SOPS_AGE_KEY"]
        folder.environ["SOPS_AGE_KEY"] = self.identity

    def write(self, script):
        return self.folder.program(f"age-plugin-{NAME}", f"#!/bin/sh\n{script}")

    def provider(self):
        return Sops(age_plugins={NAME: str(self.script)})

    def refused(self, kind, provider=None):
        return super().refused(kind, provider or self.provider())


@pytest.fixture
def plugged(sops, age_plugins):
    return Plugged(sops, age_plugins[NAME])


def test_a_file_for_a_plugin_is_read_and_changed_and_not_made(plugged):
    sops = plugged.folder
    sops.encrypt("a.yaml", "a: CANARY\n", age=plugged.recipient)
    plugged.starts()
    revision = sops.read("a.yaml", plugged.provider()).revision
    assert plugged.starts() == ["--age-plugin=identity-v1"]
    sops.store("a.yaml", [{"a": "CANARY-2"}], revision, plugged.provider())
    assert sops.decrypted("a.yaml") == "a: CANARY-2\n"
    plugged.starts()
    # sops would start whatever is called so on PATH.
    with pytest.raises(ProviderError, match="sops does not encrypt it by "):
        sops.store("b.yaml", [{"a": "CANARY-3"}], provider=replace(plugged.provider(), program=str(sops.binary)))
    assert "--age-plugin=recipient-v1" not in plugged.starts()


def test_age_s_own_plugin_opens_what_sops_encrypted(sops, age_binaries, age_plugins):
    made = subprocess.run([age_binaries[1], "-pq"], capture_output=True, text=True, check=True).stdout.splitlines()
    identity = subprocess.run(
        [age_plugins["pq"], "-identity"], input=made[2], capture_output=True, text=True, check=True
    ).stdout
    sops.encrypt("a.yaml", "a: CANARY\n", age=made[1].removeprefix("# public key: "))
    path = sops.write("keys.txt", f"# of the plugin\n{identity}")
    sops.environ = {"SOPS_AGE_KEY_FILE": str(path)}
    assert sops.read("a.yaml", Sops(age_plugins={"pq": str(age_plugins["pq"])})).revision.order


def test_a_plugin_that_the_section_does_not_name_is_not_started(plugged):
    plugged.folder.encrypt("a.yaml", "a: CANARY\n", age=plugged.recipient)
    plugged.starts()
    for provider in (Sops(), Sops(age_plugins={"other": str(plugged.script)})):
        problem = plugged.refused(Denied, provider)
        assert problem.what == (
            f"no age key matched its recipients {plugged.recipient[:70]}; "
            f"the age plugin {NAME} is not started, because age_plugins does not name it"
        )
        assert f"age_plugins: {{{NAME}: /usr/local/bin/age-plugin-{NAME}}}" in problem.hint
        assert "SOPS_AGE_KEY: 1 key" in problem.hint
    assert plugged.starts() == []


def test_a_plugin_is_the_last_to_be_asked(plugged):
    sops = plugged.folder
    sops.environ["SOPS_AGE_KEY"] = f"{plugged.identity} {plugged.x25519}"
    sops.encrypt("a.yaml", "a: CANARY\n", age=f"{plugged.recipient},{sops.recipient}")
    plugged.starts()
    assert sops.read("a.yaml", plugged.provider()).revision.order
    assert sops.read("a.yaml").revision.order
    assert plugged.starts() == []


@pytest.mark.parametrize("script", ["exit 1", "sleep 600"])
def test_another_plugin_of_the_group_is_asked_where_one_fails(plugged, monkeypatch, script):
    broken = plugged.folder.program("broken", f"#!/bin/sh\necho >> {plugged.path}/tried\n{script}\n")
    other = bech32.encode("age-plugin-other-", b"x").upper()
    plugged.folder.environ["SOPS_AGE_KEY"] = f"{other} {plugged.identity}"
    plugged.folder.encrypt("a.yaml", "a: CANARY\n", age=f"{plugged.folder.recipient},{plugged.recipient}")
    provider = Sops(age_plugins={"other": str(broken), NAME: str(plugged.script)})
    tried, read = plugged.path / "tried", []

    def attempt(limit):
        monkeypatch.setattr(programs, "LIMIT", limit)
        tried.unlink(missing_ok=True)
        with contextlib.suppress(ProviderError, Unavailable):
            read.append(plugged.folder.read("a.yaml", provider).revision.order)

    with_enough_time(attempt, lambda: read and tried.exists(), first=2)
    # One that does not end in time would not for the second recipient either.
    assert tried.read_text() == ("\n\n" if script == "exit 1" else "\n")


def test_an_identity_of_a_plugin_that_has_not_the_key(plugged, age_plugins):
    _, other = subprocess.run([age_plugins[NAME], "-new"], capture_output=True, text=True, check=True).stdout.split()
    plugged.folder.encrypt("a.yaml", "a: CANARY\n", age=other)
    assert plugged.refused(Denied).what == f"no age key matched its recipients {other[:70]}"


def test_an_identity_of_a_plugin_behind_a_passphrase_is_used_too(plugged):
    plugged.folder.encrypt("a.yaml", "a: CANARY\n", age=plugged.recipient)
    plugged.folder.environ["SOPS_AGE_KEY"] = locked(plugged.identity.encode())
    plugged.folder.write("passphrase", SECRET)
    provider = Sops(age_plugins={NAME: str(plugged.script)}, age_passphrase_file="passphrase")
    assert plugged.folder.read("a.yaml", provider).revision.order


def test_an_identity_of_a_plugin_that_a_command_gives_is_used_too(plugged):
    plugged.folder.encrypt("a.yaml", "a: CANARY\n", age=plugged.recipient)
    plugged.folder.environ["SOPS_AGE_KEY_CMD"] = f"/bin/echo {plugged.folder.environ.pop('SOPS_AGE_KEY')}"
    provider = Sops(age_plugins={NAME: str(plugged.script)}, age_commands=["SOPS_AGE_KEY_CMD"])
    assert plugged.folder.read("a.yaml", provider).revision.order
    assert plugged.folder.decrypted("a.yaml") == "a: CANARY\n"


def test_a_plugin_gets_a_bare_environment_and_a_session_without_a_terminal(plugged):
    told = plugged.path / "told"
    plugged.write(f"env > {told}; echo $$ $(cut -d' ' -f6 /proc/$$/stat) >> {told}; exit 1\n")
    plugged.folder.encrypt("a.yaml", "a: CANARY\n")
    plugged.folder.environ |= {"VAULT_TOKEN": "CANARY", "LD_PRELOAD": "CANARY", "XDG_RUNTIME_DIR": "/run/x"}
    plugged.refused(ProviderError)
    *lines, numbers = told.read_text().splitlines()
    names = {line.partition("=")[0] for line in lines} - {"PWD", "OLDPWD", "SHLVL", "_"}
    assert names == {"HOME", "PATH", "XDG_RUNTIME_DIR"}
    process, session = numbers.split()
    assert process == session


def test_a_plugin_runs_once_at_a_time(plugged):
    plugged.write(f"echo begins >> {plugged.log}; sleep 0.2; echo ends >> {plugged.log}; exit 1\n")
    names = [f"{name}.yaml" for name in "abc"]
    for name in names:
        plugged.folder.encrypt(name, "a: CANARY\n")
    session = plugged.provider().open(plugged.folder.context())
    failed = []

    def read(name):
        try:
            session.read(name)
        except ProviderError as error:
            failed.append(error)

    threads = [threading.Thread(target=read, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    session.close()
    assert len(failed) == len(names)
    assert plugged.starts() == ["begins", "ends"] * len(names)


def test_closing_the_session_ends_a_plugin_that_hangs(plugged):
    pids = plugged.path / "pids"
    plugged.folder.encrypt("a.yaml", "a: CANARY\n", age=plugged.folder.recipient)
    plugged.write(f"echo $$ > {pids}.new; mv {pids}.new {pids}; sleep 600\n")
    session = plugged.provider().open(plugged.folder.context())
    failed = []

    def read():
        try:
            session.read("a.yaml")
        except ProviderError as error:
            failed.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    until(pids.exists)
    session.close()
    thread.join(120)
    assert len(failed) == 1
    assert gone(int(pids.read_text()))
    pids.unlink()
    with pytest.raises(Denied):
        session.read("a.yaml")
    assert not pids.exists()


@pytest.mark.parametrize("name", ["../x", "x/y", ".", "..", "", "x y", "X", "ä", "x\0"])
def test_a_name_that_is_a_path_is_no_plugin_s(name):
    with pytest.raises(OptionError) as caught:
        Sops(age_plugins={name: "/bin/true"})
    assert caught.value.field == "age_plugins"
    assert caught.value.what.startswith("has a name that no plugin can have")
    identity = bech32.encode(f"age-plugin-{name}-", b"x").upper()
    if name != "X":  # which is `x` there
        assert age_plugin.identity(identity) is None


@pytest.mark.parametrize("name", ["yubikey", "1p", "a+b", "x.y", "a_b-c"])
def test_identities_and_recipients_of_plugins(name):
    text = bech32.encode(f"age-plugin-{name}-", b"CANARY").upper()
    found = age_plugin.identity(text)
    assert (found.name, found.text) == (name, text)
    assert text not in repr(found)
    assert age_plugin.identity(text[:-1]) is None
    assert age_plugin.identity(text.lower()) is None
    assert age_plugin._name_of(bech32.encode(f"age1{name}", b"")) == name


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ([], "does not map names to absolute paths"),
        ({}, "does not map names to absolute paths"),
        ("yubikey", "does not map names to absolute paths"),
        ({"yubikey": "age-plugin-yubikey"}, "yubikey is not given an absolute path"),
        ({"yubikey": None}, "yubikey is not given an absolute path"),
        ({5: "/bin/true"}, "has a name that no plugin can have: it consists of a-z, 0-9 and + . _ -"),
    ],
)
def test_the_section_is_checked_when_it_is_built(section, what):
    with pytest.raises(OptionError) as caught:
        Sops(age_plugins=section)
    assert (caught.value.field, caught.value.what) == ("age_plugins", what)
