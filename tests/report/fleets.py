"""The data of `status --all` for as many environments as a test wants, without a cluster."""

from datetime import UTC, datetime
from typing import Any, Final

NOW: Final = datetime(2026, 11, 29, 10, tzinfo=UTC)
DAY: Final = 86_400
OBJECTS: Final = {
    "Secret/shared-secrets": ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "DATABASE_URL"),
    "Secret/agent-secrets": ("CARTESIA_API_KEY", "OPENAI_API_KEY", "DEEPGRAM_API_KEY", "TWILIO_AUTH_TOKEN"),
    "ConfigMap/shared-config": ("LIVEKIT_URL", "DOMAIN", "REGION"),
    "ConfigMap/agent-config": ("ENV_MODE", "LOG_LEVEL", "METRICS_ENABLED", "TRACING"),
    "ConfigMap/front-config": ("NODE_ENV", "CACHE_ENABLED"),
}


def cluster(context: str = "kapsule", **changes: Any) -> dict[str, Any]:
    server = f"https://{context}.example.com:6443"
    return {"server": server, "context": context, "source": "the kubeconfig", "binding": "namespace_uid"} | changes


def age(days: float | None, limit: int | None = None, expires_in: int | None = None, **changes: Any) -> dict[str, Any]:
    """Return an age as `status_data` does, with the times in days."""
    seconds = None if days is None else int(days * DAY)
    left = [one - seconds / DAY for one in [limit] if one is not None and seconds is not None]
    left += [expires_in] if expires_in is not None else []
    return {
        "seconds": seconds,
        "at_least": False,
        "limit": limit and limit * DAY,
        "expires": None,
        "expires_in": None if expires_in is None else expires_in * DAY,
        "overdue": any(one <= 0 for one in left),
        "soon": False,
    } | changes


def row(key: str = "TOKEN", object_: str = "Secret/keys", **changes: Any) -> dict[str, Any]:
    place = changes.pop("place", "vault:voice-agent/staging")
    origin = {"layer": "source", "place": place, "revision": "12", "variables": [key], "places": [place]}
    usual = {"state": "in sync", "changed": "2026-11-01T10:20:30Z", "age": None}
    return {"object": object_, "key": key, "origin": origin} | usual | changes


def rows(name: str) -> list[dict[str, Any]]:
    """Return the usual 16 keys."""
    return [row(key, object_, place=f"vault:{name}") for object_, keys in OBJECTS.items() for key in keys]


def environment(name: str, result: str = "in sync", **changes: Any) -> dict[str, Any]:
    source = {"reference": f"vault:{name}", "revision": "12", "written": "12", "ordered": True, "unused": []}
    return {
        "environment": name,
        "namespace": name,
        "manager": f"bridge/{name}",
        "cluster": cluster(),
        "stores": {},
        "in_sync": result == "in sync",
        "summary": {},
        "keys": rows(name),
        "left": [],
        "sources": [source],
        "refusals": [],
        "warnings": [],
        "errors": [],
        "result": result,
        "status": 0,
    } | changes


def failed(name: str, what: str = "permission denied (403)") -> dict[str, Any]:
    problem = {"where": f"vault:{name}", "what": what, "hint": "run `bridge doctor` to find out why"}
    return {"environment": name, "result": "failed", "status": 1, "errors": [problem], "cluster": cluster()}


def fleet(*environments: dict[str, Any]) -> dict[str, Any]:
    usual = {"schema": "bridge/fleet/v1", "status": 0, "shard": None, "summary": {}, "run": "0f3b7a9c1d2e4f56"}
    return {**usual, "environments": list(environments)}


def thousand() -> dict[str, Any]:
    """Return a fleet of a thousand environments with 16 keys each; some drifted, failed, overdue or not bound."""
    return fleet(*map(_member, range(1_000)))


def _member(number: int) -> dict[str, Any]:
    name = f"voice-agent-{('prod', 'staging', 'qa', 'dev')[number % 4]}-{number:03}"
    if number % 61 == 7:
        return failed(name)
    context = ("kapsule-paris", "kapsule-warsaw", "eks-frankfurt")[number % 3]
    found = environment(name, cluster=cluster(context, binding=None if number % 37 == 5 else "namespace_uid"))
    for index, one in enumerate(found["keys"][:7]):
        one["age"] = age((number * 7 + index * 13) % 80 + (30 if number % 41 == 2 and not index else 0), 90)
        one["age"]["overdue"] = one["age"]["seconds"] > 90 * DAY
    if number % 23 == 3:
        found["keys"][4]["state"] = "drifted"
        found |= {"in_sync": False, "result": "out of sync"}
    return found
