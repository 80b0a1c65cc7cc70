"""Tenants, their companies and API keys, as values."""

from __future__ import annotations

from farwire.tenant.model.company import (
    Address,
    BankAccount,
    CompanyChange,
    DocumentKind,
    LegalEntity,
    NumberSeries,
    changed_company,
    check_iban,
    check_prefix,
    fiscal_year,
)
from farwire.tenant.model.tenant import (
    SECRET_BYTES,
    ApiKey,
    Tenant,
    TenantState,
    check_country,
    check_name,
    key_hash,
    key_text,
)

__all__ = [
    "SECRET_BYTES",
    "Address",
    "ApiKey",
    "BankAccount",
    "CompanyChange",
    "DocumentKind",
    "LegalEntity",
    "NumberSeries",
    "Tenant",
    "TenantState",
    "changed_company",
    "check_country",
    "check_iban",
    "check_name",
    "check_prefix",
    "fiscal_year",
    "key_hash",
    "key_text",
]
