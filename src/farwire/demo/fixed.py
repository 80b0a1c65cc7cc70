"""Fixed lines: a fibre line and a business circuit, built by the rules of the catalogue from what lies at the place.

The truth is what the files of the catalogue and the network below say, written down by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Final

from farwire.account import service as accounts
from farwire.account.model import BillingAccount, TaxClass
from farwire.activation import service as activation
from farwire.base.clock import MovableClock
from farwire.base.storage import Database, Tx
from farwire.catalog.model import read_document
from farwire.demo.checklist import Checklist, Played
from farwire.inventory import service as inventory
from farwire.inventory.model import Resource, ResourceKind, Service, ServiceState, SuspensionReason
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import AccountId, LegalEntityId, PartyId, ProductId, TenantId, uuid7
from farwire.kernel.money import currency
from farwire.ordering import service as ordering
from farwire.ordering.model import Action, ItemRequest, OrderRefused, OrderRequest, OrderState, ProductOrder
from farwire.party import service as parties
from farwire.party.model import Party, PartyKind
from farwire.process.publishing import publish_document
from farwire.qualification import service as qualification
from farwire.tenant import service as tenants
from farwire.tenant.model import Address

TENANT: Final = "kueste"
START: Final = datetime(2026, 6, 12, 8, tzinfo=UTC)
FILES: Final = (
    "catalogue/fibre.toml",
    "catalogue/circuit.toml",
    "catalogue/plans/fibre-250.toml",
    "catalogue/plans/business-circuit.toml",
)
_DATA: Final = resources.files("farwire.demo") / "data"
_PORTS: Final = {
    "pon-altona": ("olt-altona/1/1", "olt-altona/1/2"),
    "pon-hafen": ("olt-hafen/1/1", "olt-hafen/1/2"),
    "xgs-hafen": ("olt-hafen/9/1",),
    "ethernet-kiel": ("pe-kiel/1/1", "pe-kiel/1/2"),
    "ethernet-luebeck": ("pe-luebeck/1/1", "pe-luebeck/1/2"),
}
"""Pools of ports by the node that they are at, as the rules name them."""
COVERAGE: Final[Mapping[str, Mapping[str, str]]] = {
    "22765 Hamburg, *": {"fibre": "gpon", "olt": "altona"},
    "20457 Hamburg, *": {"fibre": "xgs-pon", "olt": "hafen"},
}
HOME: Final = "22765 Hamburg, Ottenser Hauptstraße 5"
NEXT: Final = "20457 Hamburg, Am Sandtorkai 12"
NOWHERE: Final = "25746 Heide, Dorfstraße 1"
CIRCUIT: Final[Mapping[str, bool | int | str]] = {
    "bandwidth": 1000,
    "a-node": "kiel",
    "b-node": "luebeck",
    "paths": 2,
}


@dataclass(slots=True)
class _Stage:
    """Where it plays: the database, the operator, its clock, its two customers, the checklist."""

    db: Database
    clock: MovableClock
    say: Callable[[str], None]
    checks: Checklist
    tenant_id: TenantId
    home: AccountId
    office: AccountId

    def move_to(self, days: int) -> None:
        """Let so many days have passed since the start."""
        self.clock.set(max(self.clock.now(), START + timedelta(days=days)))

    async def ordered(self, key: str, account: AccountId, item: ItemRequest) -> ProductOrder:
        """Place an order, or find it, and carry it out."""
        request = OrderRequest(account_id=account, items=(item,), channel="shop")
        async with self.db.transaction(self.tenant_id) as tx:
            placed = await ordering.place_order(tx=tx, clock=self.clock, request=request, key=key)
        await ordering.work(db=self.db, tenant_id=self.tenant_id, clock=self.clock)
        return placed.order

    async def state(self, order: ProductOrder) -> OrderState:
        """Return how far an order is."""
        async with self.db.transaction(self.tenant_id, read_only=True) as tx:
            return (await ordering.get_order(tx=tx, order_id=order.id)).order.state


async def play_fixed(*, db: Database, say: Callable[[str], None]) -> Played:
    """Play the orders. Idempotent: what is done is found by its key; what shows only once is left out."""
    checks = Checklist()
    clock = MovableClock(START)
    stage = await _operator(db, clock, say, checks)
    await _fibre(stage)
    await _circuit(stage)
    return Played("Fibre and circuits: built by the rules of the catalogue", checks, {})


async def _operator(
    db: Database, clock: MovableClock, say: Callable[[str], None], checks: Checklist
) -> _Stage:
    say("Küstennetz: publishing fibre and circuits, what lies at which place, ports, VLANs and addresses")
    tenant = await tenants.create_tenant(
        db=db, clock=clock, name=TENANT, display_name="Küstennetz", country="DE", zone_name="Europe/Berlin"
    )
    seat = Address("DE", {"street": "Kaistraße", "house_number": "9", "postcode": "24103", "city": "Kiel"})
    entity = await tenants.add_legal_entity(
        db=db, clock=clock, tenant_id=tenant.id, name="Küstennetz GmbH", vat_id="DE123456788", address=seat,
        country="DE", currency_code="EUR", zone_name="Europe/Berlin", number_prefix="KN",
        bank_account="DE02120300000000202051",
    )  # fmt: skip
    async with db.transaction(tenant.id) as tx:
        await _pools(tx, clock)
        for name in FILES:
            document = read_document((_DATA / name).read_text(encoding="utf-8"), name=name)
            await publish_document(tx=tx, clock=clock, document=document, name=name)
        await qualification.set_coverage(tx, facts=COVERAGE, now=clock.now())
        home = await _account(tx, clock, entity.id, "K-1", "Jonas Petersen", "residential")
        office = await _account(tx, clock, entity.id, "K-2", "Reederei Nordwind GmbH", "business")
    return _Stage(db, clock, say, checks, tenant.id, home, office)


async def _pools(tx: Tx, clock: MovableClock) -> None:
    now = clock.now()

    async def pool(name: str, kind: ResourceKind) -> None:
        await inventory.create_pool(tx, name=name, kind=kind, quarantine_days=0, now=now)

    for name, ports in _PORTS.items():
        await pool(name, ResourceKind.PORT)
        await inventory.fill_pool(tx, pool=name, values=ports)
    for name, values in (("customer-vlan", range(101, 111)), ("service-vlan", range(3001, 3011))):
        await pool(name, ResourceKind.VLAN)
        await inventory.fill_pool(tx, pool=name, values=[str(one) for one in values])
    await pool("static-ipv4", ResourceKind.IPV4)
    await inventory.fill_pool(tx, pool="static-ipv4", values=["192.0.2.10", "192.0.2.11"])
    await pool("home-router", ResourceKind.DEVICE)
    await inventory.fill_pool(tx, pool="home-router", values=["router-1", "router-2", "router-3"])


async def _account(
    tx: Tx, clock: MovableClock, entity: LegalEntityId, number: str, name: str, segment: str
) -> AccountId:
    try:
        return (await accounts.account_numbered(tx=tx, number=number)).id
    except NotFound:
        pass
    now = clock.now()
    kind = PartyKind.INDIVIDUAL if segment == "residential" else PartyKind.ORGANIZATION
    address = Address("DE", {"street": "Hafen", "house_number": "1", "postcode": "20457", "city": "Hamburg"})
    party = await parties.add_party(tx, party=Party(PartyId(uuid7(now)), kind, name, address, "de", now))
    account = BillingAccount(
        id=AccountId(uuid7(now)), number=number, party_id=party.id, legal_entity_id=entity,
        currency=currency("EUR"), cycle_day=1, zone="Europe/Berlin", language="de",
        tax_class=TaxClass.STANDARD, opened_at=now, segment=segment,
    )  # fmt: skip
    return (await accounts.open_account(tx, account=account, now=now)).id


async def _fibre(stage: _Stage) -> None:
    stage.say("Küstennetz, 12 June: a fibre line with a fixed address, which later moves and gets faster")
    chosen: dict[str, bool | int | str] = {"down": 500, "static-address": True}
    await _nowhere(stage)
    await _preview(stage, ItemRequest(offering="fibre-250", place=HOME, characteristics=chosen))
    item = ItemRequest(offering="fibre-250", place=HOME, characteristics=chosen)
    order = await stage.ordered("fibre", stage.home, item)
    stage.checks.add("fibre", "the order is", "completed", await stage.state(order))
    product_id = order.items[0].product_id
    stage.move_to(1)
    moves = ItemRequest(action=Action.MOVE, product_id=product_id, place=NEXT)
    moved = await stage.ordered("fibre-moves", stage.home, moves)
    stage.checks.add("fibre", "the move to another street is", "completed", await stage.state(moved))
    faster = ItemRequest(action=Action.MODIFY, product_id=product_id, characteristics={"down": 2000})
    stage.move_to(2)
    done = await stage.ordered("fibre-faster", stage.home, faster)
    stage.checks.add("fibre", "2,000 Mbit/s instead of 500 is", "completed", await stage.state(done))
    services, held = await _standing(stage, product_id)
    stage.checks.add("fibre", "it stands on, beside its session", "xgs-pon-line", " ".join(
        one.specification for one in services if one.specification.endswith("-line")))  # fmt: skip
    stage.checks.add("fibre", "its port", "olt-hafen/9/1", _values(held, ResourceKind.PORT))
    shown = await _shown(stage, "access", str(product_id))
    stage.checks.add("fibre", "the access node has", "olt-hafen/9/1 xgs-2000",
                     f"{shown.get('port')} {shown.get('profile')}")  # fmt: skip
    radius = await _shown(stage, "radius", str(product_id))
    address, vlan = _values(held, ResourceKind.IPV4), _values(held, ResourceKind.VLAN)
    stage.checks.add("fibre", "the broadband gateway has its address and VLAN", f"{address} {vlan}",
                     f"{radius.get('address')} {radius.get('vlan')}")  # fmt: skip
    stage.checks.add(
        "fibre", "ports of the first house that are free again", 2, await _left(stage, "pon-altona")
    )
    await _barred(stage, product_id)


async def _nowhere(stage: _Stage) -> None:
    """Ask for a line where nothing lies: the refusal says what is not known."""
    found = "taken"
    try:
        await stage.ordered("fibre-nowhere", stage.home, ItemRequest(offering="fibre-250", place=NOWHERE))
    except OrderRefused as refused:
        found = min(one.code for one in refused.refusals)
    stage.checks.add("fibre", "an order where no fibre lies", "ordering.not_deliverable", found)


async def _preview(stage: _Stage, item: ItemRequest) -> None:
    """Show what the order is made of, before it is placed."""
    async with stage.db.transaction(stage.tenant_id, read_only=True) as tx:
        request = OrderRequest(account_id=stage.home, items=(item,), channel="shop")
        seen = await ordering.preview_decomposition(tx=tx, clock=stage.clock, request=request)
    codes = [part.specification for part in seen.items[0].parts]
    expected = ["internet-access", "gpon-line", "subscriber-session", "home-gateway"]
    stage.checks.add("fibre", "preview: services", " ".join(expected), " ".join(codes))
    stage.checks.add("fibre", "preview: tasks, reservations to activation", 11, len(seen.items[0].steps))


async def _barred(stage: _Stage, product_id: ProductId) -> None:
    """Suspend the line and let it go on, unless an earlier run did."""
    for day, action in ((3, Action.SUSPEND), (4, Action.RESUME)):
        stage.move_to(day)
        item = ItemRequest(action=action, product_id=product_id, reason=SuspensionReason.CUSTOMER)
        order = await stage.ordered(f"fibre-{action}", stage.home, item)
        stage.checks.add("fibre", f"{action} is", "completed", await stage.state(order))
    shown = await _shown(stage, "radius", str(product_id))
    stage.checks.add("fibre", "and at the end its session is", "active", shown.get("status"))


async def _circuit(stage: _Stage) -> None:
    stage.say("Küstennetz, 16 June: a circuit from Kiel to Lübeck over two paths; another one is given up")
    stage.move_to(4)
    order = await stage.ordered(
        "circuit", stage.office, ItemRequest(offering="business-circuit", characteristics=CIRCUIT)
    )
    stage.checks.add("circuit", "the order is", "completed", await stage.state(order))
    services, held = await _standing(stage, order.items[0].product_id)
    above = next(one for one in services if one.supports is None)
    below = sorted(one.specification for one in services if one.supports == above.id)
    stage.checks.add("circuit", "the customer's service", "ethernet-circuit active",
                     f"{above.specification} {above.state}")  # fmt: skip
    expected = "ethernet-path ethernet-path ethernet-port ethernet-port"
    stage.checks.add("circuit", "it stands on", expected, " ".join(below))
    stage.checks.add("circuit", "ports", "pe-kiel/1/1 pe-luebeck/1/1", _values(held, ResourceKind.PORT))
    stage.checks.add("circuit", "VLANs", "3001 3002", _values(held, ResourceKind.VLAN))
    paths = [
        await _shown(stage, "transport", str(one.id))
        for one in services
        if one.specification == "ethernet-path"
    ]
    stage.checks.add("circuit", "paths in the network", "pe-kiel/1/1 pe-luebeck/1/1 " * 2,
                     " ".join(f"{one.get('a')} {one.get('b')}" for one in paths) + " ")  # fmt: skip
    await _given_up(stage)


async def _given_up(stage: _Stage) -> None:
    """Order a second circuit whose far end has no port of 10 Gbit/s left, and cancel it in flight."""
    chosen = {**CIRCUIT, "bandwidth": 10_000}
    order = await stage.ordered(
        "circuit-2", stage.office, ItemRequest(offering="business-circuit", characteristics=chosen)
    )
    if not (await stage.state(order)).ended:
        async with stage.db.transaction(stage.tenant_id) as tx:
            await ordering.cancel_order(tx=tx, clock=stage.clock, order_id=order.id, reason="no port")
        await ordering.work(db=stage.db, tenant_id=stage.tenant_id, clock=stage.clock)
    stage.checks.add(
        "circuit", "one without ports, given up in flight, is", "cancelled", await stage.state(order)
    )
    stage.checks.add("circuit", "VLANs that it left behind", 0, 8 - await _left(stage, "service-vlan"))


async def _standing(stage: _Stage, product_id: ProductId) -> tuple[list[Service], list[Resource]]:
    """Return the services of a product that have not ended, and its resources."""
    async with stage.db.transaction(stage.tenant_id, read_only=True) as tx:
        services = (await inventory.services_of_products(tx, [product_id])).get(product_id, ())
        held = (await inventory.resources_of_products(tx, [product_id])).get(product_id, ())
    return [one for one in services if one.state is not ServiceState.TERMINATED], list(held)


def _values(held: list[Resource], kind: ResourceKind) -> str:
    return " ".join(sorted(one.value for one in held if one.kind is kind))


async def _shown(stage: _Stage, adapter: str, target: str) -> Mapping[str, str]:
    """Return what the network shows."""
    async with stage.db.transaction(stage.tenant_id, read_only=True) as tx:
        return await activation.read_back(tx, adapter=adapter, target=target) or {}


async def _left(stage: _Stage, pool: str) -> int:
    async with stage.db.transaction(stage.tenant_id, read_only=True) as tx:
        return (await inventory.left_in(tx, pools=[pool]))[pool]
