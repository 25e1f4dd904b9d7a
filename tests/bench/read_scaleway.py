"""Reads documents from Secret Manager as a run does that knows them, as a whole process, and prints nothing.

python read_scaleway.py COUNT
"""

import os
import sys
import time
from pathlib import Path

from bridge.config.reference import Reference
from bridge.provider import Context
from bridge.sources.reader import read_documents
from bridge_providers.scaleway import Scaleway

references = [Reference("scaleway", f"/bench/{number:03}") for number in range(int(sys.argv[1]))]
known = frozenset(map(str, references))
context = Context(Path(), os.environ, time.monotonic() + 60, lambda: known)
read_documents({"scaleway": Scaleway()}, references, context)
