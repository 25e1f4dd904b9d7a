"""Turns a stored value into a document's content, and a document into the value to store."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bridge.provider import (
    Document,
    DuplicateKeyError,
    JsonError,
    Node,
    ProviderError,
    Revision,
    SecretValue,
    dump_json,
    parse_json,
)


def document(value: SecretValue, revision: Revision, time: Any) -> Document:  # noqa: ANN401 - boto3 has no types
    """Return the fields of a JSON object, with its text as `whole`, or one value; ProviderError for a duplicate key.

    `time` is when AWS got the value.
    """
    fields = _fields(value)
    content = value if fields is None else (fields,)
    return Document(content, revision, whole=None if fields is None else value, time=shown(time))


def _fields(value: SecretValue) -> Mapping[str, Node] | None:
    try:
        parsed = parse_json(value.reveal())
    except DuplicateKeyError as error:
        message = f"its JSON {error}"
    except JsonError:
        return None
    else:
        return parsed if isinstance(parsed, Mapping) else None
    raise ProviderError(message, hint="write the secret again")


def stored(given: Document, most: int) -> SecretValue:
    """Return the value to store, at most `most` bytes; ProviderError if there is none."""
    value = given.content if given.whole is None else given.whole
    if not isinstance(value, SecretValue):
        if len(value) != 1:
            raise ProviderError("a secret holds only one document", hint="write one mapping")
        value = _json(value[0])
    size = len(value.reveal())
    if not 0 < size <= most:
        what = f"the document is larger than {most} bytes" if size else "the document is empty"
        raise ProviderError(f"{what}, and AWS does not store it", hint="split it into several secrets")
    return value


def _json(fields: Mapping[str, Node]) -> SecretValue:
    try:
        return SecretValue.of(dump_json(fields))
    except JsonError as error:
        raise ProviderError(str(error), hint=error.hint) from None


def shown(time: Any) -> str:  # noqa: ANN401 - as above
    """Return a time of AWS's as text, or "" if it is none."""
    return time.isoformat(timespec="seconds") if isinstance(time, datetime) and time.tzinfo else ""


def microseconds(time: Any) -> int | None:  # noqa: ANN401 - as above
    """Return a time of AWS's as an order."""
    return int(time.timestamp() * 1_000_000) if isinstance(time, datetime) else None
