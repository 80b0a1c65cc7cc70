"""The one table from Farwire's results and errors to HTTP answers: status, and ``cause`` of a ProblemDetails.

Source: TS 29.500 §5.2.7.2 (protocol errors), TS 32.291 §6.1.7.3, TS 29.594 §5.7.3 (application errors), TS 32.291
§6.1.6.3.14 (results of rating groups).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from farwire.charging.model import ResultCode
from farwire.gateway.nchf.http2.messages import Response
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

_JSON: Final = ("content-type", "application/problem+json")
_RETRY: Final = ("retry-after", "1")


class Cause(msgspec.Struct, frozen=True, gc=False):
    """A status, and why."""

    status: int
    cause: str


SYSTEM_FAILURE: Final = Cause(500, "SYSTEM_FAILURE")
CONGESTION: Final = Cause(503, "NF_CONGESTION")
BAD_FORMAT: Final = Cause(400, "INVALID_MSG_FORMAT")
MANDATORY_MISSING: Final = Cause(400, "MANDATORY_IE_MISSING")
MANDATORY_INCORRECT: Final = Cause(400, "MANDATORY_IE_INCORRECT")
OPTIONAL_INCORRECT: Final = Cause(400, "OPTIONAL_IE_INCORRECT")
NO_SUCH_PATH: Final = Cause(404, "RESOURCE_URI_STRUCTURE_NOT_FOUND")
NO_SUCH_RESOURCE: Final = Cause(404, "RESOURCE_CONTEXT_NOT_FOUND")
NO_SUCH_SUBSCRIPTION: Final = Cause(404, "SUBSCRIPTION_NOT_FOUND")
UNKNOWN_SUBSCRIBER: Final = Cause(400, "USER_UNKNOWN")
"""Of policy counters; of charging it is 404."""
UNKNOWN_COUNTERS: Final = Cause(400, "UNKNOWN_POLICY_COUNTERS")
NO_COUNTERS: Final = Cause(400, "NO_AVAILABLE_POLICY_COUNTERS")
NO_SUCH_METHOD: Final = Cause(405, "UNSUPPORTED_HTTP_METHOD")
NO_SUCH_TYPE: Final = Cause(415, "UNSUPPORTED_MEDIA_TYPE")
NOT_ALLOWED: Final = Cause(403, "MODIFICATION_NOT_ALLOWED")
NO_TOKEN: Final = Cause(401, "UNAUTHORIZED")

RESULTS: Final[Mapping[int, Cause]] = {
    ResultCode.TOO_BUSY: CONGESTION,
    ResultCode.END_USER_DENIED: Cause(403, "END_USER_REQUEST_DENIED"),
    ResultCode.NOT_APPLICABLE: Cause(403, "CHARGING_NOT_APPLICABLE"),
    ResultCode.CREDIT_LIMIT_REACHED: Cause(403, "QUOTA_LIMIT_REACHED"),
    ResultCode.UNKNOWN_SESSION: NO_SUCH_RESOURCE,
    ResultCode.INVALID: OPTIONAL_INCORRECT,
    ResultCode.UNKNOWN_USER: Cause(404, "USER_UNKNOWN"),
    ResultCode.RATING_FAILED: Cause(400, "CHARGING_FAILED"),
    ResultCode.SPEND_LIMIT_REACHED: Cause(403, "QUOTA_LIMIT_REACHED"),
    ResultCode.OUT_OF_SEQUENCE: MANDATORY_INCORRECT,
}
"""What charging has decided of a whole request."""

GROUPS: Final[Mapping[int, str]] = {
    ResultCode.SUCCESS: "SUCCESS",
    ResultCode.TOO_BUSY: "END_USER_SERVICE_REJECTED",
    ResultCode.END_USER_DENIED: "END_USER_SERVICE_DENIED",
    ResultCode.NOT_APPLICABLE: "QUOTA_MANAGEMENT_NOT_APPLICABLE",
    ResultCode.CREDIT_LIMIT_REACHED: "QUOTA_LIMIT_REACHED",
    ResultCode.UNKNOWN_SESSION: "END_USER_SERVICE_REJECTED",
    ResultCode.INVALID: "END_USER_SERVICE_REJECTED",
    ResultCode.UNKNOWN_USER: "USER_UNKNOWN",
    ResultCode.RATING_FAILED: "RATING_FAILED",
    ResultCode.SPEND_LIMIT_REACHED: "QUOTA_LIMIT_REACHED",
    ResultCode.OUT_OF_SEQUENCE: "END_USER_SERVICE_REJECTED",
}
"""What charging has decided of a rating group."""

CODES: Final[Mapping[str, Cause]] = {
    "charging.no_answer": CONGESTION,
}
"""Errors whose code says more than their kind."""

KINDS: Final[Mapping[type[FarwireError], Cause]] = {
    NotFound: Cause(404, "USER_UNKNOWN"),
    Invalid: OPTIONAL_INCORRECT,
    Conflict: NOT_ALLOWED,
    Forbidden: NOT_ALLOWED,
    Exhausted: CONGESTION,
    Unavailable: CONGESTION,
    Defect: SYSTEM_FAILURE,
}
"""Kinds of errors. 503 makes a client try another instance at once: nothing is paid twice."""


class Problem(Invalid):
    """A request is refused: with this status and cause, and where something of it was wrong, that."""

    def __init__(
        self,
        cause: Cause,
        message: str,
        *,
        parameter: str = "",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message, code=f"nchf.{cause.cause.lower()}")
        self.cause = cause
        self.parameter = parameter
        """A JSON pointer."""
        self.headers = headers


class _InvalidParam(msgspec.Struct, frozen=True):
    param: str
    reason: str


class _Details(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    status: int
    cause: str
    title: str = ""
    detail: str = ""
    invalid_params: tuple[_InvalidParam, ...] = ()


def cause_of(result: int) -> Cause:
    """Return the answer to a whole request whose result is no success."""
    return RESULTS.get(result, SYSTEM_FAILURE)


def cause_of_error(error: FarwireError) -> Cause:
    """Return the answer of an error, by its code, else by its kind."""
    if isinstance(error, Problem):
        return error.cause
    named = CODES.get(error.code)
    if named is not None:
        return named
    return next((cause for kind, cause in KINDS.items() if isinstance(error, kind)), SYSTEM_FAILURE)


def refusal(error: FarwireError) -> Response:
    """Return the answer that tells what was wrong: of our own errors no more than their code."""
    cause = cause_of_error(error)
    own = isinstance(error, Problem)
    details = _Details(
        cause.status,
        cause.cause,
        detail=error.message if own else error.code,
        invalid_params=(_InvalidParam(error.parameter, error.message),)
        if isinstance(error, Problem) and error.parameter
        else (),
    )
    more = error.headers if isinstance(error, Problem) else ()
    if cause.status == 503:
        more = (*more, _RETRY)
    return Response(cause.status, (_JSON, *more), msgspec.json.encode(details))
