"""``farwire account open|change|close|route|end-route|routes``: what changes an account after it is there."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from farwire.account import service
from farwire.account.model import (
    AccountChange,
    BillingAccount,
    ChargeKind,
    ChargeRoute,
    Delivery,
    TaxClass,
    TermsChange,
)
from farwire.base.storage import Tx
from farwire.cli.party_options import party_id_of
from farwire.cli.shell import (
    COMMAND_LINE,
    ActorOption,
    JsonOption,
    Session,
    TenantOption,
    actor_named,
    parse_moment,
    run,
)
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import AccountId, uuid7
from farwire.party import service as parties
from farwire.process import account_closing
from farwire.tenant import service as tenants
from farwire.tenant.model import LegalEntity

NumberArgument = Annotated[str, typer.Argument(help="The account's number.")]
PayerArgument = Annotated[str, typer.Argument(help="The number of the account that pays.")]


def terms_facts(account: BillingAccount, now: datetime) -> dict[str, object]:
    """Return what of an account may change, as it is at ``now``."""
    held = account.as_of(now)
    return {
        "region": held.region,
        "segment": held.segment,
        "delivery": account.delivery,
        "purchase_order": held.purchase_order,
        "former": [
            f"until {one.valid_to.isoformat()}: {one.terms.region or '-'}, {one.terms.tax_class}, "
            f"{one.terms.purchase_order or '-'}{', ' + one.terms.segment if one.terms.segment else ''}"
            for one in account.former
        ],
        "version": account.version,
    }


def _facts(account: BillingAccount, now: datetime) -> dict[str, object]:
    return {
        "number": account.number,
        "id": account.id,
        "party": account.party_id,
        "currency": account.currency.code,
        "cycle_day": account.cycle_day,
        "zone": account.zone,
        "language": account.language,
        "tax_class": account.as_of(now).tax_class,
        "state": account.state,
        **terms_facts(account, now),
    }


async def _company(tx: Tx, prefix: str) -> LegalEntity:
    entities = await tenants.legal_entities(tx)
    for entity in entities.values():
        if prefix in ("", entity.number_prefix):
            return entity
    raise NotFound(
        "no company of the operator has this number prefix",
        code="tenant.legal_entity_unknown",
        field="company",
        value=prefix,
        fix="see: farwire tenant show NAME",
    )


def _moment(text: str, account_zone: str, now: datetime, field: str) -> datetime:
    return parse_moment(text, field=field, zone_name=account_zone) if text else now


def open_account(
    tenant: TenantOption,
    number: NumberArgument,
    party: Annotated[str, typer.Option("--party", help="Who pays: a party's id, or one of its accounts.")],
    company: Annotated[str, typer.Option("--company", help="Who sells, by its number prefix.")] = "",
    language: Annotated[str, typer.Option("--language", help="The party's by default.")] = "",
    cycle_day: Annotated[int, typer.Option("--cycle-day", min=1, max=31, help="It stays for ever.")] = 1,
    tax_class: Annotated[TaxClass, typer.Option("--tax-class")] = TaxClass.STANDARD,
    delivery: Annotated[Delivery, typer.Option("--delivery", help="How bills travel.")] = Delivery.EMAIL,
    segment: Annotated[str, typer.Option("--segment", help="A name of your own, e.g. business.")] = "",
    purchase_order: Annotated[str, typer.Option("--purchase-order", help="The customer's own number.")] = "",
    parent: Annotated[str, typer.Option("--parent", help="The number of the account above.")] = "",
    opened_at: Annotated[str, typer.Option("--opened-at", help="When its first cycle may start; now.")] = "",
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Open an account for a party: currency and zone are the company's, the region is the address's."""

    async def act(session: Session) -> None:
        now = session.clock.now()
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            entity = await _company(tx, company)
            payer = await parties.get_party(tx=tx, party_id=await party_id_of(tx, party))
            above = (await service.account_numbered(tx=tx, number=parent)).id if parent else None
            account = BillingAccount(
                AccountId(uuid7(now)),
                number,
                payer.id,
                entity.id,
                entity.currency,
                cycle_day,
                entity.zone,
                language or payer.language,
                tax_class,
                _moment(opened_at, entity.zone, now, "opened-at"),
                segment=segment,
                parent_id=above,
                delivery=delivery,
                purchase_order=purchase_order,
            )
            opened = await service.open_account(tx, account=account, now=now, actor=actor_named(actor))
        session.out.facts(f"Account {number}", _facts(opened, now))

    run(act, as_json)


def change_account(
    tenant: TenantOption,
    number: NumberArgument,
    language: Annotated[str | None, typer.Option("--language")] = None,
    segment: Annotated[str | None, typer.Option("--segment", help="May be planned.")] = None,
    delivery: Annotated[Delivery | None, typer.Option("--delivery", help="How bills travel.")] = None,
    purchase_order: Annotated[str | None, typer.Option("--purchase-order", help="May be planned.")] = None,
    tax_class: Annotated[TaxClass | None, typer.Option("--tax-class")] = None,
    start: Annotated[
        str, typer.Option("--from", help="When segment, purchase order or tax class change; now.")
    ] = "",
    parent: Annotated[str | None, typer.Option("--parent", help="The account above; - for none.")] = None,
    cycle_day: Annotated[int | None, typer.Option("--cycle-day", min=1, max=31, hidden=True)] = None,
    version: Annotated[int | None, typer.Option("--version", min=1, help="Refuse if it has another.")] = None,
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Change what is given and leave the rest. Currency, company, zone and cycle day stay for ever."""

    async def act(session: Session) -> None:
        now, who = session.clock.now(), actor_named(actor)
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            account = await service.account_numbered(tx=tx, number=number)
            if cycle_day is not None:
                await service.change_cycle(tx, account_id=account.id, cycle_day=cycle_day)
            account = await service.change_account(
                tx,
                account_id=account.id,
                change=AccountChange(language, delivery),
                now=now,
                expected_version=version,
                actor=who,
            )
            terms = TermsChange(tax_class=tax_class, purchase_order=purchase_order, segment=segment)
            if terms != TermsChange():
                account = await service.change_terms(
                    tx,
                    account_id=account.id,
                    change=terms,
                    valid_from=_moment(start, account.zone, now, "from"),
                    now=now,
                    actor=who,
                )
            if parent is not None:
                above = None if parent == "-" else (await service.account_numbered(tx=tx, number=parent)).id
                account = await service.set_parent(
                    tx, account_id=account.id, parent_id=above, now=now, actor=who
                )
        session.out.facts(f"Account {number}", _facts(account, now))

    run(act, as_json)


def close_account(
    tenant: TenantOption,
    number: NumberArgument,
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Close an account, or say what is left to do: products, orders, bills to come, what is owed."""

    async def act(session: Session) -> None:
        tenant_id, now = await session.tenant(tenant), session.clock.now()
        async with session.db.transaction(tenant_id) as tx:
            account = await service.account_numbered(tx=tx, number=number)
            closed = await account_closing.close_account(
                tx, db=session.db, account_id=account.id, now=now, actor=actor_named(actor)
            )
        session.out.facts(f"Account {number}", _facts(closed, now) | {"closed_at": closed.closed_at})

    run(act, as_json)


def _route_row(route: ChargeRoute, numbers: dict[AccountId, str]) -> dict[str, object]:
    return {
        "account": numbers.get(route.account_id, str(route.account_id)),
        "payer": numbers.get(route.payer_account_id, str(route.payer_account_id)),
        "kinds": " ".join(sorted(route.kinds)),
        "percent": f"{route.percent:.2f}",
        "from": route.valid_from,
        "to": route.valid_to,
    }


def _percent(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise Invalid(
            "that is no percentage", code="account.route_percent", field="percent", value=text
        ) from None


def add_route(
    tenant: TenantOption,
    number: NumberArgument,
    payer: PayerArgument,
    percent: Annotated[
        str, typer.Option("--percent", help="Above 0, at most 100, e.g. 33.33; of usage 100.")
    ],
    kind: Annotated[
        list[ChargeKind] | None, typer.Option("--kind", help="Which charges; all by default. Repeat it.")
    ] = None,
    start: Annotated[str, typer.Option("--from", help="A day or a time with a zone; now by default.")] = "",
    end: Annotated[str, typer.Option("--to", help="Until when; open by default.")] = "",
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Let another account pay a share of an account's charges; the rest stays.

    Both need the same company, currency, zone and cycle day. Who pays for others pays its own charges itself.
    Usage is not split: route it by itself, whole.

    [bold]Examples[/bold]

      farwire account route 100001 200001 --percent 60 --kind recurring --kind one_off --tenant acme

      farwire account route 100001 200001 --percent 100 --kind usage --from 2026-07-01 --tenant acme
    """

    async def act(session: Session) -> None:
        now = session.clock.now()
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            account = await service.account_numbered(tx=tx, number=number)
            other = await service.account_numbered(tx=tx, number=payer)
            route = ChargeRoute(
                account.id,
                frozenset(kind or ChargeKind),
                other.id,
                _percent(percent),
                _moment(start, account.zone, now, "from"),
                parse_moment(end, field="to", zone_name=account.zone) if end else None,
            )
            added = await service.add_route(tx, route=route, now=now, actor=actor_named(actor))
        session.out.facts("Charge route", _route_row(added, {account.id: number, other.id: payer}))

    run(act, as_json)


def end_route(
    tenant: TenantOption,
    number: NumberArgument,
    payer: PayerArgument,
    at: Annotated[str, typer.Option("--at", help="A day or a time with a zone; now by default.")] = "",
    kind: Annotated[
        list[ChargeKind] | None,
        typer.Option("--kind", help="Its kinds, where there are several to that payer."),
    ] = None,
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """End the share that another account pays."""

    async def act(session: Session) -> None:
        now = session.clock.now()
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            account = await service.account_numbered(tx=tx, number=number)
            other = await service.account_numbered(tx=tx, number=payer)
            ended = await service.end_route(
                tx,
                account_id=account.id,
                payer_account_id=other.id,
                at=_moment(at, account.zone, now, "at"),
                now=now,
                kinds=frozenset(kind or ()),
                actor=actor_named(actor),
            )
        session.out.facts("Charge route", _route_row(ended, {account.id: number, other.id: payer}))

    run(act, as_json)


def list_routes(tenant: TenantOption, number: NumberArgument, as_json: JsonOption = False) -> None:
    """List who pays for an account and for whom it pays, the ended routes too."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            account = await service.account_numbered(tx=tx, number=number)
            found = (
                *(await service.routes_of(tx, [account.id])).get(account.id, ()),
                *(await service.routes_to(tx, [account.id])).get(account.id, ()),
            )
            ids = [one for route in found for one in (route.account_id, route.payer_account_id)]
            known = await service.accounts_by_id(tx=tx, account_ids=ids)
        numbers = {one.id: one.number for one in known.values()}
        rows = [_route_row(route, numbers) for route in found]
        empty = (
            f"It pays its own charges: farwire account route {number} PAYER --percent 100 --tenant {tenant}"
        )
        columns = ("account", "payer", "kinds", "percent", "from", "to")
        session.out.rows("Charge routes", columns, rows, empty=empty, right=("percent",))

    run(act, as_json)


def register(app: typer.Typer) -> None:
    """Add these commands to ``farwire account``."""
    app.command("open")(open_account)
    app.command("change")(change_account)
    app.command("close")(close_account)
    app.command("route")(add_route)
    app.command("end-route")(end_route)
    app.command("routes")(list_routes)
