"""A folder of one gigabyte, half text and half noise, where no value lies about."""

import json
import random
import shlex
import shutil
import string
import subprocess
from pathlib import Path
from typing import Final

from bridge.scan.forms import choose
from bridge.secret import SecretValue
from tests.bench.measure import BenchmarkError, Command
from tests.bench.stage import Stage

FILES: Final = 256
SIZE: Final = 4 * 2**20
LENGTHS: Final = {
    "LIVEKIT_API_KEY": 15,
    "LIVEKIT_API_SECRET": 43,
    "CARTESIA": 40,
    "OPENAI": 56,
    "DEEPGRAM": 40,
    "SCW": 36,
}


class Gigabyte:
    """bridge looks for six values in all their forms; grep gets the same patterns in a file."""

    def __init__(self, stage: Stage) -> None:
        chance = random.Random(1)
        values = {
            name: "".join(chance.choices(string.ascii_letters + string.digits, k=k)) for name, k in LENGTHS.items()
        }
        folder, patterns = stage.folder / "gigabyte", stage.folder / "patterns"
        folder.mkdir()
        secrets = [(name, SecretValue.of(value)) for name, value in values.items()]
        patterns.write_bytes(b"".join(pattern + b"\n" for pattern in choose(secrets, ()).patterns))
        self.ours: Final = stage.bridge("scan", "staging", folder, "--config", _environment(stage, values))
        grep = ["env", "LC_ALL=C", "grep", "-rqF", "-f", str(patterns), str(folder)]
        self.theirs: Final = Command(["/bin/sh", "-c", f"! {shlex.join(grep)}"], stage.environ)
        _see_that_both_find(folder / "planted", values["LIVEKIT_API_KEY"], self.ours, self.theirs)
        _fill(folder, chance)


def _environment(stage: Stage, values: dict[str, str]) -> Path:
    config = stage.folder / "gigabyte-config"
    config.mkdir()
    keys = {name: f"${{{name}}}" for name in values}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "all"}, "stringData": keys}
    (config / "secret.json").write_text(json.dumps(secret))
    (config / "env").write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    content = {"id": "all", "namespace": "all", "templates": ["secret.json"], "env_file": "env", "secrets_from": "any"}
    (config / "staging.yaml").write_text(json.dumps(content))
    return config


def _see_that_both_find(planted: Path, value: str, *commands: Command) -> None:
    planted.write_text(f"key: {value}\n")
    for command in commands:
        done = subprocess.run(command.arguments, env=dict(command.environ), capture_output=True, check=False)
        if done.returncode != 1:
            raise BenchmarkError(f"{command.arguments[0]} does not find a planted value")
    planted.unlink()


def _fill(folder: Path, chance: random.Random) -> None:
    """Write the files; a folder on a disk that is too small is told before."""
    if shutil.disk_usage(folder).free < 2 * FILES * SIZE:
        raise BenchmarkError(f"{folder} has no room for two gigabytes")
    words = [
        "".join(chance.choices(string.ascii_letters + string.digits, k=chance.randint(2, 12))) for _ in range(5000)
    ]
    lines = "".join(" ".join(chance.choices(words, k=10)) + "\n" for _ in range(2 * SIZE // 80)).encode()
    for number in range(FILES):
        start = chance.randrange(len(lines) - SIZE)
        content = lines[start : start + SIZE] if number % 2 else chance.randbytes(SIZE)
        (folder / f"{number}").write_bytes(content)
