"""Makes one error of those of several keys."""

from collections.abc import Sequence
from typing import TypeAlias

from bridge.provider import Denied, ProviderError, Unavailable

Failure: TypeAlias = ProviderError | Unavailable


def joined(errors: Sequence[Failure], *, before: str = "") -> Failure:
    """Return one error with all texts: temporary if one of them is, and Denied if all of them are."""
    problems = [error.problems[0] for error in errors]
    whats = [before, *(problem.what for problem in problems)]
    what = "; ".join(dict.fromkeys(filter(None, whats)))
    hint = "; ".join(dict.fromkeys(problem.hint for problem in problems if problem.hint))
    if any(isinstance(error, Unavailable) for error in errors):
        return Unavailable(what, hint=hint)
    if all(isinstance(error, Denied) for error in errors):
        return Denied(what, hint=hint)
    return ProviderError(what, hint=hint)
