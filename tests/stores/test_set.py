"""One value, into the source that gives it: where it goes, what is refused, and who wins a race."""

import getpass
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.desk import Desk, Result
from tests.importing.moving import SHELF, environ, shelf, start, state
from tests.team import VALUES
from tests.waiting import until, with_enough_time

NEW = "CANARY-new"


@pytest.fixture
def desk(offline_desk: Desk) -> Desk:
    offline_desk.canaries.add(NEW)
    offline_desk.environment(sources=["shelf:first.json", SHELF])
    offline_desk.write("first.json", {"LIVEKIT_API_KEY": VALUES["LIVEKIT_API_KEY"]})
    offline_desk.write("shelf.json", VALUES)
    return offline_desk


class Piped:
    """A stdin that is no terminal."""

    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)

    def isatty(self) -> bool:
        return False


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def put(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `set` with a value from a pipe."""

    def run(name: str, value: bytes = f"{NEW}\n".encode(), *more: str) -> Result:
        monkeypatch.setattr("sys.stdin", Piped(value))
        return desk.run("set", "staging", name, "--yes", *more)

    return run


def test_value_goes_to_source_that_gives_it_now(desk: Desk, put: Callable[..., Result]) -> None:
    result = put("OPENAI_API_KEY")
    assert (result.err, result.status) == ("", 0)
    before, after = result.out.split("revision ")[1].split()[0:3:2]
    assert result.out.splitlines() == [
        f"{SHELF}#OPENAI_API_KEY: written, revision {before} -> {after}",
        "next: bridge sync staging",
    ]
    assert before != after
    assert shelf(desk) == VALUES | {"OPENAI_API_KEY": NEW}
    assert put("LIVEKIT_API_KEY").status == 0
    assert shelf(desk, "first.json") == {"LIVEKIT_API_KEY": NEW}
    assert shelf(desk)["LIVEKIT_API_KEY"] == VALUES["LIVEKIT_API_KEY"]
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == NEW


def test_variable_that_no_source_gives_goes_to_first(desk: Desk, put: Callable[..., Result]) -> None:
    desk.environment(sources=["shelf:new.json", SHELF], infrastructure={"SCW_SECRET_KEY": "secret"})
    assert put("SCW_SECRET_KEY", b"CANARY-new", "--output", "json").data["before"] is None
    assert shelf(desk, "new.json") == {"SCW_SECRET_KEY": NEW}


def test_exception_is_followed(desk: Desk, put: Callable[..., Result]) -> None:
    variables: dict[str, Any] = {"OPENAI_API_KEY": {"from": "shelf:other.json#keys.openai", "decode": "base64"}}
    desk.environment(sources=[SHELF], variables=variables)
    desk.write("other.json", {"keys": {"openai": "b2xk", "theirs": "x"}})
    data = put("OPENAI_API_KEY", b"CANARY-new", "--output", "json").data
    assert (data["places"], data["result"]) == (["shelf:other.json#keys.openai"], "written")
    assert shelf(desk, "other.json") == {"keys": {"openai": "Q0FOQVJZLW5ldw==", "theirs": "x"}}


def test_manifests_get_it_by_objects_key(desk: Desk, put: Callable[..., Result]) -> None:
    objects = {"Secret": {"stringData": {"OPENAI_API_KEY": "CANARY-old"}}, "ConfigMap": {"data": {"NODE_ENV": "x"}}}
    names = {"Secret": "agent-secrets", "ConfigMap": "front-config"}
    head = {"apiVersion": "v1"}
    made = [head | {"kind": kind, "metadata": {"name": names[kind]}} | one for kind, one in objects.items()]
    desk.write("first.json", made)
    result = put("OPENAI_API_KEY")
    assert result.out.startswith("shelf:first.json Secret/agent-secrets key OPENAI_API_KEY: written")
    assert put("NODE_ENV", b"test").status == 0  # no variable: the manifest gives the key itself
    first = shelf(desk, "first.json")
    assert (first[0]["stringData"], first[1]["data"]) == ({"OPENAI_API_KEY": NEW}, {"NODE_ENV": "test"})
    assert shelf(desk) == VALUES


def test_manifest_that_has_one_of_variables_keys_gets_that_one(desk: Desk, put: Callable[..., Result]) -> None:
    text = (desk.folder / "base/secrets.yml").read_text()
    desk.write("base/secrets.yml", text.replace("${CARTESIA_API_KEY}", "${OPENAI_API_KEY}"))
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "agent-secrets"}}
    desk.environment(sources=["shelf:first.json"])
    desk.write("first.json", [manifest | {"stringData": {"CARTESIA_API_KEY": "CANARY-old"}}])
    assert put("OPENAI_API_KEY").status == 0
    assert shelf(desk, "first.json")["stringData"] == {"CARTESIA_API_KEY": NEW}


def test_manifest_has_no_place_for_variable_of_scripts(desk: Desk, put: Callable[..., Result]) -> None:
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "agent-secrets"}, "stringData": {"A": "a"}}
    desk.write("first.json", [manifest])
    desk.environment(sources=["shelf:first.json"], infrastructure={"SCW_SECRET_KEY": "secret"})
    result = put("SCW_SECRET_KEY")
    assert result.lines == [
        "bridge: error: shelf:first.json: consists of manifests and has no key for only SCW_SECRET_KEY",
        "bridge: hint: add it under `variables`: `SCW_SECRET_KEY: REFERENCE`",
    ]


def test_one_line_feed_goes_and_everything_else_stays(desk: Desk, put: Callable[..., Result]) -> None:
    for given, stored in ((b"a\n\n", "a\n"), (b" \xc3\xa9\r\n\n", " é\r\n"), (b"x", "x")):
        assert put("OPENAI_API_KEY", given).status == 0
        assert shelf(desk)["OPENAI_API_KEY"] == stored


ENCODINGS = [
    (f"{NEW}\r\n".encode(), r"ends with a carriage return (\r)", r"tr -d '\r' < FILE"),
    (f"\ufeff{NEW}\n".encode(), "begins with a byte order mark (BOM)", "tail -c +4 FILE"),
    (f"{NEW}\r\n".encode("utf-16"), "is UTF-16, not UTF-8", r"iconv -f UTF-16 -t UTF-8 FILE | tr -d '\r'"),
    (f"{NEW}\n".encode("utf-16-be"), "is UTF-16, not UTF-8", r"iconv -f UTF-16 -t UTF-8 FILE | tr -d '\r'"),
]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_wrong_encoding_is_refused_and_hint_cures_it(
    desk: Desk, put: Callable[..., Result], tmp_path: Path, encoding: tuple[bytes, str, str]
) -> None:
    content, what, command = encoding
    result = put("OPENAI_API_KEY", content)
    assert result.lines == [
        f"bridge: error: OPENAI_API_KEY: the value {what}; nothing was written",
        f"bridge: hint: pipe it in corrected: `{command} | bridge set staging OPENAI_API_KEY --yes`",
    ]
    assert (result.status, shelf(desk)) == (1, VALUES)
    (tmp_path / "FILE").write_bytes(content)
    cured = subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, capture_output=True, check=True).stdout
    if not content.startswith(b"\0"):  # without a mark iconv cannot know the order
        assert put("OPENAI_API_KEY", cured).status == 0
        assert shelf(desk) == VALUES | {"OPENAI_API_KEY": NEW}
    desk.environment(sources=[SHELF], variables={"OPENAI_API_KEY": {"from": SHELF, "literal": True}})
    assert "the value" not in put("OPENAI_API_KEY", content).err


def test_typed_value_with_byte_order_mark_is_refused(
    desk: Desk, put: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(getpass, "getpass", lambda *_: f"\ufeff{NEW}")
    monkeypatch.setattr("sys.stdin", Terminal())
    result = desk.run("set", "staging", "OPENAI_API_KEY", "--yes")
    assert "OPENAI_API_KEY: the value begins with a byte order mark (BOM); nothing was written" in result.lines[0]
    assert shelf(desk) == VALUES


@pytest.mark.parametrize("content", [b"\xff\xfe\x9c\xd1\x00\r", b"\x00\x01\x02\r\n", b"\xef\xbb\xbf\xff"])
def test_binary_content_has_no_encoding(desk: Desk, put: Callable[..., Result], content: bytes) -> None:
    desk.environment(
        sources=[SHELF], variables={"OPENAI_API_KEY": {"from": f"{SHELF}#OPENAI_API_KEY", "decode": "base64"}}
    )
    assert put("OPENAI_API_KEY", content).status == 0


def test_placeholder_is_written_with_warning(desk: Desk, put: Callable[..., Result]) -> None:
    result = put("OPENAI_API_KEY", b"changeme")
    assert result.lines == [
        "bridge: warning: OPENAI_API_KEY: the value looks like a placeholder",
        "bridge: hint: if this is intended, set `literal: true` on the variable",
    ]
    assert shelf(desk)["OPENAI_API_KEY"] == "changeme"
    assert put("OPENAI_API_KEY", b"$OPENAI_API_KEY\n").lines[0] == (
        "bridge: warning: OPENAI_API_KEY: the value is the name of a shell variable, not its value"
    )
    assert put("DOMAIN", b"$DOMAIN").err == ""  # public


def test_same_value_is_not_written_again(desk: Desk, put: Callable[..., Result]) -> None:
    before = state(desk.folder / "shelf.json")
    result = put("OPENAI_API_KEY", VALUES["OPENAI_API_KEY"].encode())
    assert result.out == f"{SHELF}#OPENAI_API_KEY: unchanged, it already has this value\n"
    assert state(desk.folder / "shelf.json") == before


@pytest.mark.parametrize(
    ("name", "value", "status", "lines"),
    [
        ("OPENAI_API_KEY", b"\n", 1, ["the value is empty; nothing was written"]),
        ("OPENAI_API_KEY", b"x" * 1048577, 1, ["stdin: larger than 1024 KiB, the limit of a Secret"]),
        (
            "OPENAI_API_KEY",
            b"ENC[AES256_GCM,data:CANARY-new",
            1,
            [
                "OPENAI_API_KEY: the value looks encrypted; nothing was written",
                "if this is intended, set `literal: true`",
            ],
        ),
        (
            "OPENAI_KEY",
            b"CANARY-new",
            2,
            ["staging: no template or infrastructure uses this name", "did you mean OPENAI_API_KEY?"],
        ),
    ],
)
def test_what_is_refused(  # noqa: PLR0917 - two fixtures and four parameters
    desk: Desk, put: Callable[..., Result], name: str, value: bytes, status: int, lines: list[str]
) -> None:
    result = put(name, value)
    assert result.status == status
    assert all(wanted in line for wanted, line in zip(lines, result.lines, strict=True))
    assert shelf(desk) == VALUES


LITERAL = [
    "bridge: error: ConfigMap/front-config key NODE_ENV: has a literal value in {}, so no source is used",
    "bridge: hint: change it in {}, or write NODE_ENV: ${{NODE_ENV}} there",
]


def test_literal_in_template_is_changed_there(desk: Desk, put: Callable[..., Result]) -> None:
    before = desk.folder / "shelf.json", desk.folder / "first.json"
    states = [state(path) for path in before]
    result = put("NODE_ENV", b"test")
    assert (result.status, result.lines) == (1, [line.format("base/configmap.yml") for line in LITERAL])
    desk.environment(sources=["shelf:nowhere.json"], variables={"NODE_ENV": f"{SHELF}#NODE_ENV"})
    assert put("NODE_ENV", b"test").lines[0] == LITERAL[0].format("base/configmap.yml")
    desk.environment(sources=["shelf:nowhere.json"])
    assert put("NODE_ENV", b"test").lines[0] == LITERAL[0].format("base/configmap.yml")
    assert [state(path) for path in before] == states
    assert not (desk.folder / "nowhere.json").exists()


def test_literal_of_environments_own_template_wins_over_bases_variable(desk: Desk, put: Callable[..., Result]) -> None:
    own = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: agent-config}\ndata: {LOG_LEVEL: debug}\n"
    desk.write("staging.public.yaml", own)
    desk.environment(sources=[SHELF], templates=["base/secrets.yml", "base/configmap.yml", "staging.public.yaml"])
    result = put("LOG_LEVEL", b"warn")
    assert (result.status, "has a literal value in staging.public.yaml" in result.lines[0]) == (1, True)
    assert shelf(desk) == VALUES
    desk.environment(
        sources=[SHELF],
        templates=["base/secrets.yml", "base/configmap.yml", "staging.public.yaml"],
        infrastructure={"LOG_LEVEL": "required"},
    )
    assert put("LOG_LEVEL", b"warn").status == 0  # scripts get it from there


def test_literal_that_manifests_replace_is_changed_in_them(desk: Desk, put: Callable[..., Result]) -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "front-config"}, "data": {"OTHER": "x"}}
    desk.environment(sources=[SHELF, "shelf:first.json"])
    desk.write("first.json", [manifest])
    assert put("NODE_ENV", b"test").status == 0
    assert shelf(desk) == VALUES
    assert shelf(desk, "first.json")["data"] == {"OTHER": "x", "NODE_ENV": "test"}


def test_part_of_key_that_manifests_give_as_whole_does_not_count(desk: Desk, put: Callable[..., Result]) -> None:
    text = (desk.folder / "base/secrets.yml").read_text()
    desk.write("base/secrets.yml", text.replace("${OPENAI_API_KEY}", "key-${OPENAI_API_KEY}"))
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "agent-secrets"}}
    desk.write("first.json", [manifest | {"stringData": {"OPENAI_API_KEY": "CANARY-old"}}])
    result = put("OPENAI_API_KEY")
    assert (result.status, result.lines) == (
        1,
        [
            (
                "bridge: error: Secret/agent-secrets key OPENAI_API_KEY: shelf:first.json gives the whole key, "
                "so OPENAI_API_KEY has no effect"
            ),
            "bridge: hint: change the key in shelf:first.json",
        ],
    )
    assert shelf(desk) == VALUES
    desk.environment(sources=[SHELF, "shelf:first.json"])  # found before the manifests, it counts
    assert put("OPENAI_API_KEY").status == 0
    assert desk.run("sync", "staging").status == 0
    assert desk.target.data("Secret", "agent-secrets")["OPENAI_API_KEY"] == f"key-{NEW}"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"sources": ["plain:values.json"]}, "plain:values.json: the provider plain is read-only"),
        ({"sources": []}, "staging.yaml: has no source to put a value into"),
    ],
)
def test_environment_without_store_that_can_be_written(
    desk: Desk, put: Callable[..., Result], changes: dict[str, Any], what: str
) -> None:
    desk.environment(**changes)
    assert put("OPENAI_API_KEY").lines[0] == f"bridge: error: {what}"


def test_templates_that_are_wrong_come_first(desk: Desk, put: Callable[..., Result]) -> None:
    (desk.folder / "base/secrets.yml").unlink()
    assert put("OPENAI_API_KEY").lines == ["bridge: error: base/secrets.yml: no such file"]


def test_source_that_cannot_be_read_is_not_passed_over(desk: Desk, put: Callable[..., Result]) -> None:
    desk.environment(sources=["plain:values.json", SHELF], providers={"plain": {"fail": "denied"}})
    result = put("OPENAI_API_KEY")
    assert (result.status, result.lines[0]) == (1, "bridge: error: plain:values.json: the store does not know you")
    assert shelf(desk) == VALUES


# The terminal


@pytest.fixture
def typed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run `set` at a terminal, with these answers to the hidden prompts and one to the question."""

    def run(name: str, *answers: str | Exception, agreed: str = "y\n") -> Result:
        waiting = list(answers)

        def ask(prompt: str, stream: Any) -> str:
            print(prompt, end="", file=stream)
            answer = waiting.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(getpass, "getpass", ask)
        monkeypatch.setattr("sys.stdin", Terminal(agreed))
        return desk.run("set", "staging", name)

    return run


def where(desk: Desk) -> str:
    """Return the words of a question for what the environment selects."""
    return f"namespace {desk.target.namespace} of context {desk.cluster['context']} ({desk.cluster['server']})"


def test_typed_value_is_asked_for_twice_and_confirmed(desk: Desk, typed: Callable[..., Result]) -> None:
    result = typed("OPENAI_API_KEY", NEW, NEW)
    revision = result.out.split("revision ")[1].split()[0]
    assert result.err == (
        "the new value of OPENAI_API_KEY (not shown): repeat it: "
        f"Replace OPENAI_API_KEY in {SHELF}#OPENAI_API_KEY, now at revision {revision}, for {where(desk)}? [y/N] "
    )
    assert shelf(desk)["OPENAI_API_KEY"] == NEW


def test_question_names_what_kubeconfig_selects_without_asking_anybody(
    desk: Desk, typed: Callable[..., Result]
) -> None:
    content = json.loads(desk.kubeconfig.read_text())
    content["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:1"
    content["contexts"][0]["name"] = content["current-context"] = "kap\x1bsule"
    touched = desk.folder / "touched"
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [str(touched)]}
    content["users"][0]["user"] = {"exec": plugin | {"interactiveMode": "Never"}}
    desk.kubeconfig.write_text(json.dumps(content))
    result = typed("OPENAI_API_KEY", NEW, NEW)
    assert f", for namespace {desk.target.namespace} of context kap\\x1bsule (http://127.0.0.1:1)? [y/N]" in result.err
    assert (result.status, touched.exists()) == (0, False)


@pytest.mark.parametrize("content", [None, "{", '{"current-context": "gone"}', "[]"])
def test_without_usable_kubeconfig_question_names_namespace(
    desk: Desk, typed: Callable[..., Result], content: str | None
) -> None:
    desk.kubeconfig.unlink() if content is None else desk.kubeconfig.write_text(content)
    result = typed("OPENAI_API_KEY", NEW, NEW)
    assert (result.status, shelf(desk)["OPENAI_API_KEY"]) == (0, NEW)
    assert f", for namespace {desk.target.namespace}? [y/N] " in result.err


def test_question_says_what_is_new(desk: Desk, typed: Callable[..., Result]) -> None:
    desk.environment(sources=["shelf:first.json"], infrastructure={"SCW_SECRET_KEY": "secret"})
    result = typed("SCW_SECRET_KEY", NEW, NEW)
    assert "Write SCW_SECRET_KEY, which no source gives yet, to shelf:first.json#SCW_SECRET_KEY, now at" in result.err
    desk.environment(sources=["shelf:new.json"], infrastructure={"SCW_SECRET_KEY": "secret"})
    result = typed("SCW_SECRET_KEY", NEW, NEW)
    assert (
        "Write SCW_SECRET_KEY to shelf:new.json#SCW_SECRET_KEY, a document that does not exist yet, for " in result.err
    )


@pytest.mark.parametrize(
    ("answers", "what"),
    [
        ((NEW, "CANARY-typo"), "the two values differ; nothing was written"),
        (("", ""), "the value is empty; nothing was written"),
        ((EOFError(), NEW), "no value was typed; nothing was written"),
        ((getpass.GetPassWarning(), NEW), "no value was typed; nothing was written"),
    ],
)
def test_value_that_was_not_typed_well(
    desk: Desk, typed: Callable[..., Result], answers: tuple[Any, ...], what: str
) -> None:
    result = typed("OPENAI_API_KEY", *answers)
    assert (result.status, result.lines[-1].rpartition("bridge: error: ")[2]) == (1, what)
    assert shelf(desk) == VALUES


def test_nothing_is_typed_for_store_that_cannot_be_written(desk: Desk, typed: Callable[..., Result]) -> None:
    for source, what in (("plain:values.json", "is read-only"), ("shelf:shelf.json@3", "is pinned to revision 3")):
        desk.environment(sources=[source])
        result = typed("OPENAI_API_KEY")  # a prompt would fail: there is no answer for it
        assert what in result.lines[0]


def test_who_does_not_agree_changes_nothing(desk: Desk, typed: Callable[..., Result]) -> None:
    assert typed("OPENAI_API_KEY", NEW, NEW, agreed="n\n").status == 1
    assert shelf(desk) == VALUES


def test_pipe_has_to_agree_before(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Piped(NEW.encode()))
    assert "stdin is not a terminal" in desk.run("set", "staging", "OPENAI_API_KEY").lines[0]
    assert shelf(desk) == VALUES


# Processes


def test_running_set_shows_its_value_nowhere_and_may_be_killed(
    desk: Desk, third_party: Path, tmp_path: Path, put: Callable[..., Result]
) -> None:
    desk.environment(sources=[SHELF], providers={"shelf": {"slow": "slow"}})
    desk.write("slow", "before")
    process = start(desk, environ(tmp_path, third_party), "set", "staging", "OPENAI_API_KEY", "--yes")
    assert process.stdin is not None
    process.stdin.write(f"{NEW}\n")
    process.stdin.close()
    process.stdin = None
    until((desk.folder / "slow.reached").exists, process=process)
    seen = b"".join(Path(f"/proc/{process.pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
    seen += b"".join(path.read_bytes() for path in (tmp_path / "tmp").rglob("*") if path.is_file())
    process.kill()
    out, err = process.communicate()
    assert NEW.encode() not in seen + out.encode() + err.encode()
    assert shelf(desk) == VALUES
    (desk.folder / "slow").unlink()
    assert put("OPENAI_API_KEY").status == 0
    assert shelf(desk) == VALUES | {"OPENAI_API_KEY": NEW}


def test_store_that_hangs_is_bounded_and_not_guessed(
    desk: Desk, third_party: Path, tmp_path: Path, put: Callable[..., Result]
) -> None:
    desk.environment(sources=[SHELF], providers={"shelf": {"slow": "slow"}})
    desk.write("slow", "after")

    def attempt(limit: float) -> Result:
        return put("OPENAI_API_KEY", NEW.encode(), "--timeout", str(limit))

    result = with_enough_time(attempt, (desk.folder / "slow.reached").exists)
    (desk.folder / "slow").unlink()
    assert result.status == 5
    assert result.lines == [
        f"bridge: error: {SHELF}: no answer in time; it is unknown whether it was written",
        "bridge: hint: run the command again; it starts from the current state",
    ]
    assert put("OPENAI_API_KEY").out == f"{SHELF}#OPENAI_API_KEY: unchanged, it already has this value\n"
