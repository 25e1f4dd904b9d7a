"""When keys changed: times of the API server that only ever go forward, so that none is taken for another."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from bridge.objects import Live, ObjectId
from bridge.plan.memory import Memory, ObjectMemory

FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
"""RFC 3339 in UTC, as Kubernetes writes its times: to the second, and the texts have the order of the times."""


class Clock:
    """The times of one run. `now` is this machine's; it counts only where the server has told none."""

    def __init__(self, manager: str, now: str) -> None:
        self._manager = manager
        self._now = now
        self._floor = ""

    def settled(self, memory: Memory, live: Mapping[ObjectId, Live | None]) -> Memory:
        """Return a memory without what was only begun: such a write may have come as late as the object tells.

        Every time that this clock gives from then on is later than all that the memory holds.
        """
        objects = {id_: self._settled(one, live.get(id_)) if one.begun else one for id_, one in memory.objects.items()}
        known = memory._replace(objects=objects)
        self._floor = _next_second(known.newest)
        return known

    def _settled(self, memory: ObjectMemory, live: Live | None) -> ObjectMemory:
        latest = max(memory.begun, self._told(live))

        def known(time: str) -> str:
            return latest if time == memory.begun else time

        keys = {key: one._replace(changed=known(one.changed)) for key, one in memory.keys.items()}
        return memory._replace(keys=keys, created=known(memory.created), removed=known(memory.removed), begun="")

    def written(self, live: Live | None) -> str:
        """Return when a write of this run happened, `live` being the server's answer to it."""
        return max(self._told(live), self._floor)

    def _told(self, live: Live | None) -> str:
        return (live.applied(self._manager) if live else "") or self._now


def _next_second(time: str) -> str:
    try:
        return (datetime.strptime(time, FORMAT).replace(tzinfo=UTC) + timedelta(seconds=1)).strftime(FORMAT)
    except (ValueError, OverflowError):
        return ""
