"""Use cases of tenants, their companies and API keys."""

from __future__ import annotations

from farwire.tenant.service.companies import (
    add_legal_entity,
    change_legal_entity,
    legal_entities,
    legal_entity,
)
from farwire.tenant.service.tenants import (
    FIRST_PAGE,
    OPERATOR,
    KeyRefused,
    authenticate,
    create_key,
    create_tenant,
    find_key,
    get_tenant,
    list_keys,
    list_tenants,
    revoke_key,
    tenant_by_name,
    this_tenant,
)

__all__ = [
    "FIRST_PAGE",
    "OPERATOR",
    "KeyRefused",
    "add_legal_entity",
    "authenticate",
    "change_legal_entity",
    "create_key",
    "create_tenant",
    "find_key",
    "get_tenant",
    "legal_entities",
    "legal_entity",
    "list_keys",
    "list_tenants",
    "revoke_key",
    "tenant_by_name",
    "this_tenant",
]
