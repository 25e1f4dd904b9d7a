import math
from pathlib import Path

import pytest

from bridge.config.textfile import LIMIT, read_bounded, read_text
from bridge.errors import ConfigError


def test_null_device_is_empty_file() -> None:
    assert read_bounded(Path("/dev/null"), math.inf) == b""


def test_byte_order_mark_is_left_out_and_line_ends_stay(tmp_path):
    (tmp_path / "f").write_bytes(b"\xef\xbb\xbfa\r\nb\n")
    assert read_text(tmp_path / "f", "f") == "a\r\nb\n"


def test_file_of_just_limit_is_read(tmp_path):
    (tmp_path / "f").write_bytes(b"a" * LIMIT)
    assert len(read_text(tmp_path / "f", "f")) == LIMIT


def test_link_is_followed_as_kubernetes_mounts_files_by_links(tmp_path):
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "f").write_text("a")
    (tmp_path / "f").symlink_to("..data/f")
    assert read_text(tmp_path / "f", "f") == "a"


def test_path_with_zero_byte():
    with pytest.raises(ConfigError) as caught:
        read_text(Path("a\0b"), "a")
    assert str(caught.value) == "a: the path contains a NUL byte"
