"""The templates of an environment: the objects that bridge may write, with all their keys."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

from bridge.config.environment import Environment
from bridge.config.folder import is_in_reach
from bridge.config.placeholder import Placeholder
from bridge.config.problems import Findings
from bridge.config.template_object import Manifest, read_manifest
from bridge.config.template_value import TemplateKey
from bridge.config.textfile import read_text
from bridge.config.yamlfile import Read, load_yaml_documents
from bridge.errors import ConfigError, Problem
from bridge.named_tuple import NamedTuple
from bridge.objects import JSON_KEYS, ObjectId

__all__ = ["TemplateKey", "TemplateObject", "load_templates"]

DEFAULT_TYPE: Final = "Opaque"
T = TypeVar("T")


class TemplateObject(NamedTuple):
    """An object merged from all templates: a later template's key, label or annotation replaces an earlier one's.

    `type` is a Secret's type, with Kubernetes' default if no template gives one, and None for a ConfigMap. `places` are
    the files that mention the object, each once, in order.
    """

    id: ObjectId
    keys: Mapping[str, TemplateKey]
    type: str | None
    immutable: bool | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    places: tuple[str, ...]


def load_templates(
    environment: Environment, namespace: str | None, read: Read | None = None
) -> tuple[TemplateObject, ...]:
    """Read all templates, with objects in order of first mention; ConfigError lists everything that is wrong with them.

    Without a namespace (it is not known yet), the objects' own namespace is not compared. Without `read`, the files are
    on the disk, and must be in the same folder or checkout as the environment's file.
    """
    read = read or _reader_below(environment.base)
    findings = Findings(str(environment.file))
    manifests: dict[ObjectId, list[Manifest]] = {}
    for path in environment.templates:
        shown = environment.shown(path)
        for manifest in _manifests(path, shown, namespace, findings.within(shown), read):
            manifests.setdefault(manifest.id, []).append(manifest)
    reserved = manifests.get(ObjectId("ConfigMap", f"bridge-{environment.id}"), ())
    for manifest in reserved:
        at = findings.within(f"{manifest.place} {manifest.id}")
        at.note("is the name of bridge's state ConfigMap for this environment", "rename the ConfigMap")
    if not manifests and not findings:
        findings.at("templates").note("contain no objects")
    merged = tuple(_merged(id_, parts, findings) for id_, parts in manifests.items())
    if findings:
        findings.fail()
    return merged


def _reader_below(base: Path) -> Read:
    def read(path: Path, shown: str) -> str:
        if not is_in_reach(path, base):
            what = "is outside the checkout, so a branch could read any manifest on this machine"
            raise ConfigError(Problem(f"template {shown}", what, "move it into the checkout"))
        return read_text(path, shown)

    return read


def _manifests(path: Path, shown: str, namespace: str | None, findings: Findings, read: Read) -> Iterator[Manifest]:
    try:
        documents = load_yaml_documents(path, shown, read=read)
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
    type_ = _agreed("conflicting types", manifests, lambda manifest: manifest.type, findings)
    immutable = _agreed("conflicting values of immutable", manifests, lambda manifest: manifest.immutable, findings)
    places = tuple(dict.fromkeys(manifest.place for manifest in manifests))
    default = DEFAULT_TYPE if id_.kind == "Secret" else None
    _check_json(id_, type_, keys, findings)
    return TemplateObject(id_, keys, type_ or default, immutable, labels, annotations, places)


def _check_json(id_: ObjectId, type_: str | None, keys: Mapping[str, TemplateKey], findings: Findings) -> None:
    """Note the placeholders with values that could break the JSON that the type requires."""
    key = JSON_KEYS.get(type_ or "", "")
    parts = keys[key].parts if key in keys else ()
    for part in parts:
        if isinstance(part, Placeholder) and not part.json and len(parts) > 1:
            at = findings.within(f"{keys[key].place} {id_} key {key}")
            at.note(f"the value of ${{{part.name}}} may break the JSON around it", f"write ${{{part.name}|json}}")


def _agreed(what: str, manifests: list[Manifest], get: Callable[[Manifest], T | None], findings: Findings) -> T | None:
    """Return the manifests' value for a field that cannot be merged: the first value. A different one is noted."""
    speaking = [manifest for manifest in manifests if get(manifest) is not None]
    for manifest in speaking[1:]:
        if get(manifest) != get(speaking[0]):
            at = findings.within(f"{manifest.place} {manifest.id}")
            at.note(f"{what}: line {manifest.line} differs from {speaking[0].place} line {speaking[0].line}")
    return get(speaking[0]) if speaking else None


class TemplateUse(NamedTuple):
    """A key of a template."""

    object: ObjectId
    key: str
    template: TemplateKey

    @property
    def variable(self) -> str | None:
        """The placeholder that fills the key if the key's text is a single placeholder."""
        parts = self.template.parts
        return parts[0].name if len(parts) == 1 and isinstance(parts[0], Placeholder) else None

    @property
    def names(self) -> frozenset[str]:
        """All variables in the key's text."""
        return frozenset(part.name for part in self.template.parts if isinstance(part, Placeholder))


def use_of(id_: ObjectId, key: str, templates: Mapping[ObjectId, TemplateObject]) -> TemplateUse | None:
    """Return the template's key, or None if no template has it."""
    template = templates.get(id_)
    template_key = template.keys.get(key) if template else None
    return TemplateUse(id_, key, template_key) if template_key else None


def uses_of(variable: str, templates: Mapping[ObjectId, TemplateObject]) -> list[TemplateUse]:
    """Return the templates' keys that have the variable in their text."""
    return [use for use in all_uses(templates) if variable in use.names]


def all_uses(templates: Mapping[ObjectId, TemplateObject]) -> list[TemplateUse]:
    """Return every key of every template."""
    return [TemplateUse(id_, key, text) for id_, template in templates.items() for key, text in template.keys.items()]
