"""Decides whether the program may start, and with which path: both come from a file that a branch can change."""

import os
from typing import TYPE_CHECKING, Final

from bridge.git import is_in_checkout
from bridge.provider import Context, Problem
from bridge.trust import refused_command

if TYPE_CHECKING:
    from bridge_providers.exec import Exec

FOLDER: Final = "/"
"""Where programs start. Many read settings or code from the current folder, which is usually a checkout."""


def of_program(options: "Exec", context: Context) -> Problem | None:
    """Return why the program may not start, or None if it may.

    An interpreter such as /bin/sh is outside every checkout and does whatever its arguments say. So unlike a program
    that bridge knows, this one never starts without a trust file, nor for a line with its path alone.
    """
    if is_in_checkout(options.command[0], context.base):
        what = "command is in the checkout, so anyone who can push a branch can change it"
        return Problem("", what, "install it outside the checkout, and set that path")
    # If it is a path, then probably that of a script.
    if any(is_in_checkout(os.path.join(FOLDER, one), context.base) for one in options.fixed[1:2]):  # noqa: PTH118 - as text
        what = "the first argument of command is in the checkout, so anyone who can push a branch can change it"
        return Problem("", what, "move it out of the checkout, and set that path")
    return refused_command(context.environ, options.fixed, "command")


def of_path(options: "Exec", path: str, revision: str | None) -> Problem | None:
    """Return why a reference cannot be an argument, or None if it can."""
    if path.startswith("-") or (revision or "").startswith("-"):
        what = "begins with `-`, so the program would take it for an option"
        return Problem("", what, "begin it with another character")
    if "\0" in path + (revision or ""):
        return Problem("", "contains a zero byte", "remove it")
    if revision is not None and not options.takes_revision:
        return Problem("", "has a revision, but `command` has no {revision}", "remove the revision, or add {revision}")
    return None
