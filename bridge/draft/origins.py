"""Describes for each key of a layout where its value will come from."""

from collections.abc import Iterator, Mapping

from bridge.config.names import shown as shown_name
from bridge.draft.env_file import LayoutEnvFile
from bridge.draft.layout_model import Declared, KeyOrigin, Layout, shown
from bridge.draft.naming import variables_in
from bridge.draft.templates import Templates
from bridge.draft.translation import Translation, shown_reference
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId


class Known(NamedTuple):
    """What determines a key's origin: the keys of the public template (`file`), the env file, and the variables."""

    public: frozenset[tuple[ObjectId, str]]
    env: LayoutEnvFile
    file: str
    translation: Translation

    def origins(self, templates: Templates, layout: Layout) -> Iterator[KeyOrigin]:
        """Yield every key of the templates and patches; remark on a Secret's key that no template has."""
        for declared in templates.objects:
            self._remark_env_file(declared, layout)
            texts = {key: text for _, key, text in declared.texts()}
            written = {key: templates.text(declared, key, text) for key, text in texts.items()}
            for key in dict.fromkeys((*texts, *declared.given)):
                if declared.kind == "Secret" and key not in texts:
                    what = f"gives {declared.id} key {shown_name(key)}, which is in no template"
                    layout.remark(
                        declared.given[key].place,
                        what,
                        f"add it to {shown(declared.file)}; otherwise it cannot be imported",
                    )
                is_literal = texts.get(key) and texts[key] != written[key] and key not in declared.given
                place = (
                    f"to be stored from {shown(declared.file)}" if is_literal else self._place(declared, key, written)
                )
                yield KeyOrigin(declared.id, key, place)

    def _remark_env_file(self, declared: Declared, layout: Layout) -> None:
        held = [
            key
            for _, key, text in declared.texts()
            if (declared.id, key) not in self.public and self._in_env_file(text)
        ]
        if held and declared.kind == "ConfigMap":
            what = f"gives {declared.id} {', '.join(map(shown_name, held))}, but pods and CI runners have no env file"
            layout.remark(shown(self.env.path), what, f"if bridge will run there, add these values to {self.file}")

    def _in_env_file(self, text: str) -> bool:
        names = list(variables_in([text]))
        return bool(names) and all(name in self.env.values for name in names)

    def _references(self, text: str) -> str:
        """Return where a text's variables come from, if `variables` or a source of another tool has all of them."""
        given, expected = self.translation.variables, self.translation.expected
        names = dict.fromkeys(variables_in([text]))
        if not names or any(name not in given and name not in expected for name in names):
            return ""
        sources = ", ".join(map(str, self.translation.sources))
        places = (shown_reference(given[name]) if name in given else sources for name in names)
        return ", ".join(dict.fromkeys(places))

    def _place(self, declared: Declared, key: str, texts: Mapping[str, str]) -> str:
        if (declared.id, key) in self.public:
            return f"{self.file} (from {declared.given[key].place})"
        if declared.kind == "Secret" and key in declared.given:
            return f"to be imported from {declared.given[key].place}"
        if key in texts and (references := self._references(texts[key])):
            return references
        if key not in texts:
            return f"left out of {self.file}"
        if self._in_env_file(texts[key]):
            return f"to be imported from {shown(self.env.path)}" if declared.kind == "Secret" else shown(self.env.path)
        return (
            "nowhere yet"
            if list(variables_in([texts[key]])) and ":-" not in texts[key]
            else "the template's own text or default"
        )
