"""Reads YAML into plain Python values: no duplicate keys, bounded in size and depth, errors without the text."""

import re
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from bridge.config.findings import Findings
from bridge.config.textfile import read_text

DEPTH: Final = 32
"""Levels of nesting; a manifest has three."""
EVENTS: Final = 200_000
"""What a text may hold: a scalar or an alias is one event, a mapping, a list or a document two.

A file of 1,000 usual objects has about 25,000. What is within the limit is read in a few seconds.
"""
DIRECTIVES: Final = 100
"""`%TAG` lines of a text: libyaml compares each of them with all before it."""
LONGEST_NUMBER: Final = 1000
"""Characters of a number: the time that `1:1:1:…`, a number of YAML 1.1, takes grows with the square of them."""
MERGED_ALIASES: Final = 16
"""Aliases of a text with merge keys: PyYAML copies what they repeat, and merges can multiply it."""

DEEP: Final = "nested too deep"
_NUMBER: Final = re.compile(r"[-+0-9_:.]+")
_TAG: Final = "tag:yaml.org,2002:"
_TEXT: Final = f"{_TAG}str"
_MERGE: Final = f"{_TAG}merge"
# A plain `=` or `<<` has a tag of its own in YAML 1.1, and is a text wherever it is no key.
_TEXTS: Final = {_TEXT, f"{_TAG}value", _MERGE}
_OTHERS: Final = {f"{_TAG}{name}" for name in ("null", "bool", "int", "float", "timestamp", "binary")}
# `!!bool maybe` is a KeyError in PyYAML, `!!timestamp soon` an AttributeError.
_UNFIT: Final = (yaml.YAMLError, ValueError, LookupError, AttributeError, ArithmeticError)


class YamlDocument(NamedTuple):
    """One document of a file, and the line that its content starts on; `content` is None where it is empty."""

    line: int
    content: object


def load_yaml_documents(path: Path, shown: str) -> list[YamlDocument]:
    """Return the documents of a file; ConfigError with file and line, never the text, for all that is wrong.

    Mapping keys are texts. Aliases are followed, merge keys (`<<`) are refused.
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
        documents = parse_yaml_documents(text, findings)
    if findings:
        findings.fail()
    return documents


def parse_yaml_documents(
    text: str, findings: Findings, *, depth: int = DEPTH, events: int = EVENTS
) -> list[YamlDocument]:
    """Return the documents of a text, such as an inline patch; what is wrong is noted by its line.

    More than 128 levels of `depth` would be too many for Python's own stack.
    """
    if text.count("%TAG") > DIRECTIVES:
        findings.note(f"has more than {DIRECTIVES} %TAG directives")
        return []
    loader = yaml.CSafeLoader(text)
    source = _Events(loader, events)
    documents = []
    line, what = 0, "not valid YAML"
    try:
        while loader.check_event():
            if isinstance(source.get(), yaml.DocumentStartEvent):
                documents.append(_Builder(source, findings, depth).document())
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
        if isinstance(event, yaml.ScalarEvent) and _is_long_number(event):
            raise _BeyondError(event, "a number that is too long")
        if merges and aliases > MERGED_ALIASES:
            raise _BeyondError(event, f"more than {MERGED_ALIASES} aliases beside merge keys")


def _is_long_number(event: yaml.ScalarEvent) -> bool:
    """Whether a plain or tagged scalar has the form of a number and is longer than any number is."""
    is_number = len(event.value) > LONGEST_NUMBER and _NUMBER.fullmatch(event.value) is not None
    return is_number and (event.implicit[0] or event.tag is not None)


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
        if start.tag not in {None, "!", f"{_TAG}map" if is_mapping else f"{_TAG}seq"}:
            self._note(start, "a tag that is not supported")
        return self._mapping(depth) if is_mapping else self._sequence(depth)

    def _mapping(self, depth: int) -> dict[str, object]:
        built: dict[str, object] = {}
        while not isinstance(event := self.source.get(), yaml.MappingEndEvent):
            key = self._key(event, depth)
            value = self._value(self.source.get(), depth)
            if key in built:
                self._note(event, "a key that this mapping has already")
            if key is not None:
                built[key] = value
        return built

    def _key(self, event: yaml.Event, depth: int) -> str | None:
        tag = self._tag(event) if isinstance(event, yaml.ScalarEvent) else None
        if tag == _MERGE:
            self._note(event, "a merge key (<<) is not supported", "write the keys out")
            return None
        key = self._value(event, depth)
        if isinstance(key, str):
            return key
        self._note(event, "a key that is not a text", "quote it")
        return None

    def _sequence(self, depth: int) -> list[object]:
        built = []
        while not isinstance(event := self.source.get(), yaml.SequenceEndEvent):
            built.append(self._value(event, depth))
        return built

    def _scalar(self, event: yaml.ScalarEvent) -> object:
        tag = self._tag(event)
        if tag in _TEXTS:
            return event.value
        if tag in _OTHERS and not _is_long_number(event):
            try:
                return self.loader.construct_object(yaml.ScalarNode(tag, event.value))
            except _UNFIT:
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
