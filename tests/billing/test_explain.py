"""The records behind a line are those of its sum, whatever order plans and lines come in."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from farwire.account.model import TaxClass
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.billing import service as billing
from farwire.billing.model import Bill, LineKind
from farwire.billing.model.line_facts import line_facts
from farwire.billing.rendering.explanation import EXPLANATION_WORDS, facts_in_words
from farwire.billing.rendering.words import WORDS, language_of
from farwire.billing.service.explain import LineBehind, explain_lines, proven
from farwire.catalog import service as catalog
from farwire.country.service import load_pack
from farwire.inventory import service as inventory
from farwire.inventory.model import PriceOverride
from farwire.kernel.ids import OverrideId, TenantId, uuid7
from farwire.kernel.page import PageRequest
from farwire.kernel.time import instant
from farwire.rating.model.explanation import from_json, verify
from farwire.rating.model.recurring_explanation import verify_recurring
from farwire.rating.model.words import explain_in_words

from .test_golden_usage import month
from .world import FLEX_M, World


async def behind(world: World, bill: Bill, limit: int = 1000) -> tuple[LineBehind, ...]:
    return await explain_lines(db=world.db, tenant_id=world.tenant_id, bill=bill, page=PageRequest(0, limit))


async def test_every_line_of_the_golden_bill_has_all_its_facts_and_adds_up(
    world: World, tmp_path: Path
) -> None:
    bill = await month(world, tmp_path, 100, 7, FLEX_M, "2026-06-11T14:03+02:00")
    found = await behind(world, bill)
    assert [one.facts.line for one in found] == [line.number for line in bill.lines]
    assert {one.facts.kind for one in found} == {"recurring", "one_off", "usage"}
    for one in found:
        facts, line = one.facts, one.explained.line
        assert one.proven is True, facts
        # The offer, the version of its prices, and the price.
        assert facts.price is not None
        assert (facts.price.offering, facts.price.name, facts.price.version) == ("flex-m", "Flex M", 1)
        assert facts.price.version_id == str(line.item.plan_version_id)
        assert facts.price.price_id == line.item.price_id
        assert len(facts.price.digest) == 64
        # The interval.
        assert (facts.interval.start, facts.interval.end) == (line.item.period.start, line.item.period.end)
        assert facts.interval.first_day >= date(2026, 6, 1)
        assert facts.interval.last_day <= date(2026, 7, 31)
        # The units, and each usage behind them.
        assert facts.unit in ("day", "piece", "second", "octet")
        assert len(set(facts.usage_ids)) == facts.records
        assert (facts.records > 0) == (line.item.kind is LineKind.USAGE)
        # The tax rule with its law.
        (tax,) = facts.tax.taxes
        assert (tax.label, tax.rate_percent, tax.code) == ("USt.", Decimal(19), "S")
        assert (tax.base_minor, tax.tax_minor) == (4886, 928)
        assert (tax.source, tax.valid_from) == ("UStG § 12 Abs. 1", date(2021, 1, 1))
        assert facts.tax.category == "telecom"
        assert facts.tax.tax_point == facts.interval.last_day
        # Added up again by hand, not by what says that it adds up.
        if one.explained.charge is not None:
            assert verify_recurring(one.explained.charge) == line.item.exact_nano
        else:
            assert one.explained.records is not None
            records = one.explained.records.items
            assert {str(record.usage_id) for record in records} == set(facts.usage_ids)
            charged = [verify(from_json(r.explanation)) for r in records if r.explanation]
            assert len(charged) == facts.records
            assert sum(charged) == line.item.exact_nano
        assert facts.exact_nano == line.amount_minor * 10**7 + line.remainder_nano


@pytest.mark.parametrize("language", list(EXPLANATION_WORDS))
async def test_the_facts_are_said_in_each_language(world: World, tmp_path: Path, language: str) -> None:
    bill = await month(world, tmp_path, 100, 7, FLEX_M, "2026-06-11T14:03+02:00")
    for one in await behind(world, bill, 3):
        said = "\n".join(facts_in_words(one.facts, language))
        for part in ("flex-m", one.facts.label, "UStG § 12 Abs. 1", "telecom", "19 %", "48.86 EUR"):
            assert part in said, part
        assert str(one.facts.interval.first_day) in said
        for usage_id in one.facts.usage_ids[:3]:
            assert usage_id in said
        if one.explained.charge is not None:
            assert explain_in_words(one.explained.charge, language)
        for record in one.explained.records.items if one.explained.records else ():
            assert explain_in_words(from_json(record.explanation or b""), language)


async def test_a_price_version_is_of_the_day_in_its_own_zone(world: World) -> None:
    account = await world.account()
    # Midnight in Berlin is still the day before in UTC.
    await world.product(account, await world.plan(valid_from="2026-06-01T00:00:00+02:00"))
    await world.run()
    for one in await behind(world, await world.only_bill()):
        assert "price version 1 of 2026-06-01, " in "\n".join(facts_in_words(one.facts, "en"))


@pytest.mark.parametrize(
    ("country", "language", "tax_class", "code", "reason"),
    [
        ("DE", "de-DE", TaxClass.EXEMPT, "E", "Diese Leistung ist von der Steuer befreit."),
        ("DE", "en", TaxClass.EXEMPT, "E", "This supply is exempt from tax."),
        ("FR", "fr-FR", TaxClass.EXEMPT, "E", "Cette prestation est exonérée de taxe."),
        ("DE", "fr-FR", TaxClass.REVERSE_CHARGE, "AE", "Steuerschuldnerschaft des Leistungsempfängers"),
        # Kuwait has no VAT: nothing there is subject to any.
        ("KW", "en", TaxClass.STANDARD, "O", "This supply is not subject to tax."),
    ],
)
async def test_a_bill_without_tax_says_why_as_the_standard_asks(
    db: Database,
    clock: MovableClock,
    other_tenant_id: TenantId,
    country: str,
    language: str,
    tax_class: TaxClass,
    code: str,
    reason: str,
) -> None:
    pack = load_pack(country)
    world = World(db, clock, other_tenant_id, country, pack.money.currency, pack.locale.default_time_zone)
    plan = FLEX_M.replace("EUR", world.currency).replace("Europe/Berlin", world.zone)
    account = await world.account(tax_class=tax_class, vat_id="DE987654321", language=language)
    await world.product(account, await world.plan(plan))
    await world.run("2026-07-01T01:00+02:00")
    (tax,) = (await world.only_bill()).taxes
    # EN 16931 BR-E-10, BR-AE-10, BR-O-10: a reason in words (BT-120).
    assert (tax.code, tax.tax_minor, tax.note) == (code, 0, reason)


def test_every_language_says_the_same() -> None:
    english = EXPLANATION_WORDS["en"]
    for words in EXPLANATION_WORDS.values():
        assert words.keys() == english.keys()
    assert EXPLANATION_WORDS.keys() == WORDS.keys()
    assert [language_of(tag) for tag in ("fr-CA", "de", "yo-NG", "")] == ["fr", "de", "en", "en"]


async def test_a_line_without_tax_says_why(world: World) -> None:
    account = await world.account(tax_class=TaxClass.REVERSE_CHARGE, vat_id="DE987654321")
    await world.product(account, await world.plan())
    await world.run()
    for one in await behind(world, await world.only_bill()):
        assert one.facts.tax.taxes == ()
        assert one.facts.tax.why_none == "Steuerschuldnerschaft des Leistungsempfängers"
        assert "Steuerschuldnerschaft" in " ".join(facts_in_words(one.facts, "en"))


async def test_what_was_negotiated_is_among_the_terms(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    override = PriceOverride(
        id=OverrideId(uuid7()),
        price_id="monthly",
        valid_from=product.started_at,
        percent=Decimal(50),
        reason="agreement R-1",
    )
    async with world.db.transaction(world.tenant_id) as tx:
        await inventory.add_override(tx, product_id=product.id, override=override)
    await world.run()
    found = [one for one in await behind(world, await world.only_bill()) if one.facts.price]
    monthly = [one for one in found if one.facts.price and one.facts.price.price_id == "monthly"]
    assert monthly
    for one in monthly:
        assert one.proven
        assert "R-1" in str(one.facts.terms["override"])
        assert one.facts.terms["factors"]
    assert all(not one.facts.terms.get("override") for one in found if one not in monthly)


async def test_what_nobody_knows_is_shown_all_the_same(world: World) -> None:
    account = await world.account()
    await world.product(account, await world.plan())
    await world.run()
    bill = await world.only_bill()
    line = bill.lines[0]
    detail = {**line.item.detail, "incident": "I-17", "minutes": 456}
    item = msgspec.structs.replace(line.item, detail=detail)
    changed = msgspec.structs.replace(line, item=item)
    async with world.db.transaction(world.tenant_id) as tx:
        assert line.item.plan_version_id is not None
        versions = await catalog.plan_versions(tx, [line.item.plan_version_id])
    facts = line_facts(bill, changed, version=versions[line.item.plan_version_id], pack=load_pack("DE"))
    assert facts.more == {"incident": "I-17", "minutes": 456}
    said = facts_in_words(facts, "de")
    assert "incident: I-17." in said
    assert "minutes: 456." in said
    unknown = line_facts(bill, changed, version=None, pack=None)
    assert (unknown.price, unknown.tax.taxes[0].source) == (None, "")


async def test_an_explanation_that_does_not_add_up_is_not_proven(world: World) -> None:
    account = await world.account()
    await world.product(account, await world.plan())
    await world.run()
    one = (await behind(world, await world.only_bill()))[0]
    assert one.explained.charge is not None
    wrong = msgspec.structs.replace(one.explained.charge, price_nano=one.explained.charge.price_nano + 1)
    assert proven(one.explained) is True
    assert proven(replace(one.explained, charge=wrong)) is False


async def test_a_change_back_to_an_older_plan_explains_each_line_by_its_own_records(world: World) -> None:
    older = await world.plan()
    newer = await world.plan(FLEX_M.replace("flex-m", "flex-l"))
    account = await world.account(opened="2026-06-01T00:00+02:00")
    product = await world.product(account, newer, start="2026-06-01T00:00+02:00")
    await world.rated(product, "other", "0.27", at="2026-06-02T12:00+02:00", quantity=180)
    await world.rated(product, "other", "0.09", at="2026-06-03T12:00+02:00")
    changed = instant("2026-06-16T00:00+02:00")
    async with world.db.transaction(world.tenant_id) as tx:
        await inventory.change_plan(tx, product_id=product.id, plan_version_id=older.id, at=changed)
        product = (await inventory.get_products(tx, [product.id]))[product.id]
    await world.rated(product, "other", "0.18", at="2026-06-20T12:00+02:00", quantity=120)
    await world.run()
    bill = await world.only_bill()
    found = {}
    for line in bill.lines:
        explained = await billing.explain_line(
            db=world.db, tenant_id=world.tenant_id, bill=bill, number=line.number, page=PageRequest()
        )
        if explained.records is not None:
            charges = [record.charge_nano or 0 for record in explained.records.items]
            assert sum(charges) == line.item.exact_nano
            found[line.item.plan_version_id] = sorted(charges)
    assert found == {newer.id: [90_000_000, 270_000_000], older.id: [180_000_000]}
