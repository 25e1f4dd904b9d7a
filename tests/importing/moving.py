"""What the tests of `import` and `set` share: plaintext files, stores that can be written, a process to be killed."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.desk import Desk
from tests.team import VALUES

SHELF = "shelf:shelf.json"
PATCH = f"""\
# The team's own patch.
apiVersion: v1
kind: Secret
metadata: {{name: shared-secrets}}
data:
  LIVEKIT_API_KEY: {base64.b64encode(VALUES["LIVEKIT_API_KEY"].encode()).decode()}
  LIVEKIT_API_SECRET: {base64.b64encode(VALUES["LIVEKIT_API_SECRET"].encode()).decode()}
---
apiVersion: v1
kind: Secret
metadata: {{name: agent-secrets}}
stringData:
  CARTESIA_API_KEY: {VALUES["CARTESIA_API_KEY"]}
  OPENAI_API_KEY: {VALUES["OPENAI_API_KEY"]}
  DEEPGRAM_API_KEY: {VALUES["DEEPGRAM_API_KEY"]}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: agent-config}}
data: {{LOG_LEVEL: debug, METRICS_ENABLED: "true"}}
"""
PUBLIC = """\
# public values, reviewed
apiVersion: v1
kind: ConfigMap
metadata: {name: shared-config}
data:
  DOMAIN: staging.example.com  # the front end's
"""


def moving_in(desk: Desk, **changes: Any) -> Path:
    """Set the desk up for a team that moves in; return the plaintext file."""
    content = {
        "sources": [SHELF],
        "templates": ["base/secrets.yml", "base/configmap.yml", "staging.public.yaml"],
    }
    desk.environment(**content | changes)
    desk.write("staging.public.yaml", PUBLIC)
    (desk.folder / "values.json").unlink(missing_ok=True)
    return desk.write("../staging-patch.yml", PATCH)


def state(path: Path) -> tuple[object, ...]:
    """Return all of a file that a write changes; reading changes the time of the last access only."""
    found = path.stat()
    return found.st_ino, found.st_mode, found.st_mtime_ns, path.read_bytes()


def shelf(desk: Desk, name: str = "shelf.json") -> Any:
    """Return what the store holds; None where it holds nothing."""
    path = desk.folder / name
    return json.loads(path.read_text()) if path.exists() else None


def states(data: dict[str, Any]) -> dict[str, str]:
    """Return each value's state, by the last word of its name."""
    return {one["value"].rpartition(" ")[2]: one["state"] for one in data["values"]}


def environ(folder: Path, site: Path, **more: str) -> dict[str, str]:
    """Return a process's environment, with a folder of its own for temporary files."""
    (folder / "tmp").mkdir(exist_ok=True)
    path = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    base = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder / "tmp"), "PYTHONPATH": path}
    return base | more


def start(desk: Desk, environ: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    """Start bridge as a shell would."""
    command = [sys.executable, "-m", "bridge", *arguments, "--config", str(desk.folder)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environ, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
