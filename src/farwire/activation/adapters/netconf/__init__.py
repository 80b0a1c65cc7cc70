"""NETCONF: operations as edits of a device's YANG data, read back, confirmed or taken back. Source: RFC 6241, RFC 6242.

What an edit left open is kept by element and key until ``confirm`` or ``undo`` comes. Its session holds the device's
lock, and nobody may hold that for ever: a timer takes the edit back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final, TypeVar

from farwire.activation.adapters import Element
from farwire.activation.adapters.attempts import attempted, in_thread
from farwire.activation.adapters.netconf.device import CONFIRM_S, Session
from farwire.activation.adapters.netconf.mapping import Settings
from farwire.activation.adapters.sessions import Sessions
from farwire.activation.adapters.settings import host_and_port, no_answer, refused, settings_of
from farwire.activation.model import Operation
from farwire.base.storage import Tx
from farwire.kernel.errors import FarwireError

T = TypeVar("T")
_REUSED: Final = 0.3
"""Of the time that is left, for an answer in a session that was idle: it may have died unnoticed."""
SESSIONS: Final[Sessions[Session]] = Sessions(Session.close)
_OPEN: Final[dict[tuple[Element, str], tuple[Session, threading.Timer]]] = {}
"""Edits that were neither confirmed nor undone, by element and key."""
_OPEN_LOCK: Final = threading.Lock()


def adapter(element: Element) -> Netconf:
    """Return the adapter for an element. Raises ``Invalid`` (``activation.element``)."""
    return Netconf(element)


class Netconf:
    """An element that speaks NETCONF."""

    def __init__(self, element: Element) -> None:
        self._element = element
        self._settings = settings_of(element, Settings).checked()
        host_and_port(element, 0)

    @property
    def name(self) -> str:
        """Return the element's name."""
        return self._element.name

    async def write(self, tx: Tx, operation: Operation) -> None:  # noqa: ARG002 - a device is in no transaction
        """Carry out the operation; it is open until it is confirmed or undone."""
        if why := self._settings.unknown(operation):
            raise refused(self._element, why)
        await attempted(
            self._element,
            lambda left: in_thread(
                lambda: self._write(operation, left), lambda _: self._take_back(operation)
            ),
        )

    def _write(self, operation: Operation, left_s: float) -> None:
        self._finish(operation, keep=False)  # an attempt before this one, which nobody ended
        session = self._session(left_s)
        try:
            session.write(operation)
        except BaseException:
            session.close()
            raise
        timer = threading.Timer(CONFIRM_S, self._take_back, (operation,))
        timer.daemon = True
        with _OPEN_LOCK:
            _OPEN[self._element, operation.key] = session, timer
        timer.start()

    async def confirm(self, tx: Tx, operation: Operation) -> None:  # noqa: ARG002
        """Let what was written stay."""
        await attempted(self._element, lambda _: in_thread(lambda: self._finish(operation, keep=True)))

    async def undo(self, tx: Tx, operation: Operation) -> None:  # noqa: ARG002
        """Bring back what was there before the write."""
        await attempted(self._element, lambda _: in_thread(lambda: self._finish(operation, keep=False)))

    def _finish(self, operation: Operation, *, keep: bool) -> None:
        with _OPEN_LOCK:
            found = _OPEN.pop((self._element, operation.key), None)
        if found is None:
            if keep:
                raise no_answer(self._element, "the write was taken back before it was confirmed")
            return
        session, timer = found
        timer.cancel()
        try:
            session.confirm() if keep else session.undo(operation)
        except BaseException:
            session.close()
            raise
        SESSIONS.give_back(self._element, session)

    def _take_back(self, operation: Operation) -> None:
        """Undo what nobody waits for any more; the end of the session does it where the device cannot."""
        with suppress(FarwireError):
            self._finish(operation, keep=False)

    async def read(self, tx: Tx, target: str) -> Mapping[str, str] | None:
        """Return what the device shows of the target."""
        return (await self.read_many(tx, (target,))).get(target)

    async def read_many(self, tx: Tx, targets: Sequence[str]) -> Mapping[str, Mapping[str, str]]:  # noqa: ARG002
        """Return what the device shows of those of the targets that it knows."""
        return await self._ask(lambda session: session.read(targets)) if targets else {}

    async def targets(self, tx: Tx, after: str, limit: int) -> Sequence[str]:  # noqa: ARG002
        """Return targets by name."""
        names = await self._ask(Session.targets)
        return [name for name in names if name > after][:limit]

    async def _ask(self, ask: Callable[[Session], T]) -> T:
        def once(left_s: float) -> T:
            session = self._session(left_s)
            try:
                found = ask(session)
            except BaseException:
                session.close()
                raise
            SESSIONS.give_back(self._element, session)
            return found

        return await attempted(self._element, lambda left: in_thread(lambda: once(left)))

    def _session(self, left_s: float) -> Session:
        session = SESSIONS.take(self._element)
        if session is not None and session.alive:
            session.wait(left_s * _REUSED)
            return session
        if session is not None:
            session.close()
        return Session(self._element, self._settings, left_s)
