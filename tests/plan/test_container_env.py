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
from bridge.kustomize.objects import parse_object
from bridge.objects import ObjectId
from bridge.plan.container_env import (
    ContainerEnvironment,
    PodContext,
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
