"""The commands that come after `bridge init`, in their order (README, "Migrating a repository")."""

import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from bridge.config.dotenv import load_env_file
from bridge.config.env_lines import removal
from bridge.config.listing import drafted_source
from bridge.draft.model import Drafted, shown
from bridge.report.commands import with_flags
from bridge.report.record import Record
from bridge.shell import command, word

RULES: Final = ".sops.yaml"
LOOK: Final = "bridge scan"
"""How the first command begins that comes after the plaintext files are deleted."""
_KEYS: Final = "sops/age/keys.txt"


def steps(name: str, folder: Path, drafted: Drafted, record: Record) -> Iterator[str]:
    """Yield the commands; each can be repeated."""
    target = drafted.target or str(drafted_source(name))
    if target.startswith("sops:"):
        yield from _keys(folder)
    yield from map(partial(with_flags, record), _values(name, target, drafted))
    yield with_flags(record, command(["bridge", "check", name]))
    if drafted.namespace:
        get, create = (
            with_flags(record, f"kubectl {verb} namespace {word(drafted.namespace)}") for verb in ("get", "create")
        )
        yield f"{get} || {create}"
    for verb in ("adopt", "plan", "sync"):
        yield with_flags(record, command(["bridge", verb, name]))
    if drafted.overlay:
        yield from _build(name, folder, drafted, shown(drafted.overlay), record)


def _keys(folder: Path) -> Iterator[str]:
    """Yield how the age key and the rule for new files are made, as far as they are missing."""
    if any((one / RULES).exists() for one in (folder.resolve(), *folder.resolve().parents)):
        return
    public = "printenv SOPS_AGE_KEY | age-keygen -y"
    if not os.environ.get("SOPS_AGE_KEY"):
        file = _key_file()
        if not file.exists():
            make = f"mkdir -p {_at_home(file.parent)} && age-keygen -o {_at_home(file)}"
            yield f"test -f {_at_home(file)} || {{ {make}; }}"
        public = f"age-keygen -y {_at_home(file)}"
    rule = f"creation_rules: [{{age: '$({public} | paste -sd, -)'}}]"
    rules = word(shown(folder / RULES))
    yield f'test -f {rules} || echo "{rule}" > {rules}'


def _key_file() -> Path:
    """Return the file where sops looks for age keys."""
    if given := os.environ.get("SOPS_AGE_KEY_FILE"):
        return Path(given)
    below_home = "Library/Application Support" if sys.platform == "darwin" else ".config"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / below_home, _KEYS)


def _at_home(path: Path) -> str:
    """Write a path for a shell, from ~ on if it is there."""
    home = Path.home()
    return f"~/{word(path.relative_to(home))}" if path.is_relative_to(home) else word(path)


def _values(name: str, target: str, drafted: Drafted) -> Iterator[str]:
    """Yield how the secrets get into the store."""
    for file in drafted.imports:
        yield command(["bridge", "import", name, shown(file), "--to", target])
    yield from filter(None, [_removal(drafted)])
    missing = [one for one in drafted.secrets if one not in drafted.env_secrets]
    if not missing or any(file != drafted.env_file for file in drafted.imports):
        return
    if drafted.is_live:
        yield command(["bridge", "import", name, "--from-cluster", "--to", target])
    else:
        yield from (command(["bridge", "set", name, variable]) for variable in missing)


def _removal(drafted: Drafted) -> str:
    """Return how the env file's secrets leave it, but for those that `import` will not call removable."""
    if not drafted.env_file or not drafted.env_secrets:
        return ""
    path = Path(shown(drafted.env_file))
    differences = load_env_file(path, str(path)).differences
    names = [one for one in drafted.env_secrets if one not in differences]
    return removal(path, str(path), names) if names else ""


def _build(name: str, folder: Path, drafted: Drafted, overlay: str, record: Record) -> Iterator[str]:
    """Yield how the objects leave the overlay's build, and the last look for values in clear."""
    yield with_flags(record, command(["bridge", "init", name, "--fix-kustomize", overlay]))
    is_empty = not (drafted.others or drafted.remarks)  # then nothing is left to build
    if not is_empty:
        yield with_flags(record, f"kustomize build {word(overlay)} | bridge check {word(name)} --manifests -")
    places = dict.fromkeys(map(shown, (*drafted.folders, drafted.overlay or folder, folder)))
    yield with_flags(record, command([*LOOK.split(), name, *places]))
    if not is_empty:
        yield with_flags(record, command(["kubectl", "apply", "-k", overlay]))
