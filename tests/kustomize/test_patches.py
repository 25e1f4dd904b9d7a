"""Which patches of a kustomization a cure makes needless."""

from pathlib import Path
from typing import Any

import pytest

from bridge.kustomize.overlap import Owned
from bridge.kustomize.patches import generating, gives_values, superseded
from bridge.kustomize.read import Generator, Names, Patch, PatchTarget
from bridge.objects import ObjectId

SECRET = ObjectId("Secret", "s")
OWNED = Owned("voice", "bridge/x", {SECRET: ("A", "B")})
VALUES = {"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"A": "CANARY"}}
OPERATION = {"op": "replace", "path": "/data/A", "value": "CANARY"}


AS_BUILT = Names()


def judged(
    *documents: Any, target: dict[str, str] | None = None, kept: bool = False, names: Names = AS_BUILT
) -> bool | None:
    """Return whether a patch does nothing but give bridge's objects values; None where it gives them none."""
    merged = tuple(one for one in documents if "op" not in one)
    operations = tuple(one for one in documents if "op" in one)
    patch = Patch("patches[0]", Path("p.yml"), PatchTarget(target) if target else None, merged, operations)
    found = list(superseded([patch], OWNED, {SECRET} if kept else set(), names))
    assert "CANARY" not in repr(found)
    return found[0][1] if found else None


@pytest.mark.parametrize(
    "target",
    [None, {"kind": "Secret"}, {"kind": "Secret", "name": "s|t"}],
)
def test_patch_of_values_alone(target: dict[str, str] | None) -> None:
    assert judged(VALUES, target=target) is True


def test_patch_that_does_more() -> None:
    assert judged(VALUES, {"kind": "Deployment", "metadata": {"name": "d"}}) is False


@pytest.mark.parametrize(
    "target",
    [{"kind": "ConfigMap"}, {"kind": "Secret", "name": "t"}, {"kind": "Secret", "labelSelector": "a=b"}],
)
def test_patch_that_is_for_other_objects(target: dict[str, str]) -> None:
    assert judged(VALUES, target=target) is None


def test_patch_of_another_namespace_is_for_another_object() -> None:
    moved = {**VALUES, "metadata": {"name": "s", "namespace": "other"}}
    assert judged(moved) is None
    assert judged({**moved, "metadata": {"name": "s", "namespace": "voice"}}) is True
    assert judged(VALUES, target={"kind": "Secret", "name": "s", "namespace": "other"}) is None
    assert judged(OPERATION, target={"kind": "Secret", "name": "s", "namespace": "other"}) is None
    assert judged(moved, names=Names(namespace="voice")) is True  # the kustomization moves it here afterwards


def test_patch_names_its_object_before_kustomizations_own_prefix() -> None:
    short = {**VALUES, "metadata": {"name": "x"}}
    owned = OWNED._replace(keys={ObjectId("Secret", "pre-x-post"): ("A",)})
    names = Names("pre-", "-post")
    for patch, fits in ((short, True), (VALUES, False)):
        one = Patch("patches[0]", Path("p.yml"), None, (patch,), ())
        assert bool(list(superseded([one], owned, set(), names))) is fits
    target = PatchTarget({"kind": "Secret", "name": "x"})
    assert list(superseded([Patch("patches[0]", None, target, (), (OPERATION,))], owned, set(), names))


def test_cure_itself_and_patches_without_name_are_left_alone() -> None:
    assert judged({"$patch": "delete", "kind": "Secret", "metadata": {"name": "s"}}) is None
    assert judged({"kind": "Secret", "metadata": None}) is None


def test_json_patches_of_exactly_one_object() -> None:
    assert judged(OPERATION, target={"kind": "Secret", "name": "s"}) is True
    assert judged(OPERATION, target={"kind": "Secret"}) is None
    assert judged(OPERATION) is None


def test_of_object_that_stays_only_keys_of_bridge_count() -> None:
    assert judged(VALUES, kept=True) is True
    assert judged({**VALUES, "data": {"THEIRS": "x"}}, kept=True) is None
    assert judged({**VALUES, "data": None}, kept=True) is True
    assert judged(OPERATION, target={"kind": "Secret", "name": "s"}, kept=True) is None


@pytest.mark.parametrize(
    ("content", "told", "told_of_kept"),
    [
        ({"literals": ["A=CANARY"]}, True, True),
        ({"literals": ["THEIRS=CANARY"]}, True, False),
        ({"literals": ["A=${A}"]}, False, False),
        ({"files": ["A"]}, True, True),
        ({"files": ["THEIRS=secrets/A"]}, True, False),
        ({"files": ["secrets/B"]}, True, True),
        ({"envs": ["secrets.env"]}, True, True),
        ({"env": "secrets.env"}, True, True),
        ({"literals": ["A=CANARY"], "namespace": "other"}, False, False),
        ({"literals": ["A=CANARY"], "namespace": "voice"}, True, True),
        ({"literals": "A=CANARY", "files": [5]}, False, False),
        ({}, False, False),
    ],
)
def test_generators_with_values_for_object(content: dict[str, Any], told: bool, told_of_kept: bool) -> None:
    one = Generator("Secret", "s", "kustomization.yaml secretGenerator[0]", content)
    assert "CANARY" not in repr(one)
    assert list(generating([one], OWNED, ())) == [one] * told
    assert list(generating([one], OWNED, {SECRET})) == [one] * told_of_kept


def test_generators_of_other_objects() -> None:
    values = {"literals": ["A=x"]}
    assert not list(generating([Generator("ConfigMap", "s", "", values)], OWNED, ()))
    assert not list(generating([Generator("Secret", "t", "", values)], OWNED, ()))
    owned = OWNED._replace(keys={ObjectId("Secret", "a-b-s"): ("A",)})
    names = Names("b-").within(Names("a-"))
    assert list(generating([Generator("Secret", "s", "", values)], owned, (), names))


@pytest.mark.parametrize(
    ("documents", "operations", "gives"),
    [
        ([VALUES], [], True),
        ([{**VALUES, "stringData": {"A": "${A}"}}], [], False),
        ([{**VALUES, "stringData": {"A": None}}], [], False),
        ([{"kind": "Secret", "data": {"A": "/4AA"}}], [], True),
        ([{"kind": "ConfigMap", "binaryData": {"A": "/4AA"}}], [], True),
        ([{"kind": "ConfigMap", "binaryData": None}], [], False),
        ([], [OPERATION], True),
        ([], [{"op": "remove", "path": "/data/A"}], False),
        ([], [{"op": "add", "path": "/data", "value": {"A": "CANARY"}}], True),
    ],
)
def test_patches_that_give_values(documents: list[Any], operations: list[Any], gives: bool) -> None:
    assert gives_values(Patch("patches[0]", None, None, tuple(documents), tuple(operations))) is gives
