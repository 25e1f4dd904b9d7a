"""Compares the objects of two states of an environment's templates, and their keys. No text of a Secret is kept."""

from collections.abc import Iterator, Mapping
from typing import Final

from bridge.config.placeholder import Placeholder
from bridge.config.template import TemplateKey, TemplateObject, TemplateUse, all_uses
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.review.change import ChangeKind, SettingChange, sides, what
from bridge.review.state import Side, are_comparable
from bridge.review.variable_change import VariableChange
from bridge.review.variable_origin import Origins, same
from bridge.secret import Kind, SecretValue


class KeyChange(NamedTuple):
    """How a key of an object differs.

    - `text`: whether its text in the templates differs; `before` and `after` are the texts, None if not to be shown.
    - `variables`: the variables in its text that differ, and `sources`: the manifests that give it another value.
    """

    name: str
    what: ChangeKind
    text: bool
    before: str | None = None
    after: str | None = None
    variables: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


class ObjectChange(NamedTuple):
    """How an object of the templates differs; `fields` are its type, labels and annotations."""

    id: ObjectId
    what: ChangeKind
    fields: tuple[SettingChange, ...]
    keys: tuple[KeyChange, ...]


def objects(before: Side, after: Side, variables: Mapping[str, VariableChange]) -> tuple[ObjectChange, ...]:
    """Return the objects that differ, if the templates can be read on both sides."""
    if not are_comparable(before, after):
        return ()
    old, new = ({one.id: one for one in side.templates or ()} for side in (before, after))
    comparison = _Comparison(before, after, variables)
    changes = []
    for id_, one, other in sides(old, new):
        fields = _fields(id_, one, other)
        keys = tuple(comparison.keys(id_, one, other))
        verdict = what(one, other)
        if verdict is not ChangeKind.CHANGE or fields or keys:
            changes.append(ObjectChange(id_, verdict, fields, keys))
    return tuple(changes)


class _Comparison:
    """Compares keys, with what all of them share."""

    def __init__(self, before: Side, after: Side, variables: Mapping[str, VariableChange]) -> None:
        self._origins: Final = Origins(before), Origins(after)
        self._variables: Final = variables
        self._private: Final = frozenset((*_secret_names(before), *_secret_names(after)))

    def keys(self, id_: ObjectId, one: TemplateObject | None, other: TemplateObject | None) -> Iterator[KeyChange]:
        """Yield the keys of an object that differ."""
        old, new = (side.keys if side else {} for side in (one, other))
        for name, before, after in sides(old, new):
            used = TemplateUse(id_, name, after).names if after else frozenset()
            changed = tuple(sorted(used & self._variables.keys()))
            text = before is None or after is None or _differ(before, after)
            given = tuple(self._given_otherwise(id_, name)) if before and after else ()
            if text or changed or given:
                texts = [self._shown(id_, side) if side and text else None for side in (before, after)]
                yield KeyChange(name, what(before, after), text, texts[0], texts[1], changed, given)

    def _given_otherwise(self, id_: ObjectId, key: str) -> Iterator[str]:
        """Yield the manifests in documents that give a key another value."""
        old, new = (side.of_key(id_, key) for side in self._origins)
        for name, one, other in sides(old, new):
            if one is None or other is None or not same(one, other):
                yield name

    def _shown(self, id_: ObjectId, key: TemplateKey) -> str | None:
        """Return a key's text if it may be shown: a ConfigMap's, without a default for a variable of a Secret."""
        if id_.kind != "ConfigMap":
            return None
        texts = []
        for part in key.parts:
            if isinstance(part, Placeholder):
                if part.default is not None and part.name in self._private:
                    return None
                texts.append(_placeholder(part))
            elif part.kind is Kind.BYTES:
                return None
            else:
                texts.append(part.reveal().decode().replace("${", "$${"))
        return "".join(texts)


def _secret_names(state: Side) -> Iterator[str]:
    """Yield the variables of Secrets: a ConfigMap's default for one of them may be a secret too."""
    for use in all_uses({one.id: one for one in state.templates or ()}):
        if use.object.kind == "Secret":
            yield from use.names


def _fields(id_: ObjectId, one: TemplateObject | None, other: TemplateObject | None) -> tuple[SettingChange, ...]:
    old, new = (_described(side) if side else {} for side in (one, other))
    public = id_.kind == "ConfigMap"
    return tuple(
        SettingChange(name, before, after, is_shown=public or name in {"type", "immutable"})
        for name, before, after in sides(old, new)
        if before != after
    )


def _described(template: TemplateObject) -> dict[str, str]:
    fields = {"type": template.type} if template.type else {}
    fields |= {"immutable": str(template.immutable).lower()} if template.immutable is not None else {}
    fields |= {f"label {name}": text for name, text in template.labels.items()}
    return fields | {f"annotation {name}": text for name, text in template.annotations.items()}


def _differ(before: TemplateKey, after: TemplateKey) -> bool:
    if len(before.parts) != len(after.parts):
        return True
    return not all(map(_is_same_part, before.parts, after.parts))


def _is_same_part(one: SecretValue | Placeholder, other: SecretValue | Placeholder) -> bool:
    if isinstance(one, SecretValue) and isinstance(other, SecretValue):
        return one.kind is other.kind and one.same_as(other)
    return isinstance(one, Placeholder) and isinstance(other, Placeholder) and one == other


def _placeholder(part: Placeholder) -> str:
    operator = ":-" if part.empty_is_unset else "-"
    default = "" if part.default is None else operator + part.default
    return f"${{{part.name}{'|json' if part.json else ''}{default}}}"
