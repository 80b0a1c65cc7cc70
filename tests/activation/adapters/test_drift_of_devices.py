"""Activation on third-party elements: applied once, previewed, and brought back when another hand changed them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from farwire.activation import service
from farwire.activation.adapters import Element, adapter_of
from farwire.activation.model import Action, Operation
from farwire.activation.port import Confirming
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.kernel.ids import TenantId
from tests.activation.adapters import devices
from tests.gateway.processes import Processes, free_port


@dataclass
class Peer:
    """An element, and a target in it with other values for its attributes."""

    element: Element
    target: str
    attributes: dict[str, str]
    other: dict[str, str]


def dns(programs: Processes, require_rig: Callable[[str], Path], tenant_id: TenantId) -> Peer:
    port = free_port()
    devices.start_dns(programs, require_rig, port, free_port(socket.SOCK_DGRAM))
    element = Element(
        tenant_id, "names", "http", f"http://127.0.0.1:{port}", f"file:{programs.folder}/dns-{port}/key",
        devices.DNS_SETTINGS, 30,
    )  # fmt: skip
    made = {"address": "192.0.2.1", "ttl": "60"}
    return Peer(element, "a.example.org.", made, {"address": "192.0.2.66"})


def snmp(programs: Processes, require_rig: Callable[[str], Path], tenant_id: TenantId) -> Peer:
    port = free_port(socket.SOCK_DGRAM)
    devices.start_snmp(programs, require_rig, port)
    element = Element(
        tenant_id, "rows", "snmp", f"127.0.0.1:{port}", f"file:{programs.folder}/snmp-{port}/passphrases",
        {**devices.SNMP_ROWS, **devices.SNMP_V3}, 30,
    )  # fmt: skip
    return Peer(element, "row-1", {"retries": "2"}, {"retries": "9"})


def netconf(programs: Processes, require_rig: Callable[[str], Path], tenant_id: TenantId) -> Peer:
    device = devices.start_netconf(programs, require_rig)
    element = device.element(tenant_id, "netconf", devices.NETCONF_SETTINGS, timeout_s=60)
    return Peer(replace(element, name="lines"), "vlan.1", {"description": "a"}, {"description": "b"})


@pytest.mark.rigs
@pytest.mark.full
@pytest.mark.parametrize("make", [dns, snmp, netconf])
async def test_what_another_hand_changed_is_brought_back(
    make: Callable[..., Peer],
    programs: Processes,
    require_rig: Callable[[str], Path],
    db: Database,
    tenant_id: TenantId,
    clock: MovableClock,
) -> None:
    peer = make(programs, require_rig, tenant_id)
    name, target = peer.element.name, peer.target
    provision = Operation("k1", Action.PROVISION, target, peer.attributes)
    async with db.transaction(tenant_id) as tx:
        await service.set_element(tx, element=peer.element, now=clock.now())
        assert (await service.preview(tx, adapter=name, operation=provision)).differs
        done = await service.apply(tx, adapter=name, operation=provision, now=clock.now())
        again = await service.apply(tx, adapter=name, operation=provision, now=clock.now())
    assert (done.repeated, again.repeated) == (False, True)
    assert done.attributes.items() >= {**peer.attributes, "status": "active"}.items()
    hand = adapter_of(peer.element)
    for change in (
        Operation("h1", Action.CHANGE, target, peer.other),
        Operation("h2", Action.TERMINATE, target),
    ):
        async with db.transaction(tenant_id) as tx:
            await hand.write(tx, change)
            if isinstance(hand, Confirming):
                await hand.confirm(tx, change)
        for _ in range(2):
            looked = await service.look_at(db=db, tenant_id=tenant_id, adapter=name, clock=clock)
            assert looked.problem == ""
        async with db.transaction(tenant_id) as tx:
            assert await service.read_back(tx, adapter=name, target=target) == done.attributes
