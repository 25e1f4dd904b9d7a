"""Reads SOPS-encrypted files (YAML, JSON, dotenv, ini and binary), and writes those of the first three formats.

They are below the environment's folder, or, for reading alone, in object storage.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from bridge.provider import Context, Document, Problem, ProviderError, Revision
from bridge_providers.sops import s3_path, sections

if TYPE_CHECKING:
    from bridge_providers.sops.encrypt_program import Encrypter
    from bridge_providers.sops.keys import Keyring
    from bridge_providers.sops.s3_client import Objects
    from bridge_providers.sops.writing import Tools

__all__ = ["Sops"]


@dataclass(frozen=True)
class Sops:
    """SOPS files below the environment's folder, or in the one object storage that `s3` names.

    The age keys are found where `sops` finds them (SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, sops/age/keys.txt in
    the user's configuration folder); `age_key_file` names one more file, relative to the environment's. The
    passphrase of encrypted ones and of ssh keys is in `age_passphrase_file`, or comes from `age_passphrase_fd`.
    `age_plugins` gives the absolute path of each age plugin that may be started, by the plugin's name; `age_commands`
    lists which of SOPS_AGE_KEY_CMD and SOPS_AGE_SSH_PRIVATE_KEY_CMD may be run.
    `program` is the absolute path of sops, which makes new files; without it, the first `sops` on PATH does.
    `gpg` is the absolute path of the program that opens PGP keys; `kms` and `hc_vault` name the keys of AWS KMS and
    the addresses of Vault that may be asked.

    `s3` is `scaleway` (keys and region are those of SCW_… or of the vendor's profile), `aws` (they are those that AWS's
    own programs find, and so is the endpoint), or the URL of another store (with AWS's keys). `s3_region` and
    `s3_profile` go before what environment and profile say.
    """

    age_key_file: str | None = None
    s3: str | None = None
    s3_region: str | None = None
    s3_profile: str | None = None
    age_passphrase_file: str | None = None
    age_passphrase_fd: int | None = None
    age_plugins: Mapping[str, str] | None = None
    age_commands: Sequence[str] | None = None
    gpg: str | None = None
    program: str | None = None
    kms: Mapping[str, object] | None = None
    hc_vault: Mapping[str, object] | Sequence[Mapping[str, object]] | None = None
    concurrency: ClassVar[int] = 4

    def __post_init__(self) -> None:
        sections.check(self)
        if (self.s3, self.s3_region, self.s3_profile) != (None, None, None):
            from bridge_providers.sops import s3_store  # noqa: PLC0415 # most environments have no such field

            s3_store.check(self)

    def open(self, context: Context) -> "SopsSession":
        """Start a session; nothing is read yet."""
        return SopsSession(self, context)

    def addresses(self, context: Context) -> Iterable[str]:
        """Yield the servers that the section or a variable names in place of the vendors' own."""
        if self.s3 or self.kms:
            yield from self._endpoints(context)
        yield from (one.address or "" for one in sections.vaults(self))

    def _endpoints(self, context: Context) -> Iterable[str]:
        from bridge_providers.sops import s3_store  # noqa: PLC0415 # most sections name none

        store = self.s3 or ""
        if store == s3_store.SCALEWAY:
            store = context.environ.get("SCW_S3_ENDPOINT", "")
        elif store == s3_store.AWS:
            names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
            store = next(filter(None, map(context.environ.get, names)), "") or ""
        endpoint = str((self.kms or {}).get("endpoint") or "")
        # One that cannot be used is refused when it is, and may hold a password.
        yield from (one for one in (store, endpoint) if not s3_store.unusable(one))

    def check(self, path: str, context: Context) -> Iterable[Problem]:
        """Yield what is wrong with a file as far as it shows without a key."""
        return self._check(path, None, context)

    def check_at(self, path: str, revision: str, context: Context) -> Iterable[Problem]:
        """Yield what is wrong with a file as it was in a commit; an object's versions are not looked at."""
        return self._check(path, revision, context)

    def _check(self, path: str, revision: str | None, context: Context) -> Iterable[Problem]:
        from bridge_providers.sops import check, origin  # noqa: PLC0415 # imports cost time that `--version` has not

        yield from origin.problems(self, context)
        yield from origin.unlisted_servers(self, context)
        if s3_path.is_object(path):
            yield from check.problems_of_object(path, known=self.s3 is not None)
        else:
            yield from check.problems(path, context, revision)

    def check_history(self, path: str, context: Context) -> Iterable[Problem]:
        """Warn of recipients who were removed and can still open the data key, as git proves it."""
        from bridge_providers.sops import history  # noqa: PLC0415 # as above

        return () if s3_path.is_object(path) else history.problems(path, context)

    def rewritten_numbers(
        self, path: str, revision: str | None, context: Context
    ) -> Iterable[tuple[int, tuple[str, ...]]]:
        """Yield the places of numbers: sops keeps 1.1 of 1.10, and 511 of 0777."""
        from bridge_providers.sops import check  # noqa: PLC0415 # as above

        return () if s3_path.is_object(path) else check.numbers(path, revision, context)

    def describe(self, path: str, context: Context) -> str:
        """Say which sops wrote a file, and for how many keys."""
        from bridge_providers.sops import check  # noqa: PLC0415 # as above

        return "" if s3_path.is_object(path) else check.describe(path, context)

    def names(self, path: str, context: Context) -> frozenset[str] | None:
        """Return the top-level names of all documents; None for a binary file and for an object."""
        return self._names(path, None, context)

    def names_at(self, path: str, revision: str, context: Context) -> frozenset[str] | None:
        """Return the names of a commit's file, as `names`."""
        return self._names(path, revision, context)

    def _names(self, path: str, revision: str | None, context: Context) -> frozenset[str] | None:
        from bridge_providers.sops import check  # noqa: PLC0415 # as above

        return None if s3_path.is_object(path) else check.names(path, context, revision)


class SopsSession:
    """Reads and writes files with the keys of one environment, which are looked up once, when first needed.

    `warnings` are, once the session is closed, what it could not give back.
    """

    def __init__(self, options: Sops, context: Context) -> None:
        self._options: Final = options
        self._context: Final = context
        self._lock: Final = threading.Lock()
        self._closed = False
        self._keys: Keyring | None = None
        self._objects: Objects | None = None
        self._encrypter: Encrypter | None = None
        self.warnings: tuple[Problem, ...] = ()

    def read(self, path: str, revision: str | None = None) -> Document:
        """Return a decrypted file whose MAC holds; a path is relative to the environment's folder, or absolute.

        A revision is one of the git repository that holds the file, or, in object storage (`s3://bucket/key`), an
        object's version; the Document's is SOPS's own.
        """
        from bridge_providers.sops import decrypt, files, stores  # noqa: PLC0415 # as above

        told: tuple[Problem, ...] = ()
        if s3_path.is_object(path):
            place = s3_path.parse(path)
            data = self._storage().read(place, revision)
        elif revision is not None:
            from bridge_providers.sops import git  # noqa: PLC0415 # subprocess takes time, and few ask for a revision

            file = files.locate(path, self._context.base)
            data, told = git.read(file, revision, self._context), git.warnings(file, self._context)
        else:
            data = files.read(files.locate(path, self._context.base))
        document = decrypt.decrypt(data, stores.store_of(path), self._keyring())
        return document._replace(warnings=(*document.warnings, *told))

    def write(self, path: str, document: Document, *, expect: Revision | None) -> Revision:
        """Change a file, or let sops make it as `.sops.yaml` says; only ciphertext reaches the disk."""
        from bridge_providers.sops import writing  # noqa: PLC0415 # most runs only read

        _check_is_file(path)
        return writing.write(path, document, expect, self._tools())

    def rehearse(self, path: str, document: Document, *, expect: Revision | None) -> None:
        """Encrypt and check the file as `write` does, and raise what it would raise; nothing reaches the disk."""
        from bridge_providers.sops import writing  # noqa: PLC0415 # as above

        _check_is_file(path)
        writing.rehearse(path, document, expect, self._tools())

    def in_clear(self, path: str, document: Document) -> Iterable[tuple[int, tuple[str, ...]]]:
        """Tell which values the file's rule, or that of `.sops.yaml` for a new file, leaves in clear."""
        from bridge_providers.sops import clear  # noqa: PLC0415 # as above

        _check_is_file(path)
        return clear.in_clear(path, document, self._context)

    def _tools(self) -> "Tools":
        """Return what writes, made by whichever thread comes first."""
        from bridge_providers.sops import encrypt_program, writing  # noqa: PLC0415 # as above

        keyring = self._keyring()
        with self._lock:
            if self._encrypter is None:
                self._encrypter = encrypt_program.Encrypter(self._options, self._context)
                if self._closed:  # and `close` may have come too early to see it
                    self._encrypter.close()
            return writing.Tools(self._context, keyring, self._encrypter)

    def _storage(self) -> "Objects":
        """Return the way to object storage, made by whichever thread comes first."""
        from bridge_providers.sops import s3_client, s3_store  # noqa: PLC0415 # boto3 alone takes half a second

        with self._lock:
            if self._objects is None:
                context = self._context
                store = s3_store.find(self._options, context.environ)
                self._objects = s3_client.Objects(store, context.environ, context.deadline)
            return self._objects

    def _keyring(self) -> "Keyring":
        """Return the keys, found by whichever thread comes first."""
        from bridge_providers.sops import keys  # noqa: PLC0415 # as above

        with self._lock:
            if self._keys is None:
                self._keys = keys.Keyring(self._options, self._context)
                if self._closed:  # and `close` may have come too early to see it
                    self._keys.close()
            return self._keys

    def close(self) -> None:
        """Forget the keys, and close connections."""
        self._closed = True  # without a lock: a read may hold it, stuck
        keyring, self._keys = self._keys, None
        if keyring is not None:
            keyring.close()
            self.warnings = keyring.left
        if self._encrypter is not None:
            self._encrypter.close()
        objects = self._objects
        if objects is not None:
            objects.close()


def _check_is_file(path: str) -> None:
    if s3_path.is_object(path):
        hint = "fetch it, or an earlier version, change it with sops (`sops rotate` moves its time on), and upload it"
        raise ProviderError("a file in object storage is not written", hint=hint)
