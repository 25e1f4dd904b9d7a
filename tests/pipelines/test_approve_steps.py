"""The pipelines with an approval between: one job plans, another one syncs this plan and nothing else."""

import json
from pathlib import Path

import pytest
import yaml

from tests.approval.approvals import sha256
from tests.pipelines.test_steps import FOLDER, Pipeline, Step, pipeline
from tests.team import VALUES

__all__ = ["pipeline"]  # a fixture
BOTH = pytest.mark.parametrize("pipeline", ["github approve", "gitlab approve"], indirect=True)
PUBLIC = {"K8_ENV": "staging", "LIVEKIT_URL": "wss://livekit.example.com", "DOMAIN": "example.com"}


def prepared(pipeline: Pipeline) -> Path:
    """Give every value a revision; returns the plan's file, as the jobs hand it on."""
    desk = pipeline.desk
    assert desk.run("init", "staging", "--fix-kustomize").status == 0
    environment = json.loads((desk.folder / "staging.yaml").read_text())
    del environment["env_file"]
    desk.write("staging.yaml", environment | {"sources": ["jsonfile:values.json"]})
    desk.values(**PUBLIC)
    trust = json.loads(pipeline.environ["TRUST_TEXT"]) | {"packages": ["bridge_jsonfile"]}
    pipeline.environ["TRUST_TEXT"] = json.dumps(trust)
    pipeline.environ["GITHUB_OUTPUT"] = str(desk.folder.parent / "output")
    return desk.folder.parent / "plan.json"


def planned(pipeline: Pipeline) -> Step:
    """Run the job that plans on the main branch, and hand its outputs on."""
    pipeline.environ["GITHUB_EVENT_NAME"] = "push"
    step = pipeline.propose()
    if step.status == 0:
        handed = "output" if pipeline.name.startswith("github") else "plan.env"
        text = (pipeline.desk.folder.parent / handed).read_text()
        pipeline.environ["PLAN_SHA256"] = text.strip().rpartition("=")[2]
    return step


@BOTH
def test_approved_plan_is_synced_and_deployed(pipeline: Pipeline) -> None:
    path = prepared(pipeline)
    step = planned(pipeline)
    assert (step.status, pipeline.deployed, pipeline.desk.target.versions()) == (0, False, {})
    assert f"SHA-256 `{sha256(path)}`" in step.report
    assert pipeline.environ["PLAN_SHA256"] == sha256(path)
    deployed = pipeline.deploy()
    assert (deployed.status, pipeline.deployed) == (0, True), deployed.log
    assert pipeline.desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]
    again = pipeline.deploy()
    assert (again.status, "nothing to do" in again.report + again.log) == (0, True)


@BOTH
def test_change_after_approval_stops_deploy(pipeline: Pipeline) -> None:
    prepared(pipeline)
    assert planned(pipeline).status == 0
    pipeline.desk.values(**PUBLIC, OPENAI_API_KEY="CANARY-rotated")
    deployed = pipeline.deploy()
    assert (deployed.status, pipeline.deployed) == (1, False)
    assert "bridge: error: jsonfile:values.json: is now at revision" in deployed.log
    assert pipeline.desk.target.versions() == {}


@BOTH
def test_artifact_that_was_exchanged_stops_deploy(pipeline: Pipeline) -> None:
    prepared(pipeline)
    assert planned(pipeline).status == 0
    approved = pipeline.environ["PLAN_SHA256"]
    pipeline.desk.values(**PUBLIC, OPENAI_API_KEY="CANARY-theirs")
    assert planned(pipeline).status == 0
    pipeline.environ["PLAN_SHA256"] = approved
    deployed = pipeline.deploy()
    assert (deployed.status, pipeline.deployed) == (1, False)
    assert "not the approved one" in deployed.log
    assert pipeline.desk.target.versions() == {}


@pytest.mark.parametrize("pipeline", ["github approve"], indirect=True)
def test_pull_request_gets_plan_without_file(pipeline: Pipeline) -> None:
    path = prepared(pipeline)
    step = pipeline.propose()
    assert (step.status, path.exists(), "to create" in step.report) == (0, False, True)


def test_deploy_job_waits_for_environments_approval() -> None:
    github = yaml.safe_load((FOLDER / "github" / "approve.yml").read_text())["jobs"]
    assert [(name, job["environment"], job.get("needs")) for name, job in github.items()] == [
        ("plan", "staging-plan", None),
        ("deploy", "staging", "plan"),
    ]
    gitlab = yaml.safe_load((FOLDER / "gitlab-ci-approve.yml").read_text())
    assert (gitlab["deploy"]["needs"], gitlab["deploy"]["environment"]) == (["plan"], {"name": "staging"})
    assert [rule.get("when") for rule in gitlab["deploy"]["rules"]] == ["manual"]


def test_setup_is_that_of_pipelines_without_approval() -> None:
    """The files differ in the plan and the sync; what protects the credentials is the same."""
    usual = yaml.safe_load((FOLDER / "github" / "deploy.yml").read_text())["jobs"]["staging"]
    (own,) = [step for step in usual["steps"] if "run" in step]
    head = own["run"].partition("kubectl kustomize")[0]
    for job in yaml.safe_load((FOLDER / "github" / "approve.yml").read_text())["jobs"].values():
        (step,) = [step for step in job["steps"] if "run" in step]
        assert step["run"].partition("kubectl kustomize")[0] == head
        assert step["env"].items() >= own["env"].items()
        assert job["permissions"] == usual["permissions"]
    gitlab, approve = (
        yaml.safe_load((FOLDER / name).read_text()) for name in ("gitlab-ci.yml", "gitlab-ci-approve.yml")
    )
    assert approve[".bridge"] == gitlab[".bridge"]
