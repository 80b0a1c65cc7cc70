"""Whether an offering can be sold: by the catalogue alone, which orders ask too, so the two never differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from farwire.base.storage import Tx
from farwire.catalog import service as catalog
from farwire.catalog.model import Kind, Offered, Sellable, Value
from farwire.kernel.errors import FarwireError
from farwire.kernel.page import PageRequest
from farwire.qualification.model import NOT_HELD, Answer, Asker, Named, Reason
from farwire.qualification.service.delivery import against_delivery

MOST: Final = 100
"""Offerings that a query answers with."""
PROPOSED: Final = 10
"""Offerings that are proposed in place of one."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing that is asked for: an offering to have, a product that changes to it, or a product to lose."""

    offering: str | None
    product: str | None = None
    leaves: bool = False
    """Whether the product goes, or becomes the offering."""
    at: datetime | None = None
    place: str = ""
    """Where it is to be: as coverage names places."""
    values: Mapping[str, Value] = field(default_factory=dict)
    """The characteristics that are asked for."""


async def qualify(
    tx: Tx, *, asker: Asker, wishes: Sequence[Wish], alternatives: bool, now: datetime
) -> list[Answer]:
    """Return, for each wish, whether it can be had together with the others and with what the asker has."""
    sold = [await _sold(tx, asker, wish, now) for wish in wishes]
    answers = [Answer(_not_held(asker, wish) + _reasons(one)) for wish, one in zip(wishes, sold, strict=True)]
    added = [one.offering.code for one in sold if isinstance(one, Sellable)]
    stays = asker.codes(wish.product for wish in wishes if wish.product and wish.leaves)
    against: dict[str, list[Reason]] = {}
    for refusal in await catalog.check_combination(tx, held=stays, added=added, at=now) if added else ():
        against.setdefault(refusal.field, []).append(Reason(refusal.code, refusal.message))
    found = []
    for wish, one, answer in zip(wishes, sold, answers, strict=True):
        more = against.get(one.offering.code, ()) if isinstance(one, Sellable) else ()
        missing = await _delivered(tx, wish, one)
        whole = replace(answer, reasons=(*answer.reasons, *more, *missing))
        others = await _instead(tx, asker, wish, stays, now) if whole.reasons and alternatives else ()
        found.append(replace(whole, alternatives=others))
    return found


async def _delivered(tx: Tx, wish: Wish, one: Sellable | tuple[Reason, ...] | None) -> tuple[Reason, ...]:
    """Return why what is sold cannot be delivered. What a product has already is no reason against what it becomes."""
    if not isinstance(one, Sellable) or wish.product is not None:
        return ()
    return await against_delivery(tx, sold=one, place=wish.place, values=wish.values)


def _not_held(asker: Asker, wish: Wish) -> tuple[Reason, ...]:
    if wish.product is None or wish.product in {str(one.product_id) for one in asker.held}:
        return ()
    return (Reason(NOT_HELD, "the party has no such product"),)


def _reasons(found: Sellable | tuple[Reason, ...] | None) -> tuple[Reason, ...]:
    return found if isinstance(found, tuple) else ()


async def _sold(tx: Tx, asker: Asker, wish: Wish, now: datetime) -> Sellable | tuple[Reason, ...] | None:
    """Return what is sold; what is not sold yet may be asked for from the day on which it will be."""
    if wish.offering is None:
        return None
    at = now if wish.at is None else min(now, wish.at)
    found = await _to_sell(tx, asker, wish.offering, at)
    if isinstance(found, tuple) and wish.at is not None and wish.at > now:
        again = await _to_sell(tx, asker, wish.offering, wish.at)
        return again if isinstance(again, Sellable) else found
    return found


async def _to_sell(tx: Tx, asker: Asker, code: str, at: datetime) -> Sellable | tuple[Reason, ...]:
    try:
        return await catalog.offering_to_sell(
            tx, code=code, at=at, region=asker.region, segment=asker.segment, channel=asker.channel
        )
    except catalog.NotEligible as error:
        return tuple(Reason(one.code, one.message) for one in error.refusals)
    except FarwireError as error:
        if not error.code.startswith("catalog."):
            raise
        return (Reason(error.code, error.message),)


async def qualified_offerings(tx: Tx, *, asker: Asker, at: datetime) -> list[Named]:
    """Return at most ``MOST`` offerings that the asker could have beside what it has, by code."""
    names = {
        one.offering.code: Named(str(one.offering_id), one.offering.name, one.offering.code)
        for one in await _for_sale(tx, asker, at)
    }
    return await _compatible(tx, names, asker.codes(), at)


async def _for_sale(tx: Tx, asker: Asker, at: datetime) -> Sequence[Offered]:
    page = await catalog.offerings_for(
        tx,
        region=asker.region,
        segment=asker.segment,
        channel=asker.channel,
        at=at,
        page=PageRequest(0, MOST),
    )
    return page.items


async def _compatible(tx: Tx, names: Mapping[str, Named], held: Sequence[str], at: datetime) -> list[Named]:
    return [
        one
        for code, one in names.items()
        if not await catalog.check_combination(tx, held=held, added=[code], at=at)
    ]


async def _instead(tx: Tx, asker: Asker, wish: Wish, held: Sequence[str], at: datetime) -> tuple[Named, ...]:
    """Return what else of the same product specification can be had."""
    if wish.offering is None:
        return ()
    versions = await catalog.document_versions(tx, kind=Kind.OFFERING, codes=[wish.offering])
    of = {getattr(one.document, "product_specification", "") for one in versions} - {""}
    names = {
        one.offering.code: Named(str(one.offering_id), one.offering.name, one.offering.code)
        for one in await _for_sale(tx, asker, at)
        if one.offering.product_specification in of and one.offering.code != wish.offering
    }
    possible = await _compatible(tx, dict(list(names.items())[:PROPOSED]), held, at)
    sold = await catalog.as_sold(tx, codes=[one.code for one in possible], at=at) if possible else {}
    asked = replace(wish, values={})
    return tuple([one for one in possible if not await _delivered(tx, asked, sold[one.code])])
