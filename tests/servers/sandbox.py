"""A pod's confinement without a container engine: its own read-only root, a user who owns nothing, no shell.

https://man7.org/linux/man-pages/man1/unshare.1.html, setpriv(1). It needs root, and the right to mount.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

USER: Final = 65532
_SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ssl")
_DEVICES: Final = ("/dev/null", "/dev/urandom")
_SHELLS: Final = ("sh", "bash", "dash")
_ROOT: Final = "/mnt"  # it is there on every machine, and in a mount namespace it is nobody else's
_CONFINED: Final = (
    "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs",
    "--inh-caps=-all", "--bounding-set=-all",
)  # fmt: skip


def impossible() -> str:
    """Say why this machine cannot do it; empty where it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs root on Linux"
    if not all(map(shutil.which, ("unshare", "setpriv", "mount", "chroot", "bash"))):
        return "needs unshare, setpriv, mount and chroot"
    probe = f"mount -t tmpfs tmpfs {_ROOT}"
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "bash", "-c", probe], capture_output=True, check=False
    )
    return "" if done.returncode == 0 else "may not mount here"


def run(
    command: Sequence[str | Path], folders: Mapping[str, Path], environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; see `start`."""
    process = start(command, folders, environ)
    out, err = process.communicate(timeout=120)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def start(
    command: Sequence[str | Path], folders: Mapping[str, Path], environ: Mapping[str, str]
) -> subprocess.Popen[str]:
    """Start a command where nothing can be written, as process 1; `folders` are mounted where their keys say."""
    wanted = dict.fromkeys([sys.base_prefix, *_SYSTEM])
    binds = {place: place for place in wanted if Path(place).is_dir() and not Path(place).is_symlink()}
    binds |= {place: str(folder) for place, folder in folders.items()}
    lines = ["set -e", f"mount -t tmpfs -o mode=755 tmpfs {_ROOT}"]
    lines += [f"cp -P {place} {_ROOT}{place}" for place in _SYSTEM if Path(place).is_symlink()]
    for place, source in binds.items():
        inside = shlex.quote(_ROOT + place)
        lines += [f"mkdir -p {inside}", f"mount --bind {shlex.quote(source)} {inside}"]
        lines += [f"mount -o remount,bind,ro {inside}"]
    lines += [f"mkdir -p {_ROOT}/dev {_ROOT}/tmp"]
    lines += [f"touch {_ROOT}{device} && mount --bind {device} {_ROOT}{device}" for device in _DEVICES]
    lines += [f"mount --bind /dev/null {_ROOT}/usr/bin/{one}" for one in _SHELLS if Path("/usr/bin", one).is_file()]
    lines += [f"mount -o remount,ro {_ROOT}"]
    lines += [f"exec chroot {_ROOT} {shlex.join([*_CONFINED, *map(str, command)])}"]
    confined = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", "\n".join(lines)]
    given = {"PATH": "/usr/bin:/usr/sbin:/bin:/sbin", **environ}
    return subprocess.Popen(confined, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def first_process(process: subprocess.Popen[str]) -> int:
    """Return the number that process 1 of the confinement has outside; it is unshare's only child."""
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
