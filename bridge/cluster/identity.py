"""Check that the cluster and the namespace are the ones that the environment is bound to."""

import re
from collections.abc import Collection
from contextlib import suppress
from typing import Final
from urllib.parse import quote

from bridge.cluster.api import Api, Forbidden, ObjectNotFound
from bridge.cluster.endpoint import Endpoint, is_bound_to
from bridge.errors import Problem, Refusal
from bridge.plan.model import ClusterName, place
from bridge.shell import word

_UID: Final = r"[0-9A-Za-z-]{1,64}"


def check_server(endpoint: Endpoint, servers: Collection[str]) -> None:
    """Raise Refusal if the API server is not one of these URLs. No request is sent."""
    if not is_bound_to(endpoint, servers):
        message = f"leads to {endpoint.url}, which `cluster.server` does not list"
        hint = "choose the right cluster with --kubeconfig FILE or --context NAME, or correct `cluster.server`"
        raise Refusal(Problem(endpoint.source, message, hint))


def check_namespace(api: Api, name: str, uids: Collection[str], environment: str, cluster: ClusterName) -> None:
    """Raise Refusal if the namespace does not exist, or its uid is not among those that the environment names."""
    if namespace_uid(api, name) not in uids:
        hint = f"check the cluster; if the namespace was recreated, run `bridge adopt {word(environment)} --rebind`"
        raise Refusal(Problem(place(name, cluster), "its uid is not in cluster.namespace_uid", hint))


def check_exists(api: Api, name: str) -> None:
    """Raise Refusal if the namespace does not exist; do nothing without permission to read it."""
    with suppress(Forbidden):
        namespace_uid(api, name)


def readable_uid(api: Api, name: str) -> str | None:
    """Return the namespace's uid, or None without permission to read the namespace."""
    with suppress(Forbidden):
        return namespace_uid(api, name)
    return None


def namespace_uid(api: Api, name: str) -> str:
    """Return the namespace's uid; raise Refusal if the namespace does not exist.

    A restored etcd backup has the same uids, so they do not distinguish it from the original.
    """
    where = f"namespace {name}"
    try:
        raw = api.request("get", f"/api/v1/namespaces/{quote(name)}", target=where)
    except ObjectNotFound:
        hint = f"check the cluster, or create the namespace with `kubectl create namespace {name}`"
        raise Refusal(Problem(where, "does not exist", hint)) from None
    uid = raw.get("metadata", {}).get("uid")
    if not isinstance(uid, str) or not re.fullmatch(_UID, uid):
        raise Refusal(Problem(where, "the API server returned no uid", "check that this is a Kubernetes API server"))
    return uid
