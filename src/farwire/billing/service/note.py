"""Credit notes: asked for by one person, issued by another, with a number of their own. A bill is never edited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from msgspec import structs

from farwire.base import audit
from farwire.base.canonical import JSON
from farwire.base.storage import Database, Tx
from farwire.billing.model import (
    Approval,
    Bill,
    BillKind,
    BillState,
    Corrected,
    NoteRequest,
    NoteState,
    Part,
    check_sums,
    credit_note_of,
    decide_note,
    given_by,
)
from farwire.billing.model.note import corrected_line
from farwire.billing.service.deciding import checked_reason
from farwire.billing.service.issue import issue_bills
from farwire.billing.service.policy import approval_of
from farwire.billing.store import bills as bill_store
from farwire.billing.store import credits as store
from farwire.billing.store import runs as run_store
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import BillId, TenantId, uuid7
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import Actor
from farwire.kernel.time import local_date, zone
from farwire.tenant import service as tenants
from farwire.tenant.model import DocumentKind, LegalEntity, fiscal_year

MAX_KEY = 200


async def request_note(
    tx: Tx,
    *,
    bill_id: BillId,
    reason: str,
    key: str,
    actor: Actor,
    now: datetime,
    parts: Sequence[Part] = (),
) -> Bill:
    """Ask for a credit note over ``parts`` of an issued bill, all that is left of it by default; return it.

    It is a draft until a second person approves it, and is issued at once where the company asks for none. Idempotent
    by ``key``. Raises ``NotFound`` (``billing.unknown``), ``Invalid`` (``billing.reason``, ``billing.note_key``,
    ``billing.note_line``, ``billing.note_amount``), ``Conflict`` (``billing.note_bill``, ``billing.note_nothing_left``,
    ``billing.note_too_much``, ``billing.key_reused``).
    """
    _check_key(key)
    await run_store.lock_billing(tx)
    before = await store.note_by_key(tx, key)
    if before is not None:
        return await _requested_before(tx, before, bill_id, key, parts)
    bill = await _bill(tx, bill_id)
    notes, rows = await bill_store.notes_on(tx, bill_id)
    found = credit_note_of(bill, parts, given_by(notes, rows))
    entity = await tenants.legal_entity(tx, bill.legal_entity_id)
    draft = structs.replace(
        _as_draft(bill, checked_reason(reason), entity, now),
        net_minor=found.net_minor,
        tax_minor=found.tax_minor,
        total_minor=found.net_minor + found.tax_minor,
        lines=found.lines,
        taxes=tuple(found.taxes.values()),
    )
    check_sums(draft)
    await bill_store.add_bills(tx, [draft], positions={draft.id: tuple(found.taxes)})
    request = NoteRequest(draft.id, bill_id, key, NoteState.REQUESTED, actor, now)
    await store.save_note(tx, request)
    detail: dict[str, JSON] = {"bill": str(bill_id), "total_minor": draft.total_minor}
    await audit.record(
        tx, actor=actor, action="billing.note_requested", subject=str(draft.id), at=now, detail=detail
    )
    if await approval_of(tx, bill.legal_entity_id) is Approval.NONE:
        return await approve_note(tx, note_id=draft.id, actor=actor, now=now)
    return draft


def _check_key(key: str) -> None:
    if not key.strip() or len(key) > MAX_KEY or "\x00" in key:
        raise Invalid(
            f"a key has 1 to {MAX_KEY} characters", code="billing.note_key", field="key", value=key[:80]
        )


async def _requested_before(
    tx: Tx, request: NoteRequest, bill_id: BillId, key: str, parts: Sequence[Part]
) -> Bill:
    if request.bill_id == bill_id and request.state is not NoteState.REJECTED:
        note = await _bill(tx, request.note_id)
        if _asks_for(parts, note):
            return note
    raise Conflict(
        "another credit note has this key",
        code="billing.key_reused",
        field="key",
        value=key,
        fix="use a new key",
    )


def _asks_for(parts: Sequence[Part], note: Bill) -> bool:
    """Return whether ``parts`` are what ``note`` gives back, as far as they say how much."""
    gives = {corrected_line(line): -line.amount_minor for line in note.lines}
    asked = {part.line: part.amount_minor for part in parts}
    return not asked or (
        asked.keys() == gives.keys()
        and all(amount is None or amount == gives[line] for line, amount in asked.items())
    )


async def _bill(tx: Tx, bill_id: BillId) -> Bill:
    bill = await bill_store.get_bill(tx, bill_id=bill_id)
    if bill is None:
        raise NotFound("there is no such bill", code="billing.unknown", field="bill", value=bill_id)
    return bill


def _as_draft(bill: Bill, reason: str, entity: LegalEntity, now: datetime) -> Bill:
    """Return a credit note on ``bill`` with nothing on it yet. Seller and customer are those of the bill."""
    series = entity.series_of(DocumentKind.CREDIT_NOTE)
    today = local_date(now, zone(entity.zone))
    return structs.replace(
        bill,
        id=BillId(uuid7(now)),
        kind=BillKind.CREDIT_NOTE,
        run_id=None,
        state=BillState.DRAFT,
        sequence=None,
        number=None,
        fiscal_year=fiscal_year(today, entity.fiscal_year_start) if series.yearly else 0,
        issue_on=today,
        due_on=today,
        seller=replace(bill.seller, number_prefix=series.prefix),
        corrects=Corrected(bill.id, bill.number or "", bill.issue_on, reason),
        drafted_at=now,
        issued_at=None,
    )


async def _decided(
    tx: Tx, note_id: BillId, *, approve: bool, actor: Actor, now: datetime
) -> tuple[Bill, NoteRequest]:
    await run_store.lock_billing(tx)
    request = await get_note(tx, note_id=note_id)
    bill = await _bill(tx, request.bill_id)
    rule = await approval_of(tx, bill.legal_entity_id)
    decided = decide_note(request, approve=approve, approval=rule, actor=actor, now=now)
    await store.save_note(tx, decided)
    return bill, decided


async def approve_note(tx: Tx, *, note_id: BillId, actor: Actor, now: datetime) -> Bill:
    """Issue a credit note: it gets the next number of its series, the day of today, and is booked; return it.

    Raises ``NotFound`` (``billing.note_unknown``), ``Conflict`` (``billing.note_state``), ``Forbidden``
    (``authz.four_eyes``).
    """
    bill, _ = await _decided(tx, note_id, approve=True, actor=actor, now=now)
    note = await _bill(tx, note_id)
    entity = await tenants.legal_entity(tx, bill.legal_entity_id)
    reason = "" if note.corrects is None else note.corrects.reason
    dated = _as_draft(bill, reason, entity, now)
    note = structs.replace(
        note,
        issue_on=dated.issue_on,
        due_on=dated.due_on,
        fiscal_year=dated.fiscal_year,
        seller=dated.seller,
    )
    await bill_store.date_note(tx, note)
    (issued,) = await issue_bills(tx, [note], now)
    await audit.record(
        tx,
        actor=actor,
        action="billing.note_issued",
        subject=str(note_id),
        at=now,
        detail={"number": issued.number, "total_minor": issued.total_minor},
    )
    return issued


async def reject_note(tx: Tx, *, note_id: BillId, actor: Actor, now: datetime) -> NoteRequest:
    """Reject a credit note: its draft is gone, what it wanted to give back is free again.

    Raises ``NotFound`` (``billing.note_unknown``), ``Conflict`` (``billing.note_state``).
    """
    _, request = await _decided(tx, note_id, approve=False, actor=actor, now=now)
    await bill_store.delete_drafts(tx, [note_id])
    await audit.record(
        tx, actor=actor, action="billing.note_rejected", subject=str(note_id), at=now, detail={}
    )
    return request


async def get_note(tx: Tx, *, note_id: BillId) -> NoteRequest:
    """Return who asked for a credit note and who decided. Raises ``NotFound`` (``billing.note_unknown``)."""
    request = await store.get_note(tx, note_id)
    if request is None:
        raise NotFound(
            "there is no such credit note", code="billing.note_unknown", field="credit_note", value=note_id
        )
    return request


async def list_notes(
    *, db: Database, tenant_id: TenantId, page: PageRequest, bill_id: BillId | None = None
) -> Page[NoteRequest]:
    """Return a page of credit notes asked for, newest first."""
    async with db.transaction(tenant_id) as tx:
        items, total = await store.list_notes(tx, bill_id, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)
