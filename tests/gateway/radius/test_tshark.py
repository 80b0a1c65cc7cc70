"""Wireshark's decoder reads everything that Farwire sends over RADIUS without a complaint."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging.model import CommandKind
from farwire.gateway.radius.dictionary import Code, Status, key_of
from farwire.gateway.radius.profiles import read_profiles
from farwire.gateway.radius.proofs import access_octets
from farwire.gateway.sessions import Reason
from farwire.kernel.ids import TenantId
from tests.gateway.radius.captures import packets, write
from tests.gateway.radius.test_renewing import CHANGE
from tests.gateway.radius.test_telling import GARDEN, INTERIM, want
from tests.gateway.radius.world import MB, PROFILES, SECRET, World, a_nas, a_world

pytestmark = pytest.mark.rigs
CLASS = key_of("Class")
LIMITS = (
    ("ChilliSpot-Max-Total-Octets", "Mikrotik-Total-Limit"),
    ("ChilliSpot-Max-Total-Gigawords", "Mikrotik-Total-Limit-Gigawords"),
)
"""Wireshark does not know ChilliSpot's Gigawords."""


async def every_answer(world: World) -> None:
    """Have every sort of answer and of change sent."""
    states = [(key_of("Proxy-State"), b"one"), (key_of("Proxy-State"), b"two")]
    accepted = await world.auth.access("491511", "fjord-otter", *states)
    ticket = (CLASS, accepted.first(CLASS) or b"")
    await world.auth.access("491511", "wrong", *states)
    await world.auth.answer(access_octets(Code.STATUS_SERVER, 99, os.urandom(16), [], SECRET))
    await world.acct.answer(access_octets(Code.STATUS_SERVER, 99, os.urandom(16), [], SECRET))
    await world.acct.account(Status.START, ticket, *states)
    await world.auth.access("491511", "fjord-otter", (key_of("State"), ticket[1]))
    await world.command(CommandKind.BAR, "bar", 1)
    await want(world, Reason.SUSPENDED)
    await world.command(CommandKind.BAR, "unbar", 0)
    await want(world, Reason.RESUMED)
    await world.acct.account(Status.INTERIM, ticket, output=60 * MB, seconds=9)
    await asyncio.gather(*world.gateway.application.tasks)
    await world.auth.access()


@pytest.mark.parametrize("manner", [INTERIM, CHANGE + 'counts = "both"\n'])
async def test_tshark_reads_every_answer_and_every_change_and_proves_them(
    db: Database,
    tenant_id: TenantId,
    clock: MovableClock,
    tmp_path: Path,
    require_rig: Callable[[str], Path],
    manner: str,
) -> None:
    tshark, path = require_rig("tshark"), tmp_path / "answers.pcap"
    async with a_nas() as nas:
        text = PROFILES.format(more=manner.format(port=nas.port) + GARDEN, auth=0, acct=0)
        for old, new in LIMITS:
            text = text.replace(old, new)
        node = read_profiles(text)
        async with a_world(db, tenant_id, clock, tmp_path, node=node) as world:
            await every_answer(world)
            octets = [
                *((1812, 40_000, one) for one in world.seen),
                *((40_001, 3799, one) for one in nas.seen),
            ]
    assert {one[2][0] for one in octets} == {2, 3, 5, 40, 43}
    write(path, octets)
    assert packets(path) == [one[2] for one in octets]
    words = [
        tshark,
        "-r",
        path,
        "-d",
        "udp.port==1812,radius",
        "-d",
        "udp.port==3799,radius",
        "-V",
        "-O",
        "radius",
    ]
    done = await asyncio.to_thread(
        subprocess.run,
        [*words, "-o", f"radius.shared_secret:{SECRET.decode()}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("RADIUS Protocol") == len(octets)
    complaints = r".*(?:[Mm]alformed|Unknown|unknown|Expert Info|incorrect).*"
    assert re.findall(complaints, done.stdout) == []
