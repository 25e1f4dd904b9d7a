"""`bridge set --generate --keep-previous`: both values in one revision, and no third one while the first is in use."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.desk import Desk, Result
from tests.importing.moving import SHELF, shelf, state
from tests.stores.rotating import (
    FIRST,
    HEX,
    KEY,
    LATE,
    NAME,
    PREVIOUS,
    PREVIOUS_KEY,
    TEMPLATE,
    Workloads,
    live,
    pair,
    rotate,
    rotating,
)
from tests.stores.test_set import Piped
from tests.team import VALUES

NEW = "CANARY-new"


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    offline_desk.canaries |= {NEW, "CANARY-other"}
    return offline_desk


@pytest.fixture
def workloads(desk: Desk) -> Workloads:
    return rotating(desk)


@pytest.fixture
def put(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `set` with a value from a pipe, and keep the previous one."""

    def run(value: str = NEW, *more: str) -> Result:
        monkeypatch.setattr("sys.stdin", Piped(value.encode()))
        return desk.run("set", "staging", NAME, "--keep-previous", PREVIOUS, "--yes", *more)

    return run


def errors(result: Result) -> list[str]:
    return [line.removeprefix("bridge: error: ") for line in result.lines if line.startswith("bridge: error: ")]


# Generated, without a rotation


def test_generated_value_is_written_and_not_shown(desk: Desk) -> None:
    desk.environment(sources=[SHELF])
    desk.write("shelf.json", VALUES)
    result = desk.run("set", "staging", NAME, "--generate", "hex:32", "--yes")
    value = shelf(desk)[NAME]
    assert (result.status, result.err, bool(HEX.fullmatch(value))) == (0, "", True)
    assert value not in result.out
    assert result.out.splitlines()[1] == "next: bridge sync staging"
    assert shelf(desk) == VALUES | {NAME: value}


def test_each_generated_value_is_another(desk: Desk) -> None:
    desk.environment(sources=[SHELF])
    values = set()
    for _ in range(5):
        assert desk.run("set", "staging", NAME, "--generate", "uuid", "--yes").status == 0
        values.add(shelf(desk)[NAME])
    assert len(values) == 5


def test_question_says_that_value_is_generated(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    rotating(desk)
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    result = desk.run("set", "staging", NAME, "--generate", "uuid", "--keep-previous", PREVIOUS)
    what = f"Replace {NAME} in {SHELF}#{NAME} with a generated value, keep the old value in {SHELF}#{PREVIOUS}, now at"
    assert (result.status, what in result.err) == (1, True), result.err
    assert pair(desk) == (FIRST, None)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("flags", "what"),
    [
        (["--restart"], "--restart follows a sync, so it needs --sync"),
        (["--sync", "--wait", "1m"], "--wait follows rollouts, so it needs --restart"),
    ],
)
def test_flags_that_need_another(desk: Desk, flags: list[str], what: str) -> None:
    desk.environment(sources=[SHELF])
    desk.write("shelf.json", VALUES)
    result = desk.run("set", "staging", NAME, "--generate", "uuid", "--yes", *flags)
    assert (result.status, errors(result), shelf(desk)) == (2, [what], VALUES)


# A rotation


def test_old_and_new_value_are_one_revision(desk: Desk, workloads: Workloads) -> None:
    result = rotate(desk)
    value, previous = pair(desk)
    assert (result.status, result.err) == (0, "")
    assert (bool(HEX.fullmatch(value or "")), previous) == (True, FIRST)
    before, after = result.out.split("revision ")[1].split()[0:3:2]
    assert result.out.splitlines() == [
        f"{SHELF}#{NAME}: written, revision {before} -> {after}",
        f"{SHELF}#{PREVIOUS}: has the old value",
        "next: bridge sync staging",
    ]
    assert shelf(desk) == VALUES | {NAME: value, PREVIOUS: FIRST}
    assert live(desk) == (FIRST, "")
    assert desk.run("sync", "staging").status == 0
    assert live(desk) == (value, FIRST)


def test_both_are_written_synced_and_pods_restarted(desk: Desk, workloads: Workloads) -> None:
    workloads.deploy()
    workloads.deploy("other", "shared-secrets")
    result = rotate(desk, "--sync", "--restart", "--output", "json")
    assert (result.status, result.err) == (0, "")
    assert live(desk) == pair(desk)
    assert workloads.rolled == ["agent"]
    data = result.data
    assert (data["result"], data["set"]["result"], data["set"]["unfinished"]) == ("written", "written", None)
    assert data["set"]["previous"] == {"name": PREVIOUS, "places": [f"{SHELF}#{PREVIOUS}"]}
    assert [one["name"] for one in data["workloads"]] == ["agent", "other"]


def test_second_rotation_replaces_previous(desk: Desk, workloads: Workloads) -> None:
    assert rotate(desk, "--sync").status == 0
    second, _ = pair(desk)
    assert rotate(desk, "--sync").status == 0
    third, previous = pair(desk)
    assert (third != second, previous) == (True, second)
    assert live(desk) == (third, second)


def test_typed_value_is_rotated_too(desk: Desk, workloads: Workloads, put: Callable[..., Result]) -> None:
    assert put(NEW, "--sync").status == 0
    assert pair(desk) == live(desk) == (NEW, FIRST)


def test_typed_value_that_is_there_already_changes_nothing(
    desk: Desk, workloads: Workloads, put: Callable[..., Result]
) -> None:
    assert put(NEW, "--sync").status == 0
    before = state(desk.folder / "shelf.json")
    again = put(NEW, "--sync")
    assert (again.status, again.out.splitlines()[0]) == (
        0,
        f"{SHELF}#{NAME}: unchanged, it already has this value",
    )
    assert state(desk.folder / "shelf.json") == before


def test_key_with_both_values_in_its_text(desk: Desk) -> None:
    text = TEMPLATE + "  KEYS: ${OPENAI_API_KEY},${OPENAI_API_KEY_PREVIOUS:-}\n"
    desk.write("base/secrets.yml", text)
    rotating_text(desk, text)
    assert rotate(desk, "--sync").status == 0
    value, previous = pair(desk)
    assert desk.target.data("Secret", "agent-secrets")["KEYS"] == f"{value},{previous}"
    assert rotate(desk).status == 0
    begun = pair(desk)
    again = rotate(desk, "--sync")
    assert (again.status, pair(desk), live(desk)) == (0, begun, begun)


def rotating_text(desk: Desk, secrets: str, **changes: Any) -> Workloads:
    """Set the desk up as `rotating` does, with another template."""
    desk.environment(**({"sources": [SHELF]} | changes))
    desk.write("shelf.json", VALUES)
    desk.write("base/secrets.yml", secrets)
    workloads = Workloads(desk)
    assert desk.run("sync", "staging").status == 0
    return workloads


def test_template_that_requires_previous_value_gets_it_from_first_rotation(desk: Desk) -> None:
    rotating(desk)
    desk.write("base/secrets.yml", TEMPLATE.replace(f"${{{PREVIOUS}:-}}", f"${{{PREVIOUS}}}"))
    assert desk.run("plan", "staging").status == 1  # it has no value yet
    assert rotate(desk, "--sync").status == 0
    assert pair(desk) == live(desk)


def test_previous_value_of_config_map(desk: Desk) -> None:
    text = (desk.folder / "base/configmap.yml").read_text()
    desk.write("base/configmap.yml", text.replace("${DOMAIN}", "${DOMAIN}-${DOMAIN_PREVIOUS:-}"))
    desk.write("shelf.json", VALUES | {"DOMAIN": "old.example.com"})
    desk.environment(sources=[SHELF])
    Workloads(desk)
    assert desk.run("sync", "staging").status == 0
    result = desk.run(
        "set", "staging", "DOMAIN", "--generate", "alnum:16", "--keep-previous", "DOMAIN_PREVIOUS", "--yes", "--sync"
    )
    new = shelf(desk)["DOMAIN"]
    assert (result.status, new in result.out + result.err) == (0, False)
    assert desk.target.data("ConfigMap", "shared-config")["DOMAIN"] == f"{new}-old.example.com"


def test_manifests_keep_both_as_keys_of_object(desk: Desk) -> None:
    desk.write("base/secrets.yml", TEMPLATE)
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "agent-secrets"}}
    keys = {"stringData": {NAME: FIRST}, "data": {"DEEPGRAM_API_KEY": "eA=="}}
    desk.write("patch.json", [manifest | keys])
    desk.write("shelf.json", VALUES)
    desk.environment(sources=["shelf:patch.json", SHELF])
    Workloads(desk)
    assert desk.run("sync", "staging").status == 0
    assert desk.run("set", "staging", NAME, "--generate", "hex:32", "--keep-previous", PREVIOUS, "--yes").status == 0
    written = shelf(desk, "patch.json")["stringData"]
    assert (bool(HEX.fullmatch(written[NAME])), written[PREVIOUS]) == (True, FIRST)
    again = desk.run("set", "staging", NAME, "--generate", "hex:32", "--keep-previous", PREVIOUS, "--yes", "--sync")
    assert (again.status, shelf(desk, "patch.json")["stringData"]) == (0, written)
    assert live(desk) == (written[NAME], FIRST)
    assert shelf(desk) == VALUES


def test_values_under_variables_of_one_document(desk: Desk) -> None:
    variables: dict[str, Any] = {
        NAME: {"from": "shelf:keys.json#openai.now", "decode": "base64"},
        PREVIOUS: "shelf:keys.json#openai.before",
    }
    desk.write("keys.json", {"openai": {"now": "b2xk", "before": ""}, "theirs": "x"})
    rotating(desk, variables=variables)
    assert rotate(desk, "--sync", form="hex:16").status == 0
    now, before = live(desk)
    assert (len(now or ""), before) == (32, "old")
    assert (shelf(desk, "keys.json")["openai"]["before"], shelf(desk, "keys.json")["theirs"]) == ("old", "x")


# What is refused


def test_previous_in_another_document_is_refused(desk: Desk, workloads: Workloads) -> None:
    desk.write("other.json", {PREVIOUS: "CANARY-other"})
    desk.environment(sources=[SHELF, "shelf:other.json"])
    result = rotate(desk)
    assert (result.status, pair(desk)) == (1, (FIRST, None))
    assert result.lines == [
        f"bridge: error: {PREVIOUS}: is in shelf:other.json, but {NAME} is in {SHELF}",
        f"bridge: hint: add `{PREVIOUS}: {SHELF}#{PREVIOUS}` under `variables` in staging.yaml",
    ]
    desk.environment(sources=[SHELF, "shelf:other.json"], variables={PREVIOUS: f"{SHELF}#{PREVIOUS}"})
    assert rotate(desk).status == 0


def test_new_previous_goes_into_document_of_value(desk: Desk, workloads: Workloads) -> None:
    desk.write("first.json", {"LIVEKIT_API_KEY": VALUES["LIVEKIT_API_KEY"]})
    desk.environment(sources=["shelf:first.json", SHELF])
    assert rotate(desk).status == 0
    assert (shelf(desk)[PREVIOUS], PREVIOUS in shelf(desk, "first.json")) == (FIRST, False)


def test_previous_that_earlier_manifests_override_is_refused(desk: Desk) -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "agent-secrets"}}
    desk.write("patch.json", [manifest | {"stringData": {PREVIOUS: "CANARY-other"}}])
    rotating(desk, sources=["shelf:patch.json", SHELF])
    result = rotate(desk)
    assert (result.status, pair(desk)) == (1, (FIRST, None))
    assert errors(result) == [f"{PREVIOUS}: is in shelf:patch.json, but {NAME} is in {SHELF}"]


@pytest.mark.parametrize(
    ("previous", "what"),
    [
        (NAME, "--keep-previous: must name another variable"),
        ("CANARY-other", "--keep-previous: no template uses this name, so pods would not get the old value"),
        ("SCW_SECRET_KEY", "--keep-previous: no template uses this name, so pods would not get the old value"),
        ("DOMAIN", f"--keep-previous: {NAME} is secret, but DOMAIN is public (ConfigMap/shared-config)"),
    ],
)
def test_previous_that_pods_would_not_get_or_all_would_see(
    desk: Desk, workloads: Workloads, previous: str, what: str
) -> None:
    desk.environment(sources=[SHELF], infrastructure={"SCW_SECRET_KEY": "secret"})
    result = desk.run("set", "staging", NAME, "--generate", "uuid", "--keep-previous", previous, "--yes")
    assert (errors(result), shelf(desk)) == ([what], VALUES)


def test_value_of_scripts_needs_no_previous(desk: Desk, workloads: Workloads) -> None:
    desk.environment(sources=[SHELF], infrastructure={"SCW_SECRET_KEY": "secret"})
    result = desk.run("set", "staging", "SCW_SECRET_KEY", "--generate", "uuid", "--keep-previous", PREVIOUS, "--yes")
    assert (result.status, shelf(desk)) == (1, VALUES)
    assert errors(result) == [f"SCW_SECRET_KEY: fills no key of an object, so no pod needs {PREVIOUS}"]


@pytest.mark.parametrize("env_file", [{}, {NAME: "CANARY-other"}])
def test_without_value_in_source_there_is_none_to_keep(desk: Desk, env_file: dict[str, str]) -> None:
    desk.write("base/secrets.yml", TEMPLATE)
    values = {name: value for name, value in VALUES.items() if name != NAME}
    desk.write("shelf.json", values)
    desk.env_file(**env_file)
    desk.environment(sources=[SHELF], secrets_from="any")
    result = rotate(desk)
    assert (result.status, shelf(desk)) == (1, values)
    assert result.lines == [
        f"bridge: error: {NAME}: no source gives it a value, so {PREVIOUS} would have none to keep",
        f"bridge: hint: run `bridge set staging {NAME}` with its current value first",
    ]


def test_two_names_of_one_field_are_refused(desk: Desk, workloads: Workloads) -> None:
    variables = {NAME: f"{SHELF}#{NAME}", PREVIOUS: f"{SHELF}#{NAME}"}
    desk.environment(sources=[SHELF], variables=variables)
    result = rotate(desk)
    assert errors(result) == [f"{NAME}: is in the same place as {PREVIOUS}, {SHELF}#{NAME}"]
    assert shelf(desk) == VALUES


def test_what_sync_would_refuse_is_refused_before_store_is_written(desk: Desk, workloads: Workloads) -> None:
    text = (desk.folder / "base/secrets.yml").read_text()
    desk.write("base/secrets.yml", f"{text}  MORE: ${{MORE}}\n")
    result = rotate(desk, "--sync")
    assert (result.status, "${MORE} has no value" in result.err, pair(desk)) == (1, True, (FIRST, None))
    desk.write("base/secrets.yml", text.replace("name: shared-secrets", "name: renamed"))
    desk.environment(sources=[SHELF], templates=["base/secrets.yml"])
    lost = rotate(desk, "--sync", "--output", "json")
    assert (lost.status, "--allow-shrink" in lost.err, pair(desk)) == (1, True, (FIRST, None)), lost.err


def test_cluster_that_cannot_be_reached_is_refused(
    desk: Desk, workloads: Workloads, put: Callable[..., Result]
) -> None:
    workloads.fault = lambda *_: ("status", 503, {}, b"{}")
    for result in (rotate(desk, "--timeout", "3"), put(NEW, "--timeout", "3")):
        assert (result.status, pair(desk)) == (75, (FIRST, None))


def test_workloads_that_cannot_be_listed_are_refused(desk: Desk, workloads: Workloads) -> None:
    body = json.dumps({"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403}).encode()
    forbidden = ("status", 403, {"Content-Type": "application/json"}, body)
    workloads.fault = lambda _, path: forbidden if "/deployments" in path else None
    result = rotate(desk)
    assert (result.status, pair(desk)) == (1, (FIRST, None))
    assert "deployments in namespace voice" in result.lines[0]


@pytest.mark.parametrize("elsewhere", ["cluster", "store", "both"])
def test_value_in_use_that_neither_would_keep_is_refused(desk: Desk, workloads: Workloads, elsewhere: str) -> None:
    if elsewhere in {"cluster", "both"}:
        desk.target.edit("Secret", "agent-secrets", **{NAME: "CANARY-other"})
    if elsewhere in {"store", "both"}:
        desk.write("shelf.json", VALUES | {NAME: NEW, PREVIOUS: "CANARY-older"})
    before = pair(desk)
    result = rotate(desk, "--sync", "--restart")
    assert (result.status, pair(desk)) == (1, before)
    assert result.lines == [
        f"bridge: error: {KEY}: the cluster has another value of {NAME} than the store, and it would be lost",
        "bridge: hint: run `bridge sync staging` first, then run this again",
    ]
    assert desk.run("sync", "staging").status == 0
    assert rotate(desk).status == 0


def test_environment_that_was_never_synced_is_refused(desk: Desk) -> None:
    desk.write("base/secrets.yml", TEMPLATE)
    desk.environment(sources=[SHELF])
    desk.write("shelf.json", VALUES)
    Workloads(desk)
    result = rotate(desk, "--sync")
    assert (result.status, pair(desk)) == (1, (FIRST, None))
    what = f"{NAME} is not in the cluster yet, so there is no value in use to keep"
    assert errors(result) == [f"{KEY}: {what}"]


# A rotation that has begun


def test_rotation_that_is_not_in_cluster_is_finished(desk: Desk, workloads: Workloads) -> None:
    workloads.deploy()
    assert rotate(desk).status == 0
    begun = pair(desk)
    told = rotate(desk)
    assert (told.status, pair(desk)) == (0, begun)
    assert told.out.splitlines() == [
        f"{SHELF}#{NAME}: unchanged, an earlier rotation is not finished",
        f"    {KEY}: does not have the store's value yet",
        f"    {PREVIOUS_KEY}: does not have the store's value yet",
        "next: bridge sync staging",
    ]
    finished = rotate(desk, "--sync", "--restart", "--output", "json")
    assert (finished.status, pair(desk), live(desk)) == (0, begun, begun)
    assert finished.data["set"]["unfinished"] == {"keys": [KEY, PREVIOUS_KEY], "workloads": []}
    assert finished.data["result"] == "written"


def test_another_typed_value_is_refused_until_rotation_is_finished(
    desk: Desk, workloads: Workloads, put: Callable[..., Result]
) -> None:
    assert put(NEW).status == 0
    result = put("CANARY-other", "--sync")
    assert (result.status, pair(desk)) == (1, (NEW, FIRST))
    assert result.lines == [
        (f"bridge: error: {NAME}: an earlier rotation is not finished: {KEY}, {PREVIOUS_KEY}; nothing was written"),
        "bridge: hint: run `bridge sync staging --restart --wait 10m`, then run this again",
    ]
    assert put(NEW, "--sync").status == 0
    assert live(desk) == (NEW, FIRST)


def test_pods_with_older_value_are_restarted_first(desk: Desk, workloads: Workloads) -> None:
    workloads.deploy()
    assert rotate(desk, "--sync").status == 0
    begun = pair(desk)
    refused = rotate(desk, "--sync")
    assert (refused.status, pair(desk)) == (1, begun)
    assert errors(refused) == [f"{NAME}: an earlier rotation is not finished: Deployment/agent; nothing was written"]
    finished = rotate(desk, "--sync", "--restart")
    assert (finished.status, pair(desk), workloads.rolled) == (0, begun, ["agent"])
    assert finished.out.splitlines()[:2] == [
        f"{SHELF}#{NAME}: unchanged, an earlier rotation is not finished",
        "    Deployment/agent: its pods may use an older value",
    ]
    assert rotate(desk, "--sync", "--restart").status == 0
    assert pair(desk)[1] == begun[0]


def test_rollout_that_still_goes_on_is_not_overtaken(desk: Desk, workloads: Workloads) -> None:
    deployment = workloads.deploy()
    assert rotate(desk, "--sync").status == 0
    begun = pair(desk)
    workloads.time = LATE
    deployment["status"]["updatedReplicas"] = 1
    result = rotate(desk, "--sync", "--restart", "--output", "json")
    assert (result.status, pair(desk)) == (0, begun)
    assert result.data["set"]["unfinished"] == {"keys": [], "workloads": ["Deployment/agent"]}
    deployment["status"]["updatedReplicas"] = 2
    assert rotate(desk).status == 0
    assert pair(desk)[1] == begun[0]


def test_pods_that_do_not_use_value_do_not_matter(desk: Desk, workloads: Workloads) -> None:
    workloads.deploy("other", "shared-secrets", updatedReplicas=1)
    assert rotate(desk).status == 0
    assert pair(desk)[1] == FIRST


# Two at once


@pytest.mark.parametrize("field", [NAME, PREVIOUS])
def test_of_two_rotations_at_once_one_is_told(
    desk: Desk, workloads: Workloads, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bridge.commands import set as set_command  # noqa: PLC0415 - a module with a builtin's name

    theirs = VALUES | {NAME: "CANARY-other", PREVIOUS: FIRST} if field == NAME else VALUES | {PREVIOUS: "CANARY-other"}

    def write_late(*arguments: Any) -> Any:
        desk.write("shelf.json", theirs)
        return real(*arguments)

    real = set_command.write
    monkeypatch.setattr(set_command, "write", write_late)
    result = rotate(desk)
    monkeypatch.undo()
    assert (result.status, shelf(desk)) == (1, theirs)
    assert result.lines[0].startswith(f"bridge: error: {SHELF}: {NAME if field == NAME else PREVIOUS}")
    assert "has changed in the meantime; nothing was written" in result.lines[0]
