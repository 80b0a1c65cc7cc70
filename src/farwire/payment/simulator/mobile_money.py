"""Mobile money: we ask the payer's phone, the payer confirms or not, a notice tells. Payers also pay by themselves."""

from __future__ import annotations

from datetime import datetime

from farwire.base.storage import Tx
from farwire.kernel.money import Money
from farwire.payment.model import MethodKind, Notice
from farwire.payment.port import Answer, Outcome
from farwire.payment.store import simulated as memory


class MobileMoneySimulator:
    """The mobile-money gateway."""

    async def charge(
        self, tx: Tx, *, key: str, token: str, account: str, amount: Money, now: datetime
    ) -> Answer:
        """Ask the payer's phone. The answer is always PENDING: a notice tells what the payer did."""
        charge = await memory.remember(
            tx,
            method=MethodKind.MOBILE_MONEY,
            key=key,
            token=token,
            account=account,
            amount=amount,
            state="waiting",
            now=now,
        )
        return Answer(Outcome.PENDING, charge.reference)

    async def confirm(self, tx: Tx, *, key: str, at: datetime) -> Notice:
        """Let the payer confirm, and return the notice. Confirming again gives the same notice."""
        charge = await memory.recall(tx, MethodKind.MOBILE_MONEY, key)
        if charge.state == "waiting":
            charge = await memory.move(tx, charge, "captured")
        declined = charge.state == "declined"
        return memory.notice_of(charge, outcome="denied" if declined else "done", at=at)

    async def decline(self, tx: Tx, *, key: str, at: datetime) -> Notice:
        """Let the payer refuse, and return the notice."""
        charge = await memory.recall(tx, MethodKind.MOBILE_MONEY, key)
        if charge.state == "waiting":
            charge = await memory.move(tx, charge, "declined")
        return memory.notice_of(charge, outcome="denied", at=at, reason="payer_refused")

    async def status(self, tx: Tx, *, key: str) -> Answer:
        """Return what the payer did so far."""
        return memory.answer_of(await memory.recall(tx, MethodKind.MOBILE_MONEY, key), "payer_refused")

    async def take_back(self, tx: Tx, *, key: str, at: datetime, reason: str = "wrong number") -> Notice:
        """Give the payer his money back without asking us, and return the notice of it."""
        charge = await memory.recall(tx, MethodKind.MOBILE_MONEY, key)
        if charge.state == "captured":
            charge = await memory.move(tx, charge, "reversed")
        return memory.notice_of(charge, outcome="reversed", at=at, reason=reason)

    async def pay_by_oneself(
        self, tx: Tx, *, reference: str, account: str, amount: Money, at: datetime
    ) -> Notice:
        """Return the notice of a payer who paid without being asked, naming ``account`` as he thinks it is."""
        charge = await memory.remember(
            tx,
            method=MethodKind.MOBILE_MONEY,
            key=f"unasked {reference}",
            token="",
            account=account,
            amount=amount,
            state="captured",
            now=at,
        )
        return Notice(
            reference=charge.reference,
            outcome="done",
            currency=amount.currency.code,
            amount_minor=amount.amount_minor,
            at=at.isoformat(),
            account=account,
        )

    async def refund(self, tx: Tx, *, key: str, reference: str, amount: Money, now: datetime) -> str:  # noqa: ARG002
        """Send money back to the payer's wallet, once per key."""
        return await memory.give_back(
            tx, MethodKind.MOBILE_MONEY, key=key, reference=reference, amount=amount
        )
