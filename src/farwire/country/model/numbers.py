"""Dialled numbers: read one as people dial it in a country, and write it as E.164 digits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from farwire.country.model.pack import CountryPack

# What people and vendors put between digits, including the invisible marks that a copied number brings along.
_BETWEEN: Final = str.maketrans("", "", " \t-.()/\u00a0\u2010\u2011\u2012\u2013\u202a\u202c\u200e\u200b")
_E164: Final = re.compile(r"[1-9][0-9]{6,14}")
_LONGEST: Final = 64
EMERGENCY: Final = "112"
"""Reaches an emergency service in every mobile network, and stands for calls that ask for one without a number.

Source: TS 22.101 §10.1.1.
"""


class NumberKind(StrEnum):
    """What a dialled number is."""

    EMERGENCY = "emergency"
    SHORT_CODE = "short_code"
    NATIONAL = "national"
    INTERNATIONAL = "international"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class DialledNumber:
    """What was dialled: its kind, and its E.164 digits; emergency numbers and short codes have none."""

    kind: NumberKind
    e164: str | None
    dialled: str


@lru_cache(maxsize=512)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.ASCII)


def _is(pattern: str, digits: str) -> bool:
    return bool(pattern) and _pattern(pattern).fullmatch(digits) is not None


def _plain(pack: CountryPack, dialled: str) -> str:
    """Return ``dialled`` without separators; the "(0)" of +49 (0)30 goes, because nobody dials it."""
    text = dialled.strip()[:_LONGEST]
    if text.startswith(("+", *pack.numbers.international_prefixes)) and pack.numbers.trunk_prefix:
        text = text.replace(f"({pack.numbers.trunk_prefix})", "", 1)
    return text.translate(_BETWEEN)


def _emergency(pack: CountryPack, plain: str) -> bool:
    return plain == EMERGENCY or any(plain == entry.number for entry in pack.emergency.numbers)


def is_emergency(pack: CountryPack, number: str) -> bool:
    """Return whether ``number``, as dialled in the country of ``pack``, reaches an emergency service."""
    return _emergency(pack, _plain(pack, number))


def _international(pack: CountryPack, digits: str) -> str | None:
    """Return E.164 ``digits`` if they can be a number; those of the own country must fit its plan."""
    if not _E164.fullmatch(digits):
        return None
    code = pack.numbers.country_code
    if digits.startswith(code) and not _is(pack.numbers.national_pattern, digits[len(code) :]):
        return None
    return digits


def _national(pack: CountryPack, digits: str) -> str | None:
    """Return the E.164 digits of a number dialled inside the country, or of one written with the country code alone."""
    plan = pack.numbers
    trunk = plan.trunk_prefix
    if trunk and digits.startswith(trunk) and _is(plan.national_pattern, digits[len(trunk) :]):
        return plan.country_code + digits[len(trunk) :]
    if _is(plan.untrunked_pattern if trunk else plan.national_pattern, digits):
        return plan.country_code + digits
    rest = digits.removeprefix(plan.country_code)
    if rest != digits and _is(plan.national_pattern, rest) and _E164.fullmatch(digits):
        return digits
    return None


def read_number(pack: CountryPack, dialled: str) -> DialledNumber:
    """Read ``dialled`` as the network of the country would.

    Order: emergency number; short code; "+" or international prefix; trunk prefix; a number that needs no trunk prefix;
    the country's own code without "+". Bare digits of a foreign number are unknown: they could be a local number.
    Source: ITU-T E.164, E.123.
    """
    plain = _plain(pack, dialled)
    if _emergency(pack, plain):
        return DialledNumber(NumberKind.EMERGENCY, None, plain)
    if _is(pack.numbers.short_code_pattern, plain):
        return DialledNumber(NumberKind.SHORT_CODE, None, plain)
    kind, found = NumberKind.INTERNATIONAL, None
    if plain.startswith("+"):
        found = _international(pack, plain[1:])
    elif plain.isascii() and plain.isdigit():
        prefix = next((p for p in pack.numbers.international_prefixes if plain.startswith(p)), None)
        found = _international(pack, plain[len(prefix) :]) if prefix else None
        found = found or _national(pack, plain)
    if found is None:
        return DialledNumber(NumberKind.UNKNOWN, None, plain)
    if found.startswith(pack.numbers.country_code):
        kind = NumberKind.NATIONAL
    return DialledNumber(kind, found, plain)


def normalise_number(pack: CountryPack, dialled: str) -> str | None:
    """Return the E.164 digits (no "+") of ``dialled`` in the country of ``pack``, or None where there are none.

    A normalised number with its "+" gives itself; one of the own country does so without it too.
    """
    return read_number(pack, dialled).e164
