"""Credit orders, attempts that failed, and what slows them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from farwire.base.storage import Tx, on_violation
from farwire.kernel.errors import Conflict
from farwire.kernel.ids import AccountId, LegalEntityId, PaymentId
from farwire.kernel.money import Money, currency
from farwire.payment.model.voucher import Asked, Attempt, CreditOrder, Guard, OpenCredit, Outcome

if TYPE_CHECKING:
    from asyncpg import Record

ORDER: Final = (
    "credit_order_id, client, key, subscriber, account_id, serial, batch_id, legal_entity_id, currency, value_minor, "
    "extra, redeemed_at, credited_at, payment_id, reversed_at, short_minor, "
    "account_ref"
)
ATTEMPT: Final = "attempt_id, client, key, subscriber, account_id, at, outcome, serial, retry_at"


def _asked(row: Record) -> Asked:
    account = row["account_id"]
    return Asked(
        row["client"], row["key"], row["subscriber"], None if account is None else AccountId(account)
    )


def order_from_row(row: Record) -> CreditOrder:
    """Return what a row with the columns of ``ORDER`` says."""
    return CreditOrder(
        row["credit_order_id"],
        _asked(row),
        row["serial"],
        row["batch_id"],
        LegalEntityId(row["legal_entity_id"]),
        Money(row["value_minor"], currency(row["currency"])),
        row["extra"],
        row["redeemed_at"],
        row["credited_at"],
        None if row["payment_id"] is None else PaymentId(row["payment_id"]),
        row["reversed_at"],
        row["short_minor"],
        row["account_ref"],
    )


def attempt_from_row(row: Record) -> Attempt:
    """Return what a row with the columns of ``ATTEMPT`` says."""
    return Attempt(
        row["attempt_id"], _asked(row), row["at"], Outcome(row["outcome"]), row["serial"], row["retry_at"]
    )


async def lock_guard(tx: Tx, subscriber: str, now: datetime) -> Guard:
    """Return what is counted of a subscriber ("" is the whole tenant), held until the commit."""
    await tx.execute(
        "INSERT INTO payment.voucher_guard (tenant_id, subscriber, failures, since) VALUES ($1, $2, 0, $3) "
        "ON CONFLICT DO NOTHING",
        *(tx.tenant_id, subscriber, now),
    )
    row = await tx.fetchrow(
        "SELECT failures, since, locked_until FROM payment.voucher_guard WHERE tenant_id = $1 AND subscriber = $2 "
        "FOR UPDATE",
        *(tx.tenant_id, subscriber),
    )
    if row is None:
        return Guard(subscriber, 0, now)
    return Guard(subscriber, row["failures"], row["since"], row["locked_until"])


async def save_guard(tx: Tx, guard: Guard) -> None:
    """Write what is counted."""
    await tx.execute(
        "UPDATE payment.voucher_guard SET failures = $3, since = $4, locked_until = $5 "
        "WHERE tenant_id = $1 AND subscriber = $2",
        *(tx.tenant_id, guard.subscriber, guard.failures, guard.since, guard.locked_until),
    )


async def list_guards(tx: Tx, *, now: datetime, offset: int, limit: int) -> tuple[tuple[Guard, ...], int]:
    """Return one page of the subscribers that are locked at ``now``, most failures first, and how many there are."""
    total: int = await tx.fetchval(
        "SELECT count(*) FROM payment.voucher_guard WHERE tenant_id = $1 AND locked_until > $2",
        tx.tenant_id,
        now,
    )
    rows = await tx.fetch(
        "SELECT subscriber, failures, since, locked_until FROM payment.voucher_guard WHERE tenant_id = $1 "
        "AND locked_until > $2 ORDER BY failures DESC, subscriber OFFSET $3 LIMIT $4",
        *(tx.tenant_id, now, offset, limit),
    )
    return tuple(Guard(*row.values()) for row in rows), total


async def add_order(tx: Tx, order: CreditOrder) -> None:
    """Insert a credit order. Raises ``Conflict`` (``payment.key_reused``)."""
    reused = Conflict(
        "another voucher was used under this key",
        code="payment.key_reused",
        field="key",
        value=order.asked.key,
    )
    with on_violation({"credit_order_key": reused}):
        await tx.execute(
            f"INSERT INTO payment.credit_order (tenant_id, {ORDER}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
            "$11, $12, $13, $14, $15, $16, $17, $18)",
            *(tx.tenant_id, order.id, order.asked.client, order.asked.key, order.asked.subscriber),
            *(order.asked.account_id, order.serial, order.batch_id, order.legal_entity_id),
            *(order.value.currency.code, order.value.amount_minor, order.extra, order.redeemed_at, None),
            *(order.payment_id, None, None, order.account_ref),
        )


async def order_asked(tx: Tx, client: str, key: str) -> tuple[CreditOrder, bytes] | None:
    """Return what was ordered under the caller's own key, and the hash of its code."""
    listed = ", ".join(f"o.{name}" for name in ORDER.split(", "))
    row = await tx.fetchrow(
        f"SELECT {listed}, v.code_hash FROM payment.credit_order o JOIN payment.voucher v USING (tenant_id, serial) "
        "WHERE o.tenant_id = $1 AND o.client = $2 AND o.key = $3",
        *(tx.tenant_id, client, key),
    )
    return None if row is None else (order_from_row(row), row["code_hash"])


async def order_with_id(tx: Tx, order_id: UUID) -> CreditOrder | None:
    """Return one credit order."""
    row = await tx.fetchrow(
        f"SELECT {ORDER} FROM payment.credit_order WHERE tenant_id = $1 AND credit_order_id = $2",
        *(tx.tenant_id, order_id),
    )
    return None if row is None else order_from_row(row)


async def order_of(tx: Tx, serial: int) -> CreditOrder | None:
    """Return what was ordered for a voucher."""
    row = await tx.fetchrow(
        f"SELECT {ORDER} FROM payment.credit_order WHERE tenant_id = $1 AND serial = $2",
        tx.tenant_id,
        serial,
    )
    return None if row is None else order_from_row(row)


async def order_of_payment(tx: Tx, payment_id: PaymentId) -> CreditOrder | None:
    """Return what a payment tops up, held until the commit."""
    row = await tx.fetchrow(
        f"SELECT {ORDER} FROM payment.credit_order WHERE tenant_id = $1 AND payment_id = $2 FOR UPDATE",
        *(tx.tenant_id, payment_id),
    )
    return None if row is None else order_from_row(row)


async def reverse_order(tx: Tx, order_id: UUID, at: datetime) -> None:
    """Write that the payment of a top-up was taken back."""
    await tx.execute(
        "UPDATE payment.credit_order SET reversed_at = $3 WHERE tenant_id = $1 AND credit_order_id = $2",
        *(tx.tenant_id, order_id, at),
    )


async def settle_reversal(tx: Tx, order_id: UUID, short_minor: int) -> bool:
    """Write what charging could not take back, the first time; return whether this was it."""
    tag = await tx.execute(
        "UPDATE payment.credit_order SET short_minor = $3 WHERE tenant_id = $1 AND credit_order_id = $2 "
        "AND reversed_at IS NOT NULL AND short_minor IS NULL",
        *(tx.tenant_id, order_id, short_minor),
    )
    return tag == "UPDATE 1"


async def address_order(tx: Tx, order_id: UUID, account_ref: str) -> CreditOrder | None:
    """Write which account an order is for, the first time; return it."""
    row = await tx.fetchrow(
        "UPDATE payment.credit_order SET account_ref = CASE WHEN account_ref = '' THEN $3 ELSE account_ref END "
        f"WHERE tenant_id = $1 AND credit_order_id = $2 RETURNING {ORDER}",
        *(tx.tenant_id, order_id, account_ref),
    )
    return None if row is None else order_from_row(row)


async def confirm_order(tx: Tx, order_id: UUID, at: datetime, account_ref: str) -> CreditOrder | None:
    """Write when charging carried an order out, and on which account, the first time; return it."""
    row = await tx.fetchrow(
        "UPDATE payment.credit_order SET credited_at = coalesce(credited_at, $3), "
        "account_ref = CASE WHEN credited_at IS NULL THEN $4 ELSE account_ref END "
        f"WHERE tenant_id = $1 AND credit_order_id = $2 RETURNING {ORDER}",
        *(tx.tenant_id, order_id, at, account_ref),
    )
    return None if row is None else order_from_row(row)


async def list_orders(
    tx: Tx, *, vouchers: bool, waiting_only: bool, offset: int, limit: int
) -> tuple[tuple[CreditOrder, ...], int]:
    """Return one page of credit orders, oldest first, and how many there are."""
    where = "tenant_id = $1 AND (NOT $2 OR credited_at IS NULL) AND (serial IS NOT NULL) = $3"
    total: int = await tx.fetchval(
        f"SELECT count(*) FROM payment.credit_order WHERE {where}", *(tx.tenant_id, waiting_only, vouchers)
    )
    rows = await tx.fetch(
        f"SELECT {ORDER} FROM payment.credit_order WHERE {where} ORDER BY redeemed_at, credit_order_id "
        "OFFSET $4 LIMIT $5",
        *(tx.tenant_id, waiting_only, vouchers, offset, limit),
    )
    return tuple(order_from_row(row) for row in rows), total


async def open_sums(tx: Tx) -> tuple[OpenCredit, ...]:
    """Return what charging has still to credit and to take back, by company and currency."""
    rows = await tx.fetch(
        "SELECT legal_entity_id, currency, "
        "coalesce(sum(value_minor) FILTER (WHERE credited_at IS NULL), 0)::bigint AS waiting, "
        "coalesce(sum(value_minor) FILTER (WHERE reversed_at IS NOT NULL AND short_minor IS NULL), 0)::bigint AS back "
        "FROM payment.credit_order WHERE tenant_id = $1 GROUP BY legal_entity_id, currency",
        tx.tenant_id,
    )
    return tuple(
        OpenCredit(
            LegalEntityId(row["legal_entity_id"]), currency(row["currency"]), row["waiting"], row["back"]
        )
        for row in rows
    )


async def add_attempt(tx: Tx, attempt: Attempt, code_hash: bytes) -> None:
    """Insert a try that failed. Raises ``Conflict`` (``payment.key_reused``)."""
    reused = Conflict(
        "another code was tried under this key",
        code="payment.key_reused",
        field="key",
        value=attempt.asked.key,
    )
    with on_violation({"voucher_attempt_key": reused}):
        await tx.execute(
            f"INSERT INTO payment.voucher_attempt (tenant_id, {ATTEMPT}, code_hash) VALUES ($1, $2, $3, $4, $5, $6, "
            "$7, $8, $9, $10, $11)",
            *(tx.tenant_id, attempt.id, attempt.asked.client, attempt.asked.key, attempt.asked.subscriber),
            *(attempt.asked.account_id, attempt.at, attempt.outcome.value, attempt.serial, attempt.retry_at),
            code_hash,
        )


async def attempt_asked(tx: Tx, client: str, key: str) -> tuple[Attempt, bytes] | None:
    """Return the try that failed under the caller's own key, and the hash of its code."""
    row = await tx.fetchrow(
        f"SELECT {ATTEMPT}, code_hash FROM payment.voucher_attempt WHERE tenant_id = $1 AND client = $2 AND key = $3",
        *(tx.tenant_id, client, key),
    )
    return None if row is None else (attempt_from_row(row), row["code_hash"])


async def list_attempts(
    tx: Tx, *, subscriber: str, offset: int, limit: int
) -> tuple[tuple[Attempt, ...], int]:
    """Return one page of tries that failed, newest first, and how many there are."""
    where = "tenant_id = $1 AND ($2 = '' OR subscriber = $2)"
    total: int = await tx.fetchval(
        f"SELECT count(*) FROM payment.voucher_attempt WHERE {where}", tx.tenant_id, subscriber
    )
    rows = await tx.fetch(
        f"SELECT {ATTEMPT} FROM payment.voucher_attempt WHERE {where} ORDER BY at DESC, attempt_id DESC "
        "OFFSET $3 LIMIT $4",
        *(tx.tenant_id, subscriber, offset, limit),
    )
    return tuple(attempt_from_row(row) for row in rows), total


async def forget_attempts(tx: Tx, before: datetime) -> int:
    """Delete tries and counts from before a time; return how many rows went."""
    tries = await tx.execute(
        "DELETE FROM payment.voucher_attempt WHERE tenant_id = $1 AND at < $2", tx.tenant_id, before
    )
    counts = await tx.execute(
        "DELETE FROM payment.voucher_guard WHERE tenant_id = $1 AND since < $2 "
        "AND coalesce(locked_until, since) < $2",
        *(tx.tenant_id, before),
    )
    return int(tries.split()[-1]) + int(counts.split()[-1])
