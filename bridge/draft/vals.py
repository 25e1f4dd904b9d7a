"""Translates `ref+…` values of vals: each becomes a placeholder, and its variable a reference of bridge.

The syntax is that of https://github.com/helmfile/vals (0.46): ref+BACKEND://PATH[?PARAMETERS][#/FRAGMENT][+].
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from bridge.config.names import shown as shown_name
from bridge.config.reference import Reference
from bridge.draft.layout_model import Declared, Layout, relative, shown
from bridge.draft.naming import is_template_text, variables_in
from bridge.draft.translation import Translation, plain
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId

REF: Final = re.compile(r"(?:secret)?ref\+([^+:\s]*)://([^+\n ]+[^+\n \",])\+?")
"""As vals itself finds them (pkg/expansion)."""
_VAULT: Final = {"address", "namespace", "version", "decode", "auth_method", "role_id", "username"}
_PARAMETERS: Final = {
    "vault": _VAULT,
    "openbao": _VAULT,
    "awssecrets": {"region", "profile", "version_stage", "version_id"},
    "awsssm": {"region", "profile", "version", "mode", "recursive"},
    "sops": {"format", "key_type"},
}
"""What bridge can do alike, by backend; any other parameter, such as a token's place, is not translated."""
_FORMATS: Final = {"yaml": {".yaml", ".yml"}, "json": {".json"}, "dotenv": {".env"}}


class Ref(NamedTuple):
    """The parts of one `ref+`: a path, parameters, and a field."""

    backend: str
    path: str
    parameters: Mapping[str, str]
    field: str | None


def parse(backend: str, rest: str) -> Ref | None:
    """Return the parts of a reference, or None if bridge cannot read the same."""
    head, _, fragment = rest.partition("#")
    path, _, query = head.partition("?")
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    parameters = {name: unquote(value) for name, _, value in pairs}
    known = _PARAMETERS.get(backend)
    names = [unquote(name) for name in fragment.strip("/").split("/")] if fragment.strip("/") else []
    texts = (unquote(path), *names, *parameters.values())
    if known is None or parameters.keys() - known:
        return None
    if not all(text and plain(text) == text == text.strip() for text in texts):
        return None
    return Ref(backend, unquote(path), parameters, ".".join(names) or None)


class Vals:
    """The `ref+` values of a layout."""

    def __init__(self, layout: Layout, translation: Translation, folder: Path) -> None:
        self._layout: Final = layout
        self._translation: Final = translation
        self._folder: Final = folder

    def translate(self) -> None:
        """Replace the values in the objects' manifests and in patches; remark on what cannot be read."""
        for declared in self._layout.objects:
            if not declared.generator:
                self._rewrite(declared)
            self._take_patches(declared)
        for path, has_secret in self._layout.patch_files.items():
            given = (value for one in self._layout.objects for value in one.given.values())
            if has_secret and not any(value.place == shown(path) for value in given):
                self._layout.patch_files[path] = False

    def _rewrite(self, declared: Declared) -> None:
        sections: dict[str, dict[str, object]] = {}
        is_changed = False
        for section, key, text in declared.texts():
            changed = self._text(declared.id, section, key, text, declared.file) if REF.search(text) else text
            is_changed |= changed != text
            sections.setdefault(section, {})[key] = changed
        if is_changed:
            kept = {name: value for name, value in declared.content.items() if name not in sections}
            declared.content = {**kept, **sections}
            declared.rewritten = "has `ref+` values, which vals reads"

    def _take_patches(self, declared: Declared) -> None:
        """Give a placeholder's variable the reference that a patch has as the key's value."""
        texts = {key: text for _, key, text in declared.texts()}
        for key, given in list(declared.given.items()):
            match = REF.fullmatch(given.value.reveal().decode(errors="replace"))
            if not match:
                continue
            file = Path(given.place)
            variables = list(variables_in([texts.get(key, "")]))
            found = self._reference(declared.id, key, match[1], match[2], file)
            if found and len(variables) == 1 and texts[key] == f"${{{variables[0]}}}":
                self._translation.put(variables[0], found[0], decode=found[1])
                del declared.given[key]
            elif found:
                what = f"gives {declared.id} key {shown_name(key)} a `ref+` value, but its template has no placeholder"
                self._layout.remark(given.place, what, "write a placeholder, and add its reference to `variables`")

    def _text(self, id_: ObjectId, section: str, key: str, text: str, file: Path) -> str:
        start, parts = 0, []
        dollar = "${" if is_template_text(text) else "$${"
        for match in REF.finditer(text):
            found = self._reference(id_, key, match[1], match[2], file)
            if found:
                decode = found[1] or (id_.kind, section) == ("Secret", "data")
                name = self._translation.give(id_.kind, id_.name, key, found[0], decode=decode)
            else:
                name = self._translation.leave_open(id_.name, key)
            parts += [text[start : match.start()].replace("${", dollar), f"${{{name}}}"]
            start = match.end()
        return "".join([*parts, text[start:].replace("${", dollar)])

    def _reference(self, id_: ObjectId, key: str, backend: str, rest: str, file: Path) -> tuple[Reference, bool] | None:
        ref = parse(backend, rest)
        found = self._read(ref) if ref else None
        if found is None:
            name = f"ref+{backend}" if re.fullmatch(r"[a-z0-9]{1,30}", backend) else "ref+"
            what = f"{id_} key {shown_name(key)} has a {name} value that is not translated"
            self._layout.remark(shown(file), what, "add its reference to `variables`, or store its value")
        return found

    def _read(self, ref: Ref) -> tuple[Reference, bool] | None:
        if ref.backend in {"vault", "openbao"}:
            return self._vault(ref)
        if ref.backend == "sops":
            return self._sops(ref)
        options = {name: text for name in ("region", "profile") if (text := ref.parameters.get(name))}
        section = self._translation.section("aws", options, "vals")
        if ref.backend == "awssecrets":
            stage = ref.parameters.get("version_id") or ref.parameters.get("version_stage")
            return Reference(section, ref.path, stage, ref.field), False
        return Reference(section, f"ssm:/{ref.path.lstrip('/')}", ref.parameters.get("version"), ref.field), False

    def _vault(self, ref: Ref) -> tuple[Reference, bool] | None:
        if ref.field is None or ref.parameters.get("decode", "raw") not in {"raw", "base64"}:
            return None
        options: dict[str, object] = {
            name: text for name in ("address", "namespace") if (text := ref.parameters.get(name)) and "@" not in text
        }
        method, role = ref.parameters.get("auth_method", "token"), ref.parameters.get("role_id")
        if method == "kubernetes" and role:
            options["auth"] = [{"method": method, "role": role}, {"method": "token"}]
        elif method == "userpass" and "username" in ref.parameters:
            options["auth"] = [{"method": method, "username": ref.parameters["username"]}]
        elif method == "approle":
            options["auth"] = [{"method": method}]
        elif method != "token":
            return None
        section = self._translation.section("vault", options, "vals")
        reference = Reference(section, ref.path, ref.parameters.get("version"), ref.field)
        return reference, ref.parameters.get("decode") == "base64"

    def _sops(self, ref: Ref) -> tuple[Reference, bool] | None:
        """Return the reference of an encrypted file, which vals finds from the folder that it runs in."""
        suffix, format_ = Path(ref.path).suffix, ref.parameters.get("format")
        is_other = format_ is not None and suffix not in _FORMATS.get(format_, set())
        if is_other or ref.parameters.get("key_type", "filepath") != "filepath":
            return None
        places = [Path(ref.path), self._layout.overlay / ref.path]
        path = next((place for place in places if place.is_file()), places[0])
        return Reference("sops", relative(path, self._folder), None, ref.field), False
