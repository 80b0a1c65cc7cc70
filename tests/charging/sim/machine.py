"""What a simulation runs on: an event loop of virtual time, threads that are steps of it, clocks that are wrong."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.charging.sim.fibers import Fiber
from tests.charging.virtual_disk import PowerCut

LONGEST_S = 600.0
HEARD_S = 0.01
"""After so long whoever waits for a task has heard how it ended."""
START = datetime(2026, 6, 1, tzinfo=UTC)


class VirtualLoop(asyncio.BaseEventLoop):
    """Time passes when nothing is left to do at the present moment. The same seed runs the same steps."""

    def __init__(self) -> None:
        super().__init__()
        self.virtual = 0.0
        self.flaw: BaseException | None = None
        self.standing: set[Fiber] = set()
        """Jobs that stand still in the middle."""
        self._over = False
        self._tasks: list[asyncio.Task[Any]] = []
        self._selector = self
        self._clock_resolution = 1e-6
        self.set_exception_handler(self._stop_at)

    def create_task(self, coro: Any, **settings: Any) -> asyncio.Task[Any]:
        """Keep every task: one that waits for a dead process would end whenever the collector finds it."""
        task = super().create_task(coro, **settings)
        self._tasks.append(task)
        task.add_done_callback(lambda ended: self.call_later(HEARD_S, self._hear, ended))
        return task

    def _hear(self, task: asyncio.Task[Any]) -> None:
        """Stop at the error of a task that nobody has asked for it; a task that is kept is never collected."""
        if not task.cancelled() and task._log_traceback:
            self._stop_at(self, {"message": "a task failed", "exception": task.exception()})

    def _stop_at(self, _: Any, context: dict[str, Any]) -> None:
        if "was destroyed" in context["message"]:
            return  # it waited for a process that has died
        self.flaw = self.flaw or context.get("exception") or RuntimeError(context["message"])
        self.stop()

    def run_to_end(self, play: Coroutine[Any, Any, None], *, note: str) -> None:
        """Run until ``play`` has ended or something is found wrong; then raise that."""
        main = self.create_task(play)
        main.add_done_callback(lambda _: self.stop())
        try:
            self.run_forever()
            if self.flaw is not None:
                raise self.flaw  # noqa: TRY301 - it gets its note below
            main.result()
        except BaseException as error:
            error.add_note(note)
            raise
        finally:
            self._over = True
            for fiber in tuple(self.standing):
                fiber.kill()
            for task in self._tasks:
                task.cancel()
            self.set_exception_handler(lambda *_: None)
            self.call_later(0.001, self.stop)
            self.run_forever()
            self.close()

    def time(self) -> float:
        return self.virtual

    def select(self, timeout: float | None) -> tuple[()]:
        if timeout is None:
            raise RuntimeError("the simulation waits for something that will not come")
        self.virtual += timeout
        assert self._over or self.virtual < LONGEST_S, "the simulation does not come to its end"
        return ()

    def _process_events(self, event_list: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the future
            future.set_exception(error)
        return future


class VirtualThread(Executor):
    """Does one job after another, each after a while; none any more once its process is dead.

    While the disk is slow a job stands still wherever it waits for it, and others work beside it.
    """

    def __init__(
        self,
        loop: VirtualLoop,
        latency: Callable[[], float],
        died: Callable[[], None],
        slow: Callable[[], bool] = lambda: False,
    ) -> None:
        self.alive = True
        self._loop = loop
        self._latency = latency
        self._died = died
        self._slow = slow
        self._standing: Fiber | None = None
        self._jobs: deque[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = deque()

    def die(self) -> None:
        """Do nothing any more, not even the rest of what it does now."""
        self.alive = False
        fiber, self._standing = self._standing, None
        if fiber is not None:
            fiber.kill()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._jobs.append((future, fn, args))
        if len(self._jobs) == 1:
            self._loop.call_later(self._latency(), self._work)
        return future

    def _work(self) -> None:
        if not self.alive:
            return
        _, fn, args = self._jobs[0]
        if self._slow() or self._loop.standing:
            self._advance(Fiber(lambda: fn(*args), self._loop.standing))
            return
        try:
            self._done(fn(*args), None)
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever awaits the future
            self._done(None, error)

    def _advance(self, fiber: Fiber) -> None:
        if not self.alive:
            return
        self._standing = None
        wait = fiber.resume()
        if wait is None:
            self._done(fiber.result, fiber.error)
        else:
            self._standing = fiber
            self._loop.call_later(wait, self._advance, fiber)

    def _done(self, result: Any, error: BaseException | None) -> None:
        if isinstance(error, PowerCut):
            self._died()
            return
        future = self._jobs[0][0]
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
        self._jobs.popleft()
        if self._jobs:
            self._loop.call_later(self._latency(), self._work)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        pass


class WrongClock:
    """The clock of one machine: it is off, and jumps."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.off_s = 0.0

    def jump(self, off_s: float, met: Counter[str]) -> None:
        """Be so far off from now on."""
        if off_s != self.off_s:
            met["a clock went back" if off_s < self.off_s else "a clock went ahead"] += 1
        self.off_s = off_s

    def now(self) -> datetime:
        return START + timedelta(microseconds=round((self._loop.virtual + self.off_s) * 1e6))


class Network:
    """Between clients and shards: messages are lost, doubled, late, and overtake each other."""

    def __init__(self, loop: VirtualLoop, random: Random) -> None:
        self._loop = loop
        self._random = random
        self.cut_until = 0.0
        self.lossy = 0.05
        self.double = 0.15
        self.met: Counter[str] = Counter()
        self._newest = 0
        self._sent = 0

    def send(self, deliver: Callable[[], None]) -> None:
        """Deliver a message no, one or two times, each when it may."""
        self._sent += 1
        arrivals = 0
        for _ in range(1 + (self._random.random() < self.double)):
            late = self._random.random() < 0.05
            delay = self._random.uniform(0.0, 4.0) if late else self._random.expovariate(200)
            lost = self._random.random() < self.lossy
            cut = self._loop.virtual < self.cut_until
            if lost or cut:
                self.met["a message met a cut" if cut else "a message was lost"] += 1
            else:
                arrivals += 1
                self.met["a message was late"] += late
                self._loop.call_later(delay, self._arrive, self._sent, deliver)
        self.met["a message came twice"] += arrivals == 2

    def _arrive(self, number: int, deliver: Callable[[], None]) -> None:
        self.met["a message was overtaken"] += number < self._newest
        self._newest = max(self._newest, number)
        deliver()
