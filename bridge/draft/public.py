"""Decides which parts of a layout may be in git."""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.config.names import shown as shown_name
from bridge.draft.build_changes import carried
from bridge.draft.comments import comments, manifest
from bridge.draft.layout_model import Declared, Layout, shown
from bridge.draft.naming import is_template_text, variable_for, variables_in
from bridge.draft.secret_looking import equals_secret, holds_secret, looks_secret, named_like_a_secret
from bridge.draft.templates import Templates
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.secret import SecretValue
from bridge.shell import word

_HINT: Final = "if it is public, add it to the public template by hand; otherwise import it and use it in a Secret"


class PublicTemplate(NamedTuple):
    """A template's text, and the keys in it."""

    text: str
    keys: frozenset[tuple[ObjectId, str]]


def public_template(name: str, layout: Layout, secrets: Sequence[SecretValue]) -> PublicTemplate:
    """Return the environment's public values: what patches give to ConfigMaps, except for possible secrets."""
    keys = set()
    text = comments(
        f"The public values of {name}, in plaintext and reviewed in git. They replace the base's.\n"
        "Do not put secrets here."
    )
    for declared in layout.objects:
        if declared.kind != "ConfigMap" or declared.deleted or declared.kept_out:
            continue
        values = {
            key: value for key in declared.given if (value := _public_value(declared, key, layout, secrets)) is not None
        }
        keys |= {(declared.id, key) for key in values}
        if values:
            metadata = {"name": declared.id.name}
            text += "---\n" + manifest(
                {"apiVersion": "v1", "kind": declared.kind, "metadata": metadata, "data": values}
            )
    return PublicTemplate(text, frozenset(keys))


def _public_value(declared: Declared, key: str, layout: Layout, secrets: Sequence[SecretValue]) -> str | None:
    """Return a value that may be in git; for any other value, return None and add a remark."""
    given = declared.given[key]
    why = None
    if given.section != "data":
        why = f"is in {given.section}"
    elif b"${" in given.value.reveal():
        why = "contains a placeholder"
    elif holds_secret(given.value, secrets):
        why = "contains the value of a secret"
    elif named_like_a_secret(key):
        why = "is named like a secret"
    elif looks_secret(given.value):
        why = "looks like a secret"
    if why:
        layout.remark(given.place, f"{declared.id} key {shown_name(key)} {why}; it was left out", _HINT)
        return None
    if equals_secret(given.value, secrets):
        hint = "remove it from the public template if the match is not a coincidence"
        layout.remark(given.place, f"{declared.id} key {shown_name(key)} has the value of a secret but is public", hint)
    return given.value.reveal().decode()


def objects_template(
    name: str, templates: Templates, layout: Layout, secrets: Sequence[SecretValue], public: PublicTemplate
) -> str:
    """Return manifests, without secrets and with final names, of objects whose files cannot be templates.

    For an object with a file that is a template, only the labels and annotations that the build adds. Empty if there
    are no such objects.
    """
    public_ids = {id_ for id_, _ in public.keys}
    texts = []
    for declared in templates.objects:
        is_template = templates.is_template(declared)
        carries = carried(declared, layout, secrets, beyond=declared.content if is_template else {})
        metadata = {"name": declared.id.name, **carries}
        content: dict[str, object] = {"apiVersion": "v1", "kind": declared.kind, "metadata": metadata}
        more = {key: declared.content[key] for key in ("type", "immutable") if declared.content.get(key) is not None}
        sections = {} if is_template else _sections(declared, templates, layout, secrets)
        if declared.generator and declared.kind == "ConfigMap":  # its values are in the public template
            sections = {}
            is_needed = declared.id in public_ids and bool(carries or more)
        else:
            is_needed = bool(carries) if is_template else True
        if is_needed:
            texts.append("---\n" + manifest({**content, **({} if is_template else more), **sections}))
    head = comments(
        f"The objects of {name} as in its build, because their own files have other names, objects of other kinds\n"
        "or fewer labels. A key that is added there must be added here too."
    )
    return head + "".join(texts) if texts else ""


def _sections(
    declared: Declared, templates: Templates, layout: Layout, secrets: Sequence[SecretValue]
) -> Mapping[str, Mapping[str, str]]:
    if declared.kind == "Secret":
        return {"stringData": {key: templates.text(declared, key, text) for _, key, text in declared.texts()}}
    sections: dict[str, dict[str, str]] = {}
    for section, key, text in declared.texts():
        if not is_template_text(text) and holds_secret(SecretValue.of(text), secrets):
            layout.remark(
                shown(declared.file),
                f"{declared.id} key {shown_name(key)} contains the value of a secret; it was left out",
            )
        else:
            sections.setdefault(section, {})[key] = text
    return sections


def placeholder(key: str, text: str) -> str:
    """Return a Secret's text without literals: its own text if it has a placeholder, else one derived from its key."""
    return text if is_template_text(text) else f"${{{variable_for(key)}}}"


def remark_by_hand(name: str, templates: Templates, layout: Layout) -> None:
    """Remark on how to put values that no import reads into a store."""
    for declared, key, place, file in layout.by_hand:
        if declared not in templates.objects:
            continue
        texts = {name: text for _, name, text in declared.texts()}
        variables = list(variables_in([templates.text(declared, key, texts.get(key, ""))]))
        store = f"bridge set {name} {variables[0] if variables else key}"
        if file:
            # `set` strips one trailing newline, which the file may need.
            hint = f"store it: `(cat {word(shown(file))}; echo) | {store} --yes`"
            layout.remark(shown(file), f"is {declared.id} key {shown_name(key)} as a whole", hint)
        else:
            layout.remark(
                place,
                f"has {declared.id} key {shown_name(key)} in plaintext",
                f"store it with `{store}`, then remove it here",
            )


def remark_literals(name: str, templates: Templates, layout: Layout) -> None:
    """Remark on each Secret's key with its value in the file: everyone with access to the repository can read it."""
    for declared in templates.objects:
        for _, key, text in declared.texts() if declared.kind == "Secret" and not declared.generator else ():
            if not is_template_text(text) and text:
                hint = f"replace it with {placeholder(key, '')}, and import the value"
                if not templates.is_template(declared):
                    hint = f"store it: `bridge set {name} {templates.text(declared, key, text)[2:-1]}`"
                layout.remark(
                    shown(declared.file), f"{declared.id} key {shown_name(key)} contains a literal value", hint
                )
