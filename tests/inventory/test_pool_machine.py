"""Whatever is reserved, given, returned, kept back and offered again: pools with ranges agree with a plain set."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage.database import open_pool
from farwire.inventory import service
from farwire.inventory.model import PoolPolicy, ResourceKind, Span, number_of, shown, value_of
from farwire.kernel.errors import Conflict, Exhausted, NotFound
from farwire.kernel.ids import uuid7
from farwire.tenant.service import create_tenant

from .products import JUNE, a_product

BASE = number_of(ResourceKind.IPV4, "10.0.0.0")
SIZE = 64
LATER = JUNE + timedelta(days=365)
KINDS = {
    "lowest": (ResourceKind.IPV4, PoolPolicy.LOWEST),
    "sequential": (ResourceKind.VLAN, PoolPolicy.SEQUENTIAL),
    "random": (ResourceKind.MSISDN, PoolPolicy.RANDOM),
    "prefixes": (ResourceKind.IPV4_PREFIX, PoolPolicy.LOWEST),
}
FIRST = {"lowest": BASE, "sequential": 100, "random": 4915100000, "prefixes": BASE}
NUMBERS = st.sampled_from(["lowest", "sequential", "random"])
KEYS = st.sampled_from("abcdef")


class Pools(RuleBasedStateMachine):
    """The oracle: per pool the free numbers; per key its pool and blocks; what rests; what is withheld."""

    url = ""

    @initialize()
    def begin(self) -> None:
        self.runner = asyncio.Runner()
        self.db = self.runner.run(open_pool(self.url))
        self.tenant = self.runner.run(
            create_tenant(db=self.db, clock=MovableClock(JUNE), name=f"t-{uuid7().hex[-12:]}")
        ).id
        self.product = a_product()
        self._do(service.add_products, products=[self.product])
        self.free: dict[str, set[int]] = {}
        self.held: dict[str, tuple[str, list[Span]]] = {}
        self.resting: list[tuple[str, Span]] = []
        self.withheld: list[tuple[str, Span]] = []
        self.last_given = -1
        for name, (kind, policy) in KINDS.items():
            length = 30 if name == "prefixes" else 0
            terms = {"quarantine_days": 1, "policy": policy, "prefix_length": length}
            self._do(service.create_pool, name=name, kind=kind, now=JUNE, **terms)
            self.free[name] = set()
            for half in range(2):  # two ranges side by side are one when both are free
                self._ranged(name, FIRST[name] + half * SIZE // 2)

    def _ranged(self, name: str, first: int) -> None:
        kind = KINDS[name][0]
        low, high = (
            value_of(ResourceKind.IPV4, Span(n, n)) if "ip" in kind else str(n) for n in (first, first + 31)
        )
        pool = self._do(service.pool_named, name=name)
        self._do(service.add_range, pool=pool, text=f"{low}-{high}")
        self.free[name] |= set(range(first, first + 32))

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.run(self.db.close())
            self.runner.close()

    def _do(self, act, **named):
        async def within():
            async with self.db.transaction(self.tenant) as tx:
                return await act(tx, **named)

        return self.runner.run(within())

    def _took(self, name: str, key: str, expected: list[Span] | None, act, **named) -> None:
        """Do it and compare: None is a refusal."""
        try:
            found = self._do(act, pool=name, key=key, now=JUNE, until=LATER, **named)
        except (Exhausted, Conflict):
            assert expected is None
            return
        assert expected is not None
        kind = KINDS[name][0]
        if expected:
            assert [one.value for one in found] == [
                value_of(kind, one) for one in sorted(expected, key=lambda s: s.first)
            ]
        self._hold(name, key, found)

    def _hold(self, name: str, key: str, found) -> None:
        spans = []
        for one in found:
            first = number_of(one.kind, one.value)
            size = 1 << (32 - int(one.value.partition("/")[2])) if "/" in one.value else 1
            spans.append(Span(first, first + size - 1))
        numbers = [n for one in spans for n in range(one.first, one.last + 1)]
        assert len(set(numbers)) == len(numbers)
        assert set(numbers) <= self.free[name]
        self.free[name] -= set(numbers)
        self.held[key] = (name, spans)

    def _next(self, name: str, count: int) -> list[Span] | None:
        free = sorted(self.free[name])
        if name == "sequential":
            free = [n for n in free if n > self.last_given] + [n for n in free if n <= self.last_given]
        if count > len(free):
            return None
        return [] if name == "random" else [Span(n, n) for n in free[:count]]

    @rule(name=NUMBERS, key=KEYS, count=st.integers(1, 24))
    def reserve(self, name: str, key: str, count: int) -> None:
        if key in self.held:
            return
        expected = self._next(name, count)
        if name == "random" and expected is not None:
            found = self._do(service.reserve, pool=name, key=key, count=count, now=JUNE, until=LATER)
            assert len(found) == count
            self._hold(name, key, found)
            return
        self._took(name, key, expected, service.reserve, count=count)
        if name == "sequential" and expected:
            self.last_given = expected[-1].first

    @rule(count=st.integers(1, 6))
    def reserve_for_many(self, count: int) -> None:
        expected = self._next("lowest", count)
        keys = [f"many-{uuid7()}" for _ in range(count)]
        try:
            found = self._do(service.reserve_each, pool="lowest", keys=keys, now=JUNE, until=LATER)
        except Exhausted:
            assert expected is None
            return
        assert expected is not None
        for key, want in zip(sorted(keys), expected, strict=True):
            assert [one.value for one in found[key]] == [value_of(ResourceKind.IPV4, want)]
            self._hold("lowest", key, found[key])

    @rule(key=KEYS, length=st.integers(26, 32), count=st.integers(1, 3))
    def reserve_prefixes(self, key: str, length: int, count: int) -> None:
        if key in self.held:
            return
        size, free, expected = 1 << (32 - length), set(self.free["prefixes"]), list[Span]()
        for first in range(BASE, BASE + SIZE, size):
            if len(expected) < count and free.issuperset(range(first, first + size)):
                expected.append(Span(first, first + size - 1))
        wanted = expected if len(expected) == count else None
        self._took("prefixes", key, wanted, service.reserve, count=count, length=length)

    @rule(name=NUMBERS, key=KEYS, offset=st.integers(-1, SIZE))
    def choose(self, name: str, key: str, offset: int) -> None:
        if key in self.held:
            return
        number = FIRST[name] + offset
        expected = [Span(number, number)] if number in self.free[name] else None
        values = [value_of(KINDS[name][0], Span(number, number))]
        self._took(name, key, expected, service.reserve_chosen, values=values)

    @rule(key=KEYS, offset=st.integers(0, SIZE - 1), length=st.integers(27, 32))
    def choose_prefix(self, key: str, offset: int, length: int) -> None:
        if key in self.held:
            return
        size = 1 << (32 - length)
        first = BASE + offset // size * size
        free = self.free["prefixes"].issuperset(range(first, first + size))
        expected, values = (
            [Span(first, first + size - 1)],
            [value_of(ResourceKind.IPV4_PREFIX, Span(first, first + size - 1))],
        )
        self._took("prefixes", key, expected if free else None, service.reserve_chosen, values=values)

    @rule(key=KEYS)
    def release(self, key: str) -> None:
        name, spans = self.held.pop(key, ("lowest", []))
        assert self._do(service.release, key=key) == len(spans)
        self._come_back(name, spans)

    def _come_back(self, name: str, spans: list[Span]) -> None:
        for one in spans:
            self.free[name] |= set(range(one.first, one.last + 1))

    @rule(key=KEYS)
    def use_and_return(self, key: str) -> None:
        if key not in self.held:
            return
        name, spans = self.held.pop(key)
        given = self._do(service.give_resources, key=key, product_id=self.product.id, at=JUNE, now=JUNE)
        for one in given:
            self._do(service.return_resource, resource_id=one.id, at=JUNE, now=JUNE)
        self.resting += [(name, one) for one in spans]

    @rule()
    def rest(self) -> None:
        now = JUNE + timedelta(days=2)
        assert self.runner.run(service.free_due(db=self.db, tenant_id=self.tenant, now=now)) == len(
            self.resting
        )
        for name, one in self.resting:
            self._come_back(name, [one])
        self.resting.clear()

    @rule(name=st.sampled_from(sorted(KINDS)), offset=st.integers(0, SIZE - 1), size=st.integers(1, 5))
    def withhold(self, name: str, offset: int, size: int) -> None:
        span = Span(FIRST[name] + offset, FIRST[name] + min(offset + size, SIZE) - 1)
        pool = self._do(service.pool_named, name=name)
        try:
            self._do(service.withhold, pool=pool, text=shown(pool.kind, span), reason="kept")
        except Conflict:
            return  # some of it was given once, and has a resource; the invariant sees that nothing changed
        if (name, span) not in self.withheld:
            assert self.free[name].issuperset(range(span.first, span.last + 1))
            self.free[name] -= set(range(span.first, span.last + 1))
            self.withheld.append((name, span))

    @rule(which=st.integers(0, 9))
    def offer(self, which: int) -> None:
        if not self.withheld:
            return
        name, span = self.withheld.pop(which % len(self.withheld))
        pool = self._do(service.pool_named, name=name)
        self._do(service.offer, pool=pool, text=shown(pool.kind, span))
        self._come_back(name, [span])
        with pytest.raises(NotFound):
            self._do(service.offer, pool=pool, text=shown(pool.kind, span))

    @invariant()
    def what_is_free_is_free_once(self) -> None:
        if not hasattr(self, "runner"):
            return
        for name, free in self.free.items():
            found, spans = self._do(self._there, name=name)
            assert sorted(found) == sorted(free)
            assert all(one.last + 1 < two.first for one, two in pairwise(spans))

    async def _there(self, tx, *, name: str) -> tuple[list[int], list[Span]]:
        pool = await service.pool_named(tx, name)
        rows = await tx.fetch(
            "SELECT first_number, last_number, true AS free FROM inventory.pool_free WHERE tenant_id = $1 "
            "AND pool_id = $2 UNION ALL SELECT number, number, false FROM inventory.resource WHERE tenant_id = $1 "
            "AND pool_id = $2 AND state = 'available' ORDER BY 1",
            *(tx.tenant_id, pool.id),
        )
        spans = [Span(int(row["first_number"]), int(row["last_number"])) for row in rows if row["free"]]
        return [
            n for row in rows for n in range(int(row["first_number"]), int(row["last_number"]) + 1)
        ], spans


def run_machine(settings: Settings, examples: int, steps: int) -> None:
    Pools.url = str(settings.database_url)
    run_state_machine_as_test(
        Pools,
        settings=hypothesis_settings(max_examples=examples, stateful_step_count=steps, deadline=None),
    )


def test_pools_agree_with_a_plain_set(settings: Settings) -> None:
    run_machine(settings, 6, 15)


@pytest.mark.full
def test_pools_agree_with_a_plain_set_for_long(settings: Settings) -> None:
    run_machine(settings, 40, 40)
