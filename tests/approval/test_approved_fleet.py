"""`plan --all --out` and `sync --all --plan`: one file for all environments."""

import json

import pytest

from tests.approval.approvals import content, edited, file_of, sha256
from tests.desk import Desk, Result
from tests.fleet.test_fleet import fleet, give, results, token


@pytest.fixture
def names(offline_desk: Desk) -> list[str]:
    names = fleet(offline_desk, 3)
    for name in names:
        written = json.loads((offline_desk.folder / f"{name}.yaml").read_text())
        offline_desk.write(f"{name}.yaml", written | {"sources": [f"jsonfile:{name}.json"]})
    return names


def plan_all(desk: Desk, *flags: str) -> Result:
    return desk.run("plan", "--all", "--out", str(file_of(desk)), *flags)


def sync_all(desk: Desk, *flags: str) -> Result:
    return desk.run("sync", "--all", "--first", "--plan", str(file_of(desk)), "-o", "json", *flags)


def test_one_file_has_all_environments(offline_desk: Desk, names: list[str]) -> None:
    desk = offline_desk
    result = plan_all(desk)
    assert result.status == 0
    plan = content(desk)
    assert list(plan["environments"]) == names
    assert f"plan file: {file_of(desk)}, valid until {plan['expires']}, SHA-256 {sha256(file_of(desk))}" in result.out
    synced = sync_all(desk, "--plan-sha256", sha256(file_of(desk)))
    assert (synced.status, results(synced)) == (0, dict.fromkeys(names, "written"))
    assert synced.data["plan_file"]["sha256"] == sha256(file_of(desk))
    assert results(sync_all(desk)) == dict.fromkeys(names, "unchanged")


def test_markdown_shows_hash(offline_desk: Desk, names: list[str]) -> None:
    result = plan_all(offline_desk, "-o", "markdown")
    assert f"SHA-256 `{sha256(file_of(offline_desk))}`\n" in result.out
    assert len(names) == 3


def test_difference_in_one_environment_does_not_stop_others(offline_desk: Desk, names: list[str]) -> None:
    desk = offline_desk
    assert plan_all(desk).status == 0
    give(desk, names[1], "2")
    result = sync_all(desk)
    assert (result.status, results(result)) == (
        1,
        {names[0]: "written", names[1]: "refused", names[2]: "written"},
    )
    assert [token(desk, name) is None for name in names] == [False, True, False]
    assert f"bridge: error: {names[1]}: jsonfile:{names[1]}.json: is now at revision" in result.err


def test_environment_that_is_not_in_plan_is_refused(offline_desk: Desk, names: list[str]) -> None:
    desk = offline_desk
    assert plan_all(desk).status == 0
    edited(desk, lambda plan: plan["environments"].pop(names[2]))
    result = sync_all(desk)
    assert (result.status, results(result)[names[2]]) == (1, "refused")
    assert token(desk, names[2]) is None


def test_environment_that_left_folder_is_refused(offline_desk: Desk, names: list[str]) -> None:
    desk = offline_desk
    assert plan_all(desk).status == 0
    (desk.folder / f"{names[0]}.yaml").unlink()
    result = sync_all(desk)
    assert result.status == 1
    assert result.lines[0] == f"bridge: error: environment {names[0]}: is in the plan, but not in the folder"
    assert desk.target.versions() == {}


def test_one_environment_and_one_shard_of_plan_can_be_synced(offline_desk: Desk, names: list[str]) -> None:
    desk = offline_desk
    assert plan_all(desk).status == 0
    single = desk.run("sync", names[0], "--plan", str(file_of(desk)))
    assert (single.status, single.err) == (0, "")
    for shard in ("0/2", "1/2"):
        assert sync_all(desk, "--shard", shard).status == 0
    assert all(token(desk, name) for name in names)


def test_plan_of_shard_has_only_its_environments(offline_desk: Desk, names: list[str]) -> None:
    desk = offline_desk
    assert plan_all(desk, "--shard", "0/2").status == 0
    first = set(content(desk)["environments"])
    assert plan_all(desk, "--shard", "1/2").status == 0
    assert first | set(content(desk)["environments"]) == set(names)
    assert first != set(names)


def test_file_is_written_only_if_every_plan_is_in_order(offline_desk: Desk, names: list[str]) -> None:
    desk = offline_desk
    desk.target.create("Secret", f"{names[1]}-keys", {"stringData": {"TOKEN": "theirs"}})
    result = plan_all(desk)
    assert (result.status, file_of(desk).exists()) == (1, False)
