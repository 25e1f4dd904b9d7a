"""Where `bridge doctor` looks for files and variables: found or not, and who else can read them. Never a value."""

import contextlib
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Protocol, TypeAlias, runtime_checkable

from bridge.errors import ANYTHING, Problem
from bridge.provider import Context, Provider
from bridge.report.doctor import DoctorReport
from bridge.shell import word
from bridge.sources.addresses import is_bundled

_OTHERS: Final = stat.S_IRGRP | stat.S_IROTH
Place: TypeAlias = tuple[str, Path | None]
"""A variable's name, or a label and the path of a file."""


def examine_places(
    report: DoctorReport, group: str, places: Iterable[tuple[str, Path | None]], environ: Mapping[str, str]
) -> None:
    """Add a line for each place, in order: a variable (without a path) is set or not, a file is found or not."""
    for name, path in places:
        if path is None:
            report.ok(group, name, "set" if environ.get(name) else "not set")
        else:
            examine_file(report, group, name, path, is_private=True)


def examine_file(report: DoctorReport, group: str, name: str, path: Path, *, is_private: bool = False) -> None:
    """Add whether a file is found and readable; if it is private, also whether other users can read it."""
    shown = name if name == str(path) else f"{name} {path}"
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        report.ok(group, shown, "not found")
        return
    except (OSError, ValueError):
        hint = f"check the path and your rights: `ls -ld {word(str(path))}`"
        report.warn(group, Problem(shown, "cannot be looked at", hint))
        return
    if stat.S_ISDIR(status.st_mode):
        report.warn(group, Problem(shown, "is a folder, not a file", f"look into it: `ls -l {word(str(path))}`"))
    elif not os.access(path, os.R_OK):
        hint = f"give yourself the right to read it: `chmod u+r {word(str(path))}`"
        report.warn(group, Problem(shown, "found, but you may not read it", hint))
    elif is_private and status.st_mode & _OTHERS and status.st_uid == os.geteuid():
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        hint = f"take that right away: `chmod 600 {word(str(path))}`"
        report.warn(group, Problem(shown, f"found, but other users can read it (mode {mode})", hint))
    else:
        report.ok(group, shown, "found")


@runtime_checkable
class _Places(Protocol):
    def credential_places(self, context: Context) -> Iterable[Place]:
        """Yield the places in the order in which they are searched. Nothing is read."""
        ...


def credential_places(provider: Provider, context: Context) -> tuple[Place, ...]:
    """Return the places in which a bundled provider looks for its credentials; empty for any other provider."""
    if not is_bundled(provider) or not isinstance(provider, _Places):
        return ()
    with contextlib.suppress(*ANYTHING):
        return tuple(dict.fromkeys(provider.credential_places(context)))
    return ()
