"""What a kubeconfig may do depends on who chose it: one that the environment's file names may come with any branch."""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.cluster.kubeconfig import Section
from bridge.errors import Problem, Refusal
from bridge.trust import find, refused_program

_HINT: Final = "pass this kubeconfig with --kubeconfig FILE, or set KUBECONFIG"
_PROGRAMS: Final = ("exec", "auth-provider")
"""Fields of a user that start a program: `auth-provider` does so with `cmd-path`."""


def check_user(user: Section) -> None:
    """Refuse a user of a kubeconfig that the environment's file names if it could do more than this file itself.

    It may start no program, and a `tokenFile` has to be in the kubeconfig's own folder: the token of any other file on
    this machine would go to a server that the kubeconfig chooses.
    """
    for name in _PROGRAMS:
        if user.has(name):
            what = f"{name} starts a program, and the environment's file names this kubeconfig"
            raise Refusal(Problem(user.where, what, _HINT))
    path = user.text("tokenFile")
    if path and not _is_beside(user, path):
        what = "tokenFile is outside the kubeconfig's folder, and the environment's file names this kubeconfig"
        raise Refusal(Problem(user.where, what, _HINT))


def check_start(section: Section, command: Sequence[str], environ: Mapping[str, str]) -> None:
    """Refuse to start a credential plugin that the trust file does not list with these arguments."""
    if problem := refused_program(environ, command, "exec"):
        raise Refusal(problem._replace(where=section.where))


def check_auth_provider(user: Section, environ: Mapping[str, str]) -> None:
    """Refuse `auth-provider` if there is a trust file: it starts programs and asks servers that are not seen here."""
    if user.has("auth-provider") and (file := find(environ)):
        what = f"auth-provider may start any program and ask any server, so {file} cannot allow it"
        raise Refusal(Problem(user.where, what, "log in with exec, as kubectl has it since 1.26"))


def _is_beside(user: Section, path: str) -> bool:
    """Return whether a file is in the kubeconfig's folder, once links are followed."""
    try:
        return user.path(path).resolve().is_relative_to(user.file.absolute().parent.resolve())
    except (OSError, RuntimeError, ValueError):  # a loop of links, or a zero byte
        return False
