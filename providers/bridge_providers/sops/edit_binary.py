"""Writes the binary store: the JSON store's envelope around one value of any bytes."""

from bridge.provider import SecretValue
from bridge_providers.sops.edit_json import change, fresh

__all__ = ["change", "fresh", "problem"]


def problem(leaf: SecretValue, *, encrypted: bool) -> str | None:  # noqa: ARG001 - the same for every store
    """Say why a value cannot be written; None where it can. In clear, as rules of old let it be, it never is."""
    return None if encrypted else "what the file's rules leave in clear"
