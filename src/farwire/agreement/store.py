"""SQL of agreements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from farwire.agreement.model import Agreement, AgreementItem, AgreementState
from farwire.base.storage import Tx
from farwire.kernel.ids import AgreementId, PartyId
from farwire.kernel.tenancy import Actor, ActorKind

if TYPE_CHECKING:
    from asyncpg import Record

_COLUMNS = (
    "agreement_id, number, version, party_id, state, valid_from, valid_to, items, requested_at, requested_by_kind, "
    "requested_by, approved_at, approved_by_kind, approved_by"
)


def _from_row(row: Record) -> Agreement:
    approver = row["approved_by"]
    return Agreement(
        id=AgreementId(row["agreement_id"]),
        number=row["number"],
        party_id=PartyId(row["party_id"]),
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
        items=msgspec.json.decode(row["items"], type=tuple[AgreementItem, ...]),
        requested_at=row["requested_at"],
        requested_by=Actor(ActorKind(row["requested_by_kind"]), row["requested_by"]),
        version=row["version"],
        state=AgreementState(row["state"]),
        approved_at=row["approved_at"],
        approved_by=None if approver is None else Actor(ActorKind(row["approved_by_kind"]), approver),
    )


async def add_agreement(tx: Tx, agreement: Agreement) -> None:
    """Insert a version. A number and version that are taken raise the driver's unique violation."""
    await tx.execute(
        f"INSERT INTO agreement.agreement (tenant_id, {_COLUMNS}) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::jsonb, $10, $11, $12, $13, $14, $15)",
        tx.tenant_id,
        agreement.id,
        agreement.number,
        agreement.version,
        agreement.party_id,
        agreement.state.value,
        agreement.valid_from,
        agreement.valid_to,
        msgspec.json.encode(agreement.items).decode(),
        agreement.requested_at,
        agreement.requested_by.kind.value,
        agreement.requested_by.id,
        agreement.approved_at,
        None if agreement.approved_by is None else agreement.approved_by.kind.value,
        None if agreement.approved_by is None else agreement.approved_by.id,
    )


async def save_state(tx: Tx, agreement: Agreement) -> None:
    """Write state, end and approval of a version; its terms are never written again."""
    await tx.execute(
        "UPDATE agreement.agreement SET state = $3, valid_to = $4, approved_at = $5, approved_by_kind = $6, "
        "approved_by = $7 WHERE tenant_id = $1 AND agreement_id = $2",
        tx.tenant_id,
        agreement.id,
        agreement.state.value,
        agreement.valid_to,
        agreement.approved_at,
        None if agreement.approved_by is None else agreement.approved_by.kind.value,
        None if agreement.approved_by is None else agreement.approved_by.id,
    )


async def agreement(tx: Tx, agreement_id: AgreementId) -> Agreement | None:
    """Return one version."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM agreement.agreement WHERE tenant_id = $1 AND agreement_id = $2",
        tx.tenant_id,
        agreement_id,
    )
    return None if row is None else _from_row(row)


async def versions(tx: Tx, number: str) -> tuple[Agreement, ...]:
    """Return the versions of a number, oldest first."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM agreement.agreement WHERE tenant_id = $1 AND number = $2 ORDER BY version",
        tx.tenant_id,
        number,
    )
    return tuple(_from_row(row) for row in rows)


async def lock_versions(tx: Tx, number: str) -> tuple[Agreement, ...]:
    """Return the versions of a number, oldest first, locked until the transaction ends."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM agreement.agreement WHERE tenant_id = $1 AND number = $2 "
        "ORDER BY version FOR UPDATE",
        tx.tenant_id,
        number,
    )
    return tuple(_from_row(row) for row in rows)


async def agreements_of(tx: Tx, party_ids: Sequence[PartyId]) -> tuple[Agreement, ...]:
    """Return all versions of the agreements with the parties, by number and version."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM agreement.agreement WHERE tenant_id = $1 AND party_id = ANY($2::uuid[]) "
        "ORDER BY number, version",
        tx.tenant_id,
        list(party_ids),
    )
    return tuple(_from_row(row) for row in rows)


async def list_agreements(tx: Tx, *, offset: int, limit: int) -> tuple[tuple[Agreement, ...], int]:
    """Return one page of versions by number and version, and how many there are."""
    total: int = await tx.fetchval(
        "SELECT count(*) FROM agreement.agreement WHERE tenant_id = $1", tx.tenant_id
    )
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM agreement.agreement WHERE tenant_id = $1 ORDER BY number, version "
        "OFFSET $2 LIMIT $3",
        tx.tenant_id,
        offset,
        limit,
    )
    return tuple(_from_row(row) for row in rows), total
