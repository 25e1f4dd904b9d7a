"""How old values are: what status, plan, sync, check and the metrics say about them, and about their limits."""

import base64
import datetime as dt
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bridge.provider import Context, Leaf, Outline, Revision, Rules
from tests.base.test_git_history import Work
from tests.desk import Desk, Result

STATE = "bridge-voice-agent-staging"
HINT = "bridge: hint: replace it with `bridge set staging NAME`"


def ago(**spans: float) -> str:
    """Return a time in the past, RFC 3339."""
    return (dt.datetime.now(dt.UTC) - dt.timedelta(**spans)).strftime("%Y-%m-%dT%H:%M:%SZ")


def limit(desk: Desk, *, time: str = "", max_age: str | None = None, asked_time: str = "", **variables: object) -> None:
    """Write the environment with limits; its store got the document at a time."""
    plain = {"time": time, "asked_time": asked_time}
    desk.environment(max_age=max_age, variables=variables or None, providers={"plain": plain})


def backdate(desk: Desk, key: str, time: str) -> None:
    """Change the time in the state ConfigMap at which bridge last changed a key."""
    content = desk.target.data("ConfigMap", STATE)
    name = next(name for name, text in content.items() if '"objects"' in text)
    state = json.loads(content[name])
    for known in state["objects"].values():
        if key in known["keys"]:
            known["keys"][key][1] = time
    desk.target.patch("ConfigMap", STATE, {"data": {name: json.dumps(state)}}, "bridge/voice-agent-staging")


def ages(desk: Desk) -> dict[str, dict[str, Any]]:
    """Return the ages that the status has."""
    rows = desk.run("status", "staging", "--output", "json").data["keys"]
    return {row["key"]: row["age"] for row in rows if row["age"]}


def days(age: dict[str, Any]) -> int:
    return int(age["seconds"]) // 86_400


def certificate(ends: dt.datetime, name: str = "CANARY-name") -> str:
    """Return a certificate in PEM that ends at a time."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(ends - dt.timedelta(days=90)).not_valid_after(ends)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def in_days(count: float) -> dt.datetime:
    return (dt.datetime.now(dt.UTC) + dt.timedelta(days=count)).replace(microsecond=0)


@pytest.mark.parametrize("command", ["plan", "sync"])
def test_overdue_and_soon_overdue_variables_are_warned_about_once_each(offline_desk: Desk, command: str) -> None:
    desk = offline_desk
    limit(
        desk,
        time=ago(days=97.5),
        OPENAI_API_KEY={"max_age": "90d"},
        CARTESIA_API_KEY={"max_age": "100d"},
        DEEPGRAM_API_KEY={"max_age": "1000d"},
    )
    result = desk.run(command, "staging")
    assert (result.status, result.lines) == (
        0,
        [
            "bridge: warning: OPENAI_API_KEY: is at least 97 days old; its limit is 90 days",
            "bridge: warning: CARTESIA_API_KEY: reaches its age limit of 100 days in 2 days",
            HINT,
        ],
    )


def test_environment_without_limits_warns_of_nothing(offline_desk: Desk) -> None:
    limit(offline_desk, time=ago(days=9999))
    assert offline_desk.run("plan", "staging").lines == []


def test_limit_of_environment_is_for_every_secret_and_no_public_value(offline_desk: Desk) -> None:
    desk = offline_desk
    limit(desk, time=ago(days=97), max_age="90d", OPENAI_API_KEY={"max_age": "unlimited"})
    result = desk.run("plan", "staging", "--output", "json")
    assert sorted(warning["where"] for warning in result.data["warnings"]) == [
        "CARTESIA_API_KEY",
        "DEEPGRAM_API_KEY",
        "LIVEKIT_API_KEY",
        "LIVEKIT_API_SECRET",
    ]


def test_empty_value_has_no_age_and_an_empty_default_no_warning(offline_desk: Desk) -> None:
    desk = offline_desk
    limit(desk, time=ago(days=1), max_age="90d", PREVIOUS={"max_age": "1d"})
    secrets = desk.folder / "base/secrets.yml"
    secrets.write_text(secrets.read_text() + "  PREVIOUS: ${PREVIOUS:-}\n  LITERAL: ''\n")
    result = desk.run("check", "staging", "--age", "--output", "json")
    assert result.status == 0
    assert {"PREVIOUS", "LITERAL"}.isdisjoint(age["key"] for age in result.data["ages"])
    assert [(warning["where"].rpartition(" ")[2], warning["what"]) for warning in result.data["warnings"]] == [
        ("LITERAL", "the value from base/secrets.yml is empty")
    ]
    desk.run("sync", "staging")
    assert {"PREVIOUS", "LITERAL"}.isdisjoint(ages(desk))


def test_templates_own_text_has_age_in_status_where_it_fills_secret(offline_desk: Desk) -> None:
    desk = offline_desk
    limit(desk, OPENAI_API_KEY={"max_age": "90d"})
    secrets = desk.folder / "base/secrets.yml"
    secrets.write_text(secrets.read_text() + "  LITERAL: text\n")
    desk.run("sync", "staging")
    found = ages(desk)
    assert (days(found["LITERAL"]), found["LITERAL"]["at_least"], found["LITERAL"]["limit"]) == (0, True, None)
    assert {"METRICS_ENABLED", "DOMAIN"}.isdisjoint(found)


def test_value_that_is_long_in_cluster_is_old_although_its_document_is_new(offline_desk: Desk) -> None:
    desk = offline_desk
    limit(desk, time=ago(days=1), OPENAI_API_KEY={"max_age": "90d"})
    desk.run("sync", "staging")
    backdate(desk, "OPENAI_API_KEY", ago(days=97))
    assert desk.run("plan", "staging").lines[0] == (
        "bridge: warning: OPENAI_API_KEY: is at least 97 days old; its limit is 90 days"
    )
    found = ages(desk)
    assert (days(found["OPENAI_API_KEY"]), found["OPENAI_API_KEY"]["at_least"]) == (97, True)
    assert days(found["CARTESIA_API_KEY"]) == 1


def test_new_value_is_young_again(offline_desk: Desk) -> None:
    desk = offline_desk
    limit(desk, OPENAI_API_KEY={"max_age": "90d"})
    desk.run("sync", "staging")
    backdate(desk, "OPENAI_API_KEY", ago(days=97))
    desk.values(OPENAI_API_KEY="CANARY-rotated")
    assert desk.run("plan", "staging").lines == []
    assert desk.run("sync", "staging").lines == []
    assert ages(desk)["OPENAI_API_KEY"]["seconds"] < 86_400


def test_key_that_someone_changed_says_nothing_about_age(offline_desk: Desk) -> None:
    desk = offline_desk
    limit(desk, OPENAI_API_KEY={"max_age": "90d"})
    desk.run("sync", "staging")
    backdate(desk, "OPENAI_API_KEY", ago(days=97))
    desk.target.edit("Secret", "agent-secrets", OPENAI_API_KEY="CANARY-by-hand")
    desk.canaries.add("CANARY-by-hand")
    assert ages(desk)["OPENAI_API_KEY"]["seconds"] is None


def test_status_has_age_of_every_secret_with_its_limit(offline_desk: Desk) -> None:
    desk = offline_desk
    limit(
        desk,
        time=ago(days=97),
        OPENAI_API_KEY={"max_age": "90d"},
        CARTESIA_API_KEY={"expires": in_days(12.5).date().isoformat()},
        DEEPGRAM_API_KEY={"expires": in_days(-3).date().isoformat()},
    )
    desk.run("sync", "staging")
    lines = desk.run("status", "staging").out.splitlines()
    shown = {line.split()[0]: " ".join(line.split()[4:]) for line in lines if line.startswith("    ")}
    assert shown["OPENAI_API_KEY"] == "at least 97 d, limit 90 d"
    assert re.fullmatch(r"expires in 1[12] d", shown["CARTESIA_API_KEY"])
    assert re.fullmatch(r"expired (3 d|\d\d h) ago", shown["DEEPGRAM_API_KEY"])
    assert shown["LIVEKIT_API_KEY"] == "at least 97 d"
    assert shown["DOMAIN"] == "-"
    age = ages(desk)["OPENAI_API_KEY"]
    assert (days(age), age["at_least"], age["limit"], age["expires"]) == (97, True, 90 * 86_400, None)
    assert (age["overdue"], age["soon"]) == (True, False)
    assert ages(desk)["DEEPGRAM_API_KEY"]["overdue"]
    assert ages(desk)["CARTESIA_API_KEY"]["soon"]


def test_document_with_one_value_has_its_exact_age(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.canaries.add("CANARY-alone")
    desk.write("alone.json", {"key": "CANARY-alone"})
    limit(desk, time=ago(days=97), OPENAI_API_KEY={"from": "plain:alone.json#key", "max_age": "90d"})
    desk.values(OPENAI_API_KEY=None)
    age = ages(desk)["OPENAI_API_KEY"]
    assert (days(age), age["at_least"]) == (97, False)


def test_store_is_asked_for_times_only_if_file_limits_ages(offline_desk: Desk) -> None:
    desk = offline_desk
    limit(desk, asked_time=ago(days=97))
    assert ages(desk)["OPENAI_API_KEY"]["seconds"] is None
    limit(desk, asked_time=ago(days=97), CARTESIA_API_KEY={"max_age": "90d"})
    assert days(ages(desk)["OPENAI_API_KEY"]) == 97


def test_time_in_future_is_age_of_zero_with_warning(offline_desk: Desk) -> None:
    desk = offline_desk
    limit(desk, time=ago(hours=-3.01), OPENAI_API_KEY={"max_age": "90d"})
    result = desk.run("plan", "staging")
    assert result.lines == [
        "bridge: warning: OPENAI_API_KEY: its store's time is 3 hours in the future; its age counts as 0",
        "bridge: hint: compare the store's clock with the cluster's",
    ]
    assert ages(desk)["OPENAI_API_KEY"]["seconds"] == 0
    limit(desk, time=ago(seconds=-20), OPENAI_API_KEY={"max_age": "90d"})  # clocks differ by seconds everywhere
    assert desk.run("plan", "staging").lines == []


@pytest.mark.parametrize("time", ["yesterday", "2026-13-01T00:00:00Z", "0000-00-00", "-1"])
def test_time_that_cannot_be_read_is_unknown(offline_desk: Desk, time: str) -> None:
    limit(offline_desk, time=time, OPENAI_API_KEY={"max_age": "90d"})
    assert ages(offline_desk)["OPENAI_API_KEY"]["seconds"] is None


def test_infrastructure_variable_has_limit_of_its_own(offline_desk: Desk) -> None:
    desk = offline_desk
    desk.values(SCW_SECRET_KEY="CANARY-registry")
    desk.environment(
        infrastructure={"SCW_SECRET_KEY": "secret"},
        variables={"SCW_SECRET_KEY": {"max_age": "90d"}},
        providers={"plain": {"time": ago(days=97)}},
    )
    assert desk.run("plan", "staging").lines[0] == (
        "bridge: warning: SCW_SECRET_KEY: is at least 97 days old; its limit is 90 days"
    )
    (row,) = desk.run("check", "staging", "--age", "--output", "json").data["ages"]
    assert (row["name"], row["object"], row["key"], days(row)) == ("SCW_SECRET_KEY", None, None, 97)


class TestGit:
    """In a file whose values git can tell apart, each of them has an age of its own."""

    @pytest.fixture(autouse=True)
    def repository(self, offline_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        from bridge_plain import Plain  # noqa: PLC0415 - its folder is on the path only with the desk

        found = {"rules_file": "rules", "file": file, "outline": outline, "rules_for": outline}
        monkeypatch.setattr("bridge_plain.Plain", type("Plain", (Plain,), found))
        self.desk = offline_desk
        self.work = Work(offline_desk.folder)
        self.now = int(time.time())

    def commit(self, days: float, **files: object) -> None:
        self.work.commit_at(self.now - int(days * 86_400), **{name: json.dumps(files[name]) for name in files})

    def change(self, days: float, **values: str) -> None:
        self.desk.values(**values)
        self.commit(days)

    def limit(self, time: str = "", sources: tuple[str, ...] = ("values.json",), **variables: object) -> None:
        self.desk.environment(
            sources=[f"plain:{name}" for name in sources],
            max_age="90d",
            variables=variables or None,
            providers={"plain": {"time": time}},
        )

    def ages(self) -> dict[str, tuple[int | None, bool]]:
        """Return, by its name, how many days old each value with a limit is, and whether it may be older."""
        rows = self.desk.run("check", "staging", "--age", "--output", "json").data["ages"]
        return {row["name"]: (row["seconds"] and days(row), row["at_least"]) for row in rows}

    @pytest.mark.parametrize("dated", [False, True])
    def test_each_value_has_its_exact_age(self, dated: bool) -> None:
        self.commit(97)
        self.change(50, CARTESIA_API_KEY="CANARY-rotated")
        self.limit(ago(days=0) if dated else "")
        ages = self.ages()
        assert (ages["OPENAI_API_KEY"], ages["CARTESIA_API_KEY"]) == ((97, False), (50, False))

    @pytest.mark.parametrize(("seconds", "exact"), [(60, True), (61, False)])
    def test_commit_that_is_younger_than_its_document_has_a_wrong_clock(self, seconds: int, exact: bool) -> None:
        moment = self.now - 10 * 86_400
        self.work.commit_at(moment + seconds)
        self.limit(dt.datetime.fromtimestamp(moment, dt.UTC).isoformat())
        _, at_least = self.ages()["OPENAI_API_KEY"]
        assert at_least is not exact

    def test_nested_value_is_as_old_as_the_newest_in_it(self) -> None:
        self.desk.canaries |= {"CANARY-one", "CANARY-two", "CANARY-three"}
        deep = {"a": {"b": "CANARY-one"}, "c": {"b": "CANARY-c"}}
        for moment, value in ((97, deep), (50, deep | {"a": {"b": "CANARY-one", "d": "CANARY-two"}})):
            self.commit(moment, deep=value)
        self.commit(12, deep=value | {"c": {"b": "CANARY-three"}})
        for field, age in (("#a.b", 97), ("#a", 50), ("#c", 12), ("", 12)):
            self.limit(OPENAI_API_KEY=f"plain:deep{field}")
            assert self.ages()["OPENAI_API_KEY"] == (age, False)

    def test_key_of_manifest_is_as_old_as_what_its_own_manifest_has(self) -> None:
        head = {"apiVersion": "v1", "kind": "Secret"}
        shared, agent = ({"metadata": {"name": f"{name}-secrets"}} | head for name in ("shared", "agent"))
        texts = {"OPENAI_API_KEY": "CANARY-new", "CARTESIA_API_KEY": "CANARY-cartesia"}
        for moment, ours, theirs in ((97, texts, "1"), (50, texts | {"CARTESIA_API_KEY": "CANARY-2"}, "2")):
            manifests = [shared | {"stringData": {"LIVEKIT_API_KEY": f"CANARY-{theirs}"}}, agent | {"stringData": ours}]
            self.commit(moment, patch=manifests)
        self.desk.canaries |= {"CANARY-new", "CANARY-2"}
        self.limit(sources=("patch", "values.json"))
        ages = self.ages()
        assert [ages[f"{name}_API_KEY"] for name in ("OPENAI", "CARTESIA", "LIVEKIT")] == [
            *((97, False), (50, False), (50, False))
        ]
        manifests[1]["data"] = {"OPENAI_API_KEY": "Q0FOQVJZLW9sZA=="}
        self.commit(12, patch=manifests)
        assert self.ages()["OPENAI_API_KEY"] == (12, False)

    def test_key_of_same_name_in_another_manifest_has_age_of_its_own(self) -> None:
        secrets = self.desk.folder / "base/secrets.yml"
        secrets.write_text(secrets.read_text().replace("stringData:\n", "stringData:\n  TOKEN: ${TOKEN}\n"))
        names = ("shared-secrets", "agent-secrets")
        head = {"apiVersion": "v1", "kind": "Secret"}
        for moment, tokens in ((97, ("CANARY-a", "CANARY-b")), (12, ("CANARY-c", "CANARY-b"))):
            named = zip(names, tokens, strict=True)
            manifests = [head | {"metadata": {"name": name}, "stringData": {"TOKEN": text}} for name, text in named]
            self.commit(moment, patch=[{}, *manifests])
            self.desk.canaries.update(tokens)
        self.limit(sources=("patch", "values.json"))
        rows = self.desk.run("check", "staging", "--age", "--output", "json").data["ages"]
        oldest = {row["object"]: days(row) for row in rows if row["key"] == "TOKEN"}
        assert oldest == {"Secret/agent-secrets": 97}

    def test_history_is_only_read_for_values_with_limit(self) -> None:
        self.desk.canaries.add("CANARY-alone")
        self.commit(97, alone={"key": "CANARY-alone"})
        limited = {"OPENAI_API_KEY": {"max_age": "90d"}, "CARTESIA_API_KEY": {"from": "plain:alone#key"}}
        self.desk.environment(variables=limited)
        found = ages(self.desk)
        assert (days(found["OPENAI_API_KEY"]), found["OPENAI_API_KEY"]["at_least"]) == (97, False)
        assert found["CARTESIA_API_KEY"]["seconds"] is None

    def test_value_that_no_store_has_is_of_unknown_age(self) -> None:
        secrets = self.desk.folder / "base/secrets.yml"
        secrets.write_text(secrets.read_text() + "  PREVIOUS: ${PREVIOUS:-CANARY-default}\n")
        self.desk.canaries.add("CANARY-default")
        self.commit(97)
        self.limit(ago(days=97))
        found = self.ages()
        assert (found["PREVIOUS"], found["OPENAI_API_KEY"]) == ((None, False), (97, False))

    def test_key_of_manifest_has_name_and_limit_of_its_only_variable_or_else_of_its_own(self) -> None:
        secrets = self.desk.folder / "base/secrets.yml"
        secrets.write_text(secrets.read_text() + "  MIXED: ${PART}-a\n  TOKEN: ${RENAMED}\n")
        manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "agent-secrets"}}
        self.commit(97, patch=manifest | {"stringData": {"MIXED": "CANARY-mixed", "TOKEN": "CANARY-token"}})
        self.desk.canaries |= {"CANARY-mixed", "CANARY-token"}
        limits = {"MIXED": {"max_age": "30d"}, "RENAMED": {"max_age": "20d"}, "TOKEN": {"max_age": "10d"}}
        self.limit(sources=("patch", "values.json"), **limits)
        lines = self.desk.run("check", "staging", "--age").lines
        assert "bridge: error: Secret/agent-secrets key MIXED: is 97 days old; its limit is 30 days" in lines
        assert "bridge: error: RENAMED: is 97 days old; its limit is 20 days" in lines


def file(_: object, path: str, context: Context) -> Path:
    return context.base / path


def outline(_: object, path: str, content: bytes) -> Outline:
    """Return the values of a document in JSON as if each of them were encrypted."""
    found = json.loads(content)
    parts = enumerate(found if isinstance(found, list) else [found])
    leaves = {
        (index, place): Leaf((json.dumps(text).encode(),)) for index, part in parts for place, text in texts(part)
    }
    return Outline(leaves, Rules((), {}), Revision(path))


def texts(node: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(node, str):
        yield place, node
    else:
        for name, below in node.items():
            yield from texts(below, (*place, name))


class TestCertificates:
    """A certificate's own end counts where a value is one."""

    def put(self, desk: Desk, value: str, **options: object) -> None:
        desk.canaries |= {line for line in value.splitlines() if len(line) > 40}
        desk.values(OPENAI_API_KEY=value)
        limit(desk, **options)

    def test_end_is_in_status_without_any_limit(self, offline_desk: Desk) -> None:
        ends = in_days(12.5)
        self.put(offline_desk, certificate(ends))
        age = ages(offline_desk)["OPENAI_API_KEY"]
        assert (age["expires"], age["limit"]) == (ends.strftime("%Y-%m-%dT%H:%M:%SZ"), None)
        assert (age["overdue"], age["soon"]) == (False, True)
        assert "expires in 12 d" in offline_desk.run("status", "staging").out

    def test_plan_reads_end_only_if_variable_has_limit(self, offline_desk: Desk) -> None:
        self.put(offline_desk, certificate(in_days(12.5)))
        assert offline_desk.run("plan", "staging").lines == []
        self.put(offline_desk, certificate(in_days(12.5)), OPENAI_API_KEY={"max_age": "1000d"})
        assert offline_desk.run("plan", "staging").lines == [
            "bridge: warning: OPENAI_API_KEY: its certificate expires in 12 days",
            HINT,
        ]

    def test_first_certificate_of_chain_counts(self, offline_desk: Desk) -> None:
        chain = certificate(in_days(200.5)) + certificate(in_days(-300))
        self.put(offline_desk, f"# a comment\n{chain}")
        assert not ages(offline_desk)["OPENAI_API_KEY"]["overdue"]
        assert "expires in 200 d" in offline_desk.run("status", "staging").out

    def test_earlier_of_end_and_limit_counts(self, offline_desk: Desk) -> None:
        sooner = in_days(-2.5).date().isoformat()
        self.put(offline_desk, certificate(in_days(12.5)), OPENAI_API_KEY={"expires": sooner})
        assert offline_desk.run("plan", "staging").lines == [
            f"bridge: warning: OPENAI_API_KEY: expired on {sooner}",
            HINT,
        ]

    @pytest.mark.parametrize(
        "damage",
        [
            lambda text: text.replace("\n", "\\n"),
            lambda text: text[:200],
            lambda text: text.replace("M", "!"),
            lambda text: "-----BEGIN CERTIFICATE-----\nCANARY\n-----END CERTIFICATE-----\n",
        ],
    )
    def test_certificate_that_cannot_be_read_has_no_end(self, offline_desk: Desk, damage: Callable[[str], str]) -> None:
        self.put(offline_desk, damage(certificate(in_days(12.5))), OPENAI_API_KEY={"max_age": "90d"})
        assert ages(offline_desk)["OPENAI_API_KEY"]["expires"] is None
        assert "CANARY" not in offline_desk.run("plan", "staging").err


class TestCheck:
    """`bridge check --age`, for a pipeline."""

    def test_overdue_value_is_error_with_status_1(self, offline_desk: Desk) -> None:
        desk = offline_desk
        limit(desk, time=ago(days=97), OPENAI_API_KEY={"max_age": "90d"}, CARTESIA_API_KEY={"max_age": "900d"})
        result = desk.run("check", "staging", "--age")
        assert result.status == 1
        assert result.lines == [
            "bridge: error: OPENAI_API_KEY: is at least 97 days old; its limit is 90 days",
            HINT,
        ]
        assert [line.split() for line in result.out.splitlines()[-3:]] == [
            ["VARIABLE", "AGE", "LIMIT", "STATE"],
            ["CARTESIA_API_KEY", "at", "least", "97", "d", "900", "d", "ok"],
            ["OPENAI_API_KEY", "at", "least", "97", "d", "90", "d", "overdue"],
        ]

    def test_values_within_their_limits_are_fine_and_soon_is_warning(self, offline_desk: Desk) -> None:
        limit(offline_desk, time=ago(days=85.5), OPENAI_API_KEY={"max_age": "90d"})
        result = offline_desk.run("check", "staging", "--age")
        assert (result.status, result.lines) == (
            0,
            ["bridge: warning: OPENAI_API_KEY: reaches its age limit of 90 days in 4 days", HINT],
        )

    def test_age_that_store_does_not_know_is_said_and_cluster_may_know_it(self, offline_desk: Desk) -> None:
        desk = offline_desk
        limit(desk, OPENAI_API_KEY={"max_age": "90d"})
        result = desk.run("check", "staging", "--age")
        assert (result.status, result.lines) == (
            0,
            [
                "bridge: warning: OPENAI_API_KEY: its age is unknown: its store has no time for it",
                "bridge: hint: add `--live` to ask the cluster too",
            ],
        )
        assert desk.run("check", "staging", "--age", "--live").lines == [
            "bridge: warning: OPENAI_API_KEY: its age is unknown: its store has no time for it",
            "bridge: hint: run `bridge sync staging`, or set `expires` instead of `max_age`",
        ]
        desk.run("sync", "staging")
        assert desk.run("check", "staging", "--age", "--live").lines == []
        backdate(desk, "OPENAI_API_KEY", ago(days=97))
        result = desk.run("check", "staging", "--age", "--live")
        assert (result.status, result.lines) == (
            1,
            ["bridge: error: OPENAI_API_KEY: is at least 97 days old; its limit is 90 days", HINT],
        )

    def test_expired_certificate_without_limit_is_error(self, offline_desk: Desk) -> None:
        desk = offline_desk
        ends = in_days(-2)
        text = certificate(ends)
        desk.canaries |= set(text.splitlines()[1:-1])
        desk.values(OPENAI_API_KEY=text)
        limit(desk)
        result = desk.run("check", "staging", "--age", "--output", "json")
        assert result.status == 1
        assert [(one["where"], one["what"]) for one in result.data["errors"]] == [
            ("OPENAI_API_KEY", f"its certificate expired on {ends.date().isoformat()}")
        ]
        (row,) = result.data["ages"]
        assert (row["name"], row["object"], row["key"]) == ("OPENAI_API_KEY", "Secret/agent-secrets", "OPENAI_API_KEY")

    def test_source_that_cannot_be_read_is_error(self, offline_desk: Desk) -> None:
        desk = offline_desk
        desk.environment(providers={"plain": {"fail": "unavailable"}}, variables={"OPENAI_API_KEY": {"max_age": "90d"}})
        assert desk.run("check", "staging").status == 0
        assert desk.run("check", "staging", "--age", "--timeout", "1").status == 75

    def test_limit_of_variable_that_nothing_uses_is_noticed_offline(self, offline_desk: Desk) -> None:
        limit(offline_desk, OPENAI_API_KYE={"max_age": "90d"})
        result = offline_desk.run("check", "staging")
        assert result.status == 0
        assert (
            "bridge: warning: staging.yaml variables.OPENAI_API_KYE: has an age limit, but no template uses it"
            in result.lines
        )

    def test_age_is_not_for_single_files(self, offline_desk: Desk) -> None:
        result = offline_desk.run("check", "--age", "--files", "sops", "x.yaml")
        assert result.status == 2
        assert "`--age`" in result.err


class TestMetrics:
    """The ages of variables with a limit, and how many are over it."""

    def metrics(self, desk: Desk, name: str = "metrics.prom") -> list[str]:
        target = desk.folder / name
        desk.run("sync", "staging", "--metrics", str(target))
        found = [line for line in target.read_text().splitlines() if line.startswith(("bridge_key_", "bridge_keys_"))]
        assert not any(canary in target.read_text() for canary in desk.canaries)
        return found

    def test_only_variables_with_limit_have_age(self, offline_desk: Desk) -> None:
        limit(offline_desk, time=ago(days=97), OPENAI_API_KEY={"max_age": "90d"}, CARTESIA_API_KEY={"max_age": "99d"})
        age, other, overdue, soon = self.metrics(offline_desk)
        assert re.fullmatch(r'bridge_key_age_seconds\{environment="staging",name="CARTESIA_API_KEY"\} 83\d{5}', age)
        assert re.fullmatch(r'bridge_key_age_seconds\{environment="staging",name="OPENAI_API_KEY"\} 83\d{5}', other)
        assert overdue == 'bridge_keys_overdue{environment="staging"} 1'
        assert soon == 'bridge_keys_due_soon{environment="staging"} 1'

    def test_without_limits_counts_are_zero_and_old_ages_disappear(self, offline_desk: Desk) -> None:
        limit(offline_desk, time=ago(days=97), OPENAI_API_KEY={"max_age": "90d"})
        self.metrics(offline_desk)
        limit(offline_desk, time=ago(days=97))
        assert self.metrics(offline_desk) == [
            'bridge_keys_overdue{environment="staging"} 0',
            'bridge_keys_due_soon{environment="staging"} 0',
        ]


def test_fleet_asks_stores_for_times_if_one_environment_limits_ages(offline_desk: Desk) -> None:
    desk = offline_desk
    plain = {"plain": {"asked_time": ago(days=97)}}
    desk.environment("aaa", id="aaa", env_file=None, templates=["base/secrets.yml"], providers=plain, namespace="other")
    desk.target.client.request("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}})
    desk.environment(providers=plain, variables={"OPENAI_API_KEY": {"max_age": "90d"}})
    result: Result = desk.run("plan", "--all")
    assert "OPENAI_API_KEY: is at least 97 days old; its limit is 90 days" in result.err


def test_no_output_about_ages_shows_value(offline_desk: Desk, tmp_path: Path) -> None:
    """The desk looks for canaries in every output of a run; here all outputs are made, with everything to report."""
    desk = offline_desk
    text = certificate(in_days(1))
    desk.canaries |= {*text.splitlines()[1:-1], "CANARY-name", base64.b64encode(b"CANARY-name").decode()}
    desk.values(OPENAI_API_KEY=text)
    limit(desk, time=ago(days=97), max_age="90d", CARTESIA_API_KEY={"expires": "2026-01-01"})
    metrics = tmp_path / "metrics.prom"
    for command in (
        ("plan", "staging"),
        ("plan", "staging", "--output", "markdown"),
        ("sync", "staging", "--metrics", str(metrics), "--log-format", "json"),
        ("status", "staging"),
        ("status", "staging", "--output", "json"),
        ("check", "staging", "--age"),
        ("check", "staging", "--age", "--live", "--output", "json"),
    ):
        result = desk.run(*command)
        assert "CARTESIA_API_KEY" in result.out + result.err
    assert not any(canary in metrics.read_text() for canary in desk.canaries)
