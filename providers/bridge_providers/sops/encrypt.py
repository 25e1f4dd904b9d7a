"""Makes new files with the sops program, which gets the values on its stdin and prints the encrypted file.

Only files for age and PGP keys are made. For other keys, sops sends a credential to whatever address .sops.yaml names.
"""

from pathlib import Path
from typing import Final

from bridge.provider import ProviderError
from bridge.shell import command, word
from bridge_providers.sops import creation, stores
from bridge_providers.sops.keys import LOCAL, REMOTE
from bridge_providers.sops.sops_program import SopsProgram

KEY_TYPES: Final = frozenset({"age", "pgp"})
"""The types of keys that the rule of a new file may have."""


def encrypt(target: Path, store: str, plaintext: bytes, program: SopsProgram) -> bytes:
    """Return a new file, encrypted by its rule in .sops.yaml; raises ProviderError, Denied or Unavailable."""
    rule = creation.rule_for(target)
    by_hand = empty_file(target, store)
    if others := sorted(rule.key_types - KEY_TYPES):
        edit = command(("sops", "edit", target))
        is_opened_by_bridge = not rule.key_types.isdisjoint((*LOCAL, *REMOTE))
        hint = f"create it, then bridge can change it: {by_hand}" if is_opened_by_bridge else f"run: {edit}"
        raise ProviderError(f"{rule.where} lists {', '.join(others)}: bridge creates no file for such keys", hint=hint)
    encrypted = program.encrypt(rule.config, target, store, plaintext, with_gpg="pgp" in rule.key_types)
    if encrypted is None:
        raise ProviderError(f"sops cannot encrypt the file by {rule.where}", hint=f"see why: {by_hand}")
    return encrypted


def empty_file(target: Path, store: str) -> str:
    """Return the command that makes an encrypted file without values, which bridge can then change."""
    kind = stores.JSON if store == stores.YAML else store
    types = ("--input-type", kind, "--output-type", store)
    sops = command(("sops", "encrypt", "--filename-override", target, *types, "/dev/stdin"))
    return f"cd {word(target.parent)} && echo {'{}' if kind == stores.JSON else ''} | {sops} > {word(target.name)}"
