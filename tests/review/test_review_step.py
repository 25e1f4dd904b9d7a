"""The step of config/pipelines that shows a change: in a fork's pipeline, with nothing but a clone."""

import os
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.review.team import Team

FOLDER = Path(__file__).parents[2] / "config" / "pipelines"


def job(name: str) -> dict[str, Any]:
    if name == "github":
        found = yaml.safe_load((FOLDER / "github" / "deploy.yml").read_text())["jobs"]["review"]
        return found | next(step for step in found["steps"] if "run" in step)
    return yaml.safe_load((FOLDER / "gitlab-ci.yml").read_text())["review"]


@pytest.mark.parametrize("name", ["github", "gitlab"])
def test_step_shows_change_of_a_fork(team: Team, name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    base = team.start()
    team.git("checkout", "--quiet", "-b", "change")
    team.set("OPENAI", "CANARY-2")
    team.environment(namespace="stolen")
    team.commit()
    summary = tmp_path_factory.mktemp("runner") / "summary.md"
    asked = job(name)
    environ = {
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), "/usr/bin", "/bin"]),
        "HOME": str(summary.parent),
        "K8_ENV": (asked.get("env") or asked["variables"])["K8_ENV"],
        "BASE": base,
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
        "GITHUB_STEP_SUMMARY": str(summary),
    }
    script = asked["run"] if name == "github" else "\n".join(asked["script"])
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=team.top, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    report = (summary if name == "github" else team.top / "review.md").read_text()
    assert "| `~` | `namespace` | `'voice' -> 'stolen'` | decides where the values go |" in report
    assert "| `~` | `OPENAI` | new ciphertext | Secret/agent key OPENAI |" in report
    assert "CANARY" not in report


def test_step_has_no_secret_and_the_whole_history() -> None:
    github, gitlab = job("github"), job("gitlab")
    assert "secrets." not in str(github)
    assert "environment" not in github
    assert github["permissions"] == {"contents": "read"}
    checkout = github["steps"][0]["with"]
    assert checkout == {"persist-credentials": False, "fetch-depth": 0}
    assert gitlab["variables"]["GIT_DEPTH"] == "0"
    assert not {"extends", "id_tokens", "environment", "before_script", "secrets"} & gitlab.keys()
