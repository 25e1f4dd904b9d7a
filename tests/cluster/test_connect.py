"""Where the API server is found: in a pod, in a kubeconfig, in several of them."""

import ssl
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.cluster import credentials
from bridge.cluster.connect import Endpoint, Search, connect, selected
from bridge.errors import BridgeError, ConfigError
from tests.cluster.wire import assert_clean
from tests.servers.pki import Authority

TOKEN = "CANARY-token"
NOWHERE = Path("/nonexistent")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def write(path: Path, user: object = None, cluster: dict[str, Any] | None = None, name: str = "kapsule") -> Path:
    """Write a kubeconfig with one context, one cluster and one user of this name."""
    server = {"server": "https://cluster.example:6443", **(cluster or {})}
    content = {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": server}],
        "users": [{"name": name, "user": {"token": TOKEN} if user is None else user}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def outside(kubeconfig: Path | None, context: str | None = None, **environ: str) -> Endpoint:
    return connect(Search(kubeconfig, context, environ, pod=NOWHERE))


def refused(kubeconfig: Path | None, context: str | None = None, **environ: str) -> BridgeError:
    with pytest.raises(BridgeError) as caught:
        outside(kubeconfig, context, **environ)
    assert_clean(caught.value, "CANARY", frames=False)
    return caught.value


def pod(folder: Path, authority: Authority, token: str = TOKEN) -> Path:
    (folder / "pod").mkdir()
    (folder / "pod" / "token").write_text(token + "\n")
    (folder / "pod" / "ca.crt").write_bytes(authority.file.read_bytes())
    return folder / "pod"


def test_selected_cluster_is_connected_cluster(tmp_path: Path, authority: Authority) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443", "HOME": str(tmp_path)}
    name = selected(Search(None, None, environ, pod=pod(tmp_path, authority)))
    assert name == ("https://10.0.0.1:443", None, "the pod's service account", None)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/nonexistent", "interactiveMode": "Never"}
    file = write(tmp_path / "config", {"exec": plugin})
    name = selected(Search(None, None, {"KUBECONFIG": str(file)}, pod=NOWHERE))
    assert name == ("https://cluster.example:6443", "kapsule", f"context kapsule of {file}", None)


@pytest.mark.parametrize("server", ["https://bob:CANARY@cluster.example", "https://cluster.example/?token=CANARY"])
def test_server_with_credential_in_its_url_is_not_named(tmp_path: Path, server: str) -> None:
    file = write(tmp_path / "config", cluster={"server": server})
    with pytest.raises(ConfigError) as caught:
        selected(Search(file, None, {}, pod=NOWHERE))
    assert_clean(caught.value, "CANARY", frames=False)


def test_pod_in_which_nothing_is_named_uses_its_service_account(tmp_path: Path, authority: Authority) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443", "HOME": str(tmp_path)}
    found = connect(Search(None, None, environ, pod=pod(tmp_path, authority)))
    assert found.url == "https://10.0.0.1:443"
    assert (found.context, found.pod_namespace) == (None, "")
    assert found.headers() == {"Authorization": f"Bearer {TOKEN}"}
    assert found.source == "the pod's service account"
    assert found.tls is not None
    assert found.tls.verify_mode is ssl.CERT_REQUIRED
    assert len(found.tls.get_ca_certs()) == 1
    assert "CANARY" not in repr(found)


def test_in_pod_ipv6_address_gets_brackets(tmp_path: Path, authority: Authority) -> None:
    folder = pod(tmp_path, authority)
    for host in ("fd00::1", "[fd00::1]"):
        environ = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "443"}
        assert connect(Search(None, None, environ, pod=folder)).url == "https://[fd00::1]:443"


def test_without_token_file_it_is_not_pod(tmp_path: Path) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    assert connect(Search(write(tmp_path / "config"), None, environ, pod=NOWHERE)).url == "https://cluster.example:6443"


@pytest.mark.parametrize(
    ("break_it", "what"),
    [
        (lambda folder: (folder / "ca.crt").unlink(), "cannot read {}/ca.crt: no such file or directory"),
        (lambda folder: (folder / "token").write_text(""), "token {}/token contains no token"),
        (
            lambda folder: (folder / "token").write_text("CANARY\nCANARY"),
            "token {}/token contains more than one line",
        ),
    ],
)
def test_in_pod_with_broken_file_file_is_named(tmp_path: Path, authority: Authority, break_it: Any, what: str) -> None:
    folder = pod(tmp_path, authority)
    break_it(folder)
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(ConfigError) as caught:
        connect(Search(None, None, environ, pod=folder))
    assert str(caught.value) == f"the pod's service account: {what.format(folder)}"
    assert_clean(caught.value, "CANARY", frames=False)


def test_pods_wrong_authority_is_reported_without_its_text(tmp_path: Path, authority: Authority) -> None:
    folder = pod(tmp_path, authority)
    (folder / "ca.crt").write_text("CANARY")
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    with pytest.raises(ConfigError) as caught:
        connect(Search(None, None, environ, pod=folder))
    what = "certificate-authority contains no readable PEM certificate"
    assert str(caught.value) == f"the pod's service account: {folder}/ca.crt: {what}"
    assert_clean(caught.value, "CANARY", frames=False)


def test_pod_without_port_is_refused(tmp_path: Path, authority: Authority) -> None:
    with pytest.raises(ConfigError) as caught:
        connect(Search(None, None, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, pod=pod(tmp_path, authority)))
    assert str(caught.value) == "the pod's service account: KUBERNETES_SERVICE_PORT is not set"


def test_argument_overrides_environment_and_environment_overrides_home(tmp_path: Path) -> None:
    one, two = write(tmp_path / "one", name="one"), write(tmp_path / "two", name="two")
    (tmp_path / ".kube").mkdir()
    three = write(tmp_path / ".kube" / "config", name="three")
    home = str(tmp_path)
    assert outside(one, KUBECONFIG=str(two), HOME=home).source == f"context one of {one}"
    assert outside(None, KUBECONFIG=str(two), HOME=home).source == f"context two of {two}"
    assert outside(None, KUBECONFIG="", HOME=home).source == f"context three of {three}"


def test_kubeconfig_that_is_missing_is_named(tmp_path: Path) -> None:
    error = refused(tmp_path / "config")
    assert isinstance(error, ConfigError)
    assert str(error) == f"{tmp_path}/config: cannot read this kubeconfig: no such file or directory"
    assert str(refused(None, KUBECONFIG=f"{tmp_path}/config")) == str(error)


def test_no_kubeconfig_at_all_says_how_to_name_one(tmp_path: Path) -> None:
    error = refused(None, HOME=str(tmp_path))
    assert str(error) == f"{tmp_path}/.kube/config: no kubeconfig found"
    assert error.problems[0].hint == (
        "pass --kubeconfig FILE, set cluster.kubeconfig in the environment's file, or set KUBECONFIG"
    )


BY_HAND = "change `cluster.context` in the environment's file, or pass --context NAME"


def test_context_that_is_asked_for_takes_precedence_over_current_one(tmp_path: Path) -> None:
    content = yaml.safe_load(write(tmp_path / "config").read_text())
    content["contexts"].append({"name": "other", "context": {"cluster": "far", "user": "kapsule"}})
    content["clusters"].append({"name": "far", "cluster": {"server": "https://far.example"}})
    (tmp_path / "config").write_text(yaml.safe_dump(content))
    assert outside(tmp_path / "config", "other").url == "https://far.example"
    assert outside(tmp_path / "config").url == "https://cluster.example:6443"
    error = refused(tmp_path / "config", "prod")
    assert isinstance(error, ConfigError)
    assert str(error) == f'{tmp_path}/config: has no context "prod"'
    assert error.problems[0].hint == f"choose one of kapsule, other; {BY_HAND}"


def edited(tmp_path: Path, **top: object) -> Path:
    content = yaml.safe_load(write(tmp_path / "config").read_text()) | top
    (tmp_path / "config").write_text(yaml.safe_dump(content))
    return tmp_path / "config"


CONTEXT = {"cluster": "kapsule", "user": "kapsule"}


@pytest.mark.parametrize(
    ("top", "what"),
    [
        ({"current-context": ""}, "has no current-context"),
        ({"current-context": "x", "contexts": None}, 'has no context "x"'),
        ({"contexts": {"a": "CANARY"}}, "contexts must be a list"),
        ({"contexts": ["CANARY"]}, "contexts[0] must be a mapping"),
        ({"contexts": [{"context": {}}]}, "contexts[0]: has no name"),
        ({"contexts": [{"name": "a"}, {"name": "a"}]}, "contexts[1]: has the same name as an earlier entry"),
        ({"contexts": [{"name": "kapsule", "context": "CANARY"}]}, "contexts[0]: context must be a mapping"),
        ({"contexts": [{"name": "kapsule", "context": {}}]}, 'context "kapsule": names no cluster'),
        ({"clusters": []}, 'context "kapsule": its cluster is not in the file'),
        ({"users": []}, 'context "kapsule": its user is not in the file'),
        ({"clusters": [{"name": "kapsule", "cluster": {}}]}, 'cluster "kapsule": has no server'),
        ({"clusters": [{"name": "kapsule", "cluster": {"server": 7}}]}, 'cluster "kapsule": server must be a string'),
    ],
)
def test_kubeconfig_of_another_shape_is_reported_by_file_and_field(
    tmp_path: Path, top: dict[str, object], what: str
) -> None:
    error = refused(edited(tmp_path, **top))
    assert isinstance(error, ConfigError)
    assert str(error) == f"{tmp_path}/config: {what}"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("users: [CANARY", "not valid YAML at line "),
        ("a: b\ntoken: 'CANARY\n", "not valid YAML at line "),
        ("a: !!timestamp CANARY", "not valid YAML"),
        ("[" * 5000, ("nested too deep at line 1", "not valid YAML")),
        ("- CANARY", "a kubeconfig must be a mapping"),
        ("", "has no current-context"),
        ("a: !!python/object:os.system CANARY", "not valid YAML at line 1"),
    ],
)
def test_invalid_kubeconfig_is_reported_without_its_text(
    tmp_path: Path, text: str, what: str | tuple[str, ...]
) -> None:
    (tmp_path / "config").write_text(text)
    whats = (what,) if isinstance(what, str) else what  # libyaml's own limit depends on its release
    assert str(refused(tmp_path / "config")).startswith(tuple(f"{tmp_path}/config: {one}" for one in whats))


MERGES = "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 41))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("- " * 1_000_000, "nested too deep at line 1"),
        ("? " * 1_000_000, "nested too deep at line 1"),
        ("-\n" * 1_000_000, "more than 200,000 YAML nodes at line "),
        (f"a0: &a0 {{x: CANARY}}\n{MERGES}", "more than 16 aliases in a text with merge keys at line 7"),
        ("".join(f"%TAG !{n}! a\n" for n in range(101)) + "--- a", "has more than 100 %TAG directives"),
    ],
    ids=["lists", "keys", "nodes", "merges", "directives"],
)
def test_kubeconfig_bomb_is_refused(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "config").write_text(text)
    assert str(refused(tmp_path / "config")).startswith(f"{tmp_path}/config: {what}")


@pytest.mark.parametrize("text", ["0000-00-00", "2024-02-30", "2024-01-01", "12:30:45", "=", "0o8"])
def test_text_that_looks_like_another_type_stays_text(tmp_path: Path, text: str) -> None:
    file = write(tmp_path / "config", {"token": "TEXT"}, name="NAME")
    file.write_text(file.read_text().replace("TEXT", text).replace("NAME", text) + f"extension: {text}\n")
    assert outside(file).headers() == {"Authorization": f"Bearer {text}"}


def test_kubectl_boolean_words_are_booleans(tmp_path: Path) -> None:
    file = write(tmp_path / "config", cluster={"insecure-skip-tls-verify": "WORD"})
    file.write_text(file.read_text().replace("WORD", "yes"))
    assert "insecure-skip-tls-verify is set" in outside(file).warnings[0]


def test_kubeconfig_may_have_aliases_and_merge_keys(tmp_path: Path) -> None:
    file = write(tmp_path / "config")
    content = yaml.safe_load(file.read_text())
    (cluster,) = content.pop("clusters")
    server = cluster["cluster"].pop("server")
    merged = {"<<": "MERGED", **cluster["cluster"]}
    text = yaml.safe_dump(content | {"clusters": [{"name": cluster["name"], "cluster": merged}]})
    file.write_text(f"usual: &usual {{server: '{server}'}}\n" + text.replace("'<<': MERGED", "<<: *usual"))
    assert "<<: *usual" in file.read_text()
    assert connect(Search(file, None, {}, pod=NOWHERE)).url == server


def test_bytes_that_are_no_text_are_no_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "config").write_bytes(b"token: CANARY\xff\xfe")
    assert str(refused(tmp_path / "config")).startswith(f"{tmp_path}/config: not valid YAML")


@pytest.mark.parametrize(
    ("server", "what"),
    [
        ("http://cluster.example", "server is plain http, which is allowed only for loopback addresses"),
        ("http://10.0.0.1:8080", "server is plain http, which is allowed only for loopback addresses"),
        ("https://user:CANARY@cluster.example", "server contains a username or a password"),
        ("cluster.example:6443", "server is not a URL such as https://host:6443"),
        ("https://", "server is not a URL such as https://host:6443"),
        ("https://host:CANARY", "server is not a URL such as https://host:6443"),
        ("https://[CANARY", "server is not a URL such as https://host:6443"),
        ("https://host?CANARY", "server is not a URL such as https://host:6443"),
        ("ftp://host", "server is not a URL such as https://host:6443"),
    ],
)
def test_server_that_cannot_be_used_is_refused(tmp_path: Path, server: str, what: str) -> None:
    error = refused(write(tmp_path / "config", cluster={"server": server}))
    assert str(error) == f'{tmp_path}/config: cluster "kapsule": {what}'


@pytest.mark.parametrize("server", ["http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"])
def test_plain_http_is_for_loopback(tmp_path: Path, server: str) -> None:
    found = outside(write(tmp_path / "config", cluster={"server": server}))
    assert (found.url, found.tls) == (server, None)


def test_prefix_of_server_stays_without_its_last_slash(tmp_path: Path) -> None:
    path = write(tmp_path / "config", cluster={"server": "https://rancher.example/k8s/clusters/c-1/"})
    assert outside(path).url == "https://rancher.example/k8s/clusters/c-1"


def test_authority_comes_from_its_data_or_from_file_next_to_kubeconfig(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    data = b64encode(authority.file.read_bytes()).decode()
    for cluster in ({"certificate-authority": "ca.crt"}, {"certificate-authority-data": data}):
        tls = outside(write(tmp_path / "config", cluster=cluster)).tls
        assert tls is not None
        assert len(tls.get_ca_certs()) == 1
        assert tls.check_hostname
        assert tls.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("cluster", "what"),
    [
        (
            {"certificate-authority": "no.crt"},
            "certificate-authority: cannot read {}/no.crt: no such file or directory",
        ),
        ({"certificate-authority-data": "CANARY!"}, "certificate-authority-data is not base64"),
        ({"certificate-authority-data": "Q0FOQVJZ"}, "certificate-authority contains no readable PEM certificate"),
        ({"certificate-authority-data": 5}, "certificate-authority-data must be a string"),
        ({"insecure-skip-tls-verify": "CANARY"}, "insecure-skip-tls-verify must be true or false"),
        (
            {"certificate-authority": "ca.crt", "insecure-skip-tls-verify": True},
            "has both a certificate authority and insecure-skip-tls-verify",
        ),
        ({"tls-server-name": 5}, "tls-server-name must be a string"),
        ({"proxy-url": "socks5://CANARY"}, "proxy-url is not an http:// proxy"),
        ({"proxy-url": "http://[CANARY"}, "proxy-url is not a URL such as http://host:3128"),
    ],
)
def test_wrong_field_of_cluster_is_named(
    tmp_path: Path, authority: Authority, cluster: dict[str, Any], what: str
) -> None:
    assert authority.file.name == "ca.crt"
    error = refused(write(tmp_path / "config", cluster=cluster))
    assert isinstance(error, ConfigError)
    assert str(error) == f'{tmp_path}/config: cluster "kapsule": {what.format(tmp_path)}'


def test_disabled_verification_is_warning(tmp_path: Path) -> None:
    found = outside(write(tmp_path / "config", cluster={"insecure-skip-tls-verify": True}))
    assert found.tls is not None
    assert found.tls.verify_mode is ssl.CERT_NONE
    danger = "anyone on the network path can read and change the secrets"
    assert found.warnings == (f'{tmp_path}/config: cluster "kapsule": insecure-skip-tls-verify is set: {danger}',)
    assert not outside(write(tmp_path / "config")).warnings


def test_servers_name_for_tls_is_taken(tmp_path: Path) -> None:
    assert outside(write(tmp_path / "config", cluster={"tls-server-name": "kubernetes"})).server_name == "kubernetes"


def test_several_files_merge_as_kubectl_merges_them(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "config", tmp_path / "b" / "config"
    first.parent.mkdir()
    second.parent.mkdir()
    (second.parent / "token").write_text("CANARY-b")
    write(second, {"tokenFile": "token"}, name="two")
    content = yaml.safe_load(write(first, name="one").read_text())
    content["contexts"].append({"name": "mixed", "context": {"cluster": "one", "user": "two"}})
    first.write_text(yaml.safe_dump(content))
    listed = f"{tmp_path}/missing:{first}:{second}"
    assert outside(None, KUBECONFIG=listed).source == f"context one of {first}"
    assert outside(None, "mixed", KUBECONFIG=listed).headers() == {"Authorization": "Bearer CANARY-b"}
    assert outside(None, "two", KUBECONFIG=listed).source == f"context two of {second}"
    error = refused(None, "three", KUBECONFIG=listed)
    assert str(error) == f'{first}:{second}: has no context "three"'
    assert error.problems[0].hint == f"choose one of mixed, one, two; {BY_HAND}"


def test_first_file_with_name_takes_precedence(tmp_path: Path) -> None:
    first = write(tmp_path / "first", cluster={"server": "https://first.example"})
    second = write(tmp_path / "second", cluster={"server": "https://second.example"})
    assert outside(None, KUBECONFIG=f"{first}:{second}").url == "https://first.example"
    assert outside(None, KUBECONFIG=f"{second}:{first}").url == "https://second.example"


def test_missing_kubeconfig_files_are_named(tmp_path: Path) -> None:
    listed = f"{tmp_path}/a:{tmp_path}/b"
    assert str(refused(None, KUBECONFIG=listed)) == f"{listed}: none of these kubeconfig files exists"


def test_token_file_is_read_again_after_while_and_when_server_refuses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("one\n")
    found = outside(write(tmp_path / "config", {"tokenFile": "token"}))
    (tmp_path / "token").write_text("two\n")
    assert found.headers() == {"Authorization": "Bearer one"}
    found.renew()
    assert found.headers() == {"Authorization": "Bearer two"}
    (tmp_path / "token").write_text("three\n")
    assert found.headers() == {"Authorization": "Bearer two"}
    monkeypatch.setattr(credentials, "KEPT", 0.0)
    assert found.headers() == {"Authorization": "Bearer three"}
