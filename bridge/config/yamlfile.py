"""Reads YAML into plain Python values: no duplicate keys, bounded in size and depth, errors without the text."""

from pathlib import Path
from typing import Final, NamedTuple

import yaml

from bridge.config.findings import Findings
from bridge.config.textfile import read_text

DEPTH: Final = 32
"""Levels of nesting; a manifest has three."""

_TAG: Final = "tag:yaml.org,2002:"
_MAPPING: Final = f"{_TAG}map"
_SEQUENCE: Final = f"{_TAG}seq"
_MERGE: Final = f"{_TAG}merge"
# A plain `=` or `<<` has a tag of its own in YAML 1.1, and is a text wherever it is no key.
_TEXTS: Final = {f"{_TAG}str", f"{_TAG}value", _MERGE}
_OTHERS: Final = {f"{_TAG}{name}" for name in ("null", "bool", "int", "float", "timestamp", "binary")}


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
        documents = _documents(text, findings)
    if findings:
        findings.fail()
    return documents


def _documents(text: str, findings: Findings) -> list[YamlDocument]:
    loader = yaml.CSafeLoader(text)
    documents = []
    line = None
    try:
        while loader.check_node() and (node := loader.get_node()):
            documents.append(YamlDocument(node.start_mark.line + 1, _Tree(loader, findings).build(node)))
    except yaml.YAMLError as error:
        line = _line(error, text)
    finally:
        loader.dispose()
    if line is not None:
        findings.at(f"line {line}").note("not valid YAML")
    return documents


def _line(error: yaml.YAMLError, text: str) -> int:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        return mark.line + 1 if mark else 1
    # A character that YAML does not allow: libyaml counts the bytes before it.
    return text.encode().count(b"\n", 0, getattr(error, "position", 0)) + 1


class _Tree:
    """Builds the values of one document. Each anchored node is built once, so aliases cannot multiply."""

    def __init__(self, loader: yaml.CSafeLoader, findings: Findings) -> None:
        self.loader = loader
        self.findings = findings
        self.built: dict[int, object] = {}
        self.open: set[int] = set()

    def build(self, node: yaml.Node, depth: int = 0) -> object:
        """Return the value of a node; None, with a note, where it has none."""
        if isinstance(node, yaml.ScalarNode):
            return node.value if node.tag in _TEXTS else self._other(node)
        if id(node) in self.built:
            return self.built[id(node)]
        if id(node) in self.open or depth == DEPTH:
            self._note(node, "nested too deep, or within itself")
            return None
        self.open.add(id(node))
        self.built[id(node)] = self._collection(node, depth + 1)
        return self.built[id(node)]

    def _collection(self, node: yaml.Node, depth: int) -> object:
        if isinstance(node, yaml.MappingNode) and node.tag == _MAPPING:
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == _SEQUENCE:
            return [self.build(item, depth) for item in node.value]
        self._note(node, "a tag that is not supported")
        return None

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, object]:
        built: dict[str, object] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag not in _TEXTS:
                self._note(key, "a key that is not a text", "quote it")
            elif key.tag == _MERGE:
                self._note(key, "a merge key (<<) is not supported", "write the keys out")
            elif key.value in built:
                self._note(key, "a key that this mapping has already")
            else:
                built[key.value] = self.build(value, depth)
        return built

    def _other(self, node: yaml.ScalarNode) -> object:
        if node.tag in _OTHERS:
            try:
                return self.loader.construct_object(node)
            except (yaml.YAMLError, ValueError):
                pass  # noted below; the error holds the text
        self._note(node, "a value that is not of its tag's form, or a tag that is not supported")
        return None

    def _note(self, node: yaml.Node, what: str, hint: str = "") -> None:
        self.findings.at(f"line {node.start_mark.line + 1}").note(what, hint)
