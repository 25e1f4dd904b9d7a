"""Asks before a command does what cannot simply be undone."""

import sys

from bridge.errors import Problem, Refusal
from bridge.report.talk import printable


def confirm(question: str, *, yes: bool) -> None:
    """Return where the operator agrees, or said `--yes` before; raises Refusal elsewhere, and nothing is done then.

    Without a terminal nobody can be asked, so a pipeline has to say `--yes`.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refusal(Problem("", "nobody is at a terminal to be asked; nothing was done", "agree with --yes"))
    print(f"{printable(question)} [y/N] ", end="", file=sys.stderr, flush=True)  # noqa: T201 - stdout is the report
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Refusal(Problem("", "not confirmed; nothing was done"))
