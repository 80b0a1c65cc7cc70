"""FreeRADIUS's ``radclient`` logs a subscriber in and accounts; shard, gateway and worker are processes."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from farwire.base.storage import Database
from farwire.gateway.radius.dictionary import Code, key_of
from farwire.kernel.ids import TenantId
from tests.gateway.billed import a_contract
from tests.gateway.processes import Processes, free_port
from tests.gateway.radius.test_telling import GARDEN, INTERIM
from tests.gateway.radius.world import MB, PROFILES, ToldNas, a_nas

pytestmark = [pytest.mark.rigs, pytest.mark.full]
NUMBER, PASSWORD = "491701234567", "fjord-otter"


class Radclient:
    """Sends packets to the gateway, and says what came back."""

    def __init__(self, program: Path, ports: dict[str, int]) -> None:
        self.program, self.ports, self.number, self.session = program, ports, NUMBER, "r1"

    async def __call__(self, kind: str, *attributes: str, answers: str) -> str:
        words = [
            self.program,
            "-x",
            "-r",
            "5",
            "-t",
            "10",
            f"127.0.0.1:{self.ports[kind]}",
            kind,
            "testing123",
        ]
        done = await asyncio.to_thread(
            subprocess.run, words, input=", ".join(attributes), capture_output=True, text=True, check=False
        )
        assert f"Received {answers}" in done.stdout, done.stdout + done.stderr
        return done.stdout.split("Received ", 1)[1]

    async def log_in(self, password: str = PASSWORD, *more: str, answers: str = "Access-Accept") -> str:
        words = (f'User-Name = "{self.number}"', "Message-Authenticator = 0x00", *more)
        return await self("auth", *words, f'User-Password = "{password}"', answers=answers)

    async def account(self, status: str, ticket: str, octets: int, seconds: int) -> None:
        await self(
            "acct", f"Acct-Status-Type = {status}", f'User-Name = "{self.number}"',
            f'Acct-Session-Id = "{self.session}"', f"Acct-Output-Octets = {octets}",
            f"Acct-Session-Time = {seconds}", f"Class = {ticket}",
            answers="Accounting-Response",
        )  # fmt: skip


@pytest.fixture
def radclient(require_rig: Callable[[str], Path]) -> Radclient:
    ports = {"auth": free_port(socket.SOCK_DGRAM), "acct": free_port(socket.SOCK_DGRAM)}
    return Radclient(require_rig("radclient"), ports)


def start(processes: Processes, radclient: Radclient, more: str) -> None:
    (processes.folder / "clients.toml").write_text(PROFILES.format(more=more, **radclient.ports))
    (processes.folder / "password").write_text(PASSWORD)
    processes.call(
        "gateway", "radius", "credential", "set", radclient.number, "--chap", "--password-file",
        str(processes.folder / "password"),
    )  # fmt: skip
    processes.farwire("gateway", "gateway", "radius", "serve", "clients.toml", until="is served at")


def ticket_in(said: str) -> str:
    return said.split("Class = ")[1].split(maxsplit=1)[0]


async def test_a_subscriber_logs_in_is_charged_cut_off_and_has_it_in_the_movements(
    shop: None, processes: Processes, radclient: Radclient
) -> None:
    async with a_nas() as nas:
        await asyncio.to_thread(start, processes, radclient, INTERIM.format(port=nas.port))
        await radclient.log_in("wrong", answers="Access-Reject")
        ticket = ticket_in(await radclient.log_in())
        await radclient.account("Start", ticket, 0, 0)
        await radclient.account("Interim-Update", ticket, 4 * MB, 60)
        await radclient.account("Interim-Update", ticket, 10 * MB, 120)
        request = await nas.next()
        assert (request.code, request.text(key_of("Acct-Session-Id"))) == (Code.DISCONNECT_REQUEST, "r1")
        await radclient.account("Stop", ticket, 10 * MB, 121)
        assert "credit" in await radclient.log_in(answers="Access-Reject")
    await asyncio.to_thread(processes.wait, lambda: used(processes) == pytest.approx(-0.2))


def used(processes: Processes) -> float:
    rows = json.loads(processes.call("charging", "account", "movements", NUMBER, "--json"))
    return sum(float(row["amount"].split()[0]) for row in rows["items"] if row["kind"] == "usage")


async def test_a_bar_leads_into_the_garden_and_its_end_back_to_full_speed(
    shop: None, processes: Processes, radclient: Radclient
) -> None:
    async with a_nas() as nas:
        more = INTERIM.format(port=nas.port) + "message_authenticator = 'optional'" + GARDEN
        await asyncio.to_thread(start, processes, radclient, more)
        await asyncio.to_thread(processes.farwire, "worker", "worker", until="Working on")
        await radclient(
            "auth", f'User-Name = "{NUMBER}"', f'CHAP-Password = "{PASSWORD}"', answers="Access-Accept"
        )
        said = await radclient.log_in()
        assert 'Filter-Id = "full"' in said
        await radclient.account("Start", ticket_in(said), 0, 0)
        await told(processes, nas, "bar", ["garden", "dns"])
        await told(processes, nas, "unbar", ["full"])


async def told(processes: Processes, nas: ToldNas, command: str, filters: list[str]) -> None:
    await asyncio.to_thread(processes.call, "charging", "account", command, NUMBER)
    request = await nas.next()
    assert request.code == Code.COA_REQUEST
    assert [one.decode() for one in request.all(key_of("Filter-Id"))] == filters


async def test_a_session_is_on_the_bill_of_its_subscriber_with_its_reason(
    shop: None, processes: Processes, radclient: Radclient, db: Database, tenant_id: TenantId
) -> None:
    radclient.number = "491701234568"
    contract = await a_contract(db, tenant_id, processes, radclient.number, per_mb="0.02")
    await asyncio.to_thread(start, processes, radclient, INTERIM.format(port=free_port(socket.SOCK_DGRAM)))
    ticket = ticket_in(await radclient.log_in())
    await radclient.account("Start", ticket, 0, 0)
    await radclient.account("Interim-Update", ticket, 4 * MB, 60)
    await radclient.account("Stop", ticket, 7 * MB, 90)
    (why,) = (await contract.explained()).values()
    assert "7 MB at 0.02 EUR per 1 MB = 0.14 EUR." in why, why
