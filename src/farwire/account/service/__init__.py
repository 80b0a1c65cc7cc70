"""Use cases of billing accounts."""

from __future__ import annotations

from farwire.account.service.accounts import (
    account_numbered,
    account_with_id,
    accounts_after,
    accounts_by_id,
    accounts_by_number,
    accounts_of_party,
    add_accounts,
    change_account,
    change_cycle,
    change_terms,
    check_tax_class,
    close_account,
    count_accounts,
    keep_account,
    list_accounts,
    lock_account,
    open_account,
    page_of_accounts,
    set_parent,
)
from farwire.account.service.moving import change_address
from farwire.account.service.routes import add_route, end_route, routes_of, routes_to
from farwire.account.service.taxation import Contexts, tax_context, tax_contexts

__all__ = [
    "Contexts",
    "account_numbered",
    "account_with_id",
    "accounts_after",
    "accounts_by_id",
    "accounts_by_number",
    "accounts_of_party",
    "add_accounts",
    "add_route",
    "change_account",
    "change_address",
    "change_cycle",
    "change_terms",
    "check_tax_class",
    "close_account",
    "count_accounts",
    "end_route",
    "keep_account",
    "list_accounts",
    "lock_account",
    "open_account",
    "page_of_accounts",
    "routes_of",
    "routes_to",
    "set_parent",
    "tax_context",
    "tax_contexts",
]
