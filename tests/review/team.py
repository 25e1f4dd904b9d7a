"""A team's repository: an environment, its templates and a SOPS file that the real sops writes; and who reviews it."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from bridge.cli import main
from tests.desk import Result
from tests.providers.sops.folder import Folder

WHO = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
ENVIRONMENT = {
    "id": "agent-staging",
    "namespace": "voice",
    "templates": ["secrets.yaml", "public.yaml"],
    "sources": ["sops:staging.sops.yaml"],
}
SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "agent"},
    "stringData": {"OPENAI": "${OPENAI}", "CARTESIA": "${CARTESIA}", "FIXED": "CANARY-fixed"},
}
CONFIG = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "agent"},
    "data": {"LOG_LEVEL": "info", "URL": "${URL:-https://a.example}"},
}
VALUES = {"OPENAI": "CANARY-openai", "CARTESIA": "CANARY-cartesia", "UNUSED": "CANARY-unused"}
FILE = "config/staging.sops.yaml"


class Team:
    """The repository `top`. Every report is looked through for values."""

    def __init__(self, folder: Folder, capfd: pytest.CaptureFixture[str]) -> None:
        self.sops = folder
        self.top = folder.path
        self._capfd = capfd
        self.git("init", "--quiet", "--initial-branch=main")
        (self.top / ".git" / "info" / "exclude").write_text("home\n")

    def start(self, values: Mapping[str, object] = VALUES, name: str = FILE) -> str:
        """Commit the usual files."""
        self.environment()
        self.write("config/secrets.yaml", SECRET)
        self.write("config/public.yaml", CONFIG)
        self.encrypt(values, name)
        return self.commit()

    def encrypt(self, values: Mapping[str, object], name: str = FILE, **rule: object) -> None:
        self.sops.encrypt(name, json.dumps(values), **rule)

    def write(self, name: str, content: object) -> Path:
        return self.sops.write(name, content if isinstance(content, (str, bytes)) else json.dumps(content))

    def environment(self, **changes: Any) -> None:
        """Write the environment's file, with some of its keys changed or (None) left out."""
        content = ENVIRONMENT | changes
        self.write("config/staging.yaml", {key: value for key, value in content.items() if value is not None})

    def git(self, *words: str) -> str:
        environ = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "GIT_CONFIG_NOSYSTEM": "1"} | WHO
        command = ["git", "-C", str(self.top), *words]
        return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self) -> str:
        """Commit everything; return the short id."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")
        return self.git("rev-parse", "HEAD")[:10]

    def set(self, key: str, value: str, name: str = FILE) -> None:
        """Set a value with sops, of whatever release."""
        place = f'["{key}"]'
        old = self.sops._by_options
        words = ["--set", f"{place} {json.dumps(value)}", name] if old else ["set", name, place, json.dumps(value)]
        self.run_sops(*words)

    def rotate(self, name: str = FILE) -> None:
        self.run_sops(*(["--rotate", "--in-place", name] if self.sops._by_options else ["rotate", "-i", name]))

    def run_sops(self, *words: str) -> None:
        environ = {"PATH": os.environ["PATH"], **self.sops.environ}
        command = [str(self.sops.binary), *words]
        done = subprocess.run(command, cwd=self.top, env=environ, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr.decode()

    def run(self, *words: str) -> Result:
        """Run `bridge` and look for values in all that it prints."""
        self._capfd.readouterr()
        status = main([*words, "--config", str(self.top / "config")])
        out, err = self._capfd.readouterr()
        for canary in ("CANARY", str(self.sops.key), "ENC[AES256"):
            assert canary not in out + err, "a value was shown"
        return Result(status, out, err)

    def diff(self, *words: str, status: int = 0) -> dict[str, Any]:
        """Return the report as JSON, after a look at the other forms."""
        results = [self.run("diff", "staging", "--output", form, *words) for form in ("text", "markdown", "json")]
        assert [one.status for one in results] == [status] * 3, results[-1].err
        return results[-1].data

    def text(self, *words: str) -> str:
        result = self.run("diff", "staging", *words)
        assert result.status == 0, result.err
        return result.out


Teams = Callable[[str], Team]
