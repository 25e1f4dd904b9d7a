"""Gathers what an import needs: the plaintext values, the templates, and what the stores have."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bridge.config.env_readers import Difference, told
from bridge.config.environment import Environment
from bridge.config.listing import drafted_source
from bridge.config.own_template import own_template
from bridge.config.reference import Reference, parse_reference
from bridge.config.template import TemplateObject, load_templates
from bridge.errors import BridgeError, ConfigError, Problem, combine
from bridge.importing.decide import Intake, take_in
from bridge.importing.items import Scene, State, asked
from bridge.importing.plaintext import Given, Left, Plain, read_plain
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
    """Everything that is decided before something is written.

    `differences` are the variables that other programs read otherwise: elsewhere they may have other values.
    """

    scene: Scene
    intake: Intake
    provider: Provider
    own: Path | None
    differences: Mapping[str, Difference]
    warnings: tuple[Problem, ...]
    instead: Reference | None = None
    """The drafted source that the store's document takes the place of in the environment's file."""

    @property
    def pending(self) -> bool:
        """Say whether something is to be written."""
        return bool(self.intake.edits or self.intake.public or self.instead)

    @property
    def is_safe_elsewhere(self) -> bool:
        """Say whether nothing of the file is in the file alone, once all this is written."""
        return self.intake.is_safe_elsewhere and (bool(self.instead) or not _unread(self.scene, self.intake))

    @property
    def spent(self) -> tuple[str, ...]:
        """The variables of an env file that nothing reads from it any more, once all this is written."""
        if self.intake.problems or (not self.instead and _unread(self.scene, self.intake)):
            return ()
        named = [one for one in self.intake.items if isinstance(one.given, Given) and one.given.object is None]
        left = {str(one.given) for one in named if one.state is State.LEFT} | self.differences.keys()
        return tuple(dict.fromkeys(name for one in named if (name := str(one.given)) not in left))

    @property
    def question(self) -> str:
        """What the operator is asked."""
        public = sum(map(len, self.intake.public.values()))
        counts = [(len(self.intake.edits), str(self.scene.to)), (public, self.scene.own)]
        parts = [f"{count} value{'s' if count > 1 else ''} into {place}" for count, place in counts if count]
        if self.instead:
            parts.append(f"{self.scene.to} into `sources`, in place of {self.instead}")
        return f"Write {' and '.join(parts)}?"

    def context(self, run: Run) -> Context:
        """Return what a provider may know."""
        return Context(self.scene.environment.base, run.environ, run.deadline)


def prepare(environment: Environment, run: Run, file: Path | None, to: str, *, replace: bool) -> Import:
    """Read all there is, and decide. Raises one error with everything that is wrong with the files."""
    reference = _document(to)
    own = own_template(environment)
    files, provider = _files(_without_missing(environment, own), reference, run)
    assert files.layer is not None
    assert files.templates is not None
    templates = {one.id: one for one in files.templates}
    plain = _plain(environment, file, files.namespace, templates, run)
    context = Context(environment.base, run.environ, run.deadline)
    documents: dict[Reference, Document | None] = {reference: look(provider, reference, context)}
    others = _others(environment, reference, asked(plain.given, templates))
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
    warnings = [located(one, told) for one, found in documents.items() if found for told in found.warnings]
    intake = take_in(plain, scene, replace=replace)
    differences = {name: one for name, one in plain.differences.items() if name not in intake.for_scripts}
    plan = f"`bridge plan {word(environment.name)}`"
    hint = f"before you delete the file, see with {plan} that the cluster has the same value"
    instead = _instead(scene, intake)
    unread = [] if instead else _unread(scene, intake)
    found = [*told(differences, str(file), hint), *intake.warnings, *_doubts(intake), *warnings]
    return Import(scene, intake, provider, own, differences, (*unread, *found), instead)


def _document(given: str) -> Reference:
    reference = parse_reference(given, "--to")
    if reference.field is not None:
        raise ConfigError(Problem("--to", "names a field", "name the document alone; each value gets its own field"))
    return reference


def _without_missing(environment: Environment, own: Path | None) -> Environment:
    """Leave the environment's own template out while it does not exist: it is made by this command."""
    if own is None or own.exists():
        return environment
    return replace(environment, templates=tuple(path for path in environment.templates if path != own))


def _shared(
    environment: Environment, own: Path | None, templates: Mapping[ObjectId, TemplateObject]
) -> Mapping[ObjectId, TemplateObject]:
    """Return the templates without the environment's own; all of them where there would be none."""
    others = tuple(path for path in environment.templates if path != own)
    if len(others) in {0, len(environment.templates)}:
        return templates
    return {one.id: one for one in load_templates(replace(environment, templates=others), None)}


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

    given: list[Given] = []
    left: list[Left] = []
    with open_cluster(environment, namespace or "", run) as cluster:
        for id_, template in templates.items():
            live = cluster.objects.get(id_) if id_.kind == "Secret" else None
            if live:
                given += [Given(id_, key, value) for key, value in live.data.items() if key in template.keys]
            elif id_.kind == "Secret":
                left.append(Left(str(id_), "is not in the cluster"))
        if not given:
            check_exists(cluster.api, namespace or "")
    return Plain(tuple(given), tuple(left))


def _others(environment: Environment, to: Reference, names: Iterable[str]) -> list[Reference]:
    """Return the other documents that give values: the sources, and what `variables` says about these names."""
    exceptions = [environment.variables[name].reference.document for name in names if name in environment.variables]
    return [one for one in dict.fromkeys((*environment.sources, *exceptions)) if one != to]


def _layer_without(layer: EnvLayer, environment: Environment, file: Path | None) -> EnvLayer:
    """Leave the env file out where it is the very file that is imported."""
    if file is None or not isinstance(environment.env_file, Path) or not environment.env_file.exists():
        return layer
    return EnvLayer(layer.shown, {}) if file.samefile(environment.env_file) else layer


def _doubts(intake: Intake) -> Iterator[Problem]:
    """Warn of values that are written although they are doubtful; placeholders are not."""
    for one in intake.items:
        found = doubt(one.given.value) if one.slot and isinstance(one.given, Given) else None
        if found:
            yield Problem(str(one.given), f"the value {found}", "correct it in the file first", warning=True)


def _instead(scene: Scene, intake: Intake) -> Reference | None:
    """Return the source that `bridge init` drafted, if it still has no document and nothing reads the one that has."""
    drafted = drafted_source(scene.environment.name)
    is_waiting = drafted in scene.environment.sources and scene.documents.get(drafted) is None
    return drafted if is_waiting and _unread(scene, intake) else None


def _unread(scene: Scene, intake: Intake) -> list[Problem]:
    """Warn of a document that is no source: only the fields that `variables` names are read from it."""
    environment, to = scene.environment, scene.to
    there = [one for one in intake.items if one.slot or one.place.startswith(str(to))]
    if to in environment.sources or all(one.variable in environment.variables for one in there):
        return []
    what = f"`sources` does not list {to}, so nothing reads it yet"
    return [Problem(environment.shown(environment.file), what, f"add the line `  - {to}`", warning=True)]
