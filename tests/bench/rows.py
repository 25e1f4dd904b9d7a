"""The rows of the table: what is measured against what, and the aim."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from tests.bench import external_secrets, far
from tests.bench.fleet import OBJECTS, fleet_of
from tests.bench.installation import ROOT
from tests.bench.long_history import COMMITS, FILES, long_history
from tests.bench.long_review import LongReview
from tests.bench.measure import Command, Contest
from tests.bench.scaleway import DOCUMENTS, LATENCY, Documents, Known
from tests.bench.scan import Gigabyte
from tests.bench.stage import Stage
from tests.bench.vault import Paths, Twelve
from tests.bench.writes import SECRETS, Five, Many, flat_yaml, values, watch

FIVE_FOLD: Final = 5
READER: Final = Path(__file__).with_name("read_sops.py")
READER_OF_MANY: Final = Path(__file__).with_name("read_many_sops.py")


def five_unchanged(stage: Stage) -> Contest:
    """`bridge sync` where nothing is to be done, the everyday case."""
    five = Five(stage)
    check = watch(stage, five.namespaces, changes=False)
    title = "sync, 5 objects, nothing to change, against `sops -d \\| kubectl apply --server-side`"
    return Contest(title, five.ours, five.theirs, "0.8", check=check)


def thousand_unchanged(stage: Stage) -> Contest:
    """The same for a large environment."""
    thousand = Many(stage, "thousand-unchanged")
    check = watch(stage, thousand.namespaces, changes=False)
    title = "sync, 1,000 Secrets of 5 keys, nothing to change, against `sops -d \\| kubectl apply --server-side`"
    return Contest(title, thousand.ours, thousand.theirs, "0.3, 150 MiB", check=check)


def thousand_changed(stage: Stage) -> Contest:
    """Every key changes: dry-run and write of every object, against the write alone."""
    thousand = Many(stage, "thousand-changed")
    check = watch(stage, thousand.namespaces, changes=True)
    title = "sync, 1,000 Secrets of 5 keys, every key changed, against `sops -d \\| kubectl apply --server-side`"
    return Contest(title, thousand.ours, thousand.theirs, "1.0, 150 MiB", thousand.change, check)


def five_thousand(*, changed: bool) -> Callable[[Stage], Contest]:
    """Return the row of five thousand Secrets against a thousand, five times: is the time linear?

    They have one key each: the state ConfigMap of an environment has room for 1 MiB, and ten thousand do not fit in.
    """

    def row(stage: Stage) -> Contest:
        state = "changed" if changed else "unchanged"
        many = Many(stage, f"five-thousand-{state}", FIVE_FOLD * SECRETS, keys=1)
        few = Many(stage, f"fifth-{state}", keys=1)
        what = "all changed" if changed else "nothing to change"
        title = f"sync, 5,000 Secrets of 1 key, {what}, against bridge with 1,000, times 5"
        check = watch(stage, (many.namespaces[0], few.namespaces[0]), changes=changed)
        contest = Contest(title, many.ours, few.ours, "1.1", check=check, part=FIVE_FOLD, once=True)

        def change() -> None:
            many.change()
            few.change()

        return replace(contest, prepare=change) if changed else contest

    return row


def read_yaml(stage: Stage) -> Contest:
    """A large SOPS file, read by bridge's provider and by sops."""
    return _read(stage, "yaml", flat_yaml())


def read_json(stage: Stage) -> Contest:
    """The same in JSON."""
    return _read(stage, "json", json.dumps(values(), indent=1))


def _read(stage: Stage, form: str, content: str, count: str = "5,000") -> Contest:
    file = stage.encrypt(stage.folder / f"values-{count}.sops.{form}", content)
    ours = Command([stage.installed.python, READER, file], stage.environ)
    theirs = Command([stage.sops, "-d", file], stage.environ)
    return Contest(f"read {count} values of a SOPS file, {form.upper()}, against `sops -d`", ours, theirs, "1.0")


def read_many(stage: Stage) -> Contest:
    """Many small files, each of which `sops` has to be started for."""
    files = [
        stage.encrypt(stage.folder / f"many-{number}.sops.yaml", f"key: value-{number}\n") for number in range(200)
    ]
    ours = Command([stage.installed.python, READER_OF_MANY, *files], stage.environ)
    loop = 'sops=$1; shift; for file; do "$sops" -d "$file" > /dev/null || exit; done'
    theirs = Command(["/bin/sh", "-c", loop, "sh", stage.sops, *files], stage.environ)
    return Contest("read 200 SOPS files of one key, against a loop of `sops -d`", ours, theirs, "0.1")


def read_largest(stage: Stage) -> Contest:
    """A file near the largest size, for the memory that it takes."""
    return _read(stage, "json", json.dumps({f"key{number}": "x" * 100 for number in range(30_000)}), "30,000")


def vault_unchanged(stage: Stage) -> Contest:
    """The everyday case with Vault as the source."""
    twelve = Twelve(stage)
    check = watch(stage, twelve.namespaces, changes=False)
    title = "sync, 12 keys of one Vault path into 5 objects, nothing to change, against `vals eval \\| kubectl apply`"
    return Contest(title, twelve.ours, twelve.theirs, "1.5", check=check)


def vault_paths(stage: Stage) -> Contest:
    """Many documents; bridge asks at most two times more than there are."""
    paths = Paths(stage)
    return Contest("read 200 Vault paths of 5 keys, against `vals eval`", paths.ours, paths.theirs, "-")


def scan_files(stage: Stage) -> Contest:
    """Six values in all their forms, and nothing to be found."""
    gigabyte = Gigabyte(stage)
    return Contest("scan 1 GiB for 6 values in all forms, against `grep -rF -f`", gigabyte.ours, gigabyte.theirs, "1.5")


def review(stage: Stage) -> Contest:
    """A change of 50 files, with 5,000 commits to search for values that come back."""
    long = LongReview(stage)
    title = "diff of 50 SOPS files with 5,000 commits, against `git log -p` of the same files"
    return Contest(title, long.ours, long.theirs, "2.0")


def history(stage: Stage) -> Contest:
    """A long history, read without a key; git itself prints the changes under today's names only."""
    ours, theirs = long_history(stage)
    title = f"history, {COMMITS:,} commits and {FILES} SOPS files, against `git log -p` of the same files"
    return Contest(title, ours.history, theirs, "2.0")


def offboard(stage: Stage) -> Contest:
    """The same history, of which every version counts; the list is not empty, so its status is 1."""
    ours, theirs = long_history(stage)
    title = f"offboard, {COMMITS:,} commits and {FILES} SOPS files, against `git log -p` of the same files"
    return Contest(title, ours.offboard, theirs, "2.0")


def scaleway_known(stage: Stage) -> Contest:
    """The everyday case with Secret Manager, 30 ms away: one request for each document."""
    known = Known(stage)
    title = (
        f"sync, 12 keys of 5 Scaleway documents at {1000 * LATENCY:.0f} ms, nothing to change, "
        f"{known.later:.2f} requests for each (aim 1; the first time {known.first:.2f}), "
        "against `sops -d \\| kubectl apply --server-side`"
    )
    return Contest(title, known.ours, known.theirs, "-", check=known.check())


def scaleway_documents(stage: Stage) -> Contest:
    """Many documents of one provider, side by side within its bound, against a loop of the same requests."""
    documents = Documents(stage)
    title = (
        f"read {DOCUMENTS} Scaleway documents at {1000 * LATENCY:.0f} ms, {documents.at_once} at once, "
        "against a serial loop of the same requests"
    )
    return Contest(title, documents.ours, documents.theirs, "0.3")


def fleet(count: int, *, changed: bool) -> Callable[[Stage], Contest]:
    """Return the row of so many environments."""

    def row(stage: Stage) -> Contest:
        several = fleet_of(stage, count)
        what = "all changed" if changed else "nothing to change"
        loop = "one run for each" + (f" (of every {several.part}th, times {several.part})" if several.part > 1 else "")
        title = (
            f"sync --all, {count:,} environments of {OBJECTS} objects, {what}, against {loop}; "
            f"with nothing to change {several.first} against {several.peer}"
        )
        contest = Contest(title, several.ours, several.theirs, "-", part=several.part, once=count > 10)
        return replace(contest, prepare=several.change) if changed else contest

    return row


def version(stage: Stage) -> Contest:
    """What starting costs."""
    return _start(stage, "`bridge --version` over `python -c pass`", "+30 ms", "--version")


def check(stage: Stage) -> Contest:
    """`bridge check`, which asks no cluster."""
    config = ROOT / "config"
    return _start(stage, "`bridge check staging` over `python -c pass`", "-", "check", "staging", "--config", config)


def _start(stage: Stage, title: str, aim: str, *arguments: str | Path) -> Contest:
    nothing = Command([stage.installed.python, "-c", "pass"], stage.environ)
    return Contest(title, stage.bridge(*arguments), nothing, aim, as_difference=True)


ROWS: Final[Mapping[str, Callable[[Stage], Contest]]] = {
    "five-unchanged": five_unchanged,
    "thousand-unchanged": thousand_unchanged,
    "thousand-changed": thousand_changed,
    "read-yaml": read_yaml,
    "read-json": read_json,
    "read-many": read_many,
    "read-largest": read_largest,
    "vault-unchanged": vault_unchanged,
    "vault-paths": vault_paths,
    "scan": scan_files,
    "review": review,
    "history": history,
    "offboard": offboard,
    "scaleway-known": scaleway_known,
    "scaleway-documents": scaleway_documents,
    **{
        f"fleet-{count}-{'changed' if changed else 'unchanged'}": fleet(count, changed=changed)
        for count in (10, 100, 1_000)
        for changed in (False, True)
    },
    "five-thousand-unchanged": five_thousand(changed=False),
    "five-thousand-changed": five_thousand(changed=True),
    **{case.name: far.row(case) for case in far.CASES},
    **{case.name: partial(external_secrets.row, case=case) for case in external_secrets.CASES},
    "version": version,
    "check": check,
}
