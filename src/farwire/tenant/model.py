"""Tenants, legal entities and API keys, as values. The secret of a key is never part of a model that is stored."""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from farwire.base.authz import Role
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import KeyId, LegalEntityId, TenantId
from farwire.kernel.money import Currency

SECRET_BYTES: Final = 32
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")
_PREFIX: Final = re.compile(r"[A-Z0-9]{1,12}")


class TenantState(StrEnum):
    """The states of a tenant."""

    ACTIVE = "active"
    CLOSED = "closed"
    """Its keys are refused; its records stay."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """An operator. ``name`` is its unique slug; ``zone`` the IANA zone that new accounts get."""

    id: TenantId
    name: str
    display_name: str
    country: str
    zone: str
    state: TenantState
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address in the form of its country's pack: field name → text.

    ``country`` is ISO 3166-1, ``region`` ISO 3166-2 where taxes depend on it.
    """

    country: str
    fields: Mapping[str, str]
    region: str = ""


@dataclass(frozen=True, slots=True)
class LegalEntity:
    """A company of a tenant: the seller on an invoice (EN 16931 BG-4).

    ``number_prefix`` starts its invoice numbers, ``fiscal_year_start`` is the month (1 to 12) in which its numbers
    start again, ``zone`` the zone of its dates, ``payment_days`` the days from the bill's date to its due date.
    """

    id: LegalEntityId
    name: str
    vat_id: str
    address: Address
    country: str
    currency: Currency
    zone: str
    bank_account: str
    number_prefix: str
    fiscal_year_start: int = 1
    payment_days: int = 14


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key after it was shown: everything but the key. ``last_used_on`` is a UTC day."""

    id: KeyId
    tenant_id: TenantId
    role: Role
    label: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_on: date | None

    def usable_at(self, now: datetime) -> bool:
        """Return whether the key opens anything at ``now``."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def check_name(name: str) -> str:
    """Return ``name`` if it can name a tenant. Raises ``Invalid`` (``tenant.name``)."""
    if _NAME.fullmatch(name):
        return name
    raise Invalid(
        "a tenant's name is a slug",
        code="tenant.name",
        field="name",
        value=name,
        fix="use a letter, then up to 39 lower-case letters, digits or hyphens, e.g. north-mobile",
    )


def check_country(country: str) -> str:
    """Return ``country`` if it looks like a code of ISO 3166-1. Raises ``Invalid`` (``tenant.country``)."""
    if len(country) == 2 and country.isascii() and country.isupper():
        return country
    raise Invalid(
        "a country is two capitals",
        code="tenant.country",
        field="country",
        value=country,
        fix="use ISO 3166-1, e.g. DE",
    )


def check_prefix(prefix: str) -> str:
    """Return ``prefix`` if it can start invoice numbers. Raises ``Invalid`` (``tenant.number_prefix``)."""
    if _PREFIX.fullmatch(prefix):
        return prefix
    raise Invalid(
        "a number prefix is short and plain",
        code="tenant.number_prefix",
        field="number_prefix",
        value=prefix,
        fix="use 1 to 12 capitals or digits, e.g. NM",
    )


def key_text(tenant_name: str, secret: bytes) -> str:
    """Return the key as its holder sees it: ``fw_<tenant>_<43 characters>``. ``secret`` has 32 random bytes."""
    return f"fw_{tenant_name}_{urlsafe_b64encode(secret).rstrip(b'=').decode()}"


def key_hash(text: str) -> bytes:
    """Return the SHA-256 of a key. The key has 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(text.encode()).digest()


def fiscal_year(day: date, start_month: int) -> int:
    """Return the fiscal year that holds ``day``, named by the calendar year in which it starts."""
    return day.year if day.month >= start_month else day.year - 1
