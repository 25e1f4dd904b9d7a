"""Approved plans: `plan --out` records what a run may do, and `sync --plan` refuses whatever differs from that."""

import hashlib
import math
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from bridge.cluster.api import Api, Forbidden
from bridge.cluster.identity import namespace_uid
from bridge.config.environment import Environment
from bridge.config.textfile import read_bounded
from bridge.errors import BridgeError, ConfigError, Problem, Refusal, combine
from bridge.plan.approved import (
    ApprovedPlan,
    EnvironmentRecord,
    SourceRecord,
    differences,
    different_flags,
    flags_of,
    lapsed,
    objects_of,
    without_revision,
)
from bridge.plan.approved_file import ApprovedPlanError, decode, encode
from bridge.plan.build import Allowed
from bridge.plan.change_times import FORMAT
from bridge.plan.model import Plan
from bridge.provider import Context
from bridge.report.plan_file import check_target, read_plan_file, write_plan_file
from bridge.run.inputs import Wanted
from bridge.sources.providers import build_providers, referenced
from bridge.sources.reader import location

DAY: Final = 86_400.0
"""How long a plan is valid without --expires, in seconds."""
_NEW: Final = "make a new plan with `bridge plan ENV --out FILE`"
_FILE_TIME: Final = 10.0  # seconds to read a file again


class Approval(ABC):
    """The review of a run's plans. Fleets review several plans at the same time."""

    @abstractmethod
    def review(self, wanted: Wanted, plan: Plan, api: Api) -> tuple[Problem, ...]:
        """Return why a plan must not be carried out, or cannot be approved."""

    def over(self, api: Api) -> tuple[Problem, ...]:  # noqa: ARG002 - as below
        """Return why a plan that was in order must not be carried out at this time."""
        return ()

    def check_complete(self, names: Iterable[str]) -> None:  # noqa: B027 - only one of the two has something to check
        """Raise Refusal if a run of all environments, which these are, lacks an environment."""

    @abstractmethod
    def report(self, *, is_in_order: bool = True) -> dict[str, Any]:
        """Finish, and return the plan's file as a field of the run's report."""


class Recorder(Approval):
    """`plan --out`: records each environment, and writes the file if no plan is refused."""

    def __init__(self, path: Path, seconds: float | None, allowed: Allowed) -> None:
        self._path: Final = path
        self._seconds: Final = seconds or DAY
        self._flags: Final = flags_of(allowed)
        self._environments: Final[dict[str, EnvironmentRecord]] = {}
        self._times: Final[list[datetime]] = []
        check_target(path)

    def review(self, wanted: Wanted, plan: Plan, api: Api) -> tuple[Problem, ...]:
        """Record the plan; return what has no revision."""
        try:
            record = _record(wanted, plan, api)
        except Refusal as error:
            return error.problems
        self._environments[wanted.environment.name] = record
        self._times.append(_now(api))
        return tuple(without_revision(plan, _env_file(wanted.environment)))

    def report(self, *, is_in_order: bool = True) -> dict[str, Any]:
        """Write the file if every plan is in order."""
        if not is_in_order:
            return {}
        now = max(self._times)
        created, expires = now.strftime(FORMAT), (now + timedelta(seconds=self._seconds)).strftime(FORMAT)
        plan = ApprovedPlan(created, expires, self._flags, self._environments)
        content = encode(plan)
        write_plan_file(self._path, _readable(content))
        return _field(self._path, plan, content)


class PlanChecker(Approval):
    """`sync --plan`: compares each environment with the approved plan."""

    def __init__(self, path: Path, sha256: str | None, allowed: Allowed) -> None:
        self._path: Final = path
        self._flags: Final = flags_of(allowed)
        self._content: Final = read_plan_file(path, sha256)
        self._plan: Final = self._decoded()

    def _decoded(self) -> ApprovedPlan:
        try:
            return decode(self._content)
        except ApprovedPlanError as error:
            problem = Problem(str(self._path), str(error), _NEW)
        raise ConfigError(problem)

    def check_complete(self, names: Iterable[str]) -> None:
        """Raise Refusal if the plan has more environments."""
        if missing := sorted(self._plan.environments.keys() - set(names)):
            what = "is in the plan, but not in the folder"
            raise Refusal(*(Problem(f"environment {name}", what, _NEW) for name in missing))

    def review(self, wanted: Wanted, plan: Plan, api: Api) -> tuple[Problem, ...]:
        """Return everything that differs from the approved plan."""
        name = wanted.environment.name
        approved = self._plan.environments.get(name)
        if approved is None:
            return (Problem(str(self._path), f"the plan is not for the environment {name}", _NEW),)
        try:
            now = _record(wanted, plan, api)
        except Refusal as error:
            return error.problems
        return (
            *self.over(api),
            *different_flags(self._plan.flags, self._flags),
            *differences(approved, now, plan.memory, self._plan.created),
            *without_revision(plan, _env_file(wanted.environment)),
        )

    def over(self, api: Api) -> tuple[Problem, ...]:
        """Return why the plan is not valid at this time."""
        return tuple(lapsed(self._plan, _now(api), str(self._path)))

    def report(self, *, is_in_order: bool = True) -> dict[str, Any]:  # noqa: ARG002 - it has no more to do
        """Return the plan's file."""
        return _field(self._path, self._plan, self._content)


def _field(path: Path, plan: ApprovedPlan, content: bytes) -> dict[str, Any]:
    sha256 = hashlib.sha256(content).hexdigest()
    return {"plan_file": {"path": str(path), "sha256": sha256, "created": plan.created, "expires": plan.expires}}


def _readable(content: bytes) -> bytes:
    """Return a plan's text; Refusal if it could not be read again, because of a provider's unusual texts."""
    try:
        decode(content)
    except ApprovedPlanError as error:
        problem = Problem("the plan", f"cannot be written: {error}", "report it to the provider's author")
    else:
        return content
    raise Refusal(problem)


def _now(api: Api) -> datetime:
    """Return the API server's time, so that the clocks of the machines that plan and sync do not matter."""
    return api.server_time() or datetime.now(UTC)


def _record(wanted: Wanted, plan: Plan, api: Api) -> EnvironmentRecord:
    environment = wanted.environment
    return EnvironmentRecord(
        id=environment.id,
        namespace=wanted.namespace,
        namespace_uid=_uid(api, wanted.namespace),
        server=plan.cluster.server,
        files=_hashes(environment),
        sources=_sources(wanted),
        objects=objects_of(plan),
    )


def _uid(api: Api, namespace: str) -> str:
    try:
        return namespace_uid(api, namespace)
    except Forbidden:
        what = "its uid cannot be read, which an approved plan names"
        raise Refusal(Problem(f"namespace {namespace}", what, "allow `get` on this namespace")) from None


def _hashes(environment: Environment) -> Mapping[str, str]:
    """Return the SHA-256 of the environment's file and of its templates."""
    files = {environment.file.name: environment.file, **{environment.shown(one): one for one in environment.templates}}
    return {shown: _hash(path, shown) for shown, path in files.items()}


def _hash(path: Path, shown: str) -> str:
    try:
        return hashlib.sha256(read_bounded(path, time.monotonic() + _FILE_TIME)).hexdigest()
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise Refusal(Problem(shown, f"cannot be read: {reason}", "run again")) from None


def _sources(wanted: Wanted) -> Mapping[str, SourceRecord]:
    environment = wanted.environment
    errors: list[BridgeError] = []
    providers = build_providers(environment, referenced(environment), errors)
    if errors:
        raise combine(errors)
    context = Context(environment.base, os.environ, math.inf)
    records = {}
    for reference in dict.fromkeys(one.document for one in environment.references):
        name = str(reference)
        revision = wanted.resolution.sources[name]
        records[name] = SourceRecord(
            location=location(providers[reference.provider], reference, context),
            addresses=wanted.stores.get(reference.provider, ()),
            revision=revision.id,
            order=revision.order,
            series=revision.series,
            sha256=wanted.hashes.get(name, ""),
        )
    return records


def _env_file(environment: Environment) -> str:
    if environment.env_file is None or environment.env_file == "environment":
        return "the process's environment"
    return environment.shown(environment.env_file)
