"""Access tokens that requests bring: who signed them, for whom, for what, until when.

Signatures: RS256, RS384, RS512 (PKCS #1 v1.5: the encoded message is made and compared, nothing is parsed) and HS256,
HS384, HS512, by keys that the profile names. Verifying has no secret but an HMAC key, whose digests are compared in
constant time. Source: RFC 7515, 7518 §3, 7519 §4.1, 8017 §8.2.2; TS 33.501 §13.4.1; TS 29.510 §6.3.5.2.4.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Final

import msgspec

from farwire.gateway.nchf.http2.messages import Request
from farwire.gateway.nchf.problems import NO_TOKEN, Cause, Problem
from farwire.gateway.nchf.profiles import MODULUS_LEAST, Key, Tokens, base64url

_NO_SCOPE: Final = Cause(403, "INSUFFICIENT_SCOPE")
_TOKEN_MOST: Final = 8_192
_DIGESTS: Final = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}
_DIGEST_INFO: Final = {
    "256": bytes.fromhex("3031300d060960864801650304020105000420"),
    "384": bytes.fromhex("3041300d060960864801650304020205000430"),
    "512": bytes.fromhex("3051300d060960864801650304020305000440"),
}
"""DigestInfo before the digest. Source: RFC 8017 §9.2, note 1."""


class _Head(msgspec.Struct, frozen=True):
    alg: str
    kid: str = ""
    crit: tuple[str, ...] = ()


class _Claims(msgspec.Struct, frozen=True):
    exp: int | float
    scope: str
    aud: str | tuple[str, ...]
    iss: str = ""
    sub: str = ""
    nbf: int | float = 0


class Checker:
    """Checks the token of a request; without ``tokens`` none is asked for."""

    def __init__(self, tokens: Tokens | None, *, instance: str, now_s: Callable[[], int]) -> None:
        """``instance``: our nfInstanceId, the audience of tokens for this one."""
        self._tokens = tokens
        self._audience = {instance.lower(), "chf"}
        self._now = now_s

    def check(self, request: Request, *, scope: str) -> None:
        """Raise ``Problem``: 401 without a token that is believed, 403 where it is for another service."""
        if self._tokens is None:
            return
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            raise _challenge(NO_TOKEN, "the request brings no access token", "")
        claims = self._believed(self._tokens, token.strip())
        if scope not in claims.scope.split():
            raise _challenge(_NO_SCOPE, "the access token is for another service", "insufficient_scope")

    def _believed(self, tokens: Tokens, token: str) -> _Claims:
        try:
            claims = _verified(tokens.keys, token)
        except (ValueError, msgspec.MsgspecError, RecursionError):
            raise _challenge(NO_TOKEN, "the access token cannot be believed", "invalid_token") from None
        now = self._now()
        audience = {claims.aud} if isinstance(claims.aud, str) else set(claims.aud)
        if not (claims.nbf - tokens.leeway_s <= now < claims.exp + tokens.leeway_s):
            raise _challenge(NO_TOKEN, "the access token is not valid now", "invalid_token")
        if not {one.lower() for one in audience} & self._audience:
            raise _challenge(NO_TOKEN, "the access token is for somebody else", "invalid_token")
        if tokens.issuers and claims.iss not in tokens.issuers:
            raise _challenge(
                NO_TOKEN, "the access token is of an issuer that is not believed", "invalid_token"
            )
        return claims


def _challenge(cause: Cause, message: str, error: str) -> Problem:
    value = f'Bearer error="{error}"' if error else "Bearer"
    return Problem(cause, message, headers=(("www-authenticate", value),))


def _verified(keys: tuple[Key, ...], token: str) -> _Claims:
    """Return what a token says. Raises ``ValueError``, ``MsgspecError``: it is none, or none of the keys signed it."""
    if len(token) > _TOKEN_MOST or token.count(".") != 2:
        raise ValueError("no JWS in compact form")
    signed, _, signature = token.rpartition(".")
    head_part, _, claims_part = signed.partition(".")
    head = msgspec.json.decode(base64url(head_part), type=_Head)
    if head.crit:
        raise ValueError("crit names what is not understood")
    given = base64url(signature)
    for key in keys:
        if head.kid and key.kid and head.kid != key.kid:
            continue
        if _signed(key, head.alg, signed.encode("ascii"), given):
            return msgspec.json.decode(base64url(claims_part), type=_Claims)
    raise ValueError("no key has signed it")


def _signed(key: Key, algorithm: str, message: bytes, signature: bytes) -> bool:
    """Tell whether ``key`` has signed. The key says which family of algorithms counts, never the token."""
    family, size = algorithm[:2], algorithm[2:]
    digest = _DIGESTS.get(size)
    if digest is None or family != ("RS" if key.kty == "RSA" else "HS"):
        return False
    if key.kty == "oct":
        secret = base64url(key.k)
        mac = hmac.new(secret, message, digest).digest()
        return len(secret) >= len(mac) and hmac.compare_digest(mac, signature)
    modulus = int.from_bytes(base64url(key.n), "big")
    octets = -(-modulus.bit_length() // 8)
    if modulus.bit_length() < MODULUS_LEAST or len(signature) != octets:
        return False
    value = int.from_bytes(signature, "big")
    if value >= modulus:
        return False
    tail = b"\0" + _DIGEST_INFO[size] + digest(message).digest()
    wanted = b"\0\1" + b"\xff" * (octets - 2 - len(tail)) + tail
    found = pow(value, int.from_bytes(base64url(key.e), "big"), modulus).to_bytes(octets, "big")
    return hmac.compare_digest(found, wanted)
