"""Admission rules of a real cluster: one that denies, one that rewrites."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from tests.desk import Desk, Target
from tests.waiting import until

GROUP = "/apis/admissionregistration.k8s.io/v1"
NUMBERS = itertools.count()


@pytest.fixture
def target(real_target: Target) -> Target:
    return real_target


def admit(
    desk: Desk, kind: str, plural: str, spec: dict[str, Any], works: Callable[[], bool], *, resource: str = "configmaps"
) -> None:
    """Set up a policy for the desk's namespace, and wait until the server follows it."""
    name = f"policy-{next(NUMBERS)}"
    version = "admissionregistration.k8s.io/v1"
    namespace = {"matchLabels": {"kubernetes.io/metadata.name": desk.target.namespace}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": [resource]}
    match = {"resourceRules": [rule], "namespaceSelector": namespace}
    policy = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec | {"matchConstraints": match},
    }
    binding = {
        "apiVersion": version,
        "kind": f"{kind}Binding",
        "metadata": {"name": name},
        "spec": {"policyName": name} | ({"validationActions": ["Deny"]} if kind.startswith("Validating") else {}),
    }
    for path, body in ((plural, policy), (plural.removesuffix("ies") + "ybindings", binding)):
        reply = desk.target.client.request("POST", f"{GROUP}/{path}", body)
        assert reply.status == 201, reply.body
    until(works, "the policy never came into force")


def probe(desk: Desk, data: dict[str, str]) -> Any:
    """Create a ConfigMap dry and return the answer."""
    path = f"/api/v1/namespaces/{desk.target.namespace}/configmaps?dryRun=All"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}, "data": data}
    return desk.target.client.request("POST", path, body)


def test_rule_that_denies_stops_run_before_first_write(desk: Desk) -> None:
    expression = "!has(object.data) || !('DOMAIN' in object.data)"
    spec = {"validations": [{"expression": expression, "messageExpression": "string(object.data)"}]}
    admit(
        desk,
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        spec,
        lambda: probe(desk, {"DOMAIN": "x"}).status == 422,
    )
    desk.canaries.add("wss://livekit.example.com")  # the rule's own message quotes the object
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert result.lines[0].startswith(f"bridge: error: ConfigMap/shared-config in namespace {desk.target.namespace}: ")
    assert desk.target.versions() == {}


def mutate(desk: Desk, expression: str, works: Callable[[], bool], resource: str = "configmaps") -> None:
    """Let a rule of the cluster change objects on every write."""
    spec = {
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
    }
    admit(desk, "MutatingAdmissionPolicy", "mutatingadmissionpolicies", spec, works, resource=resource)


def quieten(desk: Desk) -> None:
    """Let a rule of the cluster rewrite LOG_LEVEL on every write."""
    expression = (
        "has(object.data) && 'LOG_LEVEL' in object.data ? "
        "[JSONPatch{op: 'replace', path: '/data/LOG_LEVEL', value: 'quiet'}] : []"
    )
    mutate(desk, expression, lambda: probe(desk, {"LOG_LEVEL": "x"}).body["data"]["LOG_LEVEL"] == "quiet")


def test_rule_that_rewrites_value_is_reported_and_not_fought(desk: Desk) -> None:
    quieten(desk)
    first = desk.run("sync", "staging")
    warning = "bridge: warning: ConfigMap/agent-config key LOG_LEVEL: an admission rule rewrites this value"
    assert first.status == 0
    assert first.lines[0] == warning
    before = desk.target.versions()
    again = desk.run("sync", "staging")
    assert (again.lines[0], again.status) == (warning, 0)
    assert again.out.splitlines()[-1] == "4 unchanged, 1 altered: nothing to do"
    assert desk.target.versions() == before


def test_rule_that_would_change_value_while_it_is_adopted_is_refused(desk: Desk) -> None:
    desk.target.create("ConfigMap", "agent-config", {"data": {"LOG_LEVEL": "theirs"}})
    quieten(desk)
    before = desk.target.versions()
    result = desk.run("adopt", "staging", "--yes")
    assert (result.status, result.lines[0]) == (
        1,
        (
            f"bridge: error: ConfigMap/agent-config in namespace {desk.target.namespace}: "
            "an admission rule changes its values on every write"
        ),
    )
    assert desk.target.versions() == before
