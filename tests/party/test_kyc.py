"""Who a party is: the state machine, what is kept of a document, and where the law asks for it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from farwire.base import eventbus
from farwire.base.audit.service import latest
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.country.service import load_pack, pack_codes
from farwire.kernel.errors import Conflict, FarwireError, Invalid, NotFound
from farwire.kernel.ids import PartyId, TenantId, uuid7
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.party import service
from farwire.party.model import (
    Evidence,
    Expire,
    KycCheck,
    KycState,
    Party,
    PartyKind,
    Reject,
    Submit,
    Verify,
    attempt_for,
    decide,
    evidence,
    kyc_required,
    standing,
)
from farwire.tenant.model import Address

NOW = datetime(2026, 6, 11, 12, tzinfo=UTC)
TODAY = date(2026, 6, 11)
SHOP = Actor(ActorKind.OPERATOR, "shop-17")
OFFICE = Actor(ActorKind.OPERATOR, "office-2")
NUMBER = "L01X00T47"


def shown(*, expires_on: date | None = date(2030, 1, 1)) -> Evidence:
    return Evidence("passport", "DE", b"s", b"h", "0T47", expires_on)


def step(check: KycCheck | None, command: Submit | Verify | Reject | Expire, on: date = TODAY) -> KycCheck:
    return decide(check, command, actor=SHOP, now=NOW, today=on)


def test_the_way_from_unverified_to_verified_and_back_after_the_document_ends() -> None:
    first = step(None, Submit(shown(expires_on=date(2026, 7, 1))))
    assert (first.attempt, first.state, first.submitted_by) == (1, KycState.PENDING, SHOP)
    verified = step(first, Verify())
    assert (verified.state, verified.decided_by) == (KycState.VERIFIED, SHOP)
    with pytest.raises(Conflict):
        step(verified, Expire(), date(2026, 6, 30))
    expired = step(verified, Expire(), date(2026, 7, 1))
    assert expired.state is KycState.EXPIRED
    assert step(expired, Submit(shown())).attempt == 2


def test_a_rejected_party_may_try_again() -> None:
    rejected = step(step(None, Submit(shown())), Reject("name_differs"))
    assert (rejected.state, rejected.reason) == (KycState.REJECTED, "name_differs")
    assert step(rejected, Submit(shown())).state is KycState.PENDING


def test_a_reason_in_words_is_refused_since_it_may_name_a_person() -> None:
    with pytest.raises(Invalid) as raised:
        step(step(None, Submit(shown())), Reject("Anna looked nervous"))
    assert raised.value.code == "party.kyc_reason"


def test_a_document_that_ended_while_it_was_looked_at_verifies_nobody() -> None:
    pending = step(None, Submit(shown(expires_on=date(2026, 6, 12))))
    with pytest.raises(Conflict) as raised:
        step(pending, Verify(), date(2026, 6, 12))
    assert raised.value.code == "party.kyc_document_expired"


class KycMachine(RuleBasedStateMachine):
    """Any commands in any order: only the drawn ways are taken, and nobody is verified by an ended document.

    Who is verified stays so until that document ends, whatever becomes of the next one that is shown.
    """

    WAYS = frozenset(
        {
            ("unverified", "pending"),
            ("pending", "verified"),
            ("pending", "rejected"),
            ("verified", "expired"),
            ("rejected", "pending"),
            ("expired", "pending"),
            ("verified", "pending"),
        }
    )

    def __init__(self) -> None:
        super().__init__()
        self.checks: list[KycCheck] = []
        self.today = TODAY
        self.attempts = 0

    def act(self, command: Submit | Verify | Reject | Expire) -> None:
        subject = attempt_for(self.checks, command)
        before, stood = "unverified" if subject is None else subject.state.value, standing(self.checks)
        try:
            after = decide(subject, command, actor=SHOP, now=NOW, today=self.today)
        except FarwireError:
            return
        assert (before, after.state.value) in self.WAYS
        if isinstance(command, Submit):
            self.checks.append(after)
        else:
            self.checks[after.attempt - 1] = after
        if stood is KycState.VERIFIED and not isinstance(command, Expire):
            assert standing(self.checks) is KycState.VERIFIED
        if isinstance(command, Expire):
            assert (stood, standing(self.checks)) != (KycState.VERIFIED, KycState.VERIFIED)
        self.attempts += isinstance(command, Submit)
        ends = after.evidence.expires_on
        if after.state is KycState.VERIFIED:
            assert ends is None or ends > self.today

    @rule(days=st.one_of(st.none(), st.integers(0, 40)))
    def submit(self, days: int | None) -> None:
        self.act(Submit(shown(expires_on=None if days is None else self.today + timedelta(days=days))))

    @rule()
    def verify(self) -> None:
        self.act(Verify())

    @rule()
    def reject(self) -> None:
        self.act(Reject("forged"))

    @rule()
    def expire(self) -> None:
        self.act(Expire())

    @precondition(lambda self: self.today < date(2027, 1, 1))
    @rule(days=st.integers(1, 30))
    def wait(self, days: int) -> None:
        self.today += timedelta(days=days)

    @invariant()
    def every_attempt_is_counted(self) -> None:
        assert [one.attempt for one in self.checks] == list(range(1, self.attempts + 1))


TestKycMachine = KycMachine.TestCase


def test_of_a_document_only_a_salted_hash_and_four_characters_are_kept() -> None:
    pack = load_pack("DE")
    one, two = (
        evidence(
            pack, document="passport", country="DE", number=number, salt=salt, expires_on=None, today=TODAY
        )
        for number, salt in ((NUMBER, b"a" * 16), ("l01x 00t47", b"b" * 16))
    )
    assert one.last4 == two.last4 == "0T47"
    assert one.number_hash != two.number_hash
    assert one.shows("L01X-00T47")
    assert not one.shows("L01X00T48")
    assert NUMBER.encode() not in one.number_hash


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"document": "library_card"}, "party.kyc_document"),
        ({"country": "Germany"}, "party.kyc_country"),
        ({"number": "12"}, "party.kyc_number"),
        ({"expires_on": TODAY}, "party.kyc_document_expired"),
    ],
)
def test_what_proves_nothing_is_refused(changes: dict[str, object], code: str) -> None:
    facts: dict[str, object] = {"document": "passport", "country": "DE", "number": NUMBER, "expires_on": None}
    with pytest.raises(Invalid) as raised:
        evidence(load_pack("DE"), salt=b"x" * 16, today=TODAY, **(facts | changes))  # type: ignore[arg-type]
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("code", "sim", "on", "required"),
    [
        ("DE", "prepaid", date(2026, 6, 1), True),
        ("DE", "prepaid", date(2017, 6, 30), False),
        ("GB", "prepaid", date(2026, 6, 1), False),
        ("FR", "postpaid", date(2026, 6, 1), True),
        ("AU", "postpaid", date(2026, 6, 1), True),
        ("ID", "prepaid", date(2026, 6, 30), False),
        ("ID", "prepaid", date(2026, 7, 1), True),
    ],
)
def test_where_the_law_is_unknown_proof_is_asked_for(code: str, sim: str, on: date, required: bool) -> None:
    assert kyc_required(load_pack(code), sim, on) is required  # type: ignore[arg-type]


@given(st.sampled_from(pack_codes(folders=())), st.sampled_from(["prepaid", "postpaid"]))
def test_every_pack_answers(code: str, sim: str) -> None:
    assert kyc_required(load_pack(code, folders=()), sim, TODAY) in (True, False)  # type: ignore[arg-type]


async def anna(db: Database, tenant_id: TenantId) -> PartyId:
    party = Party(PartyId(uuid7()), PartyKind.INDIVIDUAL, "Anna", Address("DE", {}), "de-DE", NOW)
    async with db.transaction(tenant_id) as tx:
        await service.add_parties(tx=tx, parties=[party])
    return party.id


async def test_a_verified_party_is_told_to_others_and_written_down(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    party_id, pack = await anna(db, tenant_id), load_pack("DE")
    async with db.transaction(tenant_id) as tx:
        assert await service.kyc_of(tx, party_id) is KycState.UNVERIFIED
        await service.submit_kyc(
            tx,
            party_id=party_id,
            pack=pack,
            document="passport",
            country="DE",
            number=NUMBER,
            expires_on=date(2030, 1, 1),
            now=NOW,
            actor=SHOP,
        )
        await service.verify_kyc(tx, party_id=party_id, pack=pack, now=NOW, actor=OFFICE)
    async with db.transaction(tenant_id) as tx:
        assert await service.kyc_of(tx, party_id) is KycState.VERIFIED
        (check,) = await service.kyc_checks(tx, party_id)
        assert (check.submitted_by, check.decided_by) == (SHOP, OFFICE)
        assert check.evidence.shows(NUMBER)
        types = [
            event.type for _, event in await eventbus.list_events(tx=tx, type_prefix="farwire.party.kyc")
        ]
        acts = [entry.act.action for entry in await latest(tx=tx, subject=str(party_id))]
        row = await tx.fetchval("SELECT k::text FROM party.kyc_check k WHERE tenant_id = $1", tenant_id)
        trail = await tx.fetchval(
            "SELECT string_agg(a::text, ' ') FROM base.audit_entry a WHERE tenant_id = $1", tenant_id
        )
    assert types == ["farwire.party.kyc_submitted.v1", "farwire.party.kyc_verified.v1"]
    assert acts == ["party.kyc_verified", "party.kyc_pending"]
    assert NUMBER not in row + trail
    async with db.transaction(other_tenant_id) as tx:
        with pytest.raises(NotFound):
            await service.kyc_of(tx, party_id)
        with pytest.raises(NotFound):
            await service.verify_kyc(tx, party_id=party_id, pack=pack, now=NOW)


async def test_proof_expires_on_the_day_its_document_does(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    party_id, pack = await anna(db, tenant_id), load_pack("DE")
    async with db.transaction(tenant_id) as tx:
        await service.submit_kyc(
            tx, party_id=party_id, pack=pack, document="passport", country="FR", number=NUMBER,
            expires_on=date(2026, 7, 1), now=NOW,
        )  # fmt: skip
        await service.verify_kyc(tx, party_id=party_id, pack=pack, now=NOW)
    found = [
        await service.expire_kyc(db=db, tenant_id=tenant_id, clock=clock, today=day)
        for day in (date(2026, 6, 30), date(2026, 7, 1), date(2026, 7, 1))
    ]
    assert found == [0, 1, 0]
    async with db.transaction(tenant_id) as tx:
        assert await service.kyc_of(tx, party_id) is KycState.EXPIRED


async def test_the_next_document_is_shown_before_the_first_one_ends(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    party_id, pack = await anna(db, tenant_id), load_pack("DE")

    async def submit(number: str, expires_on: date) -> KycState:
        async with db.transaction(tenant_id) as tx:
            await service.submit_kyc(
                tx, party_id=party_id, pack=pack, document="passport", country="DE", number=number,
                expires_on=expires_on, now=NOW,
            )  # fmt: skip
            return await service.kyc_of(tx, party_id)

    async def verify() -> KycState:
        async with db.transaction(tenant_id) as tx:
            await service.verify_kyc(tx, party_id=party_id, pack=pack, now=NOW)
            return await service.kyc_of(tx, party_id)

    async def expire(day: date) -> tuple[int, KycState]:
        found = await service.expire_kyc(db=db, tenant_id=tenant_id, clock=clock, today=day)
        async with db.transaction(tenant_id) as tx:
            return found, await service.kyc_of(tx, party_id)

    assert await submit(NUMBER, date(2026, 7, 1)) is KycState.PENDING
    assert await verify() is KycState.VERIFIED
    assert await submit("FORGED123", date(2030, 1, 1)) is KycState.VERIFIED
    async with db.transaction(tenant_id) as tx:
        await service.reject_kyc(tx, party_id=party_id, pack=pack, reason="forged", now=NOW)
        assert await service.kyc_of(tx, party_id) is KycState.VERIFIED
    assert await submit("C01X00T47", date(2026, 8, 1)) is KycState.VERIFIED
    assert await expire(date(2026, 7, 1)) == (1, KycState.PENDING)  # the first has ended, the next waits
    assert await verify() is KycState.VERIFIED
    assert await submit("C02X00T47", date(2030, 1, 1)) is KycState.VERIFIED
    assert await verify() is KycState.VERIFIED
    assert await expire(date(2026, 8, 1)) == (0, KycState.VERIFIED)  # the one before was replaced in time
    assert await expire(date(2030, 1, 1)) == (1, KycState.EXPIRED)
    assert await expire(date(2030, 1, 2)) == (0, KycState.EXPIRED)


async def test_erasing_destroys_what_was_kept_of_documents(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    party_id, pack = await anna(db, tenant_id), load_pack("DE")
    async with db.transaction(tenant_id) as tx:
        await service.submit_kyc(
            tx, party_id=party_id, pack=pack, document="passport", country="DE", number=NUMBER,
            expires_on=date(2026, 7, 1), now=NOW,
        )  # fmt: skip
        await service.verify_kyc(tx, party_id=party_id, pack=pack, now=NOW)
    async with db.transaction(tenant_id) as tx:
        await service.erase_party(tx=tx, clock=clock, party_id=party_id)
    async with db.transaction(tenant_id) as tx:
        (check,) = await service.kyc_checks(tx, party_id)
        with pytest.raises(Conflict) as raised:
            await service.submit_kyc(
                tx, party_id=party_id, pack=pack, document="passport", country="DE", number=NUMBER,
                expires_on=None, now=NOW,
            )  # fmt: skip
    assert raised.value.code == "party.erased"
    assert (check.evidence.number_hash, check.evidence.number_salt, check.evidence.last4) == (b"", b"", "")
    assert not check.evidence.shows(NUMBER)
    assert await service.expire_kyc(db=db, tenant_id=tenant_id, clock=clock, today=date(2027, 1, 1)) == 0
