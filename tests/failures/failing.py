"""What the tests of failing servers share: a small environment, and requests that are answered with a failure."""

import json
from collections.abc import Callable
from typing import Any

from tests.desk import Desk
from tests.team import SECRETS

JSON = {"Content-Type": "application/json"}
DOUBT = "may or may not have been made"
ONE_SECRET = SECRETS.partition("---\n")[2]


def small(desk: Desk) -> None:
    """Give the environment one object of each kind, and write them."""
    desk.write("base/secrets.yml", ONE_SECRET)
    desk.write(
        "base/configmap.yml",
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared-config}\ndata: {DOMAIN: "${DOMAIN}"}\n',
    )
    uid = desk.target.client.request("GET", f"/api/v1/namespaces/{desk.target.namespace}").body["metadata"]["uid"]
    desk.environment(cluster={"kubeconfig": "kubeconfig", "namespace_uid": uid})
    desk.values()
    assert desk.run("sync", "staging").status == 0


def objects(desk: Desk) -> dict[str, str]:
    found = desk.target.versions()
    found.pop("ConfigMap/bridge-voice-agent-staging", None)
    return found


def failing(desk: Desk, matches: Callable[[str, str], bool], *answer: Any) -> None:
    """Let each request that matches be answered so: a Fault, or a code and the message of a Status."""
    fault: Any = answer[0]
    if len(answer) == 2:
        code, message = answer
        content = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": f"{message} CANARY-openai"}
        fault = ("status", code, JSON, json.dumps(content | {"reason": "InternalError", "code": code}).encode())
    desk.target.embedded.intercept = lambda method, path: fault if matches(method, path) else None
