"""Billing accounts and who pays what of them, as values."""

from __future__ import annotations

from farwire.account.model.account import (
    AccountChange,
    AccountState,
    AccountTerms,
    BillingAccount,
    Delivery,
    FormerTerms,
    TaxClass,
    TermsChange,
    changed,
    check_account,
    check_open,
    closed,
    with_terms,
)
from farwire.account.model.routes import ChargeKind, ChargeRoute, check_route
from farwire.account.model.taxation import (
    FormerContexts,
    TaxContext,
    context_at,
    levied,
    shares_of,
    sold_as,
)

__all__ = [
    "AccountChange",
    "AccountState",
    "AccountTerms",
    "BillingAccount",
    "ChargeKind",
    "ChargeRoute",
    "Delivery",
    "FormerContexts",
    "FormerTerms",
    "TaxClass",
    "TaxContext",
    "TermsChange",
    "changed",
    "check_account",
    "check_open",
    "check_route",
    "closed",
    "context_at",
    "levied",
    "shares_of",
    "sold_as",
    "with_terms",
]
