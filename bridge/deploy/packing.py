"""Packs an environment's files into one ConfigMap that a pod mounts, with the folders between them as they are here.

Nothing that looks like a secret is packed: who may read a ConfigMap may not read Secrets.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from bridge.config.environment import Environment
from bridge.config.textfile import read_text
from bridge.deploy.secrets_in_clear import suspicious
from bridge.errors import ConfigError, Problem, Refusal

MOUNT: Final = PurePosixPath("/etc/bridge")
LIMIT: Final = 1024 * 1024
"""What the API server takes in one ConfigMap, in bytes."""


class Packed(NamedTuple):
    """The files by their place below the mount, and the folder of the environment's own file there."""

    texts: Mapping[str, str]
    folder: PurePosixPath

    def items(self) -> Mapping[str, str]:
        """Return the ConfigMap's key for each place: a key has no `/`."""
        keys: dict[str, str] = {}
        for place in self.texts:
            base = key = re.sub(r"[^-._a-zA-Z0-9]", "_", place)
            number = 2
            while key in keys.values():
                key, number = f"{base}_{number}", number + 1
            keys[place] = key
        return keys


def pack(environment: Environment, encrypted: Iterable[str], certificates: Iterable[str]) -> Packed:
    """Read the environment's file, its templates and what its stores need of the folder.

    Raises ConfigError for a file that cannot be read or cannot keep its place, Refusal for what may be a secret.
    """
    base = environment.base.resolve()
    templates = [environment.shown(path) for path in environment.templates]
    kinds = {environment.file.name: "environment"} | dict.fromkeys(templates, "template")
    kinds |= dict.fromkeys(encrypted, "encrypted") | dict.fromkeys(certificates, "certificate")
    places = {text: _place(text, base) for text in kinds}
    root = Path(os.path.commonpath([base, *(place.parent for place in places.values())]))
    texts = {place.relative_to(root).as_posix(): _read(place, text) for text, place in places.items()}
    found = [one for text, kind in kinds.items() for one in suspicious(places[text], text, kind)]
    if found:
        raise Refusal(*dict.fromkeys(found))
    size = sum(len(text.encode()) for text in texts.values())
    if size > LIMIT:
        raise Refusal(Problem(str(environment.file), f"the files hold {size} bytes, and a ConfigMap {LIMIT} at most"))
    folder = MOUNT / base.relative_to(root).as_posix()
    return Packed(dict(sorted(texts.items())), folder)


def _place(text: str, base: Path) -> Path:
    """Return where a file has to be for the same relative path to find it in the pod, where no link is."""
    if PurePosixPath(text).is_absolute():
        raise ConfigError(Problem(text, "is an absolute path, which a pod does not have", "write it relative"))
    place = Path(os.path.normpath(base / text))
    try:
        same = place.samefile(base / text)
    except FileNotFoundError:
        raise ConfigError(Problem(text, "no such file")) from None
    except OSError as error:
        raise ConfigError(Problem(text, f"cannot be read: {(error.strerror or 'unknown reason').lower()}")) from None
    if not same:
        what = "a link is on its way, so the same path would lead elsewhere in a pod"
        raise ConfigError(Problem(text, what, "write the path without the link"))
    return place


def _read(place: Path, text: str) -> str:
    """Return a file's text as it is; a byte order mark goes, which nobody misses."""
    return read_text(place, text)
