"""Reads a plaintext file of values: manifests and patches of Secrets and ConfigMaps, or dotenv."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from bridge.config.dotenv import load_env_file
from bridge.config.env_readers import Difference
from bridge.config.kubernetes_list import flattened
from bridge.config.names import shown
from bridge.config.problems import Findings
from bridge.config.yamlfile import YamlDocument, load_yaml_documents
from bridge.errors import ConfigError, Problem
from bridge.objects import ObjectId
from bridge.provider import Document, Node, Revision
from bridge.secret import SecretValue
from bridge.sources.manifest_document import SECTIONS, manifest_values

YAML: Final = frozenset({".yaml", ".yml", ".json"})


class Given(NamedTuple):
    """A value in clear: of an object's key, or (no object) of a variable."""

    object: ObjectId | None
    name: str
    value: SecretValue

    def __str__(self) -> str:
        return f"{self.object} key {self.name}" if self.object else self.name


class Left(NamedTuple):
    """What a file holds and an import leaves there, and why."""

    what: str
    why: str


class Plain(NamedTuple):
    """All that a file holds. `differences` are the variables that kubectl and kustomize read otherwise."""

    given: tuple[Given, ...]
    left: tuple[Left, ...]
    differences: Mapping[str, Difference] = MappingProxyType({})


def read_plain(path: Path, namespace: str | None) -> Plain:
    """Read a file: manifests where its name ends in .yaml, .yml or .json, else dotenv.

    ConfigError or Refusal with all that is wrong in it, without its text.
    """
    where = str(path)
    if path.suffix in YAML:
        return _manifests(path, where, namespace)
    try:
        found = load_env_file(path, where)
    except FileNotFoundError:
        found = None
    if found is None:
        raise ConfigError(Problem(where, "no such file"))
    return Plain(tuple(Given(None, name, value) for name, value in found.values.items()), (), found.differences)


def _manifests(path: Path, where: str, namespace: str | None) -> Plain:
    findings, left = Findings(where), list[Left]()
    mappings: list[Mapping[str, Node]] = []
    for document in load_yaml_documents(path, where, foreign=True):
        for place, content in _objects(document):
            at = findings.at(place)
            if isinstance(content, Mapping):
                mappings += _ours(content, at, left)
            elif content is not None:
                at.note("not a manifest")
    if findings:
        findings.fail()
    values = manifest_values(Document(tuple(mappings), Revision("")), namespace, where)
    given = tuple(Given(id_, key, value) for id_, keys in values.items() for key, value in keys.items())
    return Plain(given, tuple(left))


def _objects(document: YamlDocument) -> Iterator[tuple[str, object]]:
    place, content = f"line {document.line}", document.content
    if isinstance(content, Mapping) and "sops" in content:
        return iter([(place, content)])  # an encrypted List is refused as a whole
    return flattened(content, place)


def _ours(content: Mapping[str, object], at: Findings, left: list[Left]) -> Iterator[Mapping[str, Node]]:
    """Yield the parts of a manifest that give values; what else it says stays where it is."""
    if "sops" in content:
        at.note("is encrypted by sops", "list the file under `sources` as it is")
        return
    kind, metadata = content.get("kind"), content.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(kind, str) or not isinstance(metadata, Mapping) or not isinstance(name, str):
        at.note("not a manifest: it has no kind and metadata.name", "a file of variables is written in dotenv syntax")
        return
    id_ = ObjectId(kind, name)
    if kind not in SECTIONS or content.get("apiVersion") != "v1":
        left.append(Left(f"{shown(kind)} {shown(name)}", "is no Secret or ConfigMap"))
        return
    if "$patch" in content:
        left.append(Left(str(id_), "is patched by a directive ($patch), not by values"))
        return
    named = {"name": name, "namespace": metadata.get("namespace") or ""}
    tree: dict[str, Node] = {"apiVersion": SecretValue.of("v1"), "kind": SecretValue.of(kind)}
    tree["metadata"] = {field: SecretValue.of(str(text)) for field, text in named.items()}
    for section in SECTIONS[kind]:
        tree[section] = dict(_texts(content.get(section), id_, at.at(f"{id_} {section}"), left))
    yield tree


def _texts(given: object, id_: ObjectId, at: Findings, left: list[Left]) -> Iterator[tuple[str, SecretValue]]:
    """Yield the texts of a section; a null takes a key away in a patch, and is no value."""
    if given is None:
        return
    if not isinstance(given, Mapping):
        at.note("must be a mapping")
        return
    for key, value in given.items():
        if value is None:
            left.append(Left(f"{id_} key {key}", "is null: it takes the key away"))
        elif isinstance(value, str):
            yield key, SecretValue.of(value)
        else:
            at.note(f"key {key} must be a string; quote it")
