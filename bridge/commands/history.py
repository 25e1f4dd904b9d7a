"""Ask git whether it has, or ever had, a file: everyone with a clone can read its history."""

import os
import time
from pathlib import Path
from typing import Final, NamedTuple

from bridge.git import Done, Git, GitError, is_bare, work_tree

LIMIT: Final = 10.0
"""How many seconds each query may take; a long history takes one or two."""


class Seen(NamedTuple):
    """Whether git has seen a file, or None if unknown. `why` is the reason, or empty for files outside git."""

    by_git: bool | None
    why: str = ""
    hint: str = "rotate its values if it was ever in git"


def seen_by_git(path: Path) -> Seen:
    """Find out whether any commit on any branch contains this file.

    A file that had a different name then is not found.
    """
    folder, name = path.absolute().parent, path.name
    try:
        git = Git(folder, os.environ)
        if _ask(git, "rev-parse", "--is-shallow-repository").text != "false":
            return Seen(None, "this is a shallow clone", "run `git fetch --unshallow`, then repeat the import")
        commits = _ask(git, "rev-list", "--all", "--max-count=1", "--", name)
    except GitError as error:
        return Seen(None, str(error) if work_tree(folder) or is_bare(folder) else "")
    return Seen(bool(commits.text))


def tracked_by_git(path: Path) -> bool:
    """Return whether git's index has a file, which need not exist; False if there is no repository or no git."""
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
