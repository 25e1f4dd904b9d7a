"""When the values of files in git were made: the first commit with a value's ciphertext, and what has no such time."""

import datetime as dt
import os
import time
from pathlib import Path

import pytest

from bridge.config.reference import Reference
from bridge.git import LIMIT, Git
from bridge.git_history import Repository
from bridge.provider import Context, Leaf, Outline, ProviderError, Revision, Rules, SecretValue
from bridge.sources.git_times import made_times
from tests.base.test_git_history import Work

LAST = 253_402_300_799  # the last second of the year 9999


class Lines:
    """A provider of files whose lines are `NAME=CIPHERTEXT`; a name in small letters is stored in clear."""

    concurrency = 1
    rules_file = "rules"

    def open(self, context: Context) -> "Lines":
        raise NotImplementedError

    def file(self, path: str, context: Context) -> Path | None:
        if path == "broken":
            raise RuntimeError("CANARY")
        return None if path == "remote" else context.base / path

    def outline(self, path: str, content: bytes) -> Outline:
        if b"=" not in content:
            raise ProviderError("is not a file of lines")
        pairs = [line.split(b"=") for line in content.splitlines()]
        leaves = {
            (0, (name.decode(),)): Leaf(sealed=tuple(text.split(b",")))
            if name.isupper()
            else Leaf(clear=(SecretValue(text),))
            for name, text in pairs
        }
        return Outline(leaves, Rules((), {}), Revision("1"))

    def rules_for(self, path: str, content: bytes) -> Rules | None:
        raise NotImplementedError


class Plain:
    """A provider that outlines nothing."""

    concurrency = 1

    def open(self, context: Context) -> "Plain":
        raise NotImplementedError


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "work")


def times(work: Work, *texts: str, seconds: float = 60) -> dict[str, dict[str, int]]:
    """Return the time of each value of some documents, in seconds since 1970."""
    context = Context(work.top, os.environ, time.monotonic() + seconds)
    split = [text.partition(":") for text in texts]
    wanted = [Reference(provider, *rest.split("@")) for provider, _, rest in split]
    found = made_times({"lines": Lines(), "plain": Plain()}, wanted, context)
    return {
        str(reference): {".".join(keys): _seconds(text) for (_, keys), text in values.items()}
        for reference, values in found.items()
    }


def _seconds(text: str) -> int:
    return int(dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=dt.UTC).timestamp())


def test_value_has_time_of_first_commit_with_its_ciphertext(work: Work) -> None:
    work.commit_at(1000, a="A=1\nB=b\nclear=x\n")
    work.commit_at(2000, a="A=2\nB=b\nclear=x\n", b="A=1\n")
    work.commit_at(3000, a="A=2\nB=b\nclear=y\n", b="A=2\n")
    assert times(work, "lines:a", "lines:b") == {"lines:a": {"A": 2000, "B": 1000}, "lines:b": {"A": 3000}}


def test_value_that_came_back_has_its_first_time_whatever_clocks_said(work: Work) -> None:
    for moment, text in ((5000, "1"), (2000, "2"), (9000, "1"), (1000, "3"), (4000, "1")):
        work.commit_at(moment, a=f"A={text}\n")
    assert times(work, "lines:a") == {"lines:a": {"A": 4000}}


def test_list_is_as_old_as_the_commit_that_has_all_of_its_ciphertexts(work: Work) -> None:
    work.commit_at(1000, a="A=one\n")
    work.commit_at(2000, a="A=one,two\n")
    assert times(work, "lines:a") == {"lines:a": {"A": 2000}}


def test_value_that_is_not_committed_has_no_time(work: Work) -> None:
    work.commit_at(1000, a="A=1\nB=1\n")
    (work.top / "a").write_text("A=2\nB=1\n")
    assert times(work, "lines:a") == {"lines:a": {"B": 1000}}


@pytest.mark.parametrize(("moment", "counts"), [(0, False), (1, True), (LAST, True), (LAST + 1, False)])
def test_commit_outside_of_calendar_does_not_count(work: Work, moment: int, counts: bool) -> None:
    """The next one with the value does."""
    work.commit_at(moment, a="A=first\n")
    work.commit_at(LAST, a="A=first\nB=second\n")
    assert times(work, "lines:a") == {"lines:a": {"A": moment if counts else LAST, "B": LAST}}


def test_file_that_was_away_for_a_while_keeps_times_of_its_values(work: Work) -> None:
    work.commit_at(1000, a="A=1\n")
    work.commit_at(2000, a=None, b="B=1\n")
    work.commit_at(3000, a="A=1\n")
    assert times(work, "lines:a") == {"lines:a": {"A": 1000}}


def test_pinned_document_has_times_up_to_its_revision(work: Work) -> None:
    first = work.commit_at(2000, a="A=1\n")
    second = work.commit_at(3000, a="A=2\n")
    work.commit_at(1000, a="A=1\n")
    wanted = [
        "lines:a",
        f"lines:a@{first}",
        f"lines:a@{second[:10]}",
        "lines:a@absent",
        "lines:a@-x",
        "lines:a@--remotes=x",
        "lines:a@main~1",
    ]
    assert times(work, *wanted) == {
        "lines:a": {"A": 1000},
        f"lines:a@{first}": {"A": 2000},
        f"lines:a@{second[:10]}": {"A": 3000},
        "lines:a@main~1": {"A": 3000},
    }


def test_document_that_is_no_file_in_git_costs_others_nothing(work: Work, tmp_path: Path) -> None:
    work.commit_at(1000, a="A=1\n", text="no lines", removed="A=1\n", **{"two\nlines": "A=1\n"})
    (work.top / "removed").unlink()
    (tmp_path / "outside").write_text("A=1\n")
    (work.top / "link").symlink_to(work.top / "a")
    others = ["plain:a", "lines:broken", "lines:remote", "lines:text", "lines:removed", "lines:two\nlines"]
    found = times(work, *others, f"lines:{tmp_path / 'outside'}", "lines:link", "lines:a")
    assert found == {"lines:link": {"A": 1000}, "lines:a": {"A": 1000}}


def test_incomplete_history_gives_no_times(work: Work, tmp_path: Path) -> None:
    for moment in (1000, 2000):
        work.commit_at(moment, a=f"A=1\nB={moment}\n")
    clone = tmp_path / "clone"
    work.git("clone", "--quiet", "--depth=1", work.top.as_uri(), str(clone))
    assert times(work, f"lines:{clone / 'a'}", "lines:a") == {"lines:a": {"A": 1000, "B": 2000}}


def test_repository_without_commits_costs_others_nothing(work: Work, tmp_path: Path) -> None:
    empty = Work(tmp_path / "empty")
    (empty.top / "a").write_text("A=1\n")
    work.commit_at(1000, a="A=1\n")
    assert times(work, f"lines:{empty.top / 'a'}", "lines:a") == {"lines:a": {"A": 1000}}


@pytest.mark.parametrize("seconds", [0, -5])
def test_no_time_is_left_for_git(work: Work, seconds: float) -> None:
    work.commit_at(1000, a="A=1\n")
    assert times(work, "lines:a", seconds=seconds) == {}


def test_git_has_half_of_the_time_that_is_left_and_never_more_than_its_limit(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []

    def recorded(git: Git, top: Path, deadline: float) -> Repository:
        given.append(deadline)
        return Repository(git, top, deadline)

    monkeypatch.setattr("bridge.sources.git_times.Repository", recorded)
    work.commit_at(1000, a="A=1\n")
    for seconds, share in ((LIMIT, LIMIT / 2), (3 * LIMIT, LIMIT)):
        before = time.monotonic()
        assert times(work, "lines:a", seconds=seconds)
        assert before + share <= given.pop() <= time.monotonic() + share
