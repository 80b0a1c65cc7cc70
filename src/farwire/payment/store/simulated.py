"""What the simulated gateways remember, and the notices that they send."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_OID, uuid5

import msgspec

from farwire.base.storage import Tx
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.money import Currency, Money, currency
from farwire.payment.model import MethodKind, Notice, signature_of
from farwire.payment.port import Answer, Outcome

if TYPE_CHECKING:
    from asyncpg import Record

_ROW: Final = (
    "method, key, reference, token, account, currency, amount_minor, captured_minor, refunded_minor, state, "
    "asked_at"
)


@dataclass(frozen=True, slots=True)
class Remembered:
    """One charge as the gateway knows it."""

    method: MethodKind
    key: str
    reference: str
    token: str
    account: str
    currency: Currency
    amount_minor: int
    captured_minor: int
    refunded_minor: int
    state: str
    asked_at: datetime


def _from_row(row: Record) -> Remembered:
    return Remembered(
        MethodKind(row["method"]),
        row["key"],
        row["reference"],
        row["token"],
        row["account"],
        currency(row["currency"]),
        row["amount_minor"],
        row["captured_minor"],
        row["refunded_minor"],
        row["state"],
        row["asked_at"],
    )


def reference_of(tx: Tx, method: MethodKind, key: str) -> str:
    """Return the gateway's own name for what we call ``key``."""
    return f"{method.value[:2]}_{uuid5(NAMESPACE_OID, f'{tx.tenant_id} {method} {key}').hex[:24]}"


async def remember(
    tx: Tx,
    *,
    method: MethodKind,
    key: str,
    token: str,
    account: str,
    amount: Money,
    state: str,
    now: datetime,
) -> Remembered:
    """Write a charge down, or return the one that is there under the key."""
    captured = amount.amount_minor if state == "captured" else 0
    await tx.execute(
        f"INSERT INTO payment.simulated_charge (tenant_id, {_ROW}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, "
        "$11) ON CONFLICT (tenant_id, method, key) DO NOTHING",
        tx.tenant_id,
        method.value,
        key,
        reference_of(tx, method, key),
        token,
        account,
        amount.currency.code,
        amount.amount_minor,
        captured,
        state,
        now,
    )
    return await recall(tx, method, key)


async def recall(tx: Tx, method: MethodKind, key: str) -> Remembered:
    """Return what is known under ``key``. Raises ``NotFound`` (``payment.gateway_unknown``)."""
    row = await tx.fetchrow(
        f"SELECT {_ROW} FROM payment.simulated_charge WHERE tenant_id = $1 AND method = $2 AND key = $3",
        tx.tenant_id,
        method.value,
        key,
    )
    if row is None:
        raise NotFound(
            "the gateway knows no such charge", code="payment.gateway_unknown", field="key", value=key
        )
    return _from_row(row)


async def move(tx: Tx, charge: Remembered, state: str) -> Remembered:
    """Write the new state of a charge; captured means in full."""
    captured = charge.amount_minor if state == "captured" else charge.captured_minor
    await tx.execute(
        "UPDATE payment.simulated_charge SET state = $4, captured_minor = $5 "
        "WHERE tenant_id = $1 AND method = $2 AND key = $3",
        tx.tenant_id,
        charge.method.value,
        charge.key,
        state,
        captured,
    )
    return await recall(tx, charge.method, charge.key)


async def give_back(tx: Tx, method: MethodKind, *, key: str, reference: str, amount: Money) -> str:
    """Refund a part of a captured charge, once per ``key``. Raises ``Conflict`` (``payment.gateway_refused``)."""
    name = reference_of(tx, method, f"refund {key}")
    fresh = await tx.fetchval(
        "INSERT INTO payment.simulated_refund (tenant_id, key, reference, amount_minor) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT DO NOTHING RETURNING 1",
        tx.tenant_id,
        key,
        name,
        amount.amount_minor,
    )
    if fresh:
        tag = await tx.execute(
            "UPDATE payment.simulated_charge SET refunded_minor = refunded_minor + $4 WHERE tenant_id = $1 "
            "AND method = $2 AND reference = $3 AND captured_minor - refunded_minor >= $4",
            tx.tenant_id,
            method.value,
            reference,
            amount.amount_minor,
        )
        if tag != "UPDATE 1":
            raise Conflict(
                "the gateway does not give back more than it took",
                code="payment.gateway_refused",
                field="amount",
                value=str(amount),
                fix="pay it out by bank transfer",
            )
    return name


def answer_of(charge: Remembered, why_denied: str) -> Answer:
    """Return how a charge stands, as the gateway says it when it is asked."""
    if charge.state in ("captured", "refunded", "reversed"):
        return Answer(Outcome.DONE, charge.reference)
    if charge.state == "declined":
        return Answer(Outcome.DENIED, charge.reference, why_denied)
    return Answer(Outcome.PENDING, charge.reference)


def notice_of(charge: Remembered, *, outcome: str, at: datetime, reason: str = "") -> Notice:
    """Return what the gateway tells about a charge."""
    return Notice(
        reference=charge.reference,
        outcome=outcome,
        currency=charge.currency.code,
        amount_minor=charge.amount_minor,
        at=at.isoformat(),
        key=charge.key,
        account=charge.account,
        reason=reason,
    )


def signed(notice: Notice, secret: bytes) -> tuple[str, str]:
    """Return the payload and the signature that a gateway sends."""
    payload = msgspec.json.encode(notice).decode()
    return payload, signature_of(payload, secret)
