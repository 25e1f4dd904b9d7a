"""The `sops` block of a file: which keys open it, what it encrypts, when it was written, its MAC.

Layout and leniency are those of sops's stores/stores.go, which decodes with mapstructure: names in any
case, and numbers or booleans instead of strings.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

from bridge.named_tuple import NamedTuple
from bridge.provider import Kind, ProviderError, Reader, Revision, SecretValue
from bridge_providers.sops.gotime import GoTime
from bridge_providers.sops.key_types import AgeKey, Group, KmsKey, PgpKey, TransitKey
from bridge_providers.sops.tree import Tree

RULES: Final = (
    "unencrypted_suffix",
    "encrypted_suffix",
    "unencrypted_regex",
    "encrypted_regex",
    "unencrypted_comment_regex",
    "encrypted_comment_regex",
)
KEY_TYPES: Final = ("kms", "gcp_kms", "hckms", "azure_kv", "hc_vault", "age", "pgp")
"""The lists of keys, in the order in which sops tries them."""
_NAMED_BY: Final = {
    "kms": ("arn",),
    "gcp_kms": ("resource_id",),
    "hckms": ("key_id",),
    "azure_kv": ("vault_url", "name", "version"),
    "hc_vault": ("vault_address", "engine_path", "key_name"),
    "age": ("recipient",),
    "pgp": ("fp",),
}
"""What names a key of each type."""
NAMES: Final = frozenset(
    {*RULES, *KEY_TYPES, "key_groups", "shamir_threshold", "lastmodified", "mac", "mac_only_encrypted", "version"}
)
"""Every name that sops writes into the block."""
_TRUE: Final = frozenset(("1", "t", "T", "TRUE", "true", "True"))
_FALSE: Final = frozenset(("", "0", "f", "F", "FALSE", "false", "False"))


class Metadata(NamedTuple):
    """The block, typed."""

    groups: tuple[Group, ...]
    last_modified: GoTime
    mac: str  # encrypted; empty if the file has none
    rule: str  # one of RULES
    pattern: str  # what the rule tests keys or comments with
    mac_only_encrypted: bool
    version: str
    threshold: int = 0  # how many groups' shares make the data key; 0 is all of them

    @property
    def is_old(self) -> bool:
        """Return whether a release before 3.0 wrote the file."""
        major = self.version.partition(".")[0]
        return major in {"0", "1", "2"}


def read(block: dict[str, Tree]) -> Metadata:
    """Read the block; ProviderError if sops refuses it too."""
    modified = GoTime.from_rfc3339(_text(block, "lastmodified"))
    if modified is None or modified.year == 0:
        raise ProviderError("its `lastmodified` is not a time", hint="if its lines end in CRLF, convert them to LF")
    rule, pattern = _rule(block)
    return Metadata(
        groups=_groups(block),
        last_modified=modified,
        mac=_text(block, "mac"),
        rule=rule,
        pattern=pattern,
        mac_only_encrypted=_boolean(block, "mac_only_encrypted"),
        version=_text(block, "version"),
        threshold=_threshold(block),
    )


def _rule(block: dict[str, Tree]) -> tuple[str, str]:
    """Return the one rule that says which leaves are encrypted, and its pattern."""
    rules = [(rule, pattern) for rule in RULES if (pattern := _text(block, rule))]
    if len(rules) > 1:
        raise ProviderError(f"it has more than one rule for what is encrypted: {', '.join(rule for rule, _ in rules)}")
    return rules[0] if rules else ("unencrypted_suffix", "_unencrypted")


def _groups(block: dict[str, Tree]) -> tuple[Group, ...]:
    """Return the key groups; if there are lists at the top, only they count, as one group."""
    top = _group(block)
    if any(top):
        return (top,)
    return tuple(_group(group) for group in _mappings(block, "key_groups"))


def revision(data: bytes, moment: GoTime) -> Revision:
    """Return the revision of a file with this content that was last modified at this moment."""
    return Revision(f"{moment.rfc3339()}/{hashlib.sha256(data).hexdigest()[:8]}", moment.unix_nanoseconds())


def readers(block: dict[str, Tree]) -> Iterator[Reader]:
    """Yield every key of every group, also of types that bridge cannot open, with its type and group."""
    groups = [block] if any(_mappings(block, kind) for kind in KEY_TYPES) else _mappings(block, "key_groups")
    for number, group in enumerate(groups):
        for kind in KEY_TYPES:
            for key in _mappings(group, kind):
                name = "/".join(_text(key, field) for field in _NAMED_BY[kind])
                yield Reader(kind, key_name(kind, name), number, _text(key, "enc").strip())


def key_name(kind: str, name: str) -> str:
    """Return a key's name, without an ssh key's comment, so that equal keys have equal names."""
    return {"age": " ".join(name.split()[:2]), "pgp": name.replace(" ", "").upper()}.get(kind, name)


def _threshold(block: dict[str, Tree]) -> int:
    text = _text(block, "shamir_threshold") or "0"
    if not (text.isascii() and text.isdecimal()) or len(text) > 3:
        hint = "create the file again; sops before 3.11 damages it in ini files"
        raise ProviderError("its `shamir_threshold` is not a number of key groups", hint=hint)
    return int(text)


def _group(block: dict[str, Tree]) -> Group:
    """Read one group's lists of keys."""
    return Group(
        age=tuple(AgeKey(_text(key, "recipient"), _text(key, "enc")) for key in _mappings(block, "age")),
        others=tuple(kind for kind in KEY_TYPES if kind not in Group._fields and _mappings(block, kind)),
        pgp=tuple(PgpKey(_text(key, "fp"), _text(key, "enc")) for key in _mappings(block, "pgp")),
        kms=tuple(_kms(key) for key in _mappings(block, "kms")),
        hc_vault=tuple(_transit(key) for key in _mappings(block, "hc_vault")),
    )


def _kms(key: dict[str, Tree]) -> KmsKey:
    node = _get(key, "context")
    context = {} if node is None else node
    if not isinstance(context, dict):
        raise ProviderError("the `context` of a kms key is not a mapping")
    pairs = tuple((name, _text(context, name)) for name in context)
    return KmsKey(_text(key, "arn"), _text(key, "role"), _text(key, "aws_profile"), pairs, _text(key, "enc"))


def _transit(key: dict[str, Tree]) -> TransitKey:
    names = ("vault_address", "engine_path", "key_name", "enc")
    address, engine, name, enc = (_text(key, one) for one in names)
    return TransitKey(address, engine, name, enc)


def _get(block: dict[str, Tree], name: str) -> "Tree | None":
    """Find an entry by its exact name, else in any case; a null counts as absent."""
    names = [name] if name in block else [key for key in block if key.casefold() == name]
    if len(names) > 1:
        raise ProviderError(f"duplicate `{name}` (the names differ only in case)")
    node = block[names[0]] if names else None
    return None if isinstance(node, SecretValue) and node.kind is Kind.NULL else node


def _text(block: dict[str, Tree], name: str) -> str:
    """Read a string; empty if absent."""
    node = _get(block, name)
    if node is None:
        return ""
    if not isinstance(node, SecretValue) or not node.is_text():
        raise ProviderError(f"its `{name}` is not a string")
    return node.reveal().decode()


def _boolean(block: dict[str, Tree], name: str) -> bool:
    """Read a boolean; false if absent."""
    text = _text(block, name)
    if text not in _TRUE | _FALSE:
        raise ProviderError(f"its `{name}` is not true or false")
    return text in _TRUE


def _mappings(block: dict[str, Tree], name: str) -> list[dict[str, Tree]]:
    """Read a list of mappings; a single mapping counts as a list."""
    node = _get(block, name)
    if node is None:
        return []
    items = node if not isinstance(node, dict) else [node] if node else []
    if isinstance(items, SecretValue) or not all(isinstance(item, dict) for item in items):
        raise ProviderError(f"its `{name}` is not a list of keys")
    return [item for item in items if isinstance(item, dict)]
