"""The main job with Secret Manager: whole runs against the fake, their requests, and what they show."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.desk import Desk
from tests.pages import page
from tests.servers.scaleway import ACCESS, PROJECT, READ, Canned, Grant, SecretManager
from tests.team import VALUES

APP = "/voice/staging/app"
REFERENCE = f"scaleway:{APP}"
READ_APP = "GET fr-par/secrets-by-path/versions/latest_enabled/access"
VARIABLES = ("SCW_SECRET_KEY", "SCW_ACCESS_KEY", "SCW_API_URL", "SCW_DEFAULT_REGION", "SCW_DEFAULT_PROJECT_ID")
OTHERS = ("SCW_PROFILE", "SCW_CONFIG_PATH", "SCW_INSECURE", "HTTPS_PROXY", "https_proxy")


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[SecretManager]:
    with SecretManager() as server:
        for name in (*VARIABLES, *OTHERS):
            monkeypatch.delenv(name, raising=False)
        for name, value in server.environ().items():
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def desk(offline_desk: Desk, manager: SecretManager) -> Desk:
    offline_desk.canaries.add(manager.key)
    offline_desk.environment(sources=[REFERENCE])
    return offline_desk


def look(id_: str) -> list[str]:
    """Return the requests that look at a secret's metadata before its first read."""
    return ["GET fr-par/secrets", f"GET fr-par/secrets/{id_}/versions/latest_enabled"]


def refused(desk: Desk, status: int) -> list[str]:
    """Return what a refused run says; it has written nothing."""
    before = desk.target.versions()
    result = desk.run("sync", "staging")
    assert result.status == status, result.err
    assert desk.target.versions() == before
    return result.lines


def test_run_writes_what_store_has_and_next_one_nothing(manager: SecretManager, desk: Desk) -> None:
    id_ = manager.put(APP, VALUES, type="key_value")
    plan = desk.run("plan", "staging")
    assert plan.status == 0, plan.err
    assert f"{REFERENCE} @ 1/{id_[:8]}" in plan.out
    assert desk.run("sync", "staging").status == 0
    assert desk.target.secrets() == VALUES
    before = desk.target.versions()
    again = desk.run("sync", "staging")
    assert (again.status, again.err) == (0, "")
    assert desk.target.versions() == before


def test_document_that_was_written_from_before_takes_one_request(manager: SecretManager, desk: Desk) -> None:
    id_ = manager.put(APP, VALUES)
    assert desk.run("sync", "staging").status == 0
    assert [str(one) for one in manager.requests] == [*look(id_), READ_APP]
    for command in ("sync", "plan", "status"):
        manager.requests.clear()
        assert desk.run(command, "staging").status == 0
        assert [str(one) for one in manager.requests] == [READ_APP]


def test_check_live_looks_before_it_reads_also_what_was_written_from_before(manager: SecretManager, desk: Desk) -> None:
    known = manager.put(APP, VALUES)
    assert desk.run("sync", "staging").status == 0
    manager.requests.clear()
    assert desk.run("check", "staging", "--live").status == 0
    assert [str(one) for one in manager.requests] == [*look(known), READ_APP]
    policy = {"time_to_live": None, "expires_once_accessed": True, "action": "delete"}
    id_ = manager.put("/voice/staging/next", VALUES, ephemeral_policy=policy)
    desk.environment(sources=["scaleway:/voice/staging/next"])
    result = desk.run("check", "staging", "--live")
    assert result.status == 1
    assert any(
        "not read, because reading it would make it expire (expires_once_accessed)" in line for line in result.lines
    )
    assert manager.store.secrets[id_].versions[0]["status"] == "enabled"


def test_document_that_replaces_one_which_is_known_is_looked_at_first(manager: SecretManager, desk: Desk) -> None:
    manager.put(APP, VALUES)
    assert desk.run("sync", "staging").status == 0
    policy = {"time_to_live": None, "expires_once_accessed": True, "action": "delete"}
    id_ = manager.put("/voice/staging/next", VALUES, ephemeral_policy=policy)
    desk.environment(sources=["scaleway:/voice/staging/next"])
    assert "reading it would make it expire" in refused(desk, 1)[0]
    assert manager.store.secrets[id_].versions[0]["status"] == "enabled"


def test_variable_gets_object_that_is_taken_whole_byte_for_byte(manager: SecretManager, desk: Desk) -> None:
    manager.put(APP, VALUES)
    text = '{ "type" : "CANARY-account",\n  "id":1.0 }\n'
    manager.put("/voice/staging/account", text.encode())
    desk.canaries.add("CANARY-account")
    variables = {"OPENAI_API_KEY": {"from": "scaleway:/voice/staging/account"}}
    desk.environment(sources=[f"scaleway:{APP}"], variables=variables)
    assert desk.run("sync", "staging").status == 0
    assert desk.target.secrets()["OPENAI_API_KEY"] == text


def test_new_revision_changes_its_keys_alone(manager: SecretManager, desk: Desk) -> None:
    manager.put(APP, VALUES)
    assert desk.run("sync", "staging").status == 0
    before = desk.target.versions()
    desk.canaries.add("CANARY-new")
    manager.put(APP, VALUES | {"OPENAI_API_KEY": "CANARY-new"})
    result = desk.run("sync", "staging", "--output", "json")
    assert result.status == 0, result.err
    after = desk.target.versions()
    assert {name for name in after if after[name] != before[name]} == {
        "Secret/agent-secrets",
        "ConfigMap/bridge-voice-agent-staging",
    }
    assert desk.target.secrets()["OPENAI_API_KEY"] == "CANARY-new"


def test_one_document_for_many_variables_is_read_once(manager: SecretManager, desk: Desk) -> None:
    manager.put(APP, VALUES)
    manager.put("/voice/shared", {"user": {"name": "CANARY-name", "word": "CANARY-word"}})
    desk.canaries |= {"CANARY-name", "CANARY-word"}
    desk.environment(
        sources=[REFERENCE],
        variables={
            "LIVEKIT_API_KEY": "scaleway:/voice/shared#user.name",
            "LIVEKIT_API_SECRET": "scaleway:/voice/shared#user.word",
        },
    )
    assert desk.run("sync", "staging").status == 0
    assert desk.target.secrets() == VALUES | {"LIVEKIT_API_KEY": "CANARY-name", "LIVEKIT_API_SECRET": "CANARY-word"}
    accesses = [one.query["secret_name"] for one in manager.requests if one.path.endswith("/access")]
    assert sorted(accesses) == ["app", "shared"]


def test_second_section_is_second_region(manager: SecretManager, desk: Desk) -> None:
    manager.put(APP, {name: VALUES[name] for name in ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")})
    manager.put(APP, {name: VALUES[name] for name in VALUES if "LIVEKIT" not in name}, region="nl-ams")
    desk.environment(
        sources=[REFERENCE, f"dutch:{APP}"], providers={"dutch": {"provider": "scaleway", "region": "nl-ams"}}
    )
    assert desk.run("sync", "staging").status == 0
    assert desk.target.secrets() == VALUES


def test_secret_by_id_and_pinned_revision(manager: SecretManager, desk: Desk) -> None:
    id_ = manager.put(APP, VALUES, {"broken": "CANARY-later"})
    desk.environment(sources=[f"scaleway:id:{id_}@1"])
    result = desk.run("sync", "staging")
    assert result.status == 0, result.err
    assert desk.target.secrets() == VALUES


def test_patch_file_s_manifests_in_one_secret(manager: SecretManager, desk: Desk) -> None:
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "agent-secrets"},
        "stringData": {name: VALUES[name] for name in VALUES if "LIVEKIT" not in name},
    }
    manager.put(APP, manifest)
    manager.put("/voice/staging/rest", {name: VALUES[name] for name in VALUES if "LIVEKIT" in name})
    desk.environment(sources=[REFERENCE, "scaleway:/voice/staging/rest"])
    assert desk.run("sync", "staging").status == 0
    assert desk.target.secrets() == VALUES


def test_missing_document_stops_run_although_another_has_fields(manager: SecretManager, desk: Desk) -> None:
    manager.put(APP, VALUES)
    desk.environment(sources=["scaleway:/voice/staging/absent", REFERENCE])
    assert refused(desk, 1) == [
        f"bridge: error: scaleway:/voice/staging/absent: no such secret in project {PROJECT}, region fr-par",
        "bridge: hint: check region and project_id; a new secret can take half a minute to appear",
    ]


def test_disabled_revision_stops_run_and_objects_stay(manager: SecretManager, desk: Desk) -> None:
    id_ = manager.put(APP, VALUES)
    assert desk.run("sync", "staging").status == 0
    manager.store.secrets[id_].versions[0]["status"] = "disabled"
    assert refused(desk, 1) == [
        f"bridge: error: {REFERENCE}: no revision is enabled; revision 1 is disabled",
        "bridge: hint: enable it, or use another revision",
    ]
    assert desk.target.secrets() == VALUES


def test_field_that_is_missing_is_missing_and_not_unavailable(manager: SecretManager, desk: Desk) -> None:
    manager.put(APP, {name: VALUES[name] for name in VALUES if name != "OPENAI_API_KEY"})
    assert "OPENAI_API_KEY" in "".join(refused(desk, 1))


def test_secret_that_expires_once_read_is_not_used_up(manager: SecretManager, desk: Desk) -> None:
    policy = {"time_to_live": None, "expires_once_accessed": True, "action": "delete"}
    id_ = manager.put(APP, VALUES, ephemeral_policy=policy)
    for command in ("plan", "sync", "status"):
        result = desk.run(command, "staging")
        assert (
            result.lines[0]
            == f"bridge: error: {REFERENCE}: not read, because reading it would make it expire (expires_once_accessed)"
        )
    assert manager.store.secrets[id_].versions[0]["status"] == "enabled"


def test_key_with_smallest_permission_works_and_says_what_it_could_not_check(
    manager: SecretManager, desk: Desk
) -> None:
    manager.grants[manager.key] = Grant({ACCESS}, prefix="/voice/staging/")
    manager.put(APP, VALUES)
    result = desk.run("sync", "staging")
    assert result.status == 0
    assert result.lines == [
        f"bridge: warning: {REFERENCE}: could not check whether reading it makes it expire (expires_once_accessed)",
        "bridge: hint: grant the permission set SecretManagerReadOnly",
    ]
    assert desk.target.secrets() == VALUES


def test_one_document_of_many_that_may_not_be_read_stops_everything(manager: SecretManager, desk: Desk) -> None:
    manager.grants[manager.key] = Grant({ACCESS, READ}, prefix="/voice/staging/")
    manager.put(APP, VALUES)
    manager.put("/voice/prod/app", VALUES)
    desk.environment(sources=[REFERENCE, "scaleway:/voice/prod/app"])
    (error, *_) = (line for line in refused(desk, 1) if "error" in line)
    assert error.startswith(
        "bridge: error: scaleway:/voice/prod/app: the secret key from SCW_SECRET_KEY lacks permission in project"
    )


@pytest.mark.parametrize(
    "canned",
    [
        Canned(503, b"<html>CANARY-livekit-key</html>", kind="text/html"),
        Canned(429, {"type": "too_many_requests", "reset_seconds": 0.01}),
        Canned(200, b'{"data": "CANARY-livekit-key"', cut=5),
    ],
)
def test_what_is_temporary_is_tried_again_and_then_75(manager: SecretManager, desk: Desk, canned: Canned) -> None:
    manager.put(APP, VALUES)
    manager.faults += [canned, canned]
    assert desk.run("sync", "staging").status == 0
    manager.faults += [canned] * 3
    assert refused(desk, 75)[0].startswith(f"bridge: error: {REFERENCE}: ")


def test_key_that_store_does_not_accept(manager: SecretManager, desk: Desk) -> None:
    manager.put(APP, VALUES)
    manager.grants.clear()
    (error, hint) = refused(desk, 1)
    assert error.startswith(
        f"bridge: error: {REFERENCE}: the secret key from SCW_SECRET_KEY no longer exists or is mistyped (status 401"
    )
    assert hint == "bridge: hint: check the key under IAM > API keys"


def test_check_needs_no_network_and_no_key(manager: SecretManager, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    result = desk.run("check", "staging")
    assert result.status == 0, result.err
    assert manager.requests == []
    desk.environment(sources=["scaleway:voice/staging/app"], providers={"scaleway": {"regoin": "fr-par"}})
    assert desk.run("check", "staging").lines == [
        "bridge: error: staging.yaml: providers.scaleway.regoin: unknown key",
        "bridge: hint: did you mean region?",
    ]
    desk.environment(sources=["scaleway:voice/staging/app"])
    assert desk.run("check", "staging").lines == [
        "bridge: error: scaleway:voice/staging/app: the path does not begin with /",
        "bridge: hint: write [REGION:][PROJECT:]/FOLDER/NAME or [REGION:][PROJECT:]id:UUID",
    ]


def test_no_key_no_region_no_project(manager: SecretManager, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Any] = []
    for name in ("SCW_DEFAULT_PROJECT_ID", "SCW_DEFAULT_REGION", "SCW_SECRET_KEY"):
        monkeypatch.delenv(name)
        said.append(refused(desk, 1)[0].removeprefix(f"bridge: error: {REFERENCE}: "))
    assert said == ["no project is configured", "no region is configured", "no secret key found"]


def test_profile_of_scw_is_enough(manager: SecretManager, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = manager.environ()
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    names = {"api_url": "SCW_API_URL", "secret_key": "SCW_SECRET_KEY", "default_region": "SCW_DEFAULT_REGION"}
    lines = [f"{name}: {environ[variable]}" for name, variable in names.items()]
    file = desk.folder.parent / "home/.config/scw/config.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("\n".join([*lines, f"default_project_id: {PROJECT}", ""]))
    id_ = manager.put(APP, VALUES)
    result = desk.run("sync", "staging")
    assert (result.status, result.err) == (0, "")
    assert desk.target.secrets() == VALUES
    assert [str(one) for one in manager.requests] == [*look(id_), READ_APP]


def test_verbose_reports_show_neither_value_nor_key(manager: SecretManager, desk: Desk) -> None:
    manager.put(APP, VALUES)
    for command in (["plan", "--output", "json"], ["plan", "--output", "markdown"], ["sync", "--output", "json"]):
        name, *more = command
        assert desk.run(name, "staging", *more).status == 0
    assert desk.run("status", "staging", "--output", "json").status == 0


def test_environment_of_readme_reads_what_its_commands_make(
    manager: SecretManager, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SCW_DEFAULT_REGION", "SCW_DEFAULT_PROJECT_ID"):
        monkeypatch.delenv(name)
    manager.grants[manager.key] = Grant({ACCESS}, prefix="/voice/staging/")
    manager.put(APP, VALUES, type="key_value")
    desk.environment(**yaml.safe_load(page("scaleway").block("scaleway-environment")))
    assert desk.run("sync", "staging").status == 0
    assert desk.target.secrets() == VALUES


def test_document_that_only_variable_names_is_known_too(manager: SecretManager, desk: Desk) -> None:
    manager.put(APP, {name: VALUES[name] for name in VALUES if name != "OPENAI_API_KEY"})
    manager.put("/voice/openai", {"key": VALUES["OPENAI_API_KEY"]})
    desk.environment(sources=[REFERENCE], variables={"OPENAI_API_KEY": "scaleway:/voice/openai#key"})
    assert desk.run("sync", "staging").status == 0
    manager.requests.clear()
    assert desk.run("sync", "staging").status == 0
    assert [str(one) for one in manager.requests] == [READ_APP, READ_APP]


def test_another_revision_of_known_document_is_looked_at_first(manager: SecretManager, desk: Desk) -> None:
    policy = {"time_to_live": "1800s", "expires_once_accessed": False, "action": "disable"}
    id_ = manager.put(APP, VALUES, VALUES, ephemeral_policy=policy)
    first = manager.store.secrets[id_].versions[0]
    first["ephemeral_properties"]["expires_once_accessed"] = True
    assert desk.run("sync", "staging").status == 0
    desk.environment(sources=[REFERENCE], variables={"OPENAI_API_KEY": f"{REFERENCE}@1#OPENAI_API_KEY"})
    assert "reading it would make it expire" in refused(desk, 1)[0]
    assert first["status"] == "enabled"
