"""The keys in a file's metadata: each contains the encrypted data key, or a group's share of it.

Also joins the errors of several keys into one.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

from bridge.named_tuple import NamedTuple
from bridge.provider import Denied, ProviderError, Unavailable

Failure: TypeAlias = ProviderError | Unavailable
"""The reason why a key does not open."""


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
    """A key of any type: its recipient, and the encrypted data key (or a share of it) as in the file."""

    recipient: str
    enc: str


_HYBRID: Final = "age1pq1"


def is_of_plugin(recipient: str) -> bool:
    """Return whether an age recipient belongs to a plugin (`age1NAME1…`), by the test that sops uses."""
    return recipient.startswith("age1") and recipient.count("1") > 1 and not recipient.startswith(_HYBRID)


class Group(NamedTuple):
    """Keys, each of which opens the whole data key, or the group's share of it if there are several groups."""

    age: tuple[AgeKey, ...]
    others: tuple[str, ...]  # the types of keys that only the sops program opens
    pgp: tuple[PgpKey, ...] = ()
    kms: tuple[KmsKey, ...] = ()
    hc_vault: tuple[TransitKey, ...] = ()

    @property
    def beside_age(self) -> tuple[str, ...]:
        """Return the types of its other keys, as the metadata names them."""
        used = tuple(kind for kind in ("kms", "hc_vault", "pgp") if getattr(self, kind))
        return used + self.others

    @property
    def for_program(self) -> tuple[str, ...]:
        """Return the kinds of its keys that only the sops program opens."""
        has_plugins = any(is_of_plugin(key.recipient) for key in self.age)
        return (*(("age plugin",) if has_plugins else ()), *self.others)

    @property
    def is_for_program_alone(self) -> bool:
        """Return whether bridge itself can never open any of its keys."""
        return not (self.pgp or self.kms or self.hc_vault) and all(is_of_plugin(key.recipient) for key in self.age)


def joined(errors: Sequence[Failure], *, before: str = "") -> Failure:
    """Return one error with all messages: temporary if one error is, and Denied if all errors are."""
    problems = [error.problems[0] for error in errors]
    whats = [before, *(problem.what for problem in problems)]
    message = "; ".join(dict.fromkeys(filter(None, whats)))
    hint = "; ".join(dict.fromkeys(problem.hint for problem in problems if problem.hint))
    if any(isinstance(error, Unavailable) for error in errors):
        return Unavailable(message, hint=hint)
    if all(isinstance(error, Denied) for error in errors):
        return Denied(message, hint=hint)
    return ProviderError(message, hint=hint)
