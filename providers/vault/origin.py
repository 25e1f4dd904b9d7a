"""Which credentials the environment's file may name: Vault's own, because the file names the server that gets them.

Whoever may push a branch can change the file. A variable has the name of one of Vault's. A file is one of these:

- the token of the pod's service account;
- a file whose path is the value of a variable of Vault's;
- a file in the checkout, the home folder, /etc, /run/secrets or /var/run/secrets, if its own name or the name of the
  first folder below that place begins with `vault` or `bao`, as ~/.vault-token and /var/run/secrets/vault/token do.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bridge.provider import Context

SERVICE_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount/token"
_VARIABLE: Final = re.compile(r"(?:VAULT|BAO)_[A-Z0-9_]+", re.ASCII)
_NAME: Final = re.compile(r"\.?(?:vault|bao)", re.IGNORECASE)
_PLACES: Final = ("/run/secrets", "/var/run/secrets", "/etc")
NO_VARIABLE: Final = "must be a variable of Vault's: its name begins with VAULT_ or BAO_"
NO_FILE: Final = "is not a place for Vault's credentials, and a branch could send any file to its own server"
HINT: Final = "move it to a folder named vault, such as /var/run/secrets/vault, or set VAULT_TOKEN_FILE={}"


def is_variable(name: str) -> bool:
    """Return whether a variable holds something of Vault's, by its name."""
    return _VARIABLE.fullmatch(name) is not None


def is_file(name: str, context: Context) -> bool:
    """Return whether a file holds a credential of Vault's, by where it is once links are followed."""
    path = (context.base / name).absolute()
    if "\0" in name or str(path) == SERVICE_ACCOUNT:
        return "\0" not in name
    if any(text == str(path) for variable, text in context.environ.items() if is_variable(variable)):
        return True
    real, base = Path(os.path.realpath(path)), Path(os.path.realpath(context.base))
    # In the innermost place: the checkout is often below the home folder.
    place = max(
        (one for one in _places(context) if real.is_relative_to(one)), key=lambda one: len(one.parts), default=None
    )
    if place is None or real == place:
        return False
    first, last = real.relative_to(place).parts[0], real.name
    # A folder that holds the environment's file too holds more than Vault's credentials, whatever its name is.
    return _is_named(last) or (_is_named(first) and not base.is_relative_to(place / first))


def _places(context: Context) -> Iterator[Path]:
    from bridge.git import checkout  # noqa: PLC0415 # start-up: few sections name a file

    yield checkout(context.base)
    home = context.environ.get("HOME")
    yield from (Path(os.path.realpath(one)) for one in (*_PLACES, *([home] if home else [])))


def _is_named(part: str) -> bool:
    return _NAME.match(part) is not None
