"""What of an account has a time, opening and closing it, its place in a tree, and moving to another country."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.account import service
from farwire.account.model import (
    AccountChange,
    AccountState,
    BillingAccount,
    Delivery,
    TaxClass,
    TermsChange,
    with_terms,
)
from farwire.base import eventbus
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.errors import Conflict, FarwireError, Invalid, NotFound
from farwire.kernel.ids import AccountId, LegalEntityId, PartyId, TenantId, uuid7
from farwire.kernel.money import currency
from farwire.party import service as parties
from farwire.party.model import Party, PartyKind
from farwire.tenant import service as tenants
from farwire.tenant.model import Address, CompanyChange, LegalEntity

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOME = {"street": "Deichstraße", "house_number": "5", "postcode": "20459", "city": "Hamburg"}
HAMBURG = Address("DE", HOME, "DE-HH")
VIENNA = Address("AT", {"city": "Wien"})


def day(number: int) -> datetime:
    return NOW + timedelta(days=number)


async def company(db: Database, clock: MovableClock, tenant_id: TenantId, prefix: str = "NL") -> LegalEntity:
    return await tenants.add_legal_entity(
        db=db, clock=clock, tenant_id=tenant_id, name=f"{prefix} GmbH", vat_id="DE123456789", address=HAMBURG,
        country="DE", currency_code="EUR", zone_name="Europe/Berlin", number_prefix=prefix,
    )  # fmt: skip


async def customer(
    db: Database, tenant_id: TenantId, *, kind: PartyKind = PartyKind.INDIVIDUAL, vat_id: str = ""
) -> Party:
    party = Party(PartyId(uuid7()), kind, "Anna", HAMBURG, "de-DE", NOW, vat_id=vat_id)
    async with db.transaction(tenant_id) as tx:
        return await parties.add_party(tx, party=party)


def account(
    party: Party | None = None, entity: LegalEntity | None = None, number: str = "1", **changes: object
) -> BillingAccount:
    made = BillingAccount(
        AccountId(uuid7()),
        number,
        party.id if party else PartyId(uuid7()),
        entity.id if entity else LegalEntityId(uuid7()),
        currency("EUR"),
        1,
        "Europe/Berlin",
        "de-DE",
        TaxClass.STANDARD,
        NOW,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


async def opened(db: Database, tenant_id: TenantId, *accounts: BillingAccount) -> list[BillingAccount]:
    async with db.transaction(tenant_id) as tx:
        return [await service.open_account(tx, account=one, now=NOW) for one in accounts]


def test_a_bill_carries_the_purchase_order_of_its_time() -> None:
    one = with_terms(account(purchase_order="PO-1"), TermsChange(purchase_order="PO-2"), day(30))
    two = with_terms(one, TermsChange(purchase_order="PO-3"), day(60))
    assert [two.as_of(day(n)).purchase_order for n in (0, 29, 30, 59, 60, 99)] == [
        "PO-1", "PO-1", "PO-2", "PO-2", "PO-3", "PO-3",
    ]  # fmt: skip
    assert with_terms(two, TermsChange(purchase_order="PO-3"), day(60)) is two


def test_a_move_before_a_planned_purchase_order_keeps_both() -> None:
    planned = with_terms(account(region="DE-HH"), TermsChange(purchase_order="PO-2"), day(60))
    moved = with_terms(planned, TermsChange(region="DE-BY"), day(30))
    found = [(t.region, t.purchase_order) for n in (29, 30, 60) for t in [moved.terms_at(day(n))]]
    assert found == [("DE-HH", ""), ("DE-BY", ""), ("DE-BY", "PO-2")]


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["region", "segment", "purchase_order"]),
        st.sampled_from(["a", "b", "c"]),
        st.integers(-2, 20),
    ),
    max_size=12,
)


@given(CHANGES)
def test_the_dated_terms_answer_as_a_table_of_days_does(changes: Sequence[tuple[str, str, int]]) -> None:
    table = {n: {"region": "", "segment": "", "purchase_order": ""} for n in range(22)}
    one = account()
    for field, value, start in changes:
        one = with_terms(one, TermsChange(**{field: value}), day(start))  # type: ignore[arg-type]
        for n in range(max(start, 0), 22):
            table[n][field] = value
    for n, row in table.items():
        held = one.as_of(day(n) + timedelta(hours=1))
        assert {field: getattr(held, field) for field in row} == row
    ends = [former.valid_to for former in one.former]
    assert ends == sorted(set(ends))


async def test_an_account_is_opened_once_and_takes_its_region_from_the_address(
    db: Database, clock: MovableClock, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    entity, anna = await company(db, clock, tenant_id), await customer(db, tenant_id)
    (one,) = await opened(db, tenant_id, account(anna, entity, purchase_order="PO-1", delivery=Delivery.POST))
    assert one.region == "DE-HH"
    async with db.transaction(tenant_id) as tx:
        assert await service.account_numbered(tx=tx, number="1") == one
        assert await service.accounts_of_party(tx, anna.id) == (one,)
        assert [e.type for _, e in await eventbus.list_events(tx=tx, subject=str(one.id))] == [
            "farwire.account.opened.v1"
        ]
    with pytest.raises(Conflict) as raised:
        await opened(db, tenant_id, account(anna, entity))
    assert raised.value.code == "account.number_taken"
    with pytest.raises(NotFound):
        await opened(db, other_tenant_id, account(anna, entity))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"currency": currency("USD")}, "account.currency_differs"),
        ({"legal_entity_id": LegalEntityId(uuid7())}, "tenant.legal_entity_unknown"),
        ({"party_id": PartyId(uuid7())}, "party.unknown"),
        ({"tax_class": TaxClass.REVERSE_CHARGE}, "account.vat_id_missing"),
        ({"parent_id": AccountId(uuid7())}, "account.unknown"),
        ({"number": " "}, "account.number"),
        ({"purchase_order": "x" * 101}, "account.text"),
        ({"zone": "Mars/Base"}, "time.zone_unknown"),
        ({"cycle_day": 32}, "time.anchor_day"),
    ],
)
async def test_an_account_that_could_not_be_billed_is_not_opened(
    db: Database, clock: MovableClock, tenant_id: TenantId, changes: dict[str, object], code: str
) -> None:
    entity, anna = await company(db, clock, tenant_id), await customer(db, tenant_id)
    with pytest.raises(FarwireError) as raised:
        await opened(db, tenant_id, account(anna, entity, **changes))
    assert raised.value.code == code


async def test_what_may_change_changes_and_the_cycle_day_does_not(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    entity, anna = await company(db, clock, tenant_id), await customer(db, tenant_id)
    (one,) = await opened(db, tenant_id, account(anna, entity))
    wanted = AccountChange(language="en-DE", delivery=Delivery.PORTAL)
    async with db.transaction(tenant_id) as tx:
        first = await service.change_account(
            tx, account_id=one.id, change=wanted, now=NOW, expected_version=1
        )
        again = await service.change_account(tx, account_id=one.id, change=wanted, now=NOW)
        assert await service.change_cycle(tx, account_id=one.id, cycle_day=1) == first
        with pytest.raises(Conflict) as raised:
            await service.change_cycle(tx, account_id=one.id, cycle_day=15)
    assert (first.language, first.delivery, first.version) == ("en-DE", Delivery.PORTAL, 2)
    assert again == first
    assert raised.value.code == "account.cycle_fixed"
    with pytest.raises(Conflict) as raised:
        async with db.transaction(tenant_id) as tx:
            await service.change_account(tx, account_id=one.id, change=wanted, now=NOW, expected_version=1)
    assert raised.value.code == "account.version_differs"


async def test_a_tax_class_is_not_of_tomorrow_and_a_purchase_order_may_be(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    entity, anna = await company(db, clock, tenant_id), await customer(db, tenant_id)
    (one,) = await opened(db, tenant_id, account(anna, entity))
    async with db.transaction(tenant_id) as tx:
        with pytest.raises(Invalid) as raised:
            await service.change_terms(
                tx,
                account_id=one.id,
                change=TermsChange(tax_class=TaxClass.EXEMPT),
                valid_from=day(1),
                now=NOW,
            )
        two = await service.change_terms(
            tx, account_id=one.id, change=TermsChange(purchase_order="PO-9"), valid_from=day(30), now=NOW
        )
        assert (await service.accounts_by_id(tx=tx, account_ids=[one.id]))[one.id] == two
    assert raised.value.code == "account.terms_in_future"
    assert [two.as_of(day(n)).purchase_order for n in (29, 30)] == ["", "PO-9"]


async def test_accounts_stand_in_a_tree_and_close_from_below(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    entity, anna = await company(db, clock, tenant_id), await customer(db, tenant_id)
    top, low = await opened(db, tenant_id, account(anna, entity, "1"), account(anna, entity, "2"))
    async with db.transaction(tenant_id) as tx:
        await service.set_parent(tx, account_id=low.id, parent_id=top.id, now=NOW)
        for child, parent, code in ((top, low, "cycle"), (top, top, "cycle")):
            with pytest.raises(Conflict) as raised:
                await service.set_parent(tx, account_id=child.id, parent_id=parent.id, now=NOW)
            assert raised.value.code == f"account.parent_{code}"
        with pytest.raises(Conflict) as raised:
            await service.close_account(tx, account_id=top.id, at=day(1), now=NOW)
        assert raised.value.code == "account.has_children"
        closed = [
            await service.close_account(tx, account_id=one, at=day(1), now=NOW) for one in (low.id, top.id)
        ]
        assert await service.close_account(tx, account_id=top.id, at=day(9), now=NOW) == closed[1]
        with pytest.raises(Conflict) as raised:
            await service.change_account(tx, account_id=top.id, change=AccountChange(language="x"), now=NOW)
        assert raised.value.code == "account.closed"
    assert [(one.state, one.closed_at) for one in closed] == [(AccountState.CLOSED, day(1))] * 2


async def test_the_region_follows_a_move_and_the_past_keeps_its_own(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    entity, anna = await company(db, clock, tenant_id), await customer(db, tenant_id)
    open_one, shut = await opened(db, tenant_id, account(anna, entity, "1"), account(anna, entity, "2"))
    munich = Address("DE", HOME | {"postcode": "80331", "city": "München"}, "DE-BY")
    async with db.transaction(tenant_id) as tx:
        await service.close_account(tx, account_id=shut.id, at=day(1), now=NOW)
        party, accounts = await service.change_address(
            tx, party_id=anna.id, address=munich, valid_from=day(10), now=day(12)
        )
        again = await service.change_address(
            tx, party_id=anna.id, address=munich, valid_from=day(10), now=day(12)
        )
    (moved,) = accounts
    assert (moved.id, moved.region, moved.as_of(day(9)).region) == (open_one.id, "DE-BY", "DE-HH")
    assert (party.address_at(day(9)), party.address) == (HAMBURG, munich)
    assert again == (party, accounts)


@pytest.mark.parametrize(
    ("kind", "vat_id", "registered", "before", "expected"),
    [
        (PartyKind.INDIVIDUAL, "", False, TaxClass.STANDARD, TaxClass.STANDARD),
        (PartyKind.ORGANIZATION, "ATU1", False, TaxClass.STANDARD, TaxClass.REVERSE_CHARGE),
        (PartyKind.ORGANIZATION, "ATU1", True, TaxClass.STANDARD, TaxClass.STANDARD),
        (PartyKind.ORGANIZATION, "", False, TaxClass.STANDARD, TaxClass.STANDARD),
        (PartyKind.ORGANIZATION, "ATU1", False, TaxClass.EXEMPT, TaxClass.EXEMPT),
    ],
)
async def test_a_move_to_another_country_decides_again_who_owes_the_tax(
    db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
    kind: PartyKind,
    vat_id: str,
    registered: bool,
    before: TaxClass,
    expected: TaxClass,
) -> None:
    entity = await company(db, clock, tenant_id)
    party = await customer(db, tenant_id, kind=kind, vat_id=vat_id)
    (one,) = await opened(db, tenant_id, account(party, entity, tax_class=before))
    async with db.transaction(tenant_id) as tx:
        if registered:
            change = CompanyChange(vat_ids={"AT": "ATU99999999"})
            await tenants.change_legal_entity(tx, legal_entity_id=entity.id, change=change, now=NOW)
        _, (away,) = await service.change_address(
            tx, party_id=party.id, address=VIENNA, valid_from=day(10), now=day(10)
        )
        _, (home,) = await service.change_address(
            tx, party_id=party.id, address=HAMBURG, valid_from=day(20), now=day(20)
        )
    assert (one.tax_class, away.tax_class) == (before, expected)
    assert home.tax_class is (TaxClass.EXEMPT if before is TaxClass.EXEMPT else TaxClass.STANDARD)
    assert [home.as_of(day(n)).tax_class for n in (9, 10, 19)] == [before, expected, expected]


async def test_an_address_at_which_no_letter_arrives_is_refused(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    await company(db, clock, tenant_id)
    anna = await customer(db, tenant_id)
    with pytest.raises(Invalid) as raised:
        async with db.transaction(tenant_id) as tx:
            await service.change_address(
                tx, party_id=anna.id, address=Address("DE", {"city": "Kiel"}), valid_from=NOW, now=NOW
            )
    assert raised.value.code.startswith("country.address_field")


async def test_what_was_written_before_segments_had_a_time_keeps_the_segment(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    entity, anna = await company(db, clock, tenant_id), await customer(db, tenant_id)
    (one,) = await opened(db, tenant_id, account(anna, entity, segment="business"))
    terms = '{"region": "DE-HH", "tax_class": "standard", "purchase_order": "%s"}'
    ends = day(1).isoformat(), day(2).isoformat()
    held = ", ".join(f'{{"terms": {terms % end}, "valid_to": "{end}"}}' for end in ends)
    update = files("farwire.account").joinpath("migrations/0004_segment.sql").read_text().partition(";")[0]
    async with db.transaction(tenant_id) as tx:
        await tx.execute(
            "UPDATE account.account SET former = $2::jsonb WHERE tenant_id = $1", tenant_id, f"[{held}]"
        )
        await tx.execute(update)
        found = await service.account_with_id(tx, one.id)
    assert [found.terms_at(day(n)).segment for n in (0, 1, 2)] == ["business"] * 3
    assert [former.terms.purchase_order for former in found.former] == list(ends)
