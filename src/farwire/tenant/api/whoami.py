"""Who the caller is: the first call of every client. No TMF API has this."""

from __future__ import annotations

from typing import Final

import msgspec

from farwire.base.authz import ROLE_PERMISSIONS
from farwire.base.web import Access, AnyRoute, Call, Method, Nothing, Reply, Route
from farwire.tenant import service


class WhoAmI(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="WhoAmI"):
    """The key's tenant, role and permissions."""

    tenant_id: str
    tenant_name: str
    country: str
    role: str
    key_id: str
    permissions: list[str]


async def who_am_i(call: Call[Nothing, Nothing, None]) -> Reply:
    """Return what the caller's key stands for."""
    principal = call.principal
    tenant = await service.get_tenant(db=call.database, tenant_id=principal.tenant_id)
    return Reply(
        WhoAmI(
            tenant_id=str(tenant.id),
            tenant_name=tenant.name,
            country=tenant.country,
            role=principal.role.value,
            key_id=str(principal.key_id),
            permissions=sorted(permission.value for permission in ROLE_PERMISSIONS[principal.role]),
        )
    )


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path="/whoami",
        handler=who_am_i,
        summary="Show the tenant, role and permissions of the key",
        tag="Access",
        permission=Access.ANY_KEY,
        response=WhoAmI,
    ),
)
