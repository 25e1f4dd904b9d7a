"""Reads a file as it was in a revision of the git repository that holds it."""

import subprocess
import time
from pathlib import Path
from typing import Final

from bridge.provider import Context, NotFound, Problem, ProviderError, Unavailable
from bridge_providers.sops.files import LIMIT

_PASSED: Final = ("PATH", "HOME", "XDG_CONFIG_HOME", "GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")
"""The rest of the environment may hold a value, and GIT_DIR would lead to another repository."""
_FIXED: Final = {"LC_ALL": "C", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}
_HARMLESS: Final = ("-c", "core.fsmonitor=false", "-c", "protocol.allow=never")
"""A repository's own configuration may start no program and fetch nothing."""
_UNKNOWN: Final = 1  # the status of `git rev-parse --verify --quiet` for what does not exist; 128 is any other failure
_FETCH: Final = "`git log -- FILE` shows them; of a shallow or partial clone the rest has to be fetched first"


def read(path: Path, revision: str, context: Context) -> bytes:
    """Return a file's bytes as git has them; NotFound where the revision or the file in it does not exist.

    `revision` is anything that git takes for a commit (gitrevisions(7)). The repository is that of the file's folder,
    whatever the environment says.
    """
    if revision.startswith("-") or not revision.isprintable():
        raise NotFound("there can be no such revision in git", hint=_FETCH)
    commit = _resolved(path, f"{revision}^{{commit}}", context)
    if commit is None:
        raise NotFound(f"git knows no commit {revision}", hint=_FETCH)
    blob = _resolved(path, f"{commit}:./{path.name}", context)
    if blob is None:
        raise NotFound(f"the file is not in commit {commit[:10]}", hint=_FETCH)
    size = _git(path, context, "cat-file", "-s", blob)
    if size.returncode == 0 and int(size.stdout) > LIMIT:
        raise ProviderError(f"is larger than {LIMIT // 2**20} MiB in commit {commit[:10]}")
    content = _git(path, context, "cat-file", "blob", blob)
    if content.returncode:
        raise ProviderError(f"git cannot give it from commit {commit[:10]}: {_said(content)}", hint=_FETCH)
    return content.stdout


def warnings(path: Path, context: Context) -> tuple[Problem, ...]:
    """Warn where the file as it is now is not that of the last commit: once it is replaced, nobody has it."""
    if not path.is_file():
        return ()
    now = _git(path, context, "hash-object", "--no-filters", "--", path.name)
    if now.returncode == 0 and now.stdout.decode().strip() == _resolved(path, f"HEAD:./{path.name}", context):
        return ()
    what = "what the file holds now is not in git's last commit, and would be lost where it is replaced"
    return (Problem("", what, "commit it first", warning=True),)


def _resolved(path: Path, name: str, context: Context) -> str | None:
    """Return the id of an object; None where there is none of that name."""
    done = _git(path, context, "rev-parse", "--verify", "--quiet", name)
    if done.returncode == _UNKNOWN:
        return None
    if done.returncode:
        hint = "the file has to be in a git repository that you may read"
        raise ProviderError(f"its earlier states cannot be read from git: {_said(done)}", hint=hint)
    return done.stdout.decode().strip()


def _git(path: Path, context: Context, *words: str) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(  # noqa: S603 - no shell
            ["git", "--no-pager", *_HARMLESS, "-C", str(path.parent), *words],  # noqa: S607 - the user's own git
            env={name: context.environ[name] for name in _PASSED if name in context.environ} | _FIXED,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=max(0.1, context.deadline - time.monotonic()),
            check=False,
        )
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
    except subprocess.TimeoutExpired:
        raise Unavailable("git gave no answer in time", hint="try again, or allow more with --timeout") from None
    raise ProviderError(f"git cannot be run: {reason}", hint="a SOPS file's earlier states are read from git")


def _said(done: "subprocess.CompletedProcess[bytes]") -> str:
    """Return the first line of what git complains of: names, never a file's content."""
    return done.stderr.decode(errors="replace").partition("\n")[0].removeprefix("fatal: ") or "it does not say why"
