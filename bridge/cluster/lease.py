"""The Lease of an environment: whoever holds it writes, everybody else waits.

Acquired by PUT, which creates a Lease that is not there and, with the resourceVersion that was read, admits one of
several: https://kubernetes.io/docs/concepts/architecture/leases/ (a POST could not be limited by resourceNames).

It keeps runs out of each other's way, and no more than that: a holder may be frozen for as long as it pleases and go on
afterwards. That no newer value is lost then is up to the writes themselves (see `bridge.run.apply`).
"""

import json
import math
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote

from bridge.cluster.api import Api, Conflict, Invalid, LostAnswer, NotFound
from bridge.errors import BridgeError, Problem, Unavailable

DURATION: Final = 20
"""Whole seconds that a holder may stay silent."""
LONGEST: Final = 60.0
"""Seconds of silence after which a holder is gone, whatever its Lease says."""
RENEWAL: Final = 5.0
"""Seconds after which a holder that goes on writing, or waits to, says so."""
ENOUGH: Final = 0.25
"""The part of the duration that must be left for a write to begin while the Lease cannot be renewed."""
PAUSE: Final = 0.5
"""Seconds between two looks at a Lease that somebody else holds."""


class Lease:
    """One environment's Lease. `check` and `release` may be called from several threads, the rest from one."""

    def __init__(self, api: Api, namespace: str, id_: str) -> None:
        self._api: Final = api
        self._name: Final = f"bridge-{id_}"
        self._path: Final = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace)}/leases/{quote(self._name)}"
        self.target: Final = f"Lease/{self._name} in namespace {namespace}"
        self.holder: Final = f"{socket.gethostname()}_{os.getpid()}_{secrets.token_hex(4)}"
        self._lock: Final = threading.Lock()
        self._held: dict[str, Any] | None = None
        self._renewed = 0.0
        self._due = 0.0
        self.found = ""  # the version that it had when it was taken; empty if it did not exist

    def acquire(self, wait: float) -> None:
        """Become the holder; Unavailable with the holder's name if another run stays it for `wait` seconds.

        A holder that is silent for as long as its Lease says is gone. That time is measured here, from when its
        last sign was seen, so no two clocks are compared.
        """
        end = time.monotonic() + wait
        seen, since = "", time.monotonic()
        while True:
            found = self._read()
            now = time.monotonic()
            if _version(found) != seen:
                seen, since = _version(found), now
            if (not _holder(found) or now - since >= _duration(found)) and self._put(found, acquired=True):
                self.found = _version(found)
                return
            if now >= end:
                what = f"another run is writing{_named(_holder(found))}"
                raise Unavailable(Problem(self.target, what, "try again, or wait longer with --lock-wait"))
            time.sleep(min(PAUSE, max(0.01, end - now)))

    @contextmanager
    def held(self, wait: float) -> Iterator[None]:
        """Hold the Lease for the length of a `with` block; raises what `acquire` does."""
        self.acquire(wait)
        try:
            yield
        finally:
            self.release()

    def version(self) -> str:
        """Return the version that the Lease has now; empty if it does not exist."""
        return _version(self._read())

    def check(self) -> float:
        """Return the `time.monotonic()` at which a write that begins now has to be over; renew the Lease if it is due.

        Raises Unavailable if the Lease is no longer ours, or cannot be renewed and is about to expire.
        """
        with self._lock:
            if self._held is not None and time.monotonic() >= self._due:
                self._renew(self._held)
            if self._held is None:
                what = "this run lost it: another one may be writing"
                raise Unavailable(Problem(self.target, what, "run again"))
            return self._renewed + DURATION

    def _renew(self, held: dict[str, Any]) -> None:
        """Say that we still hold it. What is only temporary may fail as long as enough of the Lease is left."""
        try:
            if not self._put(held, acquired=False):
                # It may still be ours: a renewal whose answer was lost has counted, or it was labelled.
                now = self._read(time.monotonic() + DURATION / 2)
                self._held = now if _holder(now) == self.holder else None
                if self._held is not None and not self._put(self._held, acquired=False):
                    self._held = None
        except Unavailable as failed:
            tried = time.monotonic()
            if tried >= self._renewed + DURATION * (1 - ENOUGH):
                raise Unavailable(*failed.problems) from None  # never as the lost answer of what is to be written
            self._due = tried + PAUSE

    def release(self) -> None:
        """Let the next run begin at once. What fails here ends by itself when the Lease expires."""
        if self._held is None:
            return
        body = self._held | {"spec": {**(self._held.get("spec") or {}), "holderIdentity": ""}}
        self._held = None
        try:
            self._api.request("update", self._path, target=self.target, body=json.dumps(body).encode())
        except BridgeError:
            return

    def _read(self, until: float = math.inf) -> dict[str, Any] | None:
        try:
            return self._api.request("get", self._path, target=self.target, until=until)
        except NotFound:
            return None

    def _put(self, found: dict[str, Any] | None, *, acquired: bool) -> bool:
        """Say that we hold it; False where somebody else was faster. Its waits are no longer than it is of use."""
        body = json.dumps(self._body(found, acquired=acquired)).encode()
        began = time.monotonic()
        until = began + DURATION / 2
        try:
            self._held = self._api.request("update", self._path, target=self.target, body=body, until=until)
        except Conflict:
            return False
        except Invalid:
            if found is not None:
                raise
            return False  # it was not there when we read, and now it is: a PUT has to name its version then
        except LostAnswer as lost:
            now = self._read(until)
            if _holder(now) != self.holder or _version(now) == _version(found):
                raise lost.settled from None
            self._held = now
        self._renewed, self._due = began, began + min(RENEWAL, DURATION * ENOUGH)
        return True

    def _body(self, found: dict[str, Any] | None, *, acquired: bool) -> dict[str, Any]:
        before = (found or {}).get("spec") or {}
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": DURATION,
            "acquireTime": now if acquired else before.get("acquireTime", now),
            "renewTime": now,
            "leaseTransitions": before.get("leaseTransitions", 0) + (1 if acquired and found else 0),
        }
        metadata = {"name": self._name}
        if found:  # the uid too: with a version alone, a Lease that was deleted meanwhile would be made again
            metadata |= {"uid": found["metadata"]["uid"], "resourceVersion": _version(found)}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def _version(found: dict[str, Any] | None) -> str:
    return str(found["metadata"]["resourceVersion"]) if found else ""


def _holder(found: dict[str, Any] | None) -> str:
    return str(((found or {}).get("spec") or {}).get("holderIdentity") or "")


def _duration(found: dict[str, Any] | None) -> float:
    return min(LONGEST, float(((found or {}).get("spec") or {}).get("leaseDurationSeconds") or DURATION))


def _named(holder: str) -> str:
    """Name a holder as it named itself, bounded: anybody may write a Lease. Empty if another run was faster."""
    return f": {holder[:100]} holds it" if holder else ""
