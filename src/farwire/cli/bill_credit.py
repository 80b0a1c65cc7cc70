"""``farwire bill``: credits on the next bills, and credit notes on issued ones, each with a second person."""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Final

import typer

from farwire.billing import service
from farwire.billing.model import Bill, BillState, Credit, Part
from farwire.cli.bill_run import AccountArgument, ReasonOption, account_id_of
from farwire.cli.shell import (
    ActorOption,
    JsonOption,
    LimitOption,
    OffsetOption,
    Session,
    TenantOption,
    actor_named,
    run,
)
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import BillId, CreditId, ProductId, parse_id
from farwire.kernel.money import Money
from farwire.kernel.page import PageRequest

CreditArgument = Annotated[str, typer.Argument(help="The credit's id.")]
NoteArgument = Annotated[str, typer.Argument(help="The credit note's id.")]
KeyOption = Annotated[
    str,
    typer.Option(
        "--key",
        help="Asking again with the same key changes nothing. Default: made of the content and the day.",
    ),
]
_APPROVE_CREDIT: Final = "A second person approves it: farwire bill credit-approve {} --as NAME --tenant {}"
_THERE: Final = "It was there already. To give the same again, name another --key."
_APPROVE_NOTE: Final = "A second person issues it: farwire bill credit-note-approve {} --as NAME --tenant {}"


def _key(now: datetime, *content: object) -> str:
    """Return the key of what is asked for without one: whoever repeats the command on a day asks for nothing more."""
    text = json.dumps([now.date().isoformat(), *map(str, content)])
    return f"content-{sha256(text.encode()).hexdigest()[:32]}"


def _facts(credit: Credit) -> dict[str, object]:
    unit = credit.currency
    return {
        "credit": credit.id,
        "state": credit.state,
        "net": Money(credit.net_minor, unit),
        "applied": Money(credit.applied_minor, unit),
        "open": Money(credit.open_minor, unit),
        "label": credit.label,
        "reason": credit.reason,
        "requested_by": credit.requested_by.id,
        "decided_by": None if credit.decided_by is None else credit.decided_by.id,
    }


def credit(
    tenant: TenantOption,
    account: AccountArgument,
    net: Annotated[str, typer.Option("--net", help="How much before tax, e.g. 5.00.")],
    currency: Annotated[str, typer.Option("--currency", help="Of the account, e.g. EUR.")],
    reason: ReasonOption,
    label: Annotated[str, typer.Option("--label", help="What the bill says.")],
    product: Annotated[str, typer.Option("--product", help="The product's id, if it is for one.")] = "",
    tax_category: Annotated[
        str, typer.Option("--tax", help="The tax category of the charges that it lowers.")
    ] = "standard",
    key: KeyOption = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Ask for a credit on the next bills of an account. It counts once a second person approves it.

    A bill gives back at most what it charges; the rest stays open for the next one.
    """

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        account_id = await account_id_of(session, tenant_id, account)
        now = session.clock.now()
        content = (account_id, product, net, currency, label, reason, tax_category)
        async with session.db.transaction(tenant_id) as tx:
            credit_id = await service.add_credit(
                tx,
                account_id=account_id,
                product_id=ProductId(parse_id(product, field="product")) if product else None,
                net=Money.of(net, currency),
                reason=reason,
                label=label,
                tax_category=tax_category,
                key=key or _key(now, *content),
                requested_by=actor_named(actor),
                now=now,
            )
            found = await service.get_credit(tx, credit_id=credit_id)
        session.out.facts("Credit", _facts(found))
        if found.requested_at < now:
            session.out.note(_THERE)
        if found.decided_by is None:
            session.out.note(_APPROVE_CREDIT.format(credit_id, tenant))

    run(act, as_json)


def _decide(tenant: str, credit_id: str, actor: str, as_json: bool, *, approve: bool) -> None:
    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(tenant_id) as tx:
            decided = await service.decide_on_credit(
                tx,
                credit_id=CreditId(parse_id(credit_id, field="credit")),
                approve=approve,
                actor=actor_named(actor),
                now=session.clock.now(),
            )
        session.out.facts("Credit", _facts(decided))

    run(act, as_json)


def credit_approve(
    tenant: TenantOption, credit_id: CreditArgument, actor: ActorOption = "", as_json: JsonOption = False
) -> None:
    """Approve a credit that somebody else asked for: the next bill gives it back."""
    _decide(tenant, credit_id, actor, as_json, approve=True)


def credit_reject(
    tenant: TenantOption, credit_id: CreditArgument, actor: ActorOption = "", as_json: JsonOption = False
) -> None:
    """Reject a credit."""
    _decide(tenant, credit_id, actor, as_json, approve=False)


def list_credits(
    tenant: TenantOption,
    account: Annotated[str, typer.Option("--account", help="Only of this account number.")] = "",
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List credits, newest first: what was given, what is on bills, what is open."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        account_id = await account_id_of(session, tenant_id, account) if account else None
        page = await service.list_credits(
            db=session.db, tenant_id=tenant_id, page=PageRequest(offset, limit), account_id=account_id
        )
        rows = [_facts(one) for one in page.items]
        columns = ("credit", "state", "net", "applied", "open", "label")
        empty = f"No credit yet: farwire bill credit ACCOUNT --tenant {tenant} --help"
        session.out.rows("Credits", columns, rows, empty=empty, total=page.total, right=columns[2:5])

    run(act, as_json)


def _part(text: str, bill: Bill) -> Part:
    number, _, amount = text.partition("=")
    if not number.strip().isdecimal():
        raise Invalid(
            "not a line of the bill",
            code="billing.note_line",
            field="line",
            value=text,
            fix="write --line 2 for all of line 2, --line 2=5.00 for a part of it",
        )
    minor = Money.of(amount, bill.currency.code).amount_minor if amount else None
    return Part(int(number), minor)


def _note(bill: Bill) -> dict[str, object]:
    return {
        "credit_note": bill.id,
        "number": bill.number,
        "state": bill.state,
        "corrects": None if bill.corrects is None else bill.corrects.number,
        "net": Money(bill.net_minor, bill.currency),
        "tax": Money(bill.tax_minor, bill.currency),
        "total": Money(bill.total_minor, bill.currency),
    }


def credit_note(
    tenant: TenantOption,
    bill: Annotated[str, typer.Argument(help="The number or id of the bill to correct.")],
    reason: ReasonOption,
    line: Annotated[
        list[str] | None,
        typer.Option(
            "--line", help="A line (2), or a part of one as priced (2=5.00). Repeat it. Default: all."
        ),
    ] = None,
    key: KeyOption = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Ask for a credit note on an issued bill: all that is left of it, or some lines. A second person issues it.

    [bold]Examples[/bold]

      farwire bill credit-note AM-2026-0000001 --reason "billed twice" --as agent-7

      farwire bill credit-note AM-2026-0000001 --line 2=5.00 --reason goodwill
    """

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        found = await service.get_bill(db=session.db, tenant_id=tenant_id, key=bill)
        now = session.clock.now()
        async with session.db.transaction(tenant_id) as tx:
            note = await service.request_note(
                tx,
                bill_id=found.id,
                reason=reason,
                key=key or _key(now, found.id, reason, *(line or ())),
                actor=actor_named(actor),
                now=now,
                parts=[_part(text, found) for text in line or ()],
            )
        session.out.facts("Credit note", _note(note))
        if note.drafted_at < now:
            session.out.note(_THERE)
        if note.state is BillState.DRAFT:
            session.out.note(_APPROVE_NOTE.format(note.id, tenant))

    run(act, as_json)


def credit_note_approve(
    tenant: TenantOption, note: NoteArgument, actor: ActorOption = "", as_json: JsonOption = False
) -> None:
    """Issue a credit note that somebody else asked for: it gets its number and is booked."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(tenant_id) as tx:
            issued = await service.approve_note(
                tx,
                note_id=BillId(parse_id(note, field="credit_note")),
                actor=actor_named(actor),
                now=session.clock.now(),
            )
        session.out.facts("Credit note", _note(issued))

    run(act, as_json)


def credit_note_reject(
    tenant: TenantOption, note: NoteArgument, actor: ActorOption = "", as_json: JsonOption = False
) -> None:
    """Reject a credit note: its draft is gone."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(tenant_id) as tx:
            rejected = await service.reject_note(
                tx,
                note_id=BillId(parse_id(note, field="credit_note")),
                actor=actor_named(actor),
                now=session.clock.now(),
            )
        session.out.facts("Credit note", {"credit_note": rejected.note_id, "state": rejected.state})

    run(act, as_json)
