"""Writes commands that can be pasted into a shell, whatever the names in them."""

from collections.abc import Iterable


def word(text: object) -> str:
    """Quote a text where a shell would read it in another way; what cannot be printed is escaped as bash reads it."""
    import shlex  # noqa: PLC0415 - start-up: most runs name no command

    plain = str(text)
    if plain.isprintable():
        return shlex.quote(plain)
    return f"$'{''.join(map(_escaped, plain))}'"


def command(words: Iterable[object]) -> str:
    """Return a command of these words."""
    return " ".join(map(word, words))


def _escaped(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    if char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode(errors="surrogateescape"))
