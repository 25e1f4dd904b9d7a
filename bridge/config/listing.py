"""Lists a document under `sources` in an environment's file, instead of the drafted source."""

import re
from pathlib import Path
from typing import Any, Final

from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.config.rewriting import present, rewrite
from bridge.config.yamlfile import load_yaml_documents
from bridge.errors import ConfigError

_KEY: Final = "sources"
_PLAIN: Final = re.compile(r"[A-Za-z][\w-]*:[\w/][\w./@+-]*", re.ASCII)
"""References that need no quotes in YAML."""


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
    sources = [str(source) if item == str(instead) else item for item in content[_KEY]]

    def is_wanted(after: Path) -> bool:
        try:
            return [document.content for document in load_yaml_documents(after, shown)] == [{**content, _KEY: sources}]
        except ConfigError:
            return False

    by_hand = f"replace {instead} with {source} under `{_KEY}:` by hand"
    after = _edited(before, str(source), str(instead))
    rewrite(path, shown, before=before, after=after, is_wanted=is_wanted, by_hand=by_hand, dry_run=dry_run)


def _edited(text: str, source: str, instead: str) -> str | None:
    """Return the text with the new source, without comments about the old one and without the commented-out new one."""
    item = _item(text, instead)
    if item is None:
        return None
    start, end = item.start_mark.index, item.end_mark.index
    comment = re.compile(r"[ \t]+#[^\r\n]*").match(text, end)
    new = source if _PLAIN.fullmatch(source) else f'"{source}"'
    text = text[:start] + new + text[comment.end() if comment else end :]
    return re.sub(rf"^[ \t]*#[ \t]*-[ \t]+{re.escape(source)}[ \t]*(?:\r?\n|\Z)", "", text, flags=re.MULTILINE)


def _item(text: str, source: str) -> Any | None:  # noqa: ANN401 - PyYAML's node
    import yaml  # noqa: PLC0415 - start-up: only this edit needs it

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return None
    assert root is not None, "the environment was loaded before"
    lists = [value for key, value in root.value if key.value == _KEY]
    return next((item for node in lists for item in node.value if item.value == source), None)
