"""Asks git whether it has ever seen a file: what is in its history is known to everybody with a copy of it."""

import os
import subprocess
from pathlib import Path
from typing import Final

LIMIT: Final = 10.0
"""Seconds for each question; a long history takes one or two."""


def seen_by_git(path: Path) -> bool | None:
    """Say whether any commit of any branch has had this file; None where git cannot tell.

    A file that had another name then is not found.
    """
    folder, name = path.absolute().parent, path.name
    if _git(folder, "rev-parse", "--is-shallow-repository") != "false":
        return None  # no repository, no git, or a clone that lacks the older part
    commits = _git(folder, "log", "--all", "--oneline", "--max-count=1", "--", name)
    return None if commits is None else bool(commits)


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and the arguments are paths
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=LIMIT, check=False, env=_environ()
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else None


def _environ() -> dict[str, str]:
    """Return the environment without what would point git at another repository than the file's own."""
    return {name: text for name, text in os.environ.items() if name not in {"GIT_DIR", "GIT_WORK_TREE"}}
