"""`make image` with a real container engine: the image is built from the Dockerfile, and `bridge demo` runs in it."""

import shutil
import subprocess
from collections.abc import Iterator
from typing import Final

import pytest

from tests.servers.image import ROOT, Engine, buildah

pytestmark = [pytest.mark.real, pytest.mark.wheel]

FIND: Final = "from importlib.util import find_spec; print(find_spec('kubernetes'), find_spec('botocore') is None)"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """docker or podman if they work, else buildah as root, whose base image is made of Debian's packages."""
    for name in ("docker", "podman"):
        if shutil.which(name) and subprocess.run([name, "info"], capture_output=True, check=False).returncode == 0:
            yield Engine(name, {})
            return
    store = tmp_path_factory.mktemp("containers")
    try:
        yield buildah(store)
    finally:
        shutil.rmtree(store)  # gigabytes


@pytest.mark.timeout(1800, func_only=True)
def test_image_is_built_and_runs_demo_without_kubernetes_package(engine: Engine) -> None:
    shown = engine.call(ROOT / ".ci" / "image")
    assert "\nbridge 0." in f"\n{shown}"
    assert "5 created, 0 unchanged" in shown
    assert "key OPENAI_API_KEY does not decrypt" in shown
    assert "demo-openai-key" not in shown
    assert engine.python(FIND).strip() == "None False"
    assert engine.python("import os; print(os.getuid(), os.getgid())").strip() == "65532 65532"
