"""SQL of what payment knows of a person beside his payments: top-ups, vouchers, tries, what gateways were asked for.

A row is his by the billing account, or by the name under which charging knows him.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from farwire.base.storage import Tx
from farwire.kernel.ids import AccountId
from farwire.payment.model import Charge
from farwire.payment.model.voucher import Attempt, CreditOrder
from farwire.payment.store import methods
from farwire.payment.store.voucher import redemptions

if TYPE_CHECKING:
    from asyncpg import Record

_HIS: Final = "(account_id = ANY($2::uuid[]) OR subscriber = ANY($3::text[]))"
_HIS_CHARGE: Final = "(account_id = ANY($2::uuid[]) OR topup_for = ANY($3::text[]))"
_PSEUDONYM: Final = (
    "coalesce((SELECT min(n.pseudonym) FROM unnest($4::text[], $5::text[]) AS n (name, pseudonym) "
    "WHERE n.name = {column}), 'erased')"
)


async def orders_of_person(
    tx: Tx, account_ids: Sequence[AccountId], names: Sequence[str]
) -> tuple[CreditOrder, ...]:
    """Return the credit orders of a person, oldest first."""
    return tuple(redemptions.order_from_row(row) for row in await _rows(tx, redemptions.ORDER, "credit_order",
        f"{_HIS} ORDER BY redeemed_at, credit_order_id", account_ids, names))  # fmt: skip


async def attempts_of_person(
    tx: Tx, account_ids: Sequence[AccountId], names: Sequence[str]
) -> tuple[Attempt, ...]:
    """Return his tries that failed, oldest first."""
    return tuple(redemptions.attempt_from_row(row) for row in await _rows(tx, redemptions.ATTEMPT,
        "voucher_attempt", f"{_HIS} ORDER BY at, attempt_id", account_ids, names))  # fmt: skip


async def charges_of_person(
    tx: Tx, account_ids: Sequence[AccountId], names: Sequence[str]
) -> tuple[Charge, ...]:
    """Return what gateways were asked for on his account or for his balance, oldest first."""
    return tuple(methods.charge_from_row(row) for row in await _rows(tx, methods.CHARGE, "charge",
        f"{_HIS_CHARGE} ORDER BY created_at, charge_id", account_ids, names))  # fmt: skip


async def _rows(
    tx: Tx, columns: str, table: str, where: str, account_ids: Sequence[AccountId], names: Sequence[str]
) -> list[Record]:
    return await tx.fetch(
        f"SELECT {columns} FROM payment.{table} WHERE tenant_id = $1 AND {where}",
        *(tx.tenant_id, list(account_ids), list(names)),
    )


async def blank_orders(
    tx: Tx, account_ids: Sequence[AccountId], names: Sequence[str], pseudonyms: Mapping[str, str]
) -> int:
    """Write pseudonyms in place of the subscribers, and the order's id for a key that a client chose."""
    tag = await tx.execute(
        f"UPDATE payment.credit_order SET subscriber = {_PSEUDONYM.format(column='subscriber')}, "
        "key = CASE WHEN payment_id IS NULL THEN credit_order_id::text ELSE key END "
        f"WHERE tenant_id = $1 AND {_HIS}",
        *(tx.tenant_id, list(account_ids), list(names), list(pseudonyms), list(pseudonyms.values())),
    )
    return int(tag.split()[-1])


async def blank_charges(
    tx: Tx, account_ids: Sequence[AccountId], names: Sequence[str], pseudonyms: Mapping[str, str]
) -> int:
    """Forget the tokens that were charged (a wallet is a phone number) and for whom, also where we play the gateway."""
    await tx.execute(
        "UPDATE payment.simulated_charge s SET token = 'erased' FROM payment.charge c WHERE s.tenant_id = $1 "
        "AND c.tenant_id = $1 AND c.method = s.method AND c.key = s.key AND c.account_id = ANY($2::uuid[])",
        *(tx.tenant_id, list(account_ids)),
    )
    tag = await tx.execute(
        "UPDATE payment.charge SET "
        "token = CASE WHEN account_id = ANY($2::uuid[]) THEN 'erased' ELSE token END, "
        f"topup_for = CASE WHEN topup_for = '' THEN '' ELSE {_PSEUDONYM.format(column='topup_for')} END "
        f"WHERE tenant_id = $1 AND {_HIS_CHARGE}",
        *(tx.tenant_id, list(account_ids), list(names), list(pseudonyms), list(pseudonyms.values())),
    )
    return int(tag.split()[-1])


async def delete_attempts(tx: Tx, account_ids: Sequence[AccountId], names: Sequence[str]) -> int:
    """Delete tries that failed and what was counted of them; return how many tries there were."""
    await tx.execute(
        "DELETE FROM payment.voucher_guard WHERE tenant_id = $1 AND subscriber <> '' "
        "AND (subscriber = ANY($3::text[]) OR subscriber IN (SELECT a.subscriber FROM payment.voucher_attempt a "
        "WHERE a.tenant_id = $1 AND a.account_id = ANY($2::uuid[])))",
        *(tx.tenant_id, list(account_ids), list(names)),
    )
    tag = await tx.execute(
        f"DELETE FROM payment.voucher_attempt WHERE tenant_id = $1 AND {_HIS}",
        *(tx.tenant_id, list(account_ids), list(names)),
    )
    return int(tag.split()[-1])
