"""Bech32 (BIP 173) as age uses it for its keys: without the limit of 90 characters."""

from typing import Final

_ALPHABET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATORS: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM: Final = 6  # letters


def encode(prefix: str, data: bytes) -> str:
    """Return bytes as a text in lower case."""
    words = _regroup(data, 8, 5, pad=True) or []
    total = _polymod([*_expand(prefix), *words, *[0] * _CHECKSUM]) ^ 1
    checksum = [total >> 5 * (_CHECKSUM - 1 - index) & 31 for index in range(_CHECKSUM)]
    return f"{prefix}1{''.join(_ALPHABET[word] for word in [*words, *checksum])}"


def decode(text: str, prefix: str) -> bytes | None:
    """Return the bytes of a text with this prefix; None where it is no such text, or has a typo."""
    lower = text.lower()
    if text not in {lower, text.upper()} or not lower.startswith(f"{prefix}1"):
        return None
    words = [_ALPHABET.find(letter) for letter in lower[len(prefix) + 1 :]]
    if len(words) < _CHECKSUM or -1 in words or _polymod([*_expand(prefix), *words]) != 1:
        return None
    data = _regroup(words[:-_CHECKSUM], 5, 8, pad=False)
    return None if data is None else bytes(data)


def _expand(prefix: str) -> list[int]:
    return [*(ord(letter) >> 5 for letter in prefix), 0, *(ord(letter) & 31 for letter in prefix)]


def _polymod(words: list[int]) -> int:
    total = 1
    for word in words:
        top = total >> 25
        total = (total & 0x1FFFFFF) << 5 ^ word
        for bit, generator in enumerate(_GENERATORS):
            if top >> bit & 1:
                total ^= generator
    return total


def _regroup(words: "bytes | list[int]", width: int, wanted: int, *, pad: bool) -> list[int] | None:
    """Cut a row of bits anew; None where bits are left that are not zero, or a whole word's."""
    bits = count = 0
    found = []
    for word in words:
        bits, count = bits << width | word, count + width
        while count >= wanted:
            count -= wanted
            found.append(bits >> count)
            bits &= (1 << count) - 1
    if pad:
        return [*found, bits << wanted - count] if count else found
    return None if count >= width or bits else found
