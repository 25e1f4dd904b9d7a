"""The Lease of an environment: its holder writes, and all other runs wait.

A run acquires it with PUT, which creates a missing Lease and, with the resourceVersion that was read, lets only one of
several runs succeed: https://kubernetes.io/docs/concepts/architecture/leases/ (RBAC cannot limit a POST by
resourceNames).

The Lease only keeps runs out of each other's way: a holder may freeze for any time and then continue. The writes
themselves make sure that no newer value is lost then (see `bridge.run.apply`).
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

from bridge.cluster.api import Api, Invalid, LostAnswer, ObjectConflict, ObjectNotFound
from bridge.errors import BridgeError, Problem, Unavailable
from bridge.progress import ProgressStep

DURATION: Final = 20
"""How many seconds a holder may stay silent (a whole number)."""
LONGEST: Final = 60.0
"""Seconds of silence after which a holder counts as gone, whatever its Lease says."""
RENEWAL: Final = 5.0
"""Seconds after which a holder that is still writing, or waiting to, renews the Lease."""
ENOUGH: Final = 0.25
"""The fraction of the duration that must remain for a write to start while the Lease cannot be renewed."""
PAUSE: Final = 0.5
"""Seconds between two reads of a Lease that another run holds."""
SETTLING: Final = 3.0
"""Seconds to find out whether a request without an answer made the Lease ours, and to give it back."""
SETTLING_TRIES: Final = 4
"""How often to try that, if the Lease changes each time."""


class Lease:
    """One environment's Lease. `check`, `release` and `end` may be called from several threads, the rest from one.

    Everything ends at `until`, a `time.monotonic()`, except giving the Lease back, which ends with the `api`.
    """

    def __init__(self, api: Api, namespace: str, id_: str, until: float = math.inf) -> None:
        self._api: Final = api
        self._until: Final = until
        self._name: Final = f"bridge-{id_}"
        self._path: Final = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace)}/leases/{quote(self._name)}"
        self.target: Final = f"Lease/{self._name} in namespace {namespace}"
        self.holder: Final = f"{socket.gethostname()}_{os.getpid()}_{secrets.token_hex(4)}"
        self._lock: Final = threading.Lock()
        self._held: dict[str, Any] | None = None
        # The Lease as the last update named it, until the outcome is known: if the run is interrupted, or the answer is
        # lost, the update may still be carried out.
        self._open: tuple[dict[str, Any] | None] | None = None
        self._is_over = False
        self._renewed = 0.0
        self._due = 0.0
        self._waited = 0.0  # how many seconds `acquire` has taken so far
        self.found = ""  # its version when it was acquired; empty if it did not exist
        self._left = ""  # its version when it was given back
        self._seen: tuple[dict[str, Any] | None] | None = None  # the Lease as `version` has read it, until it is used

    def take(self) -> bool:
        """Become the holder without waiting, if the Lease is free and still as `version` has read it.

        If it returns False, `acquire` reads the Lease again and waits.
        """
        if self._seen is None:
            return False
        (lease,), self._seen = self._seen, None
        if _holder(lease) or not self._put(lease, acquired=True):
            return False
        self.found = self._as_found(lease)
        return True

    def acquire(self, wait: float) -> None:
        """Become the holder, or stay it after `take`.

        Raises Unavailable with the holder's name if another run holds the Lease for `wait` seconds, counting the
        seconds of all calls, or until the run's time is up. A holder that stays silent for its Lease's duration counts
        as gone. We measure that time ourselves, from the last change that we saw, so no two clocks are compared.
        """
        if self._is_kept() or self.take():
            return
        began = time.monotonic()
        end = began + max(0.0, wait - self._waited)
        try:
            with ProgressStep("waiting for another run to finish") as step:
                self._wait(min(end, self._until), "--lock-wait" if end <= self._until else "--timeout", step)
        finally:
            self._waited += time.monotonic() - began

    def _wait(self, end: float, limit: str, step: ProgressStep) -> None:
        seen, since = "", time.monotonic()
        while True:
            lease = self._read()
            now = time.monotonic()
            if _version(lease) != seen:
                seen, since = _version(lease), now
            if (not _holder(lease) or now - since >= _duration(lease)) and self._put(lease, acquired=True):
                self.found = self._as_found(lease)
                return
            if now >= end:
                message = f"another run is writing{_named(_holder(lease))}"
                raise Unavailable(Problem(self.target, message, f"try again, or wait longer with {limit}"))
            step.show()
            time.sleep(min(PAUSE, max(0.01, end - now)))

    @contextmanager
    def held(self, wait: float) -> Iterator[None]:
        """Hold the Lease during a `with` block, once; raise what `acquire` raises."""
        try:
            self.acquire(wait)
            yield
        finally:
            self.end()

    def version(self) -> str:
        """Return the Lease's current version, or "" if it does not exist. `take` goes by what was read here.

        If only this run has changed it since `found`, because it took it and gave it back, that is still its version.
        """
        lease = self._read()
        self._seen = (lease,)
        return self._as_found(lease)

    def _as_found(self, lease: dict[str, Any] | None) -> str:
        version = _version(lease)
        return self.found if self._left and version == self._left else version

    def _is_kept(self) -> bool:
        """Return whether the Lease has been ours since `take`; raise Unavailable if that cannot be made sure of."""
        if self._held is None:
            return False
        try:
            self.check()
        except Unavailable:
            if self._held is not None:
                raise
        return self._held is not None

    def check(self) -> float:
        """Renew the Lease if due, and return the `time.monotonic()` by which a write that starts now must end.

        Raises Unavailable if the Lease is no longer ours, or if it cannot be renewed and is about to expire.
        """
        with self._lock:
            if self._held is not None and time.monotonic() >= self._due:
                self._renew(self._held)
            if self._held is None:
                raise self._lost()
            return self._renewed + DURATION

    def _renew(self, held: dict[str, Any]) -> None:
        """Renew the Lease. A temporary failure is ignored while enough of the Lease's duration remains."""
        try:
            if not self._put(held, acquired=False):
                # It may still be ours: a renewal with a lost answer may have succeeded, or someone labelled the Lease.
                now = self._read(time.monotonic() + DURATION / 2)
                self._held = now if _holder(now) == self.holder else None
                if self._held is not None and not self._put(self._held, acquired=False):
                    self._held = None
        except Unavailable as failed:
            tried = time.monotonic()
            if tried >= self._renewed + DURATION * (1 - ENOUGH):
                raise Unavailable(*failed.problems) from None  # not a LostAnswer: no object is in doubt
            self._due = tried + PAUSE

    def release(self) -> None:
        """Let the next run start at once. If this fails, the Lease simply expires."""
        held, asked = self._held, self._open
        if held is None and asked is None:
            return
        self._open = asked or (held,)  # before `_held` is cleared: an interrupt in between must not lose both
        self._held = None
        try:
            if held is None or asked is not None or not self._free(held):
                self._settle()
        except BridgeError:
            self._open = None

    def end(self) -> None:
        """Release the Lease for good: no other thread can take it afterwards. One interrupt does not prevent this."""
        self._is_over = True
        try:
            self.release()
        finally:
            self.release()  # has something to do only if the first one was interrupted

    def _free(self, held: dict[str, Any]) -> bool:
        """Give the Lease back; return False if it is no longer as it was read, or if that is unknown."""
        try:
            self._left = _version(self._clear(held))
        except (ObjectConflict, LostAnswer):
            return False
        self._open = None
        return True

    def _settle(self) -> None:
        """Give the Lease back if an update without an outcome made it ours; if it did not yet, see that it cannot.

        While the Lease is as that update named it, the update may still be carried out. So it is then written as free,
        in the same way: only one of the two can succeed.
        """
        until = time.monotonic() + SETTLING
        for _ in range(SETTLING_TRIES):
            if self._open is None:
                return
            (named,), now = self._open, self._get(until)
            if _holder(now) != self.holder and _version(now) != _version(named):
                break
            try:
                self._clear(now, until)
                break
            except (ObjectConflict, Invalid, LostAnswer):
                continue
        self._open = None

    def _clear(self, lease: dict[str, Any] | None, until: float = math.inf) -> dict[str, Any]:
        """Write the Lease without a holder, in any case in a new version."""
        named = lease or self._body(None, acquired=True)
        spec = {**(named.get("spec") or {}), "holderIdentity": ""}
        if not _holder(lease):  # an update that changes nothing would leave the version as it is
            spec["renewTime"] = _now()
        body = json.dumps(named | {"spec": spec}).encode()
        return self._api.request("update", self._path, target=self.target, body=body, until=until)

    def _close(self, asked: tuple[dict[str, Any] | None]) -> bool:
        """Note that an update has an outcome; return False if another thread has already dealt with it."""
        if self._open is not asked:
            return False
        self._open = None
        return True

    def _read(self, until: float = math.inf) -> dict[str, Any] | None:
        return self._get(min(until, self._until))

    def _get(self, until: float) -> dict[str, Any] | None:
        try:
            return self._api.request("get", self._path, target=self.target, until=until)
        except ObjectNotFound:
            return None

    def _put(self, lease: dict[str, Any] | None, *, acquired: bool) -> bool:
        """Write ourselves as the holder; return False if another run was faster. Wait only while that is useful."""
        body = json.dumps(self._body(lease, acquired=acquired)).encode()
        began = time.monotonic()
        until = min(began + DURATION / 2, self._until)
        asked = self._open = (lease,)
        if self._is_over:  # after `_open` is set: `end` in another thread sees the one or we see the other
            self._close(asked)
            raise self._lost()
        try:
            written = self._api.request("update", self._path, target=self.target, body=body, until=until)
        except ObjectConflict:
            self._close(asked)
            return False
        except Invalid:
            self._close(asked)
            if lease is not None:
                raise
            return False  # it was created since we read: a PUT must name its version now
        except LostAnswer as lost:
            now = self._read(until)
            if now is None or _holder(now) != self.holder or _version(now) == _version(lease):
                raise lost.settled from None
            written = now
        except BridgeError:
            self._close(asked)
            raise
        self._held = written  # before `_open` is cleared: an interrupt in between must not lose both
        if not self._close(asked):
            self._held = None
            raise self._lost()
        self._renewed, self._due = began, began + min(RENEWAL, DURATION * ENOUGH)
        return True

    def _lost(self) -> Unavailable:
        return Unavailable(Problem(self.target, "this run lost it; another run may be writing", "run again"))

    def _body(self, lease: dict[str, Any] | None, *, acquired: bool) -> dict[str, Any]:
        before = (lease or {}).get("spec") or {}
        now = _now()
        spec = {
            "holderIdentity": self.holder,
            "leaseDurationSeconds": DURATION,
            "acquireTime": now if acquired else before.get("acquireTime", now),
            "renewTime": now,
            "leaseTransitions": before.get("leaseTransitions", 0) + (1 if acquired and lease else 0),
        }
        metadata = {"name": self._name}
        if lease:  # with only the version, a Lease deleted in the meantime would be recreated
            metadata |= {"uid": lease["metadata"]["uid"], "resourceVersion": _version(lease)}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _version(lease: dict[str, Any] | None) -> str:
    return str(lease["metadata"]["resourceVersion"]) if lease else ""


def _holder(lease: dict[str, Any] | None) -> str:
    return str(((lease or {}).get("spec") or {}).get("holderIdentity") or "")


def _duration(lease: dict[str, Any] | None) -> float:
    return min(LONGEST, float(((lease or {}).get("spec") or {}).get("leaseDurationSeconds") or DURATION))


def _named(holder: str) -> str:
    """Name the holder as it named itself, truncated: anyone may write a Lease. Empty if another run was faster."""
    return f": {holder[:100]} holds it" if holder else ""
