"""What an import knows before it writes: refusals, the source that takes the drafted one's place, lines that may go."""

import io
import os
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pyrage
import pytest

from bridge.config.environment import load_environment
from tests.desk import Desk, Result
from tests.importing.moving import SHELF, moving_in, shelf, state
from tests.team import VALUES

TO = "sops:staging.sops.yaml"
RULE = "bridge: error: sops:staging.sops.yaml: "
DRAFTED = """\
id: voice-agent-staging   # for ever
namespace: {namespace}
templates: [base/secrets.yml, base/configmap.yml, staging.public.yaml]
env_file: .env.k8s.staging
infrastructure: {{K8_ENV: required, CLUSTER_NAME: required, REGISTRY_BASE: required, SCW_SECRET_KEY: secret}}

# The first layer: where the secrets are.
sources:
  - sops:staging.sops.yaml   # encrypted, in git
  # - shelf:shelf.json
  # - scaleway:/voice-agent-staging/app
cluster: {{kubeconfig: kubeconfig, server: "{server}"}}
"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    offline_desk.canaries.add("CANARY-registry")
    return offline_desk


@pytest.fixture
def patch(desk: Desk) -> Path:
    """Return the plaintext file of a team whose environment is as `bridge init` drafts it."""
    found = moving_in(desk)
    draft(desk)
    return found


@pytest.fixture
def asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command at a terminal where every question is answered with yes."""

    def run(*arguments: str) -> Result:
        monkeypatch.setattr("sys.stdin", Terminal("y\n"))
        return desk.run(*arguments)

    return run


def draft(desk: Desk) -> None:
    desk.write("staging.yaml", DRAFTED.format(namespace=desk.target.namespace, server=desk.target.client.url))


def identity(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the run an age key, and return its public part."""
    key = pyrage.x25519.Identity.generate()
    monkeypatch.setenv("SOPS_AGE_KEY", str(key))
    monkeypatch.setenv("PATH", sysconfig.get_path("scripts"), prepend=os.pathsep)  # with the wheel's sops
    return str(key.to_public())


def errors(result: Result) -> list[str]:
    return [line for line in result.lines if not line.startswith("bridge: warning:")]


# What would be refused


def test_dry_import_and_question_refuse_what_import_refuses(
    desk: Desk, patch: Path, asked: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("import", "staging", str(patch), "--to", TO)
    before = sorted(path.name for path in desk.folder.iterdir())
    refused = desk.run(*command, "--yes")
    assert (refused.status, refused.lines[0].startswith(RULE)) == (1, True)
    assert ".sops.yaml" in refused.lines[0]
    for other in (desk.run(*command, "--dry-run"), asked(*command)):
        assert (other.status, errors(other)) == (1, errors(refused))
    identity(desk, monkeypatch)
    stranger = pyrage.x25519.Identity.generate().to_public()
    desk.write(".sops.yaml", {"creation_rules": [{"age": str(stranger)}]})
    refused = desk.run(*command, "--yes")
    assert (refused.status, refused.lines[0].startswith(RULE)) == (1, True)
    for other in (desk.run(*command, "--dry-run"), asked(*command)):
        assert (other.status, errors(other)) == (1, errors(refused))
    assert sorted(path.name for path in desk.folder.iterdir()) == sorted([*before, ".sops.yaml"])


def test_dry_import_that_is_not_refused_says_so_and_writes_nothing(
    desk: Desk, patch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write(".sops.yaml", {"creation_rules": [{"age": identity(desk, monkeypatch)}]})
    before = {path: state(path) for path in desk.folder.iterdir() if path.is_file()}
    result = desk.run("import", "staging", str(patch), "--to", TO, "--dry-run", "--output", "json")
    assert (result.status, result.data["result"], errors(result)) == (0, "planned", [])
    assert {path: state(path) for path in desk.folder.iterdir() if path.is_file()} == before


def test_template_that_cannot_be_edited_is_reported_dry(desk: Desk, patch: Path) -> None:
    head = "apiVersion: v1\nkind: ConfigMap\n"
    desk.write(
        "staging.public.yaml",
        f"{head}data: &d {{LOG_LEVEL: info}}\nmetadata: {{name: agent-config, annotations: *d}}\n",
    )
    for flags in (["--dry-run"], ["--yes"]):
        result = desk.run("import", "staging", str(patch), "--to", SHELF, "--replace", *flags)
        assert result.status == (1 if flags == ["--dry-run"] else 5)
        assert "staging.public.yaml: cannot be edited without changing other parts of it" in result.err


def test_set_does_not_ask_for_yes_that_it_will_refuse(desk: Desk, patch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import getpass  # noqa: PLC0415

    monkeypatch.setattr(getpass, "getpass", lambda *_: "CANARY-typed")
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    result = desk.run("set", "staging", "OPENAI_API_KEY")
    assert result.status == 1
    assert result.lines[0].startswith(RULE)
    assert "[y/N]" not in result.err


# The source that takes the drafted one's place


def test_import_into_another_store_takes_place_of_drafted_source(desk: Desk, patch: Path) -> None:
    before = (desk.folder / "staging.yaml").read_text()
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes")
    assert (result.status, errors(result)) == (0, [])
    assert "staging.yaml: shelf:shelf.json is listed, replacing sops:staging.sops.yaml" in result.out
    after = before.replace("sops:staging.sops.yaml   # encrypted, in git\n  # - shelf:shelf.json\n", f"{SHELF}\n")
    assert (desk.folder / "staging.yaml").read_text() == after
    assert f"{patch} can be deleted" in result.out
    again = desk.run("import", "staging", str(patch), "--to", SHELF, "--output", "json")
    assert (again.data["result"], again.data["listed"]) == ("unchanged", None)


def test_change_of_sources_is_shown_asked_and_not_made_dry(
    desk: Desk, patch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (desk.folder / "staging.yaml").read_bytes()
    dry = desk.run("import", "staging", str(patch), "--to", SHELF, "--dry-run", "--output", "json")
    listed = {"file": "staging.yaml", "source": SHELF, "instead_of": TO}
    assert (dry.status, dry.data["listed"]) == (0, listed)
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    result = desk.run("import", "staging", str(patch), "--to", SHELF)
    assert f"staging.yaml: {SHELF} to be listed, replacing {TO}" in result.out
    assert f"and {SHELF} into `sources`, replacing {TO}? [y/N]" in result.err
    assert (desk.folder / "staging.yaml").read_bytes() == before


def test_run_that_died_before_it_listed_source_is_completed(desk: Desk, patch: Path) -> None:
    assert desk.run("import", "staging", str(patch), "--to", SHELF, "--yes").status == 0
    draft(desk)
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes")
    assert result.status == 0
    sources = load_environment(desk.folder, "staging").sources
    assert [str(one) for one in sources] == [SHELF]


@pytest.mark.parametrize("there", [True, False])
def test_source_that_holds_something_is_never_replaced(
    desk: Desk, patch: Path, there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the drafted one once it has a document, nor one that was written by hand."""
    if there:
        desk.write(".sops.yaml", {"creation_rules": [{"age": identity(desk, monkeypatch)}]})
        monkeypatch.setattr("sys.stdin", type("Piped", (), {"buffer": io.BytesIO(b"x" * 9), "isatty": lambda _: 0})())
        assert desk.run("set", "staging", "SCW_SECRET_KEY", "--yes").status == 0
    else:
        text = (desk.folder / "staging.yaml").read_text()
        desk.write("staging.yaml", text.replace("sops:staging.sops.yaml", "sops:other.sops.yaml"))
    before = (desk.folder / "staging.yaml").read_bytes()
    result = desk.run("import", "staging", str(patch), "--to", SHELF, "--yes")
    assert result.status == 0
    assert f"`sources` does not list {SHELF}" in result.err
    assert (desk.folder / "staging.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sources: [sops:staging.sops.yaml]\n", f"sources: [{SHELF}]\n"),
        ('sources: ["sops:staging.sops.yaml"] # one\n', f"sources: [{SHELF}] # one\n"),
        ("sources:\n- sops:staging.sops.yaml", f"sources:\n- {SHELF}"),
    ],
)
def test_sources_are_edited_in_whatever_form_they_are(desk: Desk, patch: Path, old: str, new: str) -> None:
    text = (desk.folder / "staging.yaml").read_text()
    start, _, rest = text.partition("sources:")
    _, _, end = rest.partition("cluster:")
    # The last case ends the file without a line feed.
    place = (f"{start}cluster:{end}", "") if not old.endswith("\n") else (start, f"cluster:{end}")
    desk.write("staging.yaml", place[0] + old + place[1])
    assert desk.run("import", "staging", str(patch), "--to", SHELF, "--yes").status == 0
    assert (desk.folder / "staging.yaml").read_text() == place[0] + new + place[1]


# Lines that may go


def in_env_file(desk: Desk, *lines: str) -> Path:
    base = "K8_ENV=staging\nCLUSTER_NAME=kapsule\nREGISTRY_BASE=registry.example.com/voice\n"
    return desk.write(".env.k8s.staging", base + "".join(f"{line}\n" for line in lines))


def test_lines_of_env_file_that_may_go_are_named_with_command(desk: Desk, patch: Path) -> None:
    file = in_env_file(
        desk, "SCW_SECRET_KEY=CANARY-registry", "OPENAI_API_KEY='CANARY-openai'", "LIVEKIT_URL=wss://x.y"
    )
    result = desk.run("import", "staging", str(file), "--to", SHELF, "--yes")
    assert result.status == 0, result.err
    assert f"{file}: these lines can be removed: SCW_SECRET_KEY, LIVEKIT_URL" in result.out.splitlines()
    (line,) = [line for line in result.out.splitlines() if line.startswith("next: ")]
    subprocess.run(["sh", "-c", line.removeprefix("next: ")], check=True)
    kept = "OPENAI_API_KEY='CANARY-openai'\n"  # which other programs read with its quotes
    base = "K8_ENV=staging\nCLUSTER_NAME=kapsule\nREGISTRY_BASE=registry.example.com/voice\n"
    assert file.read_text() == base + kept
    assert shelf(desk) == {"SCW_SECRET_KEY": "CANARY-registry", "OPENAI_API_KEY": VALUES["OPENAI_API_KEY"]}


def test_no_line_goes_while_kustomization_builds_from_file(desk: Desk, patch: Path) -> None:
    file = in_env_file(desk, "SCW_SECRET_KEY=CANARY-registry")
    desk.write("kustomization.yaml", f"secretGenerator: [{{name: x, envs: [{file.name}]}}]\n")
    result = desk.run("import", "staging", str(file), "--to", SHELF, "--yes", "--output", "json")
    assert (result.status, result.data["removable"], result.data["removal"]) == (0, [], "")
    assert result.data["used_by"]
    (file.parent / "kustomization.yaml").unlink()
    again = desk.run("import", "staging", str(file), "--to", SHELF, "--yes", "--output", "json")
    assert again.data["removable"] == ["SCW_SECRET_KEY"]


def test_no_command_is_given_that_would_not_do_exactly_that(desk: Desk, patch: Path) -> None:
    file = in_env_file(desk, "  SCW_SECRET_KEY=CANARY-registry")
    result = desk.run("import", "staging", str(file), "--to", SHELF, "--yes", "--output", "json")
    assert (result.status, result.data["removable"], result.data["removal"]) == (0, ["SCW_SECRET_KEY"], "")


@pytest.mark.parametrize("line", ["export SCW_SECRET_KEY=CANARY-registry", "SCW_SECRET_KEY='CANARY-\nK8_ENV=x'"])
def test_line_that_other_programs_read_otherwise_stays(desk: Desk, patch: Path, line: str) -> None:
    file = in_env_file(desk, line)
    result = desk.run("import", "staging", str(file), "--to", SHELF, "--yes", "--output", "json")
    assert (result.status, result.data["removable"], result.data["removal"]) == (0, [], "")


def test_nothing_may_go_while_nothing_is_written(desk: Desk, patch: Path) -> None:
    file = in_env_file(desk, "SCW_SECRET_KEY=CANARY-registry")
    dry = desk.run("import", "staging", str(file), "--to", SHELF, "--dry-run", "--output", "json")
    assert (dry.data["removable"], dry.data["removal"]) == ([], "")
