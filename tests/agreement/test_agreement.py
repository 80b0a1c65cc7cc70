"""Agreements: four eyes, amendments instead of edits, and what holds for whom at which time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.agreement import service
from farwire.agreement.model import (
    Agreement,
    AgreementItem,
    AgreementState,
    NegotiatedPrice,
    approved,
    check_agreement,
    terminated,
    withdrawn,
)
from farwire.base import eventbus
from farwire.base.authz import SecondPersonMissing
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.catalog import service as catalog
from farwire.catalog.model import read_plan
from farwire.kernel.errors import Conflict, FarwireError, Invalid, NotFound
from farwire.kernel.ids import AgreementId, PartyId, TenantId, uuid7
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.party import service as parties
from farwire.party.model import Party, PartyKind
from farwire.tenant.model import Address

NOW = datetime(2026, 6, 1, tzinfo=UTC)
SELLER, HEAD = Actor(ActorKind.OPERATOR, "seller"), Actor(ActorKind.OPERATOR, "head")
PLAN = """
offering = "flex-m"
name = "Flex M"
valid_from = 2026-01-01T00:00:00+01:00
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false
recurring = [{ id = "monthly", price = 20 }]
usage = [{ id = "calls", kind = "voice", price = 0.10, per = "1 min" }]
"""
ITEM = AgreementItem("flex-m", (NegotiatedPrice("monthly", price=Decimal("15.5")),), 24)
CHEAPER = AgreementItem("flex-m", (NegotiatedPrice("monthly", percent=Decimal(70)),))


def day(number: int) -> datetime:
    return NOW + timedelta(days=number)


def draft(**changes: object) -> Agreement:
    made = Agreement(AgreementId(uuid7()), "A-1", PartyId(uuid7()), day(0), day(365), (ITEM,), NOW, SELLER)
    return replace(made, **changes)  # type: ignore[arg-type]


async def firm(db: Database, tenant_id: TenantId, parent: PartyId | None = None) -> PartyId:
    party = Party(
        PartyId(uuid7()), PartyKind.ORGANIZATION, "Werft", Address("DE", {}), "de-DE", NOW, parent_id=parent
    )
    async with db.transaction(tenant_id) as tx:
        return (await parties.add_party(tx, party=party)).id


async def plan(db: Database, clock: MovableClock, tenant_id: TenantId) -> None:
    async with db.transaction(tenant_id) as tx:
        await catalog.publish_plan(tx=tx, clock=clock, plan=read_plan(PLAN))


async def make(
    db: Database,
    tenant_id: TenantId,
    party_id: PartyId,
    *,
    number: str = "A-1",
    item: AgreementItem = ITEM,
    approve: bool = True,
) -> Agreement:
    async with db.transaction(tenant_id) as tx:
        made = await service.draft_agreement(
            tx, number=number, party_id=party_id, items=[item], valid_from=day(0), valid_to=day(365),
            now=NOW, actor=SELLER,
        )  # fmt: skip
        return await service.approve_agreement(tx, number=number, now=NOW, actor=HEAD) if approve else made


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"number": ""}, "agreement.number"),
        ({"valid_to": day(0)}, "agreement.period"),
        ({"items": ()}, "agreement.items"),
        ({"items": (ITEM, ITEM)}, "agreement.items"),
        ({"items": (replace(ITEM, minimum_term_months=121),)}, "agreement.minimum_term"),
        ({"items": (replace(ITEM, overrides=ITEM.overrides * 2),)}, "agreement.price"),
        ({"items": (replace(ITEM, overrides=(NegotiatedPrice("monthly"),)),)}, "agreement.price"),
        (
            {"items": (replace(ITEM, overrides=(NegotiatedPrice("m", Decimal(1), Decimal(1)),)),)},
            "agreement.price",
        ),
        ({"items": (replace(ITEM, overrides=(NegotiatedPrice("m", Decimal(-1)),)),)}, "agreement.price"),
        ({"items": (replace(ITEM, overrides=(NegotiatedPrice("m", Decimal("NaN")),)),)}, "agreement.price"),
    ],
)
def test_an_agreement_that_could_not_be_billed_is_refused(changes: dict[str, object], code: str) -> None:
    with pytest.raises(Invalid) as raised:
        check_agreement(draft(**changes))
    assert raised.value.code == code


def test_nobody_approves_what_they_drafted() -> None:
    with pytest.raises(SecondPersonMissing):
        approved(draft(), None, by=SELLER, now=NOW)
    active, _ = approved(draft(), None, by=HEAD, now=NOW)
    assert (active.state, active.approved_by) == (AgreementState.ACTIVE, HEAD)


ACTS = st.lists(st.sampled_from(["approve", "withdraw", "terminate"]), max_size=6)


@given(ACTS, st.integers(0, 400))
def test_a_state_is_never_left_against_its_arrows(acts: list[str], at: int) -> None:
    one, now = draft(), day(at)
    ways = {("draft", "active"), ("draft", "withdrawn"), ("active", "terminated")}
    for act in acts:
        before = one.state_at(now)
        try:
            if act == "approve":
                one, _ = approved(one, None, by=HEAD, now=now)
            elif act == "withdraw":
                one = withdrawn(one, now=now)
            else:
                one = terminated(one, now, now=now)
        except Conflict:
            continue
        assert (before.value, one.state.value) in ways
    if one.state is AgreementState.ACTIVE and at >= 365:
        assert one.state_at(now) is AgreementState.EXPIRED


async def test_a_draft_gives_nothing_until_a_second_person_approves_it(
    db: Database, clock: MovableClock, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    await plan(db, clock, tenant_id)
    party_id = await firm(db, tenant_id)
    made = await make(db, tenant_id, party_id, approve=False)
    assert await make(db, tenant_id, party_id, approve=False) == made
    async with db.transaction(tenant_id) as tx:
        assert await service.agreement_for(tx, party_id=party_id, offering="flex-m", at=day(1)) is None
        with pytest.raises(SecondPersonMissing):
            await service.approve_agreement(tx, number="A-1", now=NOW, actor=SELLER)
        for _ in range(2):
            active = await service.approve_agreement(tx, number="A-1", now=NOW, actor=HEAD)
        with pytest.raises(Conflict):
            await service.approve_agreement(tx, number="A-1", now=NOW, actor=SELLER)
        assert await service.get_agreement(tx, made.id) == active
        assert await service.agreements_of_party(tx, party_id) == (active,)
        assert (await service.list_agreements(tx)).items == (active,)
        found = [
            await service.agreement_for(tx, party_id=party_id, offering="flex-m", at=day(n))
            for n in (-1, 0, 364, 365)
        ]
        assert await service.agreement_for(tx, party_id=party_id, offering="other", at=day(1)) is None
        types = [e.type for _, e in await eventbus.list_events(tx=tx, type_prefix="farwire.agreement")]
    assert found == [None, (active, ITEM), (active, ITEM), None]
    assert types == ["farwire.agreement.drafted.v1", "farwire.agreement.approved.v1"]
    async with db.transaction(other_tenant_id) as tx:
        assert await service.agreement_for(tx, party_id=party_id, offering="flex-m", at=day(1)) is None
        for number_or_id in (service.agreement_versions(tx, "A-1"), service.get_agreement(tx, made.id)):
            with pytest.raises(NotFound):
                await number_or_id


async def test_the_table_refuses_an_approval_by_the_same_person(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    await plan(db, clock, tenant_id)
    await make(db, tenant_id, await firm(db, tenant_id), approve=False)
    with pytest.raises((asyncpg.CheckViolationError, FarwireError)):
        async with db.transaction(tenant_id) as tx:
            await tx.execute(
                "UPDATE agreement.agreement SET state = 'active', approved_at = now(), "
                "approved_by = requested_by, approved_by_kind = requested_by_kind WHERE tenant_id = $1",
                tenant_id,
            )


async def test_an_amendment_follows_and_the_past_keeps_its_prices(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    await plan(db, clock, tenant_id)
    party_id = await firm(db, tenant_id)
    first = await make(db, tenant_id, party_id)
    wanted = {"number": "A-1", "items": [CHEAPER], "valid_to": None, "now": day(50), "actor": SELLER}
    async with db.transaction(tenant_id) as tx:
        second = await service.amend_agreement(tx, valid_from=day(100), **wanted)  # type: ignore[arg-type]
        assert await service.amend_agreement(tx, valid_from=day(100), **wanted) == second  # type: ignore[arg-type]
        with pytest.raises(Conflict) as raised:
            await service.amend_agreement(tx, valid_from=day(101), **wanted)  # type: ignore[arg-type]
        assert raised.value.code == "agreement.draft_open"
        await service.approve_agreement(tx, number="A-1", now=day(51), actor=HEAD)
        versions = await service.agreement_versions(tx, "A-1")
        found = [
            await service.agreement_for(tx, party_id=party_id, offering="flex-m", at=day(n))
            for n in (99, 100, 400)
        ]
    assert [(one.version, one.state, one.items) for one in versions] == [
        (1, AgreementState.TERMINATED, (ITEM,)),
        (2, AgreementState.ACTIVE, (CHEAPER,)),
    ]
    assert versions[0] == replace(first, state=AgreementState.TERMINATED, valid_to=day(100))
    assert [pair and pair[1] for pair in found] == [ITEM, CHEAPER, CHEAPER]


async def test_a_terminated_agreement_still_answers_for_its_time(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    await plan(db, clock, tenant_id)
    party_id = await firm(db, tenant_id)
    await make(db, tenant_id, party_id)
    async with db.transaction(tenant_id) as tx:
        with pytest.raises(Conflict):
            await service.terminate_agreement(tx, number="A-1", at=day(366), now=day(9), actor=HEAD)
        await service.terminate_agreement(tx, number="A-1", at=day(10), now=day(9), actor=HEAD)
        found = [
            await service.agreement_for(tx, party_id=party_id, offering="flex-m", at=day(n)) for n in (9, 10)
        ]
        with pytest.raises(Conflict):
            await service.terminate_agreement(tx, number="A-1", at=day(10), now=day(11), actor=HEAD)
    assert [pair is not None for pair in found] == [True, False]


async def test_an_agreement_ends_before_the_amendment_that_was_to_follow(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    await plan(db, clock, tenant_id)
    party_id = await firm(db, tenant_id)
    await make(db, tenant_id, party_id)
    async with db.transaction(tenant_id) as tx:
        await service.amend_agreement(
            tx, number="A-1", items=[CHEAPER], valid_from=day(100), valid_to=None, now=NOW, actor=SELLER
        )
        await service.approve_agreement(tx, number="A-1", now=NOW, actor=HEAD)
        with pytest.raises(Conflict) as raised:
            await service.terminate_agreement(tx, number="A-1", at=day(-1), now=day(9), actor=HEAD)
        assert raised.value.code == "agreement.end"
        await service.terminate_agreement(tx, number="A-1", at=day(60), now=day(9), actor=HEAD)
        versions = await service.agreement_versions(tx, "A-1")
        found = [
            await service.agreement_for(tx, party_id=party_id, offering="flex-m", at=day(n))
            for n in (59, 60, 99, 100, 400)
        ]
    ends = [(one.state, one.valid_to) for one in versions]
    assert ends == [(AgreementState.TERMINATED, day(60)), (AgreementState.TERMINATED, day(100))]
    assert [pair and pair[1] for pair in found] == [ITEM, None, None, None, None]


async def test_an_agreement_ends_in_the_gap_before_the_amendment_that_was_to_follow(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    await plan(db, clock, tenant_id)
    party_id = await firm(db, tenant_id)
    await make(db, tenant_id, party_id)  # until day 365
    async with db.transaction(tenant_id) as tx:
        await service.amend_agreement(
            tx, number="A-1", items=[CHEAPER], valid_from=day(400), valid_to=None, now=NOW, actor=SELLER
        )
        await service.approve_agreement(tx, number="A-1", now=NOW, actor=HEAD)
        await service.terminate_agreement(tx, number="A-1", at=day(380), now=day(9), actor=HEAD)
        found = [
            await service.agreement_for(tx, party_id=party_id, offering="flex-m", at=day(n))
            for n in (364, 365, 380, 400)
        ]
    assert [pair and pair[1] for pair in found] == [ITEM, None, None, None]


async def test_a_withdrawn_draft_makes_room_for_another(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    await plan(db, clock, tenant_id)
    party_id = await firm(db, tenant_id)
    await make(db, tenant_id, party_id)
    async with db.transaction(tenant_id) as tx:
        for price in (CHEAPER, ITEM):
            await service.amend_agreement(
                tx, number="A-1", items=[price], valid_from=day(9), valid_to=None, now=NOW, actor=SELLER
            )
            await service.withdraw_draft(tx, number="A-1", now=NOW, actor=SELLER)
        with pytest.raises(Conflict):
            await service.withdraw_draft(tx, number="A-1", now=NOW, actor=SELLER)
        found = await service.agreement_for(tx, party_id=party_id, offering="flex-m", at=day(20))
    assert found is not None
    assert found[0].version == 1


async def test_what_a_group_agreed_holds_for_its_firms_unless_they_agreed_otherwise(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    await plan(db, clock, tenant_id)
    group = await firm(db, tenant_id)
    werft = await firm(db, tenant_id, group)
    yard = await firm(db, tenant_id, werft)
    await make(db, tenant_id, group, number="A-G")
    await make(db, tenant_id, werft, number="A-W", item=CHEAPER)
    async with db.transaction(tenant_id) as tx:
        found = [
            await service.agreement_for(tx, party_id=one, offering="flex-m", at=day(1))
            for one in (group, werft, yard)
        ]
    assert [pair and pair[0].number for pair in found] == ["A-G", "A-W", "A-W"]


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (AgreementItem("flex-x"), "agreement.offering_unknown"),
        (AgreementItem("flex-m", (NegotiatedPrice("montly", Decimal(1)),)), "agreement.price_unknown"),
    ],
)
async def test_a_mistyped_offering_or_price_is_refused(
    db: Database, clock: MovableClock, tenant_id: TenantId, item: AgreementItem, code: str
) -> None:
    await plan(db, clock, tenant_id)
    party_id = await firm(db, tenant_id)
    with pytest.raises(Invalid) as raised:
        await make(db, tenant_id, party_id, item=item)
    assert raised.value.code == code
    async with db.transaction(tenant_id) as tx:
        assert (await service.list_agreements(tx)).total == 0


async def test_a_number_is_given_once_and_only_what_was_active_is_amended(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    await plan(db, clock, tenant_id)
    party_id = await firm(db, tenant_id)
    await make(db, tenant_id, party_id, approve=False)
    with pytest.raises(Conflict) as raised:
        await make(db, tenant_id, await firm(db, tenant_id))
    assert raised.value.code == "agreement.number_taken"
    async with db.transaction(tenant_id) as tx:
        with pytest.raises(Conflict) as raised:
            await service.amend_agreement(
                tx, number="A-1", items=[ITEM], valid_from=day(1), valid_to=None, now=NOW, actor=SELLER
            )
        with pytest.raises(NotFound):
            await service.approve_agreement(tx, number="A-2", now=NOW, actor=HEAD)
    assert raised.value.code == "agreement.never_active"
