"""Reads a file as it was in a revision of the git repository that holds it."""

from pathlib import Path
from typing import Final

from bridge.git import Done, Git, GitError, GitLate
from bridge.provider import Context, NotFound, Problem, ProviderError, Unavailable
from bridge_providers.sops.files import LIMIT

_UNKNOWN: Final = 1  # the status of `git rev-parse --verify --quiet` for what does not exist; 128 is any other failure
_UNREADABLE: Final = "cannot read its earlier versions from git"
_REPOSITORY: Final = "the file must be in a git repository that you can read"
_FETCH: Final = "`git log -- FILE` lists the commits; in a shallow or partial clone, fetch the others first"


def read(path: Path, revision: str, context: Context) -> bytes:
    """Return a file's bytes from git; NotFound if the revision, or the file in it, does not exist.

    `revision` is anything that git accepts as a commit (gitrevisions(7)). The repository is that of the file's folder,
    whatever the environment says.
    """
    if revision.startswith("-") or not revision.isprintable():
        raise NotFound("this is not a valid git revision", hint=_FETCH)
    commit = _resolved(path, f"{revision}^{{commit}}", context)
    if commit is None:
        raise NotFound(f"git has no commit {revision}", hint=_FETCH)
    blob = _resolved(path, f"{commit}:./{path.name}", context)
    if blob is None:
        raise NotFound(f"the file is not in commit {commit[:10]}", hint=_FETCH)
    size = _git(path, context, "cat-file", "-s", blob)
    if size.status == 0 and int(size.output) > LIMIT:
        raise ProviderError(f"is larger than {LIMIT // 2**20} MiB in commit {commit[:10]}")
    content = _git(path, context, "cat-file", "blob", blob)
    if content.status:
        raise ProviderError(f"git cannot read it from commit {commit[:10]}: {content.reason}", hint=_FETCH)
    return content.output


def warnings(path: Path, context: Context) -> tuple[Problem, ...]:
    """Warn if the file differs from the last commit, because its content is lost once it is replaced."""
    if not path.is_file():
        return ()
    now = _git(path, context, "hash-object", "--no-filters", "--", path.name)
    if now.status == 0 and now.text == _resolved(path, f"HEAD:./{path.name}", context):
        return ()
    message = "its current content is not in git's last commit, and would be lost if it is replaced"
    return (Problem("", message, "commit it first", warning=True),)


def _resolved(path: Path, name: str, context: Context) -> str | None:
    """Return the id of an object, or None if it does not exist."""
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
        raise Unavailable("git did not answer in time", hint="raise --timeout") from None
    except GitError as error:
        raise ProviderError(f"{_UNREADABLE}: {error}", hint=_REPOSITORY) from None
