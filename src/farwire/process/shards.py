"""What flows have in common that give commands to the shards of this installation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from farwire.base.eventbus.delivery import RetryPolicy
from farwire.charging.service import Client

ClientOf = Callable[[], Client]
"""The way to the shards, asked for when a command is given: who only asks for subscribers needs no settings."""
RETRY: Final = RetryPolicy(max_attempts=2_000, longest_delay=timedelta(minutes=5))
"""Of an event that a shard does not carry out: about a week; then a person looks at it (``farwire events parked``)."""
