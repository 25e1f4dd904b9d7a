"""When each value of a SOPS file last changed, as git knows it: histories that the real sops has made."""

from collections.abc import Callable

import pytest

from bridge.git import GitError
from bridge.git_history import contents, follow, names_of, origins, repository_of
from bridge.provider import Leaf
from bridge_providers.sops.outline import outline
from tests.providers.sops.folder import Folder
from tests.providers.sops.test_history import CONTENTS, LEFT, Repository


def changes(team: Repository, name: str) -> dict[str, str]:
    """Return the last key of each place, with the commit."""
    context = team.folder.context()._replace(environ={"PATH": team.folder.context().environ["PATH"]})
    repository = repository_of(team.folder.path / name, context.environ, context.deadline)
    now = outline(name, (team.folder.path / name).read_bytes()).leaves
    commits = follow(repository, [name])[name]
    names = names_of(commits)
    versions = {blob: outline(names[blob], data).leaves for blob, data in contents(repository, names)}
    found = origins(commits, now, versions, Leaf.same_as)
    return {keys[-1] if keys else "": change.commit.id[:10] for (_, keys), change in found.items()}


@pytest.mark.parametrize("release", ["3.8.1", "3.11.0", "3.13.2"])
@pytest.mark.parametrize("name", ["a.yaml", "a.json", "a.env", "a.ini"])
def test_change_of_one_value_keeps_the_commit_of_the_others(
    folder_of: Callable[[str], Folder], release: str, name: str
) -> None:
    team = Repository(folder_of(release))
    first = team.create(name, LEFT)
    assert changes(team, name) == {"a": first, "b": first}
    team.set(name, "CANARY-1")
    assert changes(team, name) == {"b": first}  # not committed yet
    second = team.commit()
    team.update_keys(name)
    team.commit()
    assert changes(team, name) == {"a": second, "b": first}
    team.rotate(name)
    third = team.commit()
    assert changes(team, name) == {"a": third, "b": third}


def test_file_that_was_renamed_keeps_its_dates(sops: Folder) -> None:
    team = Repository(sops)
    first = team.create("a.yaml", LEFT)
    (sops.path / "config").mkdir()
    team.git("mv", "a.yaml", "config/b.yaml")
    team.commit()
    assert changes(team, "config/b.yaml") == {"a": first, "b": first}


def test_merge_is_not_the_change_of_a_value_that_one_side_has(sops: Folder) -> None:
    team = Repository(sops)
    first = team.create("a.yaml", LEFT)
    team.git("checkout", "--quiet", "-b", "other")
    team.set("a.yaml", "CANARY-1")
    second = team.commit()
    team.git("checkout", "--quiet", "main")
    team.git("merge", "--quiet", "--no-ff", "--no-edit", "other")
    assert changes(team, "a.yaml") == {"a": second, "b": first}


def test_file_outside_git_has_no_dates(sops: Folder) -> None:
    sops.encrypt("a.yaml", CONTENTS["a.yaml"])
    with pytest.raises(GitError):
        repository_of(sops.path / "a.yaml", sops.context().environ, sops.context().deadline)
