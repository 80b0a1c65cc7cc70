"""What payment asks of a gateway. The simulators are one implementation; an adapter to a real one is another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from farwire.base.storage import Tx
from farwire.kernel.errors import Unavailable
from farwire.kernel.money import Money


class Outcome(StrEnum):
    """How the gateway answered."""

    DONE = "done"
    """The money is on its way to us."""
    DENIED = "denied"
    PENDING = "pending"
    """The payer has to act; a signed notice will tell."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway said: its own ``reference`` of the money, and why it denied."""

    outcome: Outcome
    reference: str
    reason: str = ""


class GatewayTimeout(Unavailable):
    """The gateway did not answer in time. It may have taken the money: its notice will tell."""

    default_code = "payment.gateway_timeout"


class Gateway(Protocol):
    """A gateway. Every act is idempotent by ``key``: asking again gives the first answer."""

    async def charge(
        self, tx: Tx, *, key: str, token: str, account: str, amount: Money, now: datetime
    ) -> Answer:
        """Collect ``amount`` from the payer behind ``token``. Raises ``GatewayTimeout``."""

    async def status(self, tx: Tx, *, key: str) -> Answer:
        """Return how what was asked for under ``key`` stands. Raises ``NotFound`` and ``GatewayTimeout``."""

    async def refund(self, tx: Tx, *, key: str, reference: str, amount: Money, now: datetime) -> str:
        """Give ``amount`` of the money ``reference`` back; return the gateway's reference of that.

        Raises ``Conflict`` (``payment.gateway_refused``) and ``GatewayTimeout``.
        """
