"""Accounting periods: list, begin and end a closing, reopen with four eyes; a company's own codes of books."""

from __future__ import annotations

from datetime import date, datetime

from farwire.base import audit
from farwire.base.authz import require_four_eyes
from farwire.base.eventbus.service import publish
from farwire.base.storage import Tx, on_violation
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import LegalEntityId
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.kernel.time import local_date, zone
from farwire.ledger.events import period_closed
from farwire.ledger.model import (
    AccountingPeriod,
    OwnBook,
    PeriodState,
    first_of_month,
    next_month,
)
from farwire.ledger.store import periods as store
from farwire.tenant import service as tenants
from farwire.tenant.model import LegalEntity, fiscal_year


async def entity_of(tx: Tx, legal_entity_id: LegalEntityId) -> LegalEntity:
    """Return a company of the tenant. Raises ``NotFound`` (``ledger.company_unknown``)."""
    found = (await tenants.legal_entities(tx)).get(legal_entity_id)
    if found is None:
        raise NotFound(
            "there is no such company",
            code="ledger.company_unknown",
            field="legal_entity",
            value=legal_entity_id,
        )
    return found


def _period(entity: LegalEntity, row: store.PeriodRow) -> AccountingPeriod:
    start = entity.fiscal_year_start
    return AccountingPeriod(
        entity.id,
        row.month,
        row.state,
        fiscal_year(row.month, start),
        (row.month.month - start) % 12 + 1,
        row.revision,
        row.changed_at,
        row.reopen_by,
        row.reopen_reason,
    )


def _unwritten(month: date) -> store.PeriodRow:
    return store.PeriodRow(month, PeriodState.OPEN, 0, None, "", "")


async def list_periods(
    *, tx: Tx, legal_entity_id: LegalEntityId, now: datetime
) -> tuple[AccountingPeriod, ...]:
    """Return the months of a company from its first booking, oldest first, to the last booking or the present month.

    Raises ``NotFound`` (``ledger.company_unknown``).
    """
    entity = await entity_of(tx, legal_entity_id)
    rows = {row.month: row for row in await store.periods(tx, entity.id)}
    booked = await store.months_booked(tx, entity.id)
    today = first_of_month(local_date(now, zone(entity.zone)))
    known = [*rows, *(first_of_month(day) for day in booked or ())]
    month = min(known, default=today)
    last = max([today, *known])
    found: list[AccountingPeriod] = []
    while month <= last:
        found.append(_period(entity, rows.get(month) or _unwritten(month)))
        month = next_month(month)
    return tuple(found)


async def get_period(*, tx: Tx, legal_entity_id: LegalEntityId, month: date) -> AccountingPeriod:
    """Return one month of a company. Raises ``NotFound`` (``ledger.company_unknown``)."""
    entity = await entity_of(tx, legal_entity_id)
    rows = {row.month: row for row in await store.periods(tx, entity.id)}
    wanted = first_of_month(month)
    return _period(entity, rows.get(wanted) or _unwritten(wanted))


async def begin_closing(
    *, tx: Tx, legal_entity_id: LegalEntityId, month: date, now: datetime
) -> AccountingPeriod:
    """Let nothing but the closing itself book into ``month`` from now on; return the period.

    Idempotent: a closing that was interrupted goes on under its revision, and a closed period is returned as it is.
    Raises ``Conflict``: ``ledger.period_not_over``, ``ledger.earlier_period_open``.
    """
    entity = await entity_of(tx, legal_entity_id)
    await store.lock_books(tx, entity.id)
    period = await get_period(tx=tx, legal_entity_id=entity.id, month=month)
    if period.state is not PeriodState.OPEN:
        return period
    today = local_date(now, zone(entity.zone))
    if today <= period.last_day:
        raise Conflict(
            f"{period.month:%Y-%m} is not over",
            code="ledger.period_not_over",
            field="month",
            value=f"{period.month:%Y-%m}",
            fix=f"close it after {period.last_day}",
        )
    await _check_earlier(tx, entity, period.month)
    row = store.PeriodRow(period.month, PeriodState.CLOSING, period.revision + 1, now, "", "")
    await store.save_period(tx, entity.id, row)
    return _period(entity, row)


async def _check_earlier(tx: Tx, entity: LegalEntity, month: date) -> None:
    booked = await store.months_booked(tx, entity.id)
    if booked is None:
        return
    closed = {row.month for row in await store.periods(tx, entity.id) if row.state is PeriodState.CLOSED}
    earlier = first_of_month(booked[0])
    while earlier < month:
        if earlier not in closed:
            raise Conflict(
                f"{earlier:%Y-%m} is not closed yet",
                code="ledger.earlier_period_open",
                field="month",
                value=f"{month:%Y-%m}",
                fix=f"close {earlier:%Y-%m} first",
            )
        earlier = next_month(earlier)


async def end_closing(
    *, tx: Tx, legal_entity_id: LegalEntityId, month: date, now: datetime, actor: Actor
) -> AccountingPeriod:
    """Close a period whose closing has begun: from now on the database itself refuses bookings into it. Idempotent.

    Raises ``Conflict`` (``ledger.period_not_closing``).
    """
    entity = await entity_of(tx, legal_entity_id)
    await store.lock_books(tx, entity.id)
    period = await get_period(tx=tx, legal_entity_id=entity.id, month=month)
    if period.state is PeriodState.CLOSED:
        return period
    if period.state is not PeriodState.CLOSING:
        raise Conflict(
            "the closing has not begun",
            code="ledger.period_not_closing",
            field="month",
            value=f"{period.month:%Y-%m}",
        )
    row = store.PeriodRow(period.month, PeriodState.CLOSED, period.revision, now, "", "")
    await store.save_period(tx, entity.id, row)
    closed = _period(entity, row)
    await publish(tx, period_closed(closed, tenant_id=tx.tenant_id, at=now))
    await _note(tx, actor, "ledger.period_closed", closed, now)
    return closed


async def request_reopening(
    *, tx: Tx, legal_entity_id: LegalEntityId, month: date, reason: str, now: datetime, actor: Actor
) -> AccountingPeriod:
    """Ask that a closed period is opened again; a second person approves.

    Raises ``Conflict`` (``ledger.period_not_closed``, ``ledger.later_period_closed``) and ``Invalid``
    (``ledger.reason_missing``).
    """
    if not reason.strip() or "\x00" in reason:
        raise Invalid("a reopening needs a reason", code="ledger.reason_missing", field="reason")
    entity = await entity_of(tx, legal_entity_id)
    await store.lock_books(tx, entity.id)
    period = await _last_closed(tx, entity, month)
    row = store.PeriodRow(
        period.month, PeriodState.CLOSED, period.revision, now, _text(actor), reason.strip()[:500]
    )
    await store.save_period(tx, entity.id, row)
    await _note(tx, actor, "ledger.reopening_requested", period, now)
    return _period(entity, row)


async def approve_reopening(
    *, tx: Tx, legal_entity_id: LegalEntityId, month: date, now: datetime, actor: Actor
) -> AccountingPeriod:
    """Open a closed period again, as a second person. The caller takes its accruals back.

    Raises ``Conflict`` (``ledger.reopening_not_requested``, ``ledger.period_not_closed``,
    ``ledger.later_period_closed``) and ``Forbidden`` (``authz.four_eyes``).
    """
    entity = await entity_of(tx, legal_entity_id)
    await store.lock_books(tx, entity.id)
    period = await _last_closed(tx, entity, month)
    if not period.reopen_by:
        raise Conflict(
            "nobody asked to reopen it",
            code="ledger.reopening_not_requested",
            field="month",
            value=f"{period.month:%Y-%m}",
            fix="let one person ask and another approve",
        )
    require_four_eyes(requested_by=_actor(period.reopen_by), approved_by=actor)
    row = store.PeriodRow(period.month, PeriodState.OPEN, period.revision, now, "", "")
    await store.save_period(tx, entity.id, row)
    opened = _period(entity, row)
    await _note(tx, actor, "ledger.period_reopened", opened, now)
    return opened


async def _last_closed(tx: Tx, entity: LegalEntity, month: date) -> AccountingPeriod:
    period = await get_period(tx=tx, legal_entity_id=entity.id, month=month)
    if period.state is not PeriodState.CLOSED:
        raise Conflict(
            f"the period is {period.state}",
            code="ledger.period_not_closed",
            field="month",
            value=f"{period.month:%Y-%m}",
        )
    rows = await store.periods(tx, entity.id)
    later = [row.month for row in rows if row.month > period.month and row.state is not PeriodState.OPEN]
    if later:
        raise Conflict(
            f"{later[0]:%Y-%m} is closed, too",
            code="ledger.later_period_closed",
            field="month",
            value=f"{period.month:%Y-%m}",
            fix=f"reopen {max(later):%Y-%m} first",
        )
    return period


def _text(actor: Actor) -> str:
    return f"{actor.kind.value}:{actor.id}"


def _actor(text: str) -> Actor:
    kind, _, name = text.partition(":")
    return Actor(ActorKind(kind), name)


async def _note(tx: Tx, actor: Actor, action: str, period: AccountingPeriod, at: datetime) -> None:
    await audit.record(
        tx,
        actor=actor,
        action=action,
        subject=str(period.legal_entity_id),
        at=at,
        detail={"month": f"{period.month:%Y-%m}", "revision": period.revision},
    )


async def set_own_book(*, tx: Tx, own: OwnBook, now: datetime, actor: Actor) -> OwnBook:
    """Give a book the code and name that a company's accountants use; exports show them.

    Raises ``NotFound`` (``ledger.company_unknown``) and ``Conflict`` (``ledger.own_code_taken``).
    """
    await entity_of(tx, own.legal_entity_id)
    taken = Conflict("another book has this code", code="ledger.own_code_taken", field="code", value=own.code)
    with on_violation({"own_book_code_once": taken}):
        await store.save_own_book(tx, own)
    await audit.record(
        tx,
        actor=actor,
        action="ledger.book_named",
        subject=str(own.legal_entity_id),
        at=now,
        detail={"book": own.book.value, "code": own.code},
    )
    return own


async def own_books(*, tx: Tx) -> tuple[OwnBook, ...]:
    """Return the tenant's own codes and names of books."""
    return await store.own_books(tx)
