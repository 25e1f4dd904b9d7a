"""Gives every key of every template its value: sources over the env file over the template, with provenance."""

from collections.abc import Iterator, Mapping

from bridge.config.environment import Environment
from bridge.config.placeholder import Placeholder
from bridge.config.reference import Reference
from bridge.config.template import TemplateKey, TemplateObject
from bridge.config.template_value import looks_encrypted
from bridge.errors import Problem, Refusal
from bridge.named_tuple import NamedTuple
from bridge.objects import Desired, Entry, Layer, ObjectId, Origin, Part
from bridge.provider import Document, Revision
from bridge.secret import SecretValue
from bridge.sources.document import Source, open_sources
from bridge.sources.doubtful_values import doubts
from bridge.sources.env_layer import EnvLayer
from bridge.sources.lookup import LAST, FoundValue, Lookup
from bridge.sources.select import json_escaped, located
from bridge.sources.value_checks import logins_in_objects, of_others, secrets_in_public, unknown_manifest_keys


class Resolution(NamedTuple):
    """Every key's value, and what to report about the sources.

    `manifests` are the keys that each source of manifests gives, including those that an earlier layer overrides.
    `unused` are the fields of each other source that nothing uses.
    """

    desired: tuple[Desired, ...]
    sources: Mapping[str, Revision]
    manifests: Mapping[str, frozenset[tuple[ObjectId, str]]]
    unused: Mapping[str, tuple[str, ...]]
    warnings: tuple[Problem, ...]


def resolve(
    environment: Environment,
    namespace: str,
    templates: tuple[TemplateObject, ...],
    documents: Mapping[Reference, Document],
    env_layer: EnvLayer,
) -> Resolution:
    """Give every key of every template its value; Refusal lists everything that is missing or wrong."""
    problems: list[Problem] = []
    sources = list(open_sources(environment, namespace, documents, problems))
    lookup = Lookup(environment, documents, sources, env_layer, problems)
    filler = _Filler(environment, sources, env_layer, lookup, problems)
    desired = tuple(filler.fill(template) for template in templates)
    problems += of_others(sources, environment.name, namespace)
    problems += unknown_manifest_keys(sources, templates)
    problems += secrets_in_public(templates, environment.infrastructure)
    problems += logins_in_objects(environment, templates, lookup.looked_up)
    if problems:
        raise Refusal(*dict.fromkeys(problems))
    asked = {*lookup.looked_up, *environment.infrastructure}
    unused = {source.name: tuple(sorted(source.fields.keys() - asked)) for source in sources}
    return Resolution(
        desired,
        {str(reference): document.revision for reference, document in documents.items()},
        {source.name: source.keys for source in sources if source.manifests is not None},
        {name: fields for name, fields in unused.items() if fields},
        tuple(dict.fromkeys((*_document_warnings(documents), *filler.warnings, *doubts(desired, environment)))),
    )


def _document_warnings(documents: Mapping[Reference, Document]) -> Iterator[Problem]:
    """Yield the documents' own warnings, each with its reference."""
    for reference, document in documents.items():
        yield from (located(reference, problem) for problem in document.warnings)


class _Filler:
    """Fills the templates' keys one after the other."""

    def __init__(
        self,
        environment: Environment,
        sources: list[Source],
        env_layer: EnvLayer,
        lookup: Lookup,
        problems: list[Problem],
    ) -> None:
        self.warnings: list[Problem] = []
        self._environment = environment
        self._sources = sources
        self._env_layer = env_layer
        self._lookup = lookup
        self._problems = problems

    def fill(self, template: TemplateObject) -> Desired:
        """Return the object with every key that has a value."""
        entries = {key: self._key(template.id, key, template_key) for key, template_key in template.keys.items()}
        keys = {key: entry for key, entry in entries.items() if entry}
        return Desired(template.id, keys, template.type, template.immutable, template.labels, template.annotations)

    def _key(self, id_: ObjectId, key: str, template_key: TemplateKey) -> Entry | None:
        where = f"{template_key.place} {id_} key {key}"
        names = dict.fromkeys(part.name for part in template_key.parts if isinstance(part, Placeholder))
        found = {name: self._lookup.variable(name) for name in names}
        earliest = min((one.position for one in found.values() if one), default=LAST)
        manifest = self._lookup.manifest(id_, key, earliest)
        if manifest:
            self._check_encrypted(manifest, where, literal=False)
        entry = manifest or self._filled(template_key, found, where)
        if entry:
            self._check(entry, id_, where, may_be_empty=_is_empty_by_default(template_key))
        return entry

    def _filled(self, template_key: TemplateKey, found: Mapping[str, FoundValue | None], where: str) -> Entry | None:
        """Put the variables into the template's text."""
        entries = [self._part(part, found, template_key.place, where) for part in template_key.parts]
        known = [entry for entry in entries if entry]
        if len(known) < len(entries):
            return None
        value = known[0].value if len(known) == 1 else SecretValue(b"".join(one.value.reveal() for one in known))
        named = {
            part.name: entry.origin
            for part, entry in zip(template_key.parts, known, strict=True)
            if isinstance(part, Placeholder)
        }
        return Entry(value, _combined_origin(named) if named else Origin(Layer.TEMPLATE, template_key.place))

    def _part(
        self, part: SecretValue | Placeholder, found: Mapping[str, FoundValue | None], place: str, where: str
    ) -> Entry | None:
        if isinstance(part, SecretValue):
            return Entry(part, Origin(Layer.TEMPLATE, place))
        resolved = found[part.name]
        if resolved and not (part.empty_is_unset and resolved.entry.value.is_empty()):
            variable = self._environment.variables.get(part.name)
            self._check_encrypted(resolved.entry, where, literal=variable is not None and variable.literal)
            return self._escaped(resolved.entry, where, part.name) if part.json else resolved.entry
        if resolved is None and self._env_layer.values is None:
            self._problems.append(self._perhaps_in_env_file(part.name, where))
            return None
        if part.default is not None:
            default = Entry(SecretValue.of(part.default), Origin(Layer.TEMPLATE, place))
            return self._escaped(default, where, part.name) if part.json else default
        self._problems.append(self._missing(part, where))
        return None

    def _escaped(self, entry: Entry, where: str, name: str) -> Entry | None:
        """Escape a value for use within the quotes of a JSON string."""
        if not entry.value.is_text():
            what = f"the value of ${{{name}|json}} is not text, which JSON requires"
            self._problems.append(Problem(where, what, "store it as base64"))
            return None
        return entry._replace(value=json_escaped(entry.value))

    def _missing(self, part: Placeholder, where: str) -> Problem:
        what = f"${{{part.name}}} has no value"
        if part.message:
            what += f" ({part.message})"
        return Problem(where, what, self._where_to_set())

    def _where_to_set(self) -> str:
        sources = [source.name for source in self._sources if source.manifests is None]
        places = ", ".join([*sources, *filter(None, [self._env_layer.shown])])
        if sources:
            return f"set it with `bridge set {self._environment.name} NAME`; looked in {places}"
        return f"set it in {places}" if places else "add a source to the environment's file"

    def _perhaps_in_env_file(self, name: str, where: str) -> Problem:
        """Refuse a variable that an absent env file might give: the result would depend on who runs bridge."""
        what = f"no source gives ${{{name}}}, and {self._env_layer.shown}, which may contain it, does not exist"
        return Problem(where, what, "restore the file, or add the variable to a source")

    def _check_encrypted(self, entry: Entry, where: str, *, literal: bool) -> None:
        if looks_encrypted(entry.value) and not literal:
            what = f"the value from {entry.origin.place} still looks encrypted"
            self._problems.append(Problem(where, what, "if this is intended, set `literal: true` on the variable"))

    def _check(self, entry: Entry, id_: ObjectId, where: str, *, may_be_empty: bool) -> None:
        if entry.value.is_empty() and not (may_be_empty and entry.origin.layer is Layer.TEMPLATE):
            self.warnings.append(Problem(where, f"the value from {' and '.join(entry.origin.places)} is empty"))
        if id_.kind == "Secret" and any(map(self._is_plain_secret, entry.origin.parts)):
            what = f"would fill a Secret's key from {self._env_layer.shown}, a plaintext file"
            if self._environment.secrets_from == "any":
                self.warnings.append(Problem(where, what, "move the value to a source"))
            else:
                self._problems.append(Problem(where, what, "move the value to a source, or set `secrets_from: any`"))

    def _is_plain_secret(self, part: Part) -> bool:
        """Whether the env file gives a variable that is not declared public."""
        return part.layer is Layer.ENV_FILE and self._environment.infrastructure.get(part.name) != "required"


def _is_empty_by_default(template_key: TemplateKey) -> bool:
    """Whether a key's text is only placeholders with an empty default, such as `${WEBHOOK_KEY_PREVIOUS:-}`."""
    parts = template_key.parts
    return bool(parts) and all(isinstance(part, Placeholder) and part.default == "" for part in parts)


def _combined_origin(named: Mapping[str, Origin]) -> Origin:
    """Return the origin of a value made of variables: the lowest of their layers, and each variable."""
    lowest = max(named.values(), key=lambda origin: origin.layer)
    parts = tuple(Part(name, origin.layer, origin.place) for name, origin in named.items())
    return Origin(lowest.layer, lowest.place, parts=parts, revision=lowest.revision)
