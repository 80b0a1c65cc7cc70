"""A company with accounts and bills that are booked as billing books them. Builders with defaults."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from farwire.account import service as accounts
from farwire.account.model import BillingAccount, TaxClass
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.ids import (
    AccountId,
    EntryId,
    LegalEntityId,
    OpenItemId,
    PartyId,
    TenantId,
    uuid7,
)
from farwire.kernel.money import Money
from farwire.kernel.page import PageRequest
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.ledger import service as ledger
from farwire.ledger.model import Book, Entry, Posting
from farwire.payment import service as payments
from farwire.payment.model import ItemKind, MethodKind, OpenItem, Payment
from farwire.tenant import service as tenants
from farwire.tenant.model import Address, LegalEntity

ANNA = Actor(ActorKind.OPERATOR, "anna")
BEN = Actor(ActorKind.OPERATOR, "ben")
JULY = date(2026, 7, 1)
EVERYTHING = PageRequest(limit=1000)


def eur(text: str) -> Money:
    return Money.of(text, "EUR")


@dataclass
class Till:
    """One tenant with one company; what the tests build is reachable from here."""

    db: Database
    clock: MovableClock
    tenant_id: TenantId
    entity: LegalEntity | None = None
    numbers: int = 0
    accounts: dict[str, BillingAccount] = field(default_factory=dict)

    async def company(self, prefix: str = "NL", currency: str = "EUR") -> LegalEntity:
        self.entity = await tenants.add_legal_entity(
            db=self.db,
            clock=self.clock,
            tenant_id=self.tenant_id,
            name=f"Nordlicht {prefix}",
            vat_id="DE123456789",
            address=Address("DE", {}),
            country="DE",
            currency_code=currency,
            zone_name="Europe/Berlin",
            number_prefix=prefix,
        )
        return self.entity

    async def account(self, number: str = "100001", entity: LegalEntity | None = None) -> BillingAccount:
        company = entity or self.entity or await self.company()
        account = BillingAccount(
            AccountId(uuid7()),
            number,
            PartyId(uuid7()),
            company.id,
            company.currency,
            1,
            "Europe/Berlin",
            "de-DE",
            TaxClass.STANDARD,
            datetime(2026, 6, 1, tzinfo=UTC),
        )
        async with self.db.transaction(self.tenant_id) as tx:
            await accounts.add_accounts(tx=tx, accounts=[account])
        self.accounts[number] = account
        return account

    async def bill(
        self,
        account: BillingAccount,
        amount: str,
        *,
        on: date = JULY,
        days: int = 14,
        use_credit: bool = True,
    ) -> OpenItem:
        """Book a bill (or, below 0, a credit note) and leave its open item."""
        self.numbers += 1
        minor = eur(amount).amount_minor
        now = self.clock.now()
        kind = ItemKind.BILL if minor > 0 else ItemKind.CREDIT_NOTE
        item = OpenItem(
            OpenItemId(uuid7(now)),
            account.id,
            account.legal_entity_id,
            kind,
            uuid7(now),
            f"NL-2026-{self.numbers:07d}",
            on,
            on + timedelta(days=days),
            account.currency,
            minor,
            minor,
        )
        entry = Entry(
            EntryId(uuid7(now)),
            account.legal_entity_id,
            on,
            now,
            "bill",
            str(item.document_id),
            (
                Posting(Book.RECEIVABLE, account.currency, minor, 0, account.id),
                Posting(Book.REVENUE_RECURRING, account.currency, -minor),
            ),
        )
        async with self.db.transaction(self.tenant_id) as tx:
            await ledger.post_entries(tx=tx, entries=[entry])
            await payments.add_open_items(tx, [item], now=now, use_credit=use_credit)
        return item

    async def pay(
        self,
        account: BillingAccount | None,
        amount: str,
        external: str = "tx-1",
        *,
        method: MethodKind = MethodKind.BANK_TRANSFER,
        reference: str = "",
        number: str = "",
        entity: LegalEntityId | None = None,
    ) -> Payment:
        now = self.clock.now()
        async with self.db.transaction(self.tenant_id) as tx:
            return await payments.receive_payment(
                tx,
                method=method,
                external_reference=external,
                amount=eur(amount),
                received_at=now,
                now=now,
                actor=ANNA,
                account_id=account.id if account else None,
                account_number=number,
                reference=reference,
                legal_entity_id=entity,
            )

    async def books(self) -> dict[Book, int]:
        """Return the balance of every book that is not 0, after checking that all sum to 0."""
        async with self.db.transaction(self.tenant_id) as tx:
            balances = await ledger.trial_balance(tx=tx)
        assert sum(balance.amount_minor for balance in balances) == 0
        return {balance.book: balance.amount_minor for balance in balances if balance.amount_minor}

    async def open(self, account: BillingAccount | None = None) -> dict[str, int]:
        """Return what is open by the document's number."""
        async with self.db.transaction(self.tenant_id) as tx:
            page = await payments.list_open_items(
                tx, page=EVERYTHING, account_id=account.id if account else None
            )
        return {item.number: item.open_minor for item in page.items}

    async def sound(self) -> None:
        """Fail unless Σ open items = ledger receivable, and credit and suspense are what payments have left."""
        books = await self.books()
        async with self.db.transaction(self.tenant_id) as tx:
            items = await payments.list_open_items(tx, page=EVERYTHING)
            held = await payments.list_payments(tx, page=EVERYTHING)
        assert sum(item.open_minor for item in items.items) == books.get(Book.RECEIVABLE, 0)
        done = sum(one.left_minor for one in held.items if one.account_id is not None)
        waiting = sum(one.left_minor for one in held.items if one.account_id is None)
        assert done == -books.get(Book.CUSTOMER_CREDIT, 0)
        assert waiting == -books.get(Book.PAYMENT_SUSPENSE, 0)
