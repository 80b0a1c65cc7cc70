"""Jobs that can stand still in the middle, as a thread does whose disk is slow, while the rest of the world goes on.

Each is a real thread, but only one of them all runs at a time, and never beside the event loop: a seed repeats.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Semaphore, Thread, local
from typing import Any

_here = local()


class Killed(BaseException):
    """The process has died while the job stood still. Nobody may catch it."""


class Fiber:
    """One job. ``alive`` has those that stand still."""

    def __init__(self, job: Callable[[], Any], alive: set[Fiber]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._job = job
        self._alive = alive
        self._wait: float | None = None
        self._killed = False
        self._go, self._back = Semaphore(0), Semaphore(0)
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._go.acquire()
        _here.fiber = self
        try:
            if not self._killed:
                self.result = self._job()
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever resumes
            self.error = error
        self._wait = None
        self._back.release()

    def resume(self) -> float | None:
        """Go on; return for how long it stands still now, or None at its end."""
        self._alive.discard(self)
        self._go.release()
        self._back.acquire()
        if self._wait is None:
            self._thread.join()
        else:
            self._alive.add(self)
        return self._wait

    def pause(self, seconds: float) -> None:
        """Stand still."""
        if self._killed:
            raise Killed
        self._wait = seconds
        self._back.release()
        self._go.acquire()
        if self._killed:
            raise Killed

    def kill(self) -> None:
        """End a job that stands still; nothing that it still does counts."""
        self._killed = True
        if self.resume() is not None:
            raise RuntimeError("a job went on after its process had died")


def rest(seconds: float) -> None:
    """Let virtual time pass in the middle of a job; outside of one no time passes."""
    fiber: Fiber | None = getattr(_here, "fiber", None)
    if fiber is not None:
        fiber.pause(seconds)


class VirtualLock:
    """Stands where a lock between threads is: who waits for it stands still."""

    def __init__(self) -> None:
        self._held = False

    def __enter__(self) -> None:
        while self._held:
            if getattr(_here, "fiber", None) is None:
                raise RuntimeError("it would wait for ever")
            rest(0.001)
        self._held = True

    def __exit__(self, *_: object) -> None:
        self._held = False
