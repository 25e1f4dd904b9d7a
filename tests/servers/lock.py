"""A lock file with fewer packages, for tests of how they are installed: pip takes longest for boto3 and kubernetes."""

import re
from typing import Final

SMALL: Final = frozenset({"bcrypt", "cffi", "cryptography", "pycparser", "pyrage", "python-dotenv", "pyyaml"})
"""What `bridge check`, and `sync` with SOPS, import."""


def only(text: str, names: frozenset[str]) -> str:
    """Return a lock file's text without any other package."""
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)
    return "".join(block for block in blocks if re.split(r"[\[=]", block)[0] in names)
