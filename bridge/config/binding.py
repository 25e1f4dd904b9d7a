"""Bind an environment to its cluster: write `cluster.namespace_uid` into the environment's file.

The text is edited in one place. Every other byte stays as it was, including comments, quotes and alignment.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bridge.config.environment import Environment
from bridge.config.rewriting import present, rewrite
from bridge.config.yamlfile import load_yaml_documents
from bridge.errors import ConfigError

KEY: Final = "namespace_uid"
_PLAIN: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""A UID that YAML reads as a string even without quotes."""


def bind(environment: Environment, uid: str) -> None:
    """Write a namespace's UID into the environment's file: replace a single UID, or add it to a list of UIDs.

    Raise Refusal, and leave the file unchanged, if that cannot be done or would change anything else in the file.
    """
    path, shown = environment.file, environment.shown(environment.file)
    before, wanted = present(path, shown), _bound(load_yaml_documents(path, shown)[0].content, uid)
    by_hand = f"add `{KEY}: {uid}` under `cluster:` by hand"

    def is_wanted(after: Path) -> bool:
        try:
            return [document.content for document in load_yaml_documents(after, shown)] == [wanted]
        except ConfigError:
            return False

    rewrite(path, shown, before=before, after=_edited(before, uid), is_wanted=is_wanted, by_hand=by_hand)


def _bound(content: object, uid: str) -> Mapping[str, Any]:
    """Return the content that the file should have."""
    assert isinstance(content, Mapping), "the environment was loaded before"
    cluster = content.get("cluster") or {}
    known = cluster.get(KEY)
    return {**content, "cluster": {**cluster, KEY: [uid, *known] if isinstance(known, list) else uid}}


def _edited(text: str, uid: str) -> str | None:
    """Return the text with the UID added, or None if the right place for it is unclear."""
    import yaml  # noqa: PLC0415 - start-up: only this edit needs it

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return None
    editor = _Editor(text, '"' if _is_quoted(root) else "")
    cluster = _child(root, "cluster")
    if cluster is None:
        return editor.with_section(root, uid)
    known = _child(cluster, KEY)
    return editor.with_key(cluster, uid) if known is None else editor.with_uid(known, uid)


class _Editor:
    """Edits one text; `quote` is the quote character around the file's own keys."""

    def __init__(self, text: str, quote: str) -> None:
        self._text: Final = text
        self._quote: Final = quote
        self._end: Final = "\r\n" if "\r\n" in text else "\n"

    def with_section(self, root: Any, uid: str) -> str:  # noqa: ANN401 - PyYAML's node
        """Add the whole section at the end."""
        if root.flow_style:
            return self._into_flow(root, f"{self._name('cluster')}: {{{self._pair(uid)}}}")
        text = self._text if self._text.endswith("\n") else self._text + self._end
        return f"{text}{self._name('cluster')}:{self._end}  {self._pair(uid)}{self._end}"

    def with_key(self, cluster: Any, uid: str) -> str:  # noqa: ANN401 - PyYAML's node
        """Add the key to the section."""
        if cluster.flow_style:
            return self._into_flow(cluster, self._pair(uid))
        start = cluster.value[0][0].start_mark
        return self._put(start.index, start.index, f"{self._pair(uid)}{self._end}{' ' * start.column}")

    def with_uid(self, known: Any, uid: str) -> str:  # noqa: ANN401 - PyYAML's node
        """Replace the UID, or insert it at the front of a list."""
        if not isinstance(known.value, list):
            return self._put(known.start_mark.index, known.end_mark.index, self._uid(uid))
        first = known.value[0].start_mark.index
        between = ", " if known.flow_style else f"{self._end}{' ' * known.start_mark.column}- "
        return self._put(first, first, f"{self._uid(uid)}{between}")

    def _into_flow(self, node: Any, new: str) -> str:  # noqa: ANN401 - PyYAML's node
        """Append an entry to a mapping in braces."""
        place = node.value[-1][1].end_mark.index if node.value else node.start_mark.index + 1
        return self._put(place, place, f", {new}" if node.value else new)

    def _put(self, start: int, end: int, new: str) -> str:
        return self._text[:start] + new + self._text[end:]

    def _pair(self, uid: str) -> str:
        return f"{self._name(KEY)}: {self._uid(uid)}"

    def _name(self, key: str) -> str:
        return f"{self._quote}{key}{self._quote}"

    def _uid(self, uid: str) -> str:
        return uid if _PLAIN.fullmatch(uid) and not self._quote else json.dumps(uid)


def _is_quoted(root: Any) -> bool:  # noqa: ANN401 - PyYAML's node
    return bool(root.value) and root.value[0][0].style == '"'


def _child(node: Any, key: str) -> Any | None:  # noqa: ANN401 - PyYAML's node
    return next(_values(node, key), None)


def _values(node: Any, key: str) -> Iterator[Any]:  # noqa: ANN401 - PyYAML's node
    for name, value in node.value:
        if name.value == key:
            yield value
