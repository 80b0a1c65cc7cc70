"""TMF677: what is used up and what is left, of the accounts that a query names, as their shards have it now.

A query or report that names no account of ours is somebody else's: it is kept as a document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from farwire.base.authz import Permission
from farwire.base.canonical import stored_time
from farwire.base.storage import Tx
from farwire.base.tmf import Act, Api, Document, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.charging.api.buckets import (
    NUMBER,
    PARTY_ACCOUNT,
    PRODUCT,
    Standing,
    behind,
    buckets_of,
    quantity,
    standing,
    wanted_accounts,
)
from farwire.charging.api.tmf654_reading import microseconds
from farwire.charging.api.tmf677_tables import QUERY_USAGE_CONSUMPTION, USAGE_CONSUMPTION_REPORT
from farwire.charging.model import Unit

_BY: Final = {"partyAccount": PARTY_ACCOUNT, "product": PRODUCT, "logicalResource": NUMBER}


def _named(*documents: Document) -> Mapping[str, tuple[str, ...]]:
    """Return the filters that the references of some documents are."""
    found: dict[str, tuple[str, ...]] = {}
    for document in documents:
        for name, path in _BY.items():
            values = tuple(value for one in _list(document.get(name)) for value in _values(one))
            if values:
                found[path] = (*found.get(path, ()), *values)
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _values(one: Any) -> Iterator[str]:
    """Yield what a reference names: an id, or the value of a number."""
    for name in ("value", "id"):
        if isinstance(one, dict) and isinstance(one.get(name), str):
            yield one[name]
            return


async def _standings(tx: Tx, *documents: Document) -> list[Standing]:
    named = _named(*documents)
    return await standing(tx, await wanted_accounts(tx, named)) if named else []


def report_of(one: Standing, act: Act) -> Document:
    """Return what an account has used and has left."""
    now = stored_time(act.now)
    shown = behind(one.account, one.identities)
    document: Document = {
        "@type": "UsageConsumptionReport",
        "name": f"usage consumption of {one.account.number}",
        "effectiveDate": now,
        "bucket": [
            bucket | {"bucketCounter": _counters(one, bucket)}
            for bucket in buckets_of(one, microseconds(act.now))
        ],
    }
    if "logicalResource" in shown:
        document["logicalResource"] = [item | {"value": item["id"]} for item in shown["logicalResource"]]
    if "partyAccount" in shown:
        document["partyAccount"] = [shown["partyAccount"]]
    if "product" in shown:
        document["product"] = shown["product"]
    return document


def _counters(one: Standing, bucket: Document) -> list[Document]:
    """Return what open sessions have used of a bucket and hold of it."""
    number = int(bucket["id"].rpartition("-")[2])
    balance = one.state.balance(number)
    if balance is None:
        return []
    holds = [
        hold
        for session in one.state.sessions
        if not session.ended
        for group in session.groups
        for hold in group.holds
        if (hold.account, hold.balance) == (one.account.number, number)
    ]
    used = sum(hold.charged for hold in holds)
    counters = {"usedByOpenSessions": used, "heldByOpenSessions": balance.reserved}
    return [
        {"counterType": name, "value": quantity(amount, Unit(balance.unit), one.account.currency)}
        for name, amount in counters.items()
    ]


async def query(tx: Tx, document: Document, act: Act) -> Document:
    """Answer a query at once: one report for each account that its criteria name."""
    standings = await _standings(tx, document.get("searchCriteria") or {}, document)
    if not standings:
        return document
    return {**document, "usageConsumption": [report_of(one, act) for one in standings], "state": "done"}


async def report(tx: Tx, document: Document, act: Act) -> Document:
    """Fill a report with the buckets of the accounts that it names, as they stand."""
    standings = await _standings(tx, document)
    if not standings:
        return document
    filled = [report_of(one, act) for one in standings]
    buckets = [bucket for one in filled for bucket in one["bucket"]]
    return {"name": filled[0]["name"], **document, "bucket": buckets, "effectiveDate": stored_time(act.now)}


API: Final = Api(
    number="677",
    title="Usage consumption",
    path="usageConsumption",
    resources=(
        Resource(
            QUERY_USAGE_CONSUMPTION, "charging", Permission.BALANCE_READ, Permission.BALANCE_WRITE, work=query
        ),
        Resource(
            USAGE_CONSUMPTION_REPORT,
            "charging",
            Permission.BALANCE_READ,
            Permission.BALANCE_WRITE,
            work=report,
        ),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
