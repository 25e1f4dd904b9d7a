"""Stream git's output about a repository's history."""

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from bridge.errors import Problem, Refusal
from bridge.git import Git, GitError, GitLate, end, kill
from bridge.scan.findings import late

if TYPE_CHECKING:
    from subprocess import Popen


class Repository(NamedTuple):
    """A repository and one of its folders; `store` is the folder that all its worktrees share."""

    folder: Path
    store: str
    shallow: bool
    git: Git


def repository_of(path: Path, environ: Mapping[str, str], deadline: float) -> Repository:
    """Return the repository that contains a path; raise Refusal if there is none or git is missing."""
    folder = path if path.is_dir() else path.parent
    try:
        git = Git(folder, environ)
        done = git.run("rev-parse", "--git-common-dir", "--is-shallow-repository", deadline=deadline)
    except GitLate:
        raise Refusal(Problem("git", "did not answer in time", "raise --timeout")) from None
    except GitError as error:
        raise Refusal(Problem(str(path), f"cannot read its history: {error}")) from None
    if done.status:
        raise Refusal(Problem(str(path), f"cannot read its history: {done.reason}"))
    store, _, shallow = done.text.rpartition("\n")
    return Repository(folder, os.path.realpath(folder / store), shallow == "true", git)


@contextmanager
def pipeline(repository: Repository, deadline: float, *commands: tuple[str, ...]) -> Iterator[IO[bytes]]:
    """Run git commands in a pipe and yield the output of the last command; raise Refusal if a command fails.

    The commands are killed at the deadline, or if the caller stops early.
    """
    started: list[Popen[bytes]] = []
    watch = threading.Timer(max(0.0, deadline - time.monotonic()), _kill, (started,))
    watch.daemon = True
    try:
        for command in commands:
            started.append(_start(repository.git, command, started[-1].stdout if started else None))
        watch.start()
        output = started[-1].stdout
        assert output
        with output:
            yield output
        failed = [command[0] for command, process in zip(commands, started, strict=True) if process.wait()]
    finally:
        watch.cancel()
        for process in started:
            end(process)
    if time.monotonic() > deadline:
        raise late()
    if failed:
        hint = "try `git fsck`; in a partial clone, fetch the missing objects first"
        raise Refusal(Problem(str(repository.folder), f"cannot read its history: git {failed[0]} failed", hint))


def _start(git: Git, command: tuple[str, ...], source: IO[bytes] | None) -> "Popen[bytes]":
    try:
        return git.start(*command, stdin=source)
    except GitError as error:
        raise Refusal(Problem("git", str(error))) from None
    finally:
        if source:
            source.close()  # the new process has it now


def _kill(started: "list[Popen[bytes]]") -> None:
    for process in started:
        kill(process)
