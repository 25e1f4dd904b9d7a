"""Other clients of a cluster, who write to a namespace while runs of bridge meet there."""

import threading
from typing import Self

from tests.desk import Target

WRITERS = 3
BY_HAND = "CANARY-by-hand"


class Load:
    """Threads that write their own ConfigMaps all the time, and one that edits the Secret `s`, until `stop`."""

    def __init__(self, target: Target, *, edits: bool) -> None:
        self.edits = edits
        self.writes = 0
        self.failed: BaseException | None = None
        self._target = target
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(f"theirs-{n}",)) for n in range(WRITERS)]
        if edits:
            self._threads.append(threading.Thread(target=self._edit))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Write no more."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        if self.failed:
            raise self.failed

    def _write(self, name: str) -> None:
        try:
            self._target.create("ConfigMap", name, {"data": {"n": "0"}})
            while not self._over.is_set():
                self.writes += 1
                self._target.edit("ConfigMap", name, n=str(self.writes))
        except BaseException as error:  # noqa: BLE001 - raised by `stop`
            self.failed = error

    def _edit(self) -> None:
        path, number = self._target.path("Secret", "s"), 0
        while not self._over.wait(0.02):
            number += 1
            body = {"stringData": {"B": f"{BY_HAND}-{number}"}}
            reply = self._target.client.request(
                "PATCH", f"{path}?fieldManager=kubectl-edit", body, "application/merge-patch+json"
            )
            if reply.status not in (200, 404, 409):
                self.failed = AssertionError(reply)
                return
