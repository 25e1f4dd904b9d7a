"""When keys changed: times from the API server that only move forward, so that no two changes are confused."""

from datetime import UTC, datetime, timedelta
from typing import Final

from bridge.objects import Live
from bridge.plan.state import Memory, ObjectMemory

FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
"""RFC 3339 in UTC with seconds, as Kubernetes writes times; as text they sort in chronological order."""


class Clock:
    """The times of one run. `now` is the server's time, no earlier than any write that it has answered."""

    def __init__(self, manager: str, now: str) -> None:
        self._manager = manager
        self._now = now
        self._floor = ""

    def settled(self, memory: Memory) -> Memory:
        """Return a state without writes that were only begun: if such a write happened, then before now.

        Every time that this clock returns afterwards is later than all times in the state.
        """
        objects = {id_: self._settled(entry) if entry.begun else entry for id_, entry in memory.objects.items()}
        known = memory._replace(objects=objects)
        self._floor = _next_second(known.newest)
        return known

    def _settled(self, memory: ObjectMemory) -> ObjectMemory:
        def known(time: str) -> str:
            return max(_next_second(time), self._now) if time == memory.begun else time

        keys = {key: entry._replace(changed=known(entry.changed)) for key, entry in memory.keys.items()}
        return memory._replace(keys=keys, created=known(memory.created), removed=known(memory.removed), begun="")

    def written(self, live: Live | None) -> str:
        """Return a time by which a write of this run had happened; `live` is the server's answer to it.

        The server records the time in managedFields before its admission plugins run, so that time is not enough. It
        counts if `now` comes from a proxy with a slow clock.
        """
        return max(live.applied(self._manager) if live else "", self._now, self._floor)


def _next_second(time: str) -> str:
    try:
        return (datetime.fromisoformat(time).astimezone(UTC) + timedelta(seconds=1)).strftime(FORMAT)
    except (ValueError, OverflowError):
        return ""
