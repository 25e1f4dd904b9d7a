"""Finds the env file of a layout, and determines which variables are for scripts and which namespace it names."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from bridge.config.dotenv import load_env_file
from bridge.config.names import is_dns_label
from bridge.config.placeholder import Placeholder, PlaceholderError, parse_text
from bridge.config.template_value import text_of
from bridge.draft.layout_model import DraftedValue, Layout, shown
from bridge.draft.secret_looking import named_like_a_secret
from bridge.named_tuple import NamedTuple
from bridge.secret import SecretValue

NAMESPACE: Final = "K8S_NAMESPACE"
STEM: Final = ".env.k8s."


class LayoutEnvFile(NamedTuple):
    """An env file. If it does not exist, it has no values, and its names may come from an example file."""

    path: Path
    values: Mapping[str, SecretValue]
    names: tuple[str, ...]


def find_env_file(name: str, folder: Path, root: Path) -> LayoutEnvFile:
    """Read the environment's env file, from the folder or the layout; ConfigError if it does not parse."""
    places = tuple(dict.fromkeys((folder, root / "config", root)))
    for place in places:
        values = _read(place / f"{STEM}{name}")
        if values is not None:
            return LayoutEnvFile(place / f"{STEM}{name}", values, tuple(values))
    for path in _examples(name, places):
        values = _read(path)
        if values is not None:
            return LayoutEnvFile(folder / f"{STEM}{name}", {}, tuple(values))
    return LayoutEnvFile(folder / f"{STEM}{name}", {}, ("K8_ENV",))


def _examples(name: str, places: tuple[Path, ...]) -> Iterator[Path]:
    for place in places:
        yield place / f"{STEM}{name}.example"
        yield from sorted(place.glob(f"{STEM}*.example"))


def _read(path: Path) -> Mapping[str, SecretValue] | None:
    try:
        return load_env_file(path, shown(path)).values
    except FileNotFoundError:
        return None


def choose_namespace(name: str, layout: Layout, env: LayoutEnvFile) -> str | None:
    """Return the overlay's namespace, else the env file's; remark on conflicts that would be refused later."""
    own = env.values.get("K8_ENV")
    if own is not None and not own.same_as(SecretValue.of(name)):
        layout.remark(shown(env.path), f"K8_ENV names a different environment than {name}", f"set K8_ENV={name}")
    declared = env.values.get(NAMESPACE)
    if layout.namespace:
        if declared is not None and not declared.same_as(SecretValue.of(layout.namespace)):
            what = f"{NAMESPACE} names a different namespace than the overlay ({layout.namespace})"
            layout.remark(shown(env.path), what, "use the same namespace in both")
        return layout.namespace
    text = "" if declared is None else declared.reveal().decode(errors="replace")
    if is_dns_label(text):
        return text
    layout.remark(shown(layout.overlay), f"has no namespace, and {NAMESPACE} is not set", "add `namespace: NAME`")
    return None


def infrastructure(env: LayoutEnvFile, used: Collection[str]) -> Mapping[str, str]:
    """Return K8_ENV, K8S_NAMESPACE and the env file's variables that no template uses: these are for scripts."""
    names = [name for name in env.names if name in {"K8_ENV", NAMESPACE} or name not in used]
    return {name: "secret" if named_like_a_secret(name) else "required" for name in names}


def give_public_values(name: str, namespace: str | None, layout: Layout, env: LayoutEnvFile) -> None:
    """Fill the placeholders of ConfigMaps that no patch fills: from the env file, else with their defaults.

    A value that is still unknown because the env file is not written yet is left to the env file.
    """
    known = {"K8_ENV": name} | ({NAMESPACE: namespace} if namespace else {})
    known |= {key: text for key, value in env.values.items() if (text := text_of(value)) is not None}
    for declared in layout.objects:
        texts = [
            (key, text) for section, key, text in declared.texts() if section == "data" and key not in declared.given
        ]
        for key, text in texts if declared.kind == "ConfigMap" else ():
            value = _filled(text, known, env)
            if value is not None:
                held = any(part.name in env.values for part in _placeholders(text))
                place = shown(env.path) if held else shown(declared.file)
                declared.given[key] = DraftedValue("data", SecretValue.of(value), place)


def _filled(text: str, known: dict[str, str], env: LayoutEnvFile) -> str | None:
    """Return a text with its placeholders filled, or None if it has none or one cannot be filled."""
    if not _placeholders(text):
        return None
    filled = ""
    for part in parse_text(text):
        value = part if isinstance(part, str) else _value(part, known, env)
        if value is None:
            return None
        filled += value
    return filled


def _value(part: Placeholder, known: dict[str, str], env: LayoutEnvFile) -> str | None:
    value = known.get(part.name)
    if part.json:
        return None  # the run escapes it
    if value is not None and (value or not part.empty_is_unset):
        return value
    is_open = part.name in env.names and part.name not in env.values  # named only in an example
    return None if is_open else part.default


def _placeholders(text: str) -> list[Placeholder]:
    try:
        return [part for part in parse_text(text) if isinstance(part, Placeholder)]
    except PlaceholderError:
        return []
