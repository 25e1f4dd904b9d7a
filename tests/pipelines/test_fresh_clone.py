"""What `init` drafts passes the guard in a fresh clone: without the env file, a key, a store or a cluster."""

import os
import re
import shlex
import subprocess
import sysconfig
from pathlib import Path

import pyrage
import pytest
import yaml

from bridge.cli import main
from tests.init import team_layout
from tests.pages import ROOT, page
from tests.pipelines.test_steps import FOLDER, script

PATCH = "apps/overlays/staging/patches/staging-secret-config-patch.yml"


def guards() -> dict[str, str]:
    """Return the line of each supplied pipeline, of the help page and of the hook that runs `bridge check`."""
    recipes = (FOLDER / "bridge.just").read_text()
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    texts = {
        "github": script("github", push=True),
        "gitlab-plan": script("gitlab", push=False),
        "gitlab-deploy": script("gitlab", push=True),
        "just": re.sub(r"\{\{ ?quote\((.*?)\) ?\}\}", lambda found: _quoted(found[1]), recipes),
        "help page": page("pipelines").text,
        "pre-commit": next(f"{one['entry']} staging" for one in hooks if one["id"] == "bridge-check"),
    }
    return {
        name: next(line.strip() for line in text.splitlines() if "bridge check" in line) for name, text in texts.items()
    }


def _quoted(expression: str) -> str:
    """Return what `quote()` of a recipe gives for the environment staging."""
    parts = [part.strip() for part in expression.split("+")]
    return shlex.quote("".join("staging" if part == "env" else part.strip('"') for part in parts))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, kustomize_binary: Path) -> Path:
    """Draft, import and cure as the help page says, commit what git does not ignore, and clone that."""
    folder = tmp_path_factory.mktemp("drafted")
    repository = team_layout.write_layout(folder / "repository")
    key = pyrage.x25519.Identity.generate()
    (repository / ".gitignore").write_text(f"{PATCH}\n")  # as the team has it
    (repository / ".sops.yaml").write_text(f"creation_rules: [{{age: {key.to_public()}}}]\n")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(repository)
        patched.setenv("HOME", str(folder))
        patched.setenv(
            "PATH", os.pathsep.join([str(kustomize_binary.parent), sysconfig.get_path("scripts"), "/usr/bin:/bin"])
        )
        patched.setenv("SOPS_AGE_KEY", str(key))
        for name in ("BRIDGE_CONFIG", "K8_ENV"):
            patched.delenv(name, raising=False)
        for command in (
            ["init", "staging"],
            ["import", "staging", PATCH, "--to", "sops:staging.sops.yaml", "--yes"],
            ["init", "staging", "--fix-kustomize"],
        ):
            assert main(command) == 0
        git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com"]
        for arguments in (
            ["init", "-q"],
            ["add", "-A"],
            ["commit", "-qm", "x"],
            ["clone", "-q", ".", folder / "clone"],
        ):
            subprocess.run([*git, *arguments], check=True)
    return folder / "clone"


def run(clone: Path, line: str) -> subprocess.CompletedProcess[str]:
    environ = {
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), "/usr/bin", "/bin"]),
        "HOME": str(clone.parent / "nowhere"),
        "K8_ENV": "staging",
        "OVERLAY": "apps/overlays/staging",
    }
    command = ["bash", "--noprofile", "--norc", "-euo", "pipefail", "-c", line]
    done = subprocess.run(command, cwd=clone, env=environ, capture_output=True, text=True, check=False, timeout=120)
    assert "CANARY" not in done.stdout + done.stderr
    return done


@pytest.mark.parametrize("name", guards())
def test_guard_passes_in_fresh_clone(clone: Path, kubectl_binary: Path, name: str) -> None:
    assert not (clone / "config/.env.k8s.staging").exists()
    assert not (clone / PATCH).exists()
    done = run(clone, guards()[name])
    assert "bridge: error" not in done.stderr
    assert done.returncode == 0
    assert "staging: the files are valid\n" in done.stdout
    if name != "pre-commit":
        assert "stdin: 1 object, nothing in it conflicts with bridge\n" in done.stdout
        assert "infrastructure" not in done.stdout.lower() + done.stderr.lower()


def test_guard_still_finds_what_is_wrong_there(clone: Path, kubectl_binary: Path, tmp_path: Path) -> None:
    copy = tmp_path / "clone"
    subprocess.run(["cp", "-r", clone, copy], check=True)
    file = copy / "apps/overlays/staging/kustomization.yaml"
    file.write_text("namespace: voice-agent-staging\nresources: [../../base]\n")
    done = run(copy, guards()["github"])
    assert done.returncode == 1
    assert "Secret/agent-secrets" in done.stderr


def test_drafted_infrastructure_has_what_scripts_use(clone: Path) -> None:
    drafted = yaml.safe_load((clone / "config/staging.yaml").read_text())
    assert drafted["infrastructure"]["K8S_NAMESPACE"] == "required"
    (clone / "config/.env.k8s.staging").write_text(team_layout.ENV_FILE)
    done = run(clone, "bridge exec staging -- sh -c 'echo \"$K8_ENV $K8S_NAMESPACE\"'")
    (clone / "config/.env.k8s.staging").unlink()
    assert (done.returncode, done.stdout) == (0, "staging voice-agent-staging\n")
