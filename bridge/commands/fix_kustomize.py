"""`bridge init --fix-kustomize`: removes what bridge writes, and nothing else, from one overlay's build.

Every overlay next to it is built before and after the change. If any build is not as expected, the file is restored.
"""

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bridge.commands.arguments import environment_of, run_of
from bridge.commands.check_build import owned_by
from bridge.commands.overlay import left_in_plaintext, overlay_folders, without_missing_patches
from bridge.config.environment import Environment
from bridge.config.replace_file import replace_bytes, replace_text
from bridge.config.textfile import read_text
from bridge.errors import BridgeError, ConfigError, Problem, Refusal, combine
from bridge.kustomize.edit import PatchItem, change_patches
from bridge.kustomize.overlap import Owned, here
from bridge.kustomize.patches import (
    BuiltDocument,
    RemovalPatch,
    documents,
    items,
    kept_for_references,
    removal_patches,
    superseded,
    unexpected_changes,
)
from bridge.kustomize.program import Kustomize
from bridge.kustomize.read import Kustomization, Patch, kustomization_file, load_kustomization
from bridge.named_tuple import NamedTuple
from bridge.report.fix_kustomize import fixed_data, write_fixed
from bridge.report.record import Record
from bridge.report.talk import say
from bridge.run.inputs import Run, read_files
from bridge.secret import SecretValue
from bridge.shell import command, word

Builds = Mapping[Path, SecretValue | None]


class FileChange(NamedTuple):
    """A change of a kustomization: the patches to remove from its lists, and the patches to add."""

    removed: tuple[Patch, ...]
    added: tuple[RemovalPatch, ...]


def run(args: argparse.Namespace, record: Record) -> int:
    """Change the overlay's kustomization, or report that there is nothing to change."""
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
        if change.removed or change.added:
            change, after = _carry_out(kustomization, change, before, kustomize)
    if change.removed or change.added or missing:
        record.touched.append([kustomization.file])
    kept = {one.id for one in change.added if one.keys}
    remaining = left_in_plaintext(kustomization, change.removed, owned, kept)
    warnings = (*remaining, *_shrunk(change, environment, overlay), *_empty(after, overlay), *_unbuilt(before))
    data = fixed_data(
        environment.name, str(overlay), change.removed, change.added, _still_building(after, owned), missing
    )
    write_fixed(record, data, warnings, args.output)
    say(record, "warning", warnings)
    return 0


def _owned(environment: Environment, run_: Run) -> Owned:
    errors: list[BridgeError] = []
    files = read_files(environment, run_, errors)
    if files.namespace is None or files.templates is None:
        raise combine(errors)
    return owned_by(environment, files.namespace, files.templates)


def _overlay(argument: str, environment: Environment) -> Path:
    """Return the named overlay's folder, else the folder with the environment's name next to the base."""
    folders = [Path(argument)] if argument else overlay_folders(environment)
    overlays = [folder for folder in folders if kustomization_file(folder)]
    if len(overlays) != 1:
        places = ", ".join(map(str, overlays or folders))
        what = "more than one overlay matches" if overlays else "no overlay with a kustomization.yaml found"
        raise ConfigError(Problem(places, what, "name the overlay: --fix-kustomize OVERLAY"))
    return overlays[0]


def _documents(folder: Path, builds: Builds) -> Mapping[tuple[str, str | None], BuiltDocument]:
    build = builds[folder]
    if build is None:
        hint = f"run `{command(['kustomize', 'build', folder])}` to see why"
        raise Refusal(Problem(str(folder), "does not build", hint))
    return documents(build, str(folder))


def _check_namespace(overlay: Path, built: Mapping[tuple[str, str | None], BuiltDocument], owned: Owned) -> None:
    """Raise Refusal if all of bridge's objects are in other namespaces: the overlay is another environment's."""
    objects = [document.built for document in built.values() if document.built.id in owned.keys]
    elsewhere = sorted({one.namespace or "" for one in objects})
    if elsewhere and not here(objects, owned.namespace):
        what = f"builds for namespace {', '.join(elsewhere)}, but the environment's namespace is {owned.namespace}"
        raise Refusal(Problem(str(overlay), what, "name this environment's overlay: --fix-kustomize OVERLAY"))


def _change(
    kustomization: Kustomization, built: Mapping[tuple[str, str | None], BuiltDocument], owned: Owned
) -> FileChange:
    added = removal_patches([document.built for document in built.values()], owned, kustomization.names)
    if unknown := [patch.id for patch in added if patch.name is None]:
        what = f"no patch can match only {', '.join(map(str, unknown))}"
        raise Refusal(
            Problem(kustomization.shown, what, "remove it from the base, or change the kustomization by hand")
        )
    kept = {patch.id for patch in added if patch.keys}
    ours = superseded(kustomization.patches, owned, kept, kustomization.names)
    # An inline patch stays: its values may not exist anywhere else.
    return FileChange(tuple(patch for patch, does_nothing_else in ours if does_nothing_else and patch.file), added)


def _carry_out(
    kustomization: Kustomization, change: FileChange, before: Builds, kustomize: Kustomize
) -> tuple[FileChange, Builds]:
    """Change the file, and return the change with the new builds. If that fails, restore the file and raise Refusal.

    References to a deleted object lose their namePrefix or nameSuffix. If that changes a build, the object is not
    deleted but marked as local to kustomize.
    """
    after, wrong = _tried(kustomization, change, before, kustomize)
    if wrong and any(not patch.keys for patch in change.added):
        change = change._replace(added=kept_for_references(change.added))
        after, still_wrong = _tried(kustomization, change, before, kustomize)
        wrong = still_wrong and wrong
    if wrong:
        raise Refusal(*wrong)
    return change, after


def _tried(
    kustomization: Kustomization, change: FileChange, before: Builds, kustomize: Kustomize
) -> tuple[Builds, tuple[Problem, ...]]:
    """Change the file and build everything again; restore the file if anything is wrong."""
    file = kustomization.file
    removed = {_item(patch) for patch in change.removed}
    text = change_patches(read_text(file, kustomization.shown), kustomization.shown, removed, items(change.added))
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
    match = re.search(r"(\w+)\[(\d+)\]$", patch.place)
    assert match
    return PatchItem(match[1], int(match[2]))


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
            changes = unexpected_changes(documents(old, str(folder)), documents(new, str(folder)), change.added)
            yield from (Problem(str(folder), text, hint) for text in changes)


def _shrunk(change: FileChange, environment: Environment, overlay: Path) -> Iterator[Problem]:
    """Warn about objects that stay in the build without bridge's keys: kubectl deletes the keys that it applied."""
    build = command(["kustomize", "build", overlay])
    check = command(["bridge", "check", environment.name, "--live", "--manifests", "-"])
    for patch in change.added:
        if patch.keys:
            what = "stays in the build for other keys; `kubectl apply` deletes bridge's keys if it applied them before"
            hint = f"run `bridge adopt {word(environment.name)}` first, then check with `{build} | {check}`"
            yield Problem(str(patch.id), what, hint, warning=True)


def _empty(after: Builds, overlay: Path) -> Iterator[Problem]:
    """Warn if the overlay's build is empty: `kubectl apply` and the check of the build fail without objects."""
    build = after[overlay]
    if build is not None and not documents(build, str(overlay)):
        what = f"has no objects left in its build, so `{command(['kubectl', 'apply', '-k', overlay])}` fails"
        hint = "remove that step and the check of this build from the pipeline"
        yield Problem(str(overlay), what, hint, warning=True)


def _unbuilt(before: Builds) -> Iterator[Problem]:
    for folder, build in before.items():
        if build is None:
            yield Problem(str(folder), "does not build, with or without the change", warning=True)


def _still_building(builds: Builds, owned: Owned) -> Sequence[str]:
    """Return the overlays that still build objects of bridge, or whose build is unknown."""
    return [str(folder) for folder, build in builds.items() if build is None or _builds_ours(folder, build, owned)]


def _builds_ours(folder: Path, build: SecretValue, owned: Owned) -> bool:
    try:
        return any(one.built.id in owned.keys for one in documents(build, str(folder)).values())
    except ConfigError:
        return True
