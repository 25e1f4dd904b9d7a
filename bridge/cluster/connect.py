"""Build an `Endpoint` from a pod's files or a kubeconfig. Only this module uses the `kubernetes` package."""

import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any, Final

from bridge.cluster.choice import ACCOUNT, Search, choose
from bridge.cluster.credentials import Credentials, Fixed, TokenFile, checked_token, impersonation
from bridge.cluster.endpoint import Endpoint, checked_proxy, proxy_from
from bridge.cluster.kubeconfig import MOST, KubeconfigSection, Selection, check_auth_provider, check_user, reason_of
from bridge.cluster.kubeconfig_server import Server, read_server, server_url
from bridge.cluster.tls import show_certificate, trusting
from bridge.config.textfile import read_bounded
from bridge.errors import BridgeError, ConfigError, Problem, Refusal, Unavailable, shortage
from bridge.secret import SecretValue

if TYPE_CHECKING:
    from bridge.plan.model import ClusterName

__all__ = ["Endpoint", "Search", "check_trust", "connect", "selected"]

LIBRARY_LIMIT: Final = 30.0
"""How many seconds `kubernetes.config` may take; it may query an identity provider."""


def connect(search: Search) -> Endpoint:
    """Find the API server and our credentials for it.

    Precedence: command-line flags, the environment's file, $KUBECONFIG, ~/.kube/config, the pod's service account.

    Raises ConfigError if a file is missing, invalid or has no credential, and Refusal if the environment's file and
    $KUBECONFIG disagree. A credential plugin may also raise Refusal or Unavailable.
    """
    selection = choose(search)
    return _in_pod(search) if selection is None else _outside(selection, search.environ, search.deadline)


def selected(search: Search) -> "ClusterName":
    """Name the cluster that `connect` would choose. This reads only files; it runs no plugin and asks no server."""
    from bridge.plan.model import ClusterName  # noqa: PLC0415 - start-up: a run connects before it imports the plan

    selection = choose(search)
    if selection is None:
        endpoint = _in_pod(search)
        return ClusterName(endpoint.url, None, endpoint.source)
    return ClusterName(server_url(selection.cluster), selection.context, selection.source)


def check_trust(search: Search) -> None:
    """Raise Refusal if `connect` would refuse the source of the credential, or the trust file refuses the cluster.

    Like `selected`, this reads only files, and raises ConfigError if a file is missing or invalid.
    """
    selection = choose(search)
    user = selection.user if selection else None
    if selection is None or user is None:
        return
    if selection.by_environment:
        check_user(user)
    check_auth_provider(user, search.environ)
    if (plugin := user.section("exec")) is not None:
        from bridge.cluster.exec_plugin import checked_command  # noqa: PLC0415 - start-up: few runs need it

        checked_command(plugin, search.environ)


def _in_pod(search: Search) -> Endpoint:
    source, pod, environ, deadline = ACCOUNT, search.pod, search.environ, search.deadline
    host, port = environ["KUBERNETES_SERVICE_HOST"], environ.get("KUBERNETES_SERVICE_PORT")
    if not port:
        raise ConfigError(Problem(source, "KUBERNETES_SERVICE_PORT is not set"))
    host = host.removeprefix("[").removesuffix("]")
    url = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    try:
        authority = read_bounded(pod / "ca.crt", deadline, MOST)
    except OSError as error:
        raise ConfigError(Problem(source, f"cannot read {pod / 'ca.crt'}: {reason_of(error)}")) from None
    credentials = TokenFile(pod / "token", source, "token", deadline)
    return Endpoint(
        url=url,
        tls=trusting(authority, f"{source}: {pod / 'ca.crt'}"),
        headers=credentials.headers,
        proxy=proxy_from(environ, url),
        server_name=None,
        source=source,
        warnings=(),
        renew=credentials.renew,
        pod_namespace=_namespace(pod, deadline),
    )


def _namespace(pod: Path, deadline: float) -> str:
    """Return this pod's namespace, or "" if it is unknown; no environment has an empty namespace."""
    try:
        return read_bounded(pod / "namespace", deadline, MOST).decode("ascii").strip()
    except (OSError, ValueError):
        return ""


def _outside(selection: Selection, environ: Mapping[str, str], deadline: float) -> Endpoint:
    server = read_server(selection.cluster)
    cluster, proxy = server.section, server.section.text("proxy-url")
    credentials = _credentials(selection, server, environ, deadline)
    return Endpoint(
        url=server.url,
        tls=server.tls,
        headers=credentials.headers,
        proxy=checked_proxy(proxy, cluster.where, "proxy-url") if proxy else proxy_from(environ, server.url),
        server_name=cluster.text("tls-server-name"),
        source=selection.source,
        warnings=server.warnings(),
        impersonation=impersonation(selection.user) if selection.user else (),
        renew=credentials.renew,
        context=selection.context,
    )


def _credentials(selection: Selection, server: Server, environ: Mapping[str, str], deadline: float) -> Credentials:
    """Choose like kubectl: a token before a plugin, a certificate in addition to either, and never anonymous."""
    user = selection.user
    if user is None:
        raise ConfigError(Problem(selection.source, "names no user; bridge never connects anonymously"))
    _refuse_ambiguous(user)
    if selection.by_environment:
        check_user(user)
    check_auth_provider(user, environ)
    certified = _add_client_certificate(user, server.tls)
    if path := user.text("tokenFile"):
        return TokenFile(user.path(path), user.where, "tokenFile", deadline)
    if token := user.text("token"):
        return Fixed(checked_token(token, user.where, "token"))
    if (plugin := user.section("exec")) is not None:
        from bridge.cluster.exec_plugin import ExecPlugin  # noqa: PLC0415 - start-up: few runs need it

        return ExecPlugin(plugin, server, environ, deadline)
    if user.has("auth-provider") or user.has("username"):
        _require_package(user)
        return _Library(selection, user, deadline)
    if not certified:
        raise user.wrong("has no usable credential; bridge never connects anonymously")
    return Fixed(None)


def _require_package(user: KubeconfigSection) -> None:
    """Refuse if the kubernetes package is missing, as in bridge's image, where it would be two thirds of the size."""
    from importlib.util import find_spec  # noqa: PLC0415 - start-up: few runs need it

    if find_spec("kubernetes") is None:
        what = "auth-provider and passwords need the kubernetes package, which is not installed"
        hint = "use a token, a client certificate or an exec plugin, or run `pip install kubernetes`"
        raise user.wrong(what, hint)


def _refuse_ambiguous(user: KubeconfigSection) -> None:
    """Refuse combinations that kubectl refuses, because they leave the identity ambiguous."""
    tokens = user.has("token") or user.has("tokenFile")
    if user.has("username") and (tokens or user.has("auth-provider")):
        raise user.wrong("has a username and another credential")
    if user.has("exec") and user.has("auth-provider"):
        raise user.wrong("has both exec and auth-provider")


def _add_client_certificate(user: KubeconfigSection, tls: ssl.SSLContext | None) -> bool:
    certificate, key = user.content("client-certificate"), user.content("client-key")
    if certificate is None and key is None:
        return False
    if certificate is None or key is None:
        raise user.wrong("has no client-key" if key is None else "has no client-certificate")
    if tls is not None:
        show_certificate(tls, certificate, SecretValue(key), user.where)
    return tls is not None


class _Library:
    """Credentials from `kubernetes.config`, for users that we do not read ourselves.

    The package supplies only the Authorization header; server, certificates, proxy and impersonation are always ours.
    It may write a renewed token into the kubeconfig, as kubectl does.
    """

    def __init__(self, selection: Selection, user: KubeconfigSection, deadline: float) -> None:
        self._where: Final = user.where
        self._files: Final = ":".join(map(str, selection.files))
        self._context: Final = selection.context
        self._deadline: Final = deadline
        self._lock: Final = Lock()
        self._configuration: Any = None
        _refuse_blind_renewal(user)
        self.headers()

    def headers(self) -> Mapping[str, str]:
        """Return the package's current header."""
        with self._lock:
            return {"Authorization": self._ask()}

    def renew(self) -> None:
        """Make the next request load the kubeconfig again."""
        with self._lock:
            self._configuration = None

    def _ask(self) -> str:
        answers: list[Any] = []
        thread = Thread(target=self._load, args=(answers,), daemon=True)
        thread.start()
        thread.join(max(0.0, min(LIBRARY_LIMIT, self._deadline - time.monotonic())))
        if thread.is_alive():
            raise Unavailable(Problem(self._where, "the identity provider did not answer in time"))
        header = answers[0] if answers else None
        if isinstance(header, BridgeError):
            raise header
        if not isinstance(header, str) or not header.isascii() or not header.isprintable():
            raise Refusal(
                Problem(self._where, "the kubernetes package found no credential", "log in again with kubectl")
            )
        return header

    def _load(self, answers: list[Any]) -> None:
        """Append the header. A failure appends nothing, because its text may quote the kubeconfig."""
        try:
            from tempfile import TemporaryDirectory  # noqa: PLC0415 - start-up: few runs need it

            from kubernetes.client import Configuration  # noqa: PLC0415 - start-up: half a second
            from kubernetes.config import load_kube_config  # noqa: PLC0415 - start-up: half a second

            if self._configuration is None:
                configuration = Configuration()
                # The package writes keys to files, which are private and deleted at once.
                with TemporaryDirectory() as folder:
                    load_kube_config(  # type: ignore[no-untyped-call]
                        self._files, self._context, client_configuration=configuration, temp_file_path=folder
                    )
                self._configuration = configuration
            # Before 36.0.1, the package used the second name.
            names = ("BearerToken", "authorization")
            answers.append(next(filter(None, map(self._configuration.get_api_key_with_prefix, names)), None))
        except BaseException as error:  # noqa: BLE001 -- any failure means that there is no credential
            if short := shortage(error):
                answers.append(Unavailable(short))


def _refuse_blind_renewal(user: KubeconfigSection) -> None:
    """Refuse if the package would renew an OpenID token at a provider without checking its certificate."""
    provider = user.section("auth-provider")
    config = provider.section("config") if provider and provider.text("name") == "oidc" else None
    if config is None or config.has("idp-certificate-authority") or config.has("idp-certificate-authority-data"):
        return
    if _is_expired(config.text("id-token") or ""):
        hint = "log in again with kubectl, or set the provider's idp-certificate-authority"
        raise Refusal(Problem(config.where, "its id-token has expired and cannot be renewed safely", hint))


def _is_expired(token: str) -> bool:
    """Return whether the package considers a JSON Web Token expired, which is five minutes before it expires."""
    import json  # noqa: PLC0415 - next to its only use
    from base64 import urlsafe_b64decode  # noqa: PLC0415 - next to its only use

    try:
        claims = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
        return float(claims["exp"]) - 300 <= time.time()
    except (ValueError, LookupError, TypeError):
        return False
