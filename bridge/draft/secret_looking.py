"""Detects possible secrets among public values: by name, by format, by randomness.

If in doubt, it holds back a public value, which is reported by name, rather than put a secret into git.
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
    r"|\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"  # a UUID, the format of Scaleway's secret keys
)
_RUN: Final = re.compile(r"[A-Za-z0-9+=]{16,}")  # no / - _, which are common in paths and names
_CHANCE: Final = 3.3  # bits per character; words have fewer, base64 of this length has more


def named_like_a_secret(name: str) -> bool:
    """Whether the name of a variable or key contains a word that suggests a secret."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return any(map(_WORDS.fullmatch, re.split(r"[^a-z0-9]+", words.lower())))


def looks_secret(value: SecretValue) -> bool:
    """Whether a value has the format of a credential, or looks random."""
    text = value.reveal().decode(errors="replace")
    return looks_encrypted(value) or bool(_FORMS.search(text)) or any(map(_looks_random, _RUN.findall(text)))


def holds_secret(value: SecretValue, secrets: Iterable[SecretValue]) -> bool:
    """Whether a value contains one of the secrets, in clear or in base64; short or common secrets do not count."""
    content = value.reveal()
    for secret in secrets:
        known = secret.reveal().strip()
        if not commonness(known) and (known in content or base64.b64encode(known).rstrip(b"=") in content):
            return True
    return False


def equals_secret(value: SecretValue, secrets: Iterable[SecretValue]) -> bool:
    """Whether a value equals one of the secrets, however short, unless it is a word found in any configuration."""
    content = value.reveal().strip()
    return bool(content) and not is_plain(content) and any(secret.reveal().strip() == content for secret in secrets)


def _looks_random(run: str) -> bool:
    if not re.search(r"\d", run) or not re.search(r"[A-Za-z]", run):
        return False
    shares = [count / len(run) for count in Counter(run).values()]
    return -sum(share * math.log2(share) for share in shares) > _CHANCE
