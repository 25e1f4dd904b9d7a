"""Decides which objects bridge takes over, and which of the layout's files can be templates as they are."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from bridge.config.names import is_dns_subdomain
from bridge.config.names import shown as shown_name
from bridge.config.placeholder import PlaceholderError, parse_text
from bridge.config.problems import Findings
from bridge.config.template_object import REFUSED_TYPES, read_manifest
from bridge.config.yamlfile import load_yaml_documents
from bridge.draft.model import Declared, Layout, as_value, shown
from bridge.draft.naming import asked, asks, variable_for
from bridge.errors import ConfigError, Problem
from bridge.objects import ObjectId
from bridge.secret import SecretValue

_RENAMED: Final = (
    "has its objects under other names than the build",
    "keep the two in step, and give the objects of a patch that is imported these names, too",
)
_MIXED: Final = (
    "has objects of other kinds, too",
    "keep the two in step, or give the base a file for Secrets and ConfigMaps alone",
)
_KEPT_OUT: Final = ("has objects that bridge does not take over", "keep the two in step")
_UNFIT: Final = "keep the two in step, or change the file so that `bridge check` takes it"
_HASHED: Final = "leave it, or make it a manifest with a fixed name among the resources"
_TOLD: Final = 3  # problems of a file that are told
Texts = Mapping[tuple[ObjectId, str], str]


def keep_out(layout: Layout, namespace: str | None) -> None:
    """Mark and remark the objects that bridge cannot write."""
    for one in layout.objects:
        if one.kept_out:
            continue
        if one.is_hashed:
            one.kept_out = f"makes {one.kind}/{one.names[0]} under a name with a hash, which bridge cannot take over"
            layout.remark(one.generator or "", one.kept_out, _HASHED)
        elif found := _obstacle(one, namespace):
            one.kept_out, hint = found
            layout.remark(one.generator or shown(one.file), f"{one.id} {one.kept_out}: it is left out", hint)


def _obstacle(one: Declared, namespace: str | None) -> tuple[str, str] | None:
    """Return what keeps bridge from writing an object in the way that the build does, and what to do."""
    type_ = one.content.get("type")
    if isinstance(type_, str) and type_ in REFUSED_TYPES:
        return f"has the type {type_}, which Kubernetes fills in itself", "leave it in the build"
    if not is_dns_subdomain(one.id.name):
        return "has no valid name", "names are made of a to z, 0 to 9, - and ."
    if one.namespace and namespace and one.namespace != namespace:
        what = f"is in namespace {one.namespace}, and the environment's is {namespace}"
        return what, "leave it in the build, or draft another environment for it"
    if one.kind == "ConfigMap":
        for _, key, text in one.texts():
            if not _is_well_formed(text):
                what = f"key {shown_name(key)} has a ${{ that is no placeholder, perhaps another program's"
                return what, "leave it in the build, or write $${ for ${ to let bridge write it"
    return None


def _is_well_formed(text: str) -> bool:
    try:
        parse_text(text)
    except PlaceholderError:
        return False
    return True


class Templates:
    """The files that are templates as they are, the objects that are written out, and their Secrets' texts."""

    def __init__(self, objects: Sequence[Declared], layout: Layout, namespace: str | None) -> None:
        """Judge each file; remark nothing."""
        self._layout: Final = layout
        self.namespace: Final = namespace
        self.why: Final[dict[Path, tuple[str, str] | None]] = {}
        for one in layout.objects:
            if not one.generator and one.file not in self.why:
                self.why[one.file] = self._why_not(one.file)
        taken = [one for one in objects if not one.kept_out]
        self.objects: Final = [one for one in taken if not one.deleted or self.is_template(one)]
        self.files: Final = list(dict.fromkeys(one.file for one in self.objects if self.is_template(one)))
        self.written_out: Final = [one for one in self.objects if not self.is_template(one)]
        self.texts: Final = self._texts()

    def is_template(self, one: Declared) -> bool:
        """Return whether the object's own file is a template."""
        return not one.generator and self.why[one.file] is None

    def text(self, one: Declared, key: str, text: str) -> str:
        """Return what a template has for a key: in a Secret that is written out no literal."""
        return self.texts.get((one.id, key), text)

    def remark(self, file: str) -> None:
        """Tell of each file that is no template, and of what was written out instead."""
        for path, why in self.why.items():
            names = ", ".join(str(one.id) for one in self.written_out if one.file == path and not one.generator)
            if why and names:
                what = f"{why[0]}, so it cannot be a template: {file} has a copy of {names}"
                self._layout.remark(shown(path), what, why[1])

    def _why_not(self, file: Path) -> tuple[str, str] | None:
        theirs = [one for one in self._layout.objects if not one.generator and one.file.resolve() == file.resolve()]
        if any(one.id.name != one.names[0] for one in theirs):
            return _RENAMED
        if file.resolve() in self._layout.others:
            return _MIXED
        if any(one.kept_out for one in theirs):
            return _KEPT_OUT
        problems = list(_refused(file, self.namespace))
        if problems:
            more = f"; and {len(problems) - _TOLD} more" if len(problems) > _TOLD else ""
            told = "; ".join(map(str, problems[:_TOLD]))
            return f"has what no template can have ({told}{more})", _UNFIT
        return None

    def _texts(self) -> Texts:
        """Give each Secret's key that is written out a placeholder; two values never get the same variable."""
        elsewhere = set(self._asked_elsewhere())
        values: dict[str, SecretValue] = {}
        texts: dict[tuple[ObjectId, str], str] = {}
        for one in self.written_out:
            for section, key, text in one.texts() if one.kind == "Secret" else ():
                if asks(text):
                    texts[one.id, key] = text
                    continue
                value = one.given[key].value if key in one.given else as_value(one.kind, section, text)
                name = _free(variable_for(key), variable_for(one.id.name, key), value, values, elsewhere)
                values.setdefault(name, value)
                texts[one.id, key] = f"${{{name}}}"
        return texts

    def _asked_elsewhere(self) -> Iterator[str]:
        """Yield the variables that texts ask for as they are."""
        for one in self.objects:
            yield from asked(text for _, _, text in one.texts())


def _free(name: str, longer: str, value: SecretValue, values: Mapping[str, SecretValue], taken: Collection[str]) -> str:
    """Return the name, or the longer one if the name is another value's."""
    is_free = name not in taken and (name not in values or values[name].same_as(value))
    return name if is_free else longer


def _refused(file: Path, namespace: str | None) -> Iterator[Problem]:
    """Yield what `bridge check` would say of a file as a template, without the file's name."""
    problems: list[Problem] = []
    findings = Findings("", problems)
    try:
        for document in load_yaml_documents(file, ""):
            if document.content is not None:
                read_manifest(document, namespace, findings)
    except ConfigError as error:
        problems += error.problems
    yield from (one._replace(where=one.where.strip()) for one in dict.fromkeys(problems))
