"""Who may connect, whose traffic it is, and its manners: one TOML document, checked before anything listens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Final, Literal

import msgspec

from farwire.gateway.addresses import listen_address, remote_address, within
from farwire.gateway.profiles import Profiles

ServiceKind = Literal["data", "voice", "message", "event"]
_PROFILES: Final = Profiles("diameter")
_NAME: Final = re.compile(r"(\*\.)?[A-Za-z0-9._-]{1,250}|\*")
_NO_WORDS: Final[Mapping[str, str]] = {}
_NO_CONTEXTS: Final[Mapping[str, ServiceKind]] = {}


class Peer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One peer, or all whose name fits. The first profile that fits a connection is its own."""

    host: str
    """Its Origin-Host; "*.example.net" is every host below it, "*" every host."""
    tenant: str
    """The operator whose subscribers it asks for, by its short name."""
    realm: str = ""
    """Its Origin-Realm; empty: any."""
    addresses: tuple[str, ...] = ()
    """Addresses and networks that it connects from; none, with ``tls`` and ``authorities``: any."""
    tls: bool = False
    """Only over TLS."""
    connect: tuple[str, ...] = ()
    """Where we connect to it: hosts and ports, tried in turn. It may connect to us, too; one connection stays."""
    connections: int = 8
    """How many it may have at once."""
    pending: int = 500
    """Requests of one connection that may wait for charging; then nothing more is read."""
    failure_handling: Literal["terminate", "continue", "retry_and_terminate"] = "terminate"
    """Credit-Control-Failure-Handling that it is told: what becomes of its sessions while nobody answers."""
    debit_failure_handling: Literal["terminate_or_buffer", "continue"] = "terminate_or_buffer"
    """Direct-Debiting-Failure-Handling that it is told."""
    failover: bool = True
    """CC-Session-Failover: its sessions may go on with another server of this farm."""
    redirect: str = ""
    """Where a redirected subscriber is sent: a URL. Without it such a session is terminated instead."""
    filters: tuple[str, ...] = ()
    """Filter-Id of what a restricted subscriber may still reach. Without one such a session is terminated instead."""
    told: Literal["reauthorize", "abort", "nothing"] = "reauthorize"
    """How it hears that an account has changed: a Re-Auth-Request; an Abort-Session-Request where the account may use
    nothing more, else as before; or when its quota ends."""
    counters: tuple[str, ...] = ()
    """Policy counters that may be asked for although an account has no such limit: "spend-cycle", "roaming-day"."""
    counter_words: Mapping[str, str] = _NO_WORDS
    """What it calls the status of policy counters: { near = "80 percent" }; what is left out is called as we do."""
    unknown_avps: Literal["refuse", "ignore"] = "refuse"
    """What becomes of a request with an unknown AVP that has the M bit."""
    refuse_whole: bool = False
    """Tell it a refusal of all rating groups as the result of the whole answer: it reads no other."""
    uncontrolled: tuple[int, ...] = ()
    """Rating groups that nobody charges: the client is told so (4011), and lets them pass."""
    home_networks: tuple[str, ...] = ()
    """PLMNs (MCC and MNC, "26201") that are home: what is used there is not roaming."""
    contexts: Mapping[str, ServiceKind] = _NO_CONTEXTS
    """What its Service-Context-Ids mean, beside those of 3GPP: the id, or its end, and the kind of usage."""


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """This end: its name, where it listens, its limits, its peers."""

    identity: str
    """Our Origin-Host."""
    realm: str
    """Our Origin-Realm."""
    peers: tuple[Peer, ...]
    listen: tuple[str, ...] = ("[::]:3868", "0.0.0.0:3868")
    """Addresses and ports."""
    listen_tls: tuple[str, ...] = ()
    """The same, for TLS from the first octet (port 5658)."""
    certificate: str = ""
    private_key: str = ""
    authorities: str = ""
    """Files in PEM. With ``authorities`` a peer must show a certificate of theirs."""
    realms: tuple[str, ...] = ()
    """Realms beside our own whose requests we answer."""
    hosts: tuple[str, ...] = ()
    """Names of the other gateways before the same shards: requests to them that come here are answered here."""
    watchdog_s: int = 30
    """Tw of RFC 3539: at least 6."""
    greeting_s: int = 10
    """How long a new connection may wait with its CER, and a message with its last octet."""
    connections: int = 10_000
    """Connections of all peers at once."""
    message_octets: int = 65_536
    """The longest message that is read."""


def read_profiles(text: str) -> Node:
    """Return the node that a document describes.

    Raises ``Invalid`` (``diameter.profiles``) with the path of the field.
    """
    node = _PROFILES.read(text, Node)
    _check(node)
    return node


def _check(node: Node) -> None:
    _PROFILES.bounded(
        node,
        ("watchdog_s", 6, 3_600),
        ("greeting_s", 1, 3_600),
        ("connections", 1, 100_000),
        ("message_octets", 1_024, 1 << 20),
    )
    for field in ("identity", "realm"):
        if not _NAME.fullmatch(getattr(node, field)) or "*" in getattr(node, field):
            raise _PROFILES.wrong(field, "is no name of a host")
    for field in ("listen", "listen_tls"):
        _PROFILES.each(field, getattr(node, field), listen_address)
    if node.listen_tls and not (node.certificate and node.private_key):
        raise _PROFILES.wrong("certificate", "is missing, or private_key: TLS needs both")
    for place, peer in enumerate(node.peers):
        _check_peer(f"peers[{place}]", peer, certified=bool(node.authorities))


def _check_peer(path: str, peer: Peer, *, certified: bool) -> None:
    if not _NAME.fullmatch(peer.host):
        raise _PROFILES.wrong(f"{path}.host", "is no name of a host")
    _PROFILES.each(f"{path}.addresses", peer.addresses, ip_network)
    _PROFILES.each(f"{path}.connect", peer.connect, remote_address)
    if peer.connect and "*" in peer.host:
        raise _PROFILES.wrong(f"{path}.host", "is not one name: we can connect to one node only")
    for field in ("connections", "pending"):
        if not 1 <= getattr(peer, field) <= 10_000:
            raise _PROFILES.wrong(f"{path}.{field}", "is not from 1 to 10000")
    if not peer.addresses and not (peer.tls and certified):  # a name is no proof: whoever knows it can say it
        raise _PROFILES.wrong(
            f"{path}.addresses", "is missing: anybody could connect; name networks, or tls and authorities"
        )


def peer_of(node: Node, *, host: str, realm: str, address: str, tls: bool) -> Peer | None:
    """Return the first profile that fits a connection, or None: an unknown peer."""
    for peer in node.peers:
        if (
            _fits(peer.host, host)
            and (not peer.realm or peer.realm.lower() == realm.lower())
            and (not peer.addresses or within(peer.addresses, address))
            and (tls or not peer.tls)
        ):
            return peer
    return None


def may_connect(node: Node, *, address: str, tls: bool) -> bool:
    """Tell whether any profile fits who comes from an address, whatever its name will be."""
    return any(
        (tls or not peer.tls) and (not peer.addresses or within(peer.addresses, address))
        for peer in node.peers
    )


def _fits(pattern: str, host: str) -> bool:
    wanted, given = pattern.lower(), host.lower()
    return wanted in ("*", given) or (wanted.startswith("*.") and given.endswith(wanted[1:]))
