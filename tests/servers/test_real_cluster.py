"""What the other tests build on: users, certificates, kubectl, a restart that keeps the data."""

import ssl
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from tests.servers.apiserver import RealCluster


def test_admin_may_everything_and_limited_nothing(real_cluster: RealCluster, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/secrets"
    assert real_cluster.request("GET", path).status == 200
    refused = real_cluster.request("GET", path, token=real_cluster.token_user("limited-3"))
    assert (refused.status, refused.body["reason"]) == (403, "Forbidden")
    assert 'User "limited-3" cannot list resource "secrets"' in refused.body["message"]


def test_role_binding_gives_limited_user_its_rights(real_cluster: RealCluster, namespace: str) -> None:
    real_cluster.kubectl("-n", namespace, "create", "role", "reader", "--verb=list", "--resource=secrets")
    real_cluster.kubectl("-n", namespace, "create", "rolebinding", "reader", "--role=reader", "--user=limited-4")
    path = f"/api/v1/namespaces/{namespace}/secrets"
    assert real_cluster.request("GET", path, token=real_cluster.token_user("limited-4")).status == 200


def test_client_certificate_is_user(real_cluster: RealCluster) -> None:
    pair = real_cluster.client_certificate("carol", ("system:masters",))
    context = ssl.create_default_context(cafile=str(real_cluster.ca_file))
    context.load_cert_chain(pair.certificate, pair.key)
    client = replace(real_cluster.client, token=None, tls=context)
    assert client.request("GET", "/api/v1/namespaces/default").status == 200


def test_kubectl_applies_from_standard_input(real_cluster: RealCluster, namespace: str) -> None:
    manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {A: x}}"
    done = real_cluster.kubectl("-n", namespace, "apply", "-f", "-", text=manifest)
    assert done.stdout == "configmap/c created\n"
    assert real_cluster.kubectl("-n", namespace, "get", "cm", "absent", check=False).returncode == 1


def test_kubeconfig_is_private(real_cluster: RealCluster, tmp_path: Path) -> None:
    path = real_cluster.kubeconfig(tmp_path / "config", token="other", namespace="x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_restart_keeps_data_and_address(real_cluster: RealCluster, namespace: str) -> None:
    real_cluster.stop()
    real_cluster.start()
    assert real_cluster.request("GET", f"/api/v1/namespaces/{namespace}").status == 200


def test_server_that_does_not_start_is_reported_with_its_output(tmp_path: Path) -> None:
    broken = tmp_path / "etcd"
    broken.write_text("#!/bin/sh\necho no room left\nexit 7\n")
    broken.chmod(0o755)
    with pytest.raises(RuntimeError, match=r"etcd ended with status 7:\nno room left") as caught:
        RealCluster(broken, Path("/bin/cat"), broken).__enter__()
    assert caught.value.__context__ is None
