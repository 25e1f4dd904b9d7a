"""`bridge init`: draft the files of a new environment, from a kustomize layout or like another environment."""

import argparse
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bridge.commands.arguments import run_of
from bridge.commands.init_steps import LOOK, steps
from bridge.config.environment import config_folder, load_environment
from bridge.config.schema import FILE, environment_schema
from bridge.draft.environment import IGNORED
from bridge.draft.files import Written, write_all
from bridge.draft.from_layout import draft_from_layout
from bridge.draft.like import draft_like
from bridge.draft.model import Drafted
from bridge.draft.naming import check_new
from bridge.errors import BridgeError, ConfigError, Problem
from bridge.report.data import SCHEMA, problems
from bridge.report.record import Record
from bridge.report.table import table
from bridge.report.talk import say
from bridge.report.write import write_json, write_lines
from bridge.run.inputs import read_files
from bridge.sources.offline import documents
from bridge.sources.providers import bundled


def run(args: argparse.Namespace, record: Record) -> int:
    """Draft everything, then write it; what is not understood or still to do is a warning."""
    if args.fix_kustomize is not None:
        from bridge.commands import fix_kustomize  # noqa: PLC0415 - another step, with imports of its own

        return fix_kustomize.run(args, record)
    if args.deploy is not None:
        from bridge.commands import deploy  # noqa: PLC0415 - as above

        return deploy.run(args, record)
    folder = config_folder(args.config, os.environ)
    name = args.environment or os.environ.get("K8_ENV")
    if not name:
        raise ConfigError(Problem("", "no environment is named", "name the new one: bridge init ENV --from DIR"))
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


def _kept(written: tuple[Written, ...], texts: Mapping[str, str]) -> Iterator[Problem]:
    """Warn of each file that was there and says another thing than the draft."""
    for path, state in written:
        if state == "kept" and path.name in texts and not _says(path, texts[path.name]):
            is_schema = path.name == FILE
            what = "is not this version's, and was kept" if is_schema else "was kept, and what was drafted is not in it"
            hint = "remove it, and the next `bridge init` writes it anew" if is_schema else ""
            yield Problem(str(path), what, hint, warning=True)


def _refused_later(
    args: argparse.Namespace, name: str, folder: Path, drafted: Drafted, record: Record
) -> Iterator[Problem]:
    """Warn of what `bridge check` is going to refuse in the drafted files, if nothing has told of it yet.

    What the sources lack is left out: they are filled only now.
    """
    from bridge.commands.check import unfit  # noqa: PLC0415 - start-up: drafting like another one does not check

    run_ = run_of(args, record)
    errors: list[BridgeError] = []
    try:
        environment = load_environment(folder, name)
        files = read_files(environment, run_, errors)
        names = dict.fromkeys(documents(environment))
        errors += unfit(environment, files, names, [])
    except BridgeError as error:
        errors.append(error)
    told = {one.what for one in drafted.remarks}
    for one in dict.fromkeys(problem for error in errors for problem in error.problems):
        if one.what not in told:
            yield Problem(one.where, f"{one.what}; `bridge check` refuses it", one.hint, warning=True)


def _says(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False


def _data(
    args: argparse.Namespace, name: str, drafted: Drafted, written: tuple[Written, ...], record: Record
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "environment": name,
        "result": "drafted",
        "files": [{"path": str(one.path), "state": one.state} for one in written],
        "keys": [
            {"kind": one.object.kind, "name": one.object.name, "key": one.key, "from": one.place}
            for one in drafted.keys
        ],
        "others": list(drafted.others),
        "next": list(steps(name, config_folder(args.config, os.environ), drafted, record)),
        "other_stores": list(drafted.choices),
        "warnings": problems(drafted.remarks),
        "errors": [],
    }


def _text(data: dict[str, Any]) -> str:
    lines = [f"{one['state']:<9} {one['path']}" for one in data["files"]]
    rows = [(f"{one['kind']}/{one['name']}", one["key"], one["from"]) for one in data["keys"]]
    text = "\n".join(lines) + "\n\n" + table([("OBJECT", "KEY", "FROM"), *rows])
    if data["others"]:
        text += f"\nnot for bridge: {', '.join(data['others'])}\n"
    looks = next((index for index, one in enumerate(data["next"]) if one.startswith(LOOK)), len(data["next"]))
    text += "\nnext, in this order:\n" + "".join(f"  {one}\n" for one in data["next"][:looks])
    if data["other_stores"]:
        stores = " or ".join(f"--to {one}" for one in data["other_stores"])
        text += f"for another store: import {stores}, without an age key\n"
    if last := data["next"][looks:]:
        text += "then delete the files that `bridge import` says may be deleted, and:\n"
        text += "".join(f"  {one}\n" for one in last)
    return text
