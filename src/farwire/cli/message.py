"""``farwire message``: what customers are told, what became of it, and in which words."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from farwire.cli.shell import (
    ActorOption,
    JsonOption,
    LimitOption,
    OffsetOption,
    Session,
    TenantOption,
    actor_named,
    parse_moment,
    run,
)
from farwire.communication import service
from farwire.communication.model import Channel, Message, MessageState, ReceiptState
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import MessageId, PartyId, parse_id
from farwire.kernel.page import PageRequest

app = typer.Typer(
    name="message",
    no_args_is_help=True,
    help="Messages to customers: list and show them, report what became of them, change their words.\n\n"
    "  farwire message list --tenant acme --state failed\n\n"
    "They are made from events and handed over by `farwire worker`, at night only if urgent. See docs/messages.md.",
)
MessageArgument = Annotated[str, typer.Argument(help="The message's id.")]


class _TemplateFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file that ``publish`` reads: one text."""

    code: str
    language: str
    channel: Channel
    body: str
    subject: str = ""
    variables: tuple[str, ...] | None = None
    required: tuple[str, ...] | None = None


def _row(message: Message) -> dict[str, object]:
    return {
        "id": message.id,
        "created_at": message.created_at,
        "code": message.code,
        "channel": message.channel,
        "language": message.language,
        "state": message.state,
        "reason": message.reason.value or message.error,
        "party": message.party_id,
    }


@app.command("list")
def list_messages(
    tenant: TenantOption,
    state: Annotated[MessageState | None, typer.Option("--state", help="Only in this state.")] = None,
    code: Annotated[str | None, typer.Option("--code", help="Only of this code, e.g. bill_issued.")] = None,
    party: Annotated[str | None, typer.Option("--party", help="Only to this party, by its id.")] = None,
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List messages, the newest first, without address and text."""

    async def act(session: Session) -> None:
        party_id = None if party is None else PartyId(parse_id(party, field="party"))
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(tenant_id, read_only=True) as tx:
            page = await service.list_messages(
                tx, page=PageRequest(offset, limit), party_id=party_id, state=state, code=code
            )
        session.out.rows(
            "Messages",
            ("id", "created_at", "code", "channel", "state", "reason"),
            [_row(message) for message in page.items],
            empty="No message. They are made from events by `farwire worker`: farwire events subscribers",
            total=page.total,
        )

    run(act, as_json)


@app.command("show")
def show(tenant: TenantOption, message: MessageArgument, as_json: JsonOption = False) -> None:
    """Show one message with its text, and what its gateway said."""

    async def act(session: Session) -> None:
        message_id = _message_id(message)
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(tenant_id, read_only=True) as tx:
            found = await service.get_message(tx, message_id=message_id)
            receipts = await service.receipts_of(tx, message_id=message_id)
        facts = _row(found) | {
            "key": found.key,
            "priority": found.priority,
            "purpose": found.purpose,
            "template_version": found.template_version,
            "not_before": found.not_before,
            "attempts": found.attempts,
            "sent_at": found.sent_at,
            "closed_at": found.closed_at,
            "erased_at": found.erased_at,
            "to": found.address,
            "subject": found.subject,
            "body": found.body,
        }
        rows: list[dict[str, object]] = [
            {"key": one.key, "state": one.state, "at": one.at, "error": one.error} for one in receipts
        ]
        if session.out.as_json:
            session.out.facts("Message", {**facts, "receipts": rows})
            return
        session.out.facts(f"Message {found.id}", facts)
        if rows:
            session.out.rows("Receipts", ("key", "state", "at", "error"), rows, empty="")

    run(act, as_json)


def _message_id(text: str) -> MessageId:
    return MessageId(parse_id(text, field="message"))


@app.command("receipt")
def receipt(
    tenant: TenantOption,
    message: MessageArgument,
    state: Annotated[ReceiptState, typer.Option("--state", help="delivered or failed.")],
    key: Annotated[str, typer.Option("--key", help="The gateway's own name of this report.")],
    at: Annotated[str, typer.Option("--at", help="When it happened there; now by default.")] = "",
    error: Annotated[str, typer.Option("--error", help="What the gateway says went wrong.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Report what became of a message. The same key again changes nothing; once delivered stays delivered.

    Example: farwire message receipt 0197… --tenant acme --state delivered --key dlr-1
    """

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        moment = parse_moment(at, field="at") if at else session.clock.now()
        async with session.db.transaction(tenant_id) as tx:
            found = await service.record_receipt(
                tx,
                message_id=_message_id(message),
                key=key,
                state=state,
                at=moment,
                clock=session.clock,
                error=error,
            )
        session.out.facts("Message", _row(found))

    run(act, as_json)


@app.command("templates")
def templates(
    tenant: TenantOption,
    code: Annotated[str | None, typer.Option("--code", help="Only of this code, with the texts.")] = None,
    offset: OffsetOption = 0,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """List the texts in use. Version 0 comes with Farwire; yours go before it."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(tenant_id, read_only=True) as tx:
            page = await service.list_templates(tx, page=PageRequest(offset, limit), code=code)
        rows = [
            {
                "code": text.key.code,
                "language": text.key.language,
                "channel": text.key.channel,
                "version": text.version,
                "subject": text.subject,
                "body": text.body,
                "variables": sorted(text.variables),
                "required": sorted(text.required),
            }
            for text in page.items
        ]
        columns = ("code", "language", "channel", "version", "variables")
        shown = ("language", "channel", "version", "subject", "body") if code else columns
        session.out.rows("Texts", shown, rows, empty="No text of that code.", total=page.total)

    run(act, as_json)


@app.command("publish")
def publish(
    tenant: TenantOption,
    file: Annotated[Path, typer.Argument(help="A TOML file with one text.", exists=True, dir_okay=False)],
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Publish the next version of a text from a TOML file: code, language, channel, subject, body.

    A code of your own also names its variables, and which of them each text must show (required). Messages that are
    queued already keep their text.
    """

    async def act(session: Session) -> None:
        given = _read(file)
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(tenant_id) as tx:
            text = await service.publish_template(
                tx,
                code=given.code,
                language=given.language,
                channel=given.channel,
                subject=given.subject,
                body=given.body.strip("\n"),
                variables=given.variables,
                required=given.required,
                actor=actor_named(actor),
                clock=session.clock,
            )
        facts = {"code": text.key.code, "language": text.key.language, "channel": text.key.channel}
        session.out.facts("Published", {**facts, "version": text.version})

    run(act, as_json)


def _read(file: Path) -> _TemplateFile:
    try:
        return msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), _TemplateFile)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise Invalid(
            f"the file is no text of a message: {error}",
            code="communication.file",
            field="file",
            value=file.name,
            fix="write code, language, channel, subject and body in TOML",
        ) from None
