"""Objects of a build whose controllers write the very Secrets and ConfigMaps that bridge writes.

A controller writes its object again and again, so it and bridge would undo each other for ever. The projects document
which field of a custom resource names the object; `tests/kustomize/custom_resources.yaml` has a sample of each kind.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from bridge.config.placeholder import has_placeholder
from bridge.kustomize.objects import BuiltObject
from bridge.kustomize.overlap import Finding, Owned, Verdict
from bridge.objects import ObjectId
from bridge.secret import SecretValue


class Target(NamedTuple):
    """An object that a controller writes. `keys` are all that it writes there, or None if they are not known.

    `namespace` is None if the object only selects namespaces, by labels or patterns.
    """

    kind: str
    name: str
    namespace: str | None
    keys: frozenset[str] | None = None


class Place(NamedTuple):
    """Where a custom resource names what its controller writes: a mapping, or a list of mappings, and their fields."""

    path: str
    name: str = "name"
    namespace: str = "namespace"
    kind: str = "Secret"


class Maker(NamedTuple):
    """Kinds of an API group. An object `own` to them has the custom resource's own name, if no place gives another."""

    group: str
    kinds: tuple[str, ...]
    places: tuple[Place, ...] = ()
    own: bool = False


MAKERS: Final = (
    Maker("external-secrets.io", ("ExternalSecret",), (Place("spec.target"),), own=True),
    Maker("kubernetes-client.io", ("ExternalSecret",), own=True),
    Maker("bitnami.com", ("SealedSecret",), (Place("spec.template.metadata"), Place("metadata"))),
    Maker("cert-manager.io", ("Certificate",), (Place("spec", "secretName"),)),
    Maker(
        "secrets.hashicorp.com",
        ("VaultStaticSecret", "VaultDynamicSecret", "VaultPKISecret", "HCPVaultSecretsApp"),
        (Place("spec.destination"),),
    ),
    Maker("isindir.github.com", ("SopsSecret",), (Place("spec.secretTemplates"),)),
    Maker("addons.projectcapsule.dev", ("SopsSecret", "GlobalSopsSecret"), (Place("spec.secrets"),)),
    Maker("secrets.dhouti.dev", ("SopsSecret",), own=True),
    Maker("craftypath.github.io", ("SopsSecret",), own=True),
    Maker("secrets-store.csi.x-k8s.io", ("SecretProviderClass",), (Place("spec.secretObjects", "secretName"),)),
    Maker("secret-sync.x-k8s.io", ("SecretSync",), own=True),
    Maker("onepassword.com", ("OnePasswordItem",), own=True),
    Maker(
        "secrets.infisical.com",
        ("InfisicalSecret", "InfisicalDynamicSecret"),
        (
            Place("spec.managedSecretReference", "secretName", "secretNamespace"),
            Place("spec.managedKubeSecretReferences", "secretName", "secretNamespace"),
            Place("spec.managedKubeConfigMapReferences", "configMapName", "configMapNamespace", "ConfigMap"),
        ),
    ),
    Maker("secrets.infisical.com", ("InfisicalStaticSecret",), (Place("spec.targets"),)),
    Maker("secrets.doppler.com", ("DopplerSecret",), (Place("spec.managedSecret"),)),
    Maker("k8s.bitwarden.com", ("BitwardenSecret",), (Place("spec", "secretName"),)),
    Maker("bitwarden-secret-operator.io", ("BitwardenSecret",), (Place("spec"),), own=True),
    Maker(
        "spv.no",
        ("AzureKeyVaultSecret",),
        (Place("spec.output.secret"), Place("spec.output.configMap", kind="ConfigMap")),
    ),
    Maker("ricoberger.de", ("VaultSecret",), own=True),
    Maker("redhatcop.redhat.io", ("VaultSecret",), (Place("spec.output"),), own=True),
    Maker("secretgenerator.mittwald.de", ("StringSecret", "BasicAuth", "SSHKeyPair"), own=True),
    Maker("secretgen.k14s.io", ("Password", "Certificate", "RSAKey", "SSHKey"), own=True),
    Maker("secretgen.carvel.dev", ("SecretImport", "SecretTemplate"), own=True),
    Maker("core.phillebaba.io", ("GeneratedSecret",), own=True),
    Maker("deployments.plural.sh", ("GeneratedSecret",), (Place("spec.destinations"),)),
)
"""The kinds that name what they make in the same way, whatever else they say."""
_CONNECTION: Final = Place("spec.writeConnectionSecretToRef")  # of every kind of Crossplane's
_ISSUERS: Final = ("cert-manager.io/issuer", "cert-manager.io/cluster-issuer", "kubernetes.io/tls-acme")


def made_elsewhere(build: Iterable[BuiltObject], owned: Owned) -> Iterator[Finding]:
    """Yield the objects whose controllers write what bridge writes too, each by what it writes."""
    for one in build:
        for target in dict.fromkeys(targets(one)):
            if finding := _judged(one, target, owned):
                yield finding


def targets(one: BuiltObject) -> Iterator[Target]:
    """Yield what the controller of an object writes, as far as bridge knows its kind."""
    group = one.version.rpartition("/")[0]
    if (group, one.kind) == ("external-secrets.io", "ExternalSecret"):
        yield from _external(_mapping(one.content.get("spec")), one.name, one.namespace or "")
    elif (group, one.kind) == ("external-secrets.io", "ClusterExternalSecret"):
        yield from _cluster_external(one)
    elif (group, one.kind) == ("networking.k8s.io", "Ingress"):
        yield from _ingress(one)
    elif group == "clustersecret.io":
        yield Target("Secret", one.name, None)
    elif (group, one.kind) == ("trust.cert-manager.io", "Bundle"):
        target = _mapping(_mapping(one.content.get("spec")).get("target"))
        kinds = {"configMap": "ConfigMap", "secret": "Secret"}
        yield from (Target(kind, one.name, None) for field, kind in kinds.items() if target.get(field))
    else:
        for maker in MAKERS:
            if maker.group == group and one.kind in maker.kinds:
                yield from _made(maker, one)
        if "." in group:
            yield from _named(_CONNECTION, one)


def _made(maker: Maker, one: BuiltObject) -> Iterator[Target]:
    named = [target for place in maker.places for target in _named(place, one)]
    yield from named
    if maker.own and not named:
        yield Target("Secret", one.name, one.namespace or "")


def _named(place: Place, one: BuiltObject) -> Iterator[Target]:
    """Yield what a place of an object names; without a namespace of its own it is in that of the object."""
    node = _at(one.content, place.path)
    for entry in node if isinstance(node, list) else [node]:
        found = _mapping(entry)
        if name := _text(found.get(place.name)):
            kind = _text(found.get("kind")) or place.kind
            yield Target(kind, name, _text(found.get(place.namespace)) or one.namespace or "")


def _external(spec: Mapping[str, object], own: str, namespace: str | None) -> Iterator[Target]:
    """Yield what an ExternalSecret makes: `None` makes nothing, and `Merge` leaves all keys but its own alone."""
    target = _mapping(spec.get("target"))
    policy = _text(target.get("creationPolicy"))
    if policy == "None":
        return
    listed = [_mapping(one) for one in _list(spec.get("data"))]
    known = policy == "Merge" and not spec.get("dataFrom") and not target.get("template")
    keys = frozenset(_text(one.get("secretKey")) for one in listed) if known else None
    kind = _text(_mapping(target.get("manifest")).get("kind")) or "Secret"
    yield Target(kind, _text(target.get("name")) or own, namespace, keys)


def _cluster_external(one: BuiltObject) -> Iterator[Target]:
    spec = _mapping(one.content.get("spec"))
    own = _text(spec.get("externalSecretName")) or one.name
    inner = _mapping(spec.get("externalSecretSpec"))
    for namespace in _list(spec.get("namespaces")):
        yield from _external(inner, own, _text(namespace))
    if spec.get("namespaceSelector") or spec.get("namespaceSelectors"):
        yield from _external(inner, own, None)


def _ingress(one: BuiltObject) -> Iterator[Target]:
    """Yield the Secrets that cert-manager makes for an Ingress with one of its annotations."""
    metadata = _mapping(one.content.get("metadata"))
    if any(name in _mapping(metadata.get("annotations")) for name in _ISSUERS):
        yield from _named(Place("spec.tls", "secretName"), one)


def _judged(one: BuiltObject, target: Target, owned: Owned) -> Finding | None:
    if target.namespace not in {None, "", owned.namespace} and not has_placeholder(target.namespace or ""):
        return None
    if target.name.startswith("ENC["):
        what = "the name of what its controller writes is encrypted, so it may be an object of the templates"
        hint = "compare the names by hand; `sops --decrypt` shows them"
        return Finding(Verdict.CONTROLLED, one.place, str(one), (), what, hint, warning=True)
    id_ = ObjectId(target.kind, target.name)
    if id_ not in owned.keys:
        return None
    shared = tuple(key for key in owned.keys[id_] if target.keys is None or key in target.keys)
    if not shared:
        return None
    hint = f"take {one} out of the build, or {id_} out of the templates: only one of the two can write it"
    if target.namespace is None:
        what = f"its controller writes {id_} into each namespace that it selects, and bridge writes that object too"
        return Finding(Verdict.CONTROLLED, one.place, str(one), (), what, hint, warning=True)
    what = f"its controller writes {id_} again and again, and bridge writes that object too"
    keys = shared if target.keys is not None else ()
    return Finding(Verdict.CONTROLLED, one.place, str(one), keys, what, hint)


def _at(node: object, path: str) -> object:
    for name in path.split("."):
        node = _mapping(node).get(name)
    return node


def _mapping(node: object) -> Mapping[str, object]:
    return node if isinstance(node, Mapping) else {}


def _list(node: object) -> Sequence[object]:
    return node if isinstance(node, list) else ()


def _text(node: object) -> str:
    """Return a text, which a build wraps if it is not sure to be a name."""
    if isinstance(node, SecretValue):
        return node.reveal().decode(errors="replace")
    return node if isinstance(node, str) else ""
