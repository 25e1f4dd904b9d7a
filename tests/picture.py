"""The picture of a plan in README.md: what the program prints on a terminal, as an SVG.

    python tests/picture.py

writes `.github/plan.svg`, and the same text into README.md. The plan is for the demo's environment, after a key was
added to a template and another one removed, a value was set, and a Secret was edited by hand.
"""

import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `tests` is not an installed package

from bridge.testing.apiserver import EmbeddedCluster
from tests.pages import README, ROOT
from tests.servers.client import Client

FILE: Final = ROOT / ".github" / "plan.svg"
COMMAND: Final = "bridge plan staging"
NAMESPACE: Final = "voice-agent-staging"
COLUMNS: Final = 110

CHANGING: Final = (
    (r"\d{4}-\d\d-\d\dT[\d:]{8}Z/[0-9a-f]{8}\b", "2026-11-23T20:15:23Z/5d0c9f1e"),
    (r"\d{4}-\d\d-\d\dT[\d:]{8}Z(?!/)", "2026-11-23T20:31:02Z"),
    (r"\b(?:just now|\d+ \w+ ago)\b", "2 minutes ago"),
    (r"context embedded, http://127\.0\.0\.1:\d+", "context kapsule, https://10.0.0.1:6443"),
)
"""What differs between two runs, and what the picture shows instead."""

CLASSES: Final = {"1": "bold", "2": "dim", "31": "red", "32": "green", "33": "yellow", "35": "magenta", "36": "cyan"}
WIDTH, HEIGHT, MARGIN = 7.8, 19, 20
STYLE: Final = """\
rect { fill: #ffffff; stroke: #d0d7de }
text { fill: #1f2328; font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace }
.bold { font-weight: bold }
.dim { fill: #59636e } .red { fill: #cf222e } .green { fill: #1a7f37 }
.yellow { fill: #9a6700 } .magenta { fill: #8250df } .cyan { fill: #1b7c83 }
@media (prefers-color-scheme: dark) {
rect { fill: #0d1117; stroke: #3d444d }
text { fill: #f0f6fc }
.dim { fill: #9198a1 } .red { fill: #ff7b72 } .green { fill: #3fb950 }
.yellow { fill: #d29922 } .magenta { fill: #d2a8ff } .cyan { fill: #39c5cf }
}"""


def plan() -> str:
    """Return the plan as a terminal shows it, with the codes for colours."""
    with tempfile.TemporaryDirectory() as name, EmbeddedCluster() as cluster:
        return _Story(Path(name), cluster).tell()


def as_text(shown: str) -> str:
    """Return what a terminal shows, without colours."""
    return re.sub(r"\033\[[\d;]*m", "", shown)


def svg(shown: str) -> str:
    """Draw what a terminal shows, below the command."""
    lines = [f"\033[2m$\033[0m {COMMAND}", *shown.rstrip("\n").split("\n")]
    width = WIDTH * max(len(as_text(line)) for line in lines) + 2 * MARGIN
    height = HEIGHT * len(lines) + 2 * MARGIN
    texts = [_line(line, MARGIN + HEIGHT * (number + 0.75)) for number, line in enumerate(lines)]
    title = "<title>A plan of bridge. README.md has the same text below the picture.</title>"
    frame = f'<rect x="0.5" y="0.5" width="{width - 1:.1f}" height="{height - 1}" rx="6"/>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width:.1f}" height="{height}">'
    return "\n".join([head, title, f"<style>\n{STYLE}\n</style>", frame, *filter(None, texts), "</svg>\n"])


def _line(line: str, y: float) -> str:
    """Draw one line. Its length is fixed, because fonts differ in width."""
    text = as_text(line)
    if not text.strip():
        return ""
    parts, classes = [], ""
    for code, part in re.findall(r"(?:\033\[([\d;]*)m)?([^\033]*)", line):
        if code:
            classes = " ".join(CLASSES[one] for one in code.split(";") if one != "0")
        if part:
            parts.append(f'<tspan class="{classes}">{escape(part)}</tspan>' if classes else escape(part))
    length = WIDTH * len(text)
    return f'<text x="{MARGIN}" y="{y:.1f}" textLength="{length:.1f}" xml:space="preserve">{"".join(parts)}</text>'


class _Story:
    def __init__(self, folder: Path, cluster: EmbeddedCluster) -> None:
        self._config = folder / "config"
        shutil.copytree(ROOT / "config", self._config)
        with (self._config / "staging.yaml").open("a") as file:  # the cluster needs no confirmation then
            file.write(f"cluster: {{server: {cluster.url}}}\n")
        cluster.write_kubeconfig(folder / "kubeconfig")
        self._client = Client(cluster.url, cluster.token)
        self._environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sys.path),
            "HOME": str(folder),
            "KUBECONFIG": str(folder / "kubeconfig"),
            "TERM": "xterm-256color",
            "COLUMNS": str(COLUMNS),
        }

    def tell(self) -> str:
        assert self._client.request("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}}).status == 201
        template, values = self._config / "apps/base/secrets.yml", self._config / "staging.public.yaml"
        now = template.read_text()
        template.write_text(_replaced(now, "DEEPGRAM_API_KEY: ", "OLD_KEY: "))
        self._run("sync", "staging")
        template.write_text(now)
        values.write_text(_replaced(values.read_text(), "LOG_LEVEL: debug", "LOG_LEVEL: info"))
        self._run("set", "staging", "CARTESIA_API_KEY", "--yes", stdin=b"CANARY-cartesia")
        path = f"/api/v1/namespaces/{NAMESPACE}/secrets/agent-secrets?fieldManager=kubectl-edit"
        edit = {"data": {"OPENAI_API_KEY": "Q0FOQVJZ"}}
        assert self._client.request("PATCH", path, edit, "application/merge-patch+json").status == 200
        shown = self._run("plan", "staging")
        for pattern, instead in CHANGING:
            shown = re.sub(pattern, instead, shown)
        assert "CANARY" not in shown
        return shown

    def _run(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run bridge on a terminal, and return what it shows there."""
        ours, terminal = pty.openpty()
        command = [sys.executable, "-m", "bridge", *arguments, "--config", str(self._config)]
        with subprocess.Popen(
            command, env=self._environ, stdin=subprocess.PIPE, stdout=terminal, stderr=subprocess.PIPE
        ) as child:
            os.close(terminal)
            assert child.stdin
            assert child.stderr
            child.stdin.write(stdin)
            child.stdin.close()
            shown = b"".join(iter(lambda: _read(ours), b""))
            errors = child.stderr.read()
        os.close(ours)
        assert child.returncode == 0, errors
        return shown.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so when the last program has closed the terminal
        return b""


def _replaced(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new)


def main() -> None:
    """Write the picture and the text."""
    shown = plan()
    FILE.write_text(svg(shown))
    block = f"$ {COMMAND}\n{as_text(shown)}"
    (ROOT / "README.md").write_text(README.text.replace(README.block("plan"), block))


if __name__ == "__main__":
    main()
