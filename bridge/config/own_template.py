"""The environment's own template: which one it is, and how public values are written into it."""

import re
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bridge.config.environment import Environment, environment_names, load_environment
from bridge.config.rewriting import present, rewrite
from bridge.config.yaml_core_schema import is_plain_text
from bridge.config.yamlfile import load_yaml_documents
from bridge.errors import ConfigError
from bridge.objects import ObjectId

if TYPE_CHECKING:
    from ruamel.yaml import YAML

_INDENT: Final = re.compile(r"^( +)[^\s#-]", re.MULTILINE)
_WIDE: Final = 1 << 20  # characters: no line is folded
_BOUNDARY: Final = re.compile(r"^(?=(?:---|\.\.\.)(?:\s|\Z))", re.MULTILINE)
_MARK: Final = re.compile(r"(?:---|\.\.\.)[ \t]*(?:#[^\n]*)?(?:\r?\n|\Z)")
_CONTENT: Final = re.compile(r"^[ \t]*[^#%\s]", re.MULTILINE)

Values = Mapping[ObjectId, Mapping[str, str]]


def own_template(environment: Environment) -> Path | None:
    """Return the last template in the environment's folder itself that no other environment there lists."""
    others = {path for one in _others(environment) for path in one.templates}
    ours = [path for path in environment.templates if path.parent == environment.base and path not in others]
    return ours[-1] if ours else None


def _others(environment: Environment) -> list[Environment]:
    found = []
    for name in environment_names(environment.base):
        try:
            found.append(load_environment(environment.base, name))
        except ConfigError:
            continue  # left to its own check
    return [one for one in found if one.name != environment.name]


def write_values(path: Path, shown: str, values: Values, *, dry_run: bool = False) -> None:
    """Put texts into the ConfigMaps of a template, which is made where it is missing.

    Everything else in it stays, comments too. The file is replaced in one step. ConfigError or Refusal where that
    cannot be done; the file is as it was then. With `dry_run` it stays as it is in any case.
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
    return f"write by hand: {names}"


def _edited(text: str, values: Values) -> str | None:
    """Return the text with the values in it: objects that it has are edited, others come at the end."""
    yaml = _round_trip(text)
    pieces = _pieces(text)
    try:
        documents = [yaml.load(piece.body.replace("\r\n", "\n")) if piece.has_content else None for piece in pieces]
    except Exception:  # noqa: BLE001 - our own reader has taken the file, and this one has its own mind
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
    """A document's text, and the line above it that begins it or ends the one before."""

    mark: str
    body: str

    @property
    def has_content(self) -> bool:
        """Whether there is more in it than comments and directives."""
        return _CONTENT.search(self.body) is not None


def _pieces(text: str) -> list[_Piece]:
    """Split a text into its documents: the comments above `---` belong to none, and an edit would lose them."""
    pieces = []
    for part in _BOUNDARY.split(text):
        mark = _MARK.match(part)
        end = mark.end() if mark else 0
        pieces.append(_Piece(part[:end], part[end:]))
    return pieces


def _dumped_like(before: str, yaml: "YAML", document: object) -> str:
    """Return an edited document with the line ends that it had."""
    yaml.explicit_start = before.startswith("---")
    text = _dumped(yaml, [document])
    return text.replace("\n", "\r\n") if "\r\n" in before else text


def _round_trip(text: str) -> "YAML":
    from ruamel.yaml import YAML  # noqa: PLC0415 - slow, and only this needs it
    from ruamel.yaml.resolver import VersionedResolver  # noqa: PLC0415

    class Resolver(VersionedResolver):
        """Takes for texts what bridge's own reader does: ruamel refuses a file for 2024-02-30."""

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
    """Return the last document of an object that has one of the keys, else its last one: the last to speak counts."""
    ours = [
        one
        for one in documents
        if isinstance(one, dict) and one.get("kind") == id_.kind and (one.get("metadata") or {}).get("name") == id_.name
    ]
    holding = [one for one in ours if keys.keys() & (one.get("data") or {}).keys()]
    found = holding or ours
    return found[-1] if found else None


def _is_as_wanted(before: Path | None, after: Path, shown: str, values: Values) -> bool:
    """Read both as bridge does: nothing but the values may have changed."""
    wanted: list[Any] = [one.content for one in load_yaml_documents(before, shown) if one.content] if before else []
    found = [one.content for one in load_yaml_documents(after, shown) if one.content]
    for id_, keys in values.items():
        document = _find(wanted, id_, keys)
        if document is None:
            document = {"apiVersion": "v1", "kind": id_.kind, "metadata": {"name": id_.name}}
            wanted.append(document)
        document["data"] = {**(document.get("data") or {}), **keys}
    return wanted == found
