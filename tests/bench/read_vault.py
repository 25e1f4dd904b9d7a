"""Reads documents from Vault as a run does, as a whole process, and prints nothing.

python read_vault.py COUNT
"""

import os
import sys
import time
from pathlib import Path

from bridge.config.reference import Reference
from bridge.provider import Context
from bridge.sources.reader import read_documents
from bridge_providers.vault import Vault

references = [Reference("vault", f"paths/{number:03}") for number in range(int(sys.argv[1]))]
context = Context(Path(), os.environ, time.monotonic() + 60)
read_documents({"vault": Vault(mount="secret")}, references, context)
