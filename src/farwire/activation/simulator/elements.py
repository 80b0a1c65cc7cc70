"""What the simulated network elements know and do: pure functions of their state and an operation."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from farwire.activation.model import ACTIVE, STATUS, SUSPENDED, Action, Operation
from farwire.kernel.errors import Invalid

State = Mapping[str, str]
SMDP_HOST: Final = "smdp.farwire.example"
_IMSI: Final = re.compile(r"[0-9]{14,15}")
_MSISDN: Final = re.compile(r"[1-9][0-9]{5,14}")
_ICCID: Final = re.compile(r"[0-9]{18,20}")
_SERVICES: Final = "voice,sms,data"


@dataclass(frozen=True, slots=True)
class Element:
    """A simulated element: what it checks, how it keeps a target, and how it shows one."""

    name: str
    check: Callable[[Operation, State], None]
    keep: Callable[[State, str], State]
    """What it stores of the attributes, under a status."""
    show: Callable[[State], State]
    one_number: bool = False
    """Whether an MSISDN belongs to one target only."""

    def after(self, before: State | None, operation: Operation) -> State | None:
        """Return what the element knows after the operation. Raises ``Invalid`` where it refuses."""
        if operation.action is Action.TERMINATE:
            return None
        if operation.action is Action.PROVISION:
            self.check(operation, operation.attributes)
            return self.keep(operation.attributes, ACTIVE)
        if before is None:
            raise refused(self.name, "it does not know the target")
        shown = self.show(before)
        status = {Action.SUSPEND: SUSPENDED, Action.RESUME: ACTIVE}.get(operation.action, shown[STATUS])
        wanted = {**before, **operation.attributes}
        self.check(operation, wanted)
        return self.keep(wanted, status)


def refused(adapter: str, why: str) -> Invalid:
    """Return the answer of an element that will not; nothing of the target is repeated."""
    return Invalid(
        f"{adapter} refuses: {why}",
        code="activation.refused",
        field="target",
        fix="look at the order, then retry it or cancel it",
    )


def _check_hlr(operation: Operation, wanted: State) -> None:
    if _IMSI.fullmatch(operation.target) is None:
        raise refused("hlr", "the target is no IMSI of 14 or 15 digits")
    if _MSISDN.fullmatch(wanted.get("msisdn", "")) is None:
        raise refused("hlr", "msisdn is no number of 6 to 15 digits with its country code")


def _keep_hlr(wanted: State, status: str) -> State:
    return {"services": _SERVICES, **wanted, "barred": "none" if status == ACTIVE else "all"}


def _show_hlr(state: State) -> State:
    return {**state, STATUS: ACTIVE if state["barred"] == "none" else SUSPENDED}


def _check_smdp(operation: Operation, wanted: State) -> None:
    if _ICCID.fullmatch(operation.target) is None:
        raise refused("smdp", "the target is no ICCID of 18 to 20 digits")
    if "$" in wanted.get("matching_id", ""):
        raise refused("smdp", "the matching id contains $")


def _keep_smdp(wanted: State, status: str) -> State:
    made = hashlib.sha256("|".join(sorted(wanted.values())).encode()).hexdigest()[:20].upper()
    state = "released" if status == ACTIVE else "disabled"
    return {"matching_id": made, **wanted, "state": state}


def _show_smdp(state: State) -> State:
    code = f"LPA:1${SMDP_HOST}${state['matching_id']}"
    return {**state, "activation_code": code, STATUS: ACTIVE if state["state"] == "released" else SUSPENDED}


def _check_charging(operation: Operation, wanted: State) -> None:
    """Accept every target."""


def _keep_charging(wanted: State, status: str) -> State:
    return {**wanted, "account_state": status}


def _show_charging(state: State) -> State:
    return {**state, STATUS: state["account_state"]}


HLR: Final = Element("hlr", _check_hlr, _keep_hlr, _show_hlr, one_number=True)
SMDP: Final = Element("smdp", _check_smdp, _keep_smdp, _show_smdp)
CHARGING: Final = Element("charging", _check_charging, _keep_charging, _show_charging)
PLAIN: Final = tuple(
    Element(name, _check_charging, _keep_charging, _show_charging)
    for name in ("access", "radius", "transport", "hypervisor")
)
"""Elements that keep whatever they are told: a line's profile, a subscriber, a circuit, a virtual machine."""
