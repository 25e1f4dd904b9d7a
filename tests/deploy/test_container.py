"""`make image` with a real container engine: the image is built from the Dockerfile, and `bridge demo` runs in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.deploy.pod import ROOT
from tests.servers import build, debian

pytestmark = [pytest.mark.real, pytest.mark.wheel]

PACKAGES: Final = ("buildah", "debootstrap")
BASE_PACKAGES: Final = "ca-certificates,python3,python3-venv,python3-pip"
FIND: Final = "from importlib.util import find_spec; print(find_spec('kubernetes'), find_spec('botocore') is None)"


class Engine:
    """A container engine that works here, and what .ci/image needs to use it."""

    def __init__(self, name: str, environ: Mapping[str, str]) -> None:
        self.name: Final = name
        self.environ: Final = {**os.environ, "ENGINE": name, "TAG": "localhost/bridge-test", **environ}

    def call(self, *command: str | Path) -> str:
        """Run a command, and return what it prints; it must succeed."""
        done = subprocess.run(command, cwd=ROOT, env=self.environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def python(self, code: str) -> str:
        """Run Python code in the image."""
        python, tag = "/opt/bridge/bin/python", self.environ["TAG"]
        if self.name != "buildah":
            return self.call(self.name, "run", "--rm", "--entrypoint", python, tag, "-c", code)
        container = self.call("buildah", "from", "--pull-never", tag).strip()
        return self.call("buildah", "run", container, "--", python, "-c", code)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """docker or podman if they work, else buildah as root, whose base image is made of Debian's packages."""
    for name in ("docker", "podman"):
        if shutil.which(name) and subprocess.run([name, "info"], capture_output=True, check=False).returncode == 0:
            yield Engine(name, {})
            return
    require_buildah()
    store = tmp_path_factory.mktemp("containers")
    configuration = f'[storage]\ndriver = "vfs"\ngraphroot = "{store}/graph"\nrunroot = "{store}/run"\n'
    (store / "storage.conf").write_text(configuration)
    environ = {
        "CONTAINERS_STORAGE_CONF": str(store / "storage.conf"),
        "BUILDAH_ISOLATION": "chroot",
        "BASE": "localhost/base",
        "BUILD_FLAGS": "--pull-never --network host",
    }
    engine = Engine("buildah", environ)
    container = engine.call("buildah", "from", "scratch").strip()
    engine.call("buildah", "add", container, base_tree(), "/")
    probe = subprocess.run(
        ["buildah", "run", container, "--", "true"], env=engine.environ, capture_output=True, check=False
    )
    if probe.returncode:
        pytest.skip("buildah may not run a container here")
    trust_same_authorities(engine, container)
    engine.call("buildah", "commit", container, "localhost/base")
    try:
        yield engine
    finally:
        shutil.rmtree(store)  # gigabytes


def require_buildah() -> None:
    """Skip the test if buildah cannot work here; in CI, try to install it, as CI builds the other tools."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("no docker or podman works here, and buildah needs root on Linux")
    if all(map(shutil.which, PACKAGES)):
        return
    command = f"apt-get install --yes --no-install-recommends {' '.join(PACKAGES)}"
    if not os.environ.get("CI"):
        pytest.skip(f"no container engine works here: {command}")
    if not debian.install(*PACKAGES):
        pytest.skip(f"no container engine works here, and `{command}` failed")


def base_tree() -> Path:
    """Return a small Debian with Python, which is what the Dockerfile's base is; it is made once per machine."""
    tree = build.cache() / "image-base-bookworm"
    if not tree.exists():
        unfinished = tree.with_name(f"{tree.name}.{os.getpid()}")
        command = ["debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", "bookworm", unfinished]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("debootstrap cannot make a base image here")
        (unfinished / "usr" / "bin" / "python").symlink_to("python3")
        unfinished.rename(tree)
    return tree


def trust_same_authorities(engine: Engine, container: str) -> None:
    """Let pip in the base connect as this machine's pip does."""
    for source in (os.environ.get("PIP_CERT") or "/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf"):
        if Path(source).is_file():
            target = "/etc/pip.conf" if source.endswith("pip.conf") else "/etc/ssl/certs/ca-certificates.crt"
            engine.call("buildah", "copy", container, source, target)


@pytest.mark.timeout(1800, func_only=True)
def test_image_is_built_and_runs_demo_without_kubernetes_package(engine: Engine) -> None:
    shown = engine.call(ROOT / ".ci" / "image")
    assert "\nbridge 0." in f"\n{shown}"
    assert "5 created, 0 unchanged" in shown
    assert "key OPENAI_API_KEY does not decrypt" in shown
    assert "demo-openai-key" not in shown
    assert engine.python(FIND).strip() == "None False"
    assert engine.python("import os; print(os.getuid(), os.getgid())").strip() == "65532 65532"
