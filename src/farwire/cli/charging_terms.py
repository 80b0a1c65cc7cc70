"""``farwire charging plan`` and ``farwire charging offer``: what a price plan cannot say about charging online."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from farwire.catalog.service import version_in_force
from farwire.charging import service
from farwire.charging.model.state import DAY_US, SECOND_US, Unit
from farwire.charging.model.tariffs import Grant
from farwire.charging.model.termed import plan_terms
from farwire.charging.model.terms import OfferDocument, PlanDocument, read_offer_terms, read_plan_terms
from farwire.charging.service.terms import read_offer
from farwire.charging.service.wording import money, quantity
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
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.page import PageRequest

MAX_FILE_OCTETS: Final = 1_000_000
FileArgument = Annotated[Path, typer.Argument(help="The document, TOML or JSON.")]
CodeArgument = Annotated[str, typer.Argument(help="The code of the offering, e.g. go-5.")]

plan = typer.Typer(
    no_args_is_help=True,
    help="How the price plan of an offering is charged online: quotas, validity, emergency credit.\n\n"
    "The prices are the price plan's: farwire catalog publish. docs/charging.md lists every field.",
)
offer = typer.Typer(
    no_args_is_help=True,
    help="How an offering is sold to a prepaid account: its price, its days, what it gives.\n\n"
    "Price, days and allowances are those of the price plan; a document says only what differs.",
)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_OCTETS:
            message = f"{path.name} is larger than terms can be"
            raise Invalid(message, code="charging.terms_too_large", field="file", value=path.name)
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise NotFound(
            f"{path} cannot be read: {error.strerror}",
            code="charging.file_missing",
            field="file",
            value=str(path),
        ) from None
    except UnicodeDecodeError:
        raise Invalid(
            f"{path.name} is not UTF-8", code="charging.terms_syntax", field="file", value=path.name
        ) from None


def _said(found: service.Terms[PlanDocument] | service.Terms[OfferDocument]) -> dict[str, object]:
    return {
        "offering": found.document.offering,
        "version": found.version,
        "number": found.number,
        "set_at": found.set_at,
    }


@plan.command("set")
def set_plan(
    file: FileArgument, tenant: TenantOption, actor: ActorOption = "", as_json: JsonOption = False
) -> None:
    """Set the charging terms of an offering, for accounts that are opened from now on.

    The same document again changes nothing. Running shards learn of it within a second.

    Example: farwire charging plan set go-5-plan.toml --tenant acme
    """

    async def act(session: Session) -> None:
        document = read_plan_terms(_text(file), name=file.name)
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            now = session.clock.now()
            found = await service.set_plan_terms(tx, document=document, now=now, actor=actor_named(actor))
        session.out.facts(f"Plan {document.offering}", {**_said(found), "new": found.new})

    run(act, as_json)


@offer.command("set")
def set_offer(
    file: FileArgument, tenant: TenantOption, actor: ActorOption = "", as_json: JsonOption = False
) -> None:
    """Set how an offering is bought by prepaid accounts from now on.

    The same document again changes nothing. Running shards learn of it within a second.

    Example: farwire charging offer set go-5.toml --tenant acme
    """

    async def act(session: Session) -> None:
        document = read_offer_terms(_text(file), name=file.name)
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            now = session.clock.now()
            found = await service.set_offer_terms(tx, document=document, now=now, actor=actor_named(actor))
        session.out.facts(f"Offer {document.offering}", {**_said(found), "new": found.new})

    run(act, as_json)


@plan.command("show")
def show_plan(code: CodeArgument, tenant: TenantOption, as_json: JsonOption = False) -> None:
    """Show the charging terms of an offering, with every value that is not in the document."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            found = await service.get_plan_terms(tx, offering=code, now=session.clock.now())
            version = await version_in_force(tx, code=code, at=session.clock.now())
        terms, coin = plan_terms(found.document), version.plan.currency
        facts = _said(found) | {
            "active_days": terms.active_us // DAY_US,
            "grace_days": terms.grace_us // DAY_US,
            "at_the_end": found.document.at_the_end,
            "loan": money(terms.loan_amount, coin) if terms.loan_amount else None,
            "loan_fee": money(terms.loan_fee, coin) if terms.loan_amount else None,
            "loan_below": money(terms.loan_below, coin) if terms.loan_amount else None,
        }
        for unit in (Unit.OCTETS, Unit.SECONDS, Unit.MESSAGES, Unit.EVENTS):
            one = terms.quotas[unit]
            size, least = (quantity(amount, unit, coin) for amount in (one.size, one.least))
            facts[f"quota_{unit.name.lower()}"] = (
                f"{size}, at least {least}, for {one.validity_us // SECOND_US} s, again at {one.threshold_percent} %"
            )
        session.out.facts(f"Plan {code}", facts)

    run(act, as_json)


@offer.command("show")
def show_offer(code: CodeArgument, tenant: TenantOption, as_json: JsonOption = False) -> None:
    """Show what an offering costs a prepaid account, how long it lasts and what it gives."""

    async def act(session: Session) -> None:
        now = session.clock.now()
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            found = await service.get_offer_terms(tx, offering=code, now=now)
            version = await version_in_force(tx, code=code, at=now)
            sold = await read_offer(tx, found.number or 0, found.document, version, now)
        coin = version.plan.currency
        facts = _said(found) | {
            "price": money(sold.terms.price, coin),
            "days": sold.days or None,
            "gives": [_given(one, coin) for one in sold.terms.grants],
        }
        session.out.facts(f"Offer {code}", facts)

    run(act, as_json)


def _given(one: Grant, coin: str) -> str:
    parts = [quantity(one.amount, one.unit, coin)]
    if one.scope:
        parts.append("for the prices of its allowance")
    if one.rollover_cap:
        parts.append(f"rolls over up to {quantity(one.rollover_cap, one.unit, coin)}")
    return ", ".join([*parts, *(["shared"] if one.shared else [])])


@plan.command("list")
def list_plans(
    tenant: TenantOption, offset: OffsetOption = 0, limit: LimitOption = 50, as_json: JsonOption = False
) -> None:
    """List the offerings that accounts can be opened on."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            found = await service.list_plan_terms(tx, page=PageRequest(offset, limit))
        rows = [_said(one) for one in found.items]
        _rows(
            session,
            "Plans",
            rows,
            found.total,
            f"None. Write one: farwire charging plan set FILE --tenant {tenant}",
        )

    run(act, as_json)


@offer.command("list")
def list_offers(
    tenant: TenantOption, offset: OffsetOption = 0, limit: LimitOption = 50, as_json: JsonOption = False
) -> None:
    """List what prepaid accounts can buy."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            found = await service.list_offer_terms(tx, page=PageRequest(offset, limit))
        rows = [_said(one) for one in found.items]
        empty = f"None. Write one: farwire charging offer set FILE --tenant {tenant}"
        _rows(session, "Offers", rows, found.total, empty)

    run(act, as_json)


def _rows(session: Session, title: str, rows: list[dict[str, object]], total: int, empty: str) -> None:
    columns = ("offering", "version", "number", "set_at")
    session.out.rows(title, columns, rows, empty=empty, total=total, right=("version", "number"))
