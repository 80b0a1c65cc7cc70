"""A small operator for the tests of billing: company, plan, accounts, products, rated usage. Builders with defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from farwire.account import service as accounts
from farwire.account.model import BillingAccount, TaxClass
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.billing import service as billing
from farwire.billing.model import Approval, Bill, RunReport
from farwire.catalog import service as catalog
from farwire.catalog.model import PlanVersion, read_plan
from farwire.inventory import service as inventory
from farwire.inventory.model import Assignment, PlanChange, Product
from farwire.kernel.ids import (
    AccountId,
    ImportId,
    PartyId,
    ProductId,
    SubscriberKey,
    TenantId,
    UsageId,
    uuid7,
)
from farwire.kernel.money import nano
from farwire.kernel.page import PageRequest
from farwire.kernel.time import instant
from farwire.party import service as parties
from farwire.party.model import Party, PartyKind
from farwire.tenant import service as tenants
from farwire.tenant.model import Address, LegalEntity

FLEX_M = """
offering = "flex-m"
name = "Flex M"
valid_from = 2026-06-01T09:00:00+02:00
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false

[destinations]
national = ["49"]

[networks]
eu = ["DE", "FR", "NL"]

[[one_off]]
id = "activation"
label = "Activation"
price = 9.90

[[recurring]]
id = "monthly"
label = "Flex M, monthly"
price = 20.00
in_advance = true

[[usage]]
id = "data"
kind = "data"
label = "Data in the EU/EEA"
networks = ["home", "eu"]
price = 0
per = "1 MB"

[[usage]]
id = "roaming"
kind = "data"
label = "Data outside the EU"
networks = ["*"]
price = 0.05
per = "1 MB"

[[usage]]
id = "national"
kind = "voice"
label = "National voice"
destinations = ["national"]
price = 0

[[usage]]
id = "other"
kind = "voice"
label = "Other voice"
price = 0.09
per = "60 s"
increments = ["60 s", "60 s"]
"""
HOME = {"street": "Deichstraße", "house_number": "5", "postcode": "20459", "city": "Hamburg"}


@dataclass
class World:
    """One tenant with one company; what the tests build is reachable from here."""

    db: Database
    clock: MovableClock
    tenant_id: TenantId
    country: str = "DE"
    currency: str = "EUR"
    zone: str = "Europe/Berlin"
    entity: LegalEntity | None = None
    import_id: ImportId = field(default_factory=lambda: ImportId(uuid7()))

    async def company(self, *, prefix: str = "NL", region: str = "") -> LegalEntity:
        self.entity = await tenants.add_legal_entity(
            db=self.db,
            clock=self.clock,
            tenant_id=self.tenant_id,
            name="Nordlicht Mobil GmbH",
            vat_id="DE123456789",
            address=Address(
                self.country,
                {"street": "Hafenstraße", "house_number": "1", "postcode": "24103", "city": "Kiel"},
                region,
            ),
            country=self.country,
            currency_code=self.currency,
            zone_name=self.zone,
            number_prefix=prefix,
            bank_account="DE89 3704 0044 0532 0130 00",
        )
        return self.entity

    async def plan(self, text: str = FLEX_M, **changes: object) -> PlanVersion:
        for name, value in changes.items():
            text = "\n".join(
                f"{name} = {value}" if line.startswith(f"{name} = ") else line for line in text.splitlines()
            )
        async with self.db.transaction(self.tenant_id) as tx:
            return (await catalog.publish_plan(tx=tx, clock=self.clock, plan=read_plan(text))).version

    async def account(
        self,
        number: str = "100001",
        *,
        cycle_day: int = 1,
        tax_class: TaxClass = TaxClass.STANDARD,
        opened: str = "2026-06-11T14:03+02:00",
        language: str = "de-DE",
        name: str = "Anna Jürgensen",
        vat_id: str = "",
        address: Address | None = None,
    ) -> BillingAccount:
        entity = self.entity or await self.company()
        party = Party(
            PartyId(uuid7()),
            PartyKind.INDIVIDUAL,
            name,
            address or Address(self.country, HOME),
            language,
            self.clock.now(),
            (),
            vat_id,
        )
        account = BillingAccount(
            AccountId(uuid7()),
            number,
            party.id,
            entity.id,
            entity.currency,
            cycle_day,
            self.zone,
            language,
            tax_class,
            instant(opened),
        )
        async with self.db.transaction(self.tenant_id) as tx:
            await parties.add_parties(tx=tx, parties=[party])
            await accounts.add_accounts(tx=tx, accounts=[account])
        return account

    async def product(
        self,
        account: BillingAccount,
        version: PlanVersion,
        *,
        start: str = "2026-06-11T14:03+02:00",
        end: str | None = None,
        identifier: str = "",
    ) -> Product:
        started = instant(start)
        ended = instant(end) if end else None
        async with self.db.transaction(self.tenant_id) as tx:
            keys = await inventory.ensure_subscriber_keys(tx, [identifier] if identifier else [])
            assigned = tuple(
                Assignment(SubscriberKey(key), "msisdn", started, ended) for key in keys.values()
            )
            product = Product(
                ProductId(uuid7()),
                account.id,
                version.offering_id,
                started,
                (PlanChange(started, version.id),),
                ended,
                assigned,
            )
            await inventory.add_products(tx, [product])
        return product

    async def many(
        self, count: int, version: PlanVersion, *, start: str = "2026-06-11T14:03+02:00"
    ) -> list[BillingAccount]:
        """Add accounts with one product each, in bulk. Ids rise with the numbers."""
        entity = self.entity or await self.company()
        people, opened, products = [], [], []
        for n in range(count):
            self.clock.advance(timedelta(milliseconds=1))
            now = self.clock.now()
            person = Party(
                PartyId(uuid7(now)), PartyKind.INDIVIDUAL, f"P {n}", Address(self.country, HOME), "de-DE", now
            )
            one = BillingAccount(
                AccountId(uuid7(now)),
                f"{200_000 + n}",
                person.id,
                entity.id,
                entity.currency,
                1,
                self.zone,
                "de-DE",
                TaxClass.STANDARD,
                instant(start),
            )
            change = PlanChange(instant(start), version.id)
            people.append(person)
            opened.append(one)
            products.append(
                Product(ProductId(uuid7(now)), one.id, version.offering_id, instant(start), (change,))
            )
        async with self.db.transaction(self.tenant_id) as tx:
            await parties.add_parties(tx=tx, parties=people)
            await accounts.add_accounts(tx=tx, accounts=opened)
            await inventory.add_products(tx, products)
        return opened

    async def rated(
        self,
        product: Product,
        price_id: str,
        amount: str,
        *,
        at: str,
        quantity: int = 60,
        kind: str = "voice",
        destination: str = "4319999999",
        label: str = "",
    ) -> UsageId:
        """Put one rated usage there, as a rate run leaves it."""
        usage_id = UsageId(uuid7())
        async with self.db.transaction(self.tenant_id) as tx:
            await tx.execute(
                "INSERT INTO usage.import (tenant_id, import_id, file_name, file_digest, file_octets, profile_name, "
                "profile_version, profile_digest, generation, batch_rows, started_at) "
                "VALUES ($1, $2, 'f', $3, 0, 'p', 1, $3, 1, 1, now()) ON CONFLICT DO NOTHING",
                self.tenant_id,
                self.import_id,
                bytes(32),
            )
            await tx.execute(
                "INSERT INTO usage.record (tenant_id, usage_id, import_id, subscriber_key, kind, state, started_at, "
                "quantity, destination, direction, visited_network, external_currency, product_id, plan_version_id, "
                "charge_nano, currency, price_id, label, billed_quantity, rated_at, changed_at) "
                "VALUES ($1, $2, $3, $2, $4, 'rated', $5, $6, $7, 'originating', '', '', "
                "$8, $9, $10, $11, $12, $13, $6, now(), now())",
                self.tenant_id,
                usage_id,
                self.import_id,
                kind,
                instant(at),
                quantity,
                destination,
                product.id,
                product.plans[-1].plan_version_id,
                nano(amount),
                self.currency,
                price_id,
                label or price_id,
            )
        return usage_id

    async def run(self, until: str = "2026-07-01T00:00+02:00", **options: object) -> RunReport:
        at = instant(until)
        if self.clock.now() < at:
            self.clock.set(at)
        options.setdefault("approval", Approval.NONE)
        return await billing.run_bills(
            db=self.db,
            tenant_id=self.tenant_id,
            clock=self.clock,
            until=at,
            **options,  # type: ignore[arg-type]
        )

    async def bills(self, account: BillingAccount | None = None) -> list[Bill]:
        """Return all bills with their lines, oldest cycle first."""
        page = await billing.list_bills(
            db=self.db,
            tenant_id=self.tenant_id,
            page=PageRequest(limit=1000),
            account_id=account.id if account else None,
        )
        return [
            await billing.get_bill(db=self.db, tenant_id=self.tenant_id, key=str(bill.id))
            for bill in reversed(page.items)
        ]

    async def only_bill(self) -> Bill:
        (bill,) = await self.bills()
        return bill

    async def sound(self) -> None:
        """Fail unless lines, bills, ledger and numbers agree."""
        found = await billing.reconcile(db=self.db, tenant_id=self.tenant_id)
        assert found.differences == ()


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
