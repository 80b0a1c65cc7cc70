"""Prices of a draft, as TMF620 writes them, read as prices of a plan."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from farwire.catalog.model.combination import Refusal
from farwire.catalog.model.plan import Every, OneOff, Recurring, UsagePrice
from farwire.catalog.model.usage_check import KIND_UNITS
from farwire.kernel.errors import FarwireError
from farwire.kernel.quantity import Quantity, Unit

_CODE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_KINDS: Final = {"recurring": "recurring", "onetime": "oneTime", "usage": "usage"}
_EVERY: Final[Mapping[str, tuple[Every, int]]] = {
    "cycle": (Every.CYCLE, 1),
    "month": (Every.MONTHS, 1),
    "year": (Every.MONTHS, 12),
    "week": (Every.DAYS, 7),
    "day": (Every.DAYS, 1),
}
_PERIODS: Final = {
    "monthly": "month",
    "yearly": "year",
    "annual": "year",
    "annually": "year",
    "weekly": "week",
    "daily": "day",
}
_UNITS: Final = {
    "second": "s",
    "sec": "s",
    "minute": "min",
    "hour": "h",
    "byte": "B",
    "kb": "kB",
    "mb": "MB",
    "gb": "GB",
    "tb": "TB",
    "sms": "message",
    "mms": "message",
    "unit": "piece",
}
_USAGE: Final = {unit: kind for kind, unit in KIND_UNITS.items() if unit is not None}
_BEYOND: Final = (
    "percentage",
    "bundledPopRelationship",
    "popRelationship",
    "prodSpecCharValueUse",
    "pricingLogicAlgorithm",
    "productOfferingTerm",
    "place",
    "policy",
    "constraint",
)
"""Attributes of a price that would change what is charged, and that only a price plan says."""
_OVER: Final = ("Retired", "Obsolete", "Rejected")


class DraftPrices:
    """The prices of one draft in force from ``start`` to ``end``; what is wrong with them is collected."""

    def __init__(self, start: datetime, end: datetime | None) -> None:
        self._start, self._end = start, end
        self.currency = ""
        self.recurring: list[Recurring] = []
        self.one_off: list[OneOff] = []
        self.usage: list[UsagePrice] = []
        self.refusals: list[Refusal] = []
        self._ids: set[str] = set()

    def _refuse(self, path: str, message: str, fix: str, value: object = "") -> None:
        self.refusals.append(Refusal("tmf.incomplete", message, path, str(value), fix))

    def read(self, path: str, price: Mapping[str, Any]) -> None:
        """Read the price at ``path``."""
        self._check(path, price)
        amount, tax = self._amount(path, price), self._tax(path, price)
        key, label = self._id(price), str(price.get("name") or "")
        kind = re.sub(r"[^a-z]", "", str(price.get("priceType") or "").lower())
        if kind not in _KINDS:
            fix = "use recurring, oneTime or usage; a price plan says more (docs/rating.md)"
            self._refuse(f"{path}.priceType", "the type of the price has no meaning here", fix, kind)
        elif kind == "recurring":
            every, count = self._every(path, price)
            self.recurring.append(Recurring(key, amount, label, tax, every, count))
        elif kind == "onetime":
            self.one_off.append(OneOff(key, amount, label, tax))
        else:
            self._usage(path, price, key, label, tax, amount)

    def _check(self, path: str, price: Mapping[str, Any]) -> None:
        for name in _BEYOND:
            if price.get(name):
                fix = "leave it out, or publish the offering with a price plan (docs/rating.md)"
                self._refuse(f"{path}.{name}", f"{name} of a price is said by a price plan only", fix)
        if price.get("lifecycleStatus") in _OVER:
            state = price["lifecycleStatus"]
            self._refuse(f"{path}.lifecycleStatus", f"the price is {state}", "refer to one in force", state)
        valid = price.get("validFor") or {}
        begin, end = valid.get("startDateTime"), valid.get("endDateTime")
        late = begin is not None and datetime.fromisoformat(begin) > self._start
        early = end is not None and (self._end is None or datetime.fromisoformat(end) < self._end)
        if late or early:
            fix = "let the price be valid as long as the offering is"
            self._refuse(f"{path}.validFor", "the price does not hold as long as the offering is sold", fix)

    def _id(self, price: Mapping[str, Any]) -> str:
        given = str(price.get("id") or "").lower()
        key = given if _CODE.fullmatch(given) and given not in self._ids else f"price-{len(self._ids) + 1}"
        self._ids.add(key)
        return key

    def _amount(self, path: str, price: Mapping[str, Any]) -> Decimal:
        money = price.get("price")
        value = money.get("value") if isinstance(money, dict) else None
        unit = money.get("unit") if isinstance(money, dict) else None
        if not isinstance(value, int | Decimal) or isinstance(value, bool):
            fix = 'give price: {"unit": "EUR", "value": 20}'
            self._refuse(f"{path}.price.value", "the price has no amount", fix)
            return Decimal(0)
        if not isinstance(unit, str) or not unit:
            self._refuse(f"{path}.price.unit", "the price has no currency", "give its currency, as EUR")
        elif self.currency not in ("", unit):
            fix = f"give every price in {self.currency}"
            self._refuse(f"{path}.price.unit", "the prices have two currencies", fix, unit)
        self.currency = self.currency or str(unit or "")
        return Decimal(value)

    def _tax(self, path: str, price: Mapping[str, Any]) -> str:
        named = {str(one.get("taxCategory") or "standard") for one in price.get("tax") or ()}
        if len(named) > 1:
            fix = "give one tax category: the country pack knows its rate"
            self._refuse(f"{path}.tax", "the price has two tax categories", fix)
        return min(named, default="standard").lower()

    def _every(self, path: str, price: Mapping[str, Any]) -> tuple[Every, int]:
        said = str(price.get("recurringChargePeriodType") or "month").lower()
        word, length = _PERIODS.get(said, said.removesuffix("s")), price.get("recurringChargePeriodLength", 1)
        if word not in _EVERY or not isinstance(length, int) or length < 1:
            fix = "use cycle, day, week, month or year, and a length of 1 or more"
            self._refuse(f"{path}.recurringChargePeriodType", "the period cannot be read", fix, said)
            return Every.CYCLE, 1
        every, scale = _EVERY[word]
        if (word, length) == ("month", 1):  # a monthly price is billed with the account's cycle
            return Every.CYCLE, 1
        return every, scale * length

    def _usage(
        self, path: str, price: Mapping[str, Any], key: str, label: str, tax: str, amount: Decimal
    ) -> None:
        quantity = price.get("unitOfMeasure")
        table = quantity if isinstance(quantity, dict) else {"units": quantity}
        said = str(table.get("units") or "")
        unit = _UNITS.get(said.lower().removesuffix("s"), _UNITS.get(said.lower(), said))
        number = table.get("amount")
        per = f"{1 if number is None else number} {unit}"
        try:
            counted = Quantity.parse(per, field="unitOfMeasure")
        except FarwireError:
            fix = 'give unitOfMeasure: {"amount": 1, "units": "GB"}, or min, s, MB, message, event'
            self._refuse(f"{path}.unitOfMeasure", "what the price is for cannot be read", fix, said)
            return
        kind = "event" if counted.unit in (Unit.EVENT, Unit.PIECE) else _USAGE[counted.unit]
        self.usage.append(UsagePrice(key, kind, label, tax, price=amount, per=per))
