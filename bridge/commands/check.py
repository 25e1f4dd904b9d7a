"""`bridge check`: everything that is wrong with the files, without a cluster, a network or a key."""

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace

from bridge.commands.arguments import environment_of, run_of
from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.config.template import TemplateObject
from bridge.errors import BridgeError, Problem, Refusal, combine
from bridge.gather import Files, read_files
from bridge.objects import JSON_KEYS, Desired
from bridge.plan.limits import lacking_keys, malformed_json
from bridge.provider import Context
from bridge.report.data import SCHEMA, problems
from bridge.report.table import table
from bridge.report.talk import printable, say
from bridge.report.write import write_json
from bridge.sources.infrastructure import Setting, infrastructure, missing
from bridge.sources.offline import secret_names, stand_in_layer, stand_ins, survey
from bridge.sources.resolve import resolve


def run(args: argparse.Namespace) -> int:
    """Print the infrastructure variables; what is wrong goes to stderr, all at once."""
    environment, run_ = environment_of(args), run_of(args)
    errors: list[BridgeError] = []
    files = read_files(environment, run_, errors)
    names, told = survey(environment, files.providers, Context(environment.base, run_.environ, run_.deadline))
    secrets = None if files.templates is None else secret_names(files.templates)
    settings = list(infrastructure(environment, names, files.layer, secrets))
    errors += [Refusal(one) for one in told if not one.warning]
    errors += _errors(environment, files, names, settings)
    error = combine(errors) if errors else None
    warnings = tuple(one for one in told if one.warning)
    _report(args, environment, settings, warnings, error)
    say("warning", warnings)
    say("error", error.problems if error else ())
    return error.exit_status if error else 0


def _errors(
    environment: Environment,
    files: Files,
    names: Mapping[Reference, frozenset[str] | None],
    settings: list[Setting],
) -> Iterator[BridgeError]:
    """Find what is missing: stand-ins for the values show it, and for an env file that is wrong."""
    absent = missing(environment, [one.name for one in settings if one.place is None], files.layer)
    if absent:
        yield absent
    if files.templates is None:
        return
    layer = files.layer or stand_in_layer(files.templates)
    judged = environment if files.layer else replace(environment, secrets_from="any")
    documents = stand_ins(environment, files.templates, names)
    unfit = [problem for one in files.templates for problem in lacking_keys(one.id, one.type, one.keys)]
    try:
        desired = resolve(judged, files.namespace or "", files.templates, documents, layer).desired
    except BridgeError as error:
        yield error
    else:
        unfit += [problem for one in desired if _is_composed(one, files.templates) for problem in malformed_json(one)]
    if unfit:
        yield Refusal(*unfit)


def _is_composed(desired: Desired, templates: tuple[TemplateObject, ...]) -> bool:
    """Say whether a template writes the JSON of a typed Secret; a lone placeholder's value is not known here."""
    key = JSON_KEYS.get(desired.type or "", "")
    return any(len(one.keys[key].parts) > 1 for one in templates if one.id == desired.id and key in one.keys)


def _report(
    args: argparse.Namespace,
    environment: Environment,
    settings: list[Setting],
    warnings: tuple[Problem, ...],
    error: BridgeError | None,
) -> None:
    if args.output == "json":
        write_json(
            {
                "schema": SCHEMA,
                "environment": environment.name,
                "infrastructure": [
                    {"name": one.name, "set": one.place is not None, "place": one.place, "value": one.value}
                    for one in settings
                ],
                "warnings": problems(warnings),
                "errors": problems(error.problems if error else ()),
            }
        )
        return
    if settings:
        rows = [(one.name, one.value or "-", one.place or "NOT SET") for one in settings]
        text = table([("INFRASTRUCTURE VARIABLE", "VALUE", "FROM"), *rows])
        sys.stdout.write("\n".join(map(printable, text.split("\n"))))
    if error is None:
        sys.stdout.write(f"{environment.name}: the files are in order\n")
    sys.stdout.flush()
