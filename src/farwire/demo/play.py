"""Play June 2026 of the demo's operator: sell, import, rate, bill, and compare everything with the truth."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Final

from farwire.base.audit import service as audit
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.billing import service as billing
from farwire.billing.model import Approval, Bill
from farwire.catalog import service as catalog
from farwire.catalog.model import read_plan
from farwire.demo import carriers as trade
from farwire.demo.checklist import Checklist, Played
from farwire.demo.files import Planted, write_data, write_voice
from farwire.demo.month import (
    GOLDEN,
    MONTH_END,
    MONTH_START,
    Call,
    Month,
    Subscriber,
    TrueBill,
    generate,
    true_bill,
)
from farwire.inventory.service.subscriber_import import import_subscribers
from farwire.kernel.ids import TenantId
from farwire.kernel.money import Money
from farwire.kernel.page import PageRequest
from farwire.ledger import service as ledger
from farwire.rating import service as rating
from farwire.rating.model.deck_file import DeckFormat
from farwire.tenant import service as tenants
from farwire.tenant.model import Address
from farwire.usage import service as usage
from farwire.usage.model import Totals

SEED: Final = 20260601
TENANT: Final = "nordlicht"
MISSING: Final = (
    "day B, cut at 02:14: alarms, impact and credits are still missing",
    "day C, 10,000 sensors: devices, MQTT and the city view are still missing",
    "day D, 874,000 bills: cloud meters, regions and bulk bills are still missing",
)
_DATA: Final = resources.files("farwire.demo") / "data"
_DECK_COLUMNS: Final = DeckFormat(
    columns={"prefix": "Vorwahl", "name": "Ziel", "price": "EUR/Minute", "increment": "Takt"},
    delimiter=";",
    decimal_comma=True,
)
_SELLER_ADDRESS: Final = {"street": "Kaistraße", "house_number": "7", "postcode": "20457", "city": "Hamburg"}
_STREETS: Final = ("Hafenstraße", "Lindenallee", "Am Markt", "Schillerstraße", "Deichweg")


@dataclass(slots=True)
class Stage:
    """Where the demo plays: the database, the operator, a folder for its files, a clock that it moves."""

    db: Database
    clock: MovableClock
    folder: Path
    say: Callable[[str], None]
    tenant_id: TenantId

    @property
    def page(self) -> PageRequest:
        """Return the largest page."""
        return PageRequest(limit=1000)


async def play(
    *, db: Database, folder: Path, say: Callable[[str], None], tenant_name: str = TENANT, seed: int = SEED
) -> Played:
    """Play the month on the tenant ``tenant_name``, which is made if need be, with files in ``folder``.

    Idempotent: playing it again finds everything done and checks the same totals; an interrupted demo goes on.
    """
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 – the demo owns its event loop
    clock = MovableClock(MONTH_START)
    stage = Stage(db, clock, folder, say, await _operator(db, clock, tenant_name))
    month, calls = generate(seed), trade.carrier_calls(seed)
    checks = Checklist()
    await _sell(stage, month, checks)
    await _take_usage_in(stage, month, calls, seed, checks)
    await _rate(stage, checks, calls)
    clock.set(datetime(2026, 7, 1, 0, 30, tzinfo=MONTH_END.tzinfo))
    golden = await _bill(stage, month, calls, checks)
    _check_golden(golden, checks)
    await _check_books(stage, checks)
    invoice = folder / f"{golden.number}.pdf"
    invoice.write_bytes((await billing.render_pdf(db=db, tenant_id=stage.tenant_id, bill=golden)).content)
    checks.add("invoice", "the PDF begins as one", "%PDF-", invoice.read_bytes()[:5].decode())
    return Played("June 2026 of Nordlicht Mobil", checks, {tenant_name: (golden.number or "", invoice)})


async def _operator(db: Database, clock: MovableClock, name: str) -> TenantId:
    tenant = await tenants.create_tenant(
        db=db, clock=clock, name=name, display_name="Nordlicht Mobil", country="DE", zone_name="Europe/Berlin"
    )
    await tenants.add_legal_entity(
        db=db,
        clock=clock,
        tenant_id=tenant.id,
        name="Nordlicht Mobil GmbH",
        vat_id="DE123456788",
        address=Address("DE", _SELLER_ADDRESS),
        country="DE",
        currency_code="EUR",
        zone_name="Europe/Berlin",
        number_prefix="NM",
        bank_account="DE02120300000000202051",
    )
    return tenant.id


async def _sell(stage: Stage, month: Month, checks: Checklist) -> None:
    stage.say("Publishing two price plans and a deck, adding the customers")
    trade.write_deck(stage.folder / "deck-1.csv", trade.DECK)
    await _import_deck(stage, "deck-1.csv", trade.DECK_FROM)
    async with stage.db.transaction(stage.tenant_id) as tx:
        for name in ("flex-m", "business-trunk"):
            plan = read_plan((_DATA / f"{name}.toml").read_text(encoding="utf-8"), name=name)
            await catalog.publish_plan(tx=tx, clock=stage.clock, plan=plan)
    path = stage.folder / "subscribers.csv"
    people, businesses = month.subscribers, trade.carriers()
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(
            ("account", "name", "kind", "street", "house_number", "postcode", "city", "language", "offering",
             "activated_at", "identifiers")
        )  # fmt: skip
        out.writerows(_customer_row(s, "individual", "flex-m") for s in people)
        out.writerows(_customer_row(s, "organization", "business-trunk") for s in businesses)
    report = await import_subscribers(db=stage.db, tenant_id=stage.tenant_id, clock=stage.clock, path=path)
    checks.add("sell", "customers", len(people) + len(businesses), report.added + report.unchanged)


def _customer_row(subscriber: Subscriber, kind: str, offering: str) -> tuple[str, ...]:
    index = int(subscriber.account[2:])
    street = _STREETS[index % len(_STREETS)]
    return (
        subscriber.account, subscriber.name, kind, street, str(index % 90 + 1), f"20{index % 900 + 100}", "Hamburg",
        "de", offering, subscriber.activated_at.isoformat(), f"msisdn:{subscriber.msisdn}",
    )  # fmt: skip


async def _import_deck(stage: Stage, name: str, valid_from: datetime) -> None:
    await rating.import_deck(
        db=stage.db,
        tenant_id=stage.tenant_id,
        clock=stage.clock,
        path=stage.folder / name,
        name="termination",
        currency="EUR",
        valid_from=valid_from,
        deck_format=_DECK_COLUMNS,
    )


async def _take_usage_in(
    stage: Stage, month: Month, calls: Sequence[Call], seed: int, checks: Checklist
) -> None:
    stage.say("Writing the records of a switch and a gateway, and importing them")
    everything = Month(month.subscribers, [*month.calls, *calls], month.sessions)
    files = (
        ("voice.csv", "nordlicht-voice", write_voice(everything, stage.folder / "voice.csv", seed)),
        ("data.detail", "nordlicht-data", write_data(everything, stage.folder / "data.detail", seed)),
    )
    for name, profile, planted in files:
        totals = await _import_file(stage, name, profile)
        _check_rows(checks, name, planted, totals)
        again = await _import_file(stage, name, profile)
        checks.add(f"import {name}", "the same file again changes", 0, again.rows_in - totals.rows_in)


async def _import_file(stage: Stage, name: str, profile_name: str) -> Totals:
    with resources.as_file(_DATA / f"{profile_name}.toml") as path:
        profile = usage.load_profile(str(path))
    report = await usage.import_usage(
        db=stage.db, tenant_id=stage.tenant_id, clock=stage.clock, path=stage.folder / name, profile=profile
    )
    return report.totals


def _check_rows(checks: Checklist, name: str, planted: Planted, found: Totals) -> None:
    topic = f"import {name}"
    checks.add(topic, "rows in", planted.rows_in, found.rows_in)
    checks.add(topic, "assembled", planted.assembled, found.rows_assembled)
    checks.add(topic, "filtered (nobody answered, on/off)", planted.filtered, found.rows_filtered)
    checks.add(topic, "duplicate", planted.duplicate, found.rows_duplicate)
    checks.add(topic, "suspended (cannot be read)", planted.suspended, found.rows_suspended)
    checks.add(topic, "usages", planted.usages, found.usages)


async def _rate(stage: Stage, checks: Checklist, calls: Sequence[Call]) -> None:
    stage.say("Rating, mending the deck that lacks a destination, recycling")
    missing = sum(call.called.startswith(trade.LATE_ROW[0]) for call in calls)
    first_time = (await usage.totals(db=stage.db, tenant_id=stage.tenant_id)).usages_rated == 0
    await usage.rate_usage(db=stage.db, tenant_id=stage.tenant_id, clock=stage.clock)
    before = await usage.totals(db=stage.db, tenant_id=stage.tenant_id)
    if first_time:
        checks.add("rate", "suspended: the deck lacks the destination", missing, before.usages_suspended)
    trade.write_deck(stage.folder / "deck-2.csv", (*trade.DECK, trade.LATE_ROW))
    await _import_deck(stage, "deck-2.csv", trade.MENDED_FROM)
    await usage.recycle(
        db=stage.db, tenant_id=stage.tenant_id, clock=stage.clock, reason="destination_unknown"
    )
    await usage.rate_usage(db=stage.db, tenant_id=stage.tenant_id, clock=stage.clock)
    after = await usage.totals(db=stage.db, tenant_id=stage.tenant_id)
    checks.add("rate", "usages rated after the deck was mended", after.usages, after.usages_rated)
    checks.add("rate", "rows and usages add up", "yes", _yes(after.balanced()))
    verified = await usage.verify_totals(db=stage.db, tenant_id=stage.tenant_id)
    checks.add(
        "rate",
        "control totals recounted from the rows",
        "the same",
        "the same" if verified.ok else "different",
    )


async def _bill(stage: Stage, month: Month, calls: Sequence[Call], checks: Checklist) -> Bill:
    """Bill the month, compare every bill with the truth, and return the golden one with its lines."""
    stage.say("Billing on 1 July 2026, 00:30")
    run = partial(
        billing.run_bills,
        db=stage.db,
        tenant_id=stage.tenant_id,
        clock=stage.clock,
        until=MONTH_END,
        approval=Approval.NONE,
    )
    checks.add("bill", "accounts that failed", 0, (await run()).failed)
    checks.add("bill", "the same run again bills", 0, (await run()).billed)
    listed = await billing.list_bills(db=stage.db, tenant_id=stage.tenant_id, page=stage.page)
    truth: dict[str, TrueBill] = {s.account: true_bill(month, s) for s in month.subscribers}
    truth |= {c.account: trade.true_carrier_bill(calls, c) for c in trade.carriers()}
    found = {bill.account_number: bill for bill in listed.items}
    checks.add("bill", "bills", len(truth), listed.total)
    right = sum(
        account in found and _amounts(found[account]) == _true_amounts(bill)
        for account, bill in truth.items()
    )
    checks.add("bill", "bills equal to the truth, to the cent", len(truth), right)
    for what, expected, minor in (
        ("net", sum(b.net for b in truth.values()), sum(b.net_minor for b in listed.items)),
        ("VAT", sum(b.vat for b in truth.values()), sum(b.tax_minor for b in listed.items)),
        ("total", sum(b.total for b in truth.values()), sum(b.total_minor for b in listed.items)),
    ):
        checks.add("bill", f"{what} of all bills, EUR", f"{expected:,.2f}", f"{Decimal(minor) / 100:,.2f}")
    return await billing.get_bill(db=stage.db, tenant_id=stage.tenant_id, key=str(found[GOLDEN].id))


def _amounts(bill: Bill) -> tuple[str, str, str]:
    return tuple(
        f"{Money(minor, bill.currency).to_decimal():.2f}"
        for minor in (bill.net_minor, bill.tax_minor, bill.total_minor)
    )  # type: ignore[return-value]


def _true_amounts(bill: TrueBill) -> tuple[str, str, str]:
    return f"{bill.net:.2f}", f"{bill.vat:.2f}", f"{bill.total:.2f}"


def _check_golden(bill: Bill, checks: Checklist) -> None:
    """Compare golden bill A of the design: each line, VAT and total."""
    topic = f"bill {bill.number}"
    found = sorted(line.net_minor for line in bill.lines if line.net_minor)
    golden = (("activation", 990), ("11–30 June, 20 of 30 days", 1333), ("July in advance", 2000),
              ("100 MB outside the EU", 500), ("7 minutes abroad", 63))  # fmt: skip
    for what, minor in sorted(golden, key=lambda pair: pair[1]):
        checks.add(topic, what, f"{minor / 100:.2f}", f"{found.pop(0) / 100:.2f}" if found else "–")
    checks.add(topic, "VAT 19 %", "9.28", f"{bill.tax_minor / 100:.2f}")
    checks.add(topic, "total", "58.14 EUR", str(Money(bill.total_minor, bill.currency)))


async def _check_books(stage: Stage, checks: Checklist) -> None:
    books = await billing.reconcile(db=stage.db, tenant_id=stage.tenant_id)
    checks.add("books", "differences between lines, bills and ledger", 0, len(books.differences))
    checks.add("books", "gaps in the legal numbers", 0, sum(not series.whole for series in books.series))
    async with stage.db.transaction(stage.tenant_id) as tx:
        balance = await ledger.trial_balance(tx=tx)
        chain = await audit.verify(tx=tx)
    checks.add("books", "trial balance", 0, sum(line.amount_minor for line in balance))
    checks.add("books", "audit chain is unbroken", "yes", _yes(chain.ok))


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
