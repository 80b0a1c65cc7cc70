"""SQL of passwords and meters."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from farwire.base.storage import Tx
from farwire.gateway.radius.accounting import Meter

if TYPE_CHECKING:
    from asyncpg import Record

_COLUMNS: Final = tuple(Meter.__struct_fields__)
_NAMES: Final = ", ".join(_COLUMNS)
_PLACES: Final = ", ".join(f"${place}" for place in range(2, len(_COLUMNS) + 2))

# ---- passwords


async def credential(tx: Tx, account: int) -> Record | None:
    """Return salt, hash and, where it was kept, the password of an account."""
    return await tx.fetchrow(
        "SELECT salt, hash, readable FROM gateway.credential WHERE tenant_id = $1 AND account = $2",
        *(tx.tenant_id, account),
    )


async def set_credential(
    tx: Tx, account: int, salt: bytes, hash_: bytes, readable: bytes | None, now: datetime
) -> None:
    """Write the password of an account."""
    await tx.execute(
        "INSERT INTO gateway.credential (tenant_id, account, salt, hash, readable, changed_at) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, account) DO UPDATE SET salt = excluded.salt, "
        "hash = excluded.hash, readable = excluded.readable, changed_at = excluded.changed_at",
        *(tx.tenant_id, account, salt, hash_, readable, now),
    )


async def forget_credential(tx: Tx, account: int) -> bool:
    """Delete the password of an account; return whether there was one."""
    tag = await tx.execute(
        "DELETE FROM gateway.credential WHERE tenant_id = $1 AND account = $2", tx.tenant_id, account
    )
    return bool(tag == "DELETE 1")


# ---- meters


async def lock(tx: Tx, key: tuple[int, int]) -> Meter | None:
    """Return the meter with that key, and let nobody else change it until this transaction ends."""
    row = await tx.fetchrow(
        f"SELECT {_NAMES} FROM gateway.radius_session WHERE tenant_id = $1 AND key_hi = $2 AND key_lo = $3 FOR UPDATE",
        *(tx.tenant_id, *key),
    )
    return None if row is None else Meter(*row)


async def is_charged(tx: Tx, charge: tuple[int, int]) -> bool:
    """Tell whether a session of charging belongs to a meter."""
    found = await tx.fetchval(
        "SELECT EXISTS (SELECT FROM gateway.radius_session WHERE tenant_id = $1 AND charge_hi = $2 AND charge_lo = $3)",
        *(tx.tenant_id, *charge),
    )
    return bool(found)


async def open_session(tx: Tx, client: str, account: int, charge: tuple[int, int]) -> tuple[int, int] | None:
    """Return the key of the meter whose session of charging it is, if it is open, of that client and that account."""
    row = await tx.fetchrow(
        "SELECT key_hi, key_lo FROM gateway.radius_session WHERE tenant_id = $1 AND charge_hi = $2 AND charge_lo = $3 "
        "AND client = $4 AND account = $5 AND ended_at IS NULL",
        *(tx.tenant_id, *charge, client, account),
    )
    return None if row is None else (row["key_hi"], row["key_lo"])


async def insert(tx: Tx, meter: Meter) -> bool:
    """Write a meter that is new; return whether it was: its key, or its session of charging, may be another one's."""
    tag = await tx.execute(
        f"INSERT INTO gateway.radius_session (tenant_id, {_NAMES}) VALUES ($1, {_PLACES}) ON CONFLICT DO NOTHING",
        *(tx.tenant_id, *msgspec.structs.astuple(meter)),
    )
    return bool(tag == "INSERT 0 1")


async def update(tx: Tx, meter: Meter) -> None:
    """Write a meter that is locked."""
    await tx.execute(
        f"UPDATE gateway.radius_session SET ({_NAMES}) = ({_PLACES}) "
        "WHERE tenant_id = $1 AND key_hi = $2 AND key_lo = $3",
        *(tx.tenant_id, *msgspec.structs.astuple(meter)),
    )


async def settle(tx: Tx, meter: Meter) -> None:
    """Write that charging has answered the last request. What a crash forgets is asked again, and moves nothing."""
    await tx.execute("SET LOCAL synchronous_commit = off")
    await tx.execute(
        "UPDATE gateway.radius_session SET settled = true "
        "WHERE tenant_id = $1 AND key_hi = $2 AND key_lo = $3 AND number = $4 AND generation = $5",
        *(tx.tenant_id, meter.key_hi, meter.key_lo, meter.number, meter.generation),
    )


async def set_told(tx: Tx, key: tuple[int, int], *, restricted: bool, most: int) -> None:
    """Write whether a session is in the walled garden, and the limit of a meter that its NAS was told."""
    await tx.execute(
        "UPDATE gateway.radius_session SET restricted = $4, most = $5 "
        "WHERE tenant_id = $1 AND key_hi = $2 AND key_lo = $3",
        *(tx.tenant_id, *key, restricted, most),
    )


async def open_of_nas(tx: Tx, client: str, nas: str, before: datetime, limit: int) -> list[tuple[int, int]]:
    """Return the keys of sessions of a NAS that are open since before then, up to ``limit``."""
    rows = await tx.fetch(
        "SELECT key_hi, key_lo FROM gateway.radius_session WHERE tenant_id = $1 AND client = $2 AND nas = $3 "
        "AND ended_at IS NULL AND opened_at <= $4 ORDER BY opened_at LIMIT $5",
        *(tx.tenant_id, client, nas, before, limit),
    )
    return [(row["key_hi"], row["key_lo"]) for row in rows]


async def unsettled(
    tx: Tx, before: datetime, clients: list[str], limit: int
) -> list[tuple[str, tuple[int, int]]]:
    """Return clients and keys of meters whose last request was made before then, and is not known to be answered."""
    rows = await tx.fetch(
        "SELECT client, key_hi, key_lo FROM gateway.radius_session WHERE tenant_id = $1 AND NOT settled "
        "AND seen_at < $2 AND client = ANY($3) ORDER BY seen_at LIMIT $4",
        *(tx.tenant_id, before, clients, limit),
    )
    return [(row["client"], (row["key_hi"], row["key_lo"])) for row in rows]


async def purge(tx: Tx, before: datetime, limit: int) -> int:
    """Delete meters that were not seen since then, up to ``limit``; return how many."""
    tag = await tx.execute(
        "DELETE FROM gateway.radius_session WHERE tenant_id = $1 AND (key_hi, key_lo) IN ("
        "SELECT key_hi, key_lo FROM gateway.radius_session WHERE tenant_id = $1 AND seen_at < $2 LIMIT $3)",
        *(tx.tenant_id, before, limit),
    )
    return int(tag.rpartition(" ")[2])
