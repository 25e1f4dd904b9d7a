"""Decides which programs start, and which servers and files are used: the environment's file may come from a branch.

Just before a program starts or a server gets a credential, the operator's trust file, if there is one, must list it.

A program must be outside the checkout. An endpoint must be the one in AWS's variables, if they are set.

A file with keys or a passphrase is never sent or shown, but it is tried. With a key file that is encrypted to a guess,
a branch could find out whether another file contains that guess. So the file must be one of these:

- a file in the checkout; outside of git, any but those of /proc, /sys and /dev;
- a file that one of SOPS's variables names, or a file in SOPS's own folder, ~/.config/sops;
- a file in the home folder, /etc, /run/secrets or /var/run/secrets, if its own name or the name of the first folder
  below that place begins with `sops` or `age`, as /var/run/secrets/age/keys.txt does.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bridge.http.servers import same_server
from bridge.provider import Context, Denied, Problem
from bridge.trust import refused_program, refused_store

if TYPE_CHECKING:
    from bridge_providers.sops import Sops

_VARIABLES: Final = ("SOPS_AGE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_FILE")
_PLACES: Final = ("/etc", "/run/secrets", "/var/run/secrets")
_NAME: Final = re.compile(r"\.?(?:sops|age)(?![a-z])", re.IGNORECASE)
AWS: Final = "aws"
SCALEWAY: Final = "scaleway"
_HINT: Final = "install it outside the checkout, and set that path"


def check_program(field: str, path: str, context: Context) -> None:
    """Raise Denied for a program in the checkout: anyone who can push a branch could run it here."""
    if problem := _problem(field, path, context):
        raise Denied(problem.what, hint=problem.hint)


def problems(options: "Sops", context: Context) -> Iterator[Problem]:
    """Yield the programs and files of the section that would be refused."""
    named = [("gpg", options.gpg or ""), ("program", options.program or "")]
    yield from _misplaced(options, context)
    for field, path in named:
        if path and (problem := _problem(field, path, context) or _unlisted(field, path, context)):
            yield problem


def unlisted_servers(options: "Sops", context: Context) -> Iterator[Problem]:
    """Yield the servers of the section that the trust file does not list; only a run knows a vendor's region."""
    from bridge_providers.sops import sections  # noqa: PLC0415 - start-up: only a check needs it

    for vault in sections.vaults(options):
        yield from vault.untrusted(vault.address or "", context)
    endpoint = (options.kms or {}).get("endpoint")
    for url in (endpoint, options.s3):
        if isinstance(url, str) and "://" in url:
            yield from filter(None, [refused_store(context.environ, url, "aws", "the environment's file")])


def _unlisted(field: str, path: str, context: Context) -> Problem | None:
    return refused_program(context.environ, (path,), field, is_whole=False)


def check_files(options: "Sops", context: Context) -> None:
    """Raise Denied for key files in other places than SOPS's: their content would be tried."""
    if problem := next(_misplaced(options, context), None):
        raise Denied(problem.what, hint=problem.hint)


def _misplaced(options: "Sops", context: Context) -> Iterator[Problem]:
    for field in ("age_key_file", "age_passphrase_file"):
        name = getattr(options, field)
        if name and "\0" not in name and not _is_place_of_keys(context.base / name, context):
            message = f"{field} {name} is not in a place for SOPS keys; a branch could try any file as a key"
            yield Problem("", message, "move it into the checkout (in .gitignore), or to ~/.config/sops")


def _is_place_of_keys(path: Path, context: Context) -> bool:
    real = Path(os.path.realpath(path))
    if real.is_relative_to(os.path.realpath(context.base)):
        return True
    from bridge.git import is_in_reach  # noqa: PLC0415 - start-up: most files are next to the environment's
    from bridge_providers.sops.identities import default_key_file  # noqa: PLC0415 - as above

    if is_in_reach(path, context.base):
        return True
    environ = context.environ
    if any(text == str(path.absolute()) for name, text in environ.items() if name in _VARIABLES):
        return True
    own = default_key_file(environ)
    if own and real.is_relative_to(os.path.realpath(own.parents[1])):
        return True
    tops = [Path(os.path.realpath(one)) for one in (environ.get("HOME"), *_PLACES) if one]
    below = [real.relative_to(top).parts for top in tops if real.is_relative_to(top)]
    return any(_NAME.match(part) for parts in below for part in (*parts[:1], *parts[-1:]))


def check_endpoint(field: str, url: str, service: str, environ: Mapping[str, str]) -> None:
    """Raise Denied for an endpoint other than the one in AWS's variables: it would get requests with AWS's keys."""
    for name in (f"AWS_ENDPOINT_URL_{service}", "AWS_ENDPOINT_URL"):
        if server := environ.get(name):
            if not _is_same(url, server):
                hint = f"correct {name}, or unset it if you trust this server"
                raise Denied(f"{field} {url} is not the server in {name}", hint=hint)
            return


def _is_same(url: str, other: str) -> bool:
    try:
        return same_server(url, other)
    except ValueError:  # what is in the variable is not a URL
        return False


def _problem(field: str, path: str, context: Context) -> Problem | None:
    """Check the path as written and with its links followed: either may lead into the checkout."""
    if "\0" in path:
        return None  # the system refuses to start it
    from bridge.git import is_in_checkout  # noqa: PLC0415 - start-up: few sections name a program

    if is_in_checkout(path, context.base):
        return Problem("", f"{field} is in the checkout, so anyone who can push a branch can change it", _HINT)
    return None


def check_start(name: str, command: Sequence[str], environ: Mapping[str, str], *, is_whole: bool = True) -> None:
    """Raise Denied if the trust file does not list a program, which errors call `name`; see `refused_program`."""
    if problem := refused_program(environ, command, name, is_whole=is_whole):
        raise Denied(problem.what, hint=problem.hint)
