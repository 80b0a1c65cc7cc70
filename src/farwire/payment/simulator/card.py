"""A card gateway: authorise, capture, refund. The token says how it behaves.

``tok_declined…`` is declined, ``tok_silent…`` is captured but the answer is lost, all others are captured at once.
"""

from __future__ import annotations

from datetime import datetime

from farwire.base.storage import Tx
from farwire.kernel.errors import Conflict
from farwire.kernel.money import Money
from farwire.payment.model import MethodKind, Notice
from farwire.payment.port import Answer, Outcome
from farwire.payment.store import simulated as memory


class CardSimulator:
    """The card gateway."""

    async def charge(
        self, tx: Tx, *, key: str, token: str, account: str, amount: Money, now: datetime
    ) -> Answer:
        """Authorise and capture. A silent token's answer is PENDING: the caller heard nothing in time."""
        await self.authorise(tx, key=key, token=token, account=account, amount=amount, now=now)
        charge = await memory.recall(tx, MethodKind.CARD, key)
        if charge.state == "declined":
            return Answer(Outcome.DENIED, charge.reference, "card_declined")
        charge = await self.capture(tx, key=key)
        if token.startswith("tok_silent"):
            return Answer(Outcome.PENDING, charge.reference, "timeout")
        return Answer(Outcome.DONE, charge.reference)

    async def authorise(
        self, tx: Tx, *, key: str, token: str, account: str, amount: Money, now: datetime
    ) -> memory.Remembered:
        """Reserve the amount on the card, once per key."""
        state = "declined" if token.startswith("tok_declined") else "authorised"
        return await memory.remember(
            tx,
            method=MethodKind.CARD,
            key=key,
            token=token,
            account=account,
            amount=amount,
            state=state,
            now=now,
        )

    async def capture(self, tx: Tx, *, key: str) -> memory.Remembered:
        """Take what is reserved. Idempotent. Raises ``Conflict`` (``payment.gateway_refused``)."""
        charge = await memory.recall(tx, MethodKind.CARD, key)
        if charge.state == "captured":
            return charge
        if charge.state != "authorised":
            raise Conflict(
                f"the charge is {charge.state}", code="payment.gateway_refused", field="key", value=key
            )
        return await memory.move(tx, charge, "captured")

    async def status(self, tx: Tx, *, key: str) -> Answer:
        """Return how a charge stands."""
        return memory.answer_of(await memory.recall(tx, MethodKind.CARD, key), "card_declined")

    async def refund(self, tx: Tx, *, key: str, reference: str, amount: Money, now: datetime) -> str:  # noqa: ARG002
        """Give back what was captured, once per key."""
        return await memory.give_back(tx, MethodKind.CARD, key=key, reference=reference, amount=amount)

    async def notice(self, tx: Tx, *, key: str, at: datetime) -> Notice:
        """Return what the gateway tells about a charge, as often as it is asked."""
        charge = await memory.recall(tx, MethodKind.CARD, key)
        declined = charge.state == "declined"
        return memory.notice_of(
            charge,
            outcome="denied" if declined else "done",
            at=at,
            reason="card_declined" if declined else "",
        )
