"""Finds the sentences of README.md and the help pages that promise how bridge behaves.

A sentence is a promise if it says what bridge does, refuses, needs or shows. Words decide (`PROMISE`), because a list
of promises would not notice a new one. These are none:

- instructions, which begin with a verb for the reader (`INSTRUCTION`), unless they say what bridge does too (`OURS`);
- headings, blocks of code, pictures, heads and first cells of tables, and rows that name their test themselves.

What the words take for a promise and is none, such as a fact about another program, has a reason in the table instead
of a test (see tests/claims/table.py).
"""

import re
from collections.abc import Iterator

from tests.pages import Page

PROMISE = re.compile(
    r"""\b(?: never | always | only | refuse[sd]? | cannot | must | may\ not | does\ not | do\ not | is\ not | are\ not
    | nothing | no | none | errors? | warns? | warnings? | stays? | stops? | keeps? | kept | leaves? | ignore[sd]?
    | reads? | writes? | written | prints? | shows? | shown | reports? | reported | asks? | asked | checks? | checked
    | sends? | sent | waits? | ends? | exits? | status(?:es)? | compare[sd]? | verif(?:y|ies|ied) | restarts? | removed?
    | removes | deletes? | creates? | created | replaces? | replaced | drops? | dropped | limited | masks? | masked
    | releases? | revokes? | retried | retries | starts? | follows? | lists? | lets? | tells? | names | counts? | gives?
    | gets? | needs? | takes? | contains? | has | have | uses? | used | tries | tried | wins? | fails? | is\ an\ error
    | are\ errors | killed | stored | encrypted | merged | accepted | bound | updates? | opens?
    | logs\ in | changes | mounts? | reverted | records? | repairs? | copied | cut | judged | taken | applied | reads
    | at\ a\ time | own\ fields | available )\b""",
    re.VERBOSE | re.IGNORECASE,
)
"""Words that a promise has at least one of."""
INSTRUCTION = re.compile(
    r"""(?:First|Then|Now|Also|If\ [^,]+,|When\ [^,]+,|For\ [^,]+,|To\ [^,]+,|After\ [^,]+,|In\ [^,]+,|Without\ [^,]+,
    |With\ [^,]+,|Once\ [^,]+,|Before\ [^,]+,)?\s*
    (?:do\ not|[Dd]o|add|ask|bind|check|choose|commit|compare|copy|create|delete|export|fill|find|fix|give|import
    |install|keep|leave|let|list|log|look|make|move|name|open|pass|pause|pin|point|protect|pull|put|read|register|remove
    |rename|renew|replace|restrict|review|revoke|rotate|run|say|see|send|set|start|store|subclass|suspend|take|tell|turn|unset
    |update|use|verify|wait|watch|write|you\ can|you\ need|your)\b""",
    re.VERBOSE | re.IGNORECASE,
)
OURS = re.compile(r"\bbridge (?:never |only |also )?[a-z]+s\b|`bridge [^`]+` [a-z]+s\b")
"""What an instruction may also say: `Store such numbers as text; bridge warns about long ones.`"""
_FEWEST = 4
"""A cell with fewer words is a name."""


def sentences(page: Page) -> list[str]:
    """Return every sentence of a page without its markup; cells of tables are read as sentences too."""
    return list(dict.fromkeys(one for block in _blocks(page) for one in _split(_plain(block))))


def promises(page: Page) -> list[str]:
    """Return the sentences that promise something, in their order."""
    return [one for one in sentences(page) if is_promise(one)]


def is_promise(sentence: str) -> bool:
    """Return whether a sentence says how bridge behaves."""
    if len(sentence.split()) < _FEWEST or not PROMISE.search(sentence):
        return False
    return not INSTRUCTION.match(sentence) or bool(OURS.search(sentence))


def _blocks(page: Page) -> Iterator[str]:
    """Yield each paragraph, each item of a list, and the cells of tables that say something, in one line."""
    text = (
        page.text if page.name == "README.md" else re.sub(r"\A# .*\n\n.+\n", "", page.text)
    )  # the title, and the line that `bridge help` lists
    text = re.sub(r"(?ms)^ *```.*?^ *```$", "", text)
    text = re.sub(r"(?s)<!--.*?-->|</?(?:details|summary)>", "", text)
    held: list[str] = []
    for bare in [*map(str.strip, text.splitlines()), ""]:
        begins = re.match(r"(?:[-*]|\d+\.) ", bare)
        if held and (not bare or begins or bare.startswith(("#", "|", "!["))):
            yield " ".join(held)
            held = []
        if bare and not bare.startswith(("#", "|", "![")):
            held.append(bare[len(begins[0]) :] if begins else bare)
    for row in Page("", text).rows:
        yield from row[1:] if not any("`tests/" in cell for cell in row) else ()


def _plain(text: str) -> str:
    """Return the text without links and emphasis; code keeps its marks, because they tell a name from a word."""
    text = re.sub(r"\[([^\[\]]*)\]\([^()\s]*\)", r"\1", text)
    return re.sub(r"\*\*|(?<![\w`])\*(?=\w)|(?<=\w)\*(?![\w`])", "", text).replace("\\|", "|").strip()


def _split(text: str) -> list[str]:
    """Split at the end of each sentence: a stop before a space and a capital, a digit or code."""
    parts = re.split(r"(?<=[.!?])\)? (?=[A-Z`\[(0-9]|bridge\b|age\b|kubectl\b)", text)
    return [part.strip() for part in parts if part.strip()]
