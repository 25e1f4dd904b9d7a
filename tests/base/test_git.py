"""How git is started: by whom, with what, for how long."""

import ast
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

from bridge.commands.doctor_machine import PROGRAMS
from bridge.git import Git, GitError, GitLate, end, is_bare, kill, work_tree

ROOT = Path(__file__).parents[2]
WHO = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def soon() -> float:
    return time.monotonic() + 60


def plain(folder: Path, *words: str) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"} | WHO
    subprocess.run(["git", "-C", str(folder), *words], env=environ, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "sub").mkdir(parents=True)
    plain(folder, "init", "--quiet", "--initial-branch=main")
    (folder / "sub" / "a").write_text("x")
    plain(folder, "add", "--all")
    plain(folder, "commit", "--quiet", "--message", "x")
    return folder


def program(folder: Path, text: str) -> dict[str, str]:
    """Put a `git` into a folder; return the environment that has it first."""
    folder.mkdir()
    (folder / "git").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "git").chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.slow
def test_git_is_started_in_one_place() -> None:
    """Only bridge/git.py has a command line that begins with the program, or looks for it.

    `bridge doctor` also asks for its version, for which git reads nothing of a repository.
    """
    starts = {"Popen", "run", "which", "join", "Program", "execvp"}
    found = set()
    for path in (*(ROOT / "bridge").rglob("*.py"), *(ROOT / "providers").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.List | ast.Tuple):
                words = node.elts[:1]
            elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in starts:
                words = node.args
            else:
                continue
            if any(isinstance(one, ast.Constant) and one.value == "git" for one in words):
                found.add(path.relative_to(ROOT).as_posix())
    assert found == {"bridge/git.py", "bridge/commands/doctor_machine.py"}
    assert [one.arguments for one in PROGRAMS if one.name == "git"] == [("--version",)]


def test_no_other_command_is_run(repository: Path) -> None:
    git = Git(repository, os.environ)
    for command in ("log", "status", "diff", "show", "fetch", "checkout"):
        with pytest.raises(AssertionError):
            git.run(command, deadline=soon())


def test_relative_folders_of_path_do_not_count(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path / "bin", f"touch {tmp_path}/ran")
    monkeypatch.chdir(tmp_path / "bin")
    real = str(Path(shutil.which("git")).parent)
    assert Git(repository, {"PATH": f".::bin:{real}"}).run("rev-parse", "HEAD", deadline=soon()).status == 0
    for path in (".", "", ":", "bin"):
        with pytest.raises(GitError, match="git was not found in PATH"):
            Git(repository, {"PATH": path})
    assert not (tmp_path / "ran").exists()


def test_empty_environment_has_systems_path(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "defpath", str(Path(shutil.which("git")).parent))
    assert Git(repository, {}).run("rev-parse", "--show-prefix", deadline=soon()) == (0, b"\n", b"")


def test_hanging_git_is_killed_with_its_children(repository: Path, tmp_path: Path) -> None:
    environ = program(tmp_path / "bin", f"sleep 1000 & echo $! > {tmp_path}/child; wait")
    with pytest.raises(GitLate):
        Git(repository, environ).run("rev-parse", "HEAD", deadline=time.monotonic() + 1)
    child = int((tmp_path / "child").read_text())
    until = time.monotonic() + 30
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text().split()[2]:
        assert time.monotonic() < until


def test_signal_while_git_is_started_leaves_none_behind(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = []
    execute = subprocess.Popen._execute_child

    def interrupted(process: "subprocess.Popen[bytes]", *arguments: object) -> None:
        execute(process, *arguments)
        pids.append(process.pid)
        raise KeyboardInterrupt

    git = Git(repository, program(tmp_path / "bin", "exec sleep 1000"))
    monkeypatch.setattr(subprocess.Popen, "_execute_child", interrupted)
    for ask in (lambda: git.start("rev-list", "HEAD"), lambda: git.run("rev-parse", "HEAD", deadline=soon())):
        with pytest.raises(KeyboardInterrupt):
            ask()
    assert len(pids) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_git_with_endless_output_is_killed(repository: Path, tmp_path: Path) -> None:
    environ = program(tmp_path / "bin", "exec cat /dev/zero")
    with pytest.raises(GitError, match="git printed more than 1 KiB"):
        Git(repository, environ).run("rev-parse", "HEAD", deadline=soon(), most=1024)
    environ = program(tmp_path / "loud", "cat /dev/zero >&2")
    with pytest.raises(GitLate):
        Git(repository, environ).run("rev-parse", "HEAD", deadline=time.monotonic() + 0.5)


@pytest.mark.slow
def test_input_and_output_are_exchanged_concurrently(repository: Path) -> None:
    feed = b"HEAD\n" * 20_000  # more than a pipe holds, and so is the answer
    done = Git(repository, os.environ).run("cat-file", "--batch-check", deadline=soon(), feed=feed)
    assert (done.status, done.output.count(b" commit ")) == (0, 20_000)


def test_git_that_does_not_read_is_no_error(repository: Path, tmp_path: Path) -> None:
    environ = program(tmp_path / "bin", "exec <&-; echo done")
    assert Git(repository, environ).run("rev-list", deadline=soon(), feed=b"x" * 2**20).text == "done"


def test_reasons_hold_no_word_of_repository(repository: Path, tmp_path: Path) -> None:
    git = Git(repository, os.environ)
    missing = git.run("cat-file", "blob", "0" * 40, deadline=soon())
    assert missing.reason == "an object is missing or has the wrong type"
    (repository / ".git" / "config").write_text("[core]\nCANARY = \n[CANARY\n")
    assert git.run("rev-parse", "HEAD", deadline=soon()).reason == "the repository's configuration is invalid"
    environ = program(tmp_path / "bin", "echo CANARY >&2; exit 3")
    assert Git(repository, environ).run("rev-parse", deadline=soon()).reason == "git failed with exit status 3"
    outside = Git(tmp_path, os.environ | {"GIT_DIR": str(repository)}).run("rev-parse", "HEAD", deadline=soon())
    assert outside.reason == "not in a git repository"


def test_another_users_repository_is_read_if_user_trusts_it(repository: Path, tmp_path: Path) -> None:
    """As a job in a container has it: git says so by itself only of one that is somebody else's."""
    real = shutil.which("git")
    environ = program(tmp_path / "bin", f'export GIT_TEST_ASSUME_DIFFERENT_OWNER=1; exec {real} "$@"')
    environ |= {"HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1"}
    done = Git(repository, environ).run("rev-parse", "HEAD", deadline=soon())
    assert done.reason == "the repository belongs to another user"
    (tmp_path / ".gitconfig").write_text(f"[safe]\ndirectory = {repository}\n[core]\nsshCommand = x\n")
    git = Git(repository, environ)
    assert git.run("rev-parse", "HEAD", deadline=soon()).status == 0
    process = git.start("rev-list", "HEAD")
    assert process.communicate()[0].count(b"\n") == 1


def test_pathspec_is_name(repository: Path) -> None:
    git = Git(repository, os.environ)
    for name, count in (("sub/a", 1), ("sub/*", 0), (":(glob)**", 0), (":/", 0)):
        commits = git.run("rev-list", "HEAD", "--", name, deadline=soon()).output.count(b"\n")
        assert (name, commits) == (name, count)


def test_grafts_and_replaced_objects_hide_no_history(repository: Path) -> None:
    plain(repository, "commit", "--quiet", "--allow-empty", "--message", "y")
    head = Git(repository, os.environ).run("rev-parse", "HEAD", deadline=soon()).text
    (repository / ".git" / "info" / "grafts").write_text(f"{head}\n")
    plain(repository, "replace", "--graft", head)
    assert Git(repository, os.environ).run("rev-list", "HEAD", deadline=soon()).output.count(b"\n") == 2


def test_folder_is_distinguished_from_bare_repository(repository: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    plain(repository, "clone", "--quiet", "--bare", str(repository), str(bare))
    plain(repository, "worktree", "add", "--quiet", str(tmp_path / "tree"))
    (tmp_path / "link").symlink_to(bare)
    (bare / "config.d").mkdir()
    for folder in (bare, bare / "config.d", tmp_path / "link"):
        assert is_bare(folder)
        with pytest.raises(GitError, match="it is in a bare repository"):
            Git(folder, os.environ)
        assert work_tree(folder) is None
    for folder in (repository, repository / "sub", tmp_path / "tree", repository / ".git"):
        top = tmp_path / "tree" if folder.name == "tree" else repository
        assert (is_bare(folder), work_tree(folder)) == (False, top)
    for folder in (repository, repository / "sub", tmp_path / "tree"):
        assert Git(folder, os.environ).run("rev-parse", "HEAD", deadline=soon()).status == 0
    # A work tree inside of a bare repository's folder is a repository of its own.
    plain(repository, "clone", "--quiet", str(repository), str(bare / "inner"))
    assert not is_bare(bare / "inner" / "sub")


def test_git_that_another_thread_kills_is_read_to_its_end(repository: Path, tmp_path: Path) -> None:
    environ = program(tmp_path / "bin", "exec sleep 1000")
    process = Git(repository, environ).start("rev-list", "HEAD")
    threading.Timer(0, kill, (process,)).start()
    assert process.stdout.read() == b""
    end(process)
    end(process)
    assert process.returncode == -9
