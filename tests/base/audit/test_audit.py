"""The audit log: recorded with the act, append-only, and every tampering found and placed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.base.audit import record, service
from farwire.base.audit.model import EMPTY, GENESIS, Act, Entry, Flaw, Head, chain, entry_hash, verify
from farwire.base.canonical import JSON
from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage import Database
from farwire.base.storage.endpoints import connect
from farwire.base.storage.errors import TenantCrossed
from farwire.kernel.errors import Defect, Invalid, check
from farwire.kernel.ids import TenantId, uuid7
from farwire.kernel.tenancy import SYSTEM, Actor, ActorKind

AT = datetime(2026, 6, 1, tzinfo=UTC)
TENANT = TenantId(uuid7())
Owner = asyncpg.Connection


@pytest.fixture
async def owner(settings: Settings, db: Database) -> AsyncIterator[Owner]:
    """A connection as the owner of the tables: who can tamper."""
    assert settings.database_owner_url is not None
    async with connect(settings.database_owner_url) as connection:
        yield connection


async def record_many(db: Database, tenant_id: TenantId, count: int) -> None:
    for n in range(count):
        async with db.transaction(tenant_id) as tx:
            await record(tx, actor=SYSTEM, action="bill.run", subject=f"run/{n}", at=AT, detail={"bills": n})


async def verification(
    db: Database, tenant_id: TenantId, expected: Head | None = None
) -> service.Verification:
    async with db.transaction(tenant_id) as tx:
        return await service.verify(tx=tx, expected=expected)


def places(found: service.Verification) -> list[tuple[int, Flaw]]:
    return [(finding.sequence, finding.flaw) for finding in found.findings]


async def test_a_recorded_act_is_read_back_as_it_was(db: Database, tenant_id: TenantId) -> None:
    actor = Actor(ActorKind.KEY, str(uuid7()))
    detail: Mapping[str, JSON] = {"ä": ["x", 10**20, None, True, {"b": {}, "a": ""}], "rows": -1}
    async with db.transaction(tenant_id) as tx:
        await record(tx, actor=actor, action="usage.import", subject="import/1", at=AT, detail=detail)
    async with db.transaction(tenant_id) as tx:
        (entry,) = await service.latest(tx=tx)
    assert entry.act == Act(actor, "usage.import", "import/1", AT, dict(detail))
    assert (entry.sequence, entry.previous_hash) == (1, GENESIS)
    assert (await verification(db, tenant_id)).ok


async def test_an_act_that_is_undone_leaves_no_entry_and_no_gap(db: Database, tenant_id: TenantId) -> None:
    with contextlib.suppress(Defect):
        async with db.transaction(tenant_id) as tx:
            await record(tx, actor=SYSTEM, action="bill.run", subject="undone", at=AT, detail={})
            check(False, "test.undo")
    await record_many(db, tenant_id, 2)
    found = await verification(db, tenant_id)
    assert (found.ok, found.entries, found.head.sequence) == (True, 2, 2)


async def test_concurrent_acts_of_a_tenant_form_one_chain(db: Database, tenant_id: TenantId) -> None:
    async def act(n: int) -> None:
        async with db.transaction(tenant_id) as tx:
            await record(tx, actor=SYSTEM, action="bill.run", subject=f"run/{n}", at=AT, detail={})

    await asyncio.gather(*(act(n) for n in range(20)))
    found = await verification(db, tenant_id)
    assert (found.ok, found.entries, found.head.sequence) == (True, 20, 20)


async def test_several_acts_in_one_transaction_follow_each_other(db: Database, tenant_id: TenantId) -> None:
    async with db.transaction(tenant_id) as tx:
        for n in range(3):
            await record(tx, actor=SYSTEM, action="bill.run", subject=f"run/{n}", at=AT, detail={})
    async with db.transaction(tenant_id) as tx:
        assert [e.act.subject for e in await service.latest(tx=tx)] == ["run/2", "run/1", "run/0"]
    assert (await verification(db, tenant_id)).ok


async def test_tenants_have_chains_of_their_own(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    await record_many(db, tenant_id, 2)
    await record_many(db, other_tenant_id, 1)
    assert (await verification(db, tenant_id)).entries == 2
    assert (await verification(db, other_tenant_id)).entries == 1
    async with db.transaction(other_tenant_id) as tx:
        assert await tx.fetchval("SELECT count(*) FROM base.audit_entry WHERE tenant_id = $1", tenant_id) == 0


async def test_an_empty_log_is_in_order(db: Database, tenant_id: TenantId) -> None:
    found = await verification(db, tenant_id)
    assert (found.ok, found.entries, found.head) == (True, 0, EMPTY)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE base.audit_entry SET subject = 'x'",
        "DELETE FROM base.audit_entry",
        "TRUNCATE base.audit_entry",
    ],
)
async def test_the_application_can_neither_change_nor_remove_entries(
    db: Database, tenant_id: TenantId, statement: str
) -> None:
    await record_many(db, tenant_id, 1)
    with pytest.raises((TenantCrossed, asyncpg.InsufficientPrivilegeError)):
        async with db.transaction(tenant_id) as tx:
            await tx.execute(statement)


@pytest.mark.parametrize(
    "change",
    [
        "subject = 'run/99'",
        "action = 'bill.void'",
        "actor_id = 'somebody'",
        "actor_kind = 'operator'",
        "actor_kind = 'of another kind'",
        "at = at + interval '1 microsecond'",
        """detail = '{"bills": 99}'""",
        """detail = detail || '{"more": null}'""",
    ],
)
async def test_a_changed_entry_is_found(db: Database, owner: Owner, tenant_id: TenantId, change: str) -> None:
    await record_many(db, tenant_id, 4)
    await owner.execute(
        f"UPDATE base.audit_entry SET {change} WHERE tenant_id = $1 AND sequence = 2", tenant_id
    )
    assert places(await verification(db, tenant_id)) == [(2, Flaw.CHANGED)]


async def test_a_changed_entry_with_a_new_hash_of_its_own_breaks_the_link_after_it(
    db: Database, owner: Owner, tenant_id: TenantId
) -> None:
    await record_many(db, tenant_id, 4)
    await rewrite(db, owner, tenant_id, sequence=2)
    assert places(await verification(db, tenant_id)) == [(3, Flaw.BROKEN_LINK)]


async def rewrite(db: Database, owner: Owner, tenant_id: TenantId, *, sequence: int) -> None:
    """Change an entry and give it the hash that fits, as somebody would who knows the scheme."""
    async with db.transaction(tenant_id) as tx:
        entry = next(e for e in await service.latest(tx=tx) if e.sequence == sequence)
    forged = Act(entry.act.actor, entry.act.action, "forged", entry.act.at, entry.act.detail)
    await owner.execute(
        "UPDATE base.audit_entry SET subject = 'forged', hash = $3 WHERE tenant_id = $1 AND sequence = $2",
        tenant_id,
        sequence,
        entry_hash(tenant_id, sequence, forged, entry.previous_hash),
    )


async def test_a_removed_entry_is_found(db: Database, owner: Owner, tenant_id: TenantId) -> None:
    await record_many(db, tenant_id, 5)
    await owner.execute("DELETE FROM base.audit_entry WHERE tenant_id = $1 AND sequence IN (2, 3)", tenant_id)
    found = await verification(db, tenant_id)
    assert places(found) == [(2, Flaw.MISSING)]
    assert found.findings[0].message == "entries 2 to 3 are missing"


async def test_a_removed_entry_is_found_when_the_rest_moves_up(
    db: Database, owner: Owner, tenant_id: TenantId
) -> None:
    await record_many(db, tenant_id, 3)
    await owner.execute("DELETE FROM base.audit_entry WHERE tenant_id = $1 AND sequence = 2", tenant_id)
    await owner.execute(
        "UPDATE base.audit_entry SET sequence = 2 WHERE tenant_id = $1 AND sequence = 3", tenant_id
    )
    assert places(await verification(db, tenant_id)) == [(2, Flaw.BROKEN_LINK), (2, Flaw.CHANGED)]


async def test_a_removed_beginning_is_found(db: Database, owner: Owner, tenant_id: TenantId) -> None:
    await record_many(db, tenant_id, 3)
    await owner.execute("DELETE FROM base.audit_entry WHERE tenant_id = $1 AND sequence = 1", tenant_id)
    assert places(await verification(db, tenant_id)) == [(1, Flaw.MISSING)]


async def test_reordered_entries_are_found(db: Database, owner: Owner, tenant_id: TenantId) -> None:
    await record_many(db, tenant_id, 4)
    for old, new in ((2, 100), (3, 2), (100, 3)):
        await owner.execute(
            "UPDATE base.audit_entry SET sequence = $3 WHERE tenant_id = $1 AND sequence = $2",
            tenant_id,
            old,
            new,
        )
    found = places(await verification(db, tenant_id))
    assert (2, Flaw.BROKEN_LINK) in found
    assert (3, Flaw.BROKEN_LINK) in found


async def test_an_inserted_entry_is_found(db: Database, owner: Owner, tenant_id: TenantId) -> None:
    """Somebody who knows the scheme makes room and inserts an entry that continues the one before it."""
    await record_many(db, tenant_id, 3)
    await owner.execute(
        "UPDATE base.audit_entry SET sequence = sequence + 100 WHERE tenant_id = $1 AND sequence > 1",
        tenant_id,
    )
    await owner.execute(
        "UPDATE base.audit_entry SET sequence = sequence - 99 WHERE tenant_id = $1 AND sequence > 1",
        tenant_id,
    )
    async with db.transaction(tenant_id) as tx:
        first = next(e for e in await service.latest(tx=tx) if e.sequence == 1)
    forged = chain(tenant_id, Head(1, first.hash), Act(SYSTEM, "bill.run", "forged", AT, {}))
    await owner.execute(
        "INSERT INTO base.audit_entry VALUES ($1, 2, $2, 'system', 'farwire', 'bill.run', 'forged', '{}', $3, $4)",
        tenant_id,
        AT,
        forged.previous_hash,
        forged.hash,
    )
    found = places(await verification(db, tenant_id))
    assert found[0] == (3, Flaw.BROKEN_LINK)


async def test_a_cut_tail_is_found_with_the_head_that_was_kept_outside(
    db: Database, owner: Owner, tenant_id: TenantId
) -> None:
    await record_many(db, tenant_id, 4)
    async with db.transaction(tenant_id) as tx:
        anchor = Head.parse(str(await service.head(tx=tx)))
    await owner.execute("DELETE FROM base.audit_entry WHERE tenant_id = $1 AND sequence > 2", tenant_id)
    assert (await verification(db, tenant_id)).ok, "no chain can show by itself that its end is missing"
    assert places(await verification(db, tenant_id, anchor)) == [(3, Flaw.TAIL_MISSING)]


async def test_a_chain_rewritten_to_its_end_is_found_with_the_head_that_was_kept_outside(
    db: Database, owner: Owner, tenant_id: TenantId
) -> None:
    await record_many(db, tenant_id, 3)
    async with db.transaction(tenant_id) as tx:
        anchor = await service.head(tx=tx)
    await rewrite(db, owner, tenant_id, sequence=3)
    await record_many(db, tenant_id, 2)
    assert (await verification(db, tenant_id)).ok
    assert places(await verification(db, tenant_id, anchor)) == [(3, Flaw.HEAD_DIFFERS)]


async def test_an_anchor_holds_while_the_log_grows(db: Database, tenant_id: TenantId) -> None:
    await record_many(db, tenant_id, 2)
    async with db.transaction(tenant_id) as tx:
        anchor = await service.head(tx=tx)
    await record_many(db, tenant_id, 2)
    assert (await verification(db, tenant_id, anchor)).ok


@pytest.mark.parametrize("text", ["", "7", "7:xyz", f"-1:{'0' * 64}", f"7:{'0' * 63}", f"7:{'0' * 65}"])
def test_a_head_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as raised:
        Head.parse(text)
    assert raised.value.code == "audit.head_malformed"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"action": "run"}, "audit.action"),
        ({"subject": ""}, "audit.subject"),
        ({"detail": {"x": "y" * 20_000}}, "audit.too_large"),
        ({"detail": {"rate": 0.1}}, "canonical.unsupported"),
        ({"detail": {"msisdn": "x"}}, "audit.personal_data"),
        ({"detail": {"note": "erika@example.org"}}, "audit.personal_data"),
        ({"subject": "+4915112345678"}, "audit.personal_data"),
        ({"at": datetime(2026, 6, 1)}, "time.zone_missing"),
    ],
)
async def test_what_does_not_belong_into_the_log_is_refused(
    db: Database, tenant_id: TenantId, change: dict[str, object], code: str
) -> None:
    given_ = {"actor": SYSTEM, "action": "bill.run", "subject": "run/1", "at": AT, "detail": {}}
    with pytest.raises(Invalid) as raised:
        async with db.transaction(tenant_id) as tx:
            await record(tx, **{**given_, **change})  # type: ignore[arg-type]
    assert raised.value.code == code


async def test_a_list_is_filtered_and_bounded(db: Database, tenant_id: TenantId, clock: MovableClock) -> None:
    await record_many(db, tenant_id, 3)
    async with db.transaction(tenant_id) as tx:
        await record(tx, actor=SYSTEM, action="key.create", subject="key/1", at=clock.now(), detail={})
        assert [e.sequence for e in await service.latest(tx=tx, limit=2)] == [4, 3]
        assert [e.sequence for e in await service.latest(tx=tx, action_prefix="key.")] == [4]
        assert [e.sequence for e in await service.latest(tx=tx, subject="run/1")] == [2]


DETAILS = st.dictionaries(
    st.text("abcß", max_size=4), st.integers() | st.text("xyz€", max_size=5), max_size=4
)
ACTS = st.lists(
    st.builds(
        Act,
        st.just(SYSTEM),
        st.just("bill.run"),
        st.text("abc", min_size=1, max_size=3),
        st.just(AT),
        DETAILS,
    ),
    min_size=2,
    max_size=8,
)


def chained(acts: list[Act]) -> list[Entry]:
    entries: list[Entry] = []
    head = EMPTY
    for act in acts:
        entries.append(chain(TENANT, head, act))
        head = Head(entries[-1].sequence, entries[-1].hash)
    return entries


@given(acts=ACTS, data=st.data())
def test_no_single_tampering_goes_unnoticed(acts: list[Act], data: st.DataObject) -> None:
    entries = chained(acts)
    anchor = Head(entries[-1].sequence, entries[-1].hash)
    assert verify(TENANT, entries, anchor) == []
    i = data.draw(st.integers(0, len(entries) - 1))
    j = data.draw(st.integers(0, len(entries) - 1).filter(lambda n: n != i))
    one = entries[i]
    match data.draw(st.sampled_from(["remove", "swap", "change", "duplicate"])):
        case "remove":
            tampered = entries[:i] + entries[i + 1 :]
        case "swap":
            tampered = list(entries)
            tampered[i], tampered[j] = tampered[j], tampered[i]
        case "change":
            later = Act(
                one.act.actor,
                one.act.action,
                one.act.subject,
                one.act.at + timedelta(seconds=1),
                one.act.detail,
            )
            tampered = list(entries)
            tampered[i] = Entry(TENANT, one.sequence, later, one.previous_hash, one.hash)
        case _:
            tampered = [*entries[:i], one, *entries[i:]]
    assert verify(TENANT, tampered, anchor)


def test_the_hash_is_sha_256_over_canonical_json_and_the_previous_hash() -> None:
    tenant = TenantId(uuid7())
    text = (
        '{"action":"bill.run","actor":{"id":"farwire","kind":"system"},"at":"2026-06-01T00:00:00.000000+00:00",'
        '"detail":{"a":"ß","b":1},"sequence":7,"subject":"run/1","tenant":"' + str(tenant) + '"}'
    )
    expected = hashlib.sha256(text.encode() + GENESIS).digest()
    assert (
        entry_hash(tenant, 7, Act(SYSTEM, "bill.run", "run/1", AT, {"b": 1, "a": "ß"}), GENESIS) == expected
    )
