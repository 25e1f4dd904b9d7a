"""The main job with the real sops: encrypted by it, read by bridge, written to both clusters."""

import os
import subprocess
import time
from pathlib import Path

import pyrage
import pytest

from tests.desk import Desk
from tests.stores.test_set import Piped
from tests.team import VALUES

PATCH = """\
apiVersion: v1
kind: Secret
metadata: {name: shared-secrets}
stringData:
  LIVEKIT_API_KEY: CANARY-livekit-key
  LIVEKIT_API_SECRET: CANARY-livekit-secret
---
apiVersion: v1
kind: Secret
metadata: {name: agent-secrets}
stringData:
  CARTESIA_API_KEY: CANARY-cartesia
  OPENAI_API_KEY: CANARY-openai
  DEEPGRAM_API_KEY: CANARY-deepgram
---
apiVersion: v1
kind: ConfigMap
metadata: {name: agent-config}
data:
  LOG_LEVEL: debug
"""


class Sops:
    """The real program, with one age identity."""

    def __init__(self, binary: Path, desk: Desk) -> None:
        self.binary = binary
        self.desk = desk
        self.identity = pyrage.x25519.Identity.generate()
        self.environ = os.environ | {"SOPS_AGE_KEY": str(self.identity)}

    def encrypt(self, name: str, text: str, *flags: str) -> Path:
        """Encrypt a text to a file of the desk; its format is that of its name."""
        path = self.desk.write(name, text)
        recipient = str(self.identity.to_public())
        self._run("--encrypt", "--in-place", "--age", recipient, *flags, str(path))
        return path

    def set(self, name: str, key: str, value: str) -> None:
        self._run("set", str(self.desk.folder / name), f'["{key}"]', f'"{value}"')

    def _run(self, *arguments: str) -> None:
        subprocess.run([self.binary, *arguments], env=self.environ, check=True, capture_output=True)


@pytest.fixture
def sops(desk: Desk, sops_binary: Path, monkeypatch: pytest.MonkeyPatch) -> Sops:
    found = Sops(sops_binary, desk)
    monkeypatch.setenv("SOPS_AGE_KEY", str(found.identity))
    monkeypatch.setenv("PATH", str(sops_binary.parent), prepend=os.pathsep)
    desk.canaries.add(str(found.identity))
    return found


def flat(form: str) -> str:
    if form == "env":
        return "".join(f"{key}={value}\n" for key, value in VALUES.items())
    if form == "json":
        return "{" + ",".join(f'"{key}": "{value}"' for key, value in VALUES.items()) + "}"
    return "".join(f"{key}: {value}\n" for key, value in VALUES.items())


@pytest.mark.parametrize("form", ["yaml", "json", "env"])
def test_flat_file_of_variables(desk: Desk, sops: Sops, form: str) -> None:
    sops.encrypt(f"values.sops.{form}", flat(form))
    desk.environment(sources=[f"sops:values.sops.{form}"])
    assert desk.run("check", "staging").status == 0
    result = desk.run("sync", "staging")
    assert (result.err, result.status) == ("", 0)
    assert desk.target.data("Secret", "agent-secrets") == {
        key: VALUES[key] for key in ("CARTESIA_API_KEY", "OPENAI_API_KEY", "DEEPGRAM_API_KEY")
    }
    assert desk.run("plan", "staging", "--exit-code").status == 0


@pytest.mark.parametrize("flags", [(), ("--encrypted-regex", "^(data|stringData)$")], ids=["whole", "data only"])
def test_teams_patch_file_encrypted_as_it_is(desk: Desk, sops: Sops, flags: tuple[str, ...]) -> None:
    sops.encrypt("staging-patch.sops.yaml", PATCH, *flags)
    desk.environment(sources=["sops:staging-patch.sops.yaml"])
    assert desk.run("check", "staging").status == 0
    result = desk.run("sync", "staging")
    assert (result.err, result.status) == ("", 0)
    assert desk.target.data("Secret", "shared-secrets")["LIVEKIT_API_SECRET"] == VALUES["LIVEKIT_API_SECRET"]
    assert desk.target.data("ConfigMap", "agent-config")["LOG_LEVEL"] == "debug"
    assert desk.run("plan", "staging", "--exit-code").status == 0


def test_value_changed_with_sops_changes_only_its_key(desk: Desk, sops: Sops) -> None:
    sops.encrypt("values.sops.yaml", flat("yaml"))
    desk.environment(sources=["sops:values.sops.yaml"])
    desk.run("sync", "staging")
    sops.set("values.sops.yaml", "OPENAI_API_KEY", "CANARY-changed")
    desk.canaries.add("CANARY-changed")
    data = desk.run("plan", "staging", "--output", "json").data
    changed = [key["name"] for one in data["objects"] for key in one["keys"] if key["what"] != "keep"]
    assert changed == ["OPENAI_API_KEY"]
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == "CANARY-changed"


def test_binary_file_fills_key_byte_for_byte(desk: Desk, sops: Sops) -> None:
    raw = desk.write("blob.bin", "")
    raw.write_bytes(b"\x00\xffCANARY-blob\x00")
    recipient = str(sops.identity.to_public())
    sops._run("--encrypt", "--in-place", "--age", recipient, str(raw))
    desk.environment(variables={"OPENAI_API_KEY": "sops:blob.bin"})
    assert desk.run("sync", "staging").status == 0
    live = desk.target.get("Secret", "agent-secrets")
    assert live
    assert live["data"]["OPENAI_API_KEY"] == "AP9DQU5BUlktYmxvYgA="


def refused(desk: Desk, *errors: str, status: int = 1) -> None:
    before = desk.target.versions()
    result = desk.run("sync", "staging")
    assert [line for line in result.lines if "error" in line] == [f"bridge: error: {error}" for error in errors]
    assert result.status == status
    assert desk.target.versions() == before


def test_tampered_value_is_named_and_nothing_is_written(desk: Desk, sops: Sops) -> None:
    path = sops.encrypt("values.sops.yaml", flat("yaml"))
    desk.environment(sources=["sops:values.sops.yaml"])
    text = path.read_text()
    start = text.index("data:", text.index("OPENAI_API_KEY")) + 5
    path.write_text(text[:start] + ("A" if text[start] != "A" else "B") + text[start + 1 :])
    refused(
        desk,
        "sops:values.sops.yaml: key OPENAI_API_KEY does not decrypt: it was changed or moved after encryption",
    )
    restore = "bridge: hint: restore it from git, and change it only with `bridge set staging` or `sops edit`"
    assert restore in desk.run("plan", "staging").lines


def test_file_that_nobody_encrypted(desk: Desk, sops: Sops) -> None:
    desk.write("values.sops.yaml", flat("yaml"))
    desk.environment(sources=["sops:values.sops.yaml"])
    refused(desk, "sops:values.sops.yaml: is not encrypted with sops (it has no `sops` metadata)")
    assert desk.run("check", "staging").status == 1


def test_file_for_someone_elses_key_lists_its_recipients(
    desk: Desk, sops: Sops, monkeypatch: pytest.MonkeyPatch
) -> None:
    sops.encrypt("values.sops.yaml", flat("yaml"))
    desk.environment(sources=["sops:values.sops.yaml"])
    other = str(pyrage.x25519.Identity.generate())
    desk.canaries.add(other)
    monkeypatch.setenv("SOPS_AGE_KEY", other)
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert str(sops.identity.to_public()) in result.lines[0]
    assert desk.target.versions() == {}


def test_file_that_lost_field_is_refused_by_check_without_any_key(
    desk: Desk, sops: Sops, monkeypatch: pytest.MonkeyPatch
) -> None:
    sops.encrypt("values.sops.yaml", flat("yaml").replace("OPENAI_API_KEY", "OPENAI_KEY"))
    desk.environment(sources=["sops:values.sops.yaml"])
    monkeypatch.delenv("SOPS_AGE_KEY")
    result = desk.run("check", "staging")
    assert result.status == 1
    assert result.lines == [
        "bridge: warning: sops:values.sops.yaml: only one age key decrypts this; if it is lost, so are the values",
        "bridge: hint: add a second key to .sops.yaml, and run `sops updatekeys FILE` in its folder",
        "bridge: error: base/secrets.yml Secret/agent-secrets key OPENAI_API_KEY: ${OPENAI_API_KEY} has no value",
        "bridge: hint: set it with `bridge set staging NAME`; looked in sops:values.sops.yaml, .env.k8s.staging",
    ]


def test_empty_source(desk: Desk, sops: Sops) -> None:
    sops.encrypt("values.sops.json", "{}")
    desk.environment(sources=["sops:values.sops.json"])
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert result.lines[0] == "bridge: error: sops:values.sops.json: is empty"


def test_mac_that_covers_encrypted_values_alone_is_warning(desk: Desk, sops: Sops) -> None:
    sops.encrypt("values.sops.yaml", flat("yaml"), "--mac-only-encrypted")
    desk.environment(sources=["sops:values.sops.yaml"])
    for verb in ("check", "plan", "sync"):
        result = desk.run(verb, "staging")
        assert result.status == 0
        assert result.lines[0] == (
            "bridge: warning: sops:values.sops.yaml: its MAC covers only encrypted values "
            "(`mac_only_encrypted`); the others can be changed unnoticed"
        )


def test_older_state_of_file_is_refused_until_it_is_meant(desk: Desk, sops: Sops) -> None:
    path = sops.encrypt("staging.sops.yaml", flat("yaml"))
    desk.environment(sources=["sops:staging.sops.yaml"])
    old = path.read_text()
    time.sleep(1.1)  # lastmodified counts seconds
    sops.set("staging.sops.yaml", "OPENAI_API_KEY", "CANARY-newer")
    assert desk.run("sync", "staging").status == 0
    path.write_text(old)  # as `git revert` does, or a checkout that was not pulled
    result = desk.run("sync", "staging")
    assert result.status == 1
    assert result.lines[0].startswith(
        "bridge: error: sops:staging.sops.yaml: is older than the last revision written: "
    )
    revision = desk.run("plan", "staging", "--output", "json").data["sources"]["sops:staging.sops.yaml"]
    desk.environment(sources=["sops:staging.sops.yaml"], accept_older={"sops:staging.sops.yaml": revision})
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == VALUES["OPENAI_API_KEY"]


# What `check` tells without a key


NUMBERS = "is stored as a number, which may differ from what was typed (1.10 becomes 1.1, 0777 becomes 511)"


def number_warnings(desk: Desk) -> list[str]:
    result = desk.run("check", "staging")
    assert result.status == 0, result.err
    return [line.removeprefix("bridge: warning: ") for line in result.lines if "number" in line]


def test_numbers_that_sops_may_have_changed_are_warning_of_check(
    desk: Desk, sops: Sops, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = {"LIVEKIT_API_KEY": "1.10", "LIVEKIT_API_SECRET": "25921e05", "CARTESIA_API_KEY": "0777"}
    text = flat("yaml") + "DOMAIN: 1.50\nUNUSED: 2.50\n"
    for name, number in typed.items():
        text = text.replace(VALUES[name], number)
    sops.encrypt("values.sops.yaml", text.replace("CANARY-openai", '"1.10"'))
    desk.environment(sources=["sops:values.sops.yaml"])
    told = sorted(f"sops:values.sops.yaml: {name} {NUMBERS}" for name in typed)
    assert number_warnings(desk) == told  # quoted and public numbers are none of them
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data("Secret", "shared-secrets") == {
        "LIVEKIT_API_KEY": "1.1",
        "LIVEKIT_API_SECRET": "2592100000",
    }
    monkeypatch.setattr("sys.stdin", Piped(b"1.10"))
    assert desk.run("set", "staging", "LIVEKIT_API_KEY", "--yes").status == 0
    assert number_warnings(desk) == [one for one in told if "LIVEKIT_API_KEY" not in one]


def test_numbers_are_found_nested_and_in_manifests_and_of_file_in_clear(desk: Desk, sops: Sops) -> None:
    sops.encrypt("other.sops.json", '{"deep": {"key": 1.5, "list": [1.5]}, "OPENAI_API_KEY": "x"}')
    sops.encrypt("patch.sops.yaml", PATCH.replace("CANARY-livekit-key", "1.10").replace("debug", "1.10"))
    sops.encrypt("values.sops.yaml", flat("yaml").replace("CANARY-deepgram", "1.10"), "--encrypted-regex", "^LIVE")
    desk.environment(
        sources=["sops:patch.sops.yaml", "sops:values.sops.yaml"],
        variables={"OPENAI_API_KEY": "sops:other.sops.json#deep.key"},
    )
    assert number_warnings(desk) == [
        f"sops:values.sops.yaml: DEEPGRAM_API_KEY {NUMBERS}",
        f"sops:other.sops.json: deep.key {NUMBERS}",
        f"sops:patch.sops.yaml: stringData.LIVEKIT_API_KEY (document 1) {NUMBERS}",
    ]


@pytest.mark.parametrize("verb", ["check", "plan", "sync"])
def test_sops_file_that_does_not_exist_yet_says_how_to_make_it(desk: Desk, verb: str) -> None:
    desk.environment(sources=["sops:a.yaml"])
    result = desk.run(verb, "staging")
    assert result.lines == [
        "bridge: error: sops:a.yaml: no such file",
        "bridge: hint: create it: `bridge import staging FILE --to sops:a.yaml`, or `bridge set staging NAME`",
    ]
    assert result.status == 1


def test_one_key_for_all_files_is_one_warning(desk: Desk, sops: Sops) -> None:
    names = [f"{letter}.sops.yaml" for letter in "abcdefg"]
    for name in names:
        sops.encrypt(name, flat("yaml"))
    desk.environment(sources=[f"sops:{name}" for name in names])
    result = desk.run("check", "staging")
    first = ", ".join(f"sops:{name}" for name in names[:5])
    assert result.lines == [
        f"bridge: warning: {first} and 2 more: only one age key decrypts this; if it is lost, so are the values",
        "bridge: hint: add a second key to .sops.yaml, and run `sops updatekeys FILE` in its folder",
    ]
    result = desk.run("check", "--files", "sops", *(str(desk.folder / name) for name in names[:2]))
    assert len([line for line in result.lines if "only one age key" in line]) == 1
