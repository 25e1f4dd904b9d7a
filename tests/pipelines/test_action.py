"""The step of config/pipelines/github/action.yml, run by bash from a fresh clone, in a folder of somebody's branch."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from tests.servers.lock import SMALL, only

ROOT = Path(__file__).parents[2]
ACTION = ROOT / "config" / "pipelines" / "github" / "action.yml"
WHO = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
HOSTILE = ("venv", "pip", "ensurepip", "sitecustomize", "usercustomize", "setuptools", "subprocess")

SCRIPT = yaml.safe_load(ACTION.read_text())["runs"]["steps"][0]["run"]
"""What GitHub gives to bash."""


def commands(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if re.search(r"\bpip\b.*\b(install|wheel|download)\b", line)]


def test_every_install_has_hashes_or_no_index_and_builds_nothing_that_was_downloaded() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    for text in (SCRIPT, dockerfile):
        found = [line for line in commands(text) if "uninstall" not in line]
        assert len(found) == 4
        for line in found:
            assert "--no-index" in line or ("--require-hashes" in line and "--only-binary :all:" in line), line
            assert " wheel " not in line or "--no-build-isolation" in line


def test_no_other_pipeline_installs_anything() -> None:
    for path in ACTION.parents[1].rglob("*"):
        if path.is_file() and path != ACTION:
            assert not re.search(r"\b(pip3?|pipx|uv|apt(-get)?|curl[^|]*\| *(ba)?sh)\b", _code(path)), path


def _code(path: Path) -> str:
    return "\n".join(line.partition("# ")[0] for line in path.read_text().splitlines())


class Job(NamedTuple):
    """What the step has left behind."""

    clone: Path
    path: list[str]  # the lines of GITHUB_PATH
    log: str  # pip's own
    mark: Path

    def run(self, *words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        """Run a program as a later step does, in the clone."""
        path = os.pathsep.join([*reversed(self.path), "/usr/bin", "/bin"])
        variables = {"PATH": path, "HOME": str(self.mark.parent / "home")} | environ
        return subprocess.run(
            words, cwd=self.clone, env=variables, capture_output=True, text=True, check=False, timeout=60
        )


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    folder = tmp_path_factory.mktemp("runner")
    seed, clone, mark = folder / "seed", folder / "clone", folder / "mark"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout.decode()
    for name in filter(None, files.split("\0")):
        if (ROOT / name).is_file():
            (seed / name).parent.mkdir(parents=True, exist_ok=True)
            (seed / name).write_bytes((ROOT / name).read_bytes())
    lock = seed / "requirements.lock"  # the whole of it is installed in tests/project/test_wheel.py
    lock.write_text(only(lock.read_text(), SMALL))
    git = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "GIT_CONFIG_NOSYSTEM": "1"} | WHO
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "x"]):
        subprocess.run(["git", "-C", str(seed), *words], env=git, check=True, capture_output=True)
    subprocess.run(["git", "clone", "--quiet", str(seed), str(clone)], env=git, check=True, capture_output=True)
    branch = folder / "branch"
    branch.mkdir()
    for name in HOSTILE:
        (branch / f"{name}.py").write_text(f"open({str(mark)!r}, 'a').write('{name} ')\nraise SystemExit(1)\n")
    (folder / "temp").mkdir()
    real = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    environ = {
        "PATH": "/usr/bin:/bin",
        "HOME": os.environ["HOME"],  # for pip's cache and settings
        "PYTHON": str(real),
        "RUNNER_TEMP": str(folder / "temp"),
        "GITHUB_PATH": str(folder / "path"),
        "GITHUB_ACTION_PATH": str(clone / "config" / "pipelines" / "github"),
        "PIP_LOG": str(folder / "pip.log"),
        "PIP_COMPILE": "0",  # compiling all of boto3 takes half a minute, and what is used of it a second
    } | {name: text for name, text in os.environ.items() if name.lower().endswith("_proxy") or name.startswith("PIP_")}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", SCRIPT]
    done = subprocess.run(command, cwd=branch, env=environ, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return Job(clone, (folder / "path").read_text().splitlines(), (folder / "pip.log").read_text(), mark)


@pytest.mark.wheel
@pytest.mark.timeout(900)
def test_one_link_is_put_on_path_and_later_steps_keep_their_python(job: Job) -> None:
    (folder,) = map(Path, job.path)
    assert [one.name for one in folder.iterdir()] == ["bridge"]
    assert (folder / "bridge").is_symlink()
    version = job.run("bridge", "--version")
    assert (version.returncode, version.stderr) == (0, "")
    ours = str(folder.parent)
    for name in ("python3", "python", "pip", "pip3"):
        assert ours not in job.run("bash", "-c", f"command -v {name} || true").stdout
    listed = job.run(str(folder.parent / "installed" / "bin" / "python"), "-I", "-m", "pip", "list").stdout
    assert not re.search(r"^setuptools\b", listed, re.MULTILINE) or sys.version_info < (3, 12)


@pytest.mark.wheel
@pytest.mark.timeout(900)
def test_nothing_unpinned_is_collected(job: Job) -> None:
    collected = re.findall(r"Collecting (\S+)", job.log)
    assert any(one.startswith("setuptools==") for one in collected)
    assert any(one.startswith("cryptography==") for one in collected)
    assert [one for one in collected if "==" not in one] == []


@pytest.mark.wheel
@pytest.mark.timeout(900)
def test_module_of_branch_is_not_run(job: Job) -> None:
    """`python -m` looks into the current folder first, and that is the checkout."""
    assert not job.mark.exists()


@pytest.mark.wheel
@pytest.mark.timeout(900)
def test_what_was_installed_works_in_clone(job: Job) -> None:
    done = job.run("bridge", "check", "staging")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "staging: the files are valid"), done.stderr
    files = job.run("bridge", "check", "--files", "sops", "config/staging.sops.yaml")
    assert files.returncode == 0, files.stderr
