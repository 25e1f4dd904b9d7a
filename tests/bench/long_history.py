"""A git repository with a long history of SOPS files, made by `git fast-import` in seconds.

The files look like those of sops in all that is visible without a key; nobody can open them. Most commits set one
value. Some rotate a file, some add or remove a recipient, some touch another file, some are merges, and a few rename a
file.
"""

import base64
import json
import random
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from tests.bench.measure import Command
from tests.bench.stage import Stage

COMMITS: Final = 5_000
FILES: Final = 50
VALUES: Final = 20  # in each file
BEGIN: Final = 1_700_000_000
STEP: Final = 600  # seconds between commits
AUTHORS: Final = ("Ada <ada@example.com>", "Grace <grace@example.com>", "Linus <linus@example.com>")
LEAVER: Final = "age1" + "q" * 58
"""A recipient of every file at first, who is removed from each file later."""


@dataclass
class _File:
    """One SOPS file and its current content."""

    name: str
    number: int
    tokens: dict[str, str]
    recipients: dict[str, str]
    mac: str = ""
    modified: int = BEGIN

    def text(self) -> str:
        lines = [f"{key}: {token}" for key, token in self.tokens.items()]
        lines += ["sops:", "    age:"]
        for recipient, wrapped in self.recipients.items():
            lines += [f"        - recipient: {recipient}", "          enc: |", *(f"            {wrapped}".split("\n"))]
        lines += [
            f'    lastmodified: "{_time(self.modified)}"',
            f"    mac: {self.mac}",
            "    unencrypted_suffix: _unencrypted",
            "    version: 3.11.0",
        ]
        return "\n".join(lines) + "\n"


@dataclass
class LongHistory:
    """The repository in `folder`: `config/staging.yaml` is the environment, whose sources are all the SOPS files."""

    folder: Path
    commits: int = COMMITS
    files: int = FILES
    values: int = VALUES
    _chance: random.Random = field(default_factory=lambda: random.Random(1))

    def build(self) -> "LongHistory":
        """Make the repository and check it out."""
        self.folder.mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main")
        stream = "".join(self._stream()).encode()
        self._git("fast-import", "--quiet", stdin=stream)
        self._git("reset", "--quiet", "--hard", "main")
        return self

    @property
    def paths(self) -> list[str]:
        """The SOPS files of today, relative to the repository."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.glob("config/*.sops.yaml"))

    def _stream(self) -> Iterator[str]:
        files = [self._file(number) for number in range(self.files)]
        yield self._commit(1, "start", {**self._environment(), **{file.name: file.text() for file in files}}, 0)
        last, mark = 1, 1
        for number in range(1, self.commits):
            changes, removed = self._change(self._chance.choice(files), number)
            mark += 1
            if number % 20 == 0 and number + 1 < self.commits:  # a branch of one commit, and its merge below
                yield self._commit(mark, "on a branch", changes, number, last)
                mark += 1
                yield self._commit(mark, "merge", changes, number, last, merged=mark - 1)
            else:
                yield self._commit(mark, "change", changes, number, last, removed=removed)
            last = mark
        yield f"reset refs/heads/main\nfrom :{last}\n\n"

    def _change(self, file: _File, number: int) -> tuple[Mapping[str, str], str]:
        """Change a file; return the files to write, and the name to remove."""
        kind, removed = self._chance.random(), ""
        file.modified = BEGIN + number * STEP
        if kind < 0.02:
            return {"README.md": f"{number}\n"}, ""
        if kind < 0.03:
            file.tokens = {key: self._token() for key in file.tokens}
            file.recipients = {one: self._wrapped() for one in file.recipients}
        elif kind < 0.04:
            file.recipients = {one: self._wrapped() for one in file.recipients if one != LEAVER}
            return {file.name: file.text()}, ""  # neither the time nor the MAC changes, but that is not looked at
        elif kind < 0.042 and number % 20:
            removed, file.name = file.name, f"config/file-{file.number:03}-{number}.sops.yaml"
            return {file.name: file.text(), "config/staging.yaml": ""}, removed
        else:
            file.tokens[self._chance.choice(list(file.tokens))] = self._token()
        file.mac = self._token()
        return {file.name: file.text()}, removed

    def _file(self, number: int) -> _File:
        recipients = {f"age1{number:058x}": self._wrapped(), LEAVER: self._wrapped()}
        tokens = {f"VALUE_{number}_{index}": self._token() for index in range(self.values)}
        return _File(f"config/file-{number:03}.sops.yaml", number, tokens, recipients, self._token())

    def _environment(self) -> dict[str, str]:
        names = [f"VALUE_{number}_{index}" for number in range(self.files) for index in range(self.values)]
        keys = {name: f"${{{name}}}" for name in names}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "all"}, "stringData": keys}
        return {"config/secret.json": json.dumps(secret, indent=1)}

    def _commit(
        self,
        mark: int,
        message: str,
        changes: Mapping[str, str],
        number: int,
        parent: int = 0,
        *,
        merged: int = 0,
        removed: str = "",
    ) -> str:
        author = self._chance.choice(AUTHORS)
        moment = f"{BEGIN + number * STEP} +0000"
        lines = [
            "commit refs/heads/main",
            f"mark :{mark}",
            f"author {author} {moment}",
            f"committer {author} {moment}",
            f"data {len(message)}",
            message,
        ]
        lines += [f"from :{parent}"] if parent else []
        lines += [f"merge :{merged}"] if merged else []
        lines += [f"D {removed}"] if removed else []
        for name, content in changes.items():
            if content:
                lines += [f"M 100644 inline {name}", f"data {len(content)}", content]
        return "\n".join(lines) + "\n\n"

    def write_environment(self) -> None:
        """Write the environment's file, which names the files of today; it is not committed."""
        sources = [f"sops:{Path(path).name}" for path in self.paths]
        content = {"id": "long", "namespace": "long", "templates": ["secret.json"], "sources": sources}
        (self.folder / "config" / "staging.yaml").write_text(json.dumps(content))

    def commit_all(self, message: str) -> None:
        """Commit what is in the folder."""
        self._git("add", "--all")
        self._git("-c", "user.name=Ada", "-c", "user.email=ada@example.com", "commit", "--quiet", "-m", message)

    def _token(self) -> str:
        data, iv, tag = (base64.b64encode(self._chance.randbytes(count)).decode() for count in (40, 32, 16))
        return f"ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:str]"

    def _wrapped(self) -> str:
        text = base64.b64encode(self._chance.randbytes(216)).decode()
        lines = [text[start : start + 64] for start in range(0, len(text), 64)]
        begin, end = "-----BEGIN AGE ENCRYPTED FILE-----", "-----END AGE ENCRYPTED FILE-----"
        return "\n            ".join([begin, *lines, end])

    def _git(self, *words: str, stdin: bytes = b"") -> None:
        environ = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1"}
        subprocess.run(["git", "-C", str(self.folder), *words], env=environ, input=stdin, check=True)


def _time(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Questions(NamedTuple):
    """What bridge is asked about the repository."""

    history: Command
    offboard: Command


def long_history(stage: Stage) -> tuple[Questions, Command]:
    """Return bridge's commands, and git's for the same files. The repository is made once."""
    folder = stage.folder / "long-history"
    made = LongHistory(folder)
    if not folder.exists():
        made.build().write_environment()
    config = folder / "config"
    leaver = ["offboard", "staging", LEAVER, "--config", str(config)]
    stage.environ.setdefault("GIT_PAGER", "cat")
    offboard = shlex.join([str(word) for word in stage.bridge(*leaver).arguments])
    ours = Questions(
        stage.bridge("history", "staging", "--config", config),
        Command(["/bin/sh", "-c", f"! {offboard}"], stage.environ),
    )
    return ours, Command(["/usr/bin/env", "git", "-C", folder, "log", "-p", "--", *made.paths], stage.environ)
