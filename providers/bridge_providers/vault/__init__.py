"""Read documents from the KV engines (version 1 and 2) of Vault and OpenBao, and write to version 2."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bridge.named_tuple import NamedTuple
from bridge.provider import Context, OptionError, Problem, ProviderError
from bridge_providers.vault import methods, origin, paths

if TYPE_CHECKING:
    from bridge_providers.vault.session import VaultSession

__all__ = ["Vault"]

TEXTS = ("address", "mount", "namespace", "auth_namespace", "ca_cert", "client_cert", "client_key")


class _Section(NamedTuple):
    """The fields of the section; see Vault. It is no dataclass, whose module would cost a tenth of a run to import."""

    address: str | None = None
    mount: str | None = None
    kv_version: int | None = None
    namespace: str | None = None
    auth_namespace: str | None = None
    auth: Mapping[str, object] | Sequence[Mapping[str, object]] = ({"method": "token"},)
    ca_cert: str | None = None
    client_cert: str | None = None
    client_key: str | None = None


class Vault(_Section):
    """One server. Each field defaults to its environment variable (VAULT_ADDR, or BAO_ADDR, …).

    - `mount` is where the KV engine is mounted; without it, each reference's path starts with the mount.
    - `kv_version` saves asking the server for the engine's version.
    - `auth` is a method or a list of methods; only the first method that finds its credential logs in.
    - Paths of files are relative to the environment's file.
    """

    concurrency: ClassVar[int] = 8

    def __init__(self, *_values: object, **_fields: object) -> None:
        for name in TEXTS:
            value = getattr(self, name)  # a section of a file may hold anything
            if value is not None and not (isinstance(value, str) and value and value.isprintable()):
                raise OptionError(name, "must be a string")
        if self.address is not None and (problem := paths.problem_of_address(self.address)):
            raise OptionError("address", problem, hint="write it as https://vault.example.com:8200")
        for name in ("mount", "namespace", "auth_namespace"):
            value = getattr(self, name)
            if value is not None and (problem := paths.problem_of_path(value.strip("/"))):
                raise OptionError(name, problem)
        if self.kv_version not in (None, 1, 2) or isinstance(self.kv_version, bool):
            raise OptionError("kv_version", "must be 1 or 2")
        if self.client_key is not None and self.client_cert is None:
            raise OptionError("client_key", "needs client_cert", hint="add client_cert")
        methods.parse(self.auth)

    def open(self, context: Context) -> "VaultSession":
        """Start a session without connecting to the server yet."""
        from bridge_providers.vault.session import VaultSession  # noqa: PLC0415 - `bridge check` does not need it

        return VaultSession(self, context)

    def preload(self) -> None:
        """Import hvac, which takes most of the time until the first request."""
        from bridge_providers.vault import client, session  # noqa: F401, PLC0415 - as `open` and a read do

    def addresses(self, context: Context) -> Iterable[str]:
        """Yield the server's address: there is no public Vault that every section may use."""
        from bridge_providers.vault import settings  # noqa: PLC0415 - most commands do not need it

        yield self.address or settings.variable(context.environ, "ADDR") or ""

    def location(self, path: str, context: Context) -> Mapping[str, str]:
        """Return the server, the namespace, the mount if it is known without asking the server, and the path in it."""
        from bridge_providers.vault import settings  # noqa: PLC0415 - most commands do not need it

        place, loaded = paths.split(path, self.mount), settings.load(self, context)
        parts = {"address": loaded.address, "namespace": loaded.namespace, "mount": place.mount, "path": place.path}
        return {name: text for name, text in parts.items() if text}

    def check(self, path: str, context: Context) -> Iterable[Problem]:
        """Yield the problems of a path and of the section, and a warning if the connection is not encrypted."""
        from bridge_providers.vault import settings  # noqa: PLC0415 - most commands do not need it

        try:
            paths.split(path, self.mount)
        except ProviderError as error:
            yield from error.problems
        for method in methods.parse(self.auth):
            for field, name in method._asdict().items():
                if field.endswith("_file") and name and not origin.is_file(name, context):
                    hint = origin.HINT.format((context.base / name).absolute())
                    yield Problem("", f"{field} {name} {origin.NO_FILE}", hint)
        if problem := settings.other_server(self.address, context.environ):
            yield problem
        address = self.address or settings.variable(context.environ, "ADDR") or ""
        if not paths.problem_of_address(address):
            yield from self.untrusted(address, context)
            yield from filter(None, [paths.in_clear(address)])

    def credential_places(self, context: Context) -> Iterable[tuple[str, Path | None]]:
        """Yield the variables and files that may have a credential, in order, for `bridge doctor`."""
        from bridge_providers.vault import settings  # noqa: PLC0415 - most commands do not need it

        for method in methods.parse(self.auth):
            if isinstance(method, methods.Token):
                yield settings.variable_name(context.environ, "TOKEN"), None
                if home := context.environ.get("HOME"):
                    yield f"{home}/.vault-token", Path(home, ".vault-token")
                continue
            fields = {field: str(value or "") for field, value in method._asdict().items()}
            for name, place in fields.items():
                if name.endswith("_file") and place:
                    yield f"{method.name} {name}", context.base / place
                elif name.endswith("_variable") and not fields.get(f"{name.removesuffix('_variable')}_file"):
                    yield place, None

    def untrusted(self, address: str, context: Context) -> Iterable[Problem]:
        """Yield what the trust file refuses, as far as can be checked without logging in."""
        return origin.untrusted_section(methods.parse(self.auth), address, self, context)

    def names(self, path: str, context: Context) -> frozenset[str] | None:  # noqa: ARG002 - as above
        """Return None: only the server knows."""
        return None
