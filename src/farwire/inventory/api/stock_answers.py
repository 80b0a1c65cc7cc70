"""What the tasks of TMF687 answer that change nothing: is it in stock, and which stocks are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from farwire.base.storage import Tx
from farwire.base.tmf import Act, Document, Target, stored_time
from farwire.base.tmf.documents import load
from farwire.base.tmf_tasks import DONE, FAILED, REFUSED, Task, in_worker
from farwire.base.tmf_work import equal_documents
from farwire.inventory.api.stock_work import STOCK, failed, items_of, place_of, stocks_of, text_at
from farwire.inventory.model.stock import Stock, holds, level_of, plain, quantity_of
from farwire.kernel.errors import Invalid

SHOWN: Final = 1000
"""Stocks that one query answers with."""
_CRITERIA: Final = (
    *("id", "name", "productStockStatusType", "productStockUsageType", "stockLevelCategory"),
    *("stockedProduct.id", "stockedProduct.productSpecification.id", "stockedProduct.productOffering.id"),
)


async def check(tx: Tx, task: Document, act: Act) -> Document:
    """Say of each item whether it is in stock, and where else if alternatives are wanted."""
    items = []
    for item in items_of(task, "checkProductStockItem"):
        try:
            items.append(await _checked(tx, task, item))
        except REFUSED as error:
            items.append(failed(item, "state", error))
    wrong = any(item["state"] == FAILED for item in items)
    return {
        **task,
        "state": FAILED if wrong else DONE,
        "checkProductStockItem": items,
        "completedCheckProductStockDate": stored_time(act.now),
    }


async def _checked(tx: Tx, task: Document, item: Document) -> Document:
    amount = quantity_of(item.get("requestedQuantity"), default=Decimal(1))
    wanted = item.get("checkedProductStock")
    wanted = wanted if isinstance(wanted, Mapping) else {}
    key, place = text_at(wanted, "id"), place_of(wanted) or place_of(task)
    one = None if key is None else await load(tx, STOCK, key)
    product = wanted.get("stockedProduct") if one is None else one["stockedProduct"]
    found: Sequence[Stock] = [one] if one else await stocks_of(tx, product, place)
    if any(holds(stock, amount) for stock in found):
        return {**item, "state": DONE, "availabilityResult": "available"}
    others: list[Document] = []
    if item.get("provideAlternative", task.get("provideAlternative")):
        elsewhere = await stocks_of(tx, product, None) if product else found
        others = [_alternate(stock) for stock in elsewhere if level_of(stock) > 0 or _promised(stock)]
    result = {"availabilityResult": "alternate", "alternate": others} if others else {}
    return {**item, "state": DONE, "availabilityResult": "notAvailable", **result}


def _promised(stock: Stock) -> bool:
    return stock.get("replenishmentDate") is not None


def _alternate(stock: Stock) -> Document:
    """Return how much another stock has, or when this one has some again."""
    told: Document = {
        "@type": "AlternateProductStock",
        "alternateStock": {"@type": "ProductStockRef", "id": stock["id"]},
        "alternateQuantity": {**stock["productStockLevel"], "amount": plain(level_of(stock))},
    }
    if _promised(stock):
        told["alternateAvailabilityDate"] = stock["replenishmentDate"]
    return told


async def query(tx: Tx, task: Document, act: Act) -> Document:
    """List the stocks that fit what is searched for."""
    criteria = task["searchCriteria"]
    named = {path: text_at(criteria, path) for path in _CRITERIA}
    values = {path: text for path, text in named.items() if text is not None}
    place = place_of(criteria)
    values |= {"place.place.id": place} if place else {}
    if not values:
        raise Invalid(
            "names nothing that stocks are searched by",
            code="inventory.criteria",
            field="$.searchCriteria",
            fix="use one of: place.id, " + ", ".join(_CRITERIA),
        )
    found = await equal_documents(tx, STOCK, values, SHOWN)
    return {
        **task,
        "queryProductStockItem": list(found),
        "completedQueryProductStockDate": stored_time(act.now),
    }


CHECK: Final = Task(Target("687", "CheckProductStock"), check, due=in_worker("instantSyncCheck"))
QUERY: Final = Task(Target("687", "QueryProductStock"), query, due=in_worker("instantSyncCheck"))
