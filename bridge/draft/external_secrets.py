"""Translates an ExternalSecret: its Secret becomes a template, each of its keys a variable with a reference.

The fields are those of external-secrets.io/v1 and v1beta1. Whatever bridge cannot do alike is named, with its file.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.config.names import is_object_key
from bridge.config.names import shown as shown_name
from bridge.config.reference import Reference
from bridge.draft.build_changes import texts_in
from bridge.draft.layout_model import Declared, Layout, shown
from bridge.draft.operator_secret import OperatorSecret
from bridge.draft.secret_stores import ExternalStore, find_store, read_store
from bridge.draft.translation import Translation, plain
from bridge.kustomize.manifest_parts import listed, mapping, text_of

_FIELD: Final = re.compile(r"\{\{ *\.([A-Za-z_][A-Za-z0-9_]*) *\}\}")
"""The only part of a template that bridge has too: a key's value as it is."""
_NOTHING: Final = re.compile(r"(?!)")
_BY_HAND: Final = "add the keys to the drafted template and to `variables` by hand"


@dataclass(eq=False)
class ExternalSecrets:
    """The ExternalSecrets of a layout, with the stores that they have in common."""

    layout: Layout
    translation: Translation
    _stores: dict[int, ExternalStore | None] = field(default_factory=dict)

    def translate(self, declared: Declared) -> Declared | None:
        """Return the Secret that an ExternalSecret creates, or None if it creates none that bridge could write."""
        spec = mapping(declared.content.get("spec"))
        target = mapping(spec.get("target"))
        where = shown(declared.file)
        if target.get("creationPolicy") == "None":
            self.layout.remark(where, f"{declared.id} creates no Secret (creationPolicy: None)", _BY_HAND)
            return None
        if text_of(mapping(target.get("manifest")).get("kind")) not in {"", "Secret"}:
            self.layout.remark(where, f"{declared.id} creates an object that is not a Secret", _BY_HAND)
            return None
        name = text_of(target.get("name"))
        names = [name] if name else list(declared.names)
        secret = Declared("Secret", names, declared.file, {}, generator=f"{where} {declared.id}")
        secret.namespace = declared.namespace
        keys = _Reader(OperatorSecret(declared, secret, self.layout, self.translation), spec, self).keys()
        template = mapping(target.get("template"))
        metadata = mapping(template.get("metadata"))
        secret.labels = texts_in(metadata.get("labels")) if template else dict(declared.labels)
        secret.annotations = texts_in(metadata.get("annotations")) if template else dict(declared.annotations)
        content: dict[str, object] = {"stringData": keys}
        content |= {"type": template["type"]} if plain(text_of(template.get("type"))) else {}
        content |= {"immutable": True} if target.get("immutable") is True else {}
        secret.content = content
        if spec.get("refreshPolicy") == "CreatedOnce" or text_of(spec.get("refreshInterval")) in {"0", "0s"}:
            what = f"{declared.id} never refreshes its Secret; bridge always follows the store"
            self.layout.remark(where, what, "name the version in the references if the values must stay")
        return secret

    def store(
        self, entry: Mapping[str, object], spec: Mapping[str, object], declared: Declared
    ) -> ExternalStore | None:
        """Return the store of an entry; remark once on each that cannot be read."""
        own = mapping(mapping(entry.get("sourceRef")).get("storeRef"))
        found, name = find_store(own or mapping(spec.get("secretStoreRef")), declared.namespace, self.layout.resources)
        if found is None:
            what = f"{declared.id} uses {name}, which is not in the layout"
            hint = "add its provider and the variables' references by hand, or draft from a folder that has both"
            if not any(remark.what == what for remark in self.layout.remarks):
                self.layout.remark(shown(declared.file), what, hint)
            return None
        if id(found) not in self._stores:
            self._stores[id(found)] = read_store(found, self.translation, self.layout)
        return self._stores[id(found)]


class _Reader:
    """Reads the keys of one ExternalSecret."""

    def __init__(self, drawn: OperatorSecret, spec: Mapping[str, object], stores: ExternalSecrets) -> None:
        self._drawn: Final = drawn
        self._spec: Final = spec
        self._stores: Final = stores

    def keys(self) -> dict[str, str]:
        """Return the text of each key of the template."""
        for entry in map(mapping, listed(self._spec.get("dataFrom"))):
            self._read_whole(entry)
        self._drawn.add_sources()
        for entry in map(mapping, listed(self._spec.get("data"))):
            self._read_key(entry)
        template = mapping(mapping(self._spec.get("target")).get("template"))
        if template.get("templateFrom"):
            self._drawn.tell("has templateFrom, which is not translated", _BY_HAND)
        fields = _FIELD if template.get("engineVersion", "v2") == "v2" else _NOTHING
        written = {key: text_of(text) for key, text in mapping(template.get("data")).items() if is_object_key(key)}
        texts = {key: self._drawn.composed(key, text, fields) for key, text in written.items()}
        if not written or template.get("mergePolicy") == "Merge":
            own = dict.fromkeys((*self._drawn.references, *self._drawn.used()))
            texts = {key: self._drawn.placeholder(key) for key in own if key not in texts} | texts
        return texts

    def _read_key(self, entry: Mapping[str, object]) -> None:
        key = text_of(entry.get("secretKey"))
        if not is_object_key(key):
            self._drawn.tell("has an entry without a valid secretKey", _BY_HAND)
            return
        self._drawn.references[key] = None
        if mapping(entry.get("sourceRef")).get("generatorRef"):
            self._drawn.tell(f"key {shown_name(key)} comes from a generator, which is not translated", _GENERATED)
            return
        store = self._stores.store(entry, self._spec, self._drawn.declared)
        reference = self._reference(store, mapping(entry.get("remoteRef")), f"key {shown_name(key)} ")
        if reference:
            self._drawn.references[key] = reference

    def _read_whole(self, entry: Mapping[str, object]) -> None:
        """Read an entry of `dataFrom`: whole documents, of which only the store knows the keys."""
        for name, what in _UNTRANSLATED.items():
            if entry.get(name) or mapping(entry.get("sourceRef")).get(name):
                self._drawn.tell(f"has dataFrom with {what}, which is not translated", _BY_HAND)
                return
        if "extract" not in entry:
            return
        store = self._stores.store(entry, self._spec, self._drawn.declared)
        found = self._reference(store, mapping(entry.get("extract")), "dataFrom.extract ")
        if found:
            self._drawn.whole.append(found)

    def _reference(
        self, store: ExternalStore | None, remote: Mapping[str, object], prefix: str
    ) -> tuple[Reference, bool] | None:
        if store is None:
            return None
        reference = store.reference(remote)
        if isinstance(reference, str):
            self._drawn.tell(f"{prefix}{reference}", "add its reference to `variables` by hand")
            return None
        if store.provider == "scaleway" and text_of(remote.get("key")).startswith("name:"):
            self._drawn.tell(f"{prefix}names a secret without its folder", f"check that its path is {reference.path}")
        strategy = text_of(remote.get("decodingStrategy")) or "None"
        if strategy not in {"None", "Base64"}:
            what = f"{prefix}has decodingStrategy {shown_name(strategy)}"
            self._drawn.tell(what, "add `decode: base64` to its variable if the store has base64")
        return reference, strategy == "Base64"


_GENERATED: Final = "let bridge generate it (`bridge help everyday`), or store its value"
_UNTRANSLATED: Final = {"generatorRef": "a generator", "find": "find", "rewrite": "rewrite"}
