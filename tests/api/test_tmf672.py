"""TMF672 checkPermission answers from the roles of keys, and from the permissions that are kept of other users."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from farwire.base.authz import Role
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.ids import TenantId
from farwire.tenant import service as tenants

from .conftest import Client, MakeKey

V5 = "/tmf-api/rolesAndPermissions/v5"


async def asked(client: httpx.AsyncClient, function: str, action: str, **more: Any) -> httpx.Response:
    entitlement = {"@type": "Entitlement", "function": function, "action": action}
    body = {"@type": "CheckPermission", "entitlement": entitlement, **more}
    return await client.post(f"{V5}/checkPermission", json=body)


async def may(client: httpx.AsyncClient, function: str, action: str, **more: Any) -> bool:
    answer = await asked(client, function, action, **more)
    assert answer.status_code in (201, 403), answer.text
    if answer.status_code == 403:
        assert answer.json()["code"] == "party.permission_denied"
    return answer.status_code == 201


def user(key: str) -> dict[str, Any]:
    return {"user": {"id": key}}


@pytest.mark.parametrize(
    ("role", "function", "action", "granted"),
    [
        (Role.AGENT, "Individual", "Create", True),
        (Role.AGENT, "individual", "read", True),
        (Role.AGENT, "Individual", "Delete", False),
        (Role.AGENT, "Alarm", "Update", False),
        (Role.AGENT, "bill", "approve", False),
        (Role.BILLING_OPERATOR, "bill", "approve", True),
        (Role.AUDITOR, "ProductOrder", "list", True),
        (Role.AUDITOR, "ProductOrder", "create", False),
        (Role.TENANT_ADMIN, "ProductOrder", "delete", False),
        (Role.TENANT_ADMIN, "Spaceship", "read", False),
        (Role.TENANT_ADMIN, "Individual", "fly", False),
    ],
)
async def test_a_caller_is_told_what_its_role_may(
    client_of: Client,
    make_key: MakeKey,
    tenant_id: TenantId,
    role: Role,
    function: str,
    action: str,
    granted: bool,
) -> None:
    async with client_of(await make_key(tenant_id, role)) as client:
        assert await may(client, function, action) is granted


async def test_a_key_of_ours_may_what_its_role_may_until_it_is_revoked(
    client: httpx.AsyncClient,
    other_client: httpx.AsyncClient,
    db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
) -> None:
    _, key = await tenants.create_key(db=db, clock=clock, tenant_id=tenant_id, role=Role.NOC, label="noc")
    who = user(str(key.id))
    assert await may(client, "Alarm", "Update", **who)
    assert not await may(client, "Individual", "Read", **who)
    assert not await may(other_client, "Alarm", "Update", **who)
    await tenants.revoke_key(db=db, clock=clock, tenant_id=tenant_id, key_id=key.id)
    assert not await may(client, "Alarm", "Update", **who)


async def test_a_permission_that_is_kept_grants_what_it_names_to_its_user_only_while_it_is_valid(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, clock: MovableClock
) -> None:
    role = {"@type": "UserRole", "entitlement": [{"function": "invoice", "action": "view"}]}
    made = (await client.post(f"{V5}/userRole", json=role)).json()
    body = {
        "@type": "Permission",
        "user": {"role": "user", "partyOrPartyRole": {"@type": "PartyRef", "id": "lou"}},
        "validFor": {"endDateTime": (clock.now() + timedelta(days=1)).isoformat()},
        "privilege": [
            {"function": "tv", "action": "watch", "manageableAsset": {"id": "tv-1"}},
            {"function": "tv", "action": "pause", "managedAssetGroup": {"id": "all-tvs"}},
        ],
        "assetUserRole": [{"userRole": {"id": made["id"]}, "manageableAsset": {"id": "account-7"}}],
    }
    answer = await client.post(f"{V5}/permission", json=body)
    assert answer.status_code == 201, answer.text
    tv, account = {"entity": {"id": "tv-1"}}, {"entity": {"id": "account-7"}}
    assert await may(client, "tv", "watch", **user("lou"), **tv)
    assert await may(client, "invoice", "view", **user("lou"), **account)
    for wrong in (
        await may(client, "tv", "watch", **user("lou")),
        await may(client, "tv", "watch", **user("lou"), **account),
        await may(client, "tv", "pause", **user("lou"), **tv),
        await may(client, "tv", "watch", **user("ann"), **tv),
        await may(client, "invoice", "view", **user("lou"), **tv),
        await may(other_client, "tv", "watch", **user("lou"), **tv),
    ):
        assert not wrong
    assert await may(client, "tv", "watch", partyRole={"id": "lou"}, **user("ann"), **tv)
    clock.advance(timedelta(days=1))
    assert not await may(client, "tv", "watch", **user("lou"), **tv)


async def test_a_question_without_a_function_is_refused(client: httpx.AsyncClient) -> None:
    refusal = await asked(client, "", "Read")
    assert (refusal.status_code, refusal.json()["code"]) == (400, "party.entitlement")
