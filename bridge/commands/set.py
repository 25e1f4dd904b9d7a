"""`bridge set`: write one value into the source that gives it now."""

import argparse
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Final

from bridge.commands.arguments import environment_of, folder_of, run_of
from bridge.commands.prompts import confirm, take_value
from bridge.config.environment import Environment, environment_names
from bridge.config.names import did_you_mean
from bridge.config.reference import Reference
from bridge.config.template_value import looks_encrypted
from bridge.errors import BridgeError, ConfigError, Problem, Refusal
from bridge.provider import Context, Document, Provider
from bridge.report import streams
from bridge.report.cluster import namespace_in
from bridge.report.data import SCHEMA
from bridge.report.output import write_json
from bridge.report.own_flags import with_flags
from bridge.report.record import Record
from bridge.report.talk import printable, say
from bridge.run.inputs import Run, sound_files
from bridge.secret import SecretValue
from bridge.shell import word
from bridge.sources.doubtful_values import doubt, encoding_flaw
from bridge.sources.offline import secret_names
from bridge.sources.reader import read_present
from bridge.stores.locate import ValueLocation, locate_value
from bridge.stores.update import Edit, Written, check_writable, put, rehearse

AS_IT_IS: Final = "if this is intended, set `literal: true` on the variable"


def run(args: argparse.Namespace, record: Record) -> int:
    """Find the source, read the value, ask, write and read back."""
    _check_words(args, record)
    environment, run_ = environment_of(args), run_of(args, record)
    files = sound_files(environment, run_)
    templates = {template.id: template for template in files.templates or ()}
    read = partial(_read, files.providers, environment, run_)
    location = locate_value(args.name, environment, templates, read)
    provider = files.providers[location.reference.provider]
    check_writable(provider, location.reference, _context(environment, run_))
    value = take_value(f"the new value of {args.name} (not shown)")
    _check(args.name, value, environment)
    if args.name in secret_names(templates.values()) or environment.infrastructure.get(args.name) == "secret":
        say(record, "warning", _doubts(args.name, value, environment))
    edits = _edits(location, value)
    written = None
    if edits:
        target = ""
        if not args.yes:  # with --yes the write itself refuses, before anything is written
            rehearse(provider, location.reference, edits, _context(environment, run_of(args, record)))
            target = _target(environment, files.namespace or "", run_)
        confirm(f"{_question(args.name, location)}, for {target}?", yes=args.yes)
        written = put(provider, location.reference, edits, _context(environment, run_of(args, record)))
        record.touched.append([location.reference])
    _report(args, environment, location, written, record)
    return 0


def _check_words(args: argparse.Namespace, record: Record) -> None:
    """Refuse an environment that does not exist. The words are not shown: one may be a value, if another is missing."""
    if not args.environment:
        return
    names = environment_names(folder_of(args))
    if names and args.environment not in names:
        record.environment = ""  # for the log
        message = f"the first argument is not an environment; found {', '.join(names)}"
        usage = f"run `bridge set {names[0]} NAME`, without the value: set prompts for it, or reads it from stdin"
        raise ConfigError(Problem("set", message, did_you_mean(args.environment, names) or usage))


def _read(
    providers: Mapping[str, Provider], environment: Environment, run: Run, reference: Reference
) -> Document | None:
    return read_present(providers, [reference], _context(environment, run))[reference]


def _context(environment: Environment, run: Run) -> Context:
    return Context(environment.base, run.environ, run.deadline)


def _check(name: str, value: SecretValue, environment: Environment) -> None:
    if _is_literal(name, environment):
        return
    if looks_encrypted(value):
        what = "the value looks encrypted; nothing was written"
        raise Refusal(Problem(name, what, AS_IT_IS))
    flaw = encoding_flaw(value)
    if flaw:
        hint = f"pipe it in corrected: `{flaw.command} | bridge set {environment.name} {name} --yes`"
        raise Refusal(Problem(name, f"the value {flaw.what}; nothing was written", hint))


def _doubts(name: str, value: SecretValue, environment: Environment) -> Iterator[Problem]:
    flaw = None if _is_literal(name, environment) else doubt(value)
    if flaw:
        yield Problem(name, f"the value {flaw}", AS_IT_IS, warning=True)


def _is_literal(name: str, environment: Environment) -> bool:
    variable = environment.variables.get(name)
    return variable is not None and variable.literal


def _edits(location: ValueLocation, value: SecretValue) -> list[Edit]:
    """Leave out the slots that already have this value."""
    pairs = zip(location.slots, location.seen, strict=True)
    return [Edit(slot, value, seen) for slot, seen in pairs if seen is None or not seen.same_as(value)]


def _target(environment: Environment, namespace: str, run: Run) -> str:
    """Format the environment's namespace, and its cluster if the kubeconfig can be read; only the question needs it."""
    from bridge.cluster.connect import Search, selected  # noqa: PLC0415 - start-up: only the question names the cluster

    try:
        choice = environment.cluster
        cluster = selected(Search(choice.kubeconfig, choice.context, run.environ, run.cluster, run.deadline))
    except (BridgeError, OSError):
        return f"namespace {namespace}"
    return namespace_in(namespace, cluster)


def _question(name: str, location: ValueLocation) -> str:
    places = " and ".join(slot.within(location.reference) for slot in location.slots)
    if location.document is None:
        return f"Write {name} to {places}, a document that does not exist yet"
    now = f"now at revision {location.document.revision.id}"
    if location.is_new:
        return f"Write {name}, which no source gives yet, to {places}, {now}"
    return f"Replace {name} in {places}, {now}"


def _report(
    args: argparse.Namespace, environment: Environment, location: ValueLocation, written: Written | None, record: Record
) -> None:
    places = [slot.within(location.reference) for slot in location.slots]
    before = location.document.revision.id if location.document else None
    if written:
        before = written.before.id if written.before else None
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "environment": environment.name,
        "name": args.name,
        "places": places,
        "result": "written" if written else "unchanged",
        "before": before,
        "after": written.after.id if written else before,
    }
    if args.output == "json":
        write_json(record, data)
        return
    lines = [f"{place}: unchanged, it already has this value" for place in places]
    if written:
        lines = [f"{place}: written, revision {before or 'none'} -> {data['after']}" for place in places]
        lines.append(with_flags(record, f"next: bridge sync {word(environment.name)}"))
    streams.report().write("".join(f"{printable(line)}\n" for line in lines))
    streams.report().flush()
