"""The objects that a container's environment uses: from the templates, from a build, or from the cluster."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Final

from bridge.cluster.api import Api
from bridge.config.environment import Environment
from bridge.errors import BridgeError, Problem, Refusal
from bridge.kustomize.objects import BuiltObject, without_hash
from bridge.kustomize.overlap import built_value
from bridge.objects import Desired, Field, Live, ObjectId
from bridge.plan.workloads import Use
from bridge.run.inputs import Run
from bridge.run.view import Cluster, open_cluster
from bridge.secret import SecretValue

Keys = dict[str, SecretValue]


class LazyCluster:
    """The environment's cluster, opened once something has to be read from it."""

    def __init__(self, environment: Environment, namespace: str, run: Run, stack: ExitStack) -> None:
        self._environment: Final = environment
        self._namespace: Final = namespace
        self._run: Final = run
        self._stack: Final = stack
        self._opened: Cluster | BridgeError | None = None

    @property
    def api(self) -> Api:
        """The connection to the cluster."""
        return self._open().api

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The warnings about the connection, if there is one."""
        return self._opened.warnings if isinstance(self._opened, Cluster) else ()

    def get(self, id_: ObjectId) -> Live | None:
        """Return an object, or None if it does not exist."""
        return self._open().objects.get(id_)

    @property
    def manager(self) -> str:
        """The field manager that bridge writes under."""
        return f"bridge/{self._environment.id}"

    def _open(self) -> Cluster:
        if self._opened is None:
            try:
                self._opened = self._stack.enter_context(open_cluster(self._environment, self._namespace, self._run))
            except BridgeError as error:
                self._opened = error
        if isinstance(self._opened, BridgeError):
            raise self._opened
        return self._opened


class ObjectSearch:
    """Finds the keys of the objects that a container uses.

    A key of a template has the value that a sync would write. Everything else is taken from the build, or else from the
    cluster. `looked_in` names these places.
    """

    def __init__(
        self, desired: Mapping[ObjectId, Desired], build: Sequence[BuiltObject] | None, cluster: LazyCluster
    ) -> None:
        self.errors: list[BridgeError] = []
        self.warnings: list[Problem] = []
        self._desired: Final = desired
        self._build: Final = build
        self._cluster: Final = cluster

    @property
    def looked_in(self) -> str:
        """The places that were searched."""
        places = ["the templates", *(["the build"] if self._build is not None else [])]
        places += [] if self.errors else ["the cluster"]
        return " or ".join(filter(None, [", ".join(places[:-1]), places[-1]]))

    def keys(self, uses: Iterable[Use], user: str) -> Mapping[ObjectId, Keys | None]:
        """Return the keys of each object, or None for an object that does not exist."""
        by_id: dict[ObjectId, list[Use]] = {}
        for use in uses:
            by_id.setdefault(use.id, []).append(use)
        return {id_: self._keys(id_, uses_, user) for id_, uses_ in by_id.items()}

    def _keys(self, id_: ObjectId, uses: Sequence[Use], user: str) -> Keys | None:
        desired = self._desired_for(id_, user)
        own = dict(_visible(id_.kind, ((key, entry.value) for key, entry in desired.keys.items()))) if desired else None
        built = self._built(id_)
        known = {**(built or {}), **(own or {})} if own is not None or built is not None else None
        missing = [use for use in uses if known is None or (use.key is not None and use.key not in known)]
        # A build shows which other keys an object has; without one, only the cluster does.
        others = own is not None and self._build is None and any(use.key is None for use in uses)
        if not missing and not others:
            return known
        try:
            live = self._cluster.get(id_)
        except BridgeError as error:
            self._unanswered(id_, error, missing)
            return known
        return known if live is None else {**_live_keys(live, self._cluster.manager, known), **(known or {})}

    def _unanswered(self, id_: ObjectId, error: BridgeError, missing: Sequence[Use]) -> None:
        """Report that the cluster cannot be asked: an error if the pod would not start without the object."""
        if any(not use.optional for use in missing):
            self.errors.append(error)
            return
        what = "whether it exists in the cluster is unknown" if missing else "keys that others wrote are unknown"
        self.warnings += (Problem(str(id_), f"{what}: {problem}", problem.hint) for problem in error.problems)

    def _desired_for(self, id_: ObjectId, user: str) -> Desired | None:
        original = ObjectId(id_.kind, without_hash(id_.name) or id_.name)
        if id_ in self._desired or original not in self._desired:
            return self._desired.get(id_)
        what = f"uses {id_}, a generated copy of {original}; its keys get the values of the sources here"
        self.warnings.append(Problem(user, what, "remove the object from the kustomization's generators"))
        return self._desired[original]

    def _built(self, id_: ObjectId) -> Keys | None:
        found = [built for built in self._build or () if built.id == id_]
        return dict(_visible(id_.kind, self._built_keys(found))) if found else None

    def _built_keys(self, found: Iterable[BuiltObject]) -> Iterator[tuple[str, SecretValue]]:
        for built in found:
            for key in (
                key for section, keys in built.sections.items() if section != "binaryData" for key in keys or ()
            ):
                value = built_value(built, key)
                if value is not None:
                    yield key, value
                    continue
                where, hint = f"{built.place} {built} key {key}", "encode it, or write it under `stringData`"
                self.errors.append(Refusal(Problem(where, "not base64, which the API server refuses", hint)))


def _visible(kind: str, keys: Iterable[tuple[str, SecretValue]]) -> Iterator[tuple[str, SecretValue]]:
    """Yield what variables can be made of: in a ConfigMap, only text, because the rest goes to `binaryData`."""
    return ((key, value) for key, value in keys if kind == "Secret" or value.is_text())


def _live_keys(live: Live, manager: str, known: Mapping[str, SecretValue] | None) -> Keys:
    """Return a live object's keys, without those that the next sync would remove."""
    if known is None:
        left: set[str] = set()
    else:
        left = {key for key in live.data if {one.name for one in live.owners(Field("data", key))} == {manager}}
    return {key: value for key, value in live.data.items() if key not in live.binary and key not in left}
