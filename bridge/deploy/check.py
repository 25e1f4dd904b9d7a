"""Checks what a pod of the CronJob would miss, and whether rendered files are out of date."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bridge.config.environment import Environment
from bridge.config.template import TemplateObject
from bridge.config.textfile import read_text
from bridge.config.yamlfile import load_yaml_documents
from bridge.deploy.packing import Packed
from bridge.deploy.render import CONFIGURATION
from bridge.draft.write_files import WrittenFile
from bridge.errors import ConfigError, Problem, Refusal
from bridge.provider import Context, Provider
from bridge.sources.env_layer import EnvLayer
from bridge.sources.offline import stand_ins, survey
from bridge.sources.resolve import resolve


def missing_in_pod(
    environment: Environment,
    templates: tuple[TemplateObject, ...],
    layer: EnvLayer,
    providers: Mapping[str, Provider],
    context: Context,
) -> tuple[Problem, ...]:
    """Return a warning for whatever a pod without an env file would lack; Refusal for an invalid document."""
    names, problems = survey(environment, providers, context)
    errors = [problem for problem in problems if not problem.warning]
    if errors:
        raise Refusal(*errors)
    if environment.namespace is None:
        what = "has no namespace, and a pod has no env file to read it from"
        raise ConfigError(Problem(environment.shown(environment.file), what, "add `namespace: NAME`"))
    if environment.env_file == "environment":
        what = "is the pod's environment, which only has the variables in cronjob.yaml"
        where = f"{environment.shown(environment.file)} env_file"
        return (*problems, Problem(where, what, "add the variables to cronjob.yaml", warning=True))
    absent = EnvLayer(layer.shown, None if layer.shown else {})
    try:
        resolve(environment, environment.namespace, templates, stand_ins(environment, templates, names), absent)
    except Refusal as error:
        return (*problems, *(_without_env_file(problem, absent.shown) for problem in error.problems))
    return problems


def _without_env_file(problem: Problem, shown: str) -> Problem:
    """Explain a missing variable by the missing env file, and turn any other problem into a warning."""
    match = re.match(r"no source gives (\$\{\w+\})", problem.what)
    if match is None:
        return problem._replace(warning=True)
    what = f"no source gives {match[1]}, and a pod has no {shown}, so the CronJob would fail"
    return Problem(problem.where, what, "add it to a source, or write the value into a template", warning=True)


def differences(written: Sequence[WrittenFile], texts: Mapping[str, str], packed: Packed) -> Iterator[Problem]:
    """Warn about each kept file that differs from what would be rendered now, naming places but no content."""
    for (path, state), (name, text) in zip(written, texts.items(), strict=True):
        if state == "created" or _read(path) == text:
            continue
        if name == CONFIGURATION:
            what = f"is out of date, but was kept: {', '.join(_places(path, packed)) or 'its formatting'}"
            yield Problem(str(path), what, "delete it and run this command again", warning=True)
        else:
            what = f"differs from what would be rendered now, but was kept: {_lines(_read(path), text)}"
            yield Problem(
                str(path), what, "if the change is not yours, delete it and run this command again", warning=True
            )


def _read(path: Path) -> str | None:
    try:
        return read_text(path, str(path))
    except (OSError, ConfigError):
        return None


def _places(path: Path, packed: Packed) -> Iterator[str]:
    """Yield the files whose copies in a ConfigMap are out of date, and the copies that are no longer needed."""
    try:
        documents = load_yaml_documents(path, str(path))
    except ConfigError:
        yield "it cannot be read"
        return
    kept = documents[0].content if documents else None
    data = kept.get("data") if isinstance(kept, Mapping) else None
    copies = data if isinstance(data, Mapping) else {}
    keys = packed.items()
    yield from (place for place, text in packed.texts.items() if copies.get(keys[place]) != text)
    yield from (str(key) for key in copies if key not in keys.values())


def _lines(kept: str | None, text: str) -> str:
    if kept is None:
        return "it cannot be read"
    matcher = difflib.SequenceMatcher(None, kept.splitlines(), text.splitlines(), autojunk=False)
    spans = [(start + 1, max(start + 1, end)) for tag, start, end, _, _ in matcher.get_opcodes() if tag != "equal"]
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in spans]
    return f"line {', '.join(shown)}" if shown else "its line endings"
