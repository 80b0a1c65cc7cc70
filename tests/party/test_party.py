from datetime import UTC, datetime

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import PartyId, TenantId, uuid7
from farwire.party import service
from farwire.party.model import ContactKind, ContactMedium, Party, PartyKind, erased
from farwire.tenant.model import Address

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def person() -> Party:
    return Party(
        PartyId(uuid7()), PartyKind.INDIVIDUAL, "Anna Jürgensen", Address("DE", {"city": "Hamburg"}), "de-DE", NOW,
        (ContactMedium(ContactKind.EMAIL, "anna@example.org"),), "DE1",
    )  # fmt: skip


async def test_a_party_comes_back_as_it_was_added(db: Database, tenant_id: TenantId) -> None:
    anna = person()
    async with db.transaction(tenant_id) as tx:
        await service.add_parties(tx=tx, parties=[anna, person()])
        assert await service.get_party(tx=tx, party_id=anna.id) == anna


async def test_erasing_blanks_every_personal_field_and_keeps_the_row(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    anna = person()
    async with db.transaction(tenant_id) as tx:
        await service.add_parties(tx=tx, parties=[anna])
    for _ in range(2):
        async with db.transaction(tenant_id) as tx:
            await service.erase_party(tx=tx, clock=clock, party_id=anna.id)
    async with db.transaction(tenant_id) as tx:
        row = await tx.fetchval("SELECT p::text FROM party.party p WHERE tenant_id = $1", tenant_id)
        left = await service.get_party(tx=tx, party_id=anna.id)
    assert not any(word in row for word in ("Anna", "Hamburg", "example", "DE1"))
    assert (left.id, left.language, left.erased_at) == (anna.id, "de-DE", clock.now())


def test_the_first_erasure_keeps_its_time() -> None:
    once = erased(person(), NOW)
    assert erased(once, datetime(2027, 1, 1, tzinfo=UTC)) is once


async def test_one_tenant_neither_sees_nor_erases_the_people_of_another(
    db: Database, clock: MovableClock, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    anna = person()
    async with db.transaction(tenant_id) as tx:
        await service.add_parties(tx=tx, parties=[anna])
    async with db.transaction(other_tenant_id) as tx:
        assert await service.get_parties(tx=tx, party_ids=[anna.id]) == {}
        with pytest.raises(NotFound):
            await service.erase_party(tx=tx, clock=clock, party_id=anna.id)
