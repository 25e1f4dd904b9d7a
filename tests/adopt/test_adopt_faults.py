"""Adopting from an API server that fails at every point, or makes something else of what it is sent."""

import io
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from bridge.testing.apiserver import Fault
from tests.adopt.test_adopt import adopt, errors, made_by, synced
from tests.desk import Desk, Result
from tests.failures.test_faults import answer, fail_at, is_dry_run, is_write_of
from tests.lease.leases import expire
from tests.waiting import with_enough_time

SECRET, CONFIG = "Secret", "ConfigMap"
OURS = {("bridge/voice-agent-staging", "Apply")}


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    """A desk with two objects that Helm made, in front of the embedded cluster."""
    made_by(offline_desk, "helm")
    offline_desk.target.create(CONFIG, "agent-config", {"data": {"LOG_LEVEL": "debug"}}, "helm")
    return offline_desk


def heal(desk: Desk) -> None:
    desk.target.embedded.intercept = None
    expire(desk)
    adopt(desk)
    synced(desk)


def refused(desk: Desk, matches: Callable[[str, str], bool], fault: Fault) -> Result:
    """Adopt from a cluster that fails there, and expect that nothing was written."""
    before = desk.target.versions()
    fail_at(desk, matches, fault)
    result = desk.run("adopt", "staging", "--yes")
    desk.target.embedded.intercept = None
    assert desk.target.versions() == before
    return result


def test_dry_run_that_fails_stops_it_before_first_write(desk: Desk) -> None:
    result = refused(desk, lambda m, p: is_dry_run(m, p) and "agent-config" in p, answer(403))
    assert result.status == 1
    assert errors(result)[0].startswith("ConfigMap/agent-config in namespace voice: ")
    result = refused(desk, is_dry_run, answer(503, **{"Retry-After": "0"}))
    assert result.status == 75
    heal(desk)


def test_every_dry_run_that_is_refused_is_reported(desk: Desk) -> None:
    assert len(errors(refused(desk, is_dry_run, answer(403)))) == 2


def test_memory_that_cannot_be_written_stops_it_before_first_object(desk: Desk) -> None:
    result = refused(desk, lambda m, p: m == "PATCH" and "/bridge-" in p, answer(403))
    assert result.status == 1
    assert result.out.splitlines()[-1] == "3 keys of 2 objects: failed; nothing was written"
    heal(desk)


def test_write_that_fails_in_middle_stops_rest_and_says_what_is_done(desk: Desk) -> None:
    fail_at(desk, is_write_of("agent-config"), answer(403))
    result = desk.run("adopt", "staging", "--yes", "--output", "json")
    assert (result.status, result.data["result"]) == (5, "stopped")
    assert [one["written"] for one in result.data["objects"]] == ["yes", "no"]
    heal(desk)


@pytest.mark.parametrize("fault", ["drop", "drop-after"])
def test_lost_answer_is_settled_by_reading_again(desk: Desk, fault: Fault) -> None:
    fail_at(desk, is_write_of("agent-secrets"), fault, times=1)
    assert desk.run("adopt", "staging", "--yes").status == 0
    assert desk.target.owners(SECRET, "agent-secrets", "OPENAI_API_KEY") == OURS
    synced(desk)


def test_answer_that_is_lost_for_good_is_no_claim_that_nothing_was_written(desk: Desk) -> None:
    lost = [False]

    def intercept(method: str, path: str) -> Fault | None:
        if is_write_of("agent-secrets")(method, path):
            lost[0] = True
            return "drop-after"
        return "drop" if lost[0] else None

    desk.target.embedded.intercept = intercept
    result = with_enough_time(
        lambda limit: desk.run("adopt", "staging", "--yes", "--timeout", str(limit)), lambda: lost[0], first=5
    )
    assert result.status == 5
    assert "Secret/agent-secrets  perhaps taken over" in result.out.splitlines()
    assert "ConfigMap/agent-config  unchanged" in result.out.splitlines()
    heal(desk)


@pytest.mark.parametrize("fault", ["drop", "drop-after"])
def test_after_lost_answer_nothing_is_done_to_what_someone_has_changed_since(desk: Desk, fault: Fault) -> None:
    lost: list[str] = []

    def intercept(method: str, path: str) -> Fault | None:
        if is_write_of("agent-secrets")(method, path):
            lost.append(path)
            return fault
        if lost and method == "GET":
            desk.target.embedded.intercept = None
            desk.target.edit(SECRET, "agent-secrets", "helm", OPENAI_API_KEY="CANARY-newer")
        return None

    desk.target.embedded.intercept = intercept
    assert desk.run("adopt", "staging", "--yes").status == 5
    assert len(lost) == 1
    assert desk.target.owners(SECRET, "agent-secrets", "OPENAI_API_KEY") == {("helm", "Update")}
    heal(desk)


def test_answers_that_are_always_lost_before_they_count_are_given_up(desk: Desk) -> None:
    fail_at(desk, is_write_of("agent-secrets"), "drop")
    result = desk.run("adopt", "staging", "--yes")
    assert (result.status, result.out.splitlines()[-1]) == (75, "3 keys of 2 objects: failed; nothing was written")
    assert desk.target.owners(SECRET, "agent-secrets", "OPENAI_API_KEY") == {("helm", "Update")}
    heal(desk)


def rewriting(monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any], str], None]) -> None:
    """Let the cluster change what it answers: to a read, a dry patch ("try") or a patch."""
    from bridge.testing import api  # noqa: PLC0415

    serve = api.answer

    def rewritten(store: Any, request: Any) -> Any:
        result = serve(store, request)
        if isinstance(result.body, dict) and result.body.get("kind") == SECRET:
            body = json.loads(json.dumps(result.body))
            change(body, "read" if request.method == "GET" else "try" if "dryRun" in request.query else "patch")
            return result._replace(body=body)
        return result

    monkeypatch.setattr(api, "answer", rewritten)


def test_rule_that_changes_values_on_every_write_is_met_before_first(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewriting(monkeypatch, lambda body, step: body["data"].update({"THEIRS": "eA=="} if step == "try" else {}))
    before = desk.target.versions()
    result = desk.run("adopt", "staging", "--yes")
    assert (result.status, errors(result)) == (
        1,
        ["Secret/agent-secrets in namespace voice: an admission rule changes its values on every write"],
    )
    assert desk.target.versions() == before


def test_rule_that_lets_dry_run_pass_is_met_after_write(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(body: dict[str, Any], step: str) -> None:
        if step == "patch":
            body["data"].pop("THEIRS")
            body["metadata"]["resourceVersion"] = "0"  # as if somebody had written since

    rewriting(monkeypatch, spoil)
    result = desk.run("adopt", "staging", "--yes")
    assert result.status == 5
    assert "Secret/agent-secrets  perhaps taken over" in result.out.splitlines()


def test_what_was_stored_is_read_back(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []

    def spoil(body: dict[str, Any], step: str) -> None:
        if step == "read" and "patch" in steps:
            body["data"].pop("THEIRS")
        steps.append(step)

    rewriting(monkeypatch, spoil)
    result = desk.run("adopt", "staging", "--yes")
    assert (result.status, errors(result)) == (
        5,
        ["Secret/agent-secrets in namespace voice: an admission rule changes its values on every write"],
    )


def test_read_back_that_fails_does_not_undo_what_was_written(desk: Desk) -> None:
    written = [False]

    def intercept(method: str, path: str) -> Fault | None:
        written[0] = written[0] or is_write_of("agent-config")(method, path)
        return answer(403) if written[0] and method == "GET" else None

    desk.target.embedded.intercept = intercept
    assert desk.run("adopt", "staging", "--yes").status == 0
    assert desk.target.embedded.intercept is intercept
    heal(desk)


def test_ownership_that_server_dropped_without_word_is_seen(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rewriting(monkeypatch, lambda body, step: body["metadata"].pop("managedFields") if step == "patch" else None)
    result = desk.run("adopt", "staging", "--yes")
    assert (result.status, errors(result)) == (
        5,
        ["Secret/agent-secrets in namespace voice: the API server did not accept the change of ownership"],
    )


def test_time_that_answer_takes_does_not_count(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    passed, monotonic = [0.0], time.monotonic

    class Thoughtful(io.StringIO):
        def isatty(self) -> bool:
            return True

        def readline(self, _size: int = -1) -> str:
            passed[0] = 3600.0
            return "y\n"

    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + passed[0])
    monkeypatch.setattr("sys.stdin", Thoughtful())
    result = desk.run("adopt", "staging")
    assert (result.status, errors(result)) == (0, [])
