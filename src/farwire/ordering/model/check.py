"""Whether an order can be taken: every reason against it at once, each with what to do. Pure.

What the catalogue, the customer and the products say is brought along as a ``Situation``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from farwire.account.model import AccountState, BillingAccount
from farwire.catalog.model import Characteristic, PlanVersion, Refusal, Sellable, configure
from farwire.inventory.model import MAX_PLACE, Product
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import OrderId, ProductId
from farwire.kernel.time import as_utc
from farwire.ordering.model.order import Action, ItemRequest, OrderRequest, PriceChange
from farwire.ordering.model.policy import Policy, earliest_cease, may_withdraw

MAX_ITEMS: Final = 10_000
MAX_TEXT: Final = 500
FIRST_YEAR: Final = 2000
LAST_YEAR: Final = 2199
_NUMBER: Final = re.compile(r"[1-9][0-9]{5,14}")

FIELDS: Final[Mapping[Action, tuple[frozenset[str], frozenset[str]]]] = {
    Action.ADD: (
        frozenset({"offering"}),
        frozenset({"parent", "number", "place", "characteristics", "overrides"}),
    ),
    Action.CHANGE: (frozenset({"product_id", "offering"}), frozenset({"characteristics", "overrides"})),
    Action.MODIFY: (frozenset({"product_id"}), frozenset({"characteristics", "overrides"})),
    Action.MOVE: (frozenset({"product_id", "place"}), frozenset({"characteristics"})),
    Action.SUSPEND: (frozenset({"product_id", "reason"}), frozenset({"recurring_percent"})),
    Action.RESUME: (frozenset({"product_id", "reason"}), frozenset()),
    Action.CEASE: (frozenset({"product_id"}), frozenset({"withdrawal"})),
}
"""Action → the fields of an item that it needs, and those that it may have. Others would be ignored: refused."""
_ALL: Final = frozenset().union(*(needed | allowed for needed, allowed in FIELDS.values()))


@dataclass(frozen=True, slots=True)
class Held:
    """A product of the account as it is: the code and the prices of its offering, what can be chosen."""

    product: Product
    offering: str
    version: PlanVersion
    characteristics: tuple[Characteristic, ...] = ()
    specification: str = ""
    """The code of its product specification."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known when an order is checked at ``now``.

    ``sold`` has, by the number of the item, the offering as it can be sold; ``refusals`` what the catalogue says
    against it. ``held`` are the products of the account, ``busy`` those with another open order, ``taken`` the numbers
    that are not to be had.
    """

    now: datetime
    account: BillingAccount
    tz: ZoneInfo
    policy: Policy = field(default_factory=Policy)
    sold: Mapping[int, Sellable] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    held: Mapping[ProductId, Held] = field(default_factory=dict)
    busy: Mapping[ProductId, OrderId] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()
    pooled: frozenset[str] = frozenset()
    """Of the numbers in the order, those that are in one of our pools."""


@dataclass(frozen=True, slots=True)
class _Line:
    """An item that is about a product, with when it counts from."""

    item: ItemRequest
    held: Held
    known: Situation
    at: datetime


def normalised(request: OrderRequest) -> OrderRequest:
    """Return the order with its times in UTC. Raises ``Invalid`` (``ordering.time``, ``time.zone_missing``)."""
    return msgspec.structs.replace(
        request,
        requested_at=_utc(request.requested_at, "requestedAt"),
        items=tuple(
            msgspec.structs.replace(
                item,
                overrides=tuple(
                    msgspec.structs.replace(one, until=_utc(one.until, "until")) for one in item.overrides
                ),
            )
            if item.overrides
            else item
            for item in request.items
        ),
    )


def _utc(at: datetime | None, name: str) -> datetime | None:
    if at is None:
        return None
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        message = f"the year is outside {FIRST_YEAR} to {LAST_YEAR}"
        raise Invalid(message, code="ordering.time", field=name, value=at.isoformat())
    return as_utc(at, field=name)


def check_order(request: OrderRequest, known: Situation) -> tuple[Refusal, ...]:
    """Return every reason against the order, in the order of its items; empty where it can be taken."""
    found = [*_order(request, known), *known.refusals]
    for number, item in enumerate(request.items, 1):
        at = starts_at(request, known) if request.requested_at is None else request.requested_at
        found += _prefixed(number, len(request.items), _item(item, number, request, known, at))
    return tuple(dict.fromkeys(found))


def starts_at(request: OrderRequest, known: Situation) -> datetime:
    """Return when the work is due: the date that was asked for, or as soon as the notice periods allow."""
    if request.requested_at is not None:
        return request.requested_at
    return max((_soonest(item, known) for item in request.items), default=known.now)


def _soonest(item: ItemRequest, known: Situation) -> datetime:
    held = None if item.product_id is None else known.held.get(item.product_id)
    if item.action is not Action.CEASE or held is None:
        return known.now
    commitment = held.product.commitment
    if item.withdrawal is not False and may_withdraw(commitment, known.now, known.tz):
        return known.now
    return earliest_cease(commitment, known.now, known.tz)


def _prefixed(number: int, count: int, refusals: Iterator[Refusal]) -> Iterator[Refusal]:
    for one in refusals:
        name = f"items[{number}].{one.field}"
        said = one.message if count == 1 else f"item {number}: {one.message}"
        yield Refusal(one.code, said, name, one.value, one.fix)


def _order(request: OrderRequest, known: Situation) -> Iterator[Refusal]:
    if not 1 <= len(request.items) <= MAX_ITEMS:
        yield Refusal(
            "ordering.items",
            f"an order has 1 to {MAX_ITEMS:,} items",
            "items",
            str(len(request.items)),
            "add what is ordered",
        )
    if known.account.state is not AccountState.ACTIVE:
        number = known.account.number
        yield Refusal(
            "ordering.account_closed", f"the account {number} is closed", "account", number, "use another"
        )
    if request.requested_at is not None:
        yield from _date(request.requested_at, known)
    products = [item.product_id for item in request.items if item.product_id is not None]
    for twice in sorted({one for one in products if products.count(one) > 1}):
        yield Refusal(
            "ordering.product_twice",
            "the order names a product twice",
            "items",
            str(twice),
            "order one change after the other",
        )


def _date(at: datetime, known: Situation) -> Iterator[Refusal]:
    first = known.now - timedelta(days=known.policy.back_dated_days)
    last = known.now + timedelta(days=known.policy.ahead_days)
    if at < first:
        fix = f"not before {first.isoformat()}"
        yield Refusal("ordering.too_early", "the date is too long ago", "requested_at", at.isoformat(), fix)
    if at > last:
        fix = f"not after {last.isoformat()}"
        yield Refusal("ordering.too_late", "the date is too far ahead", "requested_at", at.isoformat(), fix)


def _item(
    item: ItemRequest, number: int, request: OrderRequest, known: Situation, at: datetime
) -> Iterator[Refusal]:
    missing, unused = _field_names(item)
    for name in missing:
        fix = f"say which {name.removesuffix('_id')}"
        yield Refusal("ordering.field_missing", f"{item.action} needs {name}", name, "", fix)
    for name in unused:
        fix = "leave it out"
        yield Refusal("ordering.field_unused", f"{item.action} does not read {name}", name, "", fix)
    sold = known.sold.get(number)
    if sold is not None:
        yield from _currency(sold, known)
    if item.product_id is not None:
        held = known.held.get(item.product_id)
        if held is None:
            yield _unknown(item.product_id)
            return
        line = _Line(item, held, known, at)
        yield from _product(line)
        yield from _CHECKS.get(item.action, _nothing)(line)
    else:
        yield from _added(item, request, known)
    specification = sold.product_specification if sold is not None else None
    yield from _characteristics(item, known, specification.characteristics if specification else None)
    yield from _overrides(item.overrides, item, known, sold.plan_version if sold is not None else None, at)


def _field_names(item: ItemRequest) -> tuple[list[str], list[str]]:
    needed, allowed = FIELDS[item.action]
    given = {name for name in _ALL if getattr(item, name) not in (None, "", (), {})}
    return sorted(needed - given), sorted(given - needed - allowed)


def _unknown(product_id: ProductId) -> Refusal:
    fix = "farwire account show lists what the account has"
    message = "the account has no such product"
    return Refusal("ordering.product_unknown", message, "product_id", str(product_id), fix)


def _currency(sold: Sellable, known: Situation) -> Iterator[Refusal]:
    plan, books = sold.plan_version.plan.currency, known.account.currency.code
    if plan != books:
        yield Refusal(
            "ordering.currency",
            f"{sold.offering.code} is priced in {plan}, the account is billed in {books}",
            "offering",
            sold.offering.code,
            f"order an offering in {books}, or for an account of the company that bills in {plan}",
        )


def _added(item: ItemRequest, request: OrderRequest, known: Situation) -> Iterator[Refusal]:
    if item.number and _NUMBER.fullmatch(item.number) is None:
        fix = "6 to 15 digits with the country code, e.g. 4915112345678"
        yield Refusal("ordering.number", "this is no phone number", "number", item.number, fix)
    elif item.number and (
        item.number in known.taken or [one.number for one in request.items].count(item.number) > 1
    ):
        fix = "cease the product that has it first"
        yield Refusal("ordering.number_taken", "the number is in use", "number", item.number, fix)
    if item.parent is None:
        return
    parents = [n for n, one in enumerate(request.items, 1) if one.action is Action.ADD and one is not item]
    if item.parent not in parents:
        fix = f"one of {', '.join(map(str, parents))}" if parents else "order the bundle with it"
        yield Refusal("ordering.parent", "no such item adds a bundle", "parent", str(item.parent), fix)


def _product(line: _Line) -> Iterator[Refusal]:
    if (other := line.known.busy.get(line.held.product.id)) is not None:
        fix = f"wait until it is completed, or farwire order cancel {other}"
        message = "another open order changes this product"
        yield Refusal("ordering.product_busy", message, "product_id", str(line.held.product.id), fix)
    if not line.held.product.active_at(line.at):
        ended = line.held.product.ended_at
        fix = f"it ended at {ended.isoformat()}" if ended else f"it starts at {line.held.product.started_at}"
        message = "the product does not run then"
        yield Refusal("ordering.product_inactive", message, "product_id", str(line.held.product.id), fix)


def _change(line: _Line) -> Iterator[Refusal]:
    if line.item.offering == line.held.offering:
        fix = "order another offering, or modify its prices"
        yield Refusal(
            "ordering.same_offering", "the product has this offering", "offering", line.item.offering, fix
        )


def _modify(line: _Line) -> Iterator[Refusal]:
    if not line.item.overrides and not line.item.characteristics:
        fix = "give overrides or characteristics"
        yield Refusal("ordering.nothing", "nothing would be modified", "overrides", "", fix)


def _suspend(line: _Line) -> Iterator[Refusal]:
    if line.item.reason in line.held.product.suspended_for(line.at):
        message = f"the product is suspended for {line.item.reason} already"
        yield Refusal("ordering.suspended", message, "reason", str(line.item.reason), "nothing is to be done")
    if line.item.recurring_percent is not None and not 0 <= line.item.recurring_percent <= 100:
        value = str(line.item.recurring_percent)
        message = "a suspension charges 0 to 100 percent"
        yield Refusal("ordering.percent", message, "recurring_percent", value, "0 to 100")


def _resume(line: _Line) -> Iterator[Refusal]:
    reasons = line.held.product.suspended_for(line.at)
    if line.item.reason is not None and line.item.reason not in reasons:
        fix = f"it is suspended for {', '.join(sorted(reasons))}" if reasons else "it is not suspended"
        message = f"the product is not suspended for {line.item.reason} then"
        yield Refusal("ordering.not_suspended", message, "reason", str(line.item.reason), fix)


def _cease(line: _Line) -> Iterator[Refusal]:
    commitment = line.held.product.commitment
    withdraws = may_withdraw(commitment, line.at, line.known.tz)
    if line.item.withdrawal and not withdraws:
        days = commitment.withdrawal_days if commitment else 0
        message = f"the product can be withdrawn from within {days} days of its start"
        yield Refusal("ordering.withdrawal_over", message, "withdrawal", line.at.isoformat(), "cease it")
    if line.item.withdrawal is not False and withdraws:
        return
    if commitment is None or commitment.notice_days == 0:
        return  # nothing was agreed that a back-dated cease would break
    earliest = earliest_cease(commitment, line.known.now, line.known.tz)
    if line.at < earliest:
        message = f"a cease is asked for {commitment.notice_days} days before"
        fix = f"not before {earliest.isoformat()}"
        yield Refusal("ordering.notice", message, "requested_at", line.at.isoformat(), fix)


def _move(line: _Line) -> Iterator[Refusal]:
    if line.item.place and line.item.place == line.held.product.place_at(line.at):
        yield Refusal("ordering.same_place", "the product is there", "place", "", "name another place")


def _nothing(_line: _Line) -> Iterator[Refusal]:
    return iter(())


_CHECKS: Final[Mapping[Action, Callable[[_Line], Iterator[Refusal]]]] = {
    Action.CHANGE: _change,
    Action.MODIFY: _modify,
    Action.MOVE: _move,
    Action.SUSPEND: _suspend,
    Action.RESUME: _resume,
    Action.CEASE: _cease,
}


def _characteristics(
    item: ItemRequest, known: Situation, characteristics: Sequence[Characteristic] | None
) -> Iterator[Refusal]:
    if item.place and (len(item.place) > MAX_PLACE or not item.place.isprintable() or not item.place.strip()):
        fix = f"1 to {MAX_PLACE} printable characters"
        yield Refusal("ordering.place", "this is no place", "place", item.place[:40], fix)
    if characteristics is None:
        held = None if item.product_id is None else known.held.get(item.product_id)
        characteristics = held.characteristics if held else ()
    _, refusals = configure(characteristics, item.characteristics)
    # What an existing product has is kept: only what is chosen anew is checked.
    new = item.action in (Action.ADD, Action.CHANGE)
    for one in refusals:
        if new or one.code != "catalog.characteristic_missing":
            yield Refusal(one.code, one.message, f"characteristics.{one.field}", one.value, one.fix)


def _payable(amount: Decimal) -> bool:
    """Return whether it is a price: finite, 0 to 10⁹, at most nine decimals."""
    return amount.is_finite() and 0 <= amount <= 10**9 and -int(amount.as_tuple().exponent) <= 9


def _overrides(
    changes: Sequence[PriceChange],
    item: ItemRequest,
    known: Situation,
    version: PlanVersion | None,
    at: datetime,
) -> Iterator[Refusal]:
    if version is None and item.product_id is not None and item.product_id in known.held:
        version = known.held[item.product_id].version
    for i, change in enumerate(changes):
        name = f"overrides[{i}]"
        if version is not None and version.plan.price(change.price_id) is None:
            plan = version.plan
            ids = [one.id for one in plan.recurring] + [one.id for one in plan.one_off]
            fix = f"one of {', '.join([*ids, *(one.id for one in plan.usage)])}"
            message = f"the plan has no price {change.price_id}"
            yield Refusal("ordering.price_unknown", message, f"{name}.price_id", change.price_id, fix)
        wanted = change.price if change.price is not None else change.percent
        both = (change.price is None) == (change.percent is None)
        if both or wanted is None or not _payable(wanted):
            message = "an override has either a price or a percentage, 0 to 10⁹ with at most nine decimals"
            yield Refusal("ordering.override", message, name, change.price_id, "give one of them")
        if not change.reason.strip() or len(change.reason) > MAX_TEXT:
            message = "an override says why"
            yield Refusal("ordering.override_reason", message, f"{name}.reason", "", "give a reason")
        if change.until is not None and change.until <= at:
            message = "the override would end before it begins"
            value = change.until.isoformat()
            yield Refusal("ordering.override_over", message, f"{name}.until", value, "name a later time")
