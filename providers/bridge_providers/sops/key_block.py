"""Writes groups of keys into a file's metadata, in the layout of sops 3.13 (stores/stores.go)."""

from collections.abc import Sequence

from bridge.provider import Kind, SecretValue
from bridge_providers.sops.key_types import Group
from bridge_providers.sops.tree import Tree


def lists(groups: Sequence[Group], threshold: int, created: str) -> dict[str, Tree]:
    """Return the entries: lists of keys where there is one group, else the groups and how many of them it takes."""
    if len(groups) == 1:
        return _group(groups[0], created)
    return {
        "key_groups": [_group(group, created) for group in groups],
        "shamir_threshold": SecretValue(str(threshold).encode(), Kind.NUMBER),
    }


def _group(group: Group, created: str) -> dict[str, Tree]:
    made = {
        "age": [_entry(enc=key.enc, recipient=key.recipient) for key in group.age],
        "hc_vault": [
            _entry(
                created_at=created,
                enc=key.enc,
                engine_path=key.engine,
                key_name=key.name,
                vault_address=key.address,
            )
            for key in group.hc_vault
        ],
        "kms": [
            _entry(arn=key.arn, aws_profile=key.profile, created_at=created, enc=key.enc)
            | (_entry(role=key.role) if key.role else {})
            | ({"context": _entry(**dict(key.context))} if key.context else {})
            for key in group.kms
        ],
        "pgp": [_entry(created_at=created, enc=key.enc, fp=key.fingerprint) for key in group.pgp],
    }
    return {kind: list(keys) for kind, keys in made.items() if keys}


def _entry(**texts: str) -> dict[str, Tree]:
    return {name: SecretValue(text.encode()) for name, text in texts.items()}
