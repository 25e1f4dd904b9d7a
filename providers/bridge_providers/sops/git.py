"""Reads a file as it was in a revision of the git repository that holds it."""

from pathlib import Path
from typing import Final

from bridge.git import Done, Git, GitError, GitLate
from bridge.provider import Context, NotFound, Problem, ProviderError, Unavailable
from bridge_providers.sops.files import LIMIT

_UNKNOWN: Final = 1  # the status of `git rev-parse --verify --quiet` for what does not exist; 128 is any other failure
_UNREADABLE: Final = "its earlier states cannot be read from git"
_REPOSITORY: Final = "the file has to be in a git repository that you may read"
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
    if size.status == 0 and int(size.output) > LIMIT:
        raise ProviderError(f"is larger than {LIMIT // 2**20} MiB in commit {commit[:10]}")
    content = _git(path, context, "cat-file", "blob", blob)
    if content.status:
        raise ProviderError(f"git cannot give it from commit {commit[:10]}: {content.reason}", hint=_FETCH)
    return content.output


def warnings(path: Path, context: Context) -> tuple[Problem, ...]:
    """Warn where the file as it is now is not that of the last commit: once it is replaced, nobody has it."""
    if not path.is_file():
        return ()
    now = _git(path, context, "hash-object", "--no-filters", "--", path.name)
    if now.status == 0 and now.text == _resolved(path, f"HEAD:./{path.name}", context):
        return ()
    what = "what the file holds now is not in git's last commit, and would be lost where it is replaced"
    return (Problem("", what, "commit it first", warning=True),)


def _resolved(path: Path, name: str, context: Context) -> str | None:
    """Return the id of an object; None where there is none of that name."""
    done = _git(path, context, "rev-parse", "--verify", "--quiet", name)
    if done.status == _UNKNOWN:
        return None
    if done.status:
        raise ProviderError(f"{_UNREADABLE}: {done.reason}", hint=_REPOSITORY)
    return done.text


def _git(path: Path, context: Context, *words: str) -> Done:
    try:
        return Git(path.parent, context.environ).run(*words, deadline=context.deadline)
    except GitLate:
        raise Unavailable("git gave no answer in time", hint="try again, or allow more with --timeout") from None
    except GitError as error:
        raise ProviderError(f"{_UNREADABLE}: {error}", hint=_REPOSITORY) from None
