"""Text that another program left in a state nobody can use, in whichever of our files it is."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.config.dotenv import load_env_file
from bridge.config.textfile import conflict_line, is_utf16, read_text
from bridge.config.yamlfile import load_yaml_documents
from bridge.errors import ConfigError

CONFLICT = "A: 1\n<<<<<<< HEAD\nB: CANARY-ours\n=======\nB: CANARY-theirs\n>>>>>>> main\nC: 3\n"


def refused(read: Callable[..., object], path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read(path, "shown")
    (problem,) = caught.value.problems
    assert "CANARY" not in str(problem) + problem.hint
    return f"{problem}; {problem.hint}"


@pytest.mark.parametrize("read", [read_text, load_yaml_documents, load_env_file])
def test_git_conflict_is_named_with_way_out(tmp_path: Path, read: Callable[..., object]) -> None:
    file = tmp_path / "a b"
    for content in (CONFLICT, CONFLICT.replace("\n", "\r\n")):
        assert refused(read, file, content.encode()) == (
            "shown line 2: unresolved git conflict; resolve it, or take one side: "
            f"`git checkout --ours '{file}'` or `git checkout --theirs '{file}'`"
        )


@pytest.mark.parametrize("read", [read_text, load_yaml_documents, load_env_file])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_named(tmp_path: Path, read: Callable[..., object], encoding: str) -> None:
    file = tmp_path / "f"
    assert refused(read, file, "A=CANARY\r\nB=c\n".encode(encoding)) == (
        f"shown: is UTF-16, not UTF-8; save it as UTF-8; `iconv -f UTF-16 -t UTF-8 {file}` prints the converted text"
    )


@pytest.mark.parametrize(
    "text",
    [
        "<<<<<<< HEAD\n",
        "a: |\n  <<<<<<< HEAD\n  =======\n  >>>>>>> main\n",
        "=======\n<<<<<<< HEAD\n>>>>>>> main\n",
        "<<<<<<<< a\n========\n>>>>>>>> b\n",
    ],
)
def test_what_is_no_git_conflict(text: str) -> None:
    assert conflict_line(text) is None


@pytest.mark.parametrize(
    "content", [b"", b"a", b"\0a", b"ab\0c", "é".encode("utf-16-le"), b"\xff\xfe\0\0\1\0", bytes(64)]
)
def test_what_is_not_utf16(content: bytes) -> None:
    assert not is_utf16(content)


def test_random_bytes_after_mark_are_not_utf16() -> None:
    chance = random.Random(1)
    assert not any(is_utf16(b"\xff\xfe" + chance.randbytes(62)) for _ in range(100))


def test_odd_byte_at_end_hides_no_utf16() -> None:
    """As `bridge set` has it of a file, after the line feed went."""
    assert is_utf16("CANARY\n".encode("utf-16-be")[:-1])
