"""A small operator with plan, decks and subscribers, made by the services that the commands use."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from farwire.base.clock import Clock
from farwire.base.storage import Database
from farwire.catalog import service as catalog
from farwire.catalog.model import read_plan
from farwire.inventory.service.subscriber_import import import_subscribers
from farwire.kernel.ids import TenantId
from farwire.kernel.time import instant
from farwire.rating import service as rating
from farwire.rating.model.deck_file import DeckFormat
from farwire.tenant import service as tenants
from farwire.tenant.model import Address

PLAN = """
offering = "talk"
name = "Talk"
valid_from = 2015-01-01T00:00:00Z
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false

[[usage]]
id = "calls"
kind = "voice"
label = "Calls"
deck = "wholesale"

[[usage]]
id = "internal"
kind = "voice"
label = "Calls inside the company"
destinations = ["10"]
deck = "internal"

[[usage]]
id = "data"
kind = "data"
label = "Internet"
price = 0.05
per = "1 GB"
"""


async def operator(db: Database, tenant_id: TenantId, clock: Clock, plan: str = PLAN) -> None:
    """Give the tenant a company and the plan."""
    await tenants.add_legal_entity(
        db=db,
        clock=clock,
        tenant_id=tenant_id,
        name="Nordlicht GmbH",
        vat_id="DE123456789",
        address=Address("DE", {"street": "Nordstr. 1", "postcode": "20095", "city": "Hamburg"}),
        country="DE",
        currency_code="EUR",
        zone_name="Europe/Berlin",
        number_prefix="N",
    )
    async with db.transaction(tenant_id) as tx:
        await catalog.publish_plan(tx=tx, clock=clock, plan=read_plan(plan))


async def subscribers(
    db: Database, tenant_id: TenantId, clock: Clock, folder: Path, identifiers: Sequence[str]
) -> None:
    """Give each identifier an account of its own with the plan, by the subscriber file."""
    header = "account,name,offering,activated_at,identifiers,street,postcode,city,country"
    lines = [
        f"A-{number},Person {number},talk,2015-01-01T00:00:00Z,{name},Weg 1,20095,Hamburg,DE"
        for number, name in enumerate(identifiers)
    ]
    path = folder / "subscribers.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    report = await import_subscribers(db=db, tenant_id=tenant_id, clock=clock, path=path)
    if report.refused:
        pytest.fail(str(report.errors))


async def deck(
    db: Database,
    tenant_id: TenantId,
    clock: Clock,
    folder: Path,
    name: str,
    text: str,
    valid_from: str = "2015-01-01T00:00:00Z",
) -> None:
    """Load a deck with the columns prefix, price and increment."""
    path = folder / f"{name}.csv"
    path.write_text(text)
    report = await rating.import_deck(
        db=db,
        tenant_id=tenant_id,
        clock=clock,
        path=path,
        name=name,
        currency="EUR",
        valid_from=instant(valid_from),
        deck_format=DeckFormat(columns={"prefix": "prefix", "price": "price", "increment": "increment"}),
    )
    assert not report.bad, report.problems
