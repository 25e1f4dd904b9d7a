"""Drafts an environment like another one in the same folder. Differences are filled in, or listed as still to do."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from bridge.config.environment import Environment, load_environment
from bridge.config.names import shown as shown_name
from bridge.config.own_template import own_template
from bridge.config.placeholder import Placeholder, parse_text
from bridge.config.reference import Reference, parse_reference
from bridge.config.template import TemplateObject, load_templates
from bridge.config.yamlfile import load_yaml_documents
from bridge.draft.comments import Commented, comments, manifest
from bridge.draft.env_file import STEM
from bridge.draft.environment_file import EnvironmentDraft, env_example, sops_example
from bridge.draft.layout import overlay_folders, read_layout
from bridge.draft.layout_model import Drafted, KeyOrigin, relative, shown
from bridge.draft.naming import choose_id, ids_in
from bridge.draft.public import placeholder
from bridge.draft.secret_looking import looks_secret
from bridge.errors import ConfigError, Problem
from bridge.kustomize.read import load_kustomization
from bridge.secret import SecretValue
from bridge.shell import word

# None of our providers has such a field, but someone may have written one.
_CREDENTIALS: Final = re.compile(r"(?:.*_)?(?:token|password|secret|secret_id|secret_key|access_key|api_key)")


def draft_like(name: str, folder: Path, other: str) -> Drafted:
    """Read the other environment and draft this one; ConfigError if the other environment's files are invalid."""
    return _Like(name, folder, load_environment(folder, other)).draft()


class _Like:
    """The draft of one environment; remarks collect what is still to do."""

    def __init__(self, name: str, folder: Path, other: Environment) -> None:
        self.name = name
        self.file = f"{name}.yaml"
        self.folder = folder
        self.other = other
        self.renaming = Renaming(other.name, name)
        self.remarks: list[Problem] = []
        self.texts: dict[str, str] = {}
        self.secret: set[str] = set()

    def draft(self) -> Drafted:
        objects = load_templates(self.other, self.other.namespace)
        rules = self.other.infrastructure
        self.secret = {*_asked(objects, "Secret"), *(name for name, rule in rules.items() if rule == "secret")}
        overlay = self._overlay()
        namespace = self._namespace(overlay)
        env_file = self._env_file()
        draft = EnvironmentDraft(
            name=self.name,
            origin=f"drafted by `bridge init` like {self.other.name}",
            id=choose_id(self.name, namespace, set(ids_in(self.folder))),
            namespace=namespace,
            templates=[self._template(path) for path in self.other.templates],
            env_file=env_file,
            env_file_exists=env_file in {None, "environment"} or (self.folder / str(env_file)).exists(),
            infrastructure=self.other.infrastructure,
            sources=[self._source(reference) for reference in self.other.sources],
            more=self._more(),
        )
        names = ("K8_ENV", *self.other.infrastructure, *_asked(objects, "ConfigMap"))
        self.texts[f"{STEM}{self.name}.example"] = env_example(env_file or f"{STEM}{self.name}", names)
        if any(reference.provider == "sops" for reference in self.other.sources):
            self.texts[f"{self.name}.sops.example.yaml"] = sops_example(self.name, _asked(objects, "Secret"))
        self.texts[self.file] = draft.text()
        keys = [(one.id, name, self.renaming.text(key.place)) for one in objects for name, key in one.keys.items()]
        origins = tuple(KeyOrigin(*key) for key in keys)
        secrets = [*_asked(objects, "Secret")]
        secrets += [var for var, rule in self.other.infrastructure.items() if rule == "secret"]
        source = self.renaming.reference(self.other.sources[0]) if self.other.sources else None
        return Drafted(
            self.texts,
            origins,
            (),
            tuple(self.remarks),
            (),
            overlay,
            namespace,
            tuple(dict.fromkeys(secrets)),
            target=str(source or ""),
            is_live=False,
        )

    def _to_do(self, where: str, what: str, hint: str = "") -> None:
        self.remarks.append(Problem(where, what, hint, warning=True))

    def _overlay(self) -> Path | None:
        """Return the overlay next to the other environment's, or None if it does not exist yet."""
        files = [*self.other.templates, *([self.other.env_file] if isinstance(self.other.env_file, Path) else [])]
        roots = dict.fromkeys(path.parent.parent for path in files)
        folders = dict.fromkeys(folder for root in roots for folder in overlay_folders(root))
        theirs = next((folder / self.other.name for folder in folders if (folder / self.other.name).is_dir()), None)
        if theirs is None:
            return None
        ours = theirs.parent / self.name
        if ours.is_dir():
            self._point_to_layout(ours)
            return ours
        self._to_do(shown(ours), "does not exist yet", f"create it like {shown(theirs)}")
        return None

    def _point_to_layout(self, overlay: Path) -> None:
        """Remark on an overlay with values of its own, which `--from` reads but `--like` does not."""
        try:
            objects = read_layout(overlay).objects
        except ConfigError:
            return  # the code that needs its kustomization reports the error
        if any(one.given for one in objects):
            config = "" if str(self.folder) == "config" else f" --config {word(self.folder)}"
            files = " ".join(word(shown(self.folder / file)) for file in (self.file, f"{self.name}.public.yaml"))
            hint = f"to draft from it: rm {files}; bridge init {self.name} --from {word(shown(overlay.parent.parent))}"
            self._to_do(shown(overlay), "has values of its own that `--like` does not read", f"{hint}{config}")

    def _namespace(self, overlay: Path | None) -> str | None:
        if overlay and (named := load_kustomization(overlay).namespace):
            return named
        theirs = self.other.namespace or ""
        if self.renaming.text(theirs) != theirs:
            self._to_do(self.file, f"namespace: {self.renaming.text(theirs)} is a guess based on {theirs}", "check it")
            return self.renaming.text(theirs)
        self._to_do(self.file, "namespace is left out because it cannot be derived", "add `namespace: NAME`")
        return None

    def _env_file(self) -> str | None:
        theirs_path = self.other.env_file
        if not isinstance(theirs_path, Path):
            return theirs_path
        theirs = relative(theirs_path, self.folder)
        text = self.renaming.text(theirs)
        if text == theirs:
            text = (
                f"{STEM}{self.name}"  # the other's env file would be refused, as its K8_ENV names the other environment
            )
        if not (self.folder / text).exists():
            self._to_do(text, "does not exist yet", f"fill in {STEM}{self.name}.example")
        return text

    def _template(self, path: Path) -> Commented:
        """Refer to a shared template; copy the other environment's own template, which is named after it."""
        theirs = relative(path, self.folder)
        text = self.renaming.text(theirs)
        if text == theirs and path == own_template(self.other):
            what = f"is {self.other.name}'s own template, and {self.name} would use its values too"
            self._to_do(text, what, f"add a template for {self.name} if they differ")
        if text == theirs or (self.folder / text).exists():
            return Commented(text)
        if "/" in theirs:
            self._to_do(text, "does not exist yet", f"create it like {theirs}")
            return Commented(text, "TO DO: it does not exist yet")
        copy = Copy(self.name, self.secret)
        self.texts[text] = copy.text(path, theirs)
        if not copy.has_public:
            return Commented(text)  # no secret goes into it: the next steps put each secret in its source
        hint = f"replace each ConfigMap placeholder with its value; {theirs} has the other's values"
        self._to_do(text, "has no values yet", hint)
        for key in copy.left_out:
            self._to_do(text, f"{key} is binary and was not copied", "add it by hand")
        return Commented(text, "TO DO: it has no values yet")

    def _source(self, reference: Reference) -> Commented:
        renamed = self._reference("sources", reference)
        return Commented(written(renamed), "" if renamed == reference else "TO DO: create it")

    def _reference(self, where: str, reference: Reference) -> Reference:
        renamed = self.renaming.reference(reference)
        if renamed == reference:
            self._to_do(
                f"{self.file} {where}",
                f"{renamed} is {self.other.name}'s too",
                "use another document unless both share every value",
            )
        else:
            self._to_do(f"{self.file} {where}", f"{renamed} does not exist yet")
        return renamed

    def _more(self) -> Mapping[str, object]:
        """Return the other keys, as in the other environment's file, without credentials."""
        content = load_yaml_documents(self.other.file, self.other.shown(self.other.file))[0].content
        assert isinstance(content, Mapping), "the file was loaded before"
        more: dict[str, object] = {key: content[key] for key in ("secrets_from", "max_age") if key in content}
        if variables := dict(self._variables(content)):
            more["variables"] = variables
        if content.get("providers"):
            left_out: list[str] = []
            more["providers"] = self.renaming.tree(content["providers"], "providers", left_out)
            what = f"is copied from {self.other.name}, with the new name in it"
            self._to_do(f"{self.file} providers", what, "check it")
            for place in left_out:
                self._to_do(f"{self.file} {place}", "may be a credential and was not copied")
        cluster = content.get("cluster")
        if isinstance(cluster, Mapping):
            more["cluster"] = {key: value for key, value in cluster.items() if key != "namespace_uid"}
            self._to_do(
                f"{self.file} cluster",
                f"is copied from {self.other.name}, without namespace_uid",
                "check that it is the same cluster",
            )
        return more

    def _variables(self, content: Mapping[str, object]) -> Iterator[tuple[str, object]]:
        """Yield the exceptions and age limits. What expires is the other environment's value, so that is left out."""
        listed = content.get("variables")
        for name, given in listed.items() if isinstance(listed, Mapping) else ():
            limit = {"max_age": given["max_age"]} if isinstance(given, Mapping) and "max_age" in given else {}
            variable = self.other.variables.get(name)
            if variable is None:
                if limit:
                    yield name, limit
                continue
            value = written(self._reference(f"variables.{name}", variable.reference))
            options: dict[str, object] = {"decode": variable.decode} if variable.decode else {}
            options |= {"literal": True} if variable.literal else {}
            yield name, {"from": value, **options, **limit} if options or limit else value


def _asked(objects: Iterable[TemplateObject], kind: str) -> Mapping[str, None]:
    keys = (key for one in objects if one.id.kind == kind for key in one.keys.values())
    return dict.fromkeys(part.name for key in keys for part in key.parts if isinstance(part, Placeholder))


class Renaming:
    """The names of two environments. `prod` is a word in `eu-prod.yaml`, but not in `production`."""

    def __init__(self, old: str, new: str) -> None:
        self.old: Final = old
        self.new: Final = new
        self._word: Final = re.compile(rf"(?<![A-Za-z0-9]){re.escape(old)}(?![A-Za-z0-9])")

    def text(self, text: str) -> str:
        """Return a text with the new name."""
        return self._word.sub(self.new, text)

    def reference(self, reference: Reference) -> Reference:
        """Return a reference with the new name; a renamed document loses the old document's revision."""
        path, field = self.text(reference.path), reference.field and self.text(reference.field)
        revision = reference.revision if path == reference.path else None
        return Reference(reference.provider, path, revision, field)

    def tree(self, value: object, place: str, left_out: list[str]) -> object:
        """Return a section with the new name in its texts; possible credentials are added to `left_out` by place."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.tree(item, f"{place}[{number}]", left_out) for number, item in enumerate(value)]
        if isinstance(value, Mapping):
            return dict(self._items(value, place, left_out))
        return value

    def _items(self, value: Mapping[str, object], place: str, left_out: list[str]) -> Iterator[tuple[str, object]]:
        for key, child in value.items():
            at = f"{place}.{key}"
            if isinstance(child, str) and (_CREDENTIALS.fullmatch(key) or looks_secret(SecretValue.of(child))):
                left_out.append(at)
            else:
                yield key, self.tree(child, at, left_out)


def written(reference: Reference) -> object:
    """Return a reference as written in an environment file: a string, or a mapping if the grammar cannot express it."""
    try:
        if parse_reference(str(reference), "") == reference:
            return str(reference)
    except ConfigError:
        pass  # the grammar cannot express it
    return {key: value for key, value in reference._asdict().items() if value is not None}


class Copy:
    """A copy for one environment. No original value may reach the new cluster just because nobody changed it.

    `secret` are the variables that fill Secrets: a public key never uses one of them.
    """

    def __init__(self, name: str, secret: Collection[str]) -> None:
        self._name = name
        self._secret = secret
        self.left_out: list[str] = []
        self.has_public = False  # whether it has a ConfigMap, which needs its values here

    def text(self, path: Path, shown: str) -> str:
        """Return a template's text with a placeholder for each value; `check` and `sync` refuse unset placeholders."""
        text = ""
        for document in load_yaml_documents(path, shown):
            if isinstance(document.content, Mapping):
                text += "---\n" + manifest(self._without_values(document.content))
        return comments(self._heading(shown)) + text

    def _heading(self, shown: str) -> str:
        if not self.has_public:
            return f"Secrets of {self._name}, without values: those are in the sources. Keep the placeholders."
        return (
            f"The public values of {self._name}, in plaintext and reviewed in git. No secret here.\n"
            f"Replace each ConfigMap placeholder with its value; {shown} has the other environment's values."
        )

    def _without_values(self, content: Mapping[str, object]) -> Mapping[str, object]:
        metadata = content["metadata"]
        assert isinstance(metadata, Mapping), "the template was loaded before"
        kept = {key: value for key, value in content.items() if key not in {"data", "stringData", "binaryData"}}
        kept["metadata"] = {key: value for key, value in metadata.items() if key != "namespace"}
        if content["kind"] == "Secret":
            texts = [*_texts(content, "data"), *_texts(content, "stringData")]
            return kept | {"stringData": {key: self._secret_text(key, text) for key, text in texts}}
        self.has_public = True
        id_ = f"{content['kind']}/{metadata['name']}"
        self.left_out += [f"{id_} key {shown_name(key)}" for key, _ in _texts(content, "binaryData")]
        return kept | {"data": {key: self._public_text(key, text) for key, text in _texts(content, "data")}}

    def _secret_text(self, key: str, text: str) -> str:
        """Return a Secret's text as a single placeholder. Text around it, or a default, belongs to the original."""
        return placeholder(key, text) if "${" not in text or _is_bare(text) else self._unset(placeholder(key, ""))

    def _public_text(self, key: str, text: str) -> str:
        if _is_bare(text):
            return text
        bare = placeholder(key, "")
        return self._unset(f"${{PUBLIC_{bare[2:]}" if bare[2:-1] in self._secret else bare)

    def _unset(self, bare: str) -> str:
        return f"{bare[:-1]}:?{self._name} needs its own value}}"


def _is_bare(text: str) -> bool:
    """Whether a text is one placeholder without a default."""
    parts = parse_text(text)
    return len(parts) == 1 and isinstance(parts[0], Placeholder) and parts[0].default is None


def _texts(content: Mapping[str, object], section: str) -> Iterator[tuple[str, str]]:
    values = content.get(section)
    for key, text in values.items() if isinstance(values, Mapping) else ():
        if isinstance(text, str):
            yield key, text
