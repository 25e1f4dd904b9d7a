"""A SOPS file as it was in a revision of git: what is read, what is refused, and what git is told."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyrage import x25519

from bridge.provider import Context, Document, NotFound, PinnedChecker, ProviderError, Unavailable
from bridge_providers.sops import Sops, files
from tests.providers.sops.folder import Folder, everything_told_by, opened

WHO = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
NAME = "apps/staging.sops.yaml"


def git(folder: Folder, *arguments: str) -> str:
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder.path), "GIT_CONFIG_NOSYSTEM": "1"} | WHO
    done = subprocess.run(["git", "-C", folder.path, *arguments], env=environ, check=True, capture_output=True)
    return done.stdout.decode().strip()


def commit(folder: Folder) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "change")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def plain(folder: Folder) -> Folder:
    """A repository of a file that is not encrypted: for what is told before that matters."""
    folder.write(NAME, "a: CANARY\n")
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder)
    return folder


def read(folder: Folder, revision: str, seconds: float = 60, **environ: str) -> Document:
    variables = {"PATH": os.environ["PATH"]} | folder.environ | environ
    session = Sops().open(Context(folder.path, variables, time.monotonic() + seconds))
    try:
        return session.read(NAME, revision)
    finally:
        session.close()


def refusal(folder: Folder, revision: str, kind: type[Exception] = ProviderError, **environ: str) -> str:
    with pytest.raises(kind) as caught:
        read(folder, revision, **environ)
    assert type(caught.value) is kind
    assert "CANARY" not in everything_told_by(caught.value)
    return str(caught.value)


def test_whatever_git_takes_for_commit_is_revision(sops: Folder) -> None:
    sops.encrypt(NAME, "a: CANARY-old\n")
    git(sops, "init", "--quiet", "--initial-branch=main")
    first = commit(sops)
    git(sops, "tag", "--annotate", "v1", "--message", "v1")
    sops.encrypt(NAME, "a: CANARY-new\n")
    commit(sops)
    for revision in (first, first[:8], "v1", "HEAD~1", "main^", "HEAD@{1}"):
        document = read(sops, revision)
        assert [opened(one) for one in document.content] == [
            {"a": (document.content[0]["a"].kind.value, b"CANARY-old")}
        ]  # type: ignore[index, union-attr]
        assert document.warnings == ()
    assert read(sops, "main").revision == sops.read(NAME).revision != read(sops, "v1").revision


def test_check_looks_at_file_of_commit(sops: Folder) -> None:
    provider: PinnedChecker = Sops()
    assert isinstance(provider, PinnedChecker)
    context = Context(sops.path, {"PATH": os.environ["PATH"]}, time.monotonic() + 60)
    sops.encrypt(NAME, "a: CANARY-1\n")
    git(sops, "init", "--quiet", "--initial-branch=main")
    first = commit(sops)
    sops.write(NAME, "b: CANARY-2\n")
    second = commit(sops)
    sops.encrypt(NAME, "c: CANARY-3\n", age=str(x25519.Identity.generate().to_public()))
    assert provider.names_at(NAME, first, context) == {"a"}
    # Another rule than today's is none of its business.
    assert [one for one in provider.check_at(NAME, first, context) if not one.warning] == []
    (problem,) = provider.check_at(NAME, second, context)
    assert problem.what == "is not encrypted with sops (it has no `sops` metadata)"
    (problem,) = provider.check_at(NAME, "v9", context)
    assert problem.what == "git has no commit v9"
    assert Sops().names(NAME, context) == {"c"}


def test_what_would_be_lost_is_reported(sops: Folder) -> None:
    sops.encrypt(NAME, "a: CANARY-old\n")
    git(sops, "init", "--quiet")
    commit(sops)
    sops.encrypt(NAME, "a: CANARY-new\n")
    (warning,) = read(sops, "HEAD").warnings
    assert warning.what == "its current content is not in git's last commit, and would be lost if it is replaced"
    (sops.path / NAME).unlink()
    assert read(sops, "HEAD").warnings == ()


@pytest.mark.parametrize("revision", ["nothing", "0" * 40, "HEAD~9", "HEAD:apps", "main..main", "a b"])
def test_revision_that_git_does_not_know(plain: Folder, revision: str) -> None:
    assert refusal(plain, revision, NotFound) == f"git has no commit {revision}"


@pytest.mark.parametrize("revision", ["--help", "-C/", "a\nb"])
def test_revision_is_no_option(plain: Folder, revision: str) -> None:
    assert refusal(plain, revision, NotFound) == "this is not a valid git revision"


def test_commit_without_file(plain: Folder) -> None:
    (plain.path / NAME).unlink()
    plain.write("other", "x")
    last = commit(plain)
    assert refusal(plain, "HEAD", NotFound) == f"the file is not in commit {last[:10]}"


def test_folder_or_link_of_that_name(plain: Folder) -> None:
    (plain.path / NAME).unlink()
    plain.write(f"{NAME}/inner", "CANARY")
    assert refusal(plain, commit(plain)).startswith("git cannot read it from commit ")
    (plain.path / NAME / "inner").unlink()
    (plain.path / NAME).rmdir()
    (plain.path / NAME).symlink_to("/etc/passwd")
    last = commit(plain)
    (plain.path / NAME).unlink()
    assert refusal(plain, last) == "document 1 is not a mapping"  # where it leads to is no business of git's


def test_file_that_is_too_large_is_not_read(plain: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge_providers.sops.git.LIMIT", 5)
    assert refusal(plain, "HEAD").startswith("is larger than 0 MiB in commit ")
    assert files.LIMIT == 10 * 2**20


def test_no_repository_and_no_git(plain: Folder, tmp_path: Path) -> None:
    text = refusal(plain, "HEAD", PATH=str(tmp_path / "nowhere"))
    assert text == "cannot read its earlier versions from git: git was not found in PATH"
    (plain.path / ".git").rename(plain.path / "git")
    text = refusal(plain, "HEAD")
    assert text == "cannot read its earlier versions from git: not in a git repository"


def test_git_that_hangs_is_temporary(plain: Folder, tmp_path: Path) -> None:
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(stat.S_IRWXU)
    with pytest.raises(Unavailable, match="git did not answer in time"):
        read(plain, "HEAD", seconds=0.3, PATH=f"{program.parent}:{os.environ['PATH']}")


def test_git_gets_no_value_and_is_led_nowhere_else(sops: Folder, tmp_path: Path) -> None:
    sops.encrypt(NAME, "a: CANARY\n")
    git(sops, "init", "--quiet")
    commit(sops)
    real = next(Path(one) / "git" for one in os.environ["PATH"].split(":") if (Path(one) / "git").exists())
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    code = f"import os, sys; open({str(tmp_path / 'told')!r}, 'a').write(repr((sys.argv, dict(os.environ))) + chr(10))"
    program.write_text(f"#!{sys.executable}\n{code}\nos.execv({str(real)!r}, sys.argv)\n")
    program.chmod(stat.S_IRWXU)
    read(sops, "HEAD", PATH=f"{program.parent}:{os.environ['PATH']}", GIT_DIR="/nowhere", VALUE="CANARY-environment")
    told = (tmp_path / "told").read_text()
    assert told.count("\n") >= 4
    assert "CANARY" not in told
    assert str(sops.key) not in told
    assert "/nowhere" not in told


def test_repositorys_own_configuration_starts_no_program(sops: Folder, tmp_path: Path) -> None:
    sops.encrypt(NAME, "a: CANARY\n")
    git(sops, "init", "--quiet")
    sops.write(".gitattributes", "*.yaml filter=evil diff=evil\n")
    commit(sops)
    started = tmp_path / "started"
    for key in ("filter.evil.smudge", "filter.evil.clean", "diff.evil.textconv", "core.fsmonitor", "core.pager"):
        git(sops, "config", key, f"touch {started};")
    read(sops, "HEAD")
    assert not started.exists()
