"""What a person sets: references that must lead somewhere, or need not; and what a listener hears again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.base.tmf import operations
from farwire.base.tmf.operations import References
from farwire.base.tmf_events import operations as listening
from farwire.cli import tmf
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.ids import TenantId
from farwire.kernel.tenancy import SYSTEM

V5 = "/tmf-api/productCatalogManagement/v5"
NOWHERE = {"@type": "Category", "name": "x", "parent": {"id": "nowhere"}}


async def test_references_are_strict_until_the_tenant_says_otherwise_for_the_api(
    client: httpx.AsyncClient,
    other_client: httpx.AsyncClient,
    db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
) -> None:
    async def set_to(api: str, mode: References) -> None:
        async with db.transaction(tenant_id) as tx:
            await operations.set_references(tx, api=api, mode=mode, actor=SYSTEM, clock=clock)

    async def answers() -> tuple[int, int]:
        parent = (await client.post(f"{V5}/category", json={"@type": "Category", "name": "p"})).json()["id"]
        child = {**NOWHERE, "parent": {"id": parent}}
        await client.post(f"{V5}/category", json=child)
        made = await client.post(f"{V5}/category", json=NOWHERE)
        return made.status_code, (await client.delete(f"{V5}/category/{parent}")).status_code

    assert await answers() == (422, 409)
    await set_to("622", References.LENIENT)
    assert await answers() == (422, 409)
    await set_to("620", References.LENIENT)
    assert await answers() == (201, 204)
    assert (await other_client.post(f"{V5}/category", json=NOWHERE)).status_code == 422
    await set_to("620", References.STRICT)
    assert await answers() == (422, 409)


def test_the_command_sets_and_shows_the_mode(database_env: dict[str, str]) -> None:
    from farwire.cli import tenant

    def say(app: Any, *words: str) -> Any:
        return CliRunner().invoke(app, list(words), env={**database_env, "COLUMNS": "160", "NO_COLOR": "1"})

    assert say(tenant.app, "create", "acme", "--country", "DE").exit_code == 0
    assert "Strict for every API." in say(tmf.app, "references", "-t", "acme").output
    assert "lenient" in say(tmf.app, "references", "620", "--mode", "lenient", "-t", "acme").output
    assert "strict" in say(tmf.app, "references", "620", "-t", "acme").output
    assert say(tmf.app, "references", "62O", "-t", "acme").exit_code == 3
    assert "Nobody listens" in say(tmf.app, "listeners", "-t", "acme").output
    assert say(tmf.app, "replay", "x", "--from", "1", "-t", "acme").exit_code != 0
    assert say(tmf.app, "replay", "x", "--from", "1", "--to", "2", "-t", "acme").exit_code != 0
    assert "Listeners take what they are told." in say(tmf.app, "dead-letters", "-t", "acme").output
    nothing = "01979a40-5c00-7000-8000-000000000001"
    assert "nothing is held" in say(tmf.app, "retry", nothing, "-t", "acme").output
    assert "nothing is held" in say(tmf.app, "retry", nothing, "--skip", "-t", "acme").output


async def test_only_a_known_listener_hears_again_and_only_what_was(
    client: httpx.AsyncClient, make: Any, db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    await make("a")
    answer = await client.post(f"{V5}/hub", json={"callback": "https://example.org/x"})
    key = answer.json()["id"]
    async with db.transaction(tenant_id) as tx:
        with pytest.raises(NotFound):
            await listening.replay(tx, listener="x", position=1, actor=SYSTEM, clock=clock)
        with pytest.raises(Conflict):
            await listening.replay(tx, listener=key, position=10**6, actor=SYSTEM, clock=clock)
        await listening.replay(tx, listener=key, position=1, actor=SYSTEM, clock=clock)
        (found,) = await listening.listeners(tx, limit=10)
    assert found.missed is not None
    assert found.missed[0] == 1
