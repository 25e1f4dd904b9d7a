"""Where credentials are: the process's environment, and files. Read by each run anew."""

import contextlib
from typing import TYPE_CHECKING, Final

from bridge.provider import Context, Denied, SecretValue
from bridge_providers.vault import origin, settings

if TYPE_CHECKING:
    from bridge_providers.vault import Vault
    from bridge_providers.vault.methods import Method, Secrets

LIMIT: Final = 2**16
"""The longest credential, in bytes."""


class Credentials:
    """Looks credentials up. What is not there is None; what is there and cannot be used is Denied."""

    def __init__(self, options: "Vault", context: Context, *, has_certificate: bool) -> None:
        self._options: Final = options
        self._environ: Final = context.environ
        self._base: Final = context.base
        self._context: Final = context
        self.has_certificate: Final = has_certificate

    def of(self, method: "Method", address: str) -> "Secrets | None":
        """Return the credential of a method for the server at an address; Denied if the trust file does not let it."""
        found = method.find(self)
        if found is not None:
            origin.check_trust(method, address, self._options, self._context)
        return found

    def own(self, name: str) -> SecretValue | None:
        """Return the value of BAO_NAME or VAULT_NAME, whichever counts."""
        return _checked(settings.variable(self._environ, name), settings.variable_name(self._environ, name))

    def home(self, name: str) -> SecretValue | None:
        """Return the content of a file in the user's home folder."""
        folder = self._environ.get("HOME")
        return self.file(f"{folder}/{name}") if folder else None

    def either(self, file: str | None, variable: str) -> SecretValue | None:
        """Return the content of the file where one is named, else the variable's value."""
        return self.file(file) if file else _checked(self._environ.get(variable), variable)

    def file(self, name: str) -> SecretValue | None:
        """Return the content of a file without the white space around it; Denied if it is not a place of Vault's."""
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
            problem = f"the file {name} cannot be read: {error.strerror}"
        if content is None:
            raise Denied(problem)
        text = None
        with contextlib.suppress(UnicodeDecodeError):
            text = content.decode()
        if text is None or not text.strip():
            raise Denied(f"the file {name} holds no credential")
        return _checked(text, f"the file {name}")


def _checked(text: str | None, place: str) -> SecretValue | None:
    """Wrap a credential without the white space around it; None for an empty one."""
    found = (text or "").strip()
    if not found:
        return None
    if not found.isprintable():
        raise Denied(f"what is in {place} is no credential: it has control characters")
    return SecretValue.of(found)
