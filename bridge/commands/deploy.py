"""`bridge init --deploy`: renders the CronJob that runs one environment in the cluster, as a kustomize folder."""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bridge.commands.arguments import environment_of, folder_of, run_of
from bridge.config.environment import Environment
from bridge.deploy.check import differences, missing_in_pod
from bridge.deploy.needs import AWS_KEYS, needs
from bridge.deploy.packing import pack
from bridge.deploy.render import AGE, Deployment, names_of, render
from bridge.draft.write_files import WrittenFile, create_all
from bridge.errors import Problem
from bridge.named_tuple import NamedTuple
from bridge.provider import Context
from bridge.report.data import SCHEMA, problems
from bridge.report.output import write_json, write_lines
from bridge.report.record import Record
from bridge.report.talk import say
from bridge.run.inputs import Files, sound_files
from bridge.shell import word


class Rendered(NamedTuple):
    """What the folder should contain, and what happened to each file."""

    folder: Path
    deployment: Deployment
    texts: Mapping[str, str]
    written: tuple[WrittenFile, ...]


def run(args: argparse.Namespace, record: Record) -> int:
    """Render everything, and write the missing files. Files that differ are kept and reported."""
    environment, run_ = environment_of(args), run_of(args, record)
    files = sound_files(environment, run_)
    assert files.templates is not None
    assert files.layer is not None
    context = Context(environment.base, run_.environ, run_.deadline)
    missing = missing_in_pod(environment, files.templates, files.layer, files.providers, context)
    rendered = _render(args, environment, files)
    record.touched.append([path for path, state in rendered.written if state != "kept"])
    changed = differences(rendered.written, rendered.texts, rendered.deployment.packed)
    remarks = (*missing, *rendered.deployment.needs.remarks, *changed)
    data = _data(environment, rendered, remarks)
    if args.output == "json":
        write_json(record, data)
    else:
        write_lines(_text(data))
    say(record, "warning", remarks)
    return 0


def _render(args: argparse.Namespace, environment: Environment, files: Files) -> Rendered:
    assert files.templates is not None
    folder = Path(args.deploy) if args.deploy else _default(args, environment.name)
    required = needs(environment)
    deployment = Deployment(
        names_of(environment, str(environment.namespace)),
        pack(environment, required.encrypted, required.certificates),
        required,
        tuple(one.id for one in files.templates),
        own_namespace=bool(environment.cluster.namespace_uid),
    )
    texts = render(deployment, _command(args, environment))
    return Rendered(folder, deployment, texts, create_all(folder, texts))


def _default(args: argparse.Namespace, name: str) -> Path:
    folder = folder_of(args)
    parent = folder.parent if folder.name not in {"", ".."} else folder.resolve().parent
    return parent / "deploy" / name


def _command(args: argparse.Namespace, environment: Environment) -> str:
    config = f" --config {word(args.config)}" if args.config else ""
    folder = f" {word(args.deploy)}" if args.deploy else ""
    return f"bridge init {word(environment.name)} --deploy{folder}{config}"


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
    """Yield the Secrets that the operator must create, with their keys."""
    names, needs = rendered.deployment.names, rendered.deployment.needs
    keys = {
        "scaleway": ["SCW_SECRET_KEY"],
        "aws": list(AWS_KEYS),
        "sops": [AGE.name],
        "bucket": list(needs.bucket_keys),
    }
    for store in needs.components:
        if store in keys:
            yield names.secret("age" if store == "sops" else store), keys[store]


def _steps(rendered: Rendered) -> Iterator[str]:
    """Yield the commands to run, up to the first Job."""
    names, folder = rendered.deployment.names, word(str(rendered.folder))
    for name, keys in _secrets(rendered):
        files = " ".join(f"--from-file={key}=FILE" for key in keys)
        yield f"kubectl create secret generic {name} --namespace {names.namespace} {files}"
    yield f"kubectl apply -k {folder}"
    yield f"kubectl create job first --from=cronjob/{names.object} --namespace {names.namespace}"


def _text(data: dict[str, Any]) -> str:
    lines = [f"{one['state']:<9} {one['path']}" for one in data["files"]]
    lines += ["", "next, in this order (first set the image in kustomization.yaml):"]
    return "\n".join(lines) + "\n" + "".join(f"  {one}\n" for one in data["next"])
