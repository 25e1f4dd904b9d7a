"""Kubernetes Events for the objects that a run has changed or refused.

Each object and reason has one Event, whose count goes up until it expires (usually after an hour), so a run that is
refused every minute leaves one Event: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from bridge.cluster.api import Api, Forbidden, ObjectConflict, ObjectNotFound
from bridge.cluster.waves import Sent, Wave
from bridge.errors import BridgeError, Problem
from bridge.plan.events import Note

MANY: Final = 50
"""The maximum number of Events in one run."""
LIMIT: Final = 5.0
"""How many seconds all Events of a run may take together."""


class Events:
    """The Events of one environment. They are written after everything else, and nothing depends on them.

    `api` gives the connections; it may have ended.
    """

    def __init__(self, api: Api, namespace: str, id_: str) -> None:
        self._given: Final = api
        self._namespace: Final = namespace
        self._id: Final = id_
        self._limited: Api | None = None
        self._found: Final[dict[str, Sent[dict[str, Any] | None]]] = {}

    @property
    def _api(self) -> Api:
        """The connections, for as long as all Events may take from the first request on."""
        if self._limited is None:
            self._limited = self._given.until(time.monotonic() + LIMIT)
        return self._limited

    def look(self, wave: Wave, notes: Sequence[Note]) -> None:
        """Read the Events of these notes in a wave, so that `write` does not have to."""
        for note in notes[:MANY]:
            name = event_name(self._id, note)
            self._found[name] = wave.add(partial(self._read, self._api, name))

    def write(self, wave: Wave, notes: Sequence[Note], now: str) -> Callable[[], tuple[Problem, ...]]:
        """Add the writing of an Event for each note to a wave. `now` is in RFC 3339.

        What is returned gives one warning after the wave if some could not be written. One after the other, the first
        failure stops the rest.
        """
        if wave.is_wide_with(len(notes[:MANY])):
            calls = [wave.add(partial(self._write_one, self._api, note, now)) for note in notes[:MANY]]
        else:
            calls = [wave.add(partial(self._write_all, notes[:MANY], now))]
        return partial(self._warnings, calls, len(notes))

    def _write_all(self, notes: Sequence[Note], now: str) -> None:
        for note in notes:
            self._write_one(self._api, note, now)

    def _warnings(self, calls: Sequence[Sent[None]], count: int) -> tuple[Problem, ...]:
        error = next((one.outcome for one in calls if isinstance(one.outcome, BridgeError)), None)
        if error:
            return () if _has_no_namespace(error) else (self._warning(error),)
        if count > MANY:
            message = f"written for only {MANY} of {count} objects; the report lists them all"
            return (Problem("the Events of this run", message),)
        return ()

    def _warning(self, error: BridgeError) -> Problem:
        first = error.problems[0]
        reason, hint = first.what if first.where.startswith("Event/") else str(first), ""
        if isinstance(error, Forbidden):
            verbs = 'apiGroups [""], resources ["events"], verbs ["get", "create", "update"]'
            hint = f"allow it with a Role in namespace {self._namespace}: {verbs}"
        return Problem("the Events of this run", f"could not all be written: {reason}", hint)

    def _write_one(self, api: Api, note: Note, now: str) -> None:
        name = event_name(self._id, note)
        existing = self._found[name].get() if name in self._found else self._read(api, name)
        body = json.dumps(self._body(name, note, now, existing)).encode()
        try:
            api.request("update", self._path(name), target=self._target(name), body=body)
        except ObjectConflict:
            return  # another run has just written the same Event

    def _read(self, api: Api, name: str) -> dict[str, Any] | None:
        try:
            return api.request("get", self._path(name), target=self._target(name))
        except ObjectNotFound:
            return None

    def _path(self, name: str) -> str:
        return f"/api/v1/namespaces/{quote(self._namespace)}/events/{quote(name)}"

    def _target(self, name: str) -> str:
        return f"Event/{name} in namespace {self._namespace}"

    def _body(self, name: str, note: Note, now: str, existing: dict[str, Any] | None) -> dict[str, Any]:
        about = {"apiVersion": "v1", "kind": note.id.kind, "name": note.id.name, "namespace": self._namespace}
        about |= {"uid": note.uid} if note.uid else {}
        earlier = existing or {}
        same = (earlier.get("involvedObject") or {}).get("uid", "") == note.uid  # not a deleted object of the same name
        metadata = {"name": name, "namespace": self._namespace}
        metadata |= {"resourceVersion": earlier["metadata"]["resourceVersion"]} if existing else {}
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": metadata,
            "involvedObject": about,
            "reason": note.reason,
            "message": note.message,
            "type": "Warning" if note.warning else "Normal",
            "count": int(earlier.get("count") or 0) + 1 if same else 1,
            "firstTimestamp": earlier.get("firstTimestamp") or now if same else now,
            "lastTimestamp": now,
            "source": {"component": f"bridge/{self._id}"},
        }


def _has_no_namespace(error: BridgeError) -> bool:
    """Return whether the namespace is missing or terminating; the run has reported that already."""
    ending = isinstance(error, Forbidden) and any(one.reason == "NamespaceTerminating" for one in error.causes)
    return isinstance(error, ObjectNotFound) or ending


def event_name(id_: str, note: Note) -> str:
    """Return the Event's name, the same in each run: a DNS subdomain of at most 253 characters."""
    name = f"bridge-{id_}.{note.id.kind.lower()}.{note.id.name}.{note.reason.lower()}"
    if len(name) <= 253:
        return name
    return f"bridge-{id_}.{hashlib.sha256(name.encode()).hexdigest()}"
