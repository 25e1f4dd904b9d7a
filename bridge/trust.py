"""Check against the operator's trust file what may get a credential or start. All such checks are here.

The file is $BRIDGE_TRUST, else bridge/trust.yaml in $XDG_CONFIG_HOME or ~/.config, else /etc/bridge/trust.yaml. Its
format is in bridge/config/trust_file.py. It must be outside the checkout, so that a branch cannot bring its own.
Without a file, this module allows everything and only bridge's other rules apply. With a file, only what it lists gets
a credential or starts, except for:

- the pod's service account (`--in-cluster`), which leads to the pod's own cluster;
- git, which gets no value and no credential, and starts and fetches nothing (bridge/git.py);
- the command of `bridge exec`, which the operator types, and the runs of bridge in `bridge demo`.

Code that attaches a credential or starts a program first calls one of the functions `refused_…`. Each returns a problem
or None, and raises ConfigError if the file itself is invalid.
"""

import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from bridge.errors import ConfigError, Problem

if TYPE_CHECKING:
    from bridge.config.trust_file import TrustedStore, TrustFile

VARIABLE: Final = "BRIDGE_TRUST"
SYSTEM: Final = "/etc/bridge/trust.yaml"
_REGION: Final = r"[a-z]{2,3}(?:-[a-z]+){1,3}-\d{1,2}"
# Only these services, because others give host names under AWS's domain to anyone.
_AWS: Final = (
    r"(?:kms|sts|s3|secretsmanager|ssm)(?:-fips)?(?:\.dualstack)?"
    rf"(?:\.{_REGION})?\.(?:amazonaws\.com(?:\.cn)?|api\.aws)"
)
_SCALEWAY: Final = r"api\.scaleway\.com|s3\.[a-z]{2}-[a-z]{3}\.scw\.cloud"
_VENDORS: Final = {"aws": _AWS, "scaleway": _SCALEWAY}


def find(environ: Mapping[str, str]) -> Path | None:
    """Return the path of the trust file in effect, or None. If $BRIDGE_TRUST is set, that file need not exist."""
    if named := environ.get(VARIABLE):
        return Path(named).absolute()
    folder = environ.get("XDG_CONFIG_HOME") or (environ.get("HOME") and f"{environ['HOME']}/.config")
    if folder and _exists(f"{folder}/bridge/trust.yaml"):
        return Path(folder, "bridge/trust.yaml").absolute()
    return Path(SYSTEM) if _exists(SYSTEM, unless_denied=False) else None


def _exists(path: str, *, unless_denied: bool = True) -> bool:
    """Return whether a file or a link exists; an inaccessible home folder counts as having none."""
    try:
        os.lstat(path)
    except PermissionError:
        return not unless_denied
    except (OSError, ValueError):
        return False
    return True


def trust_file(environ: Mapping[str, str]) -> "TrustFile | None":
    """Return the trust file, or None; raise ConfigError if it is invalid. It is read again only if it changes."""
    path = find(environ)
    if path is None:
        return None
    return _loaded(path, environ.get("HOME", ""), _state(path))


def _state(path: Path) -> tuple[int, ...]:
    """Return a state that changes with the file; empty if the file is inaccessible, which reading it reports."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_size, status.st_uid, status.st_mode


@lru_cache(4)
def _loaded(path: Path, home: str, _state: tuple[int, ...]) -> "TrustFile":
    from bridge.config.trust_file import load_trust_file  # noqa: PLC0415 - start-up: most runs have no such file

    return load_trust_file(path, home)


def check_file(environ: Mapping[str, str], folder: Path) -> str | None:
    """Return the path of the trust file in effect, or None; `folder` is the environments' folder.

    Raises ConfigError if the file is invalid or is in the same checkout as the environments.
    """
    trust = trust_file(environ)
    if trust is None:
        return None
    from bridge.git import is_in_checkout  # noqa: PLC0415 - as above

    if is_in_checkout(trust.path, folder):
        message = "the trust file is in the checkout, so anyone who can push a branch can change it"
        raise ConfigError(Problem(trust.path, message, f"move it to {SYSTEM}, or set {VARIABLE} to another file"))
    return trust.path


def refused_store(
    environ: Mapping[str, str], address: str, credential: str, named_by: str, places: Sequence[str] = ()
) -> Problem | None:
    """Return why a store's server may not get a credential, or None if it may.

    `credential` is the login method, the vendor or the provider's package. `places` are the variables and files that
    contain the credential. The trust file must list `credential` or all of `places`. `named_by` is the source of the
    address.
    """
    trust = trust_file(environ)
    if trust is None:
        return None
    listed = {name for store in trust.stores if _is_at(store, address) for name in store.credentials}
    if credential in listed or (places and listed.issuperset(places)):
        return None
    message = f"{named_by} names {address}, which may not get the credential {credential} (see {trust.path})"
    vendor = next((name for name in _VENDORS if _is_vendors(name, address)), None)
    line = f"- {{address: {vendor or _quoted(address)}, credentials: [{credential}]}}"
    return Problem("", message, _hint("stores", line))


def refused_server(environ: Mapping[str, str], url: str, named_by: str) -> Problem | None:
    """Return why an API server may not get a credential, or None if it may."""
    trust = trust_file(environ)
    if trust is None or any(_is_same(one, url) for one in trust.servers):
        return None
    message = f"leads to {url}, which is not in `servers` of {trust.path}"
    return Problem(named_by, message, _hint("servers", f"- {_quoted(url)}"))


def refused_kubeconfig(environ: Mapping[str, str], files: Sequence[Path]) -> Problem | None:
    """Return why kubeconfigs may not be used, or None if they may."""
    trust = trust_file(environ)
    if trust is None:
        return None
    from bridge.git import place_of  # noqa: PLC0415 - start-up: most runs have no such file

    for file in files:
        if (place := place_of(str(file.absolute()))) not in trust.kubeconfigs:
            message = f"is not in `kubeconfigs` of {trust.path}"
            return Problem(str(file), message, _hint("kubeconfigs", f"- {_quoted(place)}"))
    return None


def refused_program(
    environ: Mapping[str, str], command: Sequence[str], named_by: str, *, is_whole: bool = True
) -> Problem | None:
    """Return why a program may not start with these arguments, or None if it may.

    If the command is not `is_whole`, it may still get the arguments that the trust file lists. Paths are compared as
    written: a link can point elsewhere tomorrow, and a program may behave differently under another name.
    """
    trust = trust_file(environ)
    most = None if is_whole else len(command)
    if trust is None or any(tuple(command[: len(one)]) == one[:most] for one in trust.programs):
        return None
    shown = command[0] if command[0].isprintable() else "a program"
    message = f"{named_by} starts {shown}, which is not in `programs` of {trust.path} with these arguments"
    return Problem("", message, _hint("programs", f"- [{_quoted(shown)}]"))


def refused_command(environ: Mapping[str, str], command: Sequence[str], named_by: str) -> Problem | None:
    """Return why a command that only the environment file knows may not start, or None if it may.

    The trust file must exist and list it, with its first argument if it has one: the path of an interpreter says
    nothing about what it does.
    """
    trust = trust_file(environ)
    least = min(2, len(command))
    if trust and any(len(one) >= least and tuple(command[: len(one)]) == one for one in trust.programs):
        return None
    shown = [word if word.isprintable() else ascii(word) for word in command]
    line = f"- [{', '.join(map(_quoted, shown))}]"
    if trust is None:
        message = f"{named_by} starts {shown[0]}, and bridge starts it only if a trust file lists it"
        hint = f"create {SYSTEM}, or set {VARIABLE}, with these lines: `programs:` and below it `{line}`"
        return Problem("", message, hint)
    message = f"{named_by} starts {shown[0]}, which is not in `programs` of {trust.path} with its first argument"
    return Problem("", message, _hint("programs", line))


def refused_provider(environ: Mapping[str, str], package: str) -> Problem | None:
    """Return why a third-party provider, which can send anything anywhere, may not be opened, or None if it may."""
    trust = trust_file(environ)
    if trust is None or package in trust.packages:
        return None
    message = f"the package {package} is not in `packages` of {trust.path}"
    return Problem("", message, _hint("packages", f"- {package}"))


def _is_at(store: "TrustedStore", address: str) -> bool:
    return _is_vendors(store.address, address) or _is_same(store.address, address)


def _is_vendors(vendor: str, address: str) -> bool:
    """Return whether an address belongs to a vendor."""
    pattern = _VENDORS.get(vendor)
    try:
        parts = urlsplit(address)
        usual = parts.scheme == "https" and parts.port in {None, 443} and not parts.path.strip("/")
    except ValueError:
        return False
    return bool(pattern and usual and re.fullmatch(pattern, parts.netloc.removesuffix(":443")))


def _is_same(left: str, right: str) -> bool:
    from bridge.http.servers import same_server  # noqa: PLC0415 - start-up: most runs have no such file

    try:
        return same_server(left, right)
    except ValueError:  # not a URL
        return False


def _hint(key: str, line: str) -> str:
    return f"if you trust it, add this line to `{key}` in that file: {line}"


def _quoted(text: str) -> str:
    """Quote a string for YAML, in which JSON strings are valid."""
    import json  # noqa: PLC0415 - start-up: only a refusal needs it

    return json.dumps(text)
