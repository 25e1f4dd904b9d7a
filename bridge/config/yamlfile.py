"""Reads YAML into plain Python values: no duplicate keys, bounded size and depth, and errors without the text.

It also reads files that kustomize reads, so both see the same values (`core_schema`).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeAlias

import yaml

from bridge.config.problems import Findings
from bridge.config.textfile import read_text
from bridge.config.yaml_core_schema import MERGE, TAG, UNFIT, CoreLoader
from bridge.named_tuple import NamedTuple

DEPTH: Final = 32
"""Levels of nesting; a manifest has three."""
EVENTS: Final = 200_000
"""How many nodes a text may have: a scalar or an alias counts as one, a mapping, a list or a document as two.

A file of 1,000 typical objects has about 25,000. A text within the limit is read in a few seconds.
"""
DIRECTIVES: Final = 100
"""`%TAG` lines of a text: libyaml compares each of them with all previous ones."""
MERGED_ALIASES: Final = 16
"""Aliases in a text with merge keys: PyYAML copies what they repeat, and merge keys can multiply it."""

DEEP: Final = "nested too deep"
_TEXT: Final = f"{TAG}str"
_BINARY: Final = f"{TAG}binary"
_TIME: Final = f"{TAG}timestamp"
_TEXTS: Final = {_TEXT, f"{TAG}value", MERGE}  # `<<` is a string when it is not a key
_OTHERS: Final = {_BINARY, _TIME, *(f"{TAG}{name}" for name in ("null", "bool", "int", "float"))}
_MOST_MERGED: Final = 100_000  # number of keys that merge keys may copy in one document


Read: TypeAlias = Callable[[Path, str], str]
"""Returns the text of a file, which messages call by a second name; raises what `read_text` raises."""


class YamlDocument(NamedTuple):
    """One document of a file, and the line where its content starts; `content` is None if it is empty."""

    line: int
    content: object


def load_yaml_documents(path: Path, shown: str, *, foreign: bool = False, read: Read = read_text) -> list[YamlDocument]:
    """Return the documents of a file; ConfigError lists everything that is wrong with file and line, never the text.

    Mapping keys are strings. Aliases are followed; merge keys (`<<`) and unknown tags are refused. In a `foreign` file,
    which was not written for bridge, they are read as kustomize reads them.
    """
    try:
        text = read(path, shown)
    except FileNotFoundError:
        text = None
    findings = Findings(shown)
    documents: list[YamlDocument] = []
    if text is None:
        findings.note("no such file")
    else:
        documents = parse_yaml_documents(text, findings, foreign=foreign)
    if findings:
        findings.fail()
    return documents


def parse_yaml_documents(
    text: str, findings: Findings, *, depth: int = DEPTH, foreign: bool = False, events: int = EVENTS
) -> list[YamlDocument]:
    """Return the documents of a text, such as an inline patch; mistakes are noted with their line.

    A `depth` of more than 128 would exceed Python's own stack.
    """
    if text.count("%TAG") > DIRECTIVES:
        findings.note(f"has more than {DIRECTIVES} %TAG directives")
        return []
    builder = _ForeignBuilder if foreign else _Builder
    loader = CoreLoader(text)
    source = _Events(loader, events)
    documents = []
    line, what = 0, "not valid YAML"
    try:
        while loader.check_event():
            if isinstance(source.get(), yaml.DocumentStartEvent):
                documents.append(builder(source, findings, depth).document())
    except yaml.YAMLError as error:
        line = _line(error, text)
    except _BeyondError as error:
        line, what = error.line, error.what
    finally:
        loader.dispose()
    if line:
        findings.at(f"line {line}").note(what)
    return documents


def _line(error: yaml.YAMLError, text: str) -> int:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        return mark.line + 1 if mark else 1
    # A character that YAML does not allow: libyaml reports the number of bytes before it.
    return text.encode().count(b"\n", 0, getattr(error, "position", 0)) + 1


def _first_line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def beyond_bounds(content: bytes) -> str:
    """Return why PyYAML's own loader must not read a YAML text, or "" if it may, or if the text is not valid YAML.

    That loader overflows the C stack on deep nesting, which kills the process, and takes hours for other texts.
    """
    if content.count(b"%TAG") > DIRECTIVES:
        return f"has more than {DIRECTIVES} %TAG directives"
    loader = yaml.CSafeLoader(content)
    try:
        _check_bounds(_Events(loader, EVENTS))
    except _BeyondError as error:
        return f"{error.what} at line {error.line}"
    except (yaml.YAMLError, ValueError):  # reported by the code that reads the text
        return ""
    finally:
        loader.dispose()
    return ""


def _check_bounds(source: "_Events") -> None:
    depth, aliases, merges = 0, 0, False
    while not isinstance(event := source.get(), yaml.StreamEndEvent):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        aliases += isinstance(event, yaml.AliasEvent)
        merges = merges or (isinstance(event, yaml.ScalarEvent) and event.value == "<<")
        if depth > DEPTH:
            raise _BeyondError(event, DEEP)
        if merges and aliases > MERGED_ALIASES:
            raise _BeyondError(event, f"more than {MERGED_ALIASES} aliases in a text with merge keys")


class _BeyondError(Exception):
    def __init__(self, event: yaml.Event, what: str) -> None:
        super().__init__(what)
        self.line = _first_line(event)
        self.what = what


class _Events:
    """The events of one parser, up to a maximum number."""

    def __init__(self, loader: yaml.CSafeLoader, most: int) -> None:
        self.loader: Final = loader
        self._most: Final = most
        self._count = 0

    def get(self) -> yaml.Event:
        """Return the next event."""
        event = self.loader.get_event()
        assert event is not None, "the end of the stream is an event too, and comes last"
        self._count += 1
        if self._count > self._most:
            raise _BeyondError(event, f"more than {self._most:,} YAML nodes")
        return event


class _Builder:
    """Builds the value of one document from the parser's events.

    It does not use the nodes that PyYAML composes from them: composing deep nesting overflows the C stack, which kills
    the process. The value of an anchor is built once, so aliases cannot multiply it.
    """

    def __init__(self, source: _Events, findings: Findings, depth: int) -> None:
        self.source = source
        self.loader = source.loader
        self.findings = findings
        self.depth = depth
        self.anchors: dict[str, object] = {}

    def document(self) -> YamlDocument:
        """Return the document whose start was just read."""
        event = self.source.get()
        return YamlDocument(_first_line(event), self._value(event, 0))

    def _value(self, event: yaml.Event, depth: int) -> object:
        """Return the value that starts with an event; add a note and return None if it has no value."""
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        value: object
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
        else:
            assert isinstance(event, yaml.CollectionStartEvent), "the parser puts nothing else here"
            value = self._collection(event, depth + 1)
        if event.anchor is not None:
            self.anchors[event.anchor] = value
        return value

    def _alias(self, event: yaml.AliasEvent) -> object:
        if event.anchor not in self.anchors:
            self._note(event, "alias without an anchor before it")
            return None
        return self.anchors[event.anchor]

    def _collection(self, start: yaml.CollectionStartEvent, depth: int) -> object:
        if depth > self.depth:
            raise _BeyondError(start, DEEP)
        is_mapping = isinstance(start, yaml.MappingStartEvent)
        self._check_tag(start, f"{TAG}map" if is_mapping else f"{TAG}seq")
        return self._mapping(depth) if is_mapping else self._sequence(depth)

    def _check_tag(self, start: yaml.CollectionStartEvent, usual: str) -> None:
        if start.tag not in {None, "!", usual}:
            self._note(start, "unsupported tag")

    def _mapping(self, depth: int) -> dict[str, object]:
        built: dict[str, object] = {}
        while not isinstance(event := self.source.get(), yaml.MappingEndEvent):
            self._entry(built, event, depth)
        return built

    def _entry(self, built: dict[str, object], event: yaml.Event, depth: int) -> None:
        """Add the entry whose key starts with an event."""
        key = self._key(event, depth)
        value = self._value(self.source.get(), depth)
        if key in built:
            self._note(event, "duplicate key in this mapping")
        if key is not None:
            built[key] = value

    def _key(self, event: yaml.Event, depth: int) -> str | None:
        if self._is_merge(event):
            self._note(event, "merge keys (<<) are not supported", "write the keys out")
            return None
        key = self._value(event, depth)
        if isinstance(key, str):
            return key
        self._note(event, "key is not a string", "quote it")
        return None

    def _is_merge(self, event: yaml.Event) -> bool:
        return isinstance(event, yaml.ScalarEvent) and self._tag(event) == MERGE

    def _sequence(self, depth: int) -> list[object]:
        built = []
        while not isinstance(event := self.source.get(), yaml.SequenceEndEvent):
            built.append(self._value(event, depth))
        return built

    def _scalar(self, event: yaml.ScalarEvent) -> object:
        tag = self._tag(event)
        if tag in _TEXTS:
            return event.value
        if tag in _OTHERS:
            try:
                return self.loader.construct_object(yaml.ScalarNode(tag, event.value))
            except UNFIT:
                pass  # noted below; the error contains the text
        self._note(event, "unsupported tag, or the value does not match its tag")
        return None

    def _tag(self, event: yaml.ScalarEvent) -> str:
        if event.tag is not None and event.tag != "!":
            return event.tag
        if not event.implicit[0]:
            return _TEXT  # quoted or a block: only a plain scalar can be anything else
        tag: str = self.loader.resolve(yaml.ScalarNode, event.value, event.implicit)  # type: ignore[no-untyped-call]
        return tag

    def _note(self, event: yaml.Event, what: str, hint: str = "") -> None:
        self.findings.at(f"line {_first_line(event)}").note(what, hint)


class _ForeignBuilder(_Builder):
    """Builds what kustomize reads from a document: merge keys are followed, and unknown tags are ignored."""

    def __init__(self, source: _Events, findings: Findings, depth: int) -> None:
        super().__init__(source, findings, depth)
        self._merged = 0

    def _check_tag(self, start: yaml.CollectionStartEvent, usual: str) -> None:
        pass

    def _mapping(self, depth: int) -> dict[str, object]:
        built: dict[str, object] = {}
        merged: list[object] = []
        while not isinstance(event := self.source.get(), yaml.MappingEndEvent):
            if self._is_merge(event):
                value = self._value(self.source.get(), depth)
                merged += value if isinstance(value, list) else [value]
            else:
                self._entry(built, event, depth)
        for mapping in merged:
            self._merge(mapping, built, event)
        return built

    def _merge(self, merged: object, built: dict[str, object], event: yaml.Event) -> None:
        """Add the keys that are not present yet: the mapping's own keys win, then those of earlier merges."""
        if not isinstance(merged, dict):
            self._note(event, "merge key (<<) with a value that is not a mapping")
            return
        self._merged += len(merged)
        if self._merged > _MOST_MERGED:
            raise _BeyondError(event, "merge keys (<<) copy too many keys")
        for key, value in merged.items():
            built.setdefault(key, value)

    def _key(self, event: yaml.Event, depth: int) -> str | None:
        if not isinstance(event, yaml.ScalarEvent):
            return super()._key(event, depth)
        self._value(event, depth)  # to record its anchor
        return event.value

    def _scalar(self, event: yaml.ScalarEvent) -> object:
        tag = self._tag(event)
        if tag not in _OTHERS or tag == _TIME:
            return event.value
        value = super()._scalar(event)
        if not isinstance(value, bytes):
            return value
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value
