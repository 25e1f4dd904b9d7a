"""Drops the references to plaintext patches that are gone, without which no overlay builds any more."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bridge.commands.history import tracked_by_git
from bridge.config.rewriting import replace_bytes, replace_text
from bridge.config.textfile import read_text
from bridge.draft.suspect import named_like_a_secret
from bridge.errors import Problem, Refusal
from bridge.kustomize.edit import MissingPatch, change_patches, missing_patches
from bridge.kustomize.read import kustomization_file
from bridge.shell import word

_KINDS: Final = frozenset({"Secret", "ConfigMap"})


@contextmanager
def without_missing_patches(overlay: Path) -> Iterator[tuple[Path, ...]]:
    """Take the references to missing plaintext patches out of an overlay's kustomization; yield the patches' paths.

    Refusal for a missing patch that may be more than values. If the block fails, the file gets its old bytes back.
    """
    file = kustomization_file(overlay)
    assert file is not None, "the overlay was found by it"
    shown = os.path.normpath(file)
    text = read_text(file, shown)
    missing = list(missing_patches(text, overlay))
    if not missing:
        yield ()
        return
    problems = [problem for one in missing if (problem := _doubt(one, shown))]
    if problems:
        raise Refusal(*problems)
    original = file.read_bytes()
    changed = change_patches(text, shown, {one.item for one in missing}, ())
    try:
        replace_text(file, changed)
        yield tuple(Path(os.path.normpath(one.file)) for one in missing)
    except BaseException:
        replace_bytes(file, original)
        raise


def _doubt(one: MissingPatch, shown: str) -> Problem | None:
    """Return what speaks against dropping a reference: the patch may change what bridge does not write."""
    path = os.path.normpath(one.file)
    quoted = word(path)
    if tracked_by_git(one.file):
        hint = f"restore it: git checkout -- {quoted}; if it held only values: git rm --cached {quoted}"
        return Problem(path, "is missing, and git has it", hint)
    if one.kind in _KINDS or named_like_a_secret(one.file.stem):
        return None
    hint = f"if it held only values that are imported, take its entry out of {shown}"
    return Problem(path, "is missing, and it may have held more than values", hint)
