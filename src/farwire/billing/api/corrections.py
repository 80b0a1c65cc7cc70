"""Our own API of credits on next bills and of credit notes on issued ones."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

import msgspec

from farwire.account import service as accounts
from farwire.base.authz import Permission
from farwire.base.web import (
    AnyRoute,
    ById,
    Call,
    Method,
    MoneyDocument,
    Nothing,
    PageQuery,
    Reply,
    Route,
    page_reply,
    shown_actor,
    timestamp,
)
from farwire.billing import service
from farwire.billing.model import Credit, CreditState, NoteRequest, NoteState, Part
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import AccountId, BillId, CreditId, ProductId, parse_id
from farwire.kernel.money import Currency, Money

ACCOUNTS: Final = "/farwire/v1/accounts"
CREDITS: Final = "/farwire/v1/credits"
NOTES: Final = "/farwire/v1/creditNotes"
TAG: Final = "Credits and corrections"

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Lines = Annotated[list["PartCreate"], msgspec.Meta(max_length=1_000)]


class CreditCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """An amount before tax to give back on the next bills. ``key`` makes asking for it twice the same."""

    net: MoneyDocument
    reason: Text
    label: Text
    key: Text
    product_id: str | None = None
    tax_category: Text = "standard"


class CreditDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="Credit"
):
    """A credit: given, applied on bills, still open, all before tax."""

    id: str
    href: str
    account_id: str
    state: CreditState
    net: MoneyDocument
    applied: MoneyDocument
    open: MoneyDocument
    reason: str
    label: str
    tax_category: str
    requested_at: str
    requested_by: str
    product_id: str | None = None
    decided_by: str | None = None


class PartCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A line of the bill, and how much of it as priced; all that is left of it without an amount."""

    line: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
    amount: MoneyDocument | None = None


class CreditNoteCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A credit note on an issued bill; without ``lines`` over all that is left of it."""

    bill_id: str
    reason: Text
    key: Text
    lines: Lines | None = None


class CreditNoteDocument(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="CreditNote"):
    """A credit note as it was asked for; its amounts are those of the bill with this id, once it is issued."""

    id: str
    href: str
    bill_id: str
    state: NoteState
    requested_at: str
    requested_by: str
    decided_by: str | None = None


class NoteQuery(PageQuery, frozen=True, kw_only=True):
    """Filters of the list."""

    bill_id: Annotated[UUID, msgspec.Meta(description="On this bill only.")] | None = msgspec.field(
        name="billId", default=None
    )


def _credit(credit: Credit) -> CreditDocument:
    unit, decided = credit.currency, credit.decided_by
    return CreditDocument(
        id=str(credit.id),
        href=f"{CREDITS}/{credit.id}",
        account_id=str(credit.account_id),
        state=credit.state,
        net=MoneyDocument.of(credit.net_minor, unit),
        applied=MoneyDocument.of(credit.applied_minor, unit),
        open=MoneyDocument.of(credit.open_minor, unit),
        reason=credit.reason,
        label=credit.label,
        tax_category=credit.tax_category,
        requested_at=timestamp(credit.requested_at),
        requested_by=shown_actor(credit.requested_by),
        product_id=None if credit.product_id is None else str(credit.product_id),
        decided_by=None if decided is None else shown_actor(decided),
    )


def _note(note: NoteRequest) -> CreditNoteDocument:
    decided = note.decided_by
    return CreditNoteDocument(
        str(note.note_id),
        f"{NOTES}/{note.note_id}",
        str(note.bill_id),
        note.state,
        timestamp(note.requested_at),
        shown_actor(note.requested_by),
        None if decided is None else shown_actor(decided),
    )


async def add_credit(call: Call[ById, Nothing, CreditCreate]) -> Reply:
    """Ask for a credit on the next bills of an account."""
    body = call.body
    product = None if body.product_id is None else ProductId(parse_id(body.product_id, field="productId"))
    async with call.transaction() as tx:
        credit_id = await service.add_credit(
            tx,
            account_id=AccountId(call.path.id),
            product_id=product,
            net=body.net.to_money(),
            reason=body.reason,
            label=body.label,
            tax_category=body.tax_category,
            key=body.key,
            requested_by=call.principal.actor,
            now=call.now(),
        )
        return Reply(_credit(await service.get_credit(tx, credit_id=credit_id)))


async def list_credits(call: Call[ById, PageQuery, None]) -> Reply:
    """Return a page of the credits of an account, newest first."""
    account_id = AccountId(call.path.id)
    async with call.transaction() as tx:
        await accounts.account_with_id(tx, account_id)
    page = await service.list_credits(
        db=call.database,
        tenant_id=call.principal.tenant_id,
        page=call.query.page(),
        account_id=account_id,
    )
    return page_reply(page, _credit)


async def get_credit(call: Call[ById, Nothing, None]) -> Reply:
    """Return one credit, and what of it is still open."""
    async with call.transaction() as tx:
        return Reply(_credit(await service.get_credit(tx, credit_id=CreditId(call.path.id))))


async def _decide_on_credit(call: Call[ById, Nothing, None], *, approve: bool) -> Reply:
    async with call.transaction() as tx:
        credit = await service.decide_on_credit(
            tx,
            credit_id=CreditId(call.path.id),
            approve=approve,
            actor=call.principal.actor,
            now=call.now(),
        )
    return Reply(_credit(credit))


async def approve_credit(call: Call[ById, Nothing, None]) -> Reply:
    """Approve a credit."""
    return await _decide_on_credit(call, approve=True)


async def reject_credit(call: Call[ById, Nothing, None]) -> Reply:
    """Reject a credit."""
    return await _decide_on_credit(call, approve=False)


async def request_note(call: Call[ById, Nothing, CreditNoteCreate]) -> Reply:
    """Ask for a credit note on an issued bill of an account."""
    body, account_id = call.body, AccountId(call.path.id)
    bill_id = BillId(parse_id(body.bill_id, field="billId"))
    bill = await service.get_bill(db=call.database, tenant_id=call.principal.tenant_id, key=str(bill_id))
    if bill.account_id != account_id:
        raise NotFound(
            "the account has no such bill", code="billing.unknown", field="billId", value=body.bill_id
        )
    parts = [Part(one.line, _minor(one.amount, bill.currency)) for one in body.lines or ()]
    async with call.transaction() as tx:
        note = await service.request_note(
            tx,
            bill_id=bill_id,
            reason=body.reason,
            key=body.key,
            actor=call.principal.actor,
            now=call.now(),
            parts=parts,
        )
        return Reply(_note(await service.get_note(tx, note_id=note.id)))


def _minor(amount: MoneyDocument | None, unit: Currency) -> int | None:
    """Return the minor units of an amount of a bill's line. Raises ``Invalid`` (``money.currency_mismatch``)."""
    return None if amount is None else (amount.to_money() - Money(0, unit)).amount_minor


async def get_note(call: Call[ById, Nothing, None]) -> Reply:
    """Return one credit note as it was asked for."""
    async with call.transaction() as tx:
        return Reply(_note(await service.get_note(tx, note_id=BillId(call.path.id))))


async def list_notes(call: Call[Nothing, NoteQuery, None]) -> Reply:
    """Return a page of the credit notes asked for, newest first."""
    bill = call.query.bill_id
    page = await service.list_notes(
        db=call.database,
        tenant_id=call.principal.tenant_id,
        page=call.query.page(),
        bill_id=None if bill is None else BillId(bill),
    )
    return page_reply(page, _note)


async def approve_note(call: Call[ById, Nothing, None]) -> Reply:
    """Issue a credit note."""
    async with call.transaction() as tx:
        note_id = BillId(call.path.id)
        await service.approve_note(tx, note_id=note_id, actor=call.principal.actor, now=call.now())
        return Reply(_note(await service.get_note(tx, note_id=note_id)))


async def reject_note(call: Call[ById, Nothing, None]) -> Reply:
    """Reject a credit note."""
    async with call.transaction() as tx:
        note = await service.reject_note(
            tx, note_id=BillId(call.path.id), actor=call.principal.actor, now=call.now()
        )
    return Reply(_note(note))


def _get(path: str, handler: object, summary: str, response: object) -> AnyRoute:
    return Route(
        method=Method.GET,
        path=path,
        handler=handler,  # type: ignore[arg-type]
        summary=summary,
        tag=TAG,
        permission=Permission.BILL_READ,
        response=response,
        path_type=ById,
    )


def _post(
    path: str,
    handler: object,
    summary: str,
    permission: Permission,
    response: object,
    body_type: type[msgspec.Struct] | None = None,
    status: int = 200,
) -> AnyRoute:
    return Route(
        method=Method.POST,
        path=path,
        handler=handler,  # type: ignore[arg-type]
        summary=summary,
        tag=TAG,
        permission=permission,
        response=response,
        path_type=ById,
        body_type=body_type,
        status=status,
        errors=("409",),
        idempotent=True,
    )


_ACCOUNT: Final = f"{ACCOUNTS}/{{id}}"
_WRITE, _APPROVE = Permission.CREDIT_WRITE, Permission.CREDIT_APPROVE

ROUTES: Final[tuple[AnyRoute, ...]] = (
    _post(f"{_ACCOUNT}/credits", add_credit, "Ask for a credit", _WRITE, CreditDocument, CreditCreate, 201),
    Route(
        method=Method.GET,
        path=f"{_ACCOUNT}/credits",
        handler=list_credits,
        summary="List the credits of an account",
        tag=TAG,
        permission=Permission.BILL_READ,
        response=list[CreditDocument],
        path_type=ById,
        query_type=PageQuery,
    ),
    _get(f"{CREDITS}/{{id}}", get_credit, "Get a credit", CreditDocument),
    _post(f"{CREDITS}/{{id}}/approve", approve_credit, "Approve a credit", _APPROVE, CreditDocument),
    _post(f"{CREDITS}/{{id}}/reject", reject_credit, "Reject a credit", _APPROVE, CreditDocument),
    _post(
        f"{_ACCOUNT}/creditNotes",
        request_note,
        "Ask for a credit note",
        _WRITE,
        CreditNoteDocument,
        CreditNoteCreate,
        201,
    ),
    Route(
        method=Method.GET,
        path=NOTES,
        handler=list_notes,
        summary="List credit notes",
        tag=TAG,
        permission=Permission.BILL_READ,
        response=list[CreditNoteDocument],
        query_type=NoteQuery,
        description="Newest first. An issued one is a bill with the same id, with lines, taxes and a document.",
    ),
    _get(f"{NOTES}/{{id}}", get_note, "Get a credit note", CreditNoteDocument),
    _post(f"{NOTES}/{{id}}/approve", approve_note, "Issue a credit note", _APPROVE, CreditNoteDocument),
    _post(f"{NOTES}/{{id}}/reject", reject_note, "Reject a credit note", _APPROVE, CreditNoteDocument),
)
