"""Which proxy is taken, as Go's net/http decides."""

from pathlib import Path

import pytest
import yaml

from bridge.cluster.connect import Search, connect
from bridge.cluster.endpoint import proxy_from
from bridge.errors import ConfigError
from tests.cluster.wire import assert_clean

PROXY = "http://proxy.example:3128"
SERVER = "https://api.cluster.example:6443"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"HTTPS_PROXY": ""}, None),
        ({"HTTPS_PROXY": PROXY}, PROXY),
        ({"https_proxy": PROXY}, PROXY),
        ({"HTTPS_PROXY": PROXY, "https_proxy": "http://other"}, PROXY),
        ({"HTTPS_PROXY": "proxy.example:3128"}, PROXY),
        ({"HTTP_PROXY": PROXY, "ALL_PROXY": PROXY}, None),
    ],
)
def test_proxy_of_environment_is_one_for_https(environ: dict[str, str], expected: str | None) -> None:
    assert proxy_from(environ, SERVER) == expected


@pytest.mark.parametrize(
    ("entries", "url", "direct"),
    [
        ("*", SERVER, True),
        ("cluster.example", SERVER, True),
        ("CLUSTER.example", SERVER, True),
        (".cluster.example", SERVER, True),
        ("*.cluster.example", SERVER, True),
        (".api.cluster.example", SERVER, False),
        ("ster.example", SERVER, False),
        ("other, api.cluster.example", SERVER, True),
        ("api.cluster.example:6443", SERVER, True),
        ("api.cluster.example:443", SERVER, False),
        ("cluster.example:443", "https://api.cluster.example", True),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.0.0.0/8", "https://11.1.2.3", False),
        ("10.0.0.0/8", SERVER, False),
        ("nonsense/8", "https://10.1.2.3", False),
        ("10.1.2.3", "https://10.1.2.3", True),
        ("fd00::1", "https://[fd00::1]:6443", True),
        ("[fd00::1]:6443", "https://[fd00::1]:6443", True),
        ("[fd00::1]:443", "https://[fd00::1]:6443", False),
        ("fd00::/8", "https://[fd00::1]:6443", True),
        ("", SERVER, False),
        ("", "https://localhost:6443", True),
        ("", "https://127.0.0.1:6443", True),
        ("", "https://[::1]:6443", True),
    ],
)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_no_proxy_names_what_is_reached_directly(name: str, entries: str, url: str, direct: bool) -> None:
    assert (proxy_from({"HTTPS_PROXY": PROXY, name: entries}, url) is None) is direct


@pytest.mark.parametrize(
    ("proxy", "what"),
    [
        ("https://CANARY:secret@proxy:3128", "not an http:// proxy"),
        ("socks5://CANARY", "not an http:// proxy"),
        ("http://", "not a URL such as http://host:3128"),
        ("http://host:CANARY", "not a URL such as http://host:3128"),
        ("http://ho\nst", "not a URL such as http://host:3128"),
    ],
)
def test_proxy_that_cannot_be_used_is_reported_without_its_text(proxy: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        proxy_from({"HTTPS_PROXY": proxy}, SERVER)
    assert str(caught.value) == f"HTTPS_PROXY: {what}"
    assert_clean(caught.value, "CANARY", frames=False)


def test_proxy_of_kubeconfig_takes_precedence_over_that_of_environment(tmp_path: Path) -> None:
    content = {
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": SERVER, "proxy-url": "http://me:CANARY@mine:1"}}],
        "users": [{"name": "test", "user": {"token": "t"}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(content))
    environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}
    found = connect(Search(tmp_path / "config", None, environ, pod=tmp_path / "nowhere"))
    assert found.proxy == "http://me:CANARY@mine:1"
    assert "CANARY" not in repr(found)
