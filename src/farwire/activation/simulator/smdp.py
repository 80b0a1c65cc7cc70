"""A simulated SM-DP+ in the shape of GSMA ES2+: orders, confirmations and releases of eSIM profiles.

Source: SGP.22 §3.1 (states of a profile), §5.3 (ES2+ functions).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from farwire.activation.model import ACTIVE, STATUS, SUSPENDED, Operation
from farwire.activation.simulator.kinds import INCOMPLETE, Kind, State, refused

SMDP_HOST: Final = "smdp.farwire.example"
_ICCID: Final = re.compile(r"[0-9]{18,20}")
_EID: Final = re.compile(r"[0-9]{32}")
_DISABLED: Final = "disabled"


class Function(StrEnum):
    """What an operator asks of an SM-DP+."""

    DOWNLOAD_ORDER = "downloadOrder"
    CONFIRM_ORDER = "confirmOrder"
    RELEASE_PROFILE = "releaseProfile"
    CANCEL_ORDER = "cancelOrder"


class ProfileState(StrEnum):
    """Where a profile is on its way to a device."""

    AVAILABLE = "available"
    ALLOCATED = "allocated"
    LINKED = "linked"
    """Allocated, for the device with an EID."""
    CONFIRMED = "confirmed"
    RELEASED = "released"


@dataclass(frozen=True, slots=True)
class Call:
    """One ES2+ call. The EID is given at the latest with the confirmation, or not at all."""

    function: Function
    eid: str = ""
    matching_id: str = ""
    release: bool = False
    """``releaseFlag`` of a confirmation: the profile is released at once."""


_FROM: Final[Mapping[Function, frozenset[ProfileState]]] = {
    Function.DOWNLOAD_ORDER: frozenset({ProfileState.AVAILABLE}),
    Function.CONFIRM_ORDER: frozenset({ProfileState.ALLOCATED, ProfileState.LINKED}),
    Function.RELEASE_PROFILE: frozenset({ProfileState.CONFIRMED}),
    Function.CANCEL_ORDER: frozenset(ProfileState) - {ProfileState.AVAILABLE},
}


def called(state: ProfileState, call: Call) -> ProfileState:
    """Return the profile's state after the call. Raises ``Invalid`` where the function is not for its state."""
    if state not in _FROM[call.function]:
        raise refused("smdp", f"{call.function} is not for a profile that is {state}")
    if call.eid and _EID.fullmatch(call.eid) is None:
        raise refused("smdp", "the EID has not 32 digits")
    if "$" in call.matching_id:
        raise refused("smdp", "the matching id contains $")
    if call.function is Function.DOWNLOAD_ORDER:
        return ProfileState.LINKED if call.eid else ProfileState.ALLOCATED
    if call.function is Function.CONFIRM_ORDER:
        return ProfileState.RELEASED if call.release else ProfileState.CONFIRMED
    return ProfileState.RELEASED if call.function is Function.RELEASE_PROFILE else ProfileState.AVAILABLE


def ordered(wanted: State) -> tuple[Call, ...]:
    """Return the calls by which a profile that is available gets to a customer."""
    eid = wanted.get("eid", "")
    return (
        Call(Function.DOWNLOAD_ORDER, eid),
        Call(Function.CONFIRM_ORDER, eid, wanted.get("matching_id", "")),
        Call(Function.RELEASE_PROFILE),
    )


def _check(operation: Operation, wanted: State) -> None:
    if _ICCID.fullmatch(operation.target) is None:
        raise refused("smdp", "the target is no ICCID of 18 to 20 digits")
    _end_of(wanted, calls=len(ordered(wanted)))


def _end_of(wanted: State, *, calls: int) -> ProfileState:
    state = ProfileState.AVAILABLE
    for call in ordered(wanted)[:calls]:
        state = called(state, call)
    return state


def _keep(before: State | None, wanted: State, status: str) -> State:
    asked = {name: text for name, text in wanted.items() if name != "state"}
    made = hashlib.sha256("|".join(sorted(asked.values())).encode()).hexdigest()[:20].upper()
    state = _DISABLED if status == SUSPENDED else _end_of(wanted, calls=3).value
    return {"matching_id": made, **asked, "state": state} if before is None else {**asked, "state": state}


def _half(_before: State | None, after: State | None) -> State:
    """Return the profile confirmed and not released; one that is cancelled stays as it was confirmed."""
    kept = after or _before or {}
    return {**kept, "state": ProfileState.CONFIRMED.value}


def _show(state: State) -> State:
    status = {ProfileState.RELEASED.value: ACTIVE, _DISABLED: SUSPENDED}.get(state["state"], INCOMPLETE)
    return {**state, "activation_code": f"LPA:1${SMDP_HOST}${state['matching_id']}", STATUS: status}


SMDP: Final = Kind("simulated-smdp", _check, _keep, _show, half=_half)
