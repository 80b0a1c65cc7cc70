"""Who may ask, whose traffic it is, and its manners: one TOML document, checked before anything listens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from farwire.gateway.addresses import listen_address, within
from farwire.gateway.nchf.keys import Key, verifiers_of
from farwire.gateway.profiles import Profiles

_PROFILES: Final = Profiles("nchf")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_LEEWAY_MOST_S: Final = 300
_NO_WORDS: Final[Mapping[str, str]] = {}


class Consumer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Network functions that ask alike. The first profile that fits a connection is its own."""

    name: str
    """For logs and for people."""
    tenant: str
    """The operator whose subscribers they ask for, by its short name."""
    addresses: tuple[str, ...] = ()
    """Addresses and networks that they connect from; none, with ``tls`` and ``authorities`` or ``tokens``: any."""
    tls: bool = False
    """Only over TLS."""
    callbacks: tuple[str, ...] = ()
    """Networks that notifications may be sent to, beside ``addresses``."""
    sequence: Literal["number", "time"] = "number"
    """What tells one request of a session from the next: invocationSequenceNumber, and where it is missing the time;
    or always invocationTimeStamp, for those that send the same number again and again."""
    failure_handling: Literal["terminate", "continue", "retry_and_terminate"] = "terminate"
    """failureHandling that it is told: what becomes of its sessions while nobody answers."""
    failover: bool = True
    """sessionFailover: its sessions may go on with another instance."""
    redirect: str = ""
    """Where a redirected subscriber is sent: a URL. Without it such a session is terminated instead."""
    filters: tuple[str, ...] = ()
    """Filters of what a restricted subscriber may still reach. Without one such a session is terminated instead."""
    triggers: tuple[str, ...] = ()
    """triggerType of what shall be reported at once, told with the first answer of a session."""
    group_triggers: tuple[str, ...] = ()
    """triggerType that stand beside each quota, for those that count a quota only when its triggers say so."""
    quota_holding_s: int = 0
    """quotaHoldingTime; 0: not told."""
    refuse_whole: bool = False
    """Answer 403 where all rating groups are refused alike: it reads no result of theirs."""
    counters: tuple[str, ...] = ()
    """Policy counters that may be asked for although an account has no such limit: "spend-cycle", "roaming-day"."""
    counter_words: Mapping[str, str] = _NO_WORDS
    """What it calls the status of policy counters: { near = "80 percent" }; what is left out is called as we do."""
    home_networks: tuple[str, ...] = ()
    """PLMNs (MCC and MNC, "26201") that are home: what is used there is not roaming."""


class Tokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Access tokens (OAuth 2.0, RFC 6750, TS 33.501 §13.4) that requests must bring."""

    keys: tuple[Key, ...] = ()
    file: str = ""
    """A JSON Web Key Set with more keys, which may change while we serve."""
    issuers: tuple[str, ...] = ()
    """``iss`` that are believed: the NRFs' instance ids; none: any that the keys have signed."""
    leeway_s: int = 5
    """How much clocks may differ."""
    without_audience: bool = False
    """Believe also tokens whose ``aud`` is empty: some NRFs name nobody unless they are asked for one instance."""


class Nrf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The network repository that this function tells where it is."""

    uri: str
    """The apiRoot of the NRF."""
    addresses: tuple[str, ...]
    """Where others reach us: IP addresses."""
    port: int
    heartbeat_s: int = 10
    """Proposed; the NRF's own answer counts."""
    priority: int = 0
    capacity: int = 100
    plmns: tuple[str, ...] = ()
    """PLMNs that are served."""
    supi_ranges: tuple[tuple[str, str], ...] = ()
    """First and last IMSI of the subscribers that are served; none: all."""
    api_prefix: str = ""
    """apiPrefix of each service, for those that take it for our whole address."""
    token: bool = False
    """Ask the NRF for an access token, and send it with notifications."""


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """This end: where it listens, its limits, who may ask."""

    consumers: tuple[Consumer, ...]
    instance: str = ""
    """Our nfInstanceId, a UUID; needed with ``nrf`` and ``tokens``."""
    listen: tuple[str, ...] = ("[::]:8080", "0.0.0.0:8080")
    """Addresses and ports of HTTP/2 with prior knowledge."""
    listen_tls: tuple[str, ...] = ()
    """The same, over TLS with ALPN h2."""
    certificate: str = ""
    private_key: str = ""
    authorities: str = ""
    """Files in PEM. With ``authorities`` a consumer must show a certificate of theirs."""
    api_root: str = ""
    """Before the path in Location; empty: the scheme and authority that the request named."""
    tokens: Tokens | None = None
    nrf: Nrf | None = None
    connections: int = 10_000
    """Connections of all consumers at once."""
    streams: int = 200
    """Requests of one connection at once."""
    body_octets: int = 262_144
    """The longest body that is read."""
    header_octets: int = 16_384
    """All header fields of a request together."""
    greeting_s: int = 10
    """How long the beginning of a connection, or the rest of a request, is waited for."""
    idle_s: int = 60
    """After so long without a frame a connection is asked whether it is still there."""


def read_profiles(text: str) -> Node:
    """Return the node that a document describes.

    Raises ``Invalid`` (``nchf.profiles``) with the path of the field.
    """
    node = _PROFILES.read(text, Node)
    _check(node)
    return node


def _check(node: Node) -> None:
    _PROFILES.bounded(
        node,
        ("connections", 1, 100_000), ("streams", 1, 10_000), ("body_octets", 1_024, 1 << 24),
        ("header_octets", 1_024, 1 << 20), ("greeting_s", 1, 3_600), ("idle_s", 1, 86_400),
    )  # fmt: skip
    for field in ("listen", "listen_tls"):
        _PROFILES.each(field, getattr(node, field), listen_address)
    if node.listen_tls and not (node.certificate and node.private_key):
        raise _PROFILES.wrong("certificate", "is missing, or private_key: TLS needs both")
    if node.api_root and not _is_uri(node.api_root):
        raise _PROFILES.wrong("api_root", "is no http address")
    if (node.nrf or node.tokens) and not _UUID.fullmatch(node.instance):
        raise _PROFILES.wrong("instance", "is no UUID: the NRF and access tokens name us by it")
    if node.tokens is not None:
        _check_tokens(node.tokens)
    if node.nrf is not None:
        _check_nrf(node.nrf)
    for place, consumer in enumerate(node.consumers):
        _check_consumer(f"consumers[{place}]", consumer, proved=bool(node.authorities or node.tokens))


def _check_tokens(tokens: Tokens) -> None:
    if not tokens.keys and not tokens.file:
        raise _PROFILES.wrong("tokens.keys", "is empty, and there is no file: no token could be believed")
    if not 0 <= tokens.leeway_s <= _LEEWAY_MOST_S:
        raise _PROFILES.wrong("tokens.leeway_s", f"is not from 0 to {_LEEWAY_MOST_S}")
    _PROFILES.each("tokens.keys", tokens.keys, verifiers_of)


def _check_nrf(nrf: Nrf) -> None:
    if not _is_uri(nrf.uri):
        raise _PROFILES.wrong("nrf.uri", "is no http address")
    if not nrf.addresses:
        raise _PROFILES.wrong("nrf.addresses", "is empty: nobody could reach us")
    hosts = [f"{address}:0" if "." in address else f"[{address}]:0" for address in nrf.addresses]
    _PROFILES.each("nrf.addresses", hosts, listen_address)
    if not 0 < nrf.port < 65_536 or not 1 <= nrf.heartbeat_s <= 3_600:
        raise _PROFILES.wrong("nrf.port", "is no port, or heartbeat_s is not from 1 to 3600")


def _check_consumer(path: str, consumer: Consumer, *, proved: bool) -> None:
    for field in ("addresses", "callbacks"):
        _PROFILES.each(f"{path}.{field}", getattr(consumer, field), ip_network)
    if not consumer.addresses and not (
        consumer.tls and proved
    ):  # a server's TLS proves nothing of its client
        raise _PROFILES.wrong(
            f"{path}.addresses",
            "is missing: anybody could ask; name networks, or tls and authorities or tokens",
        )
    if not 0 <= consumer.quota_holding_s <= 86_400:
        raise _PROFILES.wrong(f"{path}.quota_holding_s", "is not from 0 to 86400")


def _is_uri(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and not text.endswith("/")
    except ValueError:
        return False


def consumer_of(node: Node, *, address: str, tls: bool) -> Consumer | None:
    """Return the first profile that fits a connection, or None: an unknown consumer."""
    for consumer in node.consumers:
        if (tls or not consumer.tls) and (not consumer.addresses or within(consumer.addresses, address)):
            return consumer
    return None
