"""Clients by address or network, each with its own secret; and floods of those who are none."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import psutil
import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.gateway.radius.codec import Packet, decode
from farwire.gateway.radius.dictionary import Code, key_of
from farwire.gateway.radius.profiles import Node, read_profiles
from farwire.gateway.radius.proofs import access_octets, hidden, is_genuine
from farwire.kernel.ids import TenantId
from tests.gateway.processes import Processes, free_port
from tests.gateway.radius.world import PASSWORD, PROFILES, USER, World, a_world, pair

SECRETS = {"127.0.0.2": b"of-the-address", "127.0.0.3": b"of-the-network", "::1": b"of-the-sixth"}
CLIENTS = """
listen = ["127.0.0.1:0", "[::1]:0"]
listen_accounting = ["127.0.0.1:0"]
reject_delay_ms = 0
""" + "".join(
    f"""
[[clients]]
name = "{secret}"
addresses = ["{addresses}"]
secret = "{secret}"
tenant = "nordlicht"
renewal = "interim"
changes_port = 3799
"""
    for addresses, secret in (
        ("127.0.0.2", "of-the-address"),
        ("127.0.0.0/8", "of-the-network"),
        ("::/64", "of-the-sixth"),
    )
)


@pytest.fixture
def node() -> Node:
    return read_profiles(CLIENTS)


async def asked(world: World, source: str, secret: bytes) -> Packet | None:
    """Log in from an address with a secret; return the answer, or None after another client has had one."""
    loop, nonce = asyncio.get_running_loop(), os.urandom(16)
    port = world.gateway.server.addresses[Code.ACCESS_REQUEST][":" in source]
    pairs = [pair("User-Name", USER), (key_of("User-Password"), hidden(PASSWORD.encode(), secret, nonce))]
    with socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.setblocking(False)
        one.bind((source, 0))
        one.connect(port)
        one.send(access_octets(Code.ACCESS_REQUEST, 7, nonce, pairs, secret))
        if secret != SECRETS[source]:
            assert (await asked(world, source, SECRETS[source])) is not None
            with pytest.raises(BlockingIOError):
                one.recv(4_096)
            return None
        async with asyncio.timeout(30):
            found = decode(await loop.sock_recv(one, 4_096))
    assert is_genuine(found, secret, nonce)
    return found


async def test_each_client_is_known_by_its_address_or_network_and_proved_by_its_own_secret(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path, node: Node
) -> None:
    async with a_world(db, tenant_id, clock, tmp_path, node=node) as world:
        for source, secret in SECRETS.items():
            answer = await asked(world, source, secret)
            assert answer is not None
            assert answer.code == Code.ACCESS_ACCEPT
            for other in SECRETS.values():
                if other != secret:
                    assert await asked(world, source, other) is None


FLOOD, SOURCES, GROWTH = 20_000, 200, 16 << 20


def flooded(port: int, seed: int) -> None:
    """Send what is no packet, is of strangers, is not proved, and is asked once and never again, from many sources."""
    status = [access_octets(Code.STATUS_SERVER, one, os.urandom(16), [], b"another") for one in range(20)]
    kinds = [*status, b"", b"\1" * 19, os.urandom(4_096), b"\1\1\xff\xff" + bytes(60), bytes(65_000)]
    for place in range(SOURCES):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.bind((f"127.{seed}.{place % 250}.{1 + place // 250}", 0))
            for number in range(FLOOD // SOURCES):
                one.sendto(kinds[number % len(kinds)], ("127.0.0.1", port))


@pytest.mark.full
async def test_a_flood_takes_no_memory_and_who_is_known_is_answered_after_it(
    shop: None, processes: Processes
) -> None:
    ports = {"auth": free_port(socket.SOCK_DGRAM), "acct": free_port(socket.SOCK_DGRAM)}
    text = PROFILES.format(more="", **ports).replace('"127.0.0.0/8"', '"127.0.0.0/9"')
    (processes.folder / "clients.toml").write_text(text)
    words = ("gateway", "radius", "serve", "clients.toml")
    gateway = await asyncio.to_thread(processes.farwire, "gateway", *words, until="is served at")
    octets, secret = psutil.Process(gateway.pid).memory_info, b"testing123"

    def alive() -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(1)
            one.sendto(
                access_octets(Code.STATUS_SERVER, 1, os.urandom(16), [], secret), ("127.0.0.1", ports["auth"])
            )
            try:
                return decode(one.recv(4_096)).code == Code.ACCESS_ACCEPT
            except TimeoutError:
                return False

    for seed in (1, 200):  # of the network, and strangers
        await asyncio.to_thread(flooded, ports["auth"], seed)
        await asyncio.to_thread(processes.wait, alive, "gateway", gateway)
    before = octets().rss
    for seed in (2, 3, 201, 202):
        await asyncio.to_thread(flooded, ports["auth"], seed)
        await asyncio.to_thread(processes.wait, alive, "gateway", gateway)
    assert octets().rss - before < GROWTH
    assert "Traceback" not in processes.said("gateway")
