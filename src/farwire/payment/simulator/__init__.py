"""Gateways that we play ourselves: a card gateway and mobile money. Their memory is in PostgreSQL."""

from __future__ import annotations

from typing import Final

from farwire.kernel.errors import Invalid
from farwire.payment.model import MethodKind
from farwire.payment.port import Gateway
from farwire.payment.simulator.card import CardSimulator
from farwire.payment.simulator.mobile_money import MobileMoneySimulator

CARD: Final = CardSimulator()
MOBILE_MONEY: Final = MobileMoneySimulator()


def gateway_of(method: MethodKind) -> Gateway:
    """Return the gateway of a method. Raises ``Invalid`` (``payment.no_gateway``)."""
    if method is MethodKind.CARD:
        return CARD
    if method is MethodKind.MOBILE_MONEY:
        return MOBILE_MONEY
    raise Invalid(
        f"{method} has no gateway",
        code="payment.no_gateway",
        field="method",
        value=method.value,
        fix="take it as received, with the reference of the bank or the till",
    )


__all__ = ["CARD", "MOBILE_MONEY", "CardSimulator", "MobileMoneySimulator", "gateway_of"]
