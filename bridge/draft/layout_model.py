"""What an overlay builds, as far as a draft needs it: Secrets, ConfigMaps, and the origins of their keys."""

import base64
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bridge.config.template_object import SECTIONS
from bridge.draft.naming import is_template_text
from bridge.errors import Problem
from bridge.named_tuple import NamedTuple
from bridge.objects import ObjectId
from bridge.secret import SecretValue


class DraftedValue(NamedTuple):
    """A key's value from a patch, in clear. `place` is the file, or the patch's location in it."""

    section: str
    value: SecretValue
    place: str


@dataclass(eq=False)
class Declared:
    """A Secret or ConfigMap of the build, or a resource of another tool that creates one.

    - `names`: its name in its file and after each prefix; the last is its name in the build.
    - `content`: the manifest as written in the file. It may contain a secret, so it is excluded from repr.
    - `labels`, `annotations` and `namespace`: the build's, based on the file's.
    - `generator`: the place of the generator that creates the object, which then has no file of its own.
    - `kept_out`: the reason why bridge does not take it over.
    - `rewritten`: the reason why its file cannot be a template although it has only Secrets and ConfigMaps.
    """

    kind: str
    names: list[str]
    file: Path
    content: Mapping[str, object] = field(repr=False)
    given: dict[str, DraftedValue] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)  # by a patch: the patch's place, by key
    deleted: str | None = None  # the place of the patch that deletes it
    namespace: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    generator: str | None = None
    is_hashed: bool = False
    kept_out: str | None = None
    rewritten: str | None = None

    @property
    def id(self) -> ObjectId:
        """The object's ID in the cluster."""
        return ObjectId(self.kind, self.names[-1])

    def texts(self) -> Iterator[tuple[str, str, str]]:
        """Yield section, key and text as in the file; `bridge check` reports values that are not text."""
        for section in SECTIONS[self.kind]:
            values = self.content.get(section)
            for key, value in values.items() if isinstance(values, Mapping) else ():
                if isinstance(value, str):
                    yield section, key, value


class DraftedField(NamedTuple):
    """A Secret's value that no import reads: it is in a kustomization (`place`), or is a whole file."""

    object: Declared
    key: str
    place: str
    file: Path | None


@dataclass(eq=False)
class Layout:
    """What an overlay builds. `others` are objects that bridge does not write, `remarks` is what was not understood.

    `resources` are those others that other tools turn into Secrets; `contents` are the manifests of all others.
    """

    overlay: Path
    namespace: str | None = None
    namespaces: list[str] = field(default_factory=list)  # the namespaces of its Secrets and ConfigMaps
    objects: list[Declared] = field(default_factory=list)
    resources: list[Declared] = field(default_factory=list)
    contents: list[object] = field(default_factory=list, repr=False)
    others: dict[Path, list[str]] = field(default_factory=dict)
    remarks: list[Problem] = field(default_factory=list)
    patch_files: dict[Path, bool] = field(default_factory=dict)  # by file: whether it has Secret values in clear
    # The env files of generators, with the Secrets' keys that they fill.
    env_sources: dict[Path, list[tuple[Declared, str]]] = field(default_factory=dict)
    by_hand: list[DraftedField] = field(default_factory=list)

    def remark(self, where: str, what: str, hint: str = "") -> None:
        """Add something that was not understood, or that someone has to check."""
        self.remarks.append(Problem(where, what, hint, warning=True))

    def secrets(self) -> Iterator[SecretValue]:
        """Yield every value that a Secret has in clear, in a patch or in its own file."""
        for declared in self.objects:
            if declared.kind == "Secret":
                yield from (given.value for given in declared.given.values())
                yield from (
                    as_value("Secret", section, text)
                    for section, _, text in declared.texts()
                    if not is_template_text(text)
                )


class KeyOrigin(NamedTuple):
    """A description of where a key's value will come from."""

    object: ObjectId
    key: str
    place: str


class Drafted(NamedTuple):
    """The drafted files, with the environment's own last; their origins, and remarks.

    - `imports`: plaintext files with secrets that still have to be moved.
    - `overlay`, `folders`: what is built with kustomize, and from where.
    - `secrets`: the variables that the store must have; `env_secrets`: those that the env file has in clear now.
    - `target`: the source for the secrets, if it is not the one drafted for every layout; `choices` are alternatives.
    - `is_stored`: whether the stores already have all secrets.
    - `is_live`: whether the objects may already be in a cluster.
    """

    texts: Mapping[str, str]
    keys: tuple[KeyOrigin, ...]
    others: tuple[str, ...]
    remarks: tuple[Problem, ...]
    imports: tuple[Path, ...]
    overlay: Path | None
    namespace: str | None = None
    secrets: tuple[str, ...] = ()
    env_file: Path | None = None
    env_secrets: tuple[str, ...] = ()
    folders: tuple[Path, ...] = ()
    target: str = ""
    is_live: bool = True
    choices: tuple[str, ...] = ()
    is_stored: bool = False


def as_value(kind: str, section: str, text: str) -> SecretValue:
    """Wrap a value as it is in the cluster: a Secret's data is decoded if it is base64."""
    if (kind, section) in {("Secret", "data"), ("ConfigMap", "binaryData")}:
        try:
            return SecretValue(base64.b64decode(text, validate=True))
        except ValueError:
            pass  # a placeholder or a mistake: used unchanged
    return SecretValue.of(text)


def identify(document: object) -> ObjectId:
    """Return the kind and name in a manifest or a patch; a part that is not text becomes ""."""
    content = document if isinstance(document, Mapping) else {}
    metadata = content.get("metadata")
    kind, name = content.get("kind"), metadata.get("name") if isinstance(metadata, Mapping) else None
    return ObjectId(kind if isinstance(kind, str) else "", name if isinstance(name, str) else "")


def shown(path: Path) -> str:
    """Return a path without the detours that relative resources cause."""
    return os.path.normpath(path)


def relative(path: Path, folder: Path) -> str:
    """Return a path as written in a file of the folder; links are resolved as they will be when it is opened."""
    return os.path.relpath(path.parent.resolve() / path.name, folder.resolve())
