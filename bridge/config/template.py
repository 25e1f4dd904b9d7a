"""The templates of an environment: which objects bridge may write, and all their keys."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from bridge.config.environment import Environment
from bridge.config.placeholder import Placeholder
from bridge.config.problems import Findings
from bridge.config.template_object import Manifest, read_manifest
from bridge.config.template_value import TemplateKey
from bridge.config.yamlfile import load_yaml_documents
from bridge.errors import ConfigError
from bridge.objects import JSON_KEYS, ObjectId

__all__ = ["TemplateKey", "TemplateObject", "load_templates"]

DEFAULT_TYPE: Final = "Opaque"
T = TypeVar("T")


class TemplateObject(NamedTuple):
    """An object as all templates together say it, a later one's key, label or annotation over an earlier one's.

    `type` is a Secret's, with the default of Kubernetes where none is given; None for a ConfigMap.
    `places` are the files that speak of it, each once, in their order.
    """

    id: ObjectId
    keys: Mapping[str, TemplateKey]
    type: str | None
    immutable: bool | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    places: tuple[str, ...]


def load_templates(environment: Environment, namespace: str | None) -> tuple[TemplateObject, ...]:
    """Read all templates, objects in the order of their first mention; ConfigError with all that is wrong in them.

    Without a namespace (it is not known yet) the objects' own is not compared.
    """
    findings = Findings(str(environment.file))
    manifests: dict[ObjectId, list[Manifest]] = {}
    for path in environment.templates:
        shown = environment.shown(path)
        for manifest in _manifests(path, shown, namespace, findings.within(shown)):
            manifests.setdefault(manifest.id, []).append(manifest)
    memory = manifests.get(ObjectId("ConfigMap", f"bridge-{environment.id}"), ())
    for manifest in memory:
        at = findings.within(f"{manifest.place} {manifest.id}")
        at.note("is where bridge keeps its memory of this environment", "give the ConfigMap another name")
    if not manifests and not findings:
        findings.at("templates").note("there is no object in them")
    merged = tuple(_merged(id_, parts, findings) for id_, parts in manifests.items())
    if findings:
        findings.fail()
    return merged


def _manifests(path: Path, shown: str, namespace: str | None, findings: Findings) -> Iterator[Manifest]:
    try:
        documents = load_yaml_documents(path, shown)
    except ConfigError as error:
        findings.take(error)
        return
    for document in documents:
        manifest = None
        if document.content is not None:
            manifest = read_manifest(document, namespace, findings)
        if manifest is not None:
            yield manifest


def _merged(id_: ObjectId, manifests: list[Manifest], findings: Findings) -> TemplateObject:
    keys: dict[str, TemplateKey] = {}
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    for manifest in manifests:
        keys.update(manifest.keys)
        labels.update(manifest.labels)
        annotations.update(manifest.annotations)
    type_ = _agreed("clashing types", manifests, lambda manifest: manifest.type, findings)
    immutable = _agreed("clashing values of immutable", manifests, lambda manifest: manifest.immutable, findings)
    places = tuple(dict.fromkeys(manifest.place for manifest in manifests))
    default = DEFAULT_TYPE if id_.kind == "Secret" else None
    _check_json(id_, type_, keys, findings)
    return TemplateObject(id_, keys, type_ or default, immutable, labels, annotations, places)


def _check_json(id_: ObjectId, type_: str | None, keys: Mapping[str, TemplateKey], findings: Findings) -> None:
    """Note the placeholders that would let a value break out of the JSON that the type wants."""
    key = JSON_KEYS.get(type_ or "", "")
    parts = keys[key].parts if key in keys else ()
    for part in parts:
        if isinstance(part, Placeholder) and not part.json and len(parts) > 1:
            at = findings.within(f"{keys[key].place} {id_} key {key}")
            at.note(f"a value of ${{{part.name}}} may break the JSON around it", f"write ${{{part.name}|json}}")


def _agreed(what: str, manifests: list[Manifest], get: Callable[[Manifest], T | None], findings: Findings) -> T | None:
    """Return what the manifests say of a field that cannot be merged: the first to speak, which nobody contradicts."""
    speaking = [manifest for manifest in manifests if get(manifest) is not None]
    for manifest in speaking[1:]:
        if get(manifest) != get(speaking[0]):
            at = findings.within(f"{manifest.place} {manifest.id}")
            at.note(f"{what}: line {manifest.line} says another than {speaking[0].place} line {speaking[0].line}")
    return get(speaking[0]) if speaking else None
