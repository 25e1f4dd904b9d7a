"""Replaces an operator's file in one step, so that it is never half written."""

import os
import shutil
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bridge.config.textfile import read_text
from bridge.errors import Problem, Refusal


def present(path: Path, shown: str) -> str:
    """Return the text of a file, or "" if it does not exist."""
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
    """Replace the text `before` with `after`, which is None if the editor could not produce it.

    If that cannot be done, leave the file unchanged and raise Refusal with `by_hand` as the hint. With `dry_run`, do
    everything but the last step.
    """
    if after is None:
        raise Refusal(Problem(shown, "cannot be edited without changing other parts of it", by_hand))
    try:
        mark = _mark(path.read_bytes()) if path.exists() else b""
        with _prepared(path, mark + after.encode()) as (temporary, target):
            if present(path, shown) != before:
                raise Refusal(Problem(shown, "has changed in the meantime", "run the command again"))
            if not dry_run:
                temporary.replace(target)
    except OSError as error:
        raise _refusal(shown, error, by_hand) from None


def replace_text(path: Path, text: str) -> None:
    """Replace a file's text; its byte order mark stays. Refusal if that cannot be done."""
    replace_bytes(path, _mark(path.read_bytes()) + text.encode())


def replace_bytes(path: Path, content: bytes) -> None:
    """Replace a file's content; Refusal if that cannot be done."""
    try:
        with _prepared(path, content) as (temporary, target):
            temporary.replace(target)
    except OSError as error:
        raise _refusal(str(path), error) from None


@contextmanager
def _prepared(path: Path, content: bytes) -> Iterator[tuple[Path, Path]]:
    """Write the new content to a temporary file; yield its path and the target, following links so that they stay."""
    target = path.resolve()
    # Always the same name, so that the next run replaces what a killed run left behind.
    temporary = target.with_name(f".{target.name}.bridge-new")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        yield temporary, target
    finally:
        temporary.unlink(missing_ok=True)


def _mark(content: bytes) -> bytes:
    """Return the byte order mark of a file, or b"" if it has none; the text never includes it."""
    return BOM_UTF8 if content.startswith(BOM_UTF8) else b""


def _refusal(shown: str, error: OSError, hint: str = "") -> Refusal:
    reason = (error.strerror or "unknown reason").lower()
    return Refusal(Problem(shown, f"cannot be written: {reason}", hint))
