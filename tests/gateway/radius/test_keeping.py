"""What the gateway keeps of persons and sessions, and when it goes."""

from __future__ import annotations

from datetime import timedelta

from farwire.base.clock import MovableClock
from farwire.base.jobs import Job
from farwire.base.jobs.model import JobState
from farwire.charging.events import account_closed
from farwire.gateway.radius import jobs, store, subscribers
from farwire.gateway.radius.credentials import forget_credential, set_credential
from farwire.gateway.radius.dictionary import Code, Status
from farwire.kernel.ids import JobId, TenantId, uuid7
from tests.charging.desk import CLERK
from tests.gateway.radius.world import PASSWORD, USER, World


async def test_a_password_is_kept_as_a_hash_and_readably_only_for_chap(world: World) -> None:
    number, now = world.account.number, world.clock.now()
    async with world.db.transaction(world.tenant_id) as tx:
        before = await store.credential(tx, number)
        await set_credential(tx, account=number, password="another", chap=False, now=now, actor=CLERK)
        after = await store.credential(tx, number)
    assert before is not None
    assert after is not None
    assert (before["readable"], after["readable"]) == (PASSWORD.encode(), None)
    assert b"another" not in after["hash"]
    assert after["salt"] != before["salt"]
    assert (await world.auth.access(USER, PASSWORD)).code == Code.ACCESS_REJECT
    assert (await world.auth.access(USER, "another")).code == Code.ACCESS_ACCEPT


async def test_another_operator_cannot_see_a_password(world: World, other_tenant_id: TenantId) -> None:
    async with world.db.transaction(other_tenant_id) as tx:
        assert await store.credential(tx, world.account.number) is None
        assert not await forget_credential(
            tx, account=world.account.number, now=world.clock.now(), actor=CLERK
        )
    assert (await world.auth.access()).code == Code.ACCESS_ACCEPT


async def test_a_password_goes_with_its_account(world: World) -> None:
    (follower,) = subscribers.subscribers(db=world.db, clock=world.clock)
    event = account_closed(world.account, tenant_id=world.tenant_id, at=world.clock.now())
    for _ in range(2):
        await follower.handle(event)
    async with world.db.transaction(world.tenant_id) as tx:
        assert await store.credential(tx, world.account.number) is None
    assert (await world.auth.access()).code == Code.ACCESS_REJECT


async def test_a_session_is_forgotten_when_nobody_has_heard_of_it_for_months(
    world: World, clock: MovableClock
) -> None:
    await world.acct.account(Status.START)
    purge = jobs.handlers(db=world.db, clock=clock)[jobs.PURGE]
    job = Job(
        world.tenant_id, JobId(uuid7()), jobs.PURGE, "", {}, JobState.RUNNING, clock.now(), 1, 1, 1,
        None, None, False, "", clock.now(), None,
    )  # fmt: skip
    await purge(job)
    assert len(await world.meters()) == 1
    clock.advance(jobs.UNSEEN_FOR + timedelta(seconds=1))
    await purge(job)
    assert await world.meters() == []


async def test_no_person_is_named_by_what_is_kept_of_a_session(world: World) -> None:
    await world.acct.account(Status.START)
    (meter,) = await world.meters()
    assert USER not in str({name: value for name, value in meter.items() if name != "account"})
