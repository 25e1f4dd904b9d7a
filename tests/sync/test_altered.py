"""What an admission rule makes of a write is what counts: a key that it alters is neither written nor pending."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.commands import rollback
from bridge.stores.update import look
from bridge.stores.whole_document import Whole
from bridge.testing.apiserver import Fault
from tests.cluster.test_events import on
from tests.desk import Desk, Result
from tests.failures.test_faults import answer, is_dry_run
from tests.importing.moving import SHELF
from tests.monitoring.test_watched import metrics
from tests.sync.test_admission import mutate, quieten
from tests.team import SECRETS, VALUES

SECRET, CONFIG, LOST = "Secret", "ConfigMap", "OPENAI_API_KEY"
DROPPED = f"bridge: error: Secret/agent-secrets key {LOST}: an admission rule drops this key"
FIND = "bridge: hint: find the rule with `kubectl get mutatingadmissionpolicies,mutatingwebhookconfigurations`"
LINE = f"! {LOST} altered: an admission rule drops it from plain:values.json"

Change = Callable[[dict[str, Any]], object]


def on_secrets(change: Change, *, dry_too: bool = True) -> Callable[[dict[str, Any], bool], None]:
    """Return a rule that changes agent-secrets; one that is not `dry_too` lets every dry run pass."""

    def rule(new: dict[str, Any], dry_run: bool) -> None:
        if new["metadata"]["name"] == "agent-secrets" and (dry_too or not dry_run):
            change(new)

    return rule


def rule(desk: Desk, change: Change, *, dry_too: bool = True) -> None:
    desk.target.embedded.store.admission = on_secrets(change, dry_too=dry_too)


def drop(desk: Desk) -> None:
    """Let a rule of the cluster, whichever it is, drop a key on every write."""
    if desk.target.embedded:
        rule(desk, lambda new: new.get("data", {}).pop(LOST, None))
        return
    path = f"/api/v1/namespaces/{desk.target.namespace}/secrets?dryRun=All"
    body = {"apiVersion": "v1", "kind": SECRET, "metadata": {"name": "probe"}, "data": {LOST: "eA==", "OTHER": "eA=="}}
    expression = f"has(object.data) && '{LOST}' in object.data ? [JSONPatch{{op: 'remove', path: '/data/{LOST}'}}] : []"
    client = desk.target.client
    mutate(desk, expression, lambda: LOST not in client.request("POST", path, body).body["data"], "secrets")


def told(result: Result) -> list[str]:
    """Return the report's lines without their columns."""
    return [" ".join(line.split()) for line in result.out.splitlines()]


def lasting(result: Result) -> dict[str, Any]:
    """Return what a report says of agent-secrets."""
    return next(one for one in result.data["objects"] if one["name"] == "agent-secrets")


def state(desk: Desk, key: str = LOST) -> tuple[str, bool, int]:
    """Return what `status` says of a key, whether all is in sync, and how it ends."""
    result = desk.run("status", "staging", "--output", "json")
    row = next(row for row in result.data["keys"] if row["key"] == key)
    return row["state"], result.data["in_sync"], result.status


def test_dropped_key_is_reported_before_first_write(desk: Desk) -> None:
    drop(desk)
    result = desk.run("plan", "staging", "--exit-code")
    assert (result.status, result.lines) == (1, [DROPPED, FIND])
    assert LINE in told(result)
    assert result.out.splitlines()[-1] == "5 to create, 0 unchanged, 1 altered: a key is missing in the cluster"
    assert desk.target.versions() == {}


def test_run_writes_rest_and_fails_over_dropped_key(desk: Desk) -> None:
    drop(desk)
    result = desk.run("sync", "staging")
    assert (result.status, result.lines) == (1, [DROPPED, FIND])
    assert "+ Secret/agent-secrets  created" in result.out.splitlines()
    assert LINE in told(result)
    assert result.out.splitlines()[-1] == "5 created, 0 unchanged, 1 altered: a key is missing in the cluster"
    assert desk.target.data(SECRET, "agent-secrets").keys() == {"CARTESIA_API_KEY", "DEEPGRAM_API_KEY"}
    # The server notes who applied what before its admission plugins have their say.
    assert desk.target.owners(SECRET, "agent-secrets", LOST) == {("bridge/voice-agent-staging", "Apply")}


def test_later_run_writes_nothing_and_fails_as_first_did(desk: Desk) -> None:
    drop(desk)
    desk.run("sync", "staging")
    before = desk.target.versions()
    for command in (["sync", "staging"], ["plan", "staging", "--exit-code"], ["plan", "staging"]):
        result = desk.run(*command)
        assert (result.status, result.lines) == (1, [DROPPED, FIND])
        assert result.out.splitlines()[-1] == "4 unchanged, 1 altered: a key is missing in the cluster"
        assert "! Secret/agent-secrets  stays as changed by an admission rule" in result.out.splitlines()
        assert LINE in told(result)
    assert desk.target.versions() == before


def test_json_and_markdown_say_altered(desk: Desk) -> None:
    drop(desk)
    first = desk.run("sync", "staging", "--output", "json")
    again = desk.run("sync", "staging", "--output", "json")
    for result, action, written in ((first, "create", "yes"), (again, "keep", "no")):
        one = lasting(result)
        assert (result.status, result.data["result"], result.data["summary"]["altered"]) == (1, "altered", 1)
        assert (one["action"], one["written"], one["altered"]) == (action, written, True)
        assert [(key["what"], key["altered"]) for key in one["keys"] if key["name"] == LOST] == [("altered", "dropped")]
        assert [error["what"] for error in result.data["errors"]] == ["an admission rule drops this key"]
    out = desk.run("sync", "staging", "--output", "markdown").out
    assert f"| `!` | | `{LOST}` | altered: an admission rule drops it | `plain:values.json @ 1` |" in out


def test_status_says_altered_and_not_removed_by_hand(desk: Desk) -> None:
    drop(desk)
    desk.run("sync", "staging")
    before = desk.target.versions()
    assert state(desk) == ("altered", False, 1)
    assert state(desk, "CARTESIA_API_KEY") == ("in sync", False, 1)
    result = desk.run("status", "staging", "--output", "json")
    assert result.lines == [DROPPED, FIND]
    assert (result.data["summary"]["altered"], result.data["summary"]["removed by hand"]) == (1, 0)
    assert desk.target.versions() == before


def test_object_tells_of_it(desk: Desk) -> None:
    drop(desk)
    desk.run("sync", "staging")
    one = on(desk, "secret.agent-secrets.altered")
    added = "added: CARTESIA_API_KEY, DEEPGRAM_API_KEY"
    altered = f"altered by an admission rule: {LOST}"
    assert (one["type"], one["message"]) == ("Warning", f"bridge created it: {added}; {altered}")


def test_another_key_that_changes_is_written_and_dropped_one_has_not_changed(desk: Desk) -> None:
    drop(desk)
    desk.run("sync", "staging")
    memory = json.loads(desk.target.data(CONFIG, "bridge-voice-agent-staging")["memory.json"])
    desk.values(CARTESIA_API_KEY="CANARY-newer")
    result = desk.run("sync", "staging")
    assert (result.status, result.lines) == (1, [DROPPED, FIND])
    assert "~ Secret/agent-secrets  updated" in result.out.splitlines()
    assert desk.target.data(SECRET, "agent-secrets")["CARTESIA_API_KEY"] == "CANARY-newer"
    now = json.loads(desk.target.data(CONFIG, "bridge-voice-agent-staging")["memory.json"])
    before, after = (found["objects"]["Secret/agent-secrets"]["keys"] for found in (memory, now))
    assert after["CARTESIA_API_KEY"] != before["CARTESIA_API_KEY"]
    assert after[LOST] == before[LOST]  # else each change of its neighbours would restart the pods that use it alone
    assert desk.run("plan", "staging", "--exit-code").out.splitlines()[-1].startswith("4 unchanged, 1 altered: ")


def test_rewritten_value_is_warning_and_not_in_sync(desk: Desk) -> None:
    if desk.target.embedded:

        def rewrite(new: dict[str, Any], _dry_run: bool) -> None:
            if "LOG_LEVEL" in (new.get("data") or {}):
                new["data"]["LOG_LEVEL"] = "quiet"

        desk.target.embedded.store.admission = rewrite
    else:
        quieten(desk)
    warning = "bridge: warning: ConfigMap/agent-config key LOG_LEVEL: an admission rule rewrites this value"
    line = "! LOG_LEVEL altered: an admission rule rewrites it from base/configmap.yml"
    first = desk.run("sync", "staging")
    assert (first.status, first.lines[0]) == (0, warning)
    assert first.out.splitlines()[-1] == "5 created, 0 unchanged, 1 altered"
    before = desk.target.versions()
    again = desk.run("sync", "staging")
    assert (again.status, again.lines[0]) == (0, warning)
    assert again.out.splitlines()[-1] == "4 unchanged, 1 altered: nothing to do"
    for result in (first, again):
        assert line in told(result)
    assert desk.run("plan", "staging", "--exit-code").status == 0
    assert state(desk, "LOG_LEVEL") == ("altered", False, 0)
    assert desk.target.versions() == before


def test_rule_that_is_gone_leaves_change_that_next_run_writes(offline_desk: Desk) -> None:
    desk = offline_desk
    drop(desk)
    desk.run("sync", "staging")
    desk.target.embedded.store.admission = None
    assert state(desk) == ("missing", False, 0)
    result = desk.run("plan", "staging", "--exit-code")
    assert (result.status, f"+ {LOST} new from plain:values.json" in told(result)) == (4, True)  # nobody removed it
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data(SECRET, "agent-secrets")[LOST] == VALUES[LOST]
    assert state(desk) == ("in sync", True, 0)


def test_rule_that_comes_later_is_reported_once_its_object_is_to_be_written(offline_desk: Desk) -> None:
    """A write would lose a key that is in sync until then."""
    desk = offline_desk
    desk.run("sync", "staging")
    drop(desk)
    assert desk.run("sync", "staging").status == 0  # nothing is sent, so nothing is altered
    desk.values(CARTESIA_API_KEY="CANARY-newer")
    assert desk.run("plan", "staging").lines == [DROPPED, FIND]
    assert desk.run("sync", "staging").status == 1
    assert LOST not in desk.target.data(SECRET, "agent-secrets")


def test_key_that_only_write_itself_loses_is_altered_too(offline_desk: Desk) -> None:
    desk = offline_desk
    rule(desk, lambda new: new["data"].pop(LOST), dry_too=False)
    assert desk.run("plan", "staging").status == 0
    result = desk.run("sync", "staging")
    assert (result.status, result.lines) == (1, [DROPPED, FIND])
    assert LINE in told(result)
    assert state(desk) == ("missing", False, 0)
    assert desk.run("sync", "staging").status == 1  # tried again, for its dry run promises the key; never in silence


def test_key_that_dry_run_loses_and_write_does_not_is_written(offline_desk: Desk) -> None:
    desk = offline_desk

    def lose_dry(new: dict[str, Any], dry_run: bool) -> None:
        if dry_run and new["metadata"]["name"] == "agent-secrets":
            new["data"].pop(LOST)

    desk.target.embedded.store.admission = lose_dry
    result = desk.run("sync", "staging")
    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines()[-1] == "5 created, 0 unchanged"


def test_labels_type_and_immutable_are_altered_too_and_no_pod_misses_them(offline_desk: Desk) -> None:
    desk = offline_desk
    text = SECRETS.replace("{name: agent-secrets}", "{name: agent-secrets, labels: {team: voice}}\nimmutable: true")
    desk.write("base/secrets.yml", text)

    def change(new: dict[str, Any]) -> None:
        new["metadata"].pop("labels", None)
        new.pop("immutable", None)
        new["type"] = "example.com/theirs"

    rule(desk, change)
    result = desk.run("sync", "staging")
    said = "an admission rule"
    assert (result.status, [line for line in result.lines if "hint" not in line]) == (
        0,
        [
            f"bridge: warning: Secret/agent-secrets label team: {said} drops this label",
            f"bridge: warning: Secret/agent-secrets type: {said} rewrites this field",
            f"bridge: warning: Secret/agent-secrets immutable: {said} drops this field",
        ],
    )
    assert [line.partition(":")[0] for line in told(result) if line.startswith("!")] == [
        "! label team altered",
        "! type altered",
        "! immutable altered",
    ]
    again = desk.run("plan", "staging", "--exit-code")
    assert (again.status, again.lines) == (0, result.lines)


# The type of an object that a rule changes at its creation


THEIRS = "example.com/theirs"
RETYPED = "bridge: warning: Secret/agent-secrets type: an admission rule rewrites this field"
ASK = "bridge: hint: ask the owner of the rule; bridge accepts the rule's result"
FIXED = f"bridge: error: Secret/agent-secrets: has type {THEIRS}, not "


def retype(desk: Desk) -> None:
    """Let a rule of the cluster change the type of agent-secrets at its creation, and at no later write."""
    if desk.target.embedded:
        rule(desk, lambda new: new.update(type=THEIRS) if is_missing(desk) else None)
        return
    path = f"/api/v1/namespaces/{desk.target.namespace}/secrets?dryRun=All"
    body = {"apiVersion": "v1", "kind": SECRET, "metadata": {"name": "agent-secrets"}}
    patch = f"[JSONPatch{{op: 'add', path: '/type', value: '{THEIRS}'}}]"
    expression = f"request.operation == 'CREATE' && object.metadata.name == 'agent-secrets' ? {patch} : []"
    client = desk.target.client
    mutate(desk, expression, lambda: client.request("POST", path, body).body["type"] == THEIRS, "secrets")


def is_missing(desk: Desk) -> bool:
    """Whether agent-secrets is not there yet, as the store has it: a request would wait for the one that is judged."""
    assert desk.target.embedded
    return not any(place.name == "agent-secrets" for place in desk.target.embedded.store._objects)


def test_type_that_rule_changed_at_creation_is_not_refused_by_next_run(desk: Desk) -> None:
    retype(desk)
    first = desk.run("sync", "staging")
    assert (first.status, first.lines) == (0, [RETYPED, ASK])
    found = desk.target.get(SECRET, "agent-secrets")
    before = desk.target.versions()
    for command in (["sync", "staging"], ["plan", "staging", "--exit-code"], ["status", "staging"]):
        result = desk.run(*command)
        assert (result.status, result.lines) == (0, [RETYPED, ASK])
    assert desk.run("sync", "staging").out.splitlines()[-1] == "4 unchanged, 1 altered: nothing to do"
    assert (found and found["type"], desk.target.versions()) == (THEIRS, before)
    assert state(desk)[1] is False
    desk.values(OPENAI_API_KEY="CANARY-new")
    result = desk.run("sync", "staging")
    assert (result.status, result.lines) == (0, [RETYPED, ASK])
    found = desk.target.get(SECRET, "agent-secrets")
    assert (found and found["type"], desk.target.data(SECRET, "agent-secrets")[LOST]) == (THEIRS, "CANARY-new")
    desk.write("base/secrets.yml", SECRETS.replace("{name: agent-secrets}", "{name: agent-secrets}\ntype: other"))
    assert desk.run("sync", "staging").lines[0] == f"{FIXED}other as in the template; Kubernetes cannot change a type"


@pytest.mark.parametrize("lost", ["answer", "state"])
def test_type_that_rule_changed_is_accepted_after_run_that_died(offline_desk: Desk, lost: str) -> None:
    desk = offline_desk
    retype(desk)
    writes: list[str] = []

    def intercept(method: str, path: str) -> Fault | None:
        if method != "PATCH" or "dryRun" in path:
            return None
        writes.append(path)
        if lost == "answer":
            return "drop-after" if "/agent-secrets?" in path else None
        return "drop" if "/bridge-" in path and any("/agent-secrets?" in one for one in writes) else None

    desk.target.embedded.intercept = intercept
    assert desk.run("sync", "staging").status == 5
    desk.target.embedded.intercept = None
    result = desk.run("sync", "staging")
    assert (result.status, result.lines) == (0, [RETYPED, ASK])


def test_type_of_object_that_another_made_is_still_refused(offline_desk: Desk) -> None:
    desk = offline_desk
    retype(desk)
    assert desk.run("sync", "staging").status == 0
    desk.target.delete(SECRET, "agent-secrets")
    desk.target.create(SECRET, "agent-secrets", {"type": THEIRS})
    assert desk.run("sync", "staging").lines[0] == f"{FIXED}Opaque as in the template; Kubernetes cannot change a type"


def test_immutable_object_stays_as_rule_has_it(desk: Desk) -> None:
    desk.write("base/secrets.yml", SECRETS.replace("{name: agent-secrets}", "{name: agent-secrets}\nimmutable: true"))
    drop(desk)
    assert desk.run("sync", "staging").status == 1
    before = desk.target.versions()
    for command in (["sync", "staging"], ["plan", "staging", "--exit-code"], ["status", "staging"]):
        result = desk.run(*command)
        assert (result.status, result.lines) == (1, [DROPPED, FIND])
    assert desk.target.versions() == before
    desk.values(CARTESIA_API_KEY="CANARY-newer")
    assert "Secret/agent-secrets: is immutable and would have to change" in desk.run("sync", "staging").lines[0]
    assert desk.target.versions() == before


def test_immutable_object_can_be_made_anew_once_rule_is_gone(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.write("base/secrets.yml", SECRETS.replace("{name: agent-secrets}", "{name: agent-secrets}\nimmutable: true"))
    drop(desk)
    desk.run("sync", "staging")
    desk.target.embedded.store.admission = None
    result = desk.run("sync", "staging")
    assert (result.status, result.lines[0]) == (
        1,
        "bridge: error: Secret/agent-secrets: is immutable and would have to change",
    )
    assert "`bridge sync staging --recreate Secret/agent-secrets`" in result.lines[1]
    assert desk.run("sync", "staging", "--recreate", "Secret/agent-secrets").status == 0
    assert desk.target.data(SECRET, "agent-secrets")[LOST] == VALUES[LOST]


def test_rule_that_stamps_every_write_does_not_make_each_run_write(offline_desk: Desk) -> None:
    """Others' fields are no effect of ours."""
    desk, stamps = offline_desk, iter(range(1000))

    def change(new: dict[str, Any]) -> None:
        new["data"].pop(LOST, None)
        new["metadata"].setdefault("annotations", {})["example.com/stamp"] = str(next(stamps))

    rule(desk, change)
    desk.run("sync", "staging")
    before = desk.target.versions()
    assert desk.run("sync", "staging").status == 1
    assert desk.target.versions() == before


def test_key_that_is_drifted_and_altered_is_taken_back_by_force(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.run("sync", "staging")
    desk.target.edit(CONFIG, "agent-config", LOG_LEVEL="theirs")

    def change(new: dict[str, Any], _dry_run: bool) -> None:
        if "LOG_LEVEL" in (new.get("data") or {}):
            new["data"]["LOG_LEVEL"] = "quiet"

    desk.target.embedded.store.admission = change
    result = desk.run("sync", "staging")
    assert result.status == 0
    assert "~ ConfigMap/agent-config  updated" in result.out.splitlines()
    assert desk.target.owners(CONFIG, "agent-config", "LOG_LEVEL") == {("bridge/voice-agent-staging", "Apply")}
    assert desk.run("plan", "staging", "--exit-code").status == 0


def test_metrics_count_it(offline_desk: Desk, tmp_path: Path) -> None:
    desk, file = offline_desk, tmp_path / "bridge.prom"
    drop(desk)
    for result, keys in (("written", "missing"), ("altered", "unchanged")):
        assert desk.run("sync", "staging", "--metrics", str(file)).status == 1
        found = metrics(desk, file)
        assert found["bridge_exit_status"] == 1
        assert found['bridge_keys{state="altered"}'] == 1
        assert found[f'bridge_keys{{state="{keys}"}}'] == 11
        assert found[f'bridge_objects{{kind="Secret",result="{result}"}}'] >= 1
        assert "bridge_last_success_timestamp_seconds" not in found


def test_status_asks_no_more_than_before_when_all_is_in_sync(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.run("sync", "staging")
    desk.target.embedded.requests.clear()
    assert state(desk) == ("in sync", True, 0)
    assert {method for method, _ in desk.target.embedded.requests} == {"GET"}
    drop(desk)
    desk.values(CARTESIA_API_KEY="CANARY-newer")
    desk.target.embedded.requests.clear()
    assert state(desk) == ("altered", False, 1)
    tried = [path for method, path in desk.target.embedded.requests if method == "PATCH"]
    assert len(tried) == 1
    assert "agent-secrets" in tried[0]
    assert "dryRun=All" in tried[0]


@pytest.mark.parametrize("fault", [answer(403), answer(500), answer(422)])
def test_status_that_cannot_try_says_what_object_shows(offline_desk: Desk, fault: Fault) -> None:
    desk = offline_desk
    drop(desk)
    desk.run("sync", "staging")
    desk.target.embedded.intercept = lambda method, path: fault if is_dry_run(method, path) else None
    assert state(desk) == ("altered", False, 1)  # the object's managedFields tell of it
    desk.target.embedded.store.admission = None
    desk.target.edit(SECRET, "agent-secrets", CARTESIA_API_KEY=None)
    assert state(desk, "CARTESIA_API_KEY") == ("removed by hand", False, 1)


def test_pods_are_not_restarted_into_missing_key(offline_desk: Desk) -> None:
    desk = offline_desk
    drop(desk)
    desk.target.embedded.requests.clear()
    result = desk.run("sync", "staging", "--restart")
    assert (result.status, result.lines) == (1, [DROPPED, FIND])
    assert not [path for _, path in desk.target.embedded.requests if path.startswith("/apis/apps/")]


def test_plan_restarts_no_pods_into_missing_key_either(offline_desk: Desk) -> None:
    desk = offline_desk
    drop(desk)
    desk.target.embedded.requests.clear()
    result = desk.run("sync", "staging", "--dry-run", "--restart", "--output", "json")
    assert (result.status, "workloads" in result.data) == (1, False)
    assert not [path for _, path in desk.target.embedded.requests if path.startswith("/apis/apps/")]


def test_live_check_fails_over_dropped_key_and_has_nothing_to_change(desk: Desk) -> None:
    drop(desk)
    desk.run("sync", "staging")
    before = desk.target.versions()
    result = desk.run("check", "staging", "--live")
    assert (result.status, result.lines[-2:]) == (1, [DROPPED, FIND])
    assert "staging: no objects to change in the cluster" in result.out.splitlines()
    data = desk.run("check", "staging", "--live", "--output", "json").data
    assert (data["live"]["altered"], data["live"]["update"]) == (1, 0)
    assert [error["what"] for error in data["errors"]] == ["an admission rule drops this key"]
    assert desk.target.versions() == before


def test_live_check_warns_of_rewritten_value(offline_desk: Desk) -> None:
    desk = offline_desk
    rule(desk, lambda new: new["data"].__setitem__(LOST, "eA=="))
    desk.run("sync", "staging")
    result = desk.run("check", "staging", "--live")
    rewritten = DROPPED.replace("error", "warning").replace("drops this key", "rewrites this value")
    assert (result.status, rewritten in result.lines) == (0, True)


def test_of_many_environments_it_is_one_that_fails(offline_desk: Desk) -> None:
    desk = offline_desk
    drop(desk)
    for result in (desk.run("sync", "--all", "--output", "json"), desk.run("sync", "--all", "--output", "json")):
        assert (result.status, result.data["summary"]) == (1, {"altered": 1})
        (entry,) = result.data["environments"]
        assert [one["name"] for one in entry["objects"] if one["altered"]] == ["agent-secrets"]
        assert result.lines == [DROPPED.replace("error: ", "error: staging: "), FIND]
    out = desk.run("sync", "--all").out
    assert f"staging      altered  {DROPPED.partition('error: ')[2]}" in out


def test_rollback_fails_over_it_after_all_is_written(offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = offline_desk
    desk.environment(sources=[SHELF])
    desk.write("shelf.json", VALUES)
    assert desk.run("sync", "staging").status == 0
    desk.canaries.add("CANARY-newer")

    def present(provider: Any, source: Any, _revision: str, context: Any) -> Whole:
        """Take what the shelf has for its earlier revision: it keeps none."""
        found = look(provider, source, context)
        assert found
        return Whole(found, found)

    monkeypatch.setattr(rollback, "look_back", present)
    desk.write("shelf.json", VALUES | {"CARTESIA_API_KEY": "CANARY-newer"})
    drop(desk)
    result = desk.run("rollback", "staging", "--source", SHELF, "--to", "1", "--yes")
    assert result.status == 1
    assert result.lines == [DROPPED, FIND]
    assert result.out.splitlines()[-1].endswith("a key is missing in the cluster")
