"""Where notifications may go: a consumer's own networks, and those that its profile adds."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from farwire.gateway.addresses import within
from farwire.gateway.nchf.problems import OPTIONAL_INCORRECT, Problem
from farwire.gateway.nchf.profiles import Consumer

URI_MOST = 2_000


def check_callback(uri: str, consumer: Consumer, parameter: str = "/notifyUri") -> None:
    """Raise ``Problem`` (400) for what is no http address, or leads out of the consumer's networks.

    A name is looked up, and checked, when something is sent.
    """
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    clean = (
        len(uri) <= URI_MOST
        and uri.isascii()
        and uri.isprintable()
        and " " not in uri
        and "@" not in parts.netloc
    )
    if parts.scheme not in ("http", "https") or not host or not clean or parts.fragment:
        raise Problem(OPTIONAL_INCORRECT, "is no http address", parameter=parameter)
    if is_address(host) and not may_call(consumer, host):
        raise Problem(OPTIONAL_INCORRECT, "is outside of the consumer's networks", parameter=parameter)


def is_address(host: str) -> bool:
    """Tell an IP address from a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def may_call(consumer: Consumer, address: str) -> bool:
    """Tell whether something may be sent to an address: to one of its networks; without any not to ourselves."""
    networks = (*consumer.addresses, *consumer.callbacks)
    if networks:
        return within(networks, address)
    try:
        known = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    plain = getattr(known, "ipv4_mapped", None) or known
    return not (plain.is_loopback or plain.is_link_local or plain.is_multicast or plain.is_unspecified)
