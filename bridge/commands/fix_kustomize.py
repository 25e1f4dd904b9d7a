"""`bridge init --fix-kustomize`: takes what bridge writes out of one overlay's build, and nothing else.

Every overlay beside it is built before and after. Whatever is not as it should be, the file gets its old bytes back.
"""

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bridge.commands.arguments import environment_of, run_of
from bridge.commands.check_build import owned_by
from bridge.commands.overlay import left_in_clear, overlay_folders, without_missing_patches
from bridge.config.environment import Environment
from bridge.config.replace_file import replace_bytes, replace_text
from bridge.config.textfile import read_text
from bridge.errors import BridgeError, ConfigError, Problem, Refusal, combine
from bridge.kustomize.comparison import BuiltDocument, documents, spoiled
from bridge.kustomize.edit import PatchItem, change_patches
from bridge.kustomize.overlap import Owned, here
from bridge.kustomize.patches import Cure, cures, items, kept_for_references, superseded
from bridge.kustomize.program import Kustomize
from bridge.kustomize.read import Kustomization, Patch, kustomization_file, load_kustomization
from bridge.report.fix_kustomize import fixed_data, write_fixed
from bridge.report.record import Record
from bridge.report.talk import say
from bridge.run.inputs import Run, read_files
from bridge.secret import SecretValue
from bridge.shell import command, word

Builds = Mapping[Path, SecretValue | None]


class FileChange(NamedTuple):
    """What is to be done to a kustomization: patches that lose their reference, and patches that come."""

    removed: tuple[Patch, ...]
    cures: tuple[Cure, ...]


def run(args: argparse.Namespace, record: Record) -> int:
    """Change the overlay's kustomization, or say that there is nothing to change."""
    environment, run_ = environment_of(args), run_of(args, record)
    owned = _owned(environment, run_)
    overlay = _overlay(args.fix_kustomize, environment)
    with without_missing_patches(overlay) as missing:
        kustomize = Kustomize(run_.environ, run_.deadline)
        folders = sorted(one for one in overlay.parent.iterdir() if one.is_dir() and kustomization_file(one))
        before: Builds = {folder: kustomize.build(folder) for folder in folders}
        kustomization, built = load_kustomization(overlay), _documents(overlay, before)
        _check_namespace(overlay, built, owned)
        change = _change(kustomization, built, owned)
        after = before
        if change.removed or change.cures:
            change, after = _carry_out(kustomization, change, before, kustomize)
    if change.removed or change.cures or missing:
        record.touched.append([kustomization.file])
    kept = {one.id for one in change.cures if one.keys}
    told = left_in_clear(kustomization, change.removed, owned, kept)
    warnings = (*told, *_shrunk(change, environment, overlay), *_empty(after, overlay), *_unbuilt(before))
    data = fixed_data(environment.name, str(overlay), change.removed, change.cures, _holding(after, owned), missing)
    write_fixed(record, data, warnings, args.output)
    say(record, "warning", warnings)
    return 0


def _owned(environment: Environment, run_: Run) -> Owned:
    errors: list[BridgeError] = []
    files = read_files(environment, run_, errors)
    if files.namespace is None or files.templates is None:
        raise combine(errors)
    return owned_by(environment, files.namespace, files.templates)


def _overlay(given: str, environment: Environment) -> Path:
    """Return the overlay's folder: the one that is named, else the one of the environment's name beside the base."""
    folders = [Path(given)] if given else overlay_folders(environment)
    found = [folder for folder in folders if kustomization_file(folder)]
    if len(found) != 1:
        places = ", ".join(map(str, found or folders))
        what = "more than one overlay matches" if found else "no overlay with a kustomization.yaml found"
        raise ConfigError(Problem(places, what, "name the overlay: --fix-kustomize OVERLAY"))
    return found[0]


def _documents(folder: Path, builds: Builds) -> Mapping[tuple[str, str | None], BuiltDocument]:
    build = builds[folder]
    if build is None:
        hint = f"run `{command(['kustomize', 'build', folder])}` to see why"
        raise Refusal(Problem(str(folder), "does not build", hint))
    return documents(build, str(folder))


def _check_namespace(overlay: Path, built: Mapping[tuple[str, str | None], BuiltDocument], owned: Owned) -> None:
    """Refuse an overlay that puts bridge's objects into other namespaces only: they are another environment's."""
    objects = [document.built for document in built.values() if document.built.id in owned.keys]
    elsewhere = sorted({one.namespace or "" for one in objects})
    if elsewhere and not here(objects, owned.namespace):
        what = f"builds for namespace {', '.join(elsewhere)}, but the environment's namespace is {owned.namespace}"
        raise Refusal(Problem(str(overlay), what, "name this environment's overlay: --fix-kustomize OVERLAY"))


def _change(
    kustomization: Kustomization, built: Mapping[tuple[str, str | None], BuiltDocument], owned: Owned
) -> FileChange:
    found = cures([document.built for document in built.values()], owned, kustomization.names)
    if unknown := [one.id for one in found if one.name is None]:
        what = f"no patch can match only {', '.join(map(str, unknown))}"
        raise Refusal(
            Problem(kustomization.shown, what, "remove it from the base, or change the kustomization by hand")
        )
    kept = {one.id for one in found if one.keys}
    ours = superseded(kustomization.patches, owned, kept, kustomization.names)
    # A patch that stands in the kustomization itself stays: its values may be nowhere else.
    return FileChange(tuple(patch for patch, alone in ours if alone and patch.file), found)


def _carry_out(
    kustomization: Kustomization, change: FileChange, before: Builds, kustomize: Kustomize
) -> tuple[FileChange, Builds]:
    """Change the file, and return the change with the new builds; Refusal, with the file as it was, if none is right.

    References to a deleted object lose what a namePrefix or nameSuffix adds: then the object stays for kustomize only.
    """
    after, wrong = _tried(kustomization, change, before, kustomize)
    if wrong and any(not one.keys for one in change.cures):
        change = change._replace(cures=kept_for_references(change.cures))
        after, still_wrong = _tried(kustomization, change, before, kustomize)
        wrong = still_wrong and wrong
    if wrong:
        raise Refusal(*wrong)
    return change, after


def _tried(
    kustomization: Kustomization, change: FileChange, before: Builds, kustomize: Kustomize
) -> tuple[Builds, tuple[Problem, ...]]:
    """Change the file and build everything again; the file gets its old content back if anything is wrong then."""
    file = kustomization.file
    removed = {_item(patch) for patch in change.removed}
    text = change_patches(read_text(file, kustomization.shown), kustomization.shown, removed, items(change.cures))
    original = file.read_bytes()
    done = False
    try:
        replace_text(file, text)
        after = {folder: kustomize.build(folder) for folder in before}
        wrong = tuple(_wrong(kustomization.file.parent, change, before, after))
        done = not wrong
    finally:
        if not done:
            replace_bytes(file, original)
    return after, wrong


def _item(patch: Patch) -> PatchItem:
    found = re.search(r"(\w+)\[(\d+)\]$", patch.place)
    assert found
    return PatchItem(found[1], int(found[2]))


def _wrong(overlay: Path, change: FileChange, before: Builds, after: Builds) -> Iterator[Problem]:
    hint = "change the kustomization by hand; bridge has left it unchanged"
    for folder, old in before.items():
        new = after[folder]
        if folder != overlay:
            same = old is new is None or (old is not None and new is not None and old.same_as(new))
            if not same:
                yield Problem(str(folder), f"its build would change too, because it uses {overlay}", hint)
        elif old is None or new is None:
            yield Problem(str(folder), "would no longer build", hint)
        else:
            told = spoiled(documents(old, str(folder)), documents(new, str(folder)), change.cures)
            yield from (Problem(str(folder), one, hint) for one in told)


def _shrunk(change: FileChange, environment: Environment, overlay: Path) -> Iterator[Problem]:
    """Yield the objects that stay in the build without bridge's keys: kubectl deletes what it once applied of them."""
    build = command(["kustomize", "build", overlay])
    check = command(["bridge", "check", environment.name, "--live", "--manifests", "-"])
    for one in change.cures:
        if one.keys:
            what = "stays in the build for other keys; `kubectl apply` deletes bridge's keys if it applied them before"
            hint = f"run `bridge adopt {word(environment.name)}` first, then check with `{build} | {check}`"
            yield Problem(str(one.id), what, hint, warning=True)


def _empty(after: Builds, overlay: Path) -> Iterator[Problem]:
    """Yield that nothing is left of the overlay's build: `kubectl apply` and the guard fail without an object."""
    build = after[overlay]
    if build is not None and not documents(build, str(overlay)):
        what = f"has no objects left in its build, so `{command(['kubectl', 'apply', '-k', overlay])}` fails"
        hint = "remove that step and the check of this build from the pipeline"
        yield Problem(str(overlay), what, hint, warning=True)


def _unbuilt(before: Builds) -> Iterator[Problem]:
    for folder, build in before.items():
        if build is None:
            yield Problem(str(folder), "does not build, with or without the change", warning=True)


def _holding(builds: Builds, owned: Owned) -> Sequence[str]:
    """Return the overlays that build objects of bridge still, or whose build is not known."""
    return [str(folder) for folder, build in builds.items() if build is None or _holds(folder, build, owned)]


def _holds(folder: Path, build: SecretValue, owned: Owned) -> bool:
    try:
        return any(one.built.id in owned.keys for one in documents(build, str(folder)).values())
    except ConfigError:
        return True
