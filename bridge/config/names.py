"""The rules for names, how to show a wrong name, and how to suggest the right one."""

import re
from collections.abc import Collection
from typing import Final

_PART: Final = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
DNS_LABEL: Final = re.compile(_PART)
_DNS_SUBDOMAIN: Final = re.compile(rf"{_PART}(?:\.{_PART})*")
_QUALIFIED: Final = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_OBJECT_KEY: Final = re.compile(r"[-._a-zA-Z0-9]+")
VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHOWN: Final = 60


def is_dns_label(name: str) -> bool:
    """Whether a name is a DNS label (RFC 1123), as a namespace must be."""
    return len(name) <= 63 and DNS_LABEL.fullmatch(name) is not None


def is_dns_subdomain(name: str) -> bool:
    """Whether a name is a DNS subdomain as Kubernetes requires for objects: only the total length is limited."""
    return len(name) <= 253 and _DNS_SUBDOMAIN.fullmatch(name) is not None


def is_object_key(key: str) -> bool:
    """Whether a Secret or ConfigMap may have this key, which can become a file name in a volume."""
    return len(key) <= 253 and _OBJECT_KEY.fullmatch(key) is not None and key != "." and not key.startswith("..")


def is_label_name(name: str) -> bool:
    """Whether a label or an annotation may have this name: [DNS subdomain/]NAME."""
    prefix, slash, rest = name.rpartition("/")
    return (not slash or is_dns_subdomain(prefix)) and _QUALIFIED.fullmatch(rest) is not None


def is_label_value(value: str) -> bool:
    """Whether a label may have this value."""
    return not value or _QUALIFIED.fullmatch(value) is not None


def is_variable(name: str) -> bool:
    """Whether a name can be used in `${NAME}`."""
    return VARIABLE.fullmatch(name) is not None


def shown(name: str) -> str:
    """Show a name that may be any text: unchanged if it is a short identifier, else quoted."""
    return name if len(name) <= _SHOWN and is_variable(name) else quoted(name)


def quoted(name: str) -> str:
    """Show a name that breaks the rules: on one line, in ASCII, shortened if it is long."""
    return ascii(name if len(name) <= _SHOWN else f"{name[:_SHOWN]}...")


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return a hint with the known name closest to this one, or "" if no name is close."""
    import difflib  # noqa: PLC0415 - costs milliseconds, and only a mistake needs it

    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"did you mean {close[0]}?" if close else ""


def suggestion(name: str, known: Collection[str]) -> str:
    """Return a hint with the closest known name, or else with all known names."""
    return did_you_mean(name, known) or f"use one of {', '.join(sorted(known))}"
