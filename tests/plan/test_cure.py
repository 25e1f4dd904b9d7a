"""Which patches of a kustomization a cure makes needless."""

from pathlib import Path
from typing import Any

import pytest

from bridge.config.kustomize import Patch, Target
from bridge.objects import ObjectId
from bridge.plan.cure import superseded
from bridge.plan.guard import Owned

SECRET = ObjectId("Secret", "s")
OWNED = Owned("voice", "bridge/x", {SECRET: ("A", "B")})
VALUES = {"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"A": "CANARY"}}
OPERATION = {"op": "replace", "path": "/data/A", "value": "CANARY"}


def judged(*documents: Any, target: dict[str, str] | None = None, kept: bool = False) -> bool | None:
    """Return whether a patch does nothing but give bridge's objects values; None where it gives them none."""
    merged = tuple(one for one in documents if "op" not in one)
    operations = tuple(one for one in documents if "op" in one)
    patch = Patch("patches[0]", Path("p.yml"), Target(target) if target else None, merged, operations)
    found = list(superseded([patch], OWNED, {SECRET} if kept else set()))
    assert "CANARY" not in repr(found)
    return found[0][1] if found else None


@pytest.mark.parametrize(
    "target",
    [None, {"kind": "Secret"}, {"kind": "Secret", "name": "s|t"}],
)
def test_a_patch_of_values_alone(target: dict[str, str] | None) -> None:
    assert judged(VALUES, target=target) is True


def test_a_patch_that_does_more() -> None:
    assert judged(VALUES, {"kind": "Deployment", "metadata": {"name": "d"}}) is False


@pytest.mark.parametrize(
    "target",
    [{"kind": "ConfigMap"}, {"kind": "Secret", "name": "t"}, {"kind": "Secret", "labelSelector": "a=b"}],
)
def test_a_patch_that_is_for_other_objects(target: dict[str, str]) -> None:
    assert judged(VALUES, target=target) is None


def test_the_cure_itself_and_patches_without_a_name_are_left_alone() -> None:
    assert judged({"$patch": "delete", "kind": "Secret", "metadata": {"name": "s"}}) is None
    assert judged({"kind": "Secret", "metadata": None}) is None


def test_json_patches_of_exactly_one_object() -> None:
    assert judged(OPERATION, target={"kind": "Secret", "name": "s"}) is True
    assert judged(OPERATION, target={"kind": "Secret"}) is None
    assert judged(OPERATION) is None


def test_of_an_object_that_stays_only_the_keys_of_bridge_count() -> None:
    assert judged(VALUES, kept=True) is True
    assert judged({**VALUES, "data": {"THEIRS": "x"}}, kept=True) is None
    assert judged({**VALUES, "data": None}, kept=True) is True
    assert judged(OPERATION, target={"kind": "Secret", "name": "s"}, kept=True) is None
