"""Access tokens that requests bring: who signed them, for whom, for what, until when.

Times are looked at with every request, by our clock; a signature once, as long as the keys are the same ones.
Source: RFC 7519 §4.1, RFC 6750 §3; TS 33.501 §13.4.1; TS 29.510 §6.3.5.2.4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import jwt
import msgspec

from farwire.gateway.nchf.http2.messages import Request
from farwire.gateway.nchf.keys import KeyRing, signed_by
from farwire.gateway.nchf.problems import NO_TOKEN, Cause, Problem
from farwire.gateway.nchf.profiles import Tokens
from farwire.kernel.errors import Invalid

_NO_SCOPE: Final = Cause(403, "INSUFFICIENT_SCOPE")
_KEPT_MOST: Final = 1_000
"""Tokens whose signature is remembered: consumers bring one for as long as it lasts."""


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
        """``instance``: our nfInstanceId, the audience of tokens for this one.

        Raises ``Invalid`` (``nchf.profiles``): the file of keys cannot be used.
        """
        self._tokens = tokens
        self._audience = {instance.lower(), "chf"}
        if tokens is not None and tokens.without_audience:
            self._audience.add("")
        self._now = now_s
        self._kept: dict[str, _Claims] = {}
        if tokens is not None:
            self._ring = _ring(tokens)

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
        now = self._now()
        claims = self._signed(token, now)
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

    def _signed(self, token: str, now: int) -> _Claims:
        if self._ring.look(now):
            self._kept.clear()
        found = self._kept.get(token)
        if found is not None:
            return found
        try:
            found = msgspec.json.decode(signed_by(self._ring.verifiers, token), type=_Claims)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise _challenge(NO_TOKEN, "the access token cannot be believed", "invalid_token") from None
        if len(self._kept) >= _KEPT_MOST:
            self._kept.clear()
        self._kept[token] = found
        return found


def _ring(tokens: Tokens) -> KeyRing:
    try:
        return KeyRing(tokens.keys, tokens.file)
    except (OSError, ValueError) as error:
        raise Invalid(
            f"the profiles cannot be used: tokens.file: {error}", code="nchf.profiles", field="tokens.file",
            fix="see docs/gateway-nchf.md",
        ) from error  # fmt: skip


def _challenge(cause: Cause, message: str, error: str) -> Problem:
    value = f'Bearer error="{error}"' if error else "Bearer"
    return Problem(cause, message, headers=(("www-authenticate", value),))
