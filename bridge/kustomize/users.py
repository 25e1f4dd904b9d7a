"""Finds the kustomizations that build from a file, so that nobody deletes it too early."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from bridge.config.yamlfile import load_yaml_documents
from bridge.errors import ConfigError
from bridge.kustomize.read import GENERATORS, PATCHES, RESOURCES, kustomization_file

_LISTS: Final = (*RESOURCES, "components")


class User(NamedTuple):
    """A kustomization that names a file, and whether it names it as a patch."""

    file: Path
    as_patch: bool


def users_of(path: Path) -> tuple[User, ...]:
    """Return the kustomizations that name a file: kustomize takes files only from its folder and those below.

    What cannot be read is passed over. A path is relative if the file's is.
    """
    found = []
    for folder in Path(os.path.normpath(path.absolute())).parents:
        file = kustomization_file(folder)
        if file is None:
            continue
        named = [as_patch for text, as_patch in _names(file) if _is_same(folder / text, path)]
        if named:
            shown = file if path.is_absolute() else Path(os.path.relpath(file))
            found.append(User(shown, all(named)))
    return tuple(found)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False


def _names(file: Path) -> Iterator[tuple[str, bool]]:
    """Yield the paths that a kustomization names, each with whether it is a patch's."""
    try:
        documents = load_yaml_documents(file, str(file), foreign=True)
    except (ConfigError, OSError):
        return
    content = documents[0].content if documents else None
    if not isinstance(content, Mapping):
        return
    for key in (*_LISTS, *PATCHES):
        for item in _list(content.get(key)):
            text = item.get("path") if isinstance(item, Mapping) else item
            if isinstance(text, str) and "\n" not in text:
                yield text, key in PATCHES
    for key in GENERATORS:
        for item in _list(content.get(key)):
            if isinstance(item, Mapping):
                yield from ((text, False) for text in _of_generator(item))


def _of_generator(item: Mapping[object, object]) -> Iterator[str]:
    for text in (item.get("env"), *_list(item.get("envs")), *_list(item.get("files"))):
        if isinstance(text, str):
            yield text.rpartition("=")[2]  # files: KEY=PATH


def _list(given: object) -> list[object]:
    return given if isinstance(given, list) else []
