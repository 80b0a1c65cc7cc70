"""Commands of people to an account: who wants what is written down, then it is done."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from farwire.base import audit
from farwire.base.storage import Database
from farwire.charging.model import Answer
from farwire.charging.model.accounts import ChargingAccount
from farwire.charging.service.accounts import request_key
from farwire.charging.service.client import Client
from farwire.charging.service.commands import Wish
from farwire.charging.service.transfers import answer_of, ask_transfer, carry_on, is_far
from farwire.charging.service.wording import key_tail
from farwire.kernel.ids import TenantId
from farwire.kernel.tenancy import Actor


async def person_commands(
    client: Client,
    *,
    db: Database,
    tenant_id: TenantId,
    account: ChargingAccount,
    wish: Wish,
    key: str,
    actor: Actor,
    now: datetime,
) -> Answer:
    """Give a command of a person: who wants what is written down first, then it is done. See ``command``.

    Raises ``Unavailable``; of a transfer to another virtual shard also what ``ask_transfer`` and ``answer_of`` raise.
    """
    if is_far(account, wish):
        async with db.transaction(tenant_id) as tx:
            asked_for = await ask_transfer(tx, account=account, wish=wish, key=key, actor=actor, now=now)
        return answer_of(await carry_on(client, db=db, tenant_id=tenant_id, transfer=asked_for, now=now))
    asked = {name: value for name, value in asdict(wish).items() if value and name != "kind"}
    async with db.transaction(tenant_id) as tx:
        await audit.record(
            tx,
            actor=actor,
            action=f"charging.{wish.kind.name.lower()}",
            subject=str(account.number),
            at=now,
            detail={**asked, "key": key_tail(request_key(key)[1])},
        )
    return await client.ask(account.tenant_number, wish.keyed(account, key))
