"""Decides where each value of a plaintext file goes: into the store, into the environment's template, or nowhere."""

import enum
from collections.abc import Iterable, Mapping

from bridge.config.environment import Environment
from bridge.config.names import did_you_mean
from bridge.config.reference import Reference
from bridge.config.template import TemplateObject, TemplateUse, all_uses, use_of, uses_of
from bridge.errors import Problem
from bridge.importing.plaintext import Left, PlainEntry
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.provider import Document
from bridge.secret import SecretValue
from bridge.sources.env_layer import EnvLayer
from bridge.stores.slots import Slot


class State(enum.Enum):
    """What an import does with a value."""

    NEW = "new"
    SAME = "same"
    DIFFERENT = "different"
    LEFT = "left"


class Scene(NamedTuple):
    """Everything that the decisions depend on.

    - `templates`: all templates together.
    - `shared`: the templates without the environment's own. They still show which variable a key takes if an earlier
    import has replaced it with a text.
    - `documents`: the environment's sources and `to`; None for a document that does not exist.
    - `own`: the displayed path of the environment's own template, or None if it has none.
    - `later`: the templates listed after the environment's own.
    - `env_layer`: the second layer, without the file that is being imported.
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
        """The document that values are imported into."""
        return self.documents[self.to]


class Item(NamedTuple):
    """What happens to a value. `place` is where it goes or is, or the reason why it stays where it was.

    A value that will be written has either a `slot` in the store's document, with the value `seen` there now, or
    `public`, the key in the environment's template.
    """

    entry: PlainEntry | Left
    state: State
    place: str
    variable: str | None = None
    slot: Slot | None = None
    seen: SecretValue | None = None
    public: TemplateUse | None = None


def variables_for(entries: Iterable[PlainEntry], templates: Mapping[ObjectId, TemplateObject]) -> frozenset[str]:
    """Return the variables that these values may be for."""
    names: set[str] = set()
    for entry in entries:
        use = use_of(entry.object, entry.name, templates) if entry.object else None
        names |= {entry.name} if entry.object is None else use.names if use else set()
    return frozenset(names)


def literal_uses(variable: str, scene: Scene) -> list[TemplateUse]:
    """Return the keys that take only this variable but have a text in the environment's own template instead."""
    keys = [use_of(use.object, use.key, scene.templates) for use in uses_of(variable, scene.shared) if use.variable]
    return [use for use in keys if use and not use.names]


def unknown(entry: PlainEntry, scene: Scene) -> Problem:
    """Describe a value that nothing uses."""
    if entry.object is None:
        known = {
            name for use in all_uses(scene.templates) for name in use.names
        } | scene.environment.infrastructure.keys()
        hint = did_you_mean(entry.name, known) or "add it to a template, or to `infrastructure` if scripts need it"
        return Problem(str(entry), "not used by any template or by infrastructure", hint)
    template = scene.templates.get(entry.object)
    keys = template.keys if template else {}
    hint = did_you_mean(entry.name, keys) or "add it to a template, or remove it from the file"
    return Problem(str(entry), "not in any template", hint)
