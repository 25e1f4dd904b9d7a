"""A trust file for a test, in a folder that no checkout holds."""

import json
from pathlib import Path
from typing import Any


def trusting(folder: Path, **listed: Any) -> dict[str, str]:
    """Write a trust file that lists this and nothing else; return the variable that names it."""
    path = folder.with_name(f"{folder.name}-trust.yaml")
    path.write_text(json.dumps(listed))
    path.chmod(0o600)
    return {"BRIDGE_TRUST": str(path)}


def store(address: str, *credentials: str) -> dict[str, Any]:
    return {"address": address, "credentials": list(credentials)}
