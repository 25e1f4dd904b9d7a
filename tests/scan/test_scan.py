"""`bridge scan` in files: which values are found where, and what is passed over."""

import base64
import json
import os
from pathlib import Path

import pytest

from bridge.cli import main
from bridge.errors import Unavailable
from bridge.scan.files import scan_files
from bridge.scan.findings import Scan
from bridge.scan.search import PatternSearch
from tests.desk import Desk

CONFIG = Path(__file__).parent.parent.parent / "config"
OPENAI = "Secret/agent-secrets key OPENAI_API_KEY"


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    offline_desk.canaries.add("CANARY-registry")
    offline_desk.env_file(SCW_SECRET_KEY="CANARY-registry")
    offline_desk.environment(infrastructure={"CLUSTER_NAME": "required", "SCW_SECRET_KEY": "secret"})
    return offline_desk


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to be scanned, where the operator is."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def scan(desk: Desk, *arguments: str) -> list[str]:
    """Return what is found, in order."""
    result = desk.run("scan", "staging", *arguments)
    found = result.out.splitlines()[:-1]
    assert result.status == (1 if found else 0)
    assert desk.target.embedded.requests == []
    return found


def test_nothing_found(desk, folder):
    (folder / "a").write_text("CANARY-opena\nnothing\n")
    result = desk.run("scan", "staging", ".")
    assert (result.status, result.err) == (0, "")
    assert result.out == "staging: searched 1 files and objects for 6 values: nothing found\n"


def test_forms_of_urls_and_of_windows_are_found_and_escapes_of_shells_are_not(desk, folder):
    desk.canaries.add("p@ss/w$rd:99-CANARY")
    desk.env_file(SCW_SECRET_KEY="'p@ss/w$rd:99-CANARY'")
    (folder / "utf16").write_bytes("\r\nPW=p@ss/w$rd:99-CANARY\r\n".encode("utf-16"))
    (folder / "url").write_text("postgres://u:p%40ss%2Fw%24rd%3A99-CANARY@h/db\n")
    (folder / "compose").write_text("PW: p@ss/w$$rd:99-CANARY\n")
    (folder / "shell").write_text('PW="p@ss/w\\$rd:99-CANARY"\n')
    assert scan(desk, ".") == [
        "url:1: variable SCW_SECRET_KEY (percent-encoded)",
        "utf16:2: variable SCW_SECRET_KEY (UTF-16)",
    ]


def test_every_value_is_found_with_its_place_and_name(desk, folder):
    (folder / "patch.yml").write_text("a\nkey: CANARY-openai\n\nkey: 'CANARY-registry' # and CANARY-livekit-key\n")
    (folder / "deep" / "er").mkdir(parents=True)
    encoded = base64.b64encode(b"user:CANARY-cartesia").decode()
    (folder / "deep" / "er" / ".hidden").write_text(f"x{encoded}\n")
    result = desk.run("scan", "staging", ".")
    assert result.out.splitlines() == [
        f"patch.yml:2: {OPENAI} (as it is)",
        "patch.yml:4: variable SCW_SECRET_KEY (as it is)",
        "patch.yml:4: Secret/shared-secrets key LIVEKIT_API_KEY (as it is)",
        "deep/er/.hidden:1: Secret/agent-secrets key CARTESIA_API_KEY (base64)",
        "staging: searched 2 files and objects for 6 values: 4 found",
    ]
    where = "Secret/agent-secrets key CARTESIA_API_KEY (also OPENAI_API_KEY)"
    assert result.lines[0] == f"bridge: error: {where}: found in plaintext"
    assert result.lines[-1].startswith("bridge: hint: rotate it")
    assert len(result.lines) == 4
    assert result.status == 1


def test_json_has_same_content(desk, folder):
    (folder / "a").write_text("CANARY-openai")
    desk.values(LIVEKIT_API_KEY="short")
    data = desk.run("scan", "staging", "a", "--output", "json").data
    assert data.pop("run")
    assert data == {
        "schema": "bridge/report/v1",
        "environment": "staging",
        "found": [{"place": "a", "line": 1, "names": [OPENAI], "form": "as it is"}],
        "looked_for": 5,
        "looked_at": 1,
        "skipped": [{"name": "Secret/shared-secrets key LIVEKIT_API_KEY", "reason": "has fewer than 8 bytes"}],
        "errors": [],
        "warnings": [
            {
                "where": "staging",
                "what": "Secret/shared-secrets key LIVEKIT_API_KEY is not searched for: it has fewer than 8 bytes",
                "hint": "",
            }
        ],
    }


def test_value_that_is_escaped_in_json(desk, folder):
    desk.values(OPENAI_API_KEY='CANARY "quoted"\\ü')
    for number, text in enumerate(
        (json.dumps('CANARY "quoted"\\ü'), json.dumps('CANARY "quoted"\\ü', ensure_ascii=False))
    ):
        (folder / f"{number}.json").write_text(text)
    assert scan(desk, ".") == [f"{number}.json:1: {OPENAI} (JSON)" for number in range(2)]


def test_binary_files_and_values(desk, folder):
    desk.write("values.json", {"KEY": base64.b64encode(b"\0\xff\nCANARY\x80").decode()})
    template = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {K: '${KEY}'}\n"
    desk.write("binary.yml", template)
    desk.environment(templates=["binary.yml"], variables={"KEY": {"from": "plain:values.json#KEY", "decode": "base64"}})
    (folder / "a").write_bytes(b"\x7fELF\0" * 1000 + b"\n\0\xff\nCANARY\x80")
    assert scan(desk, "a") == ["a:2: Secret/s key K (as it is)"]


def test_variable_within_key_is_also_searched_for_separately(desk, folder):
    desk.write(
        "url.yml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {U: 'x://${OPENAI_API_KEY}@h'}\n"
    )
    desk.environment(templates=["url.yml"])
    (folder / "a").write_text("CANARY-openai\nx://CANARY-openai@h\n")
    assert scan(desk, "a") == [
        "a:1: variable OPENAI_API_KEY (as it is)",
        "a:2: Secret/s key U (as it is)",
        "a:2: variable OPENAI_API_KEY (as it is)",
    ]


def test_public_value_is_not_searched_for(desk, folder):
    desk.values(OPENAI_API_KEY="wss://livekit.example.com")
    desk.canaries.discard("wss://livekit.example.com")
    desk.write("literal.yml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {L: in-the-template}\n")
    desk.environment(
        templates=["base/secrets.yml", "base/configmap.yml", "literal.yml"],
        infrastructure={"CLUSTER_NAME": "required", "UNSET": "secret"},
    )
    (folder / "a").write_text("wss://livekit.example.com in-the-template registry.example.com/demo production demo")
    result = desk.run("scan", "staging", "a")
    assert result.status == 0
    assert result.lines == [
        "bridge: warning: staging: Secret/s key L is not searched for: it is in plaintext in a template",
        "bridge: warning: staging: variable UNSET is not searched for: it is not set",
        f"bridge: warning: staging: {OPENAI} is not searched for: it has the same value as a public one",
    ]


def test_encrypted_files_are_no_hit(capfd):
    assert (CONFIG / "staging.sops.yaml").exists()
    assert main(["scan", "staging", str(CONFIG), "--config", str(CONFIG)]) == 0
    assert capfd.readouterr().out.startswith("staging: searched ")


def test_links_pipes_and_git_folders_are_skipped(desk, folder, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a").write_text("CANARY-openai")
    (folder / "link").symlink_to(tmp_path / "outside" / "a")
    (folder / "folder").symlink_to(tmp_path / "outside")
    (folder / "loop").symlink_to(folder)
    (folder / "null").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe")
    (folder / "sub" / ".git").mkdir(parents=True)
    (folder / "sub" / ".git" / "a").write_text("CANARY-openai")
    assert scan(desk, ".") == []
    assert scan(desk, "link") == [f"link:1: {OPENAI} (as it is)"]


def test_file_replaced_during_scan_is_skipped(desk, folder, monkeypatch):
    for name in ("a", "b", "c", "d"):
        (folder / name).write_text("CANARY-openai")
    opened = os.open

    def open_(path, *arguments, **more):
        if str(path) == "a":
            Path("b").unlink()
            Path("c").unlink()
            os.mkfifo("c")
            Path("d").unlink()
            Path("d").symlink_to("a")
        return opened(path, *arguments, **more)

    monkeypatch.setattr("os.open", open_)
    result = desk.run("scan", "staging", ".")
    assert result.out.splitlines() == [
        f"a:1: {OPENAI} (as it is)",
        "staging: searched 1 files and objects for 6 values: 1 found",
    ]
    assert "cannot be read" not in result.err


def test_unreadable_file_fails_scan(desk, folder, monkeypatch):
    (folder / "a").touch()
    (folder / "b").mkdir()
    opened, listed = os.open, os.scandir

    def refuse(path):
        if str(path) in {"a", "b"}:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", lambda path, *rest, **more: refuse(path) or opened(path, *rest, **more))
    monkeypatch.setattr("os.scandir", lambda path: refuse(path) or listed(path))
    result = desk.run("scan", "staging", ".")
    assert result.lines == [
        "bridge: error: a: cannot be read: permission denied",
        "bridge: error: b: cannot be read: permission denied",
    ]
    assert result.status == 1


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "nothing to scan"),
        (["nowhere", "neither"], "nowhere: no such file or folder"),
        (["pipe"], "pipe: neither a file nor a folder"),
    ],
)
def test_path_that_cannot_be_scanned_is_error(desk, folder, arguments, error):
    os.mkfifo(folder / "pipe")
    result = desk.run("scan", "staging", *arguments)
    assert (result.status, result.out) == (2, "")
    assert result.lines[0] == f"bridge: error: {error}"


def test_options_may_stand_between_paths(desk, folder):
    (folder / "a").write_text("CANARY-openai")
    (folder / "b").write_text("CANARY-openai")
    assert len(desk.run("scan", "staging", "--output", "json", "a", "--timeout", "60", "b").data["found"]) == 2
    result = desk.run("scan", "staging", "a", "--unknown")
    assert result.status == 2
    assert result.lines[-1] == "bridge scan: error: unrecognized arguments: --unknown"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["set", "staging", "OPENAI_API_KEY", "CANARY-value"], "unrecognized arguments: ..."),
        (["set", "staging", "OPENAI_API_KEY", "-CANARY-value"], "unrecognized arguments: ..."),
        (["sync", "staging", "--token", "CANARY-value"], "unrecognized arguments: --token ..."),
        (["sync", "staging", "--token=CANARY-value"], "unrecognized arguments: --token"),
        (["set", "staging", "OPENAI_API_KEY=CANARY-value"], "argument NAME: must be only a name: "),
    ],
)
def test_value_among_arguments_is_not_shown(desk, words, told):
    result = desk.run(*words)
    assert result.status == 2
    assert any(line.startswith(f"bridge {words[0]}: error: {told}") for line in result.lines)
    assert "CANARY" not in result.out + result.err


def test_too_many_findings_end_scan(desk, folder, monkeypatch):
    monkeypatch.setattr("bridge.scan.findings.MOST", 15)
    for name in ("a", "b"):
        (folder / name).write_text("CANARY-openai\n" * 50)
    result = desk.run("scan", "staging", ".")
    assert result.out.splitlines()[-1].endswith("15 found")
    assert "a:10:" in result.out
    assert "a:11:" not in result.out
    assert result.lines[0].startswith("bridge: warning: more than")


def test_source_that_cannot_be_read_ends_scan(desk, folder):
    desk.environment(providers={"plain": {"fail": "unavailable"}})
    result = desk.run("scan", "staging", ".")
    assert (result.status, result.out) == (75, "")


def test_scan_ends_at_deadline(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(Unavailable, match="did not finish in time"):
        scan_files(tmp_path, Scan(PatternSearch({}), deadline=0))
