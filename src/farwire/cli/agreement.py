"""``farwire agreement``: negotiated prices, drafted by one person and approved by another."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from farwire.agreement import service
from farwire.agreement.model import Agreement, AgreementItem, NegotiatedPrice
from farwire.cli.party_options import party_id_of
from farwire.cli.shell import (
    COMMAND_LINE,
    ActorOption,
    JsonOption,
    LimitOption,
    OffsetOption,
    Session,
    TenantOption,
    actor_named,
    parse_moment,
    run,
)
from farwire.kernel.errors import Invalid
from farwire.kernel.page import PageRequest

app = typer.Typer(
    name="agreement",
    no_args_is_help=True,
    help="Agreements with prices of their own. One person drafts, another approves.\n\n"
    "  farwire agreement add A-1 -t acme --party 100001 --from 2026-07-01 --price flex-m/monthly=15.50 "
    "--term flex-m=24 --as seller\n\n"
    "  farwire agreement approve A-1 -t acme --as head",
)
NumberArgument = Annotated[str, typer.Argument(help="The agreement's number, e.g. A-1.")]
FromOption = Annotated[str, typer.Option("--from", help="A day (of UTC) or a time with a zone.")]
ToOption = Annotated[str, typer.Option("--to", help="Where it ends; open if not given.")]
OfferingOption = Annotated[
    list[str] | None, typer.Option("--offering", help="An offering without a price of its own. Repeat it.")
]
PriceOption = Annotated[
    list[str] | None,
    typer.Option("--price", help="OFFERING/PRICE=AMOUNT, e.g. flex-m/monthly=15.50. Repeat it."),
]
PercentOption = Annotated[
    list[str] | None, typer.Option("--percent", help="OFFERING/PRICE=PERCENT of the plan's price. Repeat it.")
]
TermOption = Annotated[
    list[str] | None, typer.Option("--term", help="OFFERING=MONTHS, the minimum term. Repeat it.")
]


def _pair(text: str, option: str, form: str) -> tuple[str, Decimal]:
    name, mark, value = text.partition("=")
    try:
        if mark and name:
            return name.strip(), Decimal(value.strip())
    except InvalidOperation:
        pass
    raise Invalid(f"--{option} is {form}", code="cli.agreement_option", field=option, value=text)


def _items(
    offerings: list[str] | None, prices: list[str] | None, percents: list[str] | None, terms: list[str] | None
) -> list[AgreementItem]:
    overrides: dict[str, list[NegotiatedPrice]] = {code: [] for code in offerings or []}
    for option, texts in (("price", prices or []), ("percent", percents or [])):
        for text in texts:
            name, value = _pair(text, option, "OFFERING/PRICE=NUMBER")
            offering, mark, price_id = name.partition("/")
            if not mark:
                raise Invalid(
                    f"--{option} is OFFERING/PRICE=NUMBER",
                    code="cli.agreement_option",
                    field=option,
                    value=text,
                )
            made = NegotiatedPrice(price_id, **{option: value})
            overrides.setdefault(offering, []).append(made)
    months: dict[str, int] = {}
    for text in terms or []:
        offering, value = _pair(text, "term", "OFFERING=MONTHS")
        months[offering] = int(value)
        overrides.setdefault(offering, [])
    return [AgreementItem(code, tuple(found), months.get(code)) for code, found in overrides.items()]


def _facts(agreement: Agreement, now: datetime) -> dict[str, object]:
    return {
        "number": agreement.number,
        "version": agreement.version,
        "state": agreement.state_at(now),
        "party": agreement.party_id,
        "from": agreement.valid_from,
        "to": agreement.valid_to,
        "items": [
            {
                "offering": item.offering,
                "minimum_term_months": item.minimum_term_months,
                "prices": {
                    one.price_id: f"{one.percent:f} %" if one.price is None else f"{one.price:f}"
                    for one in item.overrides
                },
            }
            for item in agreement.items
        ],
        "requested_by": agreement.requested_by.id,
        "approved_by": None if agreement.approved_by is None else agreement.approved_by.id,
    }


def _show(session: Session, agreement: Agreement) -> None:
    session.out.facts(f"Agreement {agreement.number}", _facts(agreement, session.clock.now()))


def _end(text: str) -> datetime | None:
    return parse_moment(text, field="to") if text else None


@app.command("add")
def add(
    tenant: TenantOption,
    number: NumberArgument,
    party: Annotated[
        str, typer.Option("--party", help="The party's id, or the number of one of its accounts.")
    ],
    start: FromOption,
    end: ToOption = "",
    offering: OfferingOption = None,
    price: PriceOption = None,
    percent: PercentOption = None,
    term: TermOption = None,
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Draft an agreement. Nothing holds until somebody else approves it."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            made = await service.draft_agreement(
                tx,
                number=number,
                party_id=await party_id_of(tx, party),
                items=_items(offering, price, percent, term),
                valid_from=parse_moment(start, field="from"),
                valid_to=_end(end),
                now=session.clock.now(),
                actor=actor_named(actor),
            )
        _show(session, made)
        session.out.note(f"Next: farwire agreement approve {number} --tenant {tenant} --as SOMEBODY-ELSE")

    run(act, as_json)


@app.command("amend")
def amend(
    tenant: TenantOption,
    number: NumberArgument,
    start: FromOption,
    end: ToOption = "",
    offering: OfferingOption = None,
    price: PriceOption = None,
    percent: PercentOption = None,
    term: TermOption = None,
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Draft the next version: all of what shall hold from then on. What was active is never edited."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            made = await service.amend_agreement(
                tx,
                number=number,
                items=_items(offering, price, percent, term),
                valid_from=parse_moment(start, field="from"),
                valid_to=_end(end),
                now=session.clock.now(),
                actor=actor_named(actor),
            )
        _show(session, made)

    run(act, as_json)


@app.command("approve")
def approve(
    tenant: TenantOption,
    number: NumberArgument,
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Approve the draft of an agreement, as somebody else than who drafted it."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            made = await service.approve_agreement(
                tx, number=number, now=session.clock.now(), actor=actor_named(actor)
            )
        _show(session, made)

    run(act, as_json)


@app.command("withdraw")
def withdraw(
    tenant: TenantOption,
    number: NumberArgument,
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Take back a draft that nobody will approve."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            made = await service.withdraw_draft(
                tx, number=number, now=session.clock.now(), actor=actor_named(actor)
            )
        _show(session, made)

    run(act, as_json)


@app.command("terminate")
def terminate(
    tenant: TenantOption,
    number: NumberArgument,
    at: Annotated[str, typer.Option("--at", help="When it ends; now by default.")] = "",
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """End the active version. Its prices still hold for the time before."""

    async def act(session: Session) -> None:
        now = session.clock.now()
        when = parse_moment(at, field="at") if at else now
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            made = await service.terminate_agreement(
                tx, number=number, at=when, now=now, actor=actor_named(actor)
            )
        _show(session, made)

    run(act, as_json)


@app.command("list")
def list_agreements(
    tenant: TenantOption, offset: OffsetOption = 0, limit: LimitOption = 50, as_json: JsonOption = False
) -> None:
    """List every version of every agreement, by number."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            page = await service.list_agreements(tx, page=PageRequest(offset, limit))
        rows = [_facts(one, session.clock.now()) for one in page.items]
        columns = ("number", "version", "state", "from", "to", "requested_by", "approved_by")
        empty = f"No agreement yet: farwire agreement add NUMBER --tenant {tenant} --party PARTY --from DAY"
        session.out.rows("Agreements", columns, rows, empty=empty, total=page.total)

    run(act, as_json)


@app.command("show")
def show(tenant: TenantOption, number: NumberArgument, as_json: JsonOption = False) -> None:
    """Show all versions of one agreement with their prices."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            found = await service.agreement_versions(tx, number)
        rows = [_facts(one, session.clock.now()) for one in found]
        columns = ("version", "state", "from", "to", "items", "requested_by", "approved_by")
        session.out.rows(f"Agreement {number}", columns, rows, empty="")

    run(act, as_json)
