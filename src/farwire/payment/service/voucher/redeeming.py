"""Use a voucher: once, by whoever comes first; guessing is slowed and reported."""

from __future__ import annotations

import hmac
from datetime import datetime

from farwire.account import service as accounts
from farwire.base.eventbus.service import publish
from farwire.base.storage import Tx
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.ids import LegalEntityId, parse_id, uuid7
from farwire.ledger import service as ledger
from farwire.payment.events import voucher_guessing_noticed, voucher_redeemed
from farwire.payment.model.voucher import (
    Answer,
    Asked,
    Attempt,
    CreditOrder,
    Guard,
    Outcome,
    Told,
    Voucher,
    VoucherState,
    after_failure,
    alarmed_at,
    handed_over_entries,
    hash_of,
    read_code,
    redemption_entry,
    rings,
    told_of,
)
from farwire.payment.service.settling import booking_dates, day_of
from farwire.payment.store.voucher import batches as store
from farwire.payment.store.voucher import redemptions

_NO_KEY = bytes(32)
"""What codes are hashed with where the tenant never made one: the work is the same, and nothing is found."""

_REFUSED = {
    VoucherState.GENERATED: Outcome.NOT_ACTIVE,
    VoucherState.USED: Outcome.USED,
    VoucherState.BLOCKED: Outcome.BLOCKED,
    VoucherState.EXPIRED: Outcome.EXPIRED,
    VoucherState.CANCELLED: Outcome.CANCELLED,
}


async def redeem(tx: Tx, *, code: str, asked: Asked, now: datetime) -> Answer:
    """Use the voucher of ``code`` for a subscriber; return the credit that charging owes him, or the refusal.

    A refusal is an answer and no error, since it has to be kept: it counts against guessing. It does not say whether
    the code is unknown, used, blocked or expired. Idempotent by (client, key): the same wish gets the same answer,
    unless it was LOCKED. Raises ``Invalid`` (``payment.code_mistyped``), ``NotFound`` (``account.unknown``),
    ``Conflict`` (``payment.key_reused``).
    """
    plain = read_code(code)
    await _check_account(tx, asked)
    code_hash = hash_of(plain, await store.key_of_codes(tx) or _NO_KEY)
    guard = await redemptions.lock_guard(tx, asked.subscriber, now)
    earlier = await _earlier(tx, asked, code_hash)
    if earlier is not None:
        return earlier
    if guard.locked_at(now):
        return Answer(Told.LOCKED, retry_at=guard.locked_until)
    found = await store.voucher_by_hash(tx, code_hash)
    outcome = _outcome(found[0] if found else None, now)
    if found is None or outcome is not Outcome.ACCEPTED:
        return await _refuse(tx, asked, guard, outcome, found[0] if found else None, code_hash, now)
    return await _accept(tx, asked, found[0], found[1], now)


async def _check_account(tx: Tx, asked: Asked) -> None:
    wanted = asked.account_id
    if wanted is not None and wanted not in await accounts.accounts_by_id(tx=tx, account_ids=[wanted]):
        raise NotFound("there is no such account", code="account.unknown", field="account", value=wanted)


async def _earlier(tx: Tx, asked: Asked, code_hash: bytes) -> Answer | None:
    """Return the answer that the same wish got before."""
    done = await redemptions.order_asked(tx, asked.client, asked.key)
    failed = None if done else await redemptions.attempt_asked(tx, asked.client, asked.key)
    before = done[0].asked if done else failed[0].asked if failed else None
    if before is None:
        return None
    known = done[1] if done else failed[1] if failed else b""
    if before != asked or not hmac.compare_digest(known, code_hash):
        raise Conflict(
            "another wish had this key",
            code="payment.key_reused",
            field="key",
            value=asked.key,
            fix="use a new key",
        )
    if done:
        return Answer(Told.ACCEPTED, done[0])
    return Answer(Told.REFUSED, retry_at=failed[0].retry_at if failed else None)


def _outcome(voucher: Voucher | None, now: datetime) -> Outcome:
    """Return how an attempt at a voucher ends."""
    if voucher is None:
        return Outcome.UNKNOWN
    if voucher.state is not VoucherState.ACTIVE:
        return _REFUSED[voucher.state]
    if now < voucher.valid_from:
        return Outcome.NOT_YET
    return Outcome.ACCEPTED if now < voucher.valid_until else Outcome.EXPIRED


async def _accept(tx: Tx, asked: Asked, voucher: Voucher, entity: LegalEntityId, now: datetime) -> Answer:
    order = CreditOrder(
        uuid7(now), asked, voucher.serial, voucher.batch_id, entity, voucher.value, voucher.extra, now
    )
    await store.use_voucher(tx, voucher.serial, now)
    await redemptions.add_order(tx, order)
    day = day_of(await booking_dates(tx, now), entity)
    await ledger.post_entries(tx=tx, entries=[redemption_entry(order, day, now)])
    await publish(tx, voucher_redeemed(order, tenant_id=tx.tenant_id, at=now))
    return Answer(Told.ACCEPTED, order)


async def _refuse(
    tx: Tx,
    asked: Asked,
    guard: Guard,
    outcome: Outcome,
    voucher: Voucher | None,
    code_hash: bytes,
    now: datetime,
) -> Answer:
    """Count a failure for the subscriber and for the tenant, keep it, and tell when the next try is looked at."""
    tenant = after_failure(await redemptions.lock_guard(tx, "", now), now)
    mine = after_failure(guard, now, alarmed=alarmed_at(tenant, now))
    serial = None if voucher is None else voucher.serial
    attempt = Attempt(uuid7(now), asked, now, outcome, serial, mine.locked_until)
    await redemptions.add_attempt(tx, attempt, code_hash)
    for one in (mine, tenant):
        await redemptions.save_guard(tx, one)
        if rings(one):
            await publish(tx, voucher_guessing_noticed(one, attempt, tenant_id=tx.tenant_id))
    return Answer(told_of(outcome), retry_at=mine.locked_until)


def _order_unknown(key: str) -> NotFound:
    return NotFound(
        "there is no such credit order", code="payment.credit_order_unknown", field="key", value=key[:60]
    )


async def get_credit_order(tx: Tx, *, key: str) -> CreditOrder:
    """Return what charging is to credit under ``key``. Raises ``NotFound`` (``payment.credit_order_unknown``)."""
    found = await redemptions.order_with_id(tx, parse_id(key, field="key"))
    if found is None:
        raise _order_unknown(key)
    return found


async def credit_addressed(tx: Tx, *, key: str, account_ref: str) -> CreditOrder:
    """Write that the credit order ``key`` is for charging's account ``account_ref``, before it is tried; return it.

    The first time counts, whoever has the subscriber's name afterwards. Raises ``NotFound``
    (``payment.credit_order_unknown``).
    """
    found = await redemptions.address_order(tx, parse_id(key, field="key"), account_ref)
    if found is None:
        raise _order_unknown(key)
    return found


async def credit_confirmed(
    tx: Tx, *, key: str, at: datetime, account_ref: str, company: LegalEntityId | None = None
) -> CreditOrder:
    """Write that charging carried out the credit order ``key`` on its account ``account_ref``.

    ``company`` owes that account its balance, where it is not the one that was paid: the debt is handed over to it.
    Idempotent; the first time counts. Raises ``NotFound`` (``payment.credit_order_unknown``).
    """
    found = await redemptions.confirm_order(tx, parse_id(key, field="key"), at, account_ref)
    if found is None:
        raise _order_unknown(key)
    if company is not None:
        days = await booking_dates(tx, at)
        entries = handed_over_entries(found, company, found.value, "credit_handed_over", days, at)
        await ledger.post_entries(tx=tx, entries=entries)
    return found
