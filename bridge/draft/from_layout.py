"""Drafts an environment from a kustomize layout."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from bridge.draft import public
from bridge.draft.env_file import STEM, EnvFile, choose_namespace, find_env_file, infrastructure
from bridge.draft.environment import EnvironmentDraft, env_example, sops_example
from bridge.draft.layout import find_overlay, read_layout
from bridge.draft.model import Declared, Drafted, Layout, relative, shown
from bridge.draft.naming import asked, choose_id, ids_in
from bridge.draft.origins import Known
from bridge.draft.patched import apply_file
from bridge.draft.suspect import named_like_a_secret
from bridge.draft.text import Commented
from bridge.secret import SecretValue

PATCHES: Final = ("secret-config-patch.yml", "secret-config-patch.yaml")

_RENAMED: Final = (
    "has its objects under other names than the build",
    "keep the two in step, and give the objects of a patch that is imported these names, too",
)
_MIXED: Final = (
    "has objects of other kinds, too",
    "keep the two in step, or give the base a file for Secrets and ConfigMaps alone",
)


def draft_from_layout(name: str, folder: Path, root: Path) -> Drafted:
    """Read the layout below `root`, and draft the files of `folder`; ConfigError for what is wrong in the layout."""
    overlay = find_overlay(root, name)
    layout = read_layout(overlay)
    read = {path.resolve() for path in layout.patch_files}
    for file in _patches_beside(name, folder, root, overlay):
        if file.resolve() not in read:
            apply_file(file, layout)
    env = find_env_file(name, folder, root)
    return _draft(name, folder, layout, env)


def _patches_beside(name: str, folder: Path, root: Path, overlay: Path) -> Iterator[Path]:
    for place in dict.fromkeys((root / "config", folder, overlay, overlay / "patches")):
        yield from (path for ending in PATCHES if (path := place / f"{name}-{ending}").is_file())


def _draft(name: str, folder: Path, layout: Layout, env: EnvFile) -> Drafted:
    objects = [one for one in layout.objects if not one.deleted or public.is_template(one.file, layout.objects, layout)]
    wanted, asked_in_public = _asked(objects, "Secret", layout), _asked(objects, "ConfigMap", layout)
    held = [value for key, value in env.values.items() if key in wanted or named_like_a_secret(key)]
    secrets = [*layout.secrets(), *held]
    values = public.public_template(name, layout, secrets)
    public.remark_literals(layout)
    draft = _environment(name, folder, layout, env)
    draft.infrastructure = infrastructure(env, wanted | asked_in_public)
    written_out = _templates(draft, folder, objects, layout, secrets)
    draft.templates.append(Commented(f"{name}.public.yaml", "this environment's public values"))
    texts = written_out | {
        f"{name}.public.yaml": values.text,
        f"{STEM}{name}.example": env_example(str(draft.env_file), env.names),
        f"{name}.sops.example.yaml": sops_example(name, wanted),
        f"{name}.yaml": draft.text(),
    }
    secret_names = (*wanted, *(one for one, rule in draft.infrastructure.items() if rule == "secret"))
    env_secrets = tuple(one for one in secret_names if one in env.values)
    imports = (*_imports(layout, env, wanted), *([env.path] if env_secrets else []))
    keys = tuple(Known(values.keys, env, f"{name}.public.yaml").origins(objects, layout))
    others = tuple(one for found in layout.others.values() for one in found)
    return Drafted(
        texts,
        keys,
        others,
        tuple(dict.fromkeys(layout.remarks)),
        imports,
        layout.overlay,
        draft.namespace,
        secret_names,
        env.path,
        env_secrets,
        tuple(dict.fromkeys(Path(shown(one.file)).parent for one in layout.objects)),
        choices=tuple(draft.choices),
    )


def _environment(name: str, folder: Path, layout: Layout, env: EnvFile) -> EnvironmentDraft:
    namespace = choose_namespace(name, layout, env)
    if not env.path.exists():
        layout.remark(shown(env.path), "does not exist yet", f"fill in {STEM}{name}.example")
    id_ = choose_id(name, namespace, set(ids_in(folder)))
    return EnvironmentDraft(
        name=name,
        origin=f"drafted by `bridge init` from {shown(layout.overlay)}",
        id=id_,
        namespace=namespace,
        env_file=relative(env.path, folder),
        env_file_exists=env.path.exists(),
        sources=[Commented(f"sops:{name}.sops.yaml", "encrypted, in git")],
        choices=(f"vault:secret/{id_}", f"scaleway:/{id_}/app"),  # `secret` is the engine of Vault's own tutorials
    )


def _imports(layout: Layout, env: EnvFile, wanted: Mapping[str, None]) -> Iterator[Path]:
    """Yield the patch files that still hold what Secrets ask for, and tell what of it the env file holds."""
    yield from (path for path, has_secret in layout.patch_files.items() if has_secret)
    if held := sorted(wanted.keys() & env.values.keys()):
        what = f"holds what Secrets ask for ({', '.join(held)}), and may not fill a Secret's key"
        layout.remark(shown(env.path), what, "import it too, then remove these lines")


def _asked(objects: Sequence[Declared], kind: str, layout: Layout) -> dict[str, None]:
    """Return the variables that the templates of a kind are going to ask for, in their order."""
    found: list[str] = []
    for one in objects:
        written_out = kind == "Secret" and not public.is_template(one.file, objects, layout)
        texts = [(key, text) for _, key, text in one.texts()] if one.kind == kind else []
        found += [public.placeholder(key, text) if written_out else text for key, text in texts]
    return dict.fromkeys(asked(found))


def _templates(
    draft: EnvironmentDraft, folder: Path, objects: Sequence[Declared], layout: Layout, secrets: Sequence[SecretValue]
) -> dict[str, str]:
    """List the objects' files as templates; those that cannot be templates are written out in a file of their own."""
    written = []
    for file in dict.fromkeys(one.file for one in objects):
        theirs = [one for one in objects if one.file == file]
        if public.is_template(file, objects, layout):
            draft.templates.append(Commented(relative(file, folder)))
            continue
        why, hint = _RENAMED if theirs[0].id.name != theirs[0].names[0] else _MIXED
        names = ", ".join(str(one.id) for one in theirs)
        what = f"{why}, so it cannot be a template: {names} were written out in {draft.name}.objects.yaml"
        layout.remark(shown(file), what, hint)
        written += [one for one in theirs if not one.deleted]
    if not written:
        return {}
    draft.templates.append(Commented(f"{draft.name}.objects.yaml", "under the names that the build gives them"))
    return {f"{draft.name}.objects.yaml": public.objects_template(draft.name, written, layout, secrets)}
