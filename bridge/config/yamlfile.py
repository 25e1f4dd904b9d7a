"""Reads YAML into plain Python values: no duplicate keys, bounded in size and depth, errors without the text.

This is the only reader of files that kustomize reads too, so that both see the same values (`core_schema`).
"""

from pathlib import Path
from typing import Final, NamedTuple

import yaml

from bridge.config.problems import Findings
from bridge.config.textfile import read_text
from bridge.config.yaml_core_schema import MERGE, TAG, UNFIT, CoreLoader

DEPTH: Final = 32
"""Levels of nesting; a manifest has three."""
EVENTS: Final = 200_000
"""What a text may hold: a scalar or an alias is one event, a mapping, a list or a document two.

A file of 1,000 usual objects has about 25,000. What is within the limit is read in a few seconds.
"""
DIRECTIVES: Final = 100
"""`%TAG` lines of a text: libyaml compares each of them with all before it."""
MERGED_ALIASES: Final = 16
"""Aliases of a text with merge keys: PyYAML copies what they repeat, and merges can multiply it."""

DEEP: Final = "nested too deep"
_TEXT: Final = f"{TAG}str"
_BINARY: Final = f"{TAG}binary"
_TIME: Final = f"{TAG}timestamp"
_TEXTS: Final = {_TEXT, f"{TAG}value", MERGE}  # `<<` is a text wherever it is no key
_OTHERS: Final = {_BINARY, _TIME, *(f"{TAG}{name}" for name in ("null", "bool", "int", "float"))}
_MOST_MERGED: Final = 100_000  # keys that merge keys may copy in one document


class YamlDocument(NamedTuple):
    """One document of a file, and the line that its content starts on; `content` is None where it is empty."""

    line: int
    content: object


def load_yaml_documents(path: Path, shown: str, *, foreign: bool = False) -> list[YamlDocument]:
    """Return the documents of a file; ConfigError with file and line, never the text, for all that is wrong.

    Mapping keys are texts. Aliases are followed, merge keys (`<<`) and unknown tags are refused; in a `foreign` file,
    which is not written for bridge, they are read as kustomize reads them.
    """
    try:
        text = read_text(path, shown)
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
    """Return the documents of a text, such as an inline patch; what is wrong is noted by its line.

    More than 128 levels of `depth` would be too many for Python's own stack.
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
    # A character that YAML does not allow: libyaml counts the bytes before it.
    return text.encode().count(b"\n", 0, getattr(error, "position", 0)) + 1


def _first_line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def beyond_bounds(content: bytes) -> str:
    """Return why a YAML text must not be given to PyYAML's own loader; nothing if it may, or is not valid.

    That loader overflows the C stack for deep nesting, which ends the process, and takes hours for other texts.
    """
    if content.count(b"%TAG") > DIRECTIVES:
        return f"has more than {DIRECTIVES} %TAG directives"
    loader = yaml.CSafeLoader(content)
    try:
        _check_bounds(_Events(loader, EVENTS))
    except _BeyondError as error:
        return f"{error.what} at line {error.line}"
    except (yaml.YAMLError, ValueError):  # it is told by whoever reads the text
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
            raise _BeyondError(event, f"more than {MERGED_ALIASES} aliases beside merge keys")


class _BeyondError(Exception):
    def __init__(self, event: yaml.Event, what: str) -> None:
        super().__init__(what)
        self.line = _first_line(event)
        self.what = what


class _Events:
    """The events of one parser, up to a number of them."""

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

    Not from the nodes that PyYAML composes of them: composing deep nesting overflows the C stack, and ends the
    process. What an alias stands for is built once, so aliases cannot multiply it.
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
        """Return the value that begins with an event; None, with a note, where it has none."""
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
            self._note(event, "an alias of nothing before it")
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
            self._note(start, "a tag that is not supported")

    def _mapping(self, depth: int) -> dict[str, object]:
        built: dict[str, object] = {}
        while not isinstance(event := self.source.get(), yaml.MappingEndEvent):
            self._entry(built, event, depth)
        return built

    def _entry(self, built: dict[str, object], event: yaml.Event, depth: int) -> None:
        """Add the entry whose key begins with an event."""
        key = self._key(event, depth)
        value = self._value(self.source.get(), depth)
        if key in built:
            self._note(event, "a key that this mapping has already")
        if key is not None:
            built[key] = value

    def _key(self, event: yaml.Event, depth: int) -> str | None:
        if self._is_merge(event):
            self._note(event, "a merge key (<<) is not supported", "write the keys out")
            return None
        key = self._value(event, depth)
        if isinstance(key, str):
            return key
        self._note(event, "a key that is not a text", "quote it")
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
                pass  # noted below; the error holds the text
        self._note(event, "a value that is not of its tag's form, or a tag that is not supported")
        return None

    def _tag(self, event: yaml.ScalarEvent) -> str:
        if event.tag is not None and event.tag != "!":
            return event.tag
        if not event.implicit[0]:
            return _TEXT  # quoted or a block: only a plain scalar may be anything else
        tag: str = self.loader.resolve(yaml.ScalarNode, event.value, event.implicit)  # type: ignore[no-untyped-call]
        return tag

    def _note(self, event: yaml.Event, what: str, hint: str = "") -> None:
        self.findings.at(f"line {_first_line(event)}").note(what, hint)


class _ForeignBuilder(_Builder):
    """Builds what kustomize makes of a document: merge keys are followed, tags that it does not know are ignored."""

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
        for one in merged:
            self._merge(one, built, event)
        return built

    def _merge(self, merged: object, built: dict[str, object], event: yaml.Event) -> None:
        """Add the keys that are not there yet: a mapping's own count, and those of an earlier merge."""
        if not isinstance(merged, dict):
            self._note(event, "a merge key (<<) of something that is not a mapping")
            return
        self._merged += len(merged)
        if self._merged > _MOST_MERGED:
            raise _BeyondError(event, "its merge keys (<<) copy too much")
        for key, value in merged.items():
            built.setdefault(key, value)

    def _key(self, event: yaml.Event, depth: int) -> str | None:
        if not isinstance(event, yaml.ScalarEvent):
            return super()._key(event, depth)
        self._value(event, depth)  # for its anchor
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
