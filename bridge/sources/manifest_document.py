"""Reads a source that is made of Secret and ConfigMap manifests: values by object and key."""

from collections.abc import Iterator, Mapping
from typing import Final

from bridge.errors import Problem, Refusal
from bridge.objects import ObjectId
from bridge.provider import Document, Node
from bridge.secret import SecretValue
from bridge.sources.select import MANIFEST_KEYS, FieldError, as_value, decoded

SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "Secret": ("data", "stringData"),  # what stringData says wins, as in the API server
    "ConfigMap": ("data", "binaryData"),
}
ENCODED: Final = frozenset({("Secret", "data"), ("ConfigMap", "binaryData")})


def manifest_values(
    document: Document, namespace: str | None, where: str
) -> Mapping[ObjectId, Mapping[str, SecretValue]]:
    """Return what the manifests give; raises Refusal with every problem found in them."""
    assert not isinstance(document.content, SecretValue)
    values: dict[ObjectId, dict[str, SecretValue]] = {}
    problems: list[Problem] = []
    for number, mapping in enumerate(document.content, start=1):
        if not mapping:
            continue
        id_ = identify(mapping, namespace)
        if isinstance(id_, str):
            problems.append(Problem(f"{where}: document {number}", id_))
        else:
            given: dict[str, SecretValue] = {}
            problems += _collect(mapping, id_, given, where)
            twice = sorted(given.keys() & values.get(id_, {}).keys())
            problems += [Problem(f"{where}: {id_} key {key}", "several of its documents give it") for key in twice]
            values.setdefault(id_, {}).update(given)
    if problems:
        raise Refusal(*problems)
    return values


def identify(mapping: Mapping[str, Node], namespace: str | None) -> ObjectId | str:
    """Return whose manifest this is, or what is wrong with it."""
    metadata = mapping.get("metadata")
    if not mapping.keys() >= MANIFEST_KEYS or not isinstance(metadata, Mapping):
        return "is no Kubernetes object, but others in this source are"
    kind, name, version = _text(mapping["kind"]), _text(metadata.get("name")), _text(mapping["apiVersion"])
    if version != "v1" or kind not in SECTIONS:
        return "is neither a Secret nor a ConfigMap"
    if not name:
        return f"is a {kind} without a name"
    theirs = _text(metadata.get("namespace"))
    if theirs and namespace and theirs != namespace:
        return f"{kind}/{name} is of another namespace than {namespace}"
    return ObjectId(kind, name)


def _text(node: Node | None) -> str:
    if not isinstance(node, SecretValue) or not node.is_text():
        return ""
    return node.reveal().decode()


def _collect(
    mapping: Mapping[str, Node], id_: ObjectId, values: dict[str, SecretValue], where: str
) -> Iterator[Problem]:
    for section in SECTIONS[id_.kind]:
        node = mapping.get(section, {})
        if isinstance(node, SecretValue) and node.is_empty():
            continue  # `data:` with nothing under it
        if not isinstance(node, Mapping):
            yield Problem(f"{where}: {id_}", f"{section} is not a mapping")
            continue
        for key, child in node.items():
            try:
                value = as_value(child)
                values[key] = decoded(value) if (id_.kind, section) in ENCODED else value
            except FieldError as error:
                yield Problem(f"{where}: {id_} key {key}", str(error))
