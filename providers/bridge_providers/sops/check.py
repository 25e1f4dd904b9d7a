"""Checks a file without a key, for `bridge check`."""

import os
from collections.abc import Iterator
from pathlib import Path

from bridge.provider import Context, NotFound, Problem, ProviderError, SecretValue
from bridge_providers.sops import check_keys, check_rule, cipher, files, keys, mac, metadata, stores
from bridge_providers.sops.metadata import Metadata
from bridge_providers.sops.selectors import selector
from bridge_providers.sops.tree import Stored
from bridge_providers.sops.walk import Walk


def problems(
    path: str, context: Context, revision: str | None = None, *, has_program: bool = True
) -> Iterator[Problem]:
    """Yield the problems of a file, as it is or as it was in a revision, that can be found without a key."""
    try:
        target = files.locate(path, context.base)
        stored = stores.load(_data(target, context, revision), stores.store_of(path))
        block = metadata.read(stored.metadata)
    except ProviderError as error:
        if isinstance(error, NotFound) and revision is None:
            raise  # the core says how to create it
        yield from error.problems
        return
    yield from _of_metadata(block)
    yield from check_keys.problems(block)
    if check_keys.needs_program(block) and not has_program:
        # Not an error: without an environment (`check --files`) the section is unknown.
        yield Problem("", keys.for_program(block), keys.SET_PROGRAM, warning=True)
    yield from _of_leaves(stored, block)
    if revision is None:  # today's rule does not apply to earlier versions
        yield from check_rule.problems(stored, block, Path(os.path.realpath(target)))


def _data(target: Path, context: Context, revision: str | None) -> bytes:
    if revision is None:
        return files.read(target)
    from bridge_providers.sops import git  # noqa: PLC0415 - few ask for a revision

    return git.read(target, revision, context)


def describe(path: str, context: Context) -> str:
    """Describe which sops wrote a file, for how many keys, and what opens it; ProviderError if it cannot be read."""
    stored = stores.load(files.read(files.locate(path, context.base)), stores.store_of(path))
    block = metadata.read(stored.metadata)
    count = sum(map(check_keys.count, block.groups))
    opener = ", opened by the sops program" if check_keys.needs_program(block) else ""
    return f"written by {check_keys.author(block)}, for {count or 'no'} key{'s' * (count != 1)}{opener}"


def problems_of_object(path: str, *, known: bool) -> Iterator[Problem]:
    """Yield the problems of an object's path, and one if the store is not `known`; send no request."""
    from bridge_providers.sops import s3  # noqa: PLC0415 - few documents are objects

    try:
        s3.parse(path)
    except ProviderError as error:
        yield from error.problems
    if not known:
        yield Problem("", s3.NO_STORE, s3.NO_STORE_HINT)


def _of_metadata(block: Metadata) -> Iterator[Problem]:
    """Check the block."""
    if not block.mac:
        yield Problem("", mac.NO_MAC)
    if not block.groups:
        yield Problem("", "it has no keys in its sops metadata, so nobody can decrypt it")
    yield from mac.warnings(block)


def _of_leaves(stored: Stored, block: Metadata) -> Iterator[Problem]:
    """Check every leaf's form."""
    flaws: list[Problem] = []

    try:
        rule = selector(block, has_comments=stored.has_comments)

        def visit(leaf: SecretValue, _: bytes, encrypted: bool, walk: Walk) -> SecretValue:
            problem = cipher.problem_of_form(leaf) if encrypted else None
            if problem:
                flaws.append(Problem("", f"key {walk.where} {problem}", mac.RESTORE))
            return leaf

        Walk(stored.documents, rule, visit).run()
        if rule.by_form:
            flaws += check_rule.undecided(check_rule.plain(stored, rule), f"its `{block.rule}`")
    except ProviderError as error:
        flaws += error.problems
    yield from flaws


def numbers(path: str, revision: str | None, context: Context) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the places of numbers, which sops may have written in another form than they were typed."""
    places: list[tuple[int, tuple[str, ...]]] = []

    def visit(leaf: SecretValue, _: bytes, _encrypted: bool, walk: Walk) -> SecretValue:
        if cipher.is_number(leaf):
            places.append(walk.place)
        return leaf

    try:
        stored = stores.load(_data(files.locate(path, context.base), context, revision), stores.store_of(path))
        Walk(stored.documents, selector(metadata.read(stored.metadata)), visit).run()
    except ProviderError:
        return  # reported already
    yield from places


def names(path: str, context: Context, revision: str | None = None) -> frozenset[str] | None:
    """Return the top-level names of all documents, or None for a binary file and for a file that cannot be read."""
    store = stores.store_of(path)
    if store == stores.BINARY:
        return None
    try:
        target = files.locate(path, context.base)
        documents = stores.load(_data(target, context, revision), store).documents
    except ProviderError:
        return None
    return frozenset(name for document in documents for name in document)
