"""`bridge scan --git`: the history of a real repository."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.desk import Desk
from tests.scan.test_scan import OPENAI
from tests.servers.process import is_over
from tests.team import VALUES
from tests.waiting import until, with_enough_time

WHO = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.com"}
WHO |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.com", "GIT_CONFIG_GLOBAL": os.devnull}


class Repository:
    """A repository that somebody works in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", self.folder, *arguments], env=os.environ | WHO, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, message: str = "change", **files: str | bytes | None) -> str:
        """Write files (None removes one) and commit all; return the commit's short id."""
        for name, content in files.items():
            path = self.folder / name
            if content is None:
                path.unlink()
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")[:10]


@pytest.fixture
def desk(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    return offline_desk


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    made = Repository(tmp_path / "repository")
    monkeypatch.chdir(made.folder)
    return made


def scan(desk: Desk, *arguments: str) -> list[str]:
    result = desk.run("scan", "staging", "--git", *arguments)
    found = result.out.splitlines()[:-1]
    assert result.status == (1 if found else 0), result.err
    return found


def test_removed_value_is_found_with_commit_that_added_it(desk, repository):
    repository.commit(a="nothing")
    guilty = repository.commit(a="nothing\nCANARY-openai\n")
    repository.commit(a="clean")
    repository.commit(a="nothing\nCANARY-openai\n")
    repository.commit(a="x")
    assert scan(desk) == [f"commit {guilty} a:2: {OPENAI} (as it is)"]


def test_clean_history(desk, repository):
    assert scan(desk) == []
    repository.commit(a="nothing", b=b"\0" * 3_000_000)
    assert scan(desk) == []
    assert scan(desk, ".") == []


def test_paths_own_files_are_scanned_too(desk, repository):
    repository.commit(a="x")
    (repository.folder / "new").write_text("CANARY-openai")
    assert scan(desk, ".") == [f"new:1: {OPENAI} (as it is)"]
    assert scan(desk) == []


def test_every_reference_counts_and_every_content_once(desk, repository):
    first = repository.commit(a="x")
    repository.git("checkout", "--quiet", "-b", "other")
    guilty = repository.commit(**{"with space ü.txt": "CANARY-openai", "copy": "CANARY-openai"})
    repository.git("checkout", "--quiet", "main")
    (repository.folder / "a").write_text("CANARY-cartesia")
    repository.git("stash")
    stashed = repository.git("rev-parse", "stash")[:10]
    repository.git("tag", "-a", "v1", "-m", "CANARY-livekit-key", first)
    tag = repository.git("rev-parse", "v1")[:10]
    (repository.folder / "staged").write_text("CANARY-deepgram")
    repository.git("add", "staged")
    found = scan(desk)
    assert f"commit {guilty} copy:1: {OPENAI} (as it is)" in found
    assert f"commit {stashed} a:1: Secret/agent-secrets key CARTESIA_API_KEY (as it is)" in found
    assert f"tag {tag} (its message):6: Secret/shared-secrets key LIVEKIT_API_KEY (as it is)" in found
    staged = repository.git("rev-parse", ":staged")[:10]
    assert f"object {staged} staged:1: Secret/agent-secrets key DEEPGRAM_API_KEY (as it is)" in found
    assert len(found) == 4


def test_path_that_is_no_plain_text(desk, repository):
    guilty = repository.commit(**{'with "space" ü.txt': "CANARY-openai"})
    assert scan(desk) == [f'commit {guilty} with "space" ü.txt:1: {OPENAI} (as it is)']


def test_message_counts(desk, repository):
    guilty = repository.commit("set the key to CANARY-openai")
    assert scan(desk) == [f"commit {guilty} (its message):5: {OPENAI} (as it is)"]


def test_merge_that_brought_value_itself(desk, repository):
    repository.commit(a="x")
    repository.git("checkout", "--quiet", "-b", "other")
    repository.commit(b="x")
    repository.git("checkout", "--quiet", "main")
    repository.commit(c="x")
    repository.git("merge", "--quiet", "--no-commit", "other")
    guilty = repository.commit(d="CANARY-openai")
    assert scan(desk) == [f"commit {guilty} d:1: {OPENAI} (as it is)"]


@pytest.mark.slow
def test_packed_binary_and_large_objects(desk, repository):
    large = b"\n" * 10 + os.urandom(1 << 21).replace(b"\n", b".") + b"CANARY-openai\0"
    guilty = repository.commit(large=large, small="x")
    for number in range(5):
        repository.commit(large=large.replace(b"CANARY-openai", b"-") + bytes([number]))
    repository.git("gc", "--quiet")
    assert scan(desk) == [f"commit {guilty} large:11: {OPENAI} (as it is)"]


def test_repository_is_scanned_once_whatever_leads_to_it(desk, repository, tmp_path):
    guilty = repository.commit(a="CANARY-openai")
    repository.commit(a="x")
    (repository.folder / "sub").mkdir()
    repository.git("worktree", "add", "--quiet", str(tmp_path / "tree"))
    found = scan(desk, "sub", "a", str(tmp_path / "tree"))
    assert found == [f"commit {guilty} a:1: {OPENAI} (as it is)"]


def test_no_repository(desk, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    (tmp_path / "none").mkdir()
    result = desk.run("scan", "staging", "--git", str(tmp_path / "none"))
    assert (result.status, result.out) == (1, "")
    assert result.lines[0] == (f"bridge: error: {tmp_path}/none: cannot read its history: not in a git repository")


def test_no_git(desk, repository, monkeypatch):
    monkeypatch.setenv("PATH", str(repository.folder))
    result = desk.run("scan", "staging", "--git")
    assert (result.status, result.lines[0]) == (
        1,
        "bridge: error: .: cannot read its history: git was not found in PATH",
    )


def test_partial_clone_fails_scan(desk, repository, tmp_path):
    repository.commit(a="CANARY-openai")
    repository.commit(a="x")
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.folder}", str(tmp_path / "clone"))
    result = desk.run("scan", "staging", "--git", str(tmp_path / "clone"))
    assert (result.status, result.lines[0]) == (
        0,
        f"bridge: warning: {tmp_path}/clone: its history is incomplete: this is a shallow clone",
    )


def test_broken_repository_fails_scan(desk, repository):
    repository.commit(a="CANARY-openai")
    repository.commit(b="x")
    blob = repository.git("rev-parse", "HEAD:b")
    (repository.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    result = desk.run("scan", "staging", "--git")
    assert result.status == 1
    assert "bridge: error: ." in "\n".join(line[:17] for line in result.lines)
    assert "git fsck" in result.err


def test_repositorys_own_configuration_starts_no_program(desk, repository, tmp_path):
    repository.commit(a="CANARY-openai")
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    for name in ("core.fsmonitor", "core.pager", "diff.external", "core.sshCommand"):
        repository.git("config", name, str(hook))
    repository.git("config", "remote.origin.promisor", "true")
    repository.git("config", "core.repositoryformatversion", "1")
    repository.git("config", "extensions.partialClone", "origin")
    repository.git("config", "remote.origin.url", "ssh://nobody@localhost/x")
    blob = repository.git("rev-parse", "HEAD:a")
    (repository.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    assert desk.run("scan", "staging", "--git").status == 1
    assert not (tmp_path / "ran").exists()


def test_replaced_object_does_not_hide_original(desk, repository):
    guilty = repository.commit(a="CANARY-openai")
    (repository.folder / "a").write_text("clean")
    clean = repository.git("hash-object", "-w", "a")
    repository.git("replace", repository.git("rev-parse", "HEAD:a"), clean)
    assert scan(desk) == [f"commit {guilty} a:1: {OPENAI} (as it is)"]


def test_too_many_findings_in_history_end_scan(desk, repository, monkeypatch):
    for module in ("findings", "repository_search"):
        monkeypatch.setattr(f"bridge.scan.{module}.MOST", 3)
    guilty = repository.commit(a="CANARY-openai\n" * 50)
    assert scan(desk) == [f"commit {guilty} a:{line}: {OPENAI} (as it is)" for line in (1, 2, 3)]


@pytest.fixture
def spy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git on the path that writes down all it is given, and sleeps where it is told to."""
    git, tool = shutil.which("git"), tmp_path / "spy" / "git"
    tool.parent.mkdir()
    tool.write_text(
        f"#!/bin/sh\nprintf '%s\\n' \"$@\" >> {tmp_path}/given; tr '\\0' '\\n' < /proc/$$/environ >> {tmp_path}/given\n"
        f'case "$*" in *cat-file*) [ -e {tmp_path}/sleep ] && touch {tmp_path}/asleep && exec sleep 1000;; esac\n'
        f'exec {git} "$@"\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    return tmp_path


def test_git_never_gets_value(desk, repository, spy, monkeypatch):
    """Not even those that are in the environment already."""
    guilty = repository.commit(a="x\nCANARY-registry CANARY-openai\n")
    monkeypatch.setenv("SCW_SECRET_KEY", "CANARY-registry")
    for name, value in VALUES.items():
        monkeypatch.setenv(name, value)
    desk.environment(
        env_file="environment",
        sources=None,
        secrets_from="any",
        infrastructure={"SCW_SECRET_KEY": "secret"},
        templates=["base/secrets.yml"],
    )
    assert scan(desk) == [
        f"commit {guilty} a:2: variable SCW_SECRET_KEY (as it is)",
        f"commit {guilty} a:2: {OPENAI} (as it is)",
    ]
    given = (spy / "given").read_text()
    assert "cat-file" in given
    assert "CANARY" not in given


def test_hanging_git_is_stopped_at_deadline(desk, repository, spy):
    repository.commit(a="CANARY-openai")
    (spy / "sleep").touch()
    result = with_enough_time(
        lambda limit: desk.run("scan", "staging", "--git", "--timeout", str(limit)), (spy / "asleep").exists
    )
    assert (result.status, result.lines[0]) == (75, "bridge: error: the scan did not finish in time")


def test_terminated_scan_leaves_no_git_behind(desk, repository, spy, third_party):
    repository.commit(a="CANARY-openai")
    (spy / "sleep").touch()
    environ = os.environ | {"PYTHONPATH": str(third_party)}
    command = [sys.executable, "-m", "bridge", "scan", "staging", "--git", "--config", str(desk.folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ, stdout=pipe, stderr=pipe, text=True) as process:
        until((spy / "asleep").exists, process=process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60) == ("", "bridge: terminated\n")
    assert process.returncode == 143
    assert children
    until(lambda: all(is_over(int(child)) for child in children))  # the kernel kills them, and not at once
