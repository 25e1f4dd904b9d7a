"""Restrict a kubeconfig by who chose it: a branch can choose the kubeconfig that the environment's file names."""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.cluster.kubeconfig import KubeconfigSection
from bridge.errors import Problem, Refusal
from bridge.trust import find, refused_program

_HINT: Final = "pass this kubeconfig with --kubeconfig FILE, or set KUBECONFIG"
_PROGRAMS: Final = ("exec", "auth-provider")
"""Fields of a user that start a program (`auth-provider` does so with `cmd-path`)."""


def check_user(user: KubeconfigSection) -> None:
    """Restrict the user of a kubeconfig that the environment's file names, because a branch may have written both.

    The user may not start a program, and its `tokenFile` must be in the kubeconfig's own folder. Otherwise the token
    in any file on this machine could be sent to a server that the kubeconfig chooses.
    """
    for name in _PROGRAMS:
        if user.has(name):
            message = f"{name} is not allowed if the environment's file names the kubeconfig"
            raise Refusal(Problem(user.where, message, _HINT))
    path = user.text("tokenFile")
    if path and not _is_in_folder_of(user, path):
        message = "tokenFile must be in the kubeconfig's folder if the environment's file names the kubeconfig"
        raise Refusal(Problem(user.where, message, _HINT))


def check_start(section: KubeconfigSection, command: Sequence[str], environ: Mapping[str, str]) -> None:
    """Refuse to start a credential plugin that the trust file does not list with these arguments."""
    if problem := refused_program(environ, command, "exec"):
        raise Refusal(problem._replace(where=section.where))


def check_auth_provider(user: KubeconfigSection, environ: Mapping[str, str]) -> None:
    """Refuse `auth-provider` if there is a trust file: it starts programs and queries servers that we cannot check."""
    if user.has("auth-provider") and (file := find(environ)):
        message = f"auth-provider may start any program and query any server, so {file} cannot allow it"
        raise Refusal(Problem(user.where, message, "use an exec plugin, as kubectl does since 1.26"))


def _is_in_folder_of(user: KubeconfigSection, path: str) -> bool:
    """Return whether a file is in the kubeconfig's folder, with links resolved."""
    try:
        return user.path(path).resolve().is_relative_to(user.file.absolute().parent.resolve())
    except (OSError, RuntimeError, ValueError):  # a loop of links, or a zero byte
        return False
