"""Reads SOPS-encrypted files without the `sops` program."""
