"""`plan --out` and `sync --plan`: an approved plan holds what was reviewed, and only ever refuses."""

import base64
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from bridge.plan.approved import moment
from bridge.plan.change_times import FORMAT
from tests.approval.approvals import (
    PUBLIC,
    approvable,
    content,
    edited,
    file_of,
    planned,
    sha256,
    sync,
    uid_of_namespace,
)
from tests.desk import Desk
from tests.team import SECRETS, VALUES

AGAIN = "bridge: hint: review what has changed, then make a new plan with `bridge plan staging --out FILE`"
ONLY = "staging"
AGENT = "Secret/agent-secrets"


@pytest.fixture
def synced(offline_desk: Desk) -> Desk:
    """A desk with everything written, and then one value and one public value changed."""
    approvable(offline_desk)
    assert offline_desk.run("sync", "staging").status == 0
    offline_desk.values(OPENAI_API_KEY="CANARY-rotated")
    return offline_desk


def uid(desk: Desk, name: str = "agent-secrets") -> str:
    return str((desk.target.get("Secret", name) or {})["metadata"]["uid"])


def test_plan_holds_what_decides_what_is_written(desk: Desk) -> None:
    approvable(desk)
    assert desk.run("sync", "staging").status == 0
    desk.values(OPENAI_API_KEY="CANARY-rotated", DEEPGRAM_API_KEY=None)
    template = SECRETS.replace("  DEEPGRAM_API_KEY: ${DEEPGRAM_API_KEY}\n", "  EXTRA: ${OPENAI_API_KEY}\n")
    desk.write("base/secrets.yml", template)
    plan = planned(desk, "--allow-shrink", "--recreate", "Secret/shared-secrets")
    assert plan["schema"] == "bridge/approved-plan/v1"
    assert plan["flags"] == ["--allow-shrink", "--recreate Secret/shared-secrets"]
    assert plan["environments"] == {
        "staging": {
            "id": "voice-agent-staging",
            "namespace": desk.target.namespace,
            "namespace_uid": uid_of_namespace(desk),
            "server": desk.target.client.url,
            "files": {
                "staging.yaml": sha256(desk.folder / "staging.yaml"),
                "base/secrets.yml": sha256(desk.folder / "base/secrets.yml"),
                "public.yaml": sha256(desk.folder / "public.yaml"),
            },
            "sources": {
                "jsonfile:values.json": {
                    "location": {"path": "values.json"},
                    "addresses": [],
                    "revision": sha256(desk.folder / "values.json")[:12],
                    "order": None,
                    "series": "",
                    "sha256": "",
                }
            },
            "objects": {
                AGENT: {
                    "uid": uid(desk),
                    "action": "update",
                    "fields": {"key OPENAI_API_KEY": "change", "key EXTRA": "add", "key DEEPGRAM_API_KEY": "remove"},
                }
            },
        }
    }


def test_file_is_private_and_holds_no_value_and_no_path_of_machine(synced: Desk) -> None:
    planned(synced)
    path = file_of(synced)
    text = path.read_text()
    for canary in synced.canaries:
        assert canary not in text
        assert base64.b64encode(canary.encode()).decode() not in text
    assert str(synced.folder.parent) not in text
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir() if "plan.json" in one.name] == ["plan.json"]


def test_every_report_shows_hash_for_approval(synced: Desk) -> None:
    path = file_of(synced)
    text = synced.run("plan", "staging", "--out", str(path))
    expires = content(synced)["expires"]
    assert text.out.splitlines()[-1] == f"plan file: {path}, valid until {expires}, SHA-256 {sha256(path)}"
    markdown = synced.run("plan", "staging", "--out", str(path), "-o", "markdown")
    expires = content(synced)["expires"]
    assert f"\nplan file: `{path}`, valid until {expires}, SHA-256 `{sha256(path)}`\n" in markdown.out
    data = synced.run("plan", "staging", "--out", str(path), "-o", "json").data
    created, expires = (content(synced)[name] for name in ("created", "expires"))
    expected = {"path": str(path), "sha256": sha256(path), "created": created, "expires": expires}
    assert data["plan_file"] == expected
    assert sync(synced, "-o", "json").data["plan_file"] == expected


def test_approved_plan_is_carried_out(desk: Desk) -> None:
    approvable(desk)
    plan = planned(desk)
    assert desk.target.versions() == {}
    assert plan["environments"][ONLY]["objects"]["Secret/shared-secrets"] == {
        "uid": None,
        "action": "create",
        "fields": {"key LIVEKIT_API_KEY": "add", "key LIVEKIT_API_SECRET": "add"},
    }
    result = sync(desk, "--plan-sha256", sha256(file_of(desk)).upper())
    assert (result.status, result.err) == (0, "")
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]


def test_unchanged_environment_has_plan_without_changes(desk: Desk) -> None:
    approvable(desk)
    assert desk.run("sync", "staging").status == 0
    assert planned(desk)["environments"][ONLY]["objects"] == {}
    before = desk.target.versions()
    assert "nothing to do" in sync(desk).out
    assert desk.target.versions() == before


def test_job_that_runs_again_has_nothing_to_do(desk: Desk) -> None:
    approvable(desk)
    planned(desk)
    assert sync(desk).status == 0
    before = desk.target.versions()
    result = sync(desk)
    assert (result.status, "nothing to do" in result.out) == (0, True)
    assert desk.target.versions() == before


def test_run_that_stopped_between_writes_is_finished_with_same_plan(synced: Desk) -> None:
    assert synced.target.embedded
    template = SECRETS.replace("metadata: {name: shared-secrets}", "metadata: {name: third-secrets}")
    synced.write("base/more.yml", template.split("---")[0])
    synced.environment(
        templates=["base/secrets.yml", "public.yaml", "base/more.yml"], env_file=None, sources=["jsonfile:values.json"]
    )
    planned(synced)
    written: list[str] = []

    def stop(method: str, path: str) -> Any:
        if method == "PATCH" and "dryRun" not in path and "/secrets/" in path:
            written.append(path)
            if len(written) > 1:
                return ("answer", 403, {}, json.dumps({"kind": "Status", "code": 403, "reason": "Forbidden"}).encode())
        return None

    synced.target.embedded.intercept = stop
    assert sync(synced).status == 5
    synced.target.embedded.intercept = None
    result = sync(synced)
    assert (result.status, result.err) == (0, "")
    assert synced.run("plan", "staging", "--exit-code").status == 0


def test_annotation_of_someone_else_is_no_difference(desk: Desk) -> None:
    approvable(desk)
    assert desk.run("sync", "staging").status == 0
    desk.values(OPENAI_API_KEY="CANARY-rotated")
    planned(desk)
    desk.target.patch("Secret", "agent-secrets", {"metadata": {"annotations": {"seen": "by-someone-else"}}})
    assert sync(desk).status == 0
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == "CANARY-rotated"


def test_dry_run_compares_and_writes_nothing(synced: Desk) -> None:
    planned(synced)
    before = synced.target.versions()
    assert sync(synced, "--dry-run").status == 0
    edited(synced, lambda plan: plan["environments"][ONLY].update(id="other"))
    result = sync(synced, "--dry-run")
    assert (result.status, result.lines[0]) == (
        1,
        "bridge: error: id: the plan is for other, not for voice-agent-staging",
    )
    assert synced.target.versions() == before


Change = Callable[[dict[str, Any]], object]
PLAN_EDITS: dict[str, tuple[Change, str]] = {
    "id": (lambda e: e.update(id="other"), "id: the plan is for other, not for voice-agent-staging"),
    "namespace": (lambda e: e.update(namespace="elsewhere"), "namespace: the plan is for elsewhere, not for voice"),
    "namespace uid": (
        lambda e: e.update(namespace_uid="0-1-2"),
        "the namespace's uid: the plan is for 0-1-2, not for ",
    ),
    "server": (
        lambda e: e.update(server="https://10.0.0.1:6443"),
        "the API server: the plan is for https://10.0.0.1:6443, not for ",
    ),
    "hash of file": (
        lambda e: e["files"].update({"public.yaml": "0" * 64}),
        "public.yaml: has changed since the plan was made",
    ),
    "file added": (
        lambda e: e["files"].update({"more.yaml": "0" * 64}),
        "more.yaml: is in the plan, but not among the environment's files",
    ),
    "file removed": (lambda e: e["files"].pop("public.yaml"), "public.yaml: is not in the plan"),
    "source added": (
        lambda e: e["sources"].update({"vault:x": e["sources"]["jsonfile:values.json"]}),
        "vault:x: is in the plan, but not among the sources",
    ),
    "source removed": (lambda e: e["sources"].clear(), "jsonfile:values.json: is not in the plan"),
    "revision": (lambda e: source(e).update(revision="7"), "jsonfile:values.json: is now at revision "),
    "order": (lambda e: source(e).update(order=7), "jsonfile:values.json: revision "),
    "series": (lambda e: source(e).update(series="x"), "jsonfile:values.json: revision "),
    "ciphertext": (
        lambda e: source(e).update(sha256="0" * 64),
        "jsonfile:values.json: its content has changed since the plan was made",
    ),
    "mount": (
        lambda e: source(e)["location"].update(mount="kv"),
        "jsonfile:values.json: its mount is now (none), but kv in the plan",
    ),
    "path": (
        lambda e: source(e)["location"].update(path="other"),
        "jsonfile:values.json: its path is now values.json, but other in the plan",
    ),
    "address": (
        lambda e: source(e).update(addresses=["https://other"]),
        "jsonfile:values.json: is now read from (none), but from https://other in the plan",
    ),
    "object removed": (lambda e: e["objects"].clear(), f"{AGENT}: would be updated, which is not in the plan"),
    "object added": (
        lambda e: e["objects"].update({"ConfigMap/more": e["objects"][AGENT]}),
        "ConfigMap/more: is to be updated in the plan, but needs no change now",
    ),
    "action": (
        lambda e: e["objects"][AGENT].update(action="create"),
        f"{AGENT}: would be updated, but is to be created in the plan",
    ),
    "uid": (lambda e: e["objects"][AGENT].update(uid="0-1-2"), f"{AGENT}: its uid is now "),
    "key removed": (
        lambda e: e["objects"][AGENT]["fields"].clear(),
        f"{AGENT} key OPENAI_API_KEY: would be changed, but is to be left as it is in the plan",
    ),
    "key added": (
        lambda e: e["objects"][AGENT]["fields"].update({"key MORE": "add"}),
        f"{AGENT} key MORE: would be left as it is, but is to be added in the plan",
    ),
    "kind of change": (
        lambda e: e["objects"][AGENT]["fields"].update({"key OPENAI_API_KEY": "drift"}),
        f"{AGENT} key OPENAI_API_KEY: would be changed, but is to be changed back in the plan",
    ),
    "admission": (
        lambda e: e["objects"][AGENT]["fields"].update({"key OPENAI_API_KEY": "change, rewritten"}),
        (
            f"{AGENT} key OPENAI_API_KEY: "
            "would be changed, but is to be changed and an admission rule rewrites it in the plan"
        ),
    ),
}


def source(environment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = environment["sources"]["jsonfile:values.json"]
    return found


@pytest.mark.parametrize("name", PLAN_EDITS)
def test_difference_from_plan_is_refused_by_name(synced: Desk, name: str) -> None:
    change, message = PLAN_EDITS[name]
    planned(synced)
    edited(synced, lambda plan: change(plan["environments"][ONLY]))
    before = synced.target.versions()
    result = sync(synced)
    assert result.status == 1
    assert len(result.lines) == 2
    assert result.lines[0].startswith(f"bridge: error: {message}")
    assert result.lines[1] == AGAIN
    assert synced.target.versions() == before


def rotate(desk: Desk) -> None:
    desk.values(OPENAI_API_KEY="CANARY-rotated-again")


def template(desk: Desk) -> None:
    desk.write("public.yaml", PUBLIC.replace("example.com", "example.org"))


def another_object(desk: Desk) -> None:
    desk.target.delete("Secret", "agent-secrets")
    desk.target.create("Secret", "agent-secrets", {})


WORLD: dict[str, tuple[Callable[[Desk], object], list[str]]] = {
    "value is rotated": (rotate, ["jsonfile:values.json: is now at revision "]),
    "template is edited": (
        template,
        [
            "public.yaml: has changed since the plan was made",
            "ConfigMap/shared-config: would be updated, which is not in the plan",
        ],
    ),
    "environment's file is edited": (
        lambda desk: approvable(desk, accept_older={"jsonfile:values.json": "7"}),
        ["staging.yaml: has changed since the plan was made"],
    ),
    "key is edited by hand": (
        lambda desk: desk.target.edit("Secret", "agent-secrets", CARTESIA_API_KEY="theirs"),
        [f"{AGENT} key CARTESIA_API_KEY: would be changed back, but is to be left as it is in the plan"],
    ),
    "same key is edited by hand": (
        lambda desk: desk.target.edit("Secret", "agent-secrets", OPENAI_API_KEY="theirs"),
        [f"{AGENT} key OPENAI_API_KEY: would be changed back, but is to be changed in the plan"],
    ),
    "other object is edited by hand": (
        lambda desk: desk.target.edit("Secret", "shared-secrets", LIVEKIT_API_KEY=None),
        ["Secret/shared-secrets: would be updated, which is not in the plan"],
    ),
    "object is deleted": (
        lambda desk: desk.target.delete("Secret", "agent-secrets"),
        [f"{AGENT}: its uid is now (none), but ", f"{AGENT}: would be created, but is to be updated in the plan"],
    ),
    "object is another one": (another_object, [f"{AGENT}: its uid is now "]),
}


@pytest.mark.parametrize("name", WORLD)
def test_change_after_plan_is_refused_by_name(synced: Desk, name: str) -> None:
    change, messages = WORLD[name]
    planned(synced)
    change(synced)
    before = synced.target.versions()
    result = sync(synced, "-o", "json")
    refusals = [f"{one['where']}: {one['what']}" for one in result.data["refusals"]]
    assert (result.status, result.data["result"]) == (1, "refused")
    for message in messages:
        assert any(one.startswith(message) for one in refusals), refusals
    assert synced.target.versions() == before


def test_change_that_is_no_longer_needed_is_refused(synced: Desk) -> None:
    """It was not carried out since the plan was made: the source has its earlier value again."""
    planned(synced)
    created = moment(content(synced)["created"]) + timedelta(minutes=1)
    edited(synced, lambda plan: plan.update(created=created.strftime(FORMAT)))  # later than the first sync for sure
    synced.values()
    result = sync(synced)
    assert result.status == 1
    assert f"bridge: error: {AGENT}: is to be updated in the plan, but needs no change now" in result.lines


def test_all_differences_are_listed_at_once(synced: Desk) -> None:
    planned(synced, "--allow-older")
    template(synced)
    rotate(synced)
    synced.target.edit("Secret", "shared-secrets", LIVEKIT_API_KEY="theirs")
    result = sync(synced, "--prune")
    errors = [line.removeprefix("bridge: error: ").split(": ")[0] for line in result.lines if "error" in line]
    assert result.status == 1
    assert errors == [
        "--allow-older",
        "--prune",
        "public.yaml",
        "jsonfile:values.json",
        "ConfigMap/shared-config",
        "Secret/shared-secrets",
    ]


@pytest.mark.parametrize(
    ("at_plan", "at_sync", "message"),
    [
        ((), ("--prune",), "--prune: is not in the plan"),
        (("--allow-shrink",), (), "--allow-shrink: is in the plan, but this run does not have it"),
        ((), ("--recreate", AGENT), f"--recreate {AGENT}: is not in the plan"),
        (("--allow-fallback",), ("--allow-fallback", "--allow-older"), "--allow-older: is not in the plan"),
    ],
)
def test_flags_must_be_those_of_plan(
    synced: Desk, at_plan: tuple[str, ...], at_sync: tuple[str, ...], message: str
) -> None:
    planned(synced, *at_plan)
    before = synced.target.versions()
    result = sync(synced, *at_sync)
    assert result.status == 1
    assert f"bridge: error: {message}" in result.lines
    assert synced.target.versions() == before


def test_change_while_run_waits_for_lease_is_refused(synced: Desk) -> None:
    assert synced.target.embedded
    planned(synced)
    before: list[dict[str, str]] = []

    def edit(method: str, path: str) -> None:
        if method == "PUT" and "/leases/" in path and not before:
            before.append({})
            synced.target.edit("Secret", "shared-secrets", LIVEKIT_API_KEY="CANARY-theirs")
            before[0] |= synced.target.versions()

    synced.target.embedded.intercept = edit
    result = sync(synced)
    assert result.status == 1
    assert "bridge: error: Secret/shared-secrets: would be updated, which is not in the plan" in result.lines
    assert synced.target.versions() == before[0]


def test_plan_that_expires_while_run_waits_for_lease_is_refused(synced: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert synced.target.embedded
    expires = moment(planned(synced)["expires"])
    before = synced.target.versions()

    def wait(method: str, path: str) -> None:
        if method == "PUT" and "/leases/" in path:
            monkeypatch.setattr("bridge.commands.approval._now", lambda _api: expires)

    synced.target.embedded.intercept = wait
    result = sync(synced)
    assert result.status == 1
    expected = f"bridge: error: {file_of(synced)}: the plan expired at {content(synced)['expires']}"
    assert (result.lines[0], synced.target.versions()) == (expected, before)


def test_source_that_changes_while_other_runs_write_is_refused(synced: Desk) -> None:
    """Another run wrote, so the sources are read again, and now have another revision."""
    assert synced.target.embedded
    planned(synced)
    state = (synced.target.get("ConfigMap", "bridge-voice-agent-staging") or {})["data"]
    done: list[dict[str, str]] = []

    def meet(method: str, path: str) -> None:
        if method == "PUT" and "/leases/" in path and not done:
            done.append({})
            rotate(synced)
            body = {"data": {**state, "run": "another"}}
            synced.target.patch("ConfigMap", "bridge-voice-agent-staging", body, "bridge/voice-agent-staging")
            done[0] |= synced.target.versions()

    synced.target.embedded.intercept = meet
    result = sync(synced)
    assert result.status == 1
    assert result.lines[0].startswith("bridge: error: jsonfile:values.json: is now at revision ")
    assert synced.target.versions() == done[0]


def leaves(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value, list and object in a plan."""
    if path:
        yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in items:
        yield from leaves(child, (*path, key))


def replaced(plan: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    copied: dict[str, Any] = json.loads(json.dumps(plan))
    node: Any = copied
    for key in path[:-1]:
        node = node[key]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return copied


@pytest.mark.parametrize("kind", ["other", "absent", "list"])
def test_no_edit_of_plan_makes_sync_write(synced: Desk, kind: str) -> None:
    plan = planned(synced, "--allow-older")
    before = synced.target.versions()
    for path in leaves(plan):
        if path == ("expires",) and kind == "other":
            continue
        value = {"other": "CANARY-x-1", "absent": None, "list": ["--prune"]}[kind]
        changed = replaced(plan, path, value)
        if changed == plan:
            continue
        file_of(synced).write_text(json.dumps(changed))
        result = sync(synced, "--allow-older")
        assert result.status in {1, 2}, path
        assert "a bug" not in result.err
        assert synced.target.versions() == before, path
    file_of(synced).write_text(json.dumps(plan))
    assert sync(synced, "--allow-older").status == 0


def test_plan_allows_nothing_that_sync_refuses(synced: Desk) -> None:
    """The flags are in the plan, the changes are those of a sync with them, and still only the flags would allow it."""
    planned(synced)
    synced.values(OPENAI_API_KEY="")
    assert synced.run("sync", "staging").status == 1
    planned(synced, "--allow-shrink")
    before = synced.target.versions()
    result = sync(synced)
    assert result.status == 1
    assert "with --allow-shrink" in result.err
    assert synced.target.versions() == before


def test_deletion_that_is_done_needs_new_plan(synced: Desk) -> None:
    """Unlike a write, it leaves nothing behind that shows who did it."""
    files = {"env_file": None, "sources": ["jsonfile:values.json"]}
    synced.write("base/more.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: third}\ndata: {A: b}\n")
    synced.environment(templates=["base/secrets.yml", "public.yaml", "base/more.yml"], **files)
    assert synced.run("sync", "staging").status == 0
    synced.environment(templates=["base/secrets.yml", "public.yaml"], **files)
    planned(synced, "--prune")
    assert sync(synced, "--prune").status == 0
    assert synced.target.get("ConfigMap", "third") is None
    again = sync(synced, "--prune")
    assert again.status == 1
    assert "ConfigMap/third" in again.err
    planned(synced, "--prune")
    assert sync(synced, "--prune").status == 0


def test_restart_is_no_difference_from_plan(synced: Desk) -> None:
    """The embedded cluster has no workloads, so the run ends after its writes."""
    assert planned(synced)["flags"] == []
    result = sync(synced, "--restart")
    assert result.status == 5
    assert "plan" not in result.err
    assert synced.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == "CANARY-rotated"
