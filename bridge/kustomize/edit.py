"""Finds the patches of a kustomization that are missing, and changes which patches it has."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from bridge.config.problems import Findings, as_mapping
from bridge.config.yaml_changes import Change, Insert, Remove
from bridge.config.yaml_editor import edited
from bridge.config.yamlfile import parse_yaml_documents
from bridge.errors import ConfigError, Problem
from bridge.kustomize.read import PATCHES
from bridge.named_tuple import NamedTuple

HINT: Final = "change it by hand; `kustomize build OVERLAY | bridge check ENV --manifests -` prints the patches"


class PatchItem(NamedTuple):
    """An entry of one of the lists of patches."""

    key: str
    position: int


class MissingPatch(NamedTuple):
    """An entry whose file does not exist, and the kind of the objects that it is for, if it names one."""

    item: PatchItem
    file: Path
    kind: str


def missing_patches(text: str, folder: Path) -> Iterator[MissingPatch]:
    """Yield the entries of a folder's kustomization whose patch files do not exist; nothing if it is invalid."""
    try:
        content = _content(text)
    except ConfigError:
        return
    for name in PATCHES:
        entries = content.get(name)
        for index, item in enumerate(entries if isinstance(entries, list) else []):
            entry: Mapping[str, object] = item if isinstance(item, Mapping) else {"path": item}
            path, target = entry.get("path"), entry.get("target")
            if not isinstance(path, str) or "\n" in path or "://" in path or (folder / path).exists():
                continue
            kind = target.get("kind") if isinstance(target, Mapping) else None
            yield MissingPatch(PatchItem(name, index), folder / path, kind if isinstance(kind, str) else "")


def change_patches(text: str, shown: str, removed: Collection[PatchItem], added: Sequence[str]) -> str:
    """Return the kustomization without the removed patches, and with new patches after the remaining ones.

    `added` is each new patch's YAML. ConfigError if the file is written in a way that bridge cannot edit.
    """
    try:
        changed = edited(text, list(_changes(_content(text), removed, added)), foreign=True)
    except ConfigError:
        changed = None  # raise below, because the parser's error quotes the file
    if changed is None:
        raise ConfigError(Problem(shown, "is written in a way that bridge cannot change safely", HINT))
    return changed


def _changes(content: Mapping[str, object], removed: Collection[PatchItem], added: Sequence[str]) -> Iterator[Change]:
    """Yield the changes; a list that would be left empty is removed with its key."""
    for name in PATCHES:
        positions = sorted(item.position for item in removed if item.key == name)
        if positions and len(positions) == _length(content, name) and not (added and name == "patches"):
            yield Remove((0, name))
        else:
            yield from (Remove((0, name, position)) for position in positions)
    yield from (Insert((0, "patches"), _length(content, "patches"), one) for one in added)


def _length(content: Mapping[str, object], name: str) -> int:
    entries = content.get(name)
    return len(entries) if isinstance(entries, list) else 0


def _content(text: str) -> Mapping[str, object]:
    findings = Findings("")
    documents = parse_yaml_documents(text, findings, foreign=True)
    content = as_mapping(documents[0].content if len(documents) == 1 else None, findings)
    if findings:
        findings.fail()
    return content
