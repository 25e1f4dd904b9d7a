"""bridge's image, built from its Dockerfile by buildah on a base of Debian's packages: https://buildah.io/."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from tests.servers import build, debian

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("buildah", "debootstrap")
BASE_PACKAGES: Final = "ca-certificates,python3,python3-venv,python3-pip"
BASE: Final = "localhost/base"
TAG: Final = "localhost/bridge-test"


class Engine:
    """A container engine that works here, and what .ci/image needs to use it."""

    def __init__(self, name: str, environ: Mapping[str, str]) -> None:
        self.name: Final = name
        self.environ: Final = {**os.environ, "ENGINE": name, "TAG": TAG, **environ}

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
        try:
            return self.call("buildah", "run", container, "--", python, "-c", code)
        finally:
            self.call("buildah", "rm", container)


def context() -> list[str]:
    """Return the files that git knows and .dockerignore lets through."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    admitted = {line[1:] for line in lines if line.startswith("!")}
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout.decode()
    return [name for name in files.split("\0") if name.split("/")[0] in admitted and name[:14] != "config/deploy/"]


def buildah(store: Path) -> Engine:
    """Return a buildah with the base image, or skip the test.

    Its layers are kept for the next run if they take little space. Otherwise everything is in `store`: gigabytes.
    """
    require_buildah()
    kept = build.cache() / f"layers-{_base_digest()}"
    kept.mkdir(parents=True, exist_ok=True)
    os.utime(kept)
    build.forget_old("layers")
    engine = _engine(kept, "overlay", "--pull-never --network host --layers")
    if _works("buildah", "images", environ=engine.environ):
        with (kept / "lock").open("w") as file:  # one run makes the base for all
            fcntl.flock(file, fcntl.LOCK_EX)
            if not engine.call("buildah", "images", "--quiet", "--filter", f"reference={BASE}").strip():
                _make_base(engine)
    else:
        engine = _engine(store, "vfs", "--pull-never --network host")
        _make_base(engine)
    return engine


def _engine(store: Path, driver: str, flags: str) -> Engine:
    place = store / "storage.conf"
    place.write_text(f'[storage]\ndriver = "{driver}"\ngraphroot = "{store}/graph"\nrunroot = "{store}/run"\n')
    environ = {"CONTAINERS_STORAGE_CONF": str(place), "BUILDAH_ISOLATION": "chroot"}
    tag = f"{TAG}-{os.getpid()}"  # another run may use the same layers
    return Engine("buildah", environ | {"BASE": BASE, "BUILD_FLAGS": flags, "TAG": tag})


def _make_base(engine: Engine) -> None:
    container = engine.call("buildah", "from", "scratch").strip()
    try:
        engine.call("buildah", "add", container, base_tree(), "/")
        if not _works("buildah", "run", container, "--", "true", environ=engine.environ):
            pytest.skip("buildah may not run a container here")
        for source, target in _authorities().items():
            engine.call("buildah", "copy", container, source, target)
        engine.call("buildah", "commit", container, BASE)
    finally:
        engine.call("buildah", "rm", container)


def _works(*command: str, environ: Mapping[str, str]) -> bool:
    return subprocess.run(command, env=environ, capture_output=True, check=False).returncode == 0


def require_buildah() -> None:
    """Skip the test if buildah cannot work here; in CI, try to install it, as CI builds the other tools."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("buildah needs root on Linux")
    if all(map(shutil.which, PACKAGES)):
        return
    command = f"apt-get install --yes --no-install-recommends {' '.join(PACKAGES)}"
    if not os.environ.get("CI"):
        pytest.skip(f"buildah is missing: {command}")
    if not debian.install(*PACKAGES):
        pytest.skip(f"buildah is missing, and `{command}` failed")


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


def _authorities() -> dict[Path, str]:
    """Return what lets pip in the base connect as this machine's pip does, and where it belongs."""
    places = {
        os.environ.get("PIP_CERT") or "/etc/ssl/certs/ca-certificates.crt": "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pip.conf": "/etc/pip.conf",
    }
    return {Path(source): target for source, target in places.items() if Path(source).is_file()}


def _base_digest() -> str:
    # Another one each week, because a build never removes layers.
    total = hashlib.sha256(f"{base_tree().name} {time.strftime('%Y-%W')}".encode())
    for source in _authorities():
        total.update(source.read_bytes() + b"\0")
    return total.hexdigest()[:16]


def layouts(store: Path) -> dict[str, Path]:
    """Return bridge's image and one that only waits, each an OCI layout, built once for each state of our files.

    The build takes place in `store`, which is removed then.

    https://github.com/opencontainers/image-spec/blob/main/image-layout.md
    """
    place = build.kept("images", _digest(), lambda target: _build(store, target))
    return {name: place / name for name in ("bridge", "pause")}


def _build(store: Path, target: Path) -> None:
    target.mkdir()
    try:
        engine = buildah(store)
        engine.call(ROOT / ".ci" / "image")
        container = engine.call("buildah", "from", "scratch").strip()
        engine.call("buildah", "copy", container, build.build("pause"), "/pause")
        engine.call("buildah", "config", "--entrypoint", '["/pause"]', container)
        engine.call("buildah", "commit", container, "localhost/pause")
        for name, tag in (("bridge", engine.environ["TAG"]), ("pause", "localhost/pause")):
            engine.call("buildah", "push", tag, f"oci:{target / name}:1")
    finally:
        shutil.rmtree(store)  # gigabytes


def _digest() -> str:
    total = hashlib.sha256()
    files = [*context(), "Dockerfile", ".dockerignore", ".ci/image", "tests/servers/go/pause/main.go"]
    for name in [*files, str(Path(__file__).relative_to(ROOT))]:
        total.update(f"{name}\0".encode() + (ROOT / name).read_bytes() + b"\0")
    return total.hexdigest()[:16]
