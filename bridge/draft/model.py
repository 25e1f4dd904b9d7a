"""What an overlay builds, as far as a draft needs it: Secrets, ConfigMaps, and who says their keys."""

import base64
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from bridge.config.template_object import SECTIONS
from bridge.draft.naming import asks
from bridge.errors import Problem
from bridge.objects import ObjectId
from bridge.secret import SecretValue


class Given(NamedTuple):
    """A key's value as a patch has it, in clear. `place` is the file, or where the patch stands in it."""

    section: str
    value: SecretValue
    place: str


@dataclass(eq=False)
class Declared:
    """A Secret or ConfigMap of the build. `names` are its name in its file and after each prefix; the last counts.

    `content` is the manifest as it stands in the file; it may hold a secret, so it is not printed. `labels`,
    `annotations` and `namespace` are what the build makes of the file's. `generator` is the place of the generator that
    makes the object; it has no file of its own then. `kept_out` tells why bridge does not take it over.
    """

    kind: str
    names: list[str]
    file: Path
    content: Mapping[str, object] = field(repr=False)
    given: dict[str, Given] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)  # by a patch: key, and the patch's place
    deleted: str | None = None  # the place of the patch that deletes it
    namespace: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    generator: str | None = None
    is_hashed: bool = False
    kept_out: str | None = None

    @property
    def id(self) -> ObjectId:
        """What the object is called in the cluster."""
        return ObjectId(self.kind, self.names[-1])

    def texts(self) -> Iterator[tuple[str, str, str]]:
        """Yield section, key and text as the file has them; what is no text is left to `bridge check`."""
        for section in SECTIONS[self.kind]:
            values = self.content.get(section)
            for key, value in values.items() if isinstance(values, Mapping) else ():
                if isinstance(value, str):
                    yield section, key, value


class Stored(NamedTuple):
    """A Secret's value that no import reads: it is in a kustomization (`place`), or is a whole file."""

    object: Declared
    key: str
    place: str
    file: Path | None


@dataclass(eq=False)
class Layout:
    """What an overlay builds. `others` are the objects that are not for bridge, `remarks` what is not understood."""

    overlay: Path
    namespace: str | None = None
    namespaces: list[str] = field(default_factory=list)  # of its Secrets and ConfigMaps
    objects: list[Declared] = field(default_factory=list)
    others: dict[Path, list[str]] = field(default_factory=dict)
    remarks: list[Problem] = field(default_factory=list)
    patch_files: dict[Path, bool] = field(default_factory=dict)  # whether it has a Secret's values in clear
    env_sources: dict[Path, list[tuple[Declared, str]]] = field(default_factory=dict)  # a generator's: Secrets' keys
    by_hand: list[Stored] = field(default_factory=list)

    def remark(self, where: str, what: str, hint: str = "") -> None:
        """Add something that is not understood, or that somebody has to look at."""
        self.remarks.append(Problem(where, what, hint, warning=True))

    def secrets(self) -> Iterator[SecretValue]:
        """Yield every value that a Secret has in clear, in a patch or in its own file."""
        for one in self.objects:
            if one.kind == "Secret":
                yield from (given.value for given in one.given.values())
                yield from (as_value("Secret", section, text) for section, _, text in one.texts() if not asks(text))


class KeyOrigin(NamedTuple):
    """Where a key's value is going to come from, in words."""

    object: ObjectId
    key: str
    place: str


class Drafted(NamedTuple):
    """The files, the environment's own last; what they are made of, and what was not understood.

    `imports` are the plaintext files whose secrets still have to be moved, `overlay` is what is built with kustomize,
    from `folders`. `secrets` are the variables that the store has to hold, `env_secrets` those that the env file has in
    clear now. `target` is the source that they go to, if it is not the one that is drafted for every layout; `choices`
    are others. `is_live` is whether the objects may be in a cluster already.
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


def as_value(kind: str, section: str, text: str) -> SecretValue:
    """Wrap a value as it is in the cluster: a Secret's data in clear where it is base64."""
    if (kind, section) in {("Secret", "data"), ("ConfigMap", "binaryData")}:
        try:
            return SecretValue(base64.b64decode(text, validate=True))
        except ValueError:
            pass  # a placeholder, or a mistake: taken as it stands
    return SecretValue.of(text)


def identify(document: object) -> ObjectId:
    """Return what a manifest or a patch calls its object; a part that is no text is empty."""
    content = document if isinstance(document, Mapping) else {}
    metadata = content.get("metadata")
    kind, name = content.get("kind"), metadata.get("name") if isinstance(metadata, Mapping) else None
    return ObjectId(kind if isinstance(kind, str) else "", name if isinstance(name, str) else "")


def shown(path: Path) -> str:
    """Return a path without the detours that relative resources make."""
    return os.path.normpath(path)


def relative(path: Path, folder: Path) -> str:
    """Return a path as it stands in a file of the folder; links are followed, as opening it will."""
    return os.path.relpath(path.parent.resolve() / path.name, folder.resolve())
