"""A simulated optical line terminal (ports, ONTs, line profiles) and a simulated router (VLANs, VRFs, addresses)."""

from __future__ import annotations

import re
from ipaddress import ip_interface
from typing import Final

from farwire.activation.model import ACTIVE, STATUS, SUSPENDED, Operation
from farwire.activation.simulator.kinds import INCOMPLETE, Kind, State, refused

MAX_VLAN: Final = 4094
_PORT: Final = re.compile(r"\S{1,64}")
_SERIAL: Final = re.compile(r"[A-Z]{4}[0-9A-F]{8}")
_RATE: Final = re.compile(r"[1-9][0-9]{0,5}")
_VRF: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")


def _check_vlan(kind: str, wanted: State) -> None:
    vlan = wanted.get("vlan", "1")
    if not (vlan.isascii() and vlan.isdigit() and 1 <= int(vlan[:6]) <= MAX_VLAN):
        raise refused(kind, f"vlan is not 1 to {MAX_VLAN}")


def _check_olt(_operation: Operation, wanted: State) -> None:
    if _PORT.fullmatch(wanted.get("port", "1")) is None:
        raise refused("olt", "port is no name of a port")
    if _SERIAL.fullmatch(wanted.get("serial", "FWIR00000000")) is None:
        raise refused("olt", "serial is not 4 letters and 8 hexadecimal digits")
    if not all(_RATE.fullmatch(wanted.get(name, "1")) for name in ("down", "up")):
        raise refused("olt", "down or up is no rate in Mbit/s")
    _check_vlan("olt", wanted)


def _keep_olt(_before: State | None, wanted: State, status: str) -> State:
    rates = [wanted[name] for name in ("down", "up") if name in wanted]
    made = {"line_profile": "/".join(rates)} if rates else {}
    return {**wanted, **made, "ont": "enabled" if status == ACTIVE else "disabled"}


def _show_olt(state: State) -> State:
    return {**state, STATUS: {"enabled": ACTIVE, "disabled": SUSPENDED}.get(state.get("ont", ""), INCOMPLETE)}


def _serial(state: State) -> str | None:
    return state.get("serial")


def _check_router(_operation: Operation, wanted: State) -> None:
    _check_vlan("router", wanted)
    if _VRF.fullmatch(wanted.get("vrf", "main")) is None:
        raise refused("router", "vrf is no name of a VRF")
    try:
        ip_interface(wanted.get("address", "192.0.2.1/31"))
    except ValueError as error:
        raise refused("router", "address is no address with its prefix length") from error


def _keep_router(_before: State | None, wanted: State, status: str) -> State:
    return {**wanted, "admin": "up" if status == ACTIVE else "down"}


def _show_router(state: State) -> State:
    return {**state, STATUS: {"up": ACTIVE, "down": SUSPENDED}.get(state.get("admin", ""), INCOMPLETE)}


def _unit(state: State) -> str | None:
    """Return the VLAN of an interface, or the address in its VRF."""
    if "interface" in state and "vlan" in state:
        return f"{state['interface']}.{state['vlan']}"
    return f"{state.get('vrf', 'main')} {state['address']}" if "address" in state else None


OLT: Final = Kind("simulated-olt", _check_olt, _keep_olt, _show_olt, alone=_serial)
ROUTER: Final = Kind(
    "simulated-router", _check_router, _keep_router, _show_router, alone=_unit, confirms=True
)
