"""The entry points, found as `importlib.metadata` finds them."""

import importlib.metadata
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.errors import ConfigError
from bridge.sources import entry_points as subject
from bridge.sources.entry_points import EntryPoint, entry_points
from bridge.sources.providers import GROUP, build_plain

Site = Callable[..., Path]


def theirs(group: str) -> list[tuple[str, str]]:
    return sorted((one.name, one.value) for one in importlib.metadata.entry_points(group=group))


def ours(group: str) -> list[tuple[str, str]]:
    return sorted((one.name, one.value) for one in entry_points(group))


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left to the library."""

    def refuse(_group: str) -> None:
        pytest.fail("importlib.metadata was asked")

    monkeypatch.setattr(subject, "_by_library", refuse)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Return a function that makes a folder of packages, and puts it on the path: the last one first."""

    def make(name: str, packages: dict[str, str | None]) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for info, text in packages.items():
            (folder / info).mkdir()
            (folder / info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {info.split('-')[0]}\nVersion: 1\n")
            if text is not None:
                (folder / info / "entry_points.txt").write_text(text)
        monkeypatch.syspath_prepend(folder)
        importlib.invalidate_caches()
        return folder

    return make


@pytest.mark.parametrize("group", [GROUP, "console_scripts", "pytest11", "nothing"])
def test_current_environment(group: str, by_hand: None) -> None:
    assert ours(group) == theirs(group)


def test_made_up_packages(site: Site, by_hand: None) -> None:
    site(
        "second",
        {
            "mine-1.0.dist-info": "[a]\nhidden = m:hidden\n",
            "other_one-2.dist-info": "[a]\none = m:one\n",
            "no_points-2.dist-info": None,
        },
    )
    folder = site(
        "first",
        {
            "Mine-2.0.dist-info": "[a]\n# no = m:no\n\n  x=m.n : O.P [extra]  \ny = m\n[b]\nz = m:z\n[a]\nlast = m:l\n",
            "Other.One-1.dist-info": "[b]\ntwo = m:two\n",
            "old.egg-info": "[a]\nold = m:old\n",
            "noise.dist-info.txt": "[a]\nnoise = m:noise\n",
        },
    )
    (folder / "file.egg-info").write_text("Name: file\n")
    assert ours("a") == theirs("a") == [("last", "m:l"), ("old", "m:old"), ("x", "m.n : O.P [extra]"), ("y", "m")]
    assert ours("b") == theirs("b") == [("two", "m:two"), ("z", "m:z")]
    assert {one.name: one.package for one in entry_points("b")} == {"z": "mine", "two": "other-one"}


def test_what_is_missing_or_is_no_package_is_passed_over(
    site: Site, by_hand: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = site("site", {"mine-1.dist-info": "[a]\nx = m:x\n", "bad-1.dist-info": None})
    (folder / "bad-1.dist-info" / "entry_points.txt").mkdir()
    (folder / "lost-1.dist-info").symlink_to(tmp_path / "nowhere")
    monkeypatch.syspath_prepend(tmp_path / "nowhere")
    assert ours("a") == theirs("a") == [("x", "m:x")]


def test_current_folder(site: Site, by_hand: None, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = site("site", {"mine-1.dist-info": "[a]\nx = m:x\n"})
    sys.path.remove(str(folder))
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend("")
    assert ours("a") == theirs("a") == [("x", "m:x")]


def test_package_whose_entry_points_are_not_to_be_read_does_not_stop_others(site: Site, by_hand: None) -> None:
    folder = site("site", {"mine-1.dist-info": "[a]\nx = m:x\n", "bad-1.dist-info": "[a]\nno equals sign\n"})
    (folder / "worse-1.dist-info").mkdir()
    (folder / "worse-1.dist-info" / "entry_points.txt").write_bytes(b"[a]\n\xff = m:y\n")
    assert ("x", "m:x") in ours("a")


def test_zip_is_left_to_library(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site("site", {"mine-1.dist-info": "[a]\nx = m:x\n"})
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("zipped-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: zipped\nVersion: 1\n")
        archive.writestr("zipped-1.dist-info/entry_points.txt", "[a]\nz = m:z\n")
    monkeypatch.syspath_prepend(tmp_path / "all.zip")
    (tmp_path / "no.zip").write_text("no zip")
    monkeypatch.syspath_prepend(tmp_path / "no.zip")
    assert ours("a") == theirs("a") == [("x", "m:x"), ("z", "m:z")]
    assert EntryPoint("z", "m:z", "zipped") in entry_points("a")


def test_egg_is_left_to_library(site: Site, tmp_path: Path) -> None:
    folder = site("old-1.0-py3.11.egg", {"EGG-INFO": "[a]\nx = m:x\n"})
    (folder / "EGG-INFO" / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: old\nVersion: 1\n")
    assert ours("a") == theirs("a") == [("x", "m:x")]


def test_finder_of_packages_is_asked_by_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    info = tmp_path / "found-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: found\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[a]\nf = m:f\n")

    class Finder:
        @staticmethod
        def find_spec(*_: object) -> None:
            return None

        @staticmethod
        def find_distributions(_context: object) -> list[importlib.metadata.Distribution]:
            return [importlib.metadata.Distribution.at(info)]

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert ours("a") == theirs("a") == [("f", "m:f")]


@pytest.mark.parametrize("value", ["os", "os.path:join", "json : JSONDecoder.decode [extra]", "os [extra]"])
def test_load(value: str) -> None:
    assert EntryPoint("x", value, "p").load() is importlib.metadata.EntryPoint("x", value, "g").load()


def test_provider_without_a_section_must_be_installed() -> None:
    with pytest.raises(ConfigError) as caught:
        build_plain("nowhere")
    (problem,) = caught.value.problems
    assert (problem.where, problem.what) == ("", "provider is not installed")
    assert problem.hint.startswith("use one of the installed providers: ")
    assert "vault" in problem.hint
    with pytest.raises(ConfigError) as caught:
        build_plain("vualt")
    assert "vault" in caught.value.problems[0].hint
