"""What `bridge doctor` finds on this machine: versions of bridge, Python, packages and programs."""

import platform
import re
import shutil
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Final

from bridge import __version__
from bridge.bounded import TooMuch
from bridge.cluster import plugin_process
from bridge.errors import Problem
from bridge.named_tuple import NamedTuple
from bridge.report.doctor import DoctorReport
from bridge.trust import refused_program

GROUP: Final = "This machine"
LIMIT: Final = 5.0
"""How many seconds a program may take to print its version."""
_DISTRIBUTION: Final = "bridge-secrets"


class Program(NamedTuple):
    """A program that some commands use: how it prints its version, what for, and the oldest version that works."""

    name: str
    arguments: tuple[str, ...]
    purpose: str
    least: tuple[int, int] = (0, 0)


PROGRAMS: Final = (
    Program("sops", ("--disable-version-check", "--version"), "creating SOPS files", (3, 10)),
    Program("age", ("--version",), "making keys by hand; bridge itself does not start it"),
    Program("kubectl", ("version", "--client"), "kustomize builds, if kustomize is missing"),
    Program("kustomize", ("version",), "kustomize builds"),
    Program("git", ("--version",), "revisions of SOPS files, and `bridge scan --git`"),
)


def examine_machine(report: DoctorReport, environ: Mapping[str, str], *, is_trusted: bool) -> None:
    """Add the versions. No program starts if the trust file does not list it, or is invalid itself."""
    report.ok(GROUP, "bridge", __version__)
    report.ok(GROUP, "Python", platform.python_version())
    report.ok(GROUP, "platform", f"{platform.system()} {platform.machine()}")
    report.ok(GROUP, "packages", ", ".join(_packages()) or "unknown")
    for program in PROGRAMS:
        _examine(report, program, environ, is_trusted=is_trusted)


def _packages() -> Iterator[str]:
    """Yield the packages that bridge requires, with their versions."""
    try:
        required = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return
    for name in dict.fromkeys(match[0] for one in required if (match := re.match(r"[\w.-]+", one))):
        try:
            yield f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue  # only required elsewhere, such as on another platform


def _examine(report: DoctorReport, program: Program, environ: Mapping[str, str], *, is_trusted: bool) -> None:
    path = shutil.which(program.name, path=environ.get("PATH", ""))
    if path is None or not Path(path).is_absolute():
        report.ok(GROUP, program.name, f"not found on PATH; needed only for {program.purpose}")
        return
    command = (path, *program.arguments)
    if not is_trusted or refused_program(environ, command, "bridge doctor"):
        report.ok(GROUP, program.name, f"{path}, version unknown: the trust file does not list it")
        return
    version = _version(command, environ)
    if version is None:
        hint = f"run it yourself: `{' '.join(command)}`"
        report.warn(GROUP, Problem(program.name, f"{path} does not report its version", hint))
    elif version < program.least:
        needed, found = ".".join(map(str, program.least)), ".".join(map(str, version))
        hint = f"install {program.name} {needed} or newer, and check with `{' '.join(command)}`"
        report.warn(GROUP, Problem(program.name, f"{path} is {found}, too old for {program.purpose}", hint))
    else:
        report.ok(GROUP, program.name, f"{'.'.join(map(str, version))}, {path}")


def _version(command: tuple[str, ...], environ: Mapping[str, str]) -> tuple[int, ...] | None:
    """Return a program's version; it gets no variable that could hold a credential."""
    passed = {name: environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in environ}
    try:
        status, output = plugin_process.run(command, passed, LIMIT, asks=False)
    except (OSError, ValueError, TooMuch, plugin_process.TakesTooLong):
        return None
    match = re.search(rb"\bv?(\d{1,5})\.(\d{1,5})(?:\.(\d{1,5}))?", output)
    return tuple(int(part) for part in match.groups() if part) if match and not status else None
