"""The environment's own template: which file it is, and how to write public values into it."""

import re
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bridge.config.core_schema import is_plain_text
from bridge.config.environment import Environment, environment_names, load_environment
from bridge.config.rewriting import present, rewrite
from bridge.config.yamlfile import load_yaml_documents
from bridge.errors import ConfigError
from bridge.objects import ObjectId

if TYPE_CHECKING:
    from ruamel.yaml import YAML

_INDENT: Final = re.compile(r"^( +)[^\s#-]", re.MULTILINE)
_WIDE: Final = 1 << 20  # characters, so that no line is folded
_BOUNDARY: Final = re.compile(r"^(?=(?:---|\.\.\.)(?:\s|\Z))", re.MULTILINE)
_MARK: Final = re.compile(r"(?:---|\.\.\.)[ \t]*(?:#[^\n]*)?(?:\r?\n|\Z)")
_CONTENT: Final = re.compile(r"^[ \t]*[^#%\s]", re.MULTILINE)

Values = Mapping[ObjectId, Mapping[str, str]]


def own_template(environment: Environment) -> Path | None:
    """Return the last template in the environment's own folder that no other environment there lists, or None."""
    others = {path for other in _others(environment) for path in other.templates}
    ours = [path for path in environment.templates if path.parent == environment.base and path not in others]
    return ours[-1] if ours else None


def _others(environment: Environment) -> list[Environment]:
    loaded = []
    for name in environment_names(environment.base):
        try:
            loaded.append(load_environment(environment.base, name))
        except ConfigError:
            continue  # `bridge check` of that environment reports it
    return [other for other in loaded if other.name != environment.name]


def write_values(path: Path, shown: str, values: Values, *, dry_run: bool = False) -> None:
    """Set values in a template's ConfigMaps. The template is created if it is missing.

    Everything else in it stays, including comments. The file is replaced in one step. Raise ConfigError or Refusal, and
    leave the file unchanged, if that cannot be done. With `dry_run` the file is never changed.
    """
    before = present(path, shown)
    escaped = {
        id_: {key: text.replace("${", "$${") for key, text in keys.items()} for id_, keys in values.items() if keys
    }

    def is_wanted(after: Path) -> bool:
        return _is_as_wanted(path if before else None, after, shown, escaped)

    after = _edited(before, escaped)
    by_hand = _by_hand(values)
    rewrite(path, shown, before=before, after=after, is_wanted=is_wanted, by_hand=by_hand, dry_run=dry_run)


def _by_hand(values: Values) -> str:
    names = ", ".join(f"{id_} key {key}" for id_, keys in values.items() for key in keys)
    return f"add these keys by hand: {names}"


def _edited(text: str, values: Values) -> str | None:
    """Return the text with the values in it: existing objects are edited, new ones are appended."""
    yaml = _round_trip(text)
    pieces = _pieces(text)
    try:
        documents = [yaml.load(piece.body.replace("\r\n", "\n")) if piece.has_content else None for piece in pieces]
    except Exception:  # noqa: BLE001 - our own reader accepted the file; ruamel.yaml may refuse it for any reason
        return None
    edited: set[int] = set()
    new = []
    for id_, keys in values.items():
        document = _find(documents, id_, keys)
        if document is None:
            new.append({"apiVersion": "v1", "kind": id_.kind, "metadata": {"name": id_.name}, "data": _quoted(keys)})
        else:
            edited.add(id(document))
            document["data"] = document.get("data") or {}
            document["data"].update(_quoted(keys))
    text = "".join(
        piece.mark + (_dumped_like(piece.body, yaml, document) if id(document) in edited else piece.body)
        for piece, document in zip(pieces, documents, strict=True)
    )
    for document in new:
        text = f"{text.rstrip()}\n---\n" if any(documents) or document is not new[0] else _with_line_end(text)
        text += _dumped(yaml, [document]).removeprefix("---\n")
    return text


class _Piece(NamedTuple):
    """A document's text, and the line above it that starts it or ends the previous document."""

    mark: str
    body: str

    @property
    def has_content(self) -> bool:
        """Whether it contains more than comments and directives."""
        return _CONTENT.search(self.body) is not None


def _pieces(text: str) -> list[_Piece]:
    """Split a text into its documents. Comments above `---` belong to no document, and an edit would lose them."""
    pieces = []
    for part in _BOUNDARY.split(text):
        mark = _MARK.match(part)
        end = mark.end() if mark else 0
        pieces.append(_Piece(part[:end], part[end:]))
    return pieces


def _dumped_like(before: str, yaml: "YAML", document: object) -> str:
    """Return an edited document with its original line endings."""
    yaml.explicit_start = before.startswith("---")
    text = _dumped(yaml, [document])
    return text.replace("\n", "\r\n") if "\r\n" in before else text


def _round_trip(text: str) -> "YAML":
    from ruamel.yaml import YAML  # noqa: PLC0415 - slow, and only this needs it
    from ruamel.yaml.resolver import VersionedResolver  # noqa: PLC0415

    class Resolver(VersionedResolver):
        """Reads as strings what bridge's own reader does; ruamel.yaml refuses a file for 2024-02-30."""

        def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:  # noqa: ANN401 - ruamel's signature
            is_text = isinstance(value, str) and implicit[0] and is_plain_text(value)
            return super().resolve(kind, value, (False, True) if is_text else implicit)

    yaml = YAML()
    yaml.Resolver = Resolver
    yaml.preserve_quotes = True
    yaml.width = _WIDE
    indent = _INDENT.search(text)
    yaml.map_indent = len(indent[1]) if indent else 2
    return yaml


def _dumped(yaml: "YAML", documents: Sequence[object]) -> str:
    out = StringIO()
    yaml.dump_all(documents, out)
    return out.getvalue()


def _with_line_end(text: str) -> str:
    return f"{text.rstrip()}\n" if text.strip() else ""


def _quoted(keys: Mapping[str, str]) -> dict[str, str]:
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString  # noqa: PLC0415 - slow, and only this needs it

    return {key: DoubleQuotedScalarString(text) for key, text in keys.items()}


def _find(documents: Sequence[Any], id_: ObjectId, keys: Mapping[str, str]) -> Any:  # noqa: ANN401 - ruamel's mapping
    """Return the object's last document that has one of the keys, else its last document, as the last one wins."""
    ours = [
        document
        for document in documents
        if isinstance(document, dict)
        and document.get("kind") == id_.kind
        and (document.get("metadata") or {}).get("name") == id_.name
    ]
    holding = [document for document in ours if keys.keys() & (document.get("data") or {}).keys()]
    matches = holding or ours
    return matches[-1] if matches else None


def _is_as_wanted(before: Path | None, after: Path, shown: str, values: Values) -> bool:
    """Read both files as bridge does: only the values may have changed."""
    wanted: list[Any] = [doc.content for doc in load_yaml_documents(before, shown) if doc.content] if before else []
    actual = [doc.content for doc in load_yaml_documents(after, shown) if doc.content]
    for id_, keys in values.items():
        document = _find(wanted, id_, keys)
        if document is None:
            document = {"apiVersion": "v1", "kind": id_.kind, "metadata": {"name": id_.name}}
            wanted.append(document)
        document["data"] = {**(document.get("data") or {}), **keys}
    return wanted == actual
