"""Charge routes: who pays which part, and that the parts are the whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.account import service
from farwire.account.model import (
    AccountState,
    BillingAccount,
    ChargeKind,
    ChargeRoute,
    TaxClass,
    check_route,
)
from farwire.base import eventbus
from farwire.base.storage import Database
from farwire.kernel.errors import Conflict, FarwireError, Invalid, NotFound
from farwire.kernel.ids import AccountId, LegalEntityId, PartyId, TenantId, uuid7
from farwire.kernel.money import currency

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ENTITY, PARTY = LegalEntityId(uuid7()), PartyId(uuid7())
ALL = frozenset(ChargeKind)
USAGE = frozenset({ChargeKind.USAGE})


def day(number: int) -> datetime:
    return NOW + timedelta(days=number)


def account(number: str, **changes: object) -> BillingAccount:
    made = BillingAccount(
        AccountId(uuid7()), number, PARTY, ENTITY, currency("EUR"), 1, "Europe/Berlin", "de-DE",
        TaxClass.STANDARD, NOW,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


ANNA, FIRM, CLUB, GROUP = (account(number) for number in ("anna", "firm", "club", "group"))
BY_ID = {one.id: one for one in (ANNA, FIRM, CLUB, GROUP)}


def route(
    percent: str = "60",
    *,
    account: BillingAccount = ANNA,
    payer: BillingAccount = FIRM,
    kinds: frozenset[ChargeKind] = ALL - USAGE,
    start: int = 0,
    end: int | None = None,
) -> ChargeRoute:
    return ChargeRoute(
        account.id, kinds, payer.id, Decimal(percent), day(start), None if end is None else day(end)
    )


ROUTES = st.lists(
    st.builds(
        lambda hundredths, payer, kinds, start, days: ChargeRoute(
            ANNA.id,
            frozenset(kinds),
            payer.id,
            Decimal(hundredths) / 100,
            day(start),
            None if days is None else day(start + days),
        ),
        st.integers(1, 10_000),
        st.sampled_from([FIRM, CLUB, GROUP]),
        st.sets(st.sampled_from(list(ChargeKind)), min_size=1),
        st.integers(0, 20),
        st.one_of(st.none(), st.integers(1, 10)),
    ),
    max_size=8,
)


@given(ROUTES, st.integers(0, 35))
def test_others_never_pay_more_than_100_percent_and_usage_is_whole(
    wishes: Sequence[ChargeRoute], at: int
) -> None:
    kept: list[ChargeRoute] = []
    for wish in wishes:
        try:
            kept.append(check_route(wish, ANNA, BY_ID[wish.payer_account_id], kept))
        except (Conflict, Invalid):
            continue
    for kind in ChargeKind:
        holding = [one for one in kept if kind in one.kinds and one.holds(day(at))]
        total = sum((one.percent for one in holding), Decimal(0))
        assert total <= 100
        if kind is ChargeKind.USAGE:
            assert total in (0, 100)


@pytest.mark.parametrize(
    ("wish", "others", "code"),
    [
        (route("0"), [], "account.route_percent"),
        (route("100.01"), [], "account.route_percent"),
        (route("33.333"), [], "account.route_percent"),
        (route("NaN"), [], "account.route_percent"),
        (route("60", kinds=ALL), [], "account.route_usage_percent"),
        (route("99.99", kinds=USAGE), [], "account.route_usage_percent"),
        (route(kinds=frozenset()), [], "account.route_kinds"),
        (route(start=3, end=3), [], "account.route_period"),
        (route("41"), [route("60", payer=CLUB)], "account.route_over_100"),
        (
            route("100", kinds=ALL, end=9),
            [route("100", payer=CLUB, kinds=USAGE, start=8)],
            "account.route_over_100",
        ),
        (route(), [route(account=FIRM, payer=GROUP)], "account.route_chain"),
        (route(), [route(account=CLUB, payer=ANNA)], "account.route_chain"),
    ],
)
def test_a_route_that_cannot_be_billed_is_refused(
    wish: ChargeRoute, others: Sequence[ChargeRoute], code: str
) -> None:
    with pytest.raises(FarwireError) as raised:
        check_route(wish, ANNA, FIRM, others)
    assert raised.value.code == code


def test_routes_of_other_times_and_kinds_do_not_disturb() -> None:
    others = [
        route("60", payer=CLUB, end=5),
        route("100", payer=CLUB, kinds=USAGE, start=5),
        route(account=FIRM, payer=GROUP, end=5),
    ]
    wish = route("60", kinds=ALL - USAGE, start=5)
    assert check_route(wish, ANNA, FIRM, others) is wish


@pytest.mark.parametrize(
    "changes",
    [
        {"currency": currency("USD")},
        {"legal_entity_id": LegalEntityId(uuid7())},
        {"cycle_day": 2},
        {"zone": "Europe/Vienna"},
    ],
)
def test_a_payer_is_billed_by_the_same_company_in_the_same_currency_on_the_same_days(
    changes: dict[str, object],
) -> None:
    with pytest.raises(Conflict) as raised:
        check_route(route(), ANNA, replace(FIRM, **changes), [])  # type: ignore[arg-type]
    assert raised.value.code == "account.route_differs"


def test_neither_a_closed_account_nor_itself_pays() -> None:
    for payer, code in (
        (replace(FIRM, state=AccountState.CLOSED), "account.closed"),
        (ANNA, "account.route_self"),
    ):
        with pytest.raises(Conflict) as raised:
            check_route(route(payer=payer), ANNA, payer, [])
        assert raised.value.code == code


async def test_routes_are_kept_ended_and_found_from_both_sides(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    async with db.transaction(tenant_id) as tx:
        await service.add_accounts(tx=tx, accounts=[ANNA, FIRM, CLUB])
    one, two = route("60", kinds=ALL - USAGE), route("100", payer=CLUB, kinds=USAGE, start=3)
    for _ in range(2):
        async with db.transaction(tenant_id) as tx:
            await service.add_route(tx, route=one, now=NOW)
            await service.add_route(tx, route=two, now=NOW)
    for _ in range(2):
        async with db.transaction(tenant_id) as tx:
            ended = await service.end_route(
                tx, account_id=ANNA.id, payer_account_id=FIRM.id, at=day(9), now=NOW
            )
    async with db.transaction(tenant_id) as tx:
        assert await service.routes_of(tx, [ANNA.id, FIRM.id]) == {ANNA.id: (ended, two)}
        assert await service.routes_to(tx, [ANNA.id, FIRM.id]) == {FIRM.id: (ended,)}
        types = [event.type for _, event in await eventbus.list_events(tx=tx, subject=str(ANNA.id))]
        with pytest.raises(NotFound):
            await service.end_route(tx, account_id=ANNA.id, payer_account_id=FIRM.id, at=day(10), now=NOW)
        with pytest.raises(Conflict) as raised:
            await service.add_route(tx, route=replace(one, percent=Decimal(20)), now=NOW)
    assert ended == replace(one, valid_to=day(9))
    assert types == ["farwire.account.charges_routed.v1"] * 3
    assert raised.value.code == "account.route_taken"
    async with db.transaction(other_tenant_id) as tx:
        assert await service.routes_of(tx, [ANNA.id]) == {}
        with pytest.raises(NotFound):
            await service.add_route(tx, route=one, now=NOW)


async def test_a_start_of_the_same_time_is_refused_in_the_database_too(
    db: Database, tenant_id: TenantId
) -> None:
    async with db.transaction(tenant_id) as tx:
        await service.add_accounts(tx=tx, accounts=[ANNA, FIRM])
        with pytest.raises(Invalid):
            await service.add_route(tx, route=route("0"), now=NOW)
        await service.add_route(tx, route=route(), now=NOW)
        with pytest.raises(Invalid):
            await service.end_route(tx, account_id=ANNA.id, payer_account_id=FIRM.id, at=day(0), now=NOW)


async def test_one_payer_pays_a_share_of_what_recurs_and_all_of_the_usage(
    db: Database, tenant_id: TenantId
) -> None:
    async with db.transaction(tenant_id) as tx:
        await service.add_accounts(tx=tx, accounts=[ANNA, FIRM])
        share, calls = route("60"), route("100", kinds=USAGE)
        for one in (share, calls):
            await service.add_route(tx, route=one, now=NOW)
        with pytest.raises(Conflict) as raised:
            await service.end_route(tx, account_id=ANNA.id, payer_account_id=FIRM.id, at=day(9), now=NOW)
        assert raised.value.code == "account.route_several"
        for _ in range(2):
            ended = await service.end_route(
                tx, account_id=ANNA.id, payer_account_id=FIRM.id, at=day(9), now=NOW, kinds=USAGE
            )
            assert ended == replace(calls, valid_to=day(9))
        other = await service.end_route(tx, account_id=ANNA.id, payer_account_id=FIRM.id, at=day(9), now=NOW)
        assert other == replace(share, valid_to=day(9))
        assert set((await service.routes_of(tx, [ANNA.id]))[ANNA.id]) == {ended, other}
