"""Which programs and endpoints the environment's file may name: a branch may have brought the file.

A program is not one of the same checkout, and an endpoint is the one that AWS's variables name, if they name one.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from bridge.http.servers import same_server
from bridge.provider import Context, Denied, Problem

if TYPE_CHECKING:
    from bridge_providers.sops import Sops

_HINT: Final = "install it outside the checkout, and name that path"


def check_program(field: str, path: str, context: Context) -> None:
    """Refuse a program of the checkout: whoever may push a branch would run it here. Denied."""
    if problem := _problem(field, path, context):
        raise Denied(problem.what, hint=problem.hint)


def problems(options: "Sops", context: Context) -> Iterator[Problem]:
    """Yield the programs of the section that would not be started."""
    named = [("gpg", options.gpg or "")]
    named += [(f"age_plugins {name}", path) for name, path in (options.age_plugins or {}).items()]
    for field, path in named:
        if path and (problem := _problem(field, path, context) or _unlisted(field, path, context)):
            yield problem


def unlisted_servers(options: "Sops", context: Context) -> Iterator[Problem]:
    """Yield the servers of the section that the trust file does not list; a vendor's region is known to a run only."""
    from bridge.trust import refused_store  # noqa: PLC0415 # start-up: `--version` does without
    from bridge_providers.sops import sections  # noqa: PLC0415 # as above

    for one in sections.vaults(options):
        yield from one.untrusted(one.address or "", context)
    endpoint = (options.kms or {}).get("endpoint")
    for url in (endpoint, options.s3):
        if isinstance(url, str) and "://" in url:
            yield from filter(None, [refused_store(context.environ, url, "aws", "the environment's file")])


def _unlisted(field: str, path: str, context: Context) -> Problem | None:
    from bridge.trust import refused_program  # noqa: PLC0415 # as above

    return refused_program(context.environ, (path,), field, is_whole=False)


def check_endpoint(field: str, url: str, service: str, environ: Mapping[str, str]) -> None:
    """Refuse an endpoint other than that of AWS's variables: it would get requests with AWS's keys. Denied."""
    for name in (f"AWS_ENDPOINT_URL_{service}", "AWS_ENDPOINT_URL"):
        if given := environ.get(name):
            if not _is_same(url, given):
                hint = f"correct {name}, or unset it if this server may have your requests"
                raise Denied(f"{field} {url} is not the server that {name} names", hint=hint)
            return


def _is_same(url: str, given: str) -> bool:
    try:
        return same_server(url, given)
    except ValueError:  # what is in the variable is not a URL
        return False


def _problem(field: str, path: str, context: Context) -> Problem | None:
    """Look at the path as it is written and with its links followed: either may lead into the checkout."""
    if "\0" in path:
        return None  # the system refuses to start it
    from bridge.git import is_in_checkout  # noqa: PLC0415 # start-up: few sections name a program

    if is_in_checkout(path, context.base):
        return Problem(
            "", f"{field} is a program in the checkout, which anyone who may push a branch can change", _HINT
        )
    return None
