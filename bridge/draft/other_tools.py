"""Finds the resources of other tools in a layout, and adds what they create to its objects."""

from collections.abc import Mapping
from typing import Final

from bridge.draft.external_secrets import ExternalSecrets
from bridge.draft.layout_model import Declared, Layout, shown
from bridge.draft.naming import variables_in
from bridge.draft.translation import Translation
from bridge.draft.vault_operator import VaultStaticSecrets
from bridge.kustomize.manifest_parts import mapping, text_of

KINDS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "external-secrets.io": {
        "ExternalSecret": ("v1", "v1beta1"),
        "SecretStore": ("v1", "v1beta1"),
        "ClusterSecretStore": ("v1", "v1beta1"),
    },
    "secrets.hashicorp.com": {
        "VaultStaticSecret": ("v1beta1",),
        "VaultAuth": ("v1beta1",),
        "VaultConnection": ("v1beta1",),
    },
}
"""The kinds that are translated, with the versions of their API."""
GROUPS: Final = (*KINDS, "generators.external-secrets.io")


def group_of(content: object) -> str:
    """Return the API group of a manifest."""
    return text_of(mapping(content).get("apiVersion")).rpartition("/")[0]


def is_translated(content: object) -> bool:
    """Whether a manifest is of a kind and version that is translated."""
    group, _, version = text_of(mapping(content).get("apiVersion")).rpartition("/")
    return version in KINDS.get(group, {}).get(text_of(mapping(content).get("kind")), ())


def translate(layout: Layout) -> Translation:
    """Add the Secrets that operators create to the layout's objects, and return where their values are."""
    translation = Translation()
    for declared in layout.objects:
        translation.taken.update(variables_in(text for _, _, text in declared.texts()))
    external, vault = ExternalSecrets(layout, translation), VaultStaticSecrets(layout, translation)
    for declared in list(layout.resources):
        if declared.deleted:
            continue
        created = None
        if declared.kind == "ExternalSecret":
            created = external.translate(declared)
        elif declared.kind == "VaultStaticSecret":
            created = vault.translate(declared)
        if created:
            _add(created, declared, layout)
    if len(translation.sources) > 1:
        what = "has several documents as sources; if two have a field of one name, the first source's value is used"
        layout.remark(shown(layout.overlay), what, "name such a field under `variables`")
    return translation


def _add(created: Declared, declared: Declared, layout: Layout) -> None:
    """Add a Secret, or its keys to the Secret of the same name that the layout has."""
    what = f"{declared.id} creates {created.id}, which is drafted as a template"
    hint = f"release it as `bridge adopt` says, then remove {declared.id} from this file"
    layout.remark(shown(declared.file), what, hint)
    for known in layout.objects:
        if known.id == created.id and (known.namespace or created.namespace) == created.namespace:
            mine = mapping(created.content.get("stringData"))
            data = {key: text for key, text in mapping(known.content.get("data")).items() if key not in mine}
            texts = {**mapping(known.content.get("stringData")), **mine}
            known.content = {**known.content, "data": data, "stringData": texts}
            known.rewritten = f"{declared.id} writes some of its keys"
            return
    layout.objects.append(created)
