"""Usage is rated at what its product negotiated for its own time."""

from __future__ import annotations

from decimal import Decimal

import pytest
from usage_cases import profile
from usage_world import deck, operator, subscribers

from farwire.inventory import service as inventory
from farwire.inventory.model import PriceOverride
from farwire.kernel.ids import AgreementId, OverrideId, uuid7
from farwire.kernel.page import PageRequest
from farwire.kernel.time import instant
from farwire.rating.model import explain_in_words, from_json, verify
from farwire.usage import service

MINUTE = 600_000_000
"""A minute of the deck, in nano-units."""


@pytest.fixture
async def sold(db, tenant_id, clock, tmp_path):
    """Two subscribers on a plan whose national calls cost 0.60 a minute by the second, by a deck."""
    await operator(db, tenant_id, clock)
    await subscribers(db, tenant_id, clock, tmp_path, ["msisdn:49151", "msisdn:49152"])
    await deck(db, tenant_id, clock, tmp_path, "wholesale", "prefix,price,increment\n49,0.60,1\n")
    await deck(db, tenant_id, clock, tmp_path, "internal", "prefix,price,increment\n10,0.01,1\n")


async def negotiate(db, tenant_id, number, since, until=None, **price):
    async with db.transaction(tenant_id) as tx:
        key = (await inventory.subscriber_keys(tx, [number]))[number]
        product = (await inventory.products_by_subscriber(tx, [key]))[key][0]
        one = PriceOverride(
            OverrideId(uuid7()),
            price.pop("price_id", "calls"),
            instant(since),
            instant(until) if until else None,
            reason="fleet",
            **price,
        )
        await inventory.add_override(tx, product_id=product.id, override=one)
        return product


async def rated(db, tenant_id, clock, tmp_path, lines):
    path = tmp_path / "calls.csv"
    path.write_text("".join(lines))
    await service.import_usage(db=db, tenant_id=tenant_id, clock=clock, path=path, profile=profile())
    report = await service.rate_usage(db=db, tenant_id=tenant_id, clock=clock)
    assert report.rated == len(lines), report
    async with db.transaction(tenant_id) as tx:
        found = (await service.usage_records(tx, page=PageRequest(limit=100))).items
    for record in found:
        assert verify(from_json(record.explanation)) == record.charge_nano
    return found


@pytest.mark.usefixtures("sold")
async def test_each_call_costs_what_was_negotiated_for_its_own_time(db, tenant_id, clock, tmp_path):
    await negotiate(
        db, tenant_id, "49151", "2026-05-10T00:00:00Z", "2026-05-20T00:00:00Z", percent=Decimal(80)
    )
    # A price is for what the plan's price is for: this one names no quantity, so it is for a second.
    await negotiate(db, tenant_id, "49151", "2026-05-20T00:00:00Z", price=Decimal("0.005"))
    times = ("05-09T23:59:59", "05-10T00:00:00", "05-19T23:59:59", "05-20T00:00:00")
    lines = [f"{n},{who},4930,2026-{at}Z,60\n" for n, (who, at) in enumerate((49151, at) for at in times)]
    lines.append("9,49152,4930,2026-05-15T00:00:00Z,60\n")
    found = await rated(db, tenant_id, clock, tmp_path, lines)
    # 0.60; 0.60 × 80 % = 0.48 twice; 60 s × 0.005 = 0.30; the other customer 0.60
    assert sorted(record.charge_nano for record in found) == [
        300_000_000,
        480_000_000,
        480_000_000,
        MINUTE,
        MINUTE,
    ]
    (flat,) = [record for record in found if record.charge_nano == 300_000_000]
    words = explain_in_words(from_json(flat.explanation)).splitlines()
    assert "The price was negotiated: fleet." in words
    (reduced, _) = [record for record in found if record.charge_nano == 480_000_000]
    assert "Negotiated: × 0.8." in explain_in_words(from_json(reduced.explanation)).splitlines()


@pytest.mark.usefixtures("sold")
async def test_an_override_of_another_price_leaves_calls_alone(db, tenant_id, clock, tmp_path):
    await negotiate(db, tenant_id, "49151", "2026-05-01T00:00:00Z", price=Decimal(0), price_id="internal")
    found = await rated(db, tenant_id, clock, tmp_path, ["1,49151,4930,2026-05-15T00:00:00Z,60\n"])
    assert [record.charge_nano for record in found] == [MINUTE]
    assert from_json(found[0].explanation).override == ""


def test_an_explanation_names_the_agreement() -> None:
    agreement = AgreementId(uuid7())
    one = PriceOverride(
        OverrideId(uuid7()),
        "calls",
        instant("2026-05-01T00:00:00Z"),
        price=Decimal(1),
        agreement_id=agreement,
    )
    assert one.name == f"agreement {agreement}"
