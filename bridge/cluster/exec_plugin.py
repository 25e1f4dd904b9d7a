"""Credentials from a program that the kubeconfig names (`exec`, client.authentication.k8s.io v1 and v1beta1)."""

import json
import os
import re
import time
from binascii import b2a_base64
from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final

from bridge.cluster.credentials import bearer, checked_token
from bridge.cluster.kubeconfig import KubeconfigSection, check_start
from bridge.cluster.kubeconfig_server import Server
from bridge.cluster.tls import show_certificate
from bridge.errors import Problem, Refusal, Unavailable
from bridge.secret import SecretValue
from bridge.shell import word

LIMIT: Final = 30.0
"""How many seconds a plugin may take."""
_GROUP: Final = "client.authentication.k8s.io"
_VERSIONS: Final = (f"{_GROUP}/v1", f"{_GROUP}/v1beta1")
_ANY_VERSION: Final = re.compile(rf"{re.escape(_GROUP)}/v[a-z0-9]{{1,16}}")
_MODES: Final = ("Never", "IfAvailable", "Always")
PATIENCE: Final = 300.0
"""How many seconds a plugin may take if it prompts on a terminal."""


class ExecPlugin:
    """Runs the program at once, and again when its credential has expired or is refused.

    The program's stdout is never shown, because it contains tokens. On a terminal it may prompt, as with kubectl.
    """

    def __init__(
        self,
        section: KubeconfigSection,
        server: Server,
        environ: Mapping[str, str],
        deadline: float,
    ) -> None:
        """Use the kubeconfig's `exec` section to get a credential for this server."""
        self._section: Final = section
        self._tls: Final = server.tls
        self._deadline: Final = deadline
        self._version: Final = _checked_version(section)
        self._asks: Final = _may_ask(section)
        self._arguments: Final = checked_command(section, environ)
        self._environ: Final = {**environ, **_variables(section), "KUBERNETES_EXEC_INFO": self._info(server)}
        self._lock: Final = Lock()
        self._current = False
        self._token: SecretValue | None = None
        self._expires: float | None = None
        self.headers()

    def headers(self) -> Mapping[str, str]:
        """Return the plugin's token, or no header if the plugin gave a certificate, which is in the TLS context."""
        with self._lock:
            if not self._current or (self._expires is not None and time.time() >= self._expires):
                self._take(self._run())
            return bearer(self._token)

    def renew(self) -> None:
        """Make the next request run the program."""
        with self._lock:
            self._current = False

    def _info(self, server: Server) -> str:
        spec: dict[str, Any] = {"interactive": self._asks}
        if self._section.flag("provideClusterInfo"):
            spec["cluster"] = _describe(server)
        return json.dumps({"apiVersion": self._version, "kind": "ExecCredential", "spec": spec})

    def _run(self) -> bytes:
        from bridge.bounded import TooMuch  # noqa: PLC0415 - start-up: few runs need subprocess
        from bridge.cluster import plugin_process  # noqa: PLC0415 - as above

        limit = max(0.0, min(PATIENCE if self._asks else LIMIT, self._deadline - time.monotonic()))
        try:
            status, output = plugin_process.run(self._arguments, self._environ, limit, asks=self._asks)
        except (OSError, ValueError):
            raise self._section.wrong("the credential plugin cannot be started", self._hint()) from None
        except TooMuch:
            message = f"the credential plugin printed more than {plugin_process.MOST // 2**20} MiB"
            raise self._refused(message, self._hint()) from None
        except plugin_process.TakesTooLong:
            message = f"the credential plugin did not answer in {limit:.3g} s"
            raise Unavailable(Problem(self._section.where, message)) from None
        if status:
            raise self._refused(f"the credential plugin failed with exit status {status}", self._hint())
        return output

    def _take(self, output: bytes) -> None:
        status = self._status(output)
        token, certificate, key = (_text(status, name) for name in ("token", "clientCertificateData", "clientKeyData"))
        if not token and not (certificate and key):
            raise self._refused(
                f"the credential plugin returned neither a token nor a certificate with its key ({self._version})"
            )
        if certificate and key and self._tls is not None:
            where = f"{self._section.where}: the credential plugin's answer"
            show_certificate(self._tls, certificate.encode(), SecretValue.of(key), where)
        self._token = checked_token(token, self._section.where, "the credential plugin's answer") if token else None
        self._expires = _moment(_text(status, "expirationTimestamp"))
        self._current = True

    def _status(self, output: bytes) -> Mapping[str, Any]:
        """Return the credential's status; raise Refusal if the output is not an ExecCredential."""
        try:
            answer = json.loads(output)
        except (ValueError, RecursionError):
            answer = None
        if answer is None:
            problem = "printed something that is not JSON" if output.strip() else "printed nothing"
            raise self._refused(f"the credential plugin {problem}", self._hint())
        if not isinstance(answer, dict) or answer.get("kind") != "ExecCredential":
            raise self._refused("the credential plugin's answer is not an ExecCredential", self._hint())
        version = answer.get("apiVersion")
        if version != self._version:
            named = version if isinstance(version, str) and _ANY_VERSION.fullmatch(version) else ""
            other = named or "another version"
            message = f"the kubeconfig asks the credential plugin for {self._version}, but it returns {other}"
            known = f"set apiVersion: {named} in the exec section, or update the plugin" if named in _VERSIONS else ""
            raise self._refused(message, known or "update the plugin")
        status = answer.get("status")
        return status if isinstance(status, dict) else {}

    def _refused(self, message: str, hint: str = "") -> Refusal:
        return Refusal(Problem(self._section.where, message, hint))

    def _hint(self) -> str:
        hint = " ".join((self._section.text("installHint") or "").split())
        return hint or "run the command in the kubeconfig's exec section by hand to see why"


def checked_command(section: KubeconfigSection, environ: Mapping[str, str]) -> list[str]:
    """Return the plugin's program and arguments; raise Refusal if the trust file does not list them."""
    command = [_program(section, environ), *section.texts("args")]
    check_start(section, command, environ)
    return command


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


def _checked_version(section: KubeconfigSection) -> str:
    version = section.text("apiVersion")
    if version not in _VERSIONS:
        raise section.wrong(f"apiVersion must be {' or '.join(_VERSIONS)}")
    return version


def _may_ask(section: KubeconfigSection) -> bool:
    """Return whether the plugin may use our terminal; raise ConfigError if it must but stdin is not a terminal."""
    from bridge.cluster.plugin_process import on_terminal  # noqa: PLC0415 - start-up: few runs need subprocess

    mode = section.text("interactiveMode") or "IfAvailable"
    if mode not in _MODES:
        raise section.wrong(f"interactiveMode must be {', '.join(_MODES[:-1])} or {_MODES[-1]}")
    if mode == "Always" and not on_terminal():
        raise section.wrong("interactiveMode is Always, but stdin is not a terminal", "run bridge from a terminal")
    return mode != "Never" and on_terminal()


def _program(section: KubeconfigSection, environ: Mapping[str, str]) -> str:
    from shutil import which  # noqa: PLC0415 - start-up: few runs need it

    command = section.text("command")
    if command is None:
        raise section.wrong("has no command")
    if not command.isprintable():
        raise section.wrong("command contains control characters")
    if "/" in command and not command.startswith("/"):
        # kubectl would start it from the kubeconfig's folder, which may belong to anyone.
        raise section.wrong("command is a relative path", "write an absolute path, or a name to look up in PATH")
    # A relative entry would mean a folder below the current folder.
    search = ":".join(one for one in environ.get("PATH", os.defpath).split(":") if one.startswith("/"))
    path = command if "/" in command else which(command, path=search)
    if path is None or not os.access(path, os.X_OK):
        file = path if "/" in command else which(command, os.F_OK, search)
        if file is not None and os.path.exists(file):  # noqa: PTH110 -- pathlib raises for a zero byte
            raise section.wrong(f'the credential plugin "{command}" is not executable', f"chmod +x {word(file)}")
        hint = " ".join((section.text("installHint") or "").split())
        raise section.wrong(f'the credential plugin "{command}" is not installed', hint)
    return path


def _variables(section: KubeconfigSection) -> dict[str, str]:
    items = section.fields.get("env") or []
    if not isinstance(items, list):
        raise section.wrong("env must be a list")
    entries = [KubeconfigSection(f"{section.where}: env", section.file, section.mapping(item, "env")) for item in items]
    return {entry.text("name") or "": entry.text("value") or "" for entry in entries if entry.has("name")}


def _text(status: Mapping[str, Any], name: str) -> str:
    value = status.get(name)
    return value if isinstance(value, str) and value.isascii() else ""


def _moment(text: str) -> float | None:
    """Return an RFC 3339 time as seconds since 1970, or None if it is missing or invalid."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
