"""Kubernetes Events on the objects that a run has changed or refused.

An Event has one name for an object and a reason, counts up while it lasts (an hour, as a rule), and so a run that
is refused every minute leaves one: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final
from urllib.parse import quote

from bridge.cluster.api import Api, Conflict, Forbidden, NotFound
from bridge.cluster.endpoint import Endpoint
from bridge.errors import BridgeError, Problem
from bridge.plan.events import Note

MANY: Final = 50
"""Events of one run."""
LIMIT: Final = 5.0
"""Seconds that all of them may take together."""


class Events:
    """The Events of one environment. They are made after all writes, and nothing depends on them."""

    def __init__(self, endpoint: Endpoint, namespace: str, id_: str) -> None:
        self._endpoint: Final = endpoint
        self._namespace: Final = namespace
        self._id: Final = id_

    def write(self, notes: Sequence[Note], now: str) -> tuple[Problem, ...]:
        """Write an Event for each note; what is not written becomes one warning. `now` is in RFC 3339."""
        warnings = []
        with closing(Api(self._endpoint, deadline=time.monotonic() + LIMIT)) as api:
            try:
                for note in notes[:MANY]:
                    self._write_one(api, note, now)
            except BridgeError as error:
                warnings += [] if _is_homeless(error) else [self._warning(error)]
        if not warnings and len(notes) > MANY:
            what = f"only {MANY} of {len(notes)} objects got one; the report has them all"
            warnings.append(Problem("the Events of this run", what))
        return tuple(warnings)

    def _warning(self, error: BridgeError) -> Problem:
        first = error.problems[0]
        what, hint = first.what if first.where.startswith("Event/") else str(first), ""
        if isinstance(error, Forbidden):
            verbs = 'apiGroups [""], resources ["events"], verbs ["get", "create", "update"]'
            hint = f"a Role in namespace {self._namespace} may admit it: {verbs}"
        return Problem("the Events of this run", f"are not all written: {what}", hint)

    def _write_one(self, api: Api, note: Note, now: str) -> None:
        name = event_name(self._id, note)
        path = f"/api/v1/namespaces/{quote(self._namespace)}/events/{quote(name)}"
        target = f"Event/{name} in namespace {self._namespace}"
        try:
            found: dict[str, Any] | None = api.request("get", path, target=target)
        except NotFound:
            found = None
        body = json.dumps(self._body(name, note, now, found)).encode()
        try:
            api.request("update", path, target=target, body=body)
        except Conflict:
            return  # another run has just told the same

    def _body(self, name: str, note: Note, now: str, found: dict[str, Any] | None) -> dict[str, Any]:
        about = {"apiVersion": "v1", "kind": note.id.kind, "name": note.id.name, "namespace": self._namespace}
        about |= {"uid": note.uid} if note.uid else {}
        earlier = found or {}
        same = (earlier.get("involvedObject") or {}).get("uid", "") == note.uid  # not an object that is gone
        metadata = {"name": name, "namespace": self._namespace}
        metadata |= {"resourceVersion": earlier["metadata"]["resourceVersion"]} if found else {}
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


def _is_homeless(error: BridgeError) -> bool:
    """Say whether there is no namespace, or soon none: the run has told that, and there is nowhere to repeat it."""
    ending = isinstance(error, Forbidden) and any(one.reason == "NamespaceTerminating" for one in error.causes)
    return isinstance(error, NotFound) or ending


def event_name(id_: str, note: Note) -> str:
    """Return the Event's name, the same in each run: a DNS subdomain of at most 253 characters."""
    name = f"bridge-{id_}.{note.id.kind.lower()}.{note.id.name}.{note.reason.lower()}"
    if len(name) <= 253:
        return name
    return f"bridge-{id_}.{hashlib.sha256(name.encode()).hexdigest()}"
