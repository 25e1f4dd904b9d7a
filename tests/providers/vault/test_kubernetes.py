"""Service accounts of a real cluster log in to a real Vault: by TokenReview, and by the cluster's OIDC keys."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.provider import Denied
from tests.providers.vault import jwts
from tests.providers.vault.sessions import Desk
from tests.providers.vault.wire import Wire
from tests.servers.apiserver import RealCluster
from tests.servers.process import free_port
from tests.servers.vault import DevVault

VALUES = {"A": "CANARY-k8s"}


class Accounts:
    """The service accounts of a namespace, and their projected tokens."""

    def __init__(self, cluster: RealCluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        for name in ("bridge", "other", "reviewer"):
            body = {"metadata": {"name": name}}
            assert cluster.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", body).status == 201
        binding = f"--serviceaccount={namespace}:reviewer"
        cluster.kubectl("create", "clusterrolebinding", namespace, "--clusterrole=system:auth-delegator", binding)

    def token(self, name: str = "bridge", audience: str = "vault") -> str:
        """Return a token as the kubelet projects it."""
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{name}/token"
        reply = self.cluster.request("POST", path, {"spec": {"audiences": [audience], "expirationSeconds": 600}})
        return str(reply.body["status"]["token"])

    def expired(self) -> str:
        """Return what such a token is after its time."""
        token = self.token()
        claims = {name: value for name, value in jwts.claims(token).items() if name not in {"iat", "nbf", "exp"}}
        return jwts.signed(self.cluster.folder / "service-accounts.key", claims, lives=-600)


@pytest.fixture
def accounts(real_cluster: RealCluster, namespace: str) -> Accounts:
    return Accounts(real_cluster, namespace)


@pytest.fixture
def pod(desk: Desk, dev_vault: DevVault, mount: str) -> Desk:
    """A desk in a pod: no credential but the projected token's file."""
    dev_vault.put("app", VALUES, mount)
    dev_vault.policy(mount, f'path "{mount}/data/app" {{ capabilities = ["read"] }}')
    return replace(desk, environ={}, options={"mount": mount, "kv_version": 2})


@pytest.fixture
def by_review(accounts: Accounts, dev_vault: DevVault, mount: str) -> dict[str, Any]:
    """The kubernetes method: Vault asks the cluster's TokenReview."""
    path = f"k8s-{mount}"
    dev_vault.do("POST", f"sys/auth/{path}", {"type": "kubernetes"})
    config = {
        "kubernetes_host": accounts.cluster.url,
        "kubernetes_ca_cert": accounts.cluster.ca_file.read_text(),
        "token_reviewer_jwt": accounts.token("reviewer", "https://kubernetes.default.svc"),
    }
    dev_vault.do("POST", f"auth/{path}/config", config)
    role = {
        "bound_service_account_names": ["bridge"],
        "bound_service_account_namespaces": [accounts.namespace],
        "audience": "vault",
        "token_policies": [mount],
    }
    dev_vault.do("POST", f"auth/{path}/role/app", role)
    return {"method": "kubernetes", "mount": path, "role": "app", "token_file": "vault-token"}


@pytest.fixture
def by_keys(accounts: Accounts, dev_vault: DevVault, mount: str) -> dict[str, Any]:
    """The jwt method: Vault knows the cluster's public keys and asks nobody."""
    path = f"oidc-{mount}"
    reply = accounts.cluster.request("GET", "/openid/v1/jwks", headers={"Accept": "application/jwk-set+json"})
    keys = [jwts.pem(key) for key in json.loads(reply.body)["keys"]]
    dev_vault.do("POST", f"sys/auth/{path}", {"type": "jwt"})
    dev_vault.do("POST", f"auth/{path}/config", {"jwt_validation_pubkeys": keys})
    role = {
        "role_type": "jwt",
        "user_claim": "sub",
        "bound_audiences": ["vault"],
        "bound_subject": f"system:serviceaccount:{accounts.namespace}:bridge",
        "token_policies": [mount],
    }
    dev_vault.do("POST", f"auth/{path}/role/app", role)
    return {"method": "jwt", "mount": path, "role": "app", "token_file": "vault-token"}


@pytest.fixture(params=["by_review", "by_keys"])
def method(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Both ways, one after the other."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], object]:
    """Put a token where the kubelet would."""
    return (tmp_path / "vault-token").write_text


def test_projected_token_logs_in_and_is_reread_by_each_run(
    pod: Desk, dev_vault: DevVault, accounts: Accounts, method: dict[str, Any], project: Callable[[str], object]
) -> None:
    before = dev_vault.tokens()
    for token in (accounts.token(), accounts.token()):
        project(token)
        assert pod.texts("app", auth=method) == VALUES
    project(accounts.expired())
    assert "the login as " in pod.refusal(Denied, auth=method)
    assert dev_vault.tokens() == before


def test_token_is_sent_and_nothing_else(
    pod: Desk, relay: Wire, accounts: Accounts, method: dict[str, Any], project: Callable[[str], object]
) -> None:
    token = accounts.token()
    project(f"{token}\n")
    pod.read("app", auth=method)
    login = relay.requests[0]
    assert (login.path, login.json) == (f"/v1/auth/{method['mount']}/login", {"role": "app", "jwt": token})
    assert "x-vault-token" not in login.headers


def test_another_audience_is_refused(
    pod: Desk, accounts: Accounts, method: dict[str, Any], project: Callable[[str], object]
) -> None:
    project(accounts.token(audience="elsewhere"))
    message = pod.login(f"{method['method']} app", method["mount"], "failed: ")
    assert pod.refusal(Denied, auth=method) == f"{message}the token has the wrong audience (aud)"


def test_another_service_account_is_refused(
    pod: Desk, accounts: Accounts, method: dict[str, Any], project: Callable[[str], object]
) -> None:
    project(accounts.token("other"))
    reasons = {
        "kubernetes": "the role is not bound to this service account",
        "jwt": "the role expects another subject (sub) in the token",
    }
    message = pod.login(f"{method['method']} app", method["mount"], "failed: ")
    assert pod.refusal(Denied, auth=method) == f"{message}{reasons[method['method']]}"


def test_missing_role_is_reported(
    pod: Desk, accounts: Accounts, method: dict[str, Any], project: Callable[[str], object]
) -> None:
    project(accounts.token())
    message = pod.login(f"{method['method']} nobody", method["mount"], "failed: the role does not exist")
    assert pod.refusal(Denied, auth={**method, "role": "nobody"}) == message


def test_expired_token_is_refused(
    pod: Desk, accounts: Accounts, method: dict[str, Any], project: Callable[[str], object]
) -> None:
    project(accounts.expired())
    message = pod.login(f"{method['method']} app", method["mount"], "failed: the token has expired")
    assert pod.refusal(Denied, auth=method) == message


def test_invalid_token_is_refused(
    pod: Desk, accounts: Accounts, method: dict[str, Any], project: Callable[[str], object]
) -> None:
    project("CANARY")
    assert pod.refusal(Denied, auth=method).startswith(
        pod.login(f"{method['method']} app", method["mount"], "failed: ")
    )


def test_unreachable_cluster_looks_like_refusal(
    pod: Desk, dev_vault: DevVault, accounts: Accounts, by_review: dict[str, Any], project: Callable[[str], object]
) -> None:
    authority = accounts.cluster.ca_file.read_text()
    config = {"kubernetes_host": f"https://127.0.0.1:{free_port()}", "kubernetes_ca_cert": authority}
    config["disable_local_ca_jwt"] = True
    dev_vault.do("POST", f"auth/{by_review['mount']}/config", config)
    project(accounts.token())
    message = pod.login("kubernetes app", by_review["mount"], "failed: permission denied")
    assert pod.refusal(Denied, auth=by_review) == message


def test_pod_without_its_token_names_file(pod: Desk, by_review: dict[str, Any]) -> None:
    assert pod.refusal(Denied, auth=by_review) == "no credential found: looked for kubernetes (vault-token)"
