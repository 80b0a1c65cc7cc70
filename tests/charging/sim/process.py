"""One life of a shard in a simulation, watched: what it appends, what it answers, whom it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from farwire.charging.log import Batch, LogFailed
from farwire.charging.model import Answer, EventRequest, Phase, SessionRequest
from farwire.charging.shard.runner import Policy, Runner
from farwire.charging.shard.shard import Ask, Shard
from tests.charging.sim.checks import (
    State,
    Sums,
    add_movements,
    check_bytes,
    check_grants,
    check_sums,
    state_of,
)

if TYPE_CHECKING:
    from tests.charging.sim.clients import Query
    from tests.charging.sim.world import World


def percent_for(request: Ask) -> int:
    """Return how full the queue may be for a request."""
    if isinstance(request, SessionRequest) and request.phase == Phase.TERMINATION:
        return 100
    is_new = isinstance(request, SessionRequest) and request.phase == Phase.INITIAL
    return 60 if is_new or isinstance(request, EventRequest) else 85


class Reply:
    """The way back of one arrival."""

    def __init__(self, process: Process, query: Query) -> None:
        self.process = process
        self.query = query
        self.last = -1
        """The batch that the answer depends on."""

    def __call__(self, answer: Any) -> None:
        process, query = self.process, self.query
        if not process.alive or not isinstance(answer, Answer):
            return
        if self.last >= 0:
            process.world.acknowledge(process, self.last)
        process.world.network.send(lambda: query.received(answer))


class Process:
    """One life of a shard: from its recovery to its death."""

    def __init__(self, world: World, shard: Shard) -> None:
        self.world = world
        self.shard = shard
        self.alive = True
        self.states: dict[int, State] = {shard.log.last: state_of(shard)}
        self.facts: dict[int, bytes] = {}
        self.sums: Sums = {}
        policy = Policy(requests=world.random.choice([40, 400]), seconds=30, tick_ms=500)
        self._watch()
        self.runner = Runner(shard, policy=policy, books=lambda: world.books_last)

    def _watch(self) -> None:
        """See every batch and every step, without being seen."""
        shard, append, step, commit = self.shard, self.shard.log.append, self.shard.step, self.shard._commit

        def appended(batch: Batch):
            ticket = append(batch)
            self.facts[batch.last] = batch.facts
            add_movements(self.sums, batch.facts)
            return ticket

        def committed(requests: int, replies: list, facts: list) -> None:
            for reply, _ in replies:
                reply.last = shard.log.last + requests
            commit(requests, replies, facts)

        def stepped() -> bool:
            more = step()
            if shard.failure is None and shard.all_appended:
                self.checked()
            return more

        shard.log.append, shard._commit, shard.step = appended, committed, stepped
        shard.submit = self._judged(shard.submit)

    def _judged(self, submit: Any) -> Any:
        """See who is let in: the queue is bounded, and what hurts most is refused last."""
        shard, met = self.shard, self.world.met

        def submitted(tenant: int, request: Ask, reply: Any) -> None:
            waiting, open_ = shard.waiting, shard.failure is None and not shard.admission.closed
            submit(tenant, request, reply)
            assert shard.waiting <= shard.settings.queue, "the queue has no bound"
            assert shard.in_flight <= shard.settings.in_flight + 1, "batches in flight have no bound"
            refused = open_ and shard.waiting == waiting
            most = shard.settings.queue * percent_for(request) // 100
            assert not open_ or refused == (waiting >= most), f"{request} while {waiting} waited: {refused=}"
            if refused:
                met[f"refused above {percent_for(request)} %"] += 1

        return submitted

    def checked(self) -> None:
        """Check what must hold after a step."""
        self.world.steps += 1
        state = state_of(self.shard)
        check_grants(state)
        check_sums(self.sums, state)
        if self.world.random.random() < 0.1:
            check_bytes(self.shard, state)
        self.states[self.shard.log.last] = state

    def die(self) -> None:
        """End without a word."""
        self.alive = False
        self.shard.log.alive = False
        for thread in getattr(self.shard.log, "threads", ()):
            thread.die()
        if self.runner._snapshotting is not None:
            self.runner._snapshotting.cancel()
        self.shard.fail(LogFailed("killed"))
        self.runner._end()
