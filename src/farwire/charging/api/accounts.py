"""Charging accounts over HTTP: open, read as the shard has them, what moved, what is open, why it was denied."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final

import msgspec

from farwire.base.authz import Permission
from farwire.base.storage import Tx
from farwire.base.web import (
    AnyRoute,
    Call,
    Method,
    MoneyDocument,
    Nothing,
    PageQuery,
    Reply,
    Route,
    page_reply,
    timestamp,
)
from farwire.charging import service
from farwire.charging.api.desk import nano_of, seen_of, state_of
from farwire.charging.api.documents import (
    BASE,
    ChargingAccountDocument,
    ChargingSessionDocument,
    Code,
    DenialDocument,
    IdentityDocument,
    Key,
    MovementDocument,
    TraceLineDocument,
    account_document,
    denial_document,
    movement_document,
    session_document,
    state_document,
)
from farwire.charging.api.transfers import TransferDocument, transfer_document
from farwire.charging.model import Account
from farwire.charging.service import ChargingAccount, Identity
from farwire.charging.service.movements import list_movements
from farwire.charging.service.tracing import trace_of
from farwire.kernel.ids import AccountId, ProductId, parse_id

TAG: Final = "Charging"
TRACED: Final = 200
"""Lines that a trace looks back at."""


class ByName(msgspec.Struct, frozen=True):
    """The path of one charging account: its number, or an identity of its subscriber."""

    id: Annotated[str, msgspec.Meta(pattern=r"^[!-.0-~]{1,255}$", description="Its number, or an identity.")]


class AccountOpen(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A wish to open a charging account. The same ``key`` again is the account that is there."""

    key: Key
    offering: Code
    identities: Annotated[list[IdentityDocument], msgspec.Meta(max_length=20)] = []
    account_id: str | None = None
    product_id: str | None = None
    cycle_day: Annotated[int, msgspec.Meta(ge=1, le=31)] = 1
    credit_limit: MoneyDocument | None = None
    postpaid: bool = False
    circle: Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[ -~]*$")] = ""


async def offerings_of(tx: Tx, state: Account) -> Mapping[int, str]:
    """Return the offerings of the offers that an account has or had units of."""
    numbers = {one.offer for one in state.holdings} | {one.offer for one in state.balances if one.offer}
    return await service.offerings_of_offers(tx, numbers=numbers)


def _personal(call: Call[Any, Any, Any]) -> bool:
    return call.principal.may(Permission.PARTY_READ)


async def list_charging_accounts(call: Call[Nothing, PageQuery, None]) -> Reply:
    """Return a page of accounts by number, without their states."""
    async with call.transaction() as tx:
        page = await service.list_accounts(tx, page=call.query.page())
        named = await service.identities_of(tx, numbers=[one.number for one in page.items])
    return page_reply(
        page, lambda one: account_document(one, named.get(one.number, ()), personal=_personal(call))
    )


async def open_charging_account(call: Call[Nothing, Nothing, AccountOpen]) -> Reply:
    """Open an account; its shard hears of it at once."""
    body, named = call.body, tuple(Identity(one.kind, one.value) for one in call.body.identities)
    async with call.transaction() as tx:
        account = await service.open_account(
            tx,
            offering=body.offering,
            key=body.key,
            now=call.now(),
            actor=call.principal.actor,
            identities=named,
            account_id=None
            if body.account_id is None
            else AccountId(parse_id(body.account_id, field="accountId")),
            product_id=None
            if body.product_id is None
            else ProductId(parse_id(body.product_id, field="productId")),
            cycle_day=body.cycle_day,
            credit_limit=0 if body.credit_limit is None else body.credit_limit.to_money().to_nano(),
            postpaid=body.postpaid,
            circle=body.circle,
        )
        if body.credit_limit is not None and body.credit_limit.value:
            nano_of(body.credit_limit.to_money(), account, field="creditLimit")
        shown = (await service.identities_of(tx, numbers=[account.number])).get(account.number, ())
    return Reply(account_document(account, shown, personal=_personal(call)))


async def named_by(call: Call[ByName, PageQuery, None] | Call[ByName, Nothing, None]) -> ChargingAccount:
    """Return the account that the path names, without a transaction left open. Raises ``NotFound``."""
    async with call.transaction() as tx:
        return await service.find_account(tx, name=call.path.id)


async def get_charging_account(call: Call[ByName, Nothing, None]) -> Reply:
    """Return an account with its balances as its shard has them now."""
    account = await named_by(call)
    state = await state_of(account)
    async with call.transaction() as tx:
        offerings = await offerings_of(tx, state)
        named = (await service.identities_of(tx, numbers=[account.number])).get(account.number, ())
    document = state_document(state, account.currency, offerings)
    return Reply(account_document(account, named, document, personal=_personal(call)))


async def get_movements(call: Call[ByName, PageQuery, None]) -> Reply:
    """Return a page of what moved, newest first."""
    account = await named_by(call)
    async with call.transaction() as tx:
        page = await list_movements(tx, account=account.number, page=call.query.page())
    return page_reply(page, lambda one: movement_document(one, account.currency))


async def get_transfers(call: Call[ByName, PageQuery, None]) -> Reply:
    """Return a page of transfers to and from accounts of other virtual shards, newest first."""
    account = await named_by(call)
    async with call.transaction() as tx:
        page = await service.list_transfers(tx, account=account, page=call.query.page())
    return page_reply(page, lambda one: transfer_document(one, account.currency))


async def get_sessions(call: Call[ByName, PageQuery, None]) -> Reply:
    """Return a page of sessions, the newest first: open ones, and those that ended a moment ago."""
    account = await named_by(call)
    state = await state_of(account)
    page = call.query.page().of(tuple(reversed(state.sessions)))
    return page_reply(page, lambda one: session_document(one, account.currency))


async def get_denials(call: Call[ByName, PageQuery, None]) -> Reply:
    """Return a page of what was denied lately, newest first, in words."""
    account = await named_by(call)
    refused = service.refusals(await seen_of(account))
    return page_reply(call.query.page().of(refused), denial_document)


async def get_trace(call: Call[ByName, PageQuery, None]) -> Reply:
    """Return a page of what happened to one subscriber, newest first, in words."""
    account = await named_by(call)
    seen = await seen_of(account)
    async with call.transaction() as tx:
        lines = await trace_of(tx, account=account, seen=seen, most=TRACED)
    return page_reply(
        call.query.page().of(lines), lambda one: TraceLineDocument(timestamp(one.at), one.what, one.text)
    )


def _read(
    path: str,
    handler: Callable[[Call[Any, Any, Any]], Awaitable[Reply]],
    summary: str,
    response: object,
    description: str,
) -> AnyRoute:
    return Route(
        method=Method.GET,
        path=f"{BASE}/{{id}}{path}",
        handler=handler,
        summary=summary,
        tag=TAG,
        permission=Permission.CHARGING_READ,
        response=response,
        path_type=ByName,
        query_type=PageQuery if path else Nothing,
        errors=("404", "409"),
        description=description,
    )


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=BASE,
        handler=list_charging_accounts,
        summary="List charging accounts",
        tag=TAG,
        permission=Permission.CHARGING_READ,
        response=list[ChargingAccountDocument],
        query_type=PageQuery,
        description="By number, without their states.",
    ),
    Route(
        method=Method.POST,
        path=BASE,
        handler=open_charging_account,
        summary="Open a charging account",
        tag=TAG,
        permission=Permission.CHARGING_WRITE,
        response=ChargingAccountDocument,
        body_type=AccountOpen,
        status=201,
        idempotent=True,
        errors=("404", "409"),
        description=(
            "On the plan of an offering that has charging terms. The body's key names the wish: the same one again is "
            "the account that is there. Accounts of one circle share balances."
        ),
    ),
    _read("", get_charging_account, "Get a charging account", ChargingAccountDocument,
          "By its number or an identity, with balances, limits and offers as its shard has them now."),
    _read("/movements", get_movements, "List what moved", list[MovementDocument],
          "Newest first, as the books have it: a moment behind the shard."),
    _read("/transfers", get_transfers, "List transfers", list[TransferDocument],
          "Newest first: to and from accounts outside of its circle, also those under way."),
    _read("/sessions", get_sessions, "List live sessions", list[ChargingSessionDocument],
          "The newest first: open ones, and for 10 minutes those that ended. At most 100 are known."),
    _read("/denials", get_denials, "List why it was denied", list[DenialDocument],
          "Newest first, with the reason and what helps, as the account stands now."),
    _read("/traceLines", get_trace, "Trace a subscriber", list[TraceLineDocument],
          "Newest first: the last movements, notices, sessions, offers and denials in words."),
)  # fmt: skip
