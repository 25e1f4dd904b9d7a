"""`bridge init --deploy`: render the CronJob that runs one environment in the cluster, as a kustomize folder."""

import argparse
import difflib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bridge.commands.arguments import environment_of, run_of
from bridge.config.environment import Environment, config_folder
from bridge.config.textfile import read_text
from bridge.config.yamlfile import load_yaml_documents
from bridge.draft.components import AGE, secret_name
from bridge.draft.deployment import CONFIGURATION, Deployment, names_of, render
from bridge.draft.files import Written, create_all
from bridge.draft.packing import Packed, differing, pack
from bridge.draft.stores import needs
from bridge.errors import ConfigError, Problem, Refusal
from bridge.provider import Context
from bridge.report.data import SCHEMA, problems
from bridge.report.record import Record
from bridge.report.talk import say
from bridge.report.write import write_json, write_lines
from bridge.run.inputs import Files, Run, sound_files
from bridge.shell import word
from bridge.sources.env_layer import EnvLayer
from bridge.sources.offline import stand_ins, survey
from bridge.sources.resolve import resolve


class Rendered(NamedTuple):
    """What the folder should hold, and what became of each file."""

    folder: Path
    deployment: Deployment
    texts: Mapping[str, str]
    written: tuple[Written, ...]


def run(args: argparse.Namespace, record: Record) -> int:
    """Render everything, then write what is not there; what differs is kept and told."""
    environment, run_ = environment_of(args), run_of(args, record)
    files = sound_files(environment, run_)
    told = _survey(environment, files, run_)
    rendered = _render(args, environment, files)
    record.touched.append([path for path, state in rendered.written if state != "kept"])
    remarks = (*told, *rendered.deployment.needs.remarks, *_differences(rendered))
    data = _data(environment, rendered, remarks)
    if args.output == "json":
        write_json(record, data)
    else:
        write_lines(_text(data))
    say(record, "warning", remarks)
    return 0


def _survey(environment: Environment, files: Files, run_: Run) -> tuple[Problem, ...]:
    """Return what a pod would miss, for it has no env file; Refusal for documents that are not in order."""
    names, told = survey(environment, files.providers, Context(environment.base, run_.environ, run_.deadline))
    wrong = [one for one in told if not one.warning]
    if wrong:
        raise Refusal(*wrong)
    assert files.templates is not None
    assert files.layer is not None
    if environment.namespace is None:
        what = "names no namespace, and a pod has no env file that could"
        raise ConfigError(Problem(environment.shown(environment.file), what, "add `namespace:`"))
    if environment.env_file == "environment":
        what = "is the pod's environment there, which has only what cronjob.yaml gives it"
        where = f"{environment.shown(environment.file)} env_file"
        return (*told, Problem(where, what, "add the variables to cronjob.yaml", warning=True))
    absent = EnvLayer(files.layer.shown, None if files.layer.shown else {})
    try:
        resolve(
            environment, environment.namespace, files.templates, stand_ins(environment, files.templates, names), absent
        )
    except Refusal as error:
        return (*told, *(_without_env_file(one, absent.shown) for one in error.problems))
    return told


def _without_env_file(problem: Problem, shown: str) -> Problem:
    """Say of a variable that a pod has no env file; any other problem is one of every kind of run."""
    name = re.match(r"no source gives (\$\{\w+\})", problem.what)
    if name is None:
        return problem._replace(warning=True)
    what = f"no source gives {name[1]}, and a pod has no {shown}: the CronJob would stop"
    return Problem(problem.where, what, "give it in a source, or write the value into a template", warning=True)


def _render(args: argparse.Namespace, environment: Environment, files: Files) -> Rendered:
    assert files.templates is not None
    folder = Path(args.deploy) if args.deploy else _default(args, environment.name)
    found = needs(environment)
    deployment = Deployment(
        names_of(environment, str(environment.namespace)),
        pack(environment, found.encrypted, found.certificates),
        found,
        tuple(one.id for one in files.templates),
        own_namespace=bool(environment.cluster.namespace_uid),
    )
    texts = render(deployment, _command(args, environment))
    return Rendered(folder, deployment, texts, create_all(folder, texts))


def _default(args: argparse.Namespace, name: str) -> Path:
    folder = config_folder(args.config, os.environ)
    parent = folder.parent if folder.name not in {"", ".."} else folder.resolve().parent
    return parent / "deploy" / name


def _command(args: argparse.Namespace, environment: Environment) -> str:
    config = f" --config {word(args.config)}" if args.config else ""
    folder = f" {word(args.deploy)}" if args.deploy else ""
    return f"bridge init {word(environment.name)} --deploy{folder}{config}"


def _differences(rendered: Rendered) -> Iterator[Problem]:
    """Tell of each file that was kept where it is not as it would be rendered now: by places, never by content."""
    for (path, state), (name, text) in zip(rendered.written, rendered.texts.items(), strict=True):
        try:
            same = state == "created" or read_text(path, str(path)) == text
        except (OSError, ConfigError):
            same = False
        if same:
            continue
        if name == CONFIGURATION:
            what = f"is out of date, and was kept: {', '.join(_places(path, rendered.deployment.packed)) or 'its form'}"
            yield Problem(str(path), what, "remove it, and run this command again", warning=True)
        else:
            what = f"is not as it would be rendered now, and was kept: {_lines(path, text)}"
            yield Problem(
                str(path), what, "where that is not your own change, remove it and run this again", warning=True
            )


def _places(path: Path, packed: Packed) -> Iterator[str]:
    try:
        documents = load_yaml_documents(path, str(path))
    except ConfigError:
        return iter(["it cannot be read"])
    return differing(documents[0].content if documents else None, packed)


def _lines(path: Path, text: str) -> str:
    try:
        kept = read_text(path, str(path)).splitlines()
    except (OSError, ConfigError):
        return "it cannot be read"
    matcher = difflib.SequenceMatcher(None, kept, text.splitlines(), autojunk=False)
    spans = [(start + 1, max(start + 1, end)) for tag, start, end, _, _ in matcher.get_opcodes() if tag != "equal"]
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in spans]
    return f"line {', '.join(shown)}" if shown else "its line ends"


def _data(environment: Environment, rendered: Rendered, remarks: tuple[Problem, ...]) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "environment": environment.name,
        "result": "rendered",
        "files": [{"path": str(one.path), "state": one.state} for one in rendered.written],
        "mounted": [str(rendered.deployment.packed.folder), *rendered.deployment.packed.texts],
        "secrets": dict(_secrets(rendered)),
        "next": list(_steps(rendered)),
        "warnings": problems(remarks),
        "errors": [],
    }


def _secrets(rendered: Rendered) -> Iterator[tuple[str, list[str]]]:
    """Yield the Secrets that somebody has to make, with their keys."""
    bucket = ["SCW_ACCESS_KEY", "SCW_SECRET_KEY"]
    if rendered.deployment.needs.bucket not in {"", "scaleway"}:
        bucket = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]
    for store, keys in (("scaleway", ["SCW_SECRET_KEY"]), ("sops", [AGE.name]), ("bucket", bucket)):
        if store in rendered.deployment.needs.components:
            yield secret_name(rendered.deployment.names, "age" if store == "sops" else store), keys


def _steps(rendered: Rendered) -> Iterator[str]:
    """Yield the commands that lead to the first run."""
    names, folder = rendered.deployment.names, word(str(rendered.folder))
    for name, keys in _secrets(rendered):
        files = " ".join(f"--from-file={key}=FILE" for key in keys)
        yield f"kubectl create secret generic {name} --namespace {names.namespace} {files}"
    yield f"kubectl apply -k {folder}"
    yield f"kubectl create job first --from=cronjob/{names.object} --namespace {names.namespace}"


def _text(data: dict[str, Any]) -> str:
    lines = [f"{one['state']:<9} {one['path']}" for one in data["files"]]
    lines += ["", "next, in this order (say in kustomization.yaml first which image it is):"]
    return "\n".join(lines) + "\n" + "".join(f"  {one}\n" for one in data["next"])
