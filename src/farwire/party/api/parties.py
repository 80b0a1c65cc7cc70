"""Parties, their consents and proofs of identity over HTTP: our own model (TMF632 and TMF644 come as shapes of it)."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.web import AnyRoute, ById, Call, Method, Nothing, PageQuery, Reply, Route, page_reply
from farwire.country.service import load_pack
from farwire.kernel.ids import PartyId, parse_id
from farwire.party import service
from farwire.party.api.documents import (
    BASE,
    ConsentCreate,
    ConsentDocument,
    KycDecide,
    KycDocument,
    KycSubmit,
    PartyCreate,
    PartyDocument,
    PartyUpdate,
    consent_document,
    kyc_document,
    party_document,
)
from farwire.party.api.roles import ROLE_ROUTES
from farwire.tenant import service as tenants

TAG: Final = "Parties"


class PartyQuery(PageQuery, frozen=True, kw_only=True):
    """The parties whose name starts with ``name``."""

    name: str = ""


async def list_parties(call: Call[Nothing, PartyQuery, None]) -> Reply:
    """Return a page of parties, oldest first."""
    async with call.transaction() as tx:
        page = await service.list_parties(tx, name=call.query.name, page=call.query.page())
    return page_reply(page, party_document)


async def create_party(call: Call[Nothing, Nothing, PartyCreate]) -> Reply:
    """Add a party."""
    body = call.body
    parent = None if body.parent_id is None else PartyId(parse_id(body.parent_id, field="parentId"))
    wanted = body.to_model(parent, call.now())
    service.check_postal(wanted.address, wanted.name)
    async with call.transaction() as tx:
        party = await service.add_party(tx, party=wanted, actor=call.principal.actor)
    return Reply(party_document(party))


async def get_party(call: Call[ById, Nothing, None]) -> Reply:
    """Return one party."""
    async with call.transaction() as tx:
        return Reply(party_document(await service.get_party(tx=tx, party_id=PartyId(call.path.id))))


async def update_party(call: Call[ById, Nothing, PartyUpdate]) -> Reply:
    """Change a party."""
    async with call.transaction() as tx:
        party = await service.update_party(
            tx,
            party_id=PartyId(call.path.id),
            change=call.body.to_model(),
            now=call.now(),
            expected_version=call.body.version,
            actor=call.principal.actor,
        )
    return Reply(party_document(party))


async def list_consents(call: Call[ById, PageQuery, None]) -> Reply:
    """Return what the party said, in the order of recording."""
    party_id = PartyId(call.path.id)
    async with call.transaction() as tx:
        await service.get_party(tx=tx, party_id=party_id)
        found = await service.consents_of(tx, party_id)
    return page_reply(call.query.page().of(found), consent_document)


async def record_consent(call: Call[ById, Nothing, ConsentCreate]) -> Reply:
    """Record a word of the party."""
    consent = call.body.to_model(PartyId(call.path.id), call.now())
    async with call.transaction() as tx:
        await service.record_consent(tx, consent=consent, actor=call.principal.actor)
    return Reply(consent_document(consent))


async def list_checks(call: Call[ById, PageQuery, None]) -> Reply:
    """Return the attempts to prove who the party is."""
    party_id = PartyId(call.path.id)
    async with call.transaction() as tx:
        await service.get_party(tx=tx, party_id=party_id)
        found = await service.kyc_checks(tx, party_id)
    return page_reply(call.query.page().of(found), kyc_document)


async def submit_kyc(call: Call[ById, Nothing, KycSubmit]) -> Reply:
    """Note that a document was shown."""
    body, party_id = call.body, PartyId(call.path.id)
    async with call.transaction() as tx:
        await service.get_party(tx=tx, party_id=party_id)
        check = await service.submit_kyc(
            tx,
            party_id=party_id,
            pack=load_pack((await tenants.this_tenant(tx)).country),
            document=body.document,
            country=body.issuing_country,
            number=body.number,
            expires_on=body.expires_on,
            now=call.now(),
            actor=call.principal.actor,
        )
    return Reply(kyc_document(check))


async def decide_kyc(call: Call[ById, Nothing, KycDecide]) -> Reply:
    """Verify or reject the document that was shown."""
    party_id, actor, now = PartyId(call.path.id), call.principal.actor, call.now()
    async with call.transaction() as tx:
        pack = load_pack((await tenants.this_tenant(tx)).country)
        if call.body.verified:
            check = await service.verify_kyc(tx, party_id=party_id, pack=pack, now=now, actor=actor)
        else:
            check = await service.reject_kyc(
                tx, party_id=party_id, pack=pack, reason=call.body.reason, now=now, actor=actor
            )
    return Reply(kyc_document(check))


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=BASE,
        handler=list_parties,
        summary="List parties",
        tag=TAG,
        permission=Permission.PARTY_READ,
        response=list[PartyDocument],
        query_type=PartyQuery,
        description="Oldest first; `name` is the beginning of a name, in any case.",
    ),
    Route(
        method=Method.POST,
        path=BASE,
        handler=create_party,
        summary="Add a party",
        tag=TAG,
        permission=Permission.PARTY_WRITE,
        response=PartyDocument,
        body_type=PartyCreate,
        status=201,
        idempotent=True,
        errors=("404",),
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/{{id}}",
        handler=get_party,
        summary="Get a party",
        tag=TAG,
        permission=Permission.PARTY_READ,
        response=PartyDocument,
        path_type=ById,
    ),
    Route(
        method=Method.PATCH,
        path=f"{BASE}/{{id}}",
        handler=update_party,
        summary="Change a party",
        tag=TAG,
        permission=Permission.PARTY_WRITE,
        response=PartyDocument,
        path_type=ById,
        body_type=PartyUpdate,
        errors=("409",),
        description="The address changes by a move: `POST /farwire/v1/moves`.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/{{id}}/consents",
        handler=list_consents,
        summary="List what a party allows",
        tag=TAG,
        permission=Permission.PARTY_READ,
        response=list[ConsentDocument],
        path_type=ById,
        query_type=PageQuery,
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/{{id}}/consents",
        handler=record_consent,
        summary="Record what a party allows",
        tag=TAG,
        permission=Permission.PARTY_WRITE,
        response=ConsentDocument,
        path_type=ById,
        body_type=ConsentCreate,
        status=201,
        idempotent=True,
        description="Consents are only ever added: withdrawing is another word.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/{{id}}/kycChecks",
        handler=list_checks,
        summary="List the identity checks of a party",
        tag=TAG,
        permission=Permission.PARTY_READ,
        response=list[KycDocument],
        path_type=ById,
        query_type=PageQuery,
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/{{id}}/kycChecks",
        handler=submit_kyc,
        summary="Submit a document of a party",
        tag=TAG,
        permission=Permission.PARTY_WRITE,
        response=KycDocument,
        path_type=ById,
        body_type=KycSubmit,
        status=201,
        idempotent=True,
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/{{id}}/kycChecks/decide",
        handler=decide_kyc,
        summary="Verify or reject the document of a party",
        tag=TAG,
        permission=Permission.PARTY_VERIFY,
        response=KycDocument,
        path_type=ById,
        body_type=KycDecide,
        idempotent=True,
    ),
    *ROLE_ROUTES,
)
