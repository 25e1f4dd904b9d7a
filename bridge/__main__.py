"""`python -m bridge`."""

from bridge.start import run

run()
