"""One connection of a peer as a state machine: greeting, watchdog, farewell. Pure: time comes in, actions go out.

A connection waits for its CER, or for the CEA where it is we who have connected, is open, and closes; in between a
watchdog tells a peer that is silent from one that is gone.
Source: RFC 6733 §5.3–§5.6, RFC 3539 §3.4.1. DEVIATES: RFC 6733 §5.6.4 because a peer may have several connections, so
that one is only elected where both ends connect; who loses is told at once, not when the other connection stands; RFC
6733 §5.3.1 because Kamailio's CER has no Host-IP-Address; RFC 3539 §3.4.1 because watchdogs have no jitter: connections
are heard from at different times.
"""

from __future__ import annotations

from enum import StrEnum
from ipaddress import ip_address
from typing import Final, TypeAlias

import msgspec

from farwire.gateway.diameter.answering import Self, answer, missing, refusal, result_in
from farwire.gateway.diameter.certificates import is_named
from farwire.gateway.diameter.codec import (
    PROXIABLE,
    REQUEST,
    RETRANSMITTED,
    Avps,
    Header,
    Message,
    Refusal,
    encode_avp,
    groups_of,
    text_of,
)
from farwire.gateway.diameter.dictionary import TGPP, Result, key_of
from farwire.gateway.diameter.profiles import Node, Peer, peer_of

CAPABILITIES, WATCHDOG, DISCONNECT = 257, 280, 282
CREDIT_CONTROL: Final = 4
ACCOUNTING: Final = 3
"""Rf, by the base protocol's accounting."""
SPENDING: Final = 16_777_302
"""Sy."""
RELAY: Final = 0xFFFFFFFF
FAREWELL_MS: Final = 5_000
"""How long the end of a connection is waited for, when it was agreed on."""
REBOOTING: Final = 0
ANOTHER: Final = "there is another connection with this peer"
_SESSION: Final = key_of("Session-Id")
_HOST: Final = key_of("Origin-Host")
_REALM: Final = key_of("Origin-Realm")
_AUTH: Final = key_of("Auth-Application-Id")
_ACCT: Final = key_of("Acct-Application-Id")
_VENDOR_APPLICATION: Final = key_of("Vendor-Specific-Application-Id")
_SECURITY: Final = key_of("Inband-Security-Id")
_NO_SECURITY: Final = 0
_NAME_MOST: Final = 255


class State(StrEnum):
    """Where a connection stands."""

    WAITING = "waiting"
    """For the CER."""
    GREETING = "greeting"
    """For the CEA: it is we who have connected."""
    OPEN = "open"
    SUSPECT = "suspect"
    """A watchdog was not answered in its time; the next one that is not ends it."""
    CLOSING = "closing"
    """DPR or DPA is sent; the other end hangs up."""
    CLOSED = "closed"


class Send(msgspec.Struct, frozen=True):
    """Send this message."""

    message: Message


class Hand(msgspec.Struct, frozen=True):
    """Give this request to the application."""

    message: Message


class Heard(msgspec.Struct, frozen=True):
    """Give this answer to who asked."""

    message: Message


class Close(msgspec.Struct, frozen=True):
    """Hang up, after what is to be sent."""

    reason: str


Action: TypeAlias = Send | Hand | Heard | Close


class Connection(msgspec.Struct, frozen=True):
    """What is known of one connection. Times are milliseconds of a clock that never goes back."""

    state: State
    address: str
    """Of the other end."""
    tls: bool
    due_at: int
    """When ``tick`` has something to do."""
    next_id: int
    """Identifies the next request of ours."""
    local: str = ""
    """Our own address, as the CEA tells it."""
    host: str = ""
    realm: str = ""
    profile: Peer | None = None
    watched: bool = False
    """A DWR is not answered yet."""
    relay: bool = False
    """It brings requests of others, and takes ours to them."""
    wanted: Peer | None = None
    """Whom we have connected to."""
    names: tuple[str, ...] | None = None
    """The hosts that its certificate names; None: it was asked for none."""


class Question(msgspec.Struct, frozen=True):
    """What we ask a client about a session of its own."""

    session: str
    application: int
    command: int
    content: Avps
    end_to_end: int
    """The same in every repeat, over whatever connection."""
    repeated: bool = False
    note: str = ""
    """What its asker keeps when it is answered."""


Step: TypeAlias = tuple[Connection, tuple[Action, ...]]


def accepted(
    node: Node,
    *,
    address: str,
    local: str,
    tls: bool,
    now: int,
    first_id: int,
    names: tuple[str, ...] | None = None,
) -> Connection:
    """Return a connection that somebody has just opened; ``names``: the hosts that its certificate names."""
    return Connection(
        State.WAITING, address, tls, now + node.greeting_s * 1_000, first_id, local=local, names=names
    )


def dialled(
    node: Node, wanted: Peer, *, address: str, local: str, tls: bool, now: int, first_id: int
) -> Step:
    """Return a connection that we have just opened, and its CER."""
    before = Connection(
        State.GREETING, address, tls, now + node.greeting_s * 1_000, first_id, local=local, wanted=wanted
    )
    cer = _request(node, before, CAPABILITIES, capabilities(local))
    return msgspec.structs.replace(before, next_id=_next(before)), (Send(cer),)


def receive(node: Node, before: Connection, message: Message, now: int) -> Step:
    """Return the connection after ``message``, and what to do."""
    header = message.header
    if before.state == State.WAITING:
        if header.command != CAPABILITIES or not header.is_request:
            return _closed(before, "it did not begin with a CER")
        return _greet(node, before, message, now)
    if before.state == State.GREETING:
        return _greeted(node, before, message, now)
    heard = _heard(node, before, now)
    if not header.is_request:
        return _on_answer(heard, message)
    if header.command == CAPABILITIES:
        return heard, (Send(answer(us(node), message, Result.SUCCESS, capabilities(before.local))),)
    if header.command == WATCHDOG:
        return heard, (Send(answer(us(node), message, Result.SUCCESS)),)
    if header.command == DISCONNECT:
        closing = msgspec.structs.replace(heard, state=State.CLOSING, due_at=now + FAREWELL_MS)
        return closing, (Send(answer(us(node), message, Result.SUCCESS)),)
    if before.state == State.CLOSING:
        busy = Refusal(Result.TOO_BUSY, "this node is going")
        return heard, (Send(refusal(us(node), header, busy, message.avps)),)
    return heard, (Hand(message),)


def tick(node: Node, before: Connection, now: int) -> Step:
    """Return the connection after the time ``now``: the watchdog, and the ends of waits."""
    if now < before.due_at or before.state == State.CLOSED:
        return before, ()
    if before.state == State.WAITING:
        return _closed(before, "its CER did not come in time")
    if before.state == State.GREETING:
        return _closed(before, "its CEA did not come in time")
    if before.state == State.CLOSING:
        return _closed(before, "it was told to hang up")
    if before.state == State.SUSPECT:
        return _closed(before, "it answers no watchdog")
    due_at = now + node.watchdog_s * 1_000
    if before.watched:
        return msgspec.structs.replace(before, state=State.SUSPECT, due_at=due_at), ()
    after = msgspec.structs.replace(before, watched=True, due_at=due_at, next_id=_next(before))
    return after, (Send(_request(node, before, WATCHDOG, {})),)


def leave(node: Node, before: Connection, now: int) -> Step:
    """Say goodbye: the peer goes to another server, and comes back when this one does."""
    if before.state in (State.WAITING, State.GREETING, State.CLOSED):
        return _closed(before, "this node is going")
    if before.state == State.CLOSING:
        return before, ()
    after = msgspec.structs.replace(
        before, state=State.CLOSING, due_at=now + FAREWELL_MS, next_id=_next(before)
    )
    content: Avps = {key_of("Disconnect-Cause"): [REBOOTING]}
    return after, (Send(_request(node, before, DISCONNECT, content)),)


def ask(node: Node, before: Connection, wanted: Question) -> tuple[Connection, Message]:
    """Return the request of ours that puts a question, and the connection that has sent it."""
    number = before.next_id
    flags = REQUEST | PROXIABLE | (RETRANSMITTED if wanted.repeated else 0)
    header = Header(flags, wanted.command, wanted.application, number, wanted.end_to_end)
    avps: Avps = {_SESSION: [wanted.session], _HOST: [node.identity], _REALM: [node.realm], **wanted.content}
    return msgspec.structs.replace(before, next_id=_next(before)), Message(header, avps)


def us(node: Node) -> Self:
    """Return how this node names itself."""
    return Self(node.identity, node.realm)


def _greet(node: Node, before: Connection, cer: Message, now: int) -> Step:
    """Answer a CER: one that does not fit gets its reason, and the connection ends."""
    try:
        host, realm = _who(cer.avps)
        profile = _profile_of(node, before, host, realm)
        relay = _check_common(cer.avps)
    except Refusal as refused:
        after, close = _closed(before, refused.message)
        return after, (Send(refusal(us(node), cer.header, refused, cer.avps)), *close)
    due_at = now + node.watchdog_s * 1_000
    after = msgspec.structs.replace(
        before, state=State.OPEN, host=host, realm=realm, profile=profile, relay=relay, due_at=due_at
    )
    return after, (Send(answer(us(node), cer, Result.SUCCESS, capabilities(before.local))),)


def _greeted(node: Node, before: Connection, cea: Message, now: int) -> Step:
    """Take the answer to our CER."""
    wanted = before.wanted
    if cea.header.command != CAPABILITIES or cea.header.is_request:
        return _closed(before, "it did not answer our CER")
    if result_in(cea) != Result.SUCCESS:
        return _closed(before, "it refused our CER")
    try:
        host, realm = _who(cea.avps)
        relay = _check_common(cea.avps)
    except Refusal as refused:
        return _closed(before, refused.message)
    if (
        wanted is None
        or host.lower() != wanted.host.lower()
        or wanted.realm.lower() not in ("", realm.lower())
    ):
        return _closed(before, "another node answered our CER")
    due_at = now + node.watchdog_s * 1_000
    after = msgspec.structs.replace(
        before, state=State.OPEN, host=host, realm=realm, profile=wanted, relay=relay, due_at=due_at
    )
    return after, ()


def wins(node: Node, host: str) -> bool:
    """Tell whether the connection that ``host`` has opened stays when we are opening one to it, too.

    Each end closes its own where its name is the later one. Source: RFC 6733 §5.6.4.
    """
    return node.identity.lower() > host.lower()


def lose(node: Node, before: Connection, greeting: Message) -> Step:
    """End a connection because there is another one with the same peer; ``greeting``: the CER or CEA that came."""
    after, close = _closed(before, ANOTHER)
    if not greeting.header.is_request:
        return after, close
    lost = Refusal(Result.ELECTION_LOST, ANOTHER)
    return after, (Send(refusal(us(node), greeting.header, lost, greeting.avps)), *close)


def _who(avps: Avps) -> tuple[str, str]:
    host, realm = text_of(avps, _HOST), text_of(avps, _REALM)
    if not host:
        raise missing("Origin-Host", encode_avp(_HOST, ""))
    if not realm:
        raise missing("Origin-Realm", encode_avp(_REALM, ""))
    for key, name in ((_HOST, host), (_REALM, realm)):
        if len(name) > _NAME_MOST or not name.isprintable():
            failed = encode_avp(key, name[:_NAME_MOST])
            raise Refusal(Result.INVALID_AVP_VALUE, "a name is no name of a host", failed=failed)
    return host, realm


def _profile_of(node: Node, connection: Connection, host: str, realm: str) -> Peer:
    found = peer_of(node, host=host, realm=realm, address=connection.address, tls=connection.tls)
    if found is None:
        raise Refusal(Result.UNKNOWN_PEER, "no profile fits this peer")
    if connection.names is not None and not is_named(connection.names, host):
        raise Refusal(Result.UNKNOWN_PEER, "its certificate is for another host")
    return found


def _check_common(avps: Avps) -> bool:
    """Refuse a peer that we have no application or no security in common with; tell whether it is a relay."""
    applications = set(avps.get(_AUTH, ()))
    for vendor in groups_of(avps, _VENDOR_APPLICATION):
        applications.update(vendor.get(_AUTH, ()), vendor.get(_ACCT, ()))
    applications.update(avps.get(_ACCT, ()))
    if not applications & {CREDIT_CONTROL, ACCOUNTING, SPENDING, RELAY}:
        raise Refusal(Result.NO_COMMON_APPLICATION, "the peer speaks no application of ours")
    offered = avps.get(_SECURITY, [_NO_SECURITY])
    if _NO_SECURITY not in offered:
        raise Refusal(Result.NO_COMMON_SECURITY, "TLS begins with the connection here, not after the CER")
    return RELAY in applications


def capabilities(local: str) -> Avps:
    """Return what a CEA says beside its result.

    Kamailio sends requests only to who names 3GPP as a supported vendor, or credit control below it. There is no
    Origin-State-Id: it would say that sessions are lost when this process begins anew, and they are not.
    """
    content: Avps = {}
    if local:
        packed = ip_address(local.partition("%")[0]).packed
        content[key_of("Host-IP-Address")] = [(b"\0\1" if len(packed) == 4 else b"\0\2") + packed]
    content[key_of("Vendor-Id")] = [0]
    content[key_of("Product-Name")] = ["Farwire"]
    content[key_of("Supported-Vendor-Id")] = [TGPP]
    content[_AUTH] = [CREDIT_CONTROL]
    content[_ACCT] = [ACCOUNTING]
    content[_VENDOR_APPLICATION] = [
        {key_of("Vendor-Id"): [TGPP], _AUTH: [application]} for application in (CREDIT_CONTROL, SPENDING)
    ]
    return content


def _heard(node: Node, before: Connection, now: int) -> Connection:
    """Any message shows that the peer is there."""
    if before.state == State.CLOSING:
        return before
    return msgspec.structs.replace(before, state=State.OPEN, due_at=now + node.watchdog_s * 1_000)


def _on_answer(heard: Connection, message: Message) -> Step:
    header = message.header
    if header.command == WATCHDOG:
        return msgspec.structs.replace(heard, watched=False), ()
    if header.command == DISCONNECT and heard.state == State.CLOSING:
        return _closed(heard, "both have said goodbye")
    return heard, (Heard(message),)


def _request(node: Node, connection: Connection, command: int, content: Avps) -> Message:
    number = connection.next_id
    avps: Avps = {_HOST: [node.identity], _REALM: [node.realm]}
    return Message(Header(REQUEST, command, 0, number, number), {**avps, **content})


def _next(connection: Connection) -> int:
    return (connection.next_id + 1) & 0xFFFFFFFF


def _closed(before: Connection, reason: str) -> Step:
    return msgspec.structs.replace(before, state=State.CLOSED), (Close(reason),)
