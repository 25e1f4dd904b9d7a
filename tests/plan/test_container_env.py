"""A container's variables are those that the kubelet gives it.

kubelet_env.json was recorded from kubelet 1.36.3: for each pod, what `makeEnvironmentVariables` in its pkg/kubelet
returns for the first container, or that it fails. A Go file in that package called it, with client-go's fake client for
the objects and without Services.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from bridge.config.problems import Findings
from bridge.errors import Problem
from bridge.kustomize.objects import parse_object
from bridge.objects import ObjectId
from bridge.plan.container_env import (
    CURE,
    ContainerEnvironment,
    PodContext,
    PodTemplate,
    container_environment,
    container_uses,
    expand,
    pod_template,
)
from bridge.secret import SecretValue

RECORDED = json.loads((Path(__file__).parent / "kubelet_env.json").read_text())
CASES = {case["what"]: case for case in RECORDED["cases"]}


def environment(case: dict[str, Any], **given: str) -> ContainerEnvironment:
    """Return the environment of a case's first container."""
    built = parse_object({"apiVersion": "v1", "kind": "Pod"} | case["pod"], "", Findings("x"))
    assert built is not None
    pod = pod_template("Pod", built.name, built.content)
    assert pod is not None
    (container,) = pod.spec["containers"]
    objects: dict[ObjectId, dict[str, SecretValue]] = {}
    for kind, field in (("Secret", "secrets"), ("ConfigMap", "configMaps")):
        for one in RECORDED[field]:
            data = one.get("data") or {}
            keys = {key: base64.b64decode(text) if kind == "Secret" else text.encode() for key, text in data.items()}
            objects[ObjectId(kind, one["metadata"]["name"])] = {key: SecretValue(value) for key, value in keys.items()}
    found = {use.id: objects.get(use.id) for use in container_uses(container)}
    return container_environment(pod, container, found, PodContext("voice", "the cluster", given))


def shown(made: ContainerEnvironment) -> dict[str, str]:
    return {name: value.reveal().decode() for name, value in made.values.items()}


@pytest.mark.parametrize("what", CASES)
def test_environment_is_that_of_the_kubelet(what):
    case = CASES[what]
    made = environment(case)
    assert bool(made.problems) is case.get("fails", False)
    if not made.problems:
        assert shown(made) == case["env"]


def test_secrets_are_the_values_of_all_secrets_even_if_replaced():
    made = environment(CASES["env wins over envFrom"])
    assert [(name, value.reveal()) for name, value in made.secrets][:2] == [
        ("Secret/one key A", b"one-a"),
        ("Secret/one key B", b"one-b"),
    ]


def test_names_that_an_older_kubelet_skips_are_named():
    (warning,) = environment(CASES["names that are no identifiers"]).warnings
    assert warning.what == "the variable 1ST is set, but a kubelet before Kubernetes 1.32 skips it"


def test_expansion_names_what_it_does_not_know():
    values = {"A": SecretValue(b"a"), "B": SecretValue(b"\xff$(A)")}
    assert expand(b"$(A)$(B)$(X)$$(Y)$(Z", values) == (b"a\xff$(A)$(X)$(Y)$(Z", ("X",))


def judged(*variables: dict[str, Any], env_from: list[dict[str, Any]] | None = None) -> ContainerEnvironment:
    """Return the environment of a pod's container `c` with these entries; one object exists, Secret/own with key A."""
    objects = {ObjectId("Secret", "own"): {"A": SecretValue(b"a"), "=": SecretValue(b"b")}}
    pod = PodTemplate("Pod", "p", {"labels": {"app": "agent"}}, {})
    container = {"name": "c", "env": list(variables), "envFrom": env_from or []}
    return container_environment(pod, container, objects, PodContext("voice", "the build or the cluster", {}))


AT = "Pod/p container c"
QUOTE = "write the value in quotes"
FIND = "add it to one of them, or correct the reference"


@pytest.mark.parametrize(
    ("variable", "problem"),
    [
        ({"value": "x"}, (f"{AT} env[0]", "its name is missing or invalid", CURE)),
        ({"name": "A=B", "value": "x"}, (f"{AT} env[0]", "its name is missing or invalid", CURE)),
        ({"name": "A", "value": 5}, (f"{AT} env A", "its value is not text", QUOTE)),
        (
            {"name": "A", "valueFrom": {"secretKeyRef": {"key": "A"}}},
            (f"{AT} env A", "its secretKeyRef has no name or no key", CURE),
        ),
        (
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "own"}}},
            (f"{AT} env A", "its secretKeyRef has no name or no key", CURE),
        ),
        (
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "own", "key": "B"}}},
            (f"{AT} env A", "key B of Secret/own not found in the build or the cluster", FIND),
        ),
        (
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "x", "key": "B"}}},
            (f"{AT} env A", "ConfigMap/x not found in the build or the cluster", FIND),
        ),
    ],
)
def test_entry_that_keeps_pod_from_starting_is_named_with_what_to_do(variable, problem):
    made = judged(variable)
    assert [(one.where, one.what, one.hint) for one in made.problems] == [problem]
    assert (made.values, made.warnings) == ({}, ())


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ({}, (f"{AT} envFrom[0]", "names neither a Secret nor a ConfigMap", CURE)),
        ({"secretRef": {"name": "x"}}, (f"{AT} envFrom", "Secret/x not found in the build or the cluster", FIND)),
        (
            {"secretRef": {"name": "own"}},
            (f"{AT} envFrom", "Secret/own has a key that cannot be a variable: '='", "rename the key"),
        ),
    ],
)
def test_object_that_keeps_pod_from_starting_is_named_with_what_to_do(source, problem):
    assert [(one.where, one.what, one.hint) for one in judged(env_from=[source]).problems] == [problem]


@pytest.mark.parametrize("optional", [True, False, "true", None])
def test_only_optional_object_may_be_missing(optional):
    entry = {"secretRef": {"name": "x", "optional": optional}}
    variable = {"name": "A", "valueFrom": {"secretKeyRef": {"name": "own", "key": "B", "optional": optional}}}
    for made in (judged(env_from=[entry]), judged(variable)):
        assert bool(made.problems) is (optional is not True)


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ({"fieldRef": {"fieldPath": "status.podIP"}}, "status.podIP"),
        ({"resourceFieldRef": {"resource": "limits.cpu"}}, "limits.cpu"),
        ({"fileKeyRef": {"path": "x"}}, "file or field"),
    ],
)
def test_what_only_running_pod_has_is_named(source, field):
    (warning,) = judged({"name": "A", "valueFrom": source}).warnings
    assert warning == Problem(
        f"{AT} env A",
        f"not set: only a running pod has its {field}",
        "if the command needs it, set A before you run bridge",
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.namespace", "voice"),
        ("metadata.name", "p"),
        ("spec.serviceAccountName", "default"),
        ("metadata.labels['app']", "agent"),
        ("metadata.annotations['app']", ""),
    ],
)
def test_what_is_known_of_pod_is_set(path, value):
    made = judged({"name": "A", "valueFrom": {"fieldRef": {"fieldPath": path}}})
    assert (shown(made), made.warnings) == ({"A": value}, ())
