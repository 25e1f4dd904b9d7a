"""Choose the cluster: from the command line, the environment's file, KUBECONFIG, ~/.kube/config or the pod.

This starts no credential plugin and sends no request.
"""

import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from bridge.cluster.kubeconfig import Selection, select
from bridge.cluster.kubeconfig_server import server_url
from bridge.config.environment_fields import ClusterFlags
from bridge.errors import ConfigError, Problem, Refusal
from bridge.http.servers import same_server
from bridge.named_tuple import NamedTuple
from bridge.trust import refused_kubeconfig, refused_server

ACCOUNT: Final = "the pod's service account"


POD: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""The folder with a pod's service account token and the cluster's certificate authority."""
NO_FLAGS: Final = ClusterFlags()


class Search(NamedTuple):
    """All settings that can select the cluster.

    - `kubeconfig` and `context` come from the environment's file, and `flags` from the command line.
    - `deadline` is a `time.monotonic()`, for credential plugins and for files that turn out to be pipes.
    - `ahead`: the servers to connect to before the first request, any server if it is empty, and none if it is None.
    - `pod` is the folder of a pod's service account.
    """

    kubeconfig: Path | None
    context: str | None
    environ: Mapping[str, str]
    flags: ClusterFlags = NO_FLAGS
    deadline: float = math.inf
    ahead: Collection[str] | None = None
    pod: Path = POD


def kubeconfig_places(search: Search) -> Iterator[tuple[str, Path | None]]:
    """Yield every place in which `choose` looks, in order; the path is None if the place names no file."""
    yield "--kubeconfig", search.flags.kubeconfig
    yield "cluster.kubeconfig", search.kubeconfig
    yield from (("KUBECONFIG", path) for path in _listed(search.environ) or (None,))
    default = _default(search.environ)
    yield str(default), default
    yield ACCOUNT, search.pod / "token"


def choose(search: Search) -> Selection | None:
    """Return the selected context, or None for the service account of the pod that this process runs in.

    Raises ConfigError if a named file or context is missing, and Refusal if the environment's file and KUBECONFIG lead
    to different servers and no flag decides between them.
    """
    kubeconfig, context, environ, flags, deadline, _, pod = search
    if flags.in_cluster:
        _check_pod(environ, pod)
        return None
    listed = _listed(environ)
    default = _default(environ)
    named = flags.kubeconfig or kubeconfig
    files = [named] if named else listed or ([default] if _exists(default) else [])
    wanted = flags.context or context
    if not files and not wanted and environ.get("KUBERNETES_SERVICE_HOST"):
        _check_token(pod, "name a kubeconfig with --kubeconfig FILE")
        return None
    try:
        selection = select(files, wanted, deadline) if files else _missing(default)
    except ConfigError as error:
        own = context if not flags.context else None
        raise _with_hint(_with_place(error, own), environ, pod) from None
    _check_trust(selection, environ)
    if not kubeconfig or flags.kubeconfig:
        return selection
    if listed:
        _check_agreement(selection, listed, flags.context, context, deadline)
    return selection._replace(by_environment=not _is_among(kubeconfig, [*listed, default]))


def _check_trust(selection: Selection, environ: Mapping[str, str]) -> None:
    """Raise Refusal if the trust file does not list the kubeconfig or the API server that it leads to.

    A pod's service account needs no check, because it leads to the pod's own cluster.
    """
    url = server_url(selection.cluster)
    checks = (refused_kubeconfig(environ, selection.files), refused_server(environ, url, selection.source))
    if problems := [problem for problem in checks if problem]:
        raise Refusal(*problems)


def _is_among(file: Path, others: Sequence[Path]) -> bool:
    """Return whether a file is one of `others`, which the machine's owner chose, under any name."""
    real = os.path.realpath(file)
    return any(os.path.realpath(one) == real for one in others)


def _listed(environ: Mapping[str, str]) -> list[Path]:
    """Return the files that KUBECONFIG names."""
    return [Path(name) for name in environ.get("KUBECONFIG", "").split(":") if name]


def _default(environ: Mapping[str, str]) -> Path:
    home = Path(environ.get("HOME") or "~")
    with suppress(RuntimeError):  # a pod's user may have no home
        home = home.expanduser()
    return home / ".kube" / "config"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # another user's home, as in an image that runs as a different user
        return False


def _missing(default: Path) -> NoReturn:
    hint = "pass --kubeconfig FILE, set cluster.kubeconfig in the environment's file, or set KUBECONFIG"
    raise ConfigError(Problem(str(default), "no kubeconfig found", hint))


def _check_pod(environ: Mapping[str, str], pod: Path) -> None:
    if not environ.get("KUBERNETES_SERVICE_HOST"):
        message = "this is not a pod: KUBERNETES_SERVICE_HOST is not set"
        raise ConfigError(Problem("--in-cluster", message, "select a cluster with --kubeconfig FILE or --context NAME"))
    _check_token(pod, "remove --in-cluster to use a kubeconfig")


def _check_token(pod: Path, otherwise: str) -> None:
    if not (pod / "token").is_file():
        hint = f"set automountServiceAccountToken: true in the pod's spec, or {otherwise}"
        raise ConfigError(Problem(ACCOUNT, "this pod has no service account token", hint))


def _with_place(error: ConfigError, context: str | None) -> ConfigError:
    """Add to a missing context's error where it was named, if that was the environment's file."""
    place = "; change `cluster.context` in the environment's file, or pass --context NAME"
    is_about_it = f'no context "{context}"' if context else ""
    return ConfigError(
        *(
            one._replace(hint=f"{one.hint}{place}") if is_about_it and one.what.endswith(is_about_it) else one
            for one in error.problems
        )
    )


def _with_hint(error: ConfigError, environ: Mapping[str, str], pod: Path) -> ConfigError:
    """In a pod, add how to use its service account: the named kubeconfig may be meant for another machine."""
    if not (environ.get("KUBERNETES_SERVICE_HOST") and (pod / "token").is_file()):
        return error
    hint = "to use the service account of this pod, pass --in-cluster"
    return ConfigError(*(one._replace(hint=f"{one.hint}; {hint}" if one.hint else hint) for one in error.problems))


def _check_agreement(
    ours: Selection, listed: Sequence[Path], flag: str | None, context: str | None, deadline: float
) -> None:
    """Raise Refusal if KUBECONFIG, which kubectl would follow, leads to a different server than the environment's file.

    The context of the same name is compared, else the current context. If a flag names a context that KUBECONFIG does
    not have, the flag decides.
    """
    other = _server(listed, flag or context, deadline) or (None if flag else _server(listed, None, deadline))
    url = server_url(ours.cluster)
    if other is not None and not same_server(url, other):
        message = f"leads to {url}, but KUBECONFIG leads to {other}"
        raise Refusal(Problem(ours.source, message, "choose with --kubeconfig FILE, or unset KUBECONFIG"))


def _server(files: Sequence[Path], context: str | None, deadline: float) -> str | None:
    """Return the server that a context leads to, or None if it leads to none."""
    try:
        return server_url(select(files, context, deadline).cluster)
    except ConfigError:
        return None
