"""The catalogue over HTTP: offerings and specifications with their versions, what is sold to whom, lifecycles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar

import msgspec

from farwire.base.authz import Permission
from farwire.base.web import AnyRoute, Call, Method, Nothing, PageQuery, Reply, Route, page_reply, timestamp
from farwire.catalog import service
from farwire.catalog.model import (
    DocumentVersion,
    Entry,
    Kind,
    Lifecycle,
    Offered,
    Offering,
    PlanVersion,
    to_document,
)
from farwire.catalog.service import Publication

P = TypeVar("P", bound=msgspec.Struct)

TAG: Final = "Catalogue"
OFFERINGS: Final = "/farwire/v1/offerings"
SPECIFICATIONS: Final = "/farwire/v1/specifications"
DOCUMENTS: Final = "/farwire/v1/catalogueDocuments"


class CatalogueVersionDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A published version, immutable. ``document`` is as in a catalogue file (docs/catalog.md)."""

    number: int
    digest: str
    valid_from: str
    published_at: str
    document: Mapping[str, Any]
    valid_to: str | None = None


class CataloguePlanDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A version of the offering's price plan."""

    id: str
    number: int
    currency: str
    valid_from: str
    published_at: str
    valid_to: str | None = None


class CatalogueEntryDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A specification or an offering. ``versions`` and ``pricePlans`` come with one of them, not in lists."""

    id: str
    href: str
    kind: str
    code: str
    name: str
    lifecycle: str
    versions: list[CatalogueVersionDocument] | None = None
    price_plans: list[CataloguePlanDocument] | None = None
    terms: Mapping[str, Any] | None = None
    """In a list of what is sold: the document in force then."""
    currency: str | None = None
    price_plan_number: int | None = None


class PublicationItemDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A version that a file made."""

    kind: str
    code: str
    number: int
    digest: str


class PublicationDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A catalogue file that was published: what was new in it."""

    id: str
    name: str
    digest: str
    published_at: str
    items: list[PublicationItemDocument]


class LifecycleChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What changes of an entry: only its state. Everything else is a new version."""

    lifecycle: Lifecycle


class SpecificationKind(StrEnum):
    """The kinds of specification, as ``Kind`` names them."""

    RESOURCE = Kind.RESOURCE.value
    SERVICE = Kind.SERVICE.value
    PRODUCT = Kind.PRODUCT.value


Moment = Annotated[
    datetime,
    msgspec.Meta(
        tz=True,
        description="The moment of sale, now where it is absent; with Z or an offset (+ written as %2B).",
    ),
]
Code = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9._-]{0,63}$")]


class ByCode(msgspec.Struct, frozen=True):
    """The path of one offering."""

    code: Code


class ByKindAndCode(msgspec.Struct, frozen=True):
    """The path of one specification."""

    kind: SpecificationKind
    code: Code


class OfferingQuery(PageQuery, frozen=True, kw_only=True):
    """Any of region, segment, channel and at asks for what is sold then to whom; without them, for all."""

    region: str | None = None
    segment: str | None = None
    channel: str | None = None
    at: Moment | None = None
    lifecycle: Lifecycle | None = None


class SpecificationQuery(PageQuery, frozen=True, kw_only=True):
    """Which specifications."""

    kind: SpecificationKind = SpecificationKind.PRODUCT
    lifecycle: Lifecycle | None = None


def to_entry(
    entry: Entry,
    versions: Sequence[DocumentVersion] | None = None,
    plans: Sequence[PlanVersion] | None = None,
) -> CatalogueEntryDocument:
    """Return the entry as the API shows it, with its versions where they are given."""
    path = OFFERINGS if entry.kind is Kind.OFFERING else f"{SPECIFICATIONS}/{entry.kind.value}"
    return CatalogueEntryDocument(
        id=str(entry.id),
        href=f"{path}/{entry.code}",
        kind=entry.kind.value,
        code=entry.code,
        name=entry.name,
        lifecycle=entry.lifecycle.value,
        versions=None if versions is None else [_version(version) for version in versions],
        price_plans=None if plans is None else [_plan(plan) for plan in plans],
    )


def to_offered(one: Offered) -> CatalogueEntryDocument:
    """Return an offering as the list of what is sold shows it."""
    return CatalogueEntryDocument(
        id=str(one.offering_id),
        href=f"{OFFERINGS}/{one.offering.code}",
        kind=Kind.OFFERING.value,
        code=one.offering.code,
        name=one.offering.name,
        lifecycle=one.lifecycle.value,
        terms=to_document(one.offering),
        currency=one.currency,
        price_plan_number=one.plan_number,
    )


def to_publication(one: Publication) -> PublicationDocument:
    """Return a publication as the API shows it."""
    items = [PublicationItemDocument(i.kind.value, i.code, i.number, i.digest) for i in one.items]
    return PublicationDocument(str(one.id), one.name, one.digest, timestamp(one.published_at), items)


def _version(version: DocumentVersion) -> CatalogueVersionDocument:
    document = version.document
    end = document.valid_to if isinstance(document, Offering) else None
    return CatalogueVersionDocument(
        number=version.number,
        digest=version.digest,
        valid_from="" if document.valid_from is None else timestamp(document.valid_from),
        published_at=timestamp(version.published_at),
        document=to_document(document),
        valid_to=None if end is None else timestamp(end),
    )


def _plan(version: PlanVersion) -> CataloguePlanDocument:
    plan = version.plan
    return CataloguePlanDocument(
        id=str(version.id),
        number=version.number,
        currency=plan.currency,
        valid_from=timestamp(plan.valid_from),
        published_at=timestamp(version.published_at),
        valid_to=None if plan.valid_to is None else timestamp(plan.valid_to),
    )


async def list_offerings(call: Call[Nothing, OfferingQuery, None]) -> Reply:
    """Return a page of all offerings, or of what is sold at a moment to whom."""
    query = call.query
    async with call.transaction() as tx:
        if (query.region, query.segment, query.channel, query.at) == (None, None, None, None):
            page = await service.list_entries(
                tx, kind=Kind.OFFERING, lifecycle=query.lifecycle, page=query.page()
            )
            return page_reply(page, to_entry)
        sold = await service.offerings_for(
            tx,
            region=query.region or "",
            segment=query.segment or "",
            channel=query.channel or "",
            at=query.at or call.now(),
            lifecycle=query.lifecycle,
            page=query.page(),
        )
    return page_reply(sold, to_offered)


async def get_offering(call: Call[ByCode, Nothing, None]) -> Reply:
    """Return one offering with its versions and those of its price plan, the oldest first."""
    code = call.path.code
    async with call.transaction() as tx:
        entry = await service.entry(tx=tx, code=code)
        versions = await service.document_versions(tx, kind=Kind.OFFERING, codes=[code])
        plans = (await service.versions_by_code(tx, [code])).get(code, ())
    return Reply(to_entry(entry, versions, plans))


async def change_offering(call: Call[ByCode, Nothing, LifecycleChange]) -> Reply:
    """Move an offering to another state of its life."""
    return await _change(call, Kind.OFFERING, call.path.code)


async def list_specifications(call: Call[Nothing, SpecificationQuery, None]) -> Reply:
    """Return a page of the specifications of one kind."""
    query = call.query
    async with call.transaction() as tx:
        page = await service.list_entries(
            tx, kind=Kind(query.kind), lifecycle=query.lifecycle, page=query.page()
        )
    return page_reply(page, to_entry)


async def get_specification(call: Call[ByKindAndCode, Nothing, None]) -> Reply:
    """Return one specification with its versions, the oldest first."""
    kind, code = Kind(call.path.kind), call.path.code
    async with call.transaction() as tx:
        entry = await service.entry(tx=tx, code=code, kind=kind)
        versions = await service.document_versions(tx, kind=kind, codes=[code])
    return Reply(to_entry(entry, versions))


async def change_specification(call: Call[ByKindAndCode, Nothing, LifecycleChange]) -> Reply:
    """Move a specification to another state of its life."""
    return await _change(call, Kind(call.path.kind), call.path.code)


async def list_documents(call: Call[Nothing, PageQuery, None]) -> Reply:
    """Return a page of the catalogue files that were published, the newest first."""
    async with call.transaction() as tx:
        page = await service.publications(tx, page=call.query.page())
    return page_reply(page, to_publication)


async def _change(call: Call[P, Nothing, LifecycleChange], kind: Kind, code: str) -> Reply:
    to = call.body.lifecycle
    async with call.transaction() as tx:
        entry = await service.change_lifecycle(
            tx=tx, clock=call.clock, code=code, to=to, kind=kind, actor=call.principal.actor
        )
    return Reply(to_entry(entry))


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=OFFERINGS,
        handler=list_offerings,
        summary="List offerings, or what is sold to whom",
        tag=TAG,
        permission=Permission.CATALOG_READ,
        response=list[CatalogueEntryDocument],
        query_type=OfferingQuery,
        description="Ordered by code. With region, segment, channel or at: what is sold then. "
        "An offering that asks for what is not given is not in it.",
    ),
    Route(
        method=Method.GET,
        path=f"{OFFERINGS}/{{code}}",
        handler=get_offering,
        summary="Get an offering with its versions and price plans",
        tag=TAG,
        permission=Permission.CATALOG_READ,
        response=CatalogueEntryDocument,
        path_type=ByCode,
    ),
    Route(
        method=Method.PATCH,
        path=f"{OFFERINGS}/{{code}}",
        handler=change_offering,
        summary="Launch or retire an offering",
        tag=TAG,
        permission=Permission.CATALOG_PUBLISH,
        response=CatalogueEntryDocument,
        path_type=ByCode,
        body_type=LifecycleChange,
        errors=("409",),
        description="Retiring stops sales; products that customers have go on. 409: the lifecycle has no such step.",
    ),
    Route(
        method=Method.GET,
        path=SPECIFICATIONS,
        handler=list_specifications,
        summary="List specifications of one kind",
        tag=TAG,
        permission=Permission.CATALOG_READ,
        response=list[CatalogueEntryDocument],
        query_type=SpecificationQuery,
        description="Ordered by code; product specifications where no kind is given.",
    ),
    Route(
        method=Method.GET,
        path=f"{SPECIFICATIONS}/{{kind}}/{{code}}",
        handler=get_specification,
        summary="Get a specification with its versions",
        tag=TAG,
        permission=Permission.CATALOG_READ,
        response=CatalogueEntryDocument,
        path_type=ByKindAndCode,
    ),
    Route(
        method=Method.PATCH,
        path=f"{SPECIFICATIONS}/{{kind}}/{{code}}",
        handler=change_specification,
        summary="Change the lifecycle of a specification",
        tag=TAG,
        permission=Permission.CATALOG_PUBLISH,
        response=CatalogueEntryDocument,
        path_type=ByKindAndCode,
        body_type=LifecycleChange,
        errors=("409",),
        description="The offerings of a retired product specification are not sold.",
    ),
    Route(
        method=Method.GET,
        path=DOCUMENTS,
        handler=list_documents,
        summary="List the catalogue files that were published",
        tag=TAG,
        permission=Permission.CATALOG_READ,
        response=list[PublicationDocument],
        query_type=PageQuery,
        description="The newest first. Files with nothing new are not in it.",
    ),
)
