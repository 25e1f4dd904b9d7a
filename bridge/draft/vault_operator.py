"""Translates a VaultStaticSecret of the Vault Secrets Operator, with its VaultAuth and VaultConnection.

The fields are those of secrets.hashicorp.com/v1beta1.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from bridge.config.names import is_object_key
from bridge.config.names import shown as shown_name
from bridge.config.reference import Reference
from bridge.draft.build_changes import texts_in
from bridge.draft.layout_model import Declared, Layout, shown
from bridge.draft.operator_secret import OperatorSecret
from bridge.draft.secret_stores import BIND, SEE_VAULT, SERVICE_ACCOUNT, copied
from bridge.draft.translation import Translation, plain
from bridge.kustomize.manifest_parts import listed, mapping, text_of

_FIELD: Final = re.compile(r'\{\{ *get +\.Secrets +"([^"{}]+)" *\}\}|\{\{ *\.Secrets\.([A-Za-z_][A-Za-z0-9_]*) *\}\}')
_EXACT: Final = re.compile(r"\^([-A-Za-z0-9_]+)\$")
_ALL: Final = {".*", "^.*$", ".+", "^.+$"}
_FILL_IN: Final = "add its references to `variables` by hand"
RAW: Final = "_raw"
"""The key in which the operator keeps the whole answer of Vault."""
_METHODS: Final = {"kubernetes": "kubernetes", "jwt": "jwt", "appRole": "approle"}


@dataclass(eq=False)
class VaultStaticSecrets:
    """The VaultStaticSecrets of a layout."""

    layout: Layout
    translation: Translation

    def translate(self, declared: Declared) -> Declared | None:
        """Return the Secret that a VaultStaticSecret creates, or None if it names no Secret."""
        spec = mapping(declared.content.get("spec"))
        destination = mapping(spec.get("destination"))
        where, name = shown(declared.file), text_of(destination.get("name"))
        if not name:
            self.layout.remark(where, f"{declared.id} names no destination", "add the Secret to the templates by hand")
            return None
        secret = Declared("Secret", [name], declared.file, {}, generator=f"{where} {declared.id}")
        secret.namespace = declared.namespace
        secret.labels = texts_in(destination.get("labels"))
        secret.annotations = texts_in(destination.get("annotations"))
        drawn = OperatorSecret(declared, secret, self.layout, self.translation)
        if reference := self._document(drawn, spec):
            drawn.whole.append((reference, False))
        if listed(spec.get("rolloutRestartTargets")):
            drawn.tell("restarts workloads when a value changes", "use `bridge sync --restart`")
        content: dict[str, object] = {"stringData": self._keys(drawn, mapping(destination.get("transformation")))}
        content |= {"type": destination["type"]} if plain(text_of(destination.get("type"))) else {}
        secret.content = content
        return secret

    def _document(self, drawn: OperatorSecret, spec: Mapping[str, object]) -> Reference | None:
        mount, path = (plain(text_of(spec.get(name))).strip("/") for name in ("mount", "path"))
        if not mount or not path:
            drawn.tell("names no mount and path that can be read before another tool fills them in", _FILL_IN)
            return None
        version = spec.get("version")
        revision = str(version) if type(version) is int and version > 0 else None
        section = self.translation.section("vault", dict(self._options(drawn, spec)), drawn.declared.names[-1])
        return Reference(section, f"{mount}/{path}", revision)

    def _options(self, drawn: OperatorSecret, spec: Mapping[str, object]) -> Iterator[tuple[str, object]]:
        auth = self._find(drawn, "VaultAuth", text_of(spec.get("vaultAuthRef")))
        content = mapping(auth.content.get("spec")) if auth else {}
        connection = self._find(drawn, "VaultConnection", text_of(content.get("vaultConnectionRef"))) if auth else None
        if connection:
            inner = mapping(connection.content.get("spec"))
            yield from copied(connection, inner, {"address": "address"}, self.layout)
            for field in ("caCertSecretRef", "headers", "tlsServerName"):
                if inner.get(field):
                    self._once(connection, f"has {field}, which is not translated", SEE_VAULT)
            if inner.get("skipTLSVerify") is True:
                self._once(connection, "does not verify certificates; bridge does", SEE_VAULT)
        own, login = (plain(text_of(part.get("namespace"))) for part in (spec, content))
        if own or login:
            yield "namespace", own or login
        if own and login and own != login:
            yield "auth_namespace", login
        if auth:
            method = self._method(auth, content)
            yield "auth", [*method, {"method": "token"}]  # an operator has a token; a pod uses the first

    def _method(self, auth: Declared, content: Mapping[str, object]) -> list[Mapping[str, object]]:
        named = text_of(content.get("method"))
        if named not in _METHODS:
            self._once(auth, f"logs in with {shown_name(named)}, which bridge cannot", SEE_VAULT)
            return []
        options = {"method": _METHODS[named]}
        if role := plain(text_of(mapping(content.get(named)).get("role"))):
            options["role"] = role
        mount = plain(text_of(content.get("mount")))
        if mount and mount != options["method"]:
            options["mount"] = mount
        if named == "kubernetes" and not role:
            return []
        if named == "kubernetes":
            self._once(auth, SERVICE_ACCOUNT, BIND)
        else:
            self._once(auth, f"logs in with {named}; its credential is not copied", "give bridge its own")
        return [options]

    def _find(self, drawn: OperatorSecret, kind: str, ref: str) -> Declared | None:
        """Return the resource that a reference `[NAMESPACE/]NAME` names, if the layout has it."""
        name = ref.rpartition("/")[2] or "default"
        found = next((each for each in self.layout.resources if each.kind == kind and name in each.names), None)
        if not found:
            hint = "add the address and `auth` under `providers` by hand (`bridge help vault`)"
            drawn.tell(f"uses {kind}/{name}, which is not in the layout", hint)
        return found

    def _keys(self, drawn: OperatorSecret, transformation: Mapping[str, object]) -> dict[str, str]:
        if transformation.get("transformationRefs"):
            drawn.tell("has transformationRefs, which are not translated", "add their keys by hand")
        texts = {
            key: drawn.composed(key, _trimmed(text_of(mapping(template).get("text"))), _FIELD)
            for key, template in mapping(transformation.get("templates")).items()
            if is_object_key(key)
        }
        included = [text_of(pattern) for pattern in listed(transformation.get("includes"))]
        exact = [match[1] for pattern in included if (match := _EXACT.fullmatch(pattern))]
        excluded = [text_of(pattern) for pattern in listed(transformation.get("excludes"))]
        if not _ALL.intersection(excluded):
            if not included or len(exact) != len(included):
                drawn.add_sources()
            names = dict.fromkeys((*exact, *([] if included else drawn.used())))
            texts = {key: drawn.placeholder(key) for key in names if key not in texts and key != RAW} | texts
        if transformation.get("excludeRaw") is not True:
            hint = "remove the key from the Secret when no pod uses it; it stays with the operator's field manager"
            drawn.tell(f"writes the key {RAW} with the whole document, which is not drafted", hint)
        return texts

    def _once(self, declared: Declared, what: str, hint: str) -> None:
        if not any(remark.what == f"{declared.id} {what}" for remark in self.layout.remarks):
            self.layout.remark(shown(declared.file), f"{declared.id} {what}", hint)


def _trimmed(text: str) -> str:
    """Apply the marks at a template's ends that trim white space; without them, white space is part of the value."""
    if text.lstrip().startswith("{{- "):
        text = f"{{{{ {text.lstrip().removeprefix('{{- ')}"
    if text.rstrip().endswith(" -}}"):
        text = f"{text.rstrip().removesuffix(' -}}')} }}}}"
    return text
