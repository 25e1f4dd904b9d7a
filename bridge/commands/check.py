"""`bridge check`: everything that is wrong with the files, without a cluster, a network or a key."""

import argparse
import sys
from collections.abc import Iterator, Mapping

from bridge.commands.arguments import environment_of, run_of
from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.errors import BridgeError, Problem, Refusal, combine
from bridge.gather import Files, load_files
from bridge.provider import Context
from bridge.report.data import SCHEMA, problems
from bridge.report.table import table
from bridge.report.talk import printable, say
from bridge.report.write import write_json
from bridge.sources.infrastructure import Setting, infrastructure, missing
from bridge.sources.offline import known_names, source_problems, stand_ins
from bridge.sources.resolve import resolve


def run(args: argparse.Namespace) -> int:
    """Print the infrastructure variables; what is wrong goes to stderr, all at once."""
    environment, run_ = environment_of(args), run_of(args)
    files = load_files(environment, run_)
    context = Context(environment.base, run_.environ, run_.deadline)
    told = tuple(source_problems(environment, files.providers, context))
    broken = tuple(one for one in told if not one.warning)
    names = {} if broken else known_names(environment, files.providers, context)
    settings = [] if broken else list(infrastructure(environment, names, files.layer))
    errors = [Refusal(*broken)] if broken else list(_errors(environment, files, names, settings))
    error = combine(errors) if errors else None
    warnings = (*(one for one in told if one.warning), *_unknown(names))
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
    """Resolve the layers with stand-ins for the values: what is missing shows without them."""
    absent = missing(environment, settings, files.layer)
    if absent:
        yield absent
    documents = stand_ins(environment, files.templates, names)
    try:
        resolve(environment, files.namespace, files.templates, documents, files.layer)
    except BridgeError as error:
        yield error


def _unknown(names: Mapping[Reference, frozenset[str] | None]) -> Iterator[Problem]:
    for reference, known in names.items():
        if known is None:
            yield Problem(str(reference), "its fields are not known without reading it", "`bridge plan` reads it")


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
