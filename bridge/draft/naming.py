"""Derives names: the environment's own, its id, and the variables that its templates ask for."""

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final

from bridge.config.environment import SUFFIXES, environment_names, is_environment_name, load_environment
from bridge.config.names import is_dns_label, quoted
from bridge.config.placeholder import Placeholder, PlaceholderError, parse_text
from bridge.errors import ConfigError, Problem, Refusal

_NAME: Final = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_]*")


def check_new(folder: Path, name: str) -> None:
    """Refuse a name that cannot be an environment's (ConfigError), or that is one already (Refusal)."""
    if not _NAME.fullmatch(name) or not is_environment_name(name):
        what = f"{quoted(name)} cannot be an environment's name"
        raise ConfigError(Problem("", what, "a letter or digit, then letters, digits, - and _; no dot"))
    for suffix in SUFFIXES:
        path = folder / f"{name}{suffix}"
        if path.exists() or path.is_symlink():
            raise Refusal(
                Problem(str(path), "exists already; nothing was written", "`bridge check` tells what it lacks")
            )


def ids_in(folder: Path) -> Iterator[str]:
    """Yield the ids of a folder's environments; a broken one is passed over."""
    if not folder.is_dir():
        return
    for name in environment_names(folder):
        try:
            yield load_environment(folder, name).id
        except ConfigError:
            continue


def choose_id(name: str, namespace: str | None, taken: Collection[str]) -> str:
    """Derive an id that no environment of the folder has: the namespace's name where it is free."""
    own = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "environment"
    for choice in (namespace, f"{namespace}-{own}" if namespace else own, f"bridge-{own}"):
        if choice and is_dns_label(choice) and choice not in taken:
            return choice
    return next(one for number in range(2, len(taken) + 3) if (one := f"{own[:50]}-{number}") not in taken)


def asked(texts: Iterable[str]) -> Iterator[str]:
    """Yield the variables that texts of templates ask for; a malformed placeholder is left to `bridge check`."""
    for text in texts:
        try:
            parts = parse_text(text)
        except PlaceholderError:
            continue
        yield from (part.name for part in parts if isinstance(part, Placeholder))


def asks(text: str) -> bool:
    """Return whether a text is a template's: well-formed, with a placeholder in it. Any other is a literal."""
    return any(True for _ in asked([text]))


def variable_for(*words: str) -> str:
    """Make a variable's name of an object's key, or of several words."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", "_".join(words))
    return f"_{name}" if name[:1].isdigit() else name
