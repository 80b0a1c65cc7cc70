"""TMF677: what is used up and what is left, of the accounts that a query names, as their shards have it now.

A query or report that names no account of ours is somebody else's: it is kept as a document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from farwire.base.authz import Permission
from farwire.base.canonical import stored_time
from farwire.base.storage import Tx
from farwire.base.tmf import Act, Api, Document, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.charging import service
from farwire.charging.api.buckets import (
    NUMBER,
    PARTY_ACCOUNT,
    PRODUCT,
    Standing,
    behind,
    buckets_of,
    check_few,
    parsed,
    quantity,
    standing,
    uuids,
    wanted_accounts,
)
from farwire.charging.api.tmf677_tables import QUERY_USAGE_CONSUMPTION, USAGE_CONSUMPTION_REPORT
from farwire.charging.model import Unit
from farwire.charging.model.pricing import microseconds
from farwire.charging.service import ChargingAccount
from farwire.charging.service.movements import used_of
from farwire.kernel.ids import PartyId

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


async def _standings(tx: Tx, criteria: Document, *others: Document) -> list[Standing]:
    """Return the accounts that documents name: by what is closest, else by the party of ``criteria``."""
    named = _named(criteria, *others)
    if named:
        return await standing(tx, await wanted_accounts(tx, named))
    held: dict[int, ChargingAccount] = {}
    for party_id in uuids(_parties(criteria)):
        of_party = await service.accounts_of_party(tx, party_id=PartyId(party_id))
        held |= {account.number: account for account in of_party}
    check_few(len(held))
    return await standing(tx, list(held.values())) if held else []


def _parties(criteria: Document) -> Iterator[str]:
    for one in _list(criteria.get("relatedParty")):
        yield from _values(one.get("partyOrPartyRole") if isinstance(one, dict) else None)


def _is_asked(bucket: Document, criteria: Document) -> bool:
    """Tell whether a bucket is one that ``criteria`` names by id or type of usage, where it names any."""
    asked = [one for one in _list(criteria.get("bucket")) if isinstance(one, dict)]
    named = [one for one in asked if one.get("id") or one.get("usageType")]
    return not named or any(
        bucket["id"] == one.get("id") or bucket["usageType"] == one.get("usageType") for one in named
    )


async def reports(tx: Tx, standings: Sequence[Standing], criteria: Document, act: Act) -> list[Document]:
    """Return what accounts have used and have left, in the buckets that ``criteria`` asks for."""
    used = await used_of(tx, accounts=[one.account.number for one in standings])
    return [_report(one, used, criteria, act) for one in standings]


def _report(one: Standing, used: Mapping[tuple[int, int], int], criteria: Document, act: Act) -> Document:
    now = stored_time(act.now)
    shown = behind(one.account, one.identities)
    document: Document = {
        "name": f"usage consumption of {one.account.number}",
        "creationDate": now,
        "lastUpdate": now,
        "bucket": [
            bucket | {"bucketCounter": _counters(one, bucket, used, now)}
            for bucket in buckets_of(one, microseconds(act.now))
            if _is_asked(bucket, criteria)
        ],
    }
    if "logicalResource" in shown:
        document["logicalResource"] = [item | {"value": item["id"]} for item in shown["logicalResource"]]
    if "partyAccount" in shown:
        document["partyAccount"] = [shown["partyAccount"]]
    if "product" in shown:
        document["product"] = shown["product"]
    return document


def _counters(
    one: Standing, bucket: Document, used: Mapping[tuple[int, int], int], now: str
) -> list[Document]:
    """Return what was used of a bucket as the books have it, and what open sessions have used and hold of it."""
    key = parsed(bucket["id"])
    balance = None if key is None else one.state.balance(key[1])
    if key is None or balance is None:
        return []
    holds = [
        hold
        for session in one.state.sessions
        if not session.ended
        for group in session.groups
        for hold in group.holds
        if (hold.account, hold.balance) == key
    ]
    counters = {
        "used": used.get(key, 0),
        "usedByOpenSessions": sum(hold.charged for hold in holds),
        "heldByOpenSessions": balance.reserved,
    }
    began = bucket.get("validFor", {}).get("startDateTime") or stored_time(one.account.opened_at)
    found = []
    for name, amount in counters.items():
        value = quantity(amount, Unit(balance.unit), one.account.currency)
        found.append(
            {
                "counterType": name,
                "level": "global",
                "value": value,
                "valueName": f"{value['amount']} {value['units']}",
                "consumptionPeriod": {"startDateTime": began, "endDateTime": now},
            }
        )
    return found


async def query(tx: Tx, document: Document, act: Act) -> Document:
    """Answer a query at once: one report for each account that its criteria name."""
    criteria = document.get("searchCriteria") or {}
    standings = await _standings(tx, criteria, document)
    if not standings:
        return document
    return {**document, "usageConsumption": await reports(tx, standings, criteria, act), "state": "done"}


async def report(tx: Tx, document: Document, act: Act) -> Document:
    """Fill a report with the buckets of the accounts that it names, as they stand."""
    standings = await _standings(tx, document)
    if not standings:
        return document
    filled = await reports(tx, standings, document, act)
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
