"""Messages to customers, the receipts of their gateways, and the texts that they are made from."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec

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
    timestamp,
)
from farwire.communication import service
from farwire.communication.model import Channel, Message, MessageState, Receipt, ReceiptState, Template
from farwire.kernel.ids import MessageId, PartyId

BASE: Final = "/farwire/v1/messages"
TEMPLATES: Final = "/farwire/v1/messageTemplates"
TAG: Final = "Messages"
CODE: Final = r"^[a-z][a-z0-9_]{0,59}$"
LANGUAGE: Final = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"
Code = Annotated[str, msgspec.Meta(pattern=CODE)]


class ReceiptDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a gateway reported about a message. ``at`` is its time, ``receivedAt`` ours."""

    key: str
    state: str
    at: str
    received_at: str
    error: str = ""


class MessageDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One message. Address, subject, body and receipts come with one message, not in lists; erased ones are blank."""

    id: str
    href: str
    key: str
    party_id: str
    code: str
    template_version: int
    language: str
    channel: str
    purpose: str
    priority: str
    state: str
    created_at: str
    not_before: str
    attempts: int
    reason: str = ""
    error: str = ""
    reference: str = ""
    sent_at: str | None = None
    closed_at: str | None = None
    erased_at: str | None = None
    address: str | None = None
    subject: str | None = None
    body: str | None = None
    receipts: list[ReceiptDocument] | None = None


class ReceiptCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A report of a gateway. ``key`` is the gateway's own name for it: the same key again changes nothing."""

    key: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    state: ReceiptState
    at: datetime
    error: Annotated[str, msgspec.Meta(max_length=1000)] = ""


class TemplateDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A text in use. Version 0 comes with Farwire."""

    id: str
    code: str
    language: str
    channel: str
    version: int
    subject: str
    body: str
    variables: list[str]
    required: list[str]
    published_at: str | None = None


class TemplateCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The next version of a text. The first one of a code of your own names its ``variables`` and ``required``."""

    code: Code
    language: Annotated[str, msgspec.Meta(pattern=LANGUAGE, max_length=35)]
    channel: Channel
    body: Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
    subject: Annotated[str, msgspec.Meta(max_length=200)] = ""
    variables: Annotated[list[str], msgspec.Meta(max_length=50)] | None = None
    required: Annotated[list[str], msgspec.Meta(max_length=50)] | None = None


class MessageQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Filters of the list."""

    party_id: Annotated[UUID, msgspec.Meta(description="Messages to this party only.")] | None = None
    state: Annotated[MessageState, msgspec.Meta(description="In this state only.")] | None = None
    code: Annotated[str, msgspec.Meta(pattern=CODE, description="Of this code only.")] | None = None


class TemplateQuery(PageQuery, frozen=True, kw_only=True):
    """Filters of the list of texts."""

    code: Annotated[str, msgspec.Meta(pattern=CODE, description="Of this code only.")] | None = None


def _at(at: datetime | None) -> str | None:
    return None if at is None else timestamp(at)


def to_message(message: Message, receipts: tuple[Receipt, ...] | None = None) -> MessageDocument:
    """Return the message as JSON; with ``receipts`` the whole of it."""
    whole = receipts is not None
    return MessageDocument(
        id=str(message.id),
        href=f"{BASE}/{message.id}",
        key=message.key,
        party_id=str(message.party_id),
        code=message.code,
        template_version=message.template_version,
        language=message.language,
        channel=message.channel.value,
        purpose=message.purpose.value,
        priority=message.priority.value,
        state=message.state.value,
        created_at=timestamp(message.created_at),
        not_before=timestamp(message.not_before),
        attempts=message.attempts,
        reason=message.reason.value,
        error=message.error,
        reference=message.reference,
        sent_at=_at(message.sent_at),
        closed_at=_at(message.closed_at),
        erased_at=_at(message.erased_at),
        address=message.address if whole else None,
        subject=message.subject if whole else None,
        body=message.body if whole else None,
        receipts=[_receipt(one) for one in receipts] if receipts is not None else None,
    )


def _receipt(receipt: Receipt) -> ReceiptDocument:
    return ReceiptDocument(
        receipt.key, receipt.state.value, timestamp(receipt.at), timestamp(receipt.received_at), receipt.error
    )


def to_template(template: Template) -> TemplateDocument:
    """Return the text as JSON."""
    key = template.key
    return TemplateDocument(
        id=f"{key.code}.{key.channel.value}.{key.language}",
        code=template.key.code,
        language=template.key.language,
        channel=template.key.channel.value,
        version=template.version,
        subject=template.subject,
        body=template.body,
        variables=sorted(template.variables),
        required=sorted(template.required),
        published_at=_at(template.published_at),
    )


async def list_messages(call: Call[Nothing, MessageQuery, None]) -> Reply:
    """Return a page of messages, the newest first."""
    asked = call.query
    async with call.transaction() as tx:
        page = await service.list_messages(
            tx,
            page=asked.page(),
            party_id=None if asked.party_id is None else PartyId(asked.party_id),
            state=asked.state,
            code=asked.code,
        )
    return page_reply(page, to_message)


async def get_message(call: Call[ById, Nothing, None]) -> Reply:
    """Return one message with its text and its receipts."""
    message_id = MessageId(call.path.id)
    async with call.transaction() as tx:
        message = await service.get_message(tx, message_id=message_id)
        receipts = await service.receipts_of(tx, message_id=message_id)
    return Reply(to_message(message, receipts))


async def create_receipt(call: Call[ById, Nothing, ReceiptCreate]) -> Reply:
    """Take what a gateway reports, and return the message as it is after it."""
    said, message_id = call.body, MessageId(call.path.id)
    async with call.transaction() as tx:
        message = await service.record_receipt(
            tx,
            message_id=message_id,
            key=said.key,
            state=said.state,
            at=moment(said.at, field="at"),
            clock=call.clock,
            error=said.error,
        )
        receipts = await service.receipts_of(tx, message_id=message_id)
    return Reply(to_message(message, receipts))


async def list_templates(call: Call[Nothing, TemplateQuery, None]) -> Reply:
    """Return a page of the texts in use."""
    async with call.transaction() as tx:
        page = await service.list_templates(tx, page=call.query.page(), code=call.query.code)
    return page_reply(page, to_template)


async def publish_template(call: Call[Nothing, Nothing, TemplateCreate]) -> Reply:
    """Publish the next version of a text."""
    given, now = call.body, call.now()
    async with call.transaction() as tx:
        template = await service.publish_template(
            tx,
            code=given.code,
            language=given.language,
            channel=given.channel,
            subject=given.subject,
            body=given.body,
            variables=given.variables,
            required=given.required,
            actor=call.principal.actor,
            clock=call.clock,
        )
    new = template.published_at is not None and template.published_at >= now
    return Reply(to_template(template), status=201 if new else 200)


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=BASE,
        handler=list_messages,
        summary="List messages",
        tag=TAG,
        permission=Permission.MESSAGE_READ,
        response=list[MessageDocument],
        query_type=MessageQuery,
        description="The newest first, without address and text.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/{{id}}",
        handler=get_message,
        summary="Get a message with its text and receipts",
        tag=TAG,
        permission=Permission.MESSAGE_READ,
        response=MessageDocument,
        path_type=ById,
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/{{id}}/receipts",
        handler=create_receipt,
        summary="Report what became of a message",
        tag=TAG,
        permission=Permission.MESSAGE_WRITE,
        response=MessageDocument,
        path_type=ById,
        body_type=ReceiptCreate,
        errors=("409",),
        idempotent=True,
        description="Reports may come late, twice and in any order: once delivered, a message stays delivered.",
    ),
    Route(
        method=Method.GET,
        path=TEMPLATES,
        handler=list_templates,
        summary="List the texts of messages",
        tag=TAG,
        permission=Permission.MESSAGE_READ,
        response=list[TemplateDocument],
        query_type=TemplateQuery,
        description="Ordered by code, language and channel; a text of your own hides the one that comes with Farwire.",
    ),
    Route(
        method=Method.POST,
        path=TEMPLATES,
        handler=publish_template,
        summary="Publish the next version of a text",
        tag=TAG,
        permission=Permission.MESSAGE_WRITE,
        response=TemplateDocument,
        body_type=TemplateCreate,
        status=201,
        other_statuses=(200,),
        idempotent=True,
        description="The same text again is no new version, and 200.",
    ),
)
