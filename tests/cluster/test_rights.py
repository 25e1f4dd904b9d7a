"""The rights that a run needs, on a real API server with RBAC: those of `bridge help promises`, and no fewer."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.desk import Desk, Target
from tests.failures.test_faults import many
from tests.servers.apiserver import LIMITED, RealCluster

NAMES = {
    "secrets": ["shared-secrets", "agent-secrets"],
    "configmaps": ["shared-config", "agent-config", "front-config", "bridge-voice-agent-staging"],
}
LEASE = "bridge-voice-agent-staging"


@pytest.fixture
def target(real_target: Target) -> Target:
    return real_target


def allow(
    desk: Desk,
    *verbs: str,
    lease: Sequence[str] = ("get", "create", "update"),
    events: Sequence[str] = ("get", "create", "update"),
    more: Sequence[dict[str, Any]] = (),
    **names: list[str],
) -> None:
    """Give the user these verbs on the objects by their names, those on the Lease and on Events, and nothing else.

    But for `more` rules.
    """
    group = "rbac.authorization.k8s.io"
    base = f"/apis/{group}/v1/namespaces/{desk.target.namespace}"
    rules = [
        {"apiGroups": [""], "resources": [resource], "resourceNames": listed, "verbs": list(verbs)}
        for resource, listed in (NAMES | names).items()
    ]
    named = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [LEASE]}
    rules += [named | {"verbs": list(lease)}, *more]
    rules += [{"apiGroups": [""], "resources": ["events"], "verbs": list(events)}] if events else []
    head = {"apiVersion": f"{group}/v1", "metadata": {"name": "bridge"}}
    desk.target.client.request("DELETE", f"{base}/roles/bridge")
    reply = desk.target.client.request("POST", f"{base}/roles", head | {"kind": "Role", "rules": rules})
    assert reply.status == 201, reply.body
    binding = head | {
        "kind": "RoleBinding",
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "bridge"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": LIMITED}],
    }
    assert desk.target.client.request("POST", f"{base}/rolebindings", binding).status in (201, 409)


def test_get_patch_and_create_by_name_are_enough(limited: Desk) -> None:
    allow(limited, "get", "patch", "create")
    result = limited.run("sync", "staging")
    assert (result.err, result.status) == ("", 0)
    assert limited.run("plan", "staging", "--exit-code").status == 0


@pytest.mark.parametrize(
    ("verbs", "missing", "first"),
    [
        (("patch", "create"), "get", "ConfigMap/bridge-voice-agent-staging"),
        (("get", "create"), "patch", "Secret/shared-secrets"),
        (("get", "patch"), "create", "Secret/shared-secrets"),
    ],
)
def test_each_right_that_is_missing_is_named_with_object(
    limited: Desk, verbs: tuple[str, ...], missing: str, first: str
) -> None:
    allow(limited, *verbs)
    before = limited.target.versions()
    result = limited.run("sync", "staging")
    assert result.status == 1
    assert result.lines[0] == (
        f"bridge: error: {first} in namespace {limited.target.namespace}: "
        f'the API server forbids "{missing}" (user "{LIMITED}")'
    )
    assert any(line.startswith("bridge: hint: ") for line in result.lines)
    assert limited.target.versions() == before


@pytest.mark.parametrize(
    ("verbs", "missing"), [(("create", "update"), "get"), (("get", "update"), "create"), (("get", "create"), "update")]
)
def test_each_right_to_lease_that_is_missing_is_named(limited: Desk, verbs: tuple[str, ...], missing: str) -> None:
    allow(limited, "get", "patch", "create", lease=verbs)
    before = limited.target.versions()
    result = limited.run("sync", "staging")
    assert (result.status, limited.target.versions()) == (1, before)
    assert result.lines[0].startswith(f"bridge: error: Lease/{LEASE} in namespace {limited.target.namespace}: ")
    assert f'forbids "{missing}"' in result.lines[0]
    assert 'apiGroups ["coordination.k8s.io"], resources ["leases"]' in result.lines[1]


@pytest.mark.parametrize(
    ("verbs", "missing"),
    [((), "get"), (("create", "update"), "get"), (("get", "update"), "create"), (("get",), "update")],
)
def test_without_right_to_events_there_is_one_warning_and_nothing_else_changes(
    limited: Desk, verbs: tuple[str, ...], missing: str
) -> None:
    allow(limited, "get", "patch", "create", events=verbs)
    result = limited.run("sync", "staging")
    assert (result.status, len(result.lines)) == (0, 2)
    assert result.lines[0] == (
        "bridge: warning: the Events of this run: could not all be written: "
        f'the API server forbids "{missing}" (user "{LIMITED}")'
    )
    assert 'resources ["events"], verbs ["get", "create", "update"]' in result.lines[1]
    assert limited.run("plan", "staging", "--exit-code").status == 0


def test_right_to_events_may_be_given_by_name(limited: Desk) -> None:
    names = [f"bridge-{LEASE.removeprefix('bridge-')}.secret.{name}.synced" for name in NAMES["secrets"]]
    rule = {"apiGroups": [""], "resources": ["events"], "resourceNames": names, "verbs": ["get", "create", "update"]}
    limited.environment(templates=["base/secrets.yml"])
    allow(limited, "get", "patch", "create", events=(), more=[rule])
    assert limited.run("sync", "staging").err == ""


def test_pruning_needs_delete(limited: Desk) -> None:
    allow(limited, "get", "patch", "create")
    assert limited.run("sync", "staging").status == 0
    limited.environment(templates=["base/secrets.yml"], sources=["plain:values.json"])
    limited.target.versions()
    result = limited.run("sync", "staging", "--allow-shrink", "--prune")
    assert result.status == 1
    assert 'the API server forbids "delete"' in result.lines[0]
    allow(limited, "get", "patch", "create", "delete")
    assert limited.run("sync", "staging", "--allow-shrink", "--prune").status == 0
    assert limited.target.get("ConfigMap", "front-config") is None


def adoptable(desk: Desk) -> None:
    desk.target.create("Secret", "agent-secrets", {"data": {"OPENAI_API_KEY": "eA==", "THEIRS": "eA=="}})
    desk.target.create("ConfigMap", "agent-config", {"data": {"LOG_LEVEL": "debug"}})


def test_adopting_needs_get_and_patch_by_name_and_create_for_memory_alone(limited: Desk) -> None:
    adoptable(limited)
    memory = ["bridge-voice-agent-staging"]
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": memory, "verbs": ["create"]}
    allow(limited, "get", "patch", more=[rule])
    result = limited.run("adopt", "staging", "--yes")
    assert (result.err, result.status) == ("", 0)
    assert "nothing to take over" in limited.run("adopt", "staging", "--yes").out


@pytest.mark.parametrize(
    ("verbs", "missing", "first"),
    [
        (("patch", "create"), "get", "ConfigMap/bridge-voice-agent-staging"),
        (("get", "create"), "patch", "Secret/agent-secrets"),
        (("get", "patch"), "create", "ConfigMap/bridge-voice-agent-staging"),
    ],
)
def test_each_right_that_adopting_misses_is_named_and_nothing_is_written(
    limited: Desk, verbs: tuple[str, ...], missing: str, first: str
) -> None:
    adoptable(limited)
    allow(limited, *verbs)
    before = limited.target.versions()
    result = limited.run("adopt", "staging", "--yes")
    assert result.status == 1
    assert result.lines[0] == (
        f"bridge: error: {first} in namespace {limited.target.namespace}: "
        f'the API server forbids "{missing}" (user "{LIMITED}")'
    )
    assert result.lines[-1].startswith("bridge: hint: allow it with a Role in namespace ")
    assert limited.target.versions() == before


def test_namespace_that_is_being_deleted(desk: Desk) -> None:
    desk.run("sync", "staging")
    path = f"/api/v1/namespaces/{desk.target.namespace}"
    desk.target.patch("Secret", "agent-secrets", {"metadata": {"finalizers": ["example.com/hold"]}})
    assert desk.target.client.request("DELETE", path).status in (200, 202)
    desk.target.delete("Secret", "shared-secrets")
    result = desk.run("sync", "staging")
    desk.target.patch("Secret", "agent-secrets", {"metadata": {"finalizers": None}})
    assert result.status == 1
    where = f"Secret/shared-secrets in namespace {desk.target.namespace}"
    assert result.lines[0] == f"bridge: error: {where}: the namespace is being terminated"


def test_listing_is_used_for_many_objects_where_it_is_allowed_and_not_needed_where_it_is_not(
    limited: Desk, real_cluster: RealCluster
) -> None:
    many(limited, 60)
    names = [f"many-{number:02}" for number in range(60)]
    allow(limited, "get", "patch", "create", configmaps=[*names, "bridge-voice-agent-staging"])
    assert limited.run("sync", "staging").status == 0
    assert limited.run("plan", "staging", "--exit-code").status == 0
    real_cluster.kubeconfig(limited.folder / "kubeconfig")
    assert limited.run("plan", "staging", "--exit-code").status == 0
