"""`python -m bridge`."""

from bridge.cli import run

run()
