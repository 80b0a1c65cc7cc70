"""Usage that online charging has charged: written once, summed by currency, seen by its tenant only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from farwire.base.storage import Database
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest
from farwire.rating.model import UsageKind
from farwire.usage import service as usage
from farwire.usage.model.charged import ChargedUsage

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def charged(tenant_id: TenantId, key: str, nano: int, currency: str = "EUR") -> ChargedUsage:
    return ChargedUsage(
        usage_id=usage.charged_usage_id(tenant_id, "charging", key),
        kind=UsageKind.DATA,
        started_at=NOW - timedelta(hours=int(key)),
        ended_at=NOW,
        quantity=1_000,
        subscriber=4_097,
        product_id=None,
        rating_group=1,
        price=7,
        charge_nano=nano,
        currency=currency,
    )


async def test_usage_is_written_once_and_summed_by_account(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    first, second = charged(tenant_id, "1", 2**62), charged(tenant_id, "2", 2**62)
    yen = charged(tenant_id, "3", 5, "JPY")
    async with db.transaction(tenant_id) as tx:
        assert await usage.record_charged(tx, usages=[first, yen], now=NOW) == 2
    async with db.transaction(tenant_id) as tx:
        assert await usage.record_charged(tx, usages=[first, second], now=NOW) == 1
        assert await usage.record_charged(tx, usages=[], now=NOW) == 0
        assert await usage.charged_totals_of(tx, subscribers=[4_097, 4_098]) == {4_097: 2**63 + 5}
        page = await usage.charged_records(tx, subscriber=4_097, page=PageRequest(limit=2))
        assert (page.items, page.total) == ((first, second), 3)
    async with db.transaction(other_tenant_id) as tx:
        assert await usage.charged_totals_of(tx, subscribers=[4_097]) == {}
        assert (await usage.charged_records(tx, subscriber=4_097, page=PageRequest())).total == 0


async def test_the_same_key_of_two_tenants_is_two_usages(
    tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    assert charged(tenant_id, "1", 1).usage_id != charged(other_tenant_id, "1", 1).usage_id
