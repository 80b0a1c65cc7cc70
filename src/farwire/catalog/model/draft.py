"""From a draft of TMF620 to what is published: an offering and its price plan, or everything that keeps it from sale.

A draft says what any product manager's tool says. A price plan says much more (docs/rating.md); what a draft states
and no plan of this kind could honour is refused, never left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID, uuid5

from farwire.catalog.model.catalogue import BundleItem, Eligibility, Offering, Terms
from farwire.catalog.model.combination import Refusal
from farwire.catalog.model.draft_prices import DraftPrices
from farwire.catalog.model.plan import PricePlan
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import OfferingId

Table: TypeAlias = Mapping[str, Any]
"""A part of a JSON document."""
_CODE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_OWN: Final = UUID("6b0c3f0e-3a57-4c0b-9b36-6f1c3a0d1f62")
_REQUIRES: Final = ("dependency", "requires", "reliesOn")
_EXCLUDES: Final = ("exclusivity", "excludes", "incompatible")
_MONTHS: Final = {"month": 1, "months": 1, "year": 12, "years": 12}
_DAYS: Final = {"day": 1, "days": 1, "week": 7, "weeks": 7, "month": 30, "months": 30}


class Incomplete(Invalid):
    """A draft cannot be sold as it is. ``refusals`` lists every reason, each with the path of its attribute."""

    default_code = "tmf.incomplete"

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        first = refusals[0]
        message = "; ".join(dict.fromkeys(one.message for one in refusals))
        super().__init__(message, code=self.default_code, field=first.field, value=first.value, fix=first.fix)
        self.refusals = tuple(refusals)


def incomplete(path: str, message: str, fix: str, value: object = "") -> Incomplete:
    """Return the refusal for the one attribute at ``path``."""
    return Incomplete([Refusal(Incomplete.default_code, message, path, str(value), fix)])


def offering_id_of(key: str) -> OfferingId:
    """Return the offering that a client calls ``key``: its id, or the one that belongs to the client's own word."""
    try:
        found = UUID(key)
    except ValueError:
        return OfferingId(uuid5(_OWN, key))
    return OfferingId(found if str(found) == key else uuid5(_OWN, key))


def code_of(draft: Table) -> str:
    """Return the code that orders and price plans know the offering by: its own, else its id or name made one.

    Raises ``Incomplete`` where none of them makes a code.
    """
    given = draft.get("code")
    if given is not None:
        if not _CODE.fullmatch(given):
            raise incomplete("$.code", "a code is small letters, digits and . _ -", "write flex-m", given)
        return str(given)
    key = str(draft["id"])
    if _CODE.fullmatch(key) and offering_id_of(key) == uuid5(_OWN, key):
        return key
    made = re.sub(r"[^a-z0-9]+", "-", str(draft["name"]).lower()).strip("-")[:64].strip("-")
    if not _CODE.fullmatch(made):
        raise incomplete("$.code", "the name makes no code", "give the offering a code", draft["name"])
    return made


@dataclass(frozen=True, slots=True)
class Market:
    """What a draft does not say: its code, the zone of its days, the codes of what it refers to, and the time."""

    code: str
    zone: str
    now: datetime
    offerings: Mapping[str, str] = field(default_factory=dict)
    """Codes of published offerings by the ids that the draft calls them."""
    specification: str = ""
    """The published product specification that realises it; none where it is made of nothing that is delivered."""


def translated(draft: Table, prices: Sequence[Table], market: Market) -> tuple[Offering, PricePlan]:
    """Return the offering and the price plan that ``draft`` says, with its ``prices`` in their order.

    Raises ``Incomplete`` with everything that is missing or has no meaning in a plan.
    """
    found = _Reading(draft, market)
    start, end = found.period()
    reader = DraftPrices(start, end)
    for number, price in enumerate(prices):
        reader.read(f"$.productOfferingPrice[{number}]", price)
    if not prices:
        fix = "refer to a productOfferingPrice, or state one; one of 0 makes it free"
        found.refuse("$.productOfferingPrice", "it has no price", fix)
    offering = found.offering(start, end)
    refusals = [*found.refusals, *reader.refusals]
    if refusals:
        raise Incomplete(refusals)
    plan = PricePlan(
        offering=market.code,
        name=str(draft["name"]),
        valid_from=start,
        valid_to=end,
        currency=reader.currency,
        zone=market.zone,
        prices_include_tax=False,
        recurring=tuple(reader.recurring),
        one_off=tuple(reader.one_off),
        usage=tuple(reader.usage),
    )
    return offering, plan


class _Reading:
    """One draft being read; what is wrong with it is collected."""

    def __init__(self, draft: Table, market: Market) -> None:
        self.draft, self.market = draft, market
        self.refusals: list[Refusal] = []

    def refuse(self, path: str, message: str, fix: str, value: object = "") -> None:
        self.refusals.append(Refusal(Incomplete.default_code, message, path, str(value), fix))

    def many(self, name: str) -> list[tuple[str, Table]]:
        """Return the objects of a list, each with its path."""
        return [(f"$.{name}[{n}]", one) for n, one in enumerate(self.draft.get(name) or ())]

    def period(self) -> tuple[datetime, datetime | None]:
        valid = self.draft.get("validFor") or {}
        start, end = (
            None if valid.get(name) is None else datetime.fromisoformat(valid[name])
            for name in ("startDateTime", "endDateTime")
        )
        begin = start or self.market.now
        if end is not None and end <= begin:
            self.refuse("$.validFor.endDateTime", "it ends before it starts", "give a later end", end)
            end = None
        return begin, end

    def offering(self, start: datetime, end: datetime | None) -> Offering:
        related = self._related()
        bundle = tuple(self._bundled(path, one) for path, one in self.many("bundledProductOffering"))
        if self.draft.get("isBundle") and not bundle:
            fix = "list bundledProductOffering, or say isBundle false"
            self.refuse("$.bundledProductOffering", "a bundle holds offerings", fix)
        return Offering(
            code=self.market.code,
            name=str(self.draft["name"]),
            description=str(self.draft.get("description") or "")[:2_000],
            product_specification=self.market.specification,
            bundle=bundle,
            sold_alone=self.draft.get("isSellable", True) is not False,
            eligibility=Eligibility(
                regions=self._words("place"),
                segments=self._words("marketSegment"),
                channels=self._words("channel"),
            ),
            requires=tuple(related["requires"]),
            excludes=tuple(related["excludes"]),
            terms=self._terms(),
            valid_from=start,
            valid_to=end,
        )

    def _words(self, name: str) -> tuple[str, ...]:
        found = []
        for path, one in self.many(name):
            if not one.get("id"):
                self.refuse(f"{path}.id", f"which {name} it is, is not said", "give its id")
            found.append(str(one.get("id") or ""))
        return tuple(dict.fromkeys(found))

    def _code(self, path: str, one: Table) -> str:
        key = str(one.get("id") or "")
        if key not in self.market.offerings:
            fix = "refer to an offering that is published"
            self.refuse(f"{path}.id", "it refers to an offering that is not published", fix, key)
        return self.market.offerings.get(key, "")

    def _bundled(self, path: str, one: Table) -> BundleItem:
        option = one.get("bundledProductOfferingOption")
        option = option if isinstance(option, dict) else {}
        least = _whole(option.get("numberRelOfferLowerLimit"), 1)
        most = _whole(option.get("numberRelOfferUpperLimit"), max(least, 1))
        usual = _whole(option.get("numberRelOfferDefault"), least)
        if not 0 <= least <= usual <= most:
            at, fix = f"{path}.bundledProductOfferingOption", "0 ≤ lower limit ≤ default ≤ upper limit"
            self.refuse(at, "its numbers contradict each other", fix)
        return BundleItem(self._code(path, one), least, most, usual)

    def _related(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {"requires": [], "excludes": []}
        for path, one in self.many("productOfferingRelationship"):
            kind = str(one.get("relationshipType") or "")
            if kind in _REQUIRES:
                found["requires"].append(self._code(path, one))
            elif kind in _EXCLUDES:
                found["excludes"].append(self._code(path, one))
        return found

    def _terms(self) -> Terms:
        found: dict[str, int] = {}
        for path, one in self.many("productOfferingTerm"):
            duration, name = one.get("duration"), str(one.get("name") or "").lower()
            if not isinstance(duration, dict):
                continue
            said = next((word for word in ("notice", "withdrawal") if word in name), "")
            units, amount = str(duration.get("units") or "").lower(), duration.get("amount")
            scale = (_DAYS if said else _MONTHS).get(units)
            term = f"{said}_days" if said else "minimum_term_months"
            if scale is None or not isinstance(amount, int) or term in found:
                fix = "one minimum term in months, one notice and one withdrawal in days, by their names"
                self.refuse(f"{path}.duration", "the term cannot be read", fix, f"{amount} {units}")
                continue
            found[term] = amount * scale
        return Terms(
            minimum_term_months=found.get("minimum_term_months", 0),
            notice_days=found.get("notice_days", 0),
            withdrawal_days=found.get("withdrawal_days", 0),
        )


def _whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
