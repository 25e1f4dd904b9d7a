"""A third party's provider: it passes the contract, and what is wrong with one is told by its name."""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bridge.provider import Provider
from bridge.testing.contract import ProviderContract
from tests.runs.conftest import Desk


class TestPlain(ProviderContract):
    @pytest.fixture(autouse=True)
    def _installed(self, third_party: Path) -> None:
        pass

    def provider(self, folder: Path) -> Provider:
        from bridge_plain import Plain  # noqa: PLC0415 - installed by the fixture

        return Plain()

    def put(self, folder: Path, values: Mapping[str, str]) -> str:
        (folder / "document.json").write_text(json.dumps(values))
        return "document.json"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A folder of installed packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


def install(site: Path, package: str, *points: str) -> None:
    """Put there what pip would: the metadata of a package with entry points."""
    info = site / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bridge.providers]\n" + "\n".join(points) + "\n")


def error_of(desk: Desk, status: int) -> list[str]:
    result = desk.run("check", "staging")
    assert result.status == status
    return result.lines


def test_a_provider_that_nobody_installed(offline_desk: Desk) -> None:
    offline_desk.environment(sources=["plaim:values.json"])
    assert error_of(offline_desk, 2) == [
        "bridge: error: staging.yaml: unknown provider plaim",
        "bridge: hint: did you mean plain?",
    ]


def test_a_section_whose_type_nobody_installed(offline_desk: Desk) -> None:
    offline_desk.environment(sources=["mine:x"], providers={"mine": {"provider": "zzz"}})
    assert error_of(offline_desk, 2) == [
        "bridge: error: staging.yaml: providers.mine.provider: no such provider is installed",
        "bridge: hint: installed are plain, sops",
    ]


def test_an_unknown_option_and_a_wrong_one(offline_desk: Desk) -> None:
    offline_desk.environment(providers={"plain": {"fails": "x"}})
    assert error_of(offline_desk, 2) == [
        "bridge: error: staging.yaml: providers.plain.fails: unknown key",
        "bridge: hint: did you mean fail?",
    ]
    offline_desk.environment(providers={"plain": {"fail": "CANARY-x"}})
    assert error_of(offline_desk, 2) == ["bridge: error: staging.yaml: providers.plain.fail: must be a known failure"]


def test_a_name_that_two_packages_claim(offline_desk: Desk, site: Path) -> None:
    install(site, "one", "twice = one:One")
    install(site, "two", "twice = two:Two")
    offline_desk.environment(sources=["twice:x"])
    assert error_of(offline_desk, 1) == [
        "bridge: error: provider twice: is claimed by several packages: one, two",
        "bridge: hint: remove one",
    ]


def test_a_provider_that_cannot_be_imported(offline_desk: Desk, site: Path) -> None:
    install(site, "broken-package", "broken = broken_module:Broken")
    (site / "broken_module.py").write_text("raise RuntimeError('CANARY-import')")
    offline_desk.canaries.add("CANARY-import")
    offline_desk.environment(sources=["broken:x"])
    assert error_of(offline_desk, 1) == [
        "bridge: error: provider broken: cannot be loaded (RuntimeError)",
        "bridge: hint: reinstall the package broken-package",
    ]
