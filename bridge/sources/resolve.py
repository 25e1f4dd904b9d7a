"""Finds every key's value in the layers: sources over the env file over the template; each with its provenance."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.config.environment import Environment
from bridge.config.placeholder import Placeholder
from bridge.config.reference import Reference
from bridge.config.template import TemplateKey, TemplateObject
from bridge.errors import Problem, Refusal
from bridge.objects import Desired, Entry, Layer, ObjectId, Origin
from bridge.provider import Document, Node, Revision
from bridge.secret import Kind, SecretValue
from bridge.sources.env_layer import EnvLayer
from bridge.sources.fields import FieldError, as_value, decoded, is_manifests, pick, top_level
from bridge.sources.manifest import manifest_values

ENCRYPTED: Final = (b"ENC[AES256_GCM", b"ref+", b"vault:v")
NO_REVISION: Final = Origin(Layer.TEMPLATE, "")


@dataclass(frozen=True, eq=False)
class Resolution:
    """Every key's value, every variable's place, and what to tell about them."""

    desired: tuple[Desired, ...]
    variables: Mapping[str, Entry]
    sources: Mapping[str, Revision]
    unused: Mapping[str, tuple[str, ...]]  # by source: fields that nothing asks for
    warnings: tuple[Problem, ...]


def resolve(
    environment: Environment,
    namespace: str,
    templates: tuple[TemplateObject, ...],
    documents: Mapping[Reference, Document],
    env_layer: EnvLayer,
) -> Resolution:
    """Give every key of every template its value; raises Refusal with everything that is missing or wrong."""
    return _Resolver(environment, namespace, templates, documents, env_layer).run()


@dataclass(frozen=True, eq=False)
class _Source:
    """One listed document: either manifests, or fields."""

    position: int
    name: str
    revision: Revision
    manifests: Mapping[ObjectId, Mapping[str, SecretValue]] | None = None
    fields: Mapping[str, Node] = field(default_factory=dict)

    def origin(self, names: tuple[str, ...], *, manifest: bool = False) -> Origin:
        return Origin(Layer.SOURCE, self.name, manifest, names, self.revision.id)


@dataclass(frozen=True, eq=False)
class _Found:
    """A variable's value, and how early in the search it was found: -1 for `variables:`, then by source."""

    entry: Entry
    position: int


LAST: Final = 1_000_000  # later than any source


class _Resolver:
    def __init__(
        self,
        environment: Environment,
        namespace: str,
        templates: tuple[TemplateObject, ...],
        documents: Mapping[Reference, Document],
        env_layer: EnvLayer,
    ) -> None:
        self.environment = environment
        self.namespace = namespace
        self.templates = templates
        self.documents = documents
        self.env_layer = env_layer
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.variables: dict[str, _Found | None] = {}
        self.manifest_keys: set[tuple[str, ObjectId, str]] = set()
        self.sources: list[_Source] = []

    def run(self) -> Resolution:
        self.sources = list(self._open_sources())
        desired = tuple(self._object(template) for template in self.templates)
        self._check_unknown_manifest_keys()
        self._check_mixed_use()
        if self.problems:
            raise Refusal(*dict.fromkeys(self.problems))
        return Resolution(
            desired,
            {name: found.entry for name, found in self.variables.items() if found},
            {str(reference): document.revision for reference, document in self.documents.items()},
            self._unused(),
            tuple(dict.fromkeys(self.warnings)),
        )

    # The sources

    def _open_sources(self) -> Iterator[_Source]:
        for position, reference in enumerate(self.environment.sources):
            document, name = self.documents[reference], str(reference)
            try:
                if is_manifests(document):
                    manifests = manifest_values(document, self.namespace, name)
                    yield _Source(position, name, document.revision, manifests)
                    continue
                fields = top_level(document)
            except FieldError as error:
                hint = "name it under variables" if isinstance(document.content, SecretValue) else ""
                self.problems.append(Problem(name, str(error), hint))
                continue
            except Refusal as error:
                self.problems.extend(error.problems)
                continue
            if not fields:
                self.problems.append(Problem(name, "is empty", "a source that has lost everything is not written"))
            yield _Source(position, name, document.revision, None, fields)

    # One object and one key

    def _object(self, template: TemplateObject) -> Desired:
        keys = {}
        for key, given in template.keys.items():
            entry = self._key(template.id, key, given)
            if entry:
                keys[key] = entry
        return Desired(template.id, keys, template.type, template.immutable, template.labels, template.annotations)

    def _key(self, id_: ObjectId, key: str, given: TemplateKey) -> Entry | None:
        where = f"{given.place} {id_} key {key}"
        names = tuple(dict.fromkeys(part.name for part in given.parts if isinstance(part, Placeholder)))
        found = {name: self._variable(name) for name in names}
        earliest = min((one.position for one in found.values() if one), default=LAST)
        manifest = self._from_manifest(id_, key, earliest)
        entry = manifest or self._filled(given, found, where)
        if entry is None:
            return None
        self._check_value(entry, where, literal=self._is_literal(names))
        self._check_layer(id_, entry, where)
        return entry

    def _from_manifest(self, id_: ObjectId, key: str, before: int) -> Entry | None:
        for source in self.sources:
            if source.manifests is None or source.position > before:
                continue
            value = source.manifests.get(id_, {}).get(key)
            if value is not None:
                return Entry(value, source.origin((), manifest=True))
        return None

    def _filled(self, given: TemplateKey, found: Mapping[str, _Found | None], where: str) -> Entry | None:
        """Put the variables into the template's text; the lowest layer that took part is the key's."""
        values: list[SecretValue] = []
        origins: list[Origin] = []
        for part in given.parts:
            entry = self._part(part, found, given.place, where)
            if entry is None:
                continue
            values.append(entry.value)
            if isinstance(part, Placeholder):
                origins.append(entry.origin)
        if len(values) < len(given.parts):
            return None
        origin = max(origins, key=lambda one: one.layer, default=Origin(Layer.TEMPLATE, given.place))
        value = values[0] if len(values) == 1 else SecretValue(b"".join(one.reveal() for one in values))
        return Entry(value, Origin(origin.layer, origin.place, origin.manifest, tuple(found), origin.revision))

    def _part(
        self, part: SecretValue | Placeholder, found: Mapping[str, _Found | None], place: str, where: str
    ) -> Entry | None:
        if isinstance(part, SecretValue):
            return Entry(part, Origin(Layer.TEMPLATE, place))
        one = found[part.name]
        if one and not (part.empty_is_unset and one.entry.value.is_empty()):
            return one.entry
        if one is None and self.env_layer.values is None:
            self.problems.append(self._absent_env_file(part.name, where))
            return None
        if part.default is not None:
            return Entry(SecretValue.of(part.default), Origin(Layer.TEMPLATE, place, names=(part.name,)))
        self.problems.append(self._missing(part, where))
        return None

    def _missing(self, part: Placeholder, where: str) -> Problem:
        what = f"${{{part.name}}} has no value"
        if part.message:
            what += f" ({part.message})"
        places = [source.name for source in self.sources if source.manifests is None]
        if self.env_layer.shown:
            places.append(self.env_layer.shown)
        return Problem(where, what, f"looked in {', '.join(places)}" if places else "the environment lists no source")

    def _absent_env_file(self, name: str, where: str) -> Problem:
        return Problem(
            where,
            f"no source gives ${{{name}}}, and {self.env_layer.shown}, which may hold it, does not exist",
            "put the file there, or give the variable in a source",
        )

    # One variable

    def _variable(self, name: str) -> _Found | None:
        if name not in self.variables:
            self.variables[name] = self._exception(name) or self._in_sources(name) or self._in_env_file(name)
        return self.variables[name]

    def _exception(self, name: str) -> _Found | None:
        """Look under `variables:`. A field named there must exist: falling through would hide its loss."""
        variable = self.environment.variables.get(name)
        if variable is None:
            return None
        document = self.documents[variable.reference.document]
        place = str(variable.reference)
        try:
            value = pick(document, variable.reference.field)
            value = decoded(value) if variable.decode else value
        except FieldError as error:
            self.problems.append(Problem(str(variable.reference.document), f"{error} (for {name})"))
            value = SecretValue(b"", Kind.NULL)  # the run is refused; this keeps the search from going on
        return _Found(Entry(value, Origin(Layer.SOURCE, place, names=(name,), revision=document.revision.id)), -1)

    def _in_sources(self, name: str) -> _Found | None:
        for source in self.sources:
            if name not in source.fields:
                continue
            try:
                value = as_value(source.fields[name])
            except FieldError as error:
                self.problems.append(Problem(source.name, f"{name} {error}"))
                value = SecretValue(b"", Kind.NULL)
            return _Found(Entry(value, source.origin((name,))), source.position)
        return None

    def _in_env_file(self, name: str) -> _Found | None:
        value = (self.env_layer.values or {}).get(name)
        if value is None:
            return None
        return _Found(Entry(value, Origin(Layer.ENV_FILE, self.env_layer.shown, names=(name,))), LAST)

    def _is_literal(self, names: tuple[str, ...]) -> bool:
        return any(name in self.environment.variables and self.environment.variables[name].literal for name in names)

    # Checks

    def _check_value(self, entry: Entry, where: str, *, literal: bool) -> None:
        if not literal and entry.value.reveal().lstrip().startswith(ENCRYPTED):
            what = f"the value from {entry.origin.place} looks still encrypted"
            self.problems.append(Problem(where, what, "if it is meant so, set `literal: true` on the variable"))
        if entry.value.is_empty() and entry.value.kind is not Kind.NULL and where:
            self.warnings.append(Problem(where, f"the value from {entry.origin.place} is empty"))

    def _check_layer(self, id_: ObjectId, entry: Entry, where: str) -> None:
        if id_.kind != "Secret" or entry.origin.layer is not Layer.ENV_FILE:
            return
        what = f"a Secret's key would be filled from {entry.origin.place}, a plaintext file"
        if self.environment.secrets_from == "any":
            self.warnings.append(Problem(where, what, "move the value into a source"))
        else:
            self.problems.append(Problem(where, what, "move the value into a source, or set `secrets_from: any`"))

    def _check_unknown_manifest_keys(self) -> None:
        known = {(template.id, key) for template in self.templates for key in template.keys}
        for source in self.sources:
            for id_, keys in (source.manifests or {}).items():
                for key in keys:
                    if (id_, key) not in known:
                        what = f"{id_} key {key} is in no template"
                        self.problems.append(Problem(source.name, what, "add it to a template, or remove it here"))

    def _check_mixed_use(self) -> None:
        """Refuse a variable that fills a Secret's key and also stands in a ConfigMap, which is public."""
        uses: dict[str, dict[str, str]] = {}
        for template in self.templates:
            for key, given in template.keys.items():
                for part in given.parts:
                    if isinstance(part, Placeholder):
                        uses.setdefault(part.name, {}).setdefault(template.id.kind, f"{template.id} key {key}")
        for name, kinds in uses.items():
            secret = kinds.get("Secret") or (self.environment.infrastructure.get(name) == "secret" and "infrastructure")
            if secret and "ConfigMap" in kinds:
                what = f"${{{name}}} is secret ({secret}) and would be public there"
                self.problems.append(Problem(kinds["ConfigMap"], what, "use two variables"))

    def _unused(self) -> Mapping[str, tuple[str, ...]]:
        known = {*self.variables, *self.environment.infrastructure}
        unused = {source.name: tuple(sorted(source.fields.keys() - known)) for source in self.sources}
        return {name: fields for name, fields in unused.items() if fields}
