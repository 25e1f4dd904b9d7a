"""What `bridge doctor` finds about the stores: where their credentials are, and whether each document can be read."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bridge.commands.doctor_places import credential_places, examine_places
from bridge.config.environment import Environment
from bridge.config.provider_fields import provider_fields
from bridge.config.reference import Reference
from bridge.errors import BridgeError, Unavailable
from bridge.provider import Context, NotFound, Provider
from bridge.report.doctor import DoctorReport
from bridge.run.inputs import Run
from bridge.shell import word
from bridge.sources.addresses import addresses
from bridge.sources.offline import documents
from bridge.sources.providers import build_plain, bundled
from bridge.sources.reader import at_reference, read_each

LIMIT: Final = 20.0
"""How many seconds all stores may take together."""


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
