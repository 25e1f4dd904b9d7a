"""Hostile files, read in a process of their own with little memory and time: read or refused, never more."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

MEMORY = 1500 * 2**20  # bytes of address space, most of it what Python and its libraries map
SECONDS = 90  # of processor, on a machine that does much else

READER = """
import sys, time
from pathlib import Path
from bridge.errors import BridgeError
from bridge.provider import Context
from bridge_providers.sops import Sops
try:
    Sops().open(Context(Path.cwd(), {}, time.monotonic() + 60)).read(sys.argv[1])
except BridgeError as error:
    print(error)
"""
LARGE = 10 * 2**20 - 200  # bytes; with the metadata the file is as large as one may be
INI = "\n[sops]\nlastmodified = 2024-01-01T00:00:00Z\nmac = x\n"
ENV = "\nsops_lastmodified=2024-01-01T00:00:00Z\nsops_mac=x\n"
NO_KEYS = "it has no keys in its sops metadata, so nobody can decrypt it"
META = ',"sops":{"lastmodified":"2024-01-01T00:00:00Z","mac":"x"}}'
MANY = "contains more than 100000 values"
DEEP = "is nested more than 100 levels deep"


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))


def bomb() -> str:
    return "l0: &l0 [x]\n" + "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 40))


def ladder() -> str:
    """Return anchors that each stand deep below the next one."""
    return "l0: &l0 x\n" + "".join(f"l{n}: &l{n} {'[' * 90}*l{n - 1}{']' * 90}\n" for n in range(1, 40))


def commented(text: str, comments: str) -> str:
    """Return YAML under a rule over comments."""
    meta = '{"lastmodified": "2024-01-01T00:00:00Z", "mac": "x", "encrypted_comment_regex": "x$"}'
    return f"{text}\n{comments}\nsops: {meta}\n"


FILES = {
    "large.yaml": ('{"a": "' + "x" * LARGE + '"' + META, NO_KEYS),
    "large.json": ('{"a": "' + "x" * LARGE + '"' + META, NO_KEYS),
    "large.env": ("A=" + "x" * LARGE + ENV, NO_KEYS),
    "large.ini": ("[s]\nk = " + "x" * LARGE + INI, NO_KEYS),
    "large.bin": ('{"data": "' + "x" * LARGE + '"' + META, NO_KEYS),
    "many.ini": ("[s]\n" + "".join(f"k{number}=\n" for number in range(100_001)) + INI, MANY),
    "sections.ini": ("[s]\n" * 2_500_000 + INI, MANY),
    "quotes.ini": ("k = `\n" * 1_500_000 + INI, MANY),
    "open.ini": ('k = """\n' + "x\n" * 1_000_000, "line 1 begins a quoted value that does not end"),
    "slashes.ini": ("[s]\nk = x\\\n" + "y\\\n" * 1_000_000 + INI, NO_KEYS),
    "steps.ini": (
        INI + "a" + "__map_x" * 1_000_000 + " = x\n",
        "its names in `[sops]` are inconsistent",
    ),
    "steps.env": (
        ENV + "sops_a" + "__map_x" * 1_000_000 + "=x\n",
        "its `sops_` lines are inconsistent",
    ),
    "list.env": (
        ENV + "sops_age__list_999999__map_enc=x\n",
        "its `sops_` lines are inconsistent",
    ),
    "deep.yaml": ("a: " + "[" * 500 + "]" * 500 + "\n", DEEP),
    "deep.json": ('{"a":' + "[" * 10_000 + "]" * 10_000 + "}", DEEP),
    "bomb.yaml": (bomb(), MANY),
    "ladder.yaml": (ladder(), DEEP),
    "comments.yaml": (commented("a: 1", "# y\n" * 2_000_000), NO_KEYS),
    "comments.env": ("# y\n" * 2_000_000 + "A=1" + ENV + "sops_encrypted_comment_regex=x$\n", NO_KEYS),
    "comments.ini": ("; y\n" * 2_000_000 + "[s]\nk = 1" + INI + "encrypted_comment_regex = x$\n", NO_KEYS),
    "number.yaml": ("a: " + "9" * 1_000_000 + "\nsops: {lastmodified: 2024-01-01T00:00:00Z}\n", NO_KEYS),
    "number.json": ('{"a":' + "9" * 1_000_000 + META, "contains a number that is too large"),
}


def read(path: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", READER, path.name],
        cwd=path.parent,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_hostile_file_is_read_or_refused_within_bounds(tmp_path, name):
    content, message = FILES[name]
    (tmp_path / name).write_text(content)
    done = read(tmp_path / name)
    assert (done.returncode, done.stdout.strip()) == (0, message), done.stderr[-2000:]


@pytest.mark.parametrize("kind", ["fifo", "folder", "link"])
def test_what_is_no_file_of_folder_is_refused_and_never_waited_for(tmp_path, kind):
    base = tmp_path / "base"
    base.mkdir()
    path = base / "a.ini"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        (tmp_path / "outside.ini").write_text(INI)
        path.symlink_to("../outside.ini")
    done = read(path)
    assert done.returncode == 0
    assert done.stdout.strip() == (f"a link leads out of {base}" if kind == "link" else "is not a regular file")
