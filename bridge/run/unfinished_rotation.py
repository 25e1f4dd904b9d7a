"""Recognises a rotation that has begun: its values are in the store, but some objects or pods have older ones.

A rotation replaces a value in the store and keeps the old one next to it, both in one revision. Until every object and
every pod has these two, another rotation would drop a value that is still in use. So each rotation looks first.
"""

from collections.abc import Mapping

from bridge.cluster.waves import on_each
from bridge.config.environment import Environment
from bridge.config.reference import Reference
from bridge.errors import BridgeError, Problem, Refusal, combine
from bridge.named_tuple import NamedTuple
from bridge.objects import Live, ObjectId
from bridge.plan.workloads import RestartReason, RestartVerdict
from bridge.provider import Document
from bridge.run.inputs import Files, Run, Wanted, gather
from bridge.run.restart import known, survey
from bridge.run.view import Cluster, open_cluster
from bridge.secret import SecretValue
from bridge.stores.rotation import Key, Rotation
from bridge.stores.write import same_value


class Unfinished(NamedTuple):
    """What an earlier rotation has not reached yet: keys of objects, or, if all keys are current, workloads."""

    keys: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()


def unfinished_rotation(
    rotation: Rotation, environment: Environment, files: Files, run: Run, documents: Mapping[Reference, Document]
) -> Unfinished | None:
    """Return what an earlier rotation has left to do, or None if a new one may begin.

    Refusal if the cluster has yet another value, which neither the store's value nor the previous one would keep; and
    every error of reading, because an unfinished rotation could not be recognised then. `documents` are not read again.
    """

    def gathered(document: Document) -> Wanted:
        return gather(environment, files, run._replace(given={**documents, rotation.reference: document}))

    earlier = rotation.document_before
    try:
        wanted = gathered(rotation.document)
    except Refusal:
        if earlier:
            raise
        wanted = gathered(rotation.document_with_previous)  # the template may require what the first rotation adds
    now, before = _values(wanted), _values(gathered(earlier)) if earlier else {}
    with open_cluster(environment, wanted.namespace, run) as cluster:
        live = _read(cluster, rotation, run)
        keys = _left_keys(rotation, environment.name, live, now, before)
        return Unfinished(keys) if keys else _left_in_use(rotation, cluster)


def _values(wanted: Wanted) -> Mapping[Key, SecretValue]:
    return {(one.id, key): entry.value for one in wanted.resolution.desired for key, entry in one.keys.items()}


def _read(cluster: Cluster, rotation: Rotation, run: Run) -> Mapping[Key, SecretValue]:
    """Read the objects with the two values; raise one error for all that cannot be read."""
    ids = sorted({id_ for id_, _ in rotation.keys | rotation.previous_keys})
    answers: Mapping[ObjectId, Live | BridgeError | None] = on_each(
        cluster.objects.get, ids, cluster.api, run.deadline, "reading {} of {} objects"
    )
    errors = [one for one in answers.values() if isinstance(one, BridgeError)]
    if errors:
        raise combine(errors)
    return {
        (id_, key): value for id_, one in answers.items() if isinstance(one, Live) for key, value in one.data.items()
    }


def _left_keys(
    rotation: Rotation,
    environment: str,
    live: Mapping[Key, SecretValue],
    now: Mapping[Key, SecretValue],
    before: Mapping[Key, SecretValue],
) -> tuple[str, ...]:
    """Return the keys that the earlier rotation has not reached; Refusal if the cluster has other values."""
    older = {key for key in rotation.keys | rotation.previous_keys if not same_value(live.get(key), now.get(key))}
    late = {key for key in older & rotation.keys & before.keys() if same_value(live.get(key), before[key])}
    other = (older & rotation.keys) - late
    if rotation.old is not None:  # otherwise the cluster has no previous value to compare
        late |= older - rotation.keys
    # A key with both values in its text has neither the current text nor that of `before`.
    strange = other - rotation.previous_keys if late else other
    if strange:
        raise Refusal(
            *(
                Problem(f"{id_} key {key}", what, f"run `bridge sync {environment}` first, then run this again")
                for id_, key in sorted(strange)
                for what in (_difference(live.get((id_, key)), rotation.name),)
            )
        )
    return tuple(f"{id_} key {key}" for id_, key in sorted(late | other))


def _difference(live: SecretValue | None, name: str) -> str:
    if live is None:
        return f"{name} is not in the cluster yet, so there is no value in use to keep"
    return f"the cluster has another value of {name} than the store, and it would be lost"


def _left_in_use(rotation: Rotation, cluster: Cluster) -> Unfinished | None:
    """Return the workloads whose pods may still run with an older value."""
    state = known(cluster, everything=rotation.old is not None)
    if state.begun:
        return Unfinished(tuple(sorted(map(str, state.begun))))
    names = tuple(str(one.workload) for one in survey(cluster, state) if _runs_older(one, rotation))
    return Unfinished(workloads=names) if names else None


def _runs_older(verdict: RestartVerdict, rotation: Rotation) -> bool:
    if any(_is_about(reason, rotation) for reason in verdict.reasons):
        return True
    one = verdict.workload
    uses = any(
        use.id == id_ and use.takes(key) and not use.how.follows for use in one.uses for id_, key in rotation.keys
    )
    return uses and (not one.rollout.seen or one.rollout.old > 0)


def _is_about(reason: RestartReason, rotation: Rotation) -> bool:
    return reason.key is not None and (reason.id, reason.key) in rotation.keys
