"""Keep the state of an environment in a ConfigMap in its namespace.

The ConfigMap also names the run that wrote it last. Every run that is about to write objects first writes the state
under its own name, even if the state is unchanged. If a run reads the same name twice, no other run has started to
write in between.
"""

import json
import secrets
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from bridge.cluster.api import Api, Invalid, LostAnswer, ObjectConflict, ObjectNotFound
from bridge.cluster.objects import ABSENT, APPLY, is_changed
from bridge.errors import Problem, Refusal, Unavailable
from bridge.plan.limits import MAX_BYTES
from bridge.plan.state import Memory, UnreadableMemoryError, decode, encode

KEY: Final = "memory.json"
RUN: Final = "run"


class MemoryStore:
    """One environment's state in the cluster. Not safe to share between threads."""

    def __init__(
        self, api: Api, namespace: str, id_: str, manager: str, turn: Callable[[], float] | None = None
    ) -> None:
        self.api = api
        self.namespace: Final = namespace
        self.id: Final = id_
        self.manager: Final = manager
        self.turn = turn  # asked before each attempt to write (see `Api.request`)
        self.run: Final = secrets.token_hex(8)  # the name of this run in the ConfigMap
        self.resource_version: str | None = None
        self.uid = ""
        self.text: str | None = None  # like `writer`, as last read from the cluster
        self.writer = ""

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{quote(self.namespace)}/configmaps/{quote(self._name)}"

    @property
    def _name(self) -> str:
        return f"bridge-{self.id}"

    @property
    def target(self) -> str:
        """Name the ConfigMap for messages."""
        return f"ConfigMap/{self._name} in namespace {self.namespace}"

    def read(self) -> Memory | None:
        """Read the state, or return None if there is none. If it cannot be parsed, return an empty one with `lost` set.

        Raises Refusal if a newer version of bridge wrote the state.
        """
        try:
            raw = self.api.request("get", self._path, target=self.target)
        except ObjectNotFound:
            self.resource_version, self.uid, self.text, self.writer = None, "", None, ""
            return None
        self._take(raw)
        try:
            return decode(self.text or "")
        except UnreadableMemoryError as error:
            newer = error.newer
        if newer:
            raise Refusal(Problem(self.target, "was written by a newer version of bridge", "update bridge"))
        return Memory(lost=f"{self.target} is damaged")

    def differs(self, memory: Memory) -> bool:
        """Return whether this state differs from the state that was read last."""
        return encode(memory) != self.text

    @property
    def mark(self) -> str:
        """Return a mark that changes when another run starts to write objects, or "" if there is no ConfigMap."""
        return self.writer or self.resource_version or ""

    def begin(self, memory: Memory) -> None:
        """Write the state under this run's name before the first object is written, even if the state is unchanged."""
        self._write(encode(memory))

    def write(self, memory: Memory) -> None:
        """Write the state if it differs; raise Unavailable if another run has written it since it was read."""
        text = encode(memory)
        if text != self.text:
            self._write(text)

    def _write(self, text: str) -> None:
        if len(text) + len(self.run) > MAX_BYTES:
            message = "this environment has too many keys for its state ConfigMap"
            raise Refusal(Problem(self.target, message, "split the environment in two"))
        try:
            raw = self.api.request(
                "patch",
                self._path,
                target=self.target,
                query={"fieldManager": self.manager, "force": "true"},
                body=json.dumps(self._body(text)).encode(),
                content_type=APPLY,
                turn=self.turn,
            )
        except (ObjectConflict, Invalid) as refused:
            if not is_changed(refused):
                raise
            raise Unavailable(Problem(self.target, "another run wrote it in the meantime", "run again")) from None
        except LostAnswer as lost:
            raw = self._settle(text, lost)
        self._take(raw)

    def _settle(self, text: str, lost: LostAnswer) -> dict[str, Any]:
        """Find out whether a write with a lost answer happened."""
        try:
            raw = self.api.request("get", self._path, target=self.target)
        except ObjectNotFound:
            raw = {}
        data = raw.get("data") or {}
        if (data.get(KEY), data.get(RUN)) != (text, self.run):
            raise lost.settled
        return raw

    def _take(self, raw: dict[str, Any]) -> None:
        self.resource_version, self.uid = raw["metadata"]["resourceVersion"], raw["metadata"].get("uid", "")
        data = raw.get("data") or {}
        self.text, self.writer = data.get(KEY), data.get(RUN) or ""

    def _body(self, text: str) -> dict[str, object]:
        metadata = {"name": self._name, "resourceVersion": self.resource_version or ABSENT}
        if self.uid:
            metadata["uid"] = self.uid
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {KEY: text, RUN: self.run}}
