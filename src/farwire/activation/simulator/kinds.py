"""What a kind of simulated network element knows and does: pure functions of its state and an operation."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from farwire.activation.model import ACTIVE, STATUS, SUSPENDED, Action, Operation
from farwire.kernel.errors import Invalid

State = Mapping[str, str]
INCOMPLETE: Final = "incomplete"
"""The status of what was begun and not ended."""
_IMSI: Final = re.compile(r"[0-9]{14,15}")
_MSISDN: Final = re.compile(r"[1-9][0-9]{5,14}")
_SERVICES: Final = "voice,sms,data"


def a_part(before: State | None, after: State | None) -> State:
    """Return what is there when only the first half of the attributes was written, by their names."""
    old, new = before or {}, after or {}
    names = sorted({*old, *new})
    written = set(names[: len(names) // 2])
    return {name: text for name, text in old.items() if name not in written} | {
        name: text for name, text in new.items() if name in written
    }


def nothing_alone(_state: State) -> str | None:
    """Return None: targets may have all in common."""
    return None


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of element: what it checks, how it keeps a target, and how it shows one."""

    name: str
    check: Callable[[Operation, State], None]
    keep: Callable[[State | None, State, str], State]
    """What it stores, from what it has and what is wanted, under a status."""
    show: Callable[[State], State]
    alone: Callable[[State], str | None] = nothing_alone
    """What no other target may have."""
    half: Callable[[State | None, State | None], State] = a_part
    """Where a write stops that is half applied."""
    confirms: bool = False
    """Whether a write must be confirmed, and can be taken back."""

    def after(self, before: State | None, operation: Operation) -> State | None:
        """Return what the element knows after the operation. Raises ``Invalid`` where it refuses."""
        if operation.action is Action.TERMINATE:
            return None
        if operation.action is Action.PROVISION:
            self.check(operation, operation.attributes)
            return self.keep(None, operation.attributes, ACTIVE)
        if before is None:
            raise refused(self.name, "it does not know the target")
        shown = self.show(before)
        status = {Action.SUSPEND: SUSPENDED, Action.RESUME: ACTIVE}.get(operation.action, shown[STATUS])
        wanted = {**before, **operation.attributes}
        self.check(operation, wanted)
        return self.keep(before, wanted, status)


def refused(kind: str, why: str) -> Invalid:
    """Return the answer of an element that will not; nothing of the target is repeated."""
    return Invalid(
        f"{kind} refuses: {why}",
        code="activation.refused",
        field="target",
        fix="look at the order, then retry it or cancel it",
    )


def _check_hlr(operation: Operation, wanted: State) -> None:
    if _IMSI.fullmatch(operation.target) is None:
        raise refused("hlr", "the target is no IMSI of 14 or 15 digits")
    if _MSISDN.fullmatch(wanted.get("msisdn", "")) is None:
        raise refused("hlr", "msisdn is no number of 6 to 15 digits with its country code")


def _keep_hlr(_before: State | None, wanted: State, status: str) -> State:
    return {"services": _SERVICES, **wanted, "barred": "none" if status == ACTIVE else "all"}


def _show_hlr(state: State) -> State:
    status = {"none": ACTIVE, "all": SUSPENDED}.get(state.get("barred", ""), INCOMPLETE)
    return {**state, STATUS: status}


def _number(state: State) -> str | None:
    return state.get("msisdn")


def accept(_operation: Operation, _wanted: State) -> None:
    """Accept every target."""


def _keep_account(_before: State | None, wanted: State, status: str) -> State:
    return {**wanted, "account_state": status}


def _show_account(state: State) -> State:
    return {**state, STATUS: state.get("account_state", INCOMPLETE)}


HLR: Final = Kind("simulated-hlr", _check_hlr, _keep_hlr, _show_hlr, alone=_number)
STORE: Final = Kind("simulated-store", accept, _keep_account, _show_account)
"""It keeps whatever it is told: a charging account, a subscriber, a virtual machine."""
