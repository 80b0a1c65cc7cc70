"""Errors on the wire: one table from kind and code to HTTP status, and the TMF630 error body."""

from __future__ import annotations

from typing import Final

import msgspec

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

VALUE_SHOWN: Final = 200
"""Characters of a refused value that an answer repeats."""


class Unauthenticated(Forbidden):
    """The request carries no API key that Farwire knows."""

    default_code = "web.key_unknown"


class ErrorReason(msgspec.Struct, frozen=True, rename="camel"):
    """One of several reasons for which a request was refused."""

    code: str
    message: str
    field: str
    value: str
    fix: str


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The answer to a request that failed (TMF630 part 1), with Farwire's field, value and fix.

    ``reasons`` lists all of them where there may be several, as for an order; the rest is about the first.
    """

    code: str
    reason: str
    message: str
    status: str
    request_id: str
    field: str | None = None
    value: str | None = None
    fix: str | None = None
    reasons: list[ErrorReason] = []


STATUS_OF_CODE: Final[dict[str, int]] = {
    "web.method_unknown": 405,
    "web.body_too_large": 413,
    "web.media_type": 415,
    "web.idempotency_key_reused": 422,
    "charging.product_unknown": 422,
    "tmf.incomplete": 422,
    "tmf.reference_unknown": 422,
    "tmf.state_unknown": 422,
    "tmf.topic_query": 422,
    "tmf.transition": 422,
    "storage.disk_full": 507,
}
"""Codes whose status is more exact than that of their kind."""

STATUS_OF_KIND: Final[tuple[tuple[type[FarwireError], int, str], ...]] = (
    (Unauthenticated, 401, "Not authenticated"),
    (NotFound, 404, "Not found"),
    (Invalid, 400, "Invalid request"),
    (Conflict, 409, "Conflict"),
    (Forbidden, 403, "Forbidden"),
    (Exhausted, 429, "Limit reached"),
    (Unavailable, 503, "Temporarily unavailable"),
    (Defect, 500, "Internal error"),
)
"""Kind, status, reason. The first row that fits decides."""

EXHAUSTED_RETRY_S: Final = 1
"""Seconds that a client should wait after 429, when the error names no time."""


def status_of(error: FarwireError) -> tuple[int, str]:
    """Return the HTTP status of ``error`` and the short reason of its kind."""
    for kind, status, reason in STATUS_OF_KIND:
        if isinstance(error, kind):
            return STATUS_OF_CODE.get(error.code, status), reason
    return 500, "Internal error"


def error_body(error: FarwireError, request_id: str) -> tuple[int, bytes]:
    """Return the status and the JSON body that answer ``error``. A defect's own message stays inside."""
    status, reason = status_of(error)
    if status == 500:
        body = ErrorBody(
            code=error.code,
            reason=reason,
            message="Farwire failed; the request was not carried out",
            status=str(status),
            request_id=request_id,
            fix="report the requestId to whoever runs this installation",
        )
    else:
        body = ErrorBody(
            code=error.code,
            reason=reason,
            message=error.message,
            status=str(status),
            request_id=request_id,
            field=error.field,
            value=None if error.value is None else str(error.value)[:VALUE_SHOWN],
            fix=error.fix,
            reasons=[
                ErrorReason(one.code, one.message, one.field, one.value[:VALUE_SHOWN], one.fix)
                for one in getattr(error, "refusals", ())
            ],
        )
    return status, msgspec.json.encode(body)


def error_headers(error: FarwireError) -> dict[str, str]:
    """Return the headers that belong to the answer: how to authenticate, when to try again."""
    if isinstance(error, Unauthenticated):
        detail = "" if error.code == "web.key_missing" else ', error="invalid_token"'
        return {"www-authenticate": f'Bearer realm="farwire"{detail}'}
    if isinstance(error, Unavailable):
        return {"retry-after": str(error.retry_after_s)}
    if isinstance(error, Exhausted):
        return {"retry-after": str(EXHAUSTED_RETRY_S)}
    return {}
