"""Sorts what a layout says into what may stand in git, and what may not."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from bridge.config.names import shown as shown_name
from bridge.draft.model import Declared, Layout, shown
from bridge.draft.suspect import equals_secret, holds_secret, looks_secret, named_like_a_secret
from bridge.draft.text import comments, manifest
from bridge.objects import ObjectId
from bridge.secret import SecretValue

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
        if one.kind != "ConfigMap" or one.deleted:
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


def objects_template(name: str, objects: Sequence[Declared], layout: Layout, secrets: Sequence[SecretValue]) -> str:
    """Return the manifests of objects whose files cannot be templates, under their final names, without a secret."""
    text = comments(
        f"The objects of {name} whose own files cannot be templates: there they have another name, or stand beside\n"
        "objects of other kinds. A key that is added there has to be added here."
    )
    for one in objects:
        metadata = one.content.get("metadata")
        carried = {
            key: value
            for key in ("labels", "annotations")
            if isinstance(metadata, Mapping) and isinstance(value := metadata.get(key), Mapping)
        }
        content: dict[str, object] = {
            "apiVersion": "v1",
            "kind": one.kind,
            "metadata": {"name": one.id.name, **carried},
        }
        content |= {key: one.content[key] for key in ("type", "immutable") if key in one.content}
        text += "---\n" + manifest({**content, **_sections(one, layout, secrets)})
    return text


def _sections(one: Declared, layout: Layout, secrets: Sequence[SecretValue]) -> Mapping[str, Mapping[str, str]]:
    if one.kind == "Secret":
        return {"stringData": {key: placeholder(key, text) for _, key, text in one.texts()}}
    found: dict[str, dict[str, str]] = {}
    for section, key, text in one.texts():
        if "${" not in text and holds_secret(SecretValue.of(text), secrets):
            layout.remark(
                shown(one.file), f"{one.id} key {shown_name(key)} holds the value of a secret; it was left out"
            )
        else:
            found.setdefault(section, {})[key] = text
    return found


def placeholder(key: str, text: str) -> str:
    """Return a Secret's text without a literal: the one placeholder or more that it has, else one made of its key."""
    if "${" in text:
        return text
    variable = re.sub(r"[^A-Za-z0-9_]", "_", key)
    return f"${{{variable if not variable[:1].isdigit() else f'_{variable}'}}}"


def remark_literals(layout: Layout) -> None:
    """Tell of each Secret's key that has its value in the file itself: everybody with the repository reads it."""
    for one in layout.objects:
        for _, key, text in one.texts() if one.kind == "Secret" else ():
            if "${" not in text and text:
                hint = f"write {placeholder(key, '')} there, and import the value"
                layout.remark(shown(one.file), f"{one.id} key {shown_name(key)} holds a literal", hint)


def is_template(file: Path, objects: Sequence[Declared], layout: Layout) -> bool:
    """Say whether a file can be a template as it is: Secrets and ConfigMaps only, under their final names."""
    theirs = [one for one in objects if one.file.resolve() == file.resolve()]
    return file.resolve() not in layout.others and all(one.id.name == one.names[0] for one in theirs)
