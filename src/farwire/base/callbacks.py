"""Addresses of other systems that something is posted to: which are refused, how a post is signed and made."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ipaddress
import socket
import ssl
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from farwire.kernel.errors import Invalid, Unavailable

MAX_CALLBACK: Final = 2000
SIGNATURE: Final = "x-farwire-signature"
POST_TIMEOUT_S: Final = 10.0


def check_callback(url: str, *, private: bool) -> None:
    """Raise ``Invalid`` (``tmf.callback``) for what is no http URL, or leads to a private address."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    clean = url.isascii() and url.isprintable() and " " not in url and "@" not in parts.netloc
    if parts.scheme not in ("http", "https") or not host or not clean or parts.fragment:
        raise Invalid(
            "the callback is not an http address", code="tmf.callback", field="$.callback", value=url[:200]
        )
    if private:
        return
    try:
        public = is_public(host)
    except ValueError:  # a name: looked up, and checked, when something is sent
        public = host != "localhost" and not host.endswith((".localhost", ".local", ".internal"))
    if not public:
        raise refused(host)


def is_public(address: str) -> bool:
    """Return whether an address is one of the public network. Raises ``ValueError`` for what is no address."""
    found = ipaddress.ip_address(address)
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return (mapped or found).is_global and not (mapped or found).is_multicast


def refused(host: str) -> Invalid:
    """Return the refusal of a callback inside the operator's network."""
    return Invalid(
        "the callback leads to a private address",
        code="tmf.callback",
        field="$.callback",
        value=host,
        fix="use a public address, or let the installation set hub_private_callbacks",
    )


def signature(secret: str, body: bytes, now: datetime) -> str:
    """Return ``t=<seconds>,v1=<hex>``: HMAC-SHA256 of ``<seconds>.<body>`` under the receiver's key."""
    seconds = int(now.timestamp())
    digest = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256)
    return f"t={seconds},v1={digest.hexdigest()}"


def post(url: str, body: bytes, signed: str, *, private: bool) -> None:
    """Post ``body`` to exactly ``url``; redirects are not followed. Blocks: call it in a thread.

    The address that was checked is the one that is connected to, so that a name cannot change in between.
    """
    parts = urlsplit(url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0]
        if not private and not is_public(str(address)):
            raise refused(host)
        connection = http.client.HTTPConnection(host, port, timeout=POST_TIMEOUT_S)
        connection.sock = socket.create_connection((str(address), port), timeout=POST_TIMEOUT_S)
        if tls:
            context = ssl.create_default_context()
            connection.sock = context.wrap_socket(connection.sock, server_hostname=host)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(
            "POST",
            target,
            body,
            {"content-type": "application/json", SIGNATURE: signed, "host": parts.netloc},
        )
        status = connection.getresponse().status
        connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(
            f"the listener does not answer: {type(error).__name__}", code="tmf.listener_away"
        ) from error
    if not 200 <= status < 300:
        raise Unavailable(f"the listener answered {status}", code="tmf.listener_refused")
