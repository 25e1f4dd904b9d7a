"""Finds the keys of a Secret that the objects of a layout use, such as pods in a Deployment."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from bridge.config.names import is_object_key
from bridge.kustomize.manifest_parts import listed, mapping, text_of


def used_keys(contents: Iterable[object], secrets: Collection[str]) -> list[str]:
    """Return the keys of the Secrets with these names that environment variables and volumes use, in order."""
    return list(dict.fromkeys(key for content in contents for key in _keys(content, secrets) if is_object_key(key)))


def _keys(node: object, secrets: Collection[str]) -> Iterator[str]:
    if isinstance(node, Mapping):
        reference = mapping(node.get("secretKeyRef"))
        if text_of(reference.get("name")) in secrets:
            yield text_of(reference.get("key"))
        if (text_of(node.get("secretName")) or text_of(node.get("name"))) in secrets:
            yield from (text_of(mapping(item).get("key")) for item in listed(node.get("items")))
        for child in node.values():
            yield from _keys(child, secrets)
    elif isinstance(node, list):
        for child in node:
            yield from _keys(child, secrets)
