"""``farwire events follow`` as a program between pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from farwire.base.config import Settings
from farwire.base.eventbus import new_event, operations, publish_many
from farwire.base.storage import Database, open_relay
from farwire.cli.shell import ExitCode
from farwire.kernel.ids import TenantId

AT = datetime(2026, 6, 1, tzinfo=UTC)
FARWIRE = str(Path(sys.executable).parent / "farwire")


async def test_a_reader_that_goes_away_ends_it_and_loses_no_event(
    db: Database, tenant_id: TenantId, settings: Settings, database_env: dict[str, str]
) -> None:
    events = [
        new_event(
            tenant_id=tenant_id,
            type="farwire.bill.issued.v1",
            subject=f"bill/{n}",
            occurred_at=AT,
            recorded_at=AT,
            data={},
        )
        for n in range(3)
    ]
    async with db.transaction(tenant_id) as tx:
        await publish_many(tx, events)

    def follow(*options: str, output: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
        command = [FARWIRE, "events", "follow", "-s", "warehouse", *options]
        env = os.environ | database_env
        return subprocess.run(
            command, env=env, stdout=output, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )

    for options in ((), ("--once",)):
        reader, writer = os.pipe()
        os.close(reader)
        ended = follow(*options, output=writer)
        os.close(writer)
        assert (ended.returncode, ended.stderr) == (ExitCode.INTERRUPTED, "")
    relay_db = await open_relay(settings)
    (state,) = await operations.subscribers(relay_db=relay_db)
    await relay_db.close()
    assert (state.position, state.waiting) == (0, 0)
    lines = follow("--once").stdout.splitlines()
    assert [json.loads(line)["subject"] for line in lines] == [event.subject for event in events]


def test_a_command_logs_to_standard_error_without_personal_data() -> None:
    log = "get_logger('x').warning('seen', note='+49 151 23456789')"
    code = (
        "from farwire import app; from farwire.base.telemetry import get_logger;"
        f"app.build_cli = lambda only: lambda: {log}; app.main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == ""
    assert "seen" in ended.stderr
    assert "23456789" not in ended.stderr
