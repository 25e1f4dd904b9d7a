"""Writes the drafted files: each is created exclusively, and either all are written or none."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bridge.config.textfile import read_text
from bridge.errors import ConfigError, Problem, Refusal
from bridge.named_tuple import NamedTuple

IGNORE: Final = ".gitignore"


class WrittenFile(NamedTuple):
    """What happened to a file: `created`, `kept` (it existed) or `extended`."""

    path: Path
    state: str


def write_all(folder: Path, texts: Mapping[str, str], ignored: Iterable[str]) -> tuple[WrittenFile, ...]:
    """Create the missing files, the environment's own file last, and add to .gitignore.

    The last of `texts` must be new. If anything fails, everything that this call created is removed again (Refusal).
    """
    names = list(texts)
    with _undone() as made:
        _make_folder(folder, made)
        kept = [WrittenFile(folder / name, _create(folder / name, texts[name], made)) for name in names[:-1]]
        if _create(folder / names[-1], texts[names[-1]], made) == "kept":
            raise Refusal(Problem(str(folder / names[-1]), "already exists; nothing was written"))
        added = _ignore(folder / IGNORE, list(ignored), made)
    return (WrittenFile(folder / names[-1], "created"), *kept, *added)


def create_all(folder: Path, texts: Mapping[str, str]) -> tuple[WrittenFile, ...]:
    """Create the missing files and their folders. If anything fails, nothing is left behind (Refusal)."""
    with _undone() as made:
        return tuple(_created(folder / name, text, made) for name, text in texts.items())


def _created(path: Path, text: str, made: list[Path]) -> WrittenFile:
    _make_folder(path.parent, made)
    return WrittenFile(path, _create(path, text, made))


@contextmanager
def _undone() -> Iterator[list[Path]]:
    """Collect what is created, and remove it in reverse order if the block fails or is interrupted."""
    made: list[Path] = []
    problem = None
    try:
        yield made
    except OSError as error:
        _remove(made)
        reason = (error.strerror or "unknown reason").lower()
        problem = Problem(str(error.filename or ""), f"cannot be written: {reason}", "nothing was written")
    except BaseException:
        _remove(made)
        raise
    if problem:
        raise Refusal(problem)


def _remove(made: list[Path]) -> None:
    for path in reversed(made):
        with suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink()


def _make_folder(folder: Path, made: list[Path]) -> None:
    for parent in reversed([folder, *folder.parents]):
        if not parent.is_dir():
            parent.mkdir()
            made.append(parent)


def _create(path: Path, text: str, made: list[Path]) -> str:
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError:
        return "kept"
    made.append(path)
    try:
        with file:
            file.write(text)
    except OSError as error:
        error.filename = str(path)  # a full disk does not name the file
        raise
    return "created"


def _ignore(path: Path, lines: list[str], made: list[Path]) -> Iterator[WrittenFile]:
    """Add the missing lines to .gitignore; existing content stays at the start."""
    try:
        before = read_text(path, str(path))
    except FileNotFoundError:
        _create(path, "".join(f"{line}\n" for line in lines), made)
        return iter([WrittenFile(path, "created")])
    except ConfigError as error:
        raise Refusal(*error.problems) from None
    missing = _missing(lines, before.splitlines())
    if not missing:
        return iter([WrittenFile(path, "kept")])
    size = path.stat().st_size
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(("" if not before or before.endswith("\n") else "\n") + "".join(f"{line}\n" for line in missing))
    except OSError as error:
        error.filename = str(path)
        with suppress(OSError):
            os.truncate(path, size)
        raise
    return iter([WrittenFile(path, "extended")])


def _missing(lines: list[str], present: list[str]) -> list[str]:
    """Return the lines to add. In git the last matching line counts, so an exception must follow its rule."""
    missing: list[str] = []
    for previous, line in zip(["", *lines], lines, strict=False):
        if line not in present or (line.startswith("!") and previous in missing):
            missing.append(line)
    return missing
