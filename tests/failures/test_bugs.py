"""A bug of ours after the first write: the report says what is written, or perhaps, and the run ends with 5."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.cluster.events import Events
from bridge.cluster.lease import Lease
from bridge.cluster.objects import Objects
from bridge.cluster.state import MemoryStore
from bridge.commands import adopt as adopt_command
from bridge.commands import fleet as fleet_command
from bridge.commands import importing, rollback
from bridge.commands import restart as restart_command
from bridge.commands import set as set_command
from bridge.commands import sync as sync_command
from bridge.run import apply
from bridge.stores.update import look
from bridge.stores.whole_document import Whole
from bridge.stores.write import Write
from tests.adopt.test_adopt import made_by
from tests.desk import Desk, Result
from tests.fleet.test_fleet import fleet
from tests.importing.moving import PATCH, SHELF, shelf
from tests.lease.leases import holder
from tests.monitoring.test_watched import metrics
from tests.stores.test_set import Piped
from tests.team import VALUES

BUG = "bridge: error: a bug in bridge (KeyError)"
BUGS = [KeyError, SystemExit]


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    offline_desk.canaries |= {"CANARY-bug", "CANARY-newer"}
    return offline_desk


@pytest.fixture
def bugs() -> Iterator[pytest.MonkeyPatch]:
    """Patches of their own, so that a test can take back the bugs and nothing else."""
    with pytest.MonkeyPatch.context() as patches:
        yield patches


def break_after(
    bugs: pytest.MonkeyPatch, owner: Any, name: str, kind: type[BaseException] = KeyError, *, on: Any = None
) -> None:
    """Let a function do its work and then raise; with `on` only if that is true of the arguments."""
    work = getattr(owner, name)

    def broken(*args: Any, **options: Any) -> Any:
        result = work(*args, **options)
        if on is None or on(*args, **options):
            raise kind("CANARY-bug")
        return result

    bugs.setattr(owner, name, broken)


def write_of(name: str) -> Callable[..., bool]:
    """Match the `Objects.apply` that is for good, of one object."""
    return lambda _objects, desired, _live, *, dry_run, **_: desired.id.name == name and not dry_run


def written(result: Result) -> dict[str, str]:
    return {one["name"]: one["written"] for one in result.data["objects"]}


def healed(desk: Desk, bugs: pytest.MonkeyPatch) -> None:
    """The Lease is given back, and the next run, of a bridge without the bug, makes all right."""
    assert holder(desk) in ("", None)
    bugs.undo()
    result = desk.run("sync", "staging")
    assert result.status == 0, result.err
    assert desk.run("plan", "staging", "--exit-code").status == 0
    assert desk.target.data("Secret", "agent-secrets") == {
        key: value for key, value in VALUES.items() if "LIVEKIT" not in key
    }


@pytest.mark.parametrize("kind", BUGS)
@pytest.mark.parametrize("many", [1, 100])
def test_bug_in_second_write_stops_rest_and_report_says_what_is_done(
    desk: Desk, bugs: pytest.MonkeyPatch, kind: type[BaseException], many: int
) -> None:
    """Also on a thread of its own, as with many objects."""
    bugs.setattr("bridge.cluster.waves.MANY", many)
    bugs.setattr("bridge.cluster.waves.WIDTH", 1)
    break_after(bugs, Objects, "apply", kind, on=write_of("agent-secrets"))
    result = desk.run("sync", "staging", "--output", "json")
    assert (result.status, result.data["result"]) == (5, "stopped")
    assert written(result) == {
        "shared-secrets": "yes",
        "agent-secrets": "perhaps",
        "shared-config": "no",
        "agent-config": "no",
        "front-config": "no",
    }
    assert [error["what"] for error in result.data["errors"]] == [f"a bug in bridge ({kind.__name__})"]
    assert result.lines[0] == f"bridge: error: a bug in bridge ({kind.__name__})"
    assert result.lines[1].startswith("bridge: hint: please report it with this trace: bridge.")
    healed(desk, bugs)


def test_as_text_objects_are_reported_and_metrics_have_status(
    desk: Desk, bugs: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    break_after(bugs, Objects, "apply", on=write_of("agent-secrets"))
    result = desk.run("sync", "staging", "--metrics", str(tmp_path / "bridge.prom"))
    lines = result.out.splitlines()
    assert "+ Secret/shared-secrets  created" in lines
    assert "+ Secret/agent-secrets  perhaps created" in lines
    assert "+ ConfigMap/shared-config  to create" in lines
    assert lines[-1].endswith("stopped between writes; run again")
    assert (result.status, metrics(desk, tmp_path / "bridge.prom")["bridge_exit_status"]) == (5, 5)


def test_bug_in_first_write_may_have_written_it(desk: Desk, bugs: pytest.MonkeyPatch) -> None:
    break_after(bugs, Objects, "apply", on=write_of("shared-secrets"))
    result = desk.run("sync", "staging", "--output", "json")
    assert (result.status, written(result)["shared-secrets"]) == (5, "perhaps")
    healed(desk, bugs)


@pytest.mark.parametrize("name", ["check", "acquire"])
def test_bug_before_first_write_is_bug(desk: Desk, bugs: pytest.MonkeyPatch, name: str) -> None:
    break_after(bugs, Lease, name)
    result = desk.run("sync", "staging")
    assert (result.status, result.lines[0]) == (3, BUG)
    assert result.out.splitlines()[-1].endswith("failed; nothing was written")
    assert not {one for one in desk.target.versions() if "bridge-" not in one}
    assert holder(desk) in ("", None) or name == "acquire"


@pytest.mark.parametrize(
    ("owner", "name"),
    [(Events, "write"), (Lease, "release"), (MemoryStore, "write"), (apply, "tell_events")],
)
def test_bug_once_all_is_written_is_reported_with_all_that_is(
    desk: Desk, bugs: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    break_after(bugs, owner, name)
    result = desk.run("sync", "staging", "--output", "json")
    assert (result.status, result.data["result"]) == (5, "stopped")
    assert set(written(result).values()) == {"yes"}
    assert result.lines[0] == BUG
    healed(desk, bugs)


def test_bug_in_report_itself_is_reported_with_what_is_written(desk: Desk, bugs: pytest.MonkeyPatch) -> None:
    break_after(bugs, sync_command, "outcome_data")
    result = desk.run("sync", "staging")
    assert (result.status, result.lines[0]) == (5, BUG)
    written = "bridge: error: these objects were or may have been written: Secret/shared-secrets, "
    assert result.lines[2].startswith(written)
    assert result.lines[3] == "bridge: hint: run the same command again: it continues from the current state"


def test_interrupt_between_writes_is_interrupt(desk: Desk, bugs: pytest.MonkeyPatch) -> None:
    break_after(bugs, Objects, "apply", KeyboardInterrupt, on=write_of("agent-secrets"))
    result = desk.run("sync", "staging", "--output", "json")
    assert (result.status, result.data["result"]) == (130, "interrupted")
    assert [written(result)[name] for name in ("shared-secrets", "agent-secrets")] == ["yes", "perhaps"]
    assert result.lines == ["bridge: interrupted"]
    healed(desk, bugs)


@pytest.mark.parametrize("kind", BUGS)
def test_of_many_environments_others_go_on(desk: Desk, bugs: pytest.MonkeyPatch, kind: type[BaseException]) -> None:
    fleet(desk, 3)
    break_after(bugs, Objects, "apply", kind, on=write_of("env-01-config"))
    result = desk.run("sync", "--all", "--output", "json")
    assert (result.status, result.data["summary"]) == (5, {"stopped": 1, "written": 2})
    entry = result.data["environments"][1]
    assert (entry["status"], entry["result"]) == (5, "stopped")
    assert {one["name"]: one["written"] for one in entry["objects"]} == {
        "env-01-keys": "yes",
        "env-01-config": "perhaps",
    }
    assert result.lines[0] == f"bridge: error: env-01: a bug in bridge ({kind.__name__})"


@pytest.mark.parametrize("kind", BUGS)
def test_of_many_environments_one_whose_bug_comes_first_has_3(
    desk: Desk, bugs: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    fleet(desk, 3)
    break_after(bugs, Objects, "apply", kind, on=lambda _, desired, *__, **___: "env-01" in desired.id.name)
    result = desk.run("sync", "--all", "--output", "json")
    assert (result.status, result.data["summary"]) == (3, {"failed": 1, "written": 2})


def test_member_whose_events_are_broken_is_written_all_same(desk: Desk, bugs: pytest.MonkeyPatch) -> None:
    fleet(desk, 1)
    break_after(bugs, Events, "write")
    result = desk.run("sync", "--all", "--output", "json")
    (entry,) = result.data["environments"]
    assert (result.status, entry["result"], entry["status"]) == (5, "stopped", 5)
    assert {one["written"] for one in entry["objects"]} == {"yes"}


def test_bug_in_report_of_many_is_reported_with_environments_that_are_written(
    desk: Desk, bugs: pytest.MonkeyPatch
) -> None:
    fleet(desk, 2)
    break_after(bugs, fleet_command, "fleet_data")
    result = desk.run("sync", "--all")
    assert result.status == 5
    assert result.lines[0] == BUG
    assert "these objects were or may have been written: env-0" in result.lines[2]


def prepared(desk: Desk, bugs: pytest.MonkeyPatch) -> None:
    """Let the shelf have a revision to go back to: what it has now, but for one value."""
    desk.environment(sources=[SHELF])
    desk.write("shelf.json", VALUES | {"OPENAI_API_KEY": "CANARY-newer"})
    assert desk.run("sync", "staging").status == 0

    def earlier(provider: Any, source: Any, _revision: str, context: Any) -> Whole:
        present = look(provider, source, context)
        desk.write("before.json", VALUES)
        wanted = look(provider, source._replace(path="before.json"), context)
        assert present
        assert wanted
        return Whole(wanted, present)

    bugs.setattr(rollback, "look_back", earlier)


def back(desk: Desk, *more: str) -> Result:
    return desk.run("rollback", "staging", "--source", SHELF, "--to", "1", "--yes", *more)


def test_rollback_whose_store_may_be_written_says_so(desk: Desk, bugs: pytest.MonkeyPatch) -> None:
    prepared(desk, bugs)
    break_after(bugs, Write, "_read_back")
    result = back(desk)
    assert (result.status, shelf(desk)) == (5, VALUES)
    assert result.lines[0] == f"bridge: error: {SHELF}: a bug in bridge (KeyError)"
    assert result.lines[2] == f"bridge: error: {SHELF}: it is unknown whether it was written"
    healed(desk, bugs)


@pytest.mark.parametrize("where", ["read_environment", "_write_in_turn", "write"])
def test_rollback_whose_store_is_written_says_so(desk: Desk, bugs: pytest.MonkeyPatch, where: str) -> None:
    prepared(desk, bugs)
    if where == "write":
        break_after(bugs, Objects, "apply", on=write_of("agent-secrets"))
    else:
        break_after(bugs, apply, where)
    result = back(desk, "--output", "json")
    assert (result.status, result.data["result"], shelf(desk)) == (5, "stopped", VALUES)
    assert result.data["rollback"]["after"] is not None
    assert result.lines[0] == BUG
    assert any("was written, but the cluster is not synced yet" in line for line in result.lines)
    expected = {"read_environment": "no", "_write_in_turn": "yes", "write": "perhaps"}[where]
    assert written(result)["agent-secrets"] == expected
    healed(desk, bugs)


def test_rollback_whose_report_is_broken_says_what_is_written(desk: Desk, bugs: pytest.MonkeyPatch) -> None:
    prepared(desk, bugs)
    break_after(bugs, rollback, "_end")
    result = back(desk)
    assert (result.status, result.lines[0]) == (5, BUG)
    written = f"Secret/agent-secrets, {SHELF}"
    assert result.lines[2] == f"bridge: error: these objects were or may have been written: {written}"


def put(desk: Desk, bugs: pytest.MonkeyPatch) -> Result:
    desk.environment(sources=[SHELF])
    desk.write("shelf.json", VALUES)
    bugs.setattr("sys.stdin", Piped(b"CANARY-newer\n"))
    return desk.run("set", "staging", "OPENAI_API_KEY", "--yes")


def test_value_that_may_be_set_is_reported(desk: Desk, bugs: pytest.MonkeyPatch) -> None:
    break_after(bugs, Write, "_read_back")
    result = put(desk, bugs)
    assert (result.status, shelf(desk)["OPENAI_API_KEY"]) == (5, "CANARY-newer")
    assert result.lines[0] == f"bridge: error: {SHELF}: a bug in bridge (KeyError)"
    assert result.lines[2] == f"bridge: error: {SHELF}: it is unknown whether it was written"


def test_value_that_is_set_is_reported_whatever_report_does(desk: Desk, bugs: pytest.MonkeyPatch) -> None:
    break_after(bugs, set_command, "_report")
    result = put(desk, bugs)
    assert (result.status, result.lines[0]) == (5, BUG)
    assert result.lines[2] == f"bridge: error: these objects were or may have been written: {SHELF}"


def test_bug_before_value_is_set_is_bug(desk: Desk, bugs: pytest.MonkeyPatch) -> None:
    break_after(bugs, Write, "present")
    result = put(desk, bugs)
    assert (result.status, shelf(desk), result.lines[0]) == (3, VALUES, BUG)


def imported(desk: Desk, *more: str) -> Result:
    file = desk.write("patch.yml", PATCH)
    desk.environment(templates=["base/secrets.yml", "base/configmap.yml", "own.yaml"], sources=[SHELF])
    desk.write("own.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared-config}\ndata: {DOMAIN: a.b}\n")
    return desk.run("import", "staging", str(file), "--to", SHELF, "--yes", *more)


def test_import_whose_store_may_be_written_says_so(desk: Desk, bugs: pytest.MonkeyPatch) -> None:
    break_after(bugs, Write, "_read_back")
    result = imported(desk, "--output", "json")
    assert (result.status, result.data["result"], shelf(desk)) == (5, "stopped", VALUES)
    assert [error["what"] for error in result.data["errors"]] == [
        "a bug in bridge (KeyError)",
        "it is unknown whether it was written",
    ]


def test_import_whose_template_breaks_says_that_store_is_written(desk: Desk, bugs: pytest.MonkeyPatch) -> None:
    break_after(bugs, importing, "write_values")
    result = imported(desk, "--output", "json")
    assert (result.status, result.data["result"]) == (5, "stopped")
    assert (result.data["document"]["before"], result.data["template"]) == (None, None)
    assert result.lines[0] == BUG


def test_import_whose_report_is_broken_says_what_is_written(desk: Desk, bugs: pytest.MonkeyPatch) -> None:
    break_after(bugs, importing, "_end")
    result = imported(desk)
    assert (result.status, result.lines[0]) == (5, BUG)
    assert result.lines[2] == f"bridge: error: these objects were or may have been written: {SHELF}, own.yaml"


def test_what_is_adopted_and_what_perhaps_is_reported(desk: Desk, bugs: pytest.MonkeyPatch) -> None:
    made_by(desk, "helm")
    desk.target.create("ConfigMap", "agent-config", {"data": {"LOG_LEVEL": "debug"}}, "helm")
    break_after(bugs, adopt_command, "take_over", on=lambda _, one, dry_run: one.id.kind == "ConfigMap" and not dry_run)
    result = desk.run("adopt", "staging", "--yes", "--output", "json")
    assert (result.status, result.data["result"]) == (5, "stopped")
    assert written(result) == {"agent-secrets": "yes", "agent-config": "perhaps"}
    assert [error["what"] for error in result.data["errors"]] == ["a bug in bridge (KeyError)"]
    assert BUG in result.lines
    assert holder(desk) == ""


def test_bug_before_anything_is_adopted_is_bug(desk: Desk, bugs: pytest.MonkeyPatch) -> None:
    made_by(desk, "helm")
    break_after(bugs, Lease, "acquire")
    result = desk.run("adopt", "staging", "--yes", "--output", "json")
    assert (result.status, result.data["result"], written(result)) == (3, "failed", {"agent-secrets": "no"})


@pytest.mark.parametrize(("rolled", "status"), [(["Deployment/agent"], 5), ([], 3)])
def test_what_is_restarted_is_reported(desk: Desk, bugs: pytest.MonkeyPatch, rolled: list[str], status: int) -> None:
    assert desk.run("sync", "staging").status == 0
    bugs.setattr(restart_command, "survey", lambda *_, **__: ())
    bugs.setattr(restart_command, "roll", lambda _, restart: restart.rolled.extend(rolled))
    break_after(bugs, restart_command, "follow")
    result = desk.run("restart", "staging", "--output", "json")
    assert (result.status, result.data["result"], result.lines[0]) == (status, "unfinished", BUG)
    assert [error["what"] for error in json.loads(result.out)["errors"]] == ["a bug in bridge (KeyError)"]
