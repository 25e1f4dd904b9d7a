"""Replacing a file of people's: what stays with it besides its text."""

from pathlib import Path

import pytest

from bridge.config.replace_file import replace_bytes, replace_text
from bridge.errors import Refusal


def test_byte_order_mark_mode_and_link_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "link.yaml"
    real.write_bytes("\ufeffa: b\n".encode())
    real.chmod(0o640)
    link.symlink_to("real.yaml")
    replace_text(link, "a: c\n")
    assert link.is_symlink()
    assert (real.read_bytes().decode(), real.stat().st_mode & 0o777) == ("\ufeffa: c\n", 0o640)
    replace_bytes(link, b"a: d\n")
    assert real.read_bytes() == b"a: d\n"
    assert sorted(tmp_path.iterdir()) == [link, real]


def test_file_that_cannot_be_replaced_is_left_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    file = tmp_path / "a.yaml"
    file.write_text("a: b\n")
    monkeypatch.setattr(Path, "replace", denied)
    with pytest.raises(Refusal, match=r"a\.yaml: cannot be written: permission denied"):
        replace_text(file, "a: c\n")
    assert (file.read_text(), list(tmp_path.iterdir())) == ("a: b\n", [file])
