"""``farwire message`` from an empty list to a published text."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farwire.base.clock import SystemClock
from farwire.base.storage import Database
from farwire.communication.model import Channel, Message, Priority
from farwire.communication.service import deliver_due, send
from farwire.kernel.ids import PartyId, TenantId, uuid7

Farwire = Callable[..., Any]


@pytest.fixture
def farwire(farwire_command: tuple[str, ...], database_env: dict[str, str]) -> Farwire:
    """Run a command with --json; return its document, or what it said against it."""

    def call(*words: str, code: int = 0) -> Any:
        done = subprocess.run(
            [*farwire_command, "message", *words, "--json"],
            env={**os.environ, **database_env, "FARWIRE_TENANT": "nordlicht"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr + done.stdout
        return json.loads(done.stdout or done.stderr)

    return call


async def _message(db: Database, tenant_id: TenantId) -> Message:
    clock = SystemClock()
    async with db.transaction(tenant_id) as tx:
        made = await send(
            tx,
            key="k",
            party_id=PartyId(uuid7()),
            code="payment_received",
            channel=Channel.EMAIL,
            address="anna@example.org",
            language="fr",
            variables={"name": "Anna", "seller": "Nordlicht", "amount": "5 €", "account": "1"},
            now=clock.now(),
            zone_name="UTC",
            priority=Priority.URGENT,
        )
    await deliver_due(db=db, tenant_id=tenant_id, clock=clock)
    return made


async def test_messages_are_listed_shown_and_reported_on(
    db: Database, tenant_id: TenantId, farwire: Farwire
) -> None:
    assert farwire("list") == {"items": [], "total": 0}
    message = await _message(db, tenant_id)
    (listed,) = farwire("list", "--state", "sent")["items"]
    assert listed["code"] == "payment_received"
    shown = farwire("show", str(message.id))
    assert shown["subject"] == "Nordlicht : nous avons reçu votre paiement"
    report = ("receipt", str(message.id), "--state", "delivered", "--key", "r1")
    assert farwire(*report)["state"] == "delivered"
    assert farwire(*report)["state"] == "delivered"
    assert len(farwire("show", str(message.id))["receipts"]) == 1
    unknown = farwire("show", "01890a5d-ac96-774b-bcce-b302099a8057", code=4)
    assert unknown["error"]["code"] == "communication.unknown"


def test_a_text_is_published_from_a_file(tenant_id: TenantId, farwire: Farwire, tmp_path: Path) -> None:
    file = tmp_path / "text.toml"
    file.write_text('code = "bill_issued"\nlanguage = "de"\nchannel = "sms"\nbody = "{number} {total}"\n')
    refused = farwire("publish", str(file), code=3)
    assert refused["error"]["code"] == "communication.variable_missing"
    file.write_text(
        'code = "bill_issued"\nlanguage = "de"\nchannel = "sms"\nbody = "{number} {total} {due_on}"\n'
    )
    assert farwire("publish", str(file))["version"] == 1
    found = farwire("templates", "--code", "bill_issued")["items"]
    assert {t["version"] for t in found if (t["language"], t["channel"]) == ("de", "sms")} == {1}
    file.write_text("code = 7")
    assert farwire("publish", str(file), code=3)["error"]["code"] == "communication.file"
