"""What a shard is asked, how it tells its answer, and how it is set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from farwire.charging.model import Account, Answer, Request
from farwire.charging.shard.admission import Moved
from farwire.charging.shard.reading import Inspect

Reply = Callable[[Answer | Moved | None], None]
"""Called once with the answer; with None when nobody knows what became of the request: the client repeats it."""
CACHE: Final = 50_000
"""Decoded accounts that are kept: about 2 KB each."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """How a shard works. Times are microseconds."""

    queue: int = 20_000
    """Requests that may wait. New sessions and events are refused first (``admission.py``)."""
    batch: int = 512
    """Requests in one batch at most …"""
    batch_us: int = 2_000
    """… and how long one may be decided on: others wait for its sync."""
    in_flight: int = 3
    """Batches that wait for the log at most. The log takes one more than that."""
    sweep: int = 128
    """Due accounts that are looked after with one batch."""
    cache: int = CACHE


@dataclass(frozen=True, slots=True)
class Open:
    """A request of the control plane: a new account. One that is there already stays as it is."""

    account_to_open: Account

    @property
    def account(self) -> int:
        """Return the number of the account."""
        return self.account_to_open.number


Ask = Request | Open | Inspect


def tell(reply: Reply, answer: Answer | None) -> None:
    """Tell one client; a defect in its way back must not keep the others from their answers."""
    try:
        reply(answer)
    except Exception:  # noqa: BLE001
        _log.exception("answer could not be told")
