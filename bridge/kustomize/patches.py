"""The patches that remove what bridge writes from a kustomization's build."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from textwrap import indent
from typing import Final

from bridge.config.placeholder import has_placeholder
from bridge.kustomize.manifest_parts import mapping
from bridge.kustomize.objects import SECTIONS, BuiltObject, parse_build
from bridge.kustomize.overlap import Owned, shared
from bridge.kustomize.read import LOCAL, Generator, Names, Patch
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.secret import SecretValue

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*[-_A-Za-z0-9]*")
_WORDS: Final = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}  # not strings in YAML 1.1


class RemovalPatch(NamedTuple):
    """A patch that removes an object from a build, or only some of its keys if it also has others.

    - `keys`: the keys to remove, by section; if empty, the whole object is removed.
    - `name`: the object's name when the patch is applied, or None if no known name matches only this object.
    - `narrowed`: further selectors, without which the patch would also match other objects.
    - `is_local`: mark the object as local to kustomize instead of deleting it, so that its name still counts in
      references.
    """

    id: ObjectId
    keys: tuple[tuple[str, tuple[str, ...]], ...] = ()
    namespace: str | None = None
    name: str | None = None
    narrowed: tuple[tuple[str, str], ...] = ()
    is_local: bool = False

    @property
    def patch(self) -> str:
        """The strategic merge patch."""
        lines = [] if self.keys or self.is_local else ["$patch: delete"]
        lines += ["apiVersion: v1", f"kind: {self.id.kind}", "metadata:", f"  name: {_scalar(self.name or '')}"]
        lines += [f'  annotations: {{{LOCAL}: "true"}}'] if self.is_local else []
        for section, keys in self.keys:
            lines += [f"{section}:", *(f"  {_scalar(key)}: null" for key in keys)]
        return "\n".join(lines)

    @property
    def target(self) -> Mapping[str, str]:
        """The patch's target: kustomize finds the object by it, whatever namespace the base sets."""
        name = (self.name or "").replace(".", r"\.")  # a regular expression
        return {"kind": self.id.kind, "name": name, **dict(self.narrowed)}


_AS_BUILT: Final = Names()


def kept_for_references(patches: Iterable[RemovalPatch]) -> tuple[RemovalPatch, ...]:
    """Return the patches, marking objects as local instead of deleting them: references keep their name prefixes.

    Tested with kustomize 5.8.1: it renames the references, and leaves the marked object out of the build.
    """
    return tuple(patch if patch.keys else patch._replace(is_local=True) for patch in patches)


def removal_patches(build: Sequence[BuiltObject], owned: Owned, names: Names = _AS_BUILT) -> tuple[RemovalPatch, ...]:
    """Return a patch for each object that both bridge and the build write; the object's other keys stay."""
    pairs = ((built, _patch(built, id_, owned.keys[id_])) for built, id_ in shared(build, owned))
    return tuple(dict.fromkeys(_aimed(patch, built, build, names) for built, patch in pairs if patch is not None))


def _aimed(patch: RemovalPatch, built: BuiltObject, build: Iterable[BuiltObject], names: Names) -> RemovalPatch:
    """Narrow a patch so that it matches one object of the build and no other."""
    alike = [other for other in build if other.kind == built.kind and other.name == built.name and other is not built]
    narrowed = {}
    if any(other.version != built.version for other in alike):
        narrowed["group"] = "^$"  # the core group; an empty selector would match every group
    same_version = [other for other in alike if other.version == built.version]
    if same_version:
        narrowed["namespace"] = _namespace(built)
    # A kustomization that sets the namespace of its objects does so after its patches: the earlier one is unknown.
    elsewhere = all(_namespace(other) != _namespace(built) for other in same_version)
    known = not same_version or (not names.namespace and elsewhere)
    return patch._replace(name=names.before(built.name) if known else None, narrowed=tuple(narrowed.items()))


def _namespace(built: BuiltObject) -> str:
    """Return the namespace that kustomize assumes for an object."""
    return built.namespace or "default"


def _patch(built: BuiltObject, id_: ObjectId, ours: Collection[str]) -> RemovalPatch | None:
    """Return the patch, or None if none of the object's keys in the build is ours."""
    if not any(key not in ours for keys in built.sections.values() for key in keys or ()):
        return RemovalPatch(id_, (), built.namespace)
    removed = [(section, tuple(key for key in ours if key in (keys or ()))) for section, keys in built.sections.items()]
    sections = tuple((section, keys) for section, keys in removed if keys)
    return RemovalPatch(id_, sections, built.namespace) if sections else None


def items(patches: Iterable[RemovalPatch]) -> list[str]:
    """Return the patches as items of a YAML list, without those for an object of unknown name."""
    return [_item(patch) for patch in patches if patch.name is not None]


def _item(patch: RemovalPatch) -> str:
    target = ", ".join(f"{name}: {_scalar(text)}" for name, text in patch.target.items())
    return f"target: {{{target}}}\npatch: |-\n{indent(patch.patch, '  ')}"


def paste(patches: Collection[RemovalPatch]) -> str:
    """Return the lines to paste into a kustomization, or "" if there is no patch."""
    text = "".join(f"  - {indent(item, '    ').lstrip()}\n" for item in items(patches))
    return f"patches:\n{text}" if text else ""


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else json.dumps(text)


def superseded(
    patches: Iterable[Patch], owned: Owned, kept: Collection[ObjectId], names: Names = _AS_BUILT
) -> Iterator[tuple[Patch, bool]]:
    """Yield the patches that set values in bridge's objects, each with True if it does nothing else.

    `kept` are the objects that stay in the build because of other keys; of these, only bridge's keys count.
    """
    for patch in patches:
        judged = [_is_ours(patch, document, owned, kept, names) for document in patch.documents]
        judged += [_is_meant(patch, owned.keys.keys() - set(kept), owned, names)] * bool(patch.operations)
        if any(judged):
            yield patch, all(judged)


def generating(
    generators: Iterable[Generator], owned: Owned, kept: Collection[ObjectId], names: Names = _AS_BUILT
) -> Iterator[Generator]:
    """Yield the generators that have values for bridge's objects, with or without a hash in their names."""
    for generator in generators:
        id_ = ObjectId(generator.kind, names.after(generator.name))
        if id_ in owned.keys and _is_here(generator.content.get("namespace"), owned, names):
            keys = _generated(generator.content)
            if keys if id_ not in kept or None in keys else keys & set(owned.keys[id_]):
                yield generator


def _generated(content: Mapping[str, object]) -> set[str | None]:
    """Return the keys that a generator has values for; None means the keys of a whole env file."""
    keys: set[str | None] = {None for name in ("envs", "env") if content.get(name)}
    literals = [literal for literal in _strings(content.get("literals")) if not has_placeholder(literal)]
    keys |= {literal.partition("=")[0] for literal in literals}
    return keys | {
        (file.partition("=")[0] if "=" in file else file.rpartition("/")[2]) for file in _strings(content.get("files"))
    }


def gives_values(patch: Patch) -> bool:
    """Return whether a patch sets a value that is not a placeholder."""
    names = ("data", "stringData", "binaryData")
    sections = [mapping(document.get(name)) for document in patch.documents for name in names]
    values = [value for section in sections for value in section.values()]
    values += [operation.get("value") for operation in patch.operations]
    is_literal = any(not has_placeholder(value) for value in values if isinstance(value, str))
    return is_literal or any(map(mapping, values))


def _is_meant(patch: Patch, ids: Collection[ObjectId], owned: Owned, names: Names) -> bool:
    """Return whether a JSON patch targets exactly one of these objects."""
    selectors = patch.target.selectors if patch.target else {}
    meant = ObjectId(selectors.get("kind", ""), names.after(selectors.get("name", "")))
    return meant in ids and _is_here(selectors.get("namespace"), owned, names)


def _is_ours(
    patch: Patch, document: Mapping[str, object], owned: Owned, kept: Collection[ObjectId], names: Names
) -> bool:
    """Return whether a document of a strategic merge patch only changes what bridge writes."""
    metadata = mapping(document.get("metadata"))
    kind, name = f"{document.get('kind')}", f"{metadata.get('name')}"
    id_ = ObjectId(kind, names.after(name))
    is_removal = document.get("$patch") == "delete" or LOCAL in mapping(metadata.get("annotations"))
    if id_ not in owned.keys or is_removal or not _targets(patch, ObjectId(kind, name)):
        return False
    namespace = patch.target.selectors.get("namespace") if patch.target else metadata.get("namespace")
    if not _is_here(namespace, owned, names):
        return False
    keys = {key for section in SECTIONS[id_.kind] for key in mapping(document.get(section))}
    return id_ not in kept or keys <= set(owned.keys[id_])


def _is_here(namespace: object, owned: Owned, names: Names) -> bool:
    """Return whether a patch may apply to the environment's namespace; without a namespace it applies to all."""
    moved = names.namespace is not None  # then the patch names the namespace before the move
    return moved or not isinstance(namespace, str) or namespace in {"", owned.namespace} or "${" in namespace


def _targets(patch: Patch, id_: ObjectId) -> bool:
    return patch.target is None or (patch.target.matches(id_.kind, id_.name) and not patch.target.narrowed)


def _strings(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


class BuiltDocument(NamedTuple):
    """One object of a build, and its text with all its values."""

    built: BuiltObject
    text: SecretValue


def documents(build: SecretValue, shown: str) -> Mapping[tuple[str, str | None], BuiltDocument]:
    """Return the documents of a kustomize build, by object and namespace; ConfigError if it cannot be read."""
    by_name = {}
    for text in build.reveal().decode(errors="replace").split("\n---\n"):
        for built in parse_build(text, shown) if text.strip() else ():
            by_name[f"{built.version} {built}", built.namespace] = BuiltDocument(built, SecretValue.of(text.strip()))
    return by_name


def unexpected_changes(
    before: Mapping[tuple[str, str | None], BuiltDocument],
    after: Mapping[tuple[str, str | None], BuiltDocument],
    patches: Collection[RemovalPatch],
) -> Iterator[str]:
    """Yield the changes of the build that the patches must not make, and the objects that they failed to remove."""
    by_object = {(patch.id, patch.namespace): patch for patch in patches}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        object_ = (old or new or before[name]).built
        patch = by_object.get((object_.id, object_.namespace)) if object_.id else None
        if old is None or new is None:
            if not (new is None and patch and not patch.keys):
                yield f"{object_} would {'be added to' if old is None else 'disappear from'} the build"
        elif patch and not patch.keys:
            yield f"{object_} would stay in the build"
        elif (patch and not _only_lost(old.built, new.built, patch)) or (not patch and not old.text.same_as(new.text)):
            yield f"{object_} would change"


def _only_lost(old: BuiltObject, new: BuiltObject, patch: RemovalPatch) -> bool:
    """Return whether an object lost exactly the keys of a patch, and all other values are unchanged."""
    gone = {key for _, keys in patch.keys for key in keys}
    for section, keys in old.sections.items():
        left = new.sections.get(section) or {}
        for key, value in (keys or {}).items():
            if (key in left) is (key in gone) or (key in left and not value.same_as(left[key])):
                return False
    return True
