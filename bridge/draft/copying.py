"""Copies an environment's own template for another environment: its keys, without values."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from bridge.config.names import shown as shown_name
from bridge.config.placeholder import Placeholder, parse_text
from bridge.config.yamlfile import load_yaml_documents
from bridge.draft.public import placeholder
from bridge.draft.text import comments, manifest


class Copy:
    """A copy for one environment. No original value may reach the new cluster just because nobody changed it.

    `secret` are the variables that fill Secrets: a public key never uses one of them.
    """

    def __init__(self, name: str, secret: Collection[str]) -> None:
        self._name = name
        self._secret = secret
        self.left_out: list[str] = []
        self.has_public = False  # whether it has a ConfigMap, which needs its values here

    def text(self, path: Path, shown: str) -> str:
        """Return a template's text with a placeholder for each value; `check` and `sync` refuse unset placeholders."""
        text = ""
        for document in load_yaml_documents(path, shown):
            if isinstance(document.content, Mapping):
                text += "---\n" + manifest(self._without_values(document.content))
        return comments(self._heading(shown)) + text

    def _heading(self, shown: str) -> str:
        if not self.has_public:
            return f"Secrets of {self._name}, without values: those are in the sources. Keep the placeholders."
        return (
            f"The public values of {self._name}, in clear and reviewed in git. No secret here.\n"
            f"Replace each ConfigMap placeholder with its value; {shown} has the other environment's values."
        )

    def _without_values(self, content: Mapping[str, object]) -> Mapping[str, object]:
        metadata = content["metadata"]
        assert isinstance(metadata, Mapping), "the template was loaded before"
        kept = {key: value for key, value in content.items() if key not in {"data", "stringData", "binaryData"}}
        kept["metadata"] = {key: value for key, value in metadata.items() if key != "namespace"}
        if content["kind"] == "Secret":
            texts = [*_texts(content, "data"), *_texts(content, "stringData")]
            return kept | {"stringData": {key: self._secret_text(key, text) for key, text in texts}}
        self.has_public = True
        id_ = f"{content['kind']}/{metadata['name']}"
        self.left_out += [f"{id_} key {shown_name(key)}" for key, _ in _texts(content, "binaryData")]
        return kept | {"data": {key: self._public_text(key, text) for key, text in _texts(content, "data")}}

    def _secret_text(self, key: str, text: str) -> str:
        """Return a Secret's text as a single placeholder. Text around it, or a default, belongs to the original."""
        return placeholder(key, text) if "${" not in text or _is_bare(text) else self._unset(placeholder(key, ""))

    def _public_text(self, key: str, text: str) -> str:
        if _is_bare(text):
            return text
        bare = placeholder(key, "")
        return self._unset(f"${{PUBLIC_{bare[2:]}" if bare[2:-1] in self._secret else bare)

    def _unset(self, bare: str) -> str:
        return f"{bare[:-1]}:?{self._name} needs its own value}}"


def _is_bare(text: str) -> bool:
    """Whether a text is one placeholder without a default."""
    parts = parse_text(text)
    return len(parts) == 1 and isinstance(parts[0], Placeholder) and parts[0].default is None


def _texts(content: Mapping[str, object], section: str) -> Iterator[tuple[str, str]]:
    values = content.get(section)
    for key, text in values.items() if isinstance(values, Mapping) else ():
        if isinstance(text, str):
            yield key, text
