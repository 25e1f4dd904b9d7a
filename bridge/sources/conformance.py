"""Checks a provider's exceptions and answers against the contract before they are used."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from bridge.errors import Problem, shortage
from bridge.provider import Document, ProviderError, Revision, Unavailable
from bridge.secret import SecretValue

REPORT: Final = "report it to the provider's author"
NO_DOCUMENT: Final = "did not return a Document"
BAD_REVISION: Final = "returned a document whose Revision has no string id"
BAD_WARNINGS: Final = "returned warnings that are not Problems"
BAD_SHA256: Final = "returned a sha256 that is not 64 hexadecimal digits"
BAD_TIME: Final = "returned a document with a time that is not a string"
BAD_KEY: Final = "returned a mapping with a key that is not a string"
BAD_NODE: Final = "returned a value that is not a SecretValue"
_SHA256: Final = r"[0-9a-f]{64}"


def failed(error: BaseException) -> ProviderError | Unavailable:
    """Convert a provider's unexpected exception to an error, without its text, which may contain a value."""
    if short := shortage(error):
        return Unavailable(short.what, hint=short.hint)
    return ProviderError(f"the provider failed ({type(error).__name__})", hint=REPORT)


def breach(answer: object) -> str | None:
    """Return how an answer of `read` breaks the contract, without quoting its content, or None if it does not."""
    if not isinstance(answer, Document):
        return NO_DOCUMENT
    revision: object = answer.revision
    if not isinstance(revision, Revision) or not _is(str, revision.id):
        return BAD_REVISION
    if not _is(tuple, answer.warnings) or not all(_is(Problem, one) for one in answer.warnings):
        return BAD_WARNINGS
    if answer.whole is not None and not _is(SecretValue, answer.whole):
        return BAD_NODE
    return _texts(answer) or _content(answer.content)


def _texts(answer: Document) -> str | None:
    if not _is(str, answer.time):
        return BAD_TIME
    if answer.sha256 != "" and not (_is(str, answer.sha256) and re.fullmatch(_SHA256, answer.sha256)):
        return BAD_SHA256
    return None


def _is(type_: type, value: object) -> bool:
    """Check what the type checker takes for granted: a provider's code may not be type-checked."""
    return isinstance(value, type_)


def _content(content: object) -> str | None:
    if isinstance(content, SecretValue):
        return None
    if not isinstance(content, tuple) or not all(isinstance(one, Mapping) for one in content):
        return NO_DOCUMENT
    return _nodes(list(content))


def _nodes(waiting: list[object]) -> str | None:
    """Check every node once, without recursion: a tree may be deep, or contain itself."""
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, SecretValue) or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Mapping):
            if not all(isinstance(key, str) for key in node):
                return BAD_KEY
            waiting.extend(node.values())
        elif isinstance(node, Sequence) and not isinstance(node, (str, bytes, bytearray)):
            waiting.extend(node)
        else:
            return BAD_NODE
    return None
