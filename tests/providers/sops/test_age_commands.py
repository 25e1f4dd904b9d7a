"""Commands that give keys (SOPS_AGE_KEY_CMD, SOPS_AGE_SSH_PRIVATE_KEY_CMD), beside the real sops."""

import json
import shlex
import sys
import threading

import pytest
from pyrage import x25519

from bridge.provider import Denied, OptionError, ProviderError, Unavailable
from bridge_providers.sops import Sops, age_commands, programs
from tests.providers.sops.ended import gone
from tests.providers.sops.logged import Logged
from tests.providers.sops.test_age_keys import SECRET, SSH, locked, ssh_pair
from tests.waiting import LIMIT, with_enough_time

AGE = "SOPS_AGE_KEY_CMD"
SSH_KEY = "SOPS_AGE_SSH_PRIVATE_KEY_CMD"
BOTH = Sops(age_commands=[AGE, SSH_KEY])
OTHER = str(x25519.Identity.generate().to_public())


class Commanded(Logged):
    """A folder whose keys a script gives, and the log of its runs."""

    def __init__(self, folder):
        super().__init__(folder, folder.environ.pop("SOPS_AGE_KEY"))
        self.script = folder.path / "give.sh"
        self.gives(self.secret)

    def gives(self, text, script=""):
        self.folder.write("given", text)
        self.folder.write(
            "give.sh",
            f'#!/bin/sh\necho "$SOPS_AGE_RECIPIENT" >> {self.log}\n{script}\ncat {self.folder.path}/given\n',
        )
        self.script.chmod(0o755)

    def refused(self, kind, provider=BOTH):
        return super().refused(kind, provider)


@pytest.fixture
def commanded(sops):
    sops.encrypt("a.yaml", "a: CANARY\n")
    made = Commanded(sops)
    sops.environ[AGE] = str(made.script)
    return made


def test_the_command_is_run_for_the_recipient_as_sops_runs_it(commanded):
    assert commanded.folder.read("a.yaml", BOTH).revision.order
    ours = commanded.starts()
    assert commanded.folder.decrypted("a.yaml") == "a: CANARY\n"
    assert ours == commanded.starts() == [commanded.folder.recipient]


@pytest.mark.parametrize(
    "arguments",
    [
        "one two\t three",
        "'one two' \"three 'four'\" fi\"ve s\"ix''",
        r"a\ b \\ \" \' '\' x'\'y",
        r'"a\"b\\c\d\e $HOME `id`"',
        "a#b # comment 'with \" quotes\nnext #",
        "'' \"\" end",
        "'line\nbreak' \"line\nbreak\" x\\\ny",
        "$HOME ~ * ; exit | cat > x & `id` $(id) {a,b}",
        "ä→ \u00a0 \f \v x",
    ],
)
def test_a_command_is_split_as_sops_splits_it(commanded, arguments):
    words = commanded.folder.path / "words"
    writer = commanded.folder.write(
        "write.py",
        f"#!{sys.executable} -IS\nimport sys\nopen({str(words)!r}, 'ab').write(repr(sys.argv[1:]).encode() + b'\\n')\n"
        f"print({commanded.secret!r})\n",
    )
    writer.chmod(0o755)
    commanded.folder.environ |= {AGE: f" {writer} {arguments}", "PYTHONIOENCODING": "utf-8", "LC_ALL": "C.UTF-8"}
    assert commanded.folder.read("a.yaml", BOTH).revision.order
    assert commanded.folder.decrypted("a.yaml") == "a: CANARY\n"
    ours, theirs = words.read_text().splitlines()
    assert ours == theirs


@pytest.mark.parametrize("command", ["'", '"a', "a\\", "a 'b", 'a"b', "#", " \t", "x # '\n\""])
def test_a_quote_that_does_not_end_is_no_command(command):
    assert age_commands.words(command) == []


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("give.sh CANARY", "does not begin with an absolute path"),
        ("CANARY=1 /bin/sh", "does not begin with an absolute path"),
        ("~/give.sh", "does not begin with an absolute path"),
        ("/bin/sh 'CANARY", "is no command"),
    ],
)
def test_a_command_without_an_absolute_path_is_not_run(commanded, command, what):
    commanded.folder.environ |= {AGE: command, "PATH": f"{commanded.folder.path}:/usr/bin:/bin"}
    problem = commanded.refused(Denied)
    assert problem.what.endswith(f"; the command of {AGE} {what}")
    assert commanded.starts() == []


@pytest.mark.parametrize("provider", [Sops(), Sops(age_commands=[SSH_KEY])])
def test_a_command_that_the_section_does_not_name_is_not_run(commanded, provider):
    problem = commanded.refused(Denied, provider)
    assert problem.hint.endswith(f"{AGE}: not run, because age_commands does not name it")
    assert commanded.starts() == []


def test_a_command_is_not_run_where_another_key_opens(commanded):
    commanded.folder.environ["SOPS_AGE_KEY"] = locked(commanded.secret.encode())
    commanded.folder.write("passphrase", SECRET)
    provider = Sops(age_commands=[AGE], age_passphrase_file="passphrase")
    assert commanded.folder.read("a.yaml", provider).revision.order
    assert commanded.starts() == []


def test_a_command_is_run_once_for_each_recipient_by_all_threads_together(commanded):
    names = [f"{name}.yaml" for name in "abcd"]
    for name in names:
        commanded.folder.encrypt(name, "a: CANARY\n", age=f"{OTHER},{commanded.folder.recipient}")
    commanded.gives("# nothing\n")
    session = BOTH.open(commanded.folder.context())
    told = []

    def read(name):
        try:
            session.read(name)
        except Denied as error:
            told.append(error.problems[0].hint)

    threads = [threading.Thread(target=read, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    session.close()
    assert len(told) == len(names)
    assert all(hint.endswith(f"{AGE}: 0 keys; {AGE}: 0 keys") for hint in told)
    assert commanded.starts() == [OTHER, commanded.folder.recipient]


def test_a_failed_command_is_not_tried_again_and_other_keys_of_the_group_are(commanded):
    commanded.folder.encrypt("a.yaml", "a: CANARY\n", age=f"{OTHER},{commanded.folder.recipient}")
    commanded.gives(commanded.secret, script=f'[ "$SOPS_AGE_RECIPIENT" = {OTHER} ] && exit 7')
    session = BOTH.open(commanded.folder.context())
    assert session.read("a.yaml").revision.order
    commanded.folder.encrypt("a.yaml", "a: CANARY\n", age=OTHER)
    with pytest.raises(ProviderError, match=f"; the command of {AGE} ended with status 7$"):
        session.read("a.yaml")
    session.close()
    assert commanded.starts() == [OTHER, commanded.folder.recipient]


@pytest.mark.parametrize(
    ("script", "kind", "what"),
    [
        ("echo CANARY; echo CANARY >&2; exit 3", ProviderError, "ended with status 3"),
        ("kill -9 $$", ProviderError, "ended with status -9"),
        ("sleep 600", Unavailable, "did not end within {limit:.3g} s"),
        ("echo CANARY; exec >&-; sleep 600", Unavailable, "did not end within {limit:.3g} s"),
        ("yes CANARY", ProviderError, "says more than 64 KiB"),
    ],
)
def test_a_command_that_fails_tells_nothing_and_leaves_nothing(commanded, capfd, monkeypatch, *, script, kind, what):
    pid = commanded.folder.path / "pid"
    commanded.gives("CANARY", script=f"echo $$ > {pid}.new; mv {pid}.new {pid}; {script}")

    def attempt(limit):
        monkeypatch.setattr(programs, "LIMIT", limit)
        assert commanded.refused(kind).what.endswith(f"; the command of {AGE} {what.format(limit=limit)}")

    if kind is Unavailable:
        with_enough_time(attempt, pid.exists)
    else:
        attempt(LIMIT)
    assert gone(int(pid.read_text()))
    assert capfd.readouterr() == ("", "")


def test_a_command_that_does_not_end_is_run_for_one_recipient_alone(commanded, monkeypatch):
    commanded.folder.encrypt("a.yaml", "a: CANARY\n", age=f"{OTHER},{commanded.folder.recipient}")
    commanded.gives("", script="sleep 600")
    started = []

    def attempt(limit):
        monkeypatch.setattr(programs, "LIMIT", limit)
        commanded.refused(Unavailable)
        started[:] = commanded.starts()

    with_enough_time(attempt, lambda: started)
    assert started == [OTHER]


def test_what_a_command_says_is_read_as_a_key_file_is(commanded):
    commanded.gives(f"CANARY\nAGE-SECRET-KEY-1CANARY\n{commanded.secret} {commanded.secret}\n")
    hint = commanded.refused(Denied).hint
    assert hint.endswith(
        f"{AGE}: 0 keys, line 1 is no age identity, line 2 is no age identity, line 3 is no age identity"
    )
    commanded.gives(locked(commanded.secret.encode()))
    commanded.folder.write("passphrase", SECRET)
    assert commanded.folder.read("a.yaml", Sops(age_commands=[AGE], age_passphrase_file="passphrase")).revision.order
    assert f"{AGE}: is encrypted, and neither age_passphrase_file" in commanded.refused(Denied).hint


def test_a_command_reads_nothing_and_has_the_environment(commanded):
    told = commanded.folder.path / "told"
    commanded.gives(commanded.secret, script=f'{{ cat; echo "$OP_TOKEN"; }} > {told}')
    commanded.folder.environ["OP_TOKEN"] = "CANARY-token"
    assert commanded.folder.read("a.yaml", BOTH).revision.order
    assert told.read_text() == "CANARY-token\n"


@pytest.mark.parametrize("name", SSH)
def test_a_command_gives_an_ssh_key(commanded, name):
    private, public = ssh_pair(SSH[name])
    sops = commanded.folder
    sops.encrypt("a.yaml", "a: CANARY\n", age=public)
    commanded.gives(private.decode())
    sops.environ[SSH_KEY] = sops.environ.pop(AGE)
    commanded.starts()
    revision = sops.read("a.yaml", BOTH).revision
    assert commanded.starts() == [public]
    sops.store("a.yaml", [{"a": "CANARY-2"}], revision, BOTH)
    assert sops.decrypted("a.yaml") == "a: CANARY-2\n"
    sops.write(".sops.yaml", json.dumps({"creation_rules": [{"age": public}]}))
    sops.store("b.yaml", [{"a": "CANARY-3"}], provider=BOTH)
    assert sops.decrypted("b.yaml") == "a: CANARY-3\n"
    commanded.starts()
    assert commanded.refused(Denied, Sops()).hint.endswith(f"{SSH_KEY}: not run, because age_commands does not name it")
    commanded.gives("CANARY")
    assert commanded.refused(Denied).hint.endswith(f"{SSH_KEY}: no ssh private key of OpenSSH")


def test_each_command_is_run_for_its_own_kind_of_recipient(commanded):
    commanded.folder.environ[SSH_KEY] = commanded.folder.environ[AGE]
    commanded.gives("")
    commanded.folder.encrypt("a.yaml", "a: CANARY\n", age=f"{ssh_pair(SSH['ed25519'])[1]},{OTHER}")
    commanded.starts()
    commanded.refused(Denied)
    assert commanded.starts() == [OTHER, ssh_pair(SSH["ed25519"])[1]]


@pytest.mark.parametrize("recipient", ["age1\\0CANARY", "age1\\nCANARY", "age1ä"])
def test_a_recipient_that_is_none_does_not_reach_a_command(commanded, recipient):
    commanded.folder.edit("a.yaml", f"recipient: {commanded.folder.recipient}", f'recipient: "{recipient}"')
    commanded.folder.environ["SOPS_AGE_KEY"] = str(x25519.Identity.generate())
    with pytest.raises(ProviderError):
        commanded.folder.read("a.yaml", BOTH)
    assert commanded.starts() == []


@pytest.mark.parametrize(
    "section", [[], AGE, {AGE: "x"}, ["SOPS_AGE_KEY"], [AGE, "PATH"], [5], [["x"]], ["sops_age_key_cmd"]]
)
def test_the_section_is_checked_when_it_is_built(section):
    with pytest.raises(OptionError) as caught:
        Sops(age_commands=section)
    assert caught.value.field == "age_commands"
    assert caught.value.what == f"is not a list of names among {AGE} and {SSH_KEY}"
    assert shlex.split(caught.value.hint) == ["age_commands:", f"[{AGE}]"]
