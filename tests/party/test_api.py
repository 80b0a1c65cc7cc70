"""Customers over HTTP: parties, consents, proofs, accounts, routes, moves and agreements, with keys and roles."""

from __future__ import annotations

import httpx
import pytest

from farwire.app import api_routes
from farwire.base.authz import Principal, Role
from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage import Database
from farwire.base.web import build_api
from farwire.catalog import service as catalog
from farwire.catalog.model import read_plan
from farwire.kernel.ids import TenantId
from farwire.tenant import service as tenants
from farwire.tenant.model import Address
from farwire.tenant.service import KeyRefused

V1 = "/farwire/v1"
ADDRESS = {
    "country": "DE",
    "region": "DE-HH",
    "fields": {"street": "Deichstraße", "house_number": "5", "postcode": "20459", "city": "Hamburg"},
}
ANNA = {
    "kind": "individual",
    "name": "Anna Jürgensen",
    "language": "de-DE",
    "address": ADDRESS,
    "contacts": [{"kind": "email", "value": "anna@example.org", "preferred": True}],
}
PLAN = """
offering = "flex-m"
name = "Flex M"
valid_from = 2026-01-01T00:00:00+01:00
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false
recurring = [{ id = "monthly", price = 20 }]
"""


class Caller:
    """One key that calls; each POST has a key of its own unless ``key`` repeats one."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.posts = 0

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(V1 + path)

    async def post(self, path: str, body: object = None, *, key: str = "") -> httpx.Response:
        self.posts += 1
        headers = {"Idempotency-Key": key or f"{id(self)}-{self.posts}"}
        return await self.client.post(V1 + path, json=body, headers=headers)

    async def patch(self, path: str, body: object) -> httpx.Response:
        return await self.client.patch(V1 + path, json=body)


@pytest.fixture
async def call(db: Database, settings: Settings, clock: MovableClock, tenant_id: TenantId):
    """Return a maker of callers: ``await call(role, tenant)``."""

    async def principal(database: Database, text: str) -> Principal | None:
        try:
            return await tenants.authenticate(db=database, clock=clock, text=text)
        except KeyRefused:
            return None

    api = build_api(api_routes(), database=db, clock=clock, settings=settings, authenticate=principal)

    async def caller(role: Role = Role.AGENT, tenant: TenantId = tenant_id) -> Caller:
        key, _ = await tenants.create_key(db=db, clock=clock, tenant_id=tenant, role=role, label="test")
        return Caller(
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app=api),
                base_url="http://farwire",
                headers={"Authorization": f"Bearer {key}"},
            )
        )

    return caller


async def company(db: Database, clock: MovableClock, tenant_id: TenantId) -> str:
    entity = await tenants.add_legal_entity(
        db=db, clock=clock, tenant_id=tenant_id, name="NL GmbH", vat_id="DE123456789",
        address=Address("DE", ADDRESS["fields"]), country="DE", currency_code="EUR",  # type: ignore[arg-type]
        zone_name="Europe/Berlin", number_prefix="NL",
    )  # fmt: skip
    return str(entity.id)


async def test_a_customer_is_added_verified_and_asked(call, other_tenant_id: TenantId) -> None:
    agent = await call()
    added = await agent.post("/parties", ANNA, key="anna")
    again = await agent.post("/parties", ANNA, key="anna")
    assert (added.status_code, again.status_code) == (201, 201)
    assert again.json()["id"] == added.json()["id"]
    href = added.json()["href"].removeprefix(V1)
    assert (await agent.get("/parties?name=anna")).json() == [added.json()]
    changed = await agent.patch(href, {"version": 1, "familyName": "Jürgensen"})
    assert (changed.json()["familyName"], changed.json()["version"]) == ("Jürgensen", 2)
    assert (await agent.patch(href, {"version": 1, "name": "X"})).status_code == 409
    word = {"purpose": "marketing", "channel": "email", "granted": True, "source": "web"}
    assert (await agent.post(f"{href}/consents", word)).status_code == 201
    assert [one["granted"] for one in (await agent.get(f"{href}/consents")).json()] == [True]
    played = {"role": "customer", "validFrom": "2026-06-01T00:00:00Z"}
    for _ in range(2):
        made = await agent.post(f"{href}/roles", played)
        assert (made.status_code, made.json()["role"]) == (201, "customer")
    ended = await agent.post(f"{href}/roles/end", {"role": "customer", "at": "2026-06-09T00:00:00Z"})
    assert [one["validTo"] for one in ended.json()["ended"]] == ["2026-06-09T00:00:00Z"]
    assert (await agent.get(f"{href}/roles")).json() == ended.json()["ended"]
    nobody = await agent.post(f"{href}/roles", played | {"ofPartyId": "01890a5d-ac96-774b-bcce-b302099a8057"})
    assert (nobody.status_code, nobody.json()["code"]) == (404, "party.unknown")
    shown = {"document": "passport", "issuingCountry": "DE", "number": "L01X00T47", "expiresOn": "2030-01-01"}
    submitted = await agent.post(f"{href}/kycChecks", shown)
    assert (submitted.status_code, submitted.json()["last4"]) == (201, "0T47")
    assert "L01X00T47" not in submitted.text
    integrator = await call(Role.INTEGRATOR)
    assert (await integrator.post(f"{href}/kycChecks/decide", {"verified": True})).status_code == 403
    assert (await agent.post(f"{href}/kycChecks/decide", {"verified": True})).json()["state"] == "verified"
    assert (await agent.post(f"{href}/kycChecks/decide", {"verified": True})).status_code == 409
    assert [one["attempt"] for one in (await agent.get(f"{href}/kycChecks")).json()] == [1]
    assert (await agent.get(href)).json()["kyc"] == "verified"
    stranger = await call(Role.TENANT_ADMIN, other_tenant_id)
    for answer in (
        await stranger.get(href),
        await stranger.patch(href, {"name": "X"}),
        await stranger.get(f"{href}/consents"),
        await stranger.get(f"{href}/roles"),
        await stranger.post(f"{href}/roles", played),
        await stranger.post(f"{href}/roles/end", {"role": "customer"}),
        await stranger.post(f"{href}/kycChecks/decide", {"verified": True}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "party.unknown")


async def test_a_customer_leaves_is_exported_and_erased_and_no_repeat_brings_it_back(
    call, db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    agent, entity = await call(), await company(db, clock, tenant_id)
    added = await agent.post("/parties", ANNA, key="anna")
    href, name = added.json()["href"].removeprefix(V1), added.json()["name"]
    account = {"number": "1", "partyId": added.json()["id"], "legalEntityId": entity, "language": "de-DE"}
    opened = (await agent.post("/accounts", account)).json()["href"].removeprefix(V1)
    refused = await agent.post(f"{href}/erase")
    assert (refused.status_code, refused.json()["code"]) == (409, "party.still_active")
    exported = await agent.get(f"{href}/export")
    assert exported.json()["party"]["name"] == name
    assert [one["account"]["number"] for one in exported.json()["accounts"]] == ["1"]
    closed = await agent.post(f"{opened}/close")
    assert (closed.status_code, closed.json()["state"]) == (200, "closed")
    for key in ("e1", "e1", "e2"):
        erased = await agent.post(f"{href}/erase", key=key)
        assert (erased.status_code, erased.json()["@type"]) == (200, "Erasure")
    assert (await agent.get(href)).json()["name"] == ""
    again = await agent.post("/parties", ANNA, key="anna")
    assert (again.status_code, again.json()["code"]) == (409, "web.idempotency_answer_erased")
    assert (await agent.get(f"/parties?name={name[:4]}")).json() == []
    integrator = await call(Role.INTEGRATOR)
    assert (await integrator.get(f"{href}/export")).status_code == 403


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": " "}, "party.name_missing"),
        ({"address": {"country": "DE", "fields": {"city": "Kiel"}}}, "country.address_field_missing"),
        ({"parentId": "x"}, "ids.malformed"),
        ({"contacts": [{"kind": "email", "value": "anna"}]}, "party.contact"),
    ],
)
async def test_a_bad_party_is_refused_with_its_reason(call, change: dict[str, object], code: str) -> None:
    answer = await (await call()).post("/parties", ANNA | change)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_accounts_are_opened_changed_routed_and_follow_a_move(
    call, db: Database, clock: MovableClock, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    agent, entity = await call(), await company(db, clock, tenant_id)
    party = (await agent.post("/parties", ANNA)).json()["id"]
    wanted = {"partyId": party, "legalEntityId": entity, "language": "de-DE"}
    one, firm = [
        (
            await agent.post("/accounts", wanted | {"number": number, "openedAt": "2026-06-01T00:00:00Z"})
        ).json()
        for number in ("100001", "100002")
    ]
    assert (one["currency"], one["region"], one["timeZone"]) == ("EUR", "DE-HH", "Europe/Berlin")
    assert (await agent.post("/accounts", wanted | {"number": "100001"})).status_code == 409
    href = one["href"].removeprefix(V1)
    assert (await agent.patch(href, {"delivery": "portal", "version": 1})).json()["delivery"] == "portal"
    terms = {"purchaseOrder": "PO-7", "validFrom": "2026-07-01T00:00:00Z"}
    assert (await agent.post(f"{href}/terms", terms)).json()["former"][0]["purchaseOrder"] == ""
    route = {
        "payerAccountId": firm["id"],
        "kinds": ["recurring"],
        "percent": "60",
        "validFrom": "2026-06-01T00:00:00Z",
    }
    assert (await agent.post(f"{href}/routes", route)).status_code == 201
    assert (await agent.post(f"{href}/routes", route | {"percent": "101"})).status_code == 400
    ended = await agent.post(
        f"{href}/routes/end", {"payerAccountId": firm["id"], "at": "2026-06-20T00:00:00Z"}
    )
    assert (await agent.get(f"{href}/routes")).json() == [ended.json()]
    clock.set(clock.now().replace(month=6, day=20))
    move = ADDRESS | {"partyId": party, "region": "DE-BY", "validFrom": "2026-06-15T00:00:00Z"}
    moved = await agent.post("/moves", move)
    assert [account["region"] for account in moved.json()["accounts"]] == ["DE-BY", "DE-BY"]
    assert (await agent.get(href)).json()["region"] == "DE-BY"
    assert [account["number"] for account in (await agent.get("/accounts")).json()] == ["100001", "100002"]
    stranger = await call(Role.TENANT_ADMIN, other_tenant_id)
    for answer in (
        await stranger.get(href),
        await stranger.patch(href, {"delivery": "email"}),
        await stranger.post(f"{href}/routes", route),
        await stranger.post("/moves", move),
    ):
        assert answer.status_code == 404


async def test_an_agreement_needs_two_keys(
    call, db: Database, clock: MovableClock, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    async with db.transaction(tenant_id) as tx:
        await catalog.publish_plan(tx=tx, clock=clock, plan=read_plan(PLAN))
    seller, head = await call(Role.TENANT_ADMIN), await call(Role.FINANCE)
    party = (await seller.post("/parties", ANNA)).json()["id"]
    item = {"offering": "flex-m", "overrides": [{"priceId": "monthly", "price": "15.50"}]}
    draft = {"number": "A-1", "partyId": party, "items": [item], "validFrom": "2026-06-01T00:00:00Z"}
    assert (await seller.post("/agreements", draft)).status_code == 201
    answer = await seller.post("/agreements/A-1/approve")
    assert (answer.status_code, answer.json()["code"]) == (403, "authz.four_eyes")
    assert (await head.post("/agreements/A-1/approve")).json()["state"] == "active"
    amended = {"items": [{"offering": "flex-m"}], "validFrom": "2026-08-01T00:00:00Z"}
    assert (await seller.post("/agreements/A-1/amend", amended)).json()["version"] == 2
    assert (await head.post("/agreements/A-1/approve")).status_code == 200
    assert (await seller.post("/agreements/A-1/terminate", {"at": "2026-09-01T00:00:00Z"})).status_code == 200
    versions = (await seller.get("/agreements/A-1/versions")).json()
    assert [(one["state"], one["validTo"]) for one in versions] == [
        ("terminated", "2026-08-01T00:00:00Z"),
        ("terminated", "2026-09-01T00:00:00Z"),
    ]
    assert (await seller.post("/agreements", draft | {"number": "A-3"})).status_code == 201
    assert (await seller.post("/agreements/A-3/withdraw")).json()["state"] == "withdrawn"
    assert (await seller.post("/agreements/A-3/withdraw")).json()["code"] == "agreement.transition"
    wrong = draft | {"number": "A-2", "items": [item | {"overrides": [{"priceId": "montly", "price": "1"}]}]}
    assert (await seller.post("/agreements", wrong)).json()["code"] == "agreement.price_unknown"
    assert len((await seller.get("/agreements")).json()) == 3
    stranger = await call(Role.TENANT_ADMIN, other_tenant_id)
    assert (await stranger.get("/agreements/A-1")).status_code == 404
    assert (await stranger.post("/agreements/A-1/approve")).status_code == 404
