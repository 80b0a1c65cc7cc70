"""The facts that charging publishes: what its notices say, with the account as the control plane knows it."""

from __future__ import annotations

from datetime import datetime
from types import MappingProxyType
from typing import Final

from farwire.base.canonical import JSON
from farwire.base.eventbus.model import Event, new_event
from farwire.charging.model.accounts import ChargingAccount
from farwire.charging.model.answers import Movement, MovementKind, Notice, NoticeKind
from farwire.charging.model.pricing import moment
from farwire.charging.model.state import Unit
from farwire.charging.model.transfers import Transfer
from farwire.kernel.ids import AccountId, ProductId, TenantId

OVERRUN_NOTICED: Final = "farwire.charging.overrun_noticed.v1"
USAGE_UNRATED: Final = "farwire.charging.usage_unrated.v1"
LIMIT_USED: Final = "farwire.charging.limit_used.v1"
FINAL_QUOTA_GRANTED: Final = "farwire.charging.final_quota_granted.v1"
ACCOUNT_ACTIVATED: Final = "farwire.charging.account_activated.v1"
GRACE_BEGUN: Final = "farwire.charging.grace_begun.v1"
ACCOUNT_EXPIRED: Final = "farwire.charging.account_expired.v1"
OFFER_RENEWED: Final = "farwire.charging.offer_renewed.v1"
RENEWAL_FAILED: Final = "farwire.charging.renewal_failed.v1"
BALANCE_FORFEITED: Final = "farwire.charging.balance_forfeited.v1"
ACCOUNT_BARRED: Final = "farwire.charging.account_barred.v1"
ACCOUNT_UNBARRED: Final = "farwire.charging.account_unbarred.v1"
LIMIT_CHANGED: Final = "farwire.charging.limit_changed.v1"
BALANCE_CREDITED: Final = "farwire.charging.balance_credited.v1"
ACCOUNT_CLOSED: Final = "farwire.charging.account_closed.v1"
TRANSFER_ENDED: Final = "farwire.charging.transfer_ended.v1"

_FORMS: Final = MappingProxyType(
    {
        NoticeKind.OVERRUN: (OVERRUN_NOTICED, "rating_group", "amount_nano"),
        NoticeKind.UNRATED: (USAGE_UNRATED, "rating_group", "units"),
        NoticeKind.LIMIT_80: (LIMIT_USED, "limit", "used_nano"),
        NoticeKind.LIMIT_REACHED: (LIMIT_USED, "limit", "used_nano"),
        NoticeKind.FINAL_QUOTA: (FINAL_QUOTA_GRANTED, "rating_group", "units"),
        NoticeKind.ACTIVATED: (ACCOUNT_ACTIVATED, "plan", "until_us"),
        NoticeKind.GRACE_BEGAN: (GRACE_BEGUN, "", "until_us"),
        NoticeKind.EXPIRED: (ACCOUNT_EXPIRED, "", ""),
        NoticeKind.RENEWED: (OFFER_RENEWED, "offer", "until_us"),
        NoticeKind.RENEWAL_FAILED: (RENEWAL_FAILED, "offer", "result"),
        NoticeKind.BALANCE_FORFEITED: (BALANCE_FORFEITED, "balance", "amount"),
        NoticeKind.BARRED: (ACCOUNT_BARRED, "", ""),
        NoticeKind.UNBARRED: (ACCOUNT_UNBARRED, "", ""),
        NoticeKind.LIMIT_CHANGED: (LIMIT_CHANGED, "limit", "cap_nano"),
    }
)
"""Type, and what ``subject`` and ``value`` of the notice are called; a notice that is not here is no event."""
_NO_CREDIT: Final = frozenset({MovementKind.USAGE, MovementKind.OVERRUN})
"""Kinds that add to a balance only where usage is given back, within a request of its own session."""
_PERCENT: Final = MappingProxyType({NoticeKind.LIMIT_80: 80, NoticeKind.LIMIT_REACHED: 100})


def noticed(
    notice: Notice,
    *,
    tenant_id: TenantId,
    account_id: AccountId | None,
    product_id: ProductId | None,
    currency: str,
    recorded_at: datetime,
) -> Event | None:
    """Return the fact that a notice tells, or None for one that nobody follows (a quota that lapsed)."""
    kind = NoticeKind(notice.kind)
    form = _FORMS.get(kind)
    if form is None:
        return None
    type_, subject, value = form
    data = _whose(notice.account, account_id, product_id, currency)
    if kind in _PERCENT:
        data["percent"] = _PERCENT[kind]
    if subject:
        data[subject] = notice.subject
    if value:
        data[value] = notice.value
    return new_event(
        tenant_id=tenant_id,
        type=type_,
        subject=str(notice.account),
        occurred_at=moment(notice.at),
        recorded_at=recorded_at,
        data=data,
    )


def credited(
    movement: Movement,
    *,
    tenant_id: TenantId,
    account_id: AccountId | None,
    product_id: ProductId | None,
    currency: str,
    recorded_at: datetime,
) -> Event | None:
    """Return the fact that a balance has more than before, or None for a movement that is none of a command."""
    if movement.amount <= 0 or movement.kind in _NO_CREDIT:
        return None
    return new_event(
        tenant_id=tenant_id,
        type=BALANCE_CREDITED,
        subject=str(movement.account),
        occurred_at=moment(movement.at),
        recorded_at=recorded_at,
        data={
            **_whose(movement.account, account_id, product_id, currency),
            "balance": movement.balance,
            "kind": MovementKind(movement.kind).name.lower(),
            "unit": Unit(movement.unit).name.lower(),
            "amount": movement.amount,
        },
    )


def _whose(
    account: int, account_id: AccountId | None, product_id: ProductId | None, currency: str
) -> dict[str, JSON]:
    return {
        "account": str(account),
        "account_id": None if account_id is None else str(account_id),
        "product_id": None if product_id is None else str(product_id),
        "currency": currency,
    }


def account_closed(account: ChargingAccount, *, tenant_id: TenantId, at: datetime) -> Event:
    """Return the fact that an account is barred for good: its product has ended, or its person is erased.

    What it holds stays owed to its customer.
    """
    return new_event(
        tenant_id=tenant_id,
        type=ACCOUNT_CLOSED,
        subject=str(account.number),
        occurred_at=at,
        recorded_at=at,
        data=_whose(account.number, account.account_id, account.product_id, account.currency),
    )


def transfer_ended(transfer: Transfer, *, tenant_id: TenantId, at: datetime) -> Event:
    """Return the fact that a transfer between virtual shards is done, refused, or given back."""
    return new_event(
        tenant_id=tenant_id,
        type=TRANSFER_ENDED,
        subject=str(transfer.id),
        occurred_at=at,
        recorded_at=at,
        data={
            "payer": str(transfer.payer),
            "payee": str(transfer.payee),
            "amount_nano": transfer.amount,
            "state": transfer.state.value,
            "result": transfer.result,
        },
    )
