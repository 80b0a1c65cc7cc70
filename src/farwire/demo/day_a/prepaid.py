"""Step 9, 6 July: the prepaid twin. A voucher, an offer, an allowance, then by the megabyte until exactly 0 is left."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Final

from farwire.charging import service as charging
from farwire.charging.model import (
    Account,
    CommandKind,
    EventKind,
    EventRequest,
    FinalAction,
    ResultCode,
    Service,
)
from farwire.charging.model.state import MAIN, Unit
from farwire.charging.service import books
from farwire.charging.service.reconciling import strayed
from farwire.demo.day_a.diameter import open_diameter
from farwire.demo.day_a.nchf import open_nchf
from farwire.demo.day_a.packet_gateway import PacketGateway
from farwire.demo.day_a.shard import Charging, open_charging
from farwire.demo.day_a.stage import AGENT, FINANCE, Stage
from farwire.demo.day_a.story import MEGABYTE
from farwire.kernel.errors import check
from farwire.kernel.money import NANO, Money
from farwire.kernel.page import PageRequest
from farwire.ledger import service as ledger
from farwire.ledger.model import Balance, Book
from farwire.payment.model import MethodKind
from farwire.payment.model.voucher import (
    USUAL_LENGTH,
    Alphabet,
    Asked,
    BatchOrder,
    Buyer,
    CreditOrder,
    SerialRange,
    Told,
)
from farwire.payment.service import voucher as vouchers
from farwire.process import prepaid
from farwire.usage import service as usage

ACCOUNT: Final = "day-a-prepaid"
BATCH: Final = "day-a"
VOUCHERS: Final = 10
PURCHASE: Final = "day-a-purchase"
CLIENT: Final = "day-a"
SESSION_OCTETS: Final = 500 * MEGABYTE
"""What the subscriber would use in one session."""
AGAIN: Final = timedelta(minutes=10)
"""When an event is delivered again that charging did not answer."""
LATER: Final = timedelta(hours=1)
"""When a demo goes on that was stopped before the voucher was credited: whoever tries again waits, ever longer."""
FORGOTTEN: Final = timedelta(days=1, hours=1)
"""After that a session that was cut off has ended, and what it used is in the usage records."""
BETWEEN_SESSIONS: Final = timedelta(hours=12)
PAGE: Final = PageRequest(limit=1000)


async def use_prepaid(stage: Stage) -> None:
    """Play the step on a shard with its log in the data folder, and check what shard, usage and ledger say."""
    twin = stage.twin
    stage.move_to(twin.topup_day)
    stage.say(f"a voucher of {twin.prepaid.topup:,.2f}, then {twin.prepaid.offering} until nothing is left")
    account = await _open(stage)
    async with open_charging(db=stage.db, clock=stage.clock, folder=stage.house.shards) as shard:
        await shard.to_the_books()  # of a run that was stopped
        await charging.make_live(
            shard.client, db=stage.db, tenant_id=stage.tenant_id, account=account, now=stage.clock.now()
        )
        day = _Day(stage, shard, account)
        await day.top_up()
        await day.buy()
        if not await day.is_over():
            await day.use()
        await shard.to_the_books()
        await day.check_usage()
        await day.check_books()
    await stage.deliver()


async def _open(stage: Stage) -> charging.ChargingAccount:
    """Open the account of a starter pack: its number is all that is known of who has it."""
    number = charging.Identity(charging.IdentityKind.MSISDN, stage.twin.prepaid_number)
    async with stage.db.transaction(stage.tenant_id) as tx:
        return await charging.open_account(
            tx,
            offering=stage.twin.prepaid.offering,
            key=ACCOUNT,
            now=stage.clock.now(),
            actor=AGENT,
            identities=(number,),
        )


@dataclass(frozen=True, slots=True)
class _Day:
    """The step under way: one account at the shard."""

    stage: Stage
    shard: Charging
    account: charging.ChargingAccount

    # ---- the voucher

    async def top_up(self) -> None:
        """Use a voucher; the event that says so carries its value to the shard, as it does in a worker."""
        stage, twin = self.stage, self.stage.twin
        serial, code = await self._voucher()
        asked = Asked(CLIENT, f"voucher-{serial}", twin.prepaid_number)
        async with stage.db.transaction(stage.tenant_id) as tx:
            earlier = (await vouchers.get_voucher(tx, serial=serial)).order
            answer = await vouchers.redeem(tx, code=code, asked=asked, now=stage.clock.now())
        stage.check("6 July: the code of a voucher is", Told.ACCEPTED.value, answer.told.value)
        if answer.order is not None and answer.order.credited_at is None:
            await self._credit(answer.order, timedelta(0) if earlier is None else LATER)
            stage.check(
                "6 July: balance after the voucher", self._shown(twin.prepaid.topup), await self._balance()
            )

    async def _credit(self, order: CreditOrder, wait: timedelta) -> None:
        """Deliver the event. Where charging did not answer, it comes again after a while, with the same key."""
        stage = self.stage
        carrier = prepaid.subscriber(db=stage.db, clock=stage.clock, client_of=lambda: self.shard.client)
        for pause in (wait, AGAIN):
            stage.clock.advance(pause)
            await stage.deliver(carrier)
            async with stage.db.transaction(stage.tenant_id, read_only=True) as tx:
                if (await vouchers.get_credit_order(tx, key=order.key)).credited_at is not None:
                    return

    async def _voucher(self) -> tuple[int, str]:
        """Print a batch, sell its first voucher for cash; return its serial number and code."""
        stage = self.stage
        file = _print_file(stage)
        printed = await vouchers.generate(
            db=stage.db,
            clock=stage.clock,
            tenant_id=stage.tenant_id,
            order=_batch(stage),
            file=file,
            actor=AGENT,
            report=lambda _: None,
        )
        first = SerialRange(printed.batch.serials.first, printed.batch.serials.first)
        async with stage.db.transaction(stage.tenant_id) as tx:
            await vouchers.activate(
                tx,
                batch=BATCH,
                serials=first,
                buyer=Buyer(method=MethodKind.CASH),
                now=stage.clock.now(),
                actor=FINANCE,
            )
        with file.open(encoding="utf-8", newline="") as opened:
            row = next(csv.DictReader(opened))
        return int(row["serial"]), row["code"]

    # ---- the offer and the usage

    async def buy(self) -> None:
        """Buy the offer, once: the books know of it when the shard has forgotten the key."""
        stage = self.stage
        if await self._moved_by(PURCHASE) is not None:
            return
        async with stage.db.transaction(stage.tenant_id) as tx:
            offer = await charging.offer_number(
                tx, offering=stage.twin.prepaid.offering, now=stage.clock.now()
            )
        answer = await charging.command(
            self.shard.client, account=self.account, kind=CommandKind.PURCHASE, key=PURCHASE, subject=offer
        )
        stage.check("6 July: the offer is bought", ResultCode.SUCCESS.name, ResultCode(answer.result).name)
        stage.check("6 July: balance after it", self._shown(stage.twin.prepaid.left), await self._balance())
        await self.shard.to_the_books()

    async def is_over(self) -> bool:
        """Tell whether an earlier run used everything."""
        return self.stage.twin.prepaid.octets == await self._used()

    async def use(self) -> None:
        """Use data session after session until charging refuses. What an earlier run began is not gone on with."""
        stage, truth = self.stage, self.stage.twin.prepaid
        start, index = stage.clock.now(), await self._sessions()
        whole = not index
        async with self._gateway() as gateway:
            while not gateway.refused:
                index += 1
                stage.move_to(start + index * BETWEEN_SESSIONS)
                await gateway.session(index, SESSION_OCTETS)
                if whole and gateway.used.total() == truth.allowance_octets:
                    stage.check(
                        f"8 July: balance after {truth.megabytes:,} MB of allowance",
                        self._shown(truth.left),
                        await self._balance(),
                    )
        if whole:
            self._check_gateway(gateway)
        else:
            await self._let_sessions_end()

    @asynccontextmanager
    async def _gateway(self) -> AsyncIterator[PacketGateway]:
        """Connect the subscriber's packet gateway in both protocols."""
        shard, tenant, number = self.shard, self.stage.twin.tenant, self.stage.twin.prepaid_number
        async with (
            open_diameter(shard=shard, tenant=tenant, msisdn=number) as gy,
            open_nchf(shard=shard, tenant=tenant, msisdn=number) as nchf,
        ):
            yield PacketGateway({"Diameter": gy, "5G": nchf}, self.stage.clock, self._account_now)

    async def _let_sessions_end(self) -> None:
        """Move on until sessions that were cut off have ended; a request makes the shard look at the time."""
        self.stage.clock.advance(FORGOTTEN)
        hi, lo = charging.request_key(f"{PURCHASE}:look")
        look = EventRequest(self.account.number, hi, lo, int(EventKind.BALANCE_CHECK), Service("data"))
        await self.shard.client.ask(self.account.tenant_number, look)

    def _check_gateway(self, gateway: PacketGateway) -> None:
        stage, octets = self.stage, self.stage.twin.prepaid.octets
        stage.check("8 July: octets that the gateway let through", octets, gateway.used.total())
        for name, part in (("Diameter", 2 * SESSION_OCTETS), ("5G", octets - 2 * SESSION_OCTETS)):
            stage.check(f"8 July: of them charged over {name}", part, gateway.used[name])
        stage.check("8 July: the most ever used and granted together", octets, gateway.most)
        stage.check(
            "8 July: the last quota says", FinalAction.TERMINATE.name.lower(), gateway.last.name.lower()
        )
        refused = ResultCode.CREDIT_LIMIT_REACHED.name
        stage.check("8 July: after it charging answers", refused, ResultCode(gateway.refused).name)
        for name, became in gateway.repeated.items():
            what = f"8 July: a request that is sent twice over {name}"
            stage.check(what, "same answer, nothing moved", became)

    # ---- what stays

    async def check_usage(self) -> None:
        """Check the account at the shard, and usage as it stands in the books."""
        stage, truth = self.stage, self.stage.twin.prepaid
        seen = await charging.inspect(self.shard.client, account=self.account)
        state = seen.seen
        held = -1 if state is None else sum(one.amount for one in state.balances if one.unit != Unit.MONEY)
        overrun = -1 if state is None else state.overrun
        stage.check("8 July: balance at the end", self._shown(Decimal(0)), await self._balance())
        stage.check("8 July: octets left of the allowance", 0, held)
        stage.check("8 July: used and not paid", 0, overrun)
        stage.check("8 July: octets in the usage records", truth.octets, await self._used())
        async with stage.db.transaction(stage.tenant_id, read_only=True) as tx:
            wrong = () if state is None else await strayed(tx, accounts=[state])
        stage.check("8 July: balances that are not the sum of what moved", 0, len(wrong))

    async def check_books(self) -> None:
        """Check what came of it in the ledger, and prove that charging, payment and ledger say the same."""
        stage, truth = self.stage, self.stage.twin.prepaid
        async with stage.db.transaction(stage.tenant_id, read_only=True) as tx:
            proof = await prepaid.prove(tx)
            ours = await ledger.source_balance(tx=tx, source=books.SOURCE)
            everything = await ledger.trial_balance(tx=tx)
        offer, megabytes = self._taxed(truth.price), self._taxed(truth.left)
        for what, expected, found in (
            ("prepaid balances owed", 0, _credit(everything, Book.PREPAID)),
            ("revenue of the offer, net", offer[0], _credit(ours, Book.REVENUE_RECURRING)),
            ("revenue by the megabyte, net", megabytes[0], _credit(ours, Book.REVENUE_USAGE)),
            ("tax inside both", offer[1] + megabytes[1], _credit(ours, Book.TAX_PAYABLE)),
        ):
            stage.check(f"8 July: {what}", self._of_nano(expected), self._of_nano(found))
        wrong = len(proof.charging.differences) + sum(one.difference != 0 for one in proof.credits)
        wrong += len(proof.charging.untaxed)
        stage.check("8 July: differences between charging, payment and ledger", 0, wrong)
        stage.check("8 July: trial balance", 0, sum(one.amount_minor for one in everything))

    # ---- looking

    async def _moved_by(self, key: str) -> int | None:
        async with self.stage.db.transaction(self.stage.tenant_id, read_only=True) as tx:
            return await books.moved_by(tx, account=self.account, key=key)

    async def _sessions(self) -> int:
        """Return the number of the last session that an earlier run can have begun; 0 where it began none."""
        async with self.stage.db.transaction(self.stage.tenant_id, read_only=True) as tx:
            ended = await usage.charged_records(tx, subscriber=self.account.number, page=PAGE)
        seen = await charging.inspect(self.shard.client, account=self.account)
        open_now = seen.seen is not None and bool(seen.seen.sessions)
        return ended.total + 1 if open_now or ended.total else 0

    async def _used(self) -> int:
        async with self.stage.db.transaction(self.stage.tenant_id, read_only=True) as tx:
            page = await usage.charged_records(tx, subscriber=self.account.number, page=PAGE)
        return sum(one.quantity for one in page.items)

    def _taxed(self, gross: Decimal) -> tuple[int, int]:
        """Return the net and the tax of what was paid with the balance, to the nano-unit."""
        percent = self.stage.twin.vat_percent
        tax = int((gross * percent / (100 + percent) * NANO).to_integral_value(ROUND_HALF_UP))
        return int(gross * NANO) - tax, tax

    async def _account_now(self) -> Account:
        """Return the account as its shard has it."""
        seen = (await charging.inspect(self.shard.client, account=self.account)).seen
        check(seen is not None, "demo.account_live", "the shard does not know the account")
        assert seen is not None  # noqa: S101 - for the type checker
        return seen

    async def _balance(self) -> str:
        seen = await charging.inspect(self.shard.client, account=self.account)
        if seen.seen is None:
            return "–"
        return self._of_nano(sum(one.amount for one in seen.seen.balances if one.number == MAIN))

    def _shown(self, amount: Decimal) -> str:
        return f"{amount:,.2f} {self.stage.twin.currency}"

    def _of_nano(self, nano: int) -> str:
        """Return an amount with two decimals, with more only where it has more."""
        exact = Decimal(nano) / NANO
        shown = f"{exact:,.2f}" if exact == round(exact, 2) else f"{exact:,}"
        return f"{shown} {self.stage.twin.currency}"


def _print_file(stage: Stage) -> Path:
    """Return the print file of this operator: another one of the same name, in another database, has its own."""
    return stage.folder / f"vouchers-{stage.tenant_id.hex[-12:]}.csv"


def _batch(stage: Stage) -> BatchOrder:
    twin = stage.twin
    return BatchOrder(
        key=BATCH,
        legal_entity_id=stage.legal_entity_id,
        quantity=VOUCHERS,
        value=Money.of(twin.prepaid.topup, twin.currency),
        valid_from=twin.at(6, 1),
        valid_until=twin.month_end + timedelta(days=365),
        alphabet=Alphabet.DIGITS,
        length=USUAL_LENGTH[Alphabet.DIGITS],
    )


def _credit(balances: tuple[Balance, ...], book: Book) -> int:
    """Return the credit balance of a book, in nano-units."""
    return -sum(
        one.amount_minor * one.currency.nano_per_minor + one.remainder_nano
        for one in balances
        if one.book is book
    )
