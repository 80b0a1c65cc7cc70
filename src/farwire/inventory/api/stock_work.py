"""What the tasks of TMF687 do with stocks: adjust, reserve and give back; all of a task or nothing of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from farwire.base.storage import Tx
from farwire.base.tmf import Act, Document, Target, stored_time
from farwire.base.tmf_tasks import DONE, FAILED, REFUSED, Task, in_worker, not_before
from farwire.base.tmf_work import change_documents, equal_documents, locked, served
from farwire.inventory.model.stock import OutOfStock, Stock, holds, moved, plain, quantity_of
from farwire.kernel.errors import FarwireError, Invalid

STOCK: Final = Target("687", "ProductStock")
STATE: Final = "reserveProductStockState"
CANCELLED: Final = "cancelled"
MOST: Final = 100
"""Stocks of one product that are looked at for one item, and items of a task."""
_PRODUCT: Final = ("id", "productSpecification.id", "productOffering.id")


def _due(flag: str, date: str) -> Any:
    later, background = not_before(date), in_worker(flag)
    return lambda task, now: later(task, now) or background(task, now)


async def check_stock(_tx: Tx, stock: Document) -> None:
    """Raise ``Invalid`` (``inventory.stock_negative``) for a stock with less than nothing in it."""
    amount = (stock.get("productStockLevel") or {}).get("amount", 0)
    if amount < 0:
        raise Invalid(
            "a stock has nothing or more",
            code="inventory.stock_negative",
            field="$.productStockLevel.amount",
            value=amount,
        )


def text_at(document: object, path: str) -> str | None:
    """Return the text at a dotted path, or None."""
    for name in path.split("."):
        document = document.get(name) if isinstance(document, Mapping) else None
    return document if isinstance(document, str) else None


def place_of(document: Mapping[str, Any]) -> str | None:
    """Return the id of the place of a stock or a task, as either version writes it."""
    return text_at(document, "place.place.id") or text_at(document, "place.id")


async def stocks_of(tx: Tx, product: object, place: str | None) -> Sequence[Stock]:
    """Return stocks of a product, named by itself, its specification or its offering, in a place if one is named."""
    values = {
        f"stockedProduct.{path}": found for path in _PRODUCT if (found := text_at(product, path)) is not None
    }
    if not values:
        raise Invalid(
            "names no stock and no product", code="inventory.stock_unnamed", field="product", fix="name one"
        )
    return await equal_documents(tx, STOCK, values | ({"place.place.id": place} if place else {}), MOST)


def items_of(task: Document, name: str) -> list[Document]:
    """Return the items of a task. Raises ``Invalid`` (``inventory.too_many_items``)."""
    items: list[Document] = task[name]
    if len(items) > MOST:
        raise Invalid(f"a task has at most {MOST} items", code="inventory.too_many_items", field=f"$.{name}")
    return items


def failed(item: Document, state: str, error: FarwireError | None) -> Document:
    """Return an item that was not done, with why; without a reason, others of its task were not."""
    why = "nothing was done, because another item of the task failed"
    told = {"id": "inventory.task_failed", "value": why}
    if error is not None:
        told = {"id": error.code, "value": error.message}
    return {**item, state: FAILED, "terminationError": [told]}


class Moves:
    """Changes of locked stocks that are made together or not at all."""

    def __init__(self, stocks: dict[str, Stock]) -> None:
        self.stocks = stocks
        self.errors: dict[int, FarwireError] = {}

    def move(self, key: str | None, amount: Decimal, units: object) -> None:
        """Change the level of one stock."""
        if key is None or key not in self.stocks:
            raise Invalid(
                "there is no stock with this id", code="inventory.stock_unknown", field="id", value=key
            )
        self.stocks[key] = moved(self.stocks[key], amount, units)

    async def keep(self, tx: Tx, act: Act) -> None:
        """Keep the stocks as they are now."""
        api, resource = served(STOCK)
        stocks = {key: {**one, "lastUpdate": stored_time(act.now)} for key, one in self.stocks.items()}
        await change_documents(tx, api, resource, list(stocks), lambda one: stocks[one["id"]], act)


async def adjust(tx: Tx, task: Document, act: Act) -> Document:
    """Adjust every stock that the task names, or none."""
    items = items_of(task, "adjustProductStockItem")
    keys = [text_at(item, "productStockTarget.id") for item in items]
    moves = Moves(await locked(tx, STOCK, [key for key in keys if key]))
    for number, (item, key) in enumerate(zip(items, keys, strict=True)):
        quantity = item.get("adjustProductStockQuantity")
        try:
            moves.move(key, quantity_of(quantity, signed=True), _units(quantity))
        except REFUSED as error:
            moves.errors[number] = error
    now = {"completedAdjustProductStockDate": stored_time(act.now)}
    if moves.errors:
        told = [failed(item, "state", moves.errors.get(n)) for n, item in enumerate(items)]
        return {**task, **now, "state": FAILED, "adjustProductStockItem": told}
    await moves.keep(tx, act)
    return {**task, **now, "adjustProductStockItem": [{**item, "state": DONE} for item in items]}


def _units(quantity: object) -> object:
    return quantity.get("units") if isinstance(quantity, Mapping) else None


async def reserve(tx: Tx, task: Document, act: Act) -> Document:
    """Reserve everything that the task asks for, or nothing: of two at once for the last one, one gets it."""
    items, end = items_of(task, "reserveProductStockItem"), ends(task)
    if end is not None and datetime.fromisoformat(end) <= act.now:
        raise Invalid(
            "the reservation would be over", code="inventory.reservation", field="$.validFor", value=end
        )
    moves = Moves({})
    wanted = [await _candidates(tx, task, item, n, moves) for n, item in enumerate(items)]
    moves.stocks = await locked(tx, STOCK, [key for keys in wanted for key in keys])
    done: list[Document] = []
    for number, (item, keys) in enumerate(zip(items, wanted, strict=True)):
        try:
            done.append(item if number in moves.errors else _reserved(item, keys, moves))
        except REFUSED as error:
            moves.errors[number] = error
    if moves.errors:
        told = [failed(item, STATE, moves.errors.get(n)) for n, item in enumerate(items)]
        return {**task, STATE: FAILED, "reserveProductStockItem": told}
    await moves.keep(tx, act)
    return {**task, "reserveProductStockItem": done}


async def _candidates(tx: Tx, task: Document, item: Document, number: int, moves: Moves) -> list[str]:
    """Return the ids of the stocks that an item may be taken from."""
    key = text_at(item, "productStockRequested.id")
    if key is not None:
        return [key]
    try:
        return sorted(one["id"] for one in await stocks_of(tx, item.get("requestedProduct"), place_of(task)))
    except REFUSED as error:
        moves.errors[number] = error
        return []


def _reserved(item: Document, keys: Sequence[str], moves: Moves) -> Document:
    quantity = item.get("quantityRequested")
    amount = quantity_of(quantity, default=Decimal(1))
    key = next((one for one in keys if one in moves.stocks and holds(moves.stocks[one], amount)), None)
    if key is None and any(one in moves.stocks for one in keys):
        raise OutOfStock(f"no stock has {plain(amount)}", field="quantityRequested", value=str(amount))
    moves.move(key, -amount, _units(quantity))
    held = {"amount": plain(amount)} | ({"units": _units(quantity)} if _units(quantity) else {})
    stock = {"@type": "ProductStockRef", "id": key}
    return {**item, STATE: DONE, "quantityReserved": held, "productStockReserved": stock}


async def give_back(tx: Tx, task: Document, act: Act) -> Document:
    """Return a reservation that holds nothing any more. A stock that is gone takes nothing back."""
    items = task["reserveProductStockItem"]
    held = [(text_at(item, "productStockReserved.id"), item.get("quantityReserved")) for item in items]
    moves = Moves(await locked(tx, STOCK, [key for key, _ in held if key]))
    for key, quantity in held:
        if key in moves.stocks and quantity and quantity["amount"]:
            moves.move(key, quantity_of(quantity), None)
    await moves.keep(tx, act)
    told = [
        {**item, STATE: CANCELLED, "quantityReserved": {**(item.get("quantityReserved") or {}), "amount": 0}}
        for item in items
    ]
    return {**task, STATE: CANCELLED, "reserveProductStockItem": told}


async def change_reservation(tx: Tx, before: Document, after: Document, act: Act) -> Document:
    """Cancel a reservation, or let it end at another time; what it holds is not changed otherwise."""
    if after["reserveProductStockItem"] != before["reserveProductStockItem"]:
        raise Invalid(
            "what is reserved stays as it is",
            code="inventory.reservation",
            field="$.reserveProductStockItem",
            fix="cancel it and reserve again",
        )
    if after[STATE] == CANCELLED != before[STATE]:
        return await give_back(tx, after, act)
    if after[STATE] == DONE and ends(after) != ends(before):
        await RESERVE.watch(tx, after, act)
    return after


def ends(task: Document) -> str | None:
    """Return when a reservation is given back by itself."""
    return text_at(task, "validFor.endDateTime")


ADJUST: Final = Task(
    Target("687", "AdjustProductStock"),
    adjust,
    due=_due("instantSyncAdjust", "requestedAdjustProductStockDate"),
)
RESERVE: Final = Task(Target("687", "ReserveProductStock"), reserve, state=STATE, until=ends, over=give_back)
