"""Answers: the AVPs that every answer has, and the refusals of RFC 6733 §7.2."""

from __future__ import annotations

from typing import Final

import msgspec

from farwire.gateway.diameter.codec import (
    ERROR,
    PROXIABLE,
    Avps,
    Header,
    Message,
    Refusal,
    group_of,
    number_of,
    text_of,
)
from farwire.gateway.diameter.dictionary import EXPERIMENTAL, TGPP, Result, key_of

_SESSION: Final = key_of("Session-Id")
_RESULT: Final = key_of("Result-Code")
_EXPERIMENTAL: Final = key_of("Experimental-Result")
_EXPERIMENTAL_CODE: Final = key_of("Experimental-Result-Code")
_VENDOR: Final = key_of("Vendor-Id")
_HOST: Final = key_of("Origin-Host")
_REALM: Final = key_of("Origin-Realm")
_MESSAGE: Final = key_of("Error-Message")
_FAILED: Final = key_of("Failed-AVP")
_PROXY_INFO: Final = key_of("Proxy-Info")


class Self(msgspec.Struct, frozen=True):
    """How this node names itself."""

    host: str
    realm: str


def answer(us: Self, request: Message, result: int, content: Avps | None = None) -> Message:
    """Return the answer to ``request``: Session-Id first, then the result, who answers, and ``content``.

    Protocol errors get the E bit. Proxy-Info goes back unread.
    """
    return _answer(us, request.header, request.avps, result, content or {})


def refusal(us: Self, header: Header, refused: Refusal, avps: Avps | None = None) -> Message:
    """Return the answer that tells a peer what was wrong; ``avps``: those of the request, where they were read."""
    content: Avps = {_MESSAGE: [refused.message]}
    if refused.failed:
        content[_FAILED] = [refused.failed]
    return _answer(us, header, avps or refused.read, refused.result, content)


def _answer(us: Self, header: Header, avps: Avps, result: int, content: Avps) -> Message:
    found: Avps = {}
    session = text_of(avps, _SESSION)
    if session is not None:
        found[_SESSION] = [session]
    if result in EXPERIMENTAL:
        found[_EXPERIMENTAL] = [{_VENDOR: [TGPP], _EXPERIMENTAL_CODE: [result]}]
    else:
        found[_RESULT] = [result]
    found[_HOST] = [us.host]
    found[_REALM] = [us.realm]
    found.update(content)
    if _PROXY_INFO in avps:
        found[_PROXY_INFO] = avps[_PROXY_INFO]
    error = ERROR if 3000 <= result < 4000 else 0
    back = Header(
        header.flags & PROXIABLE | error,
        header.command,
        header.application,
        header.hop_by_hop,
        header.end_to_end,
    )
    return Message(back, found)


def result_in(message: Message) -> int:
    """Return the result that an answer tells; 0 where it tells none."""
    found = number_of(message.avps, _RESULT)
    if found is None:
        found = number_of(group_of(message.avps, _EXPERIMENTAL), _EXPERIMENTAL_CODE)
    return found or 0


def missing(name: str, example: bytes) -> Refusal:
    """Return the refusal of a request without that AVP, with an example of it as Failed-AVP."""
    return Refusal(Result.MISSING_AVP, f"{name} is missing", failed=example)
