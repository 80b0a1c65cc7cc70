"""Manners of clients that are in the field, each as the octets that it sends: none of them is refused for them."""

from __future__ import annotations

import asyncio
import struct
from typing import Final

import msgspec

from farwire.gateway.diameter.codec import Avps, Header, Message, encode, encode_avp, encode_avps
from farwire.gateway.diameter.dictionary import TGPP, key_of
from farwire.gateway.diameter.serving import put_together
from tests.gateway.test_application import granted, of_group
from tests.gateway.test_telling import left, want
from tests.gateway.world import (
    AUTH,
    CER,
    EURO,
    GRANTED,
    HOST,
    REALM,
    REQUESTED,
    RESULT,
    SECONDS,
    SERVICES,
    SESSION,
    USED,
    Gateway,
    Wire,
    a_node,
    ccr,
    connect,
    group,
    msisdn,
    running,
)

MB: Final = 10**6
CENT: Final = EURO // 100
OF_VENDOR: Final = key_of("Vendor-Specific-Application-Id")
RO: Final[Avps] = {key_of("Vendor-Id"): [TGPP], AUTH: [4]}
IN, OUT = key_of("CC-Input-Octets"), key_of("CC-Output-Octets")


async def sent(wire: Wire, header: Header, octets: bytes) -> Message:
    """Send AVPs that are octets already; return the answer."""
    wire.writer.write(framed(header, octets))
    return await wire.receive()


def framed(header: Header, octets: bytes) -> bytes:
    return struct.pack(
        ">IIIII", 1 << 24 | 20 + len(octets), header.flags << 24 | header.command, header.application,
        header.hop_by_hop, header.end_to_end,
    ) + octets  # fmt: skip


def of_3gpp(code: int, content: bytes) -> bytes:
    """Return an AVP of 3GPP with the M bit."""
    return (
        struct.pack(">III", code, 0xC0000000 | 12 + len(content), TGPP) + content + bytes(-len(content) % 4)
    )


# ---- Kamailio


def of_kamailio(type_: int, number: int, *services: Avps, called: str = "sip:4930123456@test.realm") -> Avps:
    ims: Avps = {key_of("Called-Party-Address"): [called], key_of("Role-Of-Node"): [0]}
    return ccr(
        type_, number, *services, session="scscf.test.realm;7;1", Auth_Application_Id=[],
        Vendor_Specific_Application_Id=[RO], Origin_Host=["scscf.test.realm"] * 2, Origin_Realm=["test.realm"] * 2,
        Service_Context_Id=["ext.01.001.8.32260@3gpp.org"],
        Service_Information=[{key_of("IMS-Information"): [ims]}], Multiple_Services_Indicator=[1],
    )  # fmt: skip


async def a_proxy(gateway: Gateway) -> Wire:
    """Kamailio: no Host-IP-Address, its application only below its vendor. It asks only who names 3GPP."""
    wire = await connect(gateway.server, greet=False)
    cea = await wire.greet(
        Origin_Host=["scscf.test.realm"], Auth_Application_Id=[], Host_IP_Address=[],
        Vendor_Specific_Application_Id=[RO],
    )  # fmt: skip
    assert cea.avps[RESULT] == [2001]
    assert cea.avps[key_of("Supported-Vendor-Id")] == [TGPP]
    assert RO in cea.avps[OF_VENDOR]
    return wire


async def test_kamailio_names_its_application_by_its_vendor_and_itself_twice(gateway: Gateway) -> None:
    wire = await a_proxy(gateway)
    wanted: Avps = {REQUESTED: [{SECONDS: [30]}], key_of("Rating-Group"): [100]}
    first = await wire.ask(of_kamailio(1, 0, wanted))
    assert (first.avps[RESULT], of_group(first)[GRANTED]) == ([2001], [{SECONDS: [30]}])
    used: Avps = {USED: [{SECONDS: [12]}], key_of("Rating-Group"): [100]}
    assert (await wire.ask(of_kamailio(3, 1, used))).avps[RESULT] == [2001]
    assert (await gateway.balance(), await gateway.held()) == (EURO - 12 * CENT, 0)


async def test_kamailio_ends_a_denied_session_with_nothing_used(gateway: Gateway) -> None:
    wire = await a_proxy(gateway)
    await wire.ask(ccr(4, 0, session="all", Requested_Action=[0], Requested_Service_Unit=[euros(1)]))
    wanted: Avps = {REQUESTED: [{SECONDS: [30]}], key_of("Rating-Group"): [100]}
    denied = await wire.ask(of_kamailio(1, 0, wanted))
    assert of_group(denied)[RESULT] == [4012]
    nothing: Avps = {USED: [{SECONDS: [0]}], key_of("Rating-Group"): [100]}
    for _ in range(2):
        assert (await wire.ask(of_kamailio(3, 1, nothing))).avps[RESULT] == [2001]
    stranger = of_kamailio(1, 0, wanted) | {SESSION: ["scscf.test.realm;7;2"]}
    stranger[key_of("Subscription-Id")] = [msisdn("4999")]
    for avps in (stranger, {**stranger, key_of("CC-Request-Type"): [3], key_of("CC-Request-Number"): [1]}):
        assert (await wire.ask(avps)).avps[RESULT] == [5030]
    assert (await gateway.balance(), await gateway.held()) == (0, 0)


def euros(whole: int) -> Avps:
    return {key_of("CC-Money"): [{key_of("Unit-Value"): [{key_of("Value-Digits"): [whole]}]}]}


# ---- Open5GS


def of_open5gs(type_: int, number: int, used: int) -> bytes:
    """One MSCC without Rating-Group; QoS-Information in it; both directions, and a time that data is not counted in."""
    arp = b"".join(of_3gpp(code, struct.pack(">I", 1)) for code in (1046, 1047, 1048))
    qos = b"".join(of_3gpp(code, struct.pack(">I", 9)) for code in (1028, 1040, 1041)) + of_3gpp(1034, arp)
    units: Avps = {SECONDS: [number], IN: [used // 4], OUT: [used - used // 4]}
    wanted = encode_avp(REQUESTED, {}) if type_ < 3 else b""
    service = wanted + encode_avp(USED, units) + of_3gpp(1016, qos)
    avps = ccr(
        type_, number, session="smf;1", Requested_Action=[0], AoC_Request_Type=[1], Multiple_Services_Indicator=[0],
        Service_Context_Id=["open5gs-smfd@open5gs.org"], Event_Timestamp=[1_780_000_000],
    )  # fmt: skip
    return encode_avps(avps) + encode_avp(SERVICES, service)


async def test_open5gs_has_one_service_without_rating_group_and_requested_action_everywhere(
    gateway: Gateway,
) -> None:
    wire = await connect(gateway.server)
    sizes = []
    for number, (type_, used) in enumerate(((1, 0), (2, 10 * MB), (3, 5 * MB))):
        answer = await sent(wire, Header(0xC0, 272, 4, 9, 9), of_open5gs(type_, number, used))
        assert (answer.avps[RESULT], of_group(answer)[RESULT]) == ([2001], [2001])
        assert key_of("Rating-Group") not in of_group(answer)
        sizes.append(granted(answer) if type_ < 3 else 0)
    assert min(sizes[:2]) > 0
    assert (await gateway.balance(), await gateway.held()) == (EURO - 30 * CENT, 0)


async def test_open5gs_reads_no_result_but_that_of_the_whole(gateway: Gateway) -> None:
    (peer,) = gateway.server.node.peers
    peers = (msgspec.structs.replace(peer, refuse_whole=True),)
    gateway.server.node = msgspec.structs.replace(gateway.server.node, peers=peers)
    wire = await connect(gateway.server)
    await wire.ask(ccr(4, 0, session="all", Requested_Action=[0], Requested_Service_Unit=[euros(1)]))
    answer = await sent(wire, Header(0xC0, 272, 4, 9, 9), of_open5gs(1, 0, 0))
    assert answer.avps[RESULT] == [4012]


# ---- freeDiameter


async def test_freediameter_adds_route_record_to_answers_too(gateway: Gateway) -> None:
    wire = await connect(gateway.server, greet=False)
    await wire.greet(Origin_Host=["fd.test.realm"], Auth_Application_Id=[0xFFFFFFFF])
    asked = ccr(1, 0, group(1, requested=MB), Route_Record=["pgw.test.realm"])
    assert (await wire.ask(asked)).avps[RESULT] == [2001]
    await want(gateway)
    telling = asyncio.create_task(gateway.telling.once())
    question = await wire.receive()
    header = msgspec.structs.replace(question.header, flags=0x40)
    avps: Avps = {
        SESSION: question.avps[SESSION], RESULT: [2002], HOST: ["pgw.test.realm"], REALM: ["test.realm"],
        key_of("Route-Record"): ["ocs.example", "pgw.test.realm"],
    }  # fmt: skip
    wire.writer.write(encode(Message(header, avps)))
    await telling
    assert await left(gateway) == 0


# ---- python-diameter


async def test_python_diameter_names_itself_without_the_m_bit(gateway: Gateway) -> None:
    def plain(avps: Avps) -> bytes:
        name = encode_avp(HOST, "pgw.test.realm")
        return encode_avps(avps).replace(name, name[:4] + b"\0" + name[5:])

    wire = await connect(gateway.server, greet=False)
    cea = await sent(wire, Header(0x80, 257, 0, 1, 1), plain(CER))
    assert cea.avps[RESULT] == [2001]
    answer = await sent(wire, Header(0xC0, 272, 4, 2, 2), plain(ccr(1, 0, group(1, requested=MB))))
    assert (answer.avps[RESULT], granted(answer)) == ([2001], MB)


# ---- Comverse


async def test_comverse_names_money_without_a_service(gateway: Gateway) -> None:
    """The captured session itself, where the data are: ``test_application``, ``test_replay``."""
    wire = await connect(gateway.server)
    comverse: dict[str, list[object]] = {"Service_Context_Id": ["Comverse.DCI"]}
    first = await wire.ask(ccr(1, 0, Requested_Service_Unit=[euros(1)], **comverse))
    assert (first.avps[RESULT], SERVICES in first.avps, GRANTED in first.avps) == ([2001], False, True)
    assert await gateway.held() == EURO
    ended = await wire.ask(ccr(3, 1, Used_Service_Unit=[euros(1)], **comverse))
    assert (ended.avps[RESULT], await gateway.balance(), await gateway.held()) == ([2001], 0, 0)


# ---- RFC 8506 to the letter


async def test_a_client_may_say_at_the_beginning_only_whose_session_it_is(gateway: Gateway) -> None:
    wire = await connect(gateway.server)
    await wire.ask(ccr(1, 0, group(1, requested=10 * MB)))
    update = ccr(2, 1, group(1, used=10 * MB, requested=10 * MB), Subscription_Id=[])
    assert granted(await wire.ask(update)) == 10 * MB
    await gateway.book.flush()
    parts = put_together(
        a_node(), db=gateway.db, clock=gateway.clock, operators=gateway.operators, asking=gateway.asking,
        client=gateway.desk.client,
    )  # fmt: skip
    async with running(parts.server):
        other = await connect(parts.server)
        ended = await other.ask(ccr(3, 2, group(1, used=5 * MB), Subscription_Id=[]))
        assert ended.avps[RESULT] == [2001]
        for session in ("never;begun", "a\0b"):
            asked = ccr(2, 1, group(1, used=1), session=session, Subscription_Id=[])
            assert (await other.ask(asked)).avps[RESULT] == [5030]
    assert (await gateway.balance(), await gateway.held()) == (EURO - 30 * CENT, 0)
