"""What proves who sent a packet, and hides a password: MD5 and HMAC-MD5 with the secret of both sides.

That is what RADIUS has. MD5 alone proves little today (BlastRADIUS, CVE-2024-3596); therefore Message-Authenticator is
checked wherever it stands, asked for wherever a profile does not say otherwise, and first in every answer of ours.
Source: RFC 2865 §3, §5.2, §5.3; RFC 2866 §3; RFC 3579 §3.2; RFC 5176 §2.3.
"""

from __future__ import annotations

import hmac
from hashlib import md5
from typing import Final

from farwire.gateway.radius.codec import HEADER, ZERO, Packet, Pair, encode
from farwire.gateway.radius.dictionary import Code, key_of

AUTHENTICATOR: Final = key_of("Message-Authenticator")
_OWN: Final = frozenset({Code.ACCESS_REQUEST, Code.STATUS_SERVER})
"""Packets whose authenticator is a nonce; that of the other requests is a digest."""
_FIRST: Final = (AUTHENTICATOR, ZERO)
_BLOCK: Final = 16
PASSWORD_MOST: Final = 128


def _digest(data: bytes) -> bytes:
    return md5(data, usedforsecurity=False).digest()


def _mac(secret: bytes, data: bytes) -> bytes:
    return hmac.digest(secret, data, "md5")


def is_genuine(packet: Packet, secret: bytes, nonce: bytes = ZERO) -> bool:
    """Tell whether a packet is of somebody who knows the secret, as far as it proves that.

    ``nonce``: the Request Authenticator that an answer answers. A request with a nonce of its own and without
    Message-Authenticator proves nothing, and passes.
    """
    if packet.first(AUTHENTICATOR) is not None and not _has_authenticator(packet, secret, nonce):
        return False
    if packet.code in _OWN:
        return True
    octets = packet.octets
    return hmac.compare_digest(packet.authenticator, _digest(octets[:4] + nonce + octets[HEADER:] + secret))


def _has_authenticator(packet: Packet, secret: bytes, nonce: bytes) -> bool:
    octets, at = bytearray(packet.octets), HEADER
    octets[4:HEADER] = packet.authenticator if packet.code in _OWN else nonce
    while octets[at] != AUTHENTICATOR:
        at += octets[at + 1]
    given = bytes(octets[at + 2 : at + 2 + _BLOCK])
    octets[at + 2 : at + 2 + _BLOCK] = ZERO
    return hmac.compare_digest(given, _mac(secret, bytes(octets)))


def answer_octets(request: Packet, code: int, attributes: list[Pair], secret: bytes) -> bytes:
    """Return the octets of an answer, proved by ``secret``.

    Message-Authenticator is first, but in answers to accounting, which have none (RFC 3579 §3.3).
    """
    if code == Code.ACCOUNTING_RESPONSE:
        signed = encode(code, request.identifier, request.authenticator, attributes)
    else:
        plain = encode(code, request.identifier, request.authenticator, [_FIRST, *attributes])
        signed = _signed(plain, secret)
    return signed[:4] + _digest(signed + secret) + signed[HEADER:]


def request_octets(code: int, identifier: int, attributes: list[Pair], secret: bytes) -> bytes:
    """Return the octets of a request whose authenticator is a digest: accounting, Disconnect, CoA."""
    signed = _signed(encode(code, identifier, ZERO, [_FIRST, *attributes]), secret)
    return signed[:4] + _digest(signed + secret) + signed[HEADER:]


def access_octets(code: int, identifier: int, nonce: bytes, attributes: list[Pair], secret: bytes) -> bytes:
    """Return the octets of an Access-Request or Status-Server."""
    return _signed(encode(code, identifier, nonce, [_FIRST, *attributes]), secret)


def _signed(plain: bytes, secret: bytes) -> bytes:
    """Return a packet whose first attribute is a Message-Authenticator of zeros, with the right one."""
    return plain[: HEADER + 2] + _mac(secret, plain) + plain[HEADER + 2 + _BLOCK :]


def hidden(password: bytes, secret: bytes, nonce: bytes) -> bytes:
    """Return User-Password for a password of at most 128 octets."""
    plain = password + bytes(-len(password) % _BLOCK) or ZERO
    found, before = b"", nonce
    for at in range(0, len(plain), _BLOCK):
        before = _xor(plain[at : at + _BLOCK], _digest(secret + before))
        found += before
    return found


def shown(value: bytes, secret: bytes, nonce: bytes) -> bytes | None:
    """Return the password in a User-Password, or None where it is none."""
    if not value or len(value) % _BLOCK or len(value) > PASSWORD_MOST:
        return None
    found, before = b"", nonce
    for at in range(0, len(value), _BLOCK):
        block = value[at : at + _BLOCK]
        found, before = found + _xor(block, _digest(secret + before)), block
    return found.rstrip(b"\0")


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def answers_challenge(password: bytes, value: bytes, challenge: bytes) -> bool:
    """Tell whether a CHAP-Password is that of ``password`` for ``challenge``."""
    return len(value) == 1 + _BLOCK and hmac.compare_digest(
        value[1:], _digest(value[:1] + password + challenge)
    )
