"""Publishing: the envelope, and the outbox in the transaction of the change."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta, timezone

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.base.canonical import JSON, canonical
from farwire.base.eventbus import (
    list_events,
    new_event,
    publish,
    publish_many,
    to_cloudevent,
)
from farwire.base.eventbus.service import PUBLISH_CHUNK
from farwire.base.storage import Database
from farwire.base.storage.errors import TenantCrossed
from farwire.kernel.errors import Defect, Invalid, check
from farwire.kernel.ids import EventId, TenantId, uuid7

from .conftest import AT, event_of

TENANT = TenantId(uuid7())
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abcß", max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


def test_the_envelope_has_the_attributes_of_cloudevents_and_ours() -> None:
    cause = EventId(uuid7())
    event = new_event(
        tenant_id=TENANT,
        type="farwire.usage.imported.v2",
        subject="import/7",
        occurred_at=datetime(2026, 6, 1, 2, tzinfo=timezone(timedelta(hours=2))),
        recorded_at=AT,
        data={"rows": 3},
        cause_id=cause,
    )
    assert to_cloudevent(event) == {
        "specversion": "1.0",
        "id": str(event.id),
        "source": "/farwire/usage",
        "type": "farwire.usage.imported.v2",
        "subject": "import/7",
        "time": "2026-06-01T00:00:00.000000Z",
        "dataschema": "urn:farwire:event:usage.imported.v2",
        "datacontenttype": "application/json",
        "tenant": str(TENANT),
        "causeid": str(cause),
        "recordedat": "2026-06-01T00:00:00.000000Z",
        "schemaversion": 2,
        "data": {"rows": 3},
    }


@pytest.mark.parametrize(
    "type_", ["usage.imported.v1", "farwire.usage.v1", "farwire.usage.imported", "farwire.A.b.v1"]
)
def test_a_type_out_of_the_scheme_is_refused(type_: str) -> None:
    with pytest.raises(Invalid) as raised:
        event_of(TENANT, kind=type_)
    assert raised.value.code == "eventbus.type"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"subject": ""}, "eventbus.subject"),
        ({"subject": "x" * 201}, "eventbus.subject"),
        ({"data": {"x": "y" * 70_000}}, "eventbus.too_large"),
        ({"subject": "bill/\x00"}, "eventbus.subject"),
        ({"subject": "bill/\ud800"}, "eventbus.subject"),
        ({"data": {"x": object()}}, "eventbus.data"),
        ({"data": {"x": ["a\x00b"]}}, "eventbus.data"),
        ({"data": {"x": "\ud800"}}, "eventbus.data"),
        ({"occurred_at": datetime(2026, 6, 1)}, "time.zone_missing"),
    ],
)
def test_an_event_that_cannot_travel_is_refused(change: dict[str, object], code: str) -> None:
    given_ = {
        "tenant_id": TENANT,
        "type": "farwire.bill.issued.v1",
        "subject": "s",
        "occurred_at": AT,
        "recorded_at": AT,
        "data": {},
    }
    with pytest.raises(Invalid) as raised:
        new_event(**{**given_, **change})  # type: ignore[arg-type]
    assert raised.value.code == code


@given(JSON_VALUES)
def test_canonical_text_does_not_depend_on_the_order_of_keys(value: JSON) -> None:
    def turned(item: JSON) -> JSON:
        if isinstance(item, dict):
            return {key: turned(item[key]) for key in reversed(list(item))}
        return [turned(part) for part in item] if isinstance(item, list) else item

    assert canonical(turned(value)) == canonical(value)


@pytest.mark.parametrize("value", [{"x": 1.5}, {"x": [float("nan")]}, {1: 2}, {"x": "\x00"}, {"x": object()}])
def test_what_has_no_canonical_text_is_refused(value: JSON) -> None:
    with pytest.raises(Invalid) as raised:
        canonical(value)
    assert raised.value.code == "canonical.unsupported"


async def test_an_event_leaves_only_with_its_transaction(db: Database, tenant_id: TenantId) -> None:
    kept, lost = event_of(tenant_id, "kept"), event_of(tenant_id, "lost")
    async with db.transaction(tenant_id) as tx:
        await publish(tx, kept)
    with contextlib.suppress(Defect):
        async with db.transaction(tenant_id) as tx:
            await publish(tx, lost)
            check(False, "test.undo")
    async with db.transaction(tenant_id) as tx:
        assert [event for _, event in await list_events(tx=tx)] == [kept]


async def test_bulk_publishing_keeps_the_order_beyond_one_statement(
    db: Database, tenant_id: TenantId
) -> None:
    events = [event_of(tenant_id, f"s{n % 7}", n) for n in range(PUBLISH_CHUNK + 5)]
    async with db.transaction(tenant_id) as tx:
        assert await publish_many(tx, iter(events)) == len(events)
    async with db.transaction(tenant_id) as tx:
        first = await list_events(tx=tx)
        rest = await list_events(tx=tx, after=first[-1][0])
    assert [event for _, event in first + rest] == events
    positions = [position for position, _ in first + rest]
    assert positions == sorted(set(positions))


async def test_a_transaction_has_its_id_before_its_first_position(db: Database, tenant_id: TenantId) -> None:
    """The relay's fence is sound only because of this order (decision 0004)."""
    async with db.transaction(tenant_id) as tx:
        assert await tx.fetchval("SELECT pg_current_xact_id_if_assigned()::text") is None
        await tx.fetchval("SELECT base.next_outbox_position()")
        assert await tx.fetchval("SELECT pg_current_xact_id_if_assigned()::text") is not None
        definition = await tx.fetchval("SELECT pg_get_functiondef('base.next_outbox_position'::regproc)")
        default = await tx.fetchval(
            """SELECT column_default FROM information_schema.columns
            WHERE table_schema = 'base' AND table_name = 'outbox' AND column_name = 'position'"""
        )
    assert definition.index("pg_current_xact_id") < definition.index("nextval")
    assert default == "base.next_outbox_position()"


async def test_a_list_is_filtered_by_type_and_subject(db: Database, tenant_id: TenantId) -> None:
    async with db.transaction(tenant_id) as tx:
        await publish_many(
            tx,
            [
                event_of(tenant_id, "a", 1),
                event_of(tenant_id, "b", 2),
                event_of(tenant_id, "a", 3, kind="farwire.usage.imported.v1"),
            ],
        )
        by_type = await list_events(tx=tx, type_prefix="farwire.bill.")
        by_both = await list_events(tx=tx, type_prefix="farwire.bill.", subject="a")
    assert [event.data["n"] for _, event in by_type] == [1, 2]
    assert [event.data["n"] for _, event in by_both] == [1]


async def test_an_event_of_another_tenant_is_a_defect(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    with pytest.raises(Defect) as raised:
        async with db.transaction(tenant_id) as tx:
            await publish(tx, event_of(other_tenant_id))
    assert raised.value.code == "eventbus.tenant_differs"


async def test_a_tenant_does_not_see_the_events_of_another(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    async with db.transaction(tenant_id) as tx:
        await publish(tx, event_of(tenant_id))
    async with db.transaction(other_tenant_id) as tx:
        assert await list_events(tx=tx) == []
        assert await tx.fetchval("SELECT count(*) FROM base.outbox") == 0


@pytest.mark.parametrize("statement", ["UPDATE base.outbox SET subject = 'x'", "DELETE FROM base.outbox"])
async def test_the_application_cannot_change_what_was_published(
    db: Database, tenant_id: TenantId, statement: str
) -> None:
    with pytest.raises((TenantCrossed, asyncpg.InsufficientPrivilegeError)):
        async with db.transaction(tenant_id) as tx:
            await tx.execute(statement)


@pytest.mark.parametrize("table", ["base.subscription", "base.delivery"])
async def test_the_application_has_no_business_with_the_relays_tables(
    db: Database, tenant_id: TenantId, table: str
) -> None:
    with pytest.raises((TenantCrossed, asyncpg.InsufficientPrivilegeError)):
        async with db.transaction(tenant_id) as tx:
            await tx.fetch(f"SELECT * FROM {table}")
