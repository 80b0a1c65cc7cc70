"""Charging accounts and what they did as JSON. Money is exact, also below the cent; units are base units."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from farwire.base.web import MoneyDocument, timestamp
from farwire.charging.model import (
    Account,
    FinalAction,
    Flag,
    Lifecycle,
    MovementKind,
    ResultCode,
    Scope,
    Unit,
)
from farwire.charging.model.pricing import moment
from farwire.charging.model.state import NEVER, Balance, Group, Limit, Period, Session, Share
from farwire.charging.service import ChargingAccount, Identity, IdentityKind, Refusal, main_balance
from farwire.charging.service.movements import Placed
from farwire.charging.service.wording import key_text, word
from farwire.inventory.model import masked
from farwire.kernel.money import currency, nano_to_decimal

BASE: Final = "/farwire/v1/chargingAccounts"
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"^[ -~]*[!-~][ -~]*$")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=255, pattern=r"^[!-~]+$")]
Code = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Number = Annotated[int, msgspec.Meta(ge=0, le=30_000)]
Units = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


class UnitName(StrEnum):
    """What a balance holds."""

    MONEY = "money"
    OCTETS = "octets"
    SECONDS = "seconds"
    MESSAGES = "messages"
    EVENTS = "events"


class IdentityDocument(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What a subscriber is found by."""

    kind: IdentityKind
    value: Text


class BalanceDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One balance: ``money`` or ``units``, and what open sessions hold of it."""

    id: str
    unit: str
    money: MoneyDocument | None = None
    money_held: MoneyDocument | None = None
    units: int | None = None
    units_held: int | None = None
    offering: str = ""
    shared: bool = False
    priority: int = 0
    valid_from: str = ""
    valid_to: str = ""


class LimitDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The most that may be spent in a period."""

    id: str
    cap: MoneyDocument
    used: MoneyDocument
    held: MoneyDocument
    period: str
    opted_on: bool
    roaming_only: bool
    ends_at: str = ""


class ShareDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The right to draw on the shared balances of another account in one unit: ``money`` or ``units`` in a period."""

    owner: str
    unit: str
    period: str
    priority: int
    cap: MoneyDocument | None = None
    used: MoneyDocument | None = None
    held: MoneyDocument | None = None
    cap_units: int | None = None
    used_units: int | None = None
    held_units: int | None = None
    ends_at: str = ""


class HeldOfferDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An offer that was bought."""

    offering: str
    started_at: str
    renews: bool
    ends_at: str = ""


class ChargingStateDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An account as its shard has it now."""

    lifecycle: str
    barred: bool
    spendable: MoneyDocument
    balances: list[BalanceDocument]
    limits: list[LimitDocument]
    shares: list[ShareDocument]
    offers: list[HeldOfferDocument]
    open_sessions: int
    loan_owed: MoneyDocument | None = None
    overrun: MoneyDocument | None = None
    active_until: str = ""
    grace_until: str = ""


class ChargingAccountDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="ChargingAccount"
):
    """A charging account; ``state`` where one is asked for.

    Who may not read persons sees identities masked, and not the key, which may name somebody.
    """

    id: str
    href: str
    offering: str
    currency: str
    postpaid: bool
    cycle_day: int
    opened_at: str
    identities: list[IdentityDocument]
    key: str = ""
    credit_limit: MoneyDocument | None = None
    account_id: str | None = None
    product_id: str | None = None
    state: ChargingStateDocument | None = None


class GroupDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A rating group of a session."""

    rating_group: int
    unit: str
    started_at: str
    used_units: int
    charged: MoneyDocument
    result: str
    granted_units: int
    valid_until: str = ""
    final_action: str = ""


class ChargingSessionDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A session: open, or ended and kept for repeats."""

    id: str
    open: bool
    last_request: int
    result: str
    groups: list[GroupDocument]


class MovementDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One change of one balance, as the books have it; balance 0 is what could not be debited."""

    id: str
    at: str
    kind: str
    balance: str
    unit: str
    key: str
    money: MoneyDocument | None = None
    units: int | None = None


class DenialDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Why something was denied, with what helps. Without ``at`` only the answer is still known."""

    what: str
    result: str
    reason: str
    fix: str = ""
    at: str = ""
    rating_group: int | None = None


class TraceLineDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """One thing that happened to an account, in words."""

    at: str
    what: str
    text: str


class CommandReply(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A command that was done. The same key again has the same answer."""

    account_id: str
    result: str
    spendable: MoneyDocument
    moved: MoneyDocument | None = None


def shown(nano: int, code: str) -> MoneyDocument:
    """Return nano-units as money: with the currency's decimals, with more where they are needed."""
    unit = currency(code)
    minor, rest = divmod(nano, unit.nano_per_minor)
    return (
        MoneyDocument.of(minor, unit) if not rest else MoneyDocument(code, nano_to_decimal(nano).normalize())
    )


def when(us: int) -> str:
    """Return a time of a state; empty for one that does not come."""
    return "" if us >= NEVER else timestamp(moment(us))


def balance_document(one: Balance, code: str, offering: str) -> BalanceDocument:
    """Return a balance."""
    money = one.unit == Unit.MONEY
    return BalanceDocument(
        id=str(one.number),
        unit=word(one.unit, Unit),
        money=shown(one.amount, code) if money else None,
        money_held=shown(one.reserved, code) if money else None,
        units=None if money else one.amount,
        units_held=None if money else one.reserved,
        offering=offering,
        shared=bool(one.shared),
        priority=one.priority,
        valid_from=when(one.valid_from) if one.valid_from else "",
        valid_to=when(one.valid_to),
    )


def _limit(one: Limit, code: str) -> LimitDocument:
    return LimitDocument(
        id=str(one.number),
        cap=shown(one.cap, code),
        used=shown(one.used, code),
        held=shown(one.reserved, code),
        period=word(one.period, Period),
        opted_on=bool(one.opted_on),
        roaming_only=one.scope == Scope.ROAMING,
        ends_at=when(one.ends_at),
    )


def _share(one: Share, code: str) -> ShareDocument:
    money = one.unit == Unit.MONEY
    return ShareDocument(
        owner=str(one.owner),
        unit=word(one.unit, Unit),
        period=word(one.period, Period),
        priority=one.priority,
        cap=shown(one.cap, code) if money else None,
        used=shown(one.used, code) if money else None,
        held=shown(one.reserved, code) if money else None,
        cap_units=None if money else one.cap,
        used_units=None if money else one.used,
        held_units=None if money else one.reserved,
        ends_at=when(one.ends_at),
    )


def state_document(state: Account, code: str, offerings: Mapping[int, str]) -> ChargingStateDocument:
    """Return the state of an account; ``offerings`` by the number of their offer."""
    return ChargingStateDocument(
        lifecycle=word(state.lifecycle, Lifecycle),
        barred=bool(state.flags & Flag.BARRED),
        spendable=shown(main_balance(state)[1], code),
        balances=[balance_document(one, code, offerings.get(one.offer, "")) for one in state.balances],
        limits=[_limit(one, code) for one in state.limits],
        shares=[_share(one, code) for one in state.shares],
        offers=[
            HeldOfferDocument(
                offerings.get(one.offer, str(one.offer)),
                when(one.started_at),
                bool(one.renews),
                when(one.ends_at),
            )
            for one in state.holdings
        ],
        open_sessions=sum(1 for one in state.sessions if not one.ended),
        loan_owed=shown(state.loan_owed, code) if state.loan_owed else None,
        overrun=shown(state.overrun, code) if state.overrun else None,
        active_until=when(state.active_until),
        grace_until=when(state.grace_until),
    )


def account_document(
    account: ChargingAccount,
    identities: tuple[Identity, ...],
    state: ChargingStateDocument | None = None,
    *,
    personal: bool,
) -> ChargingAccountDocument:
    """Return an account; with all that names its subscriber where ``personal``, else masked."""
    limit = account.credit_limit
    return ChargingAccountDocument(
        id=str(account.number),
        href=f"{BASE}/{account.number}",
        key=account.key if personal else "",
        offering=account.offering,
        currency=account.currency,
        postpaid=account.postpaid,
        cycle_day=account.cycle_day,
        opened_at=timestamp(account.opened_at),
        identities=[
            IdentityDocument(one.kind, one.value if personal else masked(one.value)) for one in identities
        ],
        credit_limit=shown(limit, account.currency) if limit else None,
        account_id=None if account.account_id is None else str(account.account_id),
        product_id=None if account.product_id is None else str(account.product_id),
        state=state,
    )


def _group(one: Group, code: str) -> GroupDocument:
    return GroupDocument(
        rating_group=one.rating_group,
        unit=word(one.unit, Unit),
        started_at=when(one.started_at),
        used_units=one.used,
        charged=shown(one.charged, code),
        result=word(one.result, ResultCode),
        granted_units=one.granted,
        valid_until=when(one.valid_until) if one.valid_until else "",
        final_action="" if one.final == FinalAction.NONE else word(one.final, FinalAction),
    )


def session_document(one: Session, code: str) -> ChargingSessionDocument:
    """Return a session."""
    return ChargingSessionDocument(
        id=key_text(one.id_hi, one.id_lo),
        open=not one.ended,
        last_request=one.number,
        result=word(one.result, ResultCode),
        groups=[_group(group, code) for group in one.groups],
    )


def movement_document(one: Placed, code: str) -> MovementDocument:
    """Return a movement."""
    moved, money = one.movement, one.movement.unit == Unit.MONEY
    return MovementDocument(
        id=f"{one.shard}-{one.sequence}-{one.place}",
        at=timestamp(one.at),
        kind=word(moved.kind, MovementKind),
        balance=str(moved.balance),
        unit=word(moved.unit, Unit),
        key=key_text(moved.key_hi, moved.key_lo),
        money=shown(moved.amount, code) if money else None,
        units=None if money else moved.amount,
    )


def denial_document(one: Refusal) -> DenialDocument:
    """Return a denial."""
    return DenialDocument(
        what=one.what,
        result=word(one.result, ResultCode),
        reason=one.reason,
        fix=one.fix,
        at="" if one.at is None else timestamp(one.at),
        rating_group=one.rating_group,
    )
