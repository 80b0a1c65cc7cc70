"""The one table from Farwire's results and errors to Result-Codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from farwire.charging.model import ResultCode
from farwire.gateway.diameter.codec import Refusal
from farwire.gateway.diameter.dictionary import Result
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

RESULTS: Final[Mapping[int, Result]] = {
    ResultCode.SUCCESS: Result.SUCCESS,
    ResultCode.TOO_BUSY: Result.TOO_BUSY,
    ResultCode.END_USER_DENIED: Result.END_USER_SERVICE_DENIED,
    ResultCode.NOT_APPLICABLE: Result.CREDIT_CONTROL_NOT_APPLICABLE,
    ResultCode.CREDIT_LIMIT_REACHED: Result.CREDIT_LIMIT_REACHED,
    ResultCode.UNKNOWN_SESSION: Result.UNKNOWN_SESSION_ID,
    ResultCode.INVALID: Result.INVALID_AVP_VALUE,
    ResultCode.UNKNOWN_USER: Result.USER_UNKNOWN,
    ResultCode.RATING_FAILED: Result.RATING_FAILED,
    ResultCode.SPEND_LIMIT_REACHED: Result.CREDIT_LIMIT_REACHED,
    ResultCode.OUT_OF_SEQUENCE: Result.UNABLE_TO_COMPLY,
}
"""What charging has decided."""

CODES: Final[Mapping[str, Result]] = {
    "charging.no_answer": Result.TOO_BUSY,
}
"""Errors whose code says more than their kind."""

KINDS: Final[Mapping[type[FarwireError], Result]] = {
    NotFound: Result.USER_UNKNOWN,
    Invalid: Result.INVALID_AVP_VALUE,
    Conflict: Result.UNABLE_TO_COMPLY,
    Forbidden: Result.END_USER_SERVICE_DENIED,
    Exhausted: Result.TOO_BUSY,
    Unavailable: Result.TOO_BUSY,
    Defect: Result.UNABLE_TO_COMPLY,
}
"""Kinds of errors. 3004 makes a client or relay try another server at once, with the T flag: nothing is paid twice."""


def result_of(code: int) -> Result:
    """Return the Result-Code of a result of charging."""
    return RESULTS.get(code, Result.UNABLE_TO_COMPLY)


def result_of_error(error: FarwireError) -> Result:
    """Return the Result-Code of an error, by its code, else by its kind."""
    if isinstance(error, Refusal):
        return error.result
    named = CODES.get(error.code)
    if named is not None:
        return named
    return next(
        (result for kind, result in KINDS.items() if isinstance(error, kind)), Result.UNABLE_TO_COMPLY
    )
