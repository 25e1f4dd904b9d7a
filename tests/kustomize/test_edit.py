"""Changing the patches of a kustomization without touching anything else in it."""

from textwrap import dedent

import pytest
import yaml

from bridge.errors import ConfigError
from bridge.kustomize.edit import PatchItem, change_patches

NEW = ["target: {kind: Secret, name: s}\npatch: |-\n  $patch: delete\n  kind: Secret"]
ADDED = "  - target: {kind: Secret, name: s}\n    patch: |-\n      $patch: delete\n      kind: Secret\n"


def change(text: str, *removed: tuple[str, int], added: list[str] = NEW) -> str:
    return change_patches(text, "kustomization.yaml", {PatchItem(*one) for one in removed}, added)


def test_patch_goes_and_another_comes_and_rest_keeps_its_bytes() -> None:
    text = (
        "# of one environment\n"
        "resources:\n- ../../base   # shared\n\n"
        "patches:\n"
        "  # the real values\n"
        "  - path: secret.yml   # not in git\n"
        "  # how many\n"
        "  - path: 'replicas.yml'\n"
        "    target:  {kind: Deployment}\n"
        "\n"
        "# the end\n"
        'namePrefix: ""\n'
    )
    assert change(text, ("patches", 0)) == text.replace("  - path: secret.yml   # not in git\n", "").replace(
        "{kind: Deployment}\n", "{kind: Deployment}\n" + ADDED
    )


def test_list_that_loses_everything_goes_unless_it_grows() -> None:
    text = "patches:\n  - path: secret.yml\nresources: [x]\n"
    assert change(text, ("patches", 0)) == f"patches:\n{ADDED}resources: [x]\n"
    assert change(text, ("patches", 0), added=[]) == "resources: [x]\n"
    text = "patchesStrategicMerge:\n- secret.yml\nresources: [x]\n"
    assert change(text, ("patchesStrategicMerge", 0)) == f"resources: [x]\npatches:\n{ADDED}"


@pytest.mark.parametrize("text", ["resources: [x]\n", "---\nresources: [x]", "resources: [x]\n# end\n"])
def test_kustomization_without_patches_gets_some(text: str) -> None:
    assert change(text) == f"{text.removesuffix(chr(10))}\npatches:\n{ADDED}"


@pytest.mark.parametrize("empty", ["", " []", " null", "   "])
def test_empty_list_is_filled(empty: str) -> None:
    changed = change(f"patches:{empty} # none\nresources: [x]\n")
    assert " ".join(changed.partition("\n")[0].split()) == "patches: # none"
    assert changed.partition("\n")[2] == f"{ADDED}resources: [x]\n"


def test_list_in_brackets_is_opened() -> None:
    text = "patchesStrategicMerge: [a.yml, secret.yml] # both\npatches: [{path: b.yml},\n  {path: c.yml}]\n"
    assert change(text, ("patchesStrategicMerge", 1)) == (
        f"patchesStrategicMerge: # both\n  - a.yml\npatches:\n  - {{path: b.yml}}\n  - {{path: c.yml}}\n{ADDED}"
    )


def test_inline_patches_and_their_blank_lines_stay() -> None:
    text = (
        "patches:\n- patch: |-\n    kind: Deployment\n\n    spec: {}\n\n-\n  path: secret.yml\n"
        "- path: last.yml\n\n\nresources: [x]\n"
    )
    unindented = dedent(ADDED)
    assert change(text, ("patches", 1)) == (
        "patches:\n- patch: |-\n    kind: Deployment\n\n    spec: {}\n\n"
        f"- path: last.yml\n{unindented}\n\nresources: [x]\n"
    )
    assert change(text, ("patches", 0), ("patches", 2), added=[]) == (
        "patches:\n\n-\n  path: secret.yml\n\n\nresources: [x]\n"
    )


def test_line_ends_of_another_system_stay() -> None:
    text = "resources: [x]\r\npatches:\r\n- path: secret.yml\r\n"
    changed = change(text, ("patches", 0))
    assert changed.replace("\r\n", "\n") == "resources: [x]\npatches:\n" + dedent(ADDED)
    assert "\n" not in changed.replace("\r\n", "")


@pytest.mark.parametrize(
    "text",
    [
        "{patches: [{path: CANARY}]}\n",
        "patches: [{path: CANARY}, # one\n  {path: b}]\n",
        "resources: [CANARY]\n...\n",
        "patches: CANARY\n",
        "patches: [CANARY\n",
        "&a patches:\n- path: CANARY\n<<: *a\n",
    ],
)
def test_what_cannot_be_changed_safely_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        change(text, *([("patches", 0)] if "[" in text else []))
    assert "CANARY" not in f"{caught.value} {caught.value.__context__!r}"
    (problem,) = caught.value.problems
    assert problem.what == "is written in a way that bridge cannot change safely"


def test_result_is_what_yaml_reads_too() -> None:
    changed = change("patches:\n- path: a.yml\n- path: secret.yml\n", ("patches", 1))
    assert yaml.safe_load(changed) == {
        "patches": [
            {"path": "a.yml"},
            {"target": {"kind": "Secret", "name": "s"}, "patch": "$patch: delete\nkind: Secret"},
        ]
    }
