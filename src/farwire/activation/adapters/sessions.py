"""Open sessions with elements that nobody uses just now, kept so that the next request need not log in again."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from farwire.activation.adapters import Element

S = TypeVar("S")
KEPT_S: Final = 60.0
"""How long an idle session is kept: shorter than elements keep theirs."""
KEPT_MOST: Final = 64
"""Idle sessions of one adapter."""


class Sessions(Generic[S]):
    """Idle sessions by element. A session is used by one at a time; one that failed is closed, never given back."""

    def __init__(self, close: Callable[[S], None]) -> None:
        self._close = close
        self._idle: deque[tuple[Element, float, S]] = deque()
        self._lock = threading.Lock()

    def take(self, element: Element) -> S | None:
        """Return an idle session of the element, the one used last; None where there is none."""
        now = time.monotonic()
        with self._lock:
            old = [one for one in self._idle if one[1] <= now]
            self._idle = deque(one for one in self._idle if one[1] > now)
            found = next((one for one in reversed(self._idle) if one[0] == element), None)
            if found is not None:
                self._idle.remove(found)
        self._end(old)
        return None if found is None else found[2]

    def give_back(self, element: Element, session: S) -> None:
        """Keep a session for the next one."""
        with self._lock:
            self._idle.append((element, time.monotonic() + KEPT_S, session))
            more = [self._idle.popleft()] if len(self._idle) > KEPT_MOST else []
        self._end(more)

    def close(self) -> None:
        """Close all that are idle."""
        with self._lock:
            all_idle, self._idle = list(self._idle), deque()
        self._end(all_idle)

    def _end(self, some: list[tuple[Element, float, S]]) -> None:
        for _, _, session in some:
            self._close(session)
