"""`bridge doctor`: everything that can be known at once about why bridge does not work here. It writes nothing.

Each part reports what it finds and goes on, so that a broken file hides nothing else. Only an invalid trust file stops
what it would govern: no program starts then, and no server is asked.
"""

import argparse
import os
from pathlib import Path
from typing import Final

from bridge import trust
from bridge.cluster.choice import Search, kubeconfig_places
from bridge.cluster.connect import selected
from bridge.commands.arguments import folder_of, run_of
from bridge.commands.check import Examined, examine
from bridge.commands.doctor_cluster import examine_cluster
from bridge.commands.doctor_machine import examine_machine
from bridge.commands.doctor_stores import examine_credentials, examine_documents, examine_file, examine_places
from bridge.config.environment import ClusterChoice, Environment, load_all, load_environment
from bridge.errors import BridgeError, Problem, combine
from bridge.report.doctor import DoctorReport, doctor_data, doctor_text
from bridge.report.output import write_report
from bridge.report.own_flags import with_hints
from bridge.report.record import Record
from bridge.run.inputs import Run
from bridge.sources.offline import UNREAD

_CONFIGURATION: Final = "Configuration"
_TRUST: Final = "Trust file"
_KUBECONFIG: Final = "Kubeconfig"


def run(args: argparse.Namespace, record: Record) -> int:
    """Print the report; the status is 0 if none is an error, else that of the errors."""
    report, run_ = DoctorReport(), run_of(args, record)
    folder = folder_of(args)
    is_trusted = _examine_trust(report, folder)
    examine_machine(report, run_.environ, is_trusted=is_trusted)
    environment = _examine_configuration(report, folder, args)
    examined = _examine_files(report, environment, run_) if environment else None
    examine_credentials(report, environment, examined.files.providers if examined else {}, run_)
    leads = _examine_kubeconfig(report, environment, run_)
    if is_trusted and leads:
        namespace = examined.files.namespace if examined else None
        examine_cluster(report, environment, namespace, examined.files.templates if examined else None, run_)
    if is_trusted and environment and examined:
        examine_documents(report, environment, examined.files.providers, run_)
    data = doctor_data(report, environment.name if environment else None)
    write_report(record, data, args.output, lambda shown, style: doctor_text(with_hints(record, shown), style))
    return combine(report.errors).exit_status if report.errors else 0


def _examine_trust(report: DoctorReport, folder: Path) -> bool:
    """Report the trust file in effect; False if it is invalid, so that nothing may be asked or started."""
    path = trust.find(os.environ)
    if path is None:
        places = f"neither ${trust.VARIABLE} nor a file in ~/.config/bridge or /etc/bridge"
        what = f"none: {places}; see `bridge help threat-model`"
        report.ok(_TRUST, "trust file", what)
        return True
    try:
        trust.check_file(os.environ, folder)
    except BridgeError as error:
        report.fail(_TRUST, error)
        what = "no server is asked and no program is started"
        hint = f"mend the trust file, then check it with `ls -l {path}` and `bridge doctor`"
        report.warn(_TRUST, Problem("because of this", what, hint))
        return False
    report.ok(_TRUST, "trust file", str(path))
    return True


def _examine_configuration(report: DoctorReport, folder: Path, args: argparse.Namespace) -> Environment | None:
    """Report the folder and its environments, and return the requested environment, if its file is valid."""
    named_by = (
        "--config" if args.config else "BRIDGE_CONFIG" if os.environ.get("BRIDGE_CONFIG") else "found here or above"
    )
    name = args.environment or os.environ.get("K8_ENV")
    try:
        everything = load_all(folder)
    except BridgeError as error:
        report.fail(_CONFIGURATION, error)
        return None
    report.ok(_CONFIGURATION, "folder", f"{folder.resolve()} ({named_by})")
    if not everything:
        hint = "create one from your kustomize layout: `bridge init staging --from .`"
        report.warn(_CONFIGURATION, Problem("environments", "none found in this folder", hint))
    for one, loaded in everything.items():
        if one == name:
            continue
        if isinstance(loaded, Environment):
            report.ok(_CONFIGURATION, one, f"{loaded.file.name} is valid")
        elif name is None:
            report.fail(_CONFIGURATION, loaded)
        else:
            for problem in loaded.problems:
                report.warn(_CONFIGURATION, problem)
    if name is None:
        return None
    try:
        environment = load_environment(folder, name)
    except BridgeError as error:
        report.fail(_CONFIGURATION, error)
        return None
    report.ok(_CONFIGURATION, name, f"{environment.file.name} is valid (id {environment.id})")
    return environment


def _examine_files(report: DoctorReport, environment: Environment, run_: Run) -> Examined:
    """Report the environment's files, and what `bridge check` finds in them."""
    group = f"Files of {environment.name}"
    for template in environment.templates:
        examine_file(report, group, f"template {environment.shown(template)}", template)
    if isinstance(environment.env_file, Path):
        examine_file(report, group, "env_file", environment.env_file, is_private=True)
    else:
        report.ok(group, "env_file", "the process's environment" if environment.env_file else "not configured")
    errors: list[BridgeError] = []
    examined = examine(environment, run_, errors)
    for error in errors:
        report.fail(group, error)
    for problem in (*examined.surveyed, *examined.doubtful):
        if problem.warning and problem.what != UNREAD:  # the documents are read below
            report.warn(group, problem)
    return examined


def _examine_kubeconfig(report: DoctorReport, environment: Environment | None, run_: Run) -> bool:
    """Report where a kubeconfig is looked for and which one counts; False if none leads to a cluster."""
    choice = environment.cluster if environment else ClusterChoice()
    search = Search(choice.kubeconfig, choice.context, run_.environ, run_.cluster, run_.deadline)
    for name, path in kubeconfig_places(search):
        if path is None:
            report.ok(_KUBECONFIG, name, "not set")
        else:
            examine_places(report, _KUBECONFIG, [(name, path)], run_.environ)
    try:
        cluster = selected(search)
    except BridgeError as error:
        report.fail(
            _KUBECONFIG, error, "see which kubeconfig kubectl uses, and its contexts: `kubectl config get-contexts`"
        )
        return False
    report.ok(_KUBECONFIG, "context", cluster.context or "none: the pod's service account")
    report.ok(_KUBECONFIG, "server", cluster.server)
    return True
