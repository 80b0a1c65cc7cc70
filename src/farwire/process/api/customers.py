"""Over HTTP: everything that is kept of a person, the erasure of a person, the closing of an account."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from farwire.account.model import BillingAccount
from farwire.base.authz import Permission
from farwire.base.web import AnyRoute, ById, Call, Method, Nothing, Reply, Route, timestamp
from farwire.kernel.ids import AccountId, PartyId
from farwire.process import privacy
from farwire.process.account_closing import close_account

PARTIES: Final = "/farwire/v1/parties"
ACCOUNTS: Final = "/farwire/v1/accounts"


class ErasureDocument(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="Erasure"):
    """What an erasure blanked or destroyed; all zero where it had been done before."""

    id: str
    erased_at: str
    identifiers: int
    suspended_rows: int
    messages: int
    payment_methods: int
    places: int
    services: int
    order_items: int
    answers: int
    documents: int
    charging_identities: int
    top_ups: int


class ClosedAccountDocument(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="Account"):
    """A billing account that is closed."""

    id: str
    href: str
    number: str
    state: str
    closed_at: str


async def export_party(call: Call[ById, Nothing, None]) -> Reply:
    """Return everything that is kept of a party."""
    document = await privacy.export_person(
        db=call.database,
        tenant_id=call.principal.tenant_id,
        party_id=PartyId(call.path.id),
        clock=call.clock,
        actor=call.principal.actor,
    )
    return Reply(document)


async def erase_party(call: Call[ById, Nothing, None]) -> Reply:
    """Erase a person."""
    async with call.transaction() as tx:
        done = await privacy.erase_person(
            tx, party_id=PartyId(call.path.id), clock=call.clock, actor=call.principal.actor
        )
    return Reply(_erasure(done))


def _erasure(done: privacy.Erasure) -> ErasureDocument:
    erased_at = done.party.erased_at
    return ErasureDocument(
        id=str(done.party.id),
        erased_at="" if erased_at is None else timestamp(erased_at),
        identifiers=done.identifiers,
        suspended_rows=done.suspended_rows,
        messages=done.messages,
        payment_methods=done.payment_methods,
        places=done.places,
        services=done.services,
        order_items=done.order_items,
        answers=done.answers,
        documents=done.documents,
        charging_identities=done.charging_identities,
        top_ups=done.top_ups,
    )


async def close(call: Call[ById, Nothing, None]) -> Reply:
    """Close an account."""
    async with call.transaction() as tx:
        closed = await close_account(
            tx,
            db=call.database,
            account_id=AccountId(call.path.id),
            now=call.now(),
            actor=call.principal.actor,
        )
    return Reply(_closed(closed))


def _closed(account: BillingAccount) -> ClosedAccountDocument:
    at = account.closed_at
    return ClosedAccountDocument(
        id=str(account.id),
        href=f"{ACCOUNTS}/{account.id}",
        number=account.number,
        state=account.state.value,
        closed_at="" if at is None else timestamp(at),
    )


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=f"{PARTIES}/{{id}}/export",
        handler=export_party,
        summary="Get everything that is kept of a party",
        tag="Parties",
        permission=Permission.PARTY_ERASE,
        response=dict[str, Any],
        path_type=ById,
        description="One document of all contexts (GDPR articles 15 and 20). Who asked is written into the audit log.",
    ),
    Route(
        method=Method.POST,
        path=f"{PARTIES}/{{id}}/erase",
        handler=erase_party,
        summary="Erase a person",
        tag="Parties",
        permission=Permission.PARTY_ERASE,
        response=ErasureDocument,
        path_type=ById,
        idempotent=True,
        description="Everywhere but on issued bills and in the books (GDPR article 17); it cannot be undone. 409 names "
        "what still runs.",
    ),
    Route(
        method=Method.POST,
        path=f"{ACCOUNTS}/{{id}}/close",
        handler=close,
        summary="Close an account",
        tag="Accounts",
        permission=Permission.ACCOUNT_WRITE,
        response=ClosedAccountDocument,
        path_type=ById,
        idempotent=True,
        description="409 names what is left: products, orders, bills to come, what is owed, routes.",
    ),
)
