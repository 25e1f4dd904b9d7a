"""Finds what a build leaves open: unfilled placeholders, objects that nothing writes, copies that shadow bridge's."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from bridge.config.names import did_you_mean
from bridge.config.placeholder import has_placeholder
from bridge.kustomize.objects import BuiltObject, without_hash
from bridge.kustomize.overlap import Finding, Owned, Verdict, built_value, here, holds_placeholder
from bridge.objects import ObjectId
from bridge.plan.workloads import Use, pod_spec, uses
from bridge.secret import SecretValue

_GENERATORS: Final = {"Secret": "secretGenerator", "ConfigMap": "configMapGenerator"}
# A program in the container may expand `${` itself: a shell, or a program that reads a whole file. So may a
# description.
_PROGRAM: Final = re.compile(r"\.(?:(?:command|args)\[\d+\]|description)$")
ANYWHERE: Final = frozenset({ObjectId("ConfigMap", "kube-root-ca.crt")})
"""Objects that Kubernetes itself writes into every namespace."""
FILLED: Final = {"kubernetes.io/service-account-token": ("token", "ca.crt", "namespace")}
"""The keys Kubernetes writes into Secrets of a type (https://kubernetes.io/docs/concepts/configuration/secret/)."""


def loose_ends(build: Sequence[BuiltObject], owned: Owned) -> Iterator[Finding]:
    """Yield everything that an apply of the build leaves open."""
    readers = _readers(here(build, owned.namespace))
    yield from _shadowing(build, owned, readers)
    yield from _dangling(build, owned, readers)
    yield from _unfilled(build, owned)


def _readers(build: Iterable[BuiltObject]) -> Sequence[tuple[BuiltObject, Use]]:
    """Return every workload with each of its uses."""
    specs = [(object_, pod_spec(object_.kind, object_.content)) for object_ in build]
    return [(object_, use) for object_, spec in specs if spec is not None for use in uses(spec)]


def _shadowing(
    build: Iterable[BuiltObject], owned: Owned, readers: Sequence[tuple[BuiltObject, Use]]
) -> Iterator[Finding]:
    """Yield copies of bridge's objects under generated names."""
    for object_ in here(build, owned.namespace):
        given = without_hash(object_.name)
        meant = ObjectId(object_.kind, given) if given else None
        if object_.id is None or meant not in owned.keys:
            continue
        users = ", ".join(dict.fromkeys(f"{reader}" for reader, use in readers if use.id == object_.id))
        effect = f"{users} uses it instead of bridge's object" if users else "no workload uses it"
        hint = f"remove it from the kustomization's {_GENERATORS[object_.kind]}; its users then use {meant} itself"
        what = f"a generator creates this copy of {meant}, and {effect}"
        yield Finding(Verdict.GENERATED, object_.place, str(object_), (), what, hint, warning=not users)


def _dangling(
    build: Iterable[BuiltObject], owned: Owned, readers: Sequence[tuple[BuiltObject, Use]]
) -> Iterator[Finding]:
    """Yield what pods require but nothing writes; optional references are skipped."""
    known = _known(here(build, owned.namespace), owned)
    promised = _promised(build)
    for workload, use in readers:
        keys = known.get(use.id)
        if use.optional or use.id in ANYWHERE or (keys is not None and (use.key is None or use.key in keys)):
            continue
        if keys is not None and use.key is not None:
            what = f"{use.place}: {use.id} has no key {use.key}, here or in the templates"
            yield _asks(workload, use, what, did_you_mean(use.key, keys))
            continue
        hint = did_you_mean(use.id.name, [id_.name for id_ in known if id_.kind == use.id.kind])
        controller = use.id.name in promised
        perhaps = "; perhaps the controller of a resource here that names it does" if controller else ""
        what = f"{use.place}: neither this build nor bridge writes {use.id}{perhaps}"
        yield _asks(workload, use, what, hint, warning=controller)


def _asks(workload: BuiltObject, use: Use, what: str, hint: str, *, warning: bool = False) -> Finding:
    return Finding(Verdict.DANGLING, workload.place, str(workload), (), what, hint, warning, (use.id, use.key))


def _known(build: Iterable[BuiltObject], owned: Owned) -> Mapping[ObjectId, frozenset[str]]:
    """Return every object that the build, bridge or Kubernetes writes, with its keys."""
    known: dict[ObjectId, frozenset[str]] = {id_: frozenset(keys) for id_, keys in owned.keys.items()}
    for object_ in build:
        if object_.id is not None:
            written = {key for keys in object_.sections.values() for key in keys or ()}
            filled = FILLED.get(f"{object_.content.get('type')}", ())
            known[object_.id] = known.get(object_.id, frozenset()) | written | {*filled}
    return known


def _promised(build: Iterable[BuiltObject]) -> frozenset[str]:
    """Return the names in custom resources: a controller (cert-manager, for example) may create objects with them."""
    custom = [o for o in build if "." in o.version.partition("/")[0] and ".k8s.io/" not in o.version]
    return frozenset(text for resource in custom for _, text in _texts(resource.content, "") if isinstance(text, str))


def _unfilled(build: Iterable[BuiltObject], owned: Owned) -> Iterator[Finding]:
    """Yield the placeholders that are anywhere but in bridge's keys."""
    for object_ in build:
        ours = owned.keys.get(object_.id, ()) if object_.id and here([object_], owned.namespace) else ()
        keys = {key: section for section, keys in object_.sections.items() for key in keys or () if key not in ours}
        values = {f".{section}.{key}": built_value(object_, key) for key, section in keys.items()}
        places = [place for place, text in (*_texts(object_.content, ""), *values.items()) if _is_open(text)]
        scripts = tuple(place[1:] for place in places if _PROGRAM.search(place) or _is_file(values.get(place)))
        if others := tuple(place[1:] for place in places if place[1:] not in scripts):
            what = f"{', '.join(others)}: a placeholder that nothing fills, so it is used literally"
            hint = "write the value, or add the key to a template: bridge only fills its templates"
            yield Finding(Verdict.PLACEHOLDER, object_.place, str(object_), (), what, hint)
        if scripts:
            what = f"{', '.join(scripts)}: a placeholder that neither bridge nor the kubelet fills; a shell may"
            yield Finding(Verdict.PLACEHOLDER, object_.place, str(object_), (), what, warning=True)


def _is_open(text: str | SecretValue | None) -> bool:
    return holds_placeholder(text) if isinstance(text, SecretValue) else has_placeholder(text or "")


def _is_file(value: SecretValue | None) -> bool:
    """Whether a value is a whole file, such as a script or a template for another program."""
    return value is not None and b"\n" in value.reveal().strip()


def _texts(node: object, place: str) -> Iterator[tuple[str, str | SecretValue]]:
    """Yield every text of a tree, with its path."""
    if isinstance(node, Mapping):
        for key, child in node.items():
            yield from _texts(child, f"{place}.{key}")
    elif isinstance(node, list):
        for number, child in enumerate(node):
            yield from _texts(child, f"{place}[{number}]")
    elif isinstance(node, str | SecretValue):
        yield place, node
