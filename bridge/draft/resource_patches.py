"""Patches custom resources as kustomize does without a schema: mappings are merged, lists are replaced.

kustomize knows no schema of custom resources, so a list of a strategic merge patch replaces the whole list (tried with
5.8.1). A JSON patch is followed in its operations `add`, `replace` and `remove`.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy


class PatchError(Exception):
    """An operation cannot be followed; it holds no text of the patch."""


def merged(content: object, patch: Mapping[str, object]) -> dict[str, object]:
    """Return the content after a merge patch; null removes a field."""
    before = content if isinstance(content, Mapping) else {}
    result: dict[str, object] = {name: value for name, value in before.items() if patch.get(name, value) is not None}
    for name, value in patch.items():
        if value is not None and name != "$patch":
            result[name] = merged(before.get(name), value) if isinstance(value, Mapping) else value
    return result


def operated(content: Mapping[str, object], operations: Sequence[Mapping[str, object]]) -> Mapping[str, object]:
    """Return the content after a JSON patch; PatchError if an operation is of another kind or does not fit."""
    result = deepcopy(dict(content))
    for operation in operations:
        path, verb = operation.get("path"), operation.get("op")
        if not isinstance(path, str) or not path.startswith("/") or verb not in {"add", "replace", "remove"}:
            raise PatchError
        *parents, last = (part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))
        node: object = result
        for name in parents:
            node = _child(node, name)
        _change(node, last, str(verb), deepcopy(operation.get("value")))
    return result


def _child(node: object, name: str) -> object:
    if isinstance(node, dict) and name in node:
        return node[name]
    if isinstance(node, list) and name.isdecimal() and int(name) < len(node):
        return node[int(name)]
    raise PatchError


def _change(node: object, name: str, verb: str, value: object) -> None:
    if isinstance(node, dict) and (verb == "add" or name in node):
        if verb == "remove":
            del node[name]
        else:
            node[name] = value
    elif isinstance(node, list):
        place = len(node) if name == "-" and verb == "add" else int(name) if name.isdecimal() else -1
        if not 0 <= place < len(node) + (verb == "add"):
            raise PatchError
        if verb == "add":
            node.insert(place, value)
        elif verb == "replace":
            node[place] = value
        else:
            del node[place]
    else:
        raise PatchError
