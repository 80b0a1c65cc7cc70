"""The items of a TMF622 product order, read into ours and shown.

add: an offering. modify: another offering, another place, a suspension (``product.status`` suspended, active again),
other characteristics or prices. delete: a cease.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from farwire.base.tmf import Document
from farwire.inventory.model import SuspensionReason
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import ProductId, parse_id
from farwire.ordering.model import Action, ItemRequest, ItemState, OrderItem, PriceChange

MSISDN: Final = "msisdn"
"""The characteristic of a number that the customer brings."""
PART_OF: Final = "isPartOf"
_TMF_ACTION: Final[Mapping[Action, str]] = {Action.ADD: "add", Action.CEASE: "delete"}
_STATES: Final[Mapping[ItemState, str]] = {
    ItemState.IN_PROGRESS: "inProgress",
    ItemState.ROLLING_BACK: "pendingCancellation",
    ItemState.ROLLBACK_FAILED: "held",
}
_STATUS: Final[Mapping[Action, str]] = {Action.SUSPEND: "suspended", Action.RESUME: "active"}


def wrong(path: str, message: str, *, value: object = None, fix: str | None = None) -> Invalid:
    """Return the refusal of a part of an item."""
    return Invalid(message, code="ordering.item", field=path, value=value, fix=fix)


@dataclass(frozen=True, slots=True)
class Line:
    """One item as it came: its own id, its path in the document, the id of the item that it is a part of."""

    key: str
    path: str
    item: Document
    parent: str = ""


def lines(items: Sequence[Document]) -> Iterator[Line]:
    """Yield the items. Raises ``Invalid`` (``ordering.item``) for items inside of items: name the bundle instead."""
    for number, item in enumerate(items):
        place = f"$.productOrderItem[{number}]"
        if item.get("productOrderItem"):
            fix = "name the bundle, or relate the items by productOrderItemRelationship isPartOf"
            raise wrong(f"{place}.productOrderItem", "an item has no items inside", fix=fix)
        key = item.get("id") or str(number + 1)
        related = item.get("productOrderItemRelationship") or []
        above = [one.get("id") for one in related if one.get("relationshipType") == PART_OF]
        yield Line(str(key), place, item, str(above[0]) if above else "")


def offering_ids(found: Sequence[Line]) -> list[tuple[str, str]]:
    """Return (path, id) of every offering that is named."""
    named = [(one.path, (one.item.get("productOffering") or {}).get("id")) for one in found]
    return [(f"{path}.productOffering.id", str(key)) for path, key in named if key]


def from_tmf_items(found: Sequence[Line], codes: Mapping[str, str]) -> tuple[ItemRequest, ...]:
    """Return the items as ordering knows them; ``codes`` are those of the offerings by id."""
    numbers = {one.key: number for number, one in enumerate(found, 1)}
    if len(numbers) < len(found):
        raise wrong("$.productOrderItem", "two items have the same id")
    return tuple(_request(one, codes, numbers) for one in found)


def _request(line: Line, codes: Mapping[str, str], numbers: Mapping[str, int]) -> ItemRequest:
    item, product = line.item, line.item.get("product") or {}
    if item.get("quantity", 1) != 1:
        raise wrong(f"{line.path}.quantity", "an item is about one product", fix="write one item for each")
    offering = codes.get(str((item.get("productOffering") or {}).get("id")), "")
    action = _action(line, offering)
    key = product.get("id") if action is not Action.ADD else None
    characteristics = _characteristics(line, product)
    number = str(characteristics.pop(MSISDN, "")) if action is Action.ADD else ""
    if line.parent and line.parent not in numbers:
        raise wrong(f"{line.path}.productOrderItemRelationship", "no item has this id", value=line.parent)
    reason = product.get("statusReason")
    return ItemRequest(
        action=action,
        offering=offering if action in (Action.ADD, Action.CHANGE) else "",
        product_id=None if key is None else ProductId(parse_id(key, field=f"{line.path}.product.id")),
        parent=numbers[line.parent] if line.parent else None,
        number=number.removeprefix("+"),
        place=_place(product) if action in (Action.ADD, Action.MOVE) else "",
        characteristics=characteristics,
        overrides=tuple(_prices(line, product)),
        reason=_reason(line, reason) if action in _STATUS else None,
        withdrawal=True if action is Action.CEASE and reason == "withdrawal" else None,
    )


def _action(line: Line, offering: str) -> Action:
    item, product = line.item, line.item.get("product") or {}
    match item.get("action"):
        case "add":
            return Action.ADD
        case "delete":
            return Action.CEASE
        case "modify" if product.get("status") == "suspended":
            return Action.SUSPEND
        case "modify" if product.get("status") == "active":
            return Action.RESUME
        case "modify" if offering:
            return Action.CHANGE
        case "modify" if product.get("place"):
            return Action.MOVE
        case "modify":
            return Action.MODIFY
    fix = "use one of: add, modify, delete; leave out what does not change"
    raise wrong(f"{line.path}.action", "the action is not known", value=item.get("action"), fix=fix)


def _reason(line: Line, text: str | None) -> SuspensionReason:
    try:
        return SuspensionReason(text or "customer")
    except ValueError:
        fix = "use one of: " + ", ".join(SuspensionReason)
        raise wrong(f"{line.path}.product.statusReason", "not a reason", value=text, fix=fix) from None


def _characteristics(line: Line, product: Document) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, one in enumerate(product.get("productCharacteristic") or []):
        path = f"{line.path}.product.productCharacteristic[{number}]"
        name, value = one.get("name"), one.get("value")
        if isinstance(value, Decimal):
            value = f"{value:f}"
        if not isinstance(name, str) or not isinstance(value, (str, int)) or name in found:
            raise wrong(path, "a characteristic has a name of its own and a plain value")
        found[name] = value
    return found


def _place(product: Document) -> str:
    places = product.get("place") or [{}]
    inner = places[0].get("place") if isinstance(places[0].get("place"), dict) else {}
    return str(inner.get("name") or inner.get("id") or "")


def _prices(line: Line, product: Document) -> Iterator[PriceChange]:
    for number, one in enumerate(product.get("productPrice") or []):
        path = f"{line.path}.product.productPrice[{number}]"
        try:
            price, until = one.get("price") or {}, (one.get("validFor") or {}).get("endDateTime")
            money = price.get("dutyFreeAmount") or price.get("taxIncludedAmount") or {}
            amount, percent = money.get("value"), price.get("percentage")
            yield PriceChange(
                price_id=str(one["productOfferingPrice"]["id"]),
                reason=str(one.get("description", "")),
                price=None if amount is None else Decimal(str(amount)),
                percent=None if percent is None else Decimal(str(percent)),
                until=None if until is None else datetime.fromisoformat(until),
            )
        except (AttributeError, KeyError, TypeError, ValueError, ArithmeticError):
            message = "a price names its productOfferingPrice.id and has an amount or a percentage"
            raise wrong(path, message) from None


def to_tmf_item(item: OrderItem, keys: Sequence[str], offering_id: str | None) -> Document:
    """Return an item as TMF622 shows it; ``keys`` are the ids that the client gave the items."""
    asked = item.request
    product: Document = {"@type": "ProductRef" if asked.action is not Action.ADD else "Product"}
    product["id"] = str(item.product_id)
    named = [*asked.characteristics.items(), *([(MSISDN, asked.number)] if asked.number else [])]
    if named:
        product["productCharacteristic"] = [{"name": name, "value": value} for name, value in named]
    if asked.place:
        product["place"] = [{"role": "installation", "place": {"@type": "PlaceRef", "name": asked.place}}]
    if asked.overrides:
        product["productPrice"] = [_price(one) for one in asked.overrides]
    if asked.action in _STATUS:
        product |= {"status": _STATUS[asked.action], "statusReason": asked.reason}
    document: Document = {
        "id": _key(item.number, keys),
        "action": _TMF_ACTION.get(asked.action, "modify"),
        "quantity": 1,
        "state": _STATES.get(item.state, item.state.value),
        "product": product,
    }
    if offering_id is not None:
        document["productOffering"] = {"id": offering_id, "name": asked.offering}
    if asked.parent is not None:
        above = {"id": _key(asked.parent, keys), "relationshipType": PART_OF}
        document["productOrderItemRelationship"] = [above]
    return document


def _key(number: int, keys: Sequence[str]) -> str:
    return keys[number - 1] if number <= len(keys) else str(number)


def _price(one: PriceChange) -> Document:
    document: Document = {"productOfferingPrice": {"id": one.price_id}, "description": one.reason}
    if one.price is not None:
        document["price"] = {"dutyFreeAmount": {"value": one.price}}
    if one.percent is not None:
        document["price"] = {"percentage": one.percent}
    if one.until is not None:
        document["validFor"] = {"endDateTime": one.until.isoformat()}
    return document
