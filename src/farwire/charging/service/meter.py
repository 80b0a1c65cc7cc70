"""Counters, latencies and the last refusals of a shard: cheap enough to note every request."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from msgspec.structs import replace
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from farwire.charging.model import (
    Answer,
    Command,
    CommandKind,
    EventKind,
    EventRequest,
    Phase,
    ResultCode,
    SessionRequest,
)
from farwire.charging.shard.admission import Moved
from farwire.charging.shard.reading import Denial, Inspect, Seen
from farwire.charging.shard.runner import Policy, Runner
from farwire.charging.shard.shard import Ask, Reply, Shard

_SECOND_NS: Final = 1_000_000_000
BUCKETS_NS: Final = tuple(
    us * 1_000
    for us in (
        100,
        250,
        500,
        1_000,
        2_500,
        5_000,
        10_000,
        25_000,
        50_000,
        100_000,
        250_000,
        500_000,
        1_000_000,
    )
)
DENIALS_PER_ACCOUNT: Final = 20
DENIALS_ACCOUNTS: Final = 5_000
"""Accounts whose last refusals are remembered: those that were refused last."""
_FINE: Final = frozenset({int(ResultCode.SUCCESS), int(ResultCode.NOT_APPLICABLE)})
_SUCCESS: Final = int(ResultCode.SUCCESS)
NAMES: Final = ("initial", "update", "termination", "event", "command", "control")
_EVENTS: Final = {int(one): one.name.lower().replace("_", " ") for one in EventKind}
_COMMANDS: Final = {int(one): one.name.lower() for one in CommandKind}
_RESULTS: Final = {0: "unknown", 1: "moved"} | {int(one): one.name.lower() for one in ResultCode}
_SESSION_NAME: Final = {int(Phase.INITIAL): 0, int(Phase.UPDATE): 1, int(Phase.TERMINATION): 2}


def _name(request: Ask) -> int:
    """Return the place in ``NAMES`` of a request."""
    if isinstance(request, SessionRequest):
        return _SESSION_NAME.get(request.phase, 1)
    if isinstance(request, EventRequest):
        return 3
    return 4 if isinstance(request, Command) else 5


class Meter:
    """What one shard has done since its process began."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, int], int] = {}
        self._buckets = [[0] * (len(BUCKETS_NS) + 1) for _ in NAMES]
        self._sums = [0] * len(NAMES)
        self._denied: OrderedDict[tuple[int, int], deque[Denial]] = OrderedDict()

    def note(
        self, tenant: int, request: Ask, answer: Answer | Moved | None, took_ns: int, now: Callable[[], int]
    ) -> None:
        """Note that a request was answered; ``now`` is asked where it was refused."""
        name = _name(request)
        self._buckets[name][bisect_left(BUCKETS_NS, took_ns)] += 1
        self._sums[name] += took_ns
        result = answer.result if isinstance(answer, Answer) else 0 if answer is None else 1
        key = (name, result)
        self._counts[key] = self._counts.get(key, 0) + 1
        if not isinstance(answer, Answer):
            return
        if result != _SUCCESS:
            if result not in _FINE:
                self._deny(tenant, request, now(), -1, result)
        elif answer.groups:
            for group in answer.groups:
                if group.result not in _FINE:
                    self._deny(tenant, request, now(), group.rating_group, group.result)

    def _deny(self, tenant: int, request: Ask, now: int, rating_group: int, result: int) -> None:
        kind, network = "", ""
        if isinstance(request, SessionRequest):
            what, kind, network = "session", request.service.kind, request.service.visited_network
        elif isinstance(request, EventRequest):
            what = _EVENTS.get(request.kind, "event")
            kind, network = request.service.kind, request.service.visited_network
        elif isinstance(request, Command):
            what, kind = "command", _COMMANDS.get(request.kind, str(request.kind))
        else:
            return
        place = (tenant, request.account)
        found = self._denied.get(place)
        if found is None:
            found = self._denied[place] = deque(maxlen=DENIALS_PER_ACCOUNT)
            if len(self._denied) > DENIALS_ACCOUNTS:
                self._denied.popitem(last=False)
        self._denied.move_to_end(place)
        found.append(Denial(now, what, kind, network, rating_group, result))

    def denials(self, tenant: int, account: int) -> tuple[Denial, ...]:
        """Return the last refusals of an account, the oldest first."""
        return tuple(self._denied.get((tenant, account), ()))

    def collect(self, shard: Shard) -> Iterator[Metric]:
        """Yield the metrics, for Prometheus."""
        counted = CounterMetricFamily(
            "farwire_charging_requests", "Requests answered.", labels=("request", "result")
        )
        for (name, result), count in tuple(self._counts.items()):
            counted.add_metric((NAMES[name], result_name(result)), count)
        yield counted
        timed = HistogramMetricFamily(
            "farwire_charging_request_seconds",
            "Seconds from a request to its durable answer.",
            labels=("request",),
        )
        for name, found in enumerate(self._buckets):
            limits = [f"{limit / _SECOND_NS:g}" for limit in BUCKETS_NS] + ["+Inf"]
            sums = [sum(found[: place + 1]) for place in range(len(found))]
            timed.add_metric(
                (NAMES[name],), list(zip(limits, sums, strict=True)), self._sums[name] / _SECOND_NS
            )
        yield timed
        yield from _gauges(shard)


def _gauges(shard: Shard) -> Iterator[Metric]:
    log, arena = shard.log, shard.arena
    for name, text, value in (
        ("waiting", "Requests that wait to be decided.", shard.waiting),
        ("in_flight", "Batches that wait to be durable.", shard.in_flight),
        ("refused", "Requests refused because there was too much to do.", shard.admission.refused),
        ("sequence", "The last sequence that is durable.", log.durable),
        ("records", "Records in use.", arena.records),
        ("records_most", "Records that there is room for.", arena.capacity - 1),
        ("epoch", "The epoch of the shard's owner.", log.epoch),
    ):
        yield GaugeMetricFamily(f"farwire_charging_{name}", text, value=value)


def result_name(result: int) -> str:
    """Return the name of a result code, for a label."""
    return _RESULTS.get(result, "other")


class MeasuredRunner(Runner):
    """A runner whose requests are counted and timed, from their arrival to their durable answer."""

    def __init__(
        self,
        shard: Shard,
        *,
        meter: Meter,
        policy: Policy | None = None,
        books: Callable[[], int] | None = None,
    ) -> None:
        super().__init__(shard, policy=policy, books=books)
        self.meter = meter

    def submit(self, tenant: int, request: Ask, reply: Reply) -> None:
        """Hand a request to the shard; see ``Runner``."""
        self.shard.submit(tenant, request, _Timed(self, tenant, request, reply, time.perf_counter_ns()))
        self.wake()


class _Timed(msgspec.Struct, gc=False):
    """The way back of an answer, past the meter. Not a closure: there is one for each request that waits."""

    runner: MeasuredRunner
    tenant: int
    request: Ask
    reply: Reply
    began: int

    def __call__(self, answer: Answer | Moved | None) -> None:
        tenant, request, runner = self.tenant, self.request, self.runner
        took = time.perf_counter_ns() - self.began
        runner.meter.note(tenant, request, answer, took, runner.shard.now)
        if isinstance(answer, Seen) and isinstance(request, Inspect):
            answer = replace(answer, denials=runner.meter.denials(tenant, request.account))
        self.reply(answer)
