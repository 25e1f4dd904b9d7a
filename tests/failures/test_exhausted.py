"""No more threads, files or memory: 75 before the first write, 5 after it, and the report says so; never a bug."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bridge.cluster.objects import Objects
from bridge.errors import Stopped, Unavailable, ending
from bridge.git import Git, GitError
from bridge.programs import Programs
from bridge.provider import Context, ProviderError
from tests.desk import Desk
from tests.failures.test_bugs import break_after, bugs, write_of

__all__ = ["bugs"]

STARTS = "bridge: error: cannot start another thread or process"
FILES = "bridge: error: too many open files"
MEMORY = "bridge: error: out of memory"

Run = Callable[..., subprocess.CompletedProcess[str]]

NO_THREADS = """
import threading
def start(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = start
"""
FEW_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))
"""

NO_FILE_FOR_REPORT = """
import sys
class Short:
    def find_spec(self, name, path, target=None):
        if name == "bridge.report.talk":
            sys.meta_path.remove(self)
            raise OSError(24, "CANARY-bug")
sys.meta_path.insert(0, Short())
"""
"""The module that reports an error cannot be opened, until the run gives up its spare files."""


@pytest.fixture
def run(offline_desk: Desk, third_party: Path) -> Run:
    """Run bridge in a process of its own, in which something was done before."""

    def run(before: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        home: Mapping[str, str] = {"PATH": os.defpath, "HOME": str(offline_desk.folder)}
        kept = {name: text for name, text in os.environ.items() if name.startswith("COVERAGE_")}
        done = subprocess.run(
            [sys.executable, "-c", f"{before}\nfrom bridge.start import run\nrun()", *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env={
                **home,
                **kept,
                "BRIDGE_CONFIG": str(offline_desk.folder),
                "PYTHONPATH": os.pathsep.join([str(third_party), *sys.path]),
                **environ,
            },
        )
        assert "CANARY" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done

    return run


def test_run_without_any_thread_does_work_alone(offline_desk: Desk, run: Run) -> None:
    """Also with so many objects that threads would write them."""
    many = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"many-{index}"}, "data": {"K": "1"}}
        for index in range(40)
    ]
    offline_desk.write("base/many.yml", "\n---\n".join(map(json.dumps, many)))
    offline_desk.environment(templates=["base/secrets.yml", "base/configmap.yml", "base/many.yml"])
    done = run(NO_THREADS, "sync", "staging")
    assert (done.returncode, done.stderr) == (0, "")
    assert offline_desk.target.data("ConfigMap", "many-39") == {"K": "1"}
    assert run(NO_THREADS, "plan", "staging", "--exit-code").returncode == 0


def test_all_environments_are_written_without_any_thread(offline_desk: Desk, run: Run) -> None:
    done = run(NO_THREADS, "sync", "--all", "--output", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["environments"][0]["result"] == "written"


def test_name_cannot_be_looked_up_without_thread(offline_desk: Desk, run: Run) -> None:
    content = json.loads(offline_desk.kubeconfig.read_text())
    cluster = content["clusters"][0]["cluster"]
    cluster["server"] = cluster["server"].replace("127.0.0.1", "localhost")
    offline_desk.write("kubeconfig", content)
    offline_desk.environment(cluster={"kubeconfig": "kubeconfig"})
    done = run(NO_THREADS, "plan", "staging", "--timeout", "2")
    assert done.returncode == 75
    assert "cannot start a thread to look up its name" in done.stderr


def test_run_without_enough_files_is_temporary_and_says_so(offline_desk: Desk, run: Run) -> None:
    """From the fewest with which Python itself starts to those that are enough."""
    statuses = []
    for limit in range(6, 40):
        before = offline_desk.target.versions()
        done = run(FEW_FILES.format(limit=limit), "sync", "staging")
        statuses.append((limit, done.returncode, done.stderr))
        assert done.returncode in {0, 5, 75}, statuses[-1]
        if done.returncode == 0:
            break
        assert done.returncode == 5 or offline_desk.target.versions() == before
        assert "too many" in done.stderr.lower(), statuses[-1]
    assert statuses[-1][1] == 0
    assert len(statuses) > 1


def test_report_of_run_without_enough_files_is_written_with_spare_ones(run: Run) -> None:
    done = run(NO_FILE_FOR_REPORT, "plan", "nothing", "--output", "json")
    assert (done.returncode, done.stderr.splitlines()[0]) == (75, FILES)
    report = json.loads(done.stdout)
    assert (report["result"], report["errors"][0]["what"]) == ("failed", "too many open files")


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("can't start new thread"), STARTS),
        (OSError(24, "CANARY-bug"), FILES),
        (OSError(23, "CANARY-bug"), FILES),
        (BlockingIOError(11, "CANARY-bug"), STARTS),
        (MemoryError("CANARY-bug"), MEMORY),
        (OSError(12, "CANARY-bug"), MEMORY),
    ],
)
def test_before_first_write_it_is_75_and_after_it_5(
    offline_desk: Desk, bugs: pytest.MonkeyPatch, error: Exception, line: str
) -> None:
    offline_desk.canaries.add("CANARY-bug")

    def short(*_: object) -> BaseException:
        return error

    for form in ("text", "json"):
        break_after(bugs, Objects, "get", short)
        result = offline_desk.run("sync", "staging", "--output", form)
        assert (result.status, result.lines[0]) == (75, line)
        assert offline_desk.target.versions() == {}
        if form == "json":
            assert result.data["errors"][0]["what"] in line
        bugs.undo()
    break_after(bugs, Objects, "apply", short, on=write_of("agent-secrets"))
    result = offline_desk.run("sync", "staging", "--output", "json")
    assert (result.status, result.lines[0]) == (5, line)
    assert result.data["result"] == "stopped"
    bugs.undo()
    assert offline_desk.run("sync", "staging").status == 0


def test_provider_that_cannot_go_on_is_temporary(offline_desk: Desk, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import bridge_plain  # noqa: PLC0415

    def read(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(bridge_plain.PlainSession, "read", read)
    result = offline_desk.run("plan", "staging")
    assert (result.status, result.lines[0]) == (75, STARTS.replace("error: ", "error: plain:values.json: "))


def test_file_that_cannot_be_opened_for_now_is_no_mistake_of_it(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def few(path: object, *more: object, **options: object) -> int:
        if str(path).endswith("secrets.yml"):
            raise OSError(24, "Too many open files")
        return real(path, *more, **options)

    monkeypatch.setattr("os.open", few)
    result = offline_desk.run("plan", "staging")
    assert (result.status, result.lines[0]) == (
        75,
        "bridge: error: base/secrets.yml: cannot be read: too many open files",
    )


def test_credential_plugin_that_cannot_be_started_for_now_is_temporary(
    offline_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = json.loads(offline_desk.kubeconfig.read_text())
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/true", "interactiveMode": "Never"}
    content["users"][0]["user"] = {"exec": plugin}
    offline_desk.write("kubeconfig", content)
    monkeypatch.setenv("KUBECONFIG", str(offline_desk.kubeconfig))  # the operator's choice, so it may start programs

    def start(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "CANARY-bug")

    monkeypatch.setattr("subprocess.Popen.__init__", start)
    monkeypatch.setattr("subprocess.Popen.__del__", lambda _: None)  # it was never begun
    result = offline_desk.run("plan", "staging")
    assert (result.status, "CANARY" in result.err) == (75, False)


@pytest.mark.parametrize("problem", [OSError(24, "x"), BlockingIOError(11, "x")])
def test_programs_that_cannot_be_started_for_now_leave_reason(
    problem: OSError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever turns their errors into an end of the run looks for it: `errors.shortage`."""

    def start(*_: object, **__: object) -> None:
        raise problem

    monkeypatch.setattr("subprocess.Popen.__init__", start)
    monkeypatch.setattr("subprocess.Popen.__del__", lambda _: None)
    with pytest.raises(GitError) as git:
        Git(tmp_path, {"PATH": os.defpath}).run("rev-parse", deadline=time.monotonic() + 30)
    with pytest.raises(ProviderError) as program:
        Programs(Context(Path(), {}, time.monotonic() + 30)).run("it", ["/bin/true"], {}, b"", 100)
    assert isinstance(ending(git.value, touched=False), Unavailable)
    assert isinstance(ending(program.value, touched=False), Unavailable)
    assert isinstance(ending(program.value, touched=True), Stopped)
