"""Tell customers what happened: events of every context become messages, once per event.

The account's owner is told in the account's language, on the channel that it prefers and allows. A party's erasure
blanks its messages and nothing more is written to it; a consent that is withdrawn stops what still waits. What cannot
be sent for want of an address or consent is kept as suppressed, to be seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from farwire.account import service as accounts
from farwire.account.model import BillingAccount, Delivery
from farwire.base.clock import Clock
from farwire.base.eventbus import Event
from farwire.base.eventbus.delivery import Subscriber
from farwire.base.storage import Database, Tx
from farwire.billing import service as billing
from farwire.billing.events import BILL_ISSUED, CREDIT_NOTE_ISSUED
from farwire.billing.model import Bill
from farwire.billing.rendering.locale import Locale
from farwire.communication import service as communication
from farwire.communication.model import Channel, Purpose, check_address
from farwire.country.model import CountryPack, address_lines
from farwire.country.service import load_pack
from farwire.inventory import service as inventory
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import AccountId, OrderId, PartyId, ProductId
from farwire.kernel.money import Money, currency
from farwire.kernel.quantity import Unit
from farwire.ordering.events import ORDER_COMPLETED, ORDER_HELD
from farwire.ordering.service.read import orders_by_id
from farwire.party import service as parties
from farwire.party.events import CONSENT_RECORDED, PARTY_ERASED
from farwire.party.model import Channel as PartyChannel
from farwire.party.model import ContactKind, Party
from farwire.party.model import Purpose as PartyPurpose
from farwire.payment.events import PAYMENT_RECEIVED
from farwire.tenant import service as tenants
from farwire.tenant.model import Tenant
from farwire.usage.events import ALLOWANCE_USED

NAME: Final = "notices"
TYPES: Final = (
    *(BILL_ISSUED, CREDIT_NOTE_ISSUED, ORDER_COMPLETED, ORDER_HELD, ALLOWANCE_USED, PAYMENT_RECEIVED),
    *(PARTY_ERASED, CONSENT_RECORDED),
)

_CONSENT: Final = {
    Channel.EMAIL: PartyChannel.EMAIL,
    Channel.SMS: PartyChannel.SMS,
    Channel.LETTER: PartyChannel.POST,
    Channel.PUSH: PartyChannel.PUSH,
}
_PURPOSES: Final = {
    PartyPurpose.CONTRACT: Purpose.TRANSACTIONAL,
    PartyPurpose.MARKETING: Purpose.MARKETING,
}
"""What a party may allow, and the messages that need it. The others are no reason for any message yet."""


@dataclass(frozen=True, slots=True)
class _Notice:
    """What to say to whom: a code with its variables beyond ``name`` and ``seller``."""

    code: str
    account: BillingAccount
    variables: Mapping[str, str]
    channels: Sequence[Channel] = (Channel.EMAIL, Channel.SMS)


@dataclass(frozen=True, slots=True)
class _Way:
    """A channel with its address, and what the party said to it."""

    channel: Channel
    address: str
    allowed: bool


def subscribers(*, db: Database, clock: Clock) -> tuple[Subscriber, ...]:
    """Return what turns events into messages. A new installation begins with what is published from now on."""

    async def handle(event: Event) -> None:
        await notify(db=db, clock=clock, event=event)

    return (Subscriber(NAME, handle, types=TYPES),)


async def notify(*, db: Database, clock: Clock, event: Event) -> None:
    """Queue the message that ``event`` calls for, if any. Idempotent by the event's id."""
    if event.type == PARTY_ERASED:
        async with db.transaction(event.tenant_id) as tx:
            await communication.erase_messages(tx, party_id=PartyId(_uuid(event, "party_id")), clock=clock)
        return
    if event.type == CONSENT_RECORDED:
        async with db.transaction(event.tenant_id) as tx:
            await _follow_consent(tx, event, clock)
        return
    tenant = await tenants.get_tenant(db=db, tenant_id=event.tenant_id)
    bill = None
    if event.type in (BILL_ISSUED, CREDIT_NOTE_ISSUED):
        bill = await billing.get_bill(db=db, tenant_id=event.tenant_id, key=str(_uuid(event, "bill_id")))
    async with db.transaction(event.tenant_id) as tx:
        notice = await _notice(tx, event) if bill is None else await _of_bill(tx, bill)
        if notice is not None:
            await _send(tx, tenant, notice, event, clock)


async def _follow_consent(tx: Tx, event: Event, clock: Clock) -> None:
    """Stop what waits for a channel that the party no longer allows. What it says now counts, not what it said then."""
    party_id = PartyId(_uuid(event, "party_id"))
    purpose, on = PartyPurpose(str(event.data["purpose"])), PartyChannel(str(event.data["channel"]))
    if purpose not in _PURPOSES or await parties.may_contact(tx, party_id, purpose, on):
        return
    for channel in (channel for channel, one in _CONSENT.items() if one is on):
        await communication.withdraw_messages(
            tx, party_id=party_id, channel=channel, purpose=_PURPOSES[purpose], clock=clock
        )


def _uuid(event: Event, name: str) -> UUID:
    return UUID(str(event.data[name]))


async def _notice(tx: Tx, event: Event) -> _Notice | None:
    """Return what to say about ``event``, or None where nobody is to be told."""
    if event.type in (ORDER_COMPLETED, ORDER_HELD):
        return await _of_order(tx, event)
    if event.type == PAYMENT_RECEIVED:
        account = await _account(tx, AccountId(_uuid(event, "account_id")))
        paid = Money(_whole(event, "amount_minor"), currency(str(event.data["currency"])))
        amount = (await _locale(tx, account)).money(paid.amount_minor, paid.currency)
        return _Notice("payment_received", account, {"amount": amount, "account": account.number})
    return await _of_allowance(tx, event)


def _whole(event: Event, name: str) -> int:
    value = event.data[name]
    return value if isinstance(value, int) else int(str(value))


async def _of_bill(tx: Tx, bill: Bill) -> _Notice | None:
    account = await _account(tx, bill.account_id)
    channels = {
        Delivery.EMAIL: (Channel.EMAIL, Channel.SMS),
        Delivery.PORTAL: (Channel.EMAIL, Channel.SMS),
        Delivery.POST: (Channel.LETTER,),
    }.get(account.delivery)
    if channels is None:
        return None
    locale = Locale.of(bill.language, load_pack(bill.seller.address.country))
    said = {
        "number": bill.number or "",
        "total": locale.money(bill.total_minor, bill.currency),
        "account": account.number,
    }
    if bill.corrects is not None:
        given = locale.money(abs(bill.total_minor), bill.currency)
        note = {**said, "corrects": bill.corrects.number, "total": given}
        return _Notice("credit_note_issued", account, note)
    if bill.total_minor <= 0:
        # Nothing to pay is worth a line of its own, but no letter.
        quiet = tuple(channel for channel in channels if channel is not Channel.LETTER)
        return _Notice("bill_nothing_due", account, said, quiet) if quiet else None
    return _Notice("bill_issued", account, {**said, "due_on": locale.date(bill.due_on)}, channels)


async def _of_order(tx: Tx, event: Event) -> _Notice | None:
    """Return what to say about an order. That it waits is told where the customer can do something about it."""
    holds = event.data.get("holds", ["kyc"])
    if event.type == ORDER_HELD and not (isinstance(holds, list) and "kyc" in holds):
        return None
    account = await _account(tx, AccountId(_uuid(event, "account_id")))
    order_id = OrderId(_uuid(event, "order_id"))
    order = (await orders_by_id(tx, [order_id])).get(order_id)
    code = "order_held" if event.type == ORDER_HELD else "order_completed"
    return _Notice(code, account, {"order": str(order_id) if order is None else order.key})


async def _of_allowance(tx: Tx, event: Event) -> _Notice | None:
    product_id = ProductId(_uuid(event, "product_id"))
    product = (await inventory.get_products(tx, [product_id])).get(product_id)
    if product is None:
        return None
    account = await _account(tx, product.account_id)
    locale = await _locale(tx, account)
    unit = Unit(str(event.data.get("unit", Unit.OCTET.value)))
    return _Notice(
        "allowance_used",
        account,
        {
            "label": str(event.data["label"]),
            "percent": str(event.data["percent"]),
            "used": locale.amount(_whole(event, "used"), unit),
            "amount": locale.amount(_whole(event, "amount"), unit),
        },
        (Channel.SMS, Channel.EMAIL),
    )


async def _account(tx: Tx, account_id: AccountId) -> BillingAccount:
    found = (await accounts.accounts_by_id(tx=tx, account_ids=[account_id])).get(account_id)
    if found is None:
        raise NotFound("there is no such account", code="account.unknown", field="account", value=account_id)
    return found


async def _locale(tx: Tx, account: BillingAccount) -> Locale:
    """Return how amounts are written to the account's owner: in its language, by the seller's country."""
    entity = (await tenants.legal_entities(tx))[account.legal_entity_id]
    return Locale.of(account.language, load_pack(entity.country))


async def _send(tx: Tx, tenant: Tenant, notice: _Notice, event: Event, clock: Clock) -> None:
    account = notice.account
    party = await parties.get_party(tx=tx, party_id=account.party_id)
    if party.erased_at is not None:
        return  # what happened before the erasure and is delivered after it: nobody is left to tell
    pack = _pack(party.address.country or tenant.country)
    way = await _way(tx, party, notice, pack)
    await communication.send(
        tx,
        key=f"event:{event.id}",
        party_id=party.id,
        code=notice.code,
        channel=way.channel,
        address=way.address,
        language=account.language,
        variables={"name": party.name, "seller": tenant.display_name, **notice.variables},
        now=clock.now(),
        zone_name=account.zone,
        country=party.address.country or tenant.country,
        purpose=Purpose.TRANSACTIONAL,
        allowed=way.allowed,
        fallbacks=() if pack is None else pack.locale.languages[:1],
        cause_id=event.id,
    )


def _pack(country: str) -> CountryPack | None:
    try:
        return load_pack(country)
    except NotFound:
        return None


async def _way(tx: Tx, party: Party, notice: _Notice, pack: CountryPack | None) -> _Way:
    """Return the channel to use: what the party prefers first, then the notice's own order.

    A channel that the party has withdrawn comes last, one without an address or a text never before one that has both.
    """
    preferred = {
        Channel.EMAIL if one.kind is ContactKind.EMAIL else Channel.SMS
        for one in party.contacts
        if one.preferred and one.kind in (ContactKind.EMAIL, ContactKind.PHONE)
    }
    ways = []
    for channel in sorted(notice.channels, key=lambda channel: channel not in preferred):
        if not await communication.has_template(tx, code=notice.code, channel=channel):
            continue
        said = await parties.may_contact(tx, party.id, PartyPurpose.CONTRACT, _CONSENT[channel])
        ways.append(_Way(channel, _address(party, channel, pack), said))
    best = sorted(ways, key=lambda way: (not way.address, not way.allowed))
    return best[0] if best else _Way(notice.channels[0], "", allowed=True)


def _address(party: Party, channel: Channel, pack: CountryPack | None) -> str:
    """Return the party's address on a channel; blank where it has none that could be used there."""
    if channel is Channel.LETTER:
        text = _letter_head(party, pack)
    else:
        contact = party.contact(ContactKind.EMAIL if channel is Channel.EMAIL else ContactKind.PHONE)
        text = "" if contact is None else contact.value
    try:
        return check_address(channel, text)
    except Invalid:
        return ""


def _letter_head(party: Party, pack: CountryPack | None) -> str:
    if not party.address.fields:
        return ""
    fields = {**party.address.fields, "name": party.name}
    lines = tuple(fields.values()) if pack is None else address_lines(pack, fields)
    return "\n".join(lines if party.name in lines else (party.name, *lines))
