"""What may get a credential or start, if the operator's trust file says so: the one place that is asked.

The file is $BRIDGE_TRUST, else bridge/trust.yaml in $XDG_CONFIG_HOME or ~/.config, else /etc/bridge/trust.yaml (its
format is in bridge/config/trust_file.py). It is outside the checkout, because a branch must not bring its own. If there
is none, everything is allowed here, and the other rules of bridge count. If there is one, nothing that it does not list
gets a credential or starts, except for:

- the pod's own account (`--in-cluster`), which goes to the pod's own cluster;
- git, which gets neither a value nor a credential, and starts and fetches nothing (bridge/git.py);
- the command of `bridge exec`, which the operator types, and the demonstration's own runs of bridge.

Whoever attaches a credential or starts a program asks one of the functions `refused_…` just before. Each returns what
is wrong, or None. ConfigError if the file itself is wrong.
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
# Only these services, because others lend out host names below AWS's domain to anyone.
_AWS: Final = rf"(?:kms|sts|s3)(?:-fips)?(?:\.dualstack)?(?:\.{_REGION})?\.(?:amazonaws\.com(?:\.cn)?|api\.aws)"
_SCALEWAY: Final = r"api\.scaleway\.com|s3\.[a-z]{2}-[a-z]{3}\.scw\.cloud"
_VENDORS: Final = {"aws": _AWS, "scaleway": _SCALEWAY}


def find(environ: Mapping[str, str]) -> Path | None:
    """Return the trust file that is in force, or None. If $BRIDGE_TRUST is set, it is that one, there or not."""
    if given := environ.get(VARIABLE):
        return Path(given).absolute()
    folder = environ.get("XDG_CONFIG_HOME") or (environ.get("HOME") and f"{environ['HOME']}/.config")
    if folder and _exists(f"{folder}/bridge/trust.yaml"):
        return Path(folder, "bridge/trust.yaml").absolute()
    return Path(SYSTEM) if _exists(SYSTEM, unless_denied=False) else None


def _exists(path: str, *, unless_denied: bool = True) -> bool:
    """Return whether a file, or a link of that name, is there; a home that is closed to us has no file of ours."""
    try:
        os.lstat(path)
    except PermissionError:
        return not unless_denied
    except (OSError, ValueError):
        return False
    return True


def trust_file(environ: Mapping[str, str]) -> "TrustFile | None":
    """Read the trust file, once as long as it stays the same; None if there is none, ConfigError if it is wrong."""
    path = find(environ)
    if path is None:
        return None
    return _loaded(path, environ.get("HOME", ""), _state(path))


def _state(path: Path) -> tuple[int, ...]:
    """Return what is another once the file is; nothing if it cannot be seen, and reading it says why."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size, found.st_uid, found.st_mode


@lru_cache(4)
def _loaded(path: Path, home: str, _state: tuple[int, ...]) -> "TrustFile":
    from bridge.config.trust_file import load_trust_file  # noqa: PLC0415 - start-up: most runs have no such file

    return load_trust_file(path, home)


def check_file(environ: Mapping[str, str], folder: Path) -> str | None:
    """Return the path of the trust file in force, or None; `folder` is that of the environments.

    ConfigError if the file is wrong, or lies in the checkout that brings the environments.
    """
    found = trust_file(environ)
    if found is None:
        return None
    from bridge.git import is_in_checkout  # noqa: PLC0415 - as above

    if is_in_checkout(found.path, folder):
        what = "the trust file is in the checkout, which anyone who may push a branch can change"
        raise ConfigError(Problem(found.path, what, f"move it to {SYSTEM}, or name another one with {VARIABLE}"))
    return found.path


def refused_store(
    environ: Mapping[str, str], address: str, credential: str, named_by: str, places: Sequence[str] = ()
) -> Problem | None:
    """Return why a store's server may not get a credential, or None if it may.

    `credential` is the login method, the vendor or the provider's package, `places` are the variables and files that
    the credential is in: the file lists the one, or all of the others. `named_by` says who names the address.
    """
    trust = trust_file(environ)
    if trust is None:
        return None
    listed = {name for store in trust.stores if _is_at(store, address) for name in store.credentials}
    if credential in listed or (places and listed.issuperset(places)):
        return None
    what = f"{named_by} names {address}, which may not get the credential {credential}, says {trust.path}"
    vendor = next((name for name in _VENDORS if _is_vendors(name, address)), None)
    line = f"- {{address: {vendor or _quoted(address)}, credentials: [{credential}]}}"
    return Problem("", what, _hint("stores", line))


def refused_server(environ: Mapping[str, str], url: str, named_by: str) -> Problem | None:
    """Return why an API server may not get a credential, or None if it may."""
    trust = trust_file(environ)
    if trust is None or any(_is_same(one, url) for one in trust.servers):
        return None
    what = f"leads to {url}, which is not among the servers of {trust.path}"
    return Problem(named_by, what, _hint("servers", f"- {_quoted(url)}"))


def refused_kubeconfig(environ: Mapping[str, str], files: Sequence[Path]) -> Problem | None:
    """Return why kubeconfigs may not be used, or None if they may."""
    trust = trust_file(environ)
    if trust is None:
        return None
    from bridge.git import place_of  # noqa: PLC0415 - start-up: most runs have no such file

    for file in files:
        if (place := place_of(str(file.absolute()))) not in trust.kubeconfigs:
            what = f"is not among the kubeconfigs of {trust.path}"
            return Problem(str(file), what, _hint("kubeconfigs", f"- {_quoted(place)}"))
    return None


def refused_program(
    environ: Mapping[str, str], command: Sequence[str], named_by: str, *, is_whole: bool = True
) -> Problem | None:
    """Return why a program may not start with these arguments, or None if it may.

    Unless the command `is_whole`, it may still get the arguments that the file lists. Paths are compared as they are
    written: a link to a listed program may be anything tomorrow, and a program may do something else by another name.
    """
    trust = trust_file(environ)
    most = None if is_whole else len(command)
    if trust is None or any(tuple(command[: len(one)]) == one[:most] for one in trust.programs):
        return None
    shown = command[0] if command[0].isprintable() else "a program"
    what = f"{named_by} starts {shown}, which is not among the programs of {trust.path}, or not with these arguments"
    return Problem("", what, _hint("programs", f"- [{_quoted(shown)}]"))


def refused_provider(environ: Mapping[str, str], package: str) -> Problem | None:
    """Return why a provider of another package may not be opened, or None if it may: it can send anything anywhere."""
    trust = trust_file(environ)
    if trust is None or package in trust.packages:
        return None
    what = f"the package {package} is not among the packages of {trust.path}"
    return Problem("", what, _hint("packages", f"- {package}"))


def _is_at(store: "TrustedStore", address: str) -> bool:
    return _is_vendors(store.address, address) or _is_same(store.address, address)


def _is_vendors(vendor: str, address: str) -> bool:
    """Return whether an address is one of a vendor's own."""
    pattern = _VENDORS.get(vendor)
    try:
        parts = urlsplit(address)
        usual = parts.scheme == "https" and parts.port in {None, 443} and not parts.path.strip("/")
    except ValueError:
        return False
    return bool(pattern and usual and re.fullmatch(pattern, parts.netloc.removesuffix(":443")))


def _is_same(one: str, other: str) -> bool:
    from bridge.http.servers import same_server  # noqa: PLC0415 - start-up: most runs have no such file

    try:
        return same_server(one, other)
    except ValueError:  # not a URL
        return False


def _hint(key: str, line: str) -> str:
    return f"if you trust it, add this line to `{key}` there: {line}"


def _quoted(text: str) -> str:
    """Quote a text for YAML, in which JSON is valid."""
    import json  # noqa: PLC0415 - start-up: only a refusal needs it

    return json.dumps(text)
