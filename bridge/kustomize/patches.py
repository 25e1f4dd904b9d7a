"""The change of a kustomization that takes what bridge writes out of its build."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from textwrap import indent
from typing import Final, NamedTuple

from bridge.config.placeholder import has_placeholder
from bridge.kustomize.objects import SECTIONS, BuiltObject
from bridge.kustomize.overlap import Owned, shared
from bridge.kustomize.read import LOCAL, Generator, Names, Patch
from bridge.objects import ObjectId

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*[-_A-Za-z0-9]*")
_WORDS: Final = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}  # YAML 1.1 takes them for something else


class Cure(NamedTuple):
    """A patch of one object: it is deleted from the build, or if it has other keys too, only some `keys` of it.

    Each section has its keys. `name` is the object's name where the patch is applied, or None if bridge knows no name
    that is this object's only. `narrowed` are the selectors without which the patch would be for other objects too.
    An object that `is_local` is marked for kustomize only, and not deleted: its name still counts in references.
    """

    id: ObjectId
    keys: tuple[tuple[str, tuple[str, ...]], ...] = ()
    namespace: str | None = None
    name: str | None = None
    narrowed: tuple[tuple[str, str], ...] = ()
    is_local: bool = False

    @property
    def patch(self) -> str:
        """Return the strategic merge patch."""
        lines = [] if self.keys or self.is_local else ["$patch: delete"]
        lines += ["apiVersion: v1", f"kind: {self.id.kind}", "metadata:", f"  name: {_scalar(self.name or '')}"]
        lines += [f'  annotations: {{{LOCAL}: "true"}}'] if self.is_local else []
        for section, keys in self.keys:
            lines += [f"{section}:", *(f"  {_scalar(key)}: null" for key in keys)]
        return "\n".join(lines)

    @property
    def target(self) -> Mapping[str, str]:
        """Return what the patch is for: by it kustomize finds the object whatever namespace the base gives it."""
        name = (self.name or "").replace(".", r"\.")  # a regular expression
        return {"kind": self.id.kind, "name": name, **dict(self.narrowed)}


_AS_BUILT: Final = Names()


def kept_for_references(found: Iterable[Cure]) -> tuple[Cure, ...]:
    """Return the patches with no object deleted: a namePrefix or nameSuffix still reaches the references to it.

    Tried with kustomize 5.8.1: it renames the references, and leaves the marked object out of the build.
    """
    return tuple(one if one.keys else one._replace(is_local=True) for one in found)


def cures(build: Sequence[BuiltObject], owned: Owned, names: Names = _AS_BUILT) -> tuple[Cure, ...]:
    """Return the patch of each object that both write; whatever else is in the object stays."""
    found = ((one, _cure(one, id_, owned.keys[id_])) for one, id_ in shared(build, owned))
    return tuple(dict.fromkeys(_aimed(cure, one, build, names) for one, cure in found if cure is not None))


def _aimed(cure: Cure, one: BuiltObject, build: Iterable[BuiltObject], names: Names) -> Cure:
    """Let a patch be for one object of the build and for no other."""
    alike = [other for other in build if other.kind == one.kind and other.name == one.name and other is not one]
    narrowed = {}
    if any(other.version != one.version for other in alike):
        narrowed["group"] = "^$"  # the core group; an empty selector would be for every group
    beside = [other for other in alike if other.version == one.version]
    if beside:
        narrowed["namespace"] = _namespace(one)
    # A kustomization that moves its objects into a namespace does so after its patches: the one before is not known.
    known = not beside or (not names.namespace and all(_namespace(other) != _namespace(one) for other in beside))
    return cure._replace(name=names.before(one.name) if known else None, narrowed=tuple(narrowed.items()))


def _namespace(one: BuiltObject) -> str:
    """Return the namespace that kustomize takes an object to be in."""
    return one.namespace or "default"


def _cure(one: BuiltObject, id_: ObjectId, ours: Collection[str]) -> Cure | None:
    """Return the patch, or None where the build has only keys that are not ours."""
    if not any(key not in ours for keys in one.sections.values() for key in keys or ()):
        return Cure(id_, (), one.namespace)
    found = [(section, tuple(key for key in ours if key in (keys or ()))) for section, keys in one.sections.items()]
    sections = tuple((section, keys) for section, keys in found if keys)
    return Cure(id_, sections, one.namespace) if sections else None


def items(found: Iterable[Cure]) -> list[str]:
    """Return the YAML of the patches whose objects' names are known, each an item of a list."""
    return [_item(one) for one in found if one.name is not None]


def _item(one: Cure) -> str:
    target = ", ".join(f"{name}: {_scalar(text)}" for name, text in one.target.items())
    return f"target: {{{target}}}\npatch: |-\n{indent(one.patch, '  ')}"


def paste(found: Collection[Cure]) -> str:
    """Return the lines for a kustomization, ready to be pasted; nothing if there is no patch."""
    text = "".join(f"  - {indent(one, '    ').lstrip()}\n" for one in items(found))
    return f"patches:\n{text}" if text else ""


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else json.dumps(text)


def superseded(
    patches: Iterable[Patch], owned: Owned, kept: Collection[ObjectId], names: Names = _AS_BUILT
) -> Iterator[tuple[Patch, bool]]:
    """Yield the patches that give bridge's objects their values, each with whether it does nothing else.

    `kept` are the objects that stay in the build with keys of their own: of them only bridge's keys count.
    """
    for patch in patches:
        judged = [_is_ours(patch, one, owned, kept, names) for one in patch.documents]
        judged += [_is_meant(patch, owned.keys.keys() - set(kept), owned, names)] * bool(patch.operations)
        if any(judged):
            yield patch, all(judged)


def generating(
    generators: Iterable[Generator], owned: Owned, kept: Collection[ObjectId], names: Names = _AS_BUILT
) -> Iterator[Generator]:
    """Yield the generators that have values for bridge's objects, under their names or with a hash behind them."""
    for one in generators:
        id_ = ObjectId(one.kind, names.after(one.name))
        if id_ in owned.keys and _is_here(one.content.get("namespace"), owned, names):
            keys = _generated(one.content)
            if keys if id_ not in kept or None in keys else keys & set(owned.keys[id_]):
                yield one


def _generated(content: Mapping[str, object]) -> set[str | None]:
    """Return the keys that a generator has values for; None stands for those of a whole env file."""
    keys: set[str | None] = {None for name in ("envs", "env") if content.get(name)}
    literals = [one for one in _texts(content.get("literals")) if not has_placeholder(one)]
    keys |= {one.partition("=")[0] for one in literals}
    return keys | {
        (one.partition("=")[0] if "=" in one else one.rpartition("/")[2]) for one in _texts(content.get("files"))
    }


def gives_values(patch: Patch) -> bool:
    """Return whether a patch has a text that is no placeholder, where values are."""
    sections = [_mapping(one.get(name)) for one in patch.documents for name in ("data", "stringData", "binaryData")]
    values = [value for section in sections for value in section.values()]
    values += [one.get("value") for one in patch.operations]
    return any(not has_placeholder(one) for one in values if isinstance(one, str)) or any(map(_mapping, values))


def _is_meant(patch: Patch, ids: Collection[ObjectId], owned: Owned, names: Names) -> bool:
    """Return whether a JSON patch is for exactly one of these objects."""
    selectors = patch.target.selectors if patch.target else {}
    meant = ObjectId(selectors.get("kind", ""), names.after(selectors.get("name", "")))
    return meant in ids and _is_here(selectors.get("namespace"), owned, names)


def _is_ours(  # one argument for each thing that decides
    patch: Patch, one: Mapping[str, object], owned: Owned, kept: Collection[ObjectId], names: Names
) -> bool:
    """Return whether a document of a strategic merge patch is for nothing but what bridge writes."""
    metadata = _mapping(one.get("metadata"))
    kind, name = f"{one.get('kind')}", f"{metadata.get('name')}"
    id_ = ObjectId(kind, names.after(name))
    is_cure = one.get("$patch") == "delete" or LOCAL in _mapping(metadata.get("annotations"))
    if id_ not in owned.keys or is_cure or not _targets(patch, ObjectId(kind, name)):
        return False
    namespace = patch.target.selectors.get("namespace") if patch.target else metadata.get("namespace")
    if not _is_here(namespace, owned, names):
        return False
    keys = {key for section in SECTIONS[id_.kind] for key in _mapping(one.get(section))}
    return id_ not in kept or keys <= set(owned.keys[id_])


def _is_here(namespace: object, owned: Owned, names: Names) -> bool:
    """Return whether a patch may be for the environment's namespace; without one it is for every namespace."""
    moved = names.namespace is not None  # then the patch has the namespace from before
    return moved or not isinstance(namespace, str) or namespace in {"", owned.namespace} or "${" in namespace


def _targets(patch: Patch, id_: ObjectId) -> bool:
    return patch.target is None or (patch.target.matches(id_.kind, id_.name) and not patch.target.narrowed)


def _texts(given: object) -> list[str]:
    return [one for one in given if isinstance(one, str)] if isinstance(given, list) else []


def _mapping(given: object) -> Mapping[str, object]:
    return given if isinstance(given, Mapping) else {}
