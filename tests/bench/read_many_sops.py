"""Reads many SOPS files with bridge's provider, one after the other, as a whole process, and prints nothing.

python read_many_sops.py FILE...
"""

import os
import sys
import time
from pathlib import Path

from bridge.provider import Context
from bridge_providers.sops import Sops

files = [Path(argument) for argument in sys.argv[1:]]
session = Sops().open(Context(files[0].parent, os.environ, time.monotonic() + 60))
for file in files:
    session.read(file.name)
session.close()
