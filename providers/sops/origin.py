"""Which programs the environment's file may name: not those that come with the same branch as the file."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.git import checkout
from bridge.provider import Context, Denied, Problem

if TYPE_CHECKING:
    from bridge_providers.sops import Sops

_HINT: Final = "install it outside the checkout, and name that path"


def check_program(field: str, path: str, context: Context) -> None:
    """Refuse a program of the checkout: whoever may push a branch would run it here. Denied."""
    if problem := _problem(field, path, context):
        raise Denied(problem.what, hint=problem.hint)


def problems(options: "Sops", context: Context) -> Iterator[Problem]:
    """Yield the programs of the section that would not be started."""
    named = [("gpg", options.gpg or "")]
    named += [(f"age_plugins {name}", path) for name, path in (options.age_plugins or {}).items()]
    for field, path in named:
        if path and (problem := _problem(field, path, context)):
            yield problem


def _problem(field: str, path: str, context: Context) -> Problem | None:
    """Look at the path as it is written and with its links followed: either may lead into the checkout."""
    if "\0" in path:
        return None  # the system refuses to start it
    top = checkout(context.base)
    if any(Path(one).is_relative_to(top) for one in (os.path.realpath(path), _parent_followed(path))):
        return Problem(
            "", f"{field} is a program in the checkout, which anyone who may push a branch can change", _HINT
        )
    return None


def _parent_followed(path: str) -> str:
    """Return where a path itself is, although it may be a link to somewhere else."""
    folder, name = os.path.split(os.path.normpath(path))
    return os.path.join(os.path.realpath(folder), name)  # noqa: PTH118 - joined as text, as `realpath` gives it
