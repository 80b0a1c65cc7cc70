"""Where a product is over time: moved, back-dated, forgotten with its customer; unknown to another tenant."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.inventory import service
from farwire.inventory.model import PlaceChange, history, standing_at
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import TenantId
from farwire.kernel.time import instant

from .products import JUNE as START
from .products import a_product as product

DAY = timedelta(days=1)


async def test_a_product_is_where_it_was_last_moved_to_by_then(
    db: Database, clock: MovableClock, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    made = replace(product(), places=(PlaceChange(START, "Deich 5"),))
    async with db.transaction(tenant_id) as tx:
        await service.add_products(tx, [made])
        for place, at in (("Hafen 1", START + 10 * DAY), ("Markt 2", START + 5 * DAY)):
            assert await service.move_product(tx, product_id=made.id, place=place, at=at)
            assert not await service.move_product(tx, product_id=made.id, place=place, at=at), "idempotent"
        found = await service.find_product(tx, made.id)
        events = await tx.fetch(
            "SELECT data::text FROM base.outbox WHERE tenant_id = $1 AND type = $2",
            *(tx.tenant_id, "farwire.inventory.product_moved.v1"),
        )
    days = (-1, 0, 4, 5, 9, 10)
    assert [found.place_at(START + n * DAY) for n in days] == [
        *("", "Deich 5", "Deich 5", "Markt 2", "Markt 2", "Hafen 1")
    ]
    assert standing_at(found, START + 6 * DAY).place == "Markt 2"
    assert [fact.what for fact in history(found) if fact.what in ("placed", "moved")] == [
        *("placed", "moved", "moved")
    ]
    assert len(events) == 2
    assert not any("Hafen" in row["data"] or "Hafen" in repr(found) for row in events), "a place is personal"
    async with db.transaction(other_tenant_id) as tx:
        with pytest.raises(NotFound):
            await service.move_product(tx, product_id=made.id, place="x", at=START)
        assert await service.erase_places(tx, [made.id]) == 0


async def test_a_move_is_within_the_life_of_the_product_and_to_some_place(
    db: Database, tenant_id: TenantId
) -> None:
    made = product()
    async with db.transaction(tenant_id) as tx:
        await service.add_products(tx, [made])
        with pytest.raises(Conflict):
            await service.move_product(tx, product_id=made.id, place="Hafen 1", at=START - DAY)
        for place in ("", " ", "x" * 501, "a\x00b"):
            with pytest.raises(Invalid):
                await service.move_product(tx, product_id=made.id, place=place, at=START)
        assert (await service.find_product(tx, made.id)).places == ()


async def test_where_a_product_was_is_forgotten_and_when_it_moved_is_not(
    db: Database, tenant_id: TenantId
) -> None:
    made = replace(product(), places=(PlaceChange(START, "Deich 5"),))
    async with db.transaction(tenant_id) as tx:
        await service.add_products(tx, [made])
        assert await service.erase_places(tx, [made.id]) == 1
        assert await service.erase_places(tx, [made.id]) == 0
        found = await service.find_product(tx, made.id)
    assert found.places == (PlaceChange(START, ""),)
    assert found.place_at(instant("2030-01-01T00:00Z")) == ""
