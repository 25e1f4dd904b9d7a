"""Reads one document of a template: a Secret or ConfigMap manifest, validated by Kubernetes' rules and bridge's own."""

from collections.abc import Callable, Collection, Mapping
from typing import Final

from bridge.config.names import (
    is_dns_subdomain,
    is_label_name,
    is_label_value,
    is_object_key,
    quoted,
    shown,
    suggestion,
)
from bridge.config.problems import Findings, as_mapping
from bridge.config.template_value import TemplateKey, base64_key, secret_data_key, text_key
from bridge.config.yamlfile import YamlDocument
from bridge.named_tuple import NamedTuple
from bridge.objects import LAST_APPLIED, ObjectId

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
# The control plane creates and reads these itself; writing one would create a credential.
REFUSED_TYPES: Final = {"kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"}
ANNOTATIONS_LIMIT: Final = 256 * 1024
"""In bytes, for all names and values together (apimachinery's TotalAnnotationSizeLimitB)."""
TRACKING: Final = ("argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance")
"""The marks Argo CD puts on what it deploys: https://argo-cd.readthedocs.io/en/stable/user-guide/resource_tracking/."""


class Manifest(NamedTuple):
    """The content of one document; None for what it does not specify. `place` is its file, `line` where it starts."""

    id: ObjectId
    keys: Mapping[str, TemplateKey]
    type: str | None
    immutable: bool | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    place: str
    line: int


def read_manifest(document: YamlDocument, namespace: str | None, findings: Findings) -> Manifest | None:
    """Read one document; add a note and return None if it does not describe an object that bridge may write."""
    at = findings.at(f"line {document.line}")
    content = document.content
    if not isinstance(content, Mapping):
        at.note("not a Secret or ConfigMap manifest")
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
        at.note("a List is not supported", "write each item as a separate document")
    else:
        at.note("neither a Secret nor a ConfigMap of apiVersion v1", "keep other objects out of templates")
    return None


def _name(metadata: object, at: Findings) -> str | None:
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if name is None:
        at.note("metadata.name is missing")
    elif not isinstance(name, str) or not is_dns_subdomain(name):
        at.note("metadata.name must be a DNS subdomain", "use at most 253 characters: a to z, 0 to 9, - and .")
    else:
        return name
    return None


def _known(content: Mapping[str, object], known: Collection[str], prefix: str, at: Findings) -> None:
    for field in content:
        if field not in known:
            at.note(f"{prefix}{shown(field)} is not allowed in a template", suggestion(field, known))


def _check_namespace(metadata: Mapping[str, object], namespace: str | None, at: Findings) -> None:
    declared = metadata.get("namespace")
    if isinstance(declared, str) and "${" in declared:
        at.note("metadata.namespace contains a placeholder; placeholders are only allowed in values", "remove it")
    elif declared is not None and namespace is not None and declared != namespace:
        at.note(f"metadata.namespace is not {namespace}, the environment's namespace", "remove it")


def _type(content: Mapping[str, object], at: Findings) -> str | None:
    type_ = content.get("type")
    if type_ is None:
        return None
    if not isinstance(type_, str) or not type_ or "${" in type_:
        at.note("type must be a string without placeholders")
        return None
    if type_ in REFUSED_TYPES:
        at.note(f"type {type_} is refused", "remove it; only Kubernetes creates Secrets of this type")
    return type_


def _immutable(content: Mapping[str, object], at: Findings) -> bool | None:
    immutable = content.get("immutable")
    if immutable is None or isinstance(immutable, bool):
        return immutable
    at.note("immutable must be true or false")
    return None


def _keys(content: Mapping[str, object], kind: str, place: str, at: Findings) -> Mapping[str, TemplateKey]:
    keys: dict[str, TemplateKey] = {}
    seen: set[str] = set()
    for section, read in SECTIONS[kind].items():
        # `data:` with nothing under it is null, which Kubernetes treats as no data.
        entries = content.get(section)
        for key, value in as_mapping({} if entries is None else entries, at.at(section)).items():
            template_key = _key(key, value, read, place, at)
            if key in seen:
                at.at(f"key {key}").note(f"is in both {' and '.join(SECTIONS[kind])}", "remove one of the two")
            seen.add(key)
            if template_key is not None:
                keys[key] = template_key
    return keys


def _key(key: str, value: object, read: _Reader, place: str, at: Findings) -> TemplateKey | None:
    if not is_object_key(key):
        what = "not a valid key"
        at.at(f"key {quoted(key)}").note(what, "use at most 253 letters, digits, -, _ and .; do not start with ..")
        return None
    at = at.at(f"key {key}")
    if isinstance(value, str):
        return read(value, place, at)
    if isinstance(value, (Mapping, list)):
        at.note("must be a string", "write a multi-line string as a block: `KEY: |`")
    else:
        at.note("must be a string; quote it")
    return None


def read_labels(labels: object, at: Findings) -> Mapping[str, str]:
    """Return an object's labels, without the invalid ones."""
    texts = _texts(labels, at, is_label_name)
    for name, value in texts.items():
        if not is_label_value(value):
            at.at(name).note("not a valid label value", "use at most 63 characters: letters, digits, -, _ and .")
    return texts


def read_annotations(annotations: object, at: Findings) -> Mapping[str, str]:
    """Return an object's annotations, without the invalid ones."""
    # Kubernetes checks an annotation's name in lower case, so it accepts capitals before the slash.
    texts = _texts(annotations, at, lambda name: is_label_name(name.lower()))
    if LAST_APPLIED in texts:
        at.at(LAST_APPLIED).note("kubectl's copy of the object is not allowed in a template", "remove it")
    if sum(len(name.encode()) + len(value.encode()) for name, value in texts.items()) > ANNOTATIONS_LIMIT:
        at.note(f"more than {ANNOTATIONS_LIMIT // 1024} KiB in total")
    return texts


def _texts(mapping: object, at: Findings, is_name: Callable[[str], bool]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for name, value in as_mapping({} if mapping is None else mapping, at).items():
        if not is_name(name):
            at.note(f"{quoted(name)} is not a valid name")
        elif not isinstance(value, str):
            at.at(name).note("must be a string; quote it")
        elif "${" in value:
            at.at(name).note("placeholders are only allowed in values")
        elif name in TRACKING:
            at.at(name).note("Argo CD would treat the object as its own and delete it if it is not in git", "remove it")
        else:
            texts[name] = value
    return texts
