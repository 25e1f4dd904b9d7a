"""What `history` and `offboard` share: an environment's files in git, with the names of their values."""

import time
from collections.abc import Iterator, Mapping, Sequence

from bridge.config.environment import Environment
from bridge.config.template import load_templates
from bridge.errors import BridgeError, Problem, combine
from bridge.named_tuple import NamedTuple
from bridge.provider import Context, Provider
from bridge.review.trails import Place, Trail, read_trails
from bridge.review.value_history import has_wrong_dates
from bridge.review.variable_names import Named, VariableNames
from bridge.run.inputs import Run
from bridge.sources.providers import build_providers, referenced


class GitFiles(NamedTuple):
    """The histories of an environment's files, its providers, and the names of all values."""

    trails: Sequence[Trail]
    providers: Mapping[str, Provider]
    names: VariableNames

    def named(self, trail: Trail, place: Place) -> Named:
        """Return the name of a place, which the document may no longer have."""
        for outline in trail.versions.values():
            if place in outline.leaves and (named := self.names.of_place(trail.reference, outline, place)):
                return named
        return Named(".".join(place[1]))


def read_git_files(environment: Environment, run: Run, start: str = "HEAD") -> GitFiles:
    """Read them, up to the commit `start`; raise one error with all problems."""
    errors: list[BridgeError] = []
    providers = build_providers(environment, referenced(environment), errors)
    try:
        templates = load_templates(environment, environment.namespace)
    except BridgeError as error:
        errors.append(error)
    if errors:
        raise combine(errors)
    context = Context(environment.base, run.environ, run.deadline)
    trails = read_trails(environment, providers, context, start)
    return GitFiles(trails, providers, VariableNames(environment, {one.id: one for one in templates}))


def warnings(trails: Sequence[Trail]) -> Iterator[Problem]:
    """Yield what limits the answer."""
    for trail in trails:
        where = trail.shown
        if trail.head is None:
            message = "is not in the current commit, so it has no history"
            yield Problem(where, message, "commit it first", warning=True)
        if trail.clear:
            commits = [change.commit.short for change in trail.changes if change.blob in trail.clear]
            message = (
                f"was in plaintext in commit {', '.join(commits[:3]) or '-'}{_more(commits, 3)}; anyone could read it"
            )
            yield Problem(where, message, "set new values, with `bridge set ENV NAME`", warning=True)
        if trail.unreadable:
            message = f"{len(trail.unreadable)} of its versions cannot be read, such as one with a conflict"
            yield Problem(where, message, "`git log -- FILE` lists its commits", warning=True)
        if has_wrong_dates(trail.changes, time.time()):
            message = "a commit is dated before one that it builds on, or in the future; the order is that of git"
            yield Problem(where, message, "do not rely on these dates", warning=True)


def _more(listed: Sequence[str], most: int) -> str:
    return f" and {len(listed) - most} more" if len(listed) > most else ""
