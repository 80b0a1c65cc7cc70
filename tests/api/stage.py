"""An operator that has at least one of everything, made over HTTP by two keys: what every route is tried with.

``Things.ids`` has the id of one thing of each collection, by the collection's path; ``bodies`` what is sent to each
operation that takes a body; ``queries`` what a list or a document cannot be asked for without.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import httpx

from farwire.activation import service as activation
from farwire.activation.adapters import Element
from farwire.activation.model import FaultKind
from farwire.activation.simulator import plant_fault, tamper
from farwire.base import eventbus
from farwire.base.tmf_events.holding import NOTIFICATION
from farwire.base.tmf_events.store import held
from farwire.billing import service as billing
from farwire.communication.model import Channel
from farwire.communication.service import send
from farwire.kernel.ids import BillRunId, PartyId, parse_id
from farwire.kernel.money import Money
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.kernel.time import instant
from farwire.ordering import service as ordering
from farwire.payment.model.voucher import Alphabet, BatchOrder
from farwire.payment.service import voucher as vouchers
from farwire.tenant.model import Address
from tests.charging.desk import GO_5, sell_go_5

V1 = "/farwire/v1"
TMF = "/tmf-api"
USAGE = f"{TMF}/usageManagement/v4/usage"
BILLS = f"{TMF}/customerBillManagement/v4/customerBill"
NUMBERS = {"first": "4915100000001", "last": "4915100000009"}
HOME = {"street": "Deichstraße", "house_number": "5", "postcode": "20459", "city": "Hamburg"}
CATALOGUE = {
    "valid_from": "2026-05-01T00:00:00Z",
    "service_specifications": [
        {
            "code": "line",
            "name": "Line",
            "resources": [{"kind": "msisdn", "pool": "numbers"}],
            "operations": [{"adapter": "charging", "operation": "account"}],
        }
    ],
    "product_specifications": [{"code": "mobile", "name": "Mobile", "services": ["line"]}],
    "offerings": [{"code": "flex-m", "name": "Flex M", "product_specification": "mobile"}],
}
ANNA = {
    "kind": "individual",
    "name": "Anna Jürgensen",
    "language": "de-DE",
    "address": {"country": "DE", "fields": HOME},
}
FIRM = ANNA | {"kind": "organization", "name": "Jürgensen GmbH"}
OLT = "olt-north"
LATER = "2026-09-01T00:00:00Z"
TEXT = {"code": "own_text", "language": "de", "channel": "sms", "body": "Hallo", "variables": []}


@dataclass
class Things:
    """What is there, by the paths of the API."""

    ids: dict[str, str] = field(default_factory=dict)
    bodies: dict[str, Any] = field(default_factory=dict)
    queries: dict[str, dict[str, str]] = field(default_factory=dict)

    def path(self, template: str, *, unknown: str = "") -> str:
        """Fill a path: each name with a thing of the collection before it, or with ``unknown``."""
        filled = ""
        for part in template.strip("/").split("/"):
            if not part.startswith("{"):
                filled += f"/{part}"
            elif part in ("{kind}", "{line}"):
                filled += "/product_specification" if part == "{kind}" else "/1"
            else:
                filled += "/" + (unknown or self.ids[filled.removesuffix("/product_specification")])
        return filled


class Keys:
    """Two keys of one operator: the second approves what the first asks for."""

    def __init__(self, first: httpx.AsyncClient, second: httpx.AsyncClient) -> None:
        self.first = first
        self.second = second

    async def post(self, path: str, body: object = None, *, second: bool = False) -> Any:
        client = self.second if second else self.first
        answer = await client.post(path if path.startswith("/") else f"{V1}/{path}", json=body)
        assert answer.is_success, (path, answer.text)
        return answer.json()

    async def get(self, path: str, **query: str) -> Any:
        answer = await self.first.get(path if path.startswith("/") else f"{V1}/{path}", params=query)
        assert answer.is_success, (path, answer.text)
        return answer.json()


async def fill(world: Any, keys: Keys) -> Things:
    """Make one of everything, from 1 June to 1 August."""
    things = Things()
    await _offers(world, keys, things)
    await _customers(world, keys, things)
    await _agreements(keys, things)
    await _orders(world, keys, things)
    await _drift(world, things)
    await _bills(world, keys, things)
    await _corrections(keys, things)
    await _money(world, keys, things)
    await _vouchers(world, keys, things)
    await _messages(world, keys, things)
    await _listeners(world, keys, things)
    await _charging(world, keys, things)
    return things


async def _charging(world: Any, keys: Keys, things: Things) -> None:
    """An account of online charging; a shard is started by the test, if it has one."""
    await sell_go_5(world.db, world.tenant_id, world.clock)
    wish = {"key": "sub-1", "offering": GO_5, "circle": "family"}
    made = await keys.post("chargingAccounts", wish)
    other = await keys.post("chargingAccounts", wish | {"key": "sub-2"})
    things.ids[f"{V1}/chargingAccounts"] = made["id"]
    one, key = {"amount": _eur("1.00")}, {"key": "c-1"}
    things.bodies |= {
        "POST /chargingAccounts": wish,
        "POST /chargingAccounts/{id}/topUps": one | key,
        "POST /chargingAccounts/{id}/adjustments": one | key | {"balance": 1},
        "POST /chargingAccounts/{id}/transfers": one | key | {"to": other["id"]},
        "POST /chargingAccounts/{id}/loans": key,
        "POST /chargingAccounts/{id}/purchases": key | {"offering": GO_5},
        "POST /chargingAccounts/{id}/renewals": key | {"offering": GO_5},
        "POST /chargingAccounts/{id}/autoRenewals": key | {"offering": GO_5, "renews": False},
        "POST /chargingAccounts/{id}/bars": key | {"barred": False},
        "POST /chargingAccounts/{id}/limitConsents": key | {"limit": 1, "optedOn": True},
        "POST /chargingAccounts/{id}/spendLimits": one | key | {"period": "day", "roamingOnly": True},
        "POST /chargingAccounts/{id}/limitRemovals": key | {"limit": 21},
        "POST /chargingAccounts/{id}/shares": one | key | {"owner": other["id"], "balance": 1},
        "POST /chargingAccounts/{id}/shareRemovals": key | {"owner": other["id"], "unit": "money"},
    }


def plan_as_json(text: str) -> dict[str, Any]:
    """A price plan's TOML as the JSON of the API, with times as text."""
    plan = tomllib.loads(text)
    return plan | {"valid_from": plan["valid_from"].isoformat()}


async def _offers(world: Any, keys: Keys, things: Things) -> None:
    await world.company()
    plan = plan_as_json(sys.modules[type(world).__module__].FLEX_M)
    await keys.post("pools", {"name": "numbers", "kind": "msisdn"})
    await keys.post("catalogueDocuments", {"document": CATALOGUE, "name": "mobile.json"})
    await world.plan()
    await keys.post("pools/numbers/resources", NUMBERS)
    await keys.post("pools/numbers/ranges", {"range": "4916000000000-4916000000009"})
    withheld = {"range": "4916000000000", "reason": "ours"}
    await keys.post("pools/numbers/withholdings", withheld)
    await keys.post("reservations", {"pool": "numbers", "key": "shop-1"})
    things.ids |= {
        f"{V1}/offerings": "flex-m",
        f"{V1}/specifications": "mobile",
        f"{V1}/pools": "numbers",
        f"{V1}/reservations": "shop-1",
        f"{V1}/resources": (await keys.get("resources", pool="numbers"))[0]["id"],
        f"{TMF}/productCatalogManagement/v4/productOffering": (
            await keys.get(f"{TMF}/productCatalogManagement/v4/productOffering")
        )[0]["id"],
    }
    things.bodies |= {
        "POST /catalogueDocuments": {"document": CATALOGUE},
        "POST /priceImpacts": {"plan": plan | {"valid_from": "2026-09-01T00:00:00+02:00"}},
        "PATCH /offerings/{code}": {"lifecycle": "launched"},
        "PATCH /specifications/{kind}/{code}": {"lifecycle": "active"},
        "POST /pools": {"name": "more", "kind": "msisdn"},
        "POST /pools/{name}/resources": NUMBERS,
        "POST /pools/{name}/ranges": {"range": "4917000000000-4917000000009"},
        "POST /pools/{name}/withholdings": {"range": "4916000000001", "reason": "ours"},
        "POST /pools/{name}/withholdings/end": {"range": withheld["range"]},
        "POST /reservations": {"pool": "numbers", "key": "shop-2"},
    }
    await _network(keys, things)


async def _network(keys: Keys, things: Things) -> None:
    """A site, two routers in it, and a cable between them."""
    element = {"name": "site", "layer": "physical", "kind": "site"}
    await keys.post("elements", element)
    made = [await keys.post("elements", element | {"name": name}) for name in ("router", "other")]
    links = [
        {"start": "site", "kind": "contains", "end": "router"},
        {"start": "router", "kind": "connects", "end": "other"},
    ]
    for link in links:
        await keys.post("links", link)
    things.ids[f"{V1}/elements"] = made[0]["id"]
    things.queries[f"{V1}/elements/{{id}}/paths"] = {"end": "other"}
    things.queries[f"{V1}/elements/{{id}}/traces"] = {"end": "other"}
    things.bodies |= {
        "POST /elements": element | {"name": "third"},
        "POST /elements/{id}/amend": {"place": "Hamburg"},
        "POST /elements/{id}/end": {},
        "POST /links": {"start": "site", "kind": "contains", "end": "other"},
        "POST /links/end": links[1],
    }


async def _customers(world: Any, keys: Keys, things: Things) -> None:
    world.clock.set(instant("2026-06-11T14:03+02:00"))
    firm, party = await keys.post("parties", FIRM), (await keys.post("parties", ANNA))["id"]
    consent = {"purpose": "marketing", "channel": "email", "granted": True, "source": "web"}
    await keys.post(f"parties/{party}/consents", consent)
    await keys.post(f"parties/{party}/roles", {"role": "customer"})
    papers = {"document": "national_identity_card", "issuingCountry": "DE", "number": "L01X00T471"}
    await keys.post(f"parties/{party}/kycChecks", papers)
    account = {"partyId": party, "legalEntityId": str(world.entity.id), "language": "de-DE"}
    opened = [(await keys.post("accounts", account | {"number": number}))["id"] for number in ("1", "2")]
    route = {"payerAccountId": opened[1], "kinds": ["recurring"], "percent": "50", "validFrom": LATER}
    await keys.post(f"accounts/{opened[0]}/routes", route)
    things.ids |= {
        f"{V1}/parties": party,
        f"{V1}/accounts": opened[0],
        f"{TMF}/accountManagement/v4/billingAccount": opened[0],
    }
    things.bodies |= {
        "POST /parties": FIRM | {"parentId": firm["id"]},
        "PATCH /parties/{id}": {"language": "de-DE"},
        "POST /parties/{id}/consents": consent,
        "POST /parties/{id}/roles": {"role": "customer"},
        "POST /parties/{id}/roles/end": {"role": "customer"},
        "POST /parties/{id}/kycChecks": papers,
        "POST /parties/{id}/kycChecks/decide": {"verified": True},
        "POST /accounts": account | {"number": "3"},
        "PATCH /accounts/{id}": {"language": "de-DE"},
        "POST /accounts/{id}/terms": {"purchaseOrder": "PO-7"},
        "POST /accounts/{id}/routes": route,
        "POST /accounts/{id}/routes/end": {"payerAccountId": opened[1], "at": "2026-10-01T00:00:00Z"},
        "POST /moves": {"partyId": party, "country": "DE", "fields": HOME},
    }


async def _agreements(keys: Keys, things: Things) -> None:
    terms = {"items": [{"offering": "flex-m"}], "validFrom": LATER}
    body = terms | {"number": "A-1", "partyId": things.ids[f"{V1}/parties"]}
    await keys.post("agreements", body)
    things.ids[f"{V1}/agreements"] = "A-1"
    things.bodies |= {
        "POST /agreements": body | {"number": "A-2"},
        "POST /agreements/{number}/amend": terms,
        "POST /agreements/{number}/terminate": {},
    }


async def _orders(world: Any, keys: Keys, things: Things) -> None:
    """One order that is done, one in the fallout, one that has not begun."""
    order = {"accountId": things.ids[f"{V1}/accounts"], "items": [{"offering": "flex-m"}]}
    work = {"db": world.db, "tenant_id": world.tenant_id, "clock": world.clock}
    await keys.post("productOrders", order)
    await ordering.work(**work)
    async with world.db.transaction(world.tenant_id) as tx:
        await plant_fault(tx, adapter="charging", kind=FaultKind.REFUSE, count=1)
    await keys.post("productOrders", order)
    await ordering.work(**work)
    later = await keys.post("productOrders", order | {"requestedAt": LATER})
    (task,) = await keys.get("falloutTasks")
    things.ids |= {
        f"{V1}/productOrders": later["id"],
        f"{V1}/falloutTasks": task["id"],
        f"{V1}/products": (await keys.get("products"))[0]["id"],
    }
    things.bodies |= {f"POST /productOrders{act}": order for act in ("", "/{id}/amend")} | {
        "POST /orderPreviews": order,
        "POST /orderDecompositions": order,
    }
    acts = {"productOrders": "cancel hold release refuse", "falloutTasks": "retry skip rollback abort"}
    things.bodies |= {
        f"POST /{what}/{{id}}/{act}": {} for what, named in acts.items() for act in named.split()
    }


async def _drift(world: Any, things: Things) -> None:
    """An element of the operator's own, and a line in it that nobody applied."""
    async with world.db.transaction(world.tenant_id) as tx:
        one = Element(world.tenant_id, OLT, "simulated-olt", "")
        await activation.set_element(tx, element=one, now=world.clock.now())
        await tamper(tx, adapter=OLT, target="stranger", attributes={"ont": "enabled"})
    for _ in range(2):  # seen once, it may be an order's that is under way
        await activation.look(db=world.db, tenant_id=world.tenant_id, clock=world.clock)
    things.ids[f"{V1}/activationAdapters"] = OLT
    things.bodies |= {
        "POST /activationPreviews": {"adapter": OLT, "action": "provision", "target": "line-1"},
        "POST /activationAdapters/{name}/amend": {"policy": "report"},
    }


async def _bills(world: Any, keys: Keys, things: Things) -> None:
    """June is billed with usage; July waits for approval, with a finding: an account without an address."""
    usage = {
        "usageDate": "2026-06-20T10:00:00Z",
        "usageType": "voice",
        "usageCharacteristic": [
            {"name": "subscriber", "value": (await keys.get("resources", state="assigned"))[0]["value"]},
            {"name": "quantity", "value": 65},
            {"name": "destination", "value": "447700900123"},
        ],
    }
    sent = await keys.post(USAGE, usage)
    world.clock.set(instant("2026-07-01T00:30+02:00"))
    june = await keys.post("billRuns", {"until": "2026-07-01T00:00:00+02:00"})
    await _advanced(world, june["id"])
    await keys.post(f"billRuns/{june['id']}/approve", second=True)
    await _advanced(world, june["id"])
    (bill,) = await keys.get(BILLS)
    nowhere = await world.account("9", address=Address("DE", {}), opened="2026-07-01T00:00+02:00")
    await world.product(nowhere, await world.plan(), start="2026-07-02T00:00+02:00")
    world.clock.set(instant("2026-08-01T00:30+02:00"))
    body = {"until": "2026-08-01T00:00:00+02:00"}
    july = await keys.post("billRuns", body)
    await _advanced(world, july["id"])
    things.ids |= {USAGE: sent["id"], BILLS: bill["id"], f"{V1}/billRuns": july["id"]}
    things.bodies |= {
        f"POST {USAGE}": usage | {"externalId": "another"},
        "POST /billRuns": body | {"accountId": things.ids[f"{V1}/accounts"]},
        "POST /billRuns/{id}/reject": {"reason": "look again"},
        "POST /billRuns/{id}/rerun": {"accountId": things.ids[f"{V1}/accounts"]},
    }


async def _advanced(world: Any, run: str) -> None:
    run_id = BillRunId(parse_id(run, field="run"))
    await billing.advance_run(db=world.db, tenant_id=world.tenant_id, clock=world.clock, run_id=run_id)


async def _corrections(keys: Keys, things: Things) -> None:
    account, bill = things.ids[f"{V1}/accounts"], things.ids[BILLS]
    credit = {"net": _eur("5.00"), "reason": "late", "label": "Credit", "key": "c-1"}
    note = {"billId": bill, "reason": "wrong", "key": "n-1", "lines": [{"line": 1, "amount": _eur("1.00")}]}
    made = await keys.post(f"accounts/{account}/credits", credit)
    noted = await keys.post(f"accounts/{account}/creditNotes", note)
    things.ids |= {f"{V1}/credits": made["id"], f"{V1}/creditNotes": noted["id"]}
    things.bodies |= {
        "POST /accounts/{id}/hold": {"reason": "asked"},
        "POST /accounts/{id}/credits": credit | {"key": "c-2"},
        "POST /accounts/{id}/creditNotes": note | {"key": "n-2"},
    }


def _eur(value: str) -> dict[str, str]:
    return {"unit": "EUR", "value": value}


async def _money(world: Any, keys: Keys, things: Things) -> None:
    account = things.ids[f"{V1}/accounts"]
    paid = {"accountId": account, "method": "cash", "externalReference": "till-1", "amount": _eur("20.00")}
    token = {"accountId": account, "kind": "card", "token": "tok_1", "last4": "4242"}
    card = {"accountId": account, "method": "card", "token": "tok_1", "amount": _eur("1.00"), "key": "k-1"}
    rich = await keys.post("payments", paid | {"externalReference": "till-2", "amount": _eur("900.00")})
    refund = {"paymentId": rich["id"], "amount": _eur("1.00"), "reason": "moved"}
    june = {"legalEntityId": str(world.entity.id), "month": "2026-06"}
    await keys.post("ledger/closings", june)
    things.ids |= {
        f"{V1}/payments": rich["id"],
        f"{V1}/refunds": (await keys.post("refunds", refund))["id"],
        f"{V1}/paymentMethods": (await keys.post("paymentMethods", token))["id"],
    }
    things.bodies |= {
        "POST /payments": paid,
        "POST /payments/{id}/allocate": {},
        "POST /payments/{id}/assign": {"accountId": account},
        "POST /payments/{id}/reverse": {"reason": "returned"},
        "POST /charges": card,
        "POST /paymentNotices": {"method": "card", "payload": "{}", "signature": "0"},
        "POST /refunds": refund,
        "POST /refunds/{id}/approve": {},
        "POST /paymentMethods": token | {"token": "tok_2"},
        "POST /ledger/closings": june,
        "POST /ledger/reopenings": june | {"reason": "late"},
        "POST /ledger/reopenings/approve": june,
    }
    things.queries |= {
        f"{V1}/ledger/periods": {"legalEntityId": june["legalEntityId"]},
        f"{V1}/ledger/trialBalance": {"month": "2026-06"},
        f"{V1}/ledger/revenue": june,
        f"{V1}/openItems": {"settled": "true"},
    }


async def _vouchers(world: Any, keys: Keys, things: Things) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "codes.csv"
        now = world.clock.now()
        order = BatchOrder(
            "spring",
            world.entity.id,
            3,
            Money.of("10", "EUR"),
            now,
            now + timedelta(days=99),
            Alphabet.DIGITS,
            16,
        )
        await vouchers.generate(
            db=world.db,
            clock=world.clock,
            tenant_id=world.tenant_id,
            order=order,
            file=file,
            actor=Actor(ActorKind.OPERATOR, "printer"),
            report=lambda _: None,
        )
        codes = [row.split(",")[1] for row in file.read_text().splitlines()[1:]]
    batch = (await keys.get("voucherBatches"))[0]["id"]
    await keys.post(f"voucherBatches/{batch}/activate", {"method": "cash", "firstSerial": 1, "lastSerial": 2})
    wish = {"code": codes[0], "key": "w-1", "subscriber": "s-1", "accountId": things.ids[f"{V1}/accounts"]}
    await keys.post("voucherRedemptions", wish)
    await keys.post("voucherRedemptions", wish | {"key": "w-2"})
    things.ids |= {f"{V1}/voucherBatches": batch, f"{V1}/vouchers": "1"}
    things.bodies |= {
        "POST /voucherBatches/{id}/activate": {"method": "cash"},
        "POST /voucherBatches/{id}/block": {"reason": "lost"},
        "POST /voucherBatches/{id}/unblock": {},
        "POST /voucherBatches/{id}/cancel": {"reason": "lost"},
        "POST /voucherRedemptions": wish | {"code": codes[1], "key": "w-3"},
    }


async def _messages(world: Any, keys: Keys, things: Things) -> None:
    await keys.post("messageTemplates", TEXT)
    async with world.db.transaction(world.tenant_id) as tx:
        message = await send(
            tx,
            key="k",
            party_id=PartyId(parse_id(things.ids[f"{V1}/parties"], field="party")),
            code="order_completed",
            channel=Channel.SMS,
            address="+4915112345678",
            language="de",
            variables={"name": "Anna", "seller": "Nordlicht", "order": "O-1"},
            now=world.clock.now(),
            zone_name="Europe/Berlin",
            country="DE",
        )
    things.ids[f"{V1}/messages"] = str(message.id)
    things.bodies |= {
        "POST /messages/{id}/receipts": {"key": "r", "state": "delivered", "at": "2026-07-31T00:00:00Z"},
        "POST /messageTemplates": TEXT,
    }


def body_of(things: Things, method: str, path: str) -> Mapping[str, Any] | None:
    """The body for an operation; None where it takes none."""
    found: Mapping[str, Any] | None = things.bodies.get(f"{method} {path.removeprefix(V1)}")
    return found


async def _listeners(world: Any, keys: Keys, things: Things) -> None:
    """A listener, and two events of one thing that it does not take."""
    hub = {"callback": "https://listener.example/stage"}
    key = (await keys.post(f"{TMF}/productCatalogManagement/v4/hub", hub))["id"]
    subject, now = f"{key}/thing", world.clock.now()
    async with world.db.transaction(world.tenant_id) as tx:
        for number in range(2):
            event = eventbus.new_event(
                tenant_id=world.tenant_id,
                type=NOTIFICATION,
                subject=subject,
                occurred_at=now,
                recorded_at=now,
                data={
                    "hub": key,
                    "api": "620",
                    "type": "Category",
                    "id": "thing",
                    "name": "CategoryCreateEvent",
                    "event": str(number),
                },
            )
            await eventbus.publish(tx, event)
        last = await eventbus.last_position(tx)
        await held.hold(
            tx, hub=UUID(key), subject=subject, first=1, last=last, error="refused", now=now, most=1
        )
    things.ids[f"{V1}/eventListeners"] = key
    things.ids[f"{V1}/deadLetters"] = (await keys.get("deadLetters"))[0]["id"]
    things.bodies |= {"POST /eventListeners/{id}/replays": {"fromPosition": 1}}
