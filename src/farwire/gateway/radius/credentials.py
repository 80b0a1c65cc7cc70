"""Passwords of subscribers: kept as scrypt hashes, and readably only where CHAP is wanted, which needs the password.

A password belongs to a charging account. Whose account it is stands in ``charging.identity``, nowhere here.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from datetime import datetime
from typing import Final

from farwire.base import audit
from farwire.base.storage import Database, Tx
from farwire.gateway.radius import store
from farwire.gateway.radius.access import Chap, Pap
from farwire.gateway.radius.proofs import PASSWORD_MOST
from farwire.kernel.errors import Forbidden, Invalid
from farwire.kernel.ids import TenantId
from farwire.kernel.tenancy import Actor

_N, _R, _P = 2**14, 8, 1
_SALT: Final = 16
_AT_ONCE: Final = 2
"""Hashes that are computed at once: each takes a core for some 30 ms, and 16 MB."""
_NO_SALT: Final = bytes(_SALT)


def _hash(password: bytes, salt: bytes) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=_N, r=_R, p=_P, dklen=32)


async def set_credential(
    tx: Tx, *, account: int, password: str, chap: bool, now: datetime, actor: Actor
) -> None:
    """Set the password of an account; ``chap``: keep it readably too. Raises ``Invalid`` (``radius.password_length``).

    Cost: some 30 ms of a core.
    """
    octets = password.encode()
    if not 1 <= len(octets) <= PASSWORD_MOST or b"\0" in octets:
        raise Invalid(
            f"a password has 1 to {PASSWORD_MOST} octets, none of them 0",
            code="radius.password_length",
            field="password",
        )
    salt = secrets.token_bytes(_SALT)
    hashed = await asyncio.to_thread(_hash, octets, salt)
    await store.set_credential(tx, account, salt, hashed, octets if chap else None, now)
    await _note(tx, "set", account, now, actor)


async def forget_credential(tx: Tx, *, account: int, now: datetime, actor: Actor) -> bool:
    """Delete the password of an account; return whether it had one."""
    found = await store.forget_credential(tx, account)
    if found:
        await _note(tx, "forgotten", account, now, actor)
    return found


async def _note(tx: Tx, what: str, account: int, now: datetime, actor: Actor) -> None:
    await audit.record(
        tx, actor=actor, action=f"gateway.credential_{what}", subject=str(account), at=now, detail={}
    )


class Passwords:
    """Checks passwords, a few at once."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._few = asyncio.Semaphore(_AT_ONCE)

    async def check(self, tenant_id: TenantId, account: int, given: Pap | Chap | None) -> None:
        """Check the password of an account; 0 is nobody's, and takes as long.

        Raises ``Forbidden``: ``radius.password_wrong``, also where the account has none, or none that CHAP can use.
        """
        async with self._db.transaction(tenant_id, read_only=True) as tx:
            row = await store.credential(tx, account)
        if isinstance(given, Chap):
            right = row is not None and row["readable"] is not None and given.fits(row["readable"])
        else:
            password = b"" if given is None else given.password
            async with self._few:
                found = await asyncio.to_thread(_hash, password, _NO_SALT if row is None else row["salt"])
            right = row is not None and given is not None and hmac.compare_digest(found, row["hash"])
        if not right:
            raise Forbidden("the password is not that of the account", code="radius.password_wrong")
