"""The files that a kubeconfig names, and the kubeconfig itself: bounded in size and time, whatever they are."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge import process
from bridge.cluster import kubeconfig
from bridge.cluster.connect import Endpoint, Search, connect
from bridge.config import textfile
from bridge.errors import ConfigError
from tests.cluster.wire import assert_clean
from tests.servers.pki import Authority

FIELDS = ["certificate-authority", "client-certificate", "client-key", "tokenFile"]


def content(field: str, path: str) -> str:
    cluster: dict[str, Any] = {"server": "https://cluster.example"}
    user: dict[str, Any] = {"token": "t"} if field == "certificate-authority" else {}
    if field == "client-key":
        user["client-certificate-data"] = "Q0FOQVJZ"
    (cluster if field == "certificate-authority" else user)[field] = path
    return yaml.safe_dump(
        {
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": user}],
        }
    )


def load(folder: Path, text: str, seconds: float = 60) -> Endpoint:
    (folder / "config").write_text(text)
    environ = {"KUBECONFIG": str(folder / "config")}
    return connect(Search(None, None, environ, deadline=time.monotonic() + seconds, pod=folder / "nowhere"))


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(ConfigError) as caught:
        act()
    assert_clean(caught.value, "CANARY", frames=False)
    return str(caught.value)


def fed(path: Path, data: bytes) -> threading.Thread:
    """Make a pipe, and a thread that writes into it once somebody reads."""
    os.mkfifo(path)
    thread = threading.Thread(target=path.write_bytes, args=(data,), daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/dev/zero", "neither a regular file nor a pipe"),
        ("/", "neither a regular file nor a pipe"),
        ("large", "larger than 1 MiB"),
        ("pipe", "no data from the pipe in time"),
    ],
)
def test_file_that_never_ends_is_refused(tmp_path: Path, field: str, path: str, reason: str) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(kubeconfig.MOST + 1)
    os.mkfifo(tmp_path / "pipe")
    message = refused(lambda: load(tmp_path, content(field, path), seconds=0.2))
    assert message.endswith(f"{field}: cannot read {tmp_path / path}: {reason}")


@pytest.mark.parametrize(
    ("path", "reason"),
    [("/dev/zero", "neither a regular file nor a pipe"), ("pipe", "no data from the pipe in time")],
)
def test_kubeconfig_that_never_ends_is_refused(tmp_path: Path, path: str, reason: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    file = tmp_path / path
    message = refused(
        lambda: connect(Search(file, None, {}, deadline=time.monotonic() + 0.2, pod=tmp_path / "nowhere"))
    )
    assert message == f"{file}: cannot read this kubeconfig: {reason}"


def test_large_kubeconfig_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "config").open("wb") as file:
        file.truncate(textfile.LIMIT + 1)
    message = refused(lambda: connect(Search(tmp_path / "config", None, {}, pod=tmp_path / "nowhere")))
    assert message == f"{tmp_path / 'config'}: cannot read this kubeconfig: larger than 16 MiB"


@pytest.mark.parametrize("name", ["token", "ca.crt"])
def test_pods_file_that_never_ends_is_refused(tmp_path: Path, name: str) -> None:
    Authority(tmp_path)
    (tmp_path / "token").write_text("t")
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero" if name == "ca.crt" else "large")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(kubeconfig.MOST + 1)
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    assert f"cannot read {tmp_path / name}: " in refused(lambda: connect(Search(None, None, environ, pod=tmp_path)))


def test_pipes_that_end_are_read(tmp_path: Path) -> None:
    token = fed(tmp_path / "token", b"CANARY-token\n")
    file = fed(tmp_path / "kubeconfig", content("tokenFile", "token").encode())
    found = connect(Search(tmp_path / "kubeconfig", None, {}, deadline=time.monotonic() + 60, pod=tmp_path / "nowhere"))
    assert found.headers() == {"Authorization": "Bearer CANARY-token"}
    token.join()
    file.join()


def test_pipe_is_read_once_in_run_and_again_in_next_one(tmp_path: Path) -> None:
    search = Search(tmp_path / "kubeconfig", None, {}, deadline=time.monotonic() + 60, pod=tmp_path / "nowhere")
    for run in ("first", "second"):
        token = fed(tmp_path / "token", f"CANARY-{run}\n".encode())
        file = fed(tmp_path / "kubeconfig", content("tokenFile", "token").encode())
        with process.own():
            for _ in range(2):
                assert connect(search).headers() == {"Authorization": f"Bearer CANARY-{run}"}
        token.join()
        file.join()
        (tmp_path / "token").unlink()
        (tmp_path / "kubeconfig").unlink()


def test_pipe_that_holds_more_than_later_reader_takes_is_refused(tmp_path: Path) -> None:
    fed(tmp_path / "pipe", b"x" * 3).join(0)
    with process.own():
        assert textfile.read_bounded(tmp_path / "pipe", time.monotonic() + 60, 3) == b"xxx"
        with pytest.raises(OSError, match="larger than"):
            textfile.read_bounded(tmp_path / "pipe", time.monotonic() + 60, 2)


@pytest.mark.parametrize("path", ["a\0b", "\ud800"])
@pytest.mark.parametrize("field", FIELDS)
def test_path_invalid_on_this_system_is_reported(tmp_path: Path, field: str, path: str) -> None:
    text = content(field, "PATH").replace("PATH", '"a\\0b"' if "\0" in path else '"\\ud800"')
    message = refused(lambda: load(tmp_path, text))
    assert f"{field}: its path is invalid on this system" in message or "not valid YAML" in message


def test_second_document_is_reported(tmp_path: Path) -> None:
    text = content("tokenFile", "token")
    lines = len(text.splitlines())
    message = refused(lambda: load(tmp_path, f"{text}---\na: CANARY\n"))
    assert message == f"{tmp_path}/config: has a second YAML document at line {lines + 1}; a kubeconfig must have one"
