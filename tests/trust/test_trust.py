"""Which trust file is in force, what it answers, and that whoever sends a credential or starts a program asks."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from bridge import trust
from bridge.cli import main
from bridge.errors import ConfigError
from tests.trusting import store, trusting

ROOT: Final = Path(__file__).parents[2]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, and a place that stands for /etc."""
    monkeypatch.setattr(trust, "SYSTEM", str(tmp_path / "etc" / "bridge" / "trust.yaml"))
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def put(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_without_file_everything_is_allowed(home: Path) -> None:
    environ = {"HOME": str(home)}
    assert trust.find(environ) is None
    assert trust.refused_store(environ, "https://evil.example", "token", "it") is None
    assert trust.refused_server(environ, "https://evil.example", "it") is None
    assert trust.refused_kubeconfig(environ, [Path("/evil")]) is None
    assert trust.refused_program(environ, ["/evil"], "it") is None
    assert trust.refused_provider(environ, "evil") is None


def test_first_of_three_places_counts(home: Path) -> None:
    system = put(Path(trust.SYSTEM))
    assert trust.find({"HOME": str(home)}) == trust.find({}) == system
    own = put(home / ".config" / "bridge" / "trust.yaml")
    assert trust.find({"HOME": str(home)}) == own
    other = put(home / "xdg" / "bridge" / "trust.yaml")
    assert trust.find({"HOME": str(home), "XDG_CONFIG_HOME": str(home / "xdg")}) == other
    assert trust.find({"HOME": str(home), "BRIDGE_TRUST": "/named"}) == Path("/named")
    assert trust.find({"HOME": str(home), "BRIDGE_TRUST": ""}) == own


def test_file_that_variable_names_must_be_there(home: Path) -> None:
    environ = {"HOME": str(home), "BRIDGE_TRUST": str(home / "none.yaml")}
    with pytest.raises(ConfigError, match=r"none\.yaml: no such file"):
        trust.refused_program(environ, ["/bin/true"], "it")


def test_broken_link_of_usual_name_is_no_absent_file(home: Path) -> None:
    put(home / ".config" / "bridge" / "x").with_name("trust.yaml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="no such file"):
        trust.trust_file({"HOME": str(home)})


def test_file_is_read_once_until_it_changes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bridge.config import trust_file  # noqa: PLC0415

    read, load = [], trust_file.load_trust_file

    def counted(path: Path, folder: str) -> object:
        read.append(path)
        return load(path, folder)

    monkeypatch.setattr(trust_file, "load_trust_file", counted)
    environ = trusting(home, packages=["one"])
    for _ in range(3):
        assert trust.refused_provider(environ, "one") is None
    assert len(read) == 1
    trusting(home, packages=["another"])
    assert trust.refused_provider(environ, "one") is not None


@pytest.mark.parametrize("place", ["config/trust.yaml", "trust.yaml", "link/trust.yaml"])
def test_file_in_checkout_is_refused(
    home: Path, place: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    top = home / "checkout"
    put(top / ".git" / "HEAD")
    (top / ".git" / "objects").mkdir()
    put(top / "config" / "trust.yaml")
    put(top / "trust.yaml")
    put(home / "elsewhere" / "trust.yaml")
    (top / "link").symlink_to(home / "elsewhere")
    monkeypatch.setenv("BRIDGE_TRUST", str(top / place))
    assert main(["check", "staging", "--config", str(top / "config")]) == 2
    told = capfd.readouterr().err.splitlines()
    assert told[0].endswith("the trust file is in the checkout, so anyone who can push a branch can change it")
    assert told[1].startswith(f"bridge: hint: move it to {trust.SYSTEM}")


def test_invalid_trust_file_stops_each_command_at_once(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BRIDGE_TRUST", str(put(home / "trust.yaml", "sotres: []\n")))
    for command in (["check"], ["sync"], ["set", "staging", "NAME"], ["demo"], ["scan"]):
        assert main(command) == 2
        assert "unknown key sotres" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("listed", "address", "is_allowed"),
    [
        ("https://vault.internal:8200", "https://vault.internal:8200/", True),
        ("https://vault.internal", "https://VAULT.internal.:443", True),
        ("https://vault.internal:8200", "http://vault.internal:8200", False),
        ("https://vault.internal:8200", "https://vault.internal:8201", False),
        ("https://vault.internal:8200", "https://vault.internal.evil.example:8200", False),
        ("https://vault.internal:8200", "https://vault.internal:8200@evil.example", False),
        ("https://host/a", "https://host/b", False),
        ("scaleway", "https://api.scaleway.com", True),
        ("scaleway", "https://s3.fr-par.scw.cloud", True),
        ("scaleway", "https://evil.s3.fr-par.scw.cloud", False),
        ("scaleway", "https://api.scaleway.com.evil.example", False),
        ("aws", "https://kms.eu-west-3.amazonaws.com", True),
        ("aws", "https://sts.amazonaws.com/", True),
        ("aws", "https://s3.dualstack.us-gov-west-1.amazonaws.com:443", True),
        ("aws", "https://kms.cn-north-1.amazonaws.com.cn", True),
        ("aws", "https://kms-fips.us-east-1.api.aws", True),
        ("aws", "http://kms.eu-west-3.amazonaws.com", False),
        ("aws", "https://kms.eu-west-3.amazonaws.com:8443", False),
        ("aws", "https://evil.s3.amazonaws.com", False),
        ("aws", "https://s3.evil.amazonaws.com", False),
        ("aws", "https://ec2-1-2-3-4.eu-west-3.compute.amazonaws.com", False),
        ("aws", "https://evil.execute-api.eu-west-3.amazonaws.com", False),
        ("aws", "https://user@kms.eu-west-3.amazonaws.com", False),
    ],
)
def test_address_is_compared_as_whole(home: Path, listed: str, address: str, is_allowed: bool) -> None:
    environ = trusting(home, stores=[store(listed, "token")])
    assert (trust.refused_store(environ, address, "token", "it") is None) is is_allowed


def test_store_gets_only_credentials_that_are_listed(home: Path) -> None:
    url = "https://vault"
    environ = trusting(home, stores=[store(url, "jwt", "VAULT_ROLE_ID"), store(url, "VAULT_SECRET_ID")])
    both = ("VAULT_ROLE_ID", "VAULT_SECRET_ID")
    assert trust.refused_store(environ, url, "jwt", "it") is None
    assert trust.refused_store(environ, url, "approle", "it", both) is None
    problem = trust.refused_store(environ, url, "approle", "it", (*both, "VAULT_TOKEN"))
    assert problem
    assert problem.what == (
        f"it names https://vault, which may not get the credential approle (see {environ['BRIDGE_TRUST']})"
    )
    assert problem.hint == (
        'if you trust it, add this line to `stores` in that file: - {address: "https://vault", credentials: [approle]}'
    )


def test_hint_for_vendor_uses_its_name(home: Path) -> None:
    problem = trust.refused_store(trusting(home), "https://s3.nl-ams.scw.cloud", "scaleway", "it")
    assert problem
    assert problem.hint.endswith("- {address: scaleway, credentials: [scaleway]}")


def test_program_is_compared_with_its_first_arguments(home: Path) -> None:
    environ = trusting(home, programs=[["/usr/bin/aws", "eks", "get-token"], "/usr/bin/gpg"])
    for command in (["/usr/bin/aws", "eks", "get-token", "--x"], ["/usr/bin/gpg"], ["/usr/bin/gpg", "--decrypt"]):
        assert trust.refused_program(environ, command, "it") is None
    for command in (["/usr/bin/aws", "s3"], ["/usr/bin/aws"], ["aws", "eks", "get-token"], ["/usr/bin/../bin/gpg"]):
        assert trust.refused_program(environ, command, "it") is not None
    assert trust.refused_program(environ, ["/usr/bin/aws"], "it", is_whole=False) is None
    assert trust.refused_program(environ, ["/usr/bin/other"], "it", is_whole=False) is not None


def test_link_to_listed_program_or_kubeconfig_is_another_one(home: Path) -> None:
    real, link = put(home / "real"), home / "link"
    link.symlink_to(real)
    (home / "alias").symlink_to(home)
    environ = trusting(home, programs=[str(real)], kubeconfigs=[str(real)])
    assert trust.refused_program(environ, [str(link)], "it")
    assert trust.refused_kubeconfig(environ, [link])
    assert trust.refused_kubeconfig(environ, [real, link])
    assert trust.refused_kubeconfig(environ, [home / "alias" / "real"]) is None


class Place(NamedTuple):
    """A call that starts a program, or makes what sends a credential, and the function that it is in."""

    module: str
    function: str
    call: str


# Each with the name that it asks in the trust file's stead, or with the reason why it need not ask.
ASKS: Final = {
    Place("bridge/cluster/plugin_process.py", "run", "Popen"): ("bridge/cluster/exec_plugin.py", "check_start"),
    Place("bridge/kustomize/program.py", "build", "ChildProgram"): ("bridge/kustomize/program.py", "refused_program"),
    Place("bridge/programs.py", "_start", "ChildProgram"): ("bridge/programs.py", "refused_program"),
    Place("providers/bridge_providers/aws/client.py", "session_of", "Session"): (
        "providers/bridge_providers/aws/client.py",
        "refused_program",
    ),
    Place("providers/bridge_providers/aws/client.py", "session_of", "botocore.session.Session"): (
        "providers/bridge_providers/aws/client.py",
        "refused_program",
    ),
    Place("providers/bridge_providers/aws/client.py", "connect", "session.client"): (
        "providers/bridge_providers/aws/client.py",
        "refused_store",
    ),
    Place("providers/bridge_providers/sops/kms.py", "_made", "Session"): (
        "providers/bridge_providers/sops/kms.py",
        "connect",
    ),
    Place("providers/bridge_providers/sops/s3.py", "_session_of_nobody", "Session"): (
        "providers/bridge_providers/sops/s3.py",
        "connect",
    ),
    Place("providers/bridge_providers/sops/s3.py", "_session_of_nobody", "botocore.session.Session"): (
        "providers/bridge_providers/sops/s3.py",
        "connect",
    ),
    Place("providers/bridge_providers/vault/client.py", "client", "hvac.Client"): (
        "providers/bridge_providers/vault/credentials.py",
        "check_trust",
    ),
    Place("providers/bridge_providers/vault/client.py", "_session", "requests.Session"): (
        "providers/bridge_providers/vault/session.py",
        "untrusted_certificate",
    ),
    Place("providers/bridge_providers/scaleway/api.py", "__init__", "Transport"): (
        "providers/bridge_providers/scaleway/settings.py",
        "untrusted",
    ),
    Place("bridge/cluster/api.py", "__init__", "Transport"): ("bridge/cluster/choice.py", "refused_server"),
    Place("bridge/cluster/connect.py", "_load", "load_kube_config"): (
        "bridge/cluster/connect.py",
        "check_auth_provider",
    ),
    Place("bridge/sources/session.py", "open_session", "provider.open"): ("bridge/sources/session.py", "untrusted"),
}
EXEMPT: Final = {
    Place("providers/bridge_providers/aws/client.py", "region_of", "botocore.session.Session"): "it reads the region",
    Place("bridge/bounded.py", "__init__", "subprocess.Popen"): "its callers ask",
    Place("bridge/git.py", "start", "Popen.__new__"): "git: hardened, and without a credential",
    Place("bridge/git.py", "start", "process.__init__"): "the same",
    Place("bridge/commands/exec.py", "_replace_process", "os.execvpe"): "the operator's own command",
    Place("bridge/commands/exec_masked.py", "_start", "Popen"): "the operator's own command",
    Place("bridge/commands/help.py", "_page_with", "subprocess.Popen"): "the operator's own pager",
    Place("bridge/commands/demo.py", "_bridge", "subprocess.run"): "bridge itself",
    Place("bridge/commands/demo.py", "_request", "urllib.request.build_opener"): "the embedded cluster",
    Place("bridge/report/publish.py", "_push", "Transport"): "metrics, without a credential",
    Place("providers/bridge_providers/sops/transit.py", "_session", "server.open"): "the Vault provider, which asks",
    Place("bridge/testing/contract.py", "test_session_reads_from_concurrent_threads", "provider.open"): "a test",
    Place("bridge/testing/contract.py", "test_provider_that_asks_what_was_read_declares_it", "provider.open"): "a test",
}
STARTS: Final = ("Popen", "execv", "execl", "spawn", "posix_spawn", "fork", "system", "popen", "run", "check_output")
SENDS: Final = ("Transport", "Session", "Client", "HTTPConnection", "HTTPSConnection", "build_opener", "urlopen")


def places() -> Iterator[Place]:
    for folder in ("bridge", "providers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            module = str(path.relative_to(ROOT))
            for function in ast.walk(ast.parse(path.read_text())):
                if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    for node in ast.walk(function):
                        if isinstance(node, ast.Call) and is_risky(ast.unparse(node.func)):
                            yield Place(module, function.name, ast.unparse(node.func))


def is_risky(call: str) -> bool:
    owner, _, name = call.rpartition(".")
    if name in {"Popen", "ChildProgram", "load_kube_config", *SENDS}:
        return True
    if call in {"Popen.__new__", "process.__init__", "session.client"}:
        return True
    if name == "open":
        return owner.endswith(("provider", "server"))
    return owner in {"os", "subprocess", "pty", "asyncio"} and name.startswith(STARTS)


@pytest.mark.slow
def test_each_start_and_credential_is_checked_or_exempt() -> None:
    found = set(places())
    assert found == ASKS.keys() | EXEMPT.keys()
    for module, name in ASKS.values():
        calls = [
            ast.unparse(one.func)
            for one in ast.walk(ast.parse((ROOT / module).read_text()))
            if isinstance(one, ast.Call)
        ]
        assert any(call.rpartition(".")[2].lstrip("_") == name for call in calls), (module, name)


@pytest.mark.slow
def test_no_other_way_of_starting_programs_is_imported() -> None:
    ways = {"pty", "asyncio", "multiprocessing", "httplib2", "aiohttp", "ftplib", "smtplib", "telnetlib", "paramiko"}
    for path in [*(ROOT / "bridge").rglob("*.py"), *(ROOT / "providers").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not ways & {name.partition(".")[0] for name in names}, path
