"""Payment methods, charges and the secrets of gateways."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from farwire.base.storage import Tx
from farwire.kernel.ids import AccountId, PaymentId
from farwire.kernel.money import Money, currency
from farwire.payment.model import Charge, ChargeState, MethodKind, PaymentMethod

if TYPE_CHECKING:
    from datetime import datetime

    from asyncpg import Record

_METHOD = "method_id, account_id, kind, token, brand, last4, expires, preferred, added_at, removed_at"
CHARGE = (
    "charge_id, account_id, method, token, key, reference, currency, amount_minor, state, reason, created_at, "
    "payment_id, topup_for"
)


def _method_from_row(row: Record) -> PaymentMethod:
    return PaymentMethod(
        row["method_id"],
        AccountId(row["account_id"]),
        MethodKind(row["kind"]),
        row["token"],
        row["brand"],
        row["last4"],
        row["expires"],
        row["preferred"],
        row["added_at"],
        row["removed_at"],
    )


async def unprefer(tx: Tx, account_id: AccountId) -> None:
    """Take the preference from the methods of an account."""
    await tx.execute(
        "UPDATE payment.method SET preferred = false WHERE tenant_id = $1 AND account_id = $2 AND preferred",
        tx.tenant_id,
        account_id,
    )


async def add_method(tx: Tx, method: PaymentMethod) -> PaymentMethod:
    """Insert a method, or refresh what is known of the one with the same token; return what is kept."""
    row = await tx.fetchrow(
        f"INSERT INTO payment.method (tenant_id, {_METHOD}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, NULL) "
        "ON CONFLICT (tenant_id, account_id, kind, token) WHERE removed_at IS NULL DO UPDATE SET "
        "brand = excluded.brand, last4 = excluded.last4, expires = excluded.expires, preferred = excluded.preferred "
        f"RETURNING {_METHOD}",
        tx.tenant_id,
        method.id,
        method.account_id,
        method.kind.value,
        method.token,
        method.brand,
        method.last4,
        method.expires,
        method.preferred,
        method.added_at,
    )
    return method if row is None else _method_from_row(row)


async def get_method(tx: Tx, method_id: UUID) -> PaymentMethod | None:
    """Return one method."""
    row = await tx.fetchrow(
        f"SELECT {_METHOD} FROM payment.method WHERE tenant_id = $1 AND method_id = $2",
        tx.tenant_id,
        method_id,
    )
    return _method_from_row(row) if row else None


async def remove_method(tx: Tx, method_id: UUID, at: datetime) -> None:
    """Mark a method as removed and forget its token."""
    await tx.execute(
        "UPDATE payment.method SET removed_at = $3, preferred = false, token = 'removed' "
        "WHERE tenant_id = $1 AND method_id = $2 AND removed_at IS NULL",
        tx.tenant_id,
        method_id,
        at,
    )


async def list_methods(
    tx: Tx, *, account_id: AccountId | None, offset: int, limit: int
) -> tuple[tuple[PaymentMethod, ...], int]:
    """Return one page of the methods in use, and how many there are."""
    where = "tenant_id = $1 AND ($2::uuid IS NULL OR account_id = $2) AND removed_at IS NULL"
    total: int = await tx.fetchval(
        f"SELECT count(*) FROM payment.method WHERE {where}", tx.tenant_id, account_id
    )
    rows = await tx.fetch(
        f"SELECT {_METHOD} FROM payment.method WHERE {where} ORDER BY account_id, preferred DESC, added_at, method_id "
        "OFFSET $3 LIMIT $4",
        tx.tenant_id,
        account_id,
        offset,
        limit,
    )
    return tuple(_method_from_row(row) for row in rows), total


def charge_from_row(row: Record) -> Charge:
    """Return what a row with the columns of ``CHARGE`` says."""
    return Charge(
        row["charge_id"],
        AccountId(row["account_id"]),
        MethodKind(row["method"]),
        row["token"],
        row["key"],
        row["reference"],
        currency(row["currency"]),
        row["amount_minor"],
        ChargeState(row["state"]),
        row["reason"],
        row["created_at"],
        None if row["payment_id"] is None else PaymentId(row["payment_id"]),
        row["topup_for"],
    )


async def add_charge(tx: Tx, charge: Charge) -> bool:
    """Insert a charge; return False where its key is there already."""
    row = await tx.fetchrow(
        f"INSERT INTO payment.charge (tenant_id, {CHARGE}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, "
        "$13, $14) ON CONFLICT (tenant_id, method, key) DO NOTHING RETURNING charge_id",
        tx.tenant_id,
        charge.id,
        charge.account_id,
        charge.method.value,
        charge.token,
        charge.key,
        charge.reference,
        charge.currency.code,
        charge.amount_minor,
        charge.state.value,
        charge.reason,
        charge.created_at,
        charge.payment_id,
        charge.topup_for,
    )
    return row is not None


async def charge_by_key(tx: Tx, method: MethodKind, key: str) -> Charge | None:
    """Return the charge that we named ``key``, and lock it until the commit."""
    row = await tx.fetchrow(
        f"SELECT {CHARGE} FROM payment.charge WHERE tenant_id = $1 AND method = $2 AND key = $3 FOR UPDATE",
        tx.tenant_id,
        method.value,
        key,
    )
    return charge_from_row(row) if row else None


async def charge_with_id(tx: Tx, charge_id: UUID) -> Charge | None:
    """Return one charge, or None."""
    row = await tx.fetchrow(
        f"SELECT {CHARGE} FROM payment.charge WHERE tenant_id = $1 AND charge_id = $2",
        tx.tenant_id,
        charge_id,
    )
    return charge_from_row(row) if row else None


async def save_charge(tx: Tx, charge: Charge) -> None:
    """Write how a charge went."""
    await tx.execute(
        "UPDATE payment.charge SET state = $3, reason = $4, payment_id = $5 WHERE tenant_id = $1 AND charge_id = $2",
        tx.tenant_id,
        charge.id,
        charge.state.value,
        charge.reason,
        charge.payment_id,
    )


async def due_charges(
    tx: Tx, now: datetime, first_at: datetime, limit: int
) -> tuple[tuple[MethodKind, str], ...]:
    """Return (method, key) of charges whose gateway is to be asked by ``now``, new ones made by ``first_at``."""
    rows = await tx.fetch(
        "SELECT method, key FROM payment.charge WHERE tenant_id = $1 AND state = 'pendingAuthorization' "
        "AND (ask_at <= $2 OR ask_at IS NULL AND created_at <= $3) "
        "ORDER BY coalesce(ask_at, created_at), charge_id LIMIT $4",
        *(tx.tenant_id, now, first_at, limit),
    )
    return tuple((MethodKind(row["method"]), row["key"]) for row in rows)


async def count_question(tx: Tx, charge_id: UUID) -> int:
    """Count one more question about a charge; return how many there were."""
    asked: int = await tx.fetchval(
        "UPDATE payment.charge SET asked = asked + 1 WHERE tenant_id = $1 AND charge_id = $2 RETURNING asked",
        *(tx.tenant_id, charge_id),
    )
    return asked


async def ask_again(tx: Tx, charge_id: UUID, at: datetime) -> None:
    """Write when the gateway is asked again."""
    await tx.execute(
        "UPDATE payment.charge SET ask_at = $3 WHERE tenant_id = $1 AND charge_id = $2",
        tx.tenant_id,
        charge_id,
        at,
    )


async def hold_reference(tx: Tx, method: MethodKind, reference: str) -> None:
    """Let only one notice about a reference be taken in at a time: that of money, or that it was taken back."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2 || ' ' || $3, 0))",
        *(str(tx.tenant_id), method.value, reference),
    )


async def add_early_reversal(
    tx: Tx, method: MethodKind, reference: str, amount: Money, reason: str, at: datetime
) -> None:
    """Keep that money was taken back of which nobody has told yet."""
    await tx.execute(
        "INSERT INTO payment.early_reversal (tenant_id, method, reference, currency, amount_minor, reason, heard_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        *(tx.tenant_id, method.value, reference, amount.currency.code, amount.amount_minor, reason, at),
    )


async def early_reversal(tx: Tx, method: MethodKind, reference: str) -> tuple[Money, str] | None:
    """Return what was told before its payment: the amount and the reason."""
    row = await tx.fetchrow(
        "SELECT currency, amount_minor, reason FROM payment.early_reversal WHERE tenant_id = $1 AND method = $2 "
        "AND reference = $3",
        *(tx.tenant_id, method.value, reference),
    )
    return None if row is None else (Money(row["amount_minor"], currency(row["currency"])), row["reason"])


async def gateway_secret(tx: Tx, method: MethodKind, fresh: bytes | None) -> bytes | None:
    """Return the secret that a gateway signs with; make ``fresh`` the secret where there is none."""
    if fresh is not None:
        await tx.execute(
            "INSERT INTO payment.gateway (tenant_id, method, secret) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            tx.tenant_id,
            method.value,
            fresh,
        )
    found: bytes | None = await tx.fetchval(
        "SELECT secret FROM payment.gateway WHERE tenant_id = $1 AND method = $2", tx.tenant_id, method.value
    )
    return found


async def set_gateway_secret(tx: Tx, method: MethodKind, secret: bytes, at: datetime) -> None:
    """Keep the secret of a gateway in place of the one before."""
    await tx.execute(
        "INSERT INTO payment.gateway (tenant_id, method, secret, changed_at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (tenant_id, method) DO UPDATE SET secret = excluded.secret, changed_at = excluded.changed_at",
        *(tx.tenant_id, method.value, secret, at),
    )


async def gateways(tx: Tx) -> dict[MethodKind, datetime | None]:
    """Return the methods whose gateway has a secret, and when somebody set it."""
    rows = await tx.fetch(
        "SELECT method, changed_at FROM payment.gateway WHERE tenant_id = $1 ORDER BY method", tx.tenant_id
    )
    return {MethodKind(row["method"]): row["changed_at"] for row in rows}
