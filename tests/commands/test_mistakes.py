"""Mistakes in a command line: the usage and the hint that they get, and never a value that was misplaced."""

import sys
from pathlib import Path

import pytest

from bridge import cli
from bridge.parser import command_names, mistakes, parse
from tests.desk import Desk

CANARY = "CANARY-value"
DESCRIPTION = "Fetches values from secret stores"


def mistake(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str, str]:
    """Return the first line of the usage, the error and the hint of a wrong command line."""
    assert cli.main(arguments) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "CANARY" not in err
    lines = err.splitlines()
    hint = lines.pop().removeprefix("bridge: hint: ") if lines[-1].startswith("bridge: hint: ") else ""
    return lines[0].removeprefix("usage: "), lines[-1].partition(": error: ")[2], hint


def test_without_arguments_help_is_printed_with_status_of_mistake(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 2
    out, err = capfd.readouterr()
    assert err == ""
    assert cli.main(["--help"]) == 0
    assert capfd.readouterr() == (out, "")
    assert DESCRIPTION in out
    assert all(f"\n    {name}" in out for name in command_names())


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("plna", "did you mean plan?"),
        ("stauts", "did you mean status?"),
        ("doctr", None),
        ("drift", "run `bridge plan ENV`"),
        ("apply", "run `bridge sync ENV`"),
        ("deploy", "run `bridge sync ENV`"),
        ("get", "run `bridge status ENV`"),
        ("describe", "run `bridge status ENV`"),
        ("list", "run `bridge status ENV`"),
        ("edit", "run `bridge set ENV NAME`"),
        ("delete", "remove the key from its template and run `bridge sync ENV`"),
        ("login", "bridge uses the credentials of your store and kubeconfig; see `bridge help vault`"),
        ("create", "run `bridge init ENV --from DIR`"),
        ("validate", "run `bridge check ENV`"),
        ("run", "run `bridge exec ENV -- CMD`"),
        ("undo", "run `bridge rollback ENV"),
        ("migrate", "run `bridge help migrating`"),
        ("decrypt", "bridge never prints a value"),
        ("encrypt", "run `bridge set ENV NAME`"),
        ("version", "run `bridge --version`"),
        ("man", "run `bridge help`"),
        ("search", "run `bridge scan ENV PATH`"),
        ("rollout", "run `bridge restart ENV`"),
        ("completions", "run `bridge completion bash`"),
        ("install", "run `bridge help getting-started`"),
        ("config", "run `bridge help environment-file`"),
        ("xyzzy", "list the commands with `bridge --help`"),
    ],
)
def test_unknown_command_gets_hint(capfd: pytest.CaptureFixture[str], word: str, hint: str | None) -> None:
    usage, error, told = mistake(capfd, word, CANARY)
    assert (usage, error) == ("bridge [-h] [-V] COMMAND ...", f"no command {word}")
    assert hint is None or told.startswith(hint)


def test_every_answer_is_for_word_that_is_no_command() -> None:
    words = " ".join(known for known, _ in mistakes._COMMANDS).split()
    assert len(words) == len(set(words))
    assert not set(words) & {*command_names(), *mistakes._IPROUTE2}


def test_command_that_comes_second_and_word_that_is_none(capfd: pytest.CaptureFixture[str]) -> None:
    assert mistake(capfd, "staging", "sync")[1:] == (
        "no command staging",
        "write the command first: `bridge sync ENV`",
    )
    assert mistake(capfd, CANARY)[1:] == ("no such command", "list the commands with `bridge --help`")
    assert mistake(capfd, "")[1] == "no such command"
    assert mistake(capfd, "--color", "never")[1] == "no command given"
    assert mistake(capfd, "--", "plan")[1] == "no command given"


@pytest.mark.parametrize("word", ["link", "fdb", "mdb", "vlan", "vni", "mst", "monitor"])
def test_words_of_iproute2_lead_to_its_program(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, word: str
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "bridge"
    monkeypatch.setattr(mistakes, "_PLACES", (str(ours), str(theirs)))
    monkeypatch.setattr(sys, "argv", [str(ours)])
    ours.touch()
    message = f"{word} is a command of the bridge that comes with iproute2; this is bridge-secrets"
    assert mistake(capfd, word, "show")[1:] == (message, f"install iproute2 and run `{ours} {word}`")
    theirs.touch()
    assert mistake(capfd, "-s", word, "show")[1:] == (message, f"run `{theirs} {word}`")


@pytest.mark.parametrize("arguments", [[CANARY, "-v"], ["--mask", CANARY, "x"], ["--mask", CANARY, "--", "x"]])
def test_command_of_exec_without_dashes_gets_hint(capfd: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    hint = "write `--` before the command: `bridge exec ENV -- CMD`"
    assert mistake(capfd, "exec", "staging", *arguments)[-1] == hint


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (["plan", "--outptu", CANARY], "unrecognized arguments: --outptu", "did you mean --output?"),
        (["plan", "x", f"--outptu={CANARY}"], "unrecognized arguments: --outptu", "did you mean --output?"),
        (["sync", "--quite"], "unrecognized arguments: --quite", "did you mean --quiet?"),
        (["plan", "--restart"], "unrecognized arguments: --restart", "--restart is an option of `bridge sync`"),
        (["adopt", "--first", "--live"], "unrecognized arguments: --live", "--live is an option of `bridge check`"),
        (["plan", "--dry-run"], "unrecognized arguments: --dry-run", "run `bridge plan ENV`"),
        (["plan", "-n", CANARY], "unrecognized arguments: -n", "the namespace is in the environment's file"),
        (["plan", "--namespace", "x"], "unrecognized arguments: --namespace", "the namespace is in"),
        (["plan", "--env", "x"], "unrecognized arguments: --env", "write the environment without an option"),
        (["sync", "-f", "x"], "unrecognized arguments: -f", "write the environment's name; --config selects"),
        (["plan", "--json"], "unrecognized arguments: --json", "use --output json"),
        (["plan", "--no-color"], "unrecognized arguments: --no-color", "use --color never"),
        (["plan", "--colour", "never"], "unrecognized arguments: --colour", "use --color"),
        (["plan", "--format", "json"], "unrecognized arguments: --format", "use --output"),
        (["plan", "--silent"], "unrecognized arguments: --silent", "use --quiet"),
        (["adopt", "-y"], "unrecognized arguments: -y", "use --yes"),
        (["plan", "-v"], "unrecognized arguments: -v", "there is no more to print"),
        (["plan", "--version"], "unrecognized arguments: --version", "run `bridge --version`"),
        (["plan", "-w"], "unrecognized arguments: -w", "run bridge at intervals"),
        (["plan", "--xyzzy"], "unrecognized arguments: --xyzzy", ""),
        (["plan", f"-p{CANARY}"], "unrecognized arguments: ...", ""),
        (["plan", "a", CANARY], "unrecognized arguments: ...", "see `bridge plan --help`"),
        (["plan", f"-q{CANARY}"], "argument -q/--quiet: ignored explicit argument", ""),
        (["--verison"], "unrecognized arguments: --verison", "did you mean --version?"),
        (["-q"], "unrecognized arguments: -q", "write a command before it: `bridge COMMAND -q`"),
    ],
)
def test_unknown_argument_gets_hint(
    capfd: pytest.CaptureFixture[str], arguments: list[str], error: str, hint: str
) -> None:
    usage, what, told = mistake(capfd, *arguments)
    given = "" if arguments[0].startswith("-") else f"{arguments[0]} "
    assert usage.startswith(f"bridge {given}[-h] ")
    assert what in {error, f"{error} ..."}
    assert told.startswith(hint)
    assert bool(told) == bool(hint)


@pytest.mark.parametrize(
    ("called", "shown"),
    [("bridge", "bridge"), ("bridge-secrets", "bridge-secrets"), ("kubectl-bridge", "kubectl bridge"), ("x", "bridge")],
)
def test_name_that_program_was_called_by_is_used(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, called: str, shown: str
) -> None:
    monkeypatch.setattr(sys, "argv", [f"/somewhere/{called}"])
    usage, _, hint = mistake(capfd, "drift")
    assert (usage, hint.partition(":")[0]) == (f"{shown} [-h] [-V] COMMAND ...", f"run `{shown} plan ENV`")
    assert mistake(capfd, "exec", "staging")[0].startswith(f"{shown} exec [ENV] ")
    assert cli.main(["help", "sync"]) == 0
    assert capfd.readouterr().out.startswith(f"usage: {shown} sync [-h] ")
    assert cli.main(["status", "staging", "--config", str(tmp_path)]) == 2
    assert f"`{shown} init staging --from . --config {tmp_path}`" in capfd.readouterr().err
    assert cli.main(["help", "nothing-like-it"]) == 2
    assert f"list the topics with `{shown} help`" in capfd.readouterr().err


ORDERS = [
    ["import", "staging", "--config", "d", "file", "--to", "sops:x"],
    ["import", "--config", "d", "staging", "--to", "sops:x", "file"],
    ["import", "--to", "sops:x", "staging", "file", "--config", "d"],
    ["--config", "d", "import", "staging", "--to", "sops:x", "file"],
    ["--config=d", "import", "--to=sops:x", "staging", "file"],
]


@pytest.mark.parametrize("words", ORDERS)
def test_options_come_in_any_order(words: list[str]) -> None:
    args = parse(words)
    assert (args.command, args.environment, args.file, args.config, args.to) == (
        "import",
        "staging",
        "file",
        "d",
        "sops:x",
    )


def test_options_come_between_positionals_of_every_command() -> None:
    args = parse(["scan", "staging", "a", "--git", "b", "-o", "json", "c"])
    assert (args.environment, args.paths, args.git, args.output) == ("staging", ["a", "b", "c"], True, "json")
    args = parse(["set", "staging", "--yes", "NAME"])
    assert (args.environment, args.name, args.yes) == ("staging", "NAME", True)
    args = parse(["-q", "exec", "--with", "A", "staging", "--with", "B", "--", "run", "-q", "--", "--with"])
    assert (args.environment, args.names, args.quiet) == ("staging", ["A", "B"], True)
    assert args.child == ["run", "-q", "--", "--with"]
    assert parse(["scan", "staging", "--", "-x", "y"]).paths == ["-x", "y"]


def test_help_and_version_before_command(capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["-h", "plan"]) == 0
    assert capfd.readouterr().out.startswith("usage: bridge plan ")
    for words in (["-V"], ["--version", "plan"], ["--color", "never", "--version"]):
        assert cli.main(words) == 0
        assert capfd.readouterr().out.startswith("bridge ")
    assert cli.main(["--help"]) == 0
    assert capfd.readouterr().out.startswith("usage: bridge [-h]")


@pytest.mark.parametrize("command", [*command_names()])
def test_color_quiet_and_yes_are_accepted_by_every_command(command: str) -> None:
    rest = {
        "set": ["x", "NAME"],
        "offboard": ["x", "age1x"],
        "rollback": ["--source", "a:b", "--to", "1"],
        "import": ["--to", "a:b"],
        "completion": ["bash"],
        "exec": ["--", "true"],
    }.get(command, [])
    yes = [] if command in {"help", "completion"} else ["--yes"]
    args = parse([command, "--color", "always", "-q", *yes, *rest])
    assert (args.color, args.quiet) == ("always", True)


def test_yes_does_not_agree_to_first_write(offline_desk: Desk) -> None:
    offline_desk.environment(cluster={"kubeconfig": "kubeconfig"})
    refused = offline_desk.run("sync", "staging", "--yes")
    assert refused.status == 1
    assert "--first" in refused.err
    assert offline_desk.run("sync", "staging", "--yes", "--first").status == 0


# `bridge set` with a word too few or too many


@pytest.mark.parametrize(
    ("words", "error", "hint"),
    [
        (
            ["OPENAI_API_KEY", CANARY],
            "set: the first argument is not an environment; found staging",
            "run `bridge set staging NAME`, without the value: set prompts for it, or reads it from stdin",
        ),
        (["stagign", CANARY], "set: the first argument is not an environment; found staging", "did you mean staging?"),
        (
            [CANARY, "OPENAI_API_KEY"],
            "set: the first argument is not an environment; found staging",
            "run `bridge set staging NAME`, without the value: set prompts for it, or reads it from stdin",
        ),
        (
            ["staging", CANARY],
            "staging: no template or infrastructure uses this name; they use ",
            "run `bridge set staging NAME`, without the value",
        ),
    ],
)
def test_set_never_shows_value_in_place_of_name(offline_desk: Desk, words: list[str], error: str, hint: str) -> None:
    offline_desk.canaries.add(CANARY)
    for log in ("text", "json"):
        result = offline_desk.run("set", *words, "--log-format", log, "--output", "json")
        assert result.status == 2
        if log == "text":
            first, second = result.err.splitlines()
            assert first.startswith(f"bridge: error: {error}")
            assert second == f"bridge: hint: {hint}"


def test_set_with_value_after_name_says_where_value_comes_from(capfd: pytest.CaptureFixture[str]) -> None:
    usage, error, hint = mistake(capfd, "set", "staging", "OPENAI_API_KEY", CANARY)
    assert usage.startswith("bridge set [-h] ")
    assert error == "unrecognized arguments: ..."
    assert hint == "leave out the value: `bridge set ENV NAME` prompts for it, or reads it from stdin"


@pytest.mark.parametrize("arguments", [["help"], ["help", "sync"], ["--version"], ["completion", "bash"]])
def test_invalid_trust_file_does_not_block_help(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str]
) -> None:
    (tmp_path / "trust.yaml").write_text("{")
    monkeypatch.setenv("BRIDGE_TRUST", str(tmp_path / "trust.yaml"))
    assert cli.main(["plan", "staging"]) == 2
    assert "trust.yaml" in capfd.readouterr().err
    assert cli.main(arguments) == 0
    assert capfd.readouterr().err == ""
