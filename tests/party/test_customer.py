"""Changing a party, moving it, what it belongs to, what it plays and what it allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.base import eventbus
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import PartyId, TenantId, uuid7
from farwire.party import service
from farwire.party.model import (
    MAX_DEPTH,
    Channel,
    Consent,
    ContactKind,
    ContactMedium,
    Party,
    PartyChange,
    PartyKind,
    PartyRole,
    Purpose,
    RoleKind,
    allows,
    ancestors,
    check_parent,
    check_party,
)
from farwire.party.model.hierarchy import height
from farwire.tenant.model import Address

NOW = datetime(2026, 6, 11, 12, tzinfo=UTC)
HAMBURG = Address("DE", {"city": "Hamburg"}, "DE-HH")
LYON = Address("FR", {"city": "Lyon"})


def person(**changes: object) -> Party:
    made = Party(
        PartyId(uuid7()), PartyKind.INDIVIDUAL, "Anna Jürgensen", HAMBURG, "de-DE", NOW,
        given_name="Anna", family_name="Jürgensen", birth_date=date(1990, 2, 28),
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def firm(name: str = "Werft AG", parent: PartyId | None = None) -> Party:
    return Party(
        PartyId(uuid7()), PartyKind.ORGANIZATION, name, HAMBURG, "de-DE", NOW,
        vat_id="DE1", registration_id="HRB 1", parent_id=parent,
    )  # fmt: skip


async def added(db: Database, tenant_id: TenantId, *parties: Party) -> None:
    async with db.transaction(tenant_id) as tx:
        for party in parties:
            await service.add_party(tx, party=party)


async def test_a_person_and_a_firm_come_back_as_they_were_added(db: Database, tenant_id: TenantId) -> None:
    anna, werft = person(), firm()
    await added(db, tenant_id, anna, werft)
    async with db.transaction(tenant_id) as tx:
        assert await service.get_parties(tx=tx, party_ids=[anna.id, werft.id]) == {
            anna.id: anna,
            werft.id: werft,
        }
        page = await service.list_parties(tx, name="anna")
        types = [event.type for _, event in await eventbus.list_events(tx=tx)]
    assert page.items == (anna,)
    assert types == ["farwire.party.added.v1"] * 2


@pytest.mark.parametrize(
    ("party", "code"),
    [
        (person(name=" "), "party.name_missing"),
        (person(name="x" * 201), "party.text_too_long"),
        (person(name="a\x00b"), "party.text_too_long"),
        (person(registration_id="HRB 1"), "party.of_an_organization"),
        (person(kind=PartyKind.ORGANIZATION), "party.of_an_individual"),
        (person(birth_date=date(2030, 1, 1)), "party.birth_date"),
        (person(contacts=(ContactMedium(ContactKind.EMAIL, "anna"),)), "party.contact"),
        (person(contacts=(ContactMedium(ContactKind.PHONE, "+49 call me"),)), "party.contact"),
        (person(contacts=(ContactMedium(ContactKind.EMAIL, "a@b.de", preferred=True),) * 2), "party.contact"),
    ],
)
def test_a_party_that_makes_no_sense_is_refused(party: Party, code: str) -> None:
    with pytest.raises(Invalid) as raised:
        check_party(party)
    assert raised.value.code == code


def test_the_contact_for_a_purpose_comes_before_the_preferred_one() -> None:
    plain, preferred, billing = (
        ContactMedium(ContactKind.EMAIL, "a@x.de"),
        ContactMedium(ContactKind.EMAIL, "b@x.de", preferred=True),
        ContactMedium(ContactKind.EMAIL, "c@x.de", purpose="billing"),
    )
    anna = person(contacts=(plain, preferred, billing))
    assert anna.contact(ContactKind.EMAIL, "billing") == billing
    assert anna.contact(ContactKind.EMAIL) == preferred
    assert person(contacts=(plain, billing)).contact(ContactKind.EMAIL, "outage") == plain
    assert anna.contact(ContactKind.PHONE) is None


async def test_an_update_changes_what_it_names_and_refuses_one_that_read_an_older_version(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    anna = person()
    await added(db, tenant_id, anna)
    wanted = PartyChange(name="Anna Müller", family_name="Müller", language="en-DE")
    async with db.transaction(tenant_id) as tx:
        one = await service.update_party(tx, party_id=anna.id, change=wanted, now=NOW, expected_version=1)
        again = await service.update_party(tx, party_id=anna.id, change=wanted, now=NOW)
    assert (one.name, one.given_name, one.language, one.version) == ("Anna Müller", "Anna", "en-DE", 2)
    assert again == one
    with pytest.raises(Conflict) as raised:
        async with db.transaction(tenant_id) as tx:
            await service.update_party(
                tx, party_id=anna.id, change=PartyChange(language="de"), now=NOW, expected_version=1
            )
    assert raised.value.code == "party.version_differs"
    async with db.transaction(tenant_id) as tx:
        trail = await tx.fetchval(
            "SELECT string_agg(a::text, ' ') FROM base.audit_entry a WHERE tenant_id = $1", tenant_id
        )
    assert "party.changed" in trail
    assert "Müller" not in trail
    with pytest.raises(NotFound):
        async with db.transaction(other_tenant_id) as tx:
            await service.update_party(tx, party_id=anna.id, change=wanted, now=NOW)


async def test_a_move_keeps_where_the_party_was(db: Database, tenant_id: TenantId) -> None:
    anna = person()
    await added(db, tenant_id, anna)
    moved_at = NOW + timedelta(days=9)
    async with db.transaction(tenant_id) as tx:
        for _ in range(2):
            await service.move_party(
                tx, party_id=anna.id, address=LYON, valid_from=moved_at, now=NOW + timedelta(days=20)
            )
    async with db.transaction(tenant_id) as tx:
        found = await service.get_party(tx=tx, party_id=anna.id)
        with pytest.raises(Invalid):
            await service.move_party(
                tx, party_id=anna.id, address=HAMBURG, valid_from=NOW + timedelta(1), now=NOW
            )
        with pytest.raises(Conflict):
            await service.move_party(tx, party_id=anna.id, address=HAMBURG, valid_from=NOW, now=moved_at)
    assert (found.address, found.version, len(found.moves)) == (LYON, 2, 1)
    assert found.address_at(moved_at - timedelta(microseconds=1)) == HAMBURG
    assert found.address_at(moved_at) == LYON
    assert found.as_of(NOW) == replace(anna, version=2)


async def test_an_erased_party_is_blank_everywhere_and_stays_so(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    anna = person(contacts=(ContactMedium(ContactKind.EMAIL, "anna@example.org"),))
    await added(db, tenant_id, anna)
    async with db.transaction(tenant_id) as tx:
        await service.move_party(tx, party_id=anna.id, address=LYON, valid_from=NOW, now=NOW)
        await service.erase_party(tx=tx, clock=clock, party_id=anna.id)
    async with db.transaction(tenant_id) as tx:
        row = await tx.fetchval("SELECT p::text FROM party.party p WHERE tenant_id = $1", tenant_id)
        for act in (
            service.update_party(tx, party_id=anna.id, change=PartyChange(name="Anna"), now=NOW),
            service.move_party(tx, party_id=anna.id, address=HAMBURG, valid_from=NOW, now=NOW),
        ):
            with pytest.raises(Conflict) as raised:
                await act
            assert raised.value.code == "party.erased"
    assert not any(word in row for word in ("Anna", "Jürgensen", "1990", "Lyon", "Hamburg", "example"))


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=60))
def test_a_hierarchy_never_gets_a_cycle_nor_too_deep(wishes: Sequence[tuple[int, int]]) -> None:
    parents: dict[int, int | None] = dict.fromkeys(range(13))
    for child, parent in wishes:
        try:
            check_parent(child, parent, parents, code="party.parent")
        except Conflict:
            above = (parent, *ancestors(parent, parents))
            assert child in above or len(above) + 1 + height(child, parents) > MAX_DEPTH
            continue
        parents[child] = parent
        for node in parents:
            chain = ancestors(node, parents)
            assert node not in chain
            assert len(chain) < MAX_DEPTH


async def test_firms_belong_to_firms_in_one_direction(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    group, werft, yard, anna = firm("Group"), firm("Werft"), firm("Yard"), person()
    await added(db, tenant_id, group, werft, yard, anna)
    async with db.transaction(tenant_id) as tx:
        await service.set_parent(tx, party_id=werft.id, parent_id=group.id, now=NOW)
        await service.set_parent(tx, party_id=yard.id, parent_id=werft.id, now=NOW)
    async with db.transaction(tenant_id) as tx:
        assert await service.ancestors_of(tx, yard.id) == (werft.id, group.id)
        with pytest.raises(Conflict) as raised:
            await service.set_parent(tx, party_id=group.id, parent_id=yard.id, now=NOW)
        assert raised.value.code == "party.parent_cycle"
        with pytest.raises(Invalid):
            await service.set_parent(tx, party_id=anna.id, parent_id=group.id, now=NOW)
        top = await service.set_parent(tx, party_id=werft.id, parent_id=None, now=NOW)
        assert (top.parent_id, await service.ancestors_of(tx, yard.id)) == (None, (werft.id,))
    with pytest.raises(NotFound):
        async with db.transaction(other_tenant_id) as tx:
            await service.add_party(tx, party=firm("Foreign", group.id))


async def test_a_role_is_played_for_a_time_and_for_somebody(db: Database, tenant_id: TenantId) -> None:
    werft, anna = firm(), person()
    await added(db, tenant_id, werft, anna)
    role = PartyRole(anna.id, RoleKind.CONTACT, NOW, of=werft.id)
    later = NOW + timedelta(days=3)
    async with db.transaction(tenant_id) as tx:
        await service.add_role(tx, role=role, now=NOW)
        await service.add_role(tx, role=role, now=NOW)
        ended = await service.end_role(tx, party_id=anna.id, role=RoleKind.CONTACT, at=later, now=NOW)
        again = await service.end_role(tx, party_id=anna.id, role=RoleKind.CONTACT, at=later, now=NOW)
        found = await service.roles_of(tx, werft.id)
    assert ended == found == (replace(role, valid_to=later),)
    assert again == ()
    assert (found[0].holds(NOW), found[0].holds(later)) == (True, False)


def said(party_id: PartyId, purpose: Purpose, granted: bool, at: datetime = NOW) -> Consent:
    return Consent(party_id, purpose, Channel.EMAIL, granted, at, "web", NOW)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=6))
def test_the_latest_word_counts_and_silence_is_no_to_marketing(words: Sequence[tuple[bool, int]]) -> None:
    party_id = PartyId(uuid7())
    history = [said(party_id, Purpose.MARKETING, yes, NOW + timedelta(days=day)) for yes, day in words]
    expected = False
    for _, (yes, _) in sorted(enumerate(words), key=lambda pair: (pair[1][1], pair[0])):
        expected = yes
    assert allows(history, Purpose.MARKETING, Channel.EMAIL) is expected
    assert allows(history, Purpose.MARKETING, Channel.SMS) is False
    assert allows(history, Purpose.CONTRACT, Channel.EMAIL) is True


async def test_consent_is_only_ever_added_to(
    db: Database, clock: MovableClock, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    anna = person()
    await added(db, tenant_id, anna)
    answers = []
    for word in (None, True, False):
        async with db.transaction(tenant_id) as tx:
            if word is not None:
                await service.record_consent(tx, consent=said(anna.id, Purpose.MARKETING, word))
            answers.append(await service.may_contact(tx, anna.id, Purpose.MARKETING, Channel.EMAIL))
    async with db.transaction(tenant_id) as tx:
        history = await service.consents_of(tx, anna.id)
        assert await service.may_contact(tx, anna.id, Purpose.CONTRACT, Channel.EMAIL)
    assert answers == [False, True, False]
    assert [one.granted for one in history] == [True, False]
    with pytest.raises(Exception, match="permission denied"):
        async with db.transaction(tenant_id) as tx:
            await tx.execute("UPDATE party.consent SET granted = true WHERE tenant_id = $1", tenant_id)
    async with db.transaction(other_tenant_id) as tx:
        assert not await service.may_contact(tx, anna.id, Purpose.CONTRACT, Channel.EMAIL)
        with pytest.raises(NotFound):
            await service.record_consent(tx, consent=said(anna.id, Purpose.MARKETING, True))
    async with db.transaction(tenant_id) as tx:
        await service.erase_party(tx=tx, clock=clock, party_id=anna.id)
        assert not await service.may_contact(tx, anna.id, Purpose.CONTRACT, Channel.EMAIL)


@pytest.mark.parametrize(("at", "source"), [(NOW + timedelta(seconds=1), "web"), (NOW, "Anna told me")])
async def test_a_consent_of_tomorrow_or_from_nowhere_is_refused(
    db: Database, tenant_id: TenantId, at: datetime, source: str
) -> None:
    anna = person()
    await added(db, tenant_id, anna)
    with pytest.raises(Invalid):
        async with db.transaction(tenant_id) as tx:
            await service.record_consent(
                tx, consent=replace(said(anna.id, Purpose.SURVEY, True, at), source=source)
            )
