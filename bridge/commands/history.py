"""Asks git whether it has a file, or ever had it: its history is known to everybody with a copy of it."""

import os
import time
from pathlib import Path
from typing import Final

from bridge.git import Done, Git, GitError

LIMIT: Final = 10.0
"""Seconds for each question; a long history takes one or two."""


def seen_by_git(path: Path) -> bool | None:
    """Say whether any commit of any branch has had this file; None where git cannot tell.

    A file that had another name then is not found.
    """
    folder, name = path.absolute().parent, path.name
    try:
        git = Git(folder, os.environ)
        if _ask(git, "rev-parse", "--is-shallow-repository").text != "false":
            return None  # a clone that lacks the older part
        commits = _ask(git, "rev-list", "--all", "--max-count=1", "--", name)
    except GitError:
        return None  # no repository, or no git
    return bool(commits.text)


def tracked_by_git(path: Path) -> bool:
    """Whether git's index has a file, which need not exist; False also if there is no repository, or no git."""
    path = path.absolute()
    folder = next(one for one in path.parents if one.is_dir())
    try:
        git = Git(folder, os.environ)
        words = ("rev-parse", "--verify", "--quiet", f":./{path.relative_to(folder)}")
        return git.run(*words, deadline=time.monotonic() + LIMIT).status == 0
    except GitError:
        return False


def _ask(git: Git, *words: str) -> Done:
    done = git.run(*words, deadline=time.monotonic() + LIMIT)
    if done.status:
        raise GitError(done.reason)
    return done
