"""`bridge init`: draft the files of a new environment, from a kustomize layout or like another environment."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from bridge.commands.arguments import folder_of, run_of
from bridge.config.dotenv import load_env_file, removal
from bridge.config.environment import load_environment
from bridge.config.environment_edits import drafted_source
from bridge.config.schema import FILE, environment_schema
from bridge.draft.environment_file import IGNORED
from bridge.draft.from_layout import draft_from_layout
from bridge.draft.layout_model import Drafted, shown
from bridge.draft.like import draft_like
from bridge.draft.naming import check_new
from bridge.draft.write_files import WrittenFile, write_all
from bridge.errors import BridgeError, ConfigError, Problem
from bridge.report.data import SCHEMA, problems
from bridge.report.output import write_json, write_lines
from bridge.report.own_flags import with_flags
from bridge.report.record import Record
from bridge.report.style import table
from bridge.report.talk import say
from bridge.run.inputs import read_files
from bridge.shell import command, word
from bridge.sources.offline import documents
from bridge.sources.providers import bundled

RULES: Final = ".sops.yaml"
LOOK: Final = "bridge scan"
"""The start of the first command that comes after deleting the plaintext files."""
_KEYS: Final = "sops/age/keys.txt"


def run(args: argparse.Namespace, record: Record) -> int:
    """Draft everything, then write it; warnings list what was not understood or is still to do."""
    if args.fix_kustomize is not None:
        from bridge.commands import fix_kustomize  # noqa: PLC0415 - a separate step with its own imports

        return fix_kustomize.run(args, record)
    if args.deploy is not None:
        from bridge.commands import deploy  # noqa: PLC0415 - as above

        return deploy.run(args, record)
    folder = folder_of(args)
    name = args.environment or os.environ.get("K8_ENV")
    if not name:
        raise ConfigError(Problem("", "no environment given", "name the new environment: `bridge init ENV --from DIR`"))
    check_new(folder, name)
    if args.like:
        drafted = draft_like(name, folder, args.like)
    else:
        drafted = draft_from_layout(name, folder, Path(args.layout) if args.layout else folder.resolve().parent)
    schema = json.dumps(environment_schema(bundled()), indent=2) + "\n"
    texts = {FILE: schema, **drafted.texts}
    written = write_all(folder, texts, IGNORED)
    record.touched.append([path for path, state in written if state != "kept"])
    drafted = drafted._replace(remarks=(*drafted.remarks, *_kept(written, texts)))
    if not args.like:
        drafted = drafted._replace(remarks=(*drafted.remarks, *_refused_later(args, name, folder, drafted, record)))
    data = _data(args, name, drafted, written, record)
    if args.output == "json":
        write_json(record, data)
    else:
        write_lines(_text(data))
    say(record, "warning", drafted.remarks)
    return 0


def _kept(written: tuple[WrittenFile, ...], texts: Mapping[str, str]) -> Iterator[Problem]:
    """Warn about each file that existed and differs from the draft."""
    for path, state in written:
        if state == "kept" and path.name in texts and not _says(path, texts[path.name]):
            is_schema = path.name == FILE
            what = "was kept, but is from another version" if is_schema else "was kept, and differs from the draft"
            hint = "delete it; the next `bridge init` creates it again" if is_schema else ""
            yield Problem(str(path), what, hint, warning=True)


def _refused_later(
    args: argparse.Namespace, name: str, folder: Path, drafted: Drafted, record: Record
) -> Iterator[Problem]:
    """Warn about what `bridge check` will refuse in the drafted files, unless another warning covers it.

    Missing values in the sources are left out: the sources are not filled yet.
    """
    from bridge.commands.check import unfit  # noqa: PLC0415 - start-up: `--like` does not check

    run_ = run_of(args, record)
    errors: list[BridgeError] = []
    try:
        environment = load_environment(folder, name)
        files = read_files(environment, run_, errors)
        names = dict.fromkeys(documents(environment))
        errors += unfit(environment, files, names, [])
    except BridgeError as error:
        errors.append(error)
    covered = {remark.what for remark in drafted.remarks}
    for refused in dict.fromkeys(problem for error in errors for problem in error.problems):
        if refused.what not in covered:
            yield Problem(refused.where, f"{refused.what}; `bridge check` will refuse it", refused.hint, warning=True)


def _says(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False


def _data(
    args: argparse.Namespace, name: str, drafted: Drafted, written: tuple[WrittenFile, ...], record: Record
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "environment": name,
        "result": "drafted",
        "files": [{"path": str(file.path), "state": file.state} for file in written],
        "keys": [
            {"kind": origin.object.kind, "name": origin.object.name, "key": origin.key, "from": origin.place}
            for origin in drafted.keys
        ],
        "others": list(drafted.others),
        "next": list(steps(name, folder_of(args), drafted, record)),
        "other_stores": list(drafted.choices),
        "warnings": problems(drafted.remarks),
        "errors": [],
    }


def _text(data: dict[str, Any]) -> str:
    lines = [f"{row['state']:<9} {row['path']}" for row in data["files"]]
    rows = [(f"{row['kind']}/{row['name']}", row["key"], row["from"]) for row in data["keys"]]
    text = "\n".join(lines) + "\n\n" + table([("OBJECT", "KEY", "FROM"), *rows])
    if data["others"]:
        text += f"\nnot for bridge: {', '.join(data['others'])}\n"
    looks = next((index for index, step in enumerate(data["next"]) if step.startswith(LOOK)), len(data["next"]))
    text += "\nnext, in this order:\n" + "".join(f"  {step}\n" for step in data["next"][:looks])
    if data["other_stores"]:
        stores = " or ".join(f"--to {store}" for store in data["other_stores"])
        text += f"for another store: import {stores}; no age key is needed\n"
    if last := data["next"][looks:]:
        text += "then delete the files that `bridge import` lists as deletable, and:\n"
        text += "".join(f"  {step}\n" for step in last)
    return text


def steps(name: str, folder: Path, drafted: Drafted, record: Record) -> Iterator[str]:
    """Yield the commands; each can be repeated."""
    target = drafted.target or str(drafted_source(name))
    if target.startswith("sops:") and not drafted.is_stored:
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
    """Yield how to create the age key and the rule for new files, if they are missing."""
    if any((parent / RULES).exists() for parent in (folder.resolve(), *folder.resolve().parents)):
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
    """Return the file in which sops looks for age keys."""
    if configured := os.environ.get("SOPS_AGE_KEY_FILE"):
        return Path(configured)
    below_home = "Library/Application Support" if sys.platform == "darwin" else ".config"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / below_home, _KEYS)


def _at_home(path: Path) -> str:
    """Format a path for a shell, starting with ~ if it is in the home folder."""
    home = Path.home()
    return f"~/{word(path.relative_to(home))}" if path.is_relative_to(home) else word(path)


def _values(name: str, target: str, drafted: Drafted) -> Iterator[str]:
    """Yield how to put the secrets into the store."""
    for file in drafted.imports:
        yield command(["bridge", "import", name, shown(file), "--to", target])
    yield from filter(None, [_removal(drafted)])
    missing = [name for name in drafted.secrets if name not in drafted.env_secrets]
    if not missing or any(file != drafted.env_file for file in drafted.imports):
        return
    if drafted.is_live:
        yield command(["bridge", "import", name, "--from-cluster", "--to", target])
    else:
        yield from (command(["bridge", "set", name, variable]) for variable in missing)


def _removal(drafted: Drafted) -> str:
    """Return how to remove the secrets from the env file, except for those that `import` keeps."""
    if not drafted.env_file or not drafted.env_secrets:
        return ""
    path = Path(shown(drafted.env_file))
    differences = load_env_file(path, str(path)).differences
    names = [name for name in drafted.env_secrets if name not in differences]
    return removal(path, str(path), names) if names else ""


def _build(name: str, folder: Path, drafted: Drafted, overlay: str, record: Record) -> Iterator[str]:
    """Yield how to remove the objects from the overlay's build, and the final scan for values in clear."""
    yield with_flags(record, command(["bridge", "init", name, "--fix-kustomize", overlay]))
    is_empty = not (drafted.others or drafted.remarks)  # if true, nothing is left to build
    if not is_empty:
        yield with_flags(record, f"kustomize build {word(overlay)} | bridge check {word(name)} --manifests -")
    places = dict.fromkeys(map(shown, (*drafted.folders, drafted.overlay or folder, folder)))
    yield with_flags(record, command([*LOOK.split(), name, *places]))
    if not is_empty:
        yield with_flags(record, command(["kubectl", "apply", "-k", overlay]))
