"""The wheel, installed where the source tree is not: it carries all that the main job needs."""

import filecmp
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.importing.migrating import check_migration, deployed, lines
from tests.servers import build
from tests.servers.apiserver import RealCluster
from tests.servers.kwok import Kwok
from tests.thirdparty.install import install

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"

pytestmark = pytest.mark.wheel


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what git knows, so that a forgotten file shows."""
    source = tmp_path_factory.mktemp("wheel") / "source"
    source.mkdir()
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout.decode()
    for name in filter(None, files.split("\0")):
        if (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    return source


@pytest.fixture(scope="module")
def wheel(source: Path) -> Path:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", source.parent, source], check=True)
    return next(source.parent.glob("*.whl"))


PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


def locked_packages(target: Path) -> None:
    # Uncompiled: compiling all of boto3 takes half a minute, and what is used of it a second.
    command = [*PIP, "install", "--no-compile", "--target", target, "--require-hashes", "-r", LOCK]
    subprocess.run(command, check=True)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel and its locked dependencies in a fresh environment; return its bin folder.

    pip needs 20 seconds of a processor for the dependencies: they are copied from the cache until the lock changes.
    """
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    digest = hashlib.sha256(sys.version.encode() + LOCK.read_bytes()).hexdigest()[:16]
    (site,) = folder.glob("lib/python3*/site-packages")
    shutil.copytree(build.kept("locked", digest, locked_packages), site, dirs_exist_ok=True)
    python = folder / "bin" / "python"
    subprocess.run([*PIP, "--python", python, "install", "--no-deps", wheel], check=True)
    subprocess.run([*PIP, "--python", python, "check"], check=True)
    return python.parent


def run(installed: Path, tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    return subprocess.run(arguments, cwd=tmp_path, env=environ, check=False, capture_output=True, text=True)


def test_wheel_installs_two_packages_and_nothing_named_providers(wheel: Path) -> None:
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in names if not name.endswith((".dist-info", ".data"))} == {"bridge", "bridge_providers"}


def test_wheel_has_three_names_of_program_and_manual_page(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as files:
        (points,) = [name for name in files.namelist() if name.endswith("/entry_points.txt")]
        scripts = re.findall(r"^([\w-]+) = bridge\.start:run$", files.read(points).decode(), re.MULTILINE)
        manual = {Path(name).name for name in files.namelist() if ".data/data/share/man/man1/" in name}
    assert scripts == ["bridge", "bridge-secrets", "kubectl-bridge"]
    assert manual == {"bridge.1", "bridge-secrets.1"}


@pytest.mark.timeout(900)
def test_plugin_and_completion_run_from_wheel(installed: Path, kubectl_binary: Path, tmp_path: Path) -> None:
    environ = {"PATH": f"{installed}:{os.defpath}", "HOME": str(tmp_path)}
    command = [kubectl_binary, "bridge", "plna"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, check=False, capture_output=True, text=True)
    assert done.stderr.splitlines()[:2] == [
        "usage: kubectl bridge [-h] [-V] COMMAND ...",
        "kubectl bridge: error: no command plna",
    ]
    assert run(installed, tmp_path, str(installed / "bridge-secrets"), "help", "plan").stdout.startswith(
        "usage: bridge-secrets plan "
    )
    for shell in ("bash", "zsh", "fish"):
        assert "bridge" in run(installed, tmp_path, str(installed / "bridge"), "completion", shell).stdout


@pytest.mark.timeout(900)
def test_demo_runs_from_wheel(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, str(installed / "bridge"), "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 created, 0 unchanged" in done.stdout
    assert "5 unchanged: nothing to do" in done.stdout
    assert "drift, changed by kubectl-edit" in done.stdout
    assert "key OPENAI_API_KEY does not decrypt" in done.stdout
    assert "demo-openai-key" not in done.stdout + done.stderr
    assert "edited-by-hand" not in done.stdout + done.stderr


@pytest.mark.timeout(900)
def test_repository_is_migrated_from_wheel_in_empty_home(  # noqa: PLR0917 - fixtures
    installed: Path,
    real_cluster: RealCluster,
    controllers: Kwok,
    kustomize_binary: Path,
    kubectl_binary: Path,
    age_binaries: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    """The help page's block, with nothing of this source tree: neither the package, nor its configuration."""
    programs = [one.parent for one in (kustomize_binary, kubectl_binary, age_binaries[1])]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "bridge").symlink_to(installed / "bridge")
    with deployed(tmp_path, real_cluster, [tmp_path / "bin", *programs]) as team:
        home = Path(team.environ["HOME"])
        assert [one.name for one in home.iterdir()] in ([], [".kube"])  # kubectl's cache, of the first deployment
        assert team.run("command -v bridge").strip() == str(tmp_path / "bin" / "bridge")
        check_migration(team, lines(team))
        files = {path.relative_to(home).parts[0] for path in home.rglob("*") if path.is_file()}
    assert files <= {".config", ".kube"}  # and the age key


def test_provider_is_found_by_its_entry_point(installed: Path, tmp_path: Path) -> None:
    code = "import bridge_providers.sops as p, bridge; print(p.__file__, bridge.__file__)"
    done = run(installed, tmp_path, str(installed / "python"), "-c", code)
    assert done.stdout.count(str(installed.parent)) == 2


def packaged() -> set[str]:
    """Return what git knows of the packages, as an installation has it: modules, types, manifests, help pages."""
    tracked = subprocess.run(
        ["git", "ls-files", "bridge", "providers"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    files = {name.removeprefix("providers/") for name in tracked if (ROOT / name).exists()}
    return {name for name in files if not name.startswith("bridge/help/man/")}  # which is installed in share/man


def test_wheel_has_every_module_types_manifests_and_help_pages(wheel: Path) -> None:
    """A package or a file that pyproject.toml does not list would be missing."""
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not re.match(r"[^/]+\.(dist-info|data)/", name)}
    assert {name for name in names if not name.startswith("bridge/example/")} == packaged()


def test_source_distribution_has_what_wheel_has(source: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", tmp_path, source]
    subprocess.run(command, check=True, capture_output=True)
    with tarfile.open(next(tmp_path.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2].removeprefix("providers/") for name in archive.getnames()}
    assert packaged() <= names


def test_third_party_is_installed_as_pip_installs_it(tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(ROOT / "tests" / "thirdparty", source, ignore=shutil.ignore_patterns("__pycache__", "install.py"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--no-compile", "--target", site, source], check=True)
    ours = tmp_path / "ours"
    ours.mkdir()
    install(source, ours)
    assert sorted(path.name for path in ours.iterdir()) == sorted(path.name for path in site.iterdir())
    assert [entries(ours), names(ours)] == [entries(site), names(site)]
    assert [name for name in filecmp.cmpfiles(ours, site, [path.name for path in ours.glob("*.py")])[1:] if name] == []


def entries(site: Path) -> list[tuple[str, str, str]]:
    (found,) = distributions(path=[str(site)])
    return sorted((entry.group, entry.name, entry.value) for entry in found.entry_points)


def names(site: Path) -> list[tuple[str, str]]:
    return [(found.metadata["Name"], found.version) for found in distributions(path=[str(site)])]
