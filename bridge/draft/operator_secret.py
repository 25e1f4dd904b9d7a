"""A Secret that an operator creates, while its keys are collected from the operator's custom resource."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.config.names import is_object_key
from bridge.config.names import shown as shown_name
from bridge.config.reference import Reference
from bridge.draft.layout_model import Declared, Layout, shown
from bridge.draft.translation import Translation
from bridge.kustomize.manifest_parts import listed, mapping, text_of

_JSON: Final = ".dockerconfigjson"
"""A key with JSON, in which bridge escapes values."""


@dataclass(eq=False)
class OperatorSecret:
    """What is known about one Secret's keys.

    - `declared` is the custom resource, `secret` what it creates.
    - `references` has the reference of each key, and whether it is decoded, or None if nothing gives it yet.
    - `whole` are documents of which the Secret gets every key.
    """

    declared: Declared
    secret: Declared
    layout: Layout
    translation: Translation
    references: dict[str, tuple[Reference, bool] | None] = field(default_factory=dict)
    whole: list[tuple[Reference, bool]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The Secret's name."""
        return self.secret.id.name

    def tell(self, what: str, hint: str = "") -> None:
        """Remark on the custom resource."""
        self.layout.remark(shown(self.declared.file), f"{self.declared.id} {what}", hint)

    def add_sources(self) -> None:
        """Make sources of the whole documents, if they give the same values, and remark that their keys are unknown."""
        for reference, decode in reversed(self.whole):  # the operator's last document wins, but bridge's first source
            if not decode and reference.field is None:
                self.translation.sources.setdefault(reference, f"every key of {self.secret.id}")
        names = ", ".join(str(reference) for reference, _ in self.whole)
        if names:
            used = ", ".join(map(shown_name, self.used())) or "none"
            what = f"takes every key of {names}, unknown until it is read; the layout's pods name: {used}"
            self.tell(what, f"add each other key to {self.secret.id} in the drafted template, as KEY: ${{KEY}}")

    def used(self) -> Iterator[str]:
        """Yield the keys that pods of the layout use, if a whole document may have them."""
        if self.whole:
            yield from used_keys(self.layout.contents, set(self.secret.names))

    def placeholder(self, key: str) -> str:
        """Return the placeholder of a key, with its variable's reference if exactly one document has it."""
        found = self.references.get(key)
        if key not in self.references and len(self.whole) == 1:
            reference, decode = self.whole[0]
            field_name = f"{reference.field}.{key}" if reference.field else key
            found = reference._replace(field=field_name), decode
        if found:
            name = self.translation.give("Secret", self.name, key, found[0], decode=found[1])
        elif key not in self.references and self.whole:
            name = self.translation.expect(self.name, key)
        else:
            name = self.translation.leave_open(self.name, key)
        return f"${{{name}}}"

    def composed(self, key: str, text: str, fields: re.Pattern[str]) -> str:
        """Return the text of a key that the operator composes; anything but plain fields becomes a placeholder.

        `fields` matches a field of the operator's template language; its first group that matches is the name.
        """
        rest = fields.sub("", text)
        if "{{" in rest or not fields.search(text):
            is_text = "{{" not in text
            what = "is a text in the template" if is_text else "has a template that bridge cannot evaluate"
            hint = "compose it with placeholders in the drafted template, or store the finished text"
            self.tell(f"key {shown_name(key)} {what}", hint)
            return f"${{{self.translation.leave_open(self.name, key)}}}"
        is_inside_json = key == _JSON and rest.strip() != ""
        start, parts = 0, []
        for match in fields.finditer(text):
            name = next(group for group in match.groups() if group is not None)
            placeholder = self.placeholder(name)
            placeholder = f"{placeholder[:-1]}|json}}" if is_inside_json else placeholder
            parts += [text[start : match.start()].replace("${", "$${"), placeholder]
            start = match.end()
        return "".join([*parts, text[start:].replace("${", "$${")])


def used_keys(contents: Iterable[object], secrets: Collection[str]) -> list[str]:
    """Return the keys of the Secrets with these names that environment variables and volumes use, in order."""
    return list(dict.fromkeys(key for content in contents for key in _keys(content, secrets) if is_object_key(key)))


def _keys(node: object, secrets: Collection[str]) -> Iterator[str]:
    if isinstance(node, Mapping):
        reference = mapping(node.get("secretKeyRef"))
        if text_of(reference.get("name")) in secrets:
            yield text_of(reference.get("key"))
        if (text_of(node.get("secretName")) or text_of(node.get("name"))) in secrets:
            yield from (text_of(mapping(item).get("key")) for item in listed(node.get("items")))
        for child in node.values():
            yield from _keys(child, secrets)
    elif isinstance(node, list):
        for child in node:
            yield from _keys(child, secrets)
