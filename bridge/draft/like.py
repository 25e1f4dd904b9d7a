"""Drafts an environment like another one of the same folder: what differs is filled in, or told as still to do."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bridge.config.environment import Environment, load_environment
from bridge.config.own_template import own_template
from bridge.config.placeholder import Placeholder
from bridge.config.reference import Reference
from bridge.config.template import TemplateObject, load_templates
from bridge.config.yamlfile import load_yaml_documents
from bridge.draft.copying import Copy
from bridge.draft.env_file import STEM
from bridge.draft.environment import EnvironmentDraft, env_example, sops_example
from bridge.draft.layout import overlay_folders, read_layout
from bridge.draft.model import Drafted, KeyOrigin, relative, shown
from bridge.draft.naming import choose_id, ids_in
from bridge.draft.renaming import Renaming, written
from bridge.draft.text import Commented
from bridge.errors import ConfigError, Problem
from bridge.kustomize.read import load_kustomization
from bridge.shell import word


def draft_like(name: str, folder: Path, other: str) -> Drafted:
    """Read the other environment and draft this one; ConfigError where the other's files are not in order."""
    return _Like(name, folder, load_environment(folder, other)).draft()


class _Like:
    """One environment in the making; what is still to do is remarked on the way."""

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
        secrets += [one for one, rule in self.other.infrastructure.items() if rule == "secret"]
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
        """Return the overlay beside the other's, found by the layout's files; None where there is none yet."""
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
        self._to_do(shown(ours), "does not exist yet", f"make it like {shown(theirs)}")
        return None

    def _point_to_layout(self, overlay: Path) -> None:
        """Tell of an overlay with values of its own: `--from` reads them, a copy of another environment does not."""
        try:
            objects = read_layout(overlay).objects
        except ConfigError:
            return  # its kustomization is told by whatever needs it
        if any(one.given for one in objects):
            config = "" if str(self.folder) == "config" else f" --config {word(self.folder)}"
            files = " ".join(word(shown(self.folder / one)) for one in (self.file, f"{self.name}.public.yaml"))
            hint = f"to draft from it: rm {files}; bridge init {self.name} --from {word(shown(overlay.parent.parent))}"
            self._to_do(shown(overlay), "has values of its own, which `--like` does not read", f"{hint}{config}")

    def _namespace(self, overlay: Path | None) -> str | None:
        if overlay and (named := load_kustomization(overlay).namespace):
            return named
        theirs = self.other.namespace or ""
        if self.renaming.text(theirs) != theirs:
            self._to_do(self.file, f"namespace: {self.renaming.text(theirs)} is a guess from {theirs}", "look at it")
            return self.renaming.text(theirs)
        self._to_do(self.file, "namespace is left out, for it cannot be derived", "add `namespace:`")
        return None

    def _env_file(self) -> str | None:
        given = self.other.env_file
        if not isinstance(given, Path):
            return given
        theirs = relative(given, self.folder)
        text = self.renaming.text(theirs)
        if text == theirs:
            text = f"{STEM}{self.name}"  # the other's own would be refused: its K8_ENV names the other
        if not (self.folder / text).exists():
            self._to_do(text, "does not exist yet", f"fill in {STEM}{self.name}.example")
        return text

    def _template(self, path: Path) -> Commented:
        """Refer to what is shared; copy what is the other's own: in this folder, and named after it."""
        theirs = relative(path, self.folder)
        text = self.renaming.text(theirs)
        if text == theirs and path == own_template(self.other):
            what = f"is {self.other.name}'s own template, and its values count for {self.name} too"
            self._to_do(text, what, f"give {self.name} a template of its own if they differ")
        if text == theirs or (self.folder / text).exists():
            return Commented(text)
        if "/" in theirs:
            self._to_do(text, "does not exist yet", f"make it like {theirs}")
            return Commented(text, "TO DO: it does not exist yet")
        copy = Copy(self.name, self.secret)
        self.texts[text] = copy.text(path, theirs)
        if not copy.has_public:
            return Commented(text)  # a secret never goes into it: the next steps put each into its source
        hint = f"write each ConfigMap's in place of its placeholder; {theirs} has the other's"
        self._to_do(text, "has no values yet", hint)
        for one in copy.left_out:
            self._to_do(text, f"{one} is binary, and was not copied", "add it by hand")
        return Commented(text, "TO DO: it has no values yet")

    def _source(self, reference: Reference) -> Commented:
        renamed = self._reference("sources", reference)
        return Commented(written(renamed), "" if renamed == reference else "TO DO: it has to be made")

    def _reference(self, where: str, reference: Reference) -> Reference:
        renamed = self.renaming.reference(reference)
        if renamed == reference:
            self._to_do(
                f"{self.file} {where}", f"{renamed} is {self.other.name}'s as well", "a value there is for both"
            )
        else:
            self._to_do(f"{self.file} {where}", f"{renamed} has to be made")
        return renamed

    def _more(self) -> Mapping[str, object]:
        """Return the other keys, as the other environment's file has them, without a credential."""
        content = load_yaml_documents(self.other.file, self.other.shown(self.other.file))[0].content
        assert isinstance(content, Mapping), "the file was loaded before"
        more: dict[str, object] = {key: content[key] for key in ("secrets_from",) if key in content}
        if self.other.variables:
            more["variables"] = dict(self._variables())
        if content.get("providers"):
            left_out: list[str] = []
            more["providers"] = self.renaming.tree(content["providers"], "providers", left_out)
            what = f"is {self.other.name}'s, with the new name in its texts"
            self._to_do(f"{self.file} providers", what, "look at it")
            for place in left_out:
                self._to_do(f"{self.file} {place}", "may be a credential, and was not copied")
        cluster = content.get("cluster")
        if isinstance(cluster, Mapping):
            more["cluster"] = {key: value for key, value in cluster.items() if key != "namespace_uid"}
            self._to_do(
                f"{self.file} cluster", f"is {self.other.name}'s, without namespace_uid", "is it the same cluster?"
            )
        return more

    def _variables(self) -> Iterator[tuple[str, object]]:
        for name, variable in self.other.variables.items():
            value = written(self._reference(f"variables.{name}", variable.reference))
            options = {"decode": variable.decode} if variable.decode else {}
            if options or variable.literal:
                yield name, {"from": value, **options, **({"literal": True} if variable.literal else {})}
            else:
                yield name, value


def _asked(objects: Iterable[TemplateObject], kind: str) -> Mapping[str, None]:
    keys = (key for one in objects if one.id.kind == kind for key in one.keys.values())
    return dict.fromkeys(part.name for key in keys for part in key.parts if isinstance(part, Placeholder))
