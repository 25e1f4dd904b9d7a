"""Derives names: the environment's own, its id, and the variables that its templates use."""

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Final

from bridge.config.environment import environment_names, load_environment
from bridge.config.folder import SUFFIXES, is_environment_name
from bridge.config.names import is_dns_label, quoted
from bridge.config.placeholder import Placeholder, PlaceholderError, parse_text
from bridge.errors import ConfigError, Problem, Refusal

_NAME: Final = re.compile(r"[A-Za-z0-9][-A-Za-z0-9_]*")


def check_new(folder: Path, name: str) -> None:
    """Refuse a name that cannot be an environment's (ConfigError), or that already exists (Refusal)."""
    if not _NAME.fullmatch(name) or not is_environment_name(name):
        what = f"{quoted(name)} is not a valid environment name"
        raise ConfigError(Problem("", what, "use letters, digits, - and _, starting with a letter or digit"))
    for suffix in SUFFIXES:
        path = folder / f"{name}{suffix}"
        if path.exists() or path.is_symlink():
            raise Refusal(
                Problem(str(path), "already exists; nothing was written", "see what it lacks with `bridge check`")
            )


def ids_in(folder: Path) -> Iterator[str]:
    """Yield the ids of a folder's environments; invalid environments are skipped."""
    if not folder.is_dir():
        return
    for name in environment_names(folder):
        try:
            yield load_environment(folder, name).id
        except ConfigError:
            continue


def choose_id(name: str, namespace: str | None, taken: Collection[str]) -> str:
    """Derive an id that no environment in the folder has: the namespace's name if it is free."""
    own = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "environment"
    for choice in (namespace, f"{namespace}-{own}" if namespace else own, f"bridge-{own}"):
        if choice and is_dns_label(choice) and choice not in taken:
            return choice
    return next(choice for number in range(2, len(taken) + 3) if (choice := f"{own[:50]}-{number}") not in taken)


def variables_in(texts: Iterable[str]) -> Iterator[str]:
    """Yield the variables that templates' texts use; `bridge check` reports malformed placeholders."""
    for text in texts:
        try:
            parts = parse_text(text)
        except PlaceholderError:
            continue
        yield from (part.name for part in parts if isinstance(part, Placeholder))


def is_template_text(text: str) -> bool:
    """Whether a text is a template: well-formed and with a placeholder. Any other text is a literal."""
    return any(True for _ in variables_in([text]))


def variable_for(*words: str) -> str:
    """Derive a variable's name from an object's key, or from several words."""
    name = re.sub(r"[^A-Za-z0-9_]", "_", "_".join(words))
    return f"_{name}" if name[:1].isdigit() else name
