"""What a simulation runs on: an event loop of virtual time, threads that are steps of it, clocks that are wrong."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from tests.charging.virtual_disk import PowerCut

LONGEST_S = 600.0
START = datetime(2026, 6, 1, tzinfo=UTC)


class VirtualLoop(asyncio.BaseEventLoop):
    """Time passes when nothing is left to do at the present moment. The same seed runs the same steps."""

    def __init__(self) -> None:
        super().__init__()
        self.virtual = 0.0
        self.flaw: BaseException | None = None
        self._selector = self
        self._clock_resolution = 1e-6
        self.set_exception_handler(self._stop_at)

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
            for task in asyncio.all_tasks(self):
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
        assert self.virtual < LONGEST_S, "the simulation does not come to its end"
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
    """Does one job after another, each after a while; none any more once its process is dead."""

    def __init__(self, loop: VirtualLoop, latency: Callable[[], float], died: Callable[[], None]) -> None:
        self.alive = True
        self._loop = loop
        self._latency = latency
        self._died = died
        self._jobs: deque[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = deque()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._jobs.append((future, fn, args))
        if len(self._jobs) == 1:
            self._loop.call_later(self._latency(), self._work)
        return future

    def _work(self) -> None:
        if not self.alive:
            return
        future, fn, args = self._jobs[0]
        try:
            result = fn(*args)
        except PowerCut:
            self._died()
            return
        except Exception as error:  # noqa: BLE001 - it belongs to whoever awaits the future
            future.set_exception(error)
        else:
            future.set_result(result)
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

    def send(self, deliver: Callable[[], None]) -> None:
        """Deliver a message no, one or two times, each when it may."""
        for _ in range(1 + (self._random.random() < self.double)):
            late = self._random.random() < 0.05
            delay = self._random.uniform(0.0, 4.0) if late else self._random.expovariate(200)
            if self._random.random() >= self.lossy and self._loop.virtual >= self.cut_until:
                self._loop.call_later(delay, deliver)
