"""Edits an environment's file: its cluster's namespace UID, and a source that replaces the drafted one."""

import re
from collections.abc import Iterable
from typing import Any, Final

from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.config.replace_file import present, rewrite
from bridge.config.yaml_changes import Insert, Put, contents
from bridge.config.yaml_editor import edited
from bridge.config.yaml_writer import scalar
from bridge.config.yamlfile import load_yaml_documents

KEY: Final = "namespace_uid"
_KEY: Final = "sources"


def bind(environment: Environment, uid: str) -> None:
    """Write a namespace's UID into the environment's file: replace a single UID, or add it to a list of UIDs.

    Raise Refusal, and leave the file unchanged, if that cannot be done or would change anything else in the file.
    """
    path, shown = environment.file, environment.shown(environment.file)
    before = present(path, shown)
    content: Any = load_yaml_documents(path, shown)[0].content
    location, value = (0, "cluster", KEY), scalar(uid)
    known = (content.get("cluster") or {}).get(KEY)
    change = Insert(location, 0, value) if isinstance(known, list) else Put(location, value)
    by_hand = f"add `{KEY}: {uid}` under `cluster:` by hand"
    rewrite(path, shown, before=before, after=edited(before, [change]), by_hand=by_hand)


def drafted_source(name: str) -> Reference:
    """Return the source that `bridge init` drafts for an environment."""
    return Reference("sops", f"{name}.sops.yaml")


def list_source(environment: Environment, source: Reference, instead: Reference, *, dry_run: bool = False) -> None:
    """Replace a source in the environment's file; everything else in the file stays, including comments.

    Raise Refusal, and leave the file unchanged, if that cannot be done. With `dry_run` the file is never changed.
    """
    path, shown = environment.file, environment.shown(environment.file)
    before = present(path, shown)
    content: Any = load_yaml_documents(path, shown)[0].content
    numbers = [number for number, source_ in enumerate(content[_KEY]) if source_ == str(instead)]
    by_hand = f"replace {instead} with {source} under `{_KEY}:` by hand"
    after = _edited(before, str(source), numbers)
    rewrite(path, shown, before=before, after=after, by_hand=by_hand, dry_run=dry_run)


def _edited(text: str, source: str, numbers: Iterable[int]) -> str | None:
    """Return the text with the new source, without comments that describe the old source or offer the new one."""
    offer = rf"^[ \t]*#[ \t]*-[ \t]+{re.escape(source)}[ \t]*(?:\r?\n|\Z)"
    without_offer = re.sub(offer, "", text, flags=re.MULTILINE)
    if contents(without_offer) != contents(text):  # inside a multi-line string it is not a comment
        without_offer = text
    changes = [Put((0, _KEY, number), scalar(source), drops_comment=True) for number in numbers]
    return edited(without_offer, changes)
