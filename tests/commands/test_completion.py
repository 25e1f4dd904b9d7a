"""`bridge completion`: each script in its own shell, and the files that are made from the parser."""

import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bridge import cli
from bridge.commands.help import TOPICS
from bridge.parser import command_names
from tests.pages import ROOT

ENVIRONMENTS = ["prod", "staging"]
HOSTILE = ["$(touch hacked)", "`touch hacked`", "a b", "x;touch hacked", "-q"]
MANUAL = ROOT / "bridge" / "help" / "man" / "bridge.1"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with environments, below which is another folder, and a program `bridge` for the shells."""
    place = tmp_path / "repository"
    (place / "config").mkdir(parents=True)
    for name in (*ENVIRONMENTS, *HOSTILE, "staging.public", "old-secret-config-patch"):
        (place / "config" / f"{name}.yaml").touch()
    (place / "config" / "manifest.yml").write_text("apiVersion: v1\nkind: Secret\n")
    (place / "below").mkdir()
    subprocess.run(["git", "init", "--quiet", place], check=True)
    (tmp_path / "bin").mkdir()
    for name in ("bridge", "bridge-secrets"):
        program = tmp_path / "bin" / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m bridge "$@"\n')
        program.chmod(0o755)
    return place


def environ(place: Path) -> dict[str, str]:
    path = f"{place.parent / 'bin'}:{os.environ['PATH']}"
    return {"PATH": path, "HOME": str(place.parent), "PYTHONPATH": str(ROOT), "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def shell(name: str) -> str:
    """Return a shell's path. bash must be there; the others are tried if they are installed."""
    path = shutil.which(name)
    if name != "bash" and not path:
        pytest.skip(f"{name} is not installed")
    assert path
    return path


def run(place: Path, folder: str, *command: str) -> list[str]:
    done = subprocess.run(
        command, cwd=place / folder, env=environ(place), capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


BASH = """\
source <(bridge completion bash)
complete -p bridge bridge-secrets >/dev/null || exit 1
compopt() { :; }  # works only while a key is pressed
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_shtab_bridge
printf '%s\\n' "${COMPREPLY[@]}"
"""


def bash(place: Path, *words: str, folder: str = ".") -> list[str]:
    found = run(place, folder, shell("bash"), "--norc", "-c", BASH, "bash", *words)
    assert not list(place.rglob("hacked"))
    return sorted(filter(None, found))


def fish(place: Path, *words: str, folder: str = ".") -> list[str]:
    script = "bridge completion fish | source; complete -C (string join ' ' -- $argv)"
    found = run(place, folder, shell("fish"), "--no-config", "-c", script, *words)
    assert not list(place.rglob("hacked"))
    return sorted(line.partition("\t")[0] for line in found)


SHELLS = pytest.mark.parametrize("completed", [bash, fish])


@SHELLS
def test_shell_completes_commands_and_pages(place: Path, completed) -> None:
    assert completed(place, "bridge", "") == sorted(command_names())
    assert completed(place, "bridge", "pl") == ["plan"]
    assert completed(place, "bridge", "help", "") == sorted({*TOPICS, *command_names()})
    assert completed(place, "bridge", "completion", "") == ["bash", "fish", "zsh"]


@SHELLS
def test_shell_completes_environments_and_runs_none_of_their_names(place: Path, completed) -> None:
    assert completed(place, "bridge", "plan", "") == ENVIRONMENTS
    assert completed(place, "bridge-secrets", "sync", "st") == ["staging"]
    assert completed(place, "bridge", "init", "new", "--like", "") == ENVIRONMENTS
    assert completed(place, "bridge", "plan", "-q", "--color", "never", "p") == ["prod"]


@SHELLS
def test_shell_completes_environments_of_folder_above_and_of_option(place: Path, completed) -> None:
    assert completed(place, "bridge", "plan", "", folder="below") == ENVIRONMENTS
    (place / "other").mkdir()
    (place / "other" / "third.yaml").touch()
    assert completed(place, "bridge", "plan", "--config", "other", "") == ["third"]
    assert completed(place, "bridge", "plan", "--config", "~/repository/other", "") == ["third"]


@SHELLS
def test_shell_completes_options_and_choices(place: Path, completed) -> None:
    assert completed(place, "bridge", "plan", "--outp") == ["--output"]
    assert completed(place, "bridge", "plan", "--output", "") == ["json", "markdown", "text"]
    assert completed(place, "bridge", "check", "-o", "j") == ["json"]
    assert completed(place, "bridge", "sync", "staging", "--color", "") == ["always", "auto", "never"]


@SHELLS
def test_shell_completes_paths(place: Path, completed) -> None:
    (place / "configmap.yml").touch()
    folders = [name.rstrip("/") for name in completed(place, "bridge", "plan", "--config", "con")]
    assert folders == ["config"]
    files = [name.rstrip("/") for name in completed(place, "bridge", "check", "--manifests", "con")]
    assert files == ["config", "configmap.yml"]


class Typed:
    """Someone who types in an interactive zsh, and waits for its prompt before each line."""

    def __init__(self, place: Path) -> None:
        self.controller, terminal = pty.openpty()
        self.shell = subprocess.Popen(
            [shell("zsh"), "-f", "-i"],
            cwd=place,
            env=environ(place),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        # The terminal echoes what is typed, so what is waited for is put together only by zsh.
        self.write("PS1='[pro''mpt]'; autoload -Uz compinit; compinit -u -D; eval \"$(bridge completion zsh)\"\n")
        self.read("[prompt]")
        self.write('told() { print -r -- "to""ld:$1:"; }\n')
        self.read("[prompt]")

    def write(self, text: str) -> None:
        os.write(self.controller, text.encode())

    def read(self, until: str) -> str:
        seen = ""
        while until not in seen:
            seen += os.read(self.controller, 4096).decode()
        return seen

    def line_after_tab(self, text: str) -> str:
        """Return what the line is after this was typed and Tab was pressed."""
        # The line is not run: the cursor goes to its start and its end, and makes it the argument of a function.
        self.write(f"{text}\t\x01told '\x05'\n")
        return self.read("[prompt]").rpartition("told:")[2].partition(":")[0]

    def end(self) -> None:
        os.close(self.controller)
        self.shell.kill()
        self.shell.wait(60)


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("bridge pl", "bridge plan"),
        ("bridge plan st", "bridge plan staging"),
        ("bridge-secrets plan st", "bridge-secrets plan staging"),
        ("bridge plan --outp", "bridge plan --output"),
        ("bridge plan --output m", "bridge plan --output markdown"),
        ("bridge plan --config other th", "bridge plan --config other third"),
        ("bridge plan --config oth", "bridge plan --config other"),
        ("bridge init new --like p", "bridge init new --like prod"),
        ("bridge help getting", "bridge help getting-started"),
    ],
)
def test_zsh_completes(place: Path, typed: str, line: str) -> None:
    (place / "other").mkdir()
    (place / "other" / "third.yaml").touch()
    user = Typed(place)
    try:
        assert user.line_after_tab(typed) == line
    finally:
        user.end()
    assert not list(place.rglob("hacked"))


def test_environments_are_listed_for_scripts_only(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.delenv("BRIDGE_CONFIG", raising=False)
    assert cli.main(["completion", "environments"]) == 0
    assert capfd.readouterr() == ("".join(f"{name}\n" for name in ENVIRONMENTS), "")
    assert cli.main(["completion", "environments", "--config", "nowhere"]) == 0
    assert capfd.readouterr() == ("", "")
    assert cli.main(["completion", "--help"]) == 0
    assert "environments}" not in capfd.readouterr().out
    assert cli.main(["completion", "tcsh"]) == 2


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="later versions of argparse format help in another way")
def test_scripts_and_manual_are_those_of_parser() -> None:
    for module in ("shtab", "argparse_manpage"):
        pytest.importorskip(module, reason=f"{module} is not installed")
    generate = ROOT / "tests" / "generate.py"
    scope: dict[str, object] = {"__file__": str(generate), "__name__": "generate"}
    exec(compile(generate.read_text(), generate, "exec"), scope)
    for path, text in scope["generated"]():  # type: ignore[operator]
        assert path.read_text() == text, f"{path.relative_to(ROOT)} is outdated: run `make generated`"


def test_manual_page_has_every_command_and_no_warning() -> None:
    text = MANUAL.read_text()
    for name in command_names():
        assert f"COMMAND \\fI\\,'bridge {name}'" in text
    groff = shutil.which("groff")
    if not groff:
        pytest.skip("groff is not installed")
    done = subprocess.run([groff, "-man", "-Tutf8", "-ww", "-z", MANUAL], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
