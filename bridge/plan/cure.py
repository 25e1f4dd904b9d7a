"""The change of a kustomization that takes what bridge writes out of its build."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from bridge.config.kustomize import Patch
from bridge.config.manifests import SECTIONS, BuiltObject
from bridge.objects import ObjectId
from bridge.plan.guard import Owned, shared

_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*[-_A-Za-z0-9]*")
_WORDS: Final = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}  # YAML 1.1 takes them for something else


class Cure(NamedTuple):
    """A patch of one object: it is deleted from the build, or where it has other keys too only some `keys` of it.

    The keys stand under the section that they are in.
    """

    id: ObjectId
    keys: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def patch(self) -> str:
        """Return the strategic merge patch."""
        lines = [] if self.keys else ["$patch: delete"]
        lines += ["apiVersion: v1", f"kind: {self.id.kind}", "metadata:", f"  name: {_scalar(self.id.name)}"]
        for section, keys in self.keys:
            lines += [f"{section}:", *(f"  {_scalar(key)}: null" for key in keys)]
        return "\n".join(lines)

    @property
    def target(self) -> Mapping[str, str]:
        """Return what the patch is for: by it kustomize finds the object whatever namespace the base gives it."""
        return {"kind": self.id.kind, "name": self.id.name.replace(".", r"\.")}  # a regular expression


def cures(build: Iterable[BuiltObject], owned: Owned) -> tuple[Cure, ...]:
    """Return the patch of each object that both write; what is in it beside the templates' keys stays."""
    found = (_cure(one, id_, owned.keys[id_]) for one, id_ in shared(build, owned))
    return tuple(dict.fromkeys(cure for cure in found if cure is not None))


def _cure(one: BuiltObject, id_: ObjectId, ours: Collection[str]) -> Cure | None:
    """Return the patch, or None where the build has only keys that are not ours."""
    if not any(key not in ours for keys in one.sections.values() for key in keys or ()):
        return Cure(id_)
    found = [(section, tuple(key for key in ours if key in (keys or ()))) for section, keys in one.sections.items()]
    sections = tuple((section, keys) for section, keys in found if keys)
    return Cure(id_, sections) if sections else None


def items(found: Iterable[Cure]) -> list[str]:
    """Return the lines of the patches, each an item of a list."""
    lines = []
    for one in found:
        target = ", ".join(f"{name}: {_scalar(text)}" for name, text in one.target.items())
        lines += [f"- target: {{{target}}}", "  patch: |-", *(f"    {line}" for line in one.patch.split("\n"))]
    return lines


def paste(found: Collection[Cure]) -> str:
    """Return the lines for a kustomization, ready to be pasted; nothing where there is nothing to cure."""
    return "".join(f"{line}\n" for line in ("patches:", *(f"  {line}" for line in items(found)))) if found else ""


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else json.dumps(text)


def superseded(patches: Iterable[Patch], owned: Owned, kept: Collection[ObjectId]) -> Iterator[tuple[Patch, bool]]:
    """Yield the patches that give bridge's objects their values, each with whether it does nothing else.

    `kept` are the objects that stay in the build with keys of their own: of them only bridge's keys count.
    """
    for patch in patches:
        judged = [_is_ours(patch, one, owned, kept) for one in patch.documents]
        judged += [_is_meant(patch, owned.keys.keys() - set(kept))] * bool(patch.operations)
        if any(judged):
            yield patch, all(judged)


def _is_meant(patch: Patch, ids: Collection[ObjectId]) -> bool:
    """Say whether a JSON patch is for exactly one of these objects."""
    selectors = patch.target.selectors if patch.target else {}
    return any({"kind": id_.kind, "name": id_.name}.items() <= selectors.items() for id_ in ids)


def _is_ours(patch: Patch, one: Mapping[str, object], owned: Owned, kept: Collection[ObjectId]) -> bool:
    """Say whether a document of a strategic merge patch is for nothing but what bridge writes."""
    metadata = one.get("metadata")
    kind, name = one.get("kind"), metadata.get("name") if isinstance(metadata, Mapping) else None
    id_ = ObjectId(f"{kind}", f"{name}")
    if id_ not in owned.keys or one.get("$patch") == "delete" or not _targets(patch, id_):
        return False
    keys = {key for section in SECTIONS[id_.kind] for key in _mapping(one.get(section))}
    return id_ not in kept or keys <= set(owned.keys[id_])


def _targets(patch: Patch, id_: ObjectId) -> bool:
    return patch.target is None or (patch.target.matches(id_.kind, id_.name) and not patch.target.narrowed)


def _mapping(given: object) -> Mapping[str, object]:
    return given if isinstance(given, Mapping) else {}
