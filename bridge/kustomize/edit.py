"""Changes the patches of a kustomization, line by line: what is not changed keeps its bytes, comments included."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from bridge.config.problems import Findings, as_mapping
from bridge.config.yamlfile import parse_yaml_documents
from bridge.errors import ConfigError, Problem
from bridge.kustomize.read import PATCHES

HINT: Final = "change it by hand; `kustomize build OVERLAY | bridge check ENV --manifests -` prints the patches"


class Item(NamedTuple):
    """An entry of one of the lists of patches."""

    key: str
    position: int


class MissingPatch(NamedTuple):
    """An entry whose file does not exist, and the kind of the objects that it is for, if it names one."""

    item: Item
    file: Path
    kind: str


def missing_patches(text: str, folder: Path) -> Iterator[MissingPatch]:
    """Yield the entries of a folder's kustomization whose patch files do not exist; none if the text is wrong."""
    try:
        content = _content(text)
    except ConfigError:
        return
    for name in PATCHES:
        given = content.get(name)
        for index, item in enumerate(given if isinstance(given, list) else []):
            entry: Mapping[str, object] = item if isinstance(item, Mapping) else {"path": item}
            path, target = entry.get("path"), entry.get("target")
            if not isinstance(path, str) or "\n" in path or "://" in path or (folder / path).exists():
                continue
            kind = target.get("kind") if isinstance(target, Mapping) else None
            yield MissingPatch(Item(name, index), folder / path, kind if isinstance(kind, str) else "")


class _Edit(NamedTuple):
    """Lines to put in place of those from `start` up to `end`."""

    start: int
    end: int
    lines: Sequence[str] = ()


def change_patches(text: str, shown: str, removed: Collection[Item], added: Sequence[str]) -> str:
    """Return the kustomization without some patches, and with new ones behind those that stay.

    `added` are the new ones' lines, each patch an item of a block list that is not indented. ConfigError where the
    file is written in a way that cannot be changed so.
    """
    try:
        changed = _changed(text, removed, added)
        safe = changed is not None and _content(changed) == _expected(text, removed, added)
    except (yaml.YAMLError, ConfigError, RecursionError):
        safe, changed = False, None  # raised below: a parser's error quotes the file
    if changed is None or not safe:
        raise ConfigError(Problem(shown, "is written in a way that bridge cannot change safely", HINT))
    return changed


def _changed(text: str, removed: Collection[Item], added: Sequence[str]) -> str | None:
    touched = {item.key for item in removed} | ({"patches"} if added else set())
    for name in touched:
        opened = _opened(text, name)
        if opened is None:
            return None
        text = opened
    lists = _lists(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = [f"{line}\n" for line in text.removesuffix("\n").split("\n")]
    edits = [edit for name in touched & lists.keys() for edit in _removals(lists[name], name, removed, lines)]
    if added:
        edits.append(_addition(lists.get("patches"), added, newline, lines))
    emptied = {name for name in touched & lists.keys() if _is_emptied(lists[name], name, removed)}
    keys = {lists[name][0].start_mark.line for name in emptied - ({"patches"} if added else set())}
    edits += [_Edit(line, line + 1) for line in keys]
    for edit in sorted(edits, key=lambda one: (one.start, one.end), reverse=True):
        lines[edit.start : edit.end] = edit.lines
    return "".join(lines)


_Lists = Mapping[str, tuple[yaml.Node, yaml.Node]]


def _lists(text: str) -> _Lists:
    """Return the nodes of the lists of patches, each with its key's."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        return {}
    return {key.value: (key, value) for key, value in root.value if key.value in PATCHES}


def _opened(text: str, name: str) -> str | None:
    """Write a list that stands in brackets, or is empty, line by line; None where a comment would be lost."""
    _, value = _lists(text).get(name, (None, None))
    if value is None or (isinstance(value, yaml.SequenceNode) and not value.flow_style):
        return text
    start, end = value.start_mark.index, value.end_mark.index
    items = _items(value)
    if "#" in text[start:end] or not (items or value.tag.endswith((":null", ":seq"))):
        return None
    behind, newline, rest = text[end:].partition("\n")
    written = [f"  - {text[item.start_mark.index : item.end_mark.index]}\n" for item in items]
    return f"{text[:start].rstrip(' ')}{behind}{newline or chr(10)}{''.join(written)}{rest}"


def _items(value: yaml.Node) -> Sequence[yaml.Node]:
    return value.value if isinstance(value, yaml.SequenceNode) else ()


def _is_emptied(nodes: tuple[yaml.Node, yaml.Node], name: str, removed: Collection[Item]) -> bool:
    return all(Item(name, index) in removed for index in range(len(_items(nodes[1]))))


def _removals(
    nodes: tuple[yaml.Node, yaml.Node], name: str, removed: Collection[Item], lines: Sequence[str]
) -> Iterator[_Edit]:
    _, value = nodes
    for index, item in enumerate(_items(value)):
        if Item(name, index) in removed:
            start = item.start_mark.line
            while not lines[start][value.start_mark.column :].startswith("-"):
                start -= 1
            yield _Edit(start, _last(item, lines) + 1)


def _addition(
    nodes: tuple[yaml.Node, yaml.Node] | None, added: Sequence[str], newline: str, lines: Sequence[str]
) -> _Edit:
    if nodes is None:
        return _Edit(len(lines), len(lines), [f"patches:{newline}", *(f"  {line}{newline}" for line in added)])
    key, value = nodes
    items = _items(value)
    column = value.start_mark.column if items else key.start_mark.column + 2
    position = (_last(items[-1], lines) if items else key.start_mark.line) + 1
    return _Edit(position, position, [f"{' ' * column}{line}{newline}" for line in added])


def _last(node: yaml.Node, lines: Sequence[str]) -> int:
    """Return the last line of an item: a collection's mark lies behind the comments that follow it."""
    children = [child for one in node.value for child in (one if isinstance(one, tuple) else (one,))]
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and children:
        return max(_last(child, lines) for child in children)
    line: int = node.end_mark.line if node.end_mark.column else node.end_mark.line - 1
    line = max(line, node.start_mark.line)
    while line > node.start_mark.line and not lines[line].strip():
        line -= 1
    return line


def _content(text: str) -> Mapping[str, object]:
    findings = Findings("")
    documents = parse_yaml_documents(text, findings, foreign=True)
    content = as_mapping(documents[0].content if len(documents) == 1 else None, findings)
    if findings:
        findings.fail()
    return content


def _expected(text: str, removed: Collection[Item], added: Sequence[str]) -> Mapping[str, object]:
    """Return what the changed file has to say."""
    before = dict(_content(text))
    new = _content("\n".join(("patches:", *added)))["patches"] if added else []
    assert isinstance(new, list)
    for name in PATCHES:
        given = before.get(name)
        items = given if isinstance(given, list) else []
        kept = [item for index, item in enumerate(items) if Item(name, index) not in removed]
        kept += new if name == "patches" else []
        if kept:
            before[name] = kept
        elif any(item.key == name for item in removed):
            del before[name]
    return before
