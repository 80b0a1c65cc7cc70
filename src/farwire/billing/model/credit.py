"""Credits: amounts before tax that the next bills of an account give back, never more than they charge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from farwire.base.authz import require_four_eyes
from farwire.billing.model.bill import Item, LineKind
from farwire.billing.model.calculation import Calculated
from farwire.billing.model.run import Approval
from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.ids import AccountId, CreditId, ProductId
from farwire.kernel.money import Currency
from farwire.kernel.quantity import Unit
from farwire.kernel.tenancy import Actor
from farwire.kernel.time import Period

MAX_TEXT: Final = 200
MAX_KEY: Final = 200


class CreditState(StrEnum):
    """The states of a credit."""

    REQUESTED = "requested"
    APPROVED = "approved"
    """The next bill gives it back, as far as its charges reach."""
    REJECTED = "rejected"
    APPLIED = "applied"
    """All of it is on bills."""


@dataclass(frozen=True, slots=True)
class Credit:
    """``net_minor`` (> 0) before tax in ``currency`` to give back; ``applied_minor`` of it is on bills and drafts.

    ``label`` is what the bill says, ``reason`` why it was given, ``key`` makes asking for it idempotent.
    """

    id: CreditId
    account_id: AccountId
    product_id: ProductId | None
    currency: Currency
    net_minor: int
    reason: str
    label: str
    tax_category: str
    key: str
    state: CreditState
    requested_by: Actor
    requested_at: datetime
    decided_by: Actor | None = None
    decided_at: datetime | None = None
    applied_minor: int = 0

    @property
    def open_minor(self) -> int:
        """Return what is still to be given back."""
        granted = self.state in (CreditState.APPROVED, CreditState.APPLIED)
        return self.net_minor - self.applied_minor if granted else 0


class CreditFacts(msgspec.Struct, frozen=True):
    """What the detail of a credit line says: given − before − applied = open, all in minor units before tax."""

    credit_id: str
    reason: str
    given_minor: int
    before_minor: int
    applied_minor: int
    open_minor: int


@dataclass(frozen=True, slots=True)
class CreditUse:
    """How much of a credit one bill gives back, in minor units before tax."""

    credit_id: CreditId
    net_minor: int


def check_credit(credit: Credit) -> Credit:
    """Return ``credit`` if it can be given. Raises ``Invalid`` (``billing.credit_amount``, ``billing.credit_text``)."""
    if credit.net_minor <= 0:
        raise Invalid(
            "a credit is an amount above zero",
            code="billing.credit_amount",
            field="net",
            value=credit.net_minor,
            fix="give what the customer gets back, before tax",
        )
    for field, text, most in (
        ("reason", credit.reason, MAX_TEXT),
        ("label", credit.label, MAX_TEXT),
        ("tax_category", credit.tax_category, MAX_TEXT),
        ("key", credit.key, MAX_KEY),
    ):
        if not text.strip() or len(text) > most or "\x00" in text:
            raise Invalid(
                f"{field} has 1 to {most} characters",
                code="billing.credit_text",
                field=field,
                value=text[:80],
            )
    return credit


def decide_credit(
    credit: Credit, *, approve: bool, approval: Approval, actor: Actor, now: datetime
) -> Credit:
    """Return ``credit`` approved or rejected by ``actor``.

    Raises ``Conflict`` (``billing.credit_state``) unless it is requested, ``Forbidden`` (``authz.four_eyes``).
    """
    if credit.state is not CreditState.REQUESTED:
        raise Conflict(
            f"the credit is {credit.state.value}",
            code="billing.credit_state",
            field="state",
            value=credit.state.value,
            fix="only a requested credit is decided",
        )
    if approve and approval is Approval.FOUR_EYES:
        require_four_eyes(requested_by=credit.requested_by, approved_by=actor)
    state = CreditState.APPROVED if approve else CreditState.REJECTED
    return replace(credit, state=state, decided_by=actor, decided_at=now)


@dataclass(frozen=True, slots=True)
class Credited:
    """A bill with its credits, and how much of each it gives back."""

    calculated: Calculated
    uses: tuple[CreditUse, ...]


def with_credits(
    charges: Sequence[Item],
    granted: Sequence[Credit],
    period: Period,
    calculate: Callable[[Sequence[Item]], Calculated],
) -> Credited:
    """Return the bill of ``charges`` less what is ``granted``, the oldest first.

    A credit lowers the charges of its own tax category, at most to zero; the rest stays open for the next bill. A
    total never falls below zero by a credit: where rounding or two rates of one category would do it, a little less
    of the last credit is given. ``calculate`` rounds and taxes items.
    """
    plain = calculate(charges)
    room: dict[str, int] = defaultdict(int)
    for line in plain.lines:
        room[line.item.tax_category] += line.net_minor
    given: list[tuple[Credit, int]] = []
    for credit in granted:
        net = min(credit.open_minor, max(room[credit.tax_category], 0))
        if net > 0:
            room[credit.tax_category] -= net
            given.append((credit, net))
    floor = min(plain.total_minor, 0)
    while given:
        items = [*charges, *(_item(credit, net, period) for credit, net in given)]
        calculated = calculate(items)
        if calculated.total_minor >= floor:
            return Credited(calculated, tuple(CreditUse(credit.id, net) for credit, net in given))
        credit, net = given.pop()
        less = net - (floor - calculated.total_minor)
        if less > 0:
            given.append((credit, less))
    return Credited(plain, ())


def _item(credit: Credit, net: int, period: Period) -> Item:
    open_minor = credit.open_minor - net
    facts = CreditFacts(
        str(credit.id), credit.reason, credit.net_minor, credit.applied_minor, net, open_minor
    )
    return Item(
        kind=LineKind.CREDIT,
        product_id=credit.product_id,
        plan_version_id=None,
        price_id="",
        label=credit.label,
        tax_category=credit.tax_category,
        includes_tax=False,
        currency=credit.currency,
        period=period,
        exact_nano=-net * credit.currency.nano_per_minor,
        quantity=1,
        unit=Unit.PIECE.value,
        records=0,
        detail=msgspec.to_builtins(facts),
    )
