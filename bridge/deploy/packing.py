"""Packs an environment's files into one ConfigMap for a pod to mount, with the same folder structure as here.

Nothing that looks like a secret is packed: people who may read a ConfigMap may not be allowed to read Secrets.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from bridge.config.environment import Environment
from bridge.config.textfile import read_text
from bridge.deploy.plaintext_secrets import suspicious
from bridge.errors import ConfigError, Problem, Refusal
from bridge.named_tuple import NamedTuple

MOUNT: Final = PurePosixPath("/etc/bridge")
LIMIT: Final = 1024 * 1024
"""The API server's limit for one ConfigMap, in bytes."""


class Packed(NamedTuple):
    """The files by their path below the mount, and the folder of the environment's own file there."""

    texts: Mapping[str, str]
    folder: PurePosixPath

    def items(self) -> Mapping[str, str]:
        """Return the ConfigMap's key for each path; a key cannot contain `/`."""
        keys: dict[str, str] = {}
        for place in self.texts:
            base = key = re.sub(r"[^-._a-zA-Z0-9]", "_", place)
            number = 2
            while key in keys.values():
                key, number = f"{base}_{number}", number + 1
            keys[place] = key
        return keys


def pack(environment: Environment, encrypted: Iterable[str], certificates: Iterable[str]) -> Packed:
    """Read the environment's file, its templates and what its stores need from the folder.

    Raise ConfigError for a file that cannot be read or cannot keep its path, Refusal for a possible secret.
    """
    base = environment.base.resolve()
    templates = [environment.shown(path) for path in environment.templates]
    kinds = {environment.file.name: "environment"} | dict.fromkeys(templates, "template")
    kinds |= dict.fromkeys(encrypted, "encrypted") | dict.fromkeys(certificates, "certificate")
    places = {text: _place(text, base) for text in kinds}
    root = Path(os.path.commonpath([base, *(place.parent for place in places.values())]))
    texts = {place.relative_to(root).as_posix(): _read(place, text) for text, place in places.items()}
    secrets = [one for text, kind in kinds.items() for one in suspicious(places[text], text, kind)]
    if secrets:
        raise Refusal(*dict.fromkeys(secrets))
    size = sum(len(text.encode()) for text in texts.values())
    if size > LIMIT:
        raise Refusal(Problem(str(environment.file), f"the files have {size} bytes; a ConfigMap holds at most {LIMIT}"))
    folder = MOUNT / base.relative_to(root).as_posix()
    return Packed(dict(sorted(texts.items())), folder)


def _place(text: str, base: Path) -> Path:
    """Return where a file must be so that the same relative path finds it in the pod, which has no links."""
    if PurePosixPath(text).is_absolute():
        raise ConfigError(Problem(text, "is an absolute path, which does not exist in a pod", "use a relative path"))
    place = Path(os.path.normpath(base / text))
    try:
        same = place.samefile(base / text)
    except FileNotFoundError:
        raise ConfigError(Problem(text, "no such file")) from None
    except OSError as error:
        raise ConfigError(Problem(text, f"cannot be read: {(error.strerror or 'unknown reason').lower()}")) from None
    if not same:
        what = "its path contains a link, so it would lead elsewhere in a pod"
        raise ConfigError(Problem(text, what, "use the path without the link"))
    return place


def _read(place: Path, text: str) -> str:
    """Return a file's text unchanged, except for a byte order mark."""
    return read_text(place, text)
