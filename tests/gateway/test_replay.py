"""Captured traffic of others, octet by octet as it was sent: every request of every capture has its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging import service as charging
from farwire.charging.model import CommandKind
from farwire.charging.service import IdentityKind
from farwire.gateway.diameter.codec import Header, Message, decode, decode_header
from farwire.gateway.diameter.dictionary import key_of
from farwire.gateway.diameter.profiles import Node, Peer
from farwire.kernel.ids import TenantId
from tests.charging.desk import CLERK, GO_5
from tests.gateway.captures import conversations
from tests.gateway.world import EURO, HOST, RESULT, SERVICES, Gateway, Wire, a_gateway, connect

CAPTURES: Final = {
    "pcap/kamailio_ro_ccr_iut.pcap": ("localhost", "test.realm", 1),
    "pcap/otp_gy_ccr_iut.pcap": ("ocs.test.realm", "test.realm", 1),
    "pcap/otp_via_freediameter_relay.pcap": ("ocs.test.realm", "test.realm", 2),
    "pcap/failover_T_flag_freediameter_dra.pcap": ("ocs.test.realm", "test.realm", 3),
    "cdr/pcap/ndpi-diameter.pcap": ("dgu2.comverse.com", "comverse.com", 1),
}
"""Whom they spoke to, and how many sides of connections have asked."""
ASKED: Final = {257: 7, 272: 24, 280: 3, 282: 5}
RUPEES: Final = "cdr/pcap/ndpi-diameter.pcap"
SUBSCRIBERS: Final = ("491701234567", "919080000016")


def asked(folder: Path, name: str) -> list[list[bytes]]:
    sides = conversations(folder / name)
    return [
        found for side in sides if (found := [octets for octets in side if decode_header(octets).is_request])
    ]


async def know_the_captured(gateway: Gateway) -> None:
    """Open an account for the numbers of the captures, with one euro."""
    now = gateway.clock.now()
    async with gateway.db.transaction(gateway.tenant_id) as tx:
        gateway.account = await charging.open_account(
            tx, offering=GO_5, key="captured", now=now, actor=CLERK,
            identities=[charging.Identity(IdentityKind.MSISDN, number) for number in SUBSCRIBERS],
        )  # fmt: skip
    desk = gateway.desk.client
    await charging.make_live(
        desk, db=gateway.db, tenant_id=gateway.tenant_id, account=gateway.account, now=now
    )
    await charging.command(
        desk, account=gateway.account, kind=CommandKind.TOP_UP, key="captured", amount=EURO
    )


async def replayed(gateway: Gateway, side: list[bytes]) -> list[Message]:
    wire = await connect(gateway.server, greet=False)
    if decode_header(side[0]).command != 257:
        await wire.greet(Origin_Host=decode(side[0]).avps[HOST])  # type: ignore[arg-type]
    return [await _answered(wire, octets) for octets in side]


async def _answered(wire: Wire, octets: bytes) -> Message:
    wire.writer.write(octets)
    answer = await wire.receive()
    sent = decode_header(octets)
    assert answer.header == Header(
        sent.flags & 0x40 | answer.header.flags & 0x20, sent.command, sent.application,
        sent.hop_by_hop, sent.end_to_end,
    )  # fmt: skip
    return answer


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "side"), [(name, side) for name, (_, _, sides) in CAPTURES.items() for side in range(sides)]
)
async def test_every_captured_request_is_answered(
    db: Database,
    tenant_id: TenantId,
    clock: MovableClock,
    tmp_path: Path,
    shared_data: Path,
    name: str,
    side: int,
) -> None:
    identity, realm, sides = CAPTURES[name]
    found = asked(shared_data, name)
    assert len(found) == sides
    peer = Peer("*", "nordlicht", addresses=("127.0.0.0/8",))
    node = Node(identity, realm, (peer,), ("127.0.0.1:0",))
    async with a_gateway(db, tenant_id, clock, tmp_path, node=node) as gateway:
        await know_the_captured(gateway)
        answers = await replayed(gateway, found[side])
        charged = [one for one in answers if one.header.command == 272]
        assert all(one.avps[RESULT] == [2001] for one in answers if one not in charged)
        results = [one.avps[RESULT] for one in charged]
        if name == RUPEES:
            assert results == [[5004]] * 3
            assert all(key_of("Failed-AVP") in one.avps for one in charged), "the account is kept in euros"
            return
        assert results == [[2001]] * len(charged)
        assert all(SERVICES in one.avps for one in charged[:-1])
        ended = len(charged) > 1
        assert (await gateway.held() == 0, await gateway.balance() < EURO) == (ended, ended)


@pytest.mark.shared
def test_no_captured_request_is_left_out(shared_data: Path) -> None:
    files = {path for folder in ("pcap", "cdr/pcap") for path in (shared_data / folder).glob("*.pcap")}
    of_diameter = {path for path in files if b"test.realm" in path.read_bytes() or "diameter" in path.name}
    assert of_diameter == {shared_data / name for name in CAPTURES}
    count: dict[int, int] = {}
    for name in CAPTURES:
        for octets in (one for side in asked(shared_data, name) for one in side):
            command = decode_header(octets).command
            count[command] = count.get(command, 0) + 1
    assert count == ASKED
