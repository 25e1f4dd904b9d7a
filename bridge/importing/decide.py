"""Goes through the values in a plaintext file and decides what an import does with each."""

from collections.abc import Iterator, Mapping
from typing import Final

from bridge.config.template import TemplateUse, all_uses, use_of, uses_of
from bridge.config.template_value import text_of
from bridge.errors import Problem
from bridge.importing.items import Item, Scene, State, literal_uses, unknown
from bridge.importing.plaintext import Plain, PlainEntry
from bridge.importing.public_values import Public
from bridge.importing.secret_values import Secrets, value_in_source
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.sources.env_layer import K8_ENV, NAMESPACE
from bridge.stores.write import Edit

FOR_SCRIPTS: Final = "public, and used by scripts"
OF_THE_ENV_FILE: Final = frozenset({NAMESPACE, K8_ENV})
"""Variables that bridge itself reads from the env file."""


class Intake(NamedTuple):
    """What to import, the problems that prevent the whole import, and warnings."""

    items: tuple[Item, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits of the store's document."""
        by_slot = {item.slot: item for item in self.items if item.slot and isinstance(item.entry, PlainEntry)}
        return tuple(Edit(slot, item.entry.value, item.seen) for slot, item in by_slot.items())  # type: ignore[union-attr]

    @property
    def public(self) -> Mapping[ObjectId, Mapping[str, str]]:
        """The values for the environment's template."""
        values: dict[ObjectId, dict[str, str]] = {}
        for item in self.items:
            if item.public and isinstance(item.entry, PlainEntry):
                values.setdefault(item.public.object, {})[item.public.key] = text_of(item.entry.value) or ""
        return values

    @property
    def is_safe_elsewhere(self) -> bool:
        """True if every value in the file will also exist elsewhere once the import is done."""
        return not self.problems and all(item.state is not State.LEFT for item in self.items)

    @property
    def for_scripts(self) -> frozenset[str]:
        """The variables that stay in the env file for scripts and go nowhere else."""
        left = {str(item.entry) for item in self.items if item.state is State.LEFT and item.place == FOR_SCRIPTS}
        return frozenset(left - {str(item.entry) for item in self.items if item.place != FOR_SCRIPTS})


def take_in(plain: Plain, scene: Scene, *, replace: bool) -> Intake:
    """Decide what to do with every value. A value that differs from the existing one is a problem unless `replace`."""
    problems: list[Problem] = []
    intake = _Intake(plain, scene, problems)
    items = [item for entry in plain.entries for item in intake.decide(entry)]
    items += [Item(left, State.LEFT, left.why) for left in plain.left]
    different = [item for item in items if item.state is State.DIFFERENT and not replace]
    problems += [
        Problem(str(item.entry), f"{item.place} has a different value", "overwrite it with `--replace`")
        for item in different
    ]
    warnings = [problem for problem in problems if problem.warning]
    problems = [problem for problem in problems if not problem.warning]
    return Intake(tuple(items), tuple(dict.fromkeys(problems)), tuple(dict.fromkeys(warnings)))


class _Intake:
    def __init__(self, plain: Plain, scene: Scene, problems: list[Problem]) -> None:
        self._scene = scene
        self._problems = problems
        self._secrets = Secrets(scene, problems)
        self._public = Public(scene, [*self._new_secrets(plain), *_stored_secrets(scene)], problems)

    def decide(self, entry: PlainEntry) -> Iterator[Item]:
        """Yield what happens to a value; several items if it is a variable that several keys use."""
        if entry.object is None:
            yield from self._variable(entry)
            return
        use = use_of(entry.object, entry.name, self._scene.templates)
        if use is None:
            self._problems.append(unknown(entry, self._scene))
        else:
            yield from self._key(entry, use)

    def _key(self, entry: PlainEntry, use: TemplateUse) -> Iterator[Item]:
        if use.object.kind == "Secret":
            item = self._secrets.decide(entry, use.object, use.key, use.variable)
        else:
            item = self._public.decide(entry, use)
        if item:
            yield item

    def _variable(self, entry: PlainEntry) -> Iterator[Item]:
        uses = uses_of(entry.name, self._scene.templates)
        public = [use for use in literal_uses(entry.name, self._scene) if use.object.kind == "ConfigMap"]
        rule = self._scene.environment.infrastructure.get(entry.name)
        if self._is_secret(entry.name):
            yield from self._secret_variable(entry, uses)
        elif uses or public:
            for use in (*uses, *public):
                if use.variable or not use.names:
                    yield from self._key(entry, use)
                else:
                    yield Item(entry, State.LEFT, f"is part of the text of {use.object} key {use.key}")
        elif rule is None and entry.name not in OF_THE_ENV_FILE:
            self._problems.append(unknown(entry, self._scene))
        if rule == "required" or entry.name in OF_THE_ENV_FILE:
            yield Item(entry, State.LEFT, FOR_SCRIPTS)

    def _secret_variable(self, entry: PlainEntry, uses: list[TemplateUse]) -> Iterator[Item]:
        """Put a variable into the store: under its own name, or into the keys it fills if the store has manifests."""
        if not self._secrets.holds_manifests:
            item = self._secrets.decide(entry, None, entry.name, entry.name)
            if item:
                yield item
            return
        keys = [use for use in uses if use.variable]
        for use in keys:
            yield from self._key(entry, use)
        if len(keys) < len(uses) or not uses:
            yield Item(entry, State.LEFT, f"{self._scene.to} consists of manifests, which cannot hold a variable")

    def _is_secret(self, variable: str) -> bool:
        uses = uses_of(variable, self._scene.templates)
        is_infrastructure = self._scene.environment.infrastructure.get(variable) == "secret"
        return is_infrastructure or any(use.object.kind == "Secret" for use in uses)

    def _new_secrets(self, plain: Plain) -> list[PlainEntry]:
        return [
            entry
            for entry in plain.entries
            if (entry.object.kind == "Secret" if entry.object is not None else self._is_secret(entry.name))
        ]


def _stored_secrets(scene: Scene) -> Iterator[PlainEntry]:
    """Yield the values that the documents already give for Secrets."""
    for use in all_uses(scene.templates):
        for document in scene.documents.values():
            value = (
                value_in_source(document, use.object, use.key, use.variable) if use.object.kind == "Secret" else None
            )
            if value is not None:
                yield PlainEntry(use.object, use.key, value)
