"""Checks the fields of a section about keys, before anything is read."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from bridge.provider import OptionError

if TYPE_CHECKING:
    from bridge_providers.sops import Sops
    from bridge_providers.vault import Vault

_ARN: Final = "arn:"
_USE_PROGRAM: Final = "use `program: /usr/local/bin/sops` instead"
REMOVED: Final = {
    "age_plugins": f"{_USE_PROGRAM}; it finds age plugins in PATH",
    "age_commands": f"{_USE_PROGRAM}; it runs the command of SOPS_AGE_KEY_CMD or SOPS_AGE_SSH_PRIVATE_KEY_CMD",
}
"""Fields of earlier versions, and what to write instead."""
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VAULT_VARIABLES: Final = ("VAULT_", "BAO_")
_KMS_FIELDS: Final = frozenset({"allow", "endpoint"})
_KMS_EXAMPLE: Final = "kms: {allow: [arn:aws:kms:eu-west-3:111122223333:key/…]}"
LIST_VAULT: Final = "if you trust that server, add to the provider's section: hc_vault: {address: …}"
"""How to allow a Vault that a file names: whoever answers at its address would get a token."""
_VAULT_FIELDS: Final = frozenset(
    {"address", "namespace", "auth_namespace", "auth", "ca_cert", "client_cert", "client_key"}
)


def check(options: "Sops") -> None:
    """Check the fields; OptionError for the first that is invalid."""
    for name in ("age_key_file", "age_passphrase_file"):
        value: object = getattr(options, name)  # a section may contain anything
        if value is not None and not (isinstance(value, str) and value):
            raise OptionError(name, "must be a file name")
    for name, example in (("gpg", "/usr/bin/gpg"), ("program", "/usr/local/bin/sops")):
        program: object = getattr(options, name)
        if program is not None and not (isinstance(program, str) and program.startswith("/")):
            raise OptionError(name, "must be an absolute path", hint=f"{name}: {example}")
    if options.program_environment is not None:
        _program_environment(options)
    number: object = options.age_passphrase_fd
    if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 0):
        raise OptionError("age_passphrase_fd", "must be the number of a file descriptor")
    if number is not None and options.age_passphrase_file is not None:
        raise OptionError("age_passphrase_fd", "cannot be combined with age_passphrase_file", hint="remove one of them")
    if options.kms is not None:
        _kms(options.kms)
    vaults(options)


def _program_environment(options: "Sops") -> None:
    field, names = "program_environment", options.program_environment
    example = "program_environment: [GOOGLE_APPLICATION_CREDENTIALS]"
    if not isinstance(names, list) or not all(isinstance(one, str) and _VARIABLE.fullmatch(one) for one in names):
        raise OptionError(field, "must be a list of variable names", hint=example)
    if any(name.startswith(_VAULT_VARIABLES) for name in names):
        message = "contains a variable of Vault; sops would send a token to any address in a file"
        raise OptionError(field, message, hint="list the server in `hc_vault`: bridge opens its keys itself")
    if options.program is None:
        raise OptionError(field, "needs `program`", hint="program: /usr/local/bin/sops")


def _kms(section: object) -> None:
    if not isinstance(section, Mapping) or not section.keys() <= _KMS_FIELDS:
        raise OptionError("kms", "must be a section with `allow` and `endpoint`", hint=_KMS_EXAMPLE)
    allow = section.get("allow")
    if not isinstance(allow, list) or not allow or not all(isinstance(arn, str) and arn[:4] == _ARN for arn in allow):
        raise OptionError("kms", "must have a list `allow` of ARNs", hint=_KMS_EXAMPLE)
    endpoint = section.get("endpoint")
    if endpoint is not None:
        from bridge_providers.sops import s3  # noqa: PLC0415 - few sections have it

        if not isinstance(endpoint, str) or s3.unusable(endpoint):
            raise OptionError(
                "kms",
                "must have an https URL as its `endpoint`",
                hint="plain http is only allowed for loopback addresses",
            )


def vaults(options: "Sops") -> "list[Vault]":
    """Return the servers that may be asked; OptionError if one of the sections is invalid."""
    if options.hc_vault is None:
        return []
    from bridge_providers.vault import Vault  # noqa: PLC0415 - few sections have it

    section: object = options.hc_vault
    servers = []
    for entry in section if isinstance(section, list) else [section]:
        if not isinstance(entry, Mapping) or not all(isinstance(name, str) for name in entry):
            raise OptionError("hc_vault", "must be a section like the provider vault's, or a list of them")
        if unknown := sorted(entry.keys() - _VAULT_FIELDS):
            raise OptionError("hc_vault", f"has unknown fields: {', '.join(unknown)}")
        if not entry.get("address"):
            raise OptionError("hc_vault", "has no address", hint="hc_vault: {address: https://vault.internal:8200}")
        servers.append(_vault(Vault, entry))
    return servers


def _vault(kind: "type[Vault]", section: Mapping[str, object]) -> "Vault":
    try:
        return kind(**section)  # the fields are checked there
    except OptionError as error:
        wrong = error
    raise OptionError("hc_vault", f"{wrong.field} {wrong.what}", hint=wrong.hint)
