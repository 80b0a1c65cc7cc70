"""AVPs that a request must have, once."""

from __future__ import annotations

from typing import Final

from farwire.gateway.diameter.answering import missing
from farwire.gateway.diameter.codec import Avps, Refusal, encode_avp, number_of, text_of
from farwire.gateway.diameter.dictionary import AVPS, Result, key_of

_SUBSCRIPTION: Final = key_of("Subscription-Id")
_TYPE: Final = key_of("Subscription-Id-Type")
_DATA: Final = key_of("Subscription-Id-Data")
_PRIVATE: Final = 4


def required_text(avps: Avps, key: int) -> str:
    """Return the text of an AVP. Raises ``Refusal``: 5005 where it is missing or empty, 5009 where it stands twice."""
    found = text_of(avps, key)
    _check_once(avps, key)
    if not found:
        raise missing(AVPS[key].name, encode_avp(key, ""))
    return found


def required_number(avps: Avps, key: int) -> int:
    """Return the number of an AVP. Raises ``Refusal`` as ``required_text`` does."""
    found = number_of(avps, key)
    _check_once(avps, key)
    if found is None:
        raise missing(AVPS[key].name, encode_avp(key, 0))
    return found


def _check_once(avps: Avps, key: int) -> None:
    values = avps.get(key, [])
    if len(values) > 1:
        failed = encode_avp(key, values[1])
        raise Refusal(Result.AVP_OCCURS_TOO_MANY_TIMES, f"{AVPS[key].name} stands twice", failed=failed)


def nobody_named() -> Refusal:
    """Return the refusal (5005) of a request that does not say whose it is."""
    example: Avps = {_TYPE: [_PRIVATE], _DATA: ["0"]}
    return missing("Subscription-Id", encode_avp(_SUBSCRIPTION, example))


def wrong_value(key: int, value: int) -> Refusal:
    """Return the refusal (5004) of a number that makes no sense."""
    return Refusal(
        Result.INVALID_AVP_VALUE, f"{AVPS[key].name} cannot be {value}", failed=encode_avp(key, value)
    )
