"""TMF678 Customer Bill Management: bills with what is paid of them, their lines, a bill made when it is asked for.

# DEVIATES: TMF678 customerBill.state changes by a PATCH to sent only because every other state is a fact of billing or
# payment.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from farwire.account import service as accounts
from farwire.base import audit
from farwire.base.authz import Permission
from farwire.base.eventbus import publish
from farwire.base.storage import Tx
from farwire.base.tmf import (
    Act,
    Api,
    Behaviour,
    Beside,
    Document,
    Resource,
    Target,
    Version,
    Wanted,
    stored_time,
    tmf_routes,
)
from farwire.base.tmf_mixed import Mixed
from farwire.base.web import AnyRoute, MoneyDocument
from farwire.billing import service
from farwire.billing.api.documents import to_tmf_billing_rate, to_tmf_customer_bill
from farwire.billing.api.tmf678_cycles import find_cycle, page_of_cycles
from farwire.billing.api.tmf678_tables import BILL, CYCLE, ON_DEMAND, RATE
from farwire.billing.events import BILL_ISSUED, BILL_SENT, CREDIT_NOTE_ISSUED, RUN_ENDED, bill_sent
from farwire.billing.jobs import enqueue_advance
from farwire.billing.model import Bill, BillLine, RunState, Scope
from farwire.billing.model.cycles import cycle_id
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import AccountId, BillId, BillRunId, parse_id
from farwire.kernel.money import Currency
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.time import local_date, zone
from farwire.payment import service as payment
from farwire.payment.events import BILL_STATE_CHANGED
from farwire.payment.model import OpenItem

SENT: Final = Beside(Target("678", "CustomerBill"), frozenset({"sentAt"}))
_STATES: Final = {
    RunState.COMPLETED: "done",
    RunState.CANCELLED: "terminatedWithError",
    RunState.REJECTED: "rejected",
}
RUN_TYPE: Final = "onCycle"


def _plain(document: object) -> Document:
    """Return a structure as JSON has it, with its times as they are stored and without what is empty."""
    found = _timed(msgspec.to_builtins(document, builtin_types=(Decimal,)))
    return {name: value for name, value in found.items() if name != "href" and value is not None}


def _timed(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: stored_time(datetime.fromisoformat(item)) if name.endswith("DateTime") else _timed(item)
            for name, item in value.items()
        }
    return [_timed(item) for item in value] if isinstance(value, list) else value


def _money(minor: int, unit: Currency) -> Document:
    shown = MoneyDocument.of(minor, unit)
    return {"unit": shown.unit, "value": shown.value}


def to_tmf_bill(bill: Bill, item: OpenItem | None, *, sent: bool) -> Document:
    """Return a bill as TMF678 shows it, with what is paid of it, in the shape of v5."""
    document = _plain(to_tmf_customer_bill(bill, whole=True))
    document |= {
        "billDate": f"{bill.issue_on.isoformat()}T00:00:00.000Z",
        "paymentDueDate": f"{bill.due_on.isoformat()}T00:00:00.000Z",
        "billDocument": [
            {"@type": "AttachmentRef", "id": str(bill.id), "mimeType": one["mimeType"], "href": one["href"]}
            for one in document["billDocument"]
        ],
        "runType": RUN_TYPE,
        "category": "normal",
    }
    if bill.number is not None:
        document["billCycle"] = {"id": cycle_id(bill.cycle)}
    if not document["taxItem"]:  # a list comes without taxes
        del document["taxItem"]
    document["billingAccount"].pop("@type", None)
    if item is not None:
        document["remainingAmount"] = _money(item.open_minor, bill.currency)
        paid = item.amount_minor - item.open_minor
        if item.amount_minor > 0 and paid:
            document["state"] = "partiallyPaid" if item.open_minor else "settled"
            document["appliedPayment"] = [{"appliedAmount": _money(paid, bill.currency)}]
    if sent and document["state"] == "validated":
        document["state"] = "sent"
    return document


async def _documents(tx: Tx, bills: Sequence[Bill]) -> list[Document]:
    items = await payment.items_of_documents(tx, [bill.id for bill in bills])
    kept = await SENT.joined(tx, [{"id": str(bill.id)} for bill in bills])
    return [
        to_tmf_bill(bill, items.get(bill.id), sent="sentAt" in beside)
        for bill, beside in zip(bills, kept, strict=True)
    ]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def _find(tx: Tx, key: str, _now: datetime) -> Document | None:
    bill_id = _uuid(key)
    bill = None if bill_id is None else await service.bill_with_id(tx, BillId(bill_id))
    return None if bill is None else (await _documents(tx, [bill]))[0]


async def _page(tx: Tx, wanted: Wanted) -> Page[Document]:
    named = wanted.equal.get("billingAccount.id")
    whole = PageRequest(wanted.offset, wanted.limit)
    if named is None:
        page = await service.page_of_bills(tx, page=whole)
        return Page(tuple(await _documents(tx, page.items)), page.total, page.offset, page.limit)
    total, found, skip = 0, list[Bill](), wanted.offset
    for account in filter(None, map(_uuid, named)):
        part = PageRequest(skip, wanted.limit)
        page = await service.page_of_bills(tx, page=part, account_id=AccountId(account))
        found += page.items
        total, skip = total + page.total, max(0, skip - page.total)
    return Page(tuple(await _documents(tx, found[: wanted.limit])), total, wanted.offset, wanted.limit)


async def _patch(tx: Tx, _before: Document, after: Document, act: Act) -> Document:
    """Record that a bill was sent."""
    await SENT.keep(tx, {"id": after["id"], "sentAt": stored_time(act.now)}, act.now)
    await publish(tx, bill_sent(UUID(after["id"]), tenant_id=tx.tenant_id, at=act.now))
    await audit.record(
        tx, actor=act.actor, action="billing.bill_sent", subject=after["id"], at=act.now, detail={}
    )
    return after


def to_tmf_rate(bill: Bill, line: BillLine) -> Document:
    """Return a line as TMF678 shows it; its id is that of the bill and its number there."""
    shown = _plain(to_tmf_billing_rate(bill, line))
    rates = [{"taxCategory": one.code, "taxRate": one.rate_percent} for one in bill.taxes]
    facts = ("priceId", "pricePlanVersion", "quantity", "unit", "usageCount", "taxCategory")
    document: Document = {
        "id": f"{bill.id}:{line.number}",
        "@type": "AppliedCustomerBillingRate",
        "name": shown["name"],
        "type": shown["type"],
        "appliedBillingRateType": shown["type"],
        "date": f"{bill.issue_on.isoformat()}T00:00:00.000Z",
        "isBilled": bill.number is not None,
        "bill": {"id": str(bill.id)},
        "billingAccount": {"id": str(bill.account_id), "name": bill.account_number},
        "periodCoverage": shown["periodCoverage"],
        "taxExcludedAmount": shown["taxExcludedAmount"],
        "characteristic": [{"name": name, "value": shown[name]} for name in facts if name in shown],
    }
    if len(rates) == 1:  # with several, the line's own category says which
        document["appliedTax"] = rates
    if "product" in shown:
        document["product"] = {"id": shown["product"]["id"]}
    return document


async def _find_rate(tx: Tx, key: str, _now: datetime) -> Document | None:
    text, _, number = key.partition(":")
    bill_id = _uuid(text)
    bill = None if bill_id is None else await service.bill_with_id(tx, BillId(bill_id))
    lines = () if bill is None else bill.lines
    return next((to_tmf_rate(bill, one) for one in lines if bill and str(one.number) == number), None)


async def _page_of_rates(tx: Tx, wanted: Wanted) -> Page[Document]:
    named = wanted.equal.get("bill.id")
    if named is not None:
        keys = [BillId(key) for key in dict.fromkeys(filter(None, map(_uuid, named)))]
        found = await service.bills_with_ids(tx, keys)
        rates = [to_tmf_rate(found[key], line) for key in keys if key in found for line in found[key].lines]
        end = wanted.offset + wanted.limit
        return Page(tuple(rates[wanted.offset : end]), len(rates), wanted.offset, wanted.limit)
    page = await service.page_of_lines(tx, page=PageRequest(wanted.offset, wanted.limit))
    found = await service.bills_with_ids(tx, list({bill_id for bill_id, _ in page.items}))
    lines = {(bill.id, line.number): line for bill in found.values() for line in bill.lines}
    items = tuple(to_tmf_rate(found[key[0]], lines[key]) for key in page.items)
    return Page(items, page.total, page.offset, page.limit)


async def _ask(tx: Tx, document: Document, act: Act) -> Document:
    """Start a run over what the account has to be billed by now; it is approved as every run is."""
    key = (document.get("billingAccount") or {}).get("id")
    if key is None:
        raise Invalid("a bill is for an account", code="billing.on_demand", field="$.billingAccount.id")
    account_id = AccountId(parse_id(key, field="$.billingAccount.id"))
    account = await accounts.account_with_id(tx, account_id)
    day = local_date(act.now, zone(account.zone))
    run = await service.start_run(
        tx, until=act.now, issue_on=day, now=act.now, actor=act.actor, scope=Scope(account_id)
    )
    await enqueue_advance(tx, run)
    return {**document, "id": str(run.id), "lastUpdate": stored_time(act.now)}


async def _standing(tx: Tx, tasks: Sequence[Document]) -> list[Document]:
    """Return the demands with how far their runs are, and the bill that came of each."""
    runs = await service.run_outcomes(tx, [BillRunId(UUID(task["id"])) for task in tasks])
    return [{**task, **_outcome(*runs[BillRunId(UUID(task["id"]))])} for task in tasks]


def _outcome(run_state: RunState, bill_id: BillId | None) -> Document:
    state = _STATES.get(run_state, "inProgress")
    bill = {"customerBill": {"id": str(bill_id)}} if state == "done" and bill_id is not None else {}
    return {"state": state, **bill}


MIXED: Final = Mixed(
    Target("678", "CustomerBill"),
    "billing",
    Behaviour(_find, _page, patch=_patch, native=frozenset({"billingAccount.id"})),
    takes=frozenset({"state"}),
    suffix="~kept",
    words=frozenset(),
)
_READ: Final = Permission.BILL_READ
_TOLD: Final = {
    BILL_ISSUED: "Create",
    CREDIT_NOTE_ISSUED: "Create",
    BILL_SENT: "StateChange",
    BILL_STATE_CHANGED: "StateChange",
}
API: Final = Api(
    number="678",
    title="Customer bill",
    path="customerBillManagement",
    aliases={Version.V5: ("/tmf-api/customerBill/v5", "/customerBill/v5")},  # what clients of v5 ask
    resources=(
        Resource(
            BILL,
            "billing",
            _READ,
            Permission.BILL_RUN,
            behaviour=MIXED.behaviour(),
            events=_TOLD,
            about="bill_id",
        ),
        Resource(CYCLE, "billing", _READ, Permission.BILL_RUN, Behaviour(find_cycle, page_of_cycles)),
        Resource(
            RATE,
            "billing",
            _READ,
            Permission.BILL_RUN,
            behaviour=Behaviour(_find_rate, _page_of_rates, native=frozenset({"bill.id"})),
        ),
        Resource(
            ON_DEMAND,
            "billing",
            _READ,
            Permission.BILL_RUN,
            events={RUN_ENDED: "StateChange"},
            work=_ask,
            current=_standing,
        ),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
