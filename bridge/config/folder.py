"""Find the folder of the environment files: here, or above, up to the repository's root."""

import os
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

NAME: Final = "config"
SUFFIXES: Final = (".yaml", ".yml")
PATCH: Final = "-secret-config-patch"
"""The end of the name of a plaintext patch that a team may keep next to its environments."""


def config_folder(argument: str | None, environ: Mapping[str, str], *, is_new: bool = False) -> Path:
    """Return the folder of the environment files: `--config`, else $BRIDGE_CONFIG, else the nearest folder `config`.

    It is ./config, or if that has no environment, the nearest one above that has one (see `_above`). If there is none,
    or if the folder may be new, it is ./config too. A folder above is a path that begins with `..`.
    """
    if named := argument or environ.get("BRIDGE_CONFIG"):
        return Path(named)
    here = Path(NAME)
    if is_new or _has_environment(here):
        return here
    return next((folder for folder in _above(environ) if _has_environment(folder)), here)


def is_in_reach(file: Path, base: Path) -> bool:
    """Whether an environment may name this file; `base` is the folder of the environment's own file.

    The environment's file may come from a branch, and what it names is written to the cluster that it names. So with
    links resolved, the file must be in the same folder or checkout (see `bridge.git.is_in_reach`).
    """
    try:
        if os.path.realpath(file).startswith(os.path.join(os.path.realpath(base), "")):  # noqa: PTH118 - start-up
            return True
        from bridge.git import is_in_reach as is_in_checkout  # noqa: PLC0415 - start-up: most files are below `base`

        return is_in_checkout(file, base)
    except ValueError:  # a NUL byte in its name, which reading it reports
        return True


def is_environment_name(stem: str) -> bool:
    """Whether a file's name can be an environment's name, judging by the name only."""
    return "." not in stem and not stem.endswith(PATCH)


def is_environment_file(path: Path) -> bool:
    """Whether a file can be an environment's file, judging by the name only."""
    return path.suffix in SUFFIXES and is_environment_name(path.stem)


def _above(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield each `config` that may belong to the current folder, from its parent up to the repository's root.

    An environment file decides which servers get credentials, so it must not come from a stranger. The search starts
    only inside a repository. It never goes above the home folder, into another file system, or into a folder of another
    user, who could have put a repository and a configuration into a shared folder, such as /tmp.
    """
    from bridge.git import work_tree  # noqa: PLC0415 - start-up: most runs have their folder here

    try:
        current = Path.cwd()  # with links resolved, so that `..` leads to its parent
        start = current.stat()
    except OSError:  # the current folder was deleted
        return
    top, home = work_tree(current), Path(os.path.realpath(environ.get("HOME") or os.devnull))
    if top is None:
        return
    for number, (child, place) in enumerate(pairwise((current, *current.parents)), start=1):
        if child in {top, home} or not _is_ours(place, start):
            return
        folder = Path(*[".."] * number, NAME)
        if _is_ours(folder, start):
            yield folder


def _is_ours(place: Path, start: os.stat_result) -> bool:
    """Whether a folder exists, in the file system where the search starts, and belongs to the user or its owner."""
    try:
        status = place.stat()
    except OSError:
        return False
    return status.st_dev == start.st_dev and status.st_uid in {os.geteuid(), start.st_uid}


def _has_environment(folder: Path) -> bool:
    try:
        return any(map(is_environment_file, folder.iterdir()))
    except OSError:
        return False
