"""What the operator's trust file says of the programs that supply AWS's keys, and of the servers that get them."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bridge.provider import Denied, Problem
from bridge.trust import refused_program, refused_store

_MOST_PROFILES: Final = 10  # in a chain of source_profile


def check_client(client: Any, credential: str, named_by: str, environ: Mapping[str, str]) -> None:  # noqa: ANN401 - boto3 has no types
    """Raise Denied if the trust file does not list a server for a vendor's keys."""
    _raise(refused_store(environ, client.meta.endpoint_url, credential, named_by))


def check_chain(core: Any, environ: Mapping[str, str]) -> None:  # noqa: ANN401 - a session of botocore, as above
    """Raise Denied if a program that the trust file does not list would provide the keys of AWS's configuration.

    Keys in variables come first, unless a profile is chosen by name. Raises botocore's errors too.
    """
    if environ.get("AWS_ACCESS_KEY_ID") and core.instance_variables().get("profile") is None:
        return
    profiles = core.full_config.get("profiles", {})
    name = core.profile or "default"
    for _ in range(_MOST_PROFILES):
        profile = profiles.get(name, {})
        if command := profile.get("credential_process"):
            _raise(refused_program(environ, _words(command), "credential_process of AWS's configuration"))
        name = profile.get("source_profile", "")


def _words(command: str) -> Sequence[str]:
    try:
        return shlex.split(command) or ("",)
    except ValueError:  # which botocore does not start either
        return ("",)


def _raise(problem: Problem | None) -> None:
    if problem:
        raise Denied(problem.what, hint=problem.hint)
