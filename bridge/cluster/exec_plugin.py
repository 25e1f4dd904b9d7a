"""Credentials from a program that the kubeconfig names (`exec`, client.authentication.k8s.io v1 and v1beta1)."""

import json
import os
import time
from binascii import b2a_base64
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from bridge.cluster.credentials import bearer, checked_token
from bridge.cluster.kubeconfig import Section
from bridge.cluster.server import Server
from bridge.cluster.tls import show_certificate
from bridge.errors import Problem, Refusal, Unavailable
from bridge.secret import SecretValue

if TYPE_CHECKING:
    from subprocess import Popen

LIMIT: Final = 30.0
"""Seconds that a plugin may take."""
_GROUP: Final = "client.authentication.k8s.io"
_VERSIONS: Final = (f"{_GROUP}/v1", f"{_GROUP}/v1beta1")


class ExecPlugin:
    """Runs the program at once, and again when its credential has expired or is refused.

    What the program prints is never shown: it may hold tokens. It gets no terminal.
    """

    def __init__(
        self,
        section: Section,
        server: Server,
        environ: Mapping[str, str],
        deadline: float,
    ) -> None:
        """Take the kubeconfig's `exec` section, and the server for which the credential is."""
        self._section: Final = section
        self._tls: Final = server.tls
        self._deadline: Final = deadline
        self._version: Final = _checked_version(section)
        self._arguments: Final = [_program(section, environ), *section.texts("args")]
        self._environ: Final = {**environ, **_variables(section), "KUBERNETES_EXEC_INFO": self._info(server)}
        self._lock: Final = Lock()
        self._current = False
        self._token: SecretValue | None = None
        self._expires: float | None = None
        self.headers()

    def headers(self) -> Mapping[str, str]:
        """Return the plugin's token, or nothing where it gave a certificate for the TLS context."""
        with self._lock:
            if not self._current or (self._expires is not None and time.time() >= self._expires):
                self._take(self._run())
            return bearer(self._token)

    def renew(self) -> None:
        """Let the next request run the program."""
        with self._lock:
            self._current = False

    def _info(self, server: Server) -> str:
        spec: dict[str, Any] = {"interactive": False}
        if self._section.flag("provideClusterInfo"):
            spec["cluster"] = _describe(server)
        return json.dumps({"apiVersion": self._version, "kind": "ExecCredential", "spec": spec})

    def _run(self) -> bytes:
        from subprocess import DEVNULL, PIPE, Popen, TimeoutExpired  # noqa: PLC0415 -- start-up: few runs need it

        limit = max(0.0, min(LIMIT, self._deadline - time.monotonic()))
        try:
            # A group of its own, so that what the program started ends with it.
            process = Popen(  # noqa: S603 -- the kubeconfig's owner chose the program, as for kubectl
                self._arguments, env=self._environ, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL, start_new_session=True
            )
        except (OSError, ValueError):
            raise self._section.wrong("the credential plugin cannot be started", self._hint()) from None
        output: bytes | None = None
        try:
            output = process.communicate(timeout=limit)[0]
        except TimeoutExpired:
            pass  # it holds what was printed so far; what follows from it comes after
        finally:
            if output is None:
                _end(process)
        if output is None:
            raise Unavailable(Problem(self._section.where, f"the credential plugin gave no answer in {limit:.3g} s"))
        if process.returncode:
            what = f"the credential plugin failed with exit status {process.returncode}"
            raise Refusal(Problem(self._section.where, what, self._hint()))
        return output

    def _take(self, output: bytes) -> None:
        status = _status(output, self._version)
        token, certificate, key = (_text(status, name) for name in ("token", "clientCertificateData", "clientKeyData"))
        if not token and not (certificate and key):
            what = f"the credential plugin gave neither a token nor a certificate and its key ({self._version})"
            raise Refusal(Problem(self._section.where, what))
        if certificate and key and self._tls is not None:
            where = f"{self._section.where}: the credential plugin's answer"
            show_certificate(self._tls, certificate.encode(), SecretValue.of(key), where)
        self._token = checked_token(token, self._section.where, "the credential plugin's answer") if token else None
        self._expires = _moment(_text(status, "expirationTimestamp"))
        self._current = True

    def _hint(self) -> str:
        hint = " ".join((self._section.text("installHint") or "").split())
        return hint or "run the command of the kubeconfig's exec section by hand to see why"


def _describe(server: Server) -> dict[str, Any]:
    """Describe a cluster to a plugin (spec.cluster of an ExecCredential)."""
    info: dict[str, Any] = {"server": server.url}
    if server.authority is not None:
        info["certificate-authority-data"] = b2a_base64(server.authority, newline=False).decode()
    cluster = server.section
    for name in ("tls-server-name", "insecure-skip-tls-verify", "proxy-url"):
        if cluster.has(name):
            info[name] = cluster.fields[name]
    extensions = cluster.fields.get("extensions")
    for extension in extensions if isinstance(extensions, list) else ():
        if isinstance(extension, dict) and extension.get("name") == f"{_GROUP}/exec":
            info["config"] = extension.get("extension")
    return info


def _checked_version(section: Section) -> str:
    version = section.text("apiVersion")
    if version not in _VERSIONS:
        raise section.wrong(f"apiVersion must be {' or '.join(_VERSIONS)}")
    if section.text("interactiveMode") == "Always":
        raise section.wrong("interactiveMode is Always, and bridge gives a credential plugin no terminal")
    return version


def _program(section: Section, environ: Mapping[str, str]) -> str:
    from shutil import which  # noqa: PLC0415 -- start-up: few runs need it

    command = section.text("command")
    if command is None:
        raise section.wrong("has no command")
    # With a slash it is a path from the kubeconfig's folder, without one a program of PATH.
    found = str(section.path(command)) if "/" in command else which(command, path=environ.get("PATH", os.defpath))
    if found is None or not os.access(found, os.X_OK):
        hint = " ".join((section.text("installHint") or "").split())
        raise section.wrong(f'the credential plugin "{command}" is not installed', hint)
    return found


def _variables(section: Section) -> dict[str, str]:
    items = section.fields.get("env") or []
    if not isinstance(items, list):
        raise section.wrong("env must be a list")
    entries = [Section(f"{section.where}: env", section.file, section.mapping(item, "env")) for item in items]
    return {entry.text("name") or "": entry.text("value") or "" for entry in entries if entry.has("name")}


def _end(process: "Popen[bytes]") -> None:
    import signal  # noqa: PLC0415 -- subprocess has it already

    with suppress(ProcessLookupError):  # it may have just ended
        os.killpg(process.pid, signal.SIGKILL)
    if process.stdout is not None:
        process.stdout.close()
    process.wait()


def _status(output: bytes, version: str) -> Mapping[str, Any]:
    """Return the credential's status, or nothing where the output is no such credential."""
    try:
        answer = json.loads(output)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(answer, dict) or (answer.get("kind"), answer.get("apiVersion")) != ("ExecCredential", version):
        return {}
    status = answer.get("status")
    return status if isinstance(status, dict) else {}


def _text(status: Mapping[str, Any], name: str) -> str:
    value = status.get(name)
    return value if isinstance(value, str) and value.isascii() else ""


def _moment(text: str) -> float | None:
    """Read an RFC 3339 time as seconds since 1970; None where there is none, or one that cannot be read."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
