"""Documents of terms and a price plan → the numbers that a shard decides by."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from farwire.catalog.model import Allowance, Every, OneOff, PricePlan, Recurring
from farwire.charging.model.answers import FinalAction
from farwire.charging.model.compiled import Offer, scope_of
from farwire.charging.model.limits import EVERYWHERE, first
from farwire.charging.model.state import AMOUNT_MAX, DAY_US, SECOND_US, Limit, Period, Scope, Unit
from farwire.charging.model.tariffs import QUOTAS, Grant, OfferTerms, PlanTerms, QuotaPolicy
from farwire.charging.model.terms import AtTheEnd, FirstLimit, Give, OfferDocument, PlanDocument, Quota
from farwire.kernel.errors import Invalid
from farwire.kernel.money import nano
from farwire.kernel.quantity import Quantity
from farwire.kernel.quantity import Unit as Counted
from farwire.rating.model import Tariff

_FINAL: Final = {
    AtTheEnd.TERMINATE: FinalAction.TERMINATE,
    AtTheEnd.REDIRECT: FinalAction.REDIRECT,
    AtTheEnd.RESTRICT: FinalAction.RESTRICT,
}
_UNIT: Final = {
    Counted.OCTET: Unit.OCTETS,
    Counted.SECOND: Unit.SECONDS,
    Counted.MESSAGE: Unit.MESSAGES,
    Counted.EVENT: Unit.EVENTS,
}


def plan_terms(document: PlanDocument) -> PlanTerms:
    """Return the terms of a document. Raises ``Invalid`` (``charging.terms_field``) with the path of the field."""
    quotas, asked = list(QUOTAS), document.quotas
    for kind, quota, counted in (
        ("data", asked.data, Counted.OCTET),
        ("voice", asked.voice, Counted.SECOND),
        ("message", asked.message, Counted.MESSAGE),
        ("event", asked.event, Counted.EVENT),
    ):
        quotas[_UNIT[counted]] = _policy(QUOTAS[_UNIT[counted]], quota, counted, f"quotas.{kind}")
    first_limits(document, cap=None)
    terms = PlanTerms(
        quotas=tuple(quotas),
        final=int(_FINAL[document.at_the_end]),
        active_us=document.active_days * DAY_US,
        grace_us=document.grace_days * DAY_US,
    )
    if document.loan is None:
        return terms
    loan = document.loan
    return replace(
        terms,
        loan_amount=_money(loan.amount, "loan.amount"),
        loan_fee=_money(loan.fee, "loan.fee"),
        loan_below=_money(loan.below, "loan.below"),
    )


def first_limits(document: PlanDocument, *, cap: Decimal | None) -> tuple[Limit, ...]:
    """Return the limits that accounts of a plan are opened with; ``cap`` is what the country limits roaming to.

    Raises ``Invalid`` (``charging.terms_field``) with the path of the field.
    """
    wanted = document.limits
    if wanted is None:
        wanted = () if cap is None else (FirstLimit(amount=cap, roaming_only=True),)
    found: dict[int, Limit] = {}
    for place, one in enumerate(wanted):
        scope = int(Scope.ROAMING) if one.roaming_only else EVERYWHERE
        limit = first(scope, Period[one.period.name], _money(one.amount, f"limits[{place}].amount"))
        if limit.number in found:
            raise _wrong("is there already, for the same period and usage", f"limits[{place}]", one.period)
        found[limit.number] = limit
    return tuple(found.values())


def _policy(usual: QuotaPolicy, quota: Quota, counted: Counted, path: str) -> QuotaPolicy:
    size = _units(quota.size, counted, f"{path}.size") if quota.size else usual.size
    least = _units(quota.least, counted, f"{path}.least") if quota.least else min(usual.least, size)
    if least > size:
        raise _wrong("is more than the size", f"{path}.least", quota.least)
    validity = usual.validity_us
    if quota.validity:
        validity = _units(quota.validity, Counted.SECOND, f"{path}.validity") * SECOND_US
    percent, part = quota.threshold_percent, quota.part
    return QuotaPolicy(
        size,
        least,
        validity,
        usual.threshold_percent if percent is None else percent,
        usual.part if part is None else part,
    )


def offer_of(number: int, document: OfferDocument, *, plan: PricePlan, buyers: Tariff) -> Offer:
    """Return the offer ``number``: ``plan`` is its price plan, ``buyers`` the tariff of the accounts that buy it.

    Raises ``Invalid`` (``charging.terms_field``) with the path of the field.
    """
    price = price_of(document, plan)
    gives = document.gives or tuple(
        Give(allowance=one.id, priority=10 + one.order) for one in plan.allowances
    )
    grants = tuple(_grant(give, plan, buyers, f"gives[{place}]") for place, give in enumerate(gives))
    if not grants:
        raise _wrong("gives nothing: the price plan has no allowance", "gives", "")
    amount = 0 if price is None else _money(price.price, "price")
    return Offer(OfferTerms(number, amount, grants), days_of(document, price, plan), plan.zone)


def price_of(document: OfferDocument, plan: PricePlan) -> Recurring | OneOff | None:
    """Return the price that is taken of who buys an offer; None for what is free.

    Raises ``Invalid`` (``charging.terms_field``).
    """
    prices: dict[str, Recurring | OneOff] = {one.id: one for one in plan.recurring}
    prices |= {one.id: one for one in plan.one_off}
    if document.price:
        if document.price not in prices:
            raise _wrong("is no recurring or one-off price of the price plan", "price", document.price)
        return prices[document.price]
    if len(prices) > 1:
        raise _wrong(f"is missing: the price plan has {', '.join(sorted(prices))}", "price", "")
    return next(iter(prices.values()), None)


def days_of(document: OfferDocument, price: Recurring | OneOff | None, plan: PricePlan) -> int:
    """Return how many days an offer lasts, 0: without end. Raises ``Invalid`` (``charging.terms_field``)."""
    if document.days is not None:
        return document.days
    if isinstance(price, Recurring) and price.every is Every.DAYS:
        return price.count
    days = {one.days for one in plan.allowances if one.days}
    if len(days) == 1 and not isinstance(price, Recurring):
        return days.pop()
    raise _wrong("is missing: the price plan does not say how many days the offer lasts", "days", "")


def _grant(give: Give, plan: PricePlan, buyers: Tariff, path: str) -> Grant:
    said = [name for name in ("allowance", "amount", "money") if getattr(give, name) not in ("", None)]
    if len(said) != 1:
        raise _wrong("says exactly one of allowance, amount and money", path, " ".join(said))
    priority, shared = give.priority, int(give.shared)
    if give.money is not None:
        cap = nano(give.rollover_cap, field=f"{path}.rollover_cap") if give.rollover_cap else 0
        money = _money(give.money, f"{path}.money")
        return Grant(int(Unit.MONEY), 0, money, int(cap), priority, shared)
    scope, amount, cap_text = 0, give.amount, give.rollover_cap
    if give.allowance:
        allowance = _allowance(give.allowance, plan, path)
        scope = _scope(buyers, allowance.id, path)
        amount, cap_text = allowance.amount, give.rollover_cap or allowance.rollover_cap
    quantity = Quantity.parse(amount, field=f"{path}.amount")
    if quantity.unit not in _UNIT:
        raise _wrong("cannot be charged online", f"{path}.amount", amount)
    units = _units(amount, quantity.unit, f"{path}.amount")
    cap = _units(cap_text, quantity.unit, f"{path}.rollover_cap") if cap_text else 0
    return Grant(int(_UNIT[quantity.unit]), scope, units, cap, priority, shared)


def _allowance(name: str, plan: PricePlan, path: str) -> Allowance:
    for one in plan.allowances:
        if one.id == name:
            return one
    raise _wrong("is no allowance of the price plan", f"{path}.allowance", name)


def _scope(buyers: Tariff, allowance: str, path: str) -> int:
    try:
        return scope_of(buyers, allowance)
    except ValueError:
        message = f"is no allowance of {buyers.offering}, whose usage prices the buyers have: say an amount"
        raise _wrong(message, f"{path}.allowance", allowance) from None


def _units(text: str, counted: Counted, path: str) -> int:
    quantity = Quantity.parse(text, field=path)
    if quantity.unit is not counted or not 0 < quantity.amount <= AMOUNT_MAX:
        raise _wrong(f"is not a number of {counted.value}s above 0", path, text)
    return quantity.amount


def _money(amount: Decimal, path: str) -> int:
    found = int(nano(amount, field=path))
    if not 0 <= found <= AMOUNT_MAX:
        raise _wrong("is out of range", path, str(amount))
    return found


def _wrong(what: str, path: str, value: str) -> Invalid:
    return Invalid(
        f"{path} {what}",
        code="charging.terms_field",
        field=path,
        value=value,
        fix="docs/charging.md lists every field with an example",
    )
