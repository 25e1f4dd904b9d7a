"""Gives ConfigMaps the values that they have today, so that a fresh clone, without the env file, gives the same."""

from bridge.config.placeholder import Placeholder, PlaceholderError, parse_text
from bridge.draft.env_file import NAMESPACE, EnvFile
from bridge.draft.model import Given, Layout, shown
from bridge.secret import SecretValue


def give_public_values(name: str, namespace: str | None, layout: Layout, env: EnvFile) -> None:
    """Fill the placeholders of ConfigMaps that no patch fills: from the env file, else by their defaults.

    A value that is not known yet, because the env file is still to be written, is left to the env file.
    """
    known = {"K8_ENV": name} | ({NAMESPACE: namespace} if namespace else {})
    known |= {key: text for key, value in env.values.items() if (text := _text(value)) is not None}
    for one in layout.objects:
        texts = [(key, text) for section, key, text in one.texts() if section == "data" and key not in one.given]
        for key, text in texts if one.kind == "ConfigMap" else ():
            value = _filled(text, known, env)
            if value is not None:
                held = any(part.name in env.values for part in _placeholders(text))
                place = shown(env.path) if held else shown(one.file)
                one.given[key] = Given("data", SecretValue.of(value), place)


def _filled(text: str, known: dict[str, str], env: EnvFile) -> str | None:
    """Return a text with its placeholders filled; None if it has none, or one that cannot be filled."""
    if not _placeholders(text):
        return None
    filled = ""
    for part in parse_text(text):
        found = part if isinstance(part, str) else _value(part, known, env)
        if found is None:
            return None
        filled += found
    return filled


def _value(part: Placeholder, known: dict[str, str], env: EnvFile) -> str | None:
    value = known.get(part.name)
    if part.json:
        return None  # escaping is left to the run
    if value is not None and (value or not part.empty_is_unset):
        return value
    is_open = part.name in env.names and part.name not in env.values  # named by an example only
    return None if is_open else part.default


def _placeholders(text: str) -> list[Placeholder]:
    try:
        return [part for part in parse_text(text) if isinstance(part, Placeholder)]
    except PlaceholderError:
        return []


def _text(value: SecretValue) -> str | None:
    return value.reveal().decode() if value.is_text() else None
