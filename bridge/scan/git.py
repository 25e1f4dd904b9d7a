"""Runs git: what it is asked, in an environment that holds nothing of ours."""

import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, NamedTuple

from bridge.errors import Problem, Refusal
from bridge.scan.findings import late

PASSED: Final = ("PATH", "HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")
"""The rest of the environment may hold a value, and GIT_DIR would lead to another repository."""
FIXED: Final = {"LC_ALL": "C", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}

HARMLESS: Final = ("-c", "core.fsmonitor=false", "-c", "protocol.allow=never")
"""A repository's own configuration may start no program and fetch nothing (GIT_NO_LAZY_FETCH is not in older gits)."""


class Repository(NamedTuple):
    """A repository by one of its folders; `store` is the folder that all its worktrees share."""

    folder: Path
    store: str
    shallow: bool
    environ: Mapping[str, str]


def repository_of(path: Path, environ: Mapping[str, str], deadline: float) -> Repository:
    """Return the repository that holds a path; Refusal where there is none, or no git."""
    folder = path if path.is_dir() else path.parent
    ours = {name: environ[name] for name in PASSED if name in environ} | FIXED
    asked = ("rev-parse", "--path-format=absolute", "--git-common-dir", "--is-shallow-repository")
    try:
        done = subprocess.run(  # noqa: S603 - no shell
            _command(folder, *asked),
            env=ours,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=max(1.0, deadline - time.monotonic()),
            check=False,
        )
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise Refusal(Problem("git", f"cannot be run: {reason}", "--git needs it")) from None
    except subprocess.TimeoutExpired:
        raise Refusal(Problem("git", "no answer in time")) from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").partition("\n")[0]
        raise Refusal(Problem(str(path), f"its history cannot be read; git says: {said}"))
    store, shallow = done.stdout.decode(errors="surrogateescape").splitlines()
    return Repository(folder, store, shallow == "true", ours)


@contextmanager
def pipeline(repository: Repository, deadline: float, *commands: tuple[str, ...]) -> Iterator[IO[bytes]]:
    """Run commands of git in a pipe and yield what the last one says; Refusal where one of them fails.

    They are killed at the deadline, and where the caller leaves before the end.
    """
    started: list[subprocess.Popen[bytes]] = []
    watch = threading.Timer(max(0.0, deadline - time.monotonic()), _kill, (started,))
    watch.daemon = True
    try:
        for command in commands:
            started.append(_start(repository, command, started[-1].stdout if started else None))
        watch.start()
        output = started[-1].stdout
        assert output
        with output:
            yield output
        failed = [command[0] for command, one in zip(commands, started, strict=True) if one.wait()]
    finally:
        watch.cancel()
        _kill(started)
    if time.monotonic() > deadline:
        raise late()
    if failed:
        hint = "try `git fsck`; of a partial clone the rest has to be fetched first"
        raise Refusal(Problem(str(repository.folder), f"its history cannot be read: git {failed[0]} failed", hint))


def _start(repository: Repository, command: tuple[str, ...], source: IO[bytes] | None) -> subprocess.Popen[bytes]:
    started = subprocess.Popen(  # noqa: S603 - no shell
        _command(repository.folder, *command),
        env=repository.environ,
        stdin=source or subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    if source:
        source.close()  # it is the new one's now
    return started


def _command(folder: Path, *words: str) -> list[str]:
    return ["git", "--no-pager", *HARMLESS, "-C", str(folder), *words]


def _kill(started: list[subprocess.Popen[bytes]]) -> None:
    for one in started:
        one.kill()
        one.wait()
