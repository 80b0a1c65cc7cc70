"""SQL of service instances."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from farwire.base.storage import Tx
from farwire.inventory.model import Service, ServiceChange, ServiceState
from farwire.kernel.ids import ProductId, ServiceId

if TYPE_CHECKING:
    from asyncpg import Record

_SERVICES: Final = (
    "SELECT s.service_id, s.product_id, s.specification, s.attributes, s.supports, c.times, c.states "
    "FROM inventory.service_instance s CROSS JOIN LATERAL ("
    "SELECT array_agg(valid_from ORDER BY number) AS times, array_agg(state ORDER BY number) AS states "
    "FROM inventory.service_change WHERE tenant_id = $1 AND service_id = s.service_id) AS c "
    "WHERE s.tenant_id = $1"
)


def _service(row: Record) -> Service:
    changes = zip(row["times"], row["states"], strict=True)
    return Service(
        ServiceId(row["service_id"]),
        ProductId(row["product_id"]),
        row["specification"],
        tuple(ServiceChange(at, ServiceState(state)) for at, state in changes),
        json.loads(row["attributes"]),
        None if row["supports"] is None else ServiceId(row["supports"]),
    )


async def add_services(tx: Tx, services: Sequence[Service]) -> list[ServiceId]:
    """Insert services with their states, and return the new ones; those whose id is known stay as they are."""
    added = await tx.fetch(
        "INSERT INTO inventory.service_instance "
        "(tenant_id, service_id, product_id, specification, attributes, supports) "
        "SELECT $1, s.id, s.product, s.specification, s.attributes::jsonb, s.supports "
        "FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::uuid[]) "
        "AS s (id, product, specification, attributes, supports) "
        "ON CONFLICT (tenant_id, service_id) DO NOTHING RETURNING service_id",
        tx.tenant_id,
        [one.id for one in services],
        [one.product_id for one in services],
        [one.specification for one in services],
        [json.dumps(dict(one.attributes)) for one in services],
        [one.supports for one in services],
    )
    new = {row["service_id"] for row in added}
    changes = [
        (one.id, number, change)
        for one in services
        if one.id in new
        for number, change in enumerate(one.changes)
    ]
    await tx.execute(
        "INSERT INTO inventory.service_change (tenant_id, service_id, number, valid_from, state) "
        "SELECT $1, c.* FROM unnest($2::uuid[], $3::int[], $4::timestamptz[], $5::text[]) AS c",
        tx.tenant_id,
        [service_id for service_id, _, _ in changes],
        [number for _, number, _ in changes],
        [change.valid_from for _, _, change in changes],
        [change.state for _, _, change in changes],
    )
    return [one.id for one in services if one.id in new]


async def blank_attributes(tx: Tx, product_ids: Sequence[ProductId]) -> int:
    """Forget what was chosen for the services of the products; return how many services had something."""
    rows = await tx.fetch(
        "UPDATE inventory.service_instance SET attributes = '{}' WHERE tenant_id = $1 "
        "AND product_id = ANY($2::uuid[]) AND attributes <> '{}' RETURNING 1",
        *(tx.tenant_id, list(product_ids)),
    )
    return len(rows)


async def set_attributes(tx: Tx, attributes: Mapping[ServiceId, Mapping[str, str]]) -> None:
    """Let services have other characteristics."""
    await tx.execute(
        "UPDATE inventory.service_instance s SET attributes = n.attributes::jsonb "
        "FROM unnest($2::uuid[], $3::text[]) AS n (service_id, attributes) "
        "WHERE s.tenant_id = $1 AND s.service_id = n.service_id",
        *(tx.tenant_id, list(attributes), [json.dumps(dict(one)) for one in attributes.values()]),
    )


async def add_change(tx: Tx, service_id: ServiceId, number: int, state: ServiceState, at: datetime) -> None:
    """Insert a state of a service."""
    await tx.execute(
        "INSERT INTO inventory.service_change (tenant_id, service_id, number, valid_from, state) "
        "VALUES ($1, $2, $3, $4, $5)",
        *(tx.tenant_id, service_id, number, at, state),
    )


async def locked_service(tx: Tx, service_id: ServiceId) -> Service | None:
    """Return the service as nobody else can change it before the transaction ends."""
    await tx.execute(
        "SELECT 1 FROM inventory.service_instance WHERE tenant_id = $1 AND service_id = $2 FOR NO KEY UPDATE",
        *(tx.tenant_id, service_id),
    )
    return await service(tx, service_id)


async def service(tx: Tx, service_id: ServiceId) -> Service | None:
    """Return the service as it stands."""
    row = await tx.fetchrow(f"{_SERVICES} AND s.service_id = $2", tx.tenant_id, service_id)
    return None if row is None else _service(row)


async def services_of_products(tx: Tx, product_ids: Sequence[ProductId]) -> list[Service]:
    """Return the services of the products, in the order of their making."""
    rows = await tx.fetch(
        f"{_SERVICES} AND s.product_id = ANY($2::uuid[]) ORDER BY s.service_id",
        tx.tenant_id,
        list(product_ids),
    )
    return [_service(row) for row in rows]


async def list_services(
    tx: Tx, product_id: ProductId | None, state: ServiceState | None, limit: int, offset: int
) -> tuple[list[Service], int]:
    """Return services by id (the order of their making), and how many there are."""
    where = "WHERE ($2::uuid IS NULL OR product_id = $2) AND ($3::text IS NULL OR states[cardinality(states)] = $3)"
    given = (tx.tenant_id, product_id, state)
    rows = await tx.fetch(
        f"SELECT * FROM ({_SERVICES}) AS found {where} ORDER BY service_id LIMIT $4 OFFSET $5",
        *given,
        limit,
        offset,
    )
    total = await tx.fetchval(f"SELECT count(*) FROM ({_SERVICES}) AS found {where}", *given)
    return [_service(row) for row in rows], total
