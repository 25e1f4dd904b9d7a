"""Sorts what a layout says into what may stand in git, and what may not."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from bridge.config.names import shown as shown_name
from bridge.draft.metadata import carried
from bridge.draft.model import Declared, Layout, shown
from bridge.draft.naming import asked, asks, variable_for
from bridge.draft.suspect import equals_secret, holds_secret, looks_secret, named_like_a_secret
from bridge.draft.templates import Templates
from bridge.draft.text import comments, manifest
from bridge.objects import ObjectId
from bridge.secret import SecretValue
from bridge.shell import word

_HINT: Final = "if it is public, add it to the public template by hand; else import it, and ask for it in a Secret"


class Public(NamedTuple):
    """A template's text, and the keys that it gives."""

    text: str
    keys: frozenset[tuple[ObjectId, str]]


def public_template(name: str, layout: Layout, secrets: Sequence[SecretValue]) -> Public:
    """Return the environment's public values: what patches give to ConfigMaps, unless it may be a secret."""
    keys = set()
    text = comments(
        f"The public values of {name}, in clear and reviewed in git. They replace the base's.\nNo secret here."
    )
    for one in layout.objects:
        if one.kind != "ConfigMap" or one.deleted or one.kept_out:
            continue
        values = {key: value for key in one.given if (value := _public_value(one, key, layout, secrets)) is not None}
        keys |= {(one.id, key) for key in values}
        if values:
            metadata = {"name": one.id.name}
            text += "---\n" + manifest({"apiVersion": "v1", "kind": one.kind, "metadata": metadata, "data": values})
    return Public(text, frozenset(keys))


def _public_value(one: Declared, key: str, layout: Layout, secrets: Sequence[SecretValue]) -> str | None:
    """Return a value that may stand in git; None, with a remark, for any other."""
    given = one.given[key]
    why = None
    if given.section != "data":
        why = f"is in {given.section}"
    elif b"${" in given.value.reveal():
        why = "holds a placeholder"
    elif holds_secret(given.value, secrets):
        why = "holds the value of a secret"
    elif named_like_a_secret(key):
        why = "is named like a secret"
    elif looks_secret(given.value):
        why = "looks like a secret"
    if why:
        layout.remark(given.place, f"{one.id} key {shown_name(key)} {why}; it was left out", _HINT)
        return None
    if equals_secret(given.value, secrets):
        hint = "take it out of the public template if that is no accident"
        layout.remark(given.place, f"{one.id} key {shown_name(key)} has the value of a secret, and is public", hint)
    return given.value.reveal().decode()


def objects_template(
    name: str, templates: Templates, layout: Layout, secrets: Sequence[SecretValue], public: Public
) -> str:
    """Return the manifests of objects whose files cannot be templates, under their final names, without a secret.

    Of an object whose file is a template only the labels and annotations that the build adds. Empty if there is none.
    """
    given = {id_ for id_, _ in public.keys}
    texts = []
    for one in templates.objects:
        is_template = templates.is_template(one)
        carries = carried(one, layout, secrets, beyond=one.content if is_template else {})
        metadata = {"name": one.id.name, **carries}
        content: dict[str, object] = {"apiVersion": "v1", "kind": one.kind, "metadata": metadata}
        more = {key: one.content[key] for key in ("type", "immutable") if one.content.get(key) is not None}
        sections = {} if is_template else _sections(one, templates, layout, secrets)
        if one.generator and one.kind == "ConfigMap":  # its values are in the public template
            sections = {}
            is_needed = one.id in given and bool(carries or more)
        else:
            is_needed = bool(carries) if is_template else True
        if is_needed:
            texts.append("---\n" + manifest({**content, **({} if is_template else more), **sections}))
    head = comments(
        f"The objects of {name} as its build has them, and not their own files: under another name, beside objects of\n"
        "other kinds, or with labels of the build. A key that is added there has to be added here."
    )
    return head + "".join(texts) if texts else ""


def _sections(
    one: Declared, templates: Templates, layout: Layout, secrets: Sequence[SecretValue]
) -> Mapping[str, Mapping[str, str]]:
    if one.kind == "Secret":
        return {"stringData": {key: templates.text(one, key, text) for _, key, text in one.texts()}}
    found: dict[str, dict[str, str]] = {}
    for section, key, text in one.texts():
        if not asks(text) and holds_secret(SecretValue.of(text), secrets):
            layout.remark(
                shown(one.file), f"{one.id} key {shown_name(key)} holds the value of a secret; it was left out"
            )
        else:
            found.setdefault(section, {})[key] = text
    return found


def placeholder(key: str, text: str) -> str:
    """Return a Secret's text without a literal: the one placeholder or more that it has, else one made of its key."""
    return text if asks(text) else f"${{{variable_for(key)}}}"


def remark_by_hand(name: str, templates: Templates, layout: Layout) -> None:
    """Tell how the values that no import reads get into a store."""
    for one, key, place, file in layout.by_hand:
        if one not in templates.objects:
            continue
        texts = {name: text for _, name, text in one.texts()}
        variables = list(asked([templates.text(one, key, texts.get(key, ""))]))
        store = f"bridge set {name} {variables[0] if variables else key}"
        if file:
            # `set` strips one line feed at the end, and the file may need it.
            hint = f"store it: `(cat {word(shown(file))}; echo) | {store} --yes`"
            layout.remark(shown(file), f"is {one.id} key {shown_name(key)} as a whole", hint)
        else:
            layout.remark(place, f"has {one.id} key {shown_name(key)} in clear", f"`{store}`, then remove it here")


def remark_literals(name: str, templates: Templates, layout: Layout) -> None:
    """Tell of each Secret's key that has its value in the file itself: everybody with the repository reads it."""
    for one in templates.objects:
        for _, key, text in one.texts() if one.kind == "Secret" and not one.generator else ():
            if not asks(text) and text:
                hint = f"write {placeholder(key, '')} there, and import the value"
                if not templates.is_template(one):
                    hint = f"store it: `bridge set {name} {templates.text(one, key, text)[2:-1]}`"
                layout.remark(shown(one.file), f"{one.id} key {shown_name(key)} holds a literal", hint)
