"""Tenants and API keys, as values. The secret of a key is never part of a model that is stored."""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from farwire.base.authz import Role
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import KeyId, TenantId

SECRET_BYTES: Final = 32
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,39}")


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


def key_text(tenant_name: str, secret: bytes) -> str:
    """Return the key as its holder sees it: ``fw_<tenant>_<43 characters>``. ``secret`` has 32 random bytes."""
    return f"fw_{tenant_name}_{urlsafe_b64encode(secret).rstrip(b'=').decode()}"


def key_hash(text: str) -> bytes:
    """Return the SHA-256 of a key. The key has 256 random bits, so a slow hash would add nothing."""
    return hashlib.sha256(text.encode()).digest()
