"""Reads SecretStores of External Secrets: which section of a provider each becomes, and how its keys become references.

The fields are those of external-secrets.io/v1 and v1beta1; the paths follow pkg/provider in version 0.19.2. No
credential is copied: those of a store are in Secrets or in the resource itself, and bridge has its own.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from bridge.config.reference import Reference
from bridge.draft.layout_model import Declared, Layout, shown
from bridge.draft.translation import Translation, plain
from bridge.kustomize.manifest_parts import mapping, text_of
from bridge.named_tuple import NamedTuple

SUPPORTED: Final = ("vault", "scaleway", "aws")
_SPECIAL: Final = re.compile(r"[|#@*?!\\\[\]{}()\"'<>=%~]")
"""What makes a property more than a path of names (https://github.com/tidwall/gjson)."""
SERVICE_ACCOUNT: Final = "logs in as a service account; bridge's own needs the same role"
BIND: Final = "bind the role in Vault to bridge's service account too (`bridge help vault`)"
_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class ExternalStore(NamedTuple):
    """A store that bridge can read: its section, its provider, and what precedes the keys."""

    section: str
    provider: str
    prefix: str = ""

    def reference(self, remote: Mapping[str, object]) -> Reference | str:
        """Return what a `remoteRef` or an `extract` names, or why it cannot be a reference."""
        key, field, version = (text_of(remote.get(name)) for name in ("key", "property", "version"))
        if not all(plain(text) == text == text.strip() for text in (key, field, version)) or not key:
            return "names no key that can be read before another tool fills it in"
        if field and (_SPECIAL.search(field) or "" in field.split(".")):
            return "has a property that is an expression"
        if remote.get("metadataPolicy") == "Fetch":
            return "reads metadata (metadataPolicy: Fetch)"
        path = self._path(key)
        if not path:
            return "has a key that is not id:UUID, path:/FOLDER/NAME or name:NAME"
        return Reference(self.section, path, version.removeprefix("uuid/") or None, field or None)

    def _path(self, key: str) -> str:
        if self.provider == "scaleway":
            kind, _, rest = key.partition(":")
            id_ = f"id:{rest}" if _UUID.fullmatch(rest) else ""
            return {"id": id_, "path": f"/{rest.lstrip('/')}", "name": f"/{rest}"}.get(kind, "")
        return f"{self.prefix}{key}"


def find_store(
    ref: Mapping[str, object], namespace: str | None, resources: list[Declared]
) -> tuple[Declared | None, str]:
    """Return the store that a resource refers to if the layout has it, and its name for remarks."""
    kind = text_of(ref.get("kind")) or "SecretStore"
    name = text_of(ref.get("name"))
    found = [store for store in resources if store.kind == kind and name in store.names]
    if kind == "SecretStore":
        found = [store for store in found if not (store.namespace and namespace and store.namespace != namespace)]
    return (found[0] if found else None), f"{kind}/{name}"


def read_store(declared: Declared, translation: Translation, layout: Layout) -> ExternalStore | None:
    """Return what a store becomes, or None with a remark if bridge has no provider for it."""
    provider = mapping(mapping(declared.content.get("spec")).get("provider"))
    type_ = next((name for name in provider if name in SUPPORTED), "")
    where = shown(declared.file)
    if not type_:
        names = ", ".join(name for name in provider if re.fullmatch(r"[A-Za-z0-9]{1,40}", name)) or "unknown"
        what = f"{declared.id} has a provider that bridge does not translate: {names}"
        layout.remark(where, what, "move its values with `bridge import`, or see `bridge help writing-a-provider`")
        return None
    content = mapping(provider.get(type_))
    options, prefix = dict(_READERS[type_](declared, content, layout)), ""
    if type_ == "aws":
        is_parameter = content.get("service") == "ParameterStore"
        prefix = f"{'ssm:' if is_parameter else ''}{plain(text_of(content.get('prefix')))}"
    return ExternalStore(translation.section(type_, options, declared.names[-1]), type_, prefix)


def _vault(declared: Declared, content: Mapping[str, object], layout: Layout) -> Iterator[tuple[str, object]]:
    yield from copied(declared, content, {"address": "server", "mount": "path", "namespace": "namespace"}, layout)
    if (version := text_of(content.get("version"))) in {"v1", "v2"}:
        yield "kv_version", int(version[1:])
    for field in ("caBundle", "caProvider"):
        if content.get(field):
            hint = "write it to a file, and name the file as `ca_cert` under `providers`"
            layout.remark(shown(declared.file), f"{declared.id} has a CA certificate in {field}", hint)
    for field in ("headers", "tls"):
        if content.get(field):
            layout.remark(shown(declared.file), f"{declared.id} has {field}, which is not translated", SEE_VAULT)
    auth = mapping(content.get("auth"))
    if text_of(auth.get("namespace")):
        yield "auth_namespace", text_of(auth.get("namespace"))
    if methods := list(_auth(declared, auth, layout)):
        yield "auth", [*methods, {"method": "token"}]  # an operator has a token; a pod uses the first


SEE_VAULT: Final = "see `bridge help vault` for what a section can have"


def _auth(declared: Declared, auth: Mapping[str, object], layout: Layout) -> Iterator[Mapping[str, object]]:
    """Yield the methods without their credentials."""
    where = shown(declared.file)
    for field, (method, mount, names) in _METHODS.items():
        content = mapping(auth.get(field))
        if field not in auth:
            continue
        options = {"method": method}
        options |= {name: text for name in names if (text := plain(text_of(content.get(name))))}
        path = plain(text_of(content.get("mountPath") or content.get("path")))
        if path and path != mount:
            options["mount"] = path
        if method == "kubernetes":
            what, hint = f"{declared.id} {SERVICE_ACCOUNT}", BIND
            if "role" not in options:
                continue
        else:
            what = f"{declared.id} logs in with {field}; its credential is not copied"
            hint = f"give bridge a credential for the method {method} (`bridge help vault`)"
        layout.remark(where, what, hint)
        yield options
    for field in auth:
        if field not in (*_METHODS, "namespace", "tokenSecretRef") and re.fullmatch(r"[A-Za-z]{1,40}", field):
            layout.remark(where, f"{declared.id} logs in with {field}, which bridge cannot", SEE_VAULT)


_METHODS: Final = {
    "kubernetes": ("kubernetes", "kubernetes", ("role",)),
    "jwt": ("jwt", "jwt", ("role",)),
    "appRole": ("approle", "approle", ()),
    "userPass": ("userpass", "userpass", ("username",)),
}
"""By field: bridge's method, the mount that both use by default, and the options with the same names."""


def _scaleway(declared: Declared, content: Mapping[str, object], layout: Layout) -> Iterator[tuple[str, object]]:
    yield from copied(declared, content, {"region": "region", "project_id": "projectId"}, layout)
    if content.get("apiUrl"):
        layout.remark(shown(declared.file), f"{declared.id} has an apiUrl", "set SCW_API_URL if you need it")
    if "value" in mapping(content.get("secretKey")):
        what = f"{declared.id} has the secret key itself, which is not copied"
        layout.remark(shown(declared.file), what, "replace the key, and give bridge its own in SCW_SECRET_KEY")


def _aws(declared: Declared, content: Mapping[str, object], layout: Layout) -> Iterator[tuple[str, object]]:
    yield from copied(declared, content, {"region": "region"}, layout)
    if content.get("role") or content.get("additionalRoles"):
        what = f"{declared.id} assumes a role"
        hint = "name the role in a profile, or give it to bridge's pod (`bridge help aws`)"
        layout.remark(shown(declared.file), what, hint)
    if (prefix := text_of(content.get("prefix"))) and not plain(prefix):
        layout.remark(shown(declared.file), f"{declared.id} has a prefix that another tool fills in", _FILL_IN)


_FILL_IN: Final = "fill it in under `providers` or in the references"
_READERS: Final = {"vault": _vault, "scaleway": _scaleway, "aws": _aws}


def copied(
    declared: Declared, content: Mapping[str, object], fields: Mapping[str, str], layout: Layout
) -> Iterator[tuple[str, object]]:
    """Yield the options that are texts; remark on those that another tool fills in, or that hold a credential."""
    for option, field in fields.items():
        text = text_of(content.get(field))
        if text and plain(text) and not ("://" in text and "@" in text):
            yield option, text
        elif text:
            what = f"{declared.id} has a {field} that is not copied: it has a placeholder or a credential"
            layout.remark(shown(declared.file), what, _FILL_IN)
