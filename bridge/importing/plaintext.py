"""Reads a plaintext file of values: manifests and patches of Secrets and ConfigMaps, or dotenv."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from bridge.config.dotenv import load_env_file
from bridge.config.env_readers import ReaderDifference
from bridge.config.names import shown
from bridge.config.problems import Findings
from bridge.config.yamlfile import YamlDocument, load_yaml_documents
from bridge.errors import ConfigError, Problem
from bridge.kustomize.objects import flattened
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.provider import Document, Node, Revision
from bridge.secret import SecretValue
from bridge.sources.manifest_document import SECTIONS, manifest_values

YAML: Final = frozenset({".yaml", ".yml", ".json"})


class PlainEntry(NamedTuple):
    """A plaintext value, of an object's key or (without an object) of a variable."""

    object: ObjectId | None
    name: str
    value: SecretValue

    def __str__(self) -> str:
        return f"{self.object} key {self.name}" if self.object else self.name


class Left(NamedTuple):
    """Something in a file that an import leaves there, and the reason."""

    what: str
    why: str


class Plain(NamedTuple):
    """The content of a file. `differences` are the variables that kubectl and kustomize read differently."""

    entries: tuple[PlainEntry, ...]
    left: tuple[Left, ...]
    differences: Mapping[str, ReaderDifference] = MappingProxyType({})


def read_plain(path: Path, namespace: str | None) -> Plain:
    """Read a file: manifests if its name ends in .yaml, .yml or .json, else dotenv.

    ConfigError or Refusal lists everything that is wrong with it, without its text.
    """
    where = str(path)
    if path.suffix in YAML:
        return _manifests(path, where, namespace)
    try:
        env_file = load_env_file(path, where)
    except FileNotFoundError:
        env_file = None
    if env_file is None:
        raise ConfigError(Problem(where, "no such file"))
    return Plain(
        tuple(PlainEntry(None, name, value) for name, value in env_file.values.items()), (), env_file.differences
    )


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
    entries = tuple(PlainEntry(id_, key, value) for id_, keys in values.items() for key, value in keys.items())
    return Plain(entries, tuple(left))


def _objects(document: YamlDocument) -> Iterator[tuple[str, object]]:
    place, content = f"line {document.line}", document.content
    if isinstance(content, Mapping) and "sops" in content:
        return iter([(place, content)])  # an encrypted List is refused as a whole
    return flattened(content, place)


def _ours(content: Mapping[str, object], at: Findings, left: list[Left]) -> Iterator[Mapping[str, Node]]:
    """Yield the parts of a manifest that give values; the rest stays in the file."""
    if "sops" in content:
        at.note("is encrypted with sops", "list the file under `sources` instead")
        return
    kind, metadata = content.get("kind"), content.get("metadata")
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if not isinstance(kind, str) or not isinstance(metadata, Mapping) or not isinstance(name, str):
        at.note("not a manifest: kind or metadata.name is missing", "use dotenv syntax for a file of variables")
        return
    id_ = ObjectId(kind, name)
    if kind not in SECTIONS or content.get("apiVersion") != "v1":
        left.append(Left(f"{shown(kind)} {shown(name)}", "is not a Secret or ConfigMap"))
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


def _texts(section: object, id_: ObjectId, at: Findings, left: list[Left]) -> Iterator[tuple[str, SecretValue]]:
    """Yield the texts of a section. A null removes a key in a patch, and is not a value."""
    if section is None:
        return
    if not isinstance(section, Mapping):
        at.note("must be a mapping")
        return
    for key, value in section.items():
        if value is None:
            left.append(Left(f"{id_} key {key}", "is null, which removes the key"))
        elif isinstance(value, str):
            yield key, SecretValue.of(value)
        else:
            at.note(f"key {key} must be a string; quote it")
