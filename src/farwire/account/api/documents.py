"""How accounts, their terms, routes and moves look on the wire, and how they are read from it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

import msgspec

from farwire.account.model import (
    AccountChange,
    BillingAccount,
    ChargeKind,
    ChargeRoute,
    Delivery,
    TaxClass,
    TermsChange,
)
from farwire.base.web import moment, timestamp
from farwire.kernel.ids import AccountId, LegalEntityId, PartyId, parse_id, uuid7
from farwire.kernel.money import currency
from farwire.tenant.model import Address, LegalEntity, check_country

BASE: Final = "/farwire/v1/accounts"
MOVES: Final = "/farwire/v1/moves"
Text = Annotated[str, msgspec.Meta(max_length=200)]
Word = Annotated[str, msgspec.Meta(max_length=100)]
Time = Annotated[datetime, msgspec.Meta(tz=True, description="With Z or an offset.")]
Version = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
Percent = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9]{1,3}(\.[0-9]{1,2})?$", description="Above 0, at most 100, e.g. 33.33.")
]


class TermsDocument(msgspec.Struct, frozen=True, rename="camel"):
    """What held until ``validTo``."""

    region: str
    tax_class: TaxClass
    purchase_order: str
    valid_to: str
    segment: str = ""


class AccountDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="Account"
):
    """A billing account. ``region``, ``segment``, ``taxClass`` and ``purchaseOrder`` are the last ones.

    ``former`` held before.
    """

    id: str
    href: str
    number: str
    party_id: str
    legal_entity_id: str
    state: str
    currency: str
    cycle_day: int
    time_zone: str
    language: str
    tax_class: TaxClass
    delivery: str
    opened_at: str
    version: int
    region: str = ""
    segment: str = ""
    purchase_order: str = ""
    parent_id: str | None = None
    closed_at: str | None = None
    former: list[TermsDocument] = []


class AccountCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """An account to be opened. What is left out is as the company, or now."""

    number: Word
    party_id: str
    legal_entity_id: str
    language: Word
    cycle_day: Annotated[int, msgspec.Meta(ge=1, le=31)] = 1
    currency: Word = ""
    time_zone: Word = ""
    tax_class: TaxClass = TaxClass.STANDARD
    delivery: Delivery = Delivery.EMAIL
    segment: Word = ""
    purchase_order: Word = ""
    parent_id: str | None = None
    opened_at: Time | None = None

    def entity_id(self) -> LegalEntityId:
        """Return the company's id. Raises ``Invalid`` (``ids.malformed``)."""
        return LegalEntityId(parse_id(self.legal_entity_id, field="legalEntityId"))

    def to_model(self, entity: LegalEntity, now: datetime) -> BillingAccount:
        """Return the account with a new id. Raises ``Invalid`` (``ids.malformed``, ``web.time_out_of_range``)."""
        parent = None if self.parent_id is None else AccountId(parse_id(self.parent_id, field="parentId"))
        return BillingAccount(
            AccountId(uuid7(now)),
            self.number,
            PartyId(parse_id(self.party_id, field="partyId")),
            entity.id,
            currency(self.currency) if self.currency else entity.currency,
            self.cycle_day,
            self.time_zone or entity.zone,
            self.language,
            self.tax_class,
            now if self.opened_at is None else moment(self.opened_at, field="openedAt"),
            segment=self.segment,
            parent_id=parent,
            delivery=self.delivery,
            purchase_order=self.purchase_order,
        )


class AccountUpdate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What changes at once; what is left out stays."""

    version: Version | None = None
    language: Word | None = None
    delivery: Delivery | None = None

    def to_model(self) -> AccountChange:
        """Return the change."""
        return AccountChange(self.language, self.delivery)


class TermsUpdate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What changes from ``validFrom`` on (default: now). The region follows the address of the party by a move."""

    version: Version | None = None
    tax_class: TaxClass | None = None
    purchase_order: Word | None = None
    segment: Word | None = None
    valid_from: Time | None = None

    def to_model(self) -> TermsChange:
        """Return the change."""
        return TermsChange(tax_class=self.tax_class, purchase_order=self.purchase_order, segment=self.segment)


class RouteDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="ChargeRoute"
):
    """Another account pays a share of some kinds of charges."""

    account_id: str
    payer_account_id: str
    kinds: list[ChargeKind]
    percent: str
    valid_from: str
    valid_to: str | None = None


class RouteCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A route to be added, from ``validFrom`` (default: now) on. Where usage is among the kinds, ``percent`` is 100."""

    payer_account_id: str
    kinds: Annotated[list[ChargeKind], msgspec.Meta(min_length=1, max_length=3)]
    percent: Percent
    valid_from: Time | None = None
    valid_to: Time | None = None

    def to_model(self, account_id: AccountId, now: datetime) -> ChargeRoute:
        """Return the route. Raises ``Invalid`` (``ids.malformed``, ``web.time_out_of_range``)."""
        return ChargeRoute(
            account_id,
            frozenset(self.kinds),
            AccountId(parse_id(self.payer_account_id, field="payerAccountId")),
            Decimal(self.percent),
            now if self.valid_from is None else moment(self.valid_from, field="validFrom"),
            None if self.valid_to is None else moment(self.valid_to, field="validTo"),
        )


class RouteEnd(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The route to a payer that ends at ``at`` (default: now); ``kinds`` where there are several to it."""

    payer_account_id: str
    kinds: Annotated[list[ChargeKind], msgspec.Meta(max_length=3)] = []
    at: Time | None = None


class MoveCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A party has another address from ``validFrom`` (default: now) on."""

    party_id: str
    country: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$", description="ISO 3166-1.")]
    fields: Annotated[dict[Word, Text], msgspec.Meta(max_length=30)]
    region: Word = ""
    valid_from: Time | None = None

    def address(self) -> Address:
        """Return the new address. Raises ``Invalid`` (``tenant.country``)."""
        return Address(check_country(self.country), self.fields, self.region)


class MoveDocument(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="Move"):
    """A move, and the accounts that followed it."""

    party_id: str
    country: str
    region: str
    accounts: list[AccountDocument]


def account_document(account: BillingAccount) -> AccountDocument:
    """Return the account as the API shows it."""
    return AccountDocument(
        id=str(account.id),
        href=f"{BASE}/{account.id}",
        number=account.number,
        party_id=str(account.party_id),
        legal_entity_id=str(account.legal_entity_id),
        state=account.state.value,
        currency=account.currency.code,
        cycle_day=account.cycle_day,
        time_zone=account.zone,
        language=account.language,
        tax_class=account.tax_class,
        delivery=account.delivery.value,
        opened_at=timestamp(account.opened_at),
        version=account.version,
        region=account.region,
        segment=account.segment,
        purchase_order=account.purchase_order,
        parent_id=None if account.parent_id is None else str(account.parent_id),
        closed_at=None if account.closed_at is None else timestamp(account.closed_at),
        former=[
            TermsDocument(
                one.terms.region,
                one.terms.tax_class,
                one.terms.purchase_order,
                timestamp(one.valid_to),
                one.terms.segment,
            )
            for one in account.former
        ],
    )


def route_document(route: ChargeRoute) -> RouteDocument:
    """Return the route as the API shows it."""
    return RouteDocument(
        account_id=str(route.account_id),
        payer_account_id=str(route.payer_account_id),
        kinds=sorted(route.kinds),
        percent=f"{route.percent:.2f}",
        valid_from=timestamp(route.valid_from),
        valid_to=None if route.valid_to is None else timestamp(route.valid_to),
    )
