"""The keys in a file's metadata: each holds the data key, or a group's share of it, in a wrapping of its own."""

from typing import NamedTuple


class AgeKey(NamedTuple):
    """The data key encrypted to one age recipient; `enc` is an armored age file."""

    recipient: str
    enc: str

    def __repr__(self) -> str:
        return f"AgeKey({self.recipient!r})"


class PgpKey(NamedTuple):
    """The data key encrypted to one PGP key; `enc` is an armored message."""

    fingerprint: str
    enc: str

    def __repr__(self) -> str:
        return f"PgpKey({self.fingerprint!r})"


class KmsKey(NamedTuple):
    """The data key encrypted by AWS KMS; `enc` is a ciphertext in base64."""

    arn: str
    role: str
    profile: str
    context: tuple[tuple[str, str], ...]
    enc: str

    def __repr__(self) -> str:
        return f"KmsKey({self.arn!r})"


class TransitKey(NamedTuple):
    """The data key encrypted by Vault's transit engine; `enc` is `vault:v1:…`."""

    address: str
    engine: str
    name: str
    enc: str

    def __repr__(self) -> str:
        return f"TransitKey({self.name!r})"


class Stanza(NamedTuple):
    """A key of any type: for whom, and the wrapped data key (or a share of it) as the file has it."""

    recipient: str
    enc: str


class Group(NamedTuple):
    """Keys each of which opens the whole data key, or its share where there are several groups."""

    age: tuple[AgeKey, ...]
    others: tuple[str, ...]  # the types, of those that this version cannot use
    pgp: tuple[PgpKey, ...] = ()
    kms: tuple[KmsKey, ...] = ()
    hc_vault: tuple[TransitKey, ...] = ()

    @property
    def beside_age(self) -> tuple[str, ...]:
        """Return the types of its other keys, as the metadata names them."""
        used = tuple(kind for kind in ("kms", "hc_vault", "pgp") if getattr(self, kind))
        return used + self.others
