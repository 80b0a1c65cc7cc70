"""Subscribers and their gateways: they repeat until they are answered, overuse, give up, and come back late."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from farwire.charging.model import (
    NOTHING,
    Answer,
    Ask,
    Command,
    CommandKind,
    EventKind,
    EventRequest,
    Phase,
    ResultCode,
    Service,
    SessionRequest,
    Share,
    new_account,
)
from farwire.charging.model.state import NEVER, Lifecycle
from farwire.charging.shard.homes import vshard_of
from farwire.charging.shard.shard import Ask as Asked
from farwire.charging.shard.shard import Open

if TYPE_CHECKING:
    from tests.charging.sim.world import World

RATES = {"data": 1, "voice": 10}
PASSING = {ResultCode.TOO_BUSY, ResultCode.OUT_OF_SEQUENCE, ResultCode.UNKNOWN_SESSION}
"""Answers that are not kept: a repeat may meet another state."""
REPEAT_S = 100.0
"""How long a client goes on repeating: less than keys are kept, clocks jump and messages wait."""


class Client:
    """One subscriber. The first of a virtual shard has the money that the others of it may draw on."""

    def __init__(self, world: World, number: int, random: Random) -> None:
        self.world = world
        self.number = number
        self.owner = vshard_of(number)
        self.random = random
        self.done = False
        self._keys = number << 32

    def key(self) -> int:
        self._keys += 1
        return self._keys

    async def live(self, acts: int) -> None:
        await self.ask(Open(self.account()), patient=True)
        await self.command(CommandKind.TOP_UP, self.random.randrange(50, 800))
        for _ in range(acts):
            await self.act()
            await asyncio.sleep(self.random.expovariate(5))
        self.done = True

    def account(self):
        share = Share(self.owner, 0, self.random.choice([5, 200]), 300, 0, 0, 0, NEVER)
        shares = (share,) if self.number > self.owner and self.random.random() < 0.5 else ()
        account = new_account(self.number, tenant=1, plan=1, lifecycle=Lifecycle.ACTIVE)
        balances = tuple(replace(one, shared=int(self.number == self.owner)) for one in account.balances)
        return replace(account, shares=shares, balances=balances)

    async def act(self) -> None:
        choice = self.random.random()
        if choice < 0.55:
            await self.session()
        elif choice < 0.70:
            await self.command(CommandKind.TOP_UP, self.random.randrange(1, 200))
        elif choice < 0.78:
            await self.command(CommandKind.PURCHASE, self.random.randrange(2), 1)
        elif choice < 0.86:
            other = self.random.choice([one.number for one in self.world.clients])
            await self.command(CommandKind.TRANSFER, self.random.randrange(1, 60), other)
        else:
            kind = self.random.choice([EventKind.DIRECT_DEBIT, EventKind.REFUND, EventKind.BALANCE_CHECK])
            await self.ask(
                EventRequest(self.number, 8, self.key(), kind, Service("data"), self.random.randrange(1, 30))
            )

    async def command(self, kind: int, amount: int, subject: int = 0) -> None:
        await self.ask(Command(self.number, 9, self.key(), kind, amount, subject))

    async def session(self) -> None:
        """Use data or talk; sometimes more than granted; sometimes fall silent."""
        kind = self.random.choice(["data", "data", "voice"])
        service, key = Service(kind), self.key()
        granted = 0
        for number in range(self.random.randrange(2, 6)):
            phase = Phase.UPDATE if number else Phase.INITIAL
            used = self.random.randrange(granted + 2) if number else 0
            if self.random.random() < 0.1 and number:
                used += 50
            asks = (Ask(1, used), Ask(2)) if self.random.random() < 0.2 and number else (Ask(1, used),)
            request = SessionRequest(self.number, 7, key, number, phase, service, asks)
            answer = await self.use(request, used * RATES[kind])
            if answer is None or answer.result != ResultCode.SUCCESS or self.random.random() < 0.08:
                return
            granted = next((one.granted for one in answer.groups if one.rating_group == 1), 0)
            await asyncio.sleep(self.random.expovariate(10))
        used = self.random.randrange(granted + 1)
        last = SessionRequest(self.number, 7, key, 99, Phase.TERMINATION, service, (Ask(1, used, NOTHING),))
        await self.use(last, used * RATES[kind])

    async def use(self, request: SessionRequest, cost: int) -> Answer | None:
        self.world.expected[7, request.session_lo, request.number] = cost
        return await self.ask(request)

    async def ask(self, request: Asked, *, patient: bool = False) -> Answer | None:
        """Send a request until there is an answer that counts, or nobody waits any longer."""
        loop = self.world.loop
        until = loop.virtual + REPEAT_S
        query = Query(self.world, request)
        while patient or loop.virtual < until:
            query.send()
            try:
                answer = await asyncio.wait_for(asyncio.shield(query.answer), self.random.uniform(0.2, 2.0))
            except TimeoutError:
                continue
            if answer.result != ResultCode.TOO_BUSY:
                return answer
            query.answer = loop.create_future()
            await asyncio.sleep(0.1)
        return None


class Query:
    """One request, however often it is sent; all answers that count must be the same."""

    def __init__(self, world: World, request: Asked) -> None:
        self.world = world
        self.request = request
        self.shard = 1
        """Where the account is believed to be."""
        self.answer: asyncio.Future[Answer] = world.loop.create_future()
        self.first: Answer | None = None

    def send(self) -> None:
        self.world.network.send(lambda: self.world.deliver(self))

    def received(self, answer: Answer) -> None:
        request = self.request
        self.world.answers += 1
        if isinstance(request, SessionRequest) and answer.result == ResultCode.SUCCESS:
            self.world.told.add((7, request.session_lo, request.number))
        if answer.result not in PASSING and not self._is_reading():
            if self.first is None:
                self.first = answer
            assert answer == self.first, f"{self.request} was answered {self.first}, then {answer}"
        if not self.answer.done():
            self.answer.set_result(answer)

    def _is_reading(self) -> bool:
        return isinstance(self.request, EventRequest) and self.request.kind == EventKind.BALANCE_CHECK


class Shout:
    """One request of a crowd that asks nothing of anybody's balance; emergency calls are among them."""

    def __init__(self, client: Client, random: Random) -> None:
        number, key = client.number, client.key()
        self.met = client.world.met
        self.last = -1
        self.request: Asked = random.choice(
            [
                EventRequest(number, 8, key, EventKind.BALANCE_CHECK, Service("data")),
                SessionRequest(number, 7, key, 1, Phase.UPDATE, Service("data")),
                SessionRequest(number, 7, key, 1, Phase.TERMINATION, Service("data")),
                EventRequest(number, 8, key, EventKind.DIRECT_DEBIT, Service("voice", "112"), 1),
            ]
        )

    def __call__(self, answer: Any) -> None:
        if answer is None:
            return
        if isinstance(self.request, EventRequest) and self.request.service.destination == "112":
            self.met["an emergency call"] += 1
            assert answer.result == ResultCode.SUCCESS, f"an emergency call was answered {answer}"
