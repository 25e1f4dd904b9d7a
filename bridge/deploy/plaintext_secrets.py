"""Finds possible plaintext secrets in files that are about to go into a ConfigMap."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from bridge.config.template_value import looks_encrypted
from bridge.config.textfile import read_text
from bridge.config.yamlfile import YamlDocument, load_yaml_documents
from bridge.draft.layout_model import as_value
from bridge.draft.secret_looking import looks_secret, named_like_a_secret
from bridge.errors import ConfigError, Problem
from bridge.named_tuple import NamedTuple
from bridge.secret import SecretValue

_IDENTIFIER: Final = re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b")
_COMMENT: Final = re.compile(r"(?:^|\s)#(.*)$")
_WHAT: Final = "may be a plaintext secret, which does not belong in a ConfigMap"
_HINT: Final = "write a placeholder there and put the value in a source"


class _Leaf(NamedTuple):
    place: str
    name: str
    value: SecretValue
    secret: bool  # it is in a Secret, so its name counts too


def suspicious(path: Path, shown: str, kind: str) -> Iterator[Problem]:
    """Yield a problem for each place of a file that may contain a secret, without the secret.

    `kind` is `environment`, `template`, `encrypted` (a SOPS file) or `certificate`.
    """
    if kind == "certificate":
        if "PRIVATE KEY" in read_text(path, shown):
            yield Problem(shown, "contains a private key", "use a file that only contains certificates")
        return
    for leaf in _leaves(path, shown, kind):
        if leaf.value.is_empty() or looks_encrypted(leaf.value):
            continue
        if (leaf.secret and named_like_a_secret(leaf.name)) or looks_secret(leaf.value):
            yield Problem(f"{shown} {leaf.place}", _WHAT, _HINT)
    if kind != "encrypted":  # in an encrypted file, a line of base64 is not a comment
        yield from _comments(path, shown)


def _leaves(path: Path, shown: str, kind: str) -> Iterator[_Leaf]:
    if kind == "encrypted":
        yield from _of_encrypted(path, shown)
        return
    for document in load_yaml_documents(path, shown):
        if kind == "template":
            yield from _of_manifest(document.content, f"line {document.line}")
            continue
        for place, name, text in _texts(document.content, "", ""):
            # An identifier of a store or project is not a credential; no provider has a field for one.
            yield _Leaf(f"key {place}", name, SecretValue.of(_IDENTIFIER.sub("", text)), secret=False)


def _of_encrypted(path: Path, shown: str) -> Iterator[_Leaf]:
    """Yield the leaves of a SOPS file according to its suffix, without SOPS's own metadata."""
    if path.suffix == ".env":
        for number, line in enumerate(read_text(path, shown).splitlines(), 1):
            name, _, text = line.partition("=")
            if not name.startswith("sops_"):
                yield _Leaf(f"line {number}", name, SecretValue.of(text or name), secret=True)
        return
    is_yaml = path.suffix in {".yaml", ".yml"}
    documents = load_yaml_documents(path, shown, foreign=True) if is_yaml else [YamlDocument(1, _json(path, shown))]
    for _, content in documents:
        mapping = content if isinstance(content, Mapping) else {}
        for place, name, text in _texts({key: value for key, value in mapping.items() if key != "sops"}, "", ""):
            yield _Leaf(f"key {place}", name, SecretValue.of(text), secret=True)


def _json(path: Path, shown: str) -> object:
    """Read what sops writes for JSON and binary files, with tabs that YAML does not allow."""
    with suppress(ValueError):
        return json.loads(read_text(path, shown))
    # Raise outside the block, so that the decoder's error, which contains the file, is not chained.
    raise ConfigError(Problem(shown, "is not valid JSON"))


def _of_manifest(content: object, place: str) -> Iterator[_Leaf]:
    manifest = content if isinstance(content, Mapping) else {}
    kind = str(manifest.get("kind"))
    for path, name, text in _texts(manifest, "", ""):
        section = path.partition(".")[0]
        values = section in {"data", "stringData", "binaryData"}
        literal = "${" not in text
        value = as_value(kind, section, text) if values and literal else SecretValue.of(text)
        yield _Leaf(f"{place} key {path}", name, value, secret=kind == "Secret" and values and literal)


def _texts(node: object, place: str, name: str) -> Iterator[tuple[str, str, str]]:
    """Yield the place, the nearest key and the text of every string."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _texts(value, f"{place}.{key}" if place else str(key), str(key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _texts(value, f"{place}[{index}]", name)
    elif isinstance(node, str):
        yield place, name, node


def _comments(path: Path, shown: str) -> Iterator[Problem]:
    for number, line in enumerate(read_text(path, shown).splitlines(), 1):
        match = _COMMENT.search(line)
        if match and looks_secret(SecretValue.of(_IDENTIFIER.sub("", match[1]))):
            yield Problem(f"{shown} line {number}", f"its comment {_WHAT}", "remove it")
