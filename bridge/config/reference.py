"""References: a provider, a document, and a field of the document."""

import re
from typing import Final

from bridge.config.problems import Findings, as_mapping, as_text
from bridge.named_tuple import NamedTuple

PROVIDER: Final = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_.]*")
_PLAIN: Final = r'[^@#"]+'
GRAMMAR: Final = re.compile(
    rf"(?P<provider>{PROVIDER.pattern}):(?P<path>[^@#]+)(?:@(?P<revision>[^@#]+))?(?:#(?P<field>[^@#.]+(?:\.[^@#.]+)*))?"
)
PARTS: Final = ("provider", "path", "revision", "field")
_HINT: Final = (
    "write provider:path[@revision][#field[.field]], "
    "or a mapping with provider, path, revision and field if one of them contains @ or #"
)


class Reference(NamedTuple):
    """A document of a provider, or one field of it. Without a revision it is the latest."""

    provider: str
    path: str
    revision: str | None = None
    field: str | None = None

    @property
    def document(self) -> "Reference":
        """The reference to the whole document, without the field."""
        return self._replace(field=None)

    def __str__(self) -> str:
        revision = "" if self.revision is None else f"@{_part(self.revision)}"
        field = "" if self.field is None else f"#{_part(self.field)}"
        return f"{self.provider}:{_part(self.path)}{revision}{field}"


def is_provider_name(name: str) -> bool:
    """Whether a provider can have this name in a reference."""
    return PROVIDER.fullmatch(name) is not None


def parse_reference(given: object, where: str) -> Reference:
    """Parse a reference from the environment file, a string or a mapping; ConfigError never contains its text."""
    findings = Findings(where)
    reference = _from_text(given) if isinstance(given, str) else _from_mapping(given, findings)
    if reference is None and not findings:
        findings.note("not a reference", _HINT)
    if reference is None or findings:
        findings.fail()
    return reference


def _from_text(given: str) -> Reference | None:
    match = GRAMMAR.fullmatch(given)
    if match is None or not all(_is_clean(part) for part in match.groups() if part is not None):
        return None
    return Reference(**match.groupdict())


def _from_mapping(given: object, at: Findings) -> Reference | None:
    if not isinstance(given, dict):
        return None
    if len(given) == 1 and not given.keys() & {*PARTS}:
        at.note("a mapping, not a reference", "write provider:path without a space after the colon")
        return None
    content = as_mapping(given, at, PARTS)
    parts = {key: _mapped(content[key], at.at(f".{key}")) for key in PARTS if key in content}
    for key in ("provider", "path"):
        if key not in parts:
            at.note(f"{key} is missing")
    provider, path = parts.get("provider"), parts.get("path")
    if provider is None or path is None:
        return None
    if not is_provider_name(provider):
        at.at(".provider").note("must be a provider name")
    return Reference(provider, path, parts.get("revision"), parts.get("field"))


def _mapped(value: object, at: Findings) -> str | None:
    # In YAML, a revision that is a number is naturally written as `revision: 3`.
    if isinstance(value, int) and not isinstance(value, bool) and at.where.endswith(".revision"):
        return str(value)
    text = as_text(value, at)
    if text is not None and not _is_clean(text):
        at.note("must not start or end with a space")
    return text


def _is_clean(part: str) -> bool:
    return part == part.strip() and part.isprintable()


def _part(text: str) -> str:
    """Quote what the grammar cannot express, so that two references never look alike."""
    if re.fullmatch(_PLAIN, text):
        return text
    import json  # noqa: PLC0415 - start-up: a run connects before it needs JSON

    return json.dumps(text)
