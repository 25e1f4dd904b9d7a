"""Reads for whom a rule of `.sops.yaml` encrypts (sops config/config.go): groups of keys that hold nothing yet."""

import re
from typing import Final
from urllib.parse import urlsplit

from bridge.provider import Kind, ProviderError, SecretValue
from bridge_providers.sops.key_types import AgeKey, Group, KmsKey, PgpKey, TransitKey
from bridge_providers.sops.tree import Tree

OTHERS: Final = ("gcp_kms", "hckms", "azure_keyvault")
"""What a rule or a group of it may also have, and no file is made for."""
MERGE: Final = "merge"
_USED: Final = ("age", "pgp", "kms", "hc_vault_transit_uri")
_MAX_GROUPS: Final = 255  # as many shares as the field has numbers beside 0
_FINGERPRINT: Final = re.compile(r"[0-9A-F]{16,40}")
_TRANSIT: Final = re.compile(r"/(?:v1/)?(.+)/keys/([^/]+)")
_MAKE: Final = "make the file with `sops -e`; bridge changes it afterwards"


def groups(rule: dict[str, Tree], where: str) -> tuple[Group, ...]:
    """Return the groups of a rule; ProviderError where it has keys that no file is made for, or none at all."""
    found = rule.get("key_groups")
    if not is_empty(rule.get(MERGE)):
        raise ProviderError(f"{where} has `{MERGE}` outside of key_groups, and sops would not look at it")
    if is_empty(found):
        made = [_keys(rule, where, "hc_vault_transit_uri")]
    else:
        beside = [name for name in (*_USED, *OTHERS) if not is_empty(rule.get(name))]
        if beside:
            raise ProviderError(f"{where} has {', '.join(beside)} beside key_groups, and sops would not look at it")
        if not isinstance(found, list) or not all(isinstance(group, dict) for group in found):
            raise ProviderError(f"{where}: its `key_groups` is not a list of groups")
        made = [_group(group, where) for group in found if isinstance(group, dict)]
    if not all(any(group) for group in made) or len(made) > _MAX_GROUPS:
        return ()
    return tuple(made)


def is_empty(node: "Tree | None") -> bool:
    """Say whether an entry says nothing: absent, null, or without content."""
    return node is None or (node.is_empty() if isinstance(node, SecretValue) else not node)


def merged(group: "Tree", where: str) -> list[dict[str, Tree]]:
    """Return a group of a rule as sops puts it together: what it merges, in turn, and then itself."""
    parts = group.get(MERGE) if isinstance(group, dict) else None
    if not isinstance(group, dict) or not (is_empty(parts) or isinstance(parts, list)):
        raise ProviderError(f"{where} has a key group, or a `{MERGE}` in one, that is none")
    inner = parts if isinstance(parts, list) else []
    return [*(one for part in inner for one in merged(part, where)), group]


def _group(group: dict[str, Tree], where: str) -> Group:
    """Read a group, each key once."""
    parts = [_keys(part, where, "hc_vault") for part in merged(group, where)]
    kinds = (dict.fromkeys(key for part in parts for key in getattr(part, kind)) for kind in Group._fields)
    return Group(*map(tuple, kinds))


def _keys(block: dict[str, Tree], where: str, transit: str) -> Group:
    others = [name for name in OTHERS if not is_empty(block.get(name))]
    if others:
        raise ProviderError(f"{where} has {', '.join(others)}: this version makes no file for such keys", hint=_MAKE)
    profile = _one(block.get("aws_profile"), f"{where}: its `aws_profile`")
    return Group(
        age=tuple(AgeKey(text, "") for text in texts(block, "age", where)),
        others=(),
        pgp=tuple(_pgp(text, where) for text in texts(block, "pgp", where)),
        kms=tuple(_kms(block, profile, where)),
        hc_vault=tuple(_transit(text, where) for text in texts(block, transit, where)),
    )


def texts(block: dict[str, Tree], name: str, where: str) -> list[str]:
    """Read a text with commas, or a list whose items may have commas too."""
    found = block.get(name)
    if found is None or is_empty(found):
        return []
    items = found if isinstance(found, list) else [found]
    if not all(isinstance(item, SecretValue) and item.kind is Kind.TEXT for item in items):
        raise ProviderError(f"{where}: its `{name}` is neither a text nor a list of texts")
    texts = [item.reveal().decode() for item in items if isinstance(item, SecretValue)]
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]


def _pgp(text: str, where: str) -> PgpKey:
    fingerprint = text.replace(" ", "").upper()
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise ProviderError(f"{where}: its `pgp` holds something that is no fingerprint")
    return PgpKey(fingerprint, "")


def _kms(block: dict[str, Tree], profile: str, where: str) -> list[KmsKey]:
    found = block.get("kms")
    if not isinstance(found, list) or not any(isinstance(item, dict) for item in found):
        parts = [text.partition("+") for text in texts(block, "kms", where)]
        return [KmsKey(arn.strip(), role.strip(), profile, (), "") for arn, _, role in parts]
    keys = []
    for item in found:
        context = item.get("context", {}) if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(context, dict):
            raise ProviderError(f"{where}: its `kms` is neither a list of ARNs nor one of mappings")
        arn, role, own = (
            _one(item.get(name), f"{where}: `{name}` in `kms`") for name in ("arn", "role", "aws_profile")
        )
        pairs = tuple((name, _one(context[name], f"{where}: `context` in `kms`")) for name in context)
        keys.append(KmsKey(arn, role, own or profile, pairs, ""))
    return keys


def _transit(text: str, where: str) -> TransitKey:
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets that hold no address
        parts = urlsplit("")
    match = _TRANSIT.fullmatch(parts.path)
    if match is None or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        raise ProviderError(f"{where}: a key of Vault is not written as https://HOST/v1/ENGINE/keys/NAME")
    return TransitKey(f"{parts.scheme}://{parts.netloc}", match[1], match[2], "")


def _one(node: "Tree | None", what: str) -> str:
    if node is None or is_empty(node):
        return ""
    if not isinstance(node, SecretValue) or not node.is_text():
        raise ProviderError(f"{what} is not a text")
    return node.reveal().decode()
