"""`bridge init --fix-kustomize`: one overlay is cured, the others and the base keep every byte of their builds."""

import errno
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.commands.overlays import Application, application
from tests.runs.conftest import Desk, Result
from tests.runs.moving import SHELF


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


@pytest.fixture
def app(desk: Desk, kustomize_binary: Path, monkeypatch: pytest.MonkeyPatch) -> Application:
    monkeypatch.setenv("PATH", f"{kustomize_binary.parent}{os.pathsep}/usr/bin:/bin")
    return application(desk, kustomize_binary)


def fix(desk: Desk, *more: str) -> Result:
    return desk.run("init", "staging", "--fix-kustomize", *more)


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


KUSTOMIZATION = "overlays/staging/kustomization.yaml"


def test_the_overlay_loses_what_bridge_writes_and_nothing_else(desk: Desk, app: Application) -> None:
    before, prod = app.files(), app.build("prod")
    result = fix(desk)
    assert (result.status, result.err) == (0, "")
    assert changed(before, app.files()) == {KUSTOMIZATION}
    assert app.build("prod") == prod
    assert app.build("staging").count("kind: ") == 1  # the Deployment
    assert "replicas: 3" in app.build("staging")
    text = app.kustomization("staging")
    assert "secret-config-patch" not in text
    for comment in ("# The overlay of one environment.", "# shared by all", "# the real values; not in git"):
        assert comment in text
    assert text.count("$patch: delete") == 5
    overlay = os.path.normpath(app.overlay("staging"))
    assert result.out.splitlines() == [
        f"{overlay}: changed, and builds the same as before without what bridge writes",
        *(f"  ConfigMap/{name}-config  no longer built" for name in ("agent", "front", "shared")),
        *(f"  Secret/{name}-secrets  no longer built" for name in ("agent", "shared")),
        (
            f"  {overlay}/patches/staging-secret-config-patch.yml  no longer used; "
            "delete it once its values are imported"
        ),
        f"the base stays as it is: {app.overlay('prod')} still needs these objects in it".replace("config/../", ""),
    ]


def test_once_more_there_is_nothing_to_change(desk: Desk, app: Application) -> None:
    fix(desk)
    before = app.files()
    result = fix(desk)
    assert (result.status, result.err) == (0, "")
    assert "builds nothing that bridge writes; unchanged\n" in result.out
    assert app.files() == before
    data = fix(desk, "--output", "json").data
    assert (data["result"], data["removed"], data["patches"]) == ("unchanged", [], [])


def test_what_check_prints_is_what_is_written(desk: Desk, app: Application) -> None:
    build = desk.write("../build.yaml", app.build("staging"))
    printed = desk.run("check", "staging", "--manifests", str(build), "--output", "json").data["manifests"]["cure"]
    fix(desk)
    assert printed.partition("\n")[2] in app.kustomization("staging")
    build.write_text(app.build("staging"))
    assert desk.run("check", "staging", "--manifests", str(build)).status == 0


def test_once_every_overlay_is_cured_the_base_may_be_cleaned(desk: Desk, app: Application) -> None:
    fix(desk)
    result = desk.run("init", "staging", "--fix-kustomize", str(app.overlay("prod")))
    assert "no overlay builds these objects any more" in result.out
    builds = {name: app.build(name) for name in ("staging", "prod")}
    desk.write("../apps/base/kustomization.yaml", "resources: [deployment.yml]\n")
    assert {name: app.build(name) for name in ("staging", "prod")} == builds  # with nothing to delete, too
    assert fix(desk).status == 0


def test_an_overlay_that_builds_on_this_one_would_change(desk: Desk, app: Application) -> None:
    desk.write("../apps/overlays/staging-eu/kustomization.yaml", "resources: [../staging]\n")
    before = app.files()
    result = fix(desk)
    assert result.status == 1
    assert "/overlays/staging-eu: its build would change too: it uses " in result.lines[0]
    assert result.lines[1] == "bridge: hint: the kustomization is as it was; change it by hand"
    assert app.files() == before


def test_a_reference_that_follows_the_object_would_change(desk: Desk, app: Application) -> None:
    """A hashed name is written into the Deployment: without the object it stays as it was in the base."""
    text = app.kustomization("staging").replace("patches:", "namePrefix: x-\npatches:")
    desk.write(f"../apps/{KUSTOMIZATION}", text)
    names = ("agent-secrets", "shared-secrets", "agent-config", "shared-config", "front-config")
    for file in ("base/secrets.yml", "base/configmap.yml"):
        template = (app.folder / file).read_text()
        for name in names:
            template = template.replace(f"name: {name}", f"name: x-{name}")
        desk.write(f"own/{Path(file).name}", template)
    desk.environment(templates=["own/secrets.yml", "own/configmap.yml"])
    before = app.files()
    result = desk.run("init", "staging", "--fix-kustomize", str(app.overlay("staging")))
    assert result.status == 1
    assert any("Secret/x-agent-secrets would stay in the build" in line for line in result.lines)
    assert app.files() == before


def test_an_overlay_whose_plaintext_is_not_on_this_machine_does_not_stand_in_the_way(
    desk: Desk, app: Application
) -> None:
    (app.overlay("prod") / "patches/prod-secret-config-patch.yml").unlink()
    result = fix(desk)
    assert result.status == 0
    assert result.lines == [
        f"bridge: warning: {os.path.normpath(app.overlay('prod'))}: does not build here, before as after"
    ]


def test_the_command_that_import_prints_first_makes_the_patch_deletable(desk: Desk, app: Application) -> None:
    templates = ["../apps/base/secrets.yml", "../apps/base/configmap.yml", "staging.public.yaml"]
    desk.environment(templates=templates, sources=[SHELF])
    file = app.overlay("staging") / PATCH
    words = ("import", "staging", str(file), "--to", SHELF, "--yes")
    first = desk.run(*words).out.splitlines()[-1]
    assert first.startswith("first: bridge init staging --fix-kustomize ")
    assert desk.run(*shlex.split(first)[2:-2]).status == 0
    assert desk.run(*words).out.splitlines()[-1].endswith("it may be deleted")
    before = app.build("staging")
    file.unlink()
    assert app.build("staging") == before


PATCH = "patches/staging-secret-config-patch.yml"


def test_a_plaintext_patch_that_is_gone_loses_its_reference(desk: Desk, app: Application) -> None:
    (app.overlay("staging") / PATCH).unlink()
    before, prod = app.files(), app.build("prod")
    overlay = os.path.normpath(app.overlay("staging"))
    result = fix(desk)
    assert (result.status, result.err) == (0, "")
    assert f"  {overlay}/{PATCH}  missing, and no longer named" in result.out.splitlines()
    assert changed(before, app.files()) == {KUSTOMIZATION}
    assert app.build("prod") == prod
    assert app.build("staging").count("kind: ") == 1
    assert "replicas: 3" in app.build("staging")
    assert "# the real values; not in git" in app.kustomization("staging")
    data = fix(desk, "--output", "json").data
    assert (data["result"], data["missing"]) == ("unchanged", [])


@pytest.mark.parametrize("entry", ["patchesStrategicMerge: [patches/secrets.yml]", "patches: [{path: secrets.yml}]"])
def test_a_missing_patch_is_dropped_also_if_nothing_else_is_to_be_done(
    desk: Desk, app: Application, entry: str
) -> None:
    fix(desk)
    text = app.kustomization("staging")
    desk.write(f"../apps/{KUSTOMIZATION}", text.partition("patches:")[0] + f"{entry}\n")
    desk.write("../apps/base/kustomization.yaml", "resources: [deployment.yml]\n")
    data = fix(desk, "--output", "json").data
    assert (data["result"], data["patches"], len(data["missing"])) == ("written", [], 1)
    assert "secrets.yml" not in app.kustomization("staging")
    assert app.build("staging").count("kind: ") == 1


def test_a_missing_patch_of_a_secret_by_its_target_is_dropped(desk: Desk, app: Application) -> None:
    entry = "  - {path: gone.yml, target: {kind: ConfigMap, name: shared-config}}\n"
    desk.write(f"../apps/{KUSTOMIZATION}", app.kustomization("staging") + entry)
    assert fix(desk).status == 0
    assert "gone.yml" not in app.kustomization("staging")


def test_a_missing_patch_that_may_be_more_than_values_stays(desk: Desk, app: Application) -> None:
    (app.overlay("staging") / "patches/replicas.yml").unlink()
    before = app.files()
    overlay = os.path.normpath(app.overlay("staging"))
    result = fix(desk)
    assert (result.status, result.lines) == (
        1,
        [
            f"bridge: error: {overlay}/patches/replicas.yml: is missing, and it may have held more than values",
            (
                "bridge: hint: if it held only values that are imported, take its entry out of "
                f"{overlay}/kustomization.yaml"
            ),
        ],
    )
    assert app.files() == before


def test_a_missing_patch_that_git_has_stays(desk: Desk, app: Application) -> None:
    file = app.overlay("staging") / PATCH
    git = ["git", "-C", str(desk.folder.parent), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "apps"], ["commit", "-qm", "all"]):
        subprocess.run([*git, *words], check=True)
    file.unlink()
    file.parent.rename(file.parent.with_name("elsewhere"))  # git keeps no empty folder
    before = app.files()
    result = fix(desk)
    shown = os.path.normpath(file)
    assert result.status == 1
    assert result.lines[0] == f"bridge: error: {shown}: is missing, and git has it"
    assert f"restore it: git checkout -- {shown}; if it held only values: git rm --cached {shown}" in result.err
    assert app.files() == before
    file.parent.with_name("elsewhere").rename(file.parent)
    subprocess.run([*git, "rm", "-q", "--cached", str(file)], check=True)
    assert fix(desk).status == 0


def test_a_failure_gives_the_reference_to_a_missing_patch_back(desk: Desk, app: Application) -> None:
    (app.overlay("staging") / PATCH).unlink()
    (app.folder / "base/deployment.yml").unlink()
    before = app.files()
    result = fix(desk)
    assert result.lines[0].endswith("overlays/staging: does not build")
    assert app.files() == before


def test_an_overlay_that_does_not_build_is_left_alone(desk: Desk, app: Application) -> None:
    (app.folder / "base/deployment.yml").unlink()
    before = app.files()
    result = fix(desk)
    assert result.status == 1
    assert result.lines[0].endswith("overlays/staging: does not build")
    assert app.files() == before


def test_patches_that_do_more_stay(desk: Desk, app: Application) -> None:
    file = app.overlay("staging") / "patches/staging-secret-config-patch.yml"
    file.write_text(f"{file.read_text()}---\n{(app.overlay('staging') / 'patches/replicas.yml').read_text()}")
    inline = "  - patch: |-\n      kind: Secret\n      apiVersion: v1\n      metadata: {name: agent-secrets}\n"
    inline += "      stringData: {OPENAI_API_KEY: CANARY-inline}\n"
    desk.canaries.add("CANARY-inline")
    desk.write(f"../apps/{KUSTOMIZATION}", app.kustomization("staging") + inline)
    result = fix(desk)
    assert result.status == 0
    assert [line.partition(": still")[0].rpartition("/")[2] for line in result.lines if "still" in line] == [
        "staging-secret-config-patch.yml",
        "kustomization.yaml patches[2]",
    ]
    assert "CANARY" not in app.build("staging")
    assert "replicas: 3" in app.build("staging")


def test_keys_of_others_stay_in_the_build(desk: Desk, app: Application) -> None:
    file = app.folder / "base/configmap.yml"
    text = file.read_text()
    desk.environment(templates=["../apps/base/secrets.yml", "own.yml"])
    desk.write("own.yml", text)
    file.write_text(
        text.replace("METADATA", "").replace('METRICS_ENABLED: "true"', 'METRICS_ENABLED: "true", OTHER: x')
    )
    result = desk.run("init", "staging", "--fix-kustomize", str(app.overlay("staging")))
    assert result.status == 0
    assert result.lines == [
        (
            "bridge: warning: ConfigMap/agent-config: stays in the build for its other keys: the next `kubectl apply` "
            "deletes bridge's if it applied them"
        ),
        "bridge: hint: run `bridge adopt staging` before; `bridge check --live --manifests` tells",
    ]
    assert "  ConfigMap/agent-config  no longer built: ENV_MODE, LOG_LEVEL, METRICS_ENABLED" in result.out.splitlines()
    assert "data:\n  OTHER: x\nkind: ConfigMap" in app.build("staging")
    assert app.build("staging").count("kind: ") == 2


def test_the_older_lists_and_json_patches(desk: Desk, app: Application) -> None:
    desk.write(
        f"../apps/{KUSTOMIZATION}",
        f"resources: [../../base]\nnamespace: {desk.target.namespace}\n"
        "patchesStrategicMerge: [patches/staging-secret-config-patch.yml, patches/replicas.yml]\n"
        "patchesJson6902:\n"
        "- target: {version: v1, kind: ConfigMap, name: agent-config}\n"
        "  path: patches/level.yml\n",
    )
    desk.write(
        "../apps/overlays/staging/patches/level.yml", '[{"op": "replace", "path": "/data/LOG_LEVEL", "value": "x"}]'
    )
    result = fix(desk)
    assert (result.status, result.err) == (0, "")
    assert app.kustomization("staging").startswith(
        f"resources: [../../base]\nnamespace: {desk.target.namespace}\n"
        "patchesStrategicMerge:\n  - patches/replicas.yml\npatches:\n"
    )
    assert app.build("staging").count("kind: ") == 1


def test_an_overlay_of_another_environment_is_refused(desk: Desk, app: Application) -> None:
    desk.write(f"../apps/{KUSTOMIZATION}", app.kustomization("staging").replace(desk.target.namespace, "elsewhere"))
    result = fix(desk)
    assert result.status == 1
    assert "overlays/staging: builds for namespace elsewhere, and the environment's is voice" in result.lines[0]


def test_where_no_overlay_is_found(desk: Desk, app: Application) -> None:
    desk.environment("prod2")
    desk.env_file(K8_ENV=None)
    result = desk.run("init", "prod2", "--fix-kustomize")
    assert result.status == 2
    assert result.lines[-1] == "bridge: hint: name it: --fix-kustomize OVERLAY"


def test_kubectl_builds_where_there_is_no_kustomize(
    desk: Desk, app: Application, kubectl_binary: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    before = app.files()
    result = fix(desk)
    assert (result.status, result.lines[0]) == (1, "bridge: error: PATH: neither kustomize nor kubectl is there")
    assert app.files() == before
    (tmp_path / "kubectl").symlink_to(kubectl_binary)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fix(desk).status == 0
    assert app.build("staging").count("kind: ") == 1


def test_a_build_that_never_ends_is_ended(
    desk: Desk, app: Application, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow = tmp_path / "kustomize"
    slow.write_text("#!/bin/sh\nsleep 600\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    result = fix(desk, "--timeout", "0.3")
    assert result.status == 1
    assert "was not built in" in result.lines[0]


def test_an_interruption_gives_the_file_back(desk: Desk, app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    from bridge.kustomize import Kustomize  # noqa: PLC0415

    build, calls = Kustomize.build, []

    def interrupted(self: Kustomize, folder: Path) -> object:
        calls.append(folder)
        if len(calls) == 3:  # the first after the change
            assert "secret-config-patch" not in app.kustomization("staging")
            raise KeyboardInterrupt
        return build(self, folder)

    monkeypatch.setattr(Kustomize, "build", interrupted)
    before = app.files()
    assert fix(desk).status == 130
    assert app.files() == before


def test_a_disk_that_is_full_changes_nothing(desk: Desk, app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    before = app.files()
    result = fix(desk)
    assert (result.status, len(result.lines)) == (1, 1)
    assert result.lines[0].endswith("kustomization.yaml: cannot be written: no space left on device")
    assert app.files() == before


def test_a_file_that_cannot_be_changed_safely(desk: Desk, app: Application) -> None:
    desk.write(f"../apps/{KUSTOMIZATION}", {"resources": ["../../base"], "namespace": desk.target.namespace})
    before = app.files()
    result = fix(desk)
    assert result.status == 2
    assert result.lines[0].endswith("kustomization.yaml: is written in a way that bridge cannot change safely")
    assert app.files() == before


def test_curing_a_layout_is_not_drafting_one(desk: Desk, app: Application) -> None:
    before = app.files()
    assert fix(desk, str(app.overlay("staging")), "--like", "prod").status == 2
    assert app.files() == before
