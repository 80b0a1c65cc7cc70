"""Step 8, 5 July: the customer pays by card or by mobile money, and owes nothing."""

from __future__ import annotations

import msgspec

from farwire.base.storage import Tx
from farwire.billing.model import Bill
from farwire.demo.day_a.stage import Sold, Stage
from farwire.kernel.money import Money
from farwire.kernel.tenancy import SYSTEM
from farwire.ledger import service as ledger
from farwire.payment import service as payments
from farwire.payment.model import MethodKind
from farwire.payment.model.gateway import signature_of
from farwire.payment.simulator import MOBILE_MONEY


async def pay(stage: Stage, sold: Sold, invoice: Bill) -> None:
    """Pay the invoice. The notice of mobile money comes three times and counts once."""
    stage.move_to(stage.twin.payday)
    method = MethodKind(stage.twin.pays_by)
    stage.say(f"the customer pays by {method.value.replace('_', ' ')}")
    owed = Money(invoice.total_minor, invoice.currency)
    key = f"pay-{invoice.number}"
    async with stage.db.transaction(stage.tenant_id) as tx:
        await payments.take_payment(
            tx,
            account_id=sold.account_id,
            method=method,
            token="tok_day_a",  # noqa: S106 – names a card in the simulator
            amount=owed,
            now=stage.clock.now(),
            actor=SYSTEM,
            reference=invoice.number or "",
            key=key,
        )
    if method is MethodKind.MOBILE_MONEY:
        for _ in range(3):
            async with stage.db.transaction(stage.tenant_id) as tx:
                await _notice(tx, stage, key)
    await _check(stage, sold)
    await stage.deliver()
    sent = f"{await stage.told('bill_issued')}, {await stage.told('payment_received')}"
    stage.check("5 July: notice of the bill (not by night), receipt", "1, 1", sent)


async def _notice(tx: Tx, stage: Stage, key: str) -> None:
    """Let the payer confirm on her phone, and hear what the gateway tells, signed."""
    now = stage.clock.now()
    notice = await MOBILE_MONEY.confirm(tx, key=key, at=now)
    payload = msgspec.json.encode(notice).decode()
    secret = await payments.gateway_secret(tx, method=MethodKind.MOBILE_MONEY)
    signature = signature_of(payload, secret)
    await payments.hear_notice(
        tx, method=MethodKind.MOBILE_MONEY, payload=payload, signature=signature, now=now, actor=SYSTEM
    )


async def _check(stage: Stage, sold: Sold) -> None:
    async with stage.db.transaction(stage.tenant_id, read_only=True) as tx:
        standing = await payments.standing(tx, account_id=sold.account_id, at=stage.clock.now())
        balances = await ledger.trial_balance(tx=tx)
    for one in standing:
        stage.check(
            "5 July: the customer owes, has to her credit", "0, 0", f"{one.owed_minor}, {one.credit_minor}"
        )
    stage.check("5 July: trial balance", 0, sum(one.amount_minor for one in balances))
