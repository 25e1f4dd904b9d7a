"""What `bridge doctor` finds about the stores: where their credentials are, and whether each document can be read."""

import contextlib
import os
import stat
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Protocol, TypeAlias, runtime_checkable

from bridge.config.environment import Environment
from bridge.config.environment_fields import provider_fields
from bridge.config.reference import Reference
from bridge.errors import ANYTHING, BridgeError, Problem, Unavailable
from bridge.provider import Context, NotFound, Provider
from bridge.report.doctor import DoctorReport
from bridge.run.inputs import Run
from bridge.shell import word
from bridge.sources.addresses import addresses, is_bundled
from bridge.sources.offline import documents
from bridge.sources.providers import build_plain, bundled
from bridge.sources.reader import at_reference, read_each

LIMIT: Final = 20.0
"""How many seconds all stores may take together."""
_OTHERS: Final = stat.S_IRGRP | stat.S_IROTH
Place: TypeAlias = tuple[str, Path | None]
"""A variable's name, or a label and the path of a file."""


def examine_credentials(
    report: DoctorReport, environment: Environment | None, providers: Mapping[str, Provider], run: Run
) -> None:
    """Report where each provider looks for its credentials; without an environment, each bundled provider."""
    context = Context(environment.base if environment else Path.cwd(), run.environ, run.deadline)
    if environment is None:
        try:
            providers = {kind: build_plain(kind) for kind, type_ in bundled().items() if not _needs_section(type_)}
        except BridgeError as error:
            report.fail("Credentials", error)
            return
    for name, provider in providers.items():
        group = f"Credentials for {name}"
        for url in addresses({name: provider}, context).get(name, ()):
            report.ok(group, "server", url)
        examine_places(report, group, credential_places(provider, context), run.environ)


def _needs_section(type_: type[Provider]) -> bool:
    return any((provider_fields(type_) or {}).values())


def examine_documents(
    report: DoctorReport, environment: Environment, providers: Mapping[str, Provider], run: Run
) -> None:
    """Read each document as a first sync would, forget its content, and report whether that worked.

    No run counts as having read a document before, so a provider refuses to read what reading would use up.
    """
    asked = [reference for reference in documents(environment) if reference.provider in providers]
    deadline = min(run.deadline, time.monotonic() + LIMIT)
    answers = read_each(providers, asked, Context(environment.base, run.environ, deadline))
    for reference in asked:
        answer = answers[reference]
        group = f"Documents in {reference.provider}"
        if isinstance(answer, BridgeError):
            report.fail(group, at_reference(reference, answer), _cure(environment, reference, answer))
            continue
        report.ok(group, str(reference), f"can be read (revision {answer.revision.id})")
        for warning in answer.warnings:
            report.warn(group, warning)


def _cure(environment: Environment, reference: Reference, error: BridgeError) -> str:
    """Return what to do about a document that cannot be read, if the provider gives no hint."""
    name = word(environment.name)
    if isinstance(error, NotFound):
        return f"correct the reference, or create it: `bridge import {name} FILE --to {word(str(reference))}`"
    kind = environment.provider_kind(reference.provider)
    if isinstance(error, Unavailable):
        return f"check the address and the network, then try again: `bridge doctor {name}`"
    if kind == "vault":
        return "log in with `vault login`, or set VAULT_TOKEN; other ways: `bridge help vault`"
    page = kind if kind in {"aws", "scaleway", "sops"} else "troubleshooting"
    return f"check the credentials listed above; more: `bridge help {page}`"


def examine_places(
    report: DoctorReport, group: str, places: Iterable[tuple[str, Path | None]], environ: Mapping[str, str]
) -> None:
    """Add a line for each place, in order: a variable (without a path) is set or not, a file is found or not."""
    for name, path in places:
        if path is None:
            report.ok(group, name, "set" if environ.get(name) else "not set")
        else:
            examine_file(report, group, name, path, is_private=True)


def examine_file(report: DoctorReport, group: str, name: str, path: Path, *, is_private: bool = False) -> None:
    """Add whether a file is found and readable; if it is private, also whether other users can read it."""
    shown = name if name == str(path) else f"{name} {path}"
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        report.ok(group, shown, "not found")
        return
    except (OSError, ValueError):
        hint = f"check the path and your rights: `ls -ld {word(str(path))}`"
        report.warn(group, Problem(shown, "cannot be looked at", hint))
        return
    if stat.S_ISDIR(status.st_mode):
        report.warn(group, Problem(shown, "is a folder, not a file", f"look into it: `ls -l {word(str(path))}`"))
    elif not os.access(path, os.R_OK):
        hint = f"give yourself the right to read it: `chmod u+r {word(str(path))}`"
        report.warn(group, Problem(shown, "found, but you may not read it", hint))
    elif is_private and status.st_mode & _OTHERS and status.st_uid == os.geteuid():
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        hint = f"take that right away: `chmod 600 {word(str(path))}`"
        report.warn(group, Problem(shown, f"found, but other users can read it (mode {mode})", hint))
    else:
        report.ok(group, shown, "found")


@runtime_checkable
class _Places(Protocol):
    def credential_places(self, context: Context) -> Iterable[Place]:
        """Yield the places in the order in which they are searched. Nothing is read."""
        ...


def credential_places(provider: Provider, context: Context) -> tuple[Place, ...]:
    """Return the places in which a bundled provider looks for its credentials; empty for any other provider."""
    if not is_bundled(provider) or not isinstance(provider, _Places):
        return ()
    with contextlib.suppress(*ANYTHING):
        return tuple(dict.fromkeys(provider.credential_places(context)))
    return ()
