"""Who has left a file and can still open it, as git proves it: histories that the real sops has made."""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pyrage import x25519

from bridge.provider import Context, HistoryChecker, Problem
from bridge_providers.sops import Sops, removed_recipients
from tests.providers.sops.folder import Folder

HINT = "in the folder of .sops.yaml, run `sops updatekeys FILE` and `sops rotate -i FILE`, then set new values"
WHO = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
LEFT = str(x25519.Identity.generate().to_public())
OTHER = str(x25519.Identity.generate().to_public())
CONTENTS = {
    "a.yaml": "a: CANARY-a\nb: CANARY-b\n",
    "a.json": '{"a": "CANARY-a", "b": "CANARY-b"}\n',
    "a.env": "a=CANARY-a\nb=CANARY-b\n",
    "a.ini": "[x]\na = CANARY-a\nb = CANARY-b\n",
    "a.bin": "CANARY-a",
}


class Repository:
    """A folder of SOPS files in git, and the commands of a team that works on them."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.folder.environ = {"HOME": str(folder.path / "home"), "SOPS_AGE_KEY": str(folder.key)}
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str) -> str:
        environ = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "GIT_CONFIG_NOSYSTEM": "1"} | WHO
        command = ["git", "-C", str(self.folder.path), *words]
        done = subprocess.run(command, env=environ, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, message: str = "change") -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")[:10]

    def rule(self, *recipients: str) -> None:
        self.folder.write(".sops.yaml", json.dumps({"creation_rules": [{"age": ",".join(recipients)}]}))

    def create(self, name: str, *recipients: str) -> str:
        self.folder.encrypt(name, CONTENTS[name], age=",".join((self.folder.recipient, *recipients)))
        return self.commit()

    def sops(self, *words: str) -> None:
        done = subprocess.run(
            [str(self.folder.binary), *words],
            cwd=self.folder.path,
            env={"PATH": os.environ["PATH"], **self.folder.environ},
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode()

    def update_keys(self, name: str, *recipients: str) -> None:
        """Write the rule anew and follow it, as the hint of old said."""
        self.rule(self.folder.recipient, *recipients)
        self.sops("updatekeys", "--yes", name)

    def rotate(self, name: str) -> None:
        old = self.folder._by_options
        self.sops(*(["--rotate", "--in-place", name] if old else ["rotate", "--in-place", name]))

    def set(self, name: str, value: str, key: str = "a") -> None:
        if name.endswith(".bin"):
            plain = self.folder.write("plain", value)
            stored = json.loads((self.folder.path / name).read_text())
            editor = self.folder.write("editor", f'#!/bin/sh\ncat {plain} > "$1"\n')
            editor.chmod(0o755)
            self.folder.environ["EDITOR"] = str(editor)
            self.sops(*([name] if self.folder._by_options else ["edit", name]))
            del self.folder.environ["EDITOR"]
            assert json.loads((self.folder.path / name).read_text())["data"] != stored["data"]
            plain.unlink()
            editor.unlink()
            return
        place = f'["x"]["{key}"]' if name.endswith(".ini") else f'["{key}"]'
        text = f"{place} {json.dumps(value)}"
        self.sops(*(["--set", text, name] if self.folder._by_options else ["set", name, place, json.dumps(value)]))

    def told(self, name: str, seconds: float = 60) -> list[str]:
        """Return what the check says of the history; each with the one hint, never a value, and without a key."""
        environ = {"PATH": os.environ["PATH"]}
        context = Context(self.folder.path, environ, time.monotonic() + seconds)
        provider: HistoryChecker = Sops()
        assert isinstance(provider, HistoryChecker)
        found = list(provider.check_history(name, context))
        assert all(one.warning and one.hint == HINT and not one.where for one in found)
        assert "CANARY" not in repr(found)
        return [one.what for one in found]


@pytest.fixture(params=["3.8.1", "3.11.0", "3.13.2"])
def release(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def team(folder_of: Callable[[str], Folder], release: str) -> Repository:
    return Repository(folder_of(release))


@pytest.fixture
def repository(sops: Folder) -> Repository:
    return Repository(sops)


def still(recipient: str, commit: str, values: int = 2) -> str:
    count = f"{values} value{'s' * (values > 1)}"
    return f"{recipient} was removed in commit {commit}, but the data key it had still opens {count}"


@pytest.mark.slow
@pytest.mark.parametrize("name", CONTENTS)
def test_updatekeys_alone_keeps_data_key_and_rotate_makes_new_one(team: Repository, name: str) -> None:
    team.create(name, LEFT)
    team.set(name, "CANARY-1")
    team.commit()
    assert team.told(name) == []
    team.update_keys(name)
    removal = team.commit()
    count = 1 if name == "a.bin" else 2
    assert team.told(name) == [still(LEFT, removal, count)]
    for value in ("CANARY-2", "CANARY-3"):
        team.set(name, value)
        team.commit()
    if name != "a.bin":
        team.set(name, "CANARY-4", "b")
        team.commit()
    assert team.told(name) == [still(LEFT, removal, count)]
    team.rotate(name)
    assert team.told(name) == []  # also before that is committed
    team.commit()
    team.set(name, "CANARY-5")
    team.commit()
    assert team.told(name) == []


def test_what_warning_says_is_true(team: Repository, tmp_path: Path) -> None:
    """The removed recipient's old stanza opens a value that was set after the removal."""
    name, left = "a.json", x25519.Identity.generate()
    team.create(name, str(left.to_public()))
    old = json.loads((team.folder.path / name).read_text())
    team.update_keys(name)
    removal = team.commit()
    team.set(name, "CANARY-after")
    team.commit()
    assert team.told(name) == [still(str(left.to_public()), removal)]
    grafted = json.loads((team.folder.path / name).read_text())
    grafted["sops"]["age"] = [one for one in old["sops"]["age"] if one["recipient"] == str(left.to_public())]
    outside = Folder(tmp_path / "outside", team.folder.binary, by_options=team.folder._by_options)
    outside.environ["SOPS_AGE_KEY"] = str(left)
    outside.write(name, json.dumps(grafted))
    assert b"CANARY-after" in outside.sops("decrypt", name).stdout


def test_removal_that_is_not_committed_yet_is_reported(repository: Repository) -> None:
    repository.create("a.yaml", LEFT)
    repository.update_keys("a.yaml")
    assert repository.told("a.yaml") == [
        f"{LEFT} was removed since the last commit, but the data key it had still opens 2 values"
    ]


def test_keys_and_value_that_change_in_one_commit(repository: Repository) -> None:
    repository.create("a.yaml", LEFT)
    repository.update_keys("a.yaml")
    repository.set("a.yaml", "CANARY-1")
    removal = repository.commit()
    assert repository.told("a.yaml") == [still(LEFT, removal)]


def test_value_that_is_only_one_leaves_its_wrapped_keys(repository: Repository) -> None:
    repository.folder.encrypt("a.yaml", "a: CANARY\n", age=f"{repository.folder.recipient},{LEFT}")
    repository.commit()
    repository.set("a.yaml", "CANARY-1")
    repository.commit()
    repository.update_keys("a.yaml")
    removal = repository.commit()
    repository.set("a.yaml", "CANARY-2")
    repository.commit()
    assert repository.told("a.yaml") == [still(LEFT, removal, 1)]


def test_nothing_equal_is_no_proof(repository: Repository) -> None:
    """Every value and every key in one commit: whether sops has rotated does not show."""
    repository.create("a.yaml", LEFT)
    repository.update_keys("a.yaml")
    repository.set("a.yaml", "CANARY-1")
    repository.set("a.yaml", "CANARY-2", "b")
    repository.commit()
    assert repository.told("a.yaml") == []


def test_who_comes_back_is_not_told_and_each_who_left_is_by_last_time(repository: Repository) -> None:
    repository.create("a.yaml", LEFT, OTHER)
    repository.update_keys("a.yaml", OTHER)
    first = repository.commit()
    repository.update_keys("a.yaml")
    second = repository.commit()
    assert repository.told("a.yaml") == [still(OTHER, second), still(LEFT, first)]
    repository.update_keys("a.yaml", LEFT)
    repository.commit()
    assert repository.told("a.yaml") == [still(OTHER, second)]
    repository.update_keys("a.yaml")
    third = repository.commit()
    assert repository.told("a.yaml") == [still(LEFT, third), still(OTHER, second)]


def test_file_that_was_renamed_and_changed(repository: Repository) -> None:
    repository.create("a.yaml", LEFT)
    (repository.folder.path / "config").mkdir()
    repository.git("mv", "a.yaml", "config/b.sops.yaml")
    repository.set("config/b.sops.yaml", "CANARY-1")
    repository.commit()
    repository.update_keys("config/b.sops.yaml")
    removal = repository.commit()
    repository.git("mv", "config/b.sops.yaml", "c.yml")
    repository.commit()
    repository.set("c.yml", "CANARY-2")
    repository.commit()
    assert repository.told("c.yml") == [still(LEFT, removal)]


def test_branch_that_removes_and_one_that_sets_are_merged(repository: Repository) -> None:
    path = repository.folder.path / "a.json"
    repository.create("a.json", LEFT)
    repository.git("checkout", "--quiet", "-b", "other")
    repository.update_keys("a.json")
    removal = repository.commit()
    theirs = json.loads(path.read_text())
    repository.git("checkout", "--quiet", "main")
    repository.set("a.json", "CANARY-1", "b")
    repository.commit()
    repository.git("merge", "--quiet", "--no-commit", "--strategy=ours", "other")
    merged = json.loads(path.read_text())
    merged["sops"]["age"] = theirs["sops"]["age"]
    path.write_text(json.dumps(merged))
    repository.commit()
    assert repository.folder.sops("decrypt", "a.json").returncode == 0
    assert repository.told("a.json") == [still(LEFT, removal)]
    repository.set("a.json", "CANARY-2")
    repository.commit()
    assert repository.told("a.json") == [still(LEFT, removal)]


def test_who_was_recipient_on_merged_branch_alone(repository: Repository) -> None:
    repository.create("a.yaml")
    repository.git("checkout", "--quiet", "-b", "other")
    repository.update_keys("a.yaml", LEFT)
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.set("a.yaml", "CANARY-1")
    repository.commit()
    assert repository.told("a.yaml") == []  # nobody knows whether the branch was ever shown
    repository.git("merge", "--quiet", "--no-edit", "--strategy=ours", "other")
    assert repository.told("a.yaml") == [still(LEFT, repository.git("rev-parse", "HEAD")[:10])]


def test_file_that_was_renamed_on_one_side_of_merge(repository: Repository) -> None:
    repository.create("a.yaml", OTHER)
    repository.git("checkout", "--quiet", "-b", "other")
    repository.update_keys("a.yaml", OTHER, LEFT)
    repository.commit()
    repository.update_keys("a.yaml", OTHER)
    removal = repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.git("mv", "a.yaml", "b.yaml")
    repository.commit()
    repository.git("merge", "--quiet", "--no-edit", "other")
    assert repository.told("b.yaml") == [still(LEFT, removal)]


def test_revert_of_rotation_brings_old_key_back(repository: Repository) -> None:
    repository.create("a.yaml", LEFT)
    repository.update_keys("a.yaml")
    removal = repository.commit()
    repository.rotate("a.yaml")
    rotation = repository.commit()
    assert repository.told("a.yaml") == []
    repository.git("revert", "--no-edit", rotation)
    assert repository.told("a.yaml") == [still(LEFT, removal)]
    repository.set("a.yaml", "CANARY-1")
    repository.set("a.yaml", "CANARY-2", "b")
    repository.commit()
    assert repository.told("a.yaml") == [still(LEFT, removal)]


def test_state_that_is_restored_after_file_was_deleted(repository: Repository) -> None:
    first = repository.create("a.yaml", LEFT)
    repository.git("rm", "--quiet", "a.yaml")
    repository.commit()
    repository.git("checkout", first, "--", "a.yaml")
    repository.update_keys("a.yaml")
    removal = repository.commit()
    assert repository.told("a.yaml") == []  # after the deletion the two are no neighbours
    repository.git("checkout", first, "--", "a.yaml")
    repository.commit()
    repository.update_keys("a.yaml")
    again = repository.commit()
    assert repository.told("a.yaml") == [still(LEFT, again)]
    assert removal != again


def test_value_pasted_from_before_rotation_is_no_proof(repository: Repository) -> None:
    """Such a file cannot be opened, whichever commit brought the value: a merge of both, or somebody's hand."""
    repository.create("a.yaml", LEFT)
    pasted = repository.folder.value("a.yaml", "b")
    repository.git("checkout", "--quiet", "-b", "other")
    repository.set("a.yaml", "CANARY-1")
    repository.commit()
    repository.git("checkout", "--quiet", "main")
    repository.update_keys("a.yaml")
    repository.rotate("a.yaml")
    repository.commit()
    mine = repository.folder.value("a.yaml", "b")
    repository.git("merge", "--quiet", "--no-commit", "--strategy=ours", "other")
    repository.folder.edit("a.yaml", mine, pasted)
    repository.commit()
    assert repository.told("a.yaml") == []
    repository.folder.edit("a.yaml", pasted, mine)
    repository.commit()
    assert repository.told("a.yaml") == []


def test_stanza_grafted_by_hand_is_no_proof(repository: Repository) -> None:
    repository.create("a.json", LEFT)
    old = json.loads((repository.folder.path / "a.json").read_text())["sops"]["age"]
    repository.update_keys("a.json")
    repository.rotate("a.json")
    repository.commit()
    content = json.loads((repository.folder.path / "a.json").read_text())
    content["sops"]["age"] += [one for one in old if one["recipient"] == LEFT]
    repository.folder.write("a.json", json.dumps(content))
    repository.commit()
    content["sops"]["age"].pop()
    repository.folder.write("a.json", json.dumps(content))
    repository.commit()
    assert repository.told("a.json") == []


def test_shares_of_data_key(repository: Repository) -> None:
    groups = [{"age": [repository.folder.recipient, LEFT]}, {"age": [OTHER]}]
    repository.folder.encrypt("a.yaml", CONTENTS["a.yaml"], key_groups=groups, shamir_threshold=2)
    repository.commit()
    repository.folder.edit("a.yaml", LEFT, OTHER)  # sops itself would need the second group's key
    removal = repository.commit()
    assert repository.told("a.yaml") == [
        f"{LEFT} was removed in commit {removal}, but its share of the data key still counts for 2 values"
    ]


def test_states_that_are_no_files_of_sops(repository: Repository) -> None:
    repository.folder.write("a.yaml", CONTENTS["a.yaml"])
    repository.commit()
    repository.create("a.yaml", LEFT)
    before = (repository.folder.path / "a.yaml").read_bytes()
    repository.folder.write("a.yaml", "<<<<<<< HEAD\n")
    repository.commit()
    repository.folder.write("a.yaml", before)
    repository.commit()
    repository.update_keys("a.yaml")
    removal = repository.commit()
    assert repository.told("a.yaml") == [still(LEFT, removal)]


@pytest.mark.parametrize("name", ["with space ü.yaml", "-x.yaml", ":(glob)*.yaml", "a*.yaml"])
def test_names_that_git_may_take_for_something_else(repository: Repository, name: str) -> None:
    repository.create("a.yaml", LEFT)
    (repository.folder.path / "a.yaml").rename(repository.folder.path / name)
    repository.commit()
    repository.update_keys(f"./{name}")
    assert repository.told(name) == [
        f"{LEFT} was removed since the last commit, but the data key it had still opens 2 values"
    ]


def test_long_recipient_is_named_by_both_its_ends(repository: Repository) -> None:
    key = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQ" + "C" * 300 + "wxyz= left@example.com"
    repository.create("a.yaml", LEFT)
    repository.folder.edit("a.yaml", LEFT, key)
    repository.commit()
    repository.folder.edit("a.yaml", key, OTHER)
    removal = repository.commit()
    assert repository.told("a.yaml") == [
        still("ssh-rsa AAAAB3NzaC1y…CCCCCCCCCCCCCCCwxyz=", removal),
        still(LEFT, repository.git("rev-parse", "HEAD~1")[:10]),
    ]


# Quiet and cheap


def test_it_is_quiet_where_git_cannot_tell(repository: Repository, tmp_path: Path) -> None:
    repository.create("a.yaml", LEFT)
    repository.update_keys("a.yaml")
    repository.commit()
    folder = repository.folder.path
    shutil.copytree(folder, tmp_path / "plain", ignore=shutil.ignore_patterns(".git"))
    context = Context(tmp_path / "plain", {"PATH": os.environ["PATH"]}, time.monotonic() + 60)
    assert list(Sops().check_history("a.yaml", context)) == []
    assert list(Sops().check_history("a.yaml", Context(folder, {"PATH": "/nowhere"}, time.monotonic() + 60))) == []
    repository.git("clone", "--quiet", "--depth=1", f"file://{folder}", str(tmp_path / "shallow"))
    shallow = Context(tmp_path / "shallow", {"PATH": os.environ["PATH"]}, time.monotonic() + 60)
    assert list(Sops().check_history("a.yaml", shallow)) == []
    repository.folder.write("new.yaml", (folder / "a.yaml").read_bytes())
    assert repository.told("new.yaml") == []
    assert len(repository.told("a.yaml")) == 1


def test_history_that_takes_too_long_is_left_and_not_tried_again(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.create("a.yaml", LEFT)
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho >> {tmp_path}/asked\nexec sleep 1000\n")
    program.chmod(0o755)
    monkeypatch.setattr(removed_recipients, "SECONDS", 0.5)
    context = Context(repository.folder.path, {"PATH": str(program.parent) + ":/usr/bin:/bin"}, time.monotonic() + 60)
    for _ in range(3):
        assert list(Sops().check_history("a.yaml", context)) == []
    assert (tmp_path / "asked").read_text() == "\n"


def test_what_is_too_much_is_left_and_newest_counts(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.create("a.yaml", OTHER)
    repository.update_keys("a.yaml")
    old = repository.commit()
    for value in range(3):
        repository.set("a.yaml", f"CANARY-{value}")
        repository.commit()
    repository.update_keys("a.yaml", LEFT)
    repository.commit()
    repository.update_keys("a.yaml")
    new = repository.commit()
    assert repository.told("a.yaml") == [still(LEFT, new), still(OTHER, old)]
    monkeypatch.setattr(removed_recipients, "COMMITS", 3)
    assert repository.told("a.yaml") == [still(LEFT, new)]
    monkeypatch.undo()
    monkeypatch.setattr(removed_recipients, "BYTES", 3 * (repository.folder.path / "a.yaml").stat().st_size)
    assert repository.told("a.yaml") == [still(LEFT, new)]


def test_history_with_value_in_clear_is_not_shown(repository: Repository) -> None:
    repository.folder.write("a.yaml", "sops: {age: CANARY}\na: CANARY\n")
    repository.commit()
    repository.create("a.yaml", LEFT)
    problems: list[Problem] = list(Sops().check_history("a.yaml", repository.folder.context()))
    assert problems == []
