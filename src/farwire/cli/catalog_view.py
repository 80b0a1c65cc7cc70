"""``farwire catalog list`` and ``show``: what is there, and all about one offering or specification."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

import typer

from farwire.catalog import service
from farwire.catalog.model import Kind, PlanVersion, PricePlan, Sellable, current, in_force, to_document
from farwire.cli.shell import (
    JsonOption,
    LimitOption,
    OffsetOption,
    Output,
    Session,
    TenantOption,
    parse_moment,
    run,
)
from farwire.kernel.errors import Conflict
from farwire.kernel.money import currency
from farwire.kernel.page import PageRequest

CodeArgument = Annotated[str, typer.Argument(help="The code of the offering, e.g. flex-m.")]
KindOption = Annotated[Kind, typer.Option("--kind", help="What the code names.")]


def in_currency(value: Decimal, code: str) -> Decimal:
    """Return an exact amount with as many decimals as it needs, at least those of its currency."""
    normal, least = value.normalize(), -currency(code).exponent
    exponent = normal.as_tuple().exponent
    return (
        normal if isinstance(exponent, int) and exponent < least else value.quantize(Decimal(1).scaleb(least))
    )


def list_offerings(
    tenant: TenantOption,
    region: Annotated[str, typer.Option("--region", help="Only what is sold in this region.")] = "",
    segment: Annotated[str, typer.Option("--segment", help="Only what is sold to this segment.")] = "",
    channel: Annotated[str, typer.Option("--channel", help="Only what is sold through this channel.")] = "",
    at: Annotated[str, typer.Option("--at", help="Only what is sold at this day or time.")] = "",
    kind: KindOption = Kind.OFFERING,
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List the offerings with the plan version that is sold now, or what is sold to whom.

    Any of --region, --segment, --channel and --at lists what is sold then to a customer of whom you know only that:
    an offering that asks for more is left out.

    Examples: farwire catalog list --tenant acme

      farwire catalog list --region DE --segment business --channel shop --tenant acme

      farwire catalog list --kind product_specification --tenant acme
    """

    async def act(session: Session) -> None:
        page = PageRequest(offset, limit)
        if kind is not Kind.OFFERING:
            await _list_specifications(session, tenant, kind, page)
        elif region or segment or channel or at:
            await _list_sold(session, tenant, (region, segment, channel, at), page)
        else:
            await _list_all(session, tenant, page)

    run(act, as_json)


async def _list_all(session: Session, tenant: str, wanted: PageRequest) -> None:
    tenant_id = await session.tenant(tenant)
    page = await service.list_offerings(db=session.db, tenant_id=tenant_id, page=wanted)
    async with session.db.transaction(tenant_id, read_only=True) as tx:
        versions = await service.versions_by_code(tx, [item.code for item in page.items])
    rows = []
    for item in page.items:
        known = versions.get(item.code, ())
        sold = in_force(known, session.clock.now()) if item.lifecycle.sellable else None
        rows.append(
            {
                "code": item.code,
                "name": item.name,
                "lifecycle": item.lifecycle.value,
                "versions": len(known),
                "sold_now": None if sold is None else sold.number,
                "currency": None if sold is None else sold.plan.currency,
            }
        )
    columns = ["code", "name", "lifecycle", "versions", "sold_now", "currency"]
    empty = "Nothing is published. farwire catalog publish FILE"
    right = ["versions", "sold_now"]
    session.out.rows("Offerings", columns, rows, empty=empty, total=page.total, right=right)


async def _list_sold(
    session: Session, tenant: str, to: tuple[str, str, str, str], wanted: PageRequest
) -> None:
    region, segment, channel, at = to
    moment = parse_moment(at, field="at") if at else session.clock.now()
    async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
        page = await service.offerings_for(
            tx, region=region, segment=segment, channel=channel, at=moment, page=wanted
        )
    rows = [
        {
            "code": item.offering.code,
            "name": item.offering.name,
            "specification": item.offering.product_specification or None,
            "term_months": item.offering.terms.minimum_term_months,
            "sim": item.offering.sim.value,
            "plan_version": item.plan_number,
            "currency": item.currency,
        }
        for item in page.items
    ]
    columns = ["code", "name", "specification", "term_months", "sim", "plan_version", "currency"]
    empty = "Nothing is sold to them then. All offerings: farwire catalog list"
    right = ["term_months", "plan_version"]
    session.out.rows("Sold", columns, rows, empty=empty, total=page.total, right=right)


async def _list_specifications(session: Session, tenant: str, kind: Kind, wanted: PageRequest) -> None:
    async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
        page = await service.list_entries(tx, kind=kind, page=wanted)
    rows = [{"code": one.code, "name": one.name, "lifecycle": one.lifecycle.value} for one in page.items]
    title = f"{kind.value.replace('_', ' ').capitalize()}s"
    empty = "None is published. farwire catalog example prints a file to start from."
    session.out.rows(title, ["code", "name", "lifecycle"], rows, empty=empty, total=page.total)


def show(
    code: CodeArgument,
    tenant: TenantOption,
    at: Annotated[
        str, typer.Option("--at", help="Show the price plan sold at this day or time, whole.")
    ] = "",
    kind: KindOption = Kind.OFFERING,
    as_json: JsonOption = False,
) -> None:
    """Show all about an offering: terms, bundle, what realises it, prices and every version. With --at its price plan.

    Examples: farwire catalog show flex-m --tenant acme

      farwire catalog show flex-m --at 2026-07-01 --tenant acme

      farwire catalog show mobile-line --kind service_specification --tenant acme
    """

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(tenant_id, read_only=True) as tx:
            if at:
                version = await service.version_in_force(tx, code=code, at=parse_moment(at, field="at"))
                session.out.facts(f"{code} version {version.number}", dict(to_document(version.plan)))
                return
            entry = await service.entry(tx=tx, code=code, kind=kind)
            versions = await service.document_versions(tx, kind=kind, codes=[code])
            plans = (await service.versions_by_code(tx, [code])).get(code, ())
            now = session.clock.now()
            held = current([one.document for one in versions], now) or (
                versions[-1].document if versions else None
            )
            facts: dict[str, object] = {"code": code, "name": entry.name, "lifecycle": entry.lifecycle.value}
            facts |= {} if held is None else {**to_document(held)}
            sold: Sellable | None = None
            if kind is Kind.OFFERING:
                try:
                    sold = (await service.as_sold(tx, codes=[code], at=now))[code]
                except Conflict as error:
                    facts["not_sold"] = error.message
        rows = [_version_row(plan) for plan in plans] if kind is Kind.OFFERING else []
        documents: list[dict[str, object]] = [
            {"number": one.number, "valid_from": one.document.valid_from, "published_at": one.published_at}
            for one in versions
        ]
        _show(session.out, facts, sold, documents, rows)

    run(act, as_json)


def _show(
    out: Output,
    facts: dict[str, object],
    sold: Sellable | None,
    documents: list[dict[str, object]],
    plans: list[dict[str, object]],
) -> None:
    made_of = {} if sold is None else _made_of(sold)
    prices = [] if sold is None else _prices(sold.plan_version.plan)
    if out.as_json:
        price_plan = None if sold is None else to_document(sold.plan_version.plan)
        out.document(
            {**facts, **made_of, "price_plan": price_plan, "price_plans": plans, "versions": documents}
        )
        return
    out.facts(str(facts["name"]), facts)
    parts = [] if sold is None else _parts(sold)
    if parts:
        out.rows("\nMade of", list(parts[0]), parts, empty="")
    if prices:
        out.rows("\nPrices", list(prices[0]), prices, empty="", right=["price"])
    if documents:
        out.rows("\nVersions", list(documents[0]), documents, empty="", right=["number"])
    if plans:
        out.rows("\nVersions of the price plan", list(plans[0]), plans, empty="", right=["number"])


def _made_of(sold: Sellable) -> dict[str, object]:
    product = sold.product_specification
    if product is None:
        return {}
    return {
        "product": dict(to_document(product)),
        "services": [to_document(one) for one in sold.service_specifications],
        "resources": [to_document(one) for one in sold.resource_specifications],
    }


def _parts(sold: Sellable) -> list[dict[str, object]]:
    """Return what realises an offering, the product first, then its services in the order of activation."""
    product = sold.product_specification
    if product is None:
        return []
    choices = ", ".join(one.name for one in product.characteristics if one.configurable)
    rows: list[dict[str, object]] = [
        {
            "part": "product",
            "code": product.code,
            "needs": f"choose {choices}" if choices else "",
            "done by": "",
        }
    ]
    for service_ in sold.service_specifications:
        needs = ", ".join(f"{need.count} {need.kind} of {need.pool}" for need in service_.resources)
        steps = ", ".join(f"{one.adapter} {one.operation}" for one in service_.operations)
        rows.append({"part": "service", "code": service_.code, "needs": needs, "done by": steps})
    return rows


def _prices(plan: PricePlan) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [
        {
            "price_id": one.id,
            "label": one.label,
            "for": f"{one.count} {one.every.value}",
            "price": in_currency(one.price, plan.currency),
        }
        for one in plan.recurring
    ]
    rows += [
        {"price_id": o.id, "label": o.label, "for": o.on.value, "price": in_currency(o.price, plan.currency)}
        for o in plan.one_off
    ]
    for use in plan.usage:
        way = (
            in_currency(use.price, plan.currency)
            if use.price is not None
            else ("deck " + use.deck if use.deck else "see --at")
        )
        rows.append({"price_id": use.id, "label": use.label, "for": use.per or use.kind, "price": way})
    rows += [
        {"price_id": a.id, "label": a.label, "for": a.amount, "price": "included"} for a in plan.allowances
    ]
    return rows


def _version_row(version: PlanVersion) -> dict[str, object]:
    return {
        "number": version.number,
        "valid_from": version.plan.valid_from,
        "valid_to": version.plan.valid_to,
        "currency": version.plan.currency,
        "published_at": version.published_at,
        "plan_version_id": version.id,
    }
