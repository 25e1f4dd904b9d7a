"""`bridge check`: everything that is wrong with the files, without a cluster, a network or a key.

`--manifests` also checks a kustomize build, `--live` the sources and the cluster, and `--age` how old the values in the
sources are. `--files` needs no environment.
"""

import argparse
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bridge.commands.arguments import environment_of, run_of
from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.config.template import TemplateObject
from bridge.errors import BridgeError, Problem, Refusal, combine
from bridge.named_tuple import NamedTuple
from bridge.objects import JSON_KEYS, Desired, Entry, Layer
from bridge.plan.limits import lacking_keys, malformed_json, malformed_values
from bridge.provider import Context
from bridge.report.cluster import cluster_field, cluster_text
from bridge.report.data import SCHEMA, plan_data, problems
from bridge.report.output import printable_data, write_json, write_lines
from bridge.report.own_flags import completed
from bridge.report.record import Record
from bridge.report.style import table
from bridge.report.talk import printable, say
from bridge.run.inputs import Files, Run, read_files
from bridge.sources.doubtful_values import doubts
from bridge.sources.env_layer import cut_off
from bridge.sources.inexact_numbers import rewritten_numbers
from bridge.sources.offline import UNREAD, asked_names, secret_names, stand_in_layer, stand_ins, survey
from bridge.sources.resolve import resolve
from bridge.sources.variables import Setting, infrastructure, missing
from bridge.trust import find

if TYPE_CHECKING:
    from bridge.commands.check_ages import Measured
    from bridge.commands.check_build import Judged
    from bridge.commands.check_live import Looked
    from bridge.plan.model import Plan


class Examined(NamedTuple):
    """An environment's files, its infrastructure variables, and the problems of documents and of known values."""

    files: Files
    settings: list[Setting]
    surveyed: tuple[Problem, ...]
    doubtful: list[Problem]


def run(args: argparse.Namespace, record: Record) -> int:
    """Print the infrastructure variables; all problems go to stderr at once."""
    if args.files:
        from bridge.commands.check_files import check_files  # noqa: PLC0415 - start-up: a form of its own

        return check_files(args, record)
    environment, run_ = environment_of(args), run_of(args, record)._replace(every_age=args.age)
    errors: list[BridgeError] = []
    files, settings, surveyed, doubtful = examine(environment, run_, errors, is_guard=args.manifests is not None)
    trusted = find(run_.environ)
    errors += _untrusted_cluster(environment, run_) if trusted else _unfit_kubeconfig(environment, run_)
    judged = _judge(args.manifests, environment, files, run_, errors)
    looked = _look(environment, run_, judged, errors) if args.live and not errors else None
    judged = looked.judged if looked else judged
    measured = _measure(environment, run_, looked.plan if looked else None, errors) if args.age and not errors else None
    surveyed = tuple(one for one in surveyed if not ((looked or measured) and one.what == UNREAD))
    build_problems = tuple(judged.problems) if judged else ()
    errors += [Refusal(one) for one in build_problems if not one.warning]
    error = combine(errors) if errors else None
    warned = [one for one in (*surveyed, *build_problems, *doubtful) if one.warning]
    found = (*warned, *(looked.warnings if looked else ()), *(measured.warnings if measured else ()))
    warnings = tuple(one for one in dict.fromkeys(found) if not (error and one in error.problems))
    data = _data(environment, settings, warnings, error)
    data |= {"manifests": judged.data} if judged else {}
    data |= cluster_field(record.cluster)
    data |= {"trust_file": str(trusted)} if trusted else {}
    data |= {"live": plan_data(looked.plan)["summary"]} if looked else {}
    data |= {"ages": measured.data} if measured else {}
    _report(args, data, record)
    say(record, "warning", warnings)
    say(record, "error", error.problems if error else ())
    return error.exit_status if error else 0


def examine(environment: Environment, run_: Run, errors: list[BridgeError], *, is_guard: bool = False) -> Examined:
    """Find everything that is wrong with an environment's files, offline; add it to `errors`.

    A check that guards a build (`is_guard`) is only about the build, so variables may be missing.
    """
    files = read_files(environment, run_, errors)
    context = Context(environment.base, run_.environ, run_.deadline)
    names, surveyed = survey(environment, files.providers, context, history=True)
    surveyed = (*cut_off(files.layer), *surveyed) if files.layer else surveyed
    secrets = None if files.templates is None else secret_names(files.templates)
    is_fresh = files.layer is not None and files.layer.values is None  # as in a fresh clone: the env file is not in git
    settings = [] if is_fresh and is_guard else list(infrastructure(environment, names, files.layer, secrets))
    errors += [Refusal(one) for one in surveyed if not one.warning]
    if unset := missing(environment, [one.name for one in settings if one.place is None], files.layer):
        # The content of an absent file is unknown, and `--manifests` is only about the build.
        lenient = is_fresh or is_guard
        errors += [] if lenient else [unset]
        surveyed = (*surveyed, *(problem._replace(warning=True) for problem in unset.problems if lenient))
    surveyed = (*surveyed, *_unused_limits(environment, files.templates or ()))
    doubtful: list[Problem] = []
    errors += unfit(environment, files, names, doubtful)
    if files.templates is not None:
        doubtful += rewritten_numbers(environment, files.providers, files.templates, names, context)
    errors += [Refusal(one) for one in doubtful if not one.warning]
    return Examined(files, settings, surveyed, doubtful)


def _unused_limits(environment: Environment, templates: tuple[TemplateObject, ...]) -> Iterator[Problem]:
    """Warn about age limits of variables that nothing uses: a typo would leave the real variable without its limit."""
    keys = {key for template in templates for key in template.keys}
    used = {*asked_names(templates), *keys, *environment.infrastructure}
    for name in environment.age_limits.keys() - used if templates else ():
        where = f"{environment.shown(environment.file)} variables.{name}"
        hint = "correct the name, or remove the limit"
        yield Problem(where, "has an age limit, but no template uses it", hint, warning=True)


def _unfit_kubeconfig(environment: Environment, run_: Run) -> Iterator[BridgeError]:
    """Yield what a run would refuse in the kubeconfig that the environment's file names, if it exists.

    Any other kubeconfig belongs to the person who runs bridge, and without a trust file there is nothing to check in
    it.
    """
    named, flags = environment.cluster.kubeconfig, run_.cluster
    if named is None or flags.kubeconfig or flags.in_cluster or not os.path.lexists(named):
        return
    # Start-up: most environments name no kubeconfig.
    from bridge.cluster.kubeconfig import check_user, select  # noqa: PLC0415 - start-up, as above

    try:
        selection = select([named], flags.context or environment.cluster.context, run_.deadline)
        if selection.user is not None:
            check_user(selection.user)
    except BridgeError as error:
        yield error


def _untrusted_cluster(environment: Environment, run_: Run) -> Iterator[BridgeError]:
    """Yield what the trust file refuses about the cluster, if its kubeconfig exists; a check does not need one."""
    from bridge.cluster.connect import Search, check_trust  # noqa: PLC0415 - start-up: most runs have no such file

    choice = environment.cluster
    try:
        check_trust(Search(choice.kubeconfig, choice.context, run_.environ, run_.cluster, run_.deadline))
    except Refusal as error:
        yield error
    except BridgeError:
        pass


def _judge(
    manifests: str | None, environment: Environment, files: Files, run_: Run, errors: list[BridgeError]
) -> "Judged | None":
    """Judge the given build; the templates and the namespace must be known for that."""
    if manifests is None or files.templates is None or files.namespace is None:
        return None
    from bridge.commands.check_build import judge, owned_by  # noqa: PLC0415 - start-up: only if a build is given

    try:
        return judge(manifests, environment, owned_by(environment, files.namespace, files.templates), run_)
    except BridgeError as error:
        errors.append(error)
        return None


def _look(environment: Environment, run_: Run, judged: "Judged | None", errors: list[BridgeError]) -> "Looked | None":
    from bridge.commands.check_live import look  # noqa: PLC0415 - an offline check loads no cluster code

    try:
        looked = look(environment, run_, judged)
    except BridgeError as error:
        errors.append(error)
        return None
    errors += [Refusal(*looked.errors)] if looked.errors else []
    return looked


def _measure(environment: Environment, run_: Run, plan: "Plan | None", errors: list[BridgeError]) -> "Measured | None":
    from bridge.commands.check_ages import measure  # noqa: PLC0415 - an offline check reads no source

    try:
        measured = measure(environment, run_, plan)
    except BridgeError as error:
        errors.append(error)
        return None
    errors += [Refusal(*measured.errors)] if measured.errors else []
    return measured


def unfit(
    environment: Environment,
    files: Files,
    names: Mapping[Reference, frozenset[str] | None],
    doubtful: list[Problem],
) -> Iterator[BridgeError]:
    """Find what is missing, with stand-ins for the values and for an invalid env file.

    Doubts about values that are known here are added to `doubtful`.
    """
    if files.templates is None:
        return
    layer = files.layer or stand_in_layer(files.templates)
    judged = environment if files.layer else environment._replace(secrets_from="any")
    documents = stand_ins(environment, files.templates, names)
    unfit = [
        problem for template in files.templates for problem in lacking_keys(template.id, template.type, template.keys)
    ]
    try:
        desired = resolve(judged, files.namespace or "", files.templates, documents, layer).desired
    except BridgeError as error:
        yield error
    else:
        doubtful += doubts(desired, environment)
        unfit += [p for object_ in desired if _is_composed(object_, files.templates) for p in malformed_json(object_)]
        for object_ in desired:
            known = [key for key, entry in object_.keys.items() if _is_known(entry, files)]
            unfit += malformed_values(object_, known)
    if unfit:
        yield Refusal(*dict.fromkeys(unfit))


def _is_known(entry: Entry, files: Files) -> bool:
    """Whether a value is complete: no part of it replaces a source's value or an invalid env file."""
    unknown = {Layer.SOURCE} if files.layer else {Layer.SOURCE, Layer.ENV_FILE}
    return not unknown & entry.origin.layers


def _is_composed(desired: Desired, templates: tuple[TemplateObject, ...]) -> bool:
    """Whether a template composes the JSON of a typed Secret; a single placeholder's value is unknown here."""
    key = JSON_KEYS.get(desired.type or "", "")
    return any(
        len(template.keys[key].parts) > 1
        for template in templates
        if template.id == desired.id and key in template.keys
    )


def _data(
    environment: Environment, settings: list[Setting], warnings: tuple[Problem, ...], error: BridgeError | None
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "environment": environment.name,
        "infrastructure": [
            {"name": setting.name, "set": setting.place is not None, "place": setting.place, "value": setting.value}
            for setting in settings
        ],
        "warnings": problems(warnings),
        "errors": problems(error.problems if error else ()),
    }


def _report(args: argparse.Namespace, data: dict[str, Any], record: Record) -> None:
    if args.output == "json":
        write_json(record, data)
        return
    patches = (data.get("manifests") or {}).get("cure") or ""  # multi-line YAML, unescaped
    write_lines("".join(_lines(printable_data(data), patches, record)))


def _lines(data: dict[str, Any], patches: str, record: Record) -> Iterator[str]:
    if data["infrastructure"]:
        rows = [
            (row["name"], printable(row["value"] or "-"), row["place"] or "NOT SET") for row in data["infrastructure"]
        ]
        yield table([("INFRASTRUCTURE VARIABLE", "VALUE", "FROM"), *rows])
    if "manifests" in data:
        from bridge.report.guard import guard_text  # noqa: PLC0415 - start-up

        yield guard_text(data["manifests"], patches)
    if "trust_file" in data:
        yield f"trust file: {data['trust_file']}\n"
    if "cluster" in data:
        yield f"cluster: {cluster_text(data['cluster'])}\n"
    if "ages" in data:
        from bridge.commands.check_ages import ages_text  # noqa: PLC0415 - as above

        yield ages_text(data["ages"])
    if "live" in data:
        pending = sum(data["live"][action] for action in ("create", "update", "delete"))
        how = f"{pending} object{'s' * (pending > 1)}" if pending else "no objects"
        show = completed(record, ", see `bridge plan`") if pending else ""
        yield f"{data['environment']}: {how} to change in the cluster{show}\n"
    if not data["errors"]:
        yield f"{data['environment']}: the files are valid\n"
