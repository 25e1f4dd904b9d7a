import contextlib
import resource

import pytest

from bridge.draft.write_files import write_all
from bridge.errors import Refusal


@contextlib.contextmanager
def small_disk():
    """Let no file grow over 1000 bytes, as a full disk would; the test's own report too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("large", ["first", "last"])
def test_disk_that_is_full_leaves_no_file_and_no_folder(tmp_path, large):
    texts = {"first": "x", "middle": "x", "last": "x"} | {large: "x" * 2000}
    with small_disk(), pytest.raises(Refusal) as caught:
        write_all(tmp_path / "a" / "b", texts, [])
    assert str(caught.value) == f"{tmp_path}/a/b/{large}: cannot be written: file too large"
    assert list(tmp_path.iterdir()) == []


def test_full_disk_leaves_gitignore_as_it_was(tmp_path):
    (tmp_path / ".gitignore").write_text("a" * 900)
    with small_disk(), pytest.raises(Refusal):
        write_all(tmp_path, {"x.yaml": "x"}, ["b" * 300])
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {".gitignore": "a" * 900}


def test_interruption_removes_what_was_made(tmp_path, monkeypatch):
    def interrupt(*_):
        assert (tmp_path / "config" / "b.yaml").exists()
        raise KeyboardInterrupt

    monkeypatch.setattr("bridge.draft.write_files._ignore", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_all(tmp_path / "config", {"a.yaml": "a", "b.yaml": "b"}, [])
    assert list(tmp_path.iterdir()) == []


def test_what_someone_makes_meanwhile_is_theirs(tmp_path):
    (tmp_path / "b.yaml").write_text("theirs")
    with pytest.raises(Refusal):
        write_all(tmp_path, {"a.yaml": "a", "b.yaml": "b"}, ["x"])
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"b.yaml": "theirs"}


def test_link_is_never_followed_out_of_folder(tmp_path):
    (tmp_path / "a.yaml").symlink_to("elsewhere")
    written = write_all(tmp_path, {"a.yaml": "a", "b.yaml": "b"}, ["x"])
    assert {one.path.name: one.state for one in written} == {
        "b.yaml": "created",
        "a.yaml": "kept",
        ".gitignore": "created",
    }
    assert not (tmp_path / "elsewhere").exists()


def test_file_where_folder_should_be(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(Refusal, match="cannot be written"):
        write_all(tmp_path / "a", {"b.yaml": "b"}, [])


def test_exception_for_git_comes_after_rule_that_it_is_for(tmp_path):
    (tmp_path / ".gitignore").write_text("!a.example\nb\n")
    write_all(tmp_path, {"x.yaml": "x"}, ["a*", "!a.example", "b"])
    assert (tmp_path / ".gitignore").read_text() == "!a.example\nb\na*\n!a.example\n"
