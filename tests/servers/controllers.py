"""A real kube-controller-manager beside a RealCluster, for rollouts and jobs: https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/."""

from pathlib import Path
from typing import Final, Self

from tests.servers.apiserver import RealCluster
from tests.servers.process import Server, free_port

# Those that roll workloads and run jobs, and no other: elsewhere in the tests nothing acts by itself.
CONTROLLERS: Final = (
    "deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller,"
    "cronjob-controller,job-controller"
)


class Controllers:
    """kube-controller-manager as the administrator, on loopback; what it does shows in the cluster alone."""

    def __init__(self, binary: Path, cluster: RealCluster, names: str = CONTROLLERS, *flags: str) -> None:
        self._binary = binary
        self._cluster = cluster
        self._names = names
        self._flags = flags
        self._server: Server | None = None

    def __enter__(self) -> Self:
        config = self._cluster.kubeconfig(self._cluster.folder / "controllers.kubeconfig")
        flags = [
            f"--kubeconfig={config}",
            f"--controllers={self._names}",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
            f"--cert-dir={self._cluster.folder / 'controllers'}",  # where it puts a certificate of its own making
            "--leader-elect=false",
            "--kube-api-qps=200",
            "--kube-api-burst=200",
            *self._flags,
        ]
        self._server = Server([self._binary, *flags], self._cluster.folder / "kube-controller-manager.log")
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def fail_if_over(self) -> None:
        """Raise RuntimeError with the log's end where the process has ended by itself."""
        if self._server is not None and self._server.exited() is not None:
            raise RuntimeError(f"kube-controller-manager ended:\n{self._server.tail()}")
