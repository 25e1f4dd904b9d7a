"""Drafts an environment from a kustomize layout."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from bridge.config.dotenv import load_env_file
from bridge.config.names import shown as shown_name
from bridge.draft import public
from bridge.draft.comments import Commented
from bridge.draft.env_file import (
    NAMESPACE,
    STEM,
    LayoutEnvFile,
    choose_namespace,
    find_env_file,
    give_public_values,
    infrastructure,
)
from bridge.draft.environment_file import EnvironmentDraft, env_example, sops_example
from bridge.draft.layout import find_namespaces, find_overlay, layout_root, read_layout
from bridge.draft.layout_model import Drafted, Layout, relative, shown
from bridge.draft.naming import choose_id, ids_in, variables_in
from bridge.draft.origins import Known
from bridge.draft.other_tools import translate
from bridge.draft.patched import apply_file
from bridge.draft.secret_looking import named_like_a_secret
from bridge.draft.templates import Templates, keep_out
from bridge.draft.translation import Translation, written
from bridge.draft.vals import Vals
from bridge.errors import ConfigError
from bridge.secret import SecretValue

PATCHES: Final = ("secret-config-patch.yml", "secret-config-patch.yaml")


def draft_from_layout(name: str, folder: Path, root: Path) -> Drafted:
    """Read the layout below `root` and draft the files of `folder`; ConfigError lists what is wrong with the layout."""
    overlay = find_overlay(root, name)
    root = layout_root(root, overlay)
    layout = read_layout(overlay)
    translation = translate(layout)
    find_namespaces(layout)
    read = {path.resolve() for path in layout.patch_files}
    for file in _patches_beside(name, folder, root, overlay):
        if file.resolve() not in read:
            apply_file(file, layout)
    Vals(layout, translation, folder).translate()
    env = find_env_file(name, folder, root)
    return _draft(name, folder, layout, env, translation)


def _patches_beside(name: str, folder: Path, root: Path, overlay: Path) -> Iterator[Path]:
    for place in dict.fromkeys((root / "config", folder, overlay, overlay / "patches")):
        yield from (path for ending in PATCHES if (path := place / f"{name}-{ending}").is_file())


def _draft(name: str, folder: Path, layout: Layout, env: LayoutEnvFile, translation: Translation) -> Drafted:
    draft = _environment(name, folder, layout, env)
    keep_out(layout, draft.namespace)
    templates = Templates(layout.objects, layout, draft.namespace, folder)
    wanted, asked_in_public = _asked(templates, "Secret"), _asked(templates, "ConfigMap")
    given = translation.variables.keys() | translation.expected.keys()
    to_store = {variable: None for variable in wanted if variable not in given}
    if given:
        _from_stores(draft, translation, is_whole=not to_store)
    held = [value for key, value in env.values.items() if key in wanted or named_like_a_secret(key)]
    secrets = [*layout.secrets(), *held]
    give_public_values(name, draft.namespace, layout, env)
    values = public.public_template(name, layout, secrets)
    public.remark_literals(name, templates, layout)
    public.remark_by_hand(name, templates, layout)
    draft.infrastructure = infrastructure(env, wanted | asked_in_public)
    draft.templates += [Commented(relative(file, folder)) for file in templates.files]
    texts = _written_out(draft, templates, layout, secrets, values)
    draft.templates.append(Commented(f"{name}.public.yaml", "this environment's public values"))
    texts |= {
        f"{name}.public.yaml": values.text,
        f"{STEM}{name}.example": env_example(str(draft.env_file), env.names),
        f"{name}.sops.example.yaml": sops_example(name, to_store),
        f"{name}.yaml": draft.text(),
    }
    if given and not to_store:
        del texts[f"{name}.sops.example.yaml"]
    secret_names = (*to_store, *(var for var, rule in draft.infrastructure.items() if rule == "secret"))
    env_secrets = tuple(var for var in secret_names if var in env.values)
    imports = _imports(name, layout, env, wanted, templates)
    imports = (*imports, *([env.path] if env_secrets and env.path not in imports else []))
    keys = tuple(Known(values.keys, env, f"{name}.public.yaml", translation).origins(templates, layout))
    others = [label for labels in layout.others.values() for label in labels]
    others += [str(one.id) for one in layout.objects if one.kept_out]
    return Drafted(
        texts,
        keys,
        tuple(others),
        tuple(dict.fromkeys(layout.remarks)),
        imports,
        layout.overlay,
        draft.namespace,
        secret_names,
        env.path,
        env_secrets,
        tuple(dict.fromkeys(Path(shown(one.file)).parent for one in layout.objects)),
        choices=tuple(draft.choices),
        is_stored=bool(given) and not to_store,
    )


def _from_stores(draft: EnvironmentDraft, translation: Translation, *, is_whole: bool) -> None:
    """Add what other tools read; if that is everything, nothing has to be moved into another store."""
    if is_whole:
        draft.sources, draft.choices = [], ()
    draft.sources += [Commented(written(reference), comment) for reference, comment in translation.sources.items()]
    sections = {section: options for section, options in translation.sections.items() if options}
    more = {"variables": translation.variables, "providers": sections}
    draft.more = {key: value for key, value in more.items() if value}


def _environment(name: str, folder: Path, layout: Layout, env: LayoutEnvFile) -> EnvironmentDraft:
    namespace = choose_namespace(name, layout, env)
    if not namespace and layout.namespaces:
        what = f"builds for more than one namespace ({', '.join(layout.namespaces)}), but an environment has one"
        layout.remark(shown(layout.overlay), what, f"set it in {shown(env.path)}: {NAMESPACE}={layout.namespaces[0]}")
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
        choices=(f"vault:secret/{id_}", f"scaleway:/{id_}/app"),  # `secret` is the engine in Vault's tutorials
    )


def _imports(
    name: str, layout: Layout, env: LayoutEnvFile, wanted: Mapping[str, None], templates: Templates
) -> tuple[Path, ...]:
    """Return the plaintext files that still contain values for Secrets."""
    imports = [path for path, has_secret in layout.patch_files.items() if has_secret]
    imports += [path for path in layout.env_sources if _is_importable(name, path, layout, templates)]
    if held := sorted(wanted.keys() & env.values.keys()):
        what = f"contains values for Secrets ({', '.join(held)}), which may not come from an env file"
        layout.remark(shown(env.path), what, "import it too, then remove these lines")
        imports.append(env.path)
    return tuple({path.resolve(): path for path in imports}.values())


def _is_importable(name: str, path: Path, layout: Layout, templates: Templates) -> bool:
    """Whether `bridge import` reads a generator's env file as kustomize does; otherwise remark on the keys."""
    try:
        ours = load_env_file(path, shown(path)).values
    except (OSError, ConfigError):
        ours = {}
    used = [
        (declared, key) for declared, key in layout.env_sources[path] if not declared.kept_out and key in declared.given
    ]
    other = [
        key
        for declared, key in used
        if key not in ours
        or not ours[key].same_as(declared.given[key].value)
        or templates.text(declared, key, f"${{{key}}}") != f"${{{key}}}"
    ]
    if other:
        what = f"is read differently by `bridge import` and kustomize ({', '.join(map(shown_name, other))})"
        layout.remark(shown(path), what, f"store each value, for example with `bridge set {name} {other[0]}`")
    return bool(used) and not other


def _asked(templates: Templates, kind: str) -> dict[str, None]:
    """Return the variables that the templates of a kind will use, in order."""
    objects = [declared for declared in templates.objects if declared.kind == kind]
    return dict.fromkeys(
        variables_in(templates.text(declared, key, text) for declared in objects for _, key, text in declared.texts())
    )


def _written_out(
    draft: EnvironmentDraft,
    templates: Templates,
    layout: Layout,
    secrets: Sequence[SecretValue],
    values: public.PublicTemplate,
) -> dict[str, str]:
    """Write objects whose files cannot be templates to a file of their own, if there are any."""
    file = f"{draft.name}.objects.yaml"
    text = public.objects_template(draft.name, templates, layout, secrets, values)
    templates.remark(file)
    if not text:
        return {}
    draft.templates.append(Commented(file, "as in the build"))
    return {file: text}
