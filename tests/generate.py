"""Write the completion scripts and the manual page from the parser: `make generated`, after a change of the parser.

They are files of the repository, so that neither a run nor an installation needs the tools that make them.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import shtab
from argparse_manpage.manpage import Manpage

from bridge.commands.help import TOPICS
from bridge.parser import build_parser, command_names
from bridge.parser.commands import COMMANDS, SHELLS

ROOT: Final = Path(__file__).parents[1]
SCRIPTS: Final = ROOT / "bridge" / "completion"
MANUAL: Final = ROOT / "bridge" / "help" / "man"
SECOND: Final = "bridge-secrets"

FOLDERS: Final = {"config", "layout", "fix_kustomize", "deploy"}
FILES: Final = {"kubeconfig", "manifests", "files", "file", "paths", "metrics", "out", "plan"}
ENVIRONMENTS: Final = {"environment", "like"}
ENVIRONMENT: Final = {"bash": "_bridge_environments", "zsh": "_bridge_environments", "fish": "(_bridge_environments)"}

# bash and zsh must never evaluate a name, which may be the name of a file in someone's branch.
PREAMBLE: Final = {
    "bash": """\
_bridge_environments() {
  local index name config=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    if [[ ${COMP_WORDS[index]} == --config ]]; then
      [[ ${COMP_WORDS[index + 1]} == = ]] && ((index++))
      name="${COMP_WORDS[index + 1]}"
      config=(--config "${name/#\\~/$HOME}")
    fi
  done
  while IFS= read -r name; do
    [[ $name == "$1"* ]] && printf '%s\\n' "$name"
  done < <("${COMP_WORDS[0]/#\\~/$HOME}" completion environments "${config[@]}" 2>/dev/null)
}
""",
    "zsh": """\
_bridge_environments() {
  local -a names config
  local index=${words[(I)--config]}
  if (( index )); then
    config=(--config "${words[index + 1]/#\\~/$HOME}")
  elif [[ -n ${words[(r)--config=*]} ]]; then
    config=("${words[(r)--config=*]}")
  fi
  names=(${(f)"$(command ${service:-bridge} completion environments $config 2>/dev/null)"})
  compadd -a names
}
""",
    "fish": """\
function _bridge_environments
  set -l words (commandline -opc)
  set -l config
  for index in (seq 2 (count $words))
    if test "$words[$index]" = --config
      set config --config (string replace -r '^~(?=/|$)' -- $HOME $words[(math $index + 1)])
    else if string match -q -- '--config=*' $words[$index]
      set config $words[$index]
    end
  end
  command $words[1] completion environments $config 2>/dev/null
end
""",
}


def generated() -> Iterator[tuple[Path, str]]:
    """Yield each file with its text."""
    # The name and the width that help has do not come from where this runs.
    with patch.object(sys, "argv", ["bridge"]), patch.dict(os.environ, {"COLUMNS": "80"}):
        for shell in ("bash", "zsh", "fish"):
            text = shtab.complete(_parser(), shell=shell, preamble=PREAMBLE)
            yield SCRIPTS / f"bridge.{shell}", _for_second_name(shell, text)
        yield MANUAL / "bridge.1", _manual()
    yield MANUAL / f"{SECOND}.1", ".so man1/bridge.1\n"


def _parser() -> argparse.ArgumentParser:
    """Return the parser with what each argument completes to."""
    parser = build_parser()
    for name, command in _commands(parser).items():
        command.description = COMMANDS[name][0]
        for action in command._actions:
            _complete(action)
    return parser


def _complete(action: argparse.Action) -> None:
    words: Any = action
    if action.dest in FOLDERS:
        words.complete = shtab.DIRECTORY
    elif action.dest in FILES:
        words.complete = shtab.FILE
    elif action.dest in ENVIRONMENTS:
        words.complete = ENVIRONMENT
    elif action.dest == "topic":
        action.choices = (*TOPICS, *command_names())
    elif action.dest == "shell":
        action.choices = [shell for shell in SHELLS if shell != "environments"]
    if isinstance(action.metavar, tuple):
        action.metavar = action.metavar[-1]


def _commands(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    return next(action.choices for action in parser._actions if action.dest == "command")  # type: ignore[return-value]


def _for_second_name(shell: str, script: str) -> str:
    """Complete for the program's other name too."""
    if shell == "bash":
        return f"{script.rstrip()} {SECOND}\n"
    if shell == "zsh":
        changed = script.replace("#compdef bridge\n", f"#compdef bridge {SECOND}\n", 1)
        return (
            re.sub(r"compdef _shtab_bridge -N bridge\b", f"compdef _shtab_bridge bridge {SECOND}", changed).rstrip()
            + "\n"
        )
    return f"{script.rstrip()}\n\ncomplete -c {SECOND} -w bridge\n"


def _manual() -> str:
    parser = build_parser()
    epilog, parser.epilog = parser.epilog or "", None
    manual = Manpage(parser, format="pretty")
    manual.date, manual.source, manual.manual = "", "bridge-secrets", "bridge"
    manual.description = "sync values from secret stores to Kubernetes"
    for block in epilog.strip().split("\n\n"):
        heading, _, text = block.partition("\n")
        manual.add_section(heading.rstrip(":"), "=", f".nf\n{_roff(text)}\n.fi")
    return str(manual)


def _roff(text: str) -> str:
    return re.sub(r"(?m)^  ", "", text).replace("\\", "\\\\").replace("-", "\\-")


def main() -> None:
    """Write all files."""
    for path, text in generated():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
