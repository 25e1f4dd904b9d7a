"""What the trust file lets this provider start and send, said as this provider's errors."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bridge.provider import Denied, Problem
from bridge.trust import refused_program, refused_store

AWS: Final = "aws"
SCALEWAY: Final = "scaleway"
_MOST_PROFILES: Final = 10  # in a chain of source_profile


def check_start(what: str, command: Sequence[str], environ: Mapping[str, str], *, is_whole: bool = True) -> None:
    """Refuse to start a program, which errors call `what`, if the trust file does not list it. Denied."""
    _raise(refused_program(environ, command, what, is_whole=is_whole))


def check_client(client: Any, credential: str, named_by: str, environ: Mapping[str, str]) -> None:  # noqa: ANN401 - boto3 has no types
    """Refuse to ask a server with a vendor's keys if the trust file does not list it for them. Denied."""
    _raise(refused_store(environ, client.meta.endpoint_url, credential, named_by))


def check_chain(core: Any, environ: Mapping[str, str]) -> None:  # noqa: ANN401 - a session of botocore, as above
    """Refuse keys of AWS's own configuration if a program would give them that the trust file does not list. Denied.

    Keys in variables come first, unless a profile is chosen by name. botocore's errors pass.
    """
    if environ.get("AWS_ACCESS_KEY_ID") and core.instance_variables().get("profile") is None:
        return
    profiles = core.full_config.get("profiles", {})
    name = core.profile or "default"
    for _ in range(_MOST_PROFILES):
        profile = profiles.get(name, {})
        if command := profile.get("credential_process"):
            check_start("credential_process of AWS's configuration", _words(command), environ)
        name = profile.get("source_profile", "")


def _words(command: str) -> Sequence[str]:
    try:
        return shlex.split(command) or ("",)
    except ValueError:  # which botocore does not start either
        return ("",)


def _raise(problem: Problem | None) -> None:
    if problem:
        raise Denied(problem.what, hint=problem.hint)
