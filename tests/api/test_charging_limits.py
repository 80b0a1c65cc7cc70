"""Limits and shares over HTTP, with usage at the front of a real shard: told at 80 %, stopped, shared up to a cap."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage import Database
from farwire.catalog.model.document import from_document
from farwire.catalog.service import publish_plan
from farwire.charging import service
from farwire.charging.model import Answer, Ask, Phase, ResultCode, Service, SessionRequest
from farwire.charging.model.terms import PlanDocument
from farwire.charging.service.books import take_all
from farwire.kernel.ids import TenantId
from tests.charging.desk import CLERK
from tests.charging.play import MB

from .test_charging import eur, got, sent

TRIP = {
    "offering": "trip",
    "name": "Trip",
    "currency": "EUR",
    "zone": "Europe/Berlin",
    "prices_include_tax": False,
    "usage": [
        {"id": "home", "kind": "data", "price": "0.02", "per": "1 MB"},
        {"id": "abroad", "kind": "data", "networks": ["*"], "price": "0.05", "per": "1 MB"},
    ],
}


class Phone:
    """A subscriber who uses data over a socket of his own."""

    def __init__(self, client: service.SocketClient, tenant: int, account: int) -> None:
        self.client, self.tenant, self.account, self.sessions = client, tenant, account, 0

    async def ask(self, number: int, phase: Phase, used: int = 0, network: str = "") -> Answer:
        asks = (Ask(1, used),)
        data = Service("data", visited_network=network)
        request = SessionRequest(self.account, self.account, self.sessions, number, phase, data, asks)
        return await self.client.ask(self.tenant, request)

    async def use_up(self, network: str = "") -> int:
        """Use whatever is granted; return how much that was."""
        self.sessions += 1
        granted = (await self.ask(0, Phase.INITIAL, 0, network)).groups[0].granted
        total = number = 0
        while granted:
            total, number = total + granted, number + 1
            granted = (await self.ask(number, Phase.UPDATE, granted, network)).groups[0].granted
        await self.ask(number + 1, Phase.TERMINATION, 0, network)
        return total


@pytest.fixture
async def phones(
    client: httpx.AsyncClient, db: Database, tenant_id: TenantId, clock: MovableClock, world: Any,
    charge: Callable[[], Any], settings: Settings,
) -> AsyncIterator[tuple[Phone, Phone, Any]]:  # fmt: skip
    """Two accounts of one circle on Trip, 100.00 on each, and the shard that they are at."""
    await world.company()
    async with db.transaction(tenant_id) as tx:
        plan = from_document(TRIP | {"valid_from": clock.now()})
        await publish_plan(tx=tx, clock=clock, plan=plan)
        terms = PlanDocument(offering="trip")
        await service.set_plan_terms(tx, document=terms, now=clock.now(), actor=CLERK)
        tenant = await service.tenant_number(tx)
    desk = await charge()
    there = service.SocketClient(lambda _: service.shard_address(settings.data_dir, 0))
    found = []
    for key in ("a", "b"):
        made = await sent(client, "", 201, key=key, offering="trip", circle="family")
        await sent(client, f"/{made['id']}/topUps", key="t", amount=eur(100))
        found.append(Phone(there, tenant, int(made["id"])))
    yield found[0], found[1], desk
    await there.close()


async def state(client: httpx.AsyncClient, phone: Phone) -> Any:
    return (await got(client, f"/{phone.account}"))["state"]


async def test_the_roaming_cap_of_the_country_is_told_at_80_percent_and_stops_unless_opted_on(
    client: httpx.AsyncClient, phones: tuple[Phone, Phone, Any], db: Database, clock: MovableClock,
    tenant_id: TenantId,
) -> None:  # fmt: skip
    phone, _, desk = phones
    (cap,) = (await state(client, phone))["limits"]
    assert (cap["id"], cap["cap"], cap["period"], cap["roamingOnly"]) == ("22", eur(50), "cycle", True)
    assert await phone.use_up("26299") == 1_000 * MB
    assert (await state(client, phone))["spendable"] == eur(50)
    phone.sessions += 1
    refused = await phone.ask(0, Phase.INITIAL, network="26299")
    assert refused.groups[0].result == ResultCode.SPEND_LIMIT_REACHED
    denials = await got(client, f"/{phone.account}/denials")
    assert denials[0]["reason"].startswith("a spend limit or roaming cap is used up")
    await take_all(db=db, log=desk.runner.shard.log, clock=clock)
    async with db.transaction(tenant_id) as tx:
        told = await tx.fetch(
            "SELECT data->>'percent' AS percent FROM base.outbox WHERE tenant_id = $1 "
            "AND type = 'farwire.charging.limit_used.v1' ORDER BY position",
            tenant_id,
        )
    assert [row["percent"] for row in told] == ["80", "100"]
    await sent(client, f"/{phone.account}/limitConsents", key="on", limit=22, optedOn=True)
    assert await phone.use_up("26299") == 1_000 * MB
    assert (await state(client, phone))["spendable"] == eur(0)


async def test_a_limit_is_set_changed_and_taken_away(
    client: httpx.AsyncClient, phones: tuple[Phone, Phone, Any]
) -> None:
    phone, _, _ = phones
    here = f"/{phone.account}"
    for _ in range(2):
        await sent(client, f"{here}/spendLimits", key="l-1", amount=eur(1), period="day")
    assert await phone.use_up() == 50 * MB
    await sent(client, f"{here}/spendLimits", key="l-2", amount=eur(3), period="day")
    assert await phone.use_up() == 100 * MB
    limits = (await state(client, phone))["limits"]
    assert [(one["id"], one["cap"], one["used"]) for one in limits][1] == ("31", eur(3), eur(3))
    await sent(client, f"{here}/limitRemovals", key="l-3", limit=31)
    await sent(client, f"{here}/limitRemovals", 409, key="l-4", limit=31)
    await sent(client, f"{here}/spendLimits", 400, key="l-5", amount={"unit": "USD", "value": 1})
    await sent(client, f"{here}/spendLimits", 400, key="l-6", amount=eur(-1))
    await sent(client, f"{here}/spendLimits", key="l-7", amount=eur(0), period="day")
    assert await phone.use_up() == 0


async def test_a_company_pays_first_up_to_a_cap_until_it_is_no_longer_shared(
    client: httpx.AsyncClient, other_client: httpx.AsyncClient, phones: tuple[Phone, Phone, Any]
) -> None:
    phone, company, _ = phones
    body = {"owner": str(company.account), "balance": 1, "amount": eur(20), "priority": 1}
    await sent(other_client, f"/{phone.account}/shares", 404, key="s-1", **body)
    for _ in range(2):
        await sent(client, f"/{phone.account}/shares", key="s-1", **body)
    (share,) = (await state(client, phone))["shares"]
    assert (share["owner"], share["unit"], share["cap"], share["priority"]) == (
        body["owner"],
        "money",
        eur(20),
        1,
    )
    assert await phone.use_up() == 6_000 * MB
    assert (await state(client, phone))["spendable"] == eur(0)
    assert (await state(client, company))["spendable"] == eur(80)
    assert (await state(client, company))["balances"][0]["shared"]
    await sent(client, f"/{phone.account}/shares", key="s-2", **body | {"amount": eur(21)})
    assert await phone.use_up() == 50 * MB
    await sent(client, f"/{phone.account}/shareRemovals", key="s-3", owner=body["owner"], unit="money")
    assert await phone.use_up() == 0
    await sent(client, f"/{company.account}/shareRemovals", key="s-4", balance=1)
    assert not (await state(client, company))["balances"][0].get("shared", False)
    for wrong in ({}, {"owner": body["owner"]}, {"owner": body["owner"], "unit": "money", "balance": 1}):
        await sent(client, f"/{phone.account}/shareRemovals", 400, key="s-5", **wrong)
    await sent(client, f"/{phone.account}/shares", 400, key="s-6", **body | {"units": 5})
    stranger = await sent(client, "", 201, key="c", offering="trip", circle="strangers")
    refused = await sent(
        client, f"/{phone.account}/shares", 409, key="s-7", **body | {"owner": stranger["id"]}
    )
    assert refused["code"] == "charging.other_circle"
    # Money would be booked by its owner and billed by its user.
    contract = await sent(client, "", 201, key="d", offering="trip", circle="family", postpaid=True)
    for member, owner in ((str(phone.account), contract["id"]), (contract["id"], str(phone.account))):
        refused = await sent(client, f"/{member}/shares", 400, key=f"s-{owner}", **body | {"owner": owner})
        assert (refused["code"], refused["field"]) == ("charging.kinds_differ", "owner")
        refused = await sent(client, f"/{member}/transfers", 400, key=f"t-{owner}", to=owner, amount=eur(1))
        assert (refused["code"], refused["field"]) == ("charging.not_prepaid", "to")
    # Its bill would collect what was paid in: what it may owe is corrected.
    refused = await sent(client, f"/{contract['id']}/topUps", 400, key="u-1", amount=eur(5))
    assert (refused["code"], refused["field"]) == ("charging.not_prepaid", "id")
    await sent(client, f"/{contract['id']}/adjustments", key="u-2", balance=1, amount=eur(5))
