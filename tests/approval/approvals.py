"""What the tests of approved plans share: an environment that can be approved, and a plan's file."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.desk import Desk, Result

PUBLIC = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: shared-config}
data: {DOMAIN: example.com, LOG_LEVEL: "${LOG_LEVEL:-info}"}
"""
USUAL: dict[str, Any] = {
    "templates": ["base/secrets.yml", "public.yaml"],
    "env_file": None,
    "sources": ["jsonfile:values.json"],
}


def approvable(desk: Desk, name: str = "staging", **changes: Any) -> None:
    """Write an environment whose values all have revisions, in place of the usual one."""
    desk.write("public.yaml", PUBLIC)
    desk.environment(name, **(USUAL | changes))


def file_of(desk: Desk) -> Path:
    return desk.folder.parent / "plan.json"


def planned(desk: Desk, *flags: str, environment: str = "staging") -> dict[str, Any]:
    """Make a plan, and return its content."""
    result = desk.run("plan", environment, "--out", str(file_of(desk)), *flags)
    assert result.status == 0, result.err
    return content(desk)


def content(desk: Desk) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file_of(desk).read_text())
    return found


def edited(desk: Desk, change: Callable[[dict[str, Any]], object]) -> None:
    """Edit the plan's file by hand."""
    plan = content(desk)
    change(plan)
    file_of(desk).write_text(json.dumps(plan))


def sync(desk: Desk, *flags: str) -> Result:
    return desk.run("sync", "staging", "--plan", str(file_of(desk)), *flags)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def uid_of_namespace(desk: Desk) -> str:
    reply = desk.target.client.request("GET", f"/api/v1/namespaces/{desk.target.namespace}")
    return str(reply.body["metadata"]["uid"])
