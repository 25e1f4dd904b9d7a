"""Opens Kubernetes lists: what `kubectl get secret a b -o yaml` prints, and what the API server answers."""

from collections.abc import Iterator, Mapping


def flattened(content: object, place: str) -> Iterator[tuple[str, object]]:
    """Yield an object with its place, or the items of a List one by one, each with a place of its own.

    The items of a SecretList need not have `apiVersion` and `kind`: those follow from the list's.
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
