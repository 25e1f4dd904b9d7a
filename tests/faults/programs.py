"""A program that is a store, with the faults that a program has. A shell script, so that it starts in no time."""

import json
from pathlib import Path
from typing import Final

from tests.faults.kinds import CANARY, DONE, HTML, REFUSED, TEMPORARY, Fault

_SCRIPT: Final = """\
#!/bin/sh
cd {folder}
echo >> calls
number=0
while read -r line; do number=$((number + 1)); done < calls
read -r call lasting < meets
if [ "$number" -eq "$call" ] || {{ [ "$lasting" = yes ] && [ "$number" -gt "$call" ]; }}; then
    echo >> met
    . ./fault
fi
exec /bin/cat values.json
"""
_TEMPORARY: Final = 75


def _prints(text: str) -> str:
    return f"printf %s '{text}'; exit 0"


def _ends(status: int) -> str:
    return f"echo {CANARY} >&2; exit {status}"


PROGRAMS: Final = (
    Fault("cannot be started", REFUSED, on_connection="refuse"),
    Fault("is killed before it prints anything", REFUSED, script="kill -9 $$"),
    Fault("is killed in the middle of its output", REFUSED, script="/bin/cat half; kill -9 $$"),
    Fault("is killed after its output", REFUSED, script="/bin/cat values.json; kill -9 $$"),
    Fault("never ends", TEMPORARY, script="exec sleep 600", is_slow=True),
    Fault("prints everything and never ends", TEMPORARY, script="/bin/cat values.json; exec sleep 600", is_slow=True),
    Fault("ends, and its child keeps its output open", TEMPORARY, script="sleep 600 & exit 0", is_slow=True),
    Fault("prints without an end", TEMPORARY, script="while :; do printf ' '; sleep 0.02; done", is_slow=True),
    Fault("ends with a status that means `denied`", REFUSED, script=_ends(41)),
    Fault("ends with a status that means `not found`", REFUSED, script=_ends(44)),
    Fault("ends with a status that means `temporary`", TEMPORARY, script=_ends(_TEMPORARY)),
    Fault("ends with any other status", REFUSED, script=_ends(1)),
    Fault("writes to its standard error", DONE, script=f"echo {CANARY} >&2"),
    Fault("prints slowly", DONE, script='while read -r line; do echo "$line"; sleep 0.01; done < lines.json; exit 0'),
    Fault("prints a web page", REFUSED, script=_prints(HTML.decode())),
    Fault("prints half a document", REFUSED, script="exec /bin/cat half"),
    Fault("prints nothing", REFUSED, script="exit 0"),
    Fault("prints another JSON", REFUSED, script=_prints(f'{{"message": "{CANARY}"}}')),
    Fault("prints a JSON list", REFUSED, script=_prints(f'["{CANARY}"]')),
    Fault("prints a name twice", REFUSED, script=_prints(f'{{"PASSWORD": "{CANARY}", "PASSWORD": "b"}}')),
    Fault("prints bytes that are not text", REFUSED, script="printf '\\377\\376'; exit 0"),
    Fault("prints far too much", REFUSED, script="exec /bin/cat /dev/zero"),
)
"""Every fault of a program, in the order of its table."""
STATUSES: Final = {"41": "denied", "44": "not found", str(_TEMPORARY): "temporary"}


class FaultyProgram:
    """The program `path`; its calls are its starts. To be used as a FaultProxy is."""

    was_followed = False

    def __init__(self, folder: Path) -> None:
        self.path: Final = folder / "store"
        self._folder: Final = folder
        self.path.write_text(_SCRIPT.format(folder=folder))
        self.path.chmod(0o700)
        self.apply(None)

    @property
    def calls(self) -> list[str]:
        """The starts since `apply`."""
        return ["a start of the program"] * len((self._folder / "calls").read_text())

    @property
    def met(self) -> int:
        """How often the fault was met since `apply`."""
        return len((self._folder / "met").read_text()) + (not self.path.exists())

    def put(self, values: dict[str, str]) -> None:
        """Let the program print these values."""
        text = json.dumps(values)
        (self._folder / "values.json").write_text(text)
        (self._folder / "lines.json").write_text(json.dumps(values, indent=1) + "\n")
        (self._folder / "half").write_text(text[: len(text) // 2])

    def apply(self, fault: Fault | None, call: int = 0, *, lasting: bool = False) -> None:
        """Start to count, and let the fault meet one start, or with `lasting` all from there on."""
        for name in ("calls", "met"):
            (self._folder / name).write_text("")
        (self._folder / "fault").write_text(f"{fault.script}\n" if fault else "")
        (self._folder / "meets").write_text(f"{call if fault else 0} {'yes' if fault and lasting else 'no'}\n")
        if fault and fault.on_connection:
            self.path.rename(self.path.with_suffix(".away"))

    def end(self) -> None:
        """Be a good program again."""
        if not self.path.exists():
            self.path.with_suffix(".away").rename(self.path)
        (self._folder / "meets").write_text("0 no\n")
