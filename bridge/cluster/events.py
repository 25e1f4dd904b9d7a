"""Kubernetes Events for the objects that a run has changed or refused.

Each object and reason has one Event, whose count goes up until it expires (usually after an hour), so a run that is
refused every minute leaves one Event: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final
from urllib.parse import quote

from bridge.cluster.api import Api, Forbidden, ObjectConflict, ObjectNotFound
from bridge.cluster.endpoint import Endpoint
from bridge.errors import BridgeError, Problem
from bridge.plan.events import Note

MANY: Final = 50
"""The maximum number of Events in one run."""
LIMIT: Final = 5.0
"""How many seconds all Events of a run may take together."""


class Events:
    """The Events of one environment. They are written after everything else, and nothing depends on them."""

    def __init__(self, endpoint: Endpoint, namespace: str, id_: str) -> None:
        self._endpoint: Final = endpoint
        self._namespace: Final = namespace
        self._id: Final = id_

    def write(self, notes: Sequence[Note], now: str) -> tuple[Problem, ...]:
        """Write an Event for each note; return one warning if some could not be written. `now` is in RFC 3339."""
        warnings = []
        with closing(Api(self._endpoint, deadline=time.monotonic() + LIMIT)) as api:
            try:
                for note in notes[:MANY]:
                    self._write_one(api, note, now)
            except BridgeError as error:
                warnings += [] if _has_no_namespace(error) else [self._warning(error)]
        if not warnings and len(notes) > MANY:
            message = f"written for only {MANY} of {len(notes)} objects; the report lists them all"
            warnings.append(Problem("the Events of this run", message))
        return tuple(warnings)

    def _warning(self, error: BridgeError) -> Problem:
        first = error.problems[0]
        reason, hint = first.what if first.where.startswith("Event/") else str(first), ""
        if isinstance(error, Forbidden):
            verbs = 'apiGroups [""], resources ["events"], verbs ["get", "create", "update"]'
            hint = f"allow it with a Role in namespace {self._namespace}: {verbs}"
        return Problem("the Events of this run", f"could not all be written: {reason}", hint)

    def _write_one(self, api: Api, note: Note, now: str) -> None:
        name = event_name(self._id, note)
        path = f"/api/v1/namespaces/{quote(self._namespace)}/events/{quote(name)}"
        target = f"Event/{name} in namespace {self._namespace}"
        try:
            existing: dict[str, Any] | None = api.request("get", path, target=target)
        except ObjectNotFound:
            existing = None
        body = json.dumps(self._body(name, note, now, existing)).encode()
        try:
            api.request("update", path, target=target, body=body)
        except ObjectConflict:
            return  # another run has just written the same Event

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
