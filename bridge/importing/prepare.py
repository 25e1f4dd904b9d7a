"""Collects what an import needs: the plaintext values, the templates, and the stores' documents."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bridge.config.env_readers import ReaderDifference, difference_warnings
from bridge.config.environment import Environment
from bridge.config.environment_edits import drafted_source
from bridge.config.own_template import own_template
from bridge.config.reference import Reference, parse_reference
from bridge.config.template import TemplateObject, load_templates
from bridge.errors import BridgeError, ConfigError, Problem, combine
from bridge.importing.decide import Intake, take_in
from bridge.importing.items import Scene, State, variables_for
from bridge.importing.plaintext import Left, Plain, PlainEntry, read_plain
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.provider import Context, Document, Provider
from bridge.run.inputs import Files, Run, read_files
from bridge.shell import word
from bridge.sources.doubtful_values import doubt
from bridge.sources.env_layer import EnvLayer
from bridge.sources.providers import build_providers
from bridge.sources.reader import read_present
from bridge.sources.select import located
from bridge.sources.value_checks import secrets_in_public
from bridge.stores.update import look


class Import(NamedTuple):
    """Everything that is decided before anything is written.

    `differences` are the variables that other programs read differently, so that they may have other values elsewhere.
    """

    scene: Scene
    intake: Intake
    provider: Provider
    own: Path | None
    differences: Mapping[str, ReaderDifference]
    warnings: tuple[Problem, ...]
    instead: Reference | None = None
    """The drafted source that the store's document replaces in the environment's file."""

    @property
    def pending(self) -> bool:
        """True if anything has to be written."""
        return bool(self.intake.edits or self.intake.public or self.instead)

    @property
    def is_safe_elsewhere(self) -> bool:
        """True if every value in the file will also exist elsewhere once the import is done."""
        return self.intake.is_safe_elsewhere and (bool(self.instead) or not _unread(self.scene, self.intake))

    @property
    def spent(self) -> tuple[str, ...]:
        """The variables of an env file that nothing will read from it once the import is done."""
        if self.intake.problems or (not self.instead and _unread(self.scene, self.intake)):
            return ()
        named = [item for item in self.intake.items if isinstance(item.entry, PlainEntry) and item.entry.object is None]
        left = {str(item.entry) for item in named if item.state is State.LEFT} | self.differences.keys()
        return tuple(dict.fromkeys(name for item in named if (name := str(item.entry)) not in left))

    @property
    def question(self) -> str:
        """The question for the operator."""
        public = sum(map(len, self.intake.public.values()))
        counts = [(len(self.intake.edits), str(self.scene.to)), (public, self.scene.own)]
        parts = [f"{count} value{'s' if count > 1 else ''} into {place}" for count, place in counts if count]
        if self.instead:
            parts.append(f"{self.scene.to} into `sources`, replacing {self.instead}")
        return f"Write {' and '.join(parts)}?"

    def context(self, run: Run) -> Context:
        """Return the context for a provider."""
        return Context(self.scene.environment.base, run.environ, run.deadline)


def prepare(environment: Environment, run: Run, file: Path | None, to: str, *, replace: bool) -> Import:
    """Read everything, and decide. Raise one error with everything that is wrong with the files."""
    reference = _document(to)
    own = own_template(environment)
    files, provider = _files(_without_missing(environment, own), reference, run)
    assert files.layer is not None
    assert files.templates is not None
    templates = {template.id: template for template in files.templates}
    plain = _plain(environment, file, files.namespace, templates, run)
    context = Context(environment.base, run.environ, run.deadline)
    documents: dict[Reference, Document | None] = {reference: look(provider, reference, context)}
    others = _others(environment, reference, variables_for(plain.entries, templates))
    documents |= read_present(files.providers, others, context)
    shown = tuple(environment.shown(path) for path in environment.templates)
    place = environment.shown(own) if own else None
    scene = Scene(
        environment,
        templates,
        _shared(environment, own, templates),
        documents,
        reference,
        place,
        frozenset(shown[shown.index(place) + 1 :] if place else ()),
        _layer_without(files.layer, environment, file),
    )
    warnings = [
        located(ref, problem) for ref, document in documents.items() if document for problem in document.warnings
    ]
    intake = take_in(plain, scene, replace=replace)
    differences = {name: kind for name, kind in plain.differences.items() if name not in intake.for_scripts}
    plan = f"`bridge plan {word(environment.name)}`"
    hint = f"before deleting the file, check with {plan} that the cluster has the same value"
    instead = _instead(scene, intake)
    unread = [] if instead else _unread(scene, intake)
    findings = [*difference_warnings(differences, str(file), hint), *intake.warnings, *_doubts(intake), *warnings]
    return Import(scene, intake, provider, own, differences, (*unread, *findings), instead)


def _document(text: str) -> Reference:
    reference = parse_reference(text, "--to")
    if reference.field is not None:
        raise ConfigError(
            Problem("--to", "must not name a field", "name only the document; each value gets its own field")
        )
    return reference


def _without_missing(environment: Environment, own: Path | None) -> Environment:
    """Leave out the environment's own template while it does not exist: this command creates it."""
    if own is None or own.exists():
        return environment
    return environment._replace(templates=tuple(path for path in environment.templates if path != own))


def _shared(
    environment: Environment, own: Path | None, templates: Mapping[ObjectId, TemplateObject]
) -> Mapping[ObjectId, TemplateObject]:
    """Return the templates without the environment's own, or all of them if none would be left."""
    others = tuple(path for path in environment.templates if path != own)
    if len(others) in {0, len(environment.templates)}:
        return templates
    return {template.id: template for template in load_templates(environment._replace(templates=others), None)}


def _files(environment: Environment, to: Reference, run: Run) -> tuple[Files, Provider]:
    errors: list[BridgeError] = []
    files = read_files(environment, run, errors)
    built = files.providers if to.provider in files.providers else build_providers(environment, [to.provider], errors)
    public = tuple(secrets_in_public(files.templates or (), environment.infrastructure))
    errors += [ConfigError(*public)] if public else []
    if errors:
        raise combine(errors)
    return files, built[to.provider]


def _plain(
    environment: Environment,
    file: Path | None,
    namespace: str | None,
    templates: Mapping[ObjectId, TemplateObject],
    run: Run,
) -> Plain:
    if file is not None:
        return read_plain(file, namespace)
    from bridge.cluster.identity import check_exists  # noqa: PLC0415 - only this form needs the cluster
    from bridge.run.view import open_cluster  # noqa: PLC0415 - only this form needs the cluster

    entries: list[PlainEntry] = []
    left: list[Left] = []
    with open_cluster(environment, namespace or "", run) as cluster:
        for id_, template in templates.items():
            live = cluster.objects.get(id_) if id_.kind == "Secret" else None
            if live:
                entries += [PlainEntry(id_, key, value) for key, value in live.data.items() if key in template.keys]
            elif id_.kind == "Secret":
                left.append(Left(str(id_), "is not in the cluster"))
        if not entries:
            check_exists(cluster.api, namespace or "")
    return Plain(tuple(entries), tuple(left))


def _others(environment: Environment, to: Reference, names: Iterable[str]) -> list[Reference]:
    """Return the other documents that give values: the sources, and the documents in `variables` for these names."""
    exceptions = [environment.variables[name].reference.document for name in names if name in environment.variables]
    return [document for document in dict.fromkeys((*environment.sources, *exceptions)) if document != to]


def _layer_without(layer: EnvLayer, environment: Environment, file: Path | None) -> EnvLayer:
    """Leave the env file out if it is the very file that is imported."""
    if file is None or not isinstance(environment.env_file, Path) or not environment.env_file.exists():
        return layer
    return EnvLayer(layer.shown, {}) if file.samefile(environment.env_file) else layer


def _doubts(intake: Intake) -> Iterator[Problem]:
    """Warn about doubtful values that are written; placeholders are not written."""
    for item in intake.items:
        flaw = doubt(item.entry.value) if item.slot and isinstance(item.entry, PlainEntry) else None
        if flaw:
            yield Problem(str(item.entry), f"the value {flaw}", "correct it in the file first", warning=True)


def _instead(scene: Scene, intake: Intake) -> Reference | None:
    """Return the source that `bridge init` drafted, if it has no document and nothing reads the imported one."""
    drafted = drafted_source(scene.environment.name)
    is_waiting = drafted in scene.environment.sources and scene.documents.get(drafted) is None
    return drafted if is_waiting and _unread(scene, intake) else None


def _unread(scene: Scene, intake: Intake) -> list[Problem]:
    """Warn about a document that is not a source: only the fields that `variables` names are read from it."""
    environment, to = scene.environment, scene.to
    stored = [item for item in intake.items if item.slot or item.place.startswith(str(to))]
    if to in environment.sources or all(item.variable in environment.variables for item in stored):
        return []
    what = f"`sources` does not list {to}, so nothing reads it yet"
    return [Problem(environment.shown(environment.file), what, f"add the line `  - {to}` to `sources`", warning=True)]
