"""Reads a kustomization: what it builds from, and what changes its objects.

Nothing is executed or fetched. The fields, including the deprecated ones, are those of
https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from bridge.config.problems import Findings, as_list, as_mapping, as_text
from bridge.config.yamlfile import YamlDocument, load_yaml_documents, parse_yaml_documents
from bridge.errors import ConfigError
from bridge.named_tuple import NamedTuple

FILES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
RESOURCES: Final = ("resources", "bases")
LOCAL: Final = "config.kubernetes.io/local-config"
"""The annotation of an object that kustomize leaves out of its output."""
PATCHES: Final = ("patches", "patchesStrategicMerge", "patchesJson6902")
GENERATORS: Final[Mapping[str, Literal["Secret", "ConfigMap"]]] = {
    "secretGenerator": "Secret",
    "configMapGenerator": "ConfigMap",
}
OPAQUE: Final = (
    "generators", "transformers", "replacements", "vars", "helmCharts", "helmChartInflationGenerator",
    "helmGlobals", "configurations", "openapi", "crds",
)  # fmt: skip
"""Fields that can create or change any object in ways that only kustomize itself knows."""
_SELECTORS: Final = ("group", "version", "kind", "name", "namespace", "labelSelector", "annotationSelector")
# kustomize treats as remote anything that is not a file and looks like a URL or a git host's path.
_REMOTE: Final = re.compile(r"[a-z+]+::|[a-z][a-z+]*://|git@|(?:www\.)?[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}[:/]|.*\?ref=")
_LISTS: Final = (*RESOURCES, "components")


class PatchTarget(NamedTuple):
    """The objects that a patch applies to: a regular expression per selector field, matched against the whole text."""

    selectors: Mapping[str, str]

    def matches(self, kind: str, name: str, api: str = "v1") -> bool:
        """Whether an object's kind, name and apiVersion match. Labels are not considered; see `narrowed`."""
        group, _, version = api.rpartition("/")
        fields = {"group": group, "version": version, "kind": kind, "name": name}
        return all(re.fullmatch(self.selectors.get(key, ".*"), text) for key, text in fields.items())

    @property
    def narrowed(self) -> bool:
        """Whether the patch applies to fewer objects than `matches` accepts."""
        return bool(self.selectors.keys() & {"labelSelector", "annotationSelector"})


@dataclass(frozen=True, eq=False)
class Patch:
    """One patch. `file` is None if the patch is inline in the kustomization.

    `documents` holds a strategic merge patch, `operations` a JSON patch (RFC 6902); never both. They may contain
    secrets in clear, so they are excluded from repr.
    """

    place: str
    file: Path | None
    target: PatchTarget | None
    documents: tuple[Mapping[str, object], ...] = field(repr=False)
    operations: tuple[Mapping[str, object], ...] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Generator:
    """An object that kustomize generates. `content` may hold secrets in clear, so it is excluded from repr."""

    kind: Literal["Secret", "ConfigMap"]
    name: str
    place: str
    content: Mapping[str, object] = field(repr=False)


class Names(NamedTuple):
    """How a kustomization changes its objects' names and namespaces, after its patches."""

    prefix: str = ""
    suffix: str = ""
    namespace: str | None = None

    def before(self, name: str) -> str | None:
        """Return the name that patches use for a built object, or None if the kustomization cannot have built it."""
        added = len(self.prefix) + len(self.suffix)
        if len(name) <= added or not (name.startswith(self.prefix) and name.endswith(self.suffix)):
            return None
        return name[len(self.prefix) : len(name) - len(self.suffix)]

    def after(self, name: str) -> str:
        """Return the name that an object has in the build."""
        return f"{self.prefix}{name}{self.suffix}"

    def within(self, outer: "Names") -> "Names":
        """Return the combined changes if `outer` is a kustomization that uses this one."""
        prefix, suffix = outer.prefix + self.prefix, self.suffix + outer.suffix
        return Names(prefix, suffix, outer.namespace or self.namespace)


@dataclass(frozen=True, eq=False)
class Kustomization:
    """The content of one kustomization file.

    - `resources` are files, and folders with a kustomization of their own.
    - `components` are folders too; their content also applies to the resources.
    - `remote` lists the places of entries that are not on this machine.
    - `opaque` lists the fields of `OPAQUE` that are present.
    - `content` is the whole file as written. It may hold secrets in clear, so it is excluded from repr.
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
        """How this kustomization changes its objects' names."""
        return Names(self.prefix, self.suffix, self.namespace or None)


def load_names(folder: Path) -> Names | None:
    """Return how a folder's kustomization changes names, or None if that is unknown, for example with a transformer."""
    file = kustomization_file(folder)
    try:
        documents = load_yaml_documents(file, str(file), foreign=True) if file else []
    except ConfigError:
        documents = []
    contents = [document.content for document in documents if isinstance(document.content, Mapping)]
    if len(contents) != 1 or contents[0].get("transformers"):
        return None
    prefix, suffix, namespace = (contents[0].get(key) for key in ("namePrefix", "nameSuffix", "namespace"))
    return Names(
        prefix if isinstance(prefix, str) else "",
        suffix if isinstance(suffix, str) else "",
        namespace if isinstance(namespace, str) and namespace else None,
    )


def kustomization_file(folder: Path) -> Path | None:
    """Return the kustomization file in a folder, or None if there is none."""
    return next((folder / name for name in FILES if (folder / name).is_file()), None)


def load_kustomization(folder: Path) -> Kustomization:
    """Read the kustomization in a folder and its patches; ConfigError lists everything that is wrong with them."""
    file = kustomization_file(folder)
    if file is None:
        findings = Findings(str(folder))
        findings.note("has no kustomization.yaml")
        findings.fail()
    shown = os.path.normpath(file)
    findings = Findings(shown)
    documents = [
        document.content for document in load_yaml_documents(file, shown, foreign=True) if document.content is not None
    ]
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
    """Return a field's text, or None if it is absent or empty, which kustomize treats the same."""
    return as_text(content[key], findings.at(key)) if content.get(key) not in (None, "") else None


def _items(content: Mapping[str, object], key: str, findings: Findings) -> Iterator[tuple[object, Findings]]:
    items = [] if content.get(key) is None else as_list(content[key], findings.at(key), "entries")
    for number, item in enumerate(items):
        yield item, findings.at(f"{key}[{number}]")


def _paths(
    content: Mapping[str, object], keys: tuple[str, ...], folder: Path, remote: list[str], findings: Findings
) -> Iterator[Path]:
    """Yield the entries on this machine; the places of all others are added to `remote`."""
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
            fields = as_mapping(item, at)
            name = fields.get("name")
            yield Generator(kind, name if isinstance(name, str) else "", at.where, fields)


def _patches(content: Mapping[str, object], folder: Path, findings: Findings) -> Iterator[Patch]:
    for key in PATCHES:
        for item, at in _items(content, key, findings):
            if isinstance(item, str):  # patchesStrategicMerge: a path, or the patch itself
                fields: Mapping[str, object] = {"patch" if "\n" in item else "path": item}
            else:
                fields = as_mapping(item, at, ("path", "patch", "target", "options"))
            file, documents = _content(fields, folder, at)
            yield _patch(at, file, _target(fields.get("target"), at.at(".target")), documents)


def _content(fields: Mapping[str, object], folder: Path, at: Findings) -> tuple[Path | None, list[YamlDocument]]:
    if fields.get("patch") is not None:
        text = fields["patch"]
        return None, parse_yaml_documents(text, at, foreign=True) if isinstance(text, str) else []
    path = as_text(fields.get("path"), at, "a patch, or the path of one")
    if path is None:
        return None, []
    try:
        shown = os.path.normpath(folder / path)
        return folder / path, load_yaml_documents(folder / path, shown, foreign=True)
    except ConfigError as error:
        at.take(error)
        return folder / path, []


def _patch(at: Findings, file: Path | None, target: PatchTarget | None, documents: list[YamlDocument]) -> Patch:
    content = [document.content for document in documents]
    operations = [step for part in content if isinstance(part, list) for step in part if isinstance(step, Mapping)]
    merged = [part for part in content if isinstance(part, Mapping)]
    return Patch(at.where, file, target, tuple(merged), tuple(operations))


def _target(given: object, at: Findings) -> PatchTarget | None:
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
            at.at(f".{key}").note("must be a valid Python regular expression")
    return PatchTarget(selectors)


class User(NamedTuple):
    """A kustomization that names a file, and whether it uses the file as a patch."""

    file: Path
    as_patch: bool


def users_of(path: Path) -> tuple[User, ...]:
    """Return the kustomizations that use a file. kustomize reads files only in or below the kustomization's folder.

    Unreadable kustomizations are skipped. The returned paths are relative if `path` is relative.
    """
    users = []
    for folder in Path(os.path.normpath(path.absolute())).parents:
        file = kustomization_file(folder)
        if file is None:
            continue
        named = [as_patch for text, as_patch in _names(file) if _is_same(folder / text, path)]
        if named:
            shown = file if path.is_absolute() else Path(os.path.relpath(file))
            users.append(User(shown, all(named)))
    return tuple(users)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False


def _names(file: Path) -> Iterator[tuple[str, bool]]:
    """Yield the paths that a kustomization names, each with whether it is a patch."""
    try:
        documents = load_yaml_documents(file, str(file), foreign=True)
    except (ConfigError, OSError):
        return
    content = documents[0].content if documents else None
    if not isinstance(content, Mapping):
        return
    for key in (*_LISTS, *PATCHES):
        for item in _list(content.get(key)):
            text = item.get("path") if isinstance(item, Mapping) else item
            if isinstance(text, str) and "\n" not in text:
                yield text, key in PATCHES
    for key in GENERATORS:
        for item in _list(content.get(key)):
            if isinstance(item, Mapping):
                yield from ((text, False) for text in _of_generator(item))


def _of_generator(item: Mapping[object, object]) -> Iterator[str]:
    for text in (item.get("env"), *_list(item.get("envs")), *_list(item.get("files"))):
        if isinstance(text, str):
            yield text.rpartition("=")[2]  # files: KEY=PATH


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
