"""The scripts of config/pipelines, run by bash with the installed programs against a real API server."""

import json
import os
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.desk import Desk, Target, set_up_desk
from tests.kustomize.overlays import PLAINTEXT, Application, application
from tests.providers.vault.wire import Answer, wire
from tests.team import VALUES

FOLDER = Path(__file__).parents[2] / "config" / "pipelines"
ID_TOKEN = "CANARY-id-token"
REQUEST_TOKEN = "CANARY-request-token"

# Stand-ins for what a runner has: curl is asked for the token with the header on its stdin, and never in an argument.
CURL = f"""#!/bin/sh
case "$*" in *{REQUEST_TOKEN}*) exit 9;; esac
read -r header || [ "$header" = "Authorization: bearer {REQUEST_TOKEN}" ] || exit 8
case "$*" in *"-H @- http://runner/token?api=1&audience=vault") echo '{{"value": "{ID_TOKEN}"}}';; *) exit 7;; esac
"""
JQ = "#!/bin/sh\nsed -E 's/.*: \"(.*)\".*/\\1/'\n"


class Step(NamedTuple):
    """What a script has done."""

    status: int
    log: str  # what the pipeline's log shows
    report: str  # the summary page, or the artifact


class Pipeline(NamedTuple):
    """One pipeline's script, for a branch that is deployed or only proposed."""

    name: str
    run: Callable[[str, bool], Step]
    app: Application
    desk: Desk
    environ: dict[str, str]  # the variables of the pipeline's environment

    def deploy(self) -> Step:
        return self.run(self.name, True)

    def propose(self) -> Step:
        return self.run(self.name, False)

    @property
    def deployed(self) -> bool:
        path = f"/apis/apps/v1/namespaces/{self.desk.target.namespace}/deployments/agent"
        return self.desk.target.client.request("GET", path).status == 200


FILES = {
    "github": "github/deploy.yml",
    "gitlab": "gitlab-ci.yml",
    "github approve": "github/approve.yml",
    "gitlab approve": "gitlab-ci-approve.yml",
}


def script(name: str, *, push: bool) -> str:
    jobs = yaml.safe_load((FOLDER / FILES[name]).read_text())
    if name.startswith("github"):
        job = jobs["jobs"].get("staging") or jobs["jobs"]["deploy" if push else "plan"]
        text = next(step["run"] for step in job["steps"] if "run" in step)
    else:
        job = jobs["deploy" if push else "plan"]
        text = "\n".join([*jobs[job["extends"]]["before_script"], *job["script"]])
    return text.replace(" --wait 10m", "")  # no controller rolls anything out here


@pytest.fixture(params=["github", "gitlab"])
def pipeline(  # noqa: PLR0917 - fixtures
    request: pytest.FixtureRequest,
    real_target: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    third_party: Path,
    kustomize_binary: Path,
) -> Pipeline:
    monkeypatch.setenv("PATH", f"{kustomize_binary.parent}{os.pathsep}/usr/bin:/bin")
    desk = set_up_desk(real_target, tmp_path, monkeypatch, capfd)
    app = application(desk, kustomize_binary)
    templates = ["../apps/base/secrets.yml", "../apps/base/configmap.yml"]
    desk.environment(templates=templates, cluster={"server": real_target.client.url})
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("curl", CURL), ("jq", JQ)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    kubeconfig = desk.folder / "kubeconfig"
    used = tmp_path / "kubeconfig" if request.param.startswith("github") else kubeconfig
    listed = {"servers": [real_target.client.url], "kubeconfigs": [str(used)], "packages": ["bridge_plain"]}
    variables = {"TRUST_TEXT": json.dumps(listed), "TMPDIR": str(tmp_path)}

    def run(name: str, push: bool) -> Step:
        is_github = name.startswith("github")
        summary = tmp_path / ("summary.md" if is_github else "plan.md")
        summary.write_text("")
        environ = {
            "PATH": os.pathsep.join([str(programs), sysconfig.get_path("scripts"), "/usr/bin", "/bin"]),
            "PYTHONPATH": str(third_party),
            "HOME": str(tmp_path / "home"),
            "BRIDGE_CONFIG": str(desk.folder),
            "K8_ENV": "staging",
            "OVERLAY": "apps/overlays/staging",
        }
        github = {
            "GITHUB_EVENT_NAME": "push" if push else "pull_request",
            "GITHUB_STEP_SUMMARY": str(summary),
            "RUNNER_TEMP": str(tmp_path),
            "KUBECONFIG_TEXT": kubeconfig.read_text(),
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": REQUEST_TOKEN,
            "ACTIONS_ID_TOKEN_REQUEST_URL": "http://runner/token?api=1",
        }
        environ |= github if is_github else {"KUBECONFIG": str(kubeconfig), "VAULT_ID_TOKEN": ID_TOKEN}
        environ |= variables
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script(name, push=push)]
        done = subprocess.run(
            command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False, timeout=120
        )
        log, report = done.stdout + done.stderr, summary.read_text()
        masked = log.replace(f"::add-mask::{ID_TOKEN}\n", "", 1) if is_github else log
        for canary in {*VALUES.values(), *PLAINTEXT.values(), "CANARY-id", "CANARY-request"}:
            assert canary not in masked + report
        assert not {"kubeconfig", "trust.yaml"}.intersection(one.name for one in tmp_path.iterdir())
        return Step(done.returncode, log, report)

    return Pipeline(request.param, run, app, desk, variables)


def test_build_that_would_undo_bridge_is_not_deployed(pipeline: Pipeline) -> None:
    before = pipeline.desk.target.versions()
    for step in (pipeline.propose(), pipeline.deploy()):
        assert step.status == 1
        assert "bridge: error: stdin" in step.log
    assert pipeline.desk.target.versions() == before == {}
    assert not pipeline.deployed


def test_plan_that_is_refused_is_reported_and_stops_deploy(pipeline: Pipeline) -> None:
    desk = pipeline.desk
    assert desk.run("init", "staging", "--fix-kustomize").status == 0
    desk.target.create("Secret", "agent-secrets", {"stringData": {"OPENAI_API_KEY": "CANARY-theirs"}})
    desk.canaries.add("CANARY-theirs")
    before = desk.target.versions()
    proposed = pipeline.propose()
    assert proposed.status == 1
    assert "**Refused**\n\n- `Secret/agent-secrets" in proposed.report
    deployed = pipeline.deploy()
    assert deployed.status == 1
    assert "bridge: error: Secret/agent-secrets" in deployed.log
    assert desk.target.versions() == before
    assert not pipeline.deployed


def test_store_that_does_not_answer_stops_deploy(pipeline: Pipeline) -> None:
    desk = pipeline.desk
    assert desk.run("init", "staging", "--fix-kustomize").status == 0
    (desk.folder / "values.json").unlink()
    assert pipeline.deploy().status == 1
    assert not pipeline.deployed


def test_proposal_shows_plan_and_main_branch_is_synced_and_then_deployed(pipeline: Pipeline) -> None:
    desk = pipeline.desk
    assert desk.run("init", "staging", "--fix-kustomize").status == 0
    proposed = pipeline.propose()
    assert (proposed.status, pipeline.deployed, desk.target.versions()) == (0, False, {})
    assert "**5 to create, 0 unchanged**" in proposed.report
    deployed = pipeline.deploy()
    assert (deployed.status, pipeline.deployed) == (0, True)
    assert "deployment.apps/agent created" in deployed.log
    assert "5 created, 0 unchanged" in deployed.report + deployed.log
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]
    again = pipeline.deploy()
    assert (again.status, "nothing to do" in again.report + again.log) == (0, True)


@pytest.mark.parametrize("pipeline", ["github"], indirect=True)
def test_kubeconfig_on_runners_disk_is_for_its_user_alone(pipeline: Pipeline) -> None:
    probe = pipeline.app.folder.parent / "bin" / "kubectl"
    probe.write_text('#!/bin/sh\nstat -c "mode %a" "$KUBECONFIG" >&2\nexit 1\n')
    probe.chmod(0o755)
    step = pipeline.deploy()  # `run` holds it to be gone afterwards
    assert step.status != 0
    assert "mode 600" in step.log.splitlines()


def test_without_trust_files_text_nothing_is_trusted(pipeline: Pipeline) -> None:
    desk = pipeline.desk
    assert desk.run("init", "staging", "--fix-kustomize").status == 0
    del pipeline.environ["TRUST_TEXT"]
    for step in (pipeline.propose(), pipeline.deploy()):
        assert step.status == 1
        assert "the package bridge_plain is not in `packages` of" in step.log
        assert "is not in `kubeconfigs` of" in step.log
    assert desk.target.versions() == {}
    assert not pipeline.deployed


def test_vault_of_branch_gets_no_token(pipeline: Pipeline) -> None:
    """The variable VAULT_ADDR would refuse it too, so it is not set here."""
    desk = pipeline.desk
    assert desk.run("init", "staging", "--fix-kustomize").status == 0
    with wire() as evil:
        evil.answer = lambda _: Answer(200, {"auth": {"client_token": "hvs.x", "lease_duration": 60}})
        section = {"address": evil.address, "mount": "kv", "kv_version": 2, "auth": {"method": "jwt", "role": "r"}}
        environment = json.loads((desk.folder / "staging.yaml").read_text())
        desk.write("staging.yaml", environment | {"sources": ["vault:app"], "providers": {"vault": section}})
        for step in (pipeline.propose(), pipeline.deploy()):
            assert step.status == 1
            assert f"names {evil.address}, which may not get the credential jwt" in step.log
        assert evil.requests == []


def test_trust_file_is_for_runners_user_alone(pipeline: Pipeline) -> None:
    probe = pipeline.app.folder.parent / "bin" / "kubectl"
    probe.write_text('#!/bin/sh\nstat -c "mode %a" "$BRIDGE_TRUST" >&2\nexit 1\n')
    probe.chmod(0o755)
    step = pipeline.deploy()
    assert step.status != 0
    assert "mode 600" in step.log.splitlines()


def test_pipelines_set_vaults_address_and_trust_file_from_environments_variables() -> None:
    workflow = yaml.safe_load((FOLDER / "github" / "deploy.yml").read_text())
    step = next(step for step in workflow["jobs"]["staging"]["steps"] if "run" in step)
    assert step["env"]["VAULT_ADDR"] == "${{ vars.VAULT_ADDR }}"
    assert step["env"]["TRUST_TEXT"] == "${{ vars.BRIDGE_TRUST }}"
    text = (FOLDER / "gitlab-ci.yml").read_text()
    assert not {"VAULT_ADDR", "TRUST_TEXT"} & yaml.safe_load(text)[".bridge"]["variables"].keys()
    assert "VAULT_ADDR" in text
