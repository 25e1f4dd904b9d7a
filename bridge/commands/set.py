"""`bridge set`: write one value into the source that gives it now."""

import argparse
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

from bridge.commands.arguments import environment_of, folder_of, run_of
from bridge.commands.new_value import NewValue, context_of, new_value_data, new_value_lines, question, write
from bridge.commands.prompts import confirm, take_value
from bridge.config.environment import Environment, environment_names
from bridge.config.names import did_you_mean
from bridge.config.reference import Reference
from bridge.config.template import TemplateObject
from bridge.config.template_value import looks_encrypted
from bridge.errors import BridgeError, ConfigError, Problem, Refusal
from bridge.objects import ObjectId
from bridge.provider import Document, Provider
from bridge.report.cluster import namespace_in
from bridge.report.data import SCHEMA
from bridge.report.output import write_json, write_text
from bridge.report.own_flags import with_flags
from bridge.report.record import Record
from bridge.report.talk import printable, say
from bridge.run.inputs import Run, sound_files
from bridge.secret import SecretValue
from bridge.shell import word
from bridge.sources.doubtful_values import doubt, encoding_flaw
from bridge.sources.offline import secret_names
from bridge.sources.reader import read_present
from bridge.stores.generate import generate
from bridge.stores.locate import locate_value
from bridge.stores.rotation import Rotation, locate_rotation
from bridge.stores.update import Written, check_writable, rehearse

AS_IT_IS: Final = "if this is intended, set `literal: true` on the variable"


def run(args: argparse.Namespace, record: Record) -> int:
    """Find the source, get the value, ask, write and read back; sync and restart if asked to."""
    _check_words(args, record)
    _check_flags(args)
    environment, run_ = environment_of(args), run_of(args, record)
    new_value = _prepare(args, environment, run_, record)
    if args.sync:
        from bridge.commands import set_and_sync  # noqa: PLC0415 - start-up: without --sync, nothing is planned

        return set_and_sync.run(args, new_value, environment, record)
    if new_value.edits:
        _ask(args, new_value, environment, record)
    written = write(new_value, environment, run_of(args, record))
    _report(args, environment, new_value, written, record)
    return 0


def _prepare(args: argparse.Namespace, environment: Environment, run: Run, record: Record) -> NewValue:
    """Locate the value, look at an earlier rotation, and get the new value. Nothing is written."""
    files = sound_files(environment, run)
    templates = {template.id: template for template in files.templates or ()}
    documents: dict[Reference, Document] = {}
    read = partial(_read, files.providers, environment, run, documents)
    rotation = _rotation(args, environment, templates, read)
    location = rotation.location if rotation else locate_value(args.name, environment, templates, read)
    new_value = NewValue(args.name, location, (), files, documents, bool(args.generate), rotation)
    check_writable(new_value.provider, new_value.reference, context_of(environment, run))
    if rotation:
        from bridge.run.unfinished_rotation import unfinished_rotation  # noqa: PLC0415 - start-up: otherwise no cluster is needed

        new_value = new_value._replace(unfinished=unfinished_rotation(rotation, environment, files, run, documents))
    if new_value.unfinished and args.generate:
        if new_value.unfinished.workloads and not args.restart:
            raise _not_finished(new_value, environment)
        return new_value
    value = generate(args.generate) if args.generate else _taken(args, environment, templates, record)
    new_value = new_value._replace(edits=rotation.edits(value) if rotation else location.edits(value))
    if new_value.unfinished and new_value.edits:
        raise _not_finished(new_value, environment)
    return new_value


def _rotation(
    args: argparse.Namespace,
    environment: Environment,
    templates: Mapping[ObjectId, TemplateObject],
    read: Callable[[Reference], Document | None],
) -> Rotation | None:
    if not args.keep_previous:
        return None
    return locate_rotation(args.name, args.keep_previous, environment, templates, read)


def _not_finished(new_value: NewValue, environment: Environment) -> Refusal:
    """Return the error for a new value that would replace one before every pod has it."""
    assert new_value.unfinished, "there is a rotation to finish"
    left = ", ".join(new_value.unfinished.keys or new_value.unfinished.workloads)
    what = f"an earlier rotation is not finished: {left}; nothing was written"
    sync = word(environment.name)
    return Refusal(Problem(new_value.name, what, f"run `bridge sync {sync} --restart --wait 10m`, then run this again"))


def _taken(
    args: argparse.Namespace,
    environment: Environment,
    templates: Mapping[ObjectId, TemplateObject],
    record: Record,
) -> SecretValue:
    """Return the value from the prompt or stdin; refuse what is certainly wrong, and warn of what may be."""
    value = take_value(f"the new value of {args.name} (not shown)")
    _check(args.name, value, environment)
    if args.name in secret_names(templates.values()) or environment.infrastructure.get(args.name) == "secret":
        say(record, "warning", _doubts(args.name, value, environment))
    return value


def _ask(args: argparse.Namespace, new_value: NewValue, environment: Environment, record: Record) -> None:
    """Ask, once it is certain that the store would take the write; with --yes the write itself refuses."""
    target, run = "", run_of(args, record)
    if not args.yes:
        rehearse(new_value.provider, new_value.reference, new_value.edits, context_of(environment, run))
        target = _target(environment, new_value.files.namespace or "", run)
    confirm(question(new_value, f", for {target}"), yes=args.yes)


def _check_flags(args: argparse.Namespace) -> None:
    if args.wait and not args.restart:
        raise ConfigError(Problem("", "--wait follows rollouts, so it needs --restart"))
    if args.restart and not args.sync:
        raise ConfigError(Problem("", "--restart follows a sync, so it needs --sync", "add --sync"))


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
    providers: Mapping[str, Provider],
    environment: Environment,
    run: Run,
    documents: dict[Reference, Document],
    reference: Reference,
) -> Document | None:
    """Read a document once; None if it does not exist."""
    if reference not in documents:
        document = read_present(providers, [reference], context_of(environment, run))[reference]
        if document is None:
            return None
        documents[reference] = document
    return documents[reference]


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


def _target(environment: Environment, namespace: str, run: Run) -> str:
    """Format the environment's namespace, and its cluster if the kubeconfig can be read; only the question needs it."""
    from bridge.cluster.connect import Search, selected  # noqa: PLC0415 - start-up: only the question names the cluster

    try:
        choice = environment.cluster
        cluster = selected(Search(choice.kubeconfig, choice.context, run.environ, run.cluster, run.deadline))
    except (BridgeError, OSError):
        return f"namespace {namespace}"
    return namespace_in(namespace, cluster)


def _report(
    args: argparse.Namespace, environment: Environment, new_value: NewValue, written: Written | None, record: Record
) -> None:
    data = new_value_data(new_value, written)
    if args.output == "json":
        write_json(record, {"schema": SCHEMA, "environment": environment.name, **data})
        return
    lines = list(new_value_lines(data))
    if written or new_value.unfinished:
        lines.append(with_flags(record, f"next: bridge sync {word(environment.name)}"))
    write_text("".join(f"{printable(line)}\n" for line in lines))
