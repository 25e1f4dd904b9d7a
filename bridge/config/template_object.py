"""One document of a template: a Secret or ConfigMap manifest, checked as Kubernetes and bridge want it."""

from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple

from bridge.config.labels import read_annotations, read_labels
from bridge.config.names import is_dns_subdomain, is_object_key, quoted, shown, suggestion
from bridge.config.problems import Findings, as_mapping
from bridge.config.template_value import TemplateKey, base64_key, secret_data_key, text_key
from bridge.config.yamlfile import YamlDocument
from bridge.objects import ObjectId

_Reader = Callable[[str, str, Findings], TemplateKey | None]
SECTIONS: Final[Mapping[str, Mapping[str, _Reader]]] = {
    "Secret": {"data": secret_data_key, "stringData": text_key},
    "ConfigMap": {"data": text_key, "binaryData": base64_key},
}
_FIELDS: Final = {
    "Secret": ("apiVersion", "kind", "metadata", "type", "immutable", "data", "stringData"),
    "ConfigMap": ("apiVersion", "kind", "metadata", "immutable", "data", "binaryData"),
}
_METADATA: Final = ("name", "namespace", "labels", "annotations")
# The control plane makes and reads these itself; writing one would be making a credential.
REFUSED_TYPES: Final = {"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"}


class Manifest(NamedTuple):
    """What one document says; None where it says nothing. `place` is its file, `line` where it starts."""

    id: ObjectId
    keys: Mapping[str, TemplateKey]
    type: str | None
    immutable: bool | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    place: str
    line: int


def read_manifest(document: YamlDocument, namespace: str | None, findings: Findings) -> Manifest | None:
    """Read one document, with a file's findings; None, with a note, where it names no object that bridge may write."""
    at = findings.at(f"line {document.line}")
    content = document.content
    if not isinstance(content, Mapping):
        at.note("not a manifest of a Secret or ConfigMap")
        return None
    kind = _kind(content, at)
    name = _name(content.get("metadata"), at)
    if kind is None or name is None:
        return None
    return _checked(ObjectId(kind, name), content, document.line, namespace, findings)


def _checked(
    id_: ObjectId, content: Mapping[str, object], line: int, namespace: str | None, findings: Findings
) -> Manifest:
    place, at = findings.where, findings.at(str(id_))
    _known(content, _FIELDS[id_.kind], "", at)
    metadata = as_mapping(content["metadata"], at)
    _known(metadata, _METADATA, "metadata.", at)
    _check_namespace(metadata, namespace, at)
    return Manifest(
        id_,
        _keys(content, id_.kind, place, at),
        _type(content, at) if id_.kind == "Secret" else None,
        _immutable(content, at),
        read_labels(metadata.get("labels"), at.at("metadata.labels")),
        read_annotations(metadata.get("annotations"), at.at("metadata.annotations")),
        place,
        line,
    )


def _kind(content: Mapping[str, object], at: Findings) -> str | None:
    kind, version = content.get("kind"), content.get("apiVersion")
    if version == "v1" and isinstance(kind, str) and kind in SECTIONS:
        return kind
    if kind == "List":
        at.note("a List", "write its items as documents of their own")
    else:
        at.note("neither a Secret nor a ConfigMap of apiVersion v1", "other objects are not for templates")
    return None


def _name(metadata: object, at: Findings) -> str | None:
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if name is None:
        at.note("the object has no metadata.name")
    elif not isinstance(name, str) or not is_dns_subdomain(name):
        at.note("metadata.name must be a DNS subdomain", "at most 253 of a to z, 0 to 9, - and .")
    else:
        return name
    return None


def _known(content: Mapping[str, object], known: Collection[str], prefix: str, at: Findings) -> None:
    for field in content:
        if field not in known:
            at.note(f"{prefix}{shown(field)} is not for templates", suggestion(field, known))


def _check_namespace(metadata: Mapping[str, object], namespace: str | None, at: Findings) -> None:
    given = metadata.get("namespace")
    if isinstance(given, str) and "${" in given:
        at.note("metadata.namespace holds a placeholder; placeholders work in values only", "remove it")
    elif given is not None and namespace is not None and given != namespace:
        at.note("names another namespace", f"the environment's is {namespace}; remove metadata.namespace")


def _type(content: Mapping[str, object], at: Findings) -> str | None:
    given = content.get("type")
    if given is None:
        return None
    if not isinstance(given, str) or not given or "${" in given:
        at.note("type must be a text without placeholders")
        return None
    if given in REFUSED_TYPES:
        at.note(f"type {given} is refused", "Kubernetes makes such Secrets itself")
    return given


def _immutable(content: Mapping[str, object], at: Findings) -> bool | None:
    given = content.get("immutable")
    if given is None or isinstance(given, bool):
        return given
    at.note("immutable must be true or false")
    return None


def _keys(content: Mapping[str, object], kind: str, place: str, at: Findings) -> Mapping[str, TemplateKey]:
    keys: dict[str, TemplateKey] = {}
    seen: set[str] = set()
    for section, read in SECTIONS[kind].items():
        # `data:` with nothing under it is null, and for Kubernetes the same as no data.
        given = content.get(section)
        for key, value in as_mapping({} if given is None else given, at.at(section)).items():
            found = _key(key, value, read, place, at)
            if key in seen:
                at.at(f"key {key}").note(f"is in {' and in '.join(SECTIONS[kind])}", "keep one of the two")
            seen.add(key)
            if found is not None:
                keys[key] = found
    return keys


def _key(key: str, value: object, read: _Reader, place: str, at: Findings) -> TemplateKey | None:
    if not is_object_key(key):
        what = "not a key that Kubernetes takes"
        at.at(f"key {quoted(key)}").note(
            what, "at most 253 of a to z, A to Z, 0 to 9, -, _ and ., not beginning with .."
        )
        return None
    at = at.at(f"key {key}")
    if isinstance(value, str):
        return read(value, place, at)
    if isinstance(value, (Mapping, list)):
        at.note("must be a string", "write a text of several lines as a block: KEY: |")
    else:
        at.note("must be a string; quote it")
    return None
