"""What resources of other tools become: variables, sources, and sections of providers. Nothing of it is a value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.config.names import is_dns_label
from bridge.config.reference import PARTS, Reference, parse_reference
from bridge.draft.naming import variable_for
from bridge.errors import ConfigError

FOREIGN: Final = ("${", "{{", "$(", "ENC[")
"""What begins a placeholder of another tool, or an encrypted text: such a text is not what the tool will read."""


@dataclass(eq=False)
class Translation:
    """What the drafted environment gets.

    - `variables`: the reference of each, as it is written in the file.
    - `sources`: whole documents, with a comment.
    - `sections`: the options under `providers`.
    - `expected`: variables that a source may give, with the Secret; nobody knows before it is read.
    - `taken`: names of other values, in other templates or because nothing gives them yet.
    """

    variables: dict[str, object] = field(default_factory=dict)
    sources: dict[Reference, str] = field(default_factory=dict)
    sections: dict[str, Mapping[str, object]] = field(default_factory=dict)
    expected: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    _kinds: dict[str, str] = field(default_factory=dict)

    def section(self, type_: str, options: Mapping[str, object], name: str) -> str:
        """Return the name of the section with these options, which is added if it is missing."""
        for known, content in self.sections.items():
            if content == options and self._type(known) == type_:
                return known
            if content == {"provider": type_, **options}:
                return known
        if type_ not in self.sections:
            self.sections[type_] = options
            return type_
        longer = f"{type_}-{name}" if is_dns_label(name) else type_
        while longer in self.sections:
            longer += "-2"
        self.sections[longer] = {"provider": type_, **options}
        return longer

    def _type(self, name: str) -> object:
        return self.sections[name].get("provider", name)

    def give(self, kind: str, owner: str, key: str, reference: Reference, *, decode: bool = False) -> str:
        """Return the variable for a key of an object: one that has the same reference, or a new one.

        A variable fills Secrets or ConfigMaps, never both.
        """
        content = written(reference, decode=decode)
        for name in self._names(kind, owner, key):
            is_free = name not in self.taken and name not in self.expected
            if is_free and self.variables.get(name, content) == content and self._kinds.setdefault(name, kind) == kind:
                self.variables[name] = content
                return name
        raise AssertionError

    def put(self, name: str, reference: Reference, *, decode: bool = False) -> None:
        """Give a variable that a template already uses its reference."""
        self.variables.setdefault(name, written(reference, decode=decode))

    def expect(self, owner: str, key: str) -> str:
        """Return the variable for a key that a source gives under its own name, unless the name has another value."""
        name = variable_for(key)
        if name != key or name in self.variables or name in self.taken or self.expected.get(name, owner) != owner:
            return self.leave_open(owner, key)
        self.expected[name] = owner
        return name

    def leave_open(self, owner: str, key: str) -> str:
        """Return a variable that nothing gives yet, so that no other key's value can fill it."""
        name = next(
            name for name in self._names("", owner, key) if name not in self.variables and name not in self.expected
        )
        self.taken.add(name)
        return name

    def _names(self, kind: str, owner: str, key: str) -> Iterable[str]:
        short, long = variable_for(key), variable_for(owner, key)
        if kind == "Secret":
            yield short
        yield from (long, *(f"{long}_{number}" for number in range(2, len(self.variables) + len(self.taken) + 4)))


def plain(text: str) -> str:
    """Return a text that may be copied, or "" if another tool has to fill it in first."""
    return text if text.isprintable() and not any(mark in text for mark in FOREIGN) else ""


def shown_reference(reference: object) -> str:
    """Format a variable's reference for the table of keys."""
    content = reference["from"] if isinstance(reference, Mapping) and "from" in reference else reference
    if isinstance(content, Mapping):
        provider, path, revision, field_name = (content.get(part) for part in PARTS)
        return str(Reference(str(provider), str(path), revision, field_name))
    return str(content)


def written(reference: Reference, *, decode: bool = False) -> object:
    """Return the entry of a variable or a source: a text if the grammar can express it."""
    text = str(reference)
    try:
        is_text = parse_reference(text, "") == reference
    except ConfigError:
        is_text = False
    parts = {part: value for part, value in reference._asdict().items() if value is not None}
    content: object = text if is_text else parts
    return {"from": content, "decode": "base64"} if decode else content
