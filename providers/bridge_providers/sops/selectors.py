"""Which leaves of a file are encrypted (sops.go, shouldBeEncrypted): suffixes and regexes over keys or comments.

Comments are not read. Under a rule over comments, a text that begins with `ENC[` is an encrypted value and must
decrypt, and every other leaf is plain. A file that agrees with its comments reads exactly as `sops` reads it. A file
that does not agree with them is safe to read too:

- Neither the MAC nor the encryption covers comments, nor the rule itself. Anyone who can change the file can also add
  the comments that make `sops` choose exactly the leaves that look encrypted. Following comments protects no value.
- An encrypted value opens only below its own keys, and nobody can make a new one without the data key.
- Without `mac_only_encrypted`, the MAC covers the plaintext of every leaf. A plain text that replaces an encrypted
  value must be that value. Someone who knows the plaintext of two neighbours can move bytes from one to the other, as
  between any two plain leaves.
- With `mac_only_encrypted`, an encrypted value that is missing or plain breaks the MAC. Plain leaves can be changed,
  added and removed, as under every other rule; a read and a check warn of that.

The drawback: a value in clear below a comment that says to encrypt it is not an error. `check` lists what
is in clear. Writing is refused, because the comments decide whether a new value is encrypted.

JSON and binary files have no comments: `unencrypted_comment_regex` encrypts all of such a file, and that is enforced.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from bridge.named_tuple import NamedTuple
from bridge.provider import Kind, ProviderError, SecretValue
from bridge_providers.sops import tree
from bridge_providers.sops.cipher import looks_encrypted
from bridge_providers.sops.metadata import Metadata

_OVER_COMMENTS: Final = "_comment_regex"


class Selector(NamedTuple):
    """A file's rule. `start` says whether a leaf is encrypted if none of its keys match."""

    start: bool
    matches: Callable[[str], bool]
    by_form: bool = False
    """Whether the rule is over comments, so that only a value's form shows whether it is encrypted."""

    def below(self, key: str, *, encrypted: bool) -> bool:
        """Return whether leaves below `key` are encrypted; once a key has matched, all below it is decided."""
        return encrypted if encrypted is not self.start else self.matches(key) is not self.start

    def of_leaf(self, leaf: SecretValue, *, encrypted: bool) -> bool:
        """Return whether a leaf is encrypted; `encrypted` is the answer by its keys."""
        return leaf.kind is Kind.TEXT and looks_encrypted(leaf.reveal()) if self.by_form else encrypted


def selector(metadata: Metadata, *, has_comments: bool = False) -> Selector:
    """Return the rule of a file, which may have comments; ProviderError if bridge cannot follow it exactly."""
    start = metadata.rule.startswith("unencrypted")
    if metadata.rule.endswith("_suffix"):
        suffix = metadata.pattern
        return Selector(start, lambda key: key.endswith(suffix))
    if metadata.rule.endswith(_OVER_COMMENTS):
        return Selector(start, lambda _: False, by_form=has_comments or not start)
    return Selector(start, _by_regex(metadata))


def writable(metadata: Metadata, target: Path, *, is_new: bool, has_comments: bool) -> Selector:
    """Return the rule of a file to write; ProviderError if the rule is over its comments."""
    if has_comments and metadata.rule.endswith(_OVER_COMMENTS):
        message = f"bridge does not write files whose comments say what is encrypted (`{metadata.rule}`)"
        raise ProviderError(message, hint=_instead(target, is_new=is_new))
    return selector(metadata)._replace(by_form=False)  # a new value is plain, whatever it looks like


def _instead(target: Path, *, is_new: bool) -> str:
    """Return the command that writes the file; for a new file from its folder, where sops looks for `.sops.yaml`."""
    if is_new:
        return f"cd {_word(target.parent)} && sops edit {_word(target.name)}"
    file = _word(target)
    by_script = f"sops set --value-stdin {file} '[\"KEY\"]'"
    return f"run `sops edit {file}`, or with JSON on stdin `{by_script}` (sops 3.11 or newer)"


def _word(path: Path | str) -> str:
    import shlex  # noqa: PLC0415 - start-up: only a message needs it

    return shlex.quote(tree.printable(str(path)))


def _by_regex(metadata: Metadata) -> Callable[[str], bool]:
    """Return the test of a rule over a regex."""
    from bridge_providers.sops.regex import Unsupported, compile_regex  # noqa: PLC0415 - most files have no regex

    def refuse(error: Unsupported) -> ProviderError:
        return ProviderError(f"its `{metadata.rule}` cannot be used: {error}")

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
