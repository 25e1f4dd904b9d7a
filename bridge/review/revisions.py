"""Finds the two states that are compared: each is a commit, or the working tree."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bridge.config.names import quoted
from bridge.errors import ConfigError, Problem, Refusal
from bridge.git import Git, GitError, GitLate, work_tree
from bridge.git_history import Repository
from bridge.named_tuple import NamedTuple

MAIN: Final = (
    "refs/remotes/origin/HEAD",
    "refs/heads/main",
    "refs/heads/master",
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
)
"""The main branch is the first of these that exists."""
UNSHALLOW: Final = "run `git fetch --unshallow`"
_UNKNOWN: Final = 1  # the status of `git rev-parse --verify --quiet` for what does not exist


class Range(NamedTuple):
    """What is compared: the ids of two commits, and how they were named. Without `after` it is the working tree."""

    before: str
    before_name: str
    after: str | None
    after_name: str


@contextmanager
def reporting(folder: Path) -> Iterator[None]:
    """Raise what git cannot do as a Refusal."""
    try:
        yield
    except GitLate:
        raise Refusal(Problem("git", "did not answer in time", "raise --timeout")) from None
    except GitError as error:
        hint = "run it in a clone of the repository"
        raise Refusal(Problem(str(folder), f"cannot read its history: {error}", hint)) from None


def repository_of(folder: Path, environ: Mapping[str, str], deadline: float) -> Repository:
    """Return the repository that contains a folder, which need not exist; raise Refusal if there is none."""
    with reporting(folder):
        top = work_tree(folder)
        git = Git(top or _existing(folder), environ)
        repository = Repository(git, top or folder, deadline)
        repository.ask("rev-parse", "--is-inside-work-tree")  # GitError if `top` is None
    return repository


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.absolute().parents) if place.is_dir())


def resolve(repository: Repository, text: str | None) -> Range:
    """Return what `--git` names; ConfigError if git does not have it.

    `A...B` compares the merge base of A and B with B, and `A..B` compares A with B. An empty A is HEAD, and an empty B
    is the working tree, as it is if there is only A. Without a text, A is the main branch.
    """
    with reporting(repository.top):
        if text is None:
            return _from_main(repository)
        first, dots, second = _split(text)
        before = commit_of(repository, first or "HEAD")
        after = commit_of(repository, second) if second else None
        if dots != "...":
            return Range(before, first or "HEAD", after, second)
        base = _merge_base(repository, before, after or commit_of(repository, "HEAD"))
        return Range(base, f"merge base with {first or 'HEAD'}", after, second)


def _split(text: str) -> tuple[str, str, str]:
    for dots in ("...", ".."):
        first, found, second = text.partition(dots)
        if found:
            return first, dots, second
    return text, "", ""


def _from_main(repository: Repository) -> Range:
    if not repository.has_commits:
        raise ConfigError(Problem("--git", "the repository has no commits yet", "commit the environment first"))
    main = next((name for name in MAIN if _find(repository, name)), None)
    if main is None:
        names = "origin/HEAD, main or master"
        hint = "name the revision to compare with, as in `bridge diff ENV --git origin/develop...`"
        raise ConfigError(Problem("--git", f"found no main branch ({names})", hint))
    base = _merge_base(repository, commit_of(repository, main), commit_of(repository, "HEAD"))
    short = main.removeprefix("refs/remotes/").removeprefix("refs/heads/")
    return Range(base, f"merge base with {short}", None, "")


def commit_of(repository: Repository, name: str, where: str = "--git") -> str:
    """Return the id of a commit that is named at `where`; ConfigError if git does not have it."""
    commit = _find(repository, name)
    if commit is None:
        hint = f"in a shallow clone, {UNSHALLOW} first" if repository.is_shallow else "`git log --all` lists commits"
        raise ConfigError(Problem(where, f"git has no commit {quoted(name)}", hint))
    return commit


def _find(repository: Repository, name: str) -> str | None:
    """Return the id of a commit, or None if git does not have it."""
    if name.startswith("-") or not name.isprintable():
        return None
    done = repository.git.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", deadline=repository.deadline)
    if done.status not in {0, _UNKNOWN}:
        raise GitError(done.reason)
    return done.text if done.status == 0 else None


def _merge_base(repository: Repository, one: str, other: str) -> str:
    """Return the best common ancestor of two commits; if there are several, the first that git names."""
    lines = repository.ask("rev-parse", f"{one}...{other}").decode().split()
    base = next((line[1:] for line in lines if line.startswith("^")), None)
    if base is None:
        hint = f"{UNSHALLOW} first" if repository.is_shallow else "compare them directly, as in `--git A..B`"
        raise ConfigError(Problem("--git", "the two commits have no common ancestor here", hint))
    return base
