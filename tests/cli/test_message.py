"""``farwire message`` from an empty list to a published text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from farwire.base.clock import SystemClock
from farwire.base.storage import Database
from farwire.communication.model import Channel, Message, Priority
from farwire.communication.service import deliver_due, send
from farwire.kernel.ids import PartyId, TenantId, uuid7

MAIN = "from farwire.app import main; main()"


def farwire(env: dict[str, str], *words: str, code: int = 0) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", MAIN, "message", *words, "--json"],
        env={**os.environ, **env, "FARWIRE_TENANT": "nordlicht"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr + done.stdout
    return json.loads(done.stdout or done.stderr)


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
    db: Database, tenant_id: TenantId, database_env: dict[str, str]
) -> None:
    assert farwire(database_env, "list") == {"items": [], "total": 0}
    message = await _message(db, tenant_id)
    (listed,) = farwire(database_env, "list", "--state", "sent")["items"]
    assert listed["code"] == "payment_received"
    shown = farwire(database_env, "show", str(message.id))
    assert shown["subject"] == "Nordlicht : nous avons reçu votre paiement"
    report = ("receipt", str(message.id), "--state", "delivered", "--key", "r1")
    assert farwire(database_env, *report)["state"] == "delivered"
    assert farwire(database_env, *report)["state"] == "delivered"
    assert len(farwire(database_env, "show", str(message.id))["receipts"]) == 1
    unknown = farwire(database_env, "show", "01890a5d-ac96-774b-bcce-b302099a8057", code=4)
    assert unknown["error"]["code"] == "communication.unknown"


def test_a_text_is_published_from_a_file(
    tenant_id: TenantId, database_env: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "text.toml"
    file.write_text('code = "bill_issued"\nlanguage = "de"\nchannel = "sms"\nbody = "{number} {total}"\n')
    refused = farwire(database_env, "publish", str(file), code=3)
    assert refused["error"]["code"] == "communication.variable_missing"
    file.write_text(
        'code = "bill_issued"\nlanguage = "de"\nchannel = "sms"\nbody = "{number} {total} {due_on}"\n'
    )
    assert farwire(database_env, "publish", str(file))["version"] == 1
    found = farwire(database_env, "templates", "--code", "bill_issued")["items"]
    assert {t["version"] for t in found if (t["language"], t["channel"]) == ("de", "sms")} == {1}
    file.write_text("code = 7")
    assert farwire(database_env, "publish", str(file), code=3)["error"]["code"] == "communication.file"
