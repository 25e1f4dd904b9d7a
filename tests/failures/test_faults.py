"""An API server that fails at every point: nothing is lost, and the next run repairs what was begun."""

import json
import threading
from collections.abc import Callable

import pytest

from bridge.testing.apiserver import Fault
from tests.desk import Desk, Result
from tests.lease.leases import expire
from tests.team import VALUES
from tests.waiting import with_enough_time

SECRET, CONFIG = "Secret", "ConfigMap"
BODY = b'{"kind":"Status","status":"Failure","message":"CANARY-openai","reason":"X","code":%d}'
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    return offline_desk


def answer(status: int, **headers: str) -> Fault:
    return ("status", status, JSON | headers, BODY % status)


def fail_at(desk: Desk, matches: Callable[[str, str], bool], fault: Fault, times: int = 10**6) -> None:
    """Let the cluster fail where a request matches, so many times."""
    left = [times]

    def intercept(method: str, path: str) -> Fault | None:
        if matches(method, path) and left[0] > 0:
            left[0] -= 1
            return fault
        return None

    desk.target.embedded.intercept = intercept


def is_get(method: str, path: str) -> bool:
    return method == "GET"


def is_dry_run(method: str, path: str) -> bool:
    return method == "PATCH" and "dryRun=All" in path


def is_write(method: str, path: str) -> bool:
    return method == "PATCH" and "dryRun" not in path and "/bridge-" not in path


def is_write_of(name: str) -> Callable[[str, str], bool]:
    return lambda method, path: is_write(method, path) and f"/{name}?" in path


def heal(desk: Desk) -> Result:
    """Run again with a cluster that is well; everything is then as the sources say."""
    desk.target.embedded.intercept = None
    expire(desk)
    result = desk.run("sync", "staging")
    assert result.status == 0, result.err
    assert desk.target.data(SECRET, "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]
    assert desk.run("plan", "staging", "--exit-code").status == 0
    return result


@pytest.mark.parametrize("status", [429, 500, 503])
def test_server_that_stays_unable_is_temporary_and_nothing_is_written(desk: Desk, status: int) -> None:
    fail_at(desk, is_get, answer(status, **{"Retry-After": "0"}))
    result = desk.run("sync", "staging", "--timeout", "20")
    assert result.status == 75
    server = f"the API server at {desk.target.embedded.url}"
    assert result.lines[0].startswith(f"bridge: error: {server}: ")
    assert len([line for line in result.lines if "error" in line]) == 1
    desk.target.embedded.intercept = None
    assert desk.target.versions() == {}
    heal(desk)


def test_server_that_recovers_in_time_is_no_failure(desk: Desk) -> None:
    fail_at(desk, is_get, answer(503, **{"Retry-After": "0"}), times=2)
    assert desk.run("sync", "staging").status == 0


def test_dry_run_that_fails_stops_before_first_write(desk: Desk) -> None:
    fail_at(desk, lambda m, p: is_dry_run(m, p) and "front-config" in p, answer(500))
    result = desk.run("sync", "staging")
    assert result.status == 75
    assert result.lines[0].startswith("bridge: error: ConfigMap/front-config in namespace voice: ")
    desk.target.embedded.intercept = None
    assert desk.target.versions() == {}


def test_dry_run_that_is_forbidden_stops_before_first_write(desk: Desk) -> None:
    message = (
        'configmaps "front-config" is forbidden: User "bob" cannot patch resource "configmaps" in API group "" '
        'in the namespace "voice"'
    )
    body = json.dumps({"kind": "Status", "reason": "Forbidden", "code": 403, "message": message}).encode()
    fail_at(desk, lambda m, p: is_dry_run(m, p) and "front-config" in p, ("status", 403, JSON, body))
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert result.lines[0] == (
        'bridge: error: ConfigMap/front-config in namespace voice: the API server forbids "patch" (user "bob")'
    )
    desk.target.embedded.intercept = None
    assert desk.target.versions() == {}


def test_write_that_fails_in_middle_stops_rest_and_says_what_is_written(desk: Desk) -> None:
    fail_at(desk, is_write_of("shared-config"), answer(500))
    result = desk.run("sync", "staging", "--output", "json")
    assert result.status == 5
    assert result.data["result"] == "stopped"
    written = [one["name"] for one in result.data["objects"] if one["written"] == "yes"]
    assert written == ["shared-secrets", "agent-secrets"]
    assert result.lines[0].startswith("bridge: error: ConfigMap/shared-config in namespace voice: ")
    heal(desk)


def test_first_write_that_fails_is_no_half_written_run(desk: Desk) -> None:
    fail_at(desk, is_write_of("shared-secrets"), answer(500))
    result = desk.run("sync", "staging")
    assert result.status == 75
    assert result.out.splitlines()[-1] == "5 to create, 0 unchanged: failed; nothing was written"
    heal(desk)


def test_connection_dropped_before_write_was_handled_is_settled_by_reading_again(desk: Desk) -> None:
    fail_at(desk, is_write_of("agent-secrets"), "drop", times=1)
    assert desk.run("sync", "staging").status == 0
    assert desk.run("plan", "staging", "--exit-code").status == 0


def test_connection_dropped_after_write_was_handled_is_settled_by_reading_again(desk: Desk) -> None:
    fail_at(desk, is_write_of("agent-secrets"), "drop-after", times=1)
    assert desk.run("sync", "staging").status == 0
    sent = [path for method, path in desk.target.embedded.requests if is_write_of("agent-secrets")(method, path)]
    assert len(sent) == 1
    assert desk.run("plan", "staging", "--exit-code").status == 0


def test_server_that_hangs_costs_no_more_than_time_limit(desk: Desk) -> None:
    fail_at(desk, is_get, "hang")
    result = desk.run("sync", "staging", "--timeout", "1")
    assert result.status == 75
    asked = [path for method, path in desk.target.embedded.requests if is_get(method, path)]
    assert len(asked) == len(set(asked))  # by itself a call would end later, and be tried again


def test_change_between_plan_and_write_is_not_overwritten(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.values(OPENAI_API_KEY="CANARY-new")

    def intercept(method: str, path: str) -> Fault | None:
        if is_write_of("agent-secrets")(method, path):
            desk.target.embedded.intercept = None
            desk.target.edit(SECRET, "agent-secrets", OPENAI_API_KEY="theirs")
        return None

    desk.target.embedded.intercept = intercept
    result = desk.run("sync", "staging")
    assert result.status == 75
    assert result.lines[0] == ("bridge: error: Secret/agent-secrets in namespace voice: changed since it was read")
    assert desk.target.data(SECRET, "agent-secrets")["OPENAI_API_KEY"] == "theirs"


def test_object_deleted_between_plan_and_write_is_not_created_before_it_is_planned(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.values(OPENAI_API_KEY="CANARY-new")

    def intercept(method: str, path: str) -> Fault | None:
        if is_write_of("agent-secrets")(method, path):
            desk.target.embedded.intercept = None
            desk.target.delete(SECRET, "agent-secrets")
        return None

    desk.target.embedded.intercept = intercept
    result = desk.run("sync", "staging")
    assert (result.status, desk.target.get(SECRET, "agent-secrets")) == (75, None)
    assert result.lines[0] == "bridge: error: Secret/agent-secrets in namespace voice: changed since it was read"
    assert desk.run("sync", "staging").status == 0
    assert len(desk.target.data(SECRET, "agent-secrets")) == 3


@pytest.mark.slow
@pytest.mark.parametrize("survivor", range(1, 12))
def test_run_that_dies_after_any_request_is_repaired_by_next(desk: Desk, survivor: int) -> None:
    """The cluster vanishes for good after so many writes: what a kill -9 looks like from there."""
    desk.run("sync", "staging")
    desk.values(OPENAI_API_KEY="CANARY-new", LIVEKIT_API_KEY="CANARY-new", LOG_LEVEL="debug")
    desk.target.edit(SECRET, "agent-secrets", DEEPGRAM_API_KEY="CANARY-by-hand")
    count = [0]

    def intercept(method: str, path: str) -> Fault | None:
        count[0] += method != "GET"
        return "drop" if count[0] > survivor else None

    desk.target.embedded.intercept = intercept
    first = desk.run("sync", "staging", "--timeout", "5")
    assert first.status in (0, 1, 5, 75)
    desk.target.embedded.intercept = None
    expire(desk)
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data(SECRET, "agent-secrets") == {
        "CARTESIA_API_KEY": VALUES["CARTESIA_API_KEY"],
        "OPENAI_API_KEY": "CANARY-new",
        "DEEPGRAM_API_KEY": VALUES["DEEPGRAM_API_KEY"],
    }
    assert desk.run("plan", "staging", "--exit-code").status == 0


@pytest.mark.parametrize(
    ("fail", "status", "error"),
    [
        ("unavailable", 75, "plain:values.json: the store is asleep"),
        ("denied", 1, "plain:values.json: the store does not know you"),
        ("bug", 1, "plain:values.json: the provider failed (RuntimeError)"),
        ("hang", 75, "plain:values.json: no answer in time"),
    ],
)
def test_source_that_fails_leaves_cluster_as_it_was(desk: Desk, fail: str, status: int, error: str) -> None:
    desk.run("sync", "staging")
    before = desk.target.versions()
    desk.environment(providers={"plain": {"fail": fail}})
    if fail == "hang":
        result = with_enough_time(
            lambda limit: desk.run("sync", "staging", "--timeout", str(limit)), (desk.folder / "hangs").exists
        )
    else:
        result = desk.run("sync", "staging")
    assert (result.lines[0], result.status) == (f"bridge: error: {error}", status)
    assert desk.target.versions() == before


def test_failing_source_among_good_ones_stops_everything(desk: Desk) -> None:
    desk.environment(
        sources=["plain:values.json", "broken:values.json"],
        providers={"broken": {"provider": "plain", "fail": "unavailable"}},
    )
    result = desk.run("sync", "staging")
    assert (result.lines[0], result.status) == ("bridge: error: broken:values.json: the store is asleep", 75)
    assert desk.target.versions() == {}


def test_threads_of_stuck_provider_do_not_keep_process(desk: Desk) -> None:
    desk.environment(providers={"plain": {"fail": "hang"}})
    assert desk.run("sync", "staging", "--timeout", "0.2").status == 75
    assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())


def test_answer_that_is_lost_for_good_is_no_claim_that_nothing_was_written(desk: Desk) -> None:
    lost = [False]

    def intercept(method: str, path: str) -> Fault | None:
        if is_write_of("shared-secrets")(method, path):
            lost[0] = True
            return "drop-after"
        return "drop" if lost[0] else None

    desk.target.embedded.intercept = intercept
    result = with_enough_time(
        lambda limit: desk.run("sync", "staging", "--timeout", str(limit)), lambda: lost[0], first=5
    )
    assert result.status == 5
    assert "+ Secret/shared-secrets  perhaps created" in result.out.splitlines()
    assert (
        result.out.splitlines()[-1] == "1 perhaps created, 4 to create, 0 unchanged: stopped between writes; run again"
    )
    heal(desk)


def test_memory_whose_last_write_lost_its_answer_is_read_again(desk: Desk) -> None:
    fail_at(desk, lambda m, p: m == "PATCH" and "/bridge-" in p, "drop-after", times=1)
    assert desk.run("sync", "staging").status == 0
    assert desk.run("plan", "staging", "--exit-code").status == 0


def test_ownership_taken_back_and_then_refused_apply_is_half_write(desk: Desk) -> None:
    desk.run("sync", "staging")
    desk.target.edit(SECRET, "agent-secrets", OPENAI_API_KEY="by-hand")
    desk.target.edit(SECRET, "agent-secrets", OPENAI_API_KEY=VALUES["OPENAI_API_KEY"], DEEPGRAM_API_KEY="by-hand")

    def is_apply(method: str, path: str) -> bool:
        return is_write_of("agent-secrets")(method, path) and "force=" in path

    fail_at(desk, is_apply, answer(403))
    result = desk.run("sync", "staging")
    assert result.status == 5
    assert "~ Secret/agent-secrets  perhaps updated" in result.out.splitlines()
    heal(desk)


def many(desk: Desk, count: int) -> None:
    """Give the environment so many objects that they are written on several threads."""
    documents = [
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: many-{number:02}}}\ndata: {{A: b}}\n"
        for number in range(count)
    ]
    desk.write("base/many.yml", "---\n".join(documents))
    desk.environment(templates=["base/many.yml"], sources=[])


def test_many_objects_are_written_and_left_alone(desk: Desk) -> None:
    many(desk, 60)
    assert desk.run("sync", "staging").status == 0
    assert len(desk.target.versions()) == 61
    desk.target.embedded.requests.clear()
    assert desk.run("sync", "staging").out.splitlines()[-1] == "60 unchanged: nothing to do"
    assert {method for method, _ in desk.target.embedded.requests} == {"GET"}


def test_failure_among_many_stops_rest_and_every_written_object_is_named(desk: Desk) -> None:
    many(desk, 60)
    fail_at(desk, is_write_of("many-30"), answer(403))
    result = desk.run("sync", "staging", "--output", "json")
    assert result.status == 5
    written = {f"ConfigMap/{one['name']}" for one in result.data["objects"] if one["written"] == "yes"}
    desk.target.embedded.intercept = None
    assert written == desk.target.versions().keys() - {"ConfigMap/bridge-voice-agent-staging"}
    assert 0 < len(written) < 60
    assert desk.run("sync", "staging").status == 0


def test_time_limit_among_many_writes_is_no_claim_that_nothing_was_written(desk: Desk) -> None:
    many(desk, 60)
    fail_at(desk, lambda m, p: is_write(m, p) and "many-0" not in p, "hang")
    result = desk.run("sync", "staging", "--timeout", "3", "--output", "json")
    assert result.status == 5
    states = {one["name"]: one["written"] for one in result.data["objects"]}
    desk.target.embedded.intercept = None
    there = {name.removeprefix("ConfigMap/") for name in desk.target.versions()}
    assert there >= {name for name, state in states.items() if state == "yes"}
    assert all(states[name] != "no" for name in there - {"bridge-voice-agent-staging"})


def test_many_objects_are_read_with_few_requests(desk: Desk) -> None:
    many(desk, 60)
    desk.run("sync", "staging")
    desk.target.delete(CONFIG, "many-07")
    desk.target.embedded.requests.clear()
    assert desk.run("plan", "staging").out.splitlines()[-1] == "1 to create, 59 unchanged"
    assert len([path for method, path in desk.target.embedded.requests if method == "GET"]) == 2


def test_where_listing_fails_each_object_is_read_by_itself(desk: Desk) -> None:
    many(desk, 60)
    desk.run("sync", "staging")
    fail_at(desk, lambda m, p: m == "GET" and "limit=" in p, answer(403))
    assert desk.run("plan", "staging").out.splitlines()[-1] == "60 unchanged: nothing to do"
