"""SQL of parties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from farwire.base.storage import Tx
from farwire.kernel.ids import PartyId
from farwire.party.model import ContactMedium, Party, PartyKind
from farwire.tenant.model import Address

if TYPE_CHECKING:
    from asyncpg import Record

_COLUMNS = "party_id, kind, name, vat_id, contacts, address, language, created_at, erased_at"


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
    )


async def add_parties(tx: Tx, parties: Sequence[Party]) -> None:
    """Insert many parties in one statement."""
    await tx.execute(
        f"INSERT INTO party.party (tenant_id, {_COLUMNS}) SELECT $1, p.id, p.kind, p.name, p.vat_id, "
        "p.contacts::jsonb, p.address::jsonb, p.language, p.created_at, p.erased_at "
        "FROM unnest($2::uuid[], $3::text[], $4::text[], "
        "$5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[], $10::timestamptz[]) "
        "AS p (id, kind, name, vat_id, contacts, address, language, created_at, erased_at)",
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
    )


async def parties(tx: Tx, party_ids: Sequence[PartyId]) -> Mapping[PartyId, Party]:
    """Return those of the parties that exist."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM party.party WHERE tenant_id = $1 AND party_id = ANY($2::uuid[])",
        tx.tenant_id,
        list(party_ids),
    )
    return {PartyId(row["party_id"]): _from_row(row) for row in rows}


async def save_erased(tx: Tx, party: Party) -> None:
    """Overwrite the personal fields of ``party`` with those given."""
    await tx.execute(
        "UPDATE party.party SET name = $3, vat_id = $4, contacts = $5::jsonb, address = $6::jsonb, erased_at = $7 "
        "WHERE tenant_id = $1 AND party_id = $2",
        tx.tenant_id,
        party.id,
        party.name,
        party.vat_id,
        _json(party.contacts),
        _json(party.address),
        party.erased_at,
    )
