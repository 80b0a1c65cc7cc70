"""Money from one account to another one of another virtual shard: three commands, one after the other. Pure.

``asked`` → *out of the payer* → ``taken`` → *into the payee* → ``done``. A payer that refuses ends it (``refused``); a
payee that refuses lets the money go *back to the payer* (``returning`` → ``returned``). Each command has a key of its
own, made of the transfer's, so that whoever carries it on may repeat it. A refusal that an account keeps under the key
is final: no repeat can have another answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from types import MappingProxyType
from typing import Final
from uuid import UUID

from farwire.charging.model.answers import ResultCode
from farwire.charging.model.requests import Command, CommandKind
from farwire.charging.model.state import COMMAND_KEPT_US

SURE: Final = timedelta(microseconds=COMMAND_KEPT_US // 2)
"""Until then an account certainly knows the keys of a transfer; after it the books are asked first."""
FINAL: Final = frozenset({int(ResultCode.END_USER_DENIED), int(ResultCode.CREDIT_LIMIT_REACHED)})
"""Refusals that an account keeps. Everything else is asked again."""


class TransferState(StrEnum):
    """How far a transfer has come."""

    ASKED = "asked"
    TAKEN = "taken"
    """Out of the payer, not yet with the payee: it stands on book 1060."""
    DONE = "done"
    REFUSED = "refused"
    """The payer could not give it; nothing moved."""
    RETURNING = "returning"
    """The payee could not take it; not yet back."""
    RETURNED = "returned"


ENDED: Final = frozenset({TransferState.DONE, TransferState.REFUSED, TransferState.RETURNED})


@dataclass(frozen=True, slots=True)
class Transfer:
    """One transfer."""

    id: UUID
    payer: int
    payee: int
    amount: int
    """Nano-units."""
    state: TransferState
    result: int
    """The code with which one of the two refused; 0: neither did."""
    asked_at: datetime
    changed_at: datetime

    @property
    def ended(self) -> bool:
        """Tell whether nothing more will happen."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class _Step:
    kind: CommandKind
    of_payee: bool
    done: TransferState
    refused: TransferState | None


_STEPS: Final = MappingProxyType(
    {
        TransferState.ASKED: _Step(
            CommandKind.TRANSFER_OUT, of_payee=False, done=TransferState.TAKEN, refused=TransferState.REFUSED
        ),
        TransferState.TAKEN: _Step(
            CommandKind.TRANSFER_IN, of_payee=True, done=TransferState.DONE, refused=TransferState.RETURNING
        ),
        TransferState.RETURNING: _Step(
            CommandKind.TRANSFER_BACK, of_payee=False, done=TransferState.RETURNED, refused=None
        ),
    }
)


def next_command(transfer: Transfer) -> Command | None:
    """Return what is asked next, the same at every time; None when the transfer has ended."""
    step = _STEPS.get(transfer.state)
    return None if step is None else _command(transfer, step)


def commands_of(transfer: Transfer) -> tuple[Command, ...]:
    """Return every command of a transfer, also those that are never given."""
    return tuple(_command(transfer, step) for step in _STEPS.values())


def _command(transfer: Transfer, step: _Step) -> Command:
    account, other = transfer.payer, transfer.payee
    if step.of_payee:
        account, other = other, account
    key = blake2b(transfer.id.bytes + step.kind.to_bytes(1, "big"), digest_size=16).digest()
    hi, lo = (int.from_bytes(half, "big", signed=True) for half in (key[:8], key[8:]))
    return Command(account, hi, lo, int(step.kind), transfer.amount, other)


def after(transfer: Transfer, result: int) -> TransferState | None:
    """Return the state after ``result`` of the next command; None: it is not known yet, ask again."""
    step = _STEPS[transfer.state]
    if result == ResultCode.SUCCESS:
        return step.done
    return step.refused if result in FINAL else None
