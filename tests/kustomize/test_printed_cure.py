"""What `check --manifests` prints, pasted into the overlay: the real builds lose exactly the object, and pass."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.desk import Desk, Result

Build = Callable[[], str]

OURS = "apiVersion: v1\nkind: Secret\nmetadata: {name: NAME}\nstringData: {A: '${A:-x}'}\n"
THEIRS = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: NAME, namespace: other}\nstringData: {A: CANARY-theirs}\n"
FOREIGN = "---\napiVersion: example.com/v1\nkind: Secret\nmetadata: {name: NAME, namespace: voice}\nspec: {}\n"


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    offline_desk.write("t.yml", OURS.replace("NAME", "s"))
    offline_desk.environment(templates=["t.yml"])
    offline_desk.canaries.add("CANARY-theirs")
    return offline_desk


@pytest.fixture(params=["kustomize", "kubectl"])
def build(
    desk: Desk,
    request: pytest.FixtureRequest,
    kustomize_binary: Path,
    kubectl_binary: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Build:
    """Build the overlay as a pipeline does, by one of the two programs."""
    command = [kustomize_binary, "build"] if request.param == "kustomize" else [kubectl_binary, "kustomize"]
    monkeypatch.setenv("PATH", f"{kustomize_binary.parent}{os.pathsep}/usr/bin:/bin")

    def build() -> str:
        done = subprocess.run([*command, overlay(desk)], capture_output=True, text=True, check=True)
        return done.stdout

    return build


def overlay(desk: Desk) -> Path:
    return desk.folder.parent / "overlays/staging"


def layout(desk: Desk, base: str, kustomization: str, templates: str = "s") -> None:
    desk.write("t.yml", OURS.replace("NAME", templates))
    desk.write("../base/secrets.yml", base)
    desk.write("../base/kustomization.yaml", "resources: [secrets.yml]\n")
    desk.write("../overlays/staging/kustomization.yaml", kustomization)


def judge(desk: Desk, built: str) -> Result:
    return desk.run("check", "staging", "--manifests", str(desk.write("../build.yaml", built)))


def paste(desk: Desk, result: Result) -> None:
    file = overlay(desk) / "kustomization.yaml"
    _, found, patches = result.out.partition("\npatches:\n")
    assert found
    assert "patches:" not in file.read_text()
    file.write_text(f"{file.read_text()}patches:\n{patches}")


NEIGHBOUR = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: z}\nstringData: {A: CANARY-theirs}\n"
ANOTHER_NAMESPACE = pytest.param(
    OURS.replace("{name", "{namespace: voice, name") + THEIRS,
    "resources: [../../base]\n",
    "s",
    id="another-namespace",
)
SUFFIX = pytest.param(
    OURS + NEIGHBOUR,
    "namespace: voice\nresources: [../../base]\nnameSuffix: -staging\n",
    "s-staging",
    id="suffix",
)


POD = """\
---
apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {containers: [{name: c, image: i, envFrom: [{secretRef: {name: s}}]}]}
"""


@pytest.mark.parametrize(
    ("base", "kustomization", "name"),
    [
        ANOTHER_NAMESPACE,
        pytest.param(
            OURS + POD,
            "namespace: voice\nresources: [../../base]\nnameSuffix: -staging\n",
            "s-staging",
            id="suffix-and-a-reference",
        ),
        pytest.param(OURS + THEIRS, "resources: [../../base]\n", "s", id="no-namespace-and-another"),
        pytest.param(
            OURS.replace("{name", "{namespace: voice, name") + FOREIGN,
            "resources: [../../base]\n",
            "s",
            id="another-group",
        ),
        SUFFIX,
        pytest.param(
            OURS + NEIGHBOUR,
            "namespace: voice\nresources: [../../base]\nnamePrefix: eu-\nnameSuffix: -staging\n",
            "eu-s-staging",
            id="prefix-and-suffix",
        ),
    ],
)
def test_what_is_printed_removes_exactly_object(  # the layout's parts
    desk: Desk, build: Build, base: str, kustomization: str, name: str
) -> None:
    layout(desk, base.replace("NAME", "s"), kustomization, name)
    before = build().split("---\n")
    result = judge(desk, build())
    assert result.status == 1
    paste(desk, result)
    after = build()
    assert after.split("---\n") == [one for one in before if "${A:-x}" not in one]
    again = judge(desk, after)
    assert (again.status, again.out.splitlines()[0].partition(": ")[2]) == (
        0,
        "1 object, nothing in it conflicts with bridge",
    )


@pytest.mark.parametrize(("base", "kustomization", "name"), [ANOTHER_NAMESPACE, SUFFIX])
def test_what_is_written_removes_exactly_object(
    desk: Desk, build: Build, base: str, kustomization: str, name: str
) -> None:
    layout(desk, base.replace("NAME", "s"), kustomization, name)
    before = build().split("---\n")
    result = desk.run("init", "staging", "--fix-kustomize", str(overlay(desk)))
    assert (result.status, result.err) == (0, "")
    assert build().split("---\n") == [one for one in before if "${A:-x}" not in one]


def test_patch_in_clear_is_found_by_name_before_prefix(desk: Desk, build: Build) -> None:
    base = OURS.replace("NAME", "s") + NEIGHBOUR
    layout(desk, base, "namespace: voice\nresources: [../../base]\nnamePrefix: eu-\npatches: [{path: p.yml}]\n", "eu-s")
    patch = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {A: CANARY-theirs}\n"
    desk.write("../overlays/staging/p.yml", patch)
    result = desk.run("init", "staging", "--fix-kustomize", str(overlay(desk)))
    assert (result.status, result.err) == (0, "")
    assert "p.yml" not in (overlay(desk) / "kustomization.yaml").read_text()
    assert "p.yml  no longer used" in result.out


def test_object_that_shares_its_first_name_gets_no_patch(desk: Desk, build: Build) -> None:
    """kustomize compares a target with first names too: a patch of `s` would delete `x-s`, which the base calls `s`."""
    layout(desk, OURS.replace("NAME", "s"), "namespace: voice\nresources: [../../base, ../../x]\n")
    desk.write("../x/kustomization.yaml", "resources: [../base]\nnamePrefix: x-\n")
    result = judge(desk, build())
    assert result.status == 1
    assert "patches:" not in result.out
    assert "# No patch for Secret/s: its name in the overlay is unknown or shared with other objects.\n" in result.out
    before = (overlay(desk) / "kustomization.yaml").read_text()
    fixed = desk.run("init", "staging", "--fix-kustomize", str(overlay(desk)))
    assert fixed.status == 1
    assert "Secret/x-s would disappear from the build" in fixed.lines[0]
    assert (overlay(desk) / "kustomization.yaml").read_text() == before


def test_build_that_overlay_cannot_have_made_gets_no_patch(desk: Desk) -> None:
    layout(desk, OURS.replace("NAME", "s"), "namespace: voice\nresources: [../../base]\nnameSuffix: -staging\n")
    result = judge(desk, OURS.replace("NAME", "s"))
    assert (result.status, "patches:" in result.out) == (1, False)
    assert "# No patch for Secret/s: " in result.out


def test_names_of_overlay_that_is_not_found_are_reported_to_be_builds(desk: Desk) -> None:
    result = judge(desk, OURS.replace("NAME", "s"))
    note = "If the overlay has a namePrefix or nameSuffix, remove it from the names here."
    assert f"# {note}\n" in result.out
    data = desk.run("check", "staging", "--manifests", str(desk.folder / "../build.yaml"), "--output", "json").data
    assert data["manifests"]["notes"] == [note]


def test_overlay_whose_transformer_sets_namespaces_is_refused(desk: Desk, build: Build) -> None:
    """A transformer sets the namespace of what has none, after the patches: the one before cannot be told."""
    kustomization = "resources: [../../base]\ntransformers: [ns.yml]\nnamespace: voice\n"
    layout(desk, (OURS + THEIRS).replace("NAME", "s"), kustomization.replace("namespace: voice\n", ""))
    desk.write(
        "../overlays/staging/ns.yml",
        "apiVersion: builtin\nkind: NamespaceTransformer\nmetadata: {name: n, namespace: voice}\nunsetOnly: true\n",
    )
    result = desk.run("init", "staging", "--fix-kustomize", str(overlay(desk)))
    assert result.status == 1
    assert "Secret/s would stay in the build" in result.lines[0]
    assert judge(desk, build()).status == 1
