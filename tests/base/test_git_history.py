"""Following many files through git's history: what counts as a change, and of which file."""

import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from bridge.git import Git, GitError, GitLate
from bridge.git_history import BlobChange, Repository, blobs_at, contents, follow, names_of, origins, repository_of

WHO = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


class Work:
    """A repository whose files have a line for each of their parts."""

    def __init__(self, top: Path) -> None:
        self.top = top
        top.mkdir(exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *words: str, **environ: str) -> str:
        variables = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "GIT_CONFIG_NOSYSTEM": "1"} | WHO | environ
        command = ["git", "-C", str(self.top), *words]
        return subprocess.run(command, env=variables, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, **files: str | None) -> str:
        """Write files, remove those with None, and commit; a name's `__` is a slash."""
        self._write(files)
        self.git("commit", "--quiet", "--allow-empty", "--message", "x")
        return self.git("rev-parse", "HEAD")

    def commit_at(self, moment: int, **files: str | None) -> str:
        """As above on main, at a time in seconds since 1970, which may be one that `git commit` refuses."""
        self._write(files)
        tree, parents = self.git("write-tree"), self.git("for-each-ref", "--format=parent %(objectname)", "refs/heads")
        who = f"A <a@b.c> {moment} +0000"
        lines = [f"tree {tree}", *parents.splitlines(), f"author {who}", f"committer {who}", "", "x", ""]
        (self.top / ".git" / "made").write_text("\n".join(lines))
        made = self.git("hash-object", "-t", "commit", "-w", ".git/made")
        self.git("update-ref", "refs/heads/main", made)
        return made

    def _write(self, files: Mapping[str, str | None]) -> None:
        for name, content in files.items():
            path = self.top / name.replace("__", "/")
            path.parent.mkdir(exist_ok=True)
            if content is None:
                path.unlink()
            else:
                path.write_text(content)
        self.git("add", "--all")

    @property
    def repository(self) -> Repository:
        return Repository(Git(self.top, os.environ), self.top, time.monotonic() + 60)

    def follow(self, *paths: str, **options: str) -> list[Sequence[BlobChange]]:
        found = follow(self.repository, paths, **options)
        return [found[path] for path in paths]

    def changes(self, path: str) -> list[tuple[str, str, bool]]:
        """Return the commit, the name and whether it only took a version, newest first."""
        return [(one.commit.id, one.path, one.is_taken) for one in self.follow(path)[0]]

    def branch(self, name: str) -> None:
        self.git("checkout", "--quiet", "-b", name)

    def back(self) -> None:
        self.git("checkout", "--quiet", "main")

    def merge(self, *words: str) -> str:
        self.git("merge", "--quiet", "--no-ff", "--no-edit", *words)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "work")


TEXT = "".join(f"line {number} of a file that is long enough to be recognised\n" for number in range(20))


def test_changes_of_each_file_newest_first_with_what_was_before(work: Work) -> None:
    first = work.commit(a="1", b="1")
    second = work.commit(a="2")
    third = work.commit(b="2")
    work.commit(c="1")
    fourth = work.commit(a=None)
    a, b = work.follow("a", "b")
    assert [one.commit.id for one in a] == [fourth, second, first]
    assert [one.commit.id for one in b] == [third, first]
    assert [one.blob is None for one in a] == [True, False, False]
    assert a[0].before == (a[1].blob,)
    assert a[1].before == (a[2].blob,)
    assert a[2].before == ()


def test_commit_has_author_and_times(work: Work) -> None:
    work.git("config", "i18n.logOutputEncoding", "latin1")
    work.git("config", "log.showSignature", "true")
    (work.top / "a").write_text("x")
    work.git("add", "a")
    work.git(
        *("commit", "--quiet", "--message", "x\n\nwith\0no zero".replace("\0", "")),
        GIT_AUTHOR_NAME="Jürgen",
        GIT_AUTHOR_EMAIL="j@example.com",
        GIT_AUTHOR_DATE="2026-01-01T00:00:00Z",
        GIT_COMMITTER_DATE="2026-01-02T00:00:00Z",
    )
    commit = work.follow("a")[0][0].commit
    assert (commit.author, commit.email) == ("Jürgen", "j@example.com")
    assert (commit.time, commit.committed) == (1767225600, 1767312000)
    assert commit.short == commit.id[:10]


def test_rename_is_followed_and_takes_the_version(work: Work) -> None:
    first = work.commit(a=TEXT)
    second = work.commit(a=TEXT + "2")
    (work.top / "sub").mkdir()
    work.git("mv", "a", "sub/b")
    third = work.commit()
    fourth = work.commit(sub__b=TEXT + "3")
    assert work.changes("sub/b") == [
        (fourth, "sub/b", False),
        (third, "sub/b", True),
        (second, "a", False),
        (first, "a", False),
    ]


def test_name_that_another_file_has_now_is_followed_for_both(work: Work) -> None:
    first = work.commit(a=TEXT)
    work.git("mv", "a", "b")
    second = work.commit()
    third = work.commit(a="another file")
    fourth = work.commit(a="another file 2")
    assert [one[0] for one in work.changes("b")] == [second, first]
    assert [one[0] for one in work.changes("a")] == [fourth, third, second, first]  # the name was used before


def test_many_files_that_move_together_and_one_by_one(work: Work) -> None:
    names = [f"f{number}" for number in range(12)]
    first = work.commit(**{name: TEXT + name for name in names})
    (work.top / "sub").mkdir()
    for name in names:
        work.git("mv", name, f"sub/{name}")
    work.commit()
    changed = work.commit(sub__f3=TEXT + "new")
    work.git("mv", "sub/f3", "sub/g3")
    work.commit()
    work.git("mv", "sub/f4", "sub/g4")
    work.commit()
    paths = [f"sub/{name}" for name in names if name not in {"f3", "f4"}] + ["sub/g3", "sub/g4"]
    found = dict(zip(paths, work.follow(*paths), strict=True))
    for path, changes in found.items():
        own = [one.commit.id for one in changes if not one.is_taken]
        assert own == ([changed, first] if path == "sub/g3" else [first])


def test_file_in_another_format_continues_the_one_of_its_name(work: Work) -> None:
    first = work.commit(**{"a.json": "1"})
    second = work.commit(**{"a.json": None, "a.yaml": "quite another text"})
    assert work.changes("a.yaml") == [(second, "a.yaml", False), (first, "a.json", False)]


def test_merge_that_takes_one_side_is_no_change(work: Work) -> None:
    first = work.commit(a="1", b="1")
    work.branch("other")
    second = work.commit(a="2")
    work.back()
    work.commit(b="2")
    work.merge("other")
    assert work.changes("a") == [(second, "a", False), (first, "a", False)]


def test_merge_that_drops_the_other_side_takes_its_own(work: Work) -> None:
    first = work.commit(a="1")
    work.branch("other")
    second = work.commit(a="2")
    work.back()
    third = work.commit(a="3")
    merge = work.merge("--strategy=ours", "other")
    changes = work.follow("a")[0]
    assert [(one.commit.id, one.is_taken) for one in changes[:1]] == [(merge, True)]
    assert {one.commit.id for one in changes[1:3]} == {second, third}
    assert changes[3].commit.id == first
    dropped = next(one.blob for one in changes if one.commit.id == second)
    assert changes[0].before == (dropped,)


def test_merge_with_a_text_of_its_own_is_a_change_from_both_sides(work: Work) -> None:
    work.commit(a="1")
    work.branch("other")
    work.commit(a="2")
    work.back()
    work.commit(a="3")
    work.git("merge", "--quiet", "--no-commit", "--strategy=ours", "other")
    merge = work.commit(a="23")
    newest = work.follow("a")[0][0]
    assert (newest.commit.id, newest.is_taken, len(newest.before)) == (merge, False, 2)


def test_history_that_a_subtree_brings_is_followed(work: Work) -> None:
    work.commit(a="1")
    work.git("checkout", "--quiet", "--orphan", "other")
    work.git("rm", "--quiet", "-r", "--force", ".")
    first = work.commit(x=TEXT)
    work.back()
    work.git("merge", "--quiet", "--no-commit", "--allow-unrelated-histories", "--strategy=ours", "other")
    (work.top / "sub").mkdir()
    merge = work.commit(sub__x=TEXT)
    assert work.changes("sub/x") == [(merge, "sub/x", True), (first, "x", False)]


def test_link_or_folder_in_a_files_place_has_no_version(work: Work) -> None:
    work.commit(a="1")
    (work.top / "a").unlink()
    (work.top / "a").symlink_to("b")
    work.commit()
    last = work.commit(a=None)
    work.commit(a="2")
    changes = work.follow("a")[0]
    assert [one.blob is None for one in changes] == [False, True, False]
    assert last not in {one.commit.id for one in changes}


@pytest.mark.parametrize("name", ["with space ü", "-x", ":(glob)*", "a*", "tab\tin", 'quote"'])
def test_names_that_git_may_take_for_something_else(work: Work, name: str) -> None:
    first = work.commit(**{name: "1", "ab": "2"})
    second = work.commit(**{name: "3"})
    assert [one[0] for one in work.changes(name)] == [second, first]
    assert blobs_at(work.repository, "HEAD", [name, "none"]).keys() == {name}


def test_all_refs_include_other_branches(work: Work) -> None:
    first = work.commit(a="1")
    work.branch("other")
    second = work.commit(a="2")
    work.back()
    assert [one.commit.id for one in work.follow("a")[0]] == [first]
    assert [one.commit.id for one in work.follow("a", start="--all")[0]] == [second, first]


def test_contents_within_a_limit(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    work.commit(a="1" * 100, b="2" * 100, c="3" * 100)
    blobs = list(blobs_at(work.repository, "HEAD", ["a", "b", "c"]).values())
    whole = [b"1" * 100, b"2" * 100, b"3" * 100]
    assert [data for _, data in contents(work.repository, blobs)] == whole
    assert [data for _, data in contents(work.repository, blobs, 250)] == whole[:2]
    monkeypatch.setattr("bridge.git_history.LARGEST", 99)
    assert list(contents(work.repository, blobs)) == []
    assert list(contents(work.repository, ["0" * 40])) == []  # missing, as in a partial clone


def test_git_that_hangs_or_fails_while_contents_are_read(work: Work, tmp_path: Path) -> None:
    work.commit(a="1" * 100)
    blobs = list(blobs_at(work.repository, "HEAD", ["a"]).values())
    folder = tmp_path / "bin"
    folder.mkdir()
    for script, kind in (("exec sleep 1000", GitLate), ("exit 1", GitError)):
        program = folder / "git"
        program.write_text(f'#!/bin/sh\ncase "$*" in *--buffer*) {script};; esac\nexec git "$@"\n')
        program.chmod(0o755)
        environ = {"PATH": f"{folder}:{os.environ['PATH']}"}
        program.write_text(program.read_text().replace("exec git", f"exec {shutil.which('git')}"))
        repository = Repository(Git(work.top, environ), work.top, time.monotonic() + (1 if kind is GitLate else 60))
        with pytest.raises(kind):
            list(contents(repository, blobs))


def test_origin_of_each_part_looks_past_versions_that_cannot_be_read(work: Work) -> None:
    first = work.commit(a="x1 y1")
    second = work.commit(a="x1 y2")
    work.commit(a="<<<<<<<")
    work.commit(a="x1 y2")
    changes = work.follow("a")[0]
    texts = {blob: data.decode() for blob, data in contents(work.repository, names_of(changes))}
    parts = {blob: {part[0]: part for part in text.split()} for blob, text in texts.items() if "<" not in text}
    found = origins(changes, {"x": "x1", "y": "y2", "z": "z"}, parts, str.__eq__)
    assert {key: change.commit.id for key, change in found.items()} == {"x": first, "y": second}


def test_repository_that_does_not_exist_or_has_no_commit(work: Work, tmp_path: Path) -> None:
    with pytest.raises(GitError):
        repository_of(tmp_path / "a", os.environ, time.monotonic() + 60)
    assert not work.repository.has_commits
    work.commit(a="1")
    assert work.repository.has_commits
    assert not work.repository.is_shallow


def test_branch_cannot_choose_what_git_prints(work: Work) -> None:
    """Settings of a repository that would change the output of git's other commands."""
    work.commit(a=TEXT)
    work.git("mv", "a", "b")
    work.commit()
    for name, value in {
        "diff.relative": "true",
        "diff.renames": "false",
        "diff.noprefix": "true",
        "diff.orderFile": "/dev/null",
        "core.quotePath": "true",
        "color.ui": "always",
        "format.pretty": "oneline",
        "log.date": "relative",
        "core.abbrev": "4",
    }.items():
        work.git("config", name, value)
    assert [one[1] for one in work.changes("b")] == ["b", "a"]
