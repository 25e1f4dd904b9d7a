"""The environment's own template: which one it is, and how public values are written into it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bridge.config.environment import Environment, environment_names, load_environment
from bridge.config.replace_file import present, rewrite
from bridge.config.yaml_changes import Put, contents
from bridge.config.yaml_editor import edited
from bridge.config.yaml_writer import dumped, scalar
from bridge.errors import ConfigError
from bridge.objects import ObjectId

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
    rewrite(path, shown, before=before, after=_edited(before, escaped), by_hand=_by_hand(values), dry_run=dry_run)


def _by_hand(values: Values) -> str:
    names = ", ".join(f"{id_} key {key}" for id_, keys in values.items() for key in keys)
    return f"add these keys by hand: {names}"


def _edited(text: str, values: Values) -> str | None:
    """Return the text with the values in it: objects that it has are edited, others come at the end."""
    try:
        documents = contents(text)
    except ConfigError:
        return None
    found = {id_: _find(documents, id_, keys) for id_, keys in values.items()}
    changes = [
        Put((number, "data", key), scalar(value, is_quoted=True))
        for id_, number in found.items()
        if number is not None
        for key, value in values[id_].items()
    ]
    after = edited(text, changes)
    new = {id_: values[id_] for id_, number in found.items() if number is None}
    return after if after is None or not new else _extended(after, new)


def _extended(text: str, values: Values) -> str | None:
    """Return the text with new objects at its end."""
    before = [one for one in contents(text) if one]
    newline = "\r\n" if "\r\n" in text else "\n"
    after = text if not text or text.endswith("\n") else text + newline
    for number, (id_, keys) in enumerate(values.items()):
        mark = f"---{newline}" if before or number else ""
        after += mark + "".join(f"{line}{newline}" for line in _object(id_, keys))
    wanted = [{**_head(id_), "data": dict(keys)} for id_, keys in values.items()]
    try:
        return after if [one for one in contents(after) if one] == [*before, *wanted] else None
    except ConfigError:
        return None


def _head(id_: ObjectId) -> Mapping[str, Any]:
    return {"apiVersion": "v1", "kind": id_.kind, "metadata": {"name": id_.name}}


def _object(id_: ObjectId, keys: Mapping[str, str]) -> list[str]:
    """Return the lines of an object."""
    lines = [f"  {scalar(key)}: {scalar(value, is_quoted=True)}" for key, value in keys.items()]
    return [*dumped(_head(id_)).splitlines(), "data:", *lines]


def _find(documents: Sequence[Any], id_: ObjectId, keys: Mapping[str, str]) -> int | None:
    """Return the last document of an object that has one of the keys, else its last one: the last to speak counts."""
    ours = {
        number: one
        for number, one in enumerate(documents)
        if isinstance(one, dict) and one.get("kind") == id_.kind and (one.get("metadata") or {}).get("name") == id_.name
    }
    holding = [number for number, one in ours.items() if keys.keys() & (one.get("data") or {}).keys()]
    return max(holding or ours, default=None)
