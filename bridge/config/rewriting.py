"""Replaces an operator's file in one step, unless it was changed meanwhile."""

import os
import shutil
from codecs import BOM_UTF8
from pathlib import Path

from bridge.config.textfile import read_text
from bridge.errors import Problem, Refusal


def present(path: Path, shown: str) -> str:
    """Return the text of a file; empty if there is none."""
    try:
        return read_text(path, shown)
    except FileNotFoundError:
        return ""


def rewrite(  # noqa: PLR0913 - the file, its old and new text, and what may go wrong
    path: Path,
    shown: str,
    *,
    before: str,
    after: str | None,
    by_hand: str,
    dry_run: bool = False,
) -> None:
    """Replace the text `before` by `after`, which is None if an editor could not make it.

    Refusal if that cannot be done, with `by_hand` as the hint; the file is as it was then. With `dry_run` everything
    is done but the last step.
    """
    if after is None:
        raise Refusal(Problem(shown, "cannot be edited without changing more than that", by_hand))
    target = path.resolve()  # a link stays a link
    # Always the same name: what a killed run leaves behind, the next one replaces.
    temporary = target.with_name(f".{target.name}.bridge-new")
    try:
        temporary.write_bytes(_mark(target) + after.encode())
        if target.exists():
            shutil.copymode(target, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        if present(path, shown) != before:
            raise Refusal(Problem(shown, "was changed meanwhile", "run it again"))
        if not dry_run:
            temporary.replace(target)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise Refusal(Problem(shown, f"cannot be written: {reason}", by_hand)) from None
    finally:
        temporary.unlink(missing_ok=True)


def _mark(path: Path) -> bytes:
    """Return the byte order mark that a file begins with, if it has one: no text has it."""
    try:
        with path.open("rb") as file:
            return BOM_UTF8 if file.read(len(BOM_UTF8)) == BOM_UTF8 else b""
    except FileNotFoundError:
        return b""
