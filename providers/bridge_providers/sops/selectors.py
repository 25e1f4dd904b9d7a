"""Which leaves of a file are encrypted (sops.go, shouldBeEncrypted): suffixes and regexes over keys or comments."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from bridge.provider import Kind, ProviderError, SecretValue
from bridge_providers.sops import tree
from bridge_providers.sops.cipher import looks_encrypted
from bridge_providers.sops.metadata import Metadata
from bridge_providers.sops.tree import Comments, Place

STRAY = "is encrypted, and the file's comments say that it should not be"


class Selector(NamedTuple):
    """A file's rule. `start` says what holds for a leaf none of whose keys match."""

    start: bool
    matches: Callable[[str], bool]
    commented: AbstractSet[Place] | None = None
    """The nodes below a comment that matches, where the rule is over comments. They count for all that is in them."""

    def below(self, key: str, *, encrypted: bool) -> bool:
        """Say what holds below `key`; once a key has matched, all below it is decided."""
        return encrypted if encrypted is not self.start else self.matches(key) is not self.start

    def is_stray(self, leaf: SecretValue) -> bool:
        """Say whether a leaf that is not to be encrypted looks so, which a comment that went leaves behind.

        sops takes such a value as it is, which the MAC does not show where it covers the encrypted values alone.
        """
        return self.commented is not None and leaf.kind is Kind.TEXT and looks_encrypted(leaf.reveal())


def selector(metadata: Metadata, comments: Callable[[], Comments] = tree.no_comments) -> Selector:
    """Return the rule of a file, which may want the file's comments.

    Raises ProviderError for a rule, or for comments, that cannot be followed to the letter.
    """
    start = metadata.rule.startswith("unencrypted")
    if metadata.rule.endswith("_suffix"):
        suffix = metadata.pattern
        return Selector(start, lambda key: key.endswith(suffix))
    matches = _by_regex(metadata)
    if metadata.rule.endswith("_comment_regex"):
        return Selector(start, lambda _: False, _commented(matches, comments()))
    return Selector(start, matches)


def _by_regex(metadata: Metadata) -> Callable[[str], bool]:
    """Return the test of a rule over a regex."""
    from bridge_providers.sops.regex import Unsupported, compile_regex  # noqa: PLC0415 # most files have no regex

    def refuse(error: Unsupported) -> ProviderError:
        return ProviderError(f"its `{metadata.rule}` cannot be followed: {error}")

    try:
        compiled = compile_regex(metadata.pattern)
    except Unsupported as error:
        raise refuse(error) from error

    def matches(key: str) -> bool:
        try:
            return compiled(key)
        except Unsupported as error:
            raise refuse(error) from error

    return matches


def _commented(matches: Callable[[str], bool], comments: Comments) -> AbstractSet[Place]:
    """Return the places whose comments match: as the file has them, so an encrypted comment is its ciphertext."""
    for place, lines in comments.items():
        if not all(SecretValue(line.encode(errors="surrogateescape")).is_text() for line in lines):
            raise ProviderError(f"a comment at key {tree.name(place[1:])} is not valid UTF-8")
    return {place for place, lines in comments.items() if any(map(matches, lines))}
