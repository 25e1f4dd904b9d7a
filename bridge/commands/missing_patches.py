"""Removes references to deleted plaintext patches, without which no overlay can be built."""

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
    """Remove the references to missing plaintext patches from an overlay's kustomization; yield the patches' paths.

    Refusal for a missing patch that may contain more than values. If the block fails, the file gets its old content
    back.
    """
    file = kustomization_file(overlay)
    assert file is not None, "an overlay has one"
    shown = os.path.normpath(file)
    text = read_text(file, shown)
    missing = list(missing_patches(text, overlay))
    if not missing:
        yield ()
        return
    problems = [problem for patch in missing if (problem := _doubt(patch, shown))]
    if problems:
        raise Refusal(*problems)
    original = file.read_bytes()
    changed = change_patches(text, shown, {patch.item for patch in missing}, ())
    try:
        replace_text(file, changed)
        yield tuple(Path(os.path.normpath(patch.file)) for patch in missing)
    except BaseException:
        replace_bytes(file, original)
        raise


def _doubt(patch: MissingPatch, shown: str) -> Problem | None:
    """Return the reason not to drop a reference: the patch may change what bridge does not write."""
    path = os.path.normpath(patch.file)
    quoted = word(path)
    if tracked_by_git(patch.file):
        hint = f"restore it with `git checkout -- {quoted}`, or run `git rm --cached {quoted}` if it only had values"
        return Problem(path, "is missing, but is tracked by git", hint)
    if patch.kind in _KINDS or named_like_a_secret(patch.file.stem):
        return None
    hint = f"if it only had values that are imported, remove its entry from {shown}"
    return Problem(path, "is missing, and may have contained more than values", hint)
