"""Finds what may be a secret although it stands where public values do: by name, by form, by chance.

It would rather hold back a public value, which is then told by name, than put a secret into git.
"""

import base64
import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

from bridge.config.common_value import commonness, is_plain
from bridge.config.template_value import looks_encrypted
from bridge.secret import SecretValue

_WORDS: Final = re.compile(
    "(?:api)?keys?|secrets?|tokens?|pass(?:word|wd|phrase)?|pwd|credentials?|private|cert(?:ificate)?|auth|dsn|salt|pin"
)
_FORMS: Final = re.compile(
    r"-----BEGIN |AGE-SECRET-KEY-|\beyJ[\w-]+\.eyJ|://[^/\s:@]*:[^/\s@]+@"  # PEM, age, JWT, a password in a URL
    r"|\b(?:sk|pk|rk)[-_][A-Za-z0-9]|\bgh[pousr]_|\bglpat-|\bhv[sbr]\.|\b(?:AKIA|ASIA|SCW)[A-Z0-9]{12}|\bxox[a-z]-"
    r"|\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"  # a UUID: Scaleway's secret keys are some
)
_RUN: Final = re.compile(r"[A-Za-z0-9+=]{16,}")  # no / - _: paths and names are made with them
_CHANCE: Final = 3.3  # bits for each character; words have fewer, base64 of such length more


def named_like_a_secret(name: str) -> bool:
    """Say whether a variable's or key's name has a word that names a secret."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return any(map(_WORDS.fullmatch, re.split(r"[^a-z0-9]+", words.lower())))


def looks_secret(value: SecretValue) -> bool:
    """Say whether a value has the form of a credential, or seems to be drawn by chance."""
    text = value.reveal().decode(errors="replace")
    return looks_encrypted(value) or bool(_FORMS.search(text)) or any(map(_by_chance, _RUN.findall(text)))


def holds_secret(value: SecretValue, secrets: Iterable[SecretValue]) -> bool:
    """Say whether a value has one of the secrets in it, in clear or in base64; those that say nothing do not count."""
    content = value.reveal()
    for secret in secrets:
        known = secret.reveal().strip()
        if not commonness(known) and (known in content or base64.b64encode(known).rstrip(b"=") in content):
            return True
    return False


def equals_secret(value: SecretValue, secrets: Iterable[SecretValue]) -> bool:
    """Say whether a value is one of the secrets, however short, unless it is a word of any configuration."""
    content = value.reveal().strip()
    return bool(content) and not is_plain(content) and any(one.reveal().strip() == content for one in secrets)


def _by_chance(run: str) -> bool:
    if not re.search(r"\d", run) or not re.search(r"[A-Za-z]", run):
        return False
    shares = [count / len(run) for count in Counter(run).values()]
    return -sum(share * math.log2(share) for share in shares) > _CHANCE
