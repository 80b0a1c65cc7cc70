"""SQL of parties and their roles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from farwire.base.storage import Tx
from farwire.kernel.ids import PartyId
from farwire.party.model import (
    ContactMedium,
    FormerAddress,
    KycState,
    Party,
    PartyKind,
    PartyRole,
    RoleKind,
)
from farwire.tenant.model import Address

if TYPE_CHECKING:
    from asyncpg import Record

_COLUMNS = (
    "party_id, kind, name, vat_id, contacts, address, language, created_at, erased_at, given_name, family_name, "
    "birth_date, registration_id, parent_id, kyc, version, moves"
)
_ROLE = "party_id, role, valid_from, valid_to, of_party"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _from_row(row: Record) -> Party:
    return Party(
        id=PartyId(row["party_id"]),
        kind=PartyKind(row["kind"]),
        name=row["name"],
        address=msgspec.json.decode(row["address"], type=Address),
        language=row["language"],
        created_at=row["created_at"],
        contacts=msgspec.json.decode(row["contacts"], type=tuple[ContactMedium, ...]),
        vat_id=row["vat_id"],
        erased_at=row["erased_at"],
        given_name=row["given_name"],
        family_name=row["family_name"],
        birth_date=row["birth_date"],
        registration_id=row["registration_id"],
        parent_id=None if row["parent_id"] is None else PartyId(row["parent_id"]),
        kyc=KycState(row["kyc"]),
        version=row["version"],
        # Almost nobody has moved: the decoder is not started for them.
        moves=()
        if row["moves"] == "[]"
        else msgspec.json.decode(row["moves"], type=tuple[FormerAddress, ...]),
    )


async def add_parties(tx: Tx, parties: Sequence[Party]) -> None:
    """Insert many parties in one statement."""
    await tx.execute(
        f"INSERT INTO party.party (tenant_id, {_COLUMNS}) SELECT $1, p.id, p.kind, p.name, p.vat_id, "
        "p.contacts::jsonb, p.address::jsonb, p.language, p.created_at, p.erased_at, p.given, p.family, p.birth, "
        "p.registration, p.parent, p.kyc, p.version, p.moves::jsonb "
        "FROM unnest($2::uuid[], $3::text[], $4::text[], "
        "$5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[], $11::text[], "
        "$12::text[], $13::date[], $14::text[], $15::uuid[], $16::text[], $17::int[], $18::text[]) "
        "AS p (id, kind, name, vat_id, contacts, address, language, created_at, erased_at, given, family, birth, "
        "registration, parent, kyc, version, moves)",
        tx.tenant_id,
        [party.id for party in parties],
        [party.kind.value for party in parties],
        [party.name for party in parties],
        [party.vat_id for party in parties],
        [_json(party.contacts) for party in parties],
        [_json(party.address) for party in parties],
        [party.language for party in parties],
        [party.created_at for party in parties],
        [party.erased_at for party in parties],
        [party.given_name for party in parties],
        [party.family_name for party in parties],
        [party.birth_date for party in parties],
        [party.registration_id for party in parties],
        [party.parent_id for party in parties],
        [party.kyc.value for party in parties],
        [party.version for party in parties],
        [_json(party.moves) for party in parties],
    )


async def parties(tx: Tx, party_ids: Sequence[PartyId]) -> Mapping[PartyId, Party]:
    """Return those of the parties that exist."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM party.party WHERE tenant_id = $1 AND party_id = ANY($2::uuid[])",
        tx.tenant_id,
        list(party_ids),
    )
    return {PartyId(row["party_id"]): _from_row(row) for row in rows}


async def lock_party(tx: Tx, party_id: PartyId) -> Party | None:
    """Return a party, locked until the transaction ends, so that its changes follow one another."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM party.party WHERE tenant_id = $1 AND party_id = $2 FOR UPDATE",
        tx.tenant_id,
        party_id,
    )
    return None if row is None else _from_row(row)


async def list_parties(
    tx: Tx, *, name: str, kind: PartyKind | None, offset: int, limit: int
) -> tuple[tuple[Party, ...], int]:
    """Return one page of the parties of a kind whose name starts with ``name``, by their ids, and how many."""
    where = "tenant_id = $1 AND ($2 = '' OR starts_with(lower(name), lower($2)))"
    where += " AND ($3 = '' OR kind = $3)"
    wanted = "" if kind is None else kind.value
    total: int = await tx.fetchval(
        f"SELECT count(*) FROM party.party WHERE {where}", tx.tenant_id, name, wanted
    )
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM party.party WHERE {where} ORDER BY party_id OFFSET $4 LIMIT $5",
        tx.tenant_id,
        name,
        wanted,
        offset,
        limit,
    )
    return tuple(_from_row(row) for row in rows), total


async def save_party(tx: Tx, party: Party) -> None:
    """Overwrite everything of ``party`` that may change."""
    await tx.execute(
        "UPDATE party.party SET name = $3, vat_id = $4, contacts = $5::jsonb, address = $6::jsonb, erased_at = $7, "
        "language = $8, given_name = $9, family_name = $10, birth_date = $11, registration_id = $12, parent_id = $13, "
        "kyc = $14, version = $15, moves = $16::jsonb WHERE tenant_id = $1 AND party_id = $2",
        tx.tenant_id,
        party.id,
        party.name,
        party.vat_id,
        _json(party.contacts),
        _json(party.address),
        party.erased_at,
        party.language,
        party.given_name,
        party.family_name,
        party.birth_date,
        party.registration_id,
        party.parent_id,
        party.kyc.value,
        party.version,
        _json(party.moves),
    )


async def lock_hierarchy(tx: Tx) -> None:
    """Let one transaction of the tenant at a time change who belongs to whom: two changes could make a cycle."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtext('party.hierarchy'), hashtext($1::text))", str(tx.tenant_id)
    )


async def family(tx: Tx, party_ids: Sequence[PartyId]) -> Mapping[PartyId, PartyId | None]:
    """Return party → parent for ``party_ids`` and all that stand above or below them."""
    rows = await tx.fetch(
        """WITH RECURSIVE up AS (
            SELECT party_id, parent_id FROM party.party WHERE tenant_id = $1 AND party_id = ANY($2::uuid[])
            UNION
            SELECT p.party_id, p.parent_id FROM up JOIN party.party p
                ON p.tenant_id = $1 AND p.party_id = up.parent_id
        ), down AS (
            SELECT party_id, parent_id FROM party.party WHERE tenant_id = $1 AND party_id = ANY($2::uuid[])
            UNION
            SELECT p.party_id, p.parent_id FROM down JOIN party.party p
                ON p.tenant_id = $1 AND p.parent_id = down.party_id
        )
        SELECT party_id, parent_id FROM up UNION SELECT party_id, parent_id FROM down""",
        tx.tenant_id,
        list(party_ids),
    )
    return {
        PartyId(row["party_id"]): None if row["parent_id"] is None else PartyId(row["parent_id"])
        for row in rows
    }


def _role_from_row(row: Record) -> PartyRole:
    return PartyRole(
        PartyId(row["party_id"]),
        RoleKind(row["role"]),
        row["valid_from"],
        row["valid_to"],
        None if row["of_party"] is None else PartyId(row["of_party"]),
    )


async def roles(tx: Tx, party_ids: Sequence[PartyId]) -> tuple[PartyRole, ...]:
    """Return the roles that the parties play and those that others play for them, oldest first."""
    rows = await tx.fetch(
        f"SELECT {_ROLE} FROM party.role WHERE tenant_id = $1 AND "
        "(party_id = ANY($2::uuid[]) OR of_party = ANY($2::uuid[])) ORDER BY valid_from, party_id, role",
        tx.tenant_id,
        list(party_ids),
    )
    return tuple(_role_from_row(row) for row in rows)


async def players(tx: Tx, role: RoleKind, *, offset: int, limit: int) -> tuple[tuple[PartyId, ...], int]:
    """Return the parties that play or played a role, in the order of their making, and how many there are."""
    rows = await tx.fetch(
        "SELECT party_id FROM party.role WHERE tenant_id = $1 AND role = $2 GROUP BY party_id ORDER BY party_id"
        " OFFSET $3 LIMIT $4",
        *(tx.tenant_id, role.value, offset, limit),
    )
    total: int = await tx.fetchval(
        "SELECT count(DISTINCT party_id) FROM party.role WHERE tenant_id = $1 AND role = $2",
        *(tx.tenant_id, role.value),
    )
    return tuple(PartyId(row["party_id"]) for row in rows), total


async def save_role(tx: Tx, role: PartyRole) -> None:
    """Insert a role, or give the one that is there its end."""
    await tx.execute(
        f"INSERT INTO party.role (tenant_id, {_ROLE}) VALUES ($1, $2, $3, $4, $5, $6) "
        "ON CONFLICT (tenant_id, party_id, role, valid_from) DO UPDATE SET valid_to = excluded.valid_to",
        tx.tenant_id,
        role.party_id,
        role.role.value,
        role.valid_from,
        role.valid_to,
        role.of,
    )
