"""Bill runs, holds, credits and credit notes over HTTP: by keys of several people, worked on by the worker."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from farwire.base.authz import Role
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.billing import jobs
from farwire.billing import service as billing
from farwire.kernel.ids import BillRunId, TenantId, parse_id
from farwire.kernel.time import instant

RUNS = "/farwire/v1/billRuns"
ACCOUNTS = "/farwire/v1/accounts"
UNTIL = "2026-07-01T00:00:00+02:00"


@pytest.fixture
async def people(client_of: Any, make_key: Any, tenant_id: TenantId) -> dict[str, httpx.AsyncClient]:
    """One client per person."""
    roles = {
        "operator": Role.BILLING_OPERATOR,
        "finance": Role.FINANCE,
        "agent": Role.AGENT,
        "product": Role.PRODUCT_MANAGER,
    }
    return {name: client_of(await make_key(tenant_id, role)) for name, role in roles.items()}


async def work(db: Database, clock: MovableClock, tenant_id: TenantId, run_id: str) -> None:
    """Do what the worker does with the job of a run."""
    async with db.transaction(tenant_id) as tx:
        queued = await tx.fetchval(
            "SELECT count(*) FROM base.job WHERE tenant_id = $1 AND kind = $2", tenant_id, jobs.ADVANCE
        )
    assert queued
    await billing.advance_run(db=db, tenant_id=tenant_id, clock=clock, run_id=BillRunId(parse_id(run_id)))


async def test_a_run_is_started_by_one_key_and_approved_by_another(
    world: Any, people: dict[str, httpx.AsyncClient], db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    await world.many(3, await world.plan())
    clock.set(instant(UNTIL))
    started = await people["operator"].post(RUNS, json={"until": UNTIL, "issueOn": "2026-07-02"})
    assert started.status_code == 202, started.text
    run = started.json()
    assert (run["state"], run["approval"]) == ("rating", "four_eyes")
    assert (await people["operator"].post(RUNS, json={"until": UNTIL})).json()["id"] == run["id"]
    await work(db, clock, tenant_id, run["id"])
    found = (await people["finance"].get(run["href"])).json()
    assert (found["state"], found["billed"], found["errors"]) == ("awaiting_approval", 3, 0)
    assert (await people["finance"].get(f"{run['href']}/findings")).json() == []
    own = await people["operator"].post(f"{run['href']}/approve")
    assert (own.status_code, own.json()["code"]) == (403, "authz.four_eyes")
    assert (await people["product"].post(f"{run['href']}/approve")).status_code == 403
    approved = await people["finance"].post(f"{run['href']}/approve")
    assert (approved.status_code, approved.json()["state"]) == (202, "approved")
    await work(db, clock, tenant_id, run["id"])
    (listed,) = (await people["finance"].get(RUNS)).json()
    assert (listed["state"], listed["issued"], listed["issueOn"]) == ("completed", 3, "2026-07-02")
    late = await people["finance"].post(f"{run['href']}/reject", json={"reason": "too late"})
    assert (late.status_code, late.json()["code"]) == (409, "billing.run_state")


async def test_a_run_is_rejected_with_a_reason_and_one_account_drafted_again(
    world: Any, people: dict[str, httpx.AsyncClient], db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    account, _ = await world.many(2, await world.plan())
    clock.set(instant(UNTIL))
    run = (await people["operator"].post(RUNS, json={"until": UNTIL})).json()
    await work(db, clock, tenant_id, run["id"])
    again = await people["operator"].post(f"{run['href']}/rerun", json={"accountId": str(account.id)})
    assert again.json()["outcomes"] == ["billed"]
    assert (await people["finance"].post(f"{run['href']}/reject", json={"reason": ""})).status_code == 400
    rejected = await people["finance"].post(f"{run['href']}/reject", json={"reason": "wrong prices"})
    assert (rejected.status_code, rejected.json()["state"]) == (202, "discarding")
    await work(db, clock, tenant_id, run["id"])
    found = (await people["operator"].get(run["href"])).json()
    assert (found["state"], found["reason"], found["discarded"]) == ("rejected", "wrong prices", 2)


async def test_the_next_bill_is_previewed_held_credited_and_corrected(
    world: Any, people: dict[str, httpx.AsyncClient], clock: MovableClock
) -> None:
    account = await world.account()
    await world.product(account, await world.plan())
    clock.set(instant(UNTIL))
    path = f"{ACCOUNTS}/{account.id}"
    credit = {
        "net": {"unit": "EUR", "value": 5},
        "reason": "ticket 1",
        "label": "Goodwill",
        "key": "ticket-1",
    }
    asked = await people["agent"].post(f"{path}/credits", json=credit)
    assert (asked.status_code, asked.json()["state"]) == (201, "requested"), asked.text
    assert (await people["agent"].post(f"{path}/credits", json=credit)).json()["id"] == asked.json()["id"]
    decision = f"/farwire/v1/credits/{asked.json()['id']}/approve"
    assert (await people["agent"].post(decision)).status_code == 403
    assert (await people["finance"].post(decision)).json()["state"] == "approved"
    previewed = await people["agent"].post(f"{path}/billPreviews")
    assert previewed.status_code == 200, previewed.text
    shown = previewed.json()
    assert shown["bill"]["taxExcludedAmount"]["value"] == 38.23
    assert shown["lines"][-1]["name"] == "Goodwill"
    held = await people["operator"].post(f"{path}/hold", json={"reason": "disputed"})
    assert held.json()["reason"] == "disputed"
    assert (await world.run(UNTIL)).issued == 0
    assert (await people["operator"].post(f"{path}/release")).status_code == 200
    assert (await people["operator"].post(f"{path}/release")).status_code == 409
    assert (await world.run(UNTIL)).issued == 1
    (listed,) = (await people["agent"].get(f"{path}/credits")).json()
    assert (listed["state"], listed["open"]["value"]) == ("applied", 0)
    bill = await world.only_bill()
    body = {
        "billId": str(bill.id),
        "reason": "wrong",
        "key": "n1",
        "lines": [{"line": 1, "amount": {"unit": "EUR", "value": 1.9}}],
    }
    note = await people["agent"].post(f"{path}/creditNotes", json=body)
    assert (note.status_code, note.json()["state"]) == (201, "requested"), note.text
    issued = await people["finance"].post(f"/farwire/v1/creditNotes/{note.json()['id']}/approve")
    assert issued.json()["state"] == "issued"
    (one,) = (await people["finance"].get(f"/farwire/v1/creditNotes?billId={bill.id}")).json()
    assert one["id"] == note.json()["id"]
    as_bill = await people["finance"].get(f"/tmf-api/customerBillManagement/v4/customerBill/{one['id']}")
    assert (as_bill.json()["billNo"], as_bill.json()["taxExcludedAmount"]["value"]) == (
        "NLCN-2026-0000001",
        -1.9,
    )
    too_much = await people["agent"].post(
        f"{path}/creditNotes", json=body | {"key": "n2", "lines": [{"line": 99}]}
    )
    assert (too_much.status_code, too_much.json()["code"]) == (400, "billing.note_line")


async def test_another_operator_sees_none_of_it(
    world: Any, client_of: Any, make_key: Any, clock: MovableClock, other_tenant_id: TenantId
) -> None:
    (account,) = await world.many(1, await world.plan())
    report = await world.run(UNTIL)
    stranger = client_of(await make_key(other_tenant_id, Role.TENANT_ADMIN))
    assert (await stranger.get(f"{RUNS}/{report.run.id}")).status_code == 404
    assert (await stranger.post(f"{RUNS}/{report.run.id}/approve")).status_code == 404
    assert (await stranger.post(f"{ACCOUNTS}/{account.id}/billPreviews")).status_code == 404
    assert (await stranger.get(f"{ACCOUNTS}/{account.id}/credits")).status_code == 404
