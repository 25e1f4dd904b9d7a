"""Joins the shares that a data key was split into, as Vault does (sops shamir/shamir.go): in GF(2^8), byte by byte.

A share has one byte for each byte of the key: the value of that byte's polynomial at x. Its last byte is x.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from bridge.provider import ProviderError
from bridge_providers.sops.cipher import KEY_BYTES

SHARE_BYTES: Final = KEY_BYTES + 1
_POLYNOMIAL: Final = 0x11B  # x^8 + x^4 + x^3 + x + 1


def join(shares: Sequence[bytes]) -> bytes:
    """Return the data key of as many shares as the threshold; ProviderError if they cannot be of one key.

    Fewer shares, or a damaged share, give another key, which only shows when it is used.
    """
    if any(len(share) != SHARE_BYTES for share in shares):
        raise ProviderError("a share of its data key has the wrong size")
    places = [share[-1] for share in shares]
    if 0 in places:
        raise ProviderError("a share of its data key is damaged: its number is 0")
    if len(set(places)) < len(places):
        raise ProviderError("two of its key groups contain the same share of the data key")
    weights = [_weight(place, places) for place in places]
    return bytes(
        _sum(_times(share[index], weight) for share, weight in zip(shares, weights, strict=True))
        for index in range(KEY_BYTES)
    )


def _weight(place: int, places: Sequence[int]) -> int:
    """Return how much a share counts at 0 (Lagrange)."""
    weight = 1
    for other in places:
        if other != place:
            weight = _times(weight, _divided(other, place ^ other))
    return weight


def _tables() -> tuple[list[int], list[int]]:
    """Return the powers of 3, which generates the field, and the exponent of each number."""
    powers, exponents = [1], [0] * 256
    for exponent in range(1, 255):
        doubled = powers[-1] << 1
        power = (doubled ^ _POLYNOMIAL if doubled & 0x100 else doubled) ^ powers[-1]
        powers.append(power)
        exponents[power] = exponent
    return powers, exponents


_POWERS, _EXPONENTS = _tables()


def _times(one: int, other: int) -> int:
    return _POWERS[(_EXPONENTS[one] + _EXPONENTS[other]) % 255] if one and other else 0


def _divided(one: int, other: int) -> int:
    return _POWERS[(_EXPONENTS[one] - _EXPONENTS[other]) % 255] if one else 0


def _sum(terms: Iterable[int]) -> int:
    total = 0
    for term in terms:
        total ^= term
    return total
