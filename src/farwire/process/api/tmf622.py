"""TMF622 Product Ordering: our orders, with their price before anybody confirms them; cancellation as a task.

# DEVIATES: TMF622 productOrder has no DELETE because an order is a record: cancel it. Notes, contacts and
# payments are kept beside it; they mean nothing to the order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from farwire.base.authz import Permission, Principal, require
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
from farwire.catalog import service as catalog
from farwire.catalog.model import offering_id_of
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import AccountId, OrderId, parse_id, uuid7
from farwire.kernel.money import Currency
from farwire.kernel.page import Page, PageRequest
from farwire.ordering import events, service
from farwire.ordering.jobs import enqueue_work
from farwire.ordering.model import HoldReason, OrderRequest, OrderState, ProductOrder
from farwire.process.api.tmf622_items import from_tmf_items, lines, offering_ids, to_tmf_item, wrong
from farwire.process.api.tmf622_tables import CANCEL, ORDER
from farwire.process.order_preview import Change, preview_order

STATES: Final[Mapping[OrderState, str]] = {
    OrderState.IN_PROGRESS: "inProgress",
    OrderState.PENDING_CANCELLATION: "pendingCancellation",
}
DRAFT: Final = "draft"
READ: Final = frozenset(
    {
        *("billingAccount", "channel", "productOrderItem", "relatedParty", "state", "cancellationReason"),
        *("requestedStartDate", "requestedCompletionDate", "requestedInitialState"),
    }
)
BESIDE: Final = Beside(
    Target("622", "ProductOrder"),
    frozenset(
        {
            *("category", "description", "externalId", "externalIdText", "priority", "orderTotalPrice"),
            *("requestedStartDate", "requestedCompletionDate", "requestedInitialState", "itemIds"),
        }
    ),
)
"""What the client calls the order and its items, and the price that was shown when it was placed."""
_PERSONAL: Final = frozenset({"note", "relatedContactInformation", "payment"})
"""What is kept of an order and may say who the customer is."""
_DATES: Final = ("requestedStartDate", "requestedCompletionDate")


async def to_tmf_orders(tx: Tx, orders: Sequence[ProductOrder]) -> list[Document]:
    """Return orders as TMF622 shows them, in the shape of v5."""
    codes = {item.request.offering for order in orders for item in order.items if item.request.offering}
    ids = {code: str((await catalog.offering(tx=tx, code=code)).id) for code in sorted(codes)}
    kept = await BESIDE.joined(tx, [{"id": str(order.id)} for order in orders])
    return [_document(order, beside, ids) for order, beside in zip(orders, kept, strict=True)]


def _document(order: ProductOrder, beside: Document, ids: Mapping[str, str]) -> Document:
    placed = stored_time(order.placed_at)
    keys = beside.pop("itemIds", [])
    document = {
        **beside,
        "@type": "ProductOrder",
        "state": STATES.get(order.state, order.state.value),
        "billingAccount": {"id": str(order.account_id)},
        "relatedParty": [
            {"role": "customer", "partyOrPartyRole": {"@type": "PartyRef", "id": str(order.party_id)}}
        ],
        "productOrderItem": [to_tmf_item(one, keys, ids.get(one.request.offering)) for one in order.items],
        "creationDate": placed,
        "orderDate": placed,
    }
    if order.channel:
        document["channel"] = [{"role": "sales", "channel": {"id": order.channel, "name": order.channel}}]
    if order.requested_at is not None and not any(name in beside for name in _DATES):
        document["requestedStartDate"] = stored_time(order.requested_at)
    if order.ended_at is not None:
        cancelled = order.state is OrderState.CANCELLED
        document["cancellationDate" if cancelled else "completionDate"] = stored_time(order.ended_at)
    if order.reason:
        document["cancellationReason"] = order.reason
    return document | _trouble(order)


def _trouble(order: ProductOrder) -> Document:
    """Return why the order waits, and what went wrong with its items."""
    document: Document = {}
    if order.holds:
        document["productOrderJeopardyAlert"] = [
            {"id": one.value, "name": one.value, "jeopardyType": "hold"} for one in sorted(order.holds)
        ]
    failed = [one for one in order.items if one.reason]
    if failed:
        document["productOrderErrorMessage"] = [{"code": "item", "message": one.reason} for one in failed]
    return document


def seen_by(document: Document, principal: Principal | None) -> Document:
    """Return an order without sites and numbers for who may not read personal data."""
    if principal is not None and principal.may(Permission.PARTY_READ):
        return document
    document = {name: value for name, value in document.items() if name not in _PERSONAL}
    items = []
    for item in document["productOrderItem"]:
        product = {name: value for name, value in item["product"].items() if name != "place"}
        named = [one for one in product.pop("productCharacteristic", []) if one["name"] != "msisdn"]
        items.append({**item, "product": product | ({"productCharacteristic": named} if named else {})})
    return {**document, "productOrderItem": items}


async def _request(tx: Tx, document: Document) -> OrderRequest:
    """Return the order that a document asks for."""
    found = list(lines(document["productOrderItem"]))
    accounts = [document.get("billingAccount"), *(one.item.get("billingAccount") for one in found)]
    keys = {one["id"] for one in accounts if one and one.get("id")}
    if len(keys) != 1:
        raise wrong("$.billingAccount", "an order is for one billing account", fix="give billingAccount.id")
    wanted = next((document[name] for name in _DATES if document.get(name)), None)
    channel = (document.get("channel") or [{}])[0].get("channel")
    channel = channel if isinstance(channel, dict) else {}
    return OrderRequest(
        account_id=AccountId(parse_id(keys.pop(), field="$.billingAccount.id")),
        items=from_tmf_items(found, await _codes(tx, offering_ids(found))),
        requested_at=None if wanted is None else datetime.fromisoformat(wanted),
        channel=str(channel.get("id") or channel.get("name") or ""),
    )


async def _codes(tx: Tx, named: Sequence[tuple[str, str]]) -> dict[str, str]:
    codes: dict[str, str] = {}
    for path, key in named:
        try:
            offering = await catalog.offering_by_id(tx=tx, offering_id=offering_id_of(key))
        except NotFound:
            raise unknown("ProductOffering", path, key) from None
        codes[key] = offering.code
    return codes


def unknown(kind: str, path: str, key: object) -> Invalid:
    """Return the refusal (422) of a reference that leads nowhere."""
    return Invalid(
        f"there is no {kind} with this id",
        code="tmf.reference_unknown",
        field=path,
        value=key,
        fix="refer to one that is there",
    )


async def _price(tx: Tx, request: OrderRequest, act: Act) -> list[Document]:
    """Return what the order makes of the first bill and of those that follow; nothing where it would be refused."""
    try:
        seen = await preview_order(tx=tx, clock=act.clock, request=request)
    except NotFound as error:
        if error.code != "account.unknown":
            raise
        raise unknown("BillingAccount", "$.billingAccount.id", error.value) from None
    unit = seen.account.currency
    parts = (("First bill", "oneTime", seen.first), ("Each bill after it", "recurring", seen.then))
    return [_total(name, kind, part, unit) for name, kind, part in parts if part is not None]


def _total(name: str, kind: str, change: Change, unit: Currency) -> Document:
    def money(minor: int) -> Document:
        shown = MoneyDocument.of(minor, unit)
        return {"unit": shown.unit, "value": shown.value}

    price = {"dutyFreeAmount": money(change.net_minor), "taxIncludedAmount": money(change.total_minor)}
    more = {"recurringChargePeriod": "month"} if kind == "recurring" else {}
    return {"name": name, "priceType": kind, **more, "price": {"@type": "Price", **price}}


async def _find(tx: Tx, key: str, _now: datetime) -> Document | None:
    try:
        order_id = OrderId(UUID(key))
    except ValueError:
        return None
    order = (await service.orders_by_id(tx, [order_id])).get(order_id)
    return None if order is None else (await to_tmf_orders(tx, [order]))[0]


async def _page(tx: Tx, wanted: Wanted) -> Page[Document]:
    page = await service.list_orders(tx=tx, page=PageRequest(wanted.offset, wanted.limit))
    return Page(tuple(await to_tmf_orders(tx, page.items)), page.total, page.offset, page.limit)


async def _create(tx: Tx, document: Document, act: Act) -> Document:
    """Place an order; as a draft or held it waits until it is confirmed, with its price."""
    first = document.get("requestedInitialState") or document["state"]
    if first not in ("acknowledged", "held", DRAFT):
        fix = "use one of: acknowledged, held, draft (v5: requestedInitialState)"
        raise Invalid("an order does not begin so", code="tmf.transition", field="$.state", fix=fix)
    request = await _request(tx, document)
    price = await _price(tx, request, act)
    placed = await service.place_order(
        tx=tx, clock=act.clock, request=request, key=uuid7(act.now).hex, actor=act.actor
    )
    order_id = placed.order.id
    _check_party(document, placed.order)
    if first != "acknowledged":
        await service.hold_order(tx=tx, clock=act.clock, order_id=order_id, reason=first, actor=act.actor)
    await _keep(tx, document, order_id, price, act)
    return await _worked(tx, order_id, act)


def _check_party(document: Document, order: ProductOrder) -> None:
    for number, one in enumerate(document.get("relatedParty") or []):
        party, role = one.get("partyOrPartyRole"), one.get("role", "customer")
        key = party.get("id") if isinstance(party, dict) else None
        if not isinstance(role, str) or (role.lower() == "customer" and key != str(order.party_id)):
            message = "the customer of an order is the owner of its account"
            raise wrong(f"$.relatedParty[{number}]", message, value=key)


async def _keep(tx: Tx, document: Document, order_id: OrderId, price: list[Document], act: Act) -> None:
    ids = [one.key for one in lines(document["productOrderItem"])]
    kept = {**document, "id": str(order_id), "itemIds": ids, "orderTotalPrice": price or None}
    await BESIDE.keep(tx, kept, act.now)


async def _worked(tx: Tx, order_id: OrderId, act: Act) -> Document:
    """Let a worker look at the order at once, and show it."""
    await enqueue_work(tx, key=uuid7(act.now).hex, now=act.now)
    (document,) = await to_tmf_orders(tx, list((await service.orders_by_id(tx, [order_id])).values()))
    return document


async def _patch(tx: Tx, before: Document, after: Document, act: Act) -> Document:
    """Amend an order that has not begun, hold it, confirm or release it, cancel it."""
    order_id = OrderId(UUID(before["id"]))
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    for name in changed - READ - BESIDE.names | changed & {"billingAccount"}:
        raise wrong(f"$.{name}", f"{name} of an order cannot be changed")
    if changed & {"productOrderItem", "channel", *_DATES}:
        request = await _request(tx, after)
        price = await _price(tx, request, act)
        await service.amend_order(tx=tx, clock=act.clock, order_id=order_id, request=request, actor=act.actor)
        await _keep(tx, after, order_id, price, act)
    elif changed & BESIDE.names:
        await _keep(tx, after, order_id, after.get("orderTotalPrice", []), act)
    if "state" in changed:
        await _move(tx, before, after, order_id, act)
    return await _worked(tx, order_id, act)


async def _move(tx: Tx, before: Document, after: Document, order_id: OrderId, act: Act) -> None:
    reason = after.get("cancellationReason", "")
    how: dict[str, Any] = {"tx": tx, "clock": act.clock, "actor": act.actor}
    match after["state"]:
        case "cancelled":
            await service.cancel_order(order_id=order_id, reason=reason, **how)
        case "held":
            await service.hold_order(order_id=order_id, reason=reason, **how)
        case _:
            if before.get("requestedInitialState") != DRAFT and act.principal is not None:
                require(act.principal, Permission.ORDER_MANAGE)
            # A verification of the customer is not given by a patch.
            await service.release_order(order_id=order_id, reason=HoldReason.MANUAL, **how)


async def _cancelled(tx: Tx, document: Document, act: Act) -> Document:
    """Cancel the order that a task names."""
    BESIDE.refuse_others(
        document, {"cancellationReason", "productOrder", "requestedCancellationDate", "state", "creationDate"}
    )
    key = document["productOrder"].get("id")
    order_id = OrderId(parse_id(str(key), field="$.productOrder.id"))
    reason = document.get("cancellationReason", "")
    try:
        await service.cancel_order(tx=tx, clock=act.clock, order_id=order_id, reason=reason, actor=act.actor)
    except NotFound:
        raise unknown("ProductOrder", "$.productOrder.id", key) from None
    await enqueue_work(tx, key=uuid7(act.now).hex, now=act.now)
    return (await _standing(tx, [{**document, "creationDate": stored_time(act.now)}]))[0]


async def _standing(tx: Tx, tasks: Sequence[Document]) -> list[Document]:
    """Return cancellations with how far they are: what was begun is undone in the background."""
    ids = [OrderId(UUID(one["productOrder"]["id"])) for one in tasks]
    orders = await service.orders_by_id(tx, ids)
    return [_stands(task, orders[key]) for task, key in zip(tasks, ids, strict=True)]


def _stands(task: Document, order: ProductOrder) -> Document:
    if not order.state.ended:
        return {**task, "state": "inProgress"}
    at = stored_time(order.ended_at) if order.ended_at is not None else None
    done = order.state is OrderState.CANCELLED
    return {**task, "state": "done" if done else "terminatedWithError", "effectiveCancellationDate": at}


MIXED: Final = Mixed(
    Target("622", "ProductOrder"),
    "ordering",
    Behaviour(_find, _page, _create, _patch, seen_by=seen_by),
    takes=READ | BESIDE.names,
    shares=frozenset({"relatedParty"}),
    yields=frozenset({"@type", "channel"}),
    suffix="~kept",
)
API: Final = Api(
    number="622",
    title="Product ordering",
    path="productOrderingManagement",
    aliases={Version.V5: ("/tmf-api/productOrdering/v5", "/productOrdering/v5")},  # what clients of v5 ask
    resources=(
        Resource(
            ORDER,
            "ordering",
            Permission.ORDER_READ,
            Permission.ORDER_WRITE,
            behaviour=MIXED.behaviour(),
            events={
                **MIXED.events,
                events.ORDER_PLACED: "Create",
                events.ORDER_AMENDED: "AttributeValueChange",
                events.ORDER_HELD: "StateChange",
                events.ORDER_RELEASED: "StateChange",
                events.ORDER_COMPLETED: "StateChange",
                events.ORDER_CANCELLED: "StateChange",
                events.ORDER_FAILED: "StateChange",
            },
        ),
        Resource(
            CANCEL,
            "ordering",
            Permission.ORDER_READ,
            Permission.ORDER_WRITE,
            work=_cancelled,
            current=_standing,
        ),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
