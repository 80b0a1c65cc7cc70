"""Messages over HTTP: listed without what is personal, reports of gateways once, texts published and refused."""

from __future__ import annotations

import httpx
import pytest

from farwire.base.authz import Role
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.communication.model import Channel
from farwire.communication.service import deliver_due, send
from farwire.kernel.ids import PartyId, TenantId, uuid7
from farwire.kernel.time import instant

from .conftest import Client, MakeKey

MESSAGES = "/farwire/v1/messages"
TEMPLATES = "/farwire/v1/messageTemplates"
TEXT = {"code": "order_completed", "language": "de", "channel": "sms", "body": "Fertig: {order}"}


@pytest.fixture
async def message(db: Database, tenant_id: TenantId, clock: MovableClock) -> str:
    """A message that was handed over; return its path."""
    clock.set(instant("2026-07-01T12:00+02:00"))
    async with db.transaction(tenant_id) as tx:
        made = await send(
            tx,
            key="k",
            party_id=PartyId(uuid7()),
            code="order_completed",
            channel=Channel.SMS,
            address="+4915112345678",
            language="de",
            variables={"name": "Anna", "seller": "Nordlicht", "order": "O-1"},
            now=clock.now(),
            zone_name="Europe/Berlin",
            country="DE",
        )
    await deliver_due(db=db, tenant_id=tenant_id, clock=clock)
    return f"{MESSAGES}/{made.id}"


async def test_a_list_shows_no_address_and_no_text(client: httpx.AsyncClient, message: str) -> None:
    answer = await client.get(f"{MESSAGES}?state=sent&code=order_completed")
    (listed,) = answer.json()
    assert answer.headers["x-total-count"] == "1"
    assert listed["state"] == "sent"
    assert "4915112345678" not in answer.text
    assert "Auftrag" not in answer.text
    whole = (await client.get(message)).json()
    assert (whole["address"], whole["receipts"]) == ("+4915112345678", [])
    assert (await client.get(f"{MESSAGES}?state=failed")).json() == []
    assert len((await client.get(f"{MESSAGES}?partyId={listed['partyId']}")).json()) == 1


async def test_a_report_counts_once(client: httpx.AsyncClient, message: str) -> None:
    body = {"key": "dlr-1", "state": "delivered", "at": "2026-07-01T10:00:01Z"}
    for _ in range(2):
        answer = await client.post(f"{message}/receipts", json=body)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["state"], len(answer.json()["receipts"])) == ("delivered", 1)
    again = {"key": "dlr-2", "state": "failed", "at": "2026-07-01T10:00:00Z", "error": "absent"}
    assert (await client.post(f"{message}/receipts", json=again)).json()["state"] == "delivered"


async def test_another_tenants_message_is_not_found(other_client: httpx.AsyncClient, message: str) -> None:
    body = {"key": "dlr-1", "state": "delivered", "at": "2026-07-01T10:00:01Z"}
    assert (await other_client.get(message)).status_code == 404
    assert (await other_client.post(f"{message}/receipts", json=body)).status_code == 404
    assert (await other_client.get(MESSAGES)).json() == []


async def test_a_text_is_published_or_refused(client: httpx.AsyncClient) -> None:
    assert (await client.post(TEMPLATES, json=TEXT)).json()["version"] == 1
    assert (await client.post(TEMPLATES, json=TEXT | {"body": "Bereit: {order}"})).json()["version"] == 2
    refused = await client.post(TEMPLATES, json=TEXT | {"body": "{typo}"})
    assert (refused.status_code, refused.json()["code"]) == (400, "communication.variable_unknown")
    found = (await client.get(f"{TEMPLATES}?code=order_completed&limit=1000")).json()
    assert {t["version"] for t in found if (t["language"], t["channel"]) == ("de", "sms")} == {2}


async def test_an_agent_reads_and_does_not_write(
    client_of: Client, make_key: MakeKey, tenant_id: TenantId, message: str
) -> None:
    async with client_of(await make_key(tenant_id, Role.AGENT)) as agent:
        assert (await agent.get(message)).status_code == 200
        assert (await agent.post(TEMPLATES, json=TEXT)).status_code == 403
