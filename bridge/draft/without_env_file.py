"""Gives ConfigMaps their current values, so that a fresh clone without the env file has the same result."""

from bridge.config.placeholder import Placeholder, PlaceholderError, parse_text
from bridge.draft.env_file import NAMESPACE, EnvFile
from bridge.draft.model import Given, Layout, shown
from bridge.secret import SecretValue


def give_public_values(name: str, namespace: str | None, layout: Layout, env: EnvFile) -> None:
    """Fill the placeholders of ConfigMaps that no patch fills: from the env file, else with their defaults.

    A value that is still unknown because the env file is not written yet is left to the env file.
    """
    known = {"K8_ENV": name} | ({NAMESPACE: namespace} if namespace else {})
    known |= {key: text for key, value in env.values.items() if (text := _text(value)) is not None}
    for declared in layout.objects:
        texts = [
            (key, text) for section, key, text in declared.texts() if section == "data" and key not in declared.given
        ]
        for key, text in texts if declared.kind == "ConfigMap" else ():
            value = _filled(text, known, env)
            if value is not None:
                held = any(part.name in env.values for part in _placeholders(text))
                place = shown(env.path) if held else shown(declared.file)
                declared.given[key] = Given("data", SecretValue.of(value), place)


def _filled(text: str, known: dict[str, str], env: EnvFile) -> str | None:
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


def _value(part: Placeholder, known: dict[str, str], env: EnvFile) -> str | None:
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


def _text(value: SecretValue) -> str | None:
    return value.reveal().decode() if value.is_text() else None
