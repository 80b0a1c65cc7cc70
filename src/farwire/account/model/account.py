"""Billing accounts, as values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Final

from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.ids import AccountId, LegalEntityId, PartyId
from farwire.kernel.money import Currency
from farwire.kernel.time import BillCycle, zone

MAX_TEXT: Final = 100


class TaxClass(StrEnum):
    """How a customer is taxed."""

    STANDARD = "standard"
    EXEMPT = "exempt"
    REVERSE_CHARGE = "reverse_charge"
    """The customer owes the tax; the invoice says so and shows none."""


class AccountState(StrEnum):
    """The states of a billing account."""

    ACTIVE = "active"
    CLOSED = "closed"


class Delivery(StrEnum):
    """How a bill reaches the customer."""

    EMAIL = "email"
    POST = "post"
    PORTAL = "portal"
    NONE = "none"
    """It is issued and kept, and nobody is told."""


@dataclass(frozen=True, slots=True)
class AccountTerms:
    """What of an account has a time: a bill takes what held in its cycle."""

    region: str
    tax_class: TaxClass
    purchase_order: str
    segment: str = ""


@dataclass(frozen=True, slots=True)
class FormerTerms:
    """The terms that held until ``valid_to`` (UTC, exclusive), from the former ones before them on."""

    terms: AccountTerms
    valid_to: datetime


@dataclass(frozen=True, slots=True)
class BillingAccount:
    """Who pays, how and when. ``zone`` is the IANA zone in which the cycle's days begin.

    Prices may differ by ``region`` (ISO 3166-2, of the party's address) and by ``segment``, a name of the operator's
    own such as "business". ``region``, ``segment``, ``tax_class`` and ``purchase_order`` (the customer's own number,
    which its bills carry) change over time: they are the last ones, ``as_of`` gives those of a time.
    """

    id: AccountId
    number: str
    party_id: PartyId
    legal_entity_id: LegalEntityId
    currency: Currency
    cycle_day: int
    zone: str
    language: str
    tax_class: TaxClass
    opened_at: datetime
    state: AccountState = AccountState.ACTIVE
    closed_at: datetime | None = None
    region: str = ""
    segment: str = ""
    parent_id: AccountId | None = None
    delivery: Delivery = Delivery.EMAIL
    purchase_order: str = ""
    former: tuple[FormerTerms, ...] = ()
    version: int = 1

    @property
    def cycle(self) -> BillCycle:
        """Return the monthly cycle with its kept anchor day."""
        return BillCycle(self.cycle_day, zone(self.zone))

    @property
    def terms(self) -> AccountTerms:
        """Return the last terms."""
        return AccountTerms(self.region, self.tax_class, self.purchase_order, self.segment)

    def terms_at(self, at: datetime) -> AccountTerms:
        """Return the terms that held at ``at``."""
        return next((one.terms for one in self.former if at < one.valid_to), self.terms)

    def as_of(self, at: datetime) -> BillingAccount:
        """Return the account with the terms that held at ``at``."""
        return replace(_under(self, self.terms_at(at)), former=()) if self.former else self


@dataclass(frozen=True, slots=True)
class TermsChange:
    """What changes of the terms; None leaves it."""

    region: str | None = None
    tax_class: TaxClass | None = None
    purchase_order: str | None = None
    segment: str | None = None


@dataclass(frozen=True, slots=True)
class AccountChange:
    """What an update changes at once; None leaves it. Currency, legal entity and cycle are not among it."""

    language: str | None = None
    delivery: Delivery | None = None


def _with(terms: AccountTerms, change: TermsChange) -> AccountTerms:
    return AccountTerms(
        terms.region if change.region is None else change.region,
        terms.tax_class if change.tax_class is None else change.tax_class,
        terms.purchase_order if change.purchase_order is None else change.purchase_order,
        terms.segment if change.segment is None else change.segment,
    )


def _under(account: BillingAccount, terms: AccountTerms) -> BillingAccount:
    return replace(
        account,
        region=terms.region,
        tax_class=terms.tax_class,
        purchase_order=terms.purchase_order,
        segment=terms.segment,
    )


def with_terms(account: BillingAccount, change: TermsChange, valid_from: datetime) -> BillingAccount:
    """Return ``account`` whose terms change from ``valid_from`` on; the same object where nothing differs.

    What held before ``valid_from`` stays. A change that was planned for later keeps its time, but not for what
    ``change`` names: that is so from ``valid_from`` on. A time before the account was opened changes it from the start.
    """
    check_open(account)
    spans = [*((one.terms, one.valid_to) for one in account.former), (account.terms, None)]
    past: list[tuple[AccountTerms, datetime | None]] = []
    later: list[tuple[AccountTerms, datetime | None]] = []
    start = account.opened_at
    for terms, end in spans:
        if end is not None and end <= valid_from:
            past.append((terms, end))
        elif start < valid_from:
            past.append((terms, valid_from))
            later.append((_with(terms, change), end))
        else:
            later.append((_with(terms, change), end))
        start = end or start
    former: list[FormerTerms] = []
    spans = [*past, *later]
    for (terms, end), (following, _) in pairwise(spans):
        if end is not None and terms != following:
            former.append(FormerTerms(terms, end))
    after = replace(_under(account, spans[-1][0]), former=tuple(former))
    return account if after == account else replace(after, version=account.version + 1)


def changed(account: BillingAccount, change: AccountChange) -> BillingAccount:
    """Return ``account`` with ``change`` and the next version; the same object where nothing differs.

    Raises ``Conflict`` (``account.closed``), ``Invalid`` (``account.text``).
    """
    check_open(account)
    wanted = {name: v for name in ("language", "delivery") if (v := getattr(change, name)) is not None}
    after = check_account(replace(account, **wanted))
    return account if after == account else replace(after, version=account.version + 1)


def closed(account: BillingAccount, at: datetime) -> BillingAccount:
    """Return ``account`` closed at ``at``; the same object where it is closed already.

    Whether it may be closed is looked at above (``process.account_closing``): products and bills are not known here.
    Raises ``Invalid`` (``account.closed_before_opened``).
    """
    if account.state is AccountState.CLOSED:
        return account
    if at < account.opened_at:
        raise Invalid(
            "an account closes after it was opened",
            code="account.closed_before_opened",
            field="at",
            value=at.isoformat(),
        )
    return replace(account, state=AccountState.CLOSED, closed_at=at, version=account.version + 1)


def check_open(account: BillingAccount) -> None:
    """Raise ``Conflict`` (``account.closed``) for an account that is closed."""
    if account.state is AccountState.CLOSED:
        raise Conflict(
            "the account is closed",
            code="account.closed",
            field="account",
            value=account.number,
            fix="open another",
        )


def check_account(account: BillingAccount) -> BillingAccount:
    """Return ``account`` if it can be kept.

    Raises ``Invalid``: ``account.number``, ``account.text``, ``time.zone_unknown``, ``time.anchor_day``.
    """
    if not account.number.strip() or len(account.number) > MAX_TEXT or not account.number.isprintable():
        raise Invalid(
            f"an account's number has 1 to {MAX_TEXT} characters",
            code="account.number",
            field="number",
            fix="e.g. 100001",
        )
    for field in ("language", "segment", "region", "purchase_order"):
        text = getattr(account, field)
        if len(text) > MAX_TEXT or not text.isprintable():
            raise Invalid(
                f"{field} is longer than {MAX_TEXT} characters or holds a control character",
                code="account.text",
                field=field,
            )
    _ = account.cycle
    return account
