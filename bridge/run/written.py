"""Reads from the state ConfigMap when bridge last changed the cluster's objects."""

from collections.abc import Mapping

from bridge.config.environment import Environment
from bridge.errors import Problem, Refusal
from bridge.run.inputs import Run, sound_files
from bridge.run.view import open_cluster


def last_write(environment: Environment, run: Run) -> tuple[str, Mapping[str, str]]:
    """Return the times (RFC 3339) of the last change, and of each key's; Refusal if bridge has not written there."""
    files = sound_files(environment, run)
    with open_cluster(environment, files.namespace or "", run) as cluster:
        memory = cluster.look().memory
    if memory is None or memory.lost:
        message = "bridge has no state there, so the time of its last write is unknown"
        raise Refusal(Problem("the cluster", message, f"write it with `bridge sync {environment.name}`"))
    keys = {
        f"{id_} key {name}": key.changed for id_, known in memory.objects.items() for name, key in known.keys.items()
    }
    return memory.newest, dict(sorted(keys.items()))
