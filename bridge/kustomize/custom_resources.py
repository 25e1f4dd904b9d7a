"""Finds objects in a build with a controller that writes the same Secrets and ConfigMaps as bridge.

A controller writes its object continuously, so it and bridge would undo each other's changes forever. The projects
document which field of a custom resource names the object; `tests/plan/custom_resources.yaml` has a sample of each
kind.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from bridge.config.placeholder import has_placeholder
from bridge.kustomize.manifest_parts import listed, mapping, node_at, text_of
from bridge.kustomize.objects import BuiltObject
from bridge.kustomize.overlap import Finding, Owned, Verdict
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId


class WrittenObject(NamedTuple):
    """An object that a controller writes. `keys` are all keys that it writes there, or None if they are unknown.

    `namespace` is None if the object only selects namespaces, by labels or patterns.
    """

    kind: str
    name: str
    namespace: str | None
    keys: frozenset[str] | None = None


class FieldPlace(NamedTuple):
    """Where a custom resource names what its controller writes: a mapping or a list of mappings, with these fields."""

    path: str
    name: str = "name"
    namespace: str = "namespace"
    kind: str = "Secret"


class Maker(NamedTuple):
    """Kinds of an API group. With `own`, the object has the custom resource's name if no place gives another."""

    group: str
    kinds: tuple[str, ...]
    places: tuple[FieldPlace, ...] = ()
    own: bool = False


MAKERS: Final = (
    Maker("external-secrets.io", ("ExternalSecret",), (FieldPlace("spec.target"),), own=True),
    Maker("kubernetes-client.io", ("ExternalSecret",), own=True),
    Maker("bitnami.com", ("SealedSecret",), (FieldPlace("spec.template.metadata"), FieldPlace("metadata"))),
    Maker("cert-manager.io", ("Certificate",), (FieldPlace("spec", "secretName"),)),
    Maker(
        "secrets.hashicorp.com",
        ("VaultStaticSecret", "VaultDynamicSecret", "VaultPKISecret", "HCPVaultSecretsApp"),
        (FieldPlace("spec.destination"),),
    ),
    Maker("isindir.github.com", ("SopsSecret",), (FieldPlace("spec.secretTemplates"),)),
    Maker("addons.projectcapsule.dev", ("SopsSecret", "GlobalSopsSecret"), (FieldPlace("spec.secrets"),)),
    Maker("secrets.dhouti.dev", ("SopsSecret",), own=True),
    Maker("craftypath.github.io", ("SopsSecret",), own=True),
    Maker("secrets-store.csi.x-k8s.io", ("SecretProviderClass",), (FieldPlace("spec.secretObjects", "secretName"),)),
    Maker("secret-sync.x-k8s.io", ("SecretSync",), own=True),
    Maker("onepassword.com", ("OnePasswordItem",), own=True),
    Maker(
        "secrets.infisical.com",
        ("InfisicalSecret", "InfisicalDynamicSecret"),
        (
            FieldPlace("spec.managedSecretReference", "secretName", "secretNamespace"),
            FieldPlace("spec.managedKubeSecretReferences", "secretName", "secretNamespace"),
            FieldPlace("spec.managedKubeConfigMapReferences", "configMapName", "configMapNamespace", "ConfigMap"),
        ),
    ),
    Maker("secrets.infisical.com", ("InfisicalStaticSecret",), (FieldPlace("spec.targets"),)),
    Maker("secrets.doppler.com", ("DopplerSecret",), (FieldPlace("spec.managedSecret"),)),
    Maker("k8s.bitwarden.com", ("BitwardenSecret",), (FieldPlace("spec", "secretName"),)),
    Maker("bitwarden-secret-operator.io", ("BitwardenSecret",), (FieldPlace("spec"),), own=True),
    Maker(
        "spv.no",
        ("AzureKeyVaultSecret",),
        (FieldPlace("spec.output.secret"), FieldPlace("spec.output.configMap", kind="ConfigMap")),
    ),
    Maker("ricoberger.de", ("VaultSecret",), own=True),
    Maker("redhatcop.redhat.io", ("VaultSecret",), (FieldPlace("spec.output"),), own=True),
    Maker("secretgenerator.mittwald.de", ("StringSecret", "BasicAuth", "SSHKeyPair"), own=True),
    Maker("secretgen.k14s.io", ("Password", "Certificate", "RSAKey", "SSHKey"), own=True),
    Maker("secretgen.carvel.dev", ("SecretImport", "SecretTemplate"), own=True),
    Maker("core.phillebaba.io", ("GeneratedSecret",), own=True),
    Maker("deployments.plural.sh", ("GeneratedSecret",), (FieldPlace("spec.destinations"),)),
)
"""The kinds that name the objects they create in a regular way."""
_CONNECTION: Final = FieldPlace("spec.writeConnectionSecretToRef")  # in all of Crossplane's kinds
_ISSUERS: Final = ("cert-manager.io/issuer", "cert-manager.io/cluster-issuer", "kubernetes.io/tls-acme")


def made_elsewhere(build: Iterable[BuiltObject], owned: Owned) -> Iterator[Finding]:
    """Yield the objects with controllers that write what bridge also writes."""
    for object_ in build:
        for target in dict.fromkeys(targets(object_)):
            if finding := _finding(object_, target, owned):
                yield finding


def targets(object_: BuiltObject) -> Iterator[WrittenObject]:
    """Yield what the controller of an object writes, if bridge knows its kind."""
    group = object_.version.rpartition("/")[0]
    if (group, object_.kind) == ("external-secrets.io", "ExternalSecret"):
        yield from _external(mapping(object_.content.get("spec")), object_.name, object_.namespace or "")
    elif (group, object_.kind) == ("external-secrets.io", "ClusterExternalSecret"):
        yield from _cluster_external(object_)
    elif (group, object_.kind) == ("networking.k8s.io", "Ingress"):
        yield from _ingress(object_)
    elif group == "clustersecret.io":
        yield WrittenObject("Secret", object_.name, None)
    elif (group, object_.kind) == ("trust.cert-manager.io", "Bundle"):
        target = mapping(mapping(object_.content.get("spec")).get("target"))
        kinds = {"configMap": "ConfigMap", "secret": "Secret"}
        yield from (WrittenObject(kind, object_.name, None) for field, kind in kinds.items() if target.get(field))
    else:
        for maker in MAKERS:
            if maker.group == group and object_.kind in maker.kinds:
                yield from _targets_of(maker, object_)
        if "." in group:
            yield from _targets_in(_CONNECTION, object_)


def _targets_of(maker: Maker, object_: BuiltObject) -> Iterator[WrittenObject]:
    named = [target for place in maker.places for target in _targets_in(place, object_)]
    yield from named
    if maker.own and not named:
        yield WrittenObject("Secret", object_.name, object_.namespace or "")


def _targets_in(place: FieldPlace, object_: BuiltObject) -> Iterator[WrittenObject]:
    """Yield the objects that a place names; their default namespace is that of the custom resource."""
    node = node_at(object_.content, place.path)
    for entry in node if isinstance(node, list) else [node]:
        fields = mapping(entry)
        if name := text_of(fields.get(place.name)):
            kind = text_of(fields.get("kind")) or place.kind
            yield WrittenObject(kind, name, text_of(fields.get(place.namespace)) or object_.namespace or "")


def _external(spec: Mapping[str, object], own: str, namespace: str | None) -> Iterator[WrittenObject]:
    """Yield what an ExternalSecret creates: policy `None` creates nothing, and `Merge` changes only its own keys."""
    target = mapping(spec.get("target"))
    policy = text_of(target.get("creationPolicy"))
    if policy == "None":
        return
    entries = [mapping(entry) for entry in listed(spec.get("data"))]
    known = policy == "Merge" and not spec.get("dataFrom") and not target.get("template")
    keys = frozenset(text_of(entry.get("secretKey")) for entry in entries) if known else None
    kind = text_of(mapping(target.get("manifest")).get("kind")) or "Secret"
    yield WrittenObject(kind, text_of(target.get("name")) or own, namespace, keys)


def _cluster_external(object_: BuiltObject) -> Iterator[WrittenObject]:
    spec = mapping(object_.content.get("spec"))
    own = text_of(spec.get("externalSecretName")) or object_.name
    inner = mapping(spec.get("externalSecretSpec"))
    for namespace in listed(spec.get("namespaces")):
        yield from _external(inner, own, text_of(namespace))
    if spec.get("namespaceSelector") or spec.get("namespaceSelectors"):
        yield from _external(inner, own, None)


def _ingress(object_: BuiltObject) -> Iterator[WrittenObject]:
    """Yield the Secrets that cert-manager creates for an Ingress with one of its annotations."""
    metadata = mapping(object_.content.get("metadata"))
    if any(name in mapping(metadata.get("annotations")) for name in _ISSUERS):
        yield from _targets_in(FieldPlace("spec.tls", "secretName"), object_)


def _finding(object_: BuiltObject, target: WrittenObject, owned: Owned) -> Finding | None:
    if target.namespace not in {None, "", owned.namespace} and not has_placeholder(target.namespace or ""):
        return None
    if target.name.startswith("ENC["):
        what = "the name of its target is encrypted, so it may be one of the templates' objects"
        hint = "decrypt the name with `sops --decrypt`, and compare it by hand"
        return Finding(Verdict.CONTROLLED, object_.place, str(object_), (), what, hint, warning=True)
    id_ = ObjectId(target.kind, target.name)
    if id_ not in owned.keys:
        return None
    shared = tuple(key for key in owned.keys[id_] if target.keys is None or key in target.keys)
    if not shared:
        return None
    hint = f"remove {object_} from the build, or {id_} from the templates: only one can write it"
    if target.namespace is None:
        what = f"its controller writes {id_} in every selected namespace, and bridge writes it too"
        return Finding(Verdict.CONTROLLED, object_.place, str(object_), (), what, hint, warning=True)
    what = f"its controller continuously writes {id_}, and bridge writes it too"
    keys = shared if target.keys is not None else ()
    return Finding(Verdict.CONTROLLED, object_.place, str(object_), keys, what, hint)
