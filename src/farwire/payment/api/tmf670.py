"""TMF670 Payment Method: tokens of a gateway by which an account pays by itself.

# DEVIATES: TMF670 paymentMethod has no PATCH: add it again. A token
# is never shown; the number of a card is never taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Final
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
from farwire.base.web import AnyRoute
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import AccountId, parse_id
from farwire.kernel.page import Page
from farwire.payment import service
from farwire.payment.api.tmf676 import KINDS, SECRETS, TYPES, of_accounts, refuse_secrets, wrong
from farwire.payment.api.tmf676_tables import METHOD
from farwire.payment.model import MethodKind, PaymentMethod

_GIVEN: Final = SECRETS | {"account", "isPreferred", "name", "brand", "lastFourDigits", "expirationDate"}
_KNOWN: Final = _GIVEN | set(METHOD.attributes)
"""What may be said of a way to pay: an extension is refused, for it may be the number of a card."""
_BY_ITSELF: Final[Mapping[str, MethodKind]] = {
    name: KINDS[name] for name in ("TokenizedCard", "DigitalWallet", "BankAccountDebit")
}


def to_tmf_method(method: PaymentMethod) -> Document:
    """Return a method as TMF670 shows it, without its token."""
    named = " ".join(filter(None, (method.brand or method.kind.value, method.last4)))
    document: Document = {
        "id": str(method.id),
        "@type": TYPES[method.kind],
        "@baseType": "PaymentMethod",
        "name": named,
        "isPreferred": method.preferred,
        "status": "active",
        "statusDate": stored_time(method.added_at),
        "account": [{"id": str(method.account_id)}],
    }
    if method.brand:
        document["brand"] = method.brand
    if method.last4:
        document["lastFourDigits"] = method.last4
    if method.expires is not None:
        document["expirationDate"] = f"{method.expires.isoformat()}T00:00:00.000Z"
    return document


async def _find(tx: Tx, key: str, _now: datetime) -> Document | None:
    try:
        method = await service.get_method(tx, method_id=UUID(key))
    except (ValueError, NotFound):
        return None
    return None if method.removed_at is not None else to_tmf_method(method)


async def _page(tx: Tx, wanted: Wanted) -> Page[Document]:
    page = await of_accounts(
        wanted, lambda part, account: service.list_methods(tx, page=part, account_id=account)
    )
    return Page(tuple(map(to_tmf_method, page.items)), page.total, page.offset, page.limit)


async def _create(tx: Tx, document: Document, act: Act) -> Document:
    """Keep a token for an account."""
    kind = _BY_ITSELF.get(document["@type"])
    if kind is None:
        fix = "use one of: " + ", ".join(_BY_ITSELF)
        raise wrong("$.@type", "no such way to pay by itself", value=document["@type"], fix=fix)
    named = document.get("account") or []
    if len(named) != 1:
        raise wrong("$.account", "a method is of one account")
    text = {name: document.get(name, "") for name in ("token", "walletId", "brand", "lastFourDigits")}
    for name, value in text.items():
        if not isinstance(value, str):
            raise wrong(f"$.{name}", f"{name} is a text")
    method = await service.add_method(
        tx,
        account_id=AccountId(parse_id(str(named[0].get("id")), field="$.account[0].id")),
        kind=kind,
        token=text["token"] or text["walletId"],
        now=act.now,
        actor=act.actor,
        brand=text["brand"],
        last4=text["lastFourDigits"],
        expires=_month(document.get("expirationDate")),
        preferred=document["isPreferred"],
    )
    return to_tmf_method(method)


def _month(text: object) -> date | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(str(text)).date().replace(day=1)
    except ValueError:
        raise wrong("$.expirationDate", "not a time", fix="write it as 2028-06-30T00:00:00Z") from None


async def _check(_tx: Tx, document: Document) -> None:
    refuse_secrets(document, "$", _KNOWN)


async def _delete(tx: Tx, key: str, act: Act) -> None:
    await service.remove_method(tx, method_id=UUID(key), now=act.now, actor=act.actor)


MIXED: Final = Mixed(
    Target("670", "PaymentMethod"),
    "payment",
    Behaviour(_find, _page, _create, delete=_delete, native=frozenset({"account.id"})),
    takes=_GIVEN,
    yields=frozenset({"name"}),
    never=SECRETS,
    words=frozenset(),
)
API: Final = Api(
    number="670",
    title="Payment method",
    path="paymentMethod",
    versions=(Version.V4,),
    resources=(
        Resource(
            METHOD,
            "payment",
            Permission.PAYMENT_READ,
            Permission.PAYMENT_WRITE,
            behaviour=MIXED.behaviour(),
            check=_check,
        ),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
