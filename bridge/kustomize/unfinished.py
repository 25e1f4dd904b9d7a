"""What a build leaves open: unfilled placeholders, objects that nobody writes, copies that shadow bridge's."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from bridge.config.names import did_you_mean
from bridge.config.placeholder import has_placeholder
from bridge.kustomize.objects import BuiltObject
from bridge.kustomize.overlap import Finding, Owned, Verdict, built_value, here, holds_placeholder
from bridge.objects import ObjectId
from bridge.plan.consumers import Use, pod_spec, uses
from bridge.secret import SecretValue

# kustomize's suffix of a generated name: ten hexadecimal digits in letters that make no words (api/hasher).
_HASHED: Final = re.compile(r"(.+)-[bcdfghkmt2456789]{10}")
_GENERATORS: Final = {"Secret": "secretGenerator", "ConfigMap": "configMapGenerator"}
# A program in the container may well know `${`: a shell, or what reads a whole file. A description tells of it.
_PROGRAM: Final = re.compile(r"\.(?:(?:command|args)\[\d+\]|description)$")
ANYWHERE: Final = frozenset({ObjectId("ConfigMap", "kube-root-ca.crt")})
"""What Kubernetes itself writes into every namespace."""
FILLED: Final = {"kubernetes.io/service-account-token": ("token", "ca.crt", "namespace")}
"""The keys that it writes into Secrets of a type (https://kubernetes.io/docs/concepts/configuration/secret/)."""


def loose_ends(build: Sequence[BuiltObject], owned: Owned) -> Iterator[Finding]:
    """Yield all that an apply of the build leaves open."""
    readers = _readers(here(build, owned.namespace))
    yield from _shadowing(build, owned, readers)
    yield from _dangling(build, owned, readers)
    yield from _unfilled(build, owned)


def _readers(build: Iterable[BuiltObject]) -> Sequence[tuple[BuiltObject, Use]]:
    """Return every workload with each of its uses."""
    specs = [(one, pod_spec(one.kind, one.content)) for one in build]
    return [(one, use) for one, spec in specs if spec is not None for use in uses(spec)]


def _shadowing(
    build: Iterable[BuiltObject], owned: Owned, readers: Sequence[tuple[BuiltObject, Use]]
) -> Iterator[Finding]:
    """Yield copies of bridge's objects under generated names."""
    for one in here(build, owned.namespace):
        hashed = _HASHED.fullmatch(one.name)
        meant = ObjectId(one.kind, hashed[1]) if hashed else None
        if one.id is None or meant not in owned.keys:
            continue
        users = ", ".join(dict.fromkeys(f"{reader}" for reader, use in readers if use.id == one.id))
        told = f"{users} reads it instead of what bridge writes" if users else "nobody reads it"
        hint = f"take it out of the kustomization's {_GENERATORS[one.kind]}, and its readers ask for {meant} itself"
        what = f"a generator makes this copy of {meant}, and {told}"
        yield Finding(Verdict.GENERATED, one.place, str(one), (), what, hint, warning=not users)


def _dangling(
    build: Iterable[BuiltObject], owned: Owned, readers: Sequence[tuple[BuiltObject, Use]]
) -> Iterator[Finding]:
    """Yield what pods ask for and nobody writes; one that may be missing is not asked for."""
    known = _known(here(build, owned.namespace), owned)
    promised = _promised(build)
    for one, use in readers:
        keys = known.get(use.id)
        if use.optional or use.id in ANYWHERE or (keys is not None and (use.key is None or use.key in keys)):
            continue
        if keys is not None and use.key is not None:
            what = f"{use.place}: {use.id} has no key {use.key}, neither here nor in the templates"
            yield _asks(one, use, what, did_you_mean(use.key, keys))
            continue
        hint = did_you_mean(use.id.name, [id_.name for id_ in known if id_.kind == use.id.kind])
        controller = use.id.name in promised
        perhaps = "; perhaps a controller does, of a resource here that names it" if controller else ""
        what = f"{use.place}: neither this build nor bridge writes {use.id}{perhaps}"
        yield _asks(one, use, what, hint, warning=controller)


def _asks(one: BuiltObject, use: Use, what: str, hint: str, *, warning: bool = False) -> Finding:
    return Finding(Verdict.DANGLING, one.place, str(one), (), what, hint, warning, (use.id, use.key))


def _known(build: Iterable[BuiltObject], owned: Owned) -> Mapping[ObjectId, frozenset[str]]:
    """Return every object that somebody writes, with its keys."""
    known: dict[ObjectId, frozenset[str]] = {id_: frozenset(keys) for id_, keys in owned.keys.items()}
    for one in build:
        if one.id is not None:
            written = {key for keys in one.sections.values() for key in keys or ()}
            filled = FILLED.get(f"{one.content.get('type')}", ())
            known[one.id] = known.get(one.id, frozenset()) | written | {*filled}
    return known


def _promised(build: Iterable[BuiltObject]) -> frozenset[str]:
    """Return the names in custom resources: a controller (cert-manager, External Secrets) may make objects of them."""
    custom = [one for one in build if "." in one.version.partition("/")[0] and ".k8s.io/" not in one.version]
    return frozenset(text for one in custom for _, text in _texts(one.content, "") if isinstance(text, str))


def _unfilled(build: Iterable[BuiltObject], owned: Owned) -> Iterator[Finding]:
    """Yield the placeholders that stand in anything but the keys of bridge."""
    for one in build:
        ours = owned.keys.get(one.id, ()) if one.id and here([one], owned.namespace) else ()
        keys = {key: section for section, keys in one.sections.items() for key in keys or () if key not in ours}
        values = {f".{section}.{key}": built_value(one, key) for key, section in keys.items()}
        found = [place for place, text in (*_texts(one.content, ""), *values.items()) if _is_open(text)]
        scripts = tuple(place[1:] for place in found if _PROGRAM.search(place) or _is_file(values.get(place)))
        if others := tuple(place[1:] for place in found if place[1:] not in scripts):
            what = f"{', '.join(others)}: a placeholder that nothing fills, so it is taken literally"
            hint = "bridge fills the objects of its templates only; write the value, or name the key in a template"
            yield Finding(Verdict.PLACEHOLDER, one.place, str(one), (), what, hint)
        if scripts:
            what = f"{', '.join(scripts)}: a placeholder that neither bridge nor kubelet fills; a shell may"
            yield Finding(Verdict.PLACEHOLDER, one.place, str(one), (), what, warning=True)


def _is_open(text: str | SecretValue | None) -> bool:
    return holds_placeholder(text) if isinstance(text, SecretValue) else has_placeholder(text or "")


def _is_file(value: SecretValue | None) -> bool:
    """Say whether a value is a whole file: a script, or a template of some program."""
    return value is not None and b"\n" in value.reveal().strip()


def _texts(node: object, place: str) -> Iterator[tuple[str, str | SecretValue]]:
    """Yield every text of a tree, with the path to it."""
    if isinstance(node, Mapping):
        for key, child in node.items():
            yield from _texts(child, f"{place}.{key}")
    elif isinstance(node, list):
        for number, child in enumerate(node):
            yield from _texts(child, f"{place}[{number}]")
    elif isinstance(node, str | SecretValue):
        yield place, node
