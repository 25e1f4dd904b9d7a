"""The transport and each kind of credential against a real kube-apiserver."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bridge.cluster.api import Api, ApiError, Forbidden, Invalid, ObjectConflict, ObjectNotFound, Untrusted
from bridge.cluster.connect import Search, connect
from bridge.errors import BridgeError
from tests.cluster.wire import assert_clean
from tests.servers.apiserver import RealCluster
from tests.servers.pki import Authority

CANARY = "CANARY-value"
Connect = Callable[..., Api]


@pytest.fixture
def open_api(real_cluster: RealCluster, tmp_path: Path) -> Iterator[Connect]:
    """Open the API as the user of a kubeconfig; the administrator's token where none is given."""
    opened: list[Api] = []

    def open_it(user: dict[str, Any] | None = None, **cluster: object) -> Api:
        path = real_cluster.kubeconfig(tmp_path / "config")
        content = json.loads(path.read_text())
        content["clusters"][0]["cluster"].update(cluster)
        if user is not None:
            content["users"][0]["user"] = user
        path.write_text(json.dumps(content))
        endpoint = connect(
            Search(None, None, {"PATH": "/usr/bin:/bin", "KUBECONFIG": str(path)}, pod=tmp_path / "nowhere")
        )
        opened.append(Api(endpoint, deadline=time.monotonic() + 60))
        return opened[-1]

    yield open_it
    for api in opened:
        api.close()


def target(namespace: str, name: str = "a") -> str:
    return f"Secret/{name} in namespace {namespace}"


def path(namespace: str, name: str = "a") -> str:
    return f"/api/v1/namespaces/{namespace}/secrets/{name}"


def apply(
    api: Api, namespace: str, *, manager: str = "bridge/test", data: object = None, **more: Any
) -> dict[str, Any]:
    content = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "a", **more},
        "data": {"K": "dmFsdWU="} if data is None else data,
    }
    query = {"fieldManager": manager, "force": "false"}
    return api.request(
        "patch",
        path(namespace),
        target=target(namespace),
        query=query,
        body=json.dumps(content).encode(),
        content_type="application/apply-patch+yaml",
    )


def test_token_reads_and_writes(open_api: Connect, namespace: str) -> None:
    api = open_api()
    written = apply(api, namespace)
    assert api.request("get", path(namespace), target=target(namespace)) == written
    assert apply(api, namespace)["metadata"]["resourceVersion"] == written["metadata"]["resourceVersion"]
    assert api.request("delete", path(namespace), target=target(namespace))["kind"] == "Status"


def who_am_i(api: Api) -> str:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = api.request(
        "create",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        target="ourselves",
        body=json.dumps(review).encode(),
    )
    return str(answer["status"]["userInfo"]["username"])


def test_token_file_is_who_it_says(open_api: Connect, real_cluster: RealCluster, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(real_cluster.token_user("limited-1"))
    assert who_am_i(open_api({"tokenFile": "token"})) == "limited-1"


def test_client_certificate_authenticates(open_api: Connect, real_cluster: RealCluster) -> None:
    pair = real_cluster.client_certificate("operator", ("system:masters",))
    user = {"client-certificate": str(pair.certificate), "client-key": str(pair.key)}
    assert who_am_i(open_api(user)) == "operator"


@pytest.mark.parametrize("kind", ["token", "certificate"])
def test_credential_plugin_authenticates(
    open_api: Connect, real_cluster: RealCluster, tmp_path: Path, kind: str
) -> None:
    pair = real_cluster.client_certificate("plugged")
    certificate = {"clientCertificateData": pair.certificate.read_text(), "clientKeyData": pair.key.read_text()}
    status = {"token": real_cluster.token_user("limited-2")} if kind == "token" else certificate
    version = "client.authentication.k8s.io/v1"
    answer = json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})
    program = tmp_path / "plugin"
    program.write_text(f"#!{sys.executable} -I\nprint({answer!r})\n")
    program.chmod(0o700)
    section = {"apiVersion": version, "command": str(program), "interactiveMode": "Never"}
    assert who_am_i(open_api({"exec": section})) == ("limited-2" if kind == "token" else "plugged")


def test_impersonation_is_honoured(open_api: Connect, real_cluster: RealCluster) -> None:
    user = {"token": real_cluster.token, "as": "somebody", "as-groups": ["dev", "ops"], "as-user-extra": {"a/B": ["c"]}}
    api = open_api(user)
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    groups = ["system:masters", "dev"]
    assert who_am_i(api) == "somebody"
    both = open_api({"token": real_cluster.token, "as": "somebody", "as-groups": groups})
    answer = both.request(
        "create",
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        target="ourselves",
        body=json.dumps(review).encode(),
    )
    assert set(groups) <= set(answer["status"]["userInfo"]["groups"])


def test_wrong_token_is_refused(open_api: Connect, real_cluster: RealCluster, namespace: str) -> None:
    with pytest.raises(ApiError) as caught:
        open_api({"token": "CANARY"}).request("get", path(namespace), target=target(namespace))
    assert caught.value.status == 401
    assert str(caught.value).startswith("the credentials of context test of ")
    assert str(caught.value).endswith(f": the API server at {real_cluster.url} rejected them")


def test_wrong_authority_is_refused(open_api: Connect, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    with pytest.raises(Untrusted):
        open_api(**{"certificate-authority": str(other.file)}).request("get", path(namespace), target=target(namespace))


def test_missing_object_and_missing_namespace_differ(open_api: Connect, namespace: str) -> None:
    api = open_api()
    with pytest.raises(ObjectNotFound) as caught:
        api.request("get", path(namespace), target=target(namespace))
    assert not caught.value.missing_namespace
    with pytest.raises(ObjectNotFound) as caught:
        apply(api, "nowhere")
    assert caught.value.missing_namespace
    assert str(caught.value) == f"{target('nowhere')}: the namespace does not exist"


def test_rbac_names_verb_user_and_rule(open_api: Connect, real_cluster: RealCluster, namespace: str) -> None:
    api = open_api({"token": real_cluster.token_user("limited-3")})
    for verb, name in (("get", path(namespace)), ("list", f"/api/v1/namespaces/{namespace}/secrets")):
        with pytest.raises(Forbidden) as caught:
            api.request(verb, name, target=target(namespace))
        assert str(caught.value) == f'{target(namespace)}: the API server forbids "{verb}" (user "limited-3")'
    with pytest.raises(Forbidden) as caught:
        apply(api, namespace)
    assert str(caught.value) == f'{target(namespace)}: the API server forbids "patch" (user "limited-3")'
    rule = 'apiGroups [""], resources ["secrets"], resourceNames ["a"], verbs ["patch"]'
    assert caught.value.problems[0].hint == f"allow it with a Role in namespace {namespace}: {rule}"


def test_apply_to_missing_object_needs_create(open_api: Connect, real_cluster: RealCluster, namespace: str) -> None:
    role = {"metadata": {"name": "patch"}, "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["patch"]}]}
    group = "rbac.authorization.k8s.io"
    binding = {
        "metadata": {"name": "patch"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "patch"},
        "subjects": [{"kind": "User", "apiGroup": group, "name": "limited-4"}],
    }
    for kind, body in (("roles", role), ("rolebindings", binding)):
        assert real_cluster.request("POST", f"/apis/{group}/v1/namespaces/{namespace}/{kind}", body).status == 201
    with pytest.raises(Forbidden) as caught:
        apply(open_api({"token": real_cluster.token_user("limited-4")}), namespace)
    assert str(caught.value) == f'{target(namespace)}: the API server forbids "create" (user "limited-4")'


def test_conflicts_name_manager_and_field(open_api: Connect, namespace: str) -> None:
    api = open_api()
    apply(api, namespace, manager="some-other")
    with pytest.raises(ObjectConflict) as caught:
        apply(api, namespace, data={"K": "b3RoZXI="})
    assert [(cause.reason, cause.field, cause.manager) for cause in caught.value.causes] == [
        ("FieldManagerConflict", ".data.K", "some-other")
    ]
    assert str(caught.value) == f'{target(namespace)}: "some-other" owns .data.K'
    update = {"metadata": {"name": "a"}, "data": {"K": "dXBkYXRl"}}
    api.request("update", path(namespace), target=target(namespace), body=json.dumps(update).encode())
    with pytest.raises(ObjectConflict) as caught:
        apply(api, namespace)
    assert caught.value.causes[0].manager == "bridge"  # an Update goes by the User-Agent


def test_stale_resource_version_is_conflict_without_manager(open_api: Connect, namespace: str) -> None:
    api = open_api()
    apply(api, namespace)
    with pytest.raises(ObjectConflict) as caught:
        apply(api, namespace, data={"K": "b3RoZXI="}, resourceVersion="1")
    assert caught.value.causes == ()
    assert str(caught.value) == f"{target(namespace)}: changed since it was read"


def test_server_text_about_value_is_never_shown(open_api: Connect, real_cluster: RealCluster, namespace: str) -> None:
    api, form = open_api(), "application/strategic-merge-patch+json"
    apply(api, namespace)
    patch = {"data": {"A": CANARY}}
    assert CANARY in str(real_cluster.request("PATCH", path(namespace), patch, form).body)
    with pytest.raises(BridgeError) as caught:
        api.request(
            "patch",
            path(namespace),
            target=target(namespace),
            query={"dryRun": "All"},
            body=json.dumps(patch).encode(),
            content_type=form,
        )
    assert_clean(caught.value, CANARY, frames=False)
    with pytest.raises(Invalid) as invalid:
        apply(api, namespace, data={"K/L": "dmFsdWU="})
    what = "the API server rejected the request (422 Invalid): data[K/L]"
    assert str(invalid.value) == f"{target(namespace)}: {what}"
