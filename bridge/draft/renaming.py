"""Puts one environment's name in the place of another's, wherever it stands as a word of its own."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from bridge.config.reference import Reference, parse_reference
from bridge.draft.suspect import looks_secret
from bridge.errors import ConfigError
from bridge.secret import SecretValue

# No provider of ours has such a field, but somebody may have written one.
_CREDENTIALS: Final = re.compile(r"(?:.*_)?(?:token|password|secret|secret_id|secret_key|access_key|api_key)")


class Renaming:
    """The names of two environments. `prod` in `eu-prod.yaml` is a word, in `production` it is none."""

    def __init__(self, old: str, new: str) -> None:
        self.old: Final = old
        self.new: Final = new
        self._word: Final = re.compile(rf"(?<![A-Za-z0-9]){re.escape(old)}(?![A-Za-z0-9])")

    def text(self, text: str) -> str:
        """Return a text with the new name."""
        return self._word.sub(self.new, text)

    def reference(self, reference: Reference) -> Reference:
        """Return a reference with the new name; a revision is the old document's, so it goes with the name."""
        path, field = self.text(reference.path), reference.field and self.text(reference.field)
        revision = reference.revision if path == reference.path else None
        return Reference(reference.provider, path, revision, field)

    def tree(self, value: object, place: str, left_out: list[str]) -> object:
        """Return a section with the new name in its texts; the places of what may be a credential are noted."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.tree(one, f"{place}[{number}]", left_out) for number, one in enumerate(value)]
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
    """Return a reference as it stands in an environment file: a text, or a mapping where the grammar cannot say it."""
    try:
        if parse_reference(str(reference), "") == reference:
            return str(reference)
    except ConfigError:
        pass  # the grammar cannot say it
    return {key: value for key, value in reference._asdict().items() if value is not None}
