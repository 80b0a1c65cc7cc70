"""Open items, and how credit is put against them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from farwire.kernel.ids import AccountId, LegalEntityId, OpenItemId
from farwire.kernel.money import Currency


class ItemKind(StrEnum):
    """What made an open item."""

    BILL = "bill"
    CREDIT_NOTE = "credit_note"
    VOUCHER_SALE = "voucher_sale"
    """Vouchers that a dealer bought."""
    DEBT = "debt"
    """A payment that was refunded and then taken back by its provider: the refund is owed again."""


@dataclass(frozen=True, slots=True)
class OpenItem:
    """A bill that is to be paid (positive) or a credit note (negative), in minor units, and what of it is still open.

    (``kind``, ``document_id``) names it once; ``number`` is the one on the document.
    """

    id: OpenItemId
    account_id: AccountId
    legal_entity_id: LegalEntityId
    kind: ItemKind
    document_id: UUID
    number: str
    issued_on: date
    due_on: date
    currency: Currency
    amount_minor: int
    open_minor: int


class CreditKind(StrEnum):
    """Where credit comes from."""

    PAYMENT = "payment"
    CREDIT_NOTE = "credit_note"


@dataclass(frozen=True, slots=True)
class Credit:
    """Money that can be put against bills: what is left of a payment or of a credit note. ``left_minor`` > 0."""

    kind: CreditKind
    id: UUID
    account_id: AccountId
    legal_entity_id: LegalEntityId
    currency: Currency
    left_minor: int


@dataclass(frozen=True, slots=True)
class Match:
    """``amount_minor`` (> 0) of a credit put against an item."""

    credit: Credit
    item: OpenItem
    amount_minor: int


def settle(
    credits: Sequence[Credit],  # noqa: A002 - the plain word of the trade
    items: Sequence[OpenItem],
    *,
    first: frozenset[OpenItemId] = frozenset(),
) -> tuple[Match, ...]:
    """Return what credit goes to which bill: those named ``first``, then the oldest due, each credit in its order.

    Credit and bill are of one account, legal entity and currency; nothing gets more than is open or left.
    """
    wanted = sorted(
        (item for item in items if item.open_minor > 0),
        key=lambda item: (item.id not in first, item.due_on, item.issued_on, item.number, item.id),
    )
    left = {(credit.kind, credit.id): credit.left_minor for credit in credits}
    matches: list[Match] = []
    for item in wanted:
        open_minor = item.open_minor
        for credit in credits:
            same = (credit.account_id, credit.legal_entity_id, credit.currency) == (
                item.account_id,
                item.legal_entity_id,
                item.currency,
            )
            amount = min(open_minor, left[credit.kind, credit.id]) if same else 0
            if amount > 0:
                matches.append(Match(credit, item, amount))
                left[credit.kind, credit.id] -= amount
                open_minor -= amount
    return tuple(matches)


def settle_accounts(
    credits: Sequence[Credit],  # noqa: A002 - the plain word of the trade
    items: Sequence[OpenItem],
    *,
    first: frozenset[UUID] = frozenset(),
) -> tuple[Match, ...]:
    """Return what ``settle`` gives for each account by itself, in their order; documents ``first`` come first."""
    named = frozenset(item.id for item in items if item.document_id in first)
    held: dict[AccountId, list[Credit]] = defaultdict(list)
    owed: dict[AccountId, list[OpenItem]] = defaultdict(list)
    for credit in credits:
        held[credit.account_id].append(credit)
    for item in items:
        owed[item.account_id].append(item)
    return tuple(
        match for account in sorted(held) for match in settle(held[account], owed[account], first=named)
    )
