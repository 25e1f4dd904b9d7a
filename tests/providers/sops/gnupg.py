"""A folder of the real gpg's, with keys of its own."""

import os
import subprocess
from pathlib import Path
from typing import NamedTuple


class Gpg(NamedTuple):
    """A folder with two keys, of which the second wants a passphrase."""

    program: str
    home: Path
    keys: tuple[str, str]

    def run(self, *arguments: str) -> str:
        command = [self.program, "--batch", *arguments]
        done = subprocess.run(command, env=self._environ(), capture_output=True, text=True, check=True, timeout=120)
        return done.stdout

    def made(self) -> "Gpg":
        """Return this folder with its keys, once made."""
        for name, passphrase in (("one", ""), ("two", "CANARY-passphrase")):
            self.run("--passphrase", passphrase, "--quick-gen-key", f"{name}@example.org", "future-default", "default")
        lines = self.run("--list-secret-keys", "--with-colons").splitlines()
        after = [lines[index + 1] for index, line in enumerate(lines) if line.startswith("sec:")]
        one, two = (line.split(":")[9] for line in after)
        return self._replace(keys=(one, two))

    def end(self) -> None:
        """Stop the agent."""
        subprocess.run(["gpgconf", "--kill", "all"], env=self._environ(), check=False, timeout=60)

    def _environ(self) -> dict[str, str]:
        return {"GNUPGHOME": str(self.home), "PATH": os.environ["PATH"]}
