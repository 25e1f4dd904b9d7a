"""Which modules a run loads: starting is a large part of what a short run takes."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.testing.apiserver import EmbeddedCluster
from tests.servers.client import Client

CONFIG = Path(__file__).parents[2] / "config"
SLOW = {"kubernetes", "hvac", "boto3", "requests", "urllib3", "asyncio", "concurrent"}
Loaded = Callable[..., set[str]]
STAGING = ("staging", "--config", str(CONFIG))


# Not -X importtime, which writes to stderr: that is closed to everybody else while a run goes on.
RUN = """
import os, sys
told = os.open(sys.argv.pop(1), os.O_WRONLY)
sys.addaudithook(lambda event, args: event == "import" and os.write(told, f"{args[0]}\\n".encode()))
from bridge.start import run
run()
"""
# The run's own modules are loaded only once it has connected; if it connects later, this waits in vain.
CONNECTING = """
import _thread, os, sys
told = os.open(sys.argv.pop(1), os.O_WRONLY)
own = ("bridge.commands.results", "bridge.plan", "bridge.sources", "bridge.run.inputs", "bridge_providers")
waiting, seen = _thread.allocate_lock(), []
waiting.acquire()
def note(event, args):
    if event == "socket.connect" and waiting.locked():
        waiting.release()
    if event == "import" and args[0].startswith(own) and not seen:
        seen.append(args[0])
        os.write(told, "\\n".join(sys.modules).encode())
        if not waiting.acquire(timeout=60):
            os._exit(9)
sys.addaudithook(note)
from bridge.start import run
run()
"""

# The first string that is compiled costs a millisecond, because Python prepares its syntax trees for it.
COMPILING = """
import os, sys
told = os.open(sys.argv.pop(1), os.O_WRONLY)
def note(event, args):
    if event == "compile" and sys._getframe(1).f_globals.get("__name__") == "typing":
        os.write(told, f"{args[0]!r}\\n".encode())
sys.addaudithook(note)
from bridge.start import run
run()
"""

PRELOADED = f"""
import math, sys
from pathlib import Path
from bridge.provider import Context
from bridge_providers.sops import Sops
provider = Sops(age_key_file="demo.agekey")
provider.preload()
before = set(sys.modules)
provider.open(Context(Path({str(CONFIG)!r}), {{}}, math.inf)).read("staging.sops.yaml")
print(*sorted(set(sys.modules) - before))
"""

VAULT = """
import sys
from bridge_providers.vault import Vault
provider = Vault(address="https://vault.example", mount="kv", auth={"method": "kubernetes", "role": "staging"})
print(*{"dataclasses", "inspect", "hvac"} & set(sys.modules))
provider.preload()
print("hvac" in sys.modules)
"""


def alone(script: str) -> "subprocess.CompletedProcess[str]":
    """Run a script without the variables that make Python import more, such as coverage's."""
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env={"PATH": os.defpath}, capture_output=True, text=True, timeout=60, check=True)


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    """Return a function that gives the modules which a run of bridge loads, as Python itself tells them."""

    def loaded(*arguments: str, script: str = RUN, **environ: str) -> set[str]:
        told = tmp_path / "told"
        told.touch()
        done = subprocess.run(
            [sys.executable, "-c", script, str(told), *arguments],
            env={"PATH": os.defpath, **environ},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return set(told.read_text().splitlines())

    return loaded


def instructions(valgrind: str, *arguments: str, **environ: str) -> int:
    """Return how many instructions Python executes with these arguments: the same on a slow machine and a fast one."""
    command = [valgrind, "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", sys.executable]
    done = subprocess.run(
        [*command, *arguments],
        env={"PATH": os.defpath, "PYTHONHASHSEED": "0", **environ},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counted = re.search(r"I +refs: +([\d,]+)", done.stderr)
    assert counted, done.stderr
    return int(counted[1].replace(",", ""))


@pytest.fixture(scope="module")
def spent(valgrind: str) -> Callable[..., float]:
    """Return a function that gives how many million instructions a run of bridge executes more than Python alone."""
    alone = instructions(valgrind, "-c", "pass")
    return lambda *command, **environ: (instructions(valgrind, "-m", "bridge", *command, **environ) - alone) / 1e6


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


@contextmanager
def cluster(kubeconfig: Path) -> Iterator[None]:
    """Run a cluster that has the demonstration's namespace."""
    with EmbeddedCluster() as embedded:
        embedded.write_kubeconfig(kubeconfig)
        namespace = {"metadata": {"name": "voice-agent-staging"}}
        assert Client(embedded.url, embedded.token).request("POST", "/api/v1/namespaces", namespace).status == 201
        yield


def test_version_needs_command_line_alone(loaded: Loaded) -> None:
    modules = loaded("--version")
    assert not packages(modules) & {*SLOW, "yaml", "ssl", "cryptography", "pyrage", "bridge_providers", "json"}
    assert not {name for name in modules if name.startswith(("bridge.commands", "bridge.config", "bridge.sources"))}
    assert not modules & {"logging", "threading", "ctypes", "dataclasses", "inspect", "shutil"}


@pytest.mark.parametrize("topic", [(), ("sops",), ("sync",)])
def test_help_needs_little_more_than_command_line(loaded: Loaded, topic: tuple[str, ...]) -> None:
    modules = loaded("help", *topic)
    assert not packages(modules) & {*SLOW, "yaml", "ssl", "bridge_providers", "json", "subprocess"}
    assert not {name for name in modules if name.startswith(("bridge.config", "bridge.sources", "bridge.cluster"))}


def test_check_loads_no_client_of_server(loaded: Loaded) -> None:
    modules = loaded("check", *STAGING)
    assert {"bridge", "bridge_providers", "yaml"} <= packages(modules)
    assert not packages(modules) & {*SLOW, "ssl", "http", "pyrage", "cryptography", "dataclasses", "inspect"}
    assert "bridge_providers.vault" not in modules  # whose rules of addresses are for a file with a key in Vault
    assert not {name for name in modules if name.startswith("bridge.cluster")}


def test_exec_of_public_variables_loads_neither_client_nor_key(loaded: Loaded) -> None:
    modules = loaded("exec", *STAGING, "--", "true")
    assert {"bridge", "yaml"} <= packages(modules)
    assert not packages(modules) & {*SLOW, "ssl", "http", "pyrage"}
    assert not {name for name in modules if name.startswith(("bridge.cluster", "bridge.scan"))}


def test_guard_loads_no_client_of_server_either(loaded: Loaded, tmp_path: Path) -> None:
    build = tmp_path / "build.yaml"
    build.write_text("apiVersion: v1\nkind: Service\nmetadata: {name: agent}\n")
    shutil.copytree(CONFIG, tmp_path / "config")  # in no repository, so git is not started either
    modules = loaded("check", "staging", "--config", str(tmp_path / "config"), "--manifests", str(build))
    assert {"bridge", "yaml"} <= packages(modules)
    assert not packages(modules) & {*SLOW, "ssl", "http", "pyrage", "subprocess"}
    assert not {name for name in modules if name.startswith("bridge.cluster")}


@pytest.mark.parametrize("command", [("plan",), ("sync", "--first")])
def test_run_with_kubeconfig_loads_no_slow_package(loaded: Loaded, command: tuple[str, ...], tmp_path: Path) -> None:
    with cluster(tmp_path / "kubeconfig"):
        modules = loaded(*command, *STAGING, KUBECONFIG=str(tmp_path / "kubeconfig"))
    assert {"bridge", "bridge_providers", "ssl", "http", "pyrage"} <= packages(modules)
    assert not packages(modules) & SLOW
    assert not modules & {"logging", "shutil", "tempfile", "dataclasses", "inspect", "bridge_providers.scaleway"}


@pytest.mark.parametrize("command", [("plan",), ("sync", "--first")])
def test_run_compiles_no_annotation(loaded: Loaded, command: tuple[str, ...], tmp_path: Path) -> None:
    with cluster(tmp_path / "kubeconfig"):
        compiled = loaded(*command, *STAGING, script=COMPILING, KUBECONFIG=str(tmp_path / "kubeconfig"))
    assert compiled == set()


@pytest.mark.parametrize("command", [("plan",), ("status",), ("sync", "--first")])
def test_run_connects_while_its_own_modules_are_loaded(
    loaded: Loaded, command: tuple[str, ...], tmp_path: Path
) -> None:
    with cluster(tmp_path / "kubeconfig"):
        before = loaded(*command, *STAGING, script=CONNECTING, KUBECONFIG=str(tmp_path / "kubeconfig"))
    assert {"ssl", "http.client", "bridge.cluster.connect"} <= before


def test_run_connects_before_it_loads_what_it_sends_requests_with() -> None:
    """A far server's answer to the first packet takes as long as importing http.client."""
    done = alone("import sys, bridge.commands.arguments, bridge.run.line; print(*sorted(sys.modules))")
    before = set(done.stdout.split())
    assert {"bridge.cluster.connect", "bridge.http.ahead", "ssl"} <= before
    assert not packages(before) & {"http", "email", "json", "hmac", "cryptography", "pyrage"}


def test_sops_loads_everything_that_read_needs_while_run_connects() -> None:
    done = alone(PRELOADED)
    assert done.stdout == "\n"


def test_vault_loads_hvac_while_run_connects_and_not_before() -> None:
    done = alone(VAULT)
    assert done.stdout == "\nTrue\n"


def test_connecting_threads_do_not_wait_long_for_main_thread() -> None:
    main = "lambda: print(sys.getswitchinterval(), flush=True) or 0"
    code = f"import sys; from bridge import cli; cli.main = {main}; cli.run()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert float(done.stdout) < 0.001


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the budget was counted with Python 3.11")
@pytest.mark.parametrize(
    ("command", "millions"),
    [(("--version",), 39), (("--help",), 49), (("check", *STAGING), 329), (("plan", *STAGING), 426)],
)
def test_start_stays_within_its_budget(
    loaded: Loaded, command: tuple[str, ...], millions: int, tmp_path: Path, spent: Callable[..., float]
) -> None:
    """A run may execute so many million instructions more than Python alone, about 3 % above what was counted last."""
    with cluster(tmp_path / "kubeconfig"):
        environ = {"KUBECONFIG": str(tmp_path / "kubeconfig")}
        loaded(*command, **environ)  # compiles what is not yet
        assert spent(*command, **environ) <= millions


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the budget was counted with Python 3.11")
def test_first_write_stays_within_its_budget(loaded: Loaded, tmp_path: Path, spent: Callable[..., float]) -> None:
    """A plan, and 23 more requests, 5 Events and the state. A sync with nothing to change executes less."""
    command, environ = ("sync", "--first", *STAGING), {"KUBECONFIG": str(tmp_path / "kubeconfig")}
    with cluster(tmp_path / "kubeconfig"):
        loaded(*command, **environ)  # compiles what is not yet
    with cluster(tmp_path / "kubeconfig"):
        assert spent(*command, **environ) <= 461
