"""Expands Kubernetes Lists, as printed by `kubectl get secret a b -o yaml` and returned by the API server."""

from collections.abc import Iterator, Mapping


def flattened(content: object, place: str) -> Iterator[tuple[str, object]]:
    """Yield an object with its place, or each item of a List with a place of its own.

    The items of a SecretList need not have `apiVersion` and `kind`; they are derived from the list's.
    """
    kind, items = (content.get("kind"), content.get("items")) if isinstance(content, Mapping) else (None, None)
    if not isinstance(kind, str) or not kind.endswith("List") or not isinstance(items, list):
        yield place, content
        return
    assert isinstance(content, Mapping)
    implied = {"apiVersion": content.get("apiVersion"), "kind": kind.removesuffix("List")} if kind != "List" else {}
    for number, item in enumerate(items):
        typed = implied | dict(item) if isinstance(item, Mapping) else item
        yield from flattened(typed, f"{place} items[{number}]")
