"""A run waits for a second person between its checks and its numbers; what is rejected leaves no trace."""

from __future__ import annotations

import asyncpg
import msgspec
import pytest

from farwire.base.audit import service as audit
from farwire.base.authz import SecondPersonMissing
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.billing import service as billing
from farwire.billing.model import Approval, Outcome, Run, RunReport, RunState, Scope, Severity, Thresholds
from farwire.kernel.errors import Conflict, FarwireError, Invalid, NotFound
from farwire.kernel.ids import AccountId, BillRunId, TenantId, uuid7
from farwire.kernel.page import PageRequest
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.tenant.model import Address
from farwire.usage import service as usage

from .world import World

JULY = "2026-07-01T00:00+02:00"
AUGUST = "2026-08-01T00:00+02:00"
ANNA, BERT = Actor(ActorKind.OPERATOR, "anna"), Actor(ActorKind.OPERATOR, "bert")


async def start(world: World, until: str = JULY, **options: object) -> RunReport:
    """Start a run as Anna, and take it to its approval."""
    return await world.run(until, approval=Approval.FOUR_EYES, actor=ANNA, **options)


async def decide(world: World, report: RunReport, actor: Actor = BERT, *, reject: str = "") -> RunReport:
    """Approve or reject a run, and take it to its end."""
    now = world.clock.now()
    async with world.db.transaction(world.tenant_id) as tx:
        if reject:
            await billing.reject_run(tx, run_id=report.run.id, reason=reject, actor=actor, now=now)
        else:
            await billing.approve_run(tx, run_id=report.run.id, actor=actor, now=now)
    return await go_on(world, report.run)


async def go_on(world: World, run: Run) -> RunReport:
    return await billing.advance_run(
        db=world.db, tenant_id=world.tenant_id, clock=world.clock, run_id=run.id, batch=2
    )


async def rows(world: World, table: str) -> list[dict[str, object]]:
    async with world.db.transaction(world.tenant_id) as tx:
        found = await tx.fetch(f"SELECT * FROM {table} WHERE tenant_id = $1", world.tenant_id)
    return sorted((dict(row) for row in found), key=repr)


async def findings(world: World, report: RunReport) -> dict[str, Severity]:
    page = await billing.run_findings(
        db=world.db, tenant_id=world.tenant_id, run_id=report.run.id, page=PageRequest()
    )
    return {one.code: one.severity for one in page.items}


async def test_drafts_wait_for_a_second_person_and_then_get_their_numbers(world: World) -> None:
    await world.many(5, await world.plan())
    report = await start(world, batch=2)
    assert (report.run.state, report.billed, report.issued) == (RunState.AWAITING_APPROVAL, 5, 0)
    assert report.ok
    assert {bill.number for bill in await world.bills()} == {None}
    again = await start(world)
    assert (again.run.id, again.run.state, again.issued) == (report.run.id, RunState.AWAITING_APPROVAL, 0)
    with pytest.raises(SecondPersonMissing):
        await decide(world, report, ANNA)
    done = await decide(world, report)
    assert (done.run.state, done.issued, done.run.decided_by) == (RunState.COMPLETED, 5, BERT)
    numbers = sorted(str(bill.number) for bill in await world.bills())
    assert numbers == [f"NL-2026-{n:07d}" for n in range(1, 6)]
    assert await rows(world, "billing.charged_before") == []
    async with world.db.transaction(world.tenant_id) as tx:
        acts = [entry.act.action for entry in await audit.latest(tx=tx, action_prefix="billing.")]
    assert acts == ["billing.run_completed", "billing.run_approved", "billing.run_started"]
    await world.sound()


async def test_a_rejected_run_frees_its_usage_and_restores_what_was_charged(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await world.run(JULY)
    await world.rated(product, "other", "0.09", at="2026-07-20T10:00Z")
    late = await world.rated(product, "other", "0.18", at="2026-06-25T10:00Z")
    before = await rows(world, "billing.charged"), await rows(world, "usage.record")
    report = await start(world, AUGUST)
    assert await rows(world, "billing.charged") != before[0]
    drafted = [(line.item.label, line.amount_minor) for line in (await world.bills())[-1].lines]
    done = await decide(world, report, reject="the prices are wrong")
    assert (done.run.state, done.discarded, done.run.reason) == (RunState.REJECTED, 1, "the prices are wrong")
    after = await rows(world, "billing.charged"), await rows(world, "usage.record")
    assert after[0] == before[0]
    assert [(row["state"], row["bill_id"]) for row in after[1]] == [("rated", None)] * 2
    assert await rows(world, "billing.charged_before") == []
    assert len(await world.bills()) == 1
    second = await decide(world, await start(world, AUGUST))
    assert second.issued == 1
    bill = (await world.bills())[-1]
    assert (bill.number, bill.sequence) == ("NL-2026-0000002", 2)
    assert [(line.item.label, line.amount_minor) for line in bill.lines] == drafted
    async with world.db.transaction(world.tenant_id) as tx:
        assert (await usage.usage_record(tx, usage_id=late)).bill_id == bill.id
    await world.sound()


async def test_two_cycles_at_once_are_rejected_as_if_they_had_never_been(world: World) -> None:
    plan = await world.plan()
    for account in await world.many(3, plan):
        assert account.cycle_day == 1
    report = await start(world, AUGUST, batch=2)
    assert report.billed == 6
    await decide(world, report, reject="no")
    assert [await rows(world, f"billing.{name}") for name in ("bill", "line", "tax", "charged")] == [[]] * 4
    expected = await decide(world, await start(world, AUGUST))
    assert expected.issued == 6
    await world.sound()


async def test_an_account_in_one_run_is_not_drafted_by_another(world: World) -> None:
    account, other = await world.many(2, await world.plan())
    first = await start(world, scope=Scope(account.id))
    assert first.billed == 1
    whole = await start(world, AUGUST)
    assert (whole.billed, {bill.account_id for bill in await world.bills()}) == (
        3 - 1,
        {account.id, other.id},
    )
    await decide(world, first, reject="later")
    assert (await decide(world, whole)).issued == 2
    last = await decide(world, await start(world, AUGUST))
    assert last.issued == 2
    await world.sound()


async def test_only_accounts_of_a_cycle_day_are_billed(world: World) -> None:
    plan = await world.plan()
    for number, day in (("1", 1), ("2", 15)):
        await world.product(await world.account(number, cycle_day=day), plan)
    report = await world.run(AUGUST, scope=Scope(cycle_day=15))
    assert [bill.account_number for bill in await world.bills()] == ["2", "2"]
    assert report.run.scope == Scope(None, 15)
    with pytest.raises(Invalid):
        await world.run(AUGUST, scope=Scope(cycle_day=32))
    with pytest.raises(NotFound):
        await world.run(AUGUST, scope=Scope(AccountId(uuid7())))


async def test_a_cancelled_run_gives_up_its_drafts(world: World) -> None:
    await world.many(3, await world.plan())
    report = await start(world)
    now = world.clock.now()
    (cancelled,) = await billing.cancel_runs(db=world.db, tenant_id=world.tenant_id, now=now, actor=ANNA)
    assert cancelled.state is RunState.DISCARDING
    assert (await go_on(world, report.run)).run.state is RunState.CANCELLED
    assert await world.bills() == []
    with pytest.raises(Conflict) as raised:
        await decide(world, report)
    assert raised.value.code == "billing.run_state"
    assert (await world.run()).issued == 3


async def test_a_bill_with_an_error_is_not_issued_and_the_next_run_tries_again(world: World) -> None:
    plan = await world.plan()
    good = await world.account("1")
    bad = await world.account("2", address=Address("DE", {}))
    for account in (good, bad):
        await world.product(account, plan)
    report = await start(world)
    assert (report.errors, report.ok) == (1, False)
    assert await findings(world, report) == {"address_missing": Severity.ERROR}
    done = await decide(world, report)
    assert (done.issued, done.failed, done.run.state) == (1, 1, RunState.COMPLETED)
    journal = await billing.account_journal(
        db=world.db, tenant_id=world.tenant_id, account_id=bad.id, page=PageRequest()
    )
    assert [(line.entry.outcome, line.entry.code) for line in journal.items] == [
        (Outcome.FAILED, "billing.check_address_missing")
    ]
    await mend(
        world, bad.party_id, Address("DE", {"street": "Deich", "postcode": "20459", "city": "Hamburg"})
    )
    assert (await decide(world, await start(world))).issued == 1
    await world.sound()


async def mend(world: World, party_id: object, address: Address) -> None:
    """Give a party an address that had been left out, for all times."""
    async with world.db.transaction(world.tenant_id) as tx:
        await tx.execute(
            "UPDATE party.party SET address = $3 WHERE tenant_id = $1 AND party_id = $2",
            world.tenant_id,
            party_id,
            msgspec.json.encode(address).decode(),
        )


async def test_one_account_is_drafted_again_after_its_data_was_mended(world: World) -> None:
    plan = await world.plan()
    account = await world.account(address=Address("DE", {}))
    product = await world.product(account, plan)
    report = await start(world)
    await mend(
        world, account.party_id, Address("DE", {"street": "D", "postcode": "20459", "city": "Hamburg"})
    )
    await world.rated(product, "other", "0.63", at="2026-06-20T10:00Z")
    before = (await world.only_bill()).total_minor
    async with world.db.transaction(world.tenant_id) as tx:
        outcomes = await billing.rerun_account(
            tx, run_id=report.run.id, account_id=account.id, actor=ANNA, now=world.clock.now()
        )
    assert outcomes == (Outcome.BILLED,)
    bill = await world.only_bill()
    assert bill.total_minor == before + 75
    assert await findings(world, report) == {}
    assert (await decide(world, report)).issued == 1
    with pytest.raises(Conflict):
        async with world.db.transaction(world.tenant_id) as tx:
            await billing.rerun_account(
                tx, run_id=report.run.id, account_id=account.id, actor=ANNA, now=world.clock.now()
            )
    await world.sound()


async def test_the_checks_warn_of_what_looks_odd(world: World) -> None:
    plan = await world.plan()
    account = await world.account()
    product = await world.product(account, plan)
    await world.rated(product, "other", "0.09", at="2026-06-20T10:00Z")
    await world.run(JULY)
    await world.rated(product, "other", "900.00", at="2026-07-20T10:00Z")
    grown = await start(world, AUGUST)
    assert await findings(world, grown) == {"bill_growth": Severity.WARNING}
    assert grown.ok
    await decide(world, grown)
    quiet = await start(world, "2026-09-01T00:00+02:00")
    assert await findings(world, quiet) == {"usage_gone": Severity.WARNING}
    await decide(world, quiet, reject="look again")
    silent = await start(world, "2026-09-01T00:00+02:00", thresholds=Thresholds(ignored=("usage_gone",)))
    assert await findings(world, silent) == {}


async def test_suspended_usage_and_zero_bills_are_seen(world: World) -> None:
    plan = await world.plan(one_off="", in_advance="false")
    account = await world.account()
    product = await world.product(account, plan)
    used = await world.rated(product, "national", "0", at="2026-06-20T10:00Z")
    lost = await world.rated(product, "other", "0.09", at="2026-06-21T10:00Z")
    async with world.db.transaction(world.tenant_id) as tx:
        await tx.execute(
            "UPDATE usage.record SET state = 'suspended', reason = 'tariff_missing', charge_nano = NULL "
            "WHERE tenant_id = $1 AND usage_id = $2",
            world.tenant_id,
            lost,
        )
    report = await start(world)
    assert (await findings(world, report)).get("usage_suspended") is Severity.WARNING
    assert used


async def test_who_must_approve_is_the_operators_or_a_companys_rule(world: World) -> None:
    await world.many(1, await world.plan())
    assert world.entity is not None
    waits = await world.run(approval=None, actor=ANNA)
    assert (waits.run.approval, waits.run.state) == (Approval.FOUR_EYES, RunState.AWAITING_APPROVAL)
    await decide(world, waits, reject="again")
    now = world.clock.now()
    async with world.db.transaction(world.tenant_id) as tx:
        await billing.set_approval(tx, approval=Approval.NONE, actor=ANNA, now=now)
        await billing.set_approval(
            tx, approval=Approval.FOUR_EYES, actor=ANNA, now=now, entity_id=world.entity.id
        )
    waits = await world.run(approval=None, actor=ANNA)
    assert waits.run.state is RunState.AWAITING_APPROVAL
    await decide(world, waits, reject="again")
    async with world.db.transaction(world.tenant_id) as tx:
        await billing.set_approval(tx, approval=Approval.NONE, actor=ANNA, now=now, entity_id=world.entity.id)
    assert (await world.run(approval=None, actor=ANNA)).issued == 1


async def test_a_reason_must_say_something(world: World) -> None:
    await world.many(1, await world.plan())
    report = await start(world)
    for reason in (" ", "x" * 201, "a\x00b"):
        with pytest.raises(Invalid):
            await decide(world, report, reject=reason)
    assert (await go_on(world, report.run)).run.state is RunState.AWAITING_APPROVAL


async def test_another_tenants_run_is_unknown(
    world: World, db: Database, clock: MovableClock, other_tenant_id: TenantId
) -> None:
    await world.many(1, await world.plan())
    report = await start(world)
    other = World(db, clock, other_tenant_id)
    for run_id in (report.run.id, BillRunId(uuid7())):
        async with db.transaction(other_tenant_id) as tx:
            with pytest.raises(NotFound):
                await billing.approve_run(tx, run_id=run_id, actor=BERT, now=clock.now())
        with pytest.raises(NotFound):
            await billing.run_findings(db=db, tenant_id=other_tenant_id, run_id=run_id, page=PageRequest())
    assert await other.bills() == []


async def test_a_drafted_bill_cannot_be_deleted_once_it_is_issued(world: World) -> None:
    await world.many(1, await world.plan())
    await world.run()
    for table in ("line", "tax"):
        with pytest.raises((asyncpg.IntegrityConstraintViolationError, FarwireError)):
            async with world.db.transaction(world.tenant_id) as tx:
                await tx.execute(f"DELETE FROM billing.{table} WHERE tenant_id = $1", world.tenant_id)
