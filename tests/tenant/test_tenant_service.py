from datetime import timedelta

import asyncpg
import pytest

from farwire.base.authz import Role
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest
from farwire.tenant import service
from farwire.tenant.model import Address, LegalEntity


async def test_creating_a_tenant_twice_gives_one_tenant(db: Database, clock: MovableClock) -> None:
    first = await service.create_tenant(db=db, clock=clock, name="north", display_name="North Mobile")
    again = await service.create_tenant(db=db, clock=clock, name="north", display_name="North Mobile")
    assert again == first
    assert (await service.list_tenants(db=db)).total == 1
    assert await service.tenant_by_name(db=db, name="north") == first
    assert await service.get_tenant(db=db, tenant_id=first.id) == first


async def test_a_name_is_not_given_to_another_country(db: Database, clock: MovableClock) -> None:
    await service.create_tenant(db=db, clock=clock, name="north")
    with pytest.raises(Conflict) as raised:
        await service.create_tenant(db=db, clock=clock, name="north", country="NG", zone_name="Africa/Lagos")
    assert raised.value.code == "tenant.name_taken"


async def test_an_unknown_tenant_is_not_found(db: Database) -> None:
    with pytest.raises(NotFound):
        await service.tenant_by_name(db=db, name="nobody")


async def entity(
    db: Database, clock: MovableClock, tenant_id: TenantId, prefix: str, name: str = "North GmbH"
) -> LegalEntity:
    return await service.add_legal_entity(
        db=db,
        clock=clock,
        tenant_id=tenant_id,
        name=name,
        vat_id="DE123456789",
        address=Address(
            "DE", {"street": "Hafenstr.", "house_number": "1", "postcode": "24103", "city": "Kiel"}
        ),
        country="DE",
        currency_code="EUR",
        zone_name="Europe/Berlin",
        number_prefix=prefix,
    )


async def test_a_legal_entity_is_added_once_and_its_prefix_is_its_own(
    db: Database, clock: MovableClock, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    first = await entity(db, clock, tenant_id, "NM")
    assert await entity(db, clock, tenant_id, "NM") == first
    with pytest.raises(Conflict):
        await entity(db, clock, tenant_id, "NM", name="South GmbH")
    async with db.transaction(tenant_id) as tx:
        assert await service.legal_entities(tx) == {first.id: first}
    async with db.transaction(other_tenant_id) as tx:
        assert await service.legal_entities(tx) == {}
    await entity(db, clock, other_tenant_id, "NM", name="South GmbH")


async def test_a_key_opens_its_tenant_until_it_is_revoked(
    db: Database, clock: MovableClock, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    text, key = await service.create_key(
        db=db, clock=clock, tenant_id=tenant_id, role=Role.AGENT, label="shop"
    )
    principal = await service.authenticate(db=db, clock=clock, text=text)
    assert (principal.tenant_id, principal.role, principal.key_id) == (tenant_id, Role.AGENT, key.id)
    listed = (await service.list_keys(db=db, tenant_id=tenant_id)).items
    assert [(one.id, one.last_used_on) for one in listed] == [(key.id, clock.now().date())]
    with pytest.raises(NotFound):
        await service.revoke_key(db=db, clock=clock, tenant_id=other_tenant_id, key_id=key.id)
    await service.revoke_key(db=db, clock=clock, tenant_id=tenant_id, key_id=key.id)
    with pytest.raises(service.KeyRefused):
        await service.authenticate(db=db, clock=clock, text=text)


async def test_an_expired_and_an_unknown_key_get_the_same_answer(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    text, _ = await service.create_key(
        db=db,
        clock=clock,
        tenant_id=tenant_id,
        role=Role.NOC,
        label="x",
        expires_at=clock.now() + timedelta(days=1),
    )
    clock.advance(timedelta(days=1))
    answers = []
    for given in (text, text + "x", ""):
        with pytest.raises(service.KeyRefused) as raised:
            await service.authenticate(db=db, clock=clock, text=given)
        answers.append(str(raised.value))
    assert len(set(answers)) == 1


async def test_a_key_that_is_born_expired_is_refused(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    with pytest.raises(Invalid):
        await service.create_key(
            db=db, clock=clock, tenant_id=tenant_id, role=Role.NOC, label="x", expires_at=clock.now()
        )


async def test_the_database_holds_no_key_in_clear(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    text, _ = await service.create_key(db=db, clock=clock, tenant_id=tenant_id, role=Role.AGENT, label="shop")
    async with db.untenanted() as tx:
        stored = await tx.fetchval("SELECT k::text FROM tenant.api_key k")
    assert text not in stored
    assert text.rpartition("_")[2] not in stored


async def test_keys_of_a_closed_tenant_are_refused(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    text, _ = await service.create_key(db=db, clock=clock, tenant_id=tenant_id, role=Role.AGENT, label="shop")
    async with db.untenanted() as tx:
        await tx.execute("UPDATE tenant.tenant SET state = 'closed' WHERE tenant_id = $1", tenant_id)
    with pytest.raises(service.KeyRefused):
        await service.authenticate(db=db, clock=clock, text=text)


async def test_a_legal_entity_cannot_be_written_for_another_tenant(
    db: Database, clock: MovableClock, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    await entity(db, clock, tenant_id, "NM")
    async with db.transaction(other_tenant_id) as tx:
        assert await tx.fetch("SELECT 1 FROM tenant.legal_entity WHERE tenant_id = $1", tenant_id) == []
    with pytest.raises(Exception, match=r"row-level security|tenant") as raised:
        async with db.transaction(other_tenant_id) as tx:
            await tx.execute(
                "INSERT INTO tenant.legal_entity SELECT $1, gen_random_uuid(), 'x', '', '{}', 'DE', 'EUR', "
                "'UTC', '', 'ZZ', 1, 14, now()",
                tenant_id,
            )
    assert not isinstance(raised.value, asyncpg.UndefinedTableError)


async def test_pages_of_tenants_and_keys_are_bounded(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    for n in range(3):
        clock.advance(timedelta(seconds=1))
        await service.create_key(db=db, clock=clock, tenant_id=tenant_id, role=Role.AGENT, label=str(n))
    page = await service.list_keys(db=db, tenant_id=tenant_id, page=PageRequest(1, 1))
    assert ([key.label for key in page.items], page.total) == (["1"], 3)
