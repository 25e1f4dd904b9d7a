"""Decides which objects bridge takes over, and which of the layout's files can be used as templates."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from bridge.config.folder import is_in_reach
from bridge.config.names import is_dns_subdomain
from bridge.config.names import shown as shown_name
from bridge.config.placeholder import PlaceholderError, parse_text
from bridge.config.problems import Findings
from bridge.config.template_object import REFUSED_TYPES, read_manifest
from bridge.config.yamlfile import load_yaml_documents
from bridge.draft.layout_model import Declared, Layout, as_value, shown
from bridge.draft.naming import is_template_text, variable_for, variables_in
from bridge.errors import ConfigError, Problem
from bridge.objects import ObjectId
from bridge.secret import SecretValue

_RENAMED: Final = (
    "has objects with other names than the build",
    "keep both in sync, and use the build's names in an imported patch too",
)
_MIXED: Final = (
    "also has objects of other kinds",
    "keep both in sync, or move Secrets and ConfigMaps to a file of their own",
)
_OUTSIDE: Final = ("is outside the checkout of the environment's file", "keep both in sync")
_KEPT_OUT: Final = ("has objects that bridge does not take over", "keep both in sync")
_UNFIT: Final = "keep both in sync, or change the file so that `bridge check` accepts it"
_HASHED: Final = "leave it, or replace it with a manifest with a fixed name in `resources`"
_TOLD: Final = 3  # the number of a file's problems that are reported
Texts = Mapping[tuple[ObjectId, str], str]


def keep_out(layout: Layout, namespace: str | None) -> None:
    """Mark and remark on the objects that bridge cannot write."""
    for declared in layout.objects:
        if declared.kept_out:
            continue
        if declared.is_hashed:
            declared.kept_out = (
                f"creates {declared.kind}/{declared.names[0]} with a hash in its name, which bridge cannot take over"
            )
            layout.remark(declared.generator or "", declared.kept_out, _HASHED)
        elif obstacle := _obstacle(declared, namespace):
            declared.kept_out, hint = obstacle
            layout.remark(
                declared.generator or shown(declared.file), f"{declared.id} {declared.kept_out}: it is left out", hint
            )


def _obstacle(declared: Declared, namespace: str | None) -> tuple[str, str] | None:
    """Return the reason why bridge cannot write an object as the build does, and what to do about it."""
    type_ = declared.content.get("type")
    if isinstance(type_, str) and type_ in REFUSED_TYPES:
        return f"has type {type_}, which Kubernetes fills in itself", "leave it in the build"
    if not is_dns_subdomain(declared.id.name):
        return "has no valid name", "use a to z, 0 to 9, - and ."
    if declared.namespace and namespace and declared.namespace != namespace:
        what = f"is in namespace {declared.namespace}, but the environment's is {namespace}"
        return what, "leave it in the build, or draft another environment for it"
    if declared.kind == "ConfigMap":
        for _, key, text in declared.texts():
            if not _is_well_formed(text):
                what = f"key {shown_name(key)} has a ${{ that is not a placeholder, perhaps for another program"
                return what, "leave it in the build, or write $${ instead of ${ to let bridge write it"
    return None


def _is_well_formed(text: str) -> bool:
    try:
        parse_text(text)
    except PlaceholderError:
        return False
    return True


class Templates:
    """The files that can be templates, the objects that are written out, and their Secrets' texts."""

    def __init__(self, objects: Sequence[Declared], layout: Layout, namespace: str | None, folder: Path) -> None:
        """Judge each file, without remarks; `folder` is that of the environment's file."""
        self._layout: Final = layout
        self.namespace: Final = namespace
        self.why: Final[dict[Path, tuple[str, str] | None]] = {}
        for declared in layout.objects:
            if not declared.generator and declared.file not in self.why:
                file = declared.file
                self.why[file] = self._why_not(file) if is_in_reach(file, folder) else _OUTSIDE
        taken = [declared for declared in objects if not declared.kept_out]
        self.objects: Final = [declared for declared in taken if not declared.deleted or self.is_template(declared)]
        self.files: Final = list(
            dict.fromkeys(declared.file for declared in self.objects if self.is_template(declared))
        )
        self.written_out: Final = [declared for declared in self.objects if not self.is_template(declared)]
        self.texts: Final = self._texts()

    def is_template(self, declared: Declared) -> bool:
        """Whether the object's own file is a template."""
        return not declared.generator and self.why[declared.file] is None

    def text(self, declared: Declared, key: str, text: str) -> str:
        """Return a template's text for a key; in a Secret that is written out it is never a literal."""
        return self.texts.get((declared.id, key), text)

    def remark(self, file: str) -> None:
        """Remark on each file that cannot be a template, and on what was written out instead."""
        for path, why in self.why.items():
            names = ", ".join(
                str(declared.id) for declared in self.written_out if declared.file == path and not declared.generator
            )
            if why and names:
                what = f"{why[0]}, so it cannot be a template: {file} has a copy of {names}"
                self._layout.remark(shown(path), what, why[1])

    def _why_not(self, file: Path) -> tuple[str, str] | None:
        theirs = [
            declared
            for declared in self._layout.objects
            if not declared.generator and declared.file.resolve() == file.resolve()
        ]
        if any(declared.id.name != declared.names[0] for declared in theirs):
            return _RENAMED
        if file.resolve() in self._layout.others:
            return _MIXED
        if any(declared.kept_out for declared in theirs):
            return _KEPT_OUT
        if why := next((declared.rewritten for declared in theirs if declared.rewritten), None):
            return why, "keep both in sync"
        problems = list(_refused(file, self.namespace))
        if problems:
            more = f"; and {len(problems) - _TOLD} more" if len(problems) > _TOLD else ""
            reasons = "; ".join(map(str, problems[:_TOLD]))
            return f"is refused by `bridge check` ({reasons}{more})", _UNFIT
        return None

    def _texts(self) -> Texts:
        """Give each key of a written-out Secret a placeholder; different values never share a variable."""
        elsewhere = set(self._asked_elsewhere())
        values: dict[str, SecretValue] = {}
        texts: dict[tuple[ObjectId, str], str] = {}
        for declared in self.written_out:
            for section, key, text in declared.texts() if declared.kind == "Secret" else ():
                if is_template_text(text):
                    texts[declared.id, key] = text
                    continue
                value = declared.given[key].value if key in declared.given else as_value(declared.kind, section, text)
                name = _free(variable_for(key), variable_for(declared.id.name, key), value, values, elsewhere)
                values.setdefault(name, value)
                texts[declared.id, key] = f"${{{name}}}"
        return texts

    def _asked_elsewhere(self) -> Iterator[str]:
        """Yield the variables that existing texts use."""
        for declared in self.objects:
            yield from variables_in(text for _, _, text in declared.texts())


def _free(name: str, longer: str, value: SecretValue, values: Mapping[str, SecretValue], taken: Collection[str]) -> str:
    """Return the name, or the longer name if another value uses it."""
    is_free = name not in taken and (name not in values or values[name].same_as(value))
    return name if is_free else longer


def _refused(file: Path, namespace: str | None) -> Iterator[Problem]:
    """Yield what `bridge check` would report about a file as a template, without the file's name."""
    problems: list[Problem] = []
    findings = Findings("", problems)
    try:
        for document in load_yaml_documents(file, ""):
            if document.content is not None:
                read_manifest(document, namespace, findings)
    except ConfigError as error:
        problems += error.problems
    yield from (problem._replace(where=problem.where.strip()) for problem in dict.fromkeys(problems))
