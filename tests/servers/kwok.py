"""kwok plays one node: pods on it become ready at once, and go at once when they are deleted. https://kwok.sigs.k8s.io/."""

import json
from pathlib import Path
from typing import Final, Self

from tests.servers.apiserver import RealCluster
from tests.servers.client import MERGE
from tests.servers.process import Server, free_port

NODE: Final = "kwok-node"
"""The node's name. There is no scheduler: a pod template names the node itself (`nodeName`)."""

_GONE: Final = {"key": ".metadata.deletionTimestamp", "operator": "Exists"}
_STAYS: Final = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}

_NODE_READY: Final = """
{{ $now := Now }}
conditions:
- {type: Ready, status: "True", reason: KubeletReady, message: played by kwok, lastTransitionTime: {{ $now | Quote }}}
addresses:
- {type: InternalIP, address: 127.0.0.1}
allocatable: {cpu: "1000", memory: 1Ti, pods: "1000"}
capacity: {cpu: "1000", memory: 1Ti, pods: "1000"}
phase: Running
"""

_POD_READY: Final = """
{{ $now := Now }}
conditions:
- {type: Ready, status: "True", lastTransitionTime: {{ $now | Quote }}}
- {type: ContainersReady, status: "True", lastTransitionTime: {{ $now | Quote }}}
containerStatuses:
{{ range .spec.containers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  ready: true
  restartCount: 0
  state: {running: {startedAt: {{ $now | Quote }}}}
{{ end }}
hostIP: 127.0.0.1
podIP: 127.0.0.1
phase: Running
startTime: {{ $now | Quote }}
"""


class Kwok:
    """kwok against a RealCluster. `stop` and `start` switch the node off and on: while it is off, no pod gets ready."""

    def __init__(self, binary: Path, cluster: RealCluster) -> None:
        self._binary = binary
        self._cluster = cluster
        self._server: Server | None = None

    def __enter__(self) -> Self:
        reply = self._cluster.request("POST", "/api/v1/nodes", {"metadata": {"name": NODE}})
        if reply.status not in (201, 409):
            raise RuntimeError(f"the node was not created: {reply}")
        # The API server taints a new node as not ready, and no controller is here to take that away again.
        self._cluster.request("PATCH", f"/api/v1/nodes/{NODE}", {"spec": {"taints": None}}, MERGE)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start kwok; harmless where it runs."""
        if self._server is not None:
            return
        folder = self._cluster.folder
        config = folder / "kwok.json"
        config.write_text("\n---\n".join(json.dumps(stage) for stage in _stages()))
        flags = [
            f"--kubeconfig={self._cluster.kubeconfig(folder / 'kwok.kubeconfig')}",
            f"--config={config}",
            f"--manage-single-node={NODE}",
            f"--server-address=127.0.0.1:{free_port()}",
            "--node-ip=127.0.0.1",
        ]
        self._server = Server([self._binary, *flags], folder / "kwok.log", {"HOME": str(folder), "PATH": ""})

    def stop(self) -> None:
        """Stop kwok; harmless where it does not run."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def fail_if_over(self) -> None:
        """Raise RuntimeError with the log's end where the process has ended by itself."""
        if self._server is not None and self._server.exited() is not None:
            raise RuntimeError(f"kwok ended:\n{self._server.tail()}")


def _stages() -> list[dict[str, object]]:
    ready = '.status.conditions.[] | select( .type == "Ready" ) | .status'
    return [
        _stage("node-ready", "Node", [{"key": ready, "operator": "NotIn", "values": ["True"]}], _NODE_READY),
        _stage("pod-ready", "Pod", [_STAYS, {"key": ".status.podIP", "operator": "DoesNotExist"}], _POD_READY),
        _stage("pod-gone", "Pod", [_GONE], None),
    ]


def _stage(name: str, kind: str, when: list[dict[str, object]], status: str | None) -> dict[str, object]:
    """Make a stage: what becomes of a node or pod, as soon as the expressions hold."""
    following = {"finalizers": {"empty": True}, "delete": True} if status is None else {"statusTemplate": status}
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": when},
            "next": following,
        },
    }
