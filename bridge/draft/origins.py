"""Tells of each key of a layout where its value is going to come from."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from bridge.config.names import shown as shown_name
from bridge.draft.env_file import EnvFile
from bridge.draft.model import Declared, KeyOrigin, Layout, shown
from bridge.draft.naming import asked
from bridge.draft.templates import Templates
from bridge.objects import ObjectId


class Known(NamedTuple):
    """What a place is told by: the keys of the public template (`file`), and the env file."""

    public: frozenset[tuple[ObjectId, str]]
    env: EnvFile
    file: str

    def origins(self, templates: Templates, layout: Layout) -> Iterator[KeyOrigin]:
        """Yield every key, of the templates and of the patches; a Secret's key that no template has is remarked."""
        for one in templates.objects:
            self._remark_env_file(one, layout)
            texts = {key: text for _, key, text in one.texts()}
            written = {key: templates.text(one, key, text) for key, text in texts.items()}
            for key in dict.fromkeys((*texts, *one.given)):
                if one.kind == "Secret" and key not in texts:
                    what = f"gives {one.id} key {shown_name(key)}, which no template names"
                    layout.remark(one.given[key].place, what, f"add it to {shown(one.file)}, or it cannot be imported")
                is_literal = texts.get(key) and texts[key] != written[key] and key not in one.given
                place = f"to be stored from {shown(one.file)}" if is_literal else self._place(one, key, written)
                yield KeyOrigin(one.id, key, place)

    def _remark_env_file(self, one: Declared, layout: Layout) -> None:
        held = [key for _, key, text in one.texts() if (one.id, key) not in self.public and self._in_env_file(text)]
        if held and one.kind == "ConfigMap":
            what = f"gives {one.id} {', '.join(map(shown_name, held))}; in a pod or on a runner there is no env file"
            layout.remark(shown(self.env.path), what, f"if bridge is to run there, write these values into {self.file}")

    def _in_env_file(self, text: str) -> bool:
        names = list(asked([text]))
        return bool(names) and all(name in self.env.values for name in names)

    def _place(self, one: Declared, key: str, texts: Mapping[str, str]) -> str:
        if (one.id, key) in self.public:
            return f"{self.file} (from {one.given[key].place})"
        if one.kind == "Secret" and key in one.given:
            return f"to be imported from {one.given[key].place}"
        if key not in texts:
            return f"left out of {self.file}"
        if self._in_env_file(texts[key]):
            return f"to be imported from {shown(self.env.path)}" if one.kind == "Secret" else shown(self.env.path)
        return (
            "nowhere yet"
            if list(asked([texts[key]])) and ":-" not in texts[key]
            else "the template's own text or default"
        )
