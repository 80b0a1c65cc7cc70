"""What postpaid accounts used and bought, as their bills want it: by which price, for how much, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from farwire.base.storage import Tx
from farwire.charging.model import PlanTerms, Price
from farwire.charging.model.answers import MovementKind
from farwire.charging.model.compiled import CompiledTariffs, Origin, Plan, plan_of
from farwire.charging.model.pricing import PLACE, billed_units
from farwire.charging.service.terms import PLAN, Sold, sold_as_offers
from farwire.charging.store import control
from farwire.charging.store.books import Owner, Placed
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import PlanVersionId
from farwire.kernel.money import Nano
from farwire.rating import service as rating
from farwire.rating.model import Charge, Chargeable, Explanation, Line, Tariff, UsageKind, rate, to_json
from farwire.usage import service as usage
from farwire.usage.model.charged import ChargedUsage, OwedUsage

_FREE: Final = 0
"""The number of the price of what is free; that of an amount that the network names itself is below it."""
_TERMS: Final = PlanTerms()
KEPT: Final = 64
_COMPILED: Final[dict[tuple[int, str], CompiledTariffs]] = {}
"""By plan and digest of all that it was compiled from: it cannot be stale."""
BY_AMOUNT: Final = "Charged by amount"
REFUND: Final = "Refund"
"""What no price of a plan names. Invoices in other languages have their own words (``billing.rendering.words``)."""
BILLED: Final = frozenset({int(MovementKind.REFUND), int(MovementKind.PURCHASE)})
"""Movements of postpaid accounts that their bills collect beside what was used."""


async def owe(
    tx: Tx,
    *,
    source: str,
    shard: int,
    used: Mapping[str, ChargedUsage],
    placed: Sequence[Placed],
    owners: Mapping[int, Owner],
    now: datetime,
) -> None:
    """Record for their bills what postpaid accounts used and bought, and what of it they got back.

    Idempotent by the place in the log. Raises ``NotFound`` (``charging.price_unknown``).
    """
    billed = {number: owner for number, owner in owners.items() if owner.postpaid}
    usages = {key: one for key, one in used.items() if one.subscriber in billed}
    moved = {
        f"{shard}:{one.sequence}.{one.place}": one
        for one in placed
        if one.movement.kind in BILLED and one.movement.account in billed
    }
    if not usages and not moved:
        return
    priced = await Priced.load(tx, list(usages.values()), list(moved.values()), billed)
    owed = [priced.owed(key, one, billed[one.subscriber]) for key, one in usages.items()]
    owed += [priced.moved(key, one, billed[one.movement.account]) for key, one in moved.items()]
    await usage.record_owed(tx, source=source, usages=[one for one in owed if one is not None], now=now)


class Priced:
    """Names the prices of some plans and offers as bills do."""

    def __init__(
        self,
        tariffs: Mapping[int, CompiledTariffs],
        versions: Mapping[int, PlanVersionId],
        offers: Mapping[int, Sold],
    ) -> None:
        self._tariffs = tariffs
        self._versions = versions
        self._offers = offers

    @classmethod
    async def load(
        cls, tx: Tx, usages: Sequence[ChargedUsage], moved: Sequence[Placed], owners: Mapping[int, Owner]
    ) -> Priced:
        """Return the names of all prices behind ``usages`` and ``moved``, and the plans of ``owners``."""
        wanted = {plan_of(one.price) for one in usages if one.price > 0} | {
            one.plan for one in owners.values()
        }
        versions = await control.plan_versions(tx, PLAN, sorted(wanted))
        tariffs = {
            number: _compiled(number, await rating.tariff_for(tx=tx, plan_version_id=version_id))
            for number, version_id in versions.items()
        }
        bought = {one.movement.reason for one in moved if one.movement.kind == MovementKind.PURCHASE}
        return cls(tariffs, versions, await sold_as_offers(tx, numbers=bought))

    def owed(self, key: str, used: ChargedUsage, owner: Owner) -> OwedUsage | None:
        """Return what a bill collects for ``used``; None for what was free, or is nobody's.

        Raises ``NotFound`` (``charging.price_unknown``).
        """
        if owner.product_id is None or used.price == _FREE:
            return None
        by_amount = OwedUsage(
            key=key,
            kind=used.kind,
            started_at=used.started_at,
            quantity=used.quantity,
            rating_group=used.rating_group,
            product_id=owner.product_id,
            plan_version_id=self._versions[owner.plan],
            charge_nano=used.charge_nano,
            currency=used.currency,
            label=BY_AMOUNT,
            billed_quantity=used.quantity,
        )
        return by_amount if used.price < _FREE else self._by_price(by_amount, used)

    def _by_price(self, owed: OwedUsage, used: ChargedUsage) -> OwedUsage:
        tariffs = self._tariffs.get(plan_of(used.price))
        origin = None if tariffs is None else tariffs.origin(used.price)
        price = None if tariffs is None else tariffs.price(used.price)
        if origin is None or price is None:
            raise _unknown("price", used.price)
        billed = billed_units(price, used.quantity)
        return replace(
            owed,
            destination="" if origin.row is None else origin.row.prefix,
            plan_version_id=self._versions[plan_of(used.price)],
            price_id=origin.price.id,
            label=origin.price.label,
            billed_quantity=billed,
            tariff_version=origin.tariff.version,
            explanation=to_json(_explained(used, origin, price, billed)).decode(),
        )

    def moved(self, key: str, one: Placed, owner: Owner) -> OwedUsage | None:
        """Return what a bill collects, or gives back, for an offer or a refund; None for what is nobody's.

        Raises ``NotFound`` (``charging.price_unknown``).
        """
        if owner.product_id is None:
            return None
        movement, version_id, price_id, label = one.movement, self._versions[owner.plan], "", REFUND
        offer = movement.reason if movement.kind == MovementKind.PURCHASE else 0
        if offer:
            sold = self._offers.get(offer)
            if sold is None or sold.price is None:
                raise _unknown("offer", offer)
            version_id, price_id, label = sold.plan_version_id, sold.price.id, sold.price.label
        return OwedUsage(
            key=key,
            kind=UsageKind.EVENT,
            started_at=one.at,
            quantity=int(offer > 0),
            rating_group=0 if offer else movement.reason,
            product_id=owner.product_id,
            plan_version_id=version_id,
            charge_nano=-movement.amount,
            currency=owner.currency,
            price_id=price_id,
            label=label,
            billed_quantity=int(offer > 0),
        )


def _unknown(field: str, number: int) -> NotFound:
    return NotFound(
        f"{field} {number} is unknown that a shard has charged by",
        code="charging.price_unknown",
        field=field,
        value=number,
    )


def _compiled(number: int, tariff: Tariff) -> CompiledTariffs:
    """Return the tariffs of one plan, kept with the prices that were prepared: a deck has many rows to sort."""
    key = (number, tariff.version)
    found = _COMPILED.get(key)
    if found is None:
        if len(_COMPILED) >= KEPT:
            _COMPILED.clear()
        found = _COMPILED[key] = CompiledTariffs({number: Plan(tariff, _TERMS, _never)}, {})
    return found


def _never(_: str) -> bool:
    return False


def _explained(used: ChargedUsage, origin: Origin, price: Price, billed: int) -> Explanation:
    """Return the sum of the price alone where that was taken, else what was: allowances and tiers had a part in it."""
    row, of = origin.row, origin.price
    prefix, zone = (row.prefix, row.label) if row is not None else ("", "")
    if price.rated is not None:
        record = Chargeable(
            kind=used.kind, started_at=used.started_at, quantity=used.quantity, destination=PLACE
        )
        alone = rate(price.rated, record)
        if isinstance(alone, Charge) and alone.nano == used.charge_nano:
            return replace(alone.explanation, matched=prefix, zone=zone, deck=origin.deck)
    return Explanation(
        *(origin.tariff.offering, origin.tariff.plan_version, of.id, used.kind.value, used.currency, of.unit),
        *(used.quantity, billed, Nano(used.charge_nano), (Line("online", 1, used.charge_nano, 1),)),
        increments=(price.first, price.step),
        matched=prefix,
        zone=zone,
        deck=origin.deck,
    )
