"""Reads a kustomization: what it builds from, and what changes the objects on the way.

Nothing is executed and nothing is fetched. The fields are those of
https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/, the deprecated ones too.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple

from bridge.config.problems import Findings, as_list, as_mapping, as_text
from bridge.config.yamlfile import YamlDocument, load_yaml_documents, parse_yaml_documents
from bridge.errors import ConfigError

FILES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
RESOURCES: Final = ("resources", "bases")
LOCAL: Final = "config.kubernetes.io/local-config"
"""The annotation of an object that kustomize leaves out of what it builds."""
PATCHES: Final = ("patches", "patchesStrategicMerge", "patchesJson6902")
GENERATORS: Final[Mapping[str, Literal["Secret", "ConfigMap"]]] = {
    "secretGenerator": "Secret",
    "configMapGenerator": "ConfigMap",
}
OPAQUE: Final = (
    "generators", "transformers", "replacements", "vars", "helmCharts", "helmChartInflationGenerator",
    "helmGlobals", "configurations", "openapi", "crds",
)  # fmt: skip
"""Fields that may make or change any object, in ways that only kustomize itself knows."""
_SELECTORS: Final = ("group", "version", "kind", "name", "namespace", "labelSelector", "annotationSelector")
# kustomize takes for remote what is no file and reads like a URL or a git host's path.
_REMOTE: Final = re.compile(r"[a-z+]+::|[a-z][a-z+]*://|git@|(?:www\.)?[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}[:/]|.*\?ref=")


class Target(NamedTuple):
    """Which objects a patch is for: regular expressions over the whole text, by the selector's field."""

    selectors: Mapping[str, str]

    def matches(self, kind: str, name: str) -> bool:
        """Say whether a core object's kind and name fit; labels are not looked at (`narrowed` tells)."""
        given = {"group": "", "version": "v1", "kind": kind, "name": name}
        return all(re.fullmatch(self.selectors.get(key, ".*"), text) for key, text in given.items())

    @property
    def narrowed(self) -> bool:
        """Say whether the patch is for fewer objects than `matches` tells."""
        return bool(self.selectors.keys() & {"labelSelector", "annotationSelector"})


@dataclass(frozen=True, eq=False)
class Patch:
    """One patch. `file` is None where it stands in the kustomization itself.

    `documents` are a strategic merge patch's, `operations` those of a JSON patch (RFC 6902); never both.
    They may hold secrets in clear, so they are not printed.
    """

    place: str
    file: Path | None
    target: Target | None
    documents: tuple[Mapping[str, object], ...] = field(repr=False)
    operations: tuple[Mapping[str, object], ...] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Generator:
    """An object that kustomize makes by itself. `content` may hold secrets in clear, so it is not printed."""

    kind: Literal["Secret", "ConfigMap"]
    name: str
    place: str
    content: Mapping[str, object] = field(repr=False)


class Names(NamedTuple):
    """What a kustomization makes of its objects' names and namespaces, after its patches."""

    prefix: str = ""
    suffix: str = ""
    namespace: str | None = None

    def before(self, name: str) -> str | None:
        """Return the name that patches know a built object by, or None if the kustomization cannot have built it."""
        added = len(self.prefix) + len(self.suffix)
        if len(name) <= added or not (name.startswith(self.prefix) and name.endswith(self.suffix)):
            return None
        return name[len(self.prefix) : len(name) - len(self.suffix)]

    def after(self, name: str) -> str:
        """Return the name that an object has in the build."""
        return f"{self.prefix}{name}{self.suffix}"

    def within(self, outer: "Names") -> "Names":
        """Return what becomes of names if `outer` is a kustomization that uses this one."""
        prefix, suffix = outer.prefix + self.prefix, self.suffix + outer.suffix
        return Names(prefix, suffix, outer.namespace or self.namespace)


@dataclass(frozen=True, eq=False)
class Kustomization:
    """What one kustomization file says. `resources` are files and folders with a kustomization of their own.

    `components` are folders too; what they say is for the resources as well. `remote` are the places of what is
    not on this machine, `opaque` the fields of `OPAQUE` that are there. `content` is the whole file as it is written;
    it may hold secrets in clear, so it is not printed.
    """

    file: Path
    shown: str
    namespace: str | None
    prefix: str
    suffix: str
    resources: tuple[Path, ...]
    components: tuple[Path, ...]
    remote: tuple[str, ...]
    patches: tuple[Patch, ...]
    generators: tuple[Generator, ...]
    opaque: tuple[str, ...]
    content: Mapping[str, object] = field(repr=False)

    @property
    def names(self) -> Names:
        """Return what it makes of its objects' names."""
        return Names(self.prefix, self.suffix, self.namespace or None)


def load_names(folder: Path) -> Names | None:
    """Return what a folder's kustomization makes of names, or None if it cannot be told, as with a transformer."""
    file = kustomization_file(folder)
    try:
        documents = load_yaml_documents(file, str(file), foreign=True) if file else []
    except ConfigError:
        documents = []
    contents = [one.content for one in documents if isinstance(one.content, Mapping)]
    if len(contents) != 1 or contents[0].get("transformers"):
        return None
    prefix, suffix, namespace = (contents[0].get(key) for key in ("namePrefix", "nameSuffix", "namespace"))
    return Names(
        prefix if isinstance(prefix, str) else "",
        suffix if isinstance(suffix, str) else "",
        namespace if isinstance(namespace, str) and namespace else None,
    )


def kustomization_file(folder: Path) -> Path | None:
    """Return the kustomization of a folder, or None where it has none."""
    return next((folder / name for name in FILES if (folder / name).is_file()), None)


def load_kustomization(folder: Path) -> Kustomization:
    """Read the kustomization of a folder and its patches; ConfigError with all that is wrong in them."""
    file = kustomization_file(folder)
    if file is None:
        findings = Findings(str(folder))
        findings.note("has no kustomization.yaml")
        findings.fail()
    shown = os.path.normpath(file)
    findings = Findings(shown)
    documents = [one.content for one in load_yaml_documents(file, shown, foreign=True) if one.content is not None]
    content = as_mapping(documents[0] if len(documents) == 1 else None, findings)
    remote: list[str] = []
    loaded = Kustomization(
        file=file,
        shown=shown,
        namespace=_text(content, "namespace", findings),
        prefix=_text(content, "namePrefix", findings) or "",
        suffix=_text(content, "nameSuffix", findings) or "",
        resources=tuple(_paths(content, RESOURCES, folder, remote, findings)),
        components=tuple(_paths(content, ("components",), folder, remote, findings)),
        remote=tuple(remote),
        patches=tuple(_patches(content, folder, findings)),
        generators=tuple(_generators(content, findings)),
        opaque=tuple(key for key in OPAQUE if content.get(key)),
        content=content,
    )
    if findings:
        findings.fail()
    return loaded


def _text(content: Mapping[str, object], key: str, findings: Findings) -> str | None:
    """Return a field's text; None if it is absent or empty, which is the same for kustomize."""
    return as_text(content[key], findings.at(key)) if content.get(key) not in (None, "") else None


def _items(content: Mapping[str, object], key: str, findings: Findings) -> Iterator[tuple[object, Findings]]:
    given = [] if content.get(key) is None else as_list(content[key], findings.at(key), "entries")
    for number, item in enumerate(given):
        yield item, findings.at(f"{key}[{number}]")


def _paths(
    content: Mapping[str, object], keys: tuple[str, ...], folder: Path, remote: list[str], findings: Findings
) -> Iterator[Path]:
    """Yield what is on this machine; the place of what is not is added to `remote`."""
    for key in keys:
        for item, at in _items(content, key, findings):
            text = as_text(item, at, "a path")
            if text is not None and (folder / text).exists():
                yield folder / text
            elif text is not None and _REMOTE.match(text):
                remote.append(at.where)  # not the URL itself: it may hold a token
            elif text is not None:
                at.note("no such file or folder")


def _generators(content: Mapping[str, object], findings: Findings) -> Iterator[Generator]:
    for key, kind in GENERATORS.items():
        for item, at in _items(content, key, findings):
            given = as_mapping(item, at)
            name = given.get("name")
            yield Generator(kind, name if isinstance(name, str) else "", at.where, given)


def _patches(content: Mapping[str, object], folder: Path, findings: Findings) -> Iterator[Patch]:
    for key in PATCHES:
        for item, at in _items(content, key, findings):
            if isinstance(item, str):  # patchesStrategicMerge: a path, or the patch itself
                given: Mapping[str, object] = {"patch" if "\n" in item else "path": item}
            else:
                given = as_mapping(item, at, ("path", "patch", "target", "options"))
            file, documents = _content(given, folder, at)
            yield _patch(at, file, _target(given.get("target"), at.at(".target")), documents)


def _content(given: Mapping[str, object], folder: Path, at: Findings) -> tuple[Path | None, list[YamlDocument]]:
    if given.get("patch") is not None:
        text = given["patch"]
        return None, parse_yaml_documents(text, at, foreign=True) if isinstance(text, str) else []
    path = as_text(given.get("path"), at, "a patch, or the path of one")
    if path is None:
        return None, []
    try:
        shown = os.path.normpath(folder / path)
        return folder / path, load_yaml_documents(folder / path, shown, foreign=True)
    except ConfigError as error:
        at.take(error)
        return folder / path, []


def _patch(at: Findings, file: Path | None, target: Target | None, documents: list[YamlDocument]) -> Patch:
    content = [one.content for one in documents]
    operations = [one for part in content if isinstance(part, list) for one in part if isinstance(one, Mapping)]
    merged = [one for one in content if isinstance(one, Mapping)]
    return Patch(at.where, file, target, tuple(merged), tuple(operations))


def _target(given: object, at: Findings) -> Target | None:
    if given is None:
        return None
    selectors = {
        key: text
        for key, value in as_mapping(given, at, _SELECTORS).items()
        if value not in (None, "") and (text := as_text(value, at.at(f".{key}")))
    }
    for key in ("group", "version", "kind", "name"):
        try:
            re.compile(selectors.get(key, ""))
        except re.error:
            at.at(f".{key}").note("not a regular expression that bridge understands")
    return Target(selectors)
