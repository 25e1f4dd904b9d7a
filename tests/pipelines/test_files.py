"""What config/pipelines has is accepted by what would read it."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.desk import Target
from tests.servers.apiserver import RealCluster
from tests.servers.client import MERGE

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "config" / "pipelines"
GITHUB = FOLDER / "github"
WORKFLOWS = {"deploy.yml": 4, "approve.yml": 6}
"""The workflows, and how many actions each of them uses."""
HOOKS = ["argocd-presync.yaml", "helm-pre-upgrade.yaml"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actionlint_has_nothing_against_workflow_and_its_action(
    name: str, tmp_path: Path, actionlint_binary: Path
) -> None:
    workflow = (GITHUB / name).read_text()
    local = re.sub(r"example/bridge/(config/pipelines/github)@0+", r"./\1", workflow)
    assert local != workflow  # a local action's inputs are looked at too
    for place, text in (
        (f".github/workflows/{name}", local),
        ("config/pipelines/github/action.yml", (GITHUB / "action.yml").read_text()),
    ):
        path = tmp_path / place
        path.parent.mkdir(parents=True)
        path.write_text(text)
    (tmp_path / ".git").mkdir()
    done = subprocess.run([actionlint_binary], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("name", "count"), WORKFLOWS.items())
def test_actions_are_pinned_and_rights_are_given_to_job_alone(name: str, count: int) -> None:
    workflow = yaml.safe_load((GITHUB / name).read_text())
    uses = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]
    assert len(uses) == count
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", one) for one in uses)
    assert workflow["permissions"] == {}
    jobs = workflow["jobs"].items()
    readers = {
        name: {"contents": "read"} if name == "review" else {"contents": "read", "id-token": "write"}
        for name, _ in jobs
    }
    assert {name: job["permissions"] for name, job in jobs} == readers


def test_no_expression_of_github_stands_in_script() -> None:
    for name, count in (("deploy.yml", 2), ("approve.yml", 2), ("action.yml", 1)):
        content = yaml.safe_load((GITHUB / name).read_text())
        jobs = content.get("jobs", {"action": content.get("runs")}).values()
        scripts = [step["run"] for job in jobs for step in job["steps"] if "run" in step]
        assert len(scripts) == count
        assert not any("${{" in script for script in scripts)


@pytest.mark.parametrize("name", HOOKS)
def test_api_server_takes_hook_under_restricted(name: str, real_target: Target, real_cluster: RealCluster) -> None:
    levels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    path = f"/api/v1/namespaces/{real_target.namespace}"
    assert real_target.client.request("PATCH", path, {"metadata": {"labels": levels}}, MERGE).status == 200

    def apply(text: str) -> subprocess.CompletedProcess[str]:
        arguments = ("--server-side", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "-f", "-")
        return real_cluster.kubectl("apply", "-n", real_target.namespace, *arguments, text=text, check=False)

    text = (FOLDER / name).read_text()
    done = apply(text)
    assert (done.returncode, done.stderr) == (0, "")
    assert "would violate PodSecurity" in apply(text.replace("runAsNonRoot: true", "runAsNonRoot: false")).stderr


def test_both_hooks_run_same_job_and_differ_in_who_runs_it() -> None:
    argo, helm = (yaml.safe_load((FOLDER / name).read_text()) for name in HOOKS)
    assert argo["spec"] == helm["spec"]
    assert argo["metadata"]["annotations"]["argocd.argoproj.io/hook"] == "PreSync"
    assert helm["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"


def test_hook_fails_for_good_with_exactly_statuses_that_trying_again_cannot_change() -> None:
    job = yaml.safe_load((FOLDER / HOOKS[0]).read_text())["spec"]
    rule = next(one for one in job["podFailurePolicy"]["rules"] if one["action"] == "FailJob")
    assert rule["onExitCodes"]["values"] == [1, 2, 3]


def test_pre_commit_hooks_install_what_lock_names() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    lock = (ROOT / "requirements.lock").read_text()
    locked = [line.removesuffix(" \\") for line in lock.splitlines() if re.match(r"[a-z0-9]", line)]
    assert len(locked) > 20
    for hook in hooks:
        assert (hook["language"], hook["additional_dependencies"]) == ("python", locked)


def test_pre_commit_hooks_find_files_of_sops_and_not_their_rules() -> None:
    hooks = {one["id"]: one for one in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    assert [(name, one["entry"]) for name, one in hooks.items()] == [
        ("bridge-check", "bridge check"),
        ("bridge-sops-check", "bridge check --files sops"),
    ]
    pattern = re.compile(hooks["bridge-sops-check"]["files"])
    found = ["a.sops.yaml", "config/staging.sops.yml", "x.sops.json", "x/.env.sops.env"]
    passed = [".sops.yaml", "config/.sops.yaml", "staging.yaml", "staging.sops.example.yaml", "a.sops.yaml.orig"]
    assert [name for name in (*found, *passed) if pattern.search(name)] == found
