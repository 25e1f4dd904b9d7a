"""Makes sure that a namespace is the one that the configuration means."""

from urllib.parse import quote

from bridge.cluster.api import Api, NotFound
from bridge.errors import Problem, Refusal


def check_namespace(api: Api, name: str, uid: str) -> None:
    """Compare the namespace's uid with the configured one; raises Refusal where it differs or there is none."""
    where = f"namespace {name}"
    try:
        raw = api.request("get", f"/api/v1/namespaces/{quote(name)}", target=where)
    except NotFound:
        raise Refusal(Problem(where, "does not exist", "is this the right cluster?")) from None
    if raw.get("metadata", {}).get("uid") != uid:
        hint = "is this the right cluster? if so, correct `cluster.namespace_uid`"
        raise Refusal(Problem(where, "is not the one that cluster.namespace_uid names", hint))
