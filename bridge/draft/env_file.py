"""Finds the env file of a layout, and tells what of it is for scripts and which namespace it names."""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from bridge.config.dotenv import load_env_file
from bridge.config.names import is_dns_label
from bridge.draft.model import Layout, shown
from bridge.draft.suspect import named_like_a_secret
from bridge.secret import SecretValue

NAMESPACE: Final = "K8S_NAMESPACE"
STEM: Final = ".env.k8s."


class EnvFile(NamedTuple):
    """An env file. It has no values where it is not there; its names may then be those of an example."""

    path: Path
    values: Mapping[str, SecretValue]
    names: tuple[str, ...]


def find_env_file(name: str, folder: Path, root: Path) -> EnvFile:
    """Read the environment's env file, in the folder or in the layout; ConfigError where it does not parse."""
    places = tuple(dict.fromkeys((folder, root / "config", root)))
    for place in places:
        found = _read(place / f"{STEM}{name}")
        if found is not None:
            return EnvFile(place / f"{STEM}{name}", found, tuple(found))
    for path in _examples(name, places):
        found = _read(path)
        if found is not None:
            return EnvFile(folder / f"{STEM}{name}", {}, tuple(found))
    return EnvFile(folder / f"{STEM}{name}", {}, ("K8_ENV",))


def _examples(name: str, places: tuple[Path, ...]) -> Iterator[Path]:
    for place in places:
        yield place / f"{STEM}{name}.example"
        yield from sorted(place.glob(f"{STEM}*.example"))


def _read(path: Path) -> Mapping[str, SecretValue] | None:
    try:
        return load_env_file(path, shown(path)).values
    except FileNotFoundError:
        return None


def choose_namespace(name: str, layout: Layout, env: EnvFile) -> str | None:
    """Return the overlay's namespace, else the env file's; tell where the two, or K8_ENV, would be refused later."""
    own = env.values.get("K8_ENV")
    if own is not None and not own.same_as(SecretValue.of(name)):
        layout.remark(shown(env.path), f"K8_ENV names another environment than {name}", "make it say so")
    given = env.values.get(NAMESPACE)
    if layout.namespace:
        if given is not None and not given.same_as(SecretValue.of(layout.namespace)):
            what = f"{NAMESPACE} names another namespace than the overlay, which says {layout.namespace}"
            layout.remark(shown(env.path), what, "make the two agree")
        return layout.namespace
    text = "" if given is None else given.reveal().decode(errors="replace")
    if is_dns_label(text):
        return text
    layout.remark(shown(layout.overlay), f"names no namespace, and {NAMESPACE} does not either", "add `namespace:`")
    return None


def infrastructure(env: EnvFile, used: Collection[str]) -> Mapping[str, str]:
    """Take K8_ENV, K8S_NAMESPACE and whatever the env file has that no template asks for: that is for scripts."""
    names = [one for one in env.names if one in {"K8_ENV", NAMESPACE} or one not in used]
    return {one: "secret" if named_like_a_secret(one) else "required" for one in names}
