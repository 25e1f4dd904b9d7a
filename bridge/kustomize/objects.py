"""Reads Kubernetes objects of any kind, such as kustomize's output; whatever may be a value is wrapped at once."""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bridge.config.problems import Findings
from bridge.config.textfile import read_text, read_text_stream
from bridge.config.yamlfile import YamlDocument, parse_yaml_documents
from bridge.errors import ConfigError, Problem
from bridge.objects import ObjectId
from bridge.secret import SecretValue

DEPTH: Final = 100
"""Levels of nesting; a schema in a CustomResourceDefinition has about fifty."""
EVENTS: Final = 1_000_000
"""As for other files, but a build contains everything: about a hundred CustomResourceDefinitions have 500,000."""
SECTIONS: Final = {"Secret": ("data", "stringData"), "ConfigMap": ("data", "binaryData")}
ENCODED: Final = {("Secret", "data"), ("ConfigMap", "binaryData")}
# The suffix of kustomize's generated names: ten hexadecimal digits, encoded in letters that form no words (api/hasher).
_HASHED: Final = re.compile(r"(.+)-[bcdfghkmt2456789]{10}")
# The fields that hold names rather than values, in the kinds of objects that are inspected. Every other text is
# wrapped.
_NAMES: Final = {
    *("apiVersion", "kind", "name", "namespace", "generateName", "type"),
    *("secretName", "key", "path", "subPath", "subPathExpr"),
}
STDIN: Final = "-"


@dataclass(frozen=True, eq=False)
class BuiltObject:
    """One object of a build. `place` is its position: `document 3 line 41`, or an item of a List there.

    `sections` holds the keys of a Secret or ConfigMap as written; a section that is present but null is None. In
    `content`, the rest of the object, only names are plain strings; numbers are dropped.
    """

    place: str
    version: str
    kind: str
    name: str
    namespace: str | None
    sections: Mapping[str, Mapping[str, SecretValue] | None] = field(repr=False)
    content: Mapping[str, object] = field(repr=False)

    @property
    def id(self) -> ObjectId | None:
        """The ID of a Secret or ConfigMap, or None for any other kind of object."""
        return ObjectId(self.kind, self.name) if self.version == "v1" and self.kind in SECTIONS else None

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def without_hash(name: str) -> str | None:
    """Return the name that a generator was given, or None if the name does not end in a generator's hash."""
    hashed = _HASHED.fullmatch(name)
    return hashed[1] if hashed else None


def parse_build(text: str, shown: str) -> tuple[BuiltObject, ...]:
    """Return all objects of a build, with Lists expanded; ConfigError lists everything that cannot be read.

    A build without any object is an error too: the program that should have made the build has failed.
    """
    findings = Findings(shown)
    objects = tuple(
        built
        for number, document in enumerate(_documents(text, findings), start=1)
        for built in _objects(document.content, f"document {number} line {document.line}", findings)
    )
    if not objects and not findings:
        findings.note(
            "contains no objects", "use `set -o pipefail`, or drop this check if bridge writes all its objects"
        )
    if findings:
        findings.fail()
    return objects


def _documents(text: str, findings: Findings) -> list[YamlDocument]:
    """Parse JSON as JSON: YAML does not support surrogate pairs in escapes."""
    if text.lstrip()[:1] == "{":
        try:
            return [YamlDocument(1, json.loads(text))]
        except (ValueError, RecursionError):
            pass  # YAML's flow style starts the same way, and its parser reports the line
    return parse_yaml_documents(text, findings, depth=DEPTH, foreign=True, events=EVENTS)


def _objects(content: object, place: str, findings: Findings) -> Iterator[BuiltObject]:
    for where, item in flattened(content, place):
        at = findings.at(where)
        if isinstance(item, Mapping):
            built = parse_object(item, where, at)
            if built is not None:
                yield built
        elif item is not None:
            at.note("not a Kubernetes object")


def parse_object(content: Mapping[str, object], place: str, at: Findings) -> BuiltObject | None:
    """Return one object, or None, with the reason noted in `at`, if it is not a Kubernetes object."""
    metadata = content.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    version, kind = content.get("apiVersion"), content.get("kind")
    name, namespace = metadata.get("name", metadata.get("generateName")), metadata.get("namespace")
    if not isinstance(version, str) or not isinstance(kind, str) or not isinstance(name, str):
        hint = "pass the output of `kustomize build` instead" if kind in {"Kustomization", "Component"} else ""
        at.note("not a Kubernetes object: apiVersion, kind or metadata.name is missing", hint)
        return None
    named = SECTIONS.get(kind, ()) if version == "v1" else ()
    sections = {name: _section(content[name], at.at(name)) for name in named if name in content}
    rest = _wrapped({key: value for key, value in content.items() if key not in named}, "", DEPTH, at)
    assert isinstance(rest, dict)
    return BuiltObject(place, version, kind, name, namespace if isinstance(namespace, str) else None, sections, rest)


def _section(content: object, at: Findings) -> Mapping[str, SecretValue] | None:
    if content is None:
        return None
    if not isinstance(content, Mapping):
        at.note("must be a mapping")
        return {}
    return {key: _value(value, at.at(f"key {key}")) for key, value in content.items()}


def _value(value: object, at: Findings) -> SecretValue:
    """Wrap a value. The API server refuses values that are not strings; here only the key's presence matters."""
    try:
        return SecretValue.of(value if isinstance(value, str) else "")
    except ValueError as error:
        at.note(str(error))
    return SecretValue(b"")


def _wrapped(node: object, name: str, depth: int, at: Findings) -> object:
    if not depth:
        at.note("nested too deep")
        return None
    if isinstance(node, Mapping):
        return {key: _wrapped(child, key, depth - 1, at) for key, child in node.items()}
    if isinstance(node, list):
        return [_wrapped(child, "", depth - 1, at) for child in node]
    if isinstance(node, str):
        return node if name in _NAMES else _value(node, at)
    return node if isinstance(node, bool) else None


def flattened(content: object, place: str) -> Iterator[tuple[str, object]]:
    """Yield an object with its place, or each item of a List with a place of its own.

    The items of a SecretList need not have `apiVersion` and `kind`; they are derived from the list's.
    """
    kind, items = (content.get("kind"), content.get("items")) if isinstance(content, Mapping) else (None, None)
    if not isinstance(kind, str) or not kind.endswith("List") or not isinstance(items, list):
        yield place, content
        return
    assert isinstance(content, Mapping)
    implied = {"apiVersion": content.get("apiVersion"), "kind": kind.removesuffix("List")} if kind != "List" else {}
    for number, item in enumerate(items):
        typed = implied | dict(item) if isinstance(item, Mapping) else item
        yield from flattened(typed, f"{place} items[{number}]")


def load_build(source: str, deadline: float, usage: str) -> tuple[str, tuple[BuiltObject, ...]]:
    """Return the build's name for messages, and its objects; ConfigError if it cannot be read.

    `usage` is the hint for a stdin that is a terminal.
    """
    shown = "stdin" if source == STDIN else source
    return shown, parse_build(_text(source, shown, deadline, usage), shown)


def _text(source: str, shown: str, deadline: float, usage: str) -> str:
    path = Path(source)
    if source != STDIN and path.is_fifo():  # a shell's <(kustomize build …)
        with path.open("rb", buffering=0) as pipe:
            return read_text_stream(pipe.fileno(), shown, deadline)
    if source != STDIN:
        try:
            return read_text(path, shown)
        except FileNotFoundError:
            raise ConfigError(Problem(shown, "no such file")) from None
    if sys.stdin is None or sys.stdin.isatty():
        raise ConfigError(Problem(shown, "nothing was piped in", usage))
    return read_text_stream(sys.stdin.fileno(), shown, deadline)
