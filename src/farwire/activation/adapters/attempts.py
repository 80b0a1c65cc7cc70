"""One request to an element, within its time, tried again after a passing fault.

Clients that block run in threads of their own, so that slow elements never hold up the rest of the process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from farwire.activation.adapters import Element
from farwire.kernel.errors import Unavailable

K = TypeVar("K")
T = TypeVar("T")
WAITS_S: Final = (0.1, 0.3, 0.9)
"""Before the second attempt, the third and the last one."""
_SHARE: Final = 0.9
"""Of the element's time that the attempts may take: the reason comes before the one who asks gives up."""
_LEAST_S: Final = 0.05
"""For an attempt; with less no further one is made."""
_THREADS: Final = ThreadPoolExecutor(16, thread_name_prefix="element")


async def attempted(element: Element, once: Callable[[float], Awaitable[T]]) -> T:
    """Return what an attempt gives; ``once`` gets the seconds that are left.

    After ``Unavailable`` it is tried again, at most four times and while the element's time lasts; ``once`` must leave
    nothing half done. Raises what the last one raised.
    """
    loop = asyncio.get_running_loop()
    ends = loop.time() + element.timeout_s * _SHARE
    for wait in WAITS_S:
        try:
            return await once(max(ends - loop.time(), _LEAST_S))
        except Unavailable:
            if loop.time() + wait + _LEAST_S >= ends:
                raise
        await asyncio.sleep(wait)
    return await once(max(ends - loop.time(), _LEAST_S))


async def few_at_once(ask: Callable[[K], Awaitable[T]], of: Sequence[K], most: int) -> list[T]:
    """Return what ``ask`` gives for each, in their order; at most ``most`` wait at the same time. Raises its errors."""
    found: list[T] = []
    for start in range(0, len(of), most):
        answers = await asyncio.gather(
            *(ask(one) for one in of[start : start + most]), return_exceptions=True
        )
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            found.append(answer)
    return found


async def in_thread(work: Callable[[], T], late: Callable[[T], object] | None = None) -> T:
    """Return what blocking work gives. Where nobody waits for it any more, ``late`` gets it, in the thread."""
    waiting = _THREADS.submit(work)
    try:
        return await asyncio.shield(asyncio.wrap_future(waiting))
    except asyncio.CancelledError:
        if late is not None:
            waiting.add_done_callback(partial(_hand_over, late))
        raise


def _hand_over(late: Callable[[T], object], done: Future[T]) -> None:
    if done.exception() is None:
        late(done.result())


def hush(*names: str) -> None:
    """Let libraries log only what is wrong: below that they log what they send, secrets among it."""
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
