"""What `bridge doctor` asks the API server: its version, who we are there, and whether our rights suffice."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from bridge.cluster.api import Api, ObjectNotFound
from bridge.cluster.choice import Search
from bridge.cluster.connect import connect
from bridge.cluster.endpoint import Endpoint
from bridge.cluster.identity import check_server, namespace_uid, readable_uid
from bridge.cluster.objects import PLURALS
from bridge.cluster.waves import on_each
from bridge.config.environment import ClusterChoice, Environment
from bridge.config.template import TemplateObject
from bridge.errors import BridgeError, Problem, Refusal
from bridge.named_tuple import NamedTuple
from bridge.report.doctor import DoctorReport
from bridge.run.inputs import Run
from bridge.shell import command as pasteable

GROUP: Final = "Cluster"
RIGHTS: Final = "Rights in the cluster"
LIMIT: Final = 20.0
"""How many seconds all questions to the cluster may take together."""
CALL_LIMIT: Final = 5.0
MOST_SKEW: Final = 60
"""Seconds by which the two clocks may differ; tokens are usually refused at about this difference."""
_VERSION: Final = r"v[0-9]{1,4}\.[0-9]{1,4}[0-9A-Za-z.+-]{0,60}"
_USER: Final = r"[\w.@:+/=|#-]{1,250}"
_SERVICE_ACCOUNT: Final = r"system:serviceaccount:([a-z0-9.-]+):([a-z0-9.-]+)"


class Right(NamedTuple):
    """What bridge does with one resource. Without a right that is not `needed`, a sync still works."""

    group: str
    resource: str
    name: str
    verbs: tuple[str, ...]
    needed: bool
    purpose: str = ""

    def __str__(self) -> str:
        return f"{self.resource}/{self.name}" if self.name else self.resource


def examine_cluster(
    report: DoctorReport,
    environment: Environment | None,
    namespace: str | None,
    templates: Sequence[TemplateObject] | None,
    run: Run,
) -> None:
    """Connect as a sync would, and report what the server says. This writes nothing."""
    choice = environment.cluster if environment else ClusterChoice()
    deadline = min(run.deadline, time.monotonic() + LIMIT)
    try:
        endpoint = connect(Search(choice.kubeconfig, choice.context, run.environ, run.cluster, deadline))
        if choice.server:
            check_server(endpoint, choice.server)  # before anything is sent: a sync would not ask this server either
    except BridgeError as error:
        report.fail(GROUP, error)
        return
    for warning in endpoint.warnings:
        hint = "set certificate-authority-data in the kubeconfig instead: `bridge help threat-model`"
        report.warn(GROUP, Problem("TLS", warning, hint))
    with closing(Api(endpoint, deadline=deadline, call_timeout=CALL_LIMIT)) as api:
        if not _answers(report, api):
            return
        user = _who(report, api)
        _examine_clock(report, api)
        if environment and namespace:
            _examine_binding(report, api, endpoint, environment, namespace)
            _examine_rights(report, api, list(_rights(environment, namespace, templates or ())), namespace, user)


def _answers(report: DoctorReport, api: Api) -> bool:
    """Report the server's version and the cluster's uid; False if the server does not answer."""
    try:
        version = str(api.request("get", "/version", target="the server's version").get("gitVersion"))
        report.ok(GROUP, "version", version if re.fullmatch(_VERSION, version) else "unknown")
    except ObjectNotFound:
        report.ok(GROUP, "version", "unknown: the server does not say")
    except BridgeError as error:
        report.fail(GROUP, error)
        return False
    try:
        uid = readable_uid(api, "kube-system")
        report.ok(GROUP, "cluster uid", uid or "unknown: you may not read the namespace kube-system")
    except Refusal:
        report.ok(GROUP, "cluster uid", "unknown: no namespace kube-system")
    except BridgeError as error:
        report.fail(GROUP, error)
        return False
    return True


def _ask(api: Api, group: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Send a review, which the server answers and does not store; return its status."""
    path = f"/apis/{group}/v1/{kind.lower()}s"
    body = {"apiVersion": f"{group}/v1", "kind": kind, **({"spec": spec} if spec else {})}
    # As a dry run, it counts as a read: it is sent again if the answer is lost.
    answer = api.request("create", path, target=kind, body=json.dumps(body).encode(), dry_run=True)
    status = answer.get("status")
    return status if isinstance(status, dict) else {}


def _who(report: DoctorReport, api: Api) -> str:
    """Report who the server takes us for, and return the name, or "" if it is unknown."""
    try:
        info = _ask(api, "authentication.k8s.io", "SelfSubjectReview", {}).get("userInfo")
    except ObjectNotFound:
        report.ok(GROUP, "user", "unknown: Kubernetes says this only from 1.28 on")
        return ""
    except BridgeError as error:
        report.fail(GROUP, error)
        return ""
    name = str(info.get("username")) if isinstance(info, dict) else ""
    known = name if re.fullmatch(_USER, name) else ""
    report.ok(GROUP, "user", known or "has an unusual name, which is not shown")
    return known


def _examine_clock(report: DoctorReport, api: Api) -> None:
    """Compare this machine's clock with the Date header of the last answer."""
    theirs = api.server_time()
    if theirs is None:
        report.ok(GROUP, "clock", "unknown: the server sends no time")
        return
    skew = round((datetime.now(UTC) - theirs).total_seconds())
    if abs(skew) <= MOST_SKEW:
        report.ok(GROUP, "clock", "agrees with the server's")
        return
    what = f"this machine's clock is {abs(skew)} s {'ahead of' if skew > 0 else 'behind'} the server's"
    report.warn(GROUP, Problem("clock", what, "set it from the network: `timedatectl set-ntp true`"))


def _examine_binding(
    report: DoctorReport, api: Api, endpoint: Endpoint, environment: Environment, namespace: str
) -> None:
    """Report whether the environment is bound to this cluster, and whether the binding matches."""
    choice = environment.cluster
    try:
        if choice.namespace_uid:
            uid: str | None = namespace_uid(api, namespace)
        else:
            uid = readable_uid(api, namespace)
    except BridgeError as error:
        report.fail(GROUP, error)
        return
    report.ok(GROUP, "namespace", f"{namespace}, uid {uid or 'unknown: you may not read the namespace'}")
    if choice.namespace_uid and uid not in choice.namespace_uid:
        hint = (
            f"choose the right cluster with --context NAME; if the namespace was recreated, run "
            f"`bridge adopt {pasteable([environment.name])} --rebind`"
        )
        problem = Problem("binding", f"the uid of {namespace} is not in cluster.namespace_uid", hint)
        report.fail(GROUP, Refusal(problem))
    elif choice.namespace_uid or choice.server:
        report.ok(GROUP, "binding", f"{environment.name} is bound to this cluster")
    elif endpoint.pod_namespace is not None:
        report.ok(GROUP, "binding", "not needed: a pod's service account leads to one cluster")
    else:
        line = f"cluster: {{namespace_uid: {uid}}}" if uid else f"cluster: {{server: {json.dumps(endpoint.url)}}}"
        hint = f"if this is its cluster, add to {environment.file}: `{line}`"
        report.warn(GROUP, Problem("binding", f"{environment.name} is not bound to a cluster", hint))


def _rights(environment: Environment, namespace: str, templates: Sequence[TemplateObject]) -> Iterator[Right]:
    """Yield what a sync of the environment does, and what other commands do besides."""
    state = f"bridge-{environment.id}"
    for id_ in dict.fromkeys(template.id for template in templates):
        yield Right("", PLURALS[id_.kind], id_.name, ("get", "patch", "create"), needed=True)
    yield Right("", "configmaps", state, ("get", "patch", "create"), needed=True)
    yield Right("coordination.k8s.io", "leases", state, ("get", "create", "update"), needed=True)
    is_bound = bool(environment.cluster.namespace_uid)
    yield Right("", "namespaces", namespace, ("get",), needed=is_bound, purpose="to check the namespace")
    yield Right("", "events", "", ("get", "create", "update"), needed=False, purpose="to write Events")
    for resource in ("deployments", "statefulsets", "daemonsets"):
        yield Right("apps", resource, "", ("list", "patch"), needed=False, purpose="for `bridge restart`")


def _examine_rights(report: DoctorReport, api: Api, rights: Sequence[Right], namespace: str, user: str) -> None:
    """Ask for each right. A wave that gets no answer is reported once."""
    asked = [(right, verb) for right in rights for verb in right.verbs]
    answers = on_each(partial(_may, api, namespace), asked, api, time.monotonic() + LIMIT)
    failed = [answer for answer in answers.values() if isinstance(answer, BridgeError)]
    if failed and all(isinstance(error, ObjectNotFound) for error in failed):
        report.ok(RIGHTS, "rights", "unknown: the server does not answer such questions")
        return
    if failed:
        report.fail(RIGHTS, failed[0])
    for right in rights:
        lacking = [verb for verb in right.verbs if answers[right, verb] is False]
        unknown = [verb for verb in right.verbs if isinstance(answers[right, verb], BridgeError)]
        if lacking:
            problem = Problem(str(right), _lacking(right, lacking), _grant(right, lacking, namespace, user))
            if right.needed:
                report.fail(RIGHTS, Refusal(problem))
            else:
                report.warn(RIGHTS, problem)
        elif not unknown:
            report.ok(RIGHTS, str(right), ", ".join(right.verbs))


def _may(api: Api, namespace: str, asked: tuple[Right, str]) -> bool:
    right, verb = asked
    attributes = {"verb": verb, "group": right.group, "resource": right.resource, "namespace": namespace}
    spec = {"resourceAttributes": attributes | ({"name": right.name} if right.name else {})}
    return _ask(api, "authorization.k8s.io", "SelfSubjectAccessReview", spec).get("allowed") is True


def _lacking(right: Right, verbs: Sequence[str]) -> str:
    purpose = f" {right.purpose}" if right.purpose else ""
    return f"you may not {', '.join(verbs)} it{purpose}"


def _grant(right: Right, verbs: Sequence[str], namespace: str, user: str) -> str:
    """Return the commands with which the cluster's administrator grants the missing verbs."""
    is_cluster_wide = right.resource == "namespaces"
    kind, scope = ("clusterrole", []) if is_cluster_wide else ("role", ["-n", namespace])
    resource = f"{right.resource}.{right.group}" if right.group else right.resource
    name = f"bridge-{right.resource}{f'-{right.name}' if right.name else ''}-{'-'.join(verbs)}"
    role = ["kubectl", *scope, "create", kind, name, f"--verb={','.join(verbs)}", f"--resource={resource}"]
    role += [f"--resource-name={right.name}"] if right.name else []
    account = re.fullmatch(_SERVICE_ACCOUNT, user)
    subject = f"--serviceaccount={account[1]}:{account[2]}" if account else f"--user={user or 'NAME'}"
    binding = ["kubectl", *scope, "create", f"{kind}binding", name, f"--{kind}={name}", subject]
    return f"let an administrator run `{pasteable(role)}` and `{pasteable(binding)}`"
