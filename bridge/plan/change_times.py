"""When keys changed: times of the API server that only ever go forward, so that none is taken for another."""

from datetime import UTC, datetime, timedelta
from typing import Final

from bridge.objects import Live
from bridge.plan.state import Memory, ObjectMemory

FORMAT: Final = "%Y-%m-%dT%H:%M:%SZ"
"""RFC 3339 in UTC, as Kubernetes writes its times: to the second, and the texts have the order of the times."""


class Clock:
    """The times of one run. `now` is the server's: no earlier than any write that it has answered."""

    def __init__(self, manager: str, now: str) -> None:
        self._manager = manager
        self._now = now
        self._floor = ""

    def settled(self, memory: Memory) -> Memory:
        """Return a memory without what was only begun: if such a write happened, then before now.

        Every time that this clock gives from then on is later than all that the memory holds.
        """
        objects = {id_: self._settled(one) if one.begun else one for id_, one in memory.objects.items()}
        known = memory._replace(objects=objects)
        self._floor = _next_second(known.newest)
        return known

    def _settled(self, memory: ObjectMemory) -> ObjectMemory:
        def known(time: str) -> str:
            return max(_next_second(time), self._now) if time == memory.begun else time

        keys = {key: one._replace(changed=known(one.changed)) for key, one in memory.keys.items()}
        return memory._replace(keys=keys, created=known(memory.created), removed=known(memory.removed), begun="")

    def written(self, live: Live | None) -> str:
        """Return when a write of this run had happened, `live` being the server's answer to it.

        The server notes the time in managedFields before its admission plugins have their say, so it is not
        enough; it counts where whoever gave `now`, a proxy, has a clock that is behind.
        """
        return max(live.applied(self._manager) if live else "", self._now, self._floor)


def _next_second(time: str) -> str:
    try:
        return (datetime.fromisoformat(time).astimezone(UTC) + timedelta(seconds=1)).strftime(FORMAT)
    except (ValueError, OverflowError):
        return ""
