"""The optional sops program: when it runs, what it gets, and what it gives, also a hostile one."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge import programs
from bridge.provider import Context, Denied, OptionError, Problem, ProviderError, Unavailable
from bridge_providers.sops import Sops, metadata
from bridge_providers.sops.sops_program import SopsProgram
from tests.providers.sops import record
from tests.providers.sops.cases import SMALL
from tests.providers.sops.ended import gone
from tests.providers.sops.folder import Folder, everything_told_by, opened
from tests.providers.sops.matrix import RELEASES
from tests.providers.sops.test_age_keys import locked
from tests.providers.sops.test_git import commit, git
from tests.providers.sops.test_matrix import TREES, expected
from tests.providers.vault.wire import Answer, wire
from tests.trusting import trusting
from tests.waiting import LIMIT, until, with_enough_time

NAME = "bridgetest"
AZURE = {"vault_url": "https://x.vault.azure.net", "name": "k", "version": "1", "created_at": "", "enc": "AAAA"}
OTHERS = {
    "gcp_kms": {"resource_id": "projects/p/locations/l/keyRings/r/cryptoKeys/k", "created_at": "", "enc": "AAAA"},
    "azure_kv": AZURE,
    "hckms": {"key_id": "eu-west-101:1", "created_at": "", "enc": "AAAA"},
}
ONLY = "only the sops program can open its"
ARGUMENTS = "-d --input-type yaml --output-type yaml /dev/stdin"


def script(folder: Folder, text: str) -> str:
    return str(folder.program("sops", f"#!/bin/sh\n{text}\n"))


def with_key(folder: Folder) -> str:
    """Return a program: the real sops, with the age key that is taken from the folder's environment."""
    return script(folder, f'SOPS_AGE_KEY={folder.environ.pop("SOPS_AGE_KEY")} exec {folder.binary} "$@"')


def keyed(folder: Folder, kind: str) -> None:
    """Write a file whose only key is of a kind that bridge does not open; its values need not be encrypted."""
    block = {kind: [OTHERS[kind]], "lastmodified": "2026-01-01T00:00:00Z", "mac": "ENC[x]", "version": "3.13.2"}
    folder.write("a.yaml", json.dumps({"a": "", "sops": block}))


def refused(folder: Folder, provider: Sops, kind: type[Exception] = Denied, name: str = "a.yaml") -> Problem:
    with pytest.raises((ProviderError, Unavailable)) as caught:
        folder.read(name, provider)
    assert type(caught.value) is kind
    assert "CANARY" not in everything_told_by(caught.value)
    return caught.value.problems[0]


def shown(folder: Folder, name: str, provider: Sops) -> Any:
    content = folder.read(name, provider).content
    return [opened(one) for one in content] if isinstance(content, Sequence) else opened(content)


# What the real sops gives


RECORDED = sorted((path.stem for path in record.WRITTEN.glob("3.*.json")), key=record.parsed)
NEWEST = max(RELEASES, key=record.parsed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("release", "written_by"),  # the newest reads files of all releases, the others those of the oldest and the newest
    [
        (release, written_by)
        for release in RELEASES
        for written_by in (RECORDED if release == NEWEST else (RECORDED[0], RECORDED[-1]))
    ],
)
def test_program_gives_values_that_bridge_reads_itself(
    folder_of: Callable[[str], Folder], release: str, written_by: str
) -> None:
    folder = folder_of(release)
    folder.environ = record.environment(folder.path, "age")
    own, compared = dict(folder.environ), 0
    provider = Sops(program=with_key(folder))
    for one in (one for one in record.recorded(written_by) if one.key == "age"):
        folder.write(one.case, one.file)
        bare, folder.environ = folder.environ, own
        wanted = shown(folder, one.case, Sops())
        folder.environ = bare
        try:
            given = shown(folder, one.case, provider)
        except ProviderError:
            given = None
        if given is not None:
            assert given == wanted, one.case
            compared += 1
            continue
        what = refused(folder, provider, ProviderError, one.case).what
        if one.case == "twice.ini" and min(map(record.parsed, (release, written_by))) >= (3, 10, 0):
            assert "cannot be read: line" in what
            continue
        folder.environ = own
        output = "binary" if one.case.endswith(".bin") else "yaml"
        assert folder.sops("decrypt", "--output-type", output, one.case).returncode != 0, one.case
        folder.environ = bare
    assert compared > 20


@pytest.mark.parametrize("suffix", SMALL)
@pytest.mark.parametrize("release", RELEASES)
def test_program_reads_each_format_of_its_own_release(
    folder_of: Callable[[str], Folder], release: str, suffix: str
) -> None:
    folder = folder_of(release)
    folder.encrypt(f"a.{suffix}", SMALL[suffix])
    revision = folder.read(f"a.{suffix}").revision
    provider = Sops(program=with_key(folder))
    assert shown(folder, f"a.{suffix}", provider) == expected(TREES[suffix])
    assert folder.read(f"a.{suffix}", provider).revision == revision


def test_file_for_age_plugin_is_read_and_not_changed(sops: Folder, age_plugins: dict[str, Path]) -> None:
    made = subprocess.run([age_plugins[NAME], "-new"], capture_output=True, text=True, check=True)
    identity, recipient = made.stdout.split()
    found = sops.program(f"age-plugin-{NAME}", f'#!/bin/sh\nexec {age_plugins[NAME]} "$@"\n')
    sops.environ |= {"PATH": f"{found.parent}:{os.environ['PATH']}", "SOPS_AGE_KEY": identity}
    path = sops.encrypt("a.yaml", "a: CANARY\n", age=recipient)
    problem = refused(sops, Sops())
    assert problem.what == f"no age key matched its recipients {recipient[:70]}; {ONLY} age plugin keys"
    assert (
        "SOPS_AGE_KEY: 0 keys, line 1 is an age plugin's identity, which only the sops program can use" in problem.hint
    )
    assert problem.hint.endswith("; add to the provider's section: program: /usr/local/bin/sops")
    provider = Sops(program=str(sops.binary))
    revision = sops.read("a.yaml", provider).revision
    assert shown(sops, "a.yaml", provider) == [{"a": ("text", b"CANARY")}]
    before = path.read_bytes()
    with pytest.raises(Denied, match="bridge does not change files that only the sops program opens"):
        sops.store("a.yaml", [{"a": "CANARY-2"}], revision, provider)
    assert path.read_bytes() == before


def test_identity_of_plugin_in_sections_key_file_reaches_program(sops: Folder, age_plugins: dict[str, Path]) -> None:
    made = subprocess.run([age_plugins[NAME], "-new"], capture_output=True, text=True, check=True)
    identity, recipient = made.stdout.split()
    found = sops.program(f"age-plugin-{NAME}", f'#!/bin/sh\nexec {age_plugins[NAME]} "$@"\n')
    sops.environ = {"HOME": str(sops.path), "PATH": f"{found.parent}:{os.environ['PATH']}"}
    sops.encrypt("a.yaml", "a: CANARY\n", age=recipient)
    sops.write("keys.txt", identity)
    provider = Sops(program=str(sops.binary), age_key_file="keys.txt")
    assert shown(sops, "a.yaml", provider) == [{"a": ("text", b"CANARY")}]


def test_command_in_sops_variable_is_run_by_program(sops: Folder) -> None:
    sops.encrypt("a.yaml", "a: CANARY\n")
    sops.environ["SOPS_AGE_KEY_CMD"] = f"/bin/echo {sops.environ.pop('SOPS_AGE_KEY')}"
    assert "SOPS_AGE_KEY_CMD: only the sops program runs it" in refused(sops, Sops()).hint
    assert shown(sops, "a.yaml", Sops(program=str(sops.binary))) == [{"a": ("text", b"CANARY")}]


@pytest.mark.parametrize(
    ("release", "kind"), [(one, kind) for one in RELEASES for kind in OTHERS if kind != "hckms" or one == "3.13.2"]
)
def test_file_that_has_unsupported_key_too_is_opened_by_program(
    folder_of: Callable[[str], Folder], release: str, kind: str
) -> None:
    """The real key services are not at hand: sops opens the age key that the file also has, and bridge has none."""
    folder = folder_of(release)
    path = folder.encrypt("a.yaml", "a: CANARY\n")
    tree = yaml.safe_load(path.read_text())
    tree["sops"][kind] = [{**OTHERS[kind], "created_at": "2026-01-01T00:00:00Z"}]
    tree["sops"]["lastmodified"] = str(tree["sops"]["lastmodified"]).replace("+00:00", "Z")
    path.write_text(json.dumps(tree, default=str))
    provider = Sops(program=with_key(folder))
    assert refused(folder, Sops()).what.endswith(f"; {ONLY} {kind} keys")
    assert shown(folder, "a.yaml", provider) == [{"a": ("text", b"CANARY")}]


def test_changed_file_is_refused_by_mac(sops: Folder) -> None:
    sops.encrypt("a.yaml", "a: CANARY\nb_unencrypted: x\n")
    sops.edit("a.yaml", "b_unencrypted: x", "b_unencrypted: y")
    problem = refused(sops, Sops(program=with_key(sops)), ProviderError)
    assert problem.what.endswith("; the sops program reports that its MAC is wrong")


def test_file_in_git_is_decrypted_as_it_was_in_revision(sops: Folder) -> None:
    sops.encrypt("a.yaml", "a: CANARY-old\n")
    git(sops, "init", "--quiet", "--initial-branch=main")
    old = commit(sops)
    sops.encrypt("a.yaml", "a: CANARY-new\n")
    provider = Sops(program=with_key(sops))
    sops.environ["PATH"] = os.environ["PATH"]
    session = provider.open(sops.context())
    content: Any = session.read("a.yaml", old).content
    session.close()
    assert [opened(one) for one in content] == [{"a": ("text", b"CANARY-old")}]


def test_token_of_vault_is_sent_to_no_address_that_file_names(sops: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither that of the variable nor that of the file in the home folder, even if sops asks that server."""
    (sops.path / "home").mkdir()
    sops.write("home/.vault-token", "CANARY-file")
    sops.environ |= {"VAULT_TOKEN": "CANARY-variable"}
    with wire() as server:
        server.answer = lambda _: Answer(403, {})
        key = {"vault_address": server.address, "engine_path": "transit", "key_name": "k", "enc": "vault:v1:AAAA"}
        block = {"hc_vault": [{**key, "created_at": "2026-01-01T00:00:00Z"}], "lastmodified": "2026-01-01T00:00:00Z"}
        data = json.dumps({"a": "x", "sops": {**block, "mac": "ENC[x]", "version": "3.13.2"}}).encode()
        sops.write("a.json", data)
        assert (
            "would ask a Vault that is not in hc_vault"
            in refused(sops, Sops(program=str(sops.binary)), name="a.json").what
        )
        assert not server.requests
        monkeypatch.setattr(SopsProgram, "_check_vaults", lambda *_: None)
        refused(sops, Sops(program=str(sops.binary)), name="a.json")
        assert server.requests
        assert "CANARY" not in repr([vars(one) if hasattr(one, "__dict__") else one for one in server.requests])


# When it runs, and what it gets


@pytest.mark.parametrize("kind", OTHERS)
def test_program_gets_document_and_short_environment(folder: Folder, kind: str) -> None:
    keyed(folder, kind)
    told = folder.path / "told"
    path = script(folder, f'echo "$@" > {told}; cat >> {told}; env > {told}.env; echo "a: CANARY"')
    folder.environ |= {"VAULT_TOKEN": "CANARY", "AWS_PROFILE": "CANARY", "SCW_SECRET_KEY": "CANARY", "PATH": "/bin"}
    folder.environ |= {"GOOGLE_APPLICATION_CREDENTIALS": "/adc", "KUBECONFIG": "CANARY", "LD_PRELOAD": "CANARY"}
    assert shown(folder, "a.yaml", Sops(program=path)) == [{"a": ("text", b"CANARY")}]
    assert told.read_text() == f"{ARGUMENTS}\n{(folder.path / 'a.yaml').read_text()}"
    found = dict(line.partition("=")[::2] for line in Path(f"{told}.env").read_text().splitlines())
    assert {name: found[name] for name in ("HOME", "PATH", "SOPS_AGE_KEY")} == {
        name: folder.environ[name] for name in ("HOME", "PATH", "SOPS_AGE_KEY")
    }
    assert "CANARY" not in repr(found)
    assert found["AWS_CONFIG_FILE"] == os.devnull
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in found
    named = Sops(program=path, program_environment=["GOOGLE_APPLICATION_CREDENTIALS", "AWS_PROFILE", "ABSENT"])
    folder.read("a.yaml", named)
    found = dict(line.partition("=")[::2] for line in Path(f"{told}.env").read_text().splitlines())
    assert (found["GOOGLE_APPLICATION_CREDENTIALS"], found["AWS_PROFILE"]) == ("/adc", "CANARY")
    assert not {"AWS_CONFIG_FILE", "SCW_SECRET_KEY", "ABSENT"} & found.keys()


def test_program_is_not_run_if_bridge_opens_file_itself(sops: Folder) -> None:
    sops.encrypt("a.yaml", "a: CANARY\n")
    assert shown(sops, "a.yaml", Sops(program=script(sops, f"touch {sops.path}/mark"))) == [{"a": ("text", b"CANARY")}]
    assert not (sops.path / "mark").exists()


@pytest.mark.parametrize("kind", OTHERS)
def test_without_program_its_setting_is_named(folder: Folder, kind: str) -> None:
    keyed(folder, kind)
    problem = refused(folder, Sops())
    assert problem == Problem("", f"{ONLY} {kind} keys", "add to the provider's section: program: /usr/local/bin/sops")


def test_program_on_path_does_not_decrypt(folder: Folder) -> None:
    """It would get keys, so only the section can name it."""
    keyed(folder, "azure_kv")
    path = Path(script(folder, f"touch {folder.path}/mark; echo 'a: CANARY'"))
    folder.environ["PATH"] = str(path.parent)
    assert refused(folder, Sops()).what == f"{ONLY} azure_kv keys"
    assert not (folder.path / "mark").exists()


# What a hostile program does


@pytest.mark.parametrize(
    ("text", "kind", "what"),
    [
        ("echo CANARY; echo CANARY >&2; exit 128", Denied, "the sops program cannot open its keys either"),
        ("echo CANARY >&2; exit 51", ProviderError, "the sops program reports that its MAC is wrong"),
        ("echo CANARY; echo CANARY >&2; exit 3", ProviderError, "the sops program failed with status 3"),
        ("kill -9 $$", ProviderError, "the sops program failed with status -9"),
        ("yes CANARY", ProviderError, "the sops program printed more than 10240 KiB"),
        ("yes CANARY >&2", ProviderError, "the sops program printed more than 10240 KiB"),
        ("echo '{CANARY'", ProviderError, "what the sops program gives cannot be read: line 2 is not valid YAML"),
        ("printf 'a: \\377CANARY'", ProviderError, "what the sops program gives cannot be read: "),
        ("exec <&-; exit 3", ProviderError, "the sops program failed with status 3"),
    ],
)
def test_failure_of_program_tells_nothing_of_what_it_says(
    folder: Folder,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    text: str,
    kind: type,
    what: str,
) -> None:
    monkeypatch.setattr(programs, "LIMIT", LIMIT)
    keyed(folder, "azure_kv")
    assert what in refused(folder, Sops(program=script(folder, text)), kind).what
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "text",
    ["wait", "exec >&- 2>&-; wait", "echo CANARY; exit 0", "cat > /dev/null; wait", "trap '' TERM INT HUP; wait"],
)
def test_program_that_does_not_end_is_killed_with_all_that_it_started(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    keyed(folder, "azure_kv")
    pids = folder.path / "pids"
    path = script(folder, f"sleep 600 & echo $! $$ > {pids}.new; mv {pids}.new {pids}; {text}")

    def attempt(limit: float) -> None:
        monkeypatch.setattr(programs, "LIMIT", limit)
        assert "the sops program did not end within" in refused(folder, Sops(program=path), Unavailable).what

    with_enough_time(attempt, pids.exists)
    assert gone(*map(int, pids.read_text().split()))


def test_program_reads_large_document_while_it_answers(folder: Folder) -> None:
    keyed(folder, "azure_kv")
    block = json.loads((folder.path / "a.yaml").read_text())["sops"]
    folder.write("a.yaml", json.dumps({"a": "Q" * 2**20, "sops": block}))
    path = script(folder, "printf 'a: '; tr -dc Q")
    assert shown(folder, "a.yaml", Sops(program=path)) == [{"a": ("text", b"Q" * 2**20)}]


def test_program_has_no_terminal(folder: Folder) -> None:
    keyed(folder, "azure_kv")
    told = folder.path / "told"
    path = script(folder, f"(: < /dev/tty) 2> /dev/null && echo tty > {told}; echo $$ $(ps -o sid= -p $$) >> {told}")
    folder.read("a.yaml", Sops(program=path))
    process, session = told.read_text().split()
    assert process == session


@pytest.mark.parametrize(
    ("name", "reason"),
    [("text", "Exec format error"), ("none", "No such file or directory"), ("plain", "Permission denied")],
)
def test_program_that_cannot_be_started(folder: Folder, name: str, reason: str) -> None:
    keyed(folder, "azure_kv")
    there = folder.program("text", "CANARY").parent
    folder.program("plain", "CANARY").chmod(0o644)
    problem = refused(folder, Sops(program=f"{there}/{name}"), ProviderError)
    assert problem.what.endswith(f"; cannot start the sops program ({there}/{name}): {reason}")


def test_closing_session_ends_program(folder: Folder) -> None:
    keyed(folder, "azure_kv")
    pids = folder.path / "pids"
    path = script(folder, f"echo $$ > {pids}.new; mv {pids}.new {pids}; sleep 600")
    session = Sops(program=path).open(folder.context())
    failed = []

    def read() -> None:
        try:
            session.read("a.yaml")
        except ProviderError as error:
            failed.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    until(pids.exists)
    session.close()
    thread.join(LIMIT)
    assert len(failed) == 1
    assert gone(int(pids.read_text()))
    pids.unlink()
    with pytest.raises(ProviderError):
        session.read("a.yaml")
    assert not pids.exists()


def test_closing_waits_for_program_that_is_being_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the process might end before the program can be killed."""
    monkeypatch.setattr(programs, "_GRACE", LIMIT)
    closing = programs.Programs(Context(Path(), {}, time.monotonic() + LIMIT))
    order = []
    closer = threading.Thread(target=lambda: (closing.close(), order.append("closed")))
    start, kill = programs.Programs._start, programs.ChildProgram.kill

    def slowly(*given: Any) -> Any:
        process = start(*given)
        closer.start()
        closer.join(0.5)  # which it outlasts
        return process

    monkeypatch.setattr(programs.Programs, "_start", slowly)
    monkeypatch.setattr(programs.ChildProgram, "kill", lambda program: (order.append("killed"), kill(program)))
    ended = closing.run("x", ["/bin/sleep", "600"], {}, b"", 10)
    closer.join(LIMIT)
    assert ended.status < 0
    assert order.index("killed") < order.index("closed")


# What is refused before


def test_program_of_checkout_is_not_started(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "config")
    keyed(folder, "azure_kv")
    path = folder.write("sops", f"#!/bin/sh\ntouch {folder.path}/mark\n")
    path.chmod(0o755)
    problem = refused(folder, Sops(program=str(path)))
    assert "program is in the checkout" in problem.what
    assert not (folder.path / "mark").exists()


def test_program_that_trust_file_does_not_list_is_not_started(folder: Folder) -> None:
    keyed(folder, "azure_kv")
    path = script(folder, f"touch {folder.path}/mark; echo 'a: CANARY'")
    folder.environ |= trusting(folder.path, programs=["/usr/bin/gpg"])
    told = f"starts {path}, which is not in `programs` of {folder.environ['BRIDGE_TRUST']}"
    assert told in refused(folder, Sops(program=path)).what
    assert not (folder.path / "mark").exists()
    assert [told in str(one) for one in Sops(program=path).check("a.yaml", folder.context())].count(True) == 1
    folder.environ |= trusting(folder.path, programs=[path])
    assert folder.read("a.yaml", Sops(program=path)).revision.order
    assert not any("trust.yaml" in str(one) for one in Sops(program=path).check("a.yaml", folder.context()))


def test_check_tells_which_files_need_program(folder: Folder) -> None:
    for kind in OTHERS:
        keyed(folder, kind)
        hint = "add to the provider's section: program: /usr/local/bin/sops"
        wanted = Problem("", f"{ONLY} {kind} keys", hint, warning=True)
        assert wanted in list(Sops().check("a.yaml", folder.context()))
        assert wanted not in list(Sops(program="/usr/local/bin/sops").check("a.yaml", folder.context()))
        assert Sops().describe("a.yaml", folder.context()).endswith(", for 1 key, opened by the sops program")


@pytest.mark.parametrize(
    ("groups", "threshold", "is_needed"),
    [
        ([{"age": ["age1x"], "azure_kv": [AZURE]}], 0, False),
        ([{"age": ["age1yubikey1q"]}], 0, True),
        ([{"age": ["age1yubikey1q", "age1pq1q"]}], 0, False),
        ([{"age": ["ssh-ed25519 AAAA1"]}, {"azure_kv": [AZURE]}], 0, True),
        ([{"age": ["age1x"]}, {"age": ["age1y"]}, {"azure_kv": [AZURE]}], 2, False),
    ],
)
def test_check_counts_key_groups_that_need_program(
    folder: Folder, groups: list[dict[str, Any]], threshold: int, *, is_needed: bool
) -> None:
    keys = [
        {
            kind: [{"recipient": one, "enc": "x"} if kind == "age" else one for one in found]
            for kind, found in one.items()
        }
        for one in groups
    ]
    block = {
        "lastmodified": "2026-01-01T00:00:00Z",
        "mac": "ENC[x]",
        "version": "3.13.2",
        "shamir_threshold": threshold,
    }
    folder.write("a.yaml", json.dumps({"a": "", "sops": {**block, "key_groups": keys}}))
    told = [one.what for one in Sops().check("a.yaml", folder.context())]
    assert any(ONLY in one for one in told) is is_needed


@pytest.mark.parametrize(
    ("section", "field", "what"),
    [
        ({"program": "sops"}, "program", "must be an absolute path"),
        ({"program": 5}, "program", "must be an absolute path"),
        ({"program_environment": "X"}, "program_environment", "must be a list of variable names"),
        ({"program_environment": ["X=1"]}, "program_environment", "must be a list of variable names"),
        ({"program_environment": [5]}, "program_environment", "must be a list of variable names"),
        ({"program_environment": ["X"]}, "program_environment", "needs `program`"),
        *[
            (
                {"program": "/x", "program_environment": [name]},
                "program_environment",
                "contains a variable of Vault; sops",
            )
            for name in ("VAULT_TOKEN", "VAULT_ADDR", "BAO_TOKEN")
        ],
    ],
)
def test_section_is_checked_when_it_is_built(section: dict[str, Any], field: str, what: str) -> None:
    with pytest.raises(OptionError) as caught:
        Sops(**section)
    assert caught.value.field == field
    assert caught.value.what.startswith(what)


def test_every_type_of_key_is_opened_by_bridge_or_by_program() -> None:
    assert set(OTHERS) == set(metadata.KEY_TYPES) - {"age", "pgp", "kms", "hc_vault"}


def test_passphrase_that_is_asked_for_is_failure_and_no_wait(sops: Folder) -> None:
    sops.encrypt("a.yaml", "a: CANARY\n")
    sops.environ["SOPS_AGE_KEY"] = locked(sops.environ["SOPS_AGE_KEY"].encode())
    problem = refused(sops, Sops(program=str(sops.binary)))
    assert problem.what.endswith("; the sops program cannot open its keys either")
