"""Operations on the simulated network: applied once, read back, suspended, lost and repaired."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.activation import service
from farwire.activation.model import Action, Applied, DriftKind, FaultKind, Operation, differences, intend
from farwire.activation.simulator import plant_fault, tamper
from farwire.base.storage import Database
from farwire.kernel.errors import Conflict, FarwireError, Invalid, Unavailable
from farwire.kernel.ids import TenantId

NOW = datetime(2026, 6, 11, 12, 3, tzinfo=UTC)
IMSI = "262011234567890"
NUMBER = "4915112345678"
ICCID = "8949020000000000017"


def subscriber(key: str = "k1", number: str = NUMBER, imsi: str = IMSI) -> Operation:
    return Operation(key, Action.PROVISION, imsi, {"msisdn": number, "apn": "internet"})


async def applied(db: Database, tenant_id: TenantId, operation: Operation, adapter: str = "hlr") -> Applied:
    async with db.transaction(tenant_id) as tx:
        return await service.apply(tx, adapter=adapter, operation=operation, now=NOW)


async def plant(db: Database, tenant_id: TenantId, kind: FaultKind, count: int = 1, **other: int) -> None:
    async with db.transaction(tenant_id) as tx:
        await plant_fault(tx, adapter="hlr", kind=kind, count=count, **other)


async def shown(db: Database, tenant_id: TenantId, target: str = IMSI, adapter: str = "hlr"):
    async with db.transaction(tenant_id) as tx:
        return await service.read_back(tx, adapter=adapter, target=target)


async def test_a_subscriber_profile_goes_through_its_life(db: Database, tenant_id: TenantId) -> None:
    first = await applied(db, tenant_id, subscriber())
    assert dict(first.attributes) == {
        "msisdn": NUMBER,
        "apn": "internet",
        "services": "voice,sms,data",
        "barred": "none",
        "status": "active",
    }
    barred = await applied(db, tenant_id, Operation("k2", Action.SUSPEND, IMSI))
    assert (barred.attributes["barred"], barred.attributes["status"]) == ("all", "suspended")
    changed = await applied(db, tenant_id, Operation("k3", Action.CHANGE, IMSI, {"msisdn": "4915112345679"}))
    assert (changed.attributes["msisdn"], changed.attributes["status"]) == ("4915112345679", "suspended")
    free = await applied(db, tenant_id, Operation("k4", Action.RESUME, IMSI))
    assert free.attributes["barred"] == "none"
    gone = await applied(db, tenant_id, Operation("k5", Action.TERMINATE, IMSI))
    assert (gone.attributes, await shown(db, tenant_id)) == ({}, None)
    again = await applied(db, tenant_id, Operation("k6", Action.TERMINATE, IMSI))
    assert again.attributes == {}


async def test_an_esim_profile_has_an_activation_code(db: Database, tenant_id: TenantId) -> None:
    given_id = Operation("k1", Action.PROVISION, ICCID, {"imsi": IMSI, "matching_id": "AB-1"})
    found = await applied(db, tenant_id, given_id, "smdp")
    assert found.attributes["activation_code"] == "LPA:1$smdp.farwire.example$AB-1"
    assert found.attributes["state"] == "released"
    made = Operation("k2", Action.PROVISION, "8949020000000000025", {"imsi": "262011234567891"})
    other = await applied(db, tenant_id, made, "smdp")
    assert len(other.attributes["matching_id"]) == 20
    disabled = await applied(db, tenant_id, Operation("k3", Action.SUSPEND, ICCID), "smdp")
    assert (disabled.attributes["state"], disabled.attributes["status"]) == ("disabled", "suspended")


async def test_a_charging_account_is_kept_as_it_was_asked(db: Database, tenant_id: TenantId) -> None:
    found = await applied(
        db, tenant_id, Operation("k1", Action.PROVISION, "product-1", {"plan": "flex-m"}), "charging"
    )
    assert (found.attributes["plan"], found.attributes["account_state"]) == ("flex-m", "active")


async def test_the_same_key_is_applied_once_also_at_the_same_time(db: Database, tenant_id: TenantId) -> None:
    first = await applied(db, tenant_id, subscriber())
    again = await applied(db, tenant_id, subscriber())
    assert (first.repeated, again.repeated, again.attributes) == (False, True, first.attributes)
    with pytest.raises(Conflict, match="another operation"):
        await applied(db, tenant_id, Operation("k1", Action.SUSPEND, IMSI))
    with pytest.raises(Conflict, match="another operation"):
        await applied(db, tenant_id, subscriber(), "charging")

    async def attempt(number: int) -> bool:
        try:
            operation = Operation("same", Action.PROVISION, f"account-{number % 2}")
            return not (await applied(db, tenant_id, operation, "charging")).repeated
        except Conflict:
            return False

    assert sum(await asyncio.gather(*(attempt(number) for number in range(8)))) == 1


@pytest.mark.parametrize(
    ("operation", "adapter", "code"),
    [
        (Operation("k", Action.PROVISION, "123", {"msisdn": NUMBER}), "hlr", "activation.refused"),
        (Operation("k", Action.PROVISION, IMSI), "hlr", "activation.refused"),
        (Operation("k", Action.SUSPEND, IMSI), "hlr", "activation.target_unknown"),
        (Operation("k", Action.PROVISION, "1"), "smdp", "activation.refused"),
        (Operation("k", Action.PROVISION, ICCID, {"matching_id": "a$b"}), "smdp", "activation.refused"),
        (Operation("", Action.PROVISION, "1"), "charging", "activation.operation"),
        (Operation("k", Action.PROVISION, "1", {"status": "active"}), "charging", "activation.operation"),
        (Operation("k", Action.PROVISION, "1", {"a": "\x00"}), "charging", "activation.operation"),
        (Operation("k", Action.PROVISION, "1"), "fax", "activation.adapter_unknown"),
    ],
)
async def test_what_no_retry_can_mend_is_invalid_and_leaves_no_trace(
    db: Database, tenant_id: TenantId, operation: Operation, adapter: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await applied(db, tenant_id, operation, adapter)
    assert refused.value.code == code
    assert not any(secret in str(refused.value) for secret in (IMSI, NUMBER, ICCID))
    async with db.transaction(tenant_id) as tx:
        assert await service.drift(tx) == ()


async def test_one_number_is_not_in_two_profiles(db: Database, tenant_id: TenantId) -> None:
    await applied(db, tenant_id, subscriber())
    with pytest.raises(Invalid):
        await applied(db, tenant_id, subscriber("k2", imsi="262011234567891"))
    with pytest.raises(Invalid) as refused:
        await applied(db, tenant_id, subscriber("k3", number="4915112345679"))
    assert refused.value.code == "activation.target_exists"
    assert not (await applied(db, tenant_id, subscriber("k4"))).repeated


async def test_another_tenant_has_a_network_of_its_own(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    await applied(db, tenant_id, subscriber())
    assert await shown(db, other_tenant_id) is None
    assert not (await applied(db, other_tenant_id, subscriber())).repeated
    async with db.transaction(other_tenant_id) as tx:
        await tamper(tx, adapter="hlr", target=IMSI, attributes=None)
    async with db.transaction(tenant_id) as tx:
        assert await service.drift(tx) == ()


async def test_an_element_that_does_not_answer_is_tried_again_and_counts_failed_transactions(
    db: Database, tenant_id: TenantId
) -> None:
    await plant(db, tenant_id, FaultKind.FAIL, 2)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await applied(db, tenant_id, subscriber())
    assert not (await applied(db, tenant_id, subscriber())).repeated


async def test_a_dropped_write_is_noticed_and_the_same_key_can_be_tried_in_the_same_transaction(
    db: Database, tenant_id: TenantId
) -> None:
    await plant(db, tenant_id, FaultKind.DROP)
    async with db.transaction(tenant_id) as tx:
        with pytest.raises(Unavailable) as refused:
            await service.apply(tx, adapter="hlr", operation=subscriber(), now=NOW)
        assert (refused.value.code, refused.value.field) == (
            "activation.read_back_differs",
            "apn, msisdn, status",
        )
        assert NUMBER not in str(refused.value)
        done = await service.apply(tx, adapter="hlr", operation=subscriber(), now=NOW)
    assert not done.repeated
    await plant(db, tenant_id, FaultKind.DROP)
    with pytest.raises(Unavailable):
        await applied(db, tenant_id, Operation("k2", Action.TERMINATE, IMSI))
    await plant(db, tenant_id, FaultKind.REFUSE)
    with pytest.raises(Invalid):
        await applied(db, tenant_id, Operation("k2", Action.TERMINATE, IMSI))
    await plant(db, tenant_id, FaultKind.SLOW, delay_ms=50)
    started = time.perf_counter()
    await applied(db, tenant_id, Operation("k2", Action.TERMINATE, IMSI))
    assert time.perf_counter() - started >= 0.05


async def test_drift_is_found_named_and_repaired_and_the_unexpected_is_left(
    db: Database, tenant_id: TenantId
) -> None:
    await applied(db, tenant_id, subscriber())
    await applied(db, tenant_id, Operation("k2", Action.SUSPEND, IMSI))
    await applied(db, tenant_id, Operation("k3", Action.PROVISION, ICCID, {"imsi": IMSI}), "smdp")
    await applied(db, tenant_id, Operation("k4", Action.PROVISION, "fine"), "charging")
    async with db.transaction(tenant_id) as tx:
        await tamper(tx, adapter="hlr", target=IMSI, attributes={"barred": "none", "apn": "other"})
        await tamper(tx, adapter="smdp", target=ICCID, attributes=None)
        await tamper(tx, adapter="charging", target="stranger", attributes={"account_state": "active"})
        found = await service.drift(tx)
    assert {(one.adapter, one.kind, one.attributes) for one in found} == {
        ("hlr", DriftKind.DIFFERENT, ("apn", "status")),
        ("smdp", DriftKind.MISSING, ("imsi", "status")),
        ("charging", DriftKind.UNEXPECTED, ()),
    }
    assert not any(secret in repr(found) for secret in (IMSI, ICCID, NUMBER))


async def test_no_trace_of_a_number_stays_when_its_target_is_terminated(
    db: Database, tenant_id: TenantId
) -> None:
    await applied(db, tenant_id, subscriber())
    await applied(db, tenant_id, Operation("k2", Action.TERMINATE, IMSI))
    async with db.transaction(tenant_id) as tx:
        for table in ("target", "operation", "simulated"):
            rows = await tx.fetch(f"SELECT * FROM activation.{table} WHERE tenant_id = $1", tenant_id)
            assert not any(secret in repr(rows) for secret in (IMSI, NUMBER)), table


TEXTS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("xyz"), max_size=4)
LATER = st.lists(
    st.tuples(st.sampled_from([Action.CHANGE, Action.SUSPEND, Action.RESUME]), TEXTS), max_size=6
)


@given(TEXTS, LATER)
def test_what_is_intended_is_the_last_word_on_each_attribute(first, later) -> None:
    wanted = intend(None, Operation("k", Action.PROVISION, "t", first))
    expected, status = dict(first), "active"
    for action, texts in later:
        wanted = intend(wanted, Operation("k", action, "t", texts))
        expected |= texts
        status = {Action.SUSPEND: "suspended", Action.RESUME: "active"}.get(action, status)
    assert wanted == {**expected, "status": status}
    assert differences(wanted, {**wanted, "more": "1"}) == ()
    assert set(differences(wanted, None)) == set(wanted)
    assert intend(wanted, Operation("k", Action.TERMINATE, "t")) is None


def test_every_refusal_says_what_to_do() -> None:
    with pytest.raises(FarwireError) as refused:
        intend(None, Operation("k", Action.CHANGE, "t"))
    assert refused.value.fix
