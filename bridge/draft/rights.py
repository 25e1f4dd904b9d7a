"""Writes who the CronJob is, what it may do, and where its pods may connect to: as little as works."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from bridge.config.yaml_writer import dumped, inline
from bridge.draft.cronjob import Names
from bridge.objects import ObjectId

RBAC: Final = "rbac.authorization.k8s.io"
WORKLOADS: Final = ("deployments", "statefulsets", "daemonsets")
HISTORIES: Final = ("replicasets", "controllerrevisions")


def rights(names: Names, objects: Iterable[ObjectId], *, own_namespace: bool) -> str:
    """Return ServiceAccount, Role and RoleBinding for `sync`, `plan`, `status` and `adopt` of these objects."""
    found = list(objects)
    memory = f"bridge-{names.id}"
    rules = [
        *rules_for("secrets", [one.name for one in found if one.kind == "Secret"]),
        *rules_for("configmaps", [*(one.name for one in found if one.kind == "ConfigMap"), memory]),
        _rule("coordination.k8s.io", ["leases"], ["get", "create", "update"], [memory]),
        _rule("", ["events"], ["get", "create", "update"]),
        *([_rule("", ["namespaces"], ["get"], [names.namespace])] if own_namespace else []),
    ]
    metadata = {"name": names.object, "labels": dict(names.labels)}
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata,
        "automountServiceAccountToken": False,
    }
    role = {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata}
    lines = "".join(f"  - {inline(rule)}\n" for rule in rules)
    binding = {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": names.object},
        "subjects": [{"kind": "ServiceAccount", "name": names.object, "namespace": names.namespace}],
    }
    return (
        "# All that a run needs, each object by its name. `create` works by name because bridge writes by apply.\n"
        f"{dumped(account)}---\n"
        f"# {memory} is the memory (a ConfigMap) and the Lease. Without the right to Events a run only warns.\n"
        f"{dumped(role)}rules:\n{lines}---\n{dumped(binding)}"
    )


def rules_for(resource: str, objects: Sequence[str], verbs: Sequence[str] = ("get", "patch", "create")) -> list[Any]:
    """Return a rule for named objects; none where there is no name, for that would mean all of them."""
    return [_rule("", [resource], verbs, objects)] if objects else []


def restart_rules() -> list[Any]:
    """Return what `sync --restart` needs: it looks for the workloads, so no name is known; `--wait` needs `get` too."""
    return [
        _rule("apps", WORKLOADS, ["list", "patch"]),
        _rule("apps", HISTORIES, ["list"]),
    ]


def _rule(group: str, resources: Sequence[str], verbs: Sequence[str], objects: Sequence[str] = ()) -> Any:  # noqa: ANN401 - plain data
    names = {"resourceNames": list(objects)} if objects else {}
    return {"apiGroups": [group], "resources": list(resources), **names, "verbs": list(verbs)}


def network(names: Names) -> str:
    """Return the NetworkPolicy of the pods: nobody may connect to them, and they to DNS and the API server."""
    policy: Mapping[str, object] = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": names.object, "labels": dict(names.labels)},
        "spec": {
            "podSelector": {"matchLabels": dict(names.labels)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [],
            "egress": [
                {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]},
                {"ports": [{"protocol": "TCP", "port": 443}, {"protocol": "TCP", "port": 6443}]},
            ],
        },
    }
    return (
        "# No way in; out to DNS and the API server (443, or 6443 behind its Service). Each store's component adds\n"
        "# its port. No address is known here: add `to: [{ipBlock: {cidr: …}}]` to each rule where you know them.\n"
        + dumped(policy)
    )
