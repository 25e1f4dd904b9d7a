"""Changes single values in YAML that people wrote. Every other byte stays, including comments, quotes and alignment.

The text is spliced at the positions of the parsed nodes. A library that keeps comments (ruamel.yaml) rewrites the whole
text, and so reformats unrelated lines: `[{path: a}]` becomes `[path: a]`, aligned values move, and mixed indentation of
lists becomes uniform. Removing an item also loses the comment above the next item.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import yaml

from bridge.config.yaml_changes import Change, Insert, Location, Put, Remove, UnclearError, applied, contents, parsed
from bridge.config.yaml_core_schema import TAG
from bridge.config.yaml_writer import scalar
from bridge.errors import ConfigError
from bridge.named_tuple import NamedTuple


def edited(text: str, changes: Sequence[Change], *, foreign: bool = False) -> str | None:
    """Return the text with the changes, or None if they cannot be made without changing anything else.

    The result is parsed again (with `foreign`, as kustomize parses it) and must differ in content only by the changes.
    All other bytes stay the same, so no comment is lost.
    """
    try:
        wanted = applied(contents(text, foreign=foreign), changes)
        changed = _changed(text, changes)
        return changed if contents(changed, foreign=foreign) == wanted else None
    except (UnclearError, LookupError, yaml.YAMLError, ConfigError, RecursionError):
        return None  # a parser's error quotes the file


class _Splice(NamedTuple):
    """The text that replaces a part of another text."""

    start: int
    end: int
    text: str = ""


def _changed(text: str, changes: Sequence[Change]) -> str:
    for location in _to_open(changes):
        text = _Text(text).opened(location)
    source = _Text(text)
    splices = [
        *source.puts([change for change in changes if isinstance(change, Put)]),
        *source.insertions([change for change in changes if isinstance(change, Insert)]),
        *(splice for change in changes if isinstance(change, Remove) for splice in source.removal(change.location)),
    ]
    at_end = any(one.end == len(source.text) for one in splices)
    changed = source.text
    # Apply from the end. Of several splices at one position, apply the last one first, so that they end up in order.
    for _, splice in sorted(enumerate(splices), key=lambda item: (item[1].start, item[1].end, item[0]), reverse=True):
        changed = changed[: splice.start] + splice.text + changed[splice.end :]
    return changed if at_end or text.endswith("\n") else changed.removesuffix(source.newline)


def _to_open(changes: Sequence[Change]) -> Iterator[Location]:
    """Return the lists that cannot stay in brackets."""
    removals = (change.location for change in changes if isinstance(change, Remove))
    lists = [change.location for change in changes if isinstance(change, Insert) and "\n" in change.value]
    lists += [location[:-1] for location in removals if isinstance(location[-1], int)]
    return iter(dict.fromkeys(lists))


class _Place(NamedTuple):
    """The deepest existing node on the path to a location, its key if it is in a mapping, and the missing `rest`."""

    node: Any
    key: Any
    is_in_block: bool
    rest: Location


_INDENTATION: Final = re.compile(r"^( +)[^\s#-]", re.MULTILINE)
_COMMENT: Final = re.compile(r"[ \t]+#[^\r\n]*")


class _Text:
    """A text with its nodes. Positions count characters, because there is more than one way to count lines."""

    def __init__(self, text: str) -> None:
        self.newline: Final = "\r\n" if "\r\n" in text else "\n"
        self.text: Final = text if not text or text.endswith("\n") else text + self.newline
        self._documents: Final[list[Any]] = list(yaml.compose_all(self.text, Loader=yaml.SafeLoader))
        step = _INDENTATION.search(text)
        self._step: Final = len(step[1]) if step else 2

    def opened(self, location: Location) -> str:
        """Return the text with a list in brackets written line by line; UnclearError if that would lose a comment."""
        place = self._place(location)
        node = place.node
        if place.rest or not isinstance(node, yaml.SequenceNode) or not node.flow_style:
            return self.text
        start, end = node.start_mark.index, node.end_mark.index
        if not place.is_in_block or place.key is None or "#" in self.text[start:end]:
            raise UnclearError
        indentation = " " * (place.key.start_mark.column + 2)
        items = "".join(
            f"{indentation}- {self.text[item.start_mark.index : item.end_mark.index]}{self.newline}"
            for item in node.value
        )
        next_line = self._line_end(end)
        return f"{self.text[:start].rstrip(' ')}{self.text[end:next_line]}{items}{self.text[next_line:]}"

    def puts(self, changes: Sequence[Put]) -> Iterator[_Splice]:
        """Yield the splices that set values; new keys of one mapping are written together."""
        new: dict[int, tuple[_Place, dict[str, Any]]] = {}
        for change in changes:
            place = self._place(change.location)
            if not place.rest:
                yield self._replacement(place, change)
                continue
            entries = new.setdefault(id(place.node), (place, {}))[1]
            for key in place.rest[:-1]:
                entries = entries.setdefault(str(key), {})
            entries[str(place.rest[-1])] = change.value
        for place, entries in new.values():
            yield from self._addition(place, entries)

    def insertions(self, changes: Sequence[Insert]) -> Iterator[_Splice]:
        """Yield the splices that insert items into lists; items for one position are written together."""
        new: dict[tuple[Location, int], list[str]] = {}
        for change in changes:
            new.setdefault((change.location, change.position), []).append(change.value)
        for (location, position), values in new.items():
            yield from self._insertion(self._place(location), position, values)

    def _insertion(self, place: _Place, position: int, values: Sequence[str]) -> Iterator[_Splice]:
        node, lines = place.node, [line for value in values for line in _item(value)]
        if isinstance(node, yaml.SequenceNode) and not place.rest:
            index = self._index(node, position)
            if not node.flow_style:
                yield self._lines(index, node.start_mark.column, lines)
                return
            new = ", ".join(map(self._value, values))
            is_first, is_last = position == 0, position >= len(node.value)
            yield _Splice(index, index, f"{'' if is_first or not is_last else ', '}{new}{'' if is_last else ', '}")
        elif _is_null(node) and not place.rest:
            yield from self._below(place, 2, lines)
        elif len(place.rest) == 1 and isinstance(node, yaml.MappingNode) and not node.flow_style:
            lines = [f"{self._name(str(place.rest[0]))}:", *_indented(lines, 2)]
            yield self._lines(self._end_of_block(node), node.start_mark.column, lines)
        else:
            raise UnclearError

    def _index(self, node: Any, position: int) -> int:  # noqa: ANN401 - PyYAML's node
        """Return where in the text to insert an item of a list."""
        items = node.value
        if node.flow_style and not items:
            return int(node.start_mark.index) + 1
        if position < len(items):
            return int(items[position].start_mark.index) if node.flow_style else self._dash_line(node, position)
        return int(items[-1].end_mark.index) if node.flow_style else self._line_end(self._last(items[-1]))

    def removal(self, location: Location) -> Iterator[_Splice]:
        """Yield the splices that remove an item, or a key with its list."""
        *above, last = location
        parent = self._place(tuple(above))
        if parent.rest:
            raise UnclearError
        if isinstance(last, int):
            yield self._item_removal(parent.node, last)
            return
        place = self._place(location)
        node = place.node
        if place.rest or not place.is_in_block:
            raise UnclearError
        start = self._line_start(place.key.start_mark.index)
        if isinstance(node, yaml.SequenceNode) and not node.flow_style:
            yield _Splice(start, self._line_end(place.key.end_mark.index))
            yield from (self._item_removal(node, number) for number in range(len(node.value)))
        elif "#" in self.text[node.start_mark.index : node.end_mark.index]:
            raise UnclearError
        else:
            yield _Splice(start, self._line_end(self._last(node)))

    def _place(self, location: Location) -> _Place:
        number, *steps = location
        place = _Place(self._documents[int(number)], None, False, ())
        for index, step in enumerate(steps):
            node = place.node
            in_block = isinstance(node, yaml.CollectionNode) and not node.flow_style
            key, child = _child(node, step)
            if child is None:
                return place._replace(rest=tuple(steps[index:]))
            place = _Place(child, key, in_block, ())
        return place

    def _replacement(self, place: _Place, change: Put) -> _Splice:
        node = place.node
        start, end = node.start_mark.index, node.end_mark.index
        if isinstance(node, yaml.CollectionNode) and not node.flow_style:
            raise UnclearError
        if isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}:
            end = start + len(self.text[start:end].rstrip())
            if "#" in self.text[start : self._line_end(start)]:
                raise UnclearError
        if change.drops_comment and (comment := _COMMENT.match(self.text, end)):
            end = comment.end()
        return _Splice(start, end, " " * (start == end) + self._value(change.value))

    def _addition(self, place: _Place, entries: Mapping[str, Any]) -> Iterator[_Splice]:
        node = place.node
        if isinstance(node, yaml.MappingNode) and node.flow_style:
            new = ", ".join(self._flow(entries))
            index = node.value[-1][1].end_mark.index if node.value else node.start_mark.index + 1
            yield _Splice(index, index, f", {new}" if node.value else new)
        elif isinstance(node, yaml.MappingNode):
            yield self._lines(self._end_of_block(node), node.start_mark.column, self._block(entries))
        elif _is_null(node):
            yield from self._below(place, self._step, self._block(entries))
        else:
            raise UnclearError

    def _below(self, place: _Place, step: int, lines: Sequence[str]) -> Iterator[_Splice]:
        """Write lines below a key that has no value, or `null`."""
        if place.key is None:
            raise UnclearError
        start, end = place.node.start_mark.index, place.node.end_mark.index
        yield _Splice(len(self.text[:start].rstrip(" ")) if start < end else start, end)
        yield self._lines(self._line_end(end), place.key.start_mark.column + step, lines)

    def _item_removal(self, node: Any, number: int) -> _Splice:  # noqa: ANN401 - PyYAML's node
        if not isinstance(node, yaml.SequenceNode) or node.flow_style:
            raise UnclearError
        return _Splice(self._dash_line(node, number), self._line_end(self._last(node.value[number])))

    def _dash_line(self, node: Any, number: int) -> int:  # noqa: ANN401 - PyYAML's node
        """Return where the line of an item's dash begins, which may be above the item."""
        start = self._line_start(node.value[number].start_mark.index)
        while not self.text.startswith("-", start + node.start_mark.column):
            if not start:
                raise UnclearError
            start = self._line_start(start - 1)
        return start

    def _end_of_block(self, node: Any) -> int:  # noqa: ANN401 - PyYAML's node
        """Return where the line after a mapping begins; for a whole last document, that is the end of the text."""
        if node is self._documents[-1]:
            return len(self.text)
        return self._line_end(self._last(node))

    def _last(self, node: Any) -> int:  # noqa: ANN401 - PyYAML's node
        """Return where a node's text ends: a collection's own end mark comes after the comments that follow it."""
        if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
            children = [child for item in node.value for child in (item if isinstance(item, tuple) else (item,))]
            return max(self._last(child) for child in children)
        start, end = node.start_mark.index, node.end_mark.index
        return int(start) + len(self.text[start:end].rstrip())

    def _line_start(self, index: int) -> int:
        return self.text.rfind("\n", 0, index) + 1

    def _line_end(self, index: int) -> int:
        """Return where the next line begins."""
        newline = self.text.find("\n", index)
        return len(self.text) if newline < 0 else newline + 1

    def _lines(self, index: int, column: int, lines: Sequence[str]) -> _Splice:
        return _Splice(index, index, "".join(f"{line}{self.newline}" for line in _indented(lines, column)))

    def _flow(self, entries: Mapping[str, Any]) -> Iterator[str]:
        for key, value in entries.items():
            text = f"{{{', '.join(self._flow(value))}}}" if isinstance(value, dict) else self._value(value)
            yield f"{self._name(key)}: {text}"

    def _block(self, entries: Mapping[str, Any]) -> list[str]:
        lines = []
        for key, value in entries.items():
            if isinstance(value, dict):
                lines += [f"{self._name(key)}:", *_indented(self._block(value), self._step)]
            else:
                lines.append(f"{self._name(key)}: {self._value(value)}")
        return lines

    @property
    def _is_json(self) -> bool:
        """True if the text's keys are quoted, as in JSON."""
        root = self._documents[0] if self._documents else None
        return isinstance(root, yaml.MappingNode) and bool(root.value) and root.value[0][0].style == '"'

    def _name(self, key: str) -> str:
        return json.dumps(key) if self._is_json else scalar(key)

    def _value(self, value: str) -> str:
        return json.dumps(parsed(value)) if self._is_json else value


def _item(value: str) -> list[str]:
    """Return the lines of a list's item."""
    first, *others = value.split("\n")
    return [f"- {first}", *_indented(others, 2)]


def _indented(lines: Sequence[str], step: int) -> Iterator[str]:
    return (f"{' ' * step}{line}" if line else "" for line in lines)


def _is_null(node: Any) -> bool:  # noqa: ANN401 - PyYAML's node
    return isinstance(node, yaml.ScalarNode) and node.tag == f"{TAG}null"


def _child(node: Any, step: str | int) -> tuple[Any, Any]:  # noqa: ANN401 - PyYAML's nodes
    """Return a value of a mapping with its key, or an item of a list; None if there is no such value."""
    if isinstance(step, int):
        exists = isinstance(node, yaml.SequenceNode) and step < len(node.value)
        return None, node.value[step] if exists else None
    entries = node.value if isinstance(node, yaml.MappingNode) else []
    return next(((key, value) for key, value in entries if key.value == step), (None, None))
