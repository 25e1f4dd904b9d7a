"""A real node: kubelet, containerd and runc with a real control plane, all in an enclosure.

https://kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1/,
https://github.com/containerd/containerd/blob/main/docs/cri/config.md, https://www.cni.dev/plugins/current/main/ptp/

The API server listens at the first address of its own services, port 443, so that pods find it as they do everywhere,
without a kube-proxy. Outside, the tests reach it as they reach every RealCluster: on a port of loopback.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, Self

from tests.servers.apiserver import RealCluster
from tests.servers.controllers import Controllers
from tests.servers.enclosure import Enclosure, WayIn, WayOut
from tests.servers.process import Server, free_port
from tests.servers.registry import Registry
from tests.waiting import until

API: Final = "10.96.0.1"
NODE: Final = "10.96.1.1"
OUTSIDE: Final = "10.96.1.2"
"""Where pods find what the tests run: the registry of images, Vault, admission webhooks."""
NAME: Final = "node-1"
SYNC: Final = "2s"
"""How often the kubelet looks at each pod's volumes; by default once in a minute."""
PLUGINS: Final = Path("/usr/lib/cni")  # of Debian's containernetworking-plugins
PACKAGES: Final = ("containernetworking-plugins", "iproute2", "libseccomp-dev", "pkg-config")
_CGROUPS: Final = Path("/sys/fs/cgroup")

CONTAINERD: Final = """
version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
address = "/run/containerd/containerd.sock"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = "{pause}"
[plugins.'io.containerd.cri.v1.images'.registry]
config_path = "{folder}/registries"
[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = "{runc}"
[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ["{plugins}"]
conf_dir = "{folder}/cni"
"""

NETWORK: Final = {
    "cniVersion": "1.0.0",
    "name": "pods",
    "plugins": [
        {
            "type": "ptp",
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "10.97.0.0/24"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
    ],
}


def impossible() -> str:
    """Say what is missing for pods' cgroups and network; empty if nothing is."""
    if not os.access(_CGROUPS / "memory", os.W_OK) and not (_CGROUPS / "cgroup.controllers").exists():
        return "needs cgroups that can be written"
    if not (PLUGINS / "ptp").is_file():
        return f"needs Debian's packages: apt-get install {' '.join(PACKAGES)}"
    return ""


class NodeCluster(RealCluster):
    """A RealCluster inside of an enclosure, with everything that a kubelet's pods need of it."""

    ADDRESSES: ClassVar = (API,)

    def __init__(self, enclosure: Enclosure, etcd: Path, apiserver: Path, kubectl: Path) -> None:
        self._enclosure = enclosure
        super().__init__(etcd, apiserver, kubectl)

    def start(self) -> None:
        """Start both, and wait until the API is ready."""
        port = int(self.url.rpartition(":")[2])
        self._way = WayIn(self._enclosure, port, f"tcp://{API}:443")
        self._way.__enter__()
        super().start()

    def stop(self) -> None:
        """Stop both, and everything else in the enclosure."""
        self._enclosure.stop()
        super().stop()

    def close(self) -> None:
        """Stop everything, and remove the folder."""
        super().close()
        self._way.__exit__()

    def kubelets(self, path: Path) -> Path:
        """Write the kubeconfig of the node's kubelet, which has a node's rights only."""
        content = self.kubeconfig(path, token=self.token_user(f"system:node:{NAME}")).read_text()
        path.write_text(content.replace(self.url, f"https://{API}"))
        return path

    def account_flags(self) -> list[str]:
        """Return what a controller manager needs for service accounts."""
        return [f"--service-account-private-key-file={self._accounts.key}", f"--root-ca-file={self.ca_file}"]

    def _prepare(self) -> None:
        node = f"system:node:{NAME}"
        self._tokens[node] = os.urandom(16).hex()
        super()._prepare()
        tokens = self.folder / "tokens.csv"
        line = f"{self._tokens[node]},{node},{node}"
        tokens.write_text(tokens.read_text().replace(line, f'{line},"system:nodes"'))

    def _apiserver_flags(self) -> list[str]:
        lists = ("--disable-admission-plugins", "--authorization-mode")  # a second flag would only add to these
        return [
            *(flag for flag in super()._apiserver_flags() if not flag.startswith(lists)),
            "--bind-address=0.0.0.0",
            "--secure-port=443",
            f"--advertise-address={NODE}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--kubelet-preferred-address-types=InternalIP",
        ]

    def _command(self, *words: str | Path) -> list[str]:
        return self._enclosure.command(*words)


class Node:
    """One node and its control plane. `layouts` are the images that it can pull."""

    def __init__(self, binaries: Mapping[str, Path], kubectl: Path, layouts: Mapping[str, Path]) -> None:
        self._binaries = binaries
        self._kubectl = kubectl
        self._layouts = layouts
        self._stack = contextlib.ExitStack()
        self._servers: dict[str, Server] = {}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.folder: Path = Path(tempfile.mkdtemp(prefix="bridge-node-"))
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            stack.callback(self._remove_cgroups)
            self.enclosure: Enclosure = stack.enter_context(Enclosure(self.folder, (API, NODE, OUTSIDE)))
            self.registry: Registry = stack.enter_context(Registry(self._layouts, self.listening()))
            self.cluster: NodeCluster = stack.enter_context(
                NodeCluster(self.enclosure, self._binaries["etcd"], self._binaries["kube-apiserver"], self._kubectl)
            )
            manager = self._binaries["kube-controller-manager"]
            stack.enter_context(Controllers(manager, self.cluster, "*", *self.cluster.account_flags()))
            stack.callback(self._start_scheduler().stop)
            self._start_containerd()
            self._start_kubelet()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def listening(self) -> socket.socket:
        """Make a socket to which pods can connect."""
        return self.enclosure.network(lambda: socket.create_server((OUTSIDE, 0)))

    def way_out(self, server: str) -> WayOut:
        """Return a way to a server on our loopback, for pods, at OUTSIDE and its `port`."""
        return WayOut(self.enclosure, OUTSIDE, server)

    def fail_if_over(self) -> None:
        """Raise RuntimeError with the log's end if a process has ended by itself."""
        for name, server in self._servers.items():
            if server.exited() is not None:
                raise RuntimeError(f"{name} ended:\n{server.tail()}")

    def _start_scheduler(self) -> Server:
        config = self.cluster.kubeconfig(self.folder / "scheduler.kubeconfig")
        flags = [
            f"--kubeconfig={config}",
            "--bind-address=127.0.0.1",
            f"--secure-port={free_port()}",
            f"--cert-dir={self.folder / 'scheduler'}",
            "--leader-elect=false",
        ]
        command = [self._binaries["kube-scheduler"], *flags]
        self._servers["kube-scheduler"] = Server(command, self.folder / "kube-scheduler.log")
        return self._servers["kube-scheduler"]

    def _start_containerd(self) -> None:
        cni = self.folder / "cni"
        cni.mkdir()
        (cni / "pods.conflist").write_text(json.dumps(NETWORK))
        host = self.folder / "registries" / self.registry.host / "hosts.toml"
        host.parent.mkdir(parents=True)
        host.write_text(f'server = "http://{self.registry.host}"\n')
        config = self.folder / "containerd.toml"
        config.write_text(
            CONTAINERD.format(
                folder=self.folder,
                pause=self.registry.reference("pause"),
                runc=self._binaries["runc"],
                plugins=PLUGINS,
            )
        )
        self._start("containerd", f"--config={config}")
        runtime = ["test", "-S", "/run/containerd/containerd.sock"]
        until(lambda: self._runs("containerd") and self._inside(*runtime), "containerd never listened")

    def _start_kubelet(self) -> None:
        config = self.folder / "kubelet.json"
        config.write_text(json.dumps(self._kubelet()))
        account = self.cluster.kubelets(self.folder / "kubelet.kubeconfig")
        flags = [f"--config={config}", f"--kubeconfig={account}", f"--hostname-override={NAME}", f"--node-ip={NODE}"]
        self._start("kubelet", *flags)
        until(lambda: self._runs("kubelet") and self._ready(), "the node never got ready")

    def _kubelet(self) -> dict[str, Any]:
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": NODE,
            "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
            "authorization": {"mode": "AlwaysAllow"},
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "syncFrequency": SYNC,
            # This machine is nobody's node: its cgroups are for the pods only, and its disk is as full as it is.
            "failCgroupV1": False,
            "cgroupsPerQOS": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self.folder.name}",
            "enforceNodeAllocatable": [],
            "failSwapOn": False,
            "localStorageCapacityIsolation": False,
            "evictionHard": {"memory.available": "1Mi"},
            "imageGCHighThresholdPercent": 100,
        }

    def _start(self, name: str, *flags: str) -> None:
        folder = self._binaries["containerd-shim-runc-v2"].parent
        environment = {
            "PATH": f"{folder}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
        }
        command = self.enclosure.command(self._binaries[name], *flags)
        self._servers[name] = Server(command, self.folder / f"{name}.log", environment)

    def _runs(self, name: str) -> bool:
        self.fail_if_over()
        return name in self._servers

    def _inside(self, *words: str) -> bool:
        return subprocess.run(self.enclosure.command(*words), capture_output=True, check=False).returncode == 0

    def _ready(self) -> bool:
        reply = self.cluster.request("GET", f"/api/v1/nodes/{NAME}")
        if reply.status != 200 or reply.body["spec"].get("taints"):
            return False
        return {"type": "Ready", "status": "True"}.items() <= _condition(reply.body, "Ready").items()

    def _remove_cgroups(self) -> None:
        """Remove the cgroups of the pods, which have no process any more."""
        for top in [*_CGROUPS.glob(f"*/{self.folder.name}"), *_CGROUPS.glob(self.folder.name)]:
            for path in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
                path.rmdir()
            top.rmdir()


def _condition(body: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return next((one for one in body["status"].get("conditions", []) if one["type"] == kind), {})
