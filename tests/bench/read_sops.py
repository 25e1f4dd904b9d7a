"""Reads one SOPS file with bridge's provider, as a whole process, and prints nothing.

python read_sops.py FILE
"""

import os
import sys
import time
from pathlib import Path

from bridge.provider import Context
from bridge_providers.sops import Sops

file = Path(sys.argv[1])
session = Sops().open(Context(file.parent, os.environ, time.monotonic() + 60))
session.read(file.name)
session.close()
