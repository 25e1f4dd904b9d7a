"""Holds a provider to the contract: its exceptions and its answers, before anything is made of them."""

from collections.abc import Mapping, Sequence
from typing import Final

from bridge.errors import Problem, shortage
from bridge.provider import Document, ProviderError, Revision, Unavailable
from bridge.secret import SecretValue

REPORT: Final = "report it to the provider's author"
NO_DOCUMENT: Final = "did not return a Document"
BAD_REVISION: Final = "returned a document whose Revision has no string id"
BAD_WARNINGS: Final = "returned warnings that are not Problems"
BAD_KEY: Final = "returned a mapping with a key that is not a string"
BAD_NODE: Final = "returned a value that is not a SecretValue"


def failed(error: BaseException) -> ProviderError | Unavailable:
    """Make an error of a provider's unforeseen exception; its text is left out, as it may hold a value."""
    if short := shortage(error):
        return Unavailable(short.what, hint=short.hint)
    return ProviderError(f"the provider failed ({type(error).__name__})", hint=REPORT)


def breach(answer: object) -> str | None:
    """Say which part of the contract an answer of `read` breaks, without any of its content; None for a good one."""
    if not isinstance(answer, Document):
        return NO_DOCUMENT
    revision: object = answer.revision
    if not isinstance(revision, Revision) or not _is(str, revision.id):
        return BAD_REVISION
    if not _is(tuple, answer.warnings) or not all(_is(Problem, one) for one in answer.warnings):
        return BAD_WARNINGS
    if answer.whole is not None and not _is(SecretValue, answer.whole):
        return BAD_NODE
    return _content(answer.content)


def _is(type_: type, given: object) -> bool:
    """Ask what the type checker believes already: an author's code need not be checked."""
    return isinstance(given, type_)


def _content(content: object) -> str | None:
    if isinstance(content, SecretValue):
        return None
    if not isinstance(content, tuple) or not all(isinstance(one, Mapping) for one in content):
        return NO_DOCUMENT
    return _nodes(list(content))


def _nodes(waiting: list[object]) -> str | None:
    """Look at every node once, without recursion: a tree may be deep, or lead back into itself."""
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
