"""Decides where each value of a plaintext file goes: into the store, into the environment's template, or nowhere."""

import enum
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from bridge.config.environment import Environment
from bridge.config.names import did_you_mean
from bridge.config.placeholder import Placeholder
from bridge.config.reference import Reference
from bridge.config.template import TemplateKey, TemplateObject
from bridge.errors import Problem
from bridge.importing.plaintext import Given, Left
from bridge.objects import ObjectId
from bridge.provider import Document
from bridge.secret import SecretValue
from bridge.sources.env_layer import EnvLayer
from bridge.stores.slots import Slot


class State(enum.Enum):
    """What an import does about one value."""

    NEW = "new"
    SAME = "same"
    DIFFERENT = "different"
    LEFT = "left"


class Scene(NamedTuple):
    """All that a decision looks at. `documents` has the environment's sources and `to`, None for what is not there.

    `templates` are all together; `shared` are those without the environment's own, which still say what variable a
    key takes where an earlier import has put a text. `own` is the environment's own template as it is shown, None
    where it has none, and `later` the templates that come after it. `env_layer` does not count the file that is
    imported.
    """

    environment: Environment
    templates: Mapping[ObjectId, TemplateObject]
    shared: Mapping[ObjectId, TemplateObject]
    documents: Mapping[Reference, Document | None]
    to: Reference
    own: str | None
    later: frozenset[str]
    env_layer: EnvLayer

    @property
    def document(self) -> Document | None:
        """The document that is imported into."""
        return self.documents[self.to]


class Use(NamedTuple):
    """A key of a template."""

    object: ObjectId
    key: str
    template: TemplateKey

    @property
    def variable(self) -> str | None:
        """The placeholder that fills the key, where it is one alone."""
        parts = self.template.parts
        return parts[0].name if len(parts) == 1 and isinstance(parts[0], Placeholder) else None

    @property
    def names(self) -> frozenset[str]:
        """All variables in the key's text."""
        return frozenset(part.name for part in self.template.parts if isinstance(part, Placeholder))


class Item(NamedTuple):
    """What becomes of one value. `place` is where it goes or is, or (left) why it stays where it was.

    Of a value that is to be written, either `slot` is the place in the store's document, with what is `seen` there
    now, or `public` is the key that the environment's template gets.
    """

    given: Given | Left
    state: State
    place: str
    variable: str | None = None
    slot: Slot | None = None
    seen: SecretValue | None = None
    public: Use | None = None


def asked(given: Iterable[Given], templates: Mapping[ObjectId, TemplateObject]) -> frozenset[str]:
    """Return the variables that these values may be for."""
    found: set[str] = set()
    for one in given:
        use = use_of(one.object, one.name, templates) if one.object else None
        found |= {one.name} if one.object is None else use.names if use else set()
    return frozenset(found)


def use_of(id_: ObjectId, key: str, templates: Mapping[ObjectId, TemplateObject]) -> Use | None:
    """Return the template's key; None where no template names it."""
    template = templates.get(id_)
    given = template.keys.get(key) if template else None
    return Use(id_, key, given) if given else None


def uses_of(variable: str, templates: Mapping[ObjectId, TemplateObject]) -> list[Use]:
    """Return the templates' keys that have the variable in their text."""
    return [use for use in all_uses(templates) if variable in use.names]


def settled(variable: str, scene: Scene) -> list[Use]:
    """Return the keys that would take the variable alone, and have a text of the environment's own template instead."""
    found = [use_of(use.object, use.key, scene.templates) for use in uses_of(variable, scene.shared) if use.variable]
    return [use for use in found if use and not use.names]


def all_uses(templates: Mapping[ObjectId, TemplateObject]) -> list[Use]:
    """Return every key of every template."""
    return [Use(id_, key, given) for id_, one in templates.items() for key, given in one.keys.items()]


def unknown(given: Given, scene: Scene) -> Problem:
    """Tell of a value that nothing asks for."""
    if given.object is None:
        known = {
            name for use in all_uses(scene.templates) for name in use.names
        } | scene.environment.infrastructure.keys()
        hint = did_you_mean(given.name, known) or "add it to a template, or to `infrastructure` if scripts need it"
        return Problem(str(given), "no template and no infrastructure names it", hint)
    template = scene.templates.get(given.object)
    keys = template.keys if template else {}
    hint = did_you_mean(given.name, keys) or "add it to a template, or take it out of the file"
    return Problem(str(given), "no template names it", hint)
