"""The commands of the audit log, the events and the jobs, as a person or a program calls them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
import typer
from typer.testing import CliRunner

from farwire.base.audit import record
from farwire.base.clock import SystemClock
from farwire.base.config import Settings
from farwire.base.eventbus import Event, new_event, publish
from farwire.base.eventbus.delivery import RetryPolicy, Subscriber
from farwire.base.eventbus.relay import Relay
from farwire.base.jobs import enqueue
from farwire.base.storage import Database, open_relay
from farwire.base.storage.endpoints import connect
from farwire.cli import audit, events, jobs
from farwire.kernel.ids import TenantId
from farwire.kernel.tenancy import SYSTEM

AT = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.out)
        return found

    @property
    def items(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = self.document["items"]  # type: ignore[assignment]
        return found


Call = Callable[..., Awaitable[Answer]]


@pytest.fixture
def call(database_env: dict[str, str]) -> Call:
    """Return a function that runs a command against this test's database, in a thread with its own loop."""

    async def run(app: typer.Typer, *words: str) -> Answer:
        env = {**database_env, "COLUMNS": "200", "NO_COLOR": "1"}
        found = await asyncio.to_thread(CliRunner().invoke, app, list(words), env=env)
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return Answer(found.exit_code, found.stdout, found.stderr)

    return run


async def recorded(db: Database, tenant_id: TenantId, count: int) -> None:
    for n in range(count):
        async with db.transaction(tenant_id) as tx:
            await record(tx, actor=SYSTEM, action="bill.run", subject=f"run/{n}", at=AT, detail={"bills": n})


async def test_a_sound_log_is_verified_for_one_tenant_and_for_all(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId, call: Call
) -> None:
    await recorded(db, tenant_id, 3)
    one = await call(audit.app, "verify", "--tenant", "nordlicht", "--json")
    assert (one.code, one.items[0]["ok"], one.items[0]["entries"]) == (0, True, 3)
    every = await call(audit.app, "verify", "--json")
    assert [(row["tenant"], row["ok"]) for row in every.items] == [("nordlicht", True), ("sunrise", True)]


async def test_a_tampered_log_ends_with_a_difference_and_says_where(
    db: Database, tenant_id: TenantId, call: Call, settings: Settings
) -> None:
    await recorded(db, tenant_id, 3)
    assert settings.database_owner_url is not None
    async with connect(settings.database_owner_url) as owner:
        await owner.execute("UPDATE base.audit_entry SET subject = 'run/9' WHERE sequence = 2")
    answer = await call(audit.app, "verify", "-t", "nordlicht")
    assert answer.code == 1
    assert "entry 2 does not have its hash: it was changed" in answer.out


async def test_a_cut_log_is_found_with_its_anchor(
    db: Database, tenant_id: TenantId, call: Call, settings: Settings
) -> None:
    await recorded(db, tenant_id, 3)
    anchor = (await call(audit.app, "head", "-t", "nordlicht")).out.strip()
    assert (await call(audit.app, "verify", "-t", "nordlicht", "--expect-head", anchor)).code == 0
    assert settings.database_owner_url is not None
    async with connect(settings.database_owner_url) as owner:
        await owner.execute("DELETE FROM base.audit_entry WHERE sequence = 3")
    answer = await call(audit.app, "verify", "-t", "nordlicht", "--expect-head", anchor, "--json")
    assert (answer.code, answer.items[0]["flaw"]) == (1, "tail_missing")


async def test_an_anchor_without_its_tenant_or_that_is_none_is_refused(
    tenant_id: TenantId, call: Call
) -> None:
    assert (await call(audit.app, "verify", "--expect-head", f"1:{'0' * 64}")).code == 3
    answer = await call(audit.app, "verify", "-t", "nordlicht", "--expect-head", "x", "--json")
    assert (answer.code, json.loads(answer.err)["error"]["code"]) == (3, "audit.head_malformed")


async def test_the_log_is_listed(db: Database, tenant_id: TenantId, call: Call) -> None:
    await recorded(db, tenant_id, 2)
    answer = await call(audit.app, "list", "-t", "nordlicht", "--limit", "1", "--json")
    (entry,) = answer.items
    assert (entry["sequence"], entry["actor"], entry["subject"]) == (2, "system:farwire", "run/1")


async def test_events_are_listed_as_cloudevents(db: Database, tenant_id: TenantId, call: Call) -> None:
    event = await published(db, tenant_id)
    answer = await call(events.app, "list", "-t", "nordlicht", "--json")
    (row,) = answer.items
    assert row["event"]["id"] == str(event.id)  # type: ignore[index]
    assert row["event"]["specversion"] == "1.0"  # type: ignore[index]
    assert "farwire.bill.issued.v1" in (await call(events.app, "list", "-t", "nordlicht")).out


async def published(db: Database, tenant_id: TenantId) -> Event:
    event = new_event(
        tenant_id=tenant_id,
        type="farwire.bill.issued.v1",
        subject="bill/1",
        occurred_at=AT,
        recorded_at=AT,
        data={},
    )
    async with db.transaction(tenant_id) as tx:
        await publish(tx, event)
    return event


async def test_following_prints_each_event_once_and_goes_on_where_it_stopped(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId, call: Call
) -> None:
    follow = ("follow", "-s", "warehouse", "--type", "farwire.bill.*", "--tenant", "nordlicht", "--once")
    first = await published(db, tenant_id)
    await published(db, other_tenant_id)
    answer = await call(events.app, *follow)
    assert [json.loads(line)["id"] for line in answer.out.splitlines()] == [str(first.id)]
    second = await published(db, tenant_id)
    answer = await call(events.app, *follow)
    assert [json.loads(line)["id"] for line in answer.out.splitlines()] == [str(second.id)]
    assert (await call(events.app, *follow)).out == ""


async def test_a_parked_event_is_shown_retried_and_discarded(
    db: Database, tenant_id: TenantId, settings: Settings, call: Call
) -> None:
    await published(db, tenant_id)

    async def refuse(_: Event) -> None:
        raise ValueError("out of order")

    subscriber = Subscriber("webhooks", refuse, retry=RetryPolicy(max_attempts=1))
    relay_db = await open_relay(settings)
    relay = Relay(db=relay_db, clock=SystemClock(), subscribers=(subscriber,))
    await relay.drain()
    (row,) = (await call(events.app, "parked", "--json")).items
    assert (row["subscriber"], row["error"]) == ("webhooks", "ValueError: out of order")
    assert (await call(events.app, "retry", "-s", "webhooks", "--json")).document["events"] == 1
    await relay.serve_once(subscriber)
    await relay.release()
    position = str(row["position"])
    assert (await call(events.app, "discard", "-s", "webhooks", "--position", position)).code == 0
    assert (await call(events.app, "discard", "-s", "webhooks", "--position", position)).code == 4
    (state,) = (await call(events.app, "subscribers", "--json")).items
    assert (state["name"], state["behind"], state["parked"]) == ("webhooks", 0, 0)
    answer = await call(events.app, "replay", "-s", "webhooks", "--from", position, "--json")
    assert answer.document["first_position"] == int(position)
    assert (await call(events.app, "replay", "-s", "webhooks", "--from", "999999")).code == 5
    assert (await call(events.app, "forget", "-s", "webhooks")).code == 0
    assert (await call(events.app, "purge", "--keep-days", "1", "--json")).document["events"] == 1
    await relay_db.close()


async def test_jobs_are_listed_cancelled_and_retried(db: Database, tenant_id: TenantId, call: Call) -> None:
    async with db.transaction(tenant_id) as tx:
        job = await enqueue(tx=tx, kind="bill.run", key="k", payload={}, run_at=AT, now=AT)
    for act, expected in (("cancel", "cancelled"), ("retry", "queued")):
        assert (await call(jobs.app, act, str(job), "-t", "nordlicht")).code == 0
        (row,) = (await call(jobs.app, "list", "-t", "nordlicht", "--json")).items
        assert (row["id"], row["state"]) == (str(job), expected)
    assert (await call(jobs.app, "retry", str(job), "-t", "nordlicht")).code == 5
    assert (await call(jobs.app, "cancel", "nonsense", "-t", "nordlicht")).code == 3
    assert (await call(jobs.app, "list", "-t", "nordlicht", "--state", "failed")).out == ""


@pytest.mark.parametrize("app", [audit.app, events.app, jobs.app])
async def test_every_command_explains_itself(app: typer.Typer, call: Call) -> None:
    for command in app.registered_commands:
        name = command.name or command.callback.__name__  # type: ignore[union-attr]
        answer = await call(app, name, "--help")
        assert answer.code == 0
        assert len(answer.out) > 200
