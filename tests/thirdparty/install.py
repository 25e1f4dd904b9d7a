"""Installs the third party's provider as pip does, but in no time; tests/project/test_wheel.py compares them."""

import tomllib
from pathlib import Path


def install(source: Path, site: Path) -> None:
    """Copy the modules that a pyproject.toml names, and write what says which provider is in which of them."""
    project = tomllib.loads((source / "pyproject.toml").read_text())
    for name in project["tool"]["setuptools"]["py-modules"]:
        (site / f"{name}.py").write_bytes((source / f"{name}.py").read_bytes())
    name, version = project["project"]["name"], project["project"]["version"]
    metadata = site / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, entries in project["project"]["entry-points"].items():
        lines += [f"[{group}]", *(f"{entry} = {place}" for entry, place in entries.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
