"""Values that cannot be shown by accident."""

import enum
from typing import Final, NoReturn, Self

HIDDEN: Final = "<hidden>"


class Kind(enum.Enum):
    """The type that a leaf had in its document."""

    TEXT = "text"
    NUMBER = "number"  # the bytes are the number's literal, exactly as in the store
    BOOLEAN = "boolean"  # b"true" or b"false"
    NULL = "null"  # no bytes; an error wherever a value is needed
    BYTES = "bytes"  # may not be text


class SecretValue:
    """One value as bytes, protected against printing, comparing and copying.

    Only `reveal` returns it. Printing shows a fixed word. Operations that would reveal something about the value (its
    length, whether it equals a guess) or copy it (pickle, copy) raise TypeError.
    """

    __slots__ = ("_bytes", "kind")

    def __init__(self, value: bytes, kind: Kind = Kind.TEXT) -> None:
        self._bytes: Final = value
        self.kind: Final = kind

    @classmethod
    def of(cls, text: str) -> Self:
        """Wrap a string as UTF-8 bytes; raise ValueError, without its text, for a lone surrogate."""
        try:
            encoded = text.encode()
        except UnicodeEncodeError:
            encoded = None
        # Raise outside the handler, so that the codec error, which contains the text, is not chained.
        if encoded is None:
            raise ValueError("not valid Unicode text")
        return cls(encoded)

    def reveal(self) -> bytes:
        """Return the value itself. Call it only to build the body of a request."""
        return self._bytes

    def is_empty(self) -> bool:
        """Return whether the value has no bytes."""
        return not self._bytes

    def is_text(self) -> bool:
        """Return whether the bytes are valid UTF-8."""
        try:
            self._bytes.decode()
        except UnicodeDecodeError:
            return False
        return True

    def same_as(self, other: "SecretValue") -> bool:
        """Compare the bytes of two values in constant time, ignoring their kinds."""
        import hmac  # noqa: PLC0415 - start-up: a run connects before it compares values

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
