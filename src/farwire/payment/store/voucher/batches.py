"""Batches, their vouchers and their sales."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from farwire.base.storage import Tx, on_violation
from farwire.kernel.errors import Conflict
from farwire.kernel.ids import AccountId, LegalEntityId
from farwire.kernel.money import Money, currency
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.payment.model import MethodKind
from farwire.payment.model.voucher import (
    Alphabet,
    Batch,
    BatchOrder,
    Buyer,
    Sale,
    SerialRange,
    Voucher,
    VoucherState,
)

if TYPE_CHECKING:
    from asyncpg import Record

_BATCH: Final = (
    "batch_id, key, legal_entity_id, quantity, first_serial, currency, value_minor, valid_from, valid_until, alphabet, "
    "length, extra, digest, created_kind, created_by, created_at, printed_at"
)
_VOUCHER: Final = (
    "v.serial, v.batch_id, b.key, v.state, b.currency, b.value_minor, b.extra, b.valid_from, b.valid_until, "
    "v.activated_at, v.sale_id, v.changed_at, v.reason"
)


async def voucher_key(tx: Tx, fresh: bytes) -> tuple[bytes, int]:
    """Return the tenant's key and its last serial number, held until the commit; ``fresh`` is the key of a new one."""
    await tx.execute(
        "INSERT INTO payment.voucher_key (tenant_id, key) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        tx.tenant_id,
        fresh,
    )
    row = await tx.fetchrow(
        "SELECT key, last_serial FROM payment.voucher_key WHERE tenant_id = $1 FOR UPDATE", tx.tenant_id
    )
    return (fresh, 0) if row is None else (row["key"], row["last_serial"])


async def key_of_codes(tx: Tx) -> bytes | None:
    """Return the tenant's key, or None where it never made a voucher."""
    found: bytes | None = await tx.fetchval(
        "SELECT key FROM payment.voucher_key WHERE tenant_id = $1", tx.tenant_id
    )
    return found


async def add_batch(tx: Tx, batch: Batch, hashes: Iterable[bytes]) -> None:
    """Insert a batch with all its vouchers. Raises ``Conflict`` (``payment.voucher_collision``)."""
    order = batch.order
    await tx.execute(
        "UPDATE payment.voucher_key SET last_serial = $2 WHERE tenant_id = $1",
        tx.tenant_id,
        batch.serials.last,
    )
    await tx.execute(
        f"INSERT INTO payment.voucher_batch (tenant_id, {_BATCH}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
        "$11, $12, $13, $14, $15, $16, $17, NULL)",
        *(tx.tenant_id, batch.id, order.key, order.legal_entity_id, order.quantity, batch.serials.first),
        *(order.value.currency.code, order.value.amount_minor, order.valid_from, order.valid_until),
        *(order.alphabet.value, order.length, order.extra, batch.digest),
        *(batch.created_by.kind.value, batch.created_by.id, batch.created_at),
    )
    rows = (
        (tx.tenant_id, serial, batch.id, code_hash, VoucherState.GENERATED.value, batch.created_at)
        for serial, code_hash in enumerate(hashes, batch.serials.first)
    )
    collision = Conflict(
        "a new code is that of another voucher",
        code="payment.voucher_collision",
        field="key",
        value=order.key,
        fix="generate again; nothing was kept. With longer codes it will not happen",
    )
    with on_violation({"voucher_code": collision}):
        await tx.copy_records(
            "payment.voucher",
            columns=("tenant_id", "serial", "batch_id", "code_hash", "state", "changed_at"),
            records=rows,
        )


async def mark_printed(tx: Tx, batch_id: UUID, at: datetime) -> None:
    """Write that the print file was handed over; the first time counts."""
    await tx.execute(
        "UPDATE payment.voucher_batch SET printed_at = $3 WHERE tenant_id = $1 AND batch_id = $2 "
        "AND printed_at IS NULL",
        *(tx.tenant_id, batch_id, at),
    )


def _batch_from_row(row: Record, counts: Mapping[VoucherState, int]) -> Batch:
    unit = currency(row["currency"])
    first = row["first_serial"]
    order = BatchOrder(
        row["key"],
        LegalEntityId(row["legal_entity_id"]),
        row["quantity"],
        Money(row["value_minor"], unit),
        row["valid_from"],
        row["valid_until"],
        Alphabet(row["alphabet"]),
        row["length"],
        row["extra"],
    )
    return Batch(
        row["batch_id"],
        order,
        SerialRange(first, first + row["quantity"] - 1),
        row["digest"],
        Actor(ActorKind(row["created_kind"]), row["created_by"]),
        row["created_at"],
        row["printed_at"],
        counts,
    )


async def _counted(tx: Tx, rows: Sequence[Record]) -> tuple[Batch, ...]:
    """Return the batches of ``rows`` with how many of their vouchers are in which state."""
    found = await tx.fetch(
        "SELECT batch_id, state, count(*) AS number FROM payment.voucher WHERE tenant_id = $1 "
        "AND batch_id = ANY($2::uuid[]) GROUP BY batch_id, state",
        *(tx.tenant_id, [row["batch_id"] for row in rows]),
    )
    counts: dict[UUID, dict[VoucherState, int]] = defaultdict(dict)
    for one in found:
        counts[one["batch_id"]][VoucherState(one["state"])] = one["number"]
    return tuple(_batch_from_row(row, counts[row["batch_id"]]) for row in rows)


async def batch_with_key(tx: Tx, key: str) -> Batch | None:
    """Return the batch that was made under ``key``."""
    rows = await tx.fetch(
        f"SELECT {_BATCH} FROM payment.voucher_batch WHERE tenant_id = $1 AND key = $2", tx.tenant_id, key
    )
    return next(iter(await _counted(tx, rows)), None)


async def batch_with_id(tx: Tx, batch_id: UUID) -> Batch | None:
    """Return one batch."""
    rows = await tx.fetch(
        f"SELECT {_BATCH} FROM payment.voucher_batch WHERE tenant_id = $1 AND batch_id = $2",
        tx.tenant_id,
        batch_id,
    )
    return next(iter(await _counted(tx, rows)), None)


async def list_batches(tx: Tx, *, offset: int, limit: int) -> tuple[tuple[Batch, ...], int]:
    """Return one page of batches, newest first, and how many there are."""
    total: int = await tx.fetchval(
        "SELECT count(*) FROM payment.voucher_batch WHERE tenant_id = $1", tx.tenant_id
    )
    rows = await tx.fetch(
        f"SELECT {_BATCH} FROM payment.voucher_batch WHERE tenant_id = $1 ORDER BY first_serial DESC "
        "OFFSET $2 LIMIT $3",
        *(tx.tenant_id, offset, limit),
    )
    return await _counted(tx, rows), total


async def change_vouchers(
    tx: Tx,
    *,
    batch_id: UUID,
    serials: SerialRange,
    taken: Iterable[VoucherState],
    to: VoucherState | None,
    at: datetime,
    reason: str,
    actor: Actor,
    sale_id: UUID | None = None,
    sold: bool | None = None,
) -> int:
    """Bring the vouchers of a range from the states ``taken`` to ``to``; return how many.

    None: to what they were before. With ``sale_id`` they are sold by it. ``sold`` takes only those that were sold, or
    were not. One change of a batch waits for another.
    """
    await lock_batch(tx, batch_id)
    tag = await tx.execute(
        "UPDATE payment.voucher SET changed_at = $6, reason = $7, "
        "state = coalesce($5::text, CASE WHEN activated_at IS NULL THEN 'generated' ELSE 'active' END), "
        "sale_id = coalesce($8::uuid, sale_id), "
        "activated_at = CASE WHEN $8::uuid IS NULL THEN activated_at ELSE $6 END, "
        "changed_kind = $11, changed_by = $12 "
        "WHERE tenant_id = $1 AND batch_id = $2 AND serial BETWEEN $3 AND $4 AND state = ANY($9::text[]) "
        "AND ($10::boolean IS NULL OR (activated_at IS NOT NULL) = $10)",
        *(tx.tenant_id, batch_id, serials.first, serials.last, None if to is None else to.value, at, reason),
        *(sale_id, [one.value for one in taken], sold, actor.kind.value, actor.id),
    )
    return int(tag.split()[-1])


async def lock_batch(tx: Tx, batch_id: UUID) -> None:
    """Let nobody else change vouchers of the batch until this transaction ends."""
    await tx.execute(
        "SELECT 1 FROM payment.voucher_batch WHERE tenant_id = $1 AND batch_id = $2 FOR UPDATE",
        tx.tenant_id,
        batch_id,
    )


class BlockedSale(NamedTuple):
    """What of a sale is blocked in a range, and how many vouchers of it were cancelled before."""

    sale_id: UUID
    number: int
    first: int
    cancelled: int


async def blocked_sales(
    tx: Tx, batch_id: UUID, serials: SerialRange
) -> tuple[tuple[BlockedSale, ...], tuple[Actor, ...]]:
    """Return what of which sales is blocked in a range, and who blocked it."""
    rows = await tx.fetch(
        "SELECT v.sale_id, count(*) AS number, min(v.serial) AS first, (SELECT count(*) FROM payment.voucher c "
        "WHERE c.tenant_id = $1 AND c.batch_id = $2 AND c.sale_id = v.sale_id AND c.state = 'cancelled') "
        "AS cancelled FROM payment.voucher v WHERE v.tenant_id = $1 AND v.batch_id = $2 "
        "AND v.serial BETWEEN $3 AND $4 AND v.state = 'blocked' AND v.sale_id IS NOT NULL "
        "GROUP BY v.sale_id ORDER BY first",
        *(tx.tenant_id, batch_id, serials.first, serials.last),
    )
    people = await tx.fetch(
        "SELECT DISTINCT changed_kind, changed_by FROM payment.voucher WHERE tenant_id = $1 AND batch_id = $2 "
        "AND serial BETWEEN $3 AND $4 AND state = 'blocked' AND sale_id IS NOT NULL AND changed_by <> '' "
        "ORDER BY changed_kind, changed_by",
        *(tx.tenant_id, batch_id, serials.first, serials.last),
    )
    return (
        tuple(BlockedSale(row["sale_id"], row["number"], row["first"], row["cancelled"]) for row in rows),
        tuple(Actor(ActorKind(row["changed_kind"]), row["changed_by"]) for row in people),
    )


async def add_sale(tx: Tx, sale: Sale) -> None:
    """Insert a sale."""
    method = sale.buyer.method
    await tx.execute(
        "INSERT INTO payment.voucher_sale (tenant_id, sale_id, batch_id, legal_entity_id, first_serial, last_serial, "
        "quantity, currency, value_minor, price_minor, account_id, method, sold_at, sold_kind, sold_by, due_days) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        *(tx.tenant_id, sale.id, sale.batch_id, sale.legal_entity_id, sale.serials.first, sale.serials.last),
        *(sale.quantity, sale.value.currency.code, sale.value.amount_minor, sale.price.amount_minor),
        *(sale.buyer.account_id, None if method is None else method.value, sale.sold_at),
        *(sale.sold_by.kind.value, sale.sold_by.id, sale.buyer.due_days),
    )


async def get_sale(tx: Tx, sale_id: UUID) -> Sale | None:
    """Return one sale."""
    row = await tx.fetchrow(
        "SELECT * FROM payment.voucher_sale WHERE tenant_id = $1 AND sale_id = $2", tx.tenant_id, sale_id
    )
    if row is None:
        return None
    unit = currency(row["currency"])
    return Sale(
        row["sale_id"],
        row["batch_id"],
        LegalEntityId(row["legal_entity_id"]),
        SerialRange(row["first_serial"], row["last_serial"]),
        row["quantity"],
        Money(row["value_minor"], unit),
        Money(row["price_minor"], unit),
        Buyer(
            None if row["account_id"] is None else AccountId(row["account_id"]),
            None if row["method"] is None else MethodKind(row["method"]),
            Money(row["price_minor"], unit),
            row["due_days"],
        ),
        row["sold_at"],
        Actor(ActorKind(row["sold_kind"]), row["sold_by"]),
    )


def _voucher_from_row(row: Record) -> Voucher:
    return Voucher(
        row["serial"],
        row["batch_id"],
        row["key"],
        VoucherState(row["state"]),
        Money(row["value_minor"], currency(row["currency"])),
        row["extra"],
        row["valid_from"],
        row["valid_until"],
        row["activated_at"],
        row["sale_id"],
        row["changed_at"],
        row["reason"],
    )


async def get_voucher(tx: Tx, serial: int) -> Voucher | None:
    """Return one voucher by its serial number."""
    row = await tx.fetchrow(
        f"SELECT {_VOUCHER} FROM payment.voucher v JOIN payment.voucher_batch b USING (tenant_id, batch_id) "
        "WHERE v.tenant_id = $1 AND v.serial = $2",
        *(tx.tenant_id, serial),
    )
    return None if row is None else _voucher_from_row(row)


async def voucher_by_hash(tx: Tx, code_hash: bytes) -> tuple[Voucher, LegalEntityId] | None:
    """Return the voucher whose code has this hash, and its company, held until the commit."""
    row = await tx.fetchrow(
        f"SELECT {_VOUCHER}, b.legal_entity_id FROM payment.voucher v JOIN payment.voucher_batch b "
        "USING (tenant_id, batch_id) WHERE v.tenant_id = $1 AND v.code_hash = $2 FOR UPDATE OF v",
        *(tx.tenant_id, code_hash),
    )
    return None if row is None else (_voucher_from_row(row), LegalEntityId(row["legal_entity_id"]))


async def use_voucher(tx: Tx, serial: int, at: datetime) -> None:
    """Mark a voucher, which the caller holds, as used."""
    await tx.execute(
        "UPDATE payment.voucher SET state = 'used', changed_at = $3, reason = '' WHERE tenant_id = $1 AND serial = $2",
        *(tx.tenant_id, serial, at),
    )


async def list_vouchers(
    tx: Tx, *, batch_id: UUID | None, state: VoucherState | None, offset: int, limit: int
) -> tuple[tuple[Voucher, ...], int]:
    """Return one page of vouchers by serial number, and how many there are."""
    where = (
        "v.tenant_id = $1 AND ($2::uuid IS NULL OR v.batch_id = $2) AND ($3::text IS NULL OR v.state = $3)"
    )
    wanted = None if state is None else state.value
    total: int = await tx.fetchval(
        f"SELECT count(*) FROM payment.voucher v WHERE {where}", tx.tenant_id, batch_id, wanted
    )
    rows = await tx.fetch(
        f"SELECT {_VOUCHER} FROM payment.voucher v JOIN payment.voucher_batch b USING (tenant_id, batch_id) "
        f"WHERE {where} ORDER BY v.serial OFFSET $4 LIMIT $5",
        *(tx.tenant_id, batch_id, wanted, offset, limit),
    )
    return tuple(_voucher_from_row(row) for row in rows), total


async def expire_batch(tx: Tx, at: datetime) -> tuple[Batch, int, int, int] | None:
    """Expire what is left of one batch whose last day is past.

    Return the batch, how many vouchers expired, how many of them had been sold, and the first serial number of them.
    """
    row = await tx.fetchrow(
        f"SELECT {_BATCH} FROM payment.voucher_batch b WHERE tenant_id = $1 AND valid_until <= $2 AND EXISTS ("
        "SELECT 1 FROM payment.voucher v WHERE v.tenant_id = $1 AND v.batch_id = b.batch_id "
        "AND v.state IN ('generated', 'active', 'blocked')) ORDER BY valid_until, batch_id LIMIT 1 FOR UPDATE",
        *(tx.tenant_id, at),
    )
    if row is None:
        return None
    ended = await tx.fetchrow(
        "WITH ended AS (UPDATE payment.voucher SET state = 'expired', changed_at = $3 WHERE tenant_id = $1 "
        "AND batch_id = $2 AND state IN ('generated', 'active', 'blocked') RETURNING serial, activated_at) "
        "SELECT count(*) AS number, count(activated_at) AS sold, coalesce(min(serial), 0) AS first FROM ended",
        *(tx.tenant_id, row["batch_id"], at),
    )
    if ended is None:
        return None
    return _batch_from_row(row, {}), ended["number"], ended["sold"], ended["first"]
