"""Whatever is asked, in whatever order: never over-granted, nothing lost, reservations end, repeats are harmless."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from farwire.catalog.model.document import from_document
from farwire.charging.model import (
    FREE,
    NOTHING,
    Account,
    Answer,
    Ask,
    Balance,
    Circle,
    Command,
    CommandKind,
    EventRequest,
    Flag,
    Grant,
    Lifecycle,
    Limit,
    OfferTerms,
    Period,
    Phase,
    PlanTerms,
    Price,
    Request,
    Scope,
    Service,
    SessionRequest,
    Share,
    Tariffs,
    Unit,
    expire,
    new_account,
)
from farwire.charging.model.compiled import CompiledTariffs, Offer, Plan
from farwire.charging.model.pricing import Usage, cost_of
from farwire.charging.model.state import DAY_US, LATE_US, NEVER, SECOND_US
from farwire.rating.model import compile_tariff
from tests.charging.play import EURO, MB, START, Player, Simple

WEEK = OfferTerms(
    5, 2 * EURO, (Grant(Unit.OCTETS, 1, 40 * MB, rollover_cap=10 * MB), Grant(Unit.SECONDS, 2, 600, shared=1))
)
SERVICES = [
    Service("data"),
    Service("data"),
    Service("voice", "4930123"),
    Service("voice", "112"),
    Service("data", visited_network="CH"),
    Service("fax"),
]
OWNER = 9
ACCOUNTS = st.sampled_from([1, 2, OWNER])
SESSIONS = st.integers(1, 6)
PICK = st.integers(0, 30)
UNITS = st.sampled_from([0, 1, 7, 61, MB, 60 * MB]) | st.integers(0, 60 * MB)


def simple() -> Tariffs:
    tariffs = Simple(PlanTerms(loan_amount=EURO, loan_fee=EURO // 10, loan_below=EURO, active_us=30 * DAY_US))
    tariffs.offers[5] = WEEK
    tariffs.prices["voice"] = Price(2, Unit.SECONDS, (2,), 1, True, 90_000_000, 60, 60, 6, 0, 70_000_000)
    tariffs.prices["roaming"] = Price(3, Unit.OCTETS, (), 2, True, 50_000_001, MB, 1_000, 1_000, 500)
    return tariffs


def compiled(*, tiers: bool = False) -> Tariffs:
    usage: list[dict[str, Any]] = [
        {"id": "data", "kind": "data", "price": "0.02", "per": "1 MB", "by_band": {"night": {"percent": 50}}},
        {
            "id": "voice",
            "kind": "voice",
            "price": "0.09",
            "per": "1 min",
            "increments": ["60 s", "6 s"],
            "by_band": {"night": {"price": "0.05"}},
            "connect_fee": "0.07",
            "maximum": "1.5",
            "included": "10 s",
        },
    ]
    if tiers:
        steps = [{"price": "0.05", "up_to": "50 MB"}, {"price": "0.03", "up_to": "90 MB"}, {"price": "0.06"}]
        ways = {"tiers": {"mode": "volume", "steps": steps}, "per": "1 MB"}
        usage.append({"id": "roam", "kind": "data", "networks": ["other"], **ways})
    else:
        usage.append(
            {
                "id": "roam",
                "kind": "data",
                "networks": ["other"],
                "price": "0.05",
                "per": "1 MB",
                "minimum": "0.1",
            }
        )
    plan = from_document(
        {
            "offering": "any",
            "name": "Any",
            "valid_from": datetime(2020, 1, 1, tzinfo=UTC),
            "currency": "EUR",
            "zone": "Europe/Berlin",
            "prices_include_tax": False,
            "bands": [{"name": "night", "hours": ["00:00-06:00", "22:00-24:00"]}],
            "usage": usage,
            "allowances": [
                {"id": "night-data", "amount": "1 MB", "prices": ["data"], "bands": ["night"]},
                {"id": "talk", "amount": "1 s", "prices": ["voice"]},
            ],
            "discounts": [{"id": "ten", "percent": "10", "prices": ["data"]}],
        }
    )
    terms = PlanTerms(loan_amount=EURO, loan_fee=EURO // 10, loan_below=EURO, active_us=30 * DAY_US)
    known = Plan(compile_tariff(plan), terms, {"112"}.__contains__)
    return CompiledTariffs({1: known}, {5: Offer(WEEK, 7, "Europe/Berlin")})


def member(number: int, euro: int, limit: Limit) -> Account:
    account = new_account(number, tenant=1, plan=1)
    shares = (
        Share(OWNER, Unit.MONEY, 1 if number == 1 else 200, EURO // 2, 0, 0, Period.DAY, START + DAY_US),
        Share(OWNER, Unit.SECONDS, 5, 100, 0, 0, Period.NEVER, NEVER),
    )
    balances = (replace(account.balances[0], amount=euro * EURO),)
    return replace(account, balances=balances, limits=(limit,), shares=shares, due_at=START)


class Machine(RuleBasedStateMachine):
    """Members and their owner, any requests, any time."""

    exact = True
    """Whether what was granted is always held in full (not with tiers that several sessions fill at once)."""

    def tariffs(self) -> Tariffs:
        return simple()

    @initialize(euros=st.lists(st.integers(0, 4), min_size=3, max_size=3), cap=st.integers(0, 2))
    def begin(self, euros: list[int], cap: int) -> None:
        limit = Limit(1, Scope.ROAMING, cap * EURO, 0, 0, 0, 0, Period.DAY, START)
        owner = new_account(OWNER, tenant=1, plan=1, lifecycle=Lifecycle.ACTIVE)
        pots = (
            Balance(2, Unit.OCTETS, 0, 5, 0, 0, 3 * MB, 0, 0, 0, START + 2 * DAY_US),
            replace(owner.balances[0], amount=euros[2] * EURO, shared=1, floor=-EURO),
        )
        owner = replace(owner, balances=pots, serial=2, due_at=START)
        accounts = (member(1, euros[0], limit), member(2, euros[1], limit), owner)
        self.player = Player(*accounts, tariffs=self.tariffs())
        self.numbers: dict[tuple[int, int], int] = {}
        self.services: dict[tuple[int, int], Service] = {}
        self.last: tuple[Request, Answer] | None = None

    def ask(self, request: Request) -> Answer:
        answer = self.player.ask(request)
        self.last = (request, answer)
        return answer

    def quota(self, account: int, session: int, group: int) -> int:
        for one in self.player.account(account).sessions:
            if one.id_lo == session:
                return sum(g.granted for g in one.groups if g.rating_group == group)
        return 0

    @rule(
        account=ACCOUNTS,
        session=SESSIONS,
        service=st.sampled_from(SERVICES),
        asks=st.sets(st.integers(1, 3), min_size=1),
        requested=st.just(0) | UNITS,
    )
    def initial(self, account: int, session: int, service: Service, asks: set[int], requested: int) -> None:
        self.numbers[account, session] = 0
        self.services[account, session] = service
        wants = tuple(Ask(group, 0, requested) for group in sorted(asks))
        self.ask(SessionRequest(account, 0, session, 0, Phase.INITIAL, service, wants))

    @precondition(lambda self: self.services)
    @rule(
        pick=PICK,
        group=st.integers(1, 3),
        percent=st.sampled_from([0, 30, 100, 100, 101]),
        more=UNITS,
        wants=st.sampled_from([0, 0, 0, NOTHING, 7]),
    )
    def update(self, pick: int, group: int, percent: int, more: int, wants: int) -> None:
        account, session = self.open_session(pick)
        number = self.numbers[account, session] = self.numbers[account, session] + 1
        quota = self.quota(account, session, group)
        used = quota + more if percent > 100 else quota * percent // 100
        service = self.services[account, session]
        self.ask(
            SessionRequest(account, 0, session, number, Phase.UPDATE, service, (Ask(group, used, wants),))
        )

    @precondition(lambda self: len(self.services) > 2)
    @rule(pick=PICK, group=st.integers(1, 3), percent=st.integers(0, 100))
    def terminate(self, pick: int, group: int, percent: int) -> None:
        account, session = self.open_session(pick)
        number = self.numbers[account, session] = self.numbers[account, session] + 1
        used = self.quota(account, session, group) * percent // 100
        service = self.services.pop((account, session))
        self.ask(SessionRequest(account, 0, session, number, Phase.TERMINATION, service, (Ask(group, used),)))
        for one in self.player.account(account).sessions:
            if one.id_lo == session and one.ended:
                assert not any(hold.reserved for g in one.groups for hold in g.holds)

    def open_session(self, pick: int) -> tuple[int, int]:
        return sorted(self.services)[pick % len(self.services)]

    @precondition(lambda self: self.last is not None)
    @rule()
    def repeat(self) -> None:
        assert self.last is not None
        request, answer = self.last
        if answer.result in (3004, 5002, 5004, 5030, 9002) or self.reads(request):
            return  # a refusal is decided anew: it left no trace
        before, moved = self.player.circle, len(self.player.movements)
        assert self.player.ask(request) == answer
        assert self.player.circle == before
        assert len(self.player.movements) == moved

    @staticmethod
    def reads(request: Request) -> bool:
        return isinstance(request, EventRequest) and request.kind >= 2

    @rule(
        account=ACCOUNTS,
        kind=st.sampled_from(CommandKind),
        amount=st.integers(-2 * EURO, 5 * EURO) | st.just(1),
        subject=st.sampled_from([0, 1, 2, 3, 5, 9, 20, 21, 30]),
        scope=st.integers(0, 4),
        period=st.integers(0, 3),
        unit=st.integers(0, 3),
        balance=st.integers(1, 3),
        priority=st.sampled_from([1, 200]),
    )
    def command(
        self, account: int, kind: CommandKind, amount: int, subject: int, scope: int, period: int, unit: int,
        balance: int, priority: int,
    ) -> None:  # fmt: skip
        self.player.keys += 1
        words = (scope, period, unit, balance, priority)
        self.ask(Command(account, 1, self.player.keys, kind, amount, subject, *words))

    @rule(
        account=ACCOUNTS,
        owner=ACCOUNTS,
        cap=st.integers(0, EURO) | st.integers(0, 100),
        balance=st.integers(1, 3),
        period=st.integers(0, 2),
        priority=st.sampled_from([1, 50, 200]),
    )
    def share(self, account: int, owner: int, cap: int, balance: int, period: int, priority: int) -> None:
        self.player.keys += 1
        words = (0, period, 0, balance, priority)
        self.ask(Command(account, 1, self.player.keys, CommandKind.SHARE, cap, owner, *words))

    @rule(
        account=ACCOUNTS,
        kind=st.integers(0, 3),
        service=st.sampled_from(SERVICES),
        units=UNITS,
        amount=st.integers(0, EURO),
    )
    def event(self, account: int, kind: int, service: Service, units: int, amount: int) -> None:
        self.player.keys += 1
        self.ask(EventRequest(account, 2, self.player.keys, kind, service, units, 1, amount))

    @rule(
        passed=st.sampled_from(
            [SECOND_US, 60 * SECOND_US, 600 * SECOND_US, 3_600 * SECOND_US, DAY_US, 5 * DAY_US]
        )
    )
    def wait(self, passed: int) -> None:
        self.player.now += passed
        self.last = None

    @rule()
    def sweep(self) -> None:
        self.player.sweep()

    @rule(account=ACCOUNTS)
    def unbar(self, account: int) -> None:
        self.player.circle = tuple(
            replace(one, flags=one.flags & ~int(Flag.BARRED)) if one.number == account else one
            for one in self.player.circle
        )
        self.last = None

    @invariant()
    def what_is_granted_is_held(self) -> None:
        for account in self.player.circle:
            for session in account.sessions:
                for group in session.groups:
                    if session.ended or group.valid_until + LATE_US <= self.player.now or not group.granted:
                        continue
                    price = FREE if not group.price else self.player.tariffs.price(group.price)
                    if price is FREE or price is None or not self.exact:
                        continue
                    scopes: dict[int, int] = {}
                    balances = {(a.number, b.number): b for a in self.player.circle for b in a.balances}
                    for hold in group.holds:
                        if hold.unit != Unit.MONEY:
                            scope = balances[hold.account, hold.balance].scope
                            scopes[scope] = scopes.get(scope, 0) + hold.charged + hold.reserved
                    money = sum(hold.reserved for hold in group.holds if hold.unit == Unit.MONEY)
                    usage = Usage(group.started_at, sum(scopes.values()), scopes, 0)
                    for part in (group.granted, group.granted // 2, 1):
                        cost = cost_of(price, group.used + part, usage)
                        assert cost is not None
                        assert cost.total - group.charged <= money

    @invariant()
    def nothing_happens_before_it_is_due(self) -> None:
        swept = expire(self.player.circle, self.player.tariffs, self.player.now).circle
        early = tuple(replace(one, due_at=0) if one.due_at > self.player.now else one for one in swept)
        again = expire(early, self.player.tariffs, self.player.now)
        assert not again.movements
        assert not again.notices
        assert self.essence(again.circle) == self.essence(swept)

    def essence(self, circle: Circle) -> Circle:
        """Accounts without what may stay a little longer: empty balances that are over, and when to look again."""
        now = self.player.now
        return tuple(
            replace(
                account, due_at=0, balances=tuple(b for b in account.balances if b.amount or b.valid_to > now)
            )
            for account in circle
        )

    def teardown(self) -> None:
        """Every reservation ends, by time alone."""
        if not hasattr(self, "player"):
            return
        for _ in range(4):
            self.player.now += 2 * DAY_US
            self.player.sweep()
        for account in self.player.circle:
            assert not any(balance.reserved for balance in account.balances)
            assert not any(limit.reserved for limit in account.limits)
            assert account.sessions == ()


class CompiledMachine(Machine):
    """The same over a compiled tariff with bands, a discount, a minimum, a maximum and a connect fee."""

    def tariffs(self) -> Tariffs:
        return compiled()


class TieredMachine(Machine):
    """The same with volume tiers that all sessions of an account fill together."""

    exact = False

    def tariffs(self) -> Tariffs:
        return compiled(tiers=True)


PLAY = settings(stateful_step_count=50, max_examples=80, deadline=timedelta(seconds=5))
TestSimple = Machine.TestCase
TestSimple.settings = PLAY
TestCompiled = CompiledMachine.TestCase
TestCompiled.settings = settings(PLAY, max_examples=25)
TestTiered = TieredMachine.TestCase
TestTiered.settings = settings(PLAY, max_examples=25)
