"""A write that is killed, raced or refused leaves the file as it was, or as it should be; never anything else."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bridge.provider import Conflict, Denied, Unavailable
from bridge_providers.sops import replace
from tests.providers.sops.folder import opened, sealed

WRITER = """
import os, signal, sys, time
from pathlib import Path
from bridge.provider import Context, Document, Revision, SecretValue
from bridge_providers.sops import Sops
from bridge_providers.sops import replace
step, name = sys.argv[1], sys.argv[2]

def dies(before):
    real = getattr(os, before)
    def die(*arguments, **keywords):
        os.kill(os.getpid(), signal.SIGKILL)
    setattr(os, before, die)

if step == "half":
    def write(temporary, new, model):
        Path(temporary).write_bytes(new[:100])
        os.kill(os.getpid(), signal.SIGKILL)
    replace._write = write
elif step == "moved":
    replace._sync = lambda folder: os.kill(os.getpid(), signal.SIGKILL)
elif step != "none":
    dies(step)
session = Sops().open(Context(Path.cwd(), dict(os.environ), time.monotonic() + 60))
expect = session.read(name).revision if Path(name).exists() else None
tree = {"a": SecretValue(b"new"), "b": SecretValue(b"CANARY-2")}
session.write(name, Document((tree,), Revision("x")), expect=expect)
"""


def run(folder, step, name="a.yaml"):
    environ = {**os.environ, **folder.context().environ}
    command = [sys.executable, "-c", WRITER, step, name]
    return subprocess.run(command, cwd=folder.path, env=environ, capture_output=True, check=False, timeout=60)


@pytest.fixture
def desk(folder):
    folder.write(".sops.yaml", json.dumps({"creation_rules": [{"age": folder.recipient}]}))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("step", ["half", "fchmod", "fsync", "replace", "moved"])
def test_killed_write_leaves_old_file_or_new_one(desk, step):
    desk.store("a.yaml", [{"a": "CANARY-1"}])
    before = (desk.path / "a.yaml").read_bytes()
    assert run(desk, step).returncode == -signal.SIGKILL
    if step == "moved":
        assert desk.values("a.yaml") == [{"a": ("text", b"new"), "b": ("text", b"CANARY-2")}]
    else:
        assert (desk.path / "a.yaml").read_bytes() == before
        assert (desk.path / replace.TEMPORARY).exists()
    assert all(b"CANARY" not in content for content in desk.files().values())
    assert run(desk, "none").returncode == 0
    assert desk.values("a.yaml") == [{"a": ("text", b"new"), "b": ("text", b"CANARY-2")}]
    assert {path.name for path in desk.files()} == {".sops.yaml", "a.yaml"}


@pytest.mark.slow
@pytest.mark.parametrize("step", ["half", "fsync", "link", "moved"])
def test_killed_first_write_leaves_no_file_or_whole_one(desk, step):
    assert run(desk, step).returncode == -signal.SIGKILL
    assert (desk.path / "a.yaml").exists() is (step == "moved")
    assert all(b"CANARY" not in content for content in desk.files().values())
    assert run(desk, "none").returncode == 0
    assert {path.name for path in desk.files()} == {".sops.yaml", "a.yaml"}
    assert desk.values("a.yaml") == [{"a": ("text", b"new"), "b": ("text", b"CANARY-2")}]


def test_of_many_writers_at_once_one_wins(desk):
    first = desk.store("a.yaml", [{"a": "0"}])
    outcomes = []

    def write(number):
        try:
            desk.store("a.yaml", [{"a": str(number)}], first)
            outcomes.append(number)
        except Conflict:
            outcomes.append(None)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = filter(None, outcomes)
    assert len(outcomes) == 8
    assert desk.values("a.yaml") == [{"a": ("text", str(winner).encode())}]


def test_of_many_that_make_file_one_wins(desk):
    outcomes = []

    def write(number):
        try:
            outcomes.append(desk.store("a.yaml", [{"a": str(number)}]))
        except Conflict:
            outcomes.append(None)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = filter(None, outcomes)
    assert desk.read("a.yaml").revision == winner


def test_change_by_editor_just_before_rename_is_conflict(desk, monkeypatch):
    revision = desk.store("a.yaml", [{"a": "CANARY-1"}])
    write = replace._write

    def edited(temporary, new, model):
        write(temporary, new, model)
        (desk.path / "a.yaml").write_bytes(b"theirs")

    monkeypatch.setattr(replace, "_write", edited)
    with pytest.raises(Conflict, match="another client changed it in the meantime"):
        desk.store("a.yaml", [{"a": "CANARY-2"}], revision)
    assert (desk.path / "a.yaml").read_bytes() == b"theirs"
    assert not (desk.path / replace.TEMPORARY).exists()


def test_file_made_just_before_ours_gets_its_name_is_not_replaced(desk, monkeypatch):
    current = replace.current

    def appears(path):
        found = current(path)
        path.write_bytes(b"theirs")
        return found

    write = replace._write
    monkeypatch.setattr(replace, "_write", lambda *a: (write(*a), monkeypatch.setattr(replace, "current", appears)))
    with pytest.raises(Conflict, match="another client created it in the meantime"):
        desk.store("a.yaml", [{"a": "CANARY"}])
    assert (desk.path / "a.yaml").read_bytes() == b"theirs"


def test_folder_that_another_run_holds_is_waited_for_in_bounds(desk, monkeypatch):
    monkeypatch.setattr(replace, "_PATIENCE", 0.1)
    with replace.locked(desk.path, time.monotonic() + 1):
        message = desk.unwritable("a.yaml", [{"a": "CANARY"}], kind=Unavailable)
    assert message == "another run of bridge is writing in the same folder"
    desk.store("a.yaml", [{"a": "CANARY"}])


def test_mode_and_link_stay(desk):
    revision = desk.store("real.yaml", [{"a": "1"}])
    assert (desk.path / "real.yaml").stat().st_mode & 0o777 == 0o600
    (desk.path / "real.yaml").chmod(0o640)
    (desk.path / "link.yaml").symlink_to("real.yaml")
    desk.store("link.yaml", [{"a": "2"}], revision)
    assert (desk.path / "link.yaml").is_symlink()
    assert (desk.path / "real.yaml").stat().st_mode & 0o777 == 0o640
    assert desk.values("real.yaml") == [opened(sealed({"a": "2"}))]


def test_link_that_leads_out_is_not_followed(desk, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (desk.path / "away").symlink_to(outside)
    (desk.path / "b.yaml").symlink_to(outside / "b.yaml")
    assert desk.unwritable("away/a.yaml", [{"a": "CANARY"}]) == f"a link leads out of {desk.path}"
    assert desk.unwritable("b.yaml", [{"a": "CANARY"}]) == f"a link leads out of {desk.path}"
    assert not list(outside.iterdir())


def test_leftover_is_not_written_through(desk, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "file"
    outside.write_text("theirs")
    (desk.path / replace.TEMPORARY).symlink_to(outside)
    desk.store("a.yaml", [{"a": "1"}])
    assert outside.read_text() == "theirs"


def test_folder_that_is_missing_is_named(desk):
    assert desk.unwritable("no/a.yaml", [{"a": "CANARY"}]) == f"the folder {desk.path / 'no'} does not exist"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_file_or_folder_without_right_to_write_is_refused(desk):
    revision = desk.store("a.yaml", [{"a": "1"}])
    (desk.path / "a.yaml").chmod(0o400)
    message = desk.unwritable("a.yaml", [{"a": "CANARY"}], revision, Denied)
    assert message == "cannot write the file: permission denied"


@pytest.mark.parametrize("error", [PermissionError(13, "CANARY"), OSError(28, "No space left on device")])
def test_disk_that_refuses_leaves_old_file(desk, monkeypatch, error):
    revision = desk.store("a.yaml", [{"a": "1"}])

    def fails(*_):
        raise error

    monkeypatch.setattr(os, "fsync", fails)
    denied = isinstance(error, PermissionError)
    with pytest.raises(Denied if denied else Exception) as caught:
        desk.store("a.yaml", [{"a": "CANARY"}], revision)
    monkeypatch.undo()
    told = f"cannot write to the folder {desk.path}: permission denied"
    assert str(caught.value) == (told if denied else "cannot write the file: No space left on device")
    assert desk.values("a.yaml") == [opened(sealed({"a": "1"}))]
    assert not Path(desk.path / replace.TEMPORARY).exists()
