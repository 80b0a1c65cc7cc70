"""Programs that we did not write, from Debian's packages, speak Diameter with Farwire."""

from __future__ import annotations

import asyncio
import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from farwire.charging import service as charging
from farwire.charging.model import CommandKind
from farwire.gateway.diameter.answering import result_in
from farwire.gateway.diameter.codec import Message, encode
from farwire.gateway.diameter.dictionary import key_of
from farwire.gateway.diameter.peer import Send, State, dialled, leave, lose, tick
from farwire.gateway.diameter.profiles import Node, Peer
from farwire.gateway.sessions import Reason
from tests.gateway.captures import messages
from tests.gateway.test_accounting import account, acr
from tests.gateway.test_spending import SLR, STR, ask, limit, slr
from tests.gateway.test_telling import answer_to, want
from tests.gateway.world import (
    EURO,
    GRANTED,
    REQUESTED,
    SECONDS,
    SERVICES,
    USED,
    Avps,
    Gateway,
    Wire,
    ccr,
    connect,
    group,
    msisdn,
    tell_by_abort,
)

pytestmark = pytest.mark.rigs


# ---- tshark


def as_capture(octets: list[bytes], path: Path) -> None:
    """Write messages as a packet capture: one TCP segment each, from port 3868."""
    packets, sequence = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1)], 1
    for one in octets:
        tcp = struct.pack(">HHIIBBHHH", 3868, 40_000, sequence, 1, 0x50, 0x18, 65_535, 0, 0)
        ip = struct.pack(">BBHHHBBHII", 0x45, 0, 40 + len(one), 1, 0, 64, 6, 0, 0x7F000001, 0x7F000001)
        frame = bytes(12) + b"\x08\x00" + ip + tcp + one
        packets.append(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
        sequence += len(one)
    path.write_bytes(b"".join(packets))


def decoded(tshark: Path, capture: Path) -> str:
    done = subprocess.run(
        [tshark, "-r", capture, "-d", "tcp.port==3868,diameter", "-V", "-O", "diameter"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def complaints(text: str) -> list[str]:
    """Return what tshark does not understand."""
    return re.findall(r".*(?:[Mm]alformed|Unknown|Expert Info).*", text)


def of_the_connection() -> list[Message]:
    """Return the requests of ours that are about a connection, and the refusal of one that is one too many."""
    node = Node("ocs.example", "example", (), ())
    peer = Peer("pgw.test.realm", "acme", connect=("[::1]:1",))
    begun, cer = dialled(node, peer, address="::1", local="::1", tls=False, now=0, first_id=1)
    there = msgspec.structs.replace(begun, state=State.OPEN, due_at=0)
    steps = (cer, tick(node, there, 1)[1], leave(node, there, 1)[1], lose(node, there, cer[0].message)[1])  # type: ignore[union-attr]
    return [one.message for actions in steps for one in actions if isinstance(one, Send)]


async def every_answer(gateway: Gateway) -> list[Message]:
    """Return answers and requests of every sort that Farwire sends."""
    tell_by_abort(gateway.server)
    (peer,) = gateway.server.node.peers
    peer = msgspec.structs.replace(peer, uncontrolled=(900,))
    gateway.server.node = msgspec.structs.replace(gateway.server.node, peers=(peer,))
    wire = await connect(gateway.server, greet=False)
    found = [*of_the_connection(), await wire.greet()]
    wire.send(280, {}, flags=0x80, application=0)
    found.append(await wire.receive())
    found.append(await wire.ask(ccr(1, 0, group(1, requested=0), group(2, requested=0))))
    number, used = 0, found[-1].avps[SERVICES]
    while number < 30 and any(isinstance(one, dict) and GRANTED in one for one in used):
        number += 1
        reports: list[Avps] = [
            {**group(place + 1, requested=0), USED: one[GRANTED]}  # type: ignore[index,call-overload,dict-item]
            for place, one in enumerate(used) if isinstance(one, dict) and GRANTED in one
        ]  # fmt: skip
        found.append(await wire.ask(ccr(2, number, *reports)))
        used = found[-1].avps[SERVICES]
    found.append(await wire.ask(ccr(3, number + 1)))
    money: Avps = {key_of("CC-Money"): [{key_of("Unit-Value"): [{key_of("Value-Digits"): [1]}]}]}
    asked = [
        ccr(4, 0, session=f"e;{action}", Requested_Action=[action], Requested_Service_Unit=[money])
        for action in range(4)
    ]
    unknown = ccr(1, 0, session="x", Subscription_Id=[msisdn("4999")])
    seconds: Avps = {**group(1), REQUESTED: [{SECONDS: [5]}]}
    asked += [ccr(4, 0, group(7), session="m", Requested_Action=[0], Service_Context_Id=["32274@3gpp.org"])]
    asked += [ccr(1, 0, seconds, session="s"), ccr(1, 0, seconds, group(1, requested=5), session="t")]
    asked += [ccr(2, 0, session="late"), ccr(1, 0, group(900, requested=1), session="free")]
    asked += [unknown, ccr(1, 0, CC_Request_Number=[]), ccr(1, 0, Destination_Host=["x.example"])]
    found += [await wire.ask(avps) for avps in asked]
    found += [
        await account(wire, acr(1, 0, "message")),
        await account(wire, acr(2, 0, Accounting_Record_Number=[])),
    ]
    await limit(gateway, 10, "limit")
    asked_for = [slr(1), slr(0, "spend-cycle"), slr(0, "unheard-of"), slr(Subscription_Id=[]), slr()]
    found += [await ask(wire, SLR, avps) for avps in asked_for]
    found += await what_we_ask(gateway, wire)
    end = {**slr(1), key_of("Termination-Cause"): [1]}
    found.append(await ask(wire, STR, end))
    wire.send(282, {key_of("Disconnect-Cause"): [0]}, flags=0x80, application=0)
    found.append(await wire.receive())
    return found


async def what_we_ask(gateway: Gateway, wire: Wire) -> list[Message]:
    """Return a Re-Auth-Request, an Abort-Session-Request and a Spending-Status-Notification-Request."""
    command = {"client": gateway.desk.client, "account": gateway.account}
    await charging.command(**command, kind=CommandKind.TOP_UP, key="more", amount=EURO)  # type: ignore[arg-type]
    await wire.ask(ccr(1, 0, group(1, requested=0), session="pgw.test.realm;told;1"))
    found = []
    for reason, count in ((Reason.POLICY, 1), (Reason.SUSPENDED, 2)):
        await want(gateway, reason)
        telling = asyncio.create_task(gateway.telling.once())
        for _ in range(count):
            found.append(await wire.receive())
            answer_to(wire, found[-1], 2001)
        await telling
        await charging.command(**command, kind=CommandKind.BAR, key="bar", amount=1)  # type: ignore[arg-type]
    return found


async def test_tshark_reads_every_answer_without_a_complaint(
    gateway: Gateway,
    require_rig: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    tshark, answers = require_rig("tshark"), await every_answer(gateway)
    assert {result_in(one) for one in answers} >= {2001, 3002, 4003, 4012, 5002, 5004, 5005, 5030, 5031, 5570}
    assert {one.header.command for one in answers if one.header.is_request} == {
        257,
        258,
        274,
        280,
        282,
        8_388_636,
    }
    as_capture([encode(one) for one in answers], tmp_path / "answers.pcap")
    assert len(messages(tmp_path / "answers.pcap")) == len(answers)
    text = await asyncio.to_thread(decoded, tshark, tmp_path / "answers.pcap")
    assert text.count("Diameter Protocol") == len(answers)
    assert complaints(text) == []
