"""The picture of a plan in README.md is the program's own, and has the same text as the block below it."""

import re
from xml.etree import ElementTree as ET

import pytest

from tests import picture
from tests.pages import README, ROOT

STALE = "run `python tests/picture.py`, and look at the picture"


@pytest.fixture(scope="module")
def shown() -> str:
    return picture.plan()


def test_picture_is_what_program_shows(shown: str) -> None:
    assert picture.FILE.read_text() == picture.svg(shown), STALE


def test_text_below_picture_is_what_program_shows(shown: str) -> None:
    assert README.block("plan") == f"$ {picture.COMMAND}\n{picture.as_text(shown)}", STALE


def test_picture_has_every_line_of_text_and_every_colour_in_light_and_dark() -> None:
    root = ET.parse(picture.FILE).getroot()
    lines = ["".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert lines == [line for line in README.block("plan").splitlines() if line]
    light, _, dark = picture.STYLE.partition("@media (prefers-color-scheme: dark)")
    used = set(re.findall(r'class="(\w+)"', picture.FILE.read_text())) - {"bold"}
    assert {"red", "green", "yellow", "magenta"} <= used
    assert [name for name in used for theme in (light, dark) if f".{name} {{ fill: #" not in theme] == []


def test_readme_shows_picture_above_its_text() -> None:
    path = picture.FILE.relative_to(ROOT)
    assert re.search(rf"!\[[^\]]+\]\({re.escape(str(path))}\)\n\n<details>.*<!-- plan -->", README.text, re.DOTALL)
