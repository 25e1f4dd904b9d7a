"""Other commands than `sync` that write to the cluster, as targets: the API server's faults meet their calls too."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from tests.faults.kinds import SERVERS, SIGNALS, Fault
from tests.servers.client import Client, Reply
from tests.waiting import until

if TYPE_CHECKING:
    from tests.faults.targets import Cluster, Servers

COMMAND_NAMES: Final = ("sync --all", "sync --restart", "set --sync", "rollback")
_NAMES: Final = (
    "refuses the connection",
    "resets the connection after the request, and carries it out",
    "carries out the request and never answers",
    "answers 403",
    "answers 404",
    "answers 409",
    "answers 429, Retry-After in seconds",
    "answers 500",
    "drops the connection in the middle of the answer",
    "answers with another JSON",
)
OF_COMMANDS: Final[tuple[Fault, ...]] = (*(fault for fault in SERVERS if fault.name in _NAMES), *SIGNALS)
"""A sample of the faults: one of each kind that commands treat differently."""
STORE: Final = "the store"
WORKLOAD: Final = "Deployment/agent"
_ANNOTATION: Final = "bridge/faults"

Values = Mapping[str, str]


class Vault:
    """A document in Vault (KV version 2), whose revisions a command writes or copies."""

    def __init__(self, servers: "Servers", mount: str) -> None:
        self._client: Final = Client(servers.vault)
        self._token: Final = servers.vault_token
        self._mount: Final = mount
        self.environment: Final[dict[str, Any]] = {
            "sources": ["vault:app"],
            "providers": {"vault": {"address": servers.vault, "mount": mount, "kv_version": 2}},
        }
        self.environ: Final = {"VAULT_ADDR": servers.vault, "VAULT_TOKEN": self._token}
        self._do("POST", f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}})
        until(lambda: self._ask("POST", f"{mount}/config", {"max_versions": 10}).status < 300)  # it is made later

    def write(self, values: Values) -> str:
        """Write a revision; return its number."""
        return str(self._do("POST", f"{self._mount}/data/app", {"data": dict(values)})["data"]["version"])

    def read(self) -> tuple[str, Values]:
        """Return the newest revision, and its values."""
        data = self._do("GET", f"{self._mount}/data/app")["data"]
        return str(data["metadata"]["version"]), data["data"]

    def _do(self, method: str, path: str, body: object = None) -> Any:
        reply = self._ask(method, path, body)
        assert reply.status in {200, 204}, reply
        return reply.body

    def _ask(self, method: str, path: str, body: object = None) -> Reply:
        return self._client.request(method, f"/v1/{path}", body, headers={"X-Vault-Token": self._token})


class Command:
    """`bridge sync` with a change of every kind, and what other commands do instead."""

    words: tuple[str, ...] = ("sync", "staging")
    flags: tuple[str, ...] = ("--allow-shrink", "--prune")
    stdin = ""
    is_whole = True
    """Whether it may create and delete objects."""

    def begin(self, values: Values, cluster: "Cluster") -> None:
        """Prepare a turn at whose end everything is to have these values."""

    def ready(self, cluster: "Cluster") -> None:
        """Prepare a run."""

    def see(self, cluster: "Cluster") -> dict[str, tuple[str, Values]]:
        """Return what it changes besides the objects: the version and the content, by name."""
        return {}

    def want(self, values: Values) -> dict[str, Values]:
        """Return the content that this must have at the end of a turn."""
        return {}


class SyncAll(Command):
    """`bridge sync --all`, which has threads of its own also for a single environment."""

    words = ("sync", "--all")


class SyncWithRestart(Command):
    """`bridge sync --restart`, with a workload that uses the Secret. No controller runs, so it is played here."""

    flags = (*Command.flags, "--restart")

    def __init__(self) -> None:
        self._before = ""

    def begin(self, values: Values, cluster: "Cluster") -> None:
        """Remember the mark that the workload has from the last turn."""
        self._before = _mark(_deployment(cluster))

    def ready(self, cluster: "Cluster") -> None:
        """Let the controller have seen the workload."""
        deployment = _deployment(cluster)
        deployment["status"] = {"observedGeneration": deployment["metadata"]["generation"]}
        cluster.ask("PUT", f"{_path(cluster, 'deployments')}/agent/status", deployment)

    def see(self, cluster: "Cluster") -> dict[str, tuple[str, Values]]:
        """Return whether the workload is restarted since the turn began."""
        mark = _mark(_deployment(cluster))
        return {WORKLOAD: (mark, {"restarted": "no" if mark == self._before else "yes"})}

    def want(self, values: Values) -> dict[str, Values]:
        """Return the content of a restarted workload."""
        return {WORKLOAD: {"restarted": "yes"}}


class SetValue(Command):
    """`bridge set --sync` of one value."""

    words = ("set", "staging")
    flags: tuple[str, ...] = ("PASSWORD", "--sync", "--yes")
    is_whole = False

    def __init__(self, store: Vault) -> None:
        self.store: Final = store
        self._last: Values = {"PASSWORD": "CANARY-password-0", "OTHER": "CANARY-other-0"}

    def begin(self, values: Values, cluster: "Cluster") -> None:
        """Write everything but the value to set."""
        self.store.write({**values, "PASSWORD": self._last["PASSWORD"]})
        self._last, self.stdin = values, values["PASSWORD"]

    def see(self, cluster: "Cluster") -> dict[str, tuple[str, Values]]:
        """Return the document."""
        return {STORE: self.store.read()}

    def want(self, values: Values) -> dict[str, Values]:
        """Return the document with all values."""
        return {STORE: values}


class Rollback(SetValue):
    """`bridge rollback` to the revision before the newest."""

    words = ("rollback", "staging")

    def begin(self, values: Values, cluster: "Cluster") -> None:
        """Write the wanted values, and then the earlier ones again."""
        revision = self.store.write(values)
        self.store.write(self._last)
        self._last = values
        self.flags = ("--source", "vault:app", "--to", revision, "--yes")


def _path(cluster: "Cluster", plural: str) -> str:
    return f"/apis/apps/v1/namespaces/{cluster.namespace}/{plural}"


def _mark(deployment: dict[str, Any]) -> str:
    return str((deployment["spec"]["template"]["metadata"].get("annotations") or {}).get(_ANNOTATION, ""))


def _deployment(cluster: "Cluster") -> dict[str, Any]:
    found = cluster.ask("GET", f"{_path(cluster, 'deployments')}/agent")
    return found if found["kind"] == "Deployment" else _create(cluster)


def _create(cluster: "Cluster") -> dict[str, Any]:
    """Create the workload and its first ReplicaSet, so that it counts as rolled out before every change."""
    spec = {
        "selector": {"matchLabels": {"app": "agent"}},
        "template": {
            "metadata": {"labels": {"app": "agent"}},
            "spec": {"containers": [{"name": "main", "image": "voice", "envFrom": [{"secretRef": {"name": "app"}}]}]},
        },
    }
    made = cluster.ask("POST", _path(cluster, "deployments"), {"metadata": {"name": "agent"}, "spec": spec})
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "agent", "uid": made["metadata"]["uid"]}
    metadata = {"name": "agent-1", "ownerReferences": [owner]}
    cluster.ask("POST", _path(cluster, "replicasets"), {"metadata": metadata, "spec": spec})
    return made


def of_vault(name: str, store: Vault) -> Command:
    """Return one of `COMMAND_NAMES` that writes to a store."""
    return {"set --sync": SetValue, "rollback": Rollback}[name](store)
