"""What we ask of a payment gateway and what it tells us, signed."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

import msgspec

from farwire.kernel.errors import Forbidden, Invalid
from farwire.kernel.ids import AccountId, PaymentId
from farwire.kernel.money import Currency
from farwire.payment.model.method import MethodKind

SECRET_BYTES: Final = 32


class ChargeState(StrEnum):
    """The states of money that we ask for (TMF676)."""

    PENDING = "pendingAuthorization"
    """Asked for; the gateway or the payer has not answered yet."""
    DONE = "done"
    DENIED = "denied"
    FAILED = "failed"
    """Nobody answered in time. A late answer still counts."""


@dataclass(frozen=True, slots=True)
class Charge:
    """Money that we ask a gateway to collect. ``key`` names the asking once; the gateway repeats it in its notice."""

    id: UUID
    account_id: AccountId
    method: MethodKind
    token: str
    key: str
    reference: str
    currency: Currency
    amount_minor: int
    state: ChargeState
    reason: str
    created_at: datetime
    payment_id: PaymentId | None = None
    topup_for: str = ""
    """Whose prepaid balance it tops up, as charging names him; without a name it pays bills."""


class Notice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a gateway tells: ``outcome`` is done, denied or reversed. Without a known ``key`` the payer paid by himself.

    ``topup`` names whose prepaid balance he tops up; without it he pays bills. ``reversed``: the provider gave the
    money ``reference`` back to the payer, without asking us.
    """

    reference: str
    outcome: str
    currency: str
    amount_minor: int
    at: str
    key: str = ""
    account: str = ""
    bill: str = ""
    reason: str = ""
    topup: str = ""


QUESTIONS: Final = 10
FIRST_QUESTION: Final = timedelta(minutes=1)


def next_question(asked: int, now: datetime) -> datetime | None:
    """Return when a gateway that was asked ``asked`` times is asked again; None: it is given up.

    After 1, 2, 4 … minutes: ten questions in 17 hours.
    """
    if asked >= QUESTIONS:
        return None
    doublings: int = 2**asked
    return now + FIRST_QUESTION * doublings


def signature_of(payload: str, secret: bytes) -> str:
    """Return the HMAC-SHA256 of ``payload`` in hexadecimal."""
    return hmac.new(secret, payload.encode(), hashlib.sha256).hexdigest()


def parse_notice(payload: str, signature: str, secret: bytes) -> Notice:
    """Return the notice if its signature is right.

    Raises ``Forbidden`` (``payment.signature``) and ``Invalid`` (``payment.notice``).
    """
    if not hmac.compare_digest(signature_of(payload, secret).encode(), signature.lower().encode()):
        raise Forbidden(
            "the signature does not fit the payload",
            code="payment.signature",
            field="signature",
            fix="sign the exact text of payload with HMAC-SHA256 and the gateway's secret",
        )
    try:
        return msgspec.json.decode(payload, type=Notice)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Invalid(
            "the payload is not a notice", code="payment.notice", field="payload", value=str(error)[:200]
        ) from None
