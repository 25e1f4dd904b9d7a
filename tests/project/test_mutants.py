"""`make mutants`: which edits are made, and that a test which notices nothing lowers the score."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.mutants import run
from tests.mutants.mutations import mutants
from tests.pages import ROOT


@pytest.mark.parametrize(
    ("line", "edits"),
    [
        ("a < 3", {"(a <= 3)", "(a >= 3)", "a < 4"}),
        ("a == b", {"(a != b)"}),
        ("a not in b", {"(a in b)"}),
        ("a and not b", {"(a or not b)", "a and (b)"}),
        ("a + b", {"(a - b)"}),
        ("True", {"False"}),
        ("'text'", {"''"}),
        ("f'{a}'", {"''"}),
        ("f(a, b, c=d)", {"(f(b, a, c=d))"}),
        ("1 if a else b", {"2 if a else b", "1 if (not a) else b"}),
        ("[x for x in y if x]", {"[x for x in y if (not x)]"}),
    ],
)
def test_expression_is_edited(line: str, edits: set[str]) -> None:
    assert {one.new for one in mutants("m.py", f"v = {line}\n".encode())} == {f"v = {edit}" for edit in edits}


@pytest.mark.parametrize(
    ("line", "edits"),
    [
        ("call()", {"pass"}),
        ("a.b = c", {"pass"}),
        ("a = b", set()),
        ("raise a", {"pass"}),
        ("return a", {"return None"}),
        ("return None", set()),
        ("return True", {"return False"}),
        ("return not a", {"return None", "return (a)"}),
        ("assert a is not None", set()),
        ('"""What it does."""', set()),
        ("a: 'str' = b", set()),
    ],
)
def test_statement_is_removed_or_returns_nothing(line: str, edits: set[str]) -> None:
    found = mutants("m.py", f"class C:\n    def f(self) -> 'int':\n        {line}\n".encode())
    assert {one.new for one in found} == edits
    assert {one.function for one in found} <= {"C.f"}


def test_answer_is_turned_round() -> None:
    found = mutants("m.py", b"def f() -> bool:\n    if a():\n        return True\n    return b()\n")
    assert [one.new for one in found] == ["if (not a()):", "return False", "return (not b())"]


def test_description_below_constant_stays() -> None:
    assert [one.new for one in mutants("m.py", b'"""M."""\nA = 1\n"""What A is."""\n')] == ["A = 2"]


def test_edit_is_made_at_its_place_in_bytes() -> None:
    source = 'é = "é" if a == 1 else f(é,\n  é)\n'.encode()
    edited = {one.apply(source).decode() for one in mutants("m.py", source)}
    assert 'é = "é" if (a != 1) else f(é,\n  é)\n' in edited
    assert 'é = "é" if a == 1 else (f(é, é))\n' in edited


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A product of one function, half of whose edits its test does not notice; one of the others never ends."""
    (tmp_path / "bridge").mkdir()
    (tmp_path / "bridge" / "__init__.py").write_text("")
    (tmp_path / "bridge" / "limit.py").write_text("def below(n):\n    while n >= 3:\n        n -= 1\n    return n\n")
    plugin = tmp_path / "tests" / "mutants"
    plugin.mkdir(parents=True)
    for name in ("__init__.py", "mutants/__init__.py"):
        (tmp_path / "tests" / name).write_text("")
    (plugin / "contexts.py").write_text((run.HERE / "contexts.py").read_text())
    (tmp_path / "tests" / "test_limit.py").write_text(
        "from bridge.limit import below\n\n\ndef test_below():\n    assert below(5) < 4\n"
    )
    markers = '["real: x", "slow: x", "wheel: x"]'
    (tmp_path / "pyproject.toml").write_text(f"[tool.pytest.ini_options]\nmarkers = {markers}\n")
    monkeypatch.setattr(run, "ROOT", tmp_path)
    monkeypatch.setattr(run, "CACHE", tmp_path / ".cache")
    monkeypatch.setattr(run, "_STARTING", 3)
    monkeypatch.setattr(run, "_COPIED", ("bridge", "tests", "pyproject.toml"))
    monkeypatch.setattr(run, "rooms", lambda: {"toy": {"modules": ["bridge/*.py"], "tests": ["tests"]}})
    return tmp_path


def tried(project: Path, listed: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    (project / "equivalent.toml").write_text(listed)
    files = ("--equivalent", str(project / "equivalent.toml"), "--json", str(project / "report.json"))
    status = run.main(["--sample", "0", *files, *arguments])
    return status, json.loads((project / "report.json").read_text())


@pytest.mark.slow
def test_mutant_that_no_test_notices_survives(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = (project / "bridge" / "limit.py").read_text()
    status, report = tried(project, "equivalent = []")
    outcomes = {one["new"]: one["outcome"] for one in report["mutants"]}
    assert outcomes == {
        "while (n > 3):": "survived",
        "while (n < 3):": "killed",
        "while n >= 4:": "survived",
        "pass": "timed out",
        "n -= 2": "survived",
        "return None": "killed",
    }
    assert (status, report["rooms"]["toy"]["score"]) == (1, 50.0)
    assert "bridge/limit.py:2 in below (survived)\n  - while n >= 3:\n  + while (n > 3):\n" in capfd.readouterr().out
    assert (project / "bridge" / "limit.py").read_text() == before


ENTRY = """
[[equivalent]]
module = "bridge/limit.py"
function = "below"
old = "while n >= 3:"
new = "{}"
reason = "nobody asks for 3"
"""


@pytest.mark.slow
def test_listed_mutants_do_not_count_and_must_exist(project: Path) -> None:
    listed = ENTRY.format("while (n > 3):") + ENTRY.format("while n >= 4:")
    status, report = tried(project, listed, "--only", "while")
    assert (status, report["rooms"]["toy"]["score"]) == (0, 100.0)
    earlier = {"module": "bridge/limit.py", "function": "below", "old": "return n", "new": "return None"}
    earlier |= {"outcome": "survived"}
    (project / "earlier.json").write_text(
        json.dumps({"mutants": [earlier, earlier | {"old": "n -= 1", "outcome": "killed"}]})
    )
    _, report = tried(project, listed, "--again", str(project / "earlier.json"))
    assert [(one["new"], one["outcome"]) for one in report["mutants"]] == [("return None", "killed")]
    with pytest.raises(SystemExit, match="no mutant is like that"):
        tried(project, listed, "--only", "unless")
    with pytest.raises(SystemExit, match="no mutant"):
        tried(project, ENTRY.format("while n > 3:"))


def test_listed_mutants_of_product_have_a_reason_and_exist() -> None:
    for entry in tomllib.loads((run.HERE / "equivalent.toml").read_text())["equivalent"]:
        keys = {one.key for one in mutants(entry["module"], (ROOT / entry["module"]).read_bytes())}
        assert (entry["module"], entry["function"], entry["old"], entry["new"]) in keys
        assert re.search(r"\w+ \w+", entry["reason"])


def test_rooms_name_modules_and_tests_that_exist() -> None:
    for name, room in run.rooms().items():
        assert all(list(ROOT.glob(pattern)) for pattern in room["modules"]), name
        assert all((ROOT / path).exists() for path in room["tests"]), name
