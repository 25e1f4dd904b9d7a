"""Copies an environment's own template for another environment: every value marked, and no secret."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from bridge.config.yamlfile import load_yaml_documents
from bridge.draft.public import placeholder
from bridge.draft.suspect import looks_secret, named_like_a_secret
from bridge.draft.text import comments, manifest
from bridge.secret import SecretValue


def copied(path: Path, shown: str, owner: str, left_out: list[str]) -> str:
    """Return a template's text, its values marked as still the owner's; the keys that may be secret are noted."""
    text = comments(f"Public values, copied from {shown}: replace each that is still {owner}'s. No secret here.")
    for document in load_yaml_documents(path, shown):
        if isinstance(document.content, Mapping):
            text += "---\n" + manifest(_clean(document.content, left_out), f"TO DO: still {owner}'s")
    return text


def _clean(content: Mapping[str, object], left_out: list[str]) -> Mapping[str, object]:
    """Return a manifest without what may be a secret; of a Secret the placeholders stay."""
    metadata = content["metadata"]
    assert isinstance(metadata, Mapping), "the template was loaded before"
    clean = {key: value for key, value in content.items() if key not in {"data", "stringData"}}
    clean["metadata"] = {key: value for key, value in metadata.items() if key != "namespace"}
    if content["kind"] == "Secret":
        texts = [*_texts(content, "data"), *_texts(content, "stringData")]
        return clean | {"stringData": {key: placeholder(key, text) for key, text in texts}}
    values = {}
    for key, text in _texts(content, "data"):
        if "${" not in text and (named_like_a_secret(key) or looks_secret(SecretValue.of(text))):
            left_out.append(f"{content['kind']}/{metadata['name']} key {key}")
        else:
            values[key] = text
    return clean | {"data": values}


def _texts(content: Mapping[str, object], section: str) -> Iterator[tuple[str, str]]:
    values = content.get(section)
    for key, text in values.items() if isinstance(values, Mapping) else ():
        if isinstance(text, str):
            yield key, text
