"""Goes through all that a plaintext file holds, and says of each value what an import does about it."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from bridge.config.template_value import text_of
from bridge.errors import Problem
from bridge.importing.items import Item, Scene, State, Use, all_uses, settled, unknown, use_of, uses_of
from bridge.importing.plaintext import Given, Plain
from bridge.importing.public_values import Public
from bridge.importing.secret_values import Secrets, stands
from bridge.objects import ObjectId
from bridge.sources.env_layer import K8_ENV, NAMESPACE
from bridge.stores.write import Edit

FOR_SCRIPTS: Final = "is public, and for scripts: it stays here"
OF_THE_ENV_FILE: Final = frozenset({NAMESPACE, K8_ENV})
"""Variables that bridge itself reads there."""


class Intake(NamedTuple):
    """What is to be done, what speaks against it (nothing is done then), and what is only told."""

    items: tuple[Item, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What the store's document gets."""
        found = {one.slot: one for one in self.items if one.slot and isinstance(one.given, Given)}
        return tuple(Edit(slot, one.given.value, one.seen) for slot, one in found.items())  # type: ignore[union-attr]

    @property
    def public(self) -> Mapping[ObjectId, Mapping[str, str]]:
        """What the environment's template gets."""
        found: dict[ObjectId, dict[str, str]] = {}
        for one in self.items:
            if one.public and isinstance(one.given, Given):
                found.setdefault(one.public.object, {})[one.public.key] = text_of(one.given.value) or ""
        return found

    @property
    def is_safe_elsewhere(self) -> bool:
        """Say whether nothing of the file is in the file alone, once all this is written."""
        return not self.problems and all(one.state is not State.LEFT for one in self.items)

    @property
    def for_scripts(self) -> frozenset[str]:
        """The variables that the env file goes on giving to scripts, and that nothing else takes."""
        left = {str(one.given) for one in self.items if one.state is State.LEFT and one.place == FOR_SCRIPTS}
        return frozenset(left - {str(one.given) for one in self.items if one.place != FOR_SCRIPTS})


def take_in(plain: Plain, scene: Scene, *, replace: bool) -> Intake:
    """Decide about every value; one that differs from what is there is a problem, unless it may `replace` that."""
    problems: list[Problem] = []
    found = _Intake(plain, scene, problems)
    items = [item for given in plain.given for item in found.decide(given)]
    items += [Item(left, State.LEFT, left.why) for left in plain.left]
    different = [one for one in items if one.state is State.DIFFERENT and not replace]
    problems += [
        Problem(str(one.given), f"{one.place} has another value", "overwrite it with --replace") for one in different
    ]
    warnings = [one for one in problems if one.warning]
    problems = [one for one in problems if not one.warning]
    return Intake(tuple(items), tuple(dict.fromkeys(problems)), tuple(dict.fromkeys(warnings)))


class _Intake:
    def __init__(self, plain: Plain, scene: Scene, problems: list[Problem]) -> None:
        self._scene = scene
        self._problems = problems
        self._secrets = Secrets(scene, problems)
        self._public = Public(scene, [*self._given_secrets(plain), *_stored_secrets(scene)], problems)

    def decide(self, given: Given) -> Iterator[Item]:
        """Yield what becomes of a value; of a variable's in several places, if several keys take it."""
        if given.object is None:
            yield from self._variable(given)
            return
        use = use_of(given.object, given.name, self._scene.templates)
        if use is None:
            self._problems.append(unknown(given, self._scene))
        else:
            yield from self._key(given, use)

    def _key(self, given: Given, use: Use) -> Iterator[Item]:
        if use.object.kind == "Secret":
            item = self._secrets.decide(given, use.object, use.key, use.variable)
        else:
            item = self._public.decide(given, use)
        if item:
            yield item

    def _variable(self, given: Given) -> Iterator[Item]:
        uses = uses_of(given.name, self._scene.templates)
        public = [use for use in settled(given.name, self._scene) if use.object.kind == "ConfigMap"]
        rule = self._scene.environment.infrastructure.get(given.name)
        if self._is_secret(given.name):
            yield from self._secret_variable(given, uses)
        elif uses or public:
            for use in (*uses, *public):
                if use.variable or not use.names:
                    yield from self._key(given, use)
                else:
                    yield Item(given, State.LEFT, f"stands inside the text of {use.object} key {use.key}")
        elif rule is None and given.name not in OF_THE_ENV_FILE:
            self._problems.append(unknown(given, self._scene))
        if rule == "required" or given.name in OF_THE_ENV_FILE:
            yield Item(given, State.LEFT, FOR_SCRIPTS)

    def _secret_variable(self, given: Given, uses: list[Use]) -> Iterator[Item]:
        """Put a variable into the store: under its own name, or where that has manifests to the keys it fills."""
        if not self._secrets.holds_manifests:
            item = self._secrets.decide(given, None, given.name, given.name)
            if item:
                yield item
            return
        keys = [use for use in uses if use.variable]
        for use in keys:
            yield from self._key(given, use)
        if len(keys) < len(uses) or not uses:
            yield Item(given, State.LEFT, f"{self._scene.to} consists of manifests and has no place for a variable")

    def _is_secret(self, variable: str) -> bool:
        uses = uses_of(variable, self._scene.templates)
        is_infrastructure = self._scene.environment.infrastructure.get(variable) == "secret"
        return is_infrastructure or any(use.object.kind == "Secret" for use in uses)

    def _given_secrets(self, plain: Plain) -> list[Given]:
        return [
            one
            for one in plain.given
            if (one.object.kind == "Secret" if one.object is not None else self._is_secret(one.name))
        ]


def _stored_secrets(scene: Scene) -> Iterator[Given]:
    """Yield what the documents give for Secrets already."""
    for use in all_uses(scene.templates):
        for document in scene.documents.values():
            value = stands(document, use.object, use.key, use.variable) if use.object.kind == "Secret" else None
            if value is not None:
                yield Given(use.object, use.key, value)
