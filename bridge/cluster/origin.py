"""What a kubeconfig may do depends on who chose it: one that the environment's file names may come with any branch."""

from typing import Final

from bridge.cluster.kubeconfig import Section
from bridge.errors import Problem, Refusal

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


def _is_beside(user: Section, path: str) -> bool:
    """Return whether a file is in the kubeconfig's folder, once links are followed."""
    try:
        return user.path(path).resolve().is_relative_to(user.file.absolute().parent.resolve())
    except (OSError, RuntimeError, ValueError):  # a loop of links, or a zero byte
        return False
