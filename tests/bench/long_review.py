"""A change of all files of a repository with a long history, as `bridge diff` shows it."""

import re
import shlex
from typing import Final

from tests.bench.long_history import LongHistory
from tests.bench.measure import Command
from tests.bench.stage import Stage

_TOKEN: Final = re.compile(r"data:[^,]*")


class LongReview:
    """bridge compares 50 changed files and searches their history; git prints the patches of the same files."""

    def __init__(self, stage: Stage) -> None:
        history = LongHistory(stage.folder / "long-review").build()
        history.write_environment()
        history.commit_all("the environment")
        for number, path in enumerate(history.paths):  # a new ciphertext in each file, which no version has
            file = history.folder / path
            file.write_text(_TOKEN.sub(f"data:{number:056d}", file.read_text(), count=1))
        config = history.folder / "config"
        self.ours: Final = stage.bridge("diff", "staging", "--output", "json", "--config", config)
        log = ["git", "-C", str(history.folder), "log", "-p", "HEAD", "--", *history.paths]
        self.theirs: Final = Command(["/bin/sh", "-c", f"{shlex.join(log)} > /dev/null"], stage.environ)
