"""Phone numbers as networks write them."""

from __future__ import annotations

import re
from typing import Final

from farwire.country.model import EMERGENCY

_NUMBER: Final = re.compile(r"(?:sips?:|tel:)?\+?([0-9*#()./ -]*[0-9])(?:[;@].*)?", re.IGNORECASE)
_SEPARATORS: Final = re.compile(r"[()./ -]")
_DIGITS_MOST: Final = 32
"""Twice what E.164 allows, for prefixes of routes."""


def number_in(address: str) -> str:
    """Return the digits of a phone number in a SIP or tel URI, or as it is; an emergency URN is 112; else ""."""
    if address.lower().startswith("urn:service:sos"):
        return EMERGENCY
    found = _NUMBER.fullmatch(address)
    digits = _SEPARATORS.sub("", found[1]) if found else ""
    return digits if len(digits) <= _DIGITS_MOST else ""
