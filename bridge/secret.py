"""Values that cannot be shown by accident."""

import enum
import hmac
from typing import Final, NoReturn, Self

HIDDEN: Final = "<hidden>"


class Kind(enum.Enum):
    """What a leaf was in the document that it came from."""

    TEXT = "text"
    NUMBER = "number"  # the bytes are the number's literal, exactly as its store writes it
    BOOLEAN = "boolean"  # b"true" or b"false"
    NULL = "null"  # no bytes; an error wherever a value is wanted
    BYTES = "bytes"  # perhaps no text at all


class SecretValue:
    """One value as bytes, hidden from every way of printing, comparing and copying.

    Only `reveal` opens it. Printing shows a fixed word; what would tell something about the
    value (its length, whether it equals a guess) or would copy it (pickle, copy) raises TypeError.
    """

    __slots__ = ("_bytes", "kind")

    def __init__(self, value: bytes, kind: Kind = Kind.TEXT) -> None:
        self._bytes: Final = value
        self.kind: Final = kind

    @classmethod
    def of(cls, text: str) -> Self:
        """Wrap a text as its UTF-8 bytes; ValueError, without the text, for a lone surrogate."""
        try:
            encoded = text.encode()
        except UnicodeEncodeError:
            encoded = None
        # Raised here and not in the handler: the codec's error holds the text.
        if encoded is None:
            raise ValueError("not a valid Unicode text")
        return cls(encoded)

    def reveal(self) -> bytes:
        """Return the value itself. Call it where a request's body is built, and nowhere else."""
        return self._bytes

    def is_empty(self) -> bool:
        """Say whether there are no bytes at all."""
        return not self._bytes

    def is_text(self) -> bool:
        """Say whether the bytes are valid UTF-8."""
        try:
            self._bytes.decode()
        except UnicodeDecodeError:
            return False
        return True

    def same_as(self, other: "SecretValue") -> bool:
        """Compare the bytes of two values in constant time; their kinds do not count."""
        return hmac.compare_digest(self._bytes, other.reveal())

    def __repr__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return HIDDEN

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("a secret value cannot be compared, measured, copied or serialised")

    __eq__ = _refuse
    __ne__ = _refuse
    __hash__ = _refuse
    __len__ = _refuse
    __bool__ = _refuse
    __iter__ = _refuse
    __contains__ = _refuse
    __bytes__ = _refuse
    __copy__ = _refuse
    __deepcopy__ = _refuse
    __reduce__ = _refuse
    __reduce_ex__ = _refuse
