"""`bridge init --fix-kustomize`: one overlay is cured, the others and the base keep every byte of their builds."""

import errno
import os
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.desk import Desk, Result
from tests.importing.moving import SHELF
from tests.kustomize.overlays import Application, application
from tests.trusting import trusting


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


def test_overlay_loses_what_bridge_writes_and_nothing_else(desk: Desk, app: Application) -> None:
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
        f"{overlay}: changed; its build is the same as before, without bridge's objects",
        *(f"  ConfigMap/{name}-config  no longer built" for name in ("agent", "front", "shared")),
        *(f"  Secret/{name}-secrets  no longer built" for name in ("agent", "shared")),
        (
            f"  {overlay}/patches/staging-secret-config-patch.yml  no longer used; "
            "delete it once its values are imported"
        ),
        f"the base is unchanged: {app.overlay('prod')} still needs its objects".replace("config/../", ""),
    ]


def test_texts_that_look_like_dates_make_no_build_unreadable(desk: Desk, app: Application) -> None:
    other = "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\ndata: {SINCE: '0000-00-00', B: '0b_'}\n"
    desk.write("../apps/base/deployment.yml", (app.folder / "base/deployment.yml").read_text() + other)
    build = desk.write("../build.yaml", app.build("staging"))
    assert "SINCE: 0000-00-00\n" in build.read_text()
    assert desk.run("check", "staging", "--manifests", str(build)).status == 1
    assert fix(desk).status == 0
    build.write_text(app.build("staging"))
    assert desk.run("check", "staging", "--manifests", str(build)).status == 0


def test_once_more_there_is_nothing_to_change(desk: Desk, app: Application) -> None:
    fix(desk)
    before = app.files()
    result = fix(desk)
    assert (result.status, result.err) == (0, "")
    assert "unchanged; its build has none of bridge's objects\n" in result.out
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


def test_once_every_overlay_is_cured_base_may_be_cleaned(desk: Desk, app: Application) -> None:
    fix(desk)
    result = desk.run("init", "staging", "--fix-kustomize", str(app.overlay("prod")))
    assert "no overlay builds these objects now" in result.out
    builds = {name: app.build(name) for name in ("staging", "prod")}
    desk.write("../apps/base/kustomization.yaml", "resources: [deployment.yml]\n")
    assert {name: app.build(name) for name in ("staging", "prod")} == builds  # with nothing to delete, too
    assert fix(desk).status == 0


def test_overlay_without_objects_left_is_warned_of(desk: Desk, app: Application) -> None:
    """`kubectl apply -k` and `check --manifests` fail without an object; nothing else tells why."""
    desk.write("../apps/base/kustomization.yaml", "resources: [secrets.yml, configmap.yml]\n")
    for name in ("staging", "prod"):
        text = app.kustomization(name).replace("  - path: patches/replicas.yml\n", "")
        desk.write(f"../apps/overlays/{name}/kustomization.yaml", text)
    overlay = os.path.normpath(app.overlay("staging"))
    for result in (fix(desk), fix(desk)):
        assert (result.status, app.build("staging")) == (0, "")
        assert result.lines == [
            f"bridge: warning: {overlay}: has no objects left in its build, so `kubectl apply -k {overlay}` fails",
            "bridge: hint: remove that step and the check of this build from the pipeline",
        ]


def test_overlay_that_builds_on_this_one_would_change(desk: Desk, app: Application) -> None:
    desk.write("../apps/overlays/staging-eu/kustomization.yaml", "resources: [../staging]\n")
    before = app.files()
    result = fix(desk)
    assert result.status == 1
    assert "/overlays/staging-eu: its build would change too, because it uses " in result.lines[0]
    assert result.lines[1] == "bridge: hint: change the kustomization by hand; bridge has left it unchanged"
    assert app.files() == before


@pytest.mark.parametrize("added", ["namePrefix: x-\n", "nameSuffix: -x\n"])
def test_references_to_renamed_objects_stay_as_they_are(desk: Desk, app: Application, added: str) -> None:
    """Without the objects kustomize would not rename the references: they stay, and for kustomize only."""
    text = app.kustomization("staging").replace("patches:", f"{added}patches:")
    desk.write(f"../apps/{KUSTOMIZATION}", text)
    for file in ("base/secrets.yml", "base/configmap.yml"):
        template = (app.folder / file).read_text()
        for name in ("agent-secrets", "shared-secrets", "agent-config", "shared-config", "front-config"):
            final = f"x-{name}" if "Prefix" in added else f"{name}-x"
            template = template.replace(f"name: {name}", f"name: {final}")
        desk.write(f"own/{Path(file).name}", template)
    desk.environment(templates=["own/secrets.yml", "own/configmap.yml"])
    before = list(yaml.safe_load_all(app.build("staging")))
    for _ in range(2):
        result = desk.run("init", "staging", "--fix-kustomize", str(app.overlay("staging")))
        assert result.status == 0
        assert "still contains" not in result.err
        after = list(yaml.safe_load_all(app.build("staging")))
        assert after == [one for one in before if one["kind"] == "Deployment"]
    assert app.kustomization("staging").count('annotations: {config.kubernetes.io/local-config: "true"}') == 5
    assert "$patch: delete" not in app.kustomization("staging")


def test_overlay_whose_plaintext_is_not_on_this_machine_does_not_stand_in_way(desk: Desk, app: Application) -> None:
    (app.overlay("prod") / "patches/prod-secret-config-patch.yml").unlink()
    result = fix(desk)
    assert result.status == 0
    assert result.lines == [
        f"bridge: warning: {os.path.normpath(app.overlay('prod'))}: does not build, with or without the change"
    ]


def test_command_that_import_prints_first_makes_patch_deletable(desk: Desk, app: Application) -> None:
    templates = ["../apps/base/secrets.yml", "../apps/base/configmap.yml", "staging.public.yaml"]
    desk.environment(templates=templates, sources=[SHELF])
    file = app.overlay("staging") / PATCH
    words = ("import", "staging", str(file), "--to", SHELF, "--yes")
    first = desk.run(*words).out.splitlines()[-1]
    assert first.startswith("first: bridge init staging --fix-kustomize ")
    assert desk.run(*shlex.split(first)[2:]).status == 0
    assert desk.run(*words).out.splitlines()[-1].endswith("can be deleted: all its values exist elsewhere now")
    before = app.build("staging")
    file.unlink()
    assert app.build("staging") == before


PATCH = "patches/staging-secret-config-patch.yml"


def test_plaintext_patch_that_is_gone_loses_its_reference(desk: Desk, app: Application) -> None:
    (app.overlay("staging") / PATCH).unlink()
    before, prod = app.files(), app.build("prod")
    overlay = os.path.normpath(app.overlay("staging"))
    result = fix(desk)
    assert (result.status, result.err) == (0, "")
    assert f"  {overlay}/{PATCH}  missing; its reference was removed" in result.out.splitlines()
    assert changed(before, app.files()) == {KUSTOMIZATION}
    assert app.build("prod") == prod
    assert app.build("staging").count("kind: ") == 1
    assert "replicas: 3" in app.build("staging")
    assert "# the real values; not in git" in app.kustomization("staging")
    data = fix(desk, "--output", "json").data
    assert (data["result"], data["missing"]) == ("unchanged", [])


@pytest.mark.parametrize("entry", ["patchesStrategicMerge: [patches/secrets.yml]", "patches: [{path: secrets.yml}]"])
def test_missing_patch_is_dropped_also_if_nothing_else_is_to_be_done(desk: Desk, app: Application, entry: str) -> None:
    fix(desk)
    text = app.kustomization("staging")
    desk.write(f"../apps/{KUSTOMIZATION}", text.partition("patches:")[0] + f"{entry}\n")
    desk.write("../apps/base/kustomization.yaml", "resources: [deployment.yml]\n")
    data = fix(desk, "--output", "json").data
    assert (data["result"], data["patches"], len(data["missing"])) == ("written", [], 1)
    assert "secrets.yml" not in app.kustomization("staging")
    assert app.build("staging").count("kind: ") == 1


def test_missing_patch_of_secret_by_its_target_is_dropped(desk: Desk, app: Application) -> None:
    entry = "  - {path: gone.yml, target: {kind: ConfigMap, name: shared-config}}\n"
    desk.write(f"../apps/{KUSTOMIZATION}", app.kustomization("staging") + entry)
    assert fix(desk).status == 0
    assert "gone.yml" not in app.kustomization("staging")


def test_missing_patch_that_may_be_more_than_values_stays(desk: Desk, app: Application) -> None:
    (app.overlay("staging") / "patches/replicas.yml").unlink()
    before = app.files()
    overlay = os.path.normpath(app.overlay("staging"))
    result = fix(desk)
    assert (result.status, result.lines) == (
        1,
        [
            f"bridge: error: {overlay}/patches/replicas.yml: is missing, and may have contained more than values",
            f"bridge: hint: if it only contained imported values, remove its entry from {overlay}/kustomization.yaml",
        ],
    )
    assert app.files() == before


def test_missing_patch_that_git_has_stays(desk: Desk, app: Application) -> None:
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
    assert result.lines[0] == f"bridge: error: {shown}: is missing, but is tracked by git"
    hint = f"restore it with `git checkout -- {shown}`, or run `git rm --cached {shown}` if it only had values"
    assert hint in result.err
    assert app.files() == before
    file.parent.with_name("elsewhere").rename(file.parent)
    subprocess.run([*git, "rm", "-q", "--cached", str(file)], check=True)
    assert fix(desk).status == 0


def test_failure_gives_reference_to_missing_patch_back(desk: Desk, app: Application) -> None:
    (app.overlay("staging") / PATCH).unlink()
    (app.folder / "base/deployment.yml").unlink()
    before = app.files()
    result = fix(desk)
    assert result.lines[0].endswith("overlays/staging: does not build")
    assert app.files() == before


def test_overlay_that_does_not_build_is_left_alone(desk: Desk, app: Application) -> None:
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


def test_values_left_in_components_and_generators_are_reported_by_their_places(desk: Desk, app: Application) -> None:
    desk.canaries |= {"CANARY-generated", "CANARY-component", "CANARY-base"}
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: NAME}\nstringData: {OPENAI_API_KEY: VALUE}\n"
    component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
    desk.write("../apps/inner/kustomization.yaml", component + "patches: [{path: p.yml}, {path: filled.yml}]\n")
    desk.write("../apps/inner/p.yml", secret.replace("NAME", "agent-secrets").replace("VALUE", "CANARY-component"))
    desk.write(
        "../apps/inner/filled.yml", secret.replace("NAME", "agent-secrets").replace("VALUE", "'${OPENAI_API_KEY}'")
    )
    made = "configMapGenerator: [{name: agent-config, behavior: merge, literals: [LOG_LEVEL=CANARY-component]}]\n"
    desk.write("../apps/component/kustomization.yaml", f"{component}components: [../inner]\n{made}")
    desk.write("../apps/base/p.yml", secret.replace("NAME", "agent-secrets").replace("VALUE", "CANARY-base"))
    desk.write("../apps/base/kustomization.yaml", "resources: [secrets.yml, configmap.yml]\npatches: [{path: p.yml}]\n")
    generator = (
        "secretGenerator: [{name: agent-secrets, behavior: merge, literals: [DEEPGRAM_API_KEY=CANARY-generated]}]\n"
    )
    text = "namespace: voice\nresources: [../../base]\ncomponents: [../../component]\n"
    desk.write(f"../apps/{KUSTOMIZATION}", text + generator)
    fixed, again = fix(desk), fix(desk)  # also if there is nothing to change
    build = desk.write("../build.yaml", app.build("staging") + "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n")
    for result in (fixed, again, desk.run("check", "staging", "--manifests", str(build))):
        assert result.status == 0
        told = [line.partition(": still contains")[0] for line in result.lines if "still contains" in line]
        assert [line.partition("/apps/")[2] for line in told] == [
            "overlays/staging/kustomization.yaml secretGenerator[0]",
            "component/kustomization.yaml configMapGenerator[0]",
            "inner/p.yml",
            "base/p.yml",
        ]
    assert "CANARY" not in app.build("staging")


def test_component_that_cannot_be_followed_is_reported(desk: Desk, app: Application) -> None:
    patch = """\
patches:
  - target: {name: '\\pL+-x'}   # an expression of Go's, and not of Python's
    patch: |-
      apiVersion: v1
      kind: Service
      metadata: {name: x}
"""
    component = f"kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\n{patch}"
    desk.write("../apps/component/kustomization.yaml", component)
    desk.write(f"../apps/{KUSTOMIZATION}", app.kustomization("staging") + "components: [../../component]\n")
    result = fix(desk)
    assert result.status == 0
    assert "/apps/component: cannot be read, and may contain values of bridge's objects" in result.lines[0]


def test_keys_of_others_stay_in_build(desk: Desk, app: Application) -> None:
    file = app.folder / "base/configmap.yml"
    text = file.read_text()
    desk.environment(templates=["../apps/base/secrets.yml", "own.yml"])
    desk.write("own.yml", text)
    file.write_text(
        text.replace("METADATA", "").replace('METRICS_ENABLED: "true"', 'METRICS_ENABLED: "true", OTHER: x')
    )
    overlay = app.overlay("staging")
    result = desk.run("init", "staging", "--fix-kustomize", str(overlay))
    assert result.status == 0
    assert result.lines == [
        (
            "bridge: warning: ConfigMap/agent-config: stays in the build for other keys; `kubectl apply` deletes "
            "bridge's keys if it applied them before"
        ),
        (
            f"bridge: hint: run `bridge adopt staging` first, then check with `kustomize build {overlay} | "
            "bridge check staging --live --manifests -`"
        ),
    ]
    assert "  ConfigMap/agent-config  no longer built: ENV_MODE, LOG_LEVEL, METRICS_ENABLED" in result.out.splitlines()
    assert "data:\n  OTHER: x\nkind: ConfigMap" in app.build("staging")
    assert app.build("staging").count("kind: ") == 2


def test_older_lists_and_json_patches(desk: Desk, app: Application) -> None:
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


def test_overlay_of_another_environment_is_refused(desk: Desk, app: Application) -> None:
    desk.write(f"../apps/{KUSTOMIZATION}", app.kustomization("staging").replace(desk.target.namespace, "elsewhere"))
    result = fix(desk)
    assert result.status == 1
    assert (
        "overlays/staging: builds for namespace elsewhere, but the environment's namespace is voice" in result.lines[0]
    )


def test_where_no_overlay_is_found(desk: Desk, app: Application) -> None:
    desk.environment("prod2")
    desk.env_file(K8_ENV=None)
    result = desk.run("init", "prod2", "--fix-kustomize")
    assert result.status == 2
    assert result.lines[-1] == "bridge: hint: name the overlay: --fix-kustomize OVERLAY"


def test_kubectl_builds_where_there_is_no_kustomize(
    desk: Desk, app: Application, kubectl_binary: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    before = app.files()
    result = fix(desk)
    assert (result.status, result.lines[0]) == (1, "bridge: error: PATH: neither kustomize nor kubectl was found")
    assert app.files() == before
    (tmp_path / "kubectl").symlink_to(kubectl_binary)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert fix(desk).status == 0
    assert app.build("staging").count("kind: ") == 1


def test_build_that_never_ends_is_ended(
    desk: Desk, app: Application, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    slow = tmp_path / "kustomize"
    slow.write_text("#!/bin/sh\nsleep 600\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    result = fix(desk, "--timeout", "0.3")
    assert result.status == 1
    assert "was not built within" in result.lines[0]


def test_interruption_gives_file_back(desk: Desk, app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    from bridge.kustomize.program import Kustomize  # noqa: PLC0415

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


def test_disk_that_is_full_changes_nothing(desk: Desk, app: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", full)
    before = app.files()
    result = fix(desk)
    assert (result.status, len(result.lines)) == (1, 1)
    assert result.lines[0].endswith("kustomization.yaml: cannot be written: no space left on device")
    assert app.files() == before


def test_file_that_cannot_be_changed_safely(desk: Desk, app: Application) -> None:
    desk.write(f"../apps/{KUSTOMIZATION}", {"resources": ["../../base"], "namespace": desk.target.namespace})
    before = app.files()
    result = fix(desk)
    assert result.status == 2
    assert result.lines[0].endswith("kustomization.yaml: is written in a way that bridge cannot change safely")
    assert app.files() == before


def test_curing_layout_is_not_drafting_one(desk: Desk, app: Application) -> None:
    before = app.files()
    assert fix(desk, str(app.overlay("staging")), "--like", "prod").status == 2
    assert app.files() == before


def recorder(folder: Path, kustomize: Path) -> Path:
    """Write a `kustomize` that writes its environment down, and builds."""
    program = folder / "bin" / "kustomize"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nenv >> {folder}/seen\nexec {kustomize} "$@"\n')
    program.chmod(0o755)
    return program


@pytest.mark.usefixtures("app")
def test_kustomize_gets_no_credential(
    desk: Desk, kustomize_binary: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = recorder(tmp_path, kustomize_binary)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    for name in ("VAULT_TOKEN", "SCW_SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "SOPS_AGE_KEY", "CI_JOB_TOKEN", "OTHER"):
        monkeypatch.setenv(name, "CANARY-secret")
    assert fix(desk).status == 0
    seen = (tmp_path / "seen").read_text()
    assert "CANARY" not in seen
    assert f"HOME={os.environ['HOME']}\n" in seen
    assert "HTTPS_PROXY=http://127.0.0.1:1\n" in seen


def test_kustomize_that_trust_file_does_not_list_is_not_started(
    desk: Desk, app: Application, kustomize_binary: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = recorder(tmp_path, kustomize_binary)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    before = app.files()
    monkeypatch.setenv("BRIDGE_TRUST", trusting(desk.folder, programs=[[str(program), "version"]])["BRIDGE_TRUST"])
    result = fix(desk)
    assert (result.status, app.files()) == (1, before)
    assert result.lines[0].startswith(f"bridge: error: --fix-kustomize starts {program}, which is not in")
    assert not (tmp_path / "seen").exists()
    monkeypatch.setenv("BRIDGE_TRUST", trusting(desk.folder, programs=[[str(program), "build"]])["BRIDGE_TRUST"])
    assert fix(desk).status == 0


@pytest.mark.usefixtures("app")
def test_kustomize_is_not_looked_for_where_bridge_was_started(
    desk: Desk, kustomize_binary: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recorder(tmp_path, kustomize_binary)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"bin:{kustomize_binary.parent}:/usr/bin:/bin")
    assert fix(desk).status == 0
    assert not (tmp_path / "seen").exists()
