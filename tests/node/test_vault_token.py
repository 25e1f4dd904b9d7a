"""Vault and OpenBao with the token that the kubelet projects into the pod of the rendered CronJob."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.deploy.pod import ID
from tests.node.place import BRIDGE, PYTHON, Place
from tests.node.stores import READ, Living, vault_for
from tests.servers.vault import DevVault
from tests.waiting import until


@pytest.fixture
def server(place: Place, dev_vault: DevVault) -> Iterator[DevVault]:
    """A server that knows this namespace's service account, and the CronJob that uses it."""
    with vault_for(place, dev_vault):
        yield dev_vault


def test_projected_token_logs_in_and_login_is_revoked(place: Place, server: DevVault) -> None:
    before = server.tokens()
    place.start("once")
    assert "from vault:app" in place.complete("once")
    assert server.tokens() == before


@pytest.mark.usefixtures("server")
def test_token_for_another_audience_is_refused_once(place: Place) -> None:
    volumes = place.get("cronjobs", ID)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"]
    number = next(number for number, one in enumerate(volumes) if "projected" in one)
    path = f"/spec/jobTemplate/spec/template/spec/volumes/{number}/projected/sources/0/serviceAccountToken/audience"
    change = [{"op": "replace", "path": path, "value": "another"}]
    place.kubectl("patch", "cronjob", ID, "--type=json", "-p", json.dumps(change))
    place.start("refused")
    assert place.finished("refused") == "PodFailurePolicy"
    assert place.exits("refused") == [1]
    said = place.said("refused")
    assert "vault:app: " in said
    assert "CANARY" not in said


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


@pytest.mark.timeout(1500, func_only=True)
def test_token_that_kubelet_renewed_under_running_pod_logs_in(living: Living) -> None:
    place, pod, first = living
    token = until(lambda: place.exec(pod, PYTHON, "-c", READ).replace(first, ""), "it was never renewed", limit=1200)
    before, after = claims(first), claims(token)
    assert (before["aud"], after["aud"]) == (["vault"], ["vault"])
    assert (before["exp"] - before["iat"], after["exp"] - after["iat"]) == (600, 600)
    assert before["iat"] < after["iat"] < before["exp"]
    arguments = place.get("cronjobs", ID)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "5 created" in place.exec(pod, BRIDGE, *arguments)
