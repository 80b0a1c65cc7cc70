"""Codes of vouchers: drawn at random, with a check digit, short enough to type; kept as a keyed hash only."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from farwire.kernel.errors import Invalid

_DIGITS: Final = "0123456789"
_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Digits and letters without I, L, O and U: nothing that looks like something else (D. Crockford's base 32)."""

_DAMM: Final = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)


def _doubled(value: int) -> int:
    """Return twice ``value`` in the field of 32 elements, x⁵ + x² + 1."""
    return (value << 1) ^ (0b100101 if value & 16 else 0)


_DAMM_32: Final = tuple(tuple(_doubled(left ^ right) for right in range(32)) for left in range(32))

_SPELLED: Final = str.maketrans("ILO", "110", " -\t\u00a0.\u2010\u2011\u2013")
_LONGEST_TYPED: Final = 64
KEY_BYTES: Final = 32


class Alphabet(StrEnum):
    """What codes are made of."""

    DIGITS = "digits"
    """For a keypad or USSD."""
    LETTERS = "letters"
    """Digits and 22 letters: shorter, for an application."""

    @property
    def symbols(self) -> str:
        """Return its symbols in the order of their values."""
        return _DIGITS if self is Alphabet.DIGITS else _LETTERS


LENGTHS: Final = MappingProxyType({Alphabet.DIGITS: range(14, 21), Alphabet.LETTERS: range(11, 21)})
"""Symbols of a code, the check digit among them. The shortest still leave 10¹³ codes to guess among."""
USUAL_LENGTH: Final = MappingProxyType({Alphabet.DIGITS: 16, Alphabet.LETTERS: 12})


def check_length(alphabet: Alphabet, length: int) -> int:
    """Return ``length`` if nobody guesses codes of it. Raises ``Invalid`` (``payment.code_length``)."""
    allowed = LENGTHS[alphabet]
    if length in allowed:
        return length
    raise Invalid(
        f"a code of {alphabet} has {allowed[0]} to {allowed[-1]} of them",
        code="payment.code_length",
        field="length",
        value=length,
    )


def check_digit(alphabet: Alphabet, body: str) -> str:
    """Return the symbol that ends the code ``body``: it finds one wrong symbol, and two neighbours swapped.

    By H. M. Damm's quasigroups (2004): his table for digits, 2·(x ⊕ y) in the field of 32 elements for letters.
    """
    table = _DAMM if alphabet is Alphabet.DIGITS else _DAMM_32
    symbols = alphabet.symbols
    state = 0
    for symbol in body:
        state = table[state][symbols.index(symbol)]
    return symbols[state]


def draw(alphabet: Alphabet, length: int, count: int, random: Callable[[int], bytes]) -> tuple[str, ...]:
    """Return ``count`` different codes. ``random`` gives so many random octets that nobody can foresee.

    Each code is as likely as any other: octets that would favour some symbols are thrown away. A code of letters has
    at least one letter, so that it is never taken for one of digits.
    """
    check_length(alphabet, length)
    symbols = alphabet.symbols
    fair = 256 // len(symbols) * len(symbols)
    table = bytes(ord(symbols[octet % len(symbols)]) for octet in range(256))
    unfair = bytes(range(fair, 256))
    size = length - 1
    found: dict[str, None] = {}
    rest = ""
    while len(found) < count:
        rest += random(4096).translate(table, unfair).decode("ascii")
        whole = len(rest) // size * size
        for start in range(0, whole, size):
            body = rest[start : start + size]
            if alphabet is Alphabet.LETTERS and body.isdigit():
                continue
            found[body + check_digit(alphabet, body)] = None
            if len(found) == count:
                break
        rest = rest[whole:]
    return tuple(found)


def grouped(code: str) -> str:
    """Return a code as it is printed: in groups of four."""
    return "-".join(code[start : start + 4] for start in range(0, len(code), 4))


def read_code(typed: str) -> str:
    """Return the code that a person typed, without blanks and hyphens, in capitals; I and L are 1, O is 0.

    Digits of any script count. Raises ``Invalid`` (``payment.code_mistyped``): this says nothing of any voucher, since
    who looks only at the text finds it too.
    """
    plain = "".join(str(int(one)) if one.isdecimal() else one for one in typed[:_LONGEST_TYPED].upper())
    plain = plain.translate(_SPELLED)
    alphabet = Alphabet.DIGITS if plain.isdecimal() else Alphabet.LETTERS
    known = len(typed) <= _LONGEST_TYPED and all(one in alphabet.symbols for one in plain)
    if known and len(plain) in LENGTHS[alphabet] and check_digit(alphabet, plain[:-1]) == plain[-1]:
        return plain
    raise Invalid(
        "this is not the code of a voucher: a digit is wrong, missing or swapped",
        code="payment.code_mistyped",
        field="code",
        fix="type it again as it is printed; hyphens and blanks do not matter",
    )


def hash_of(code: str, key: bytes) -> bytes:
    """Return what is kept of a code: its HMAC-SHA256 under the tenant's key."""
    return hmac.new(key, code.encode("ascii"), hashlib.sha256).digest()
