"""`bridge check`: everything that is wrong with the files, without a cluster, a network or a key.

`--manifests` judges a kustomize build too, and `--live` the sources and the cluster. `--files` has no environment.
"""

import argparse
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bridge.commands.arguments import environment_of, run_of
from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.config.template import TemplateObject
from bridge.errors import BridgeError, Problem, Refusal, combine
from bridge.objects import JSON_KEYS, Desired, Entry, Layer
from bridge.plan.limits import lacking_keys, malformed_json, malformed_values
from bridge.provider import Context
from bridge.report.cluster import cluster_field, cluster_text
from bridge.report.commands import completed
from bridge.report.data import SCHEMA, plan_data, problems
from bridge.report.record import Record
from bridge.report.table import table
from bridge.report.talk import printable, say
from bridge.report.write import printable_data, write_json, write_lines
from bridge.run.inputs import Files, Run, read_files
from bridge.sources.doubtful_values import doubts
from bridge.sources.env_layer import cut_off
from bridge.sources.inexact_numbers import rewritten_numbers
from bridge.sources.infrastructure import Setting, infrastructure, missing
from bridge.sources.offline import UNREAD, secret_names, stand_in_layer, stand_ins, survey
from bridge.sources.resolve import resolve
from bridge.trust import find

if TYPE_CHECKING:
    from bridge.commands.check_build import Judged
    from bridge.commands.check_live import Looked


def run(args: argparse.Namespace, record: Record) -> int:
    """Print the infrastructure variables; what is wrong goes to stderr, all at once."""
    if args.files:
        from bridge.commands.check_files import check_files  # noqa: PLC0415 - start-up: a form of its own

        return check_files(args, record)
    environment, run_ = environment_of(args), run_of(args, record)
    errors: list[BridgeError] = []
    files = read_files(environment, run_, errors)
    context = Context(environment.base, run_.environ, run_.deadline)
    names, told = survey(environment, files.providers, context, history=True)
    told = (*cut_off(files.layer), *told) if files.layer else told
    secrets = None if files.templates is None else secret_names(files.templates)
    is_fresh = files.layer is not None and files.layer.values is None  # a clone: the env file is not in git
    is_guard = args.manifests is not None
    settings = [] if is_fresh and is_guard else list(infrastructure(environment, names, files.layer, secrets))
    errors += [Refusal(one) for one in told if not one.warning]
    if unset := missing(environment, [one.name for one in settings if one.place is None], files.layer):
        # What an absent file would hold is not known, and the guard is about the build.
        lenient = is_fresh or is_guard
        errors += [] if lenient else [unset]
        told = (*told, *(one._replace(warning=True) for one in unset.problems if lenient))
    doubtful: list[Problem] = []
    errors += unfit(environment, files, names, doubtful)
    if files.templates is not None:
        doubtful += rewritten_numbers(environment, files.providers, files.templates, names, context)
    errors += [Refusal(one) for one in doubtful if not one.warning]
    trusted = find(run_.environ)
    errors += _untrusted_cluster(environment, run_) if trusted else _unfit_kubeconfig(environment, run_)
    judged = _judge(args.manifests, environment, files, run_, errors)
    looked = _look(environment, run_, judged, errors) if args.live and not errors else None
    judged = looked.judged if looked else judged
    told = tuple(one for one in told if not (looked and one.what == UNREAD))
    found = tuple(judged.problems) if judged else ()
    errors += [Refusal(one) for one in found if not one.warning]
    error = combine(errors) if errors else None
    warned = [one for one in (*told, *found, *doubtful) if one.warning]
    warnings = tuple(dict.fromkeys((*warned, *(looked.warnings if looked else ()))))
    data = _data(environment, settings, warnings, error)
    data |= {"manifests": judged.data} if judged else {}
    data |= cluster_field(record.cluster)
    data |= {"trust_file": str(trusted)} if trusted else {}
    data |= {"live": plan_data(looked.plan)["summary"]} if looked else {}
    _report(args, data, record)
    say(record, "warning", warnings)
    say(record, "error", error.problems if error else ())
    return error.exit_status if error else 0


def _unfit_kubeconfig(environment: Environment, run_: Run) -> Iterator[BridgeError]:
    """Find what a run refuses in the kubeconfig that the environment's file names, if it exists.

    Any other kubeconfig belongs to the person who runs it, and without a trust file there is nothing to check in it.
    """
    named, flags = environment.cluster.kubeconfig, run_.cluster
    if named is None or flags.kubeconfig or flags.in_cluster or not os.path.lexists(named):
        return
    from bridge.cluster.kubeconfig import select  # noqa: PLC0415 - start-up: most environments name no kubeconfig
    from bridge.cluster.kubeconfig_origin import check_user  # noqa: PLC0415 - as above

    try:
        selection = select([named], flags.context or environment.cluster.context, run_.deadline)
        if selection.user is not None:
            check_user(selection.user)
    except BridgeError as error:
        yield error


def _untrusted_cluster(environment: Environment, run_: Run) -> Iterator[BridgeError]:
    """Find what the trust file refuses of the cluster, if its kubeconfig exists; a check does not need one."""
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
    """Judge the build that is given; it needs to be known what bridge owns, and where."""
    if manifests is None or files.templates is None or files.namespace is None:
        return None
    from bridge.commands.check_build import judge, owned_by  # noqa: PLC0415 - start-up: only where a build is given

    try:
        return judge(manifests, environment, owned_by(environment, files.namespace, files.templates), run_)
    except BridgeError as error:
        errors.append(error)
        return None


def _look(environment: Environment, run_: Run, judged: "Judged | None", errors: list[BridgeError]) -> "Looked | None":
    from bridge.commands.check_live import look  # noqa: PLC0415 - an offline check loads nothing of a cluster

    try:
        looked = look(environment, run_, judged)
    except BridgeError as error:
        errors.append(error)
        return None
    errors += [Refusal(*looked.errors)] if looked.errors else []
    return looked


def unfit(
    environment: Environment,
    files: Files,
    names: Mapping[Reference, frozenset[str] | None],
    doubtful: list[Problem],
) -> Iterator[BridgeError]:
    """Find what is missing: stand-ins for the values show it, and for an env file that is wrong.

    What is doubtful about the values that are known here is added to `doubtful`.
    """
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
        doubtful += doubts(desired, environment)
        unfit += [problem for one in desired if _is_composed(one, files.templates) for problem in malformed_json(one)]
        for one in desired:
            known = [key for key, entry in one.keys.items() if _is_known(entry, files)]
            unfit += malformed_values(one, known)
    if unfit:
        yield Refusal(*dict.fromkeys(unfit))


def _is_known(entry: Entry, files: Files) -> bool:
    """Return whether a value is the real one here: nothing of it stands in for what a source or a wrong file gives."""
    unknown = {Layer.SOURCE} if files.layer else {Layer.SOURCE, Layer.ENV_FILE}
    return not unknown & entry.origin.layers


def _is_composed(desired: Desired, templates: tuple[TemplateObject, ...]) -> bool:
    """Say whether a template writes the JSON of a typed Secret; a lone placeholder's value is not known here."""
    key = JSON_KEYS.get(desired.type or "", "")
    return any(len(one.keys[key].parts) > 1 for one in templates if one.id == desired.id and key in one.keys)


def _data(
    environment: Environment, settings: list[Setting], warnings: tuple[Problem, ...], error: BridgeError | None
) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "environment": environment.name,
        "infrastructure": [
            {"name": one.name, "set": one.place is not None, "place": one.place, "value": one.value} for one in settings
        ],
        "warnings": problems(warnings),
        "errors": problems(error.problems if error else ()),
    }


def _report(args: argparse.Namespace, data: dict[str, Any], record: Record) -> None:
    if args.output == "json":
        write_json(record, data)
        return
    cure = (data.get("manifests") or {}).get("cure") or ""  # YAML of several lines, as it is
    write_lines("".join(_lines(printable_data(data), cure, record)))


def _lines(data: dict[str, Any], cure: str, record: Record) -> Iterator[str]:
    if data["infrastructure"]:
        rows = [
            (one["name"], printable(one["value"] or "-"), one["place"] or "NOT SET") for one in data["infrastructure"]
        ]
        yield table([("INFRASTRUCTURE VARIABLE", "VALUE", "FROM"), *rows])
    if "manifests" in data:
        from bridge.report.guard import guard_text  # noqa: PLC0415 - start-up

        yield guard_text(data["manifests"], cure)
    if "trust_file" in data:
        yield f"trust file: {data['trust_file']}\n"
    if "cluster" in data:
        yield f"cluster: {cluster_text(data['cluster'])}\n"
    if "live" in data:
        pending = sum(data["live"][action] for action in ("create", "update", "delete"))
        how = f"{pending} object{'s' * (pending > 1)}" if pending else "no object"
        show = completed(record, ", `bridge plan` shows how") if pending else ""
        yield f"{data['environment']}: {how} to change in the cluster{show}\n"
    if not data["errors"]:
        yield f"{data['environment']}: the files are in order\n"
