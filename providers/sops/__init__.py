"""Reads SOPS-encrypted files without the `sops` program: YAML, JSON, dotenv and binary ones, encrypted to age."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from bridge.provider import Context, Document, OptionError, Problem, ProviderError

if TYPE_CHECKING:
    from bridge_providers.sops.age import Keyring

__all__ = ["Sops"]


@dataclass(frozen=True)
class Sops:
    """SOPS files below the environment's folder.

    The age keys are found where `sops` finds them (SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, sops/age/keys.txt in
    the user's configuration folder); `age_key_file` names one more file, relative to the environment's.
    """

    age_key_file: str | None = None
    concurrency: ClassVar[int] = 4

    def __post_init__(self) -> None:
        value: object = self.age_key_file  # a section of a file may hold anything
        if value is not None and not (isinstance(value, str) and value):
            raise OptionError("age_key_file", "is not the name of a file")

    def open(self, context: Context) -> "SopsSession":
        """Start a session; nothing is read yet."""
        return SopsSession(self, context)

    def check(self, path: str, context: Context) -> Iterable[Problem]:
        """Yield what is wrong with a file as far as it shows without a key."""
        from bridge_providers.sops import check  # noqa: PLC0415 # the imports cost time that `bridge --version` has not

        return check.problems(path, context.base)

    def names(self, path: str, context: Context) -> frozenset[str] | None:
        """Return the top-level names of all documents; None for a binary file."""
        from bridge_providers.sops import check  # noqa: PLC0415 # as above

        return check.names(path, context.base)


class SopsSession:
    """Reads files with the keys of one environment, which are looked up once, when first needed."""

    def __init__(self, options: Sops, context: Context) -> None:
        self._options: Final = options
        self._context: Final = context
        self._lock: Final = threading.Lock()
        self._keys: Keyring | None = None

    def read(self, path: str, revision: str | None = None) -> Document:
        """Return a decrypted file whose MAC holds; a path is relative to the environment's folder, or absolute."""
        from bridge_providers.sops import decrypt, files, stores  # noqa: PLC0415 # as above

        if revision is not None:
            raise ProviderError("a SOPS file has no revisions", hint="take the earlier state of the file from git")
        data = files.read(files.locate(path, self._context.base))
        return decrypt.decrypt(data, stores.store_of(path), self._keyring())

    def _keyring(self) -> "Keyring":
        """Return the keys, found by whichever thread comes first."""
        from bridge_providers.sops import age  # noqa: PLC0415 # as above

        with self._lock:
            if self._keys is None:
                extra = self._options.age_key_file
                self._keys = age.load(self._context.environ, self._context.base / extra if extra else None)
            return self._keys

    def close(self) -> None:
        """Forget the keys."""
        self._keys = None
