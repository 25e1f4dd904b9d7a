"""Records what releases of sops write: `written/<release>.json`, read by test_written_by.py without any sops.

    python -m tests.providers.sops.record SOPS...

runs each program over all cases. The older ones are built by hand from the Go module proxy, outside the tree:

    go mod init x && go get -tool github.com/getsops/sops/v3/cmd/sops@v3.9.4    # go.mozilla.org/sops/v3 before 3.8
    go build -mod=mod github.com/getsops/sops/v3/cmd/sops

The keys in `written/keys.json` open nothing else, and are public.
"""

import base64
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tests.providers.sops.cases import RULES, SMALL, VALUES, Case, Version

WRITTEN: Final = Path(__file__).with_name("written")
KEYS: Final[Mapping[str, str]] = json.loads((WRITTEN / "keys.json").read_text())


class Kind(NamedTuple):
    """What a creation rule says of a kind of key, and the first release that has it."""

    rule: dict[str, object]
    since: Version = (3, 7, 0)


_GROUPS: Final = [{"age": [KEYS["age_recipient"]]}, {"pgp": [KEYS["pgp_fingerprint"]]}]
KINDS: Final[Mapping[str, Kind]] = {
    "age": Kind({"age": KEYS["age_recipient"]}),
    "pgp": Kind({"pgp": KEYS["pgp_fingerprint"]}),
    "groups": Kind({"key_groups": _GROUPS, "shamir_threshold": 2}),
    "ssh-ed25519": Kind({"age": KEYS["ssh-ed25519_recipient"]}, (3, 10, 0)),
    "ssh-rsa": Kind({"age": KEYS["ssh-rsa_recipient"]}, (3, 10, 0)),
    "post-quantum": Kind({"age": KEYS["post-quantum_recipient"]}, (3, 12, 0)),
}


class Written(NamedTuple):
    """A file that a release wrote, and what the same release reads from it: YAML and binary files, and as JSON."""

    case: str
    key: str
    file: str
    plain: bytes | None
    json: str | None


@dataclass(frozen=True)
class Release:
    """A program with the keys at hand, in a folder of its own."""

    program: Path
    folder: Path

    def version(self) -> str:
        """Return what the program calls itself."""
        found = re.match(r"sops ([0-9.]+)", self._run("age", "--version").stdout.decode())
        assert found
        return found[1]

    def write(self, case: Case, key: str) -> Written | None:
        """Encrypt a case and decrypt it again; None where this release refuses to encrypt it."""
        (self.folder / ".sops.yaml").write_text(json.dumps({"creation_rules": [{**KINDS[key].rule, **case.rule}]}))
        path = self.folder / case.name
        path.write_bytes(case.content)
        types = ["--input-type", case.convert, "--output-type", _type(case)] if case.convert else []
        done = self._run(key, "--encrypt", *types, case.name)
        if done.returncode:
            return None
        path.write_bytes(done.stdout)
        plain = self._read(case, key) if case.suffix in {"yaml", "bin"} else None
        as_json = self._read(case, key, "--output-type", "json") if case.suffix != "bin" else None
        return Written(case.name, key, done.stdout.decode(), plain, None if as_json is None else as_json.decode())

    def _read(self, case: Case, key: str, *options: str) -> bytes | None:
        done = self._run(key, "--decrypt", *options, case.name)
        return None if done.returncode else done.stdout

    def _run(self, key: str, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        environ = {"PATH": os.environ["PATH"], **environment(self.folder, key)}
        command = [self.program, *arguments]
        return subprocess.run(command, cwd=self.folder, env=environ, capture_output=True, check=False, timeout=60)


def environment(folder: Path, key: str) -> dict[str, str]:
    """Return the variables that lead to a kind of key, and put what they name into a folder."""
    environ = {"HOME": str(folder), "GNUPGHOME": str(folder / "gnupg")}
    if key.startswith("ssh-"):
        path = folder / key
        path.write_text(KEYS[key])
        return environ | {"SOPS_AGE_SSH_PRIVATE_KEY_FILE": str(path)}
    return environ | ({"SOPS_AGE_KEY": KEYS["age" if key == "groups" else key]} if key != "pgp" else {})


@contextlib.contextmanager
def pgp_key(folder: Path) -> Iterator[None]:
    """Have the PGP key in a folder's own gpg."""
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    environ = {"PATH": os.environ["PATH"], "GNUPGHOME": str(home)}
    command = ["gpg", "--batch", "--import"]
    try:
        subprocess.run(command, input=KEYS["pgp"].encode(), env=environ, check=True, capture_output=True, timeout=60)
        yield
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], env=environ, check=False, timeout=60)


def files(release: Release, version: Version) -> Iterator[Written]:
    """Yield all that a release writes: every case for an age key, and one of each format for every other key."""
    small = [Case(f"small.{suffix}", content) for suffix, content in SMALL.items()]
    for kind in KINDS:
        if version >= KINDS[kind].since:
            for case in [*VALUES, *RULES] if kind == "age" else small:
                written = release.write(case, kind) if version >= case.since else None
                if written:
                    yield written


def main(programs: list[str]) -> None:
    """Record what each program writes."""
    for program in programs:
        with tempfile.TemporaryDirectory(prefix="sops-") as name, pgp_key(Path(name)):
            release = Release(Path(program).resolve(), Path(name))
            version = release.version()
            found = [as_entry(one) for one in files(release, parsed(version))]
        text = json.dumps(found, indent=1, ensure_ascii=True)
        (WRITTEN / f"{version}.json").write_text(text + "\n")


def parsed(version: str) -> Version:
    """Return a version's three numbers."""
    first, second, third = map(int, version.split("."))
    return first, second, third


def as_entry(written: Written) -> dict[str, object]:
    """Return a file as it is recorded: what need not be text in base64."""
    plain = None if written.plain is None else base64.b64encode(written.plain).decode()
    return written._asdict() | {"plain": plain}


def recorded(version: str) -> list[Written]:
    """Return what was recorded of a release."""
    entries = json.loads((WRITTEN / f"{version}.json").read_text())
    return [Written(**{**entry, "plain": _bytes(entry["plain"])}) for entry in entries]


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def _type(case: Case) -> str:
    return {"env": "dotenv", "bin": "binary"}.get(case.suffix, case.suffix)


if __name__ == "__main__":
    main(sys.argv[1:])
