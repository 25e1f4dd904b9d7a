"""New files, which the sops program makes: which one is started, what it gets, and what is made of its answer."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from bridge import programs
from bridge.errors import Unavailable
from bridge.provider import Context, Denied, OptionError, ProviderError
from bridge_providers.sops import Sops, writing
from tests.providers.sops.folder import Folder, everything_told_by
from tests.trusting import trusting
from tests.waiting import LIMIT, with_enough_time

TREE = {"a": "CANARY-1", "n": {"b": "CANARY-2"}}


def beside(desk: Folder, name: str) -> Path:
    """Return the path of a file next to the folder."""
    return desk.path.with_name(f"{desk.path.name}-{name}")


@pytest.fixture
def desk(sops: Folder) -> Folder:
    sops.write(".sops.yaml", json.dumps({"creation_rules": [{"age": sops.recipient}]}))
    return sops


def on_path(desk: Folder, script: str) -> Path:
    """Put a script called sops on PATH, and nothing else."""
    path = desk.program("sops", f"#!/bin/sh\nPATH=/usr/bin:/bin\n{script}")
    desk.environ["PATH"] = str(path.parent)
    return path


def refused(desk: Folder, provider: Sops | None = None, kind: type[ProviderError] = ProviderError) -> ProviderError:
    before = desk.files()
    with pytest.raises(kind) as caught:
        desk.store("a.yaml", [TREE], provider=provider)
    assert type(caught.value) is kind
    assert "CANARY" not in everything_told_by(caught.value)
    assert desk.files() == before
    return caught.value


VERSION = 'case "$*" in *--version*) echo "sops 3.13.2"; exit;; esac\n'


def test_program_of_section_goes_before_path(desk: Folder) -> None:
    script = on_path(desk, f"touch {desk.path}/started")
    assert desk.binary
    desk.store("a.yaml", [TREE], provider=Sops(program=str(desk.binary)))
    assert not (desk.path / "started").exists()
    assert "CANARY-1" in desk.decrypted("a.yaml")
    assert script.exists()


@pytest.mark.parametrize("value", ["sops", "", 5, "bin/sops"])
def test_section_is_checked_when_it_is_built(value: object) -> None:
    with pytest.raises(OptionError) as caught:
        Sops(program=value)  # type: ignore[arg-type] # what a file may hold
    assert (caught.value.field, caught.value.what) == ("program", "must be an absolute path")


@pytest.mark.parametrize("path", ["", ".", "bin"])
def test_relative_entry_of_path_does_not_count(desk: Folder, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert desk.binary
    shutil.copy(desk.binary, desk.path / "sops")
    monkeypatch.chdir(desk.path)
    desk.environ["PATH"] = path
    error = refused(desk)
    assert str(error) == "cannot create the file: sops, which creates files, is not on PATH"
    assert error.problems[0].hint == (
        "install sops 3.10 or later, or set its path: providers: {sops: {program: /usr/local/bin/sops}}"
    )


@pytest.mark.parametrize("named", [True, False])
def test_program_of_checkout_is_not_started(desk: Folder, named: bool) -> None:
    (desk.path / ".git").mkdir()
    script = desk.write("bin/sops", f"#!/bin/sh\ntouch {desk.path}/started\n")
    script.chmod(0o755)
    if not named:
        desk.environ["PATH"] = str(script.parent)
    error = refused(desk, Sops(program=str(script)) if named else None, Denied)
    assert "is in the checkout" in str(error)


def test_program_that_trust_file_does_not_list_is_not_started(desk: Folder) -> None:
    started = beside(desk, "started")
    script = on_path(desk, f"touch {started}")
    desk.environ |= trusting(desk.path, programs=[])
    assert f"the sops program starts {script}, which is not in `programs` of " in str(refused(desk, kind=Denied))
    assert not started.exists()
    desk.environ |= trusting(desk.path, programs=[[str(script)]])
    assert "does not report a version of sops" in str(refused(desk))


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ("sops 3.9.4 (latest)", "is sops 3.9, which is too old to create files"),
        ("sops 2.0.0", "is sops 2.0, which is too old to create files"),
        ("CANARY 3.13.2", "does not report a version of sops"),
        ("", "does not report a version of sops"),
    ],
)
def test_another_release_is_asked_for_its_version_alone(desk: Folder, answer: str, what: str) -> None:
    script = on_path(desk, f'echo "$*" >> {beside(desk, "asked")}; cat >> {beside(desk, "got")}; echo "{answer}"')
    error = refused(desk)
    assert str(error) == f"{script} {what}"
    assert error.problems[0].hint.startswith("install sops 3.10 or later")
    assert beside(desk, "asked").read_text() == "--disable-version-check --version\n"
    assert beside(desk, "got").read_text() == ""


def test_real_old_release_is_refused_by_its_name(desk: Folder, old_sops_binary: Path) -> None:
    error = refused(desk, Sops(program=str(old_sops_binary)))
    assert str(error) == f"{old_sops_binary} is sops 3.8, which is too old to create files"


def test_program_gets_values_on_its_stdin_and_no_credential(desk: Folder) -> None:
    told = beside(desk, "told")
    script = f"{VERSION}env > {told}; cat > {told}.in; echo $$ $(cut -d' ' -f6 /proc/$$/stat) > {told}.ids; exit 1"
    on_path(desk, f'echo "$*" >> {told}.words\n{script}')
    desk.environ |= {"VAULT_TOKEN": "x", "AWS_ACCESS_KEY_ID": "x", "SOPS_AGE_RECIPIENTS": "x", "LD_PRELOAD": ""}
    error = refused(desk)
    assert str(error) == f"sops cannot encrypt the file by {desk.path}/.sops.yaml: rule 1"
    names = {line.partition("=")[0] for line in told.read_text().splitlines()}
    assert names <= {"PATH", "PWD", "OLDPWD", "SHLVL", "_"}
    assert json.loads(told.with_suffix(".in").read_text()) == TREE
    assert "CANARY" not in told.with_suffix(".words").read_text()
    process, session = told.with_suffix(".ids").read_text().split()
    assert process == session  # of its own, without a terminal


def test_command_of_refusal_makes_file_that_bridge_fills(desk: Folder) -> None:
    on_path(desk, f"{VERSION}exit 1")
    hint = refused(desk).problems[0].hint
    assert hint.startswith("see why: cd ")
    assert desk.binary
    path = f"{desk.binary.parent}:{os.defpath}"
    assert os.system(f"PATH={path}; {hint.removeprefix('see why: ')}") == 0
    desk.store("a.yaml", [{"a": "CANARY-1"}], desk.read("a.yaml").revision)
    assert desk.decrypted("a.yaml") == "a: CANARY-1\n"


@pytest.mark.parametrize("suffix", ["json", "env"])
def test_so_does_that_for_other_formats(desk: Folder, suffix: str) -> None:
    assert desk.binary
    command = writing.empty_file(desk.path / f"a.{suffix}", {"json": "json", "env": "dotenv"}[suffix])
    assert os.system(f"PATH={desk.binary.parent}:{os.defpath}; {command}") == 0
    desk.store(f"a.{suffix}", [{"a": "CANARY-1"}], desk.read(f"a.{suffix}").revision)
    assert "CANARY-1" in desk.decrypted(f"a.{suffix}")


def test_program_that_hangs_is_ended(desk: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = beside(desk, "hangs")
    on_path(desk, f"{VERSION}touch {hangs}; exec sleep 600")

    def attempt(limit: float) -> None:
        monkeypatch.setattr(programs, "LIMIT", limit)
        with pytest.raises(Unavailable, match="the sops program did not end within"):
            desk.store("a.yaml", [TREE])

    with_enough_time(attempt, hangs.exists)


def test_program_that_prints_without_end_is_ended(desk: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "LIMIT", LIMIT)
    on_path(desk, f"{VERSION}cat > /dev/null; exec yes CANARY")
    assert str(refused(desk)) == "the sops program printed more than 10240 KiB"


def test_answer_that_holds_other_values_is_not_kept(desk: Folder) -> None:
    desk.store("other.yaml", [{"a": "CANARY-9"}])
    on_path(desk, f"{VERSION}cat > /dev/null; cat {desk.path}/other.yaml")
    assert str(refused(desk)) == "the encrypted file does not contain the intended values"


def test_answer_that_is_not_encrypted_is_not_kept(desk: Folder) -> None:
    on_path(desk, f"{VERSION}cat")
    assert str(refused(desk)) == "is not encrypted with sops (it has no `sops` metadata)"


def test_answer_by_another_rule_is_not_kept(desk: Folder) -> None:
    """Which values are in clear was judged by the rule of .sops.yaml."""
    desk.write("other/.sops.yaml", json.dumps({"creation_rules": [{"age": desk.recipient, "encrypted_regex": "^-$"}]}))
    desk.store("other/a.yaml", [TREE])
    (desk.path / "other/a.yaml").rename(beside(desk, "answer"))
    on_path(desk, f"{VERSION}cat > /dev/null; cat {beside(desk, 'answer')}")
    assert str(refused(desk)) == "sops did not use the rule that bridge found in .sops.yaml"


def test_session_that_is_closed_starts_none(desk: Folder) -> None:
    session = Sops().open(Context(desk.path, desk.context().environ, time.monotonic() + 60))
    program = session._tools().keyring.program
    session.close()
    with pytest.raises(ProviderError, match="cannot start the sops program: the run has ended"):
        writing.encrypt(desk.path / "a.yaml", "yaml", b"{}", program)


@pytest.mark.parametrize(
    ("rule", "hint"),
    [({"kms": "arn:x"}, "create it, then bridge can change it: cd "), ({"gcp_kms": "x"}, "run: sops edit ")],
)
def test_rule_with_other_keys_names_command_that_creates_file(desk: Folder, rule: dict[str, str], hint: str) -> None:
    """Bridge can change a file for KMS keys, but not a file that only the sops program opens."""
    desk.write(".sops.yaml", json.dumps({"creation_rules": [rule]}))
    assert refused(desk).problems[0].hint.startswith(hint)
