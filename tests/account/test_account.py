from datetime import UTC, date, datetime

import asyncpg
import pytest

from farwire.account import service
from farwire.account.model import BillingAccount, TaxClass
from farwire.base.storage import Database
from farwire.kernel.errors import FarwireError, Invalid, NotFound
from farwire.kernel.ids import AccountId, LegalEntityId, PartyId, TenantId, uuid7
from farwire.kernel.money import currency
from farwire.kernel.page import PageRequest
from farwire.kernel.time import local_date, zone
from farwire.party.model import Party, PartyKind
from farwire.tenant.model import Address

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def account(
    number: str = "1", *, cycle_day: int = 1, tax_class: TaxClass = TaxClass.STANDARD
) -> BillingAccount:
    return BillingAccount(
        AccountId(uuid7()), number, PartyId(uuid7()), LegalEntityId(uuid7()), currency("EUR"), cycle_day,
        "Europe/Berlin", "de-DE", tax_class, NOW,
    )  # fmt: skip


async def test_accounts_come_back_as_they_were_added(db: Database, tenant_id: TenantId) -> None:
    one, two = account("1", cycle_day=31), account("2", tax_class=TaxClass.EXEMPT)
    async with db.transaction(tenant_id) as tx:
        await service.add_accounts(tx=tx, accounts=[one, two])
        assert await service.accounts_by_number(tx=tx, numbers=["1", "3"]) == {"1": one}
        assert await service.accounts_by_id(tx=tx, account_ids=[two.id]) == {two.id: two}
        first, second = sorted((one, two), key=lambda each: each.id)
        assert await service.accounts_after(tx=tx, after=None, limit=1) == (first,)
        assert await service.accounts_after(tx=tx, after=first.id, limit=9) == (second,)
    page = await service.list_accounts(db=db, tenant_id=tenant_id, page=PageRequest(1, 1))
    assert (page.items, page.total) == ((two,), 2)


async def test_a_number_is_given_once_per_tenant(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    async with db.transaction(tenant_id) as tx:
        await service.add_accounts(tx=tx, accounts=[account("1")])
    async with db.transaction(other_tenant_id) as tx:
        await service.add_accounts(tx=tx, accounts=[account("1")])
    with pytest.raises((asyncpg.UniqueViolationError, FarwireError)):
        async with db.transaction(tenant_id) as tx:
            await service.add_accounts(tx=tx, accounts=[account("1")])


async def test_one_tenant_does_not_see_the_accounts_of_another(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    mine = account("1")
    async with db.transaction(tenant_id) as tx:
        await service.add_accounts(tx=tx, accounts=[mine])
    async with db.transaction(other_tenant_id) as tx:
        assert await service.accounts_by_id(tx=tx, account_ids=[mine.id]) == {}
        assert await service.count_accounts(tx=tx) == 0
        with pytest.raises(NotFound):
            await service.account_numbered(tx=tx, number="1")


def test_a_cycle_keeps_its_anchor_day_in_the_accounts_zone() -> None:
    period = account(cycle_day=31).cycle.containing(datetime(2027, 2, 14, tzinfo=UTC))
    berlin = zone("Europe/Berlin")
    assert (local_date(period.start, berlin), local_date(period.end, berlin)) == (
        date(2027, 1, 31),
        date(2027, 2, 28),
    )


def test_reverse_charge_needs_the_vat_id() -> None:
    anna = Party(PartyId(uuid7()), PartyKind.INDIVIDUAL, "Anna", Address("DE", {}), "de", NOW)
    service.check_tax_class(account(), anna)
    with pytest.raises(Invalid):
        service.check_tax_class(account(tax_class=TaxClass.REVERSE_CHARGE), anna)
