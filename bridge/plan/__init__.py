"""Compares the desired objects, the live objects and the last written state: changes, refusals, warnings. No I/O."""
