"""How many statements a list takes: as many for many things as for one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest

from farwire.app import api_routes
from farwire.base.authz import Role
from farwire.base.clock import MovableClock
from farwire.base.storage import Database, Tx
from farwire.base.tmf import Api as TmfApi
from farwire.base.tmf import Operation, Resource
from farwire.base.tmf.descriptor import PARENT, Target
from farwire.base.tmf.resource import SERVED
from farwire.base.tmf.store import documents
from farwire.charging.service.books import take_all
from farwire.kernel.ids import TenantId

from .conftest import Charge, Client, MakeKey
from .stage import ANNA, CATALOGUE, FIRM, TMF, USAGE, V1, Keys, Things, fill
from .test_tmf_tenancy import OWN_ID, minimal, stands_alone

MANY = 3
ASIDE = 1
"""Statements more that a longer list may take, however long it is: a second part of it is looked for."""
V5 = "customerBillManagement/v5"
FEW = {
    f"{TMF}/{V5}/billCycle",  # what the bills of one period have in common
    f"{TMF}/productOrderingManagement/v5/cancelProductOrder",
    f"{TMF}/geographicAddressManagement/v5/geographicAddress/{OWN_ID}/geographicSubAddress",
    *(
        f"{TMF}/riskManagement/v5/{of}RiskAssessment"
        for of in ("productOffering", "partyRoleProductOffering", "productOrder")
    ),
}
"""Lists of which there is less here; each is one of documents, or made by one statement."""
TOPICS = [f"{TMF}/event/v4/topic/TMF{number}/event" for number in ("620", "622", "629", "632", "676", "678")]
assert api_routes()


@dataclass
class Count:
    statements: int = 0


def _spied(real: Any, count: Count) -> Any:
    def spied(*args: Any) -> Any:
        count.statements += 1
        return real(*args)

    return spied


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Count]:
    """Count the statements of transactions."""
    count = Count()
    with monkeypatch.context() as patch:
        for name in ("fetch", "fetchrow", "fetchval", "execute"):
            patch.setattr(Tx, name, _spied(getattr(Tx, name), count))
        yield count


async def _asked(client: httpx.AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Return how many things come, and the statements that they take: the fewer of two tries, for caches."""
    found, least = 0, 1_000
    for _ in range(2):
        with counted(monkeypatch) as count:
            answer = await client.get(path)
        assert answer.status_code == 200, (path, answer.text)
        found, least = len(answer.json()), min(least, count.statements)
    return found, least


def lists() -> Iterator[tuple[str, TmfApi, Resource]]:
    """The path of each list, in one version: the other one is the same things in other words."""
    for api, resource in SERVED.all():
        if Operation.LIST in resource.descriptor.operations:
            version = max(resource.descriptor.versions & set(api.versions))
            yield f"{api.base(version)}/{resource.descriptor.collection(version, OWN_ID)}", api, resource


@pytest.fixture
async def much(
    world: Any,
    db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
    client_of: Client,
    make_key: MakeKey,
    charge: Charge,
) -> str:
    """The key of an operator that has several of everything."""
    keys = [await make_key(tenant_id, Role.TENANT_ADMIN) for _ in range(2)]
    async with client_of(keys[0]) as client, client_of(keys[1]) as second:
        both = Keys(client, second)
        things = await fill(world, both)
        for number in range(MANY):
            clock.advance(timedelta(minutes=1))
            await _more(both, things, str(number))
        async with db.transaction(tenant_id) as tx:
            for _, api, resource in lists():
                if resource.behaviour is None and resource.current is None and stands_alone(resource):
                    await _kept(tx, api, resource, clock)
        desk = await charge()
        account = things.ids[f"{V1}/chargingAccounts"]
        for number in range(MANY):
            top_up = things.bodies["POST /chargingAccounts/{id}/topUps"] | {"key": f"more-{number}"}
            await both.post(f"chargingAccounts/{account}/topUps", top_up)
        await take_all(db=db, log=desk.runner.shard.log, clock=clock)
    return keys[0]


async def _kept(tx: Tx, api: TmfApi, resource: Resource, clock: MovableClock) -> None:
    """Keep several documents, all in one thing where they are nested; the first thing of all is the outer one."""
    for number in range(MANY):
        made = minimal(resource) | {"id": f"{OWN_ID}{number or ''}"}
        made |= {} if resource.descriptor.inside is None else {PARENT.name: OWN_ID}
        await documents.insert(tx, Target(api.number, resource.descriptor.type), made, clock.now())


async def _more(keys: Keys, things: Things, number: str) -> None:
    """One more of what contexts serve."""
    party = (await keys.post("parties", ANNA))["id"]
    await keys.post("parties", FIRM)
    await keys.post(f"parties/{party}/roles", {"role": "customer"})
    offering = {"code": f"flex-{number}", "name": number, "product_specification": "mobile"}
    offers = {**CATALOGUE, "valid_from": f"2026-10-0{int(number) + 1}T00:00:00Z", "offerings": [offering]}
    await keys.post("catalogueDocuments", {"document": offers, "name": f"{number}.json"})
    await keys.post(USAGE, things.bodies[f"POST {USAGE}"] | {"externalId": number})
    paid = things.bodies["POST /payments"]
    await keys.post("payments", {**paid, "externalReference": f"more-{number}"})
    await keys.post("refunds", things.bodies["POST /refunds"] | {"reason": number})
    await keys.post("paymentMethods", things.bodies["POST /paymentMethods"] | {"token": f"more-{number}"})
    await keys.post("productOrders", things.bodies["POST /productOrders"])
    account = {"id": things.ids[f"{V1}/accounts"]}
    await keys.post(
        f"{TMF}/{V5}/customerBillOnDemand",
        {"@type": "CustomerBillOnDemand", "billingAccount": account, "name": number},
    )
    wish = things.bodies["POST /chargingAccounts"] | {"key": f"more-{number}"}
    await keys.post("chargingAccounts", wish)
    service = {"@type": "Service", "state": "active", "serviceSpecification": {"id": "vpn"}}
    await keys.post(f"{TMF}/serviceInventory/v5/service", service)
    await keys.post(f"{TMF}/event/v4/topic", {"name": number})


async def test_a_list_of_many_takes_as_many_statements_as_a_list_of_one(
    much: str, client_of: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with client_of(much) as client:
        few, wrong = set[str](), []
        for path in (*(path for path, _, _ in lists() if "/topic/" not in path), *TOPICS):
            one, many = [await _asked(client, f"{path}?limit={limit}", monkeypatch) for limit in (1, 100)]
            if many[0] < MANY:
                few.add(path)
            elif many[1] > one[1] + ASIDE:
                wrong.append((path, one, many))
    assert wrong == []
    assert few == FEW
