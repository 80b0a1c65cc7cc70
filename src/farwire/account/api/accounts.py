"""Billing accounts over HTTP: open, change, route charges, move. Our own model; TMF666 shows the same, read only."""

from __future__ import annotations

from typing import Final

from farwire.account import service
from farwire.account.api.documents import (
    BASE,
    MOVES,
    AccountCreate,
    AccountDocument,
    AccountUpdate,
    MoveCreate,
    MoveDocument,
    RouteCreate,
    RouteDocument,
    RouteEnd,
    TermsUpdate,
    account_document,
    route_document,
)
from farwire.base.authz import Permission
from farwire.base.web import (
    AnyRoute,
    ById,
    Call,
    Method,
    Nothing,
    PageQuery,
    Reply,
    Route,
    moment,
    page_reply,
)
from farwire.kernel.ids import AccountId, PartyId, parse_id
from farwire.tenant import service as tenants

TAG: Final = "Accounts"


async def list_accounts(call: Call[Nothing, PageQuery, None]) -> Reply:
    """Return a page of accounts by number."""
    page = await service.list_accounts(
        db=call.database, tenant_id=call.principal.tenant_id, page=call.query.page()
    )
    return page_reply(page, account_document)


async def open_account(call: Call[Nothing, Nothing, AccountCreate]) -> Reply:
    """Open an account."""
    async with call.transaction() as tx:
        entity = await tenants.legal_entity(tx, call.body.entity_id())
        wanted = call.body.to_model(entity, call.now())
        account = await service.open_account(tx, account=wanted, now=call.now(), actor=call.principal.actor)
    return Reply(account_document(account))


async def get_account(call: Call[ById, Nothing, None]) -> Reply:
    """Return one account."""
    async with call.transaction() as tx:
        return Reply(account_document(await service.account_with_id(tx, AccountId(call.path.id))))


async def change_account(call: Call[ById, Nothing, AccountUpdate]) -> Reply:
    """Change language or delivery."""
    async with call.transaction() as tx:
        account = await service.change_account(
            tx,
            account_id=AccountId(call.path.id),
            change=call.body.to_model(),
            now=call.now(),
            expected_version=call.body.version,
            actor=call.principal.actor,
        )
    return Reply(account_document(account))


async def change_terms(call: Call[ById, Nothing, TermsUpdate]) -> Reply:
    """Change tax class, purchase order or segment from a time on."""
    start, now = call.body.valid_from, call.now()
    async with call.transaction() as tx:
        account = await service.change_terms(
            tx,
            account_id=AccountId(call.path.id),
            change=call.body.to_model(),
            valid_from=now if start is None else moment(start, field="validFrom"),
            now=now,
            expected_version=call.body.version,
            actor=call.principal.actor,
        )
    return Reply(account_document(account))


async def list_routes(call: Call[ById, PageQuery, None]) -> Reply:
    """Return who pays for the account, the ended routes too."""
    account_id, wanted = AccountId(call.path.id), call.query.page()
    async with call.transaction() as tx:
        await service.account_with_id(tx, account_id)
        found = (await service.routes_of(tx, [account_id])).get(account_id, ())
    return page_reply(wanted.of(found), route_document)


async def add_route(call: Call[ById, Nothing, RouteCreate]) -> Reply:
    """Let another account pay a share."""
    route = call.body.to_model(AccountId(call.path.id), call.now())
    async with call.transaction() as tx:
        added = await service.add_route(tx, route=route, now=call.now(), actor=call.principal.actor)
    return Reply(route_document(added))


async def end_route(call: Call[ById, Nothing, RouteEnd]) -> Reply:
    """End the share of a payer."""
    at, now = call.body.at, call.now()
    async with call.transaction() as tx:
        route = await service.end_route(
            tx,
            account_id=AccountId(call.path.id),
            payer_account_id=AccountId(parse_id(call.body.payer_account_id, field="payerAccountId")),
            at=now if at is None else moment(at, field="at"),
            now=now,
            kinds=frozenset(call.body.kinds),
            actor=call.principal.actor,
        )
    return Reply(route_document(route))


async def move_party(call: Call[Nothing, Nothing, MoveCreate]) -> Reply:
    """Let a party move, and its accounts with it."""
    body, now = call.body, call.now()
    async with call.transaction() as tx:
        party, accounts = await service.change_address(
            tx,
            party_id=PartyId(parse_id(body.party_id, field="partyId")),
            address=body.address(),
            valid_from=now if body.valid_from is None else moment(body.valid_from, field="validFrom"),
            now=now,
            actor=call.principal.actor,
        )
    followed = [account_document(account) for account in accounts]
    return Reply(MoveDocument(str(party.id), party.address.country, party.address.region, followed))


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=BASE,
        handler=list_accounts,
        summary="List accounts",
        tag=TAG,
        permission=Permission.ACCOUNT_READ,
        response=list[AccountDocument],
        query_type=PageQuery,
        description="Ordered by account number.",
    ),
    Route(
        method=Method.POST,
        path=BASE,
        handler=open_account,
        summary="Open an account",
        tag=TAG,
        permission=Permission.ACCOUNT_WRITE,
        response=AccountDocument,
        body_type=AccountCreate,
        status=201,
        idempotent=True,
        errors=("404",),
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/{{id}}",
        handler=get_account,
        summary="Get an account",
        tag=TAG,
        permission=Permission.ACCOUNT_READ,
        response=AccountDocument,
        path_type=ById,
    ),
    Route(
        method=Method.PATCH,
        path=f"{BASE}/{{id}}",
        handler=change_account,
        summary="Change an account",
        tag=TAG,
        permission=Permission.ACCOUNT_WRITE,
        response=AccountDocument,
        path_type=ById,
        body_type=AccountUpdate,
        errors=("409",),
        description="Currency, company, zone and cycle day stay for ever.",
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/{{id}}/terms",
        handler=change_terms,
        summary="Change tax class or purchase order from a time on",
        tag=TAG,
        permission=Permission.ACCOUNT_WRITE,
        response=AccountDocument,
        path_type=ById,
        body_type=TermsUpdate,
        idempotent=True,
        description="A bill carries what held at the end of its cycle.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/{{id}}/routes",
        handler=list_routes,
        summary="List who pays for an account",
        tag=TAG,
        permission=Permission.ACCOUNT_READ,
        response=list[RouteDocument],
        path_type=ById,
        query_type=PageQuery,
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/{{id}}/routes",
        handler=add_route,
        summary="Let another account pay a share",
        tag=TAG,
        permission=Permission.ACCOUNT_WRITE,
        response=RouteDocument,
        path_type=ById,
        body_type=RouteCreate,
        status=201,
        idempotent=True,
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/{{id}}/routes/end",
        handler=end_route,
        summary="End the share of a payer",
        tag=TAG,
        permission=Permission.ACCOUNT_WRITE,
        response=RouteDocument,
        path_type=ById,
        body_type=RouteEnd,
        idempotent=True,
    ),
    Route(
        method=Method.POST,
        path=MOVES,
        handler=move_party,
        summary="Let a party move",
        tag=TAG,
        permission=Permission.PARTY_WRITE,
        response=MoveDocument,
        body_type=MoveCreate,
        status=201,
        idempotent=True,
        errors=("404",),
        description="Region and tax class of its accounts follow; bills that were issued stay as they are.",
    ),
)
