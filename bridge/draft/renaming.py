"""Replaces one environment's name with another's wherever it is a word of its own."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from bridge.config.reference import Reference, parse_reference
from bridge.draft.suspect import looks_secret
from bridge.errors import ConfigError
from bridge.secret import SecretValue

# None of our providers has such a field, but someone may have written one.
_CREDENTIALS: Final = re.compile(r"(?:.*_)?(?:token|password|secret|secret_id|secret_key|access_key|api_key)")


class Renaming:
    """The names of two environments. `prod` is a word in `eu-prod.yaml`, but not in `production`."""

    def __init__(self, old: str, new: str) -> None:
        self.old: Final = old
        self.new: Final = new
        self._word: Final = re.compile(rf"(?<![A-Za-z0-9]){re.escape(old)}(?![A-Za-z0-9])")

    def text(self, text: str) -> str:
        """Return a text with the new name."""
        return self._word.sub(self.new, text)

    def reference(self, reference: Reference) -> Reference:
        """Return a reference with the new name; a renamed document loses the old document's revision."""
        path, field = self.text(reference.path), reference.field and self.text(reference.field)
        revision = reference.revision if path == reference.path else None
        return Reference(reference.provider, path, revision, field)

    def tree(self, value: object, place: str, left_out: list[str]) -> object:
        """Return a section with the new name in its texts; possible credentials are added to `left_out` by place."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.tree(item, f"{place}[{number}]", left_out) for number, item in enumerate(value)]
        if isinstance(value, Mapping):
            return dict(self._items(value, place, left_out))
        return value

    def _items(self, value: Mapping[str, object], place: str, left_out: list[str]) -> Iterator[tuple[str, object]]:
        for key, child in value.items():
            at = f"{place}.{key}"
            if isinstance(child, str) and (_CREDENTIALS.fullmatch(key) or looks_secret(SecretValue.of(child))):
                left_out.append(at)
            else:
                yield key, self.tree(child, at, left_out)


def written(reference: Reference) -> object:
    """Return a reference as written in an environment file: a string, or a mapping if the grammar cannot express it."""
    try:
        if parse_reference(str(reference), "") == reference:
            return str(reference)
    except ConfigError:
        pass  # the grammar cannot express it
    return {key: value for key, value in reference._asdict().items() if value is not None}
