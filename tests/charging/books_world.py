"""A tenant with a company, Go 5 and subscribers at a shard in this process, whose books follow its log."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.base.storage.database import Session
from farwire.charging import service
from farwire.charging.log.disk import RealDisk
from farwire.charging.log.file import FileLog
from farwire.charging.log.lease import take_lease
from farwire.charging.log.port import Log
from farwire.charging.log.postgres import PostgresLog
from farwire.charging.model import (
    NOTHING,
    Account,
    Answer,
    Ask,
    CommandKind,
    EventKind,
    EventRequest,
    Phase,
    Service,
    SessionRequest,
)
from farwire.charging.model.booking import PAID
from farwire.charging.service import books
from farwire.charging.service.reconciling import Reconciled, Strayed, reconcile, strayed
from farwire.charging.shard.runner import Runner
from farwire.charging.shard.shard import recover
from farwire.charging.store import books as store
from farwire.kernel.ids import TenantId
from farwire.ledger import service as ledger
from farwire.ledger.model import Book
from farwire.usage import service as usage
from tests.charging.desk import CLERK, GO_5, sell_go_5
from tests.charging.play import EURO, MB
from tests.payment.till import Till

DATA = Service("data")
VOICE = Service("voice", "491601234567")


@dataclass
class BooksWorld:
    """What a test asks of it."""

    db: Database
    clock: MovableClock
    tenant_id: TenantId
    runner: Runner
    tariffs: service.LiveTariffs
    till: Till
    accounts: list[service.ChargingAccount] = field(default_factory=list)
    offer: int = 0
    keys: int = 0

    @property
    def log(self) -> Log:
        return self.runner.shard.log

    @property
    def client(self) -> service.InProcessClient:
        return service.InProcessClient(self.runner)

    async def subscriber(self, key: str = "sub-1", *, postpaid: bool = False) -> service.ChargingAccount:
        async with self.db.transaction(self.tenant_id) as tx:
            account = await service.open_account(
                tx, offering=GO_5, key=key, now=self.clock.now(), actor=CLERK, postpaid=postpaid,
                credit_limit=50 * EURO if postpaid else 0, circle="all",
                identities=(service.Identity(service.IdentityKind.NAME, key),),
            )  # fmt: skip
            self.offer = await service.offer_number(tx, offering=GO_5, now=self.clock.now())
        await service.make_live(
            self.client, db=self.db, tenant_id=self.tenant_id, account=account, now=self.clock.now()
        )
        self.accounts.append(account)
        return account

    async def neighbour(self, tenant_id: TenantId) -> BooksWorld:
        """Return the world of another tenant at the same shard."""
        till = Till(self.db, self.clock, tenant_id)
        await till.company()
        await sell_go_5(self.db, tenant_id, self.clock)
        other = BooksWorld(self.db, self.clock, tenant_id, self.runner, self.tariffs, till)
        await other.subscriber()
        await self.tariffs.reload(self.db, clock=self.clock)
        return other

    async def command(
        self, account: service.ChargingAccount, kind: CommandKind, amount: int = 0, subject: int = 0
    ) -> Answer:
        self.keys += 1
        return await service.command(
            self.client, account=account, kind=kind, key=f"c{self.keys}", amount=amount, subject=subject
        )

    async def session(
        self, account: service.ChargingAccount, used: list[int], *, what: Service = DATA, ends: bool = True
    ) -> None:
        """Use so many units, request after request; what is used is what the client says, granted or not."""
        self.keys += 1
        number = account.tenant_number
        for at, units in enumerate([0, *used]):
            phase = Phase.INITIAL if not at else Phase.UPDATE
            asks = (Ask(1, units),)
            if ends and at == len(used):
                phase, asks = Phase.TERMINATION, (Ask(1, units, NOTHING),)
            await self.client.ask(number, SessionRequest(account.number, 5, self.keys, at, phase, what, asks))
            self.clock.advance(timedelta(seconds=1))

    async def event(self, account: service.ChargingAccount, kind: EventKind, amount: int) -> Answer:
        self.keys += 1
        return await self.client.ask(
            account.tenant_number, EventRequest(account.number, 6, self.keys, kind, DATA, 1, 1, amount)
        )

    async def take(self) -> None:
        await books.take_all(db=self.db, log=self.log, clock=self.clock)

    async def states(self) -> list[Account]:
        found = [await service.inspect(self.client, account=one) for one in self.accounts]
        return [one.seen for one in found if one.seen is not None]

    async def reconciled(self) -> tuple[Reconciled, tuple[Strayed, ...]]:
        states = await self.states()
        async with self.db.transaction(self.tenant_id) as tx:
            return await reconcile(tx), await strayed(tx, accounts=states)

    async def ledger(self) -> dict[Book, int]:
        """Return what is on the books, exactly, in nano-units; and prove that it balances."""
        async with self.db.transaction(self.tenant_id) as tx:
            rows = await ledger.trial_balance(tx=tx)
        assert sum(row.amount_minor for row in rows) == sum(row.remainder_nano for row in rows) == 0
        exact = {
            row.book: row.amount_minor * row.currency.nano_per_minor + row.remainder_nano for row in rows
        }
        return {book: nano for book, nano in exact.items() if nano}

    async def gross(self) -> dict[Book, int]:
        """Return what is on the books with the tax put back to what it is of."""
        found = Counter(await self.ledger())
        async with self.db.transaction(self.tenant_id) as tx:
            for _, _, earned, nano in await store.earned(tx):
                found[Book.TAX_PAYABLE] += earned.tax.of(nano)
                found[earned.book] -= earned.tax.of(nano)
        return {book: nano for book, nano in found.items() if nano}

    async def charged(self) -> int:
        """Return what usage says that was charged, in nano-units."""
        async with self.db.transaction(self.tenant_id) as tx:
            numbers = [one.number for one in self.accounts]
            return sum((await usage.charged_totals_of(tx, subscribers=numbers)).values())

    async def count(self, table: str) -> int:
        async with self.db.transaction(self.tenant_id) as tx:
            found: int = await tx.fetchval(f"SELECT count(*) FROM {table} WHERE tenant_id = $1", tx.tenant_id)
        return found

    async def snapshot(self) -> dict[str, Any]:
        """Return everything that the books have, without ids and times of their own."""
        found: dict[str, Any] = {
            "ledger": await self.ledger(),
            "gross": await self.gross(),
            "charged": await self.charged(),
        }
        for table in ("charging.movement", "charging.notice", "usage.charged"):
            found[table] = await self.count(table)
        async with self.db.transaction(self.tenant_id) as tx:
            found["events"] = [
                (row["type"], row["subject"])
                for row in await tx.fetch(
                    "SELECT type, subject FROM base.outbox WHERE tenant_id = $1 AND type LIKE 'farwire.charging.%' "
                    "ORDER BY type, subject, position",
                    tx.tenant_id,
                )
            ]
        return found

    async def play(self, dice: random.Random, steps: int) -> None:
        """Do ``steps`` random things to random subscribers."""
        for _ in range(steps):
            await self._step(dice)
            if dice.random() < 0.1:
                self.clock.advance(timedelta(hours=dice.randint(1, 300)))

    async def _step(self, dice: random.Random) -> None:
        account = dice.choice(self.accounts)
        cents = dice.randint(1, 2_000) * 10**7
        act = dice.randrange(10)
        if act < 3:
            used = [dice.randint(0, 90 * MB) for _ in range(dice.randint(1, 4))]
            await self.session(account, used, ends=dice.random() < 0.9)
        elif act == 3:
            await self.session(account, [dice.randint(0, 400)], what=VOICE)
        elif act == 4:
            kind = dice.choice([EventKind.DIRECT_DEBIT, EventKind.REFUND])
            await self.event(account, kind, dice.randint(1, 10**9))
        elif act == 5:
            await self.command(account, CommandKind.PURCHASE, dice.randint(0, 1), self.offer)
        elif act == 6:
            other = dice.choice(self.accounts)
            await self.command(account, CommandKind.TRANSFER, dice.randint(1, 10**9), other.number)
        elif act == 7:
            kind, amount = dice.choice(
                [(CommandKind.ADJUST, -cents), (CommandKind.ADJUST, cents), (CommandKind.DEBIT, cents)]
            )
            await self.command(account, kind, amount, 1 if kind is CommandKind.ADJUST else 0)
        else:
            kind = dice.choice([CommandKind.TOP_UP, CommandKind.VOUCHER])
            await self.command(
                account, kind, cents, dice.choice([0, PAID]) if kind is CommandKind.TOP_UP else 0
            )


@asynccontextmanager
async def books_world(
    db: Database, tenant_id: TenantId, clock: MovableClock, folder: Path, kind: str = "file"
) -> AsyncIterator[BooksWorld]:
    till = Till(db, clock, tenant_id)
    await till.company()
    await sell_go_5(db, tenant_id, clock)
    tariffs = service.LiveTariffs()
    await tariffs.reload(db, clock=clock)
    log: Log
    if kind == "file":
        log = FileLog(RealDisk(folder / "log"), shard=0, epoch=1, segment_bytes=1 << 20)
    else:
        lease = await take_lease(db=db, shard=0, holder="test", seconds=600)
        log = PostgresLog(db, shard=0, epoch=lease.epoch)
    runner = Runner(await recover(log=log, records=20_000, tariffs=tariffs, clock=clock))
    world = BooksWorld(db, clock, tenant_id, runner, tariffs, till)
    try:
        await world.subscriber()
        await tariffs.reload(db, clock=clock)
        yield world
    finally:
        await runner.drain()


class Crashed(Exception):
    """The process ended here."""


class Trap:
    """Ends the process at the n-th statement, before or after the server has done it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.left = -1
        self.after = False
        for name in ("fetch", "fetchrow", "fetchval", "execute", "executemany", "copy_records"):
            patch.setattr(Session, name, self._wrapped(getattr(Session, name)))

    def _wrapped(self, method):
        async def wrapped(session, *args, **kwargs):
            if self.left > 0:
                self.left -= 1
            if self.left == 0 and not self.after:
                raise Crashed
            found = await method(session, *args, **kwargs)
            if self.left == 0:
                raise Crashed
            return found

        return wrapped
