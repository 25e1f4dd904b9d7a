"""The Lease of an environment: whoever holds it writes, everybody else waits.

Acquired by PUT, which creates a Lease that is not there and, with the resourceVersion that was read, admits one of
several: https://kubernetes.io/docs/concepts/architecture/leases/ (a POST could not be limited by resourceNames).
"""

import json
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
"""Whole seconds that a holder may stay silent: more than one write with all its tries takes."""
RENEWAL: Final = 5.0
"""Seconds after which a holder that goes on writing says so."""
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

    def acquire(self, wait: float) -> None:
        """Become the holder; Unavailable with the holder's name where somebody else stays it for `wait` seconds.

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
                return
            if now >= end:
                what = f"another run is writing: {_shown(_holder(found))} holds it"
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

    def check(self) -> None:
        """Renew the Lease where that is due; Unavailable where it is not ours any more."""
        with self._lock:
            if self._held is not None and time.monotonic() - self._renewed < RENEWAL:
                return
            if self._held is None or not self._put(self._held, acquired=False):
                self._held = None
                what = "this run lost it: another one may be writing"
                raise Unavailable(Problem(self.target, what, "run again"))

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

    def _read(self) -> dict[str, Any] | None:
        try:
            return self._api.request("get", self._path, target=self.target)
        except NotFound:
            return None

    def _put(self, found: dict[str, Any] | None, *, acquired: bool) -> bool:
        """Say that we hold it; False where somebody else was faster."""
        body = self._body(found, acquired=acquired)
        began = time.monotonic()
        try:
            self._held = self._api.request("update", self._path, target=self.target, body=json.dumps(body).encode())
        except Conflict:
            return False
        except Invalid:
            if found is not None:
                raise
            return False  # it was not there when we read, and now it is: a PUT has to name its version then
        except LostAnswer as lost:
            now = self._read()
            if _holder(now) != self.holder:
                raise lost.settled from None
            self._held = now
        self._renewed = began
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
        metadata = {"name": self._name} | ({"resourceVersion": _version(found)} if found else {})
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def _version(found: dict[str, Any] | None) -> str:
    return str(found["metadata"]["resourceVersion"]) if found else ""


def _holder(found: dict[str, Any] | None) -> str:
    return str(((found or {}).get("spec") or {}).get("holderIdentity") or "")


def _duration(found: dict[str, Any] | None) -> float:
    return float(((found or {}).get("spec") or {}).get("leaseDurationSeconds") or DURATION)


def _shown(holder: str) -> str:
    """Name a holder as it named itself, bounded: anybody may write a Lease."""
    return holder[:100] or "somebody"
