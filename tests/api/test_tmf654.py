"""TMF654 and TMF677 over charging accounts: buckets as the shard has them, each act once, who used what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging.model import Ask, Phase, Service, SessionRequest
from farwire.charging.service.books import take_all
from farwire.charging.service.client import Address, SocketClient
from farwire.charging.service.reach import REACH
from farwire.charging.service.transfers import finish_transfers
from farwire.charging.shard.homes import vshard_of
from farwire.kernel.ids import TenantId
from tests.charging.desk import GO_5, sell_go_5
from tests.charging.play import MB

TMF = "/tmf-api/prepayBalanceManagement/v4"
QUERY = "/tmf-api/usageConsumption/v5"
OWN = "/farwire/v1/chargingAccounts"


def euros(value: float) -> dict[str, Any]:
    return {"amount": value, "units": "EUR"}


@pytest.fixture
async def accounts(
    client: httpx.AsyncClient,
    db: Database,
    tenant_id: TenantId,
    clock: MovableClock,
    world: Any,
    charge: Callable[[], Any],
) -> list[str]:
    """Two accounts of one circle, of one billing account, with nothing on them."""
    billing = str((await world.account()).id)
    await sell_go_5(db, tenant_id, clock)
    await charge()
    found = []
    for number in ("4915100000001", "4915100000002"):
        body = {"key": number, "offering": GO_5, "circle": "family", "accountId": billing}
        body["identities"] = [{"kind": "msisdn", "value": number}]
        answer = await client.post(OWN, json=body)
        assert answer.status_code == 201, answer.text
        found.append(answer.json()["id"])
    return found


async def do(
    client: httpx.AsyncClient, what: str, status: int = 201, key: str | None = None, **body: Any
) -> dict[str, Any]:
    headers = {} if key is None else {"idempotency-key": key}
    answer = await client.post(f"{TMF}/{what}", json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def top_up(account: str, value: float) -> dict[str, Any]:
    return {
        "amount": euros(value),
        "bucket": {"id": f"{account}-1"},
        "partyAccount": {"name": "hers"},
        "usageType": "monetary",
    }


async def bucket(client: httpx.AsyncClient, account: str, number: int = 1) -> dict[str, Any]:
    answer = await client.get(f"{TMF}/bucket/{account}-{number}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_bucket_is_topped_up_once_however_often_the_request_comes(
    client: httpx.AsyncClient, accounts: list[str]
) -> None:
    first = accounts[0]
    made = await do(client, "topupBalance", key="t-1", **top_up(first, 10))
    assert made["status"] == "completed"
    assert (await do(client, "topupBalance", key="t-1", **top_up(first, 10)))["id"] == made["id"]
    found = await bucket(client, first)
    assert (found["remainingValue"], found["status"], found["usageType"]) == (euros(10), "active", "monetary")
    assert found["logicalResource"][0]["id"] == "4915100000001"
    listed = (await client.get(f"{TMF}/bucket?logicalResource.id=4915100000001")).json()
    assert [one["id"] for one in listed] == [f"{first}-1"]
    assert len((await client.get(f"{TMF}/bucket?limit=1")).json()) == 1
    assert (await client.get(f"{TMF}/bucket?limit=1")).headers["x-total-count"] == "2"
    (total,) = (await client.get(f"{TMF}/accumulatedBalance?logicalResource.id=4915100000001")).json()
    assert (total["id"], total["totalBalance"]) == (first, euros(10))


async def test_a_request_that_was_not_kept_and_comes_again_with_its_key_moves_nothing_twice(
    client: httpx.AsyncClient, accounts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shard has answered, the database has not kept it: as after a crash between the two."""
    from farwire.base.tmf import engine

    async def lost(*_: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as broken:
        broken.setattr(engine, "publish_change", lost)
        answer = await client.post(
            f"{TMF}/topupBalance", json=top_up(accounts[0], 10), headers={"idempotency-key": "t-1"}
        )
    assert answer.status_code == 500
    assert (await client.get(f"{TMF}/topupBalance")).json() == []
    await do(client, "topupBalance", key="t-1", **top_up(accounts[0], 10))
    assert (await bucket(client, accounts[0]))["remainingValue"] == euros(10)


async def test_what_is_cancelled_is_taken_back_and_what_was_done_is_not_rewritten(
    client: httpx.AsyncClient, accounts: list[str], db: Database, tenant_id: TenantId
) -> None:
    made = await do(client, "topupBalance", **top_up(accounts[0], 10))
    path = f"{TMF}/topupBalance/{made['id']}"
    assert (await client.patch(path, json={"amount": euros(99)})).json()["code"] == "charging.given"
    assert (await client.patch(path, json={"status": "cancelled"})).json()["status"] == "cancelled"
    assert (await bucket(client, accounts[0]))["remainingValue"] == euros(0)
    spent = await do(client, "topupBalance", **top_up(accounts[0], 10))
    answer = await client.post(f"{OWN}/{accounts[0]}/purchases", json={"key": "p", "offering": GO_5})
    assert answer.status_code == 200, answer.text
    refused = await client.patch(f"{TMF}/topupBalance/{spent['id']}", json={"status": "cancelled"})
    assert (refused.status_code, refused.json()["code"]) == (409, "charging.refused")
    assert (await bucket(client, accounts[0]))["remainingValue"] == euros(5)
    assert await told(db, tenant_id, "topup_balance") == ["created", "cancelled", "created"]


async def test_units_are_corrected_and_money_is_transferred_within_a_circle(
    client: httpx.AsyncClient, accounts: list[str]
) -> None:
    first, second = accounts
    await do(client, "topupBalance", **top_up(first, 10))
    await client.post(f"{OWN}/{first}/purchases", json={"key": "p", "offering": GO_5})
    data = {
        "amount": {"amount": -100 * MB, "units": "byte"},
        "bucket": {"id": f"{first}-2"},
        "usageType": "data",
    }
    assert (await do(client, "adjustBalance", **data))["status"] == "completed"
    assert (await bucket(client, first, 2))["remainingValue"] == {"amount": 1_900 * MB, "units": "byte"}
    wrong = await do(client, "adjustBalance", 400, **(data | {"amount": euros(1)}))
    assert (wrong["field"], wrong["fix"]) == ("$.amount.units", "give byte")
    given = {
        **top_up(first, 2),
        "receiverBucket": {"id": f"{second}-1"},
        "receiverBucketUsageType": "monetary",
        "receiverLogicalResource": {"id": "4915100000002"},
        "logicalResource": [{"id": "4915100000001"}],
        "channel": {"id": "app"},
        "reason": "for her",
    }
    await client.get(f"{TMF}/bucket")
    answer = await client.post(f"{TMF}/transferBalance", json=given)
    assert answer.status_code == 201, answer.text
    assert (await bucket(client, second))["remainingValue"] == euros(2)


async def test_what_was_done_is_told_from_the_books_and_to_its_own_tenant_only(
    client: httpx.AsyncClient,
    other_client: httpx.AsyncClient,
    accounts: list[str],
    db: Database,
    clock: MovableClock,
) -> None:
    await do(client, "topupBalance", **top_up(accounts[0], 10))
    runner = REACH.client()._runner  # type: ignore[attr-defined]
    await take_all(db=db, log=runner.shard.log, clock=clock)
    (done,) = (await client.get(f"{TMF}/balanceActionHistory")).json()
    assert (done["amount"], done["reason"], done["bucket"]) == (
        euros(10),
        "top_up",
        {"id": f"{accounts[0]}-1"},
    )
    assert (await client.get(f"{TMF}/balanceActionHistory/{done['id']}")).json() == done
    for what, key in (
        ("bucket", f"{accounts[0]}-1"),
        ("accumulatedBalance", accounts[0]),
        ("balanceActionHistory", done["id"]),
    ):
        assert (await other_client.get(f"{TMF}/{what}")).json() == []
        assert (await other_client.get(f"{TMF}/{what}/{key}")).status_code == 404
        assert (await client.get(f"{TMF}/{what}/nobody")).status_code == 404
    theirs = await do(other_client, "topupBalance", **top_up(accounts[0], 5))
    assert theirs["status"] == "created", "it is no bucket of theirs: kept, and nothing is done"
    assert (await bucket(client, accounts[0]))["remainingValue"] == euros(10)


async def test_while_no_shard_answers_it_is_503_and_nothing_is_kept(
    client: httpx.AsyncClient, accounts: list[str], tmp_path: Any
) -> None:
    REACH.use(SocketClient(lambda _: Address.parse(str(tmp_path / "nobody.sock")), timeout_ms=200))
    answer = await client.post(f"{TMF}/topupBalance", json=top_up(accounts[0], 1))
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    assert (await client.get(f"{TMF}/bucket")).status_code == 503
    assert (await client.get(f"{TMF}/topupBalance")).json() == []


async def test_a_query_tells_what_is_used_and_left(
    client: httpx.AsyncClient, accounts: list[str], db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    from farwire.charging import service

    await do(client, "topupBalance", **top_up(accounts[0], 5))
    await client.post(f"{OWN}/{accounts[0]}/purchases", json={"key": "p", "offering": GO_5})
    async with db.transaction(tenant_id) as tx:
        account = await service.account_numbered(tx, number=int(accounts[0]))
    for number, used in ((0, 0), (1, 3 * MB)):
        phase = Phase.UPDATE if number else Phase.INITIAL
        request = SessionRequest(account.number, 7, 7, number, phase, Service("data"), (Ask(1, used),))
        await REACH.client().ask(account.tenant_number, request)
    criteria = {
        "@type": "UsageConsumptionReport",
        "logicalResource": [{"id": "4915100000001", "@type": "LogicalResourceRef"}],
    }
    await take_all(db=db, log=REACH.client()._runner.shard.log, clock=clock)  # type: ignore[attr-defined]
    body = {"@type": "QueryUsageConsumption", "searchCriteria": criteria}
    answer = await client.post(f"{QUERY}/queryUsageConsumption", json=body)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    (report,) = made["usageConsumption"]
    (data,) = [one for one in report["bucket"] if one["usageType"] == "data"]
    assert (made["state"], data["remainingValue"]["amount"]) == ("done", 1_997 * MB)
    used, by_open, held = data["bucketCounter"]
    assert used == {
        "@type": "BucketCounter",
        "counterType": "used",
        "level": "global",
        "value": {"amount": 3 * MB, "units": "byte"},
        "valueName": "3000000 byte",
        "consumptionPeriod": {
            "startDateTime": data["validFor"]["startDateTime"],
            "endDateTime": report["creationDate"],
        },
    }
    assert (by_open["counterType"], by_open["value"]) == ("usedByOpenSessions", used["value"])
    assert (held["counterType"], held["value"]) == ("heldByOpenSessions", data["reservedValue"])
    assert data["reservedValue"]["amount"] > 0
    whole = await client.post(f"{QUERY}/usageConsumptionReport", json=criteria)
    assert whole.status_code == 201, whole.text
    assert len(whole.json()["bucket"]) == 2
    only = criteria | {"bucket": [{"usageType": "data", "@type": "Bucket"}]}
    (report,) = (
        await client.post(f"{QUERY}/queryUsageConsumption", json=body | {"searchCriteria": only})
    ).json()["usageConsumption"]
    assert [one["usageType"] for one in report["bucket"]] == ["data"]
    older = {
        "logicalResource": [{"id": "4915100000001"}],
        "bucketRefOrValue": [{"usageType": "data"}],
    }
    asked = await client.post(f"{QUERY[:-1]}4/queryUsageConsumption", json={"searchCriteria": older})
    assert asked.status_code == 201, asked.text
    (report,) = asked.json()["usageConsumption"]
    assert [one["usageType"] for one in report["bucketRefOrValue"]] == ["data"]
    nobody = {
        "@type": "QueryUsageConsumption",
        "partyAccount": [{"id": "elsewhere", "@type": "PartyAccountRef"}],
    }
    kept = await client.post(f"{QUERY}/queryUsageConsumption", json=nobody)
    assert (kept.status_code, kept.json()["state"]) == (201, "acknowledged")


async def test_a_query_about_a_person_tells_of_all_that_is_hers(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, accounts: list[str], world: Any
) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        party = await tx.fetchval("SELECT party_id FROM account.account WHERE tenant_id = $1", tx.tenant_id)
    whose = [{"role": "customer", "partyOrPartyRole": {"id": str(party), "@type": "PartyRef"}}]
    body = {
        "@type": "QueryUsageConsumption",
        "searchCriteria": {"@type": "UsageConsumptionReport", "relatedParty": whose},
    }
    made = (await client.post(f"{QUERY}/queryUsageConsumption", json=body)).json()
    found = [one["logicalResource"][0]["value"] for one in made["usageConsumption"]]
    assert (made["state"], found) == ("done", ["4915100000001", "4915100000002"])
    theirs = (await other_client.post(f"{QUERY}/queryUsageConsumption", json=body)).json()
    assert (theirs.get("state"), "usageConsumption" in theirs) != ("done", True)


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_transfer_out_of_the_circle_is_done_by_a_worker_which_then_says_so(
    client: httpx.AsyncClient,
    accounts: list[str],
    db: Database,
    tenant_id: TenantId,
    clock: MovableClock,
    work: Any,
    arrives: bool,
) -> None:
    first, far = accounts[0], await a_far_account(client, int(accounts[0]))
    await do(client, "topupBalance", **top_up(first, 10 if arrives else 1))
    given = {
        **top_up(first, 2),
        "receiverBucket": {"id": f"{far}-1"},
        "receiverBucketUsageType": "monetary",
        "receiverLogicalResource": {"id": "name-1"},
        "logicalResource": [{"id": "4915100000001"}],
        "channel": {"id": "app"},
        "reason": "for him",
    }
    made = await do(client, "transferBalance", **given)
    assert made["status"] == "created"
    path = f"{TMF}/transferBalance/{made['id']}"
    assert (await client.patch(path, json={"status": "cancelled"})).status_code == 409
    for _ in range(2):
        clock.advance(timedelta(seconds=30))
        await finish_transfers(REACH.client(), db=db, tenant_id=tenant_id, now=clock.now())
        await work()
    assert (await client.get(path)).json()["status"] == ("completed" if arrives else "failed")
    assert await told(db, tenant_id, "transfer_balance") == (
        ["created"] if arrives else ["created", "failed"]
    )
    assert (await bucket(client, far))["remainingValue"] == euros(2 if arrives else 0)
    assert (await bucket(client, first))["remainingValue"] == euros(8 if arrives else 1)


async def told(db: Database, tenant_id: TenantId, kind: str) -> list[str]:
    """Return what events were published of the documents of ``kind``, in their order."""
    async with db.transaction(tenant_id, read_only=True) as tx:
        rows = await tx.fetch(
            "SELECT type FROM base.outbox WHERE type LIKE $1 ORDER BY position", f"farwire.charging.{kind}%"
        )
    return [row["type"].removeprefix(f"farwire.charging.{kind}_").removesuffix(".v1") for row in rows]


async def test_a_reservation_holds_money_until_it_is_cancelled_or_deleted(
    client: httpx.AsyncClient, accounts: list[str], db: Database, tenant_id: TenantId
) -> None:
    first = accounts[0]
    await do(client, "topupBalance", **top_up(first, 10))
    made = await do(client, "reserveBalance", key="r-1", **top_up(first, 4))
    again = await do(client, "reserveBalance", key="r-1", **top_up(first, 4))
    assert (made["status"], made["id"]) == ("completed", again["id"])
    assert (await bucket(client, first))["reservedValue"] == euros(4)
    assert (await bucket(client, first))["remainingValue"] == euros(10)
    less = await do(client, "reserveBalance", 409, **top_up(first, 7))
    assert less["code"] == "charging.refused"
    assert (await bucket(client, first))["reservedValue"] == euros(4), "a part of it is not held either"
    await do(client, "reserveBalance", 409, **top_up(first, 3), id=made["id"])
    assert (await bucket(client, first))["reservedValue"] == euros(4), "another one of the same id is none"
    other = await do(client, "reserveBalance", **top_up(first, 6))
    path = f"{TMF}/reserveBalance/{made['id']}"
    assert (await client.patch(path, json={"amount": euros(5)})).json()["code"] == "charging.given"
    assert (await client.patch(path, json={"status": "cancelled"})).json()["status"] == "cancelled"
    assert (await bucket(client, first))["reservedValue"] == euros(6)
    assert (await client.delete(f"{TMF}/reserveBalance/{other['id']}")).status_code == 204
    assert (await bucket(client, first))["reservedValue"] == euros(0)
    assert await told(db, tenant_id, "reserve_balance") == ["created", "created", "cancelled"]


async def test_a_reservation_that_was_not_kept_holds_once_when_it_comes_again_with_its_key(
    client: httpx.AsyncClient, accounts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from farwire.base.tmf import engine

    async def lost(*_: object) -> None:
        raise ConnectionResetError

    await do(client, "topupBalance", **top_up(accounts[0], 10))
    with monkeypatch.context() as broken:
        broken.setattr(engine, "publish_change", lost)
        path, headers = f"{TMF}/reserveBalance", {"idempotency-key": "r-1"}
        answer = await client.post(path, json=top_up(accounts[0], 4), headers=headers)
    assert answer.status_code == 500
    made = await do(client, "reserveBalance", key="r-1", **top_up(accounts[0], 4))
    assert (await bucket(client, accounts[0]))["reservedValue"] == euros(4)
    await client.patch(f"{TMF}/reserveBalance/{made['id']}", json={"status": "cancelled"})
    assert (await bucket(client, accounts[0]))["reservedValue"] == euros(0)


async def test_what_is_reserved_is_charged_at_once_and_the_rest_is_free(
    client: httpx.AsyncClient, accounts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from farwire.base.tmf import engine

    first = accounts[0]
    await do(client, "topupBalance", **top_up(first, 10))
    held = await do(client, "reserveBalance", **top_up(first, 10))
    taken = {**top_up(first, -3), "reserveBalance": {"id": held["id"]}}
    assert (await do(client, "adjustBalance", 409, **top_up(first, -3)))["code"] == "charging.refused"
    await do(client, "adjustBalance", 400, **(taken | {"amount": euros(-11)}))
    await do(client, "adjustBalance", 400, **(taken | {"amount": euros(3)}))

    async def lost(*_: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as broken:
        broken.setattr(engine, "publish_change", lost)
        answer = await client.post(f"{TMF}/adjustBalance", json=taken, headers={"idempotency-key": "a-1"})
    assert answer.status_code == 500
    assert (await client.get(f"{TMF}/reserveBalance/{held['id']}")).json()["status"] == "completed"
    other = await do(client, "adjustBalance", 409, **(taken | {"amount": euros(-2)}))
    assert other["code"] == "charging.refused", "another amount was charged"
    assert (await do(client, "adjustBalance", key="a-1", **taken))["status"] == "completed"
    found = await bucket(client, first)
    assert (found["remainingValue"], found["reservedValue"]) == (euros(7), euros(0))
    assert (await client.get(f"{TMF}/reserveBalance/{held['id']}")).json()["status"] == "cancelled"
    assert (await do(client, "adjustBalance", 409, **taken))["code"] == "charging.reservation_over"


async def test_a_reservation_ends_by_itself_and_says_so(
    client: httpx.AsyncClient,
    accounts: list[str],
    db: Database,
    tenant_id: TenantId,
    clock: MovableClock,
    work: Any,
) -> None:
    first = accounts[0]
    await do(client, "topupBalance", **top_up(first, 10))
    short = {"endDateTime": (clock.now() + timedelta(minutes=5)).isoformat()}
    made = await do(client, "reserveBalance", **top_up(first, 4), validFor=short)
    long = await do(client, "reserveBalance", **top_up(first, 1))
    for wrong in (timedelta(seconds=-1), timedelta(days=2)):
        period = {"endDateTime": (clock.now() + wrong).isoformat()}
        assert (await do(client, "reserveBalance", 400, **top_up(first, 1), validFor=period))[
            "field"
        ] == "$.validFor.endDateTime"
    clock.advance(timedelta(minutes=6))
    late = {**top_up(first, -1), "reserveBalance": {"id": made["id"]}}
    assert (await do(client, "adjustBalance", 409, **late))["code"] == "charging.reservation_over"
    await work()
    assert (await client.get(f"{TMF}/reserveBalance/{made['id']}")).json()["status"] == "cancelled"
    assert (await client.get(f"{TMF}/reserveBalance/{long['id']}")).json()["status"] == "completed"
    assert (await bucket(client, first))["reservedValue"] == euros(1)
    assert await told(db, tenant_id, "reserve_balance") == ["created", "created", "cancelled"]


async def a_far_account(client: httpx.AsyncClient, near: int) -> str:
    """Open an account on another virtual shard than that of ``near``."""
    for key in ("far", "farther"):
        body = {"key": key, "offering": GO_5, "identities": [{"kind": "name", "value": key}]}
        answer = await client.post(OWN, json=body)
        assert answer.status_code == 201, answer.text
        if vshard_of(int(answer.json()["id"])) != vshard_of(near):
            break
    return str(answer.json()["id"])
