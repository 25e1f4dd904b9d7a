"""A repository of a stranger's starts no program and fetches nothing, whatever bridge asks git."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge import git
from tests.check.test_check import HALF_ENCRYPTED, LEAF
from tests.desk import Desk, Result
from tests.importing.moving import SHELF, moving_in
from tests.trust.strangers import Stranger, wrapper

FILE = "half.yaml"
GIT = shutil.which("git")
GIVEN = {"PATH", "HOME", "LC_ALL"}

# The ways to start a program that `subprocess.Popen` does not tell of.
OTHERS = ("execv", "execve", "fork", "forkpty", "posix_spawn", "posix_spawnp", "spawnv", "spawnve", "system")


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """What bridge itself starts: the command and its environment.

    Not through an audit hook. One cannot be removed, and another thread may run inside it: CPython 3.11 then refuses
    the trace function that coverage gives to each new thread.
    """
    found: list[tuple[list[str], dict[str, str]]] = []

    def audit(event: str, *arguments: Any) -> None:
        if event == "subprocess.Popen":
            found.append((list(arguments[1]), dict(arguments[3])))

    def other(name: str) -> Callable[..., object]:
        start = getattr(os, name)

        def started_otherwise(*arguments: object) -> object:
            found.append(([name], {}))
            return start(*arguments)

        return started_otherwise

    monkeypatch.setattr(sys, "audit", audit)
    for name in OTHERS:
        monkeypatch.setattr(os, name, other(name))
    return found


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


@pytest.fixture
def stranger(desk: Desk, tmp_path: Path) -> Stranger:
    """The desk's folder in a hostile clone, from which every earlier state of the file is missing."""
    made = Stranger(desk.folder, tmp_path / "mark")
    made.git("init", "--quiet", "--initial-branch=main")
    for number in (1, 2):
        desk.write(FILE, HALF_ENCRYPTED.replace("CANARY-openai", LEAF) + "\n" * number)
        desk.write("plain.yml", f"OPENAI_API_KEY=CANARY-{number}\n")
        made.commit()
    made.lose(f"HEAD~1:{FILE}")
    made.lose("HEAD~1:plain.yml")
    return made


def every_command(desk: Desk) -> dict[str, Result]:
    """Run each command that uses git."""
    moving_in(desk)
    patch = desk.write("plain.yml", (desk.folder / "../staging-patch.yml").read_text())
    plain = json.loads((desk.folder / "staging.yaml").read_text())
    results = {"import": desk.run("import", "staging", str(patch), "--to", SHELF, "--yes")}
    results["scan"] = desk.run("scan", "staging", "--git", str(desk.folder))
    for revisions in ("HEAD~1", "HEAD~1..HEAD", "main..."):
        results[f"diff {revisions}"] = desk.run("diff", "staging", "--git", revisions)
    results["check --files"] = desk.run("check", "--files", "sops", str(desk.folder / FILE))
    for revision in ("", "@HEAD~1", "@HEAD", f"@{'0' * 39}1"):
        desk.write("staging.yaml", plain | {"sources": [f"sops:{FILE}{revision}"]})
        for command in (["check"], ["plan"], ["status"], ["sync", "--dry-run"]):
            results[f"{command[0]}{revision}"] = desk.run(command[0], "staging", *command[1:])
    desk.write("staging.yaml", plain | {"sources": [f"sops:{FILE}"]})
    for revision in ("HEAD~1", "HEAD"):
        arguments = ("--source", f"sops:{FILE}", "--to", revision, "--dry-run")
        results[f"rollback {revision}"] = desk.run("rollback", "staging", *arguments)
    return results


@pytest.mark.slow
@pytest.mark.parametrize("age", ["new", "old"])
@pytest.mark.parametrize("remote", ["ext", "ssh", "file", "helper"])
def test_no_setting_of_repository_starts_program(  # noqa: PLR0917 - fixtures
    desk: Desk, stranger: Stranger, started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: str, age: str
) -> None:
    stranger.arm(stranger.remote(remote))
    log = wrapper(tmp_path / "bin", GIT, age)
    monkeypatch.setenv("PATH", f"{log.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("SCW_SECRET_KEY", "CANARY-environment")
    results = every_command(desk)
    assert all(result.status in (0, 1) for result in results.values()), results
    assert not stranger.mark.exists(), stranger.mark.read_text()
    names = {command[command.index("-C") + 2] for command, _ in started}
    assert names == set(git.COMMANDS)
    for command, environ in started:
        assert command[0] == str(log.parent / "git")
        assert all(name in GIVEN or name.startswith("GIT_") for name in environ), environ
        assert "CANARY" not in repr((command, environ))
    events = [json.loads(line) for line in log.read_text().splitlines()]
    children = [one["argv"] for one in events if one["event"] == "child_start"]
    # An old git tries to fetch what is missing, and is refused before it starts what would connect.
    assert [one for one in children if age == "new" or "fetch" not in one] == []
    assert events


@pytest.mark.parametrize("words", [["log", "-1"], ["status"], ["diff", "HEAD"], ["cat-file", "-p", "HEAD~1:plain.yml"]])
def test_same_repository_runs_programs_for_careless_git(desk: Desk, stranger: Stranger, words: list[str]) -> None:
    stranger.arm(stranger.remote("ext"))
    stranger.git(*words, check=False)
    assert stranger.mark.exists()


@pytest.mark.parametrize("age", ["new", "old"])
def test_bare_repository_in_branch_is_not_used(
    desk: Desk, stranger: Stranger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: str
) -> None:
    """Its files are ordinary ones, which a pull request can bring along; they lie where the environment does."""
    stranger.arm(stranger.remote("ext"))
    for path in (stranger.folder / ".git").iterdir():
        path.rename(stranger.folder / path.name)
    (stranger.folder / ".git").rmdir()
    config = (stranger.folder / "config").read_text().replace("bare = false", "bare = true")
    (stranger.folder / "config").write_text(config)
    log = wrapper(tmp_path / "bin", GIT, age)
    monkeypatch.setenv("PATH", f"{log.parent}:{os.environ['PATH']}")
    results = every_command(desk)
    assert not stranger.mark.exists(), stranger.mark.read_text()
    assert log.read_text() == ""  # git was not even asked
    bare = "it is in a bare repository"
    assert [bare in results[name].err for name in ("scan", "check@HEAD", "plan@HEAD")] == [True] * 3
    assert results["import"].status == 0


def test_settings_of_user_do_not_count(
    desk: Desk, stranger: Stranger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor do those that the environment gives; a pipeline's job may have either."""
    program = tmp_path / "evil"
    program.write_text(f"#!/bin/sh\ntouch {stranger.mark}\n")
    program.chmod(0o755)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".gitconfig").write_text(f"[gpg]\nprogram = {program}\n[core]\nfsmonitor = {program}\n")
    for name in ("GIT_EXTERNAL_DIFF", "GIT_SSH_COMMAND", "GIT_ASKPASS", "GIT_EXEC_PATH", "GIT_PROXY_COMMAND"):
        monkeypatch.setenv(name, str(program))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "log.showSignature")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    results = every_command(desk)
    assert "earlier" not in results["check@HEAD"].err
    assert not stranger.mark.exists()
