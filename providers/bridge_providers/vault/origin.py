"""Check which credentials the environment's file may name: only Vault's own.

The file also names the server that receives them, and anyone who can push a branch can change it. A variable must
have a name of Vault's. A file must be one of these:

- the token of the pod's service account;
- a file named by one of Vault's variables;
- a file in the checkout, the home folder, /etc, /run/secrets or /var/run/secrets, if its own name or the first folder
  below that place begins with `vault` or `bao`, such as ~/.vault-token and /var/run/secrets/vault/token.
"""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.provider import Context, Denied, Problem

if TYPE_CHECKING:
    from bridge_providers.vault import Vault
    from bridge_providers.vault.methods import Method

SERVICE_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"
_VARIABLE: Final = re.compile(r"(?:VAULT|BAO)_[A-Z0-9_]+", re.ASCII)
_NAME: Final = re.compile(r"\.?(?:vault|bao)", re.IGNORECASE)
_PLACES: Final = ("/run/secrets", "/var/run/secrets", "/etc")
NO_VARIABLE: Final = "must be a variable that begins with VAULT_ or BAO_"
NO_FILE: Final = "is no place for a Vault credential (a branch could send any file to its own server)"
TOKEN: Final = "token"  # noqa: S105 - the method's name
CERT: Final = "cert"
HINT: Final = "move it to a folder named vault, such as /var/run/secrets/vault, or set VAULT_TOKEN_FILE={}"


def is_variable(name: str) -> bool:
    """Return whether a variable's name is one of Vault's."""
    return _VARIABLE.fullmatch(name) is not None


def is_file(name: str, context: Context) -> bool:
    """Return whether a file's real path, with links resolved, is a place for Vault's credentials."""
    path = (context.base / name).absolute()
    if "\0" in name or str(path) == SERVICE_ACCOUNT:
        return "\0" not in name
    if any(text == str(path) for variable, text in context.environ.items() if is_variable(variable)):
        return True
    real, base = Path(os.path.realpath(path)), Path(os.path.realpath(context.base))
    # Use the innermost place: the checkout is often below the home folder.
    place = max(
        (one for one in _places(context) if real.is_relative_to(one)), key=lambda one: len(one.parts), default=None
    )
    if place is None or real == place:
        return False
    first, last = real.relative_to(place).parts[0], real.name
    # A folder that also contains the environment's file holds more than Vault's credentials, whatever its name.
    return _is_named(last) or (_is_named(first) and not base.is_relative_to(place / first))


def check_trust(method: "Method", address: str, options: "Vault", context: Context) -> None:
    """Raise Denied if the trust file does not list the server for a method's credential."""
    if problem := untrusted(method, address, options, context):
        raise Denied(problem.what, hint=problem.hint)


def untrusted(method: "Method", address: str, options: "Vault", context: Context) -> Problem | None:
    """Return why the trust file forbids sending a method's credential to a server, or None if it allows it."""
    if method.name == CERT:
        return None  # the connection presents it: see `untrusted_certificate`
    places = tuple(_sources(method, context))
    # If another method's section names the static token's place, the method would send that token as its own.
    names = (method.name, TOKEN) if _is_token(places, context) else (method.name,)
    return next(filter(None, (_refused(name, address, options, context, places) for name in names)), None)


def untrusted_certificate(path: Path, address: str, options: "Vault", context: Context) -> Problem | None:
    """Return why the trust file forbids presenting the client certificate to a server, or None if it allows it."""
    return _refused(CERT, address, options, context, (str(path.absolute()),))


def untrusted_section(
    methods: Sequence["Method"], address: str, options: "Vault", context: Context
) -> Iterator[Problem]:
    """Yield what the trust file refuses in a section if that makes every login, or the connection, impossible."""
    refused = [untrusted(one, address, options, context) for one in methods]
    if all(refused):
        yield from filter(None, refused)
    if options.client_cert:
        path = context.base / options.client_cert
        yield from filter(None, [untrusted_certificate(path, address, options, context)])


def _refused(name: str, address: str, options: "Vault", context: Context, places: tuple[str, ...]) -> Problem | None:
    from bridge.trust import refused_store  # noqa: PLC0415 - start-up: `--version` does not need it
    from bridge_providers.vault.settings import variable_name  # noqa: PLC0415 - as above

    named_by = "the environment's file" if options.address else variable_name(context.environ, "ADDR")
    return refused_store(context.environ, address, name, named_by, places)


def _sources(method: "Method", context: Context) -> Iterator[str]:
    """Yield the variables and files that a method takes its credential from."""
    if method.name == TOKEN:
        yield _sources_of_token(context)
    fields: dict[str, str] = method._asdict()
    for field, name in fields.items():
        if field.endswith("_file") and name:
            yield str((context.base / name).absolute())
        elif field.endswith("_variable") and not fields[f"{field.removesuffix('_variable')}_file"]:
            yield name


def _sources_of_token(context: Context) -> str:
    """Return the variable with the static token if it is set, else the file of Vault's own programs."""
    name = "BAO_TOKEN" if "BAO_TOKEN" in context.environ else "VAULT_TOKEN"
    return name if context.environ.get(name) else f"{context.environ.get('HOME', '')}/.vault-token"


def _is_token(places: Sequence[str], context: Context) -> bool:
    """Return whether the static token is, or could be, in one of these places."""
    file = os.path.realpath(f"{context.environ.get('HOME', '')}/.vault-token")
    return any(one in {"BAO_TOKEN", "VAULT_TOKEN"} or os.path.realpath(one) == file for one in places)


def _places(context: Context) -> Iterator[Path]:
    from bridge.git import checkout  # noqa: PLC0415 - start-up: few sections name a file

    yield checkout(context.base)
    home = context.environ.get("HOME")
    yield from (Path(os.path.realpath(one)) for one in (*_PLACES, *([home] if home else [])))


def _is_named(part: str) -> bool:
    return _NAME.match(part) is not None
