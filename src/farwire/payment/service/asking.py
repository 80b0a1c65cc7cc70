"""Ask gateways that have not told how money went that we asked for: again and again, and not for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from farwire.base.storage import Database, Tx
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import TenantId
from farwire.kernel.money import Money
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.payment.model import Charge, ChargeState, MethodKind, next_question
from farwire.payment.model.gateway import FIRST_QUESTION
from farwire.payment.port import Answer, GatewayTimeout, Outcome
from farwire.payment.service.charging import arrived
from farwire.payment.service.reversing import take_back_if_told
from farwire.payment.simulator import gateway_of
from farwire.payment.store import methods as store

AT_ONCE: Final = 100
SYSTEM: Final = Actor(ActorKind.SYSTEM, "payment")


async def ask_gateways(*, db: Database, tenant_id: TenantId, now: datetime) -> int:
    """Ask about charges that wait for longer than a minute; return how many were decided.

    A gateway that does not know after ten questions in 17 hours is given up; its late notice still counts.
    """
    decided = 0
    while True:
        async with db.transaction(tenant_id) as tx:
            due = await store.due_charges(tx, now, now - FIRST_QUESTION, AT_ONCE)
        for method, key in due:
            async with db.transaction(tenant_id) as tx:
                answer = await _ask(tx, method, key)
            async with db.transaction(tenant_id) as tx:
                decided += await learn(tx, method=method, key=key, answer=answer, now=now)
        if len(due) < AT_ONCE:
            return decided


async def _ask(tx: Tx, method: MethodKind, key: str) -> Answer:
    """Return what the gateway says, with nothing of ours held meanwhile; silence is PENDING."""
    try:
        return await gateway_of(method).status(tx, key=key)
    except (GatewayTimeout, NotFound):
        return Answer(Outcome.PENDING, "", "timeout")


async def learn(tx: Tx, *, method: MethodKind, key: str, answer: Answer, now: datetime) -> bool:
    """Take in what a gateway answered when it was asked; return whether the charge is decided. Idempotent."""
    if answer.reference:
        await store.hold_reference(tx, method, answer.reference)
    charge = await store.charge_by_key(tx, method, key)
    if charge is None or charge.state is not ChargeState.PENDING:
        return False
    if answer.outcome is Outcome.DONE:
        amount = Money(charge.amount_minor, charge.currency)
        payment = await arrived(tx, charge, answer.reference, amount, now, now, SYSTEM)
        await take_back_if_told(tx, payment, now=now, actor=SYSTEM)
        return True
    if answer.outcome is Outcome.DENIED:
        await store.save_charge(tx, replace(charge, state=ChargeState.DENIED, reason=answer.reason[:200]))
        return True
    return await _later(tx, charge, now)


async def _later(tx: Tx, charge: Charge, now: datetime) -> bool:
    """Set the time of the next question, or give the charge up; return whether it was given up."""
    again = next_question(await store.count_question(tx, charge.id), now)
    if again is None:
        await store.save_charge(tx, replace(charge, state=ChargeState.FAILED, reason="timeout"))
        return True
    await store.ask_again(tx, charge.id, again)
    return False
