"""A third party's provider: it passes the contract, and what is wrong with one is told by its name."""

import json
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from bridge.provider import Context, Provider
from bridge.testing.contract import ProviderContract
from tests.desk import Desk
from tests.team import VALUES


class TestJsonFile(ProviderContract):
    @pytest.fixture(autouse=True)
    def _installed(self, third_party: Path) -> None:
        pass

    def provider(self, folder: Path) -> Provider:
        from bridge_jsonfile import JsonFile  # noqa: PLC0415 - installed by the fixture

        return JsonFile()

    def put(self, folder: Path, values: Mapping[str, str]) -> str:
        return self.put_json(folder, json.dumps(values))

    def put_json(self, folder: Path, text: str) -> str:
        (folder / "document.json").write_text(text)
        return "document.json"


class Asking(TestJsonFile):
    """A provider whose sessions ask what was read before; `guard` is what it says about that."""

    __test__ = False

    def __init__(self, **guard: bool) -> None:
        self.guard = guard

    def provider(self, folder: Path) -> Provider:
        from bridge_jsonfile import JsonFile, JsonFileSession  # noqa: PLC0415 - as above

        def open_session(provider: JsonFile, context: Context) -> JsonFileSession:
            context.known()
            return JsonFile.open(provider, context)

        return type("Asking", (JsonFile,), {"open": open_session, **self.guard})()


@pytest.mark.usefixtures("third_party")
def test_contract_finds_provider_that_asks_what_was_read_before_and_does_not_say_so(tmp_path: Path) -> None:
    Asking(wants_known=True).test_provider_that_asks_what_was_read_declares_it(tmp_path)
    for guard in ({}, {"wants_known": False}):
        with pytest.raises(AssertionError):
            Asking(**guard).test_provider_that_asks_what_was_read_declares_it(tmp_path)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Path]:
    """A folder of installed packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


def install(site: Path, package: str, *points: str) -> None:
    """Put there what pip would: the metadata of a package with entry points."""
    info = site / f"{package.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bridge.providers]\n" + "\n".join(points) + "\n")


def error_of(desk: Desk, status: int) -> list[str]:
    result = desk.run("check", "staging")
    assert result.status == status
    return result.lines


def test_provider_that_nobody_installed(offline_desk: Desk) -> None:
    offline_desk.environment(sources=["plaim:values.json"])
    assert error_of(offline_desk, 2) == [
        "bridge: error: staging.yaml: unknown provider plaim",
        "bridge: hint: did you mean plain?",
    ]


def test_section_whose_type_nobody_installed(offline_desk: Desk) -> None:
    installed = ", ".join(sorted(one.name for one in entry_points(group="bridge.providers")))
    offline_desk.environment(sources=["mine:x"], providers={"mine": {"provider": "zzz"}})
    assert error_of(offline_desk, 2) == [
        "bridge: error: staging.yaml: providers.mine.provider: provider is not installed",
        f"bridge: hint: use one of the installed providers: {installed}",
    ]


def test_unknown_option_and_wrong_one(offline_desk: Desk) -> None:
    offline_desk.environment(providers={"plain": {"fails": "x"}})
    assert error_of(offline_desk, 2) == [
        "bridge: error: staging.yaml: providers.plain.fails: unknown key",
        "bridge: hint: did you mean fail?",
    ]
    offline_desk.environment(providers={"plain": {"fail": "CANARY-x"}})
    assert error_of(offline_desk, 2) == ["bridge: error: staging.yaml: providers.plain.fail: must be a known failure"]


def test_name_that_two_packages_claim(offline_desk: Desk, site: Path) -> None:
    install(site, "one", "twice = one:One")
    install(site, "two", "twice = two:Two")
    offline_desk.environment(sources=["twice:x"])
    assert error_of(offline_desk, 1) == [
        "bridge: error: provider twice: is defined by more than one package: one, two",
        "bridge: hint: uninstall all but one",
    ]


def test_provider_that_cannot_be_imported(offline_desk: Desk, site: Path) -> None:
    install(site, "broken-package", "broken = broken_module:Broken")
    (site / "broken_module.py").write_text("raise RuntimeError('CANARY-import')")
    offline_desk.canaries.add("CANARY-import")
    offline_desk.environment(sources=["broken:x"])
    assert error_of(offline_desk, 1) == [
        "bridge: error: provider broken: cannot be loaded (RuntimeError)",
        "bridge: hint: reinstall the package broken-package",
    ]


MODULE = """\
from dataclasses import dataclass
from typing import ClassVar
from bridge.provider import Denied, Document, NotFound, Problem, Revision, SecretValue

@dataclass(frozen=True)
class Odd:
    concurrency: ClassVar[object] = 1

    def open(self, context): return self
    def read(self, path, revision=None): return Document(({},), Revision("1"))
    def close(self): pass
"""


def odd(desk: Desk, site: Path, *changes: str) -> None:
    """Install a provider that is usual but for some lines, in a module of its own."""
    name = f"odd_{site.parent.name}"
    install(site, name, f"odd = {name}:Odd")
    (site / f"{name}.py").write_text(MODULE + "".join(f"    {line}\n" for line in changes))
    desk.canaries.add("CANARY-odd")
    desk.environment(sources=["odd:x"])


BROKEN = "raise RuntimeError('CANARY-odd')"
SOUND_CHECK = (
    f"def check(self, *_): return []\n    def names(self, *_): return frozenset({[*VALUES]})\n"
    "    def rewritten_numbers(self, *_)"
)
AUTHOR = "report it to the provider's author"


def told(error: str, hint: str = AUTHOR) -> list[str]:
    return [f"bridge: error: {error}", *([f"bridge: hint: {hint}"] if hint else [])]


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (f"def open(self, context): {BROKEN}", told("odd:x: the provider failed (RuntimeError)")),
        ("def open(self, _): raise Denied('who are you?', hint='log in')", told("odd:x: who are you?", "log in")),
        ("def open(self, context): return None", told("odd:x: the provider failed (AttributeError)")),
        (f"def read(self, *_): {BROKEN}", told("odd:x: the provider failed (RuntimeError)")),
        ("def read(self, *_): return {'A': 'CANARY-odd'}", told("odd:x: the provider did not return a Document")),
        (
            "def read(self, *_): return Document(({'A': 'CANARY-odd'},), Revision('1'))",
            told("odd:x: the provider returned a value that is not a SecretValue"),
        ),
    ],
)
def test_what_provider_does_wrong_is_reported_with_reference(
    offline_desk: Desk, site: Path, change: str, lines: list[str]
) -> None:
    odd(offline_desk, site, change)
    result = offline_desk.run("sync", "staging")
    assert (result.lines, result.status) == (lines, 1)


def test_provider_that_cannot_be_opened_does_not_hide_what_others_say(offline_desk: Desk, site: Path) -> None:
    odd(offline_desk, site, f"def open(self, context): {BROKEN}")
    offline_desk.environment(sources=["odd:x", "odd:y", "plain:nothing.json"])
    assert [line for line in offline_desk.run("sync", "staging").lines if "error" in line] == [
        "bridge: error: odd:x: the provider failed (RuntimeError)",
        "bridge: error: odd:y: the provider failed (RuntimeError)",
        "bridge: error: plain:nothing.json: no such document",
    ]


NO_CONTRACT = "provider odd: must have `open`, and `concurrency` of at least 1"


@pytest.mark.parametrize(
    ("change", "status", "lines"),
    [
        (
            f"def __post_init__(self): {BROKEN}",
            2,
            told(
                "staging.yaml: providers.odd: the provider odd cannot be built (RuntimeError)",
                f"check the section, or {AUTHOR}",
            ),
        ),
        ("concurrency = 0", 1, told(NO_CONTRACT)),
        ("open = None", 1, told(NO_CONTRACT)),
        (
            f"def check(self, path, context): {BROKEN}\n    names = check",
            1,
            told("odd:x: the provider failed (RuntimeError)"),
        ),
        (
            "def check(self, path, context): return ['CANARY-odd']\n    def names(self, *_): return None",
            1,
            told("odd:x: the provider failed (AttributeError)"),
        ),
        (
            "def check(self, *_): raise NotFound('no such file')\n    def names(self, *_): return None",
            1,
            told("odd:x: no such file", ""),
        ),
        (f"{SOUND_CHECK}: {BROKEN}", 1, told("odd:x: the provider failed (RuntimeError)")),
        (f"{SOUND_CHECK}: return ['CANARY-odd']", 1, told("odd:x: the provider failed (ValueError)")),
    ],
)
def test_what_provider_does_wrong_before_it_is_opened(
    offline_desk: Desk, site: Path, change: str, status: int, lines: list[str]
) -> None:
    odd(offline_desk, site, change)
    assert error_of(offline_desk, status) == lines


def test_provider_that_is_no_dataclass(offline_desk: Desk, site: Path) -> None:
    install(site, "no_dataclass", "nothing = json:loads")
    offline_desk.environment(sources=["nothing:x"])
    assert error_of(offline_desk, 1) == [
        "bridge: error: provider nothing: is not a dataclass",
        "bridge: hint: report it to the provider's author",
    ]
