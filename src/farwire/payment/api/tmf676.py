"""TMF676 Payment: money that came in or is collected by a gateway, and refunds, which another person approves.

# DEVIATES: TMF676 payment needs correlatorId because it names the money once: the same one again is the same payment.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeVar
from uuid import UUID

from farwire.base.authz import Permission
from farwire.base.storage import Tx
from farwire.base.tmf import (
    Act,
    Api,
    Behaviour,
    Document,
    Resource,
    Target,
    Version,
    Wanted,
    stored_time,
    tmf_routes,
)
from farwire.base.tmf_mixed import Mixed
from farwire.base.web import AnyRoute, MoneyDocument, moment
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import AccountId, PaymentId, RefundId, parse_id
from farwire.kernel.money import Currency, Money
from farwire.kernel.page import Page, PageRequest
from farwire.payment import events, service
from farwire.payment.api.tmf676_tables import PAYMENT, REFUND
from farwire.payment.model import Charge, MethodKind, OpenItem, Payment, Refund

TYPES: Final[Mapping[MethodKind, str]] = {
    MethodKind.CARD: "TokenizedCard",
    MethodKind.MOBILE_MONEY: "DigitalWallet",
    MethodKind.BANK_TRANSFER: "BankAccountTransfer",
    MethodKind.CASH: "Cash",
    MethodKind.DIRECT_DEBIT: "BankAccountDebit",
}
KINDS: Final = {name: kind for kind, name in TYPES.items()}
_GIVEN: Final = frozenset(
    {"account", "paymentMethod", "totalAmount", "amount", "correlatorId", "paymentItem", "paymentDate"}
)
_REFUND_GIVEN: Final = frozenset(
    {"account", "paymentMethod", "totalAmount", "amount", "payment", "description"}
)
SECRETS: Final = frozenset({"token", "walletId"})
"""What a gateway knows a way to pay by: taken, never shown."""
METHOD_KEPT: Final = SECRETS | {
    *("id", "href", "name", "description", "@type", "@baseType", "@schemaLocation", "@referredType"),
}
"""What may be said of a way to pay inside a payment."""


def wrong(path: str, message: str, *, value: object = None, fix: str | None = None) -> Invalid:
    """Return the refusal of a part of a payment."""
    return Invalid(message, code="payment.given", field=path, value=value, fix=fix)


def refuse_secrets(method: Document, path: str, known: frozenset[str]) -> None:
    """Raise ``Invalid`` (``payment.given``) for what is not ``known`` of a way to pay: it may be a card's number."""
    for name in sorted(method.keys() - known):
        raise wrong(f"{path}.{name}", f"{name} of a way to pay is not kept", fix="leave it out")


def shown_money(minor: int, unit: Currency) -> Document:
    """Return an amount as TMF's Money."""
    shown = MoneyDocument.of(minor, unit)
    return {"unit": shown.unit, "value": shown.value}


def read_money(document: Document, name: str) -> Money:
    """Return an amount of a document, exactly. Raises ``Invalid``."""
    given = document[name]
    if "unit" not in given or "value" not in given:
        raise wrong(f"$.{name}", "an amount has unit and value")
    return Money.of(Decimal(str(given["value"])), given["unit"])


def account_of(document: Document) -> AccountId:
    """Return the account that a document names."""
    return AccountId(parse_id(str(document["account"].get("id")), field="$.account.id"))


def to_tmf_payment(payment: Payment, items: Sequence[tuple[OpenItem, int]] = ()) -> Document:
    """Return a payment as TMF676 shows it, with what it pays."""
    unit = payment.currency
    document: Document = {
        "id": str(payment.id),
        "@type": "Payment",
        "status": payment.state.tmf_status,
        "statusDate": stored_time(payment.recorded_at),
        "paymentDate": stored_time(payment.received_at),
        "correlatorId": payment.external_reference,
        "paymentMethod": {"@type": TYPES[payment.method], "name": payment.method.value},
        "amount": shown_money(payment.amount_minor, unit),
        "totalAmount": shown_money(payment.amount_minor, unit),
    }
    if payment.account_id is not None:
        document["account"] = {"id": str(payment.account_id)}
    if items:
        document["paymentItem"] = [
            {
                "id": str(item.id),
                "amount": shown_money(minor, unit),
                "item": {"@referredType": item.kind.value, "id": str(item.document_id), "name": item.number},
            }
            for item, minor in items
        ]
    return document


def to_tmf_charge(charge: Charge) -> Document:
    """Return money that a gateway was asked for, as a payment that is not there yet."""
    amount = shown_money(charge.amount_minor, charge.currency)
    return {
        "id": str(charge.id),
        "@type": "Payment",
        "status": charge.state.value,
        "statusDate": stored_time(charge.created_at),
        "paymentDate": stored_time(charge.created_at),
        "correlatorId": charge.key,
        "account": {"id": str(charge.account_id)},
        "paymentMethod": {"@type": TYPES[charge.method], "name": charge.method.value},
        "amount": amount,
        "totalAmount": amount,
    }


def to_tmf_refund(refund: Refund) -> Document:
    """Return a refund as TMF676 shows it."""
    amount = shown_money(refund.amount_minor, refund.currency)
    document: Document = {
        "id": str(refund.id),
        "@type": "Refund",
        "status": refund.state.tmf_status,
        "statusDate": stored_time(refund.decided_at or refund.requested_at),
        "refundDate": stored_time(refund.requested_at),
        "description": refund.reason,
        "paymentMethod": {"@type": TYPES[refund.method], "name": refund.method.value},
        "amount": amount,
        "totalAmount": amount,
    }
    if refund.account_id is not None:
        document["account"] = {"id": str(refund.account_id)}
    if refund.external_reference:
        document["correlatorId"] = refund.external_reference
    if refund.payment_id is not None:
        document["payment"] = {"id": str(refund.payment_id)}
    return document


ACCOUNT: Final = "account.id"
_Thing = TypeVar("_Thing")


async def of_accounts(
    wanted: Wanted, fetch: Callable[[PageRequest, AccountId | None], Awaitable[Page[_Thing]]]
) -> Page[_Thing]:
    """Return a page of what ``fetch`` gives for the accounts by which a list is filtered, or for all."""
    keys = wanted.equal.get(ACCOUNT)
    if keys is None:
        return await fetch(PageRequest(wanted.offset, wanted.limit), None)
    found, total, skip = list[_Thing](), 0, wanted.offset
    for key in keys:
        try:
            account = AccountId(UUID(key))
        except ValueError:  # no account has it
            continue
        page = await fetch(PageRequest(skip, wanted.limit), account)
        found += page.items
        total, skip = total + page.total, max(0, skip - page.total)
    return Page(tuple(found[: wanted.limit]), total, wanted.offset, wanted.limit)


async def _find(tx: Tx, key: str, _now: datetime) -> Document | None:
    try:
        payment_id = PaymentId(UUID(key))
        payment = await service.get_payment(tx, payment_id=payment_id)
    except ValueError:
        return None
    except NotFound:
        charge = await service.find_charge(tx, UUID(key))
        return None if charge is None else to_tmf_charge(charge)
    return to_tmf_payment(payment, await service.payment_items(tx, payment_id=payment_id))


async def _page(tx: Tx, wanted: Wanted) -> Page[Document]:
    page = await of_accounts(
        wanted, lambda part, account: service.list_payments(tx, page=part, account_id=account)
    )
    return Page(tuple(map(to_tmf_payment, page.items)), page.total, page.offset, page.limit)


async def _create(tx: Tx, document: Document, act: Act) -> Document:
    """Collect money by a gateway where a token is given, or take in what was paid."""
    refuse_secrets(document["paymentMethod"], "$.paymentMethod", METHOD_KEPT)
    method, key = document["paymentMethod"], document.get("correlatorId")
    if not key:
        raise wrong("$.correlatorId", "correlatorId is missing", fix="give the name of the payment, once")
    amount, reference = read_money(document, "totalAmount"), await _reference(tx, document)
    kind, token = await _method(tx, method)
    if token:
        charge = await service.take_payment(
            tx,
            account_id=account_of(document),
            method=kind,
            token=token,
            amount=amount,
            now=act.now,
            actor=act.actor,
            reference=reference,
            key=key,
        )
        if charge.payment_id is None:
            return to_tmf_charge(charge)
        payment = await service.get_payment(tx, payment_id=charge.payment_id)
    else:
        payment = await service.receive_payment(
            tx,
            method=kind,
            external_reference=key,
            amount=amount,
            received_at=moment(datetime.fromisoformat(document["paymentDate"]), field="$.paymentDate"),
            now=act.now,
            actor=act.actor,
            account_id=account_of(document),
            reference=reference,
        )
    return to_tmf_payment(payment, await service.payment_items(tx, payment_id=payment.id))


async def _method(tx: Tx, method: Document) -> tuple[MethodKind, str]:
    """Return how it is paid, and the token of the gateway where it collects."""
    if method.get("id"):
        try:
            kept = await service.get_method(tx, method_id=UUID(method["id"]))
        except (ValueError, NotFound):
            raise Invalid(
                "there is no such payment method",
                code="tmf.reference_unknown",
                field="$.paymentMethod.id",
                value=method["id"],
            ) from None
        return kept.kind, kept.token
    kind = KINDS.get(str(method.get("@type")))
    if kind is None:
        fix = "use one of: " + ", ".join(KINDS)
        raise wrong("$.paymentMethod.@type", "no such way to pay", value=method.get("@type"), fix=fix)
    return kind, method.get("token") or method.get("walletId") or ""


async def _reference(tx: Tx, document: Document) -> str:
    """Return the number of the bill that a payment is for."""
    named = document.get("paymentItem") or []
    if not named:
        return ""
    item = named[0].get("item") or {}
    try:
        owed = (await service.items_of_documents(tx, [key := UUID(str(item.get("id")))])).get(key)
    except ValueError:
        owed = None
    if len(named) > 1 or owed is None:
        message = "a payment names one bill that is to be paid, or none"
        raise wrong("$.paymentItem", message, value=item.get("id"), fix="the oldest due is paid by itself")
    return owed.number


async def _find_refund(tx: Tx, key: str, _now: datetime) -> Document | None:
    try:
        return to_tmf_refund(await service.get_refund(tx, refund_id=RefundId(UUID(key))))
    except (ValueError, NotFound):
        return None


async def _page_of_refunds(tx: Tx, wanted: Wanted) -> Page[Document]:
    page = await service.list_refunds(tx, page=PageRequest(wanted.offset, wanted.limit))
    return Page(tuple(map(to_tmf_refund, page.items)), page.total, page.offset, page.limit)


async def _ask_refund(tx: Tx, document: Document, act: Act) -> Document:
    """Ask for a part of what is left of a payment; another person approves it (docs/payments.md)."""
    refuse_secrets(document["paymentMethod"], "$.paymentMethod", METHOD_KEPT)
    key = (document.get("payment") or {}).get("id")
    if key is None or not document.get("description"):
        raise wrong("$.payment", "a refund names its payment (payment.id) and why (description)")
    refund = await service.request_refund(
        tx,
        payment_id=PaymentId(parse_id(key, field="$.payment.id")),
        amount=read_money(document, "totalAmount"),
        reason=document["description"],
        now=act.now,
        actor=act.actor,
    )
    if refund.account_id != account_of(document):
        raise wrong("$.account.id", "the payment is another account's", value=document["account"].get("id"))
    return to_tmf_refund(refund)


PAYMENTS: Final = Mixed(
    Target("676", "Payment"),
    "payment",
    Behaviour(_find, _page, _create, native=frozenset({ACCOUNT})),
    takes=_GIVEN,
    never=SECRETS,
    words=frozenset(),
)
REFUNDS: Final = Mixed(
    Target("676", "Refund"),
    "payment",
    Behaviour(_find_refund, _page_of_refunds, _ask_refund),
    takes=_REFUND_GIVEN,
    never=SECRETS,
    words=frozenset(),
)
API: Final = Api(
    number="676",
    title="Payment",
    path="payment",
    aliases={Version.V4: ("/tmf-api/paymentManagement/v4", "/paymentManagement/v4")},
    versions=(Version.V4,),
    resources=(
        Resource(
            PAYMENT,
            "payment",
            Permission.PAYMENT_READ,
            Permission.PAYMENT_WRITE,
            behaviour=PAYMENTS.behaviour(),
            events={events.PAYMENT_RECEIVED: "Create", events.PAYMENT_REVERSED: "StateChange"},
        ),
        Resource(
            REFUND,
            "payment",
            Permission.PAYMENT_READ,
            Permission.REFUND_WRITE,
            behaviour=REFUNDS.behaviour(),
            events={events.REFUND_PAID: "StateChange"},
        ),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
