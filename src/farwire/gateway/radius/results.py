"""The one table from Farwire's results and errors to answers of RADIUS.

RADIUS has few words: accept, reject with a message, or silence, after which a NAS asks again, or another server. Of
accounting there is only the word that it is kept, or silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from farwire.charging.model import ResultCode
from farwire.kernel.errors import (
    Conflict,
    Defect,
    Exhausted,
    FarwireError,
    Forbidden,
    Invalid,
    NotFound,
    Unavailable,
)

ACCEPT: Final = ""
SILENCE: Final = "silence"
KEPT: Final = "kept"

ACCESS: Final[Mapping[int, str]] = {
    ResultCode.SUCCESS: ACCEPT,
    ResultCode.TOO_BUSY: SILENCE,
    ResultCode.END_USER_DENIED: "This account may not be used now.",
    ResultCode.NOT_APPLICABLE: ACCEPT,
    ResultCode.CREDIT_LIMIT_REACHED: "There is no credit left. Please top up.",
    ResultCode.UNKNOWN_SESSION: SILENCE,
    ResultCode.INVALID: "The request makes no sense.",
    ResultCode.UNKNOWN_USER: "Name or password is wrong.",
    ResultCode.RATING_FAILED: "This service has no price.",
    ResultCode.SPEND_LIMIT_REACHED: "The spend limit is reached.",
    ResultCode.OUT_OF_SEQUENCE: SILENCE,
}
"""What an Access-Request is answered, by what charging has decided: accept, silence, or reject with this message."""

ACCESS_CODES: Final[Mapping[str, str]] = {
    "radius.eap": "EAP is not served here.",
    "radius.password": "One password, please.",
    "radius.password_wrong": "Name or password is wrong.",
}
ACCESS_KINDS: Final[Mapping[type[FarwireError], str]] = {
    NotFound: "Name or password is wrong.",
    Invalid: "The request makes no sense.",
    Conflict: SILENCE,
    Forbidden: "This account may not be used now.",
    Exhausted: SILENCE,
    Unavailable: SILENCE,
    Defect: SILENCE,
}
"""The same by the code of an error, else by its kind."""

ACCOUNTING: Final[Mapping[int, str]] = {
    ResultCode.SUCCESS: KEPT,
    ResultCode.TOO_BUSY: SILENCE,
    ResultCode.END_USER_DENIED: KEPT,
    ResultCode.NOT_APPLICABLE: KEPT,
    ResultCode.CREDIT_LIMIT_REACHED: KEPT,
    ResultCode.UNKNOWN_SESSION: SILENCE,
    ResultCode.INVALID: KEPT,
    ResultCode.UNKNOWN_USER: SILENCE,
    ResultCode.RATING_FAILED: KEPT,
    ResultCode.SPEND_LIMIT_REACHED: KEPT,
    ResultCode.OUT_OF_SEQUENCE: KEPT,
}
"""What an Accounting-Request is answered: refused usage has been charged and kept all the same."""

ACCOUNTING_KINDS: Final[Mapping[type[FarwireError], str]] = {
    NotFound: SILENCE,
    Invalid: SILENCE,
    Conflict: SILENCE,
    Forbidden: SILENCE,
    Exhausted: SILENCE,
    Unavailable: SILENCE,
    Defect: SILENCE,
}
"""Whatever goes wrong, nothing has been kept: the NAS tells it again."""


def access_answer(result: int) -> str:
    """Return ``ACCEPT``, ``SILENCE``, or the message of an Access-Reject, for a result of charging."""
    return ACCESS.get(result, SILENCE)


def access_answer_to(error: FarwireError) -> str:
    """Return ``SILENCE`` or the message of an Access-Reject, for an error."""
    named = ACCESS_CODES.get(error.code)
    return _by_kind(ACCESS_KINDS, error) if named is None else named


def accounting_answer(result: int) -> str:
    """Return ``KEPT`` or ``SILENCE`` for a result of charging."""
    return ACCOUNTING.get(result, SILENCE)


def accounting_answer_to(error: FarwireError) -> str:
    """Return ``KEPT`` or ``SILENCE`` for an error."""
    return _by_kind(ACCOUNTING_KINDS, error)


def _by_kind(table: Mapping[type[FarwireError], str], error: FarwireError) -> str:
    return next((found for kind, found in table.items() if isinstance(error, kind)), SILENCE)
