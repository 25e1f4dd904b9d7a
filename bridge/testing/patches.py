"""Merge patches (RFC 7386) and JSON patches (RFC 6902), as kube-apiserver applies them."""

from collections.abc import Mapping
from typing import Any, TypeVar

from bridge.testing.status import ApiError

Tree = TypeVar("Tree")

REJECTED = "the server rejected our request due to an error in our request"


def copied(tree: Tree) -> Tree:
    """Return a copy of JSON; `copy.deepcopy`, which looks for shared parts, takes five times as long."""
    copy: Any = tree
    if isinstance(tree, dict):
        copy = {name: copied(value) for name, value in tree.items()}
    elif isinstance(tree, list):
        copy = [copied(value) for value in tree]
    return copy  # type: ignore[no-any-return]


def merge(target: object, patch: object) -> Any:  # noqa: ANN401 - JSON
    """Return the target with a merge patch applied; null removes a member."""
    if not isinstance(patch, dict):
        return copied(patch)
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def json_patch(target: dict[str, Any], operations: object) -> dict[str, Any]:
    """Return the target after add, remove, replace and test operations; raise ApiError 400 or 422."""
    if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
        raise ApiError(400, "error decoding patch: json: cannot unmarshal into Go value of type []handlers.jsonPatchOp")
    result = copied(target)
    try:
        for item in operations:
            _operate(result, item)
    except (KeyError, IndexError, ValueError, TypeError, AttributeError):
        failed = True
    else:
        failed = False
    if failed:
        raise ApiError(422, REJECTED, details={})
    return result


def _operate(document: dict[str, Any], item: Mapping[str, Any]) -> None:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in item["path"].split("/")[1:]]
    node: Any = document
    for part in parts[:-1]:
        node = node[int(part)] if isinstance(node, list) else node[part]
    match item["op"]:
        case "test":
            current = node[int(parts[-1])] if isinstance(node, list) else node.get(parts[-1])
            if current != item.get("value"):
                raise ValueError("the test failed")
        case "remove":
            del node[_at(node, parts[-1])]
        case "add" if isinstance(node, list):
            node.insert(len(node) if parts[-1] == "-" else int(parts[-1]), item["value"])
        case "add" | "replace":
            # Replacing a missing member adds it: the real server's library is equally lenient.
            node[_at(node, parts[-1])] = item["value"]
        case _:
            raise ValueError("the operation is not supported")


def _at(node: object, part: str) -> Any:  # noqa: ANN401 - a list's index or a mapping's key
    return int(part) if isinstance(node, list) else part
