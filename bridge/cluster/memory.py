"""Keeps the memory in a ConfigMap of the environment's namespace."""

import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from bridge.cluster.api import Api, Conflict, LostAnswer, NotFound
from bridge.cluster.objects import APPLY
from bridge.errors import Problem, Refusal, Unavailable
from bridge.plan.limits import MAX_BYTES
from bridge.plan.memory import Memory, UnreadableMemoryError, decode, encode

KEY: Final = "memory.json"


@dataclass(eq=False)
class MemoryStore:
    """One environment's memory in the cluster. Not to be shared between threads."""

    api: Api
    namespace: str
    id: str
    manager: str
    resource_version: str | None = None
    text: str | None = None  # as it stands in the cluster

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
        """Read the memory; None where there is none, `lost` in an empty one where it cannot be understood.

        Raises Refusal for a memory that a newer bridge wrote.
        """
        try:
            raw = self.api.request("get", self._path, target=self.target)
        except NotFound:
            return None
        self._take(raw)
        try:
            return decode(self.text or "")
        except UnreadableMemoryError as error:
            newer = error.newer
        if newer:
            raise Refusal(Problem(self.target, "was written by a newer bridge", "update bridge"))
        return Memory(lost=f"{self.target} is damaged")

    def differs(self, memory: Memory) -> bool:
        """Say whether this memory is another than the one that was read last."""
        return encode(memory) != self.text

    def write(self, memory: Memory) -> None:
        """Write the memory where it differs; raises Unavailable where another run wrote it since it was read."""
        text = encode(memory)
        if text == self.text:
            return
        if len(text) > MAX_BYTES:
            what = "this environment has too many keys for one memory"
            raise Refusal(Problem(self.target, what, "split the environment in two"))
        try:
            raw = self.api.request(
                "patch",
                self._path,
                target=self.target,
                query={"fieldManager": self.manager, "force": "true"},
                body=json.dumps(self._body(text)).encode(),
                content_type=APPLY,
            )
        except Conflict:
            raise Unavailable(Problem(self.target, "another run wrote it meanwhile", "run again")) from None
        except LostAnswer as lost:
            raw = self._settle(text, lost)
        self._take(raw)

    def _settle(self, text: str, lost: LostAnswer) -> dict[str, Any]:
        """Find out whether a write whose answer was lost has happened."""
        try:
            raw = self.api.request("get", self._path, target=self.target)
        except NotFound:
            raw = {}
        if (raw.get("data") or {}).get(KEY) != text:
            raise lost.settled
        return raw

    def _take(self, raw: dict[str, Any]) -> None:
        self.resource_version = raw["metadata"]["resourceVersion"]
        self.text = (raw.get("data") or {}).get(KEY)

    def _body(self, text: str) -> dict[str, object]:
        metadata = {"name": self._name}
        if self.resource_version:
            metadata["resourceVersion"] = self.resource_version
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {KEY: text}}
