"""Reads SOPS-encrypted files (YAML, JSON, dotenv, ini and binary), and writes YAML, JSON and dotenv files.

The files are below the environment's folder. Files that are only read may also be in object storage. The `sops` program
is only needed to create files, and to read files for kinds of keys that bridge does not open itself.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from bridge.named_tuple import NamedTuple
from bridge.provider import Context, Cures, DataKey, Document, Outline, Problem, ProviderError, Revision, Rules
from bridge_providers.sops import sections

if TYPE_CHECKING:
    from bridge_providers.sops.keys import Keyring
    from bridge_providers.sops.s3 import ObjectStorage
    from bridge_providers.sops.writing import Tools

__all__ = ["Sops"]


class _Section(NamedTuple):
    """The fields of the section; see Sops. It is no dataclass, whose module would cost a tenth of a run to import."""

    age_key_file: str | None = None
    s3: str | None = None
    s3_region: str | None = None
    s3_profile: str | None = None
    age_passphrase_file: str | None = None
    age_passphrase_fd: int | None = None
    gpg: str | None = None
    program: str | None = None
    program_environment: Sequence[str] | None = None
    kms: Mapping[str, object] | None = None
    hc_vault: Mapping[str, object] | Sequence[Mapping[str, object]] | None = None


class Sops(_Section):
    """SOPS files below the environment's folder, or in the one object storage that `s3` names.

    - `age_key_file`: one more file with age keys, relative to the environment's file. The others are found where `sops`
      finds them: SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, sops/age/keys.txt in the user's configuration folder.
    - `age_passphrase_file`, `age_passphrase_fd`: the passphrase of encrypted age keys and ssh keys.
    - `gpg`: the absolute path of the program that opens PGP keys.
    - `kms`, `hc_vault`: the keys of AWS KMS, and the addresses of Vault, that may be used.
    - `program`: the absolute path of `sops`. It creates files, and decrypts files that bridge cannot open itself (age
      plugins, gcp_kms, azure_kv, hckms). Without it, the first `sops` on PATH creates files.
    - `program_environment`: more variables for the program when it decrypts.
    - `s3`: `scaleway` (with the keys and region of SCW_… or of the vendor's profile), `aws` (with the keys and endpoint
      that AWS's own programs find), or the URL of another store (with AWS's keys).
    - `s3_region`, `s3_profile`: override what the environment and the profile say.
    """

    concurrency: ClassVar[int] = 4
    rules_file: ClassVar[str] = ".sops.yaml"
    removed_options: ClassVar[Mapping[str, str]] = sections.REMOVED

    def __init__(self, *_values: object, **_fields: object) -> None:
        sections.check(self)
        if (self.s3, self.s3_region, self.s3_profile) != (None, None, None):
            from bridge_providers.sops import s3  # noqa: PLC0415 - most environments have no such field

            s3.check(self)

    def open(self, context: Context) -> "SopsSession":
        """Start a session; nothing is read yet."""
        return SopsSession(self, context)

    def preload(self) -> None:
        """Import what a YAML file with age keys needs: `cryptography` and `pyrage` take most of the time of a read."""
        import pyrage  # noqa: F401, PLC0415 - as `age` does
        from cryptography.hazmat.primitives.ciphers import aead  # noqa: F401, PLC0415 - as `cipher` does

        from bridge_providers.sops import age, decrypt, files, keys, store_yaml, stores  # noqa: F401, PLC0415 - as above

    def addresses(self, context: Context) -> Iterable[str]:
        """Yield the servers that the section or a variable names instead of the vendors' own."""
        if self.s3 or self.kms:
            yield from self._endpoints(context)
        yield from (vault.address or "" for vault in sections.vaults(self))

    def location(self, path: str, context: Context) -> Mapping[str, str]:  # noqa: ARG002 - the contract's signature
        """Return the path as the reference has it, and for an object also the section's storage and region."""
        parts = {"storage": self.s3, "region": self.s3_region} if _is_object(path) else {}
        return {name: text for name, text in parts.items() if text} | {"path": path}

    def _endpoints(self, context: Context) -> Iterator[str]:
        """Yield the valid URLs of the object storage and of KMS."""
        from bridge_providers.sops import origin, s3  # noqa: PLC0415 - most sections name neither

        store = self.s3 or ""
        if store == origin.SCALEWAY:
            store = context.environ.get("SCW_S3_ENDPOINT", "")
        elif store == origin.AWS:
            names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
            store = next(filter(None, map(context.environ.get, names)), "") or ""
        endpoint = str((self.kms or {}).get("endpoint") or "")
        # An invalid URL is refused when it is used, and may contain a password.
        yield from (url for url in (store, endpoint) if not s3.unusable(url))

    def credential_places(self, context: Context) -> Iterable[tuple[str, Path | None]]:
        """Yield the variables and files that may have a key, in order, for `bridge doctor`."""
        from bridge_providers.sops import places  # noqa: PLC0415 - as below

        return places.credential_places(self, context)

    def check(self, path: str, context: Context) -> Iterable[Problem]:
        """Yield the problems of a file that can be found without a key."""
        return self._check(path, None, context)

    def check_at(self, path: str, revision: str, context: Context) -> Iterable[Problem]:
        """Yield the problems of a file as it was in a commit; versions of objects are not checked."""
        return self._check(path, revision, context)

    def _check(self, path: str, revision: str | None, context: Context) -> Iterable[Problem]:
        from bridge_providers.sops import check, origin  # noqa: PLC0415 - imports cost time that `--version` has not

        yield from origin.problems(self, context)
        yield from origin.unlisted_servers(self, context)
        if _is_object(path):
            yield from check.problems_of_object(path, known=self.s3 is not None)
        else:
            yield from check.problems(path, context, revision, has_program=self.program is not None)

    def check_history(self, path: str, context: Context) -> Iterable[Problem]:
        """Warn of recipients who were removed and can still open the data key, if git proves it."""
        from bridge_providers.sops import removed_recipients  # noqa: PLC0415 - as above

        return () if _is_object(path) else removed_recipients.problems(path, context)

    def rewritten_numbers(
        self, path: str, revision: str | None, context: Context
    ) -> Iterable[tuple[int, tuple[str, ...]]]:
        """Yield the places of numbers: sops stores 1.10 as 1.1 and 0777 as 511."""
        from bridge_providers.sops import check  # noqa: PLC0415 - as above

        return () if _is_object(path) else check.numbers(path, revision, context)

    def file(self, path: str, context: Context) -> Path | None:
        """Return where a file would be; None for an object in object storage."""
        from bridge_providers.sops import outline  # noqa: PLC0415 - as above

        return None if _is_object(path) else outline.file(path, context)

    def outline(self, path: str, content: bytes) -> Outline:
        """Return what the content of a file shows without a key."""
        from bridge_providers.sops import outline  # noqa: PLC0415 - as above

        return outline.outline(path, content)

    def rules_for(self, path: str, content: bytes) -> Rules | None:
        """Return what the content of a `.sops.yaml` says about a new file in its folder or below."""
        from bridge_providers.sops import outline  # noqa: PLC0415 - as above

        return outline.rules_for(path, content)

    def outline_in_clear(self, path: str, content: bytes) -> Outline | None:
        """Return what the content of a file shows that is not encrypted."""
        from bridge_providers.sops import outline  # noqa: PLC0415 - as above

        return outline.in_clear(path, content)

    def same_key(
        self, steps: Iterable[tuple[str, tuple[str, ...]]], versions: Mapping[str, Outline]
    ) -> Iterable[tuple[str, str]]:
        """Yield pairs of versions whose ciphertext proves that they have one data key."""
        from bridge_providers.sops import lineage  # noqa: PLC0415 - as above

        known = {id_: lineage.version_of(version) for id_, version in versions.items()}
        return lineage.same_key([lineage.Step(child, parents, None) for child, parents in steps], known)

    def cures(self, file: str) -> Cures:
        """Return the commands of sops for a file."""
        return Cures(f"sops updatekeys {file}", f"sops rotate -i {file}", f"sops edit {file}")

    def describe(self, path: str, context: Context) -> str:
        """Describe which sops wrote a file, for how many keys, and whether only the sops program opens it."""
        from bridge_providers.sops import check  # noqa: PLC0415 - as above

        return "" if _is_object(path) else check.describe(path, context)

    def names(self, path: str, context: Context) -> frozenset[str] | None:
        """Return the top-level names of all documents; None for a binary file and for an object."""
        return self._names(path, None, context)

    def names_at(self, path: str, revision: str, context: Context) -> frozenset[str] | None:
        """Return the names in a file as it was in a commit; see `names`."""
        return self._names(path, revision, context)

    def _names(self, path: str, revision: str | None, context: Context) -> frozenset[str] | None:
        from bridge_providers.sops import check  # noqa: PLC0415 - as above

        return None if _is_object(path) else check.names(path, context, revision)


class SopsSession:
    """Reads and writes files with the keys of one environment, which are looked up once, when they are first needed.

    After the session is closed, `warnings` lists what it could not return, such as tokens.
    """

    def __init__(self, options: Sops, context: Context) -> None:
        self._options: Final = options
        self._context: Final = context
        self._lock: Final = threading.Lock()
        self._closed = False
        self._keys: Keyring | None = None
        self._objects: ObjectStorage | None = None
        self.warnings: tuple[Problem, ...] = ()

    def read(self, path: str, revision: str | None = None) -> Document:
        """Return a decrypted file, after its MAC is verified.

        A path is relative to the environment's folder, or absolute.

        A revision is one of the git repository that holds the file, or, in object storage (`s3://bucket/key`), an
        object's version; the Document's is SOPS's own.
        """
        from bridge_providers.sops import decrypt, files, stores  # noqa: PLC0415 - as above

        warnings: tuple[Problem, ...] = ()
        if _is_object(path):
            from bridge_providers.sops import s3  # noqa: PLC0415 - as above

            data = self._storage().read(s3.parse(path), revision)
        elif revision is not None:
            from bridge_providers.sops import git  # noqa: PLC0415 - subprocess takes time, and few ask for a revision

            file = files.locate(path, self._context.base)
            data, warnings = git.read(file, revision, self._context), git.warnings(file, self._context)
        else:
            data = files.read(files.locate(path, self._context.base))
        document = decrypt.decrypt(data, stores.store_of(path), self._keyring())
        return document._replace(warnings=(*document.warnings, *warnings))

    def write(self, path: str, document: Document, *, expect: Revision | None) -> Revision:
        """Change a file, or let sops create it as `.sops.yaml` says; write only ciphertext to disk."""
        from bridge_providers.sops import writing  # noqa: PLC0415 - most runs only read

        _check_is_file(path)
        return writing.write(path, document, expect, self._tools())

    def rehearse(self, path: str, document: Document, *, expect: Revision | None) -> None:
        """Encrypt and check the file as `write` does, and raise what it would raise; write nothing to disk."""
        from bridge_providers.sops import writing  # noqa: PLC0415 - as above

        _check_is_file(path)
        writing.rehearse(path, document, expect, self._tools())

    def data_key(self, path: str, content: bytes) -> DataKey:
        """Open the data key of any version of a file, for comparisons in memory."""
        from bridge_providers.sops import decrypt  # noqa: PLC0415 - as above

        return decrypt.data_key(path, content, self._keyring())

    def in_clear(self, path: str, document: Document) -> Iterable[tuple[int, tuple[str, ...]]]:
        """Yield the values that the file's rule, or for a new file the rule of `.sops.yaml`, leaves in clear."""
        from bridge_providers.sops import writing  # noqa: PLC0415 - as above

        _check_is_file(path)
        return writing.in_clear(path, document, self._context)

    def _tools(self) -> "Tools":
        from bridge_providers.sops import writing  # noqa: PLC0415 - as above

        return writing.Tools(self._context, self._keyring())

    def _storage(self) -> "ObjectStorage":
        """Return the client of object storage; the first thread that needs it makes it."""
        from bridge_providers.sops import s3  # noqa: PLC0415 - as above

        with self._lock:
            if self._objects is None:
                context = self._context
                store = s3.find(self._options, context.environ)
                self._objects = s3.ObjectStorage(store, context.environ, context.deadline)
            return self._objects

    def _keyring(self) -> "Keyring":
        """Return the keys; the first thread that needs them looks them up."""
        from bridge_providers.sops import keys  # noqa: PLC0415 - as above

        with self._lock:
            if self._keys is None:
                self._keys = keys.Keyring(self._options, self._context)
                if self._closed:  # and `close` may have come too early to see it
                    self._keys.close()
            return self._keys

    def close(self) -> None:
        """Forget the keys, and close connections."""
        self._closed = True  # without the lock: a read that hangs may hold it
        keyring, self._keys = self._keys, None
        if keyring is not None:
            keyring.close()
            self.warnings = keyring.left
        objects = self._objects
        if objects is not None:
            objects.close()


def _is_object(path: str) -> bool:
    """Return whether a path leads into object storage and not to a file."""
    return path.startswith("s3://")


def _check_is_file(path: str) -> None:
    if _is_object(path):
        hint = "fetch it, or an earlier version, change it with sops (`sops rotate` moves its time on), and upload it"
        raise ProviderError("a file in object storage is not written", hint=hint)
