"""Find credentials in the process's environment and in files. Each run reads them again."""

import contextlib
from typing import TYPE_CHECKING, Final

from bridge.provider import Context, Denied, SecretValue
from bridge_providers.vault import origin, settings

if TYPE_CHECKING:
    from bridge_providers.vault import Vault
    from bridge_providers.vault.methods import Method, Secrets

LIMIT: Final = 2**16
"""The longest credential, in bytes."""


class VaultCredentials:
    """Looks up credentials. A missing credential is None; an unusable credential raises Denied."""

    def __init__(self, options: "Vault", context: Context, *, has_certificate: bool) -> None:
        self._options: Final = options
        self._environ: Final = context.environ
        self._base: Final = context.base
        self._context: Final = context
        self.has_certificate: Final = has_certificate

    def of(self, method: "Method", address: str) -> "Secrets | None":
        """Return a method's credential for the server at `address`; Denied if the trust file forbids it."""
        secrets = method.find(self)
        if secrets is not None:
            origin.check_trust(method, address, self._options, self._context)
        return secrets

    def own(self, name: str) -> SecretValue | None:
        """Return the value of BAO_NAME if it is set, else of VAULT_NAME."""
        return _checked(settings.variable(self._environ, name), settings.variable_name(self._environ, name))

    def home(self, name: str) -> SecretValue | None:
        """Return the content of a file in the user's home folder."""
        folder = self._environ.get("HOME")
        return self.file(f"{folder}/{name}") if folder else None

    def either(self, file: str | None, variable: str) -> SecretValue | None:
        """Return the content of the file if a file is named, else the variable's value."""
        return self.file(file) if file else _checked(self._environ.get(variable), variable)

    def file(self, name: str) -> SecretValue | None:
        """Return a file's content, stripped of white space; Denied if it is no place for Vault's credentials."""
        if not origin.is_file(name, self._context):
            raise Denied(f"the file {name} {origin.NO_FILE}", hint=origin.HINT.format((self._base / name).absolute()))
        content: bytes | None = None
        problem = ""
        try:
            with (self._base / name).open("rb") as opened:
                content = opened.read(LIMIT)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            problem = f"cannot read the file {name}: {error.strerror}"
        if content is None:
            raise Denied(problem)
        text = None
        with contextlib.suppress(UnicodeDecodeError):
            text = content.decode()
        if text is None or not text.strip():
            raise Denied(f"the file {name} contains no credential")
        return _checked(text, f"the file {name}")


def _checked(text: str | None, place: str) -> SecretValue | None:
    """Wrap a credential, stripped of white space; return None if it is empty."""
    stripped = (text or "").strip()
    if not stripped:
        return None
    if not stripped.isprintable():
        raise Denied(f"{place} contains control characters, so it is no credential")
    return SecretValue.of(stripped)
